//! What is found of labs, and what is taken away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::directory::outside;
use super::*;

fn directory(name: &str) -> PathBuf {
    let name = format!("watertight-test-{}-{name}", std::process::id());
    std::env::temp_dir().join(name)
}

fn state(name: &str, holder: Process) -> State {
    let place = |name: &str, descriptor: i32| HeldPlace {
        name: name.into(),
        node: None,
        ips: vec![format!("10.0.0.{descriptor}").parse().unwrap()],
        descriptor,
    };
    let places = vec![
        place("world", 3),
        place("node-1", 7),
        place("a/web", 4),
        place("a/db", 5),
        place("b/db", 6),
    ];
    State {
        name: name.into(),
        holder,
        places,
        host_pods: BTreeMap::from([("kube-system/agent".into(), "node-1".into())]),
        dns: Vec::new(),
    }
}

#[test]
fn a_lab_is_found_while_its_process_runs_and_taken_away_after() {
    let directory = directory("found");
    let labs = Labs::at(&directory).unwrap();
    assert_eq!(
        labs.find(None).unwrap_err().to_string(),
        "no lab is up: make one with `lab up`"
    );
    let this = Process::current().unwrap();
    labs.write(&state("one", this.clone())).unwrap();
    assert_eq!(labs.find(None).unwrap().holder, this);
    assert_eq!(labs.find(Some("one")).unwrap(), state("one", this.clone()));
    let again = labs.write(&state("one", this.clone())).unwrap_err();
    assert_eq!(
        again.to_string(),
        "a lab called `one` is up already: end it with `lab down`"
    );

    // A process of the same number that was started at another time is somebody else.
    let started = this.started - 1;
    labs.write(&state("dead", Process { started, ..this }))
        .unwrap();
    fs::write(directory.join("broken.json"), "{").unwrap();
    let up: Vec<_> = labs
        .list()
        .unwrap()
        .iter()
        .map(|e| (e.name.clone(), e.is_up))
        .collect();
    assert_eq!(
        up,
        [
            ("broken".into(), false),
            ("dead".into(), false),
            ("one".into(), true)
        ]
    );
    assert!(
        labs.find(Some("dead"))
            .unwrap_err()
            .to_string()
            .contains("is gone")
    );
    assert!(
        labs.down(None)
            .unwrap_err()
            .to_string()
            .contains("broken, dead, one")
    );
    assert!(!labs.down(Some("dead")).unwrap().is_up);
    assert!(!labs.down(Some("broken")).unwrap().is_up);
    assert_eq!(
        labs.down(Some("dead")).unwrap_err().to_string(),
        "no lab is called `dead`"
    );
    labs.take_away_if_empty();
    assert!(directory.exists(), "a lab is there");
    labs.remove("one").unwrap();
    assert!(labs.list().unwrap().is_empty());
    labs.take_away_if_empty();
    assert!(!directory.exists());
    assert!(labs.list().unwrap().is_empty(), "and none is made to look");
}

#[test]
fn only_a_directory_of_ones_own_is_used() {
    let directory = directory("own");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Labs::at(&directory).unwrap_err().to_string();
    assert!(error.contains("of this user alone"), "{error}");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let link = directory.with_extension("link");
    std::os::unix::fs::symlink(&directory, &link).unwrap();
    Labs::at(&link).unwrap_err();
    let labs = Labs::at(&directory).unwrap();
    for name in ["", "../x", "a.b", &"a".repeat(41)] {
        labs.check_new(name).unwrap_err();
    }
    fs::remove_file(&link).unwrap();
    fs::remove_dir(&directory).unwrap();
}

#[test]
fn places_go_by_short_names_that_are_no_others() {
    let state = state("one", Process::current().unwrap());
    assert_eq!(state.place("a/db").unwrap().descriptor, 5);
    assert_eq!(state.place("web").unwrap().descriptor, 4);
    assert_eq!(
        state.place("db").unwrap_err().to_string(),
        "`db` is in several namespaces: say `a/db`, for one"
    );
    // A host-network pod is where its node is, and an address where its owner is.
    for name in [
        "kube-system/agent",
        "agent",
        "node:node-1",
        "node-1",
        "ip:10.0.0.7",
        "10.0.0.7",
    ] {
        assert_eq!(state.place(name).unwrap().descriptor, 7, "{name}");
    }
    let error = |name: &str| state.place(name).unwrap_err().to_string();
    assert_eq!(
        error("ip:10.0.0.8"),
        "nobody in the lab `one` has the address 10.0.0.8"
    );
    assert_eq!(
        error("xyz"),
        "nothing in the lab `one` is called `xyz`; there are world, node-1, a/web, a/db, b/db, kube-system/agent"
    );
    for (name, meant) in [
        ("a/wbe", "a/web"),
        ("wbe", "a/web"),
        ("node:node-2", "node-1"),
        ("kube-system/agnet", "kube-system/agent"),
    ] {
        assert_eq!(
            error(name),
            format!("nothing in the lab `one` is called `{name}` (did you mean `{meant}`?)")
        );
    }
}

#[test]
fn the_user_outside_is_read_from_the_map() {
    assert_eq!(outside("         0       1000          1\n", 0), Some(1000));
    assert_eq!(outside("0 0 4294967295\n", 7), Some(7));
    assert_eq!(outside("0 1000 1\n1 100000 65536\n", 5), Some(100_004));
    assert_eq!(outside("0 1000 1\n", 1), None);
}
