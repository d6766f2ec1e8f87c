//! Labs that another process holds in the background, with root and without.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use watertight_node::lab::holder::{Holder, start};
use watertight_node::lab::state::Labs;
use watertight_node::lab::{Cluster, Plan};
use watertight_node::sys::privileges;
use watertight_node::sys::process::Process;

use crate::lab::{SHOP, connect, devices, options, serve, world};
use crate::{Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "held::a_held_lab_is_entered_and_ended_by_others",
        run: a_held_lab_is_entered_and_ended_by_others,
    },
    Test {
        name: "held::nothing_is_left_of_a_holder_that_is_killed",
        run: nothing_is_left_of_a_holder_that_is_killed,
    },
    Test {
        name: "held::a_lab_that_cannot_be_says_so",
        run: a_lab_that_cannot_be_says_so,
    },
    Test {
        name: "held::no_root_is_needed",
        run: no_root_is_needed,
    },
    Test {
        name: "held::without_root_a_lab_is_entered_from_outside",
        run: a_lab_without_root_is_entered_from_outside,
    },
    Test {
        name: "held::what_is_missing_is_said_and_can_be_made_a_failure",
        run: what_is_missing_is_said_and_can_be_made_a_failure,
    },
];

/// What tests need a process of its own for: `hold DIRECTORY NAME` holds a lab in the background, `enter` shows
/// the devices of one of its pods, `down` ends it.
pub(crate) fn role(arguments: &[String]) -> ExitCode {
    let hold = |directory: &str, name: &str| -> Result<(), Box<dyn std::error::Error>> {
        let holder = Holder::begin(Labs::at(directory)?, name)?;
        privileges::acquire()?;
        let mut world = world(SHOP);
        let plan = Plan::new(&mut world, &options())?;
        let cluster = Cluster::up(&plan, &|_, _, _| {})?;
        holder.hold(&plan, &cluster)?;
        Ok(())
    };
    let enter = |directory: &str, name: &str| -> Result<(), Box<dyn std::error::Error>> {
        let state = Labs::at(directory)?.find(Some(name))?;
        if let Some(user) = state.user_namespace()? {
            user.enter()?;
        }
        state.namespace(state.place("web")?)?.enter()?;
        println!("{}", devices().join(" "));
        Ok(())
    };
    let down = |directory: &str, name: &str| -> Result<(), Box<dyn std::error::Error>> {
        println!("{}", Labs::at(directory)?.down(Some(name))?.is_up);
        Ok(())
    };
    let done = match arguments {
        [verb, directory, name] if verb == "hold" => hold(directory, name),
        [verb, directory, name] if verb == "enter" => enter(directory, name),
        [verb, directory, name] if verb == "down" => down(directory, name),
        _ => Err("no such role".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A directory for labs of one test.
fn directory(name: &str) -> PathBuf {
    let name = format!("watertight-packets-{}-{name}", std::process::id());
    std::env::temp_dir().join(name)
}

fn hold(directory: &Path, name: &str) -> Result<(), watertight_node::lab::Error> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--role", "held", "hold"])
        .arg(directory)
        .arg(name);
    start(&mut command)
}

fn a_held_lab_is_entered_and_ended_by_others() -> Outcome {
    let directory = directory("held");
    let labs = Labs::at(&directory).unwrap();
    hold(&directory, "one").unwrap();
    let again = hold(&directory, "one").unwrap_err().to_string();
    assert_eq!(
        again,
        "a lab called `one` is up already: end it with `lab down`"
    );
    let state = labs.find(None).unwrap();
    assert!(
        state.user_namespace().unwrap().is_none(),
        "one that this process is in"
    );
    let web = state.namespace(state.place("web").unwrap()).unwrap();
    let api = state.place("shop/api").unwrap();
    serve(&state.namespace(api).unwrap(), 80);
    for ip in &api.ips {
        connect(&web, SocketAddr::new(*ip, 80)).unwrap();
    }
    assert!(labs.down(Some("one")).unwrap().is_up);
    assert_eq!(Process::find(state.holder.pid).unwrap(), None);
    assert!(labs.list().unwrap().is_empty());
    std::fs::remove_dir(&directory).unwrap();
    Outcome::Passed
}

fn nothing_is_left_of_a_holder_that_is_killed() -> Outcome {
    let before = devices();
    let directory = directory("killed");
    let labs = Labs::at(&directory).unwrap();
    hold(&directory, "one").unwrap();
    let state = labs.find(None).unwrap();
    let pid = state.holder.pid.to_string();
    let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert!(killed.success());
    while state.is_up().unwrap() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // No process is in its namespaces, no descriptor is open, so the kernel takes them away.
    let web = state.place("web").unwrap();
    assert!(
        state
            .namespace(web)
            .unwrap_err()
            .to_string()
            .contains("is gone")
    );
    assert!(!labs.list().unwrap()[0].is_up);
    assert_eq!(devices(), before);
    // A new one takes the name, and what is left of the old one.
    hold(&directory, "one").unwrap();
    assert!(labs.down(None).unwrap().is_up);
    assert!(labs.list().unwrap().is_empty());
    std::fs::remove_dir(&directory).unwrap();
    Outcome::Passed
}

fn a_lab_that_cannot_be_says_so() -> Outcome {
    let directory = directory("refused");
    Labs::at(&directory).unwrap();
    let error = hold(&directory, "a/b").unwrap_err().to_string();
    assert!(error.contains("cannot be the name of a lab"), "{error}");
    let mut command = Command::new(std::env::current_exe().unwrap());
    let error = start(command.args(["--role", "held", "nothing"])).unwrap_err();
    assert_eq!(error.to_string(), "no such role");
    std::fs::remove_dir(&directory).unwrap();
    Outcome::Passed
}

/// This program for others to read, and a way to run it as somebody who is nobody; or what to say where there
/// is none.
fn as_nobody() -> Result<(PathBuf, impl Fn(&Path) -> Command), Outcome> {
    // Every user is mapped for root of the machine. Without it, the other tests have shown already that a
    // lab needs none, and nobody can be anybody else.
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    if !map.split_ascii_whitespace().eq(["0", "0", "4294967295"]) {
        return Err(Outcome::Passed);
    }
    let found = Command::new("setpriv").arg("--version").output();
    if found.is_err() {
        let reason = "there is no `setpriv` to give up root with";
        return Err(Outcome::Skipped(reason.into()));
    }
    let program = directory("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let command = |program: &Path| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(["--inh-caps=-all", "--bounding-set=-all"])
            .arg(program)
            .current_dir("/");
        command
    };
    Ok((program, command))
}

/// The other tests once more.
fn no_root_is_needed() -> Outcome {
    let (program, nobody) = match as_nobody() {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let tests = [
        "lab::everybody",
        "lab::services",
        "held::a_held",
        "lab::nothing",
    ];
    let output = nobody(&program).args(tests).output().unwrap();
    std::fs::remove_file(&program).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some((_, reason)) = text.split_once("skipped: ") {
        let reason = reason.lines().next().unwrap_or_default();
        return Outcome::Skipped(reason.to_owned());
    }
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("4 passed, 0 failed, 0 skipped"), "{text}");
    Outcome::Passed
}

/// Who enters a lab of a user namespace was never in that namespace before.
fn a_lab_without_root_is_entered_from_outside() -> Outcome {
    let (program, nobody) = match as_nobody() {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let directory = directory("nobody");
    Labs::at(&directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(65534), Some(65534)).unwrap();
    let role = |verb: &str| {
        let mut command = nobody(&program);
        command
            .args(["--role", "held", verb])
            .arg(&directory)
            .arg("one");
        command
    };
    let held = start(&mut role("hold"));
    let done = held.map(|()| {
        let [inside, down] = ["enter", "down"].map(|verb| role(verb).output().unwrap());
        (inside, down)
    });
    std::fs::remove_file(&program).unwrap();
    std::fs::remove_dir(&directory).unwrap();
    let (inside, down) = match done {
        Ok(done) => done,
        Err(error) if error.to_string().contains("user namespace") => {
            return Outcome::Skipped(error.to_string());
        }
        Err(error) => panic!("{error}"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(inside.status.success(), "{}", text(&inside.stderr));
    assert!(
        text(&inside.stdout).contains("eth0"),
        "{}",
        text(&inside.stdout)
    );
    assert_eq!(text(&down.stdout).trim(), "true", "{}", text(&down.stderr));
    Outcome::Passed
}

/// In a user namespace that allows no other one, without its privileges.
fn what_is_missing_is_said_and_can_be_made_a_failure() -> Outcome {
    let run = |required: &str| {
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                      exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" held::a_lab";
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "sh", "-c", script])
            .arg(std::env::current_exe().unwrap())
            .env("WATERTIGHT_REQUIRE_PACKETS", required);
        command.output()
    };
    let Ok(output) = run("0") else {
        return Outcome::Skipped("there is no `unshare` to try it with".into());
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = "skipped: without root the lab needs user namespaces, and the sysctl \
                user.max_user_namespaces is 0";
    assert!(text.contains(said), "{text}");
    assert!(text.contains("0 passed, 0 failed, 1 skipped"), "{text}");
    assert!(!run("1").unwrap().status.success());
    Outcome::Passed
}
