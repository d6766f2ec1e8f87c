//! What other images run, as far as `verify` asks for it: the small `nc` of busybox, `agnhost`, and a name server.
//!
//! They are stand-ins that send real packets, and print and end as the real ones do. The program of the tests is
//! started again for them: `live --role nc -w 1 10.0.0.1 80`. WATERTIGHT_BUSYBOX=FILE takes the `nc` of a busybox
//! that this machine has.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// Does what a program of an image does.
pub(crate) fn role(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["nc", rest @ ..] => nc(rest),
        ["agnhost", "connect", rest @ ..] => agnhost_connect(rest),
        ["agnhost", "netexec", rest @ ..] => agnhost_netexec(rest),
        ["dns", ip] => name_server(ip),
        ["outside", file, ports @ ..] => outside(Path::new(file), ports),
        _ => Err(format!("no such program: {words:?}")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// `nc [-w SEC] HOST PORT`, and `nc -ll -p PORT -e PROGRAM ...`. It knows no `-z`, `-v`, `-n` and `-k`.
fn nc(words: &[&str]) -> Result<(), String> {
    let (mut wait, mut port, mut listens) = (Duration::from_secs(60), 0, 0);
    let mut words = words.iter();
    let mut places = Vec::new();
    let mut program: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        match *word {
            "-w" => wait = Duration::from_secs(words.next().unwrap().parse().unwrap()),
            "-p" => port = words.next().unwrap().parse().unwrap(),
            "-e" => program.extend(words.by_ref()),
            "-l" => listens += 1,
            "-ll" => listens += 2,
            other if other.starts_with('-') => {
                let letter = other.chars().nth(1).unwrap_or('-');
                return Err(format!(
                    "nc: invalid option -- '{letter}'\nBusyBox v1.36.1 multi-call binary.\n\nUsage: nc [-iN] [-wN] [-l] \
                     [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]"
                ));
            }
            other => places.push(other),
        }
    }
    if listens > 0 {
        let listener = TcpListener::bind(("::", port)).unwrap();
        let (name, arguments) = program.split_first().unwrap();
        for stream in listener.incoming().flatten() {
            let output = Command::new(name).args(arguments).output().unwrap();
            let mut stream = stream;
            // Whoever dialled may be gone.
            let _ = stream.write_all(&output.stdout);
            if listens == 1 {
                break;
            }
        }
        return Ok(());
    }
    let ip: IpAddr = places[0].parse().unwrap();
    let address = SocketAddr::new(ip, places[1].parse().unwrap());
    let mut stream = TcpStream::connect_timeout(&address, wait).map_err(|error| {
        if error.kind() == std::io::ErrorKind::TimedOut {
            return "nc: timed out".to_owned();
        }
        let words = error.to_string();
        let words = words.split(" (os").next().unwrap_or_default();
        format!("nc: can't connect to remote host ({ip}): {words}")
    })?;
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).unwrap();
    let _ = stream.write_all(&input);
    let _ = stream.shutdown(Shutdown::Write);
    // However long it takes: the time is for connecting.
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    std::io::stdout().write_all(&said).unwrap();
    Ok(())
}

/// `agnhost connect --timeout=1200ms --protocol=tcp HOST:PORT`: silent if it works, else one word.
fn agnhost_connect(words: &[&str]) -> Result<(), String> {
    let value = |name: &str| {
        let mut words = words.iter();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let timeout = value("--timeout").and_then(|text| text.strip_suffix("ms"));
    let timeout = Duration::from_millis(timeout.unwrap().parse().unwrap());
    let address: SocketAddr = words.last().unwrap().parse().unwrap();
    let word = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => "TIMEOUT".to_owned(),
        std::io::ErrorKind::ConnectionRefused => "REFUSED".to_owned(),
        _ => format!("OTHER: {error}"),
    };
    if value("--protocol") == Some("udp") {
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(any).map_err(word)?;
        socket.connect(address).map_err(word)?;
        socket.set_read_timeout(Some(timeout)).map_err(word)?;
        socket.send(b"hostname\n").map_err(word)?;
        socket.recv(&mut [0; 512]).map_err(word)?;
        return Ok(());
    }
    let stream = TcpStream::connect_timeout(&address, timeout);
    stream.map(drop).map_err(word)
}

/// `agnhost netexec --http-port=8080 --udp-port=8080`: who asks over UDP for its name is answered.
fn agnhost_netexec(words: &[&str]) -> Result<(), String> {
    let port = |name: &str| -> u16 {
        let mut words = words.iter();
        let text = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        text.unwrap().parse().unwrap()
    };
    let http = TcpListener::bind(("::", port("--http-port"))).unwrap();
    let udp = UdpSocket::bind(("::", port("--udp-port"))).unwrap();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((count, from)) = udp.recv_from(&mut question) {
            if question[..count].starts_with(b"hostname") {
                let _ = udp.send_to(b"some-pod", from);
            }
        }
    });
    // It waits for a request, which does not come.
    http.incoming().for_each(drop);
    Ok(())
}

/// Says to every question that there is no such name.
fn name_server(ip: &str) -> Result<(), String> {
    let ip: IpAddr = ip.parse().unwrap();
    let socket = UdpSocket::bind((ip, 53)).map_err(|error| error.to_string())?;
    let mut question = [0; 512];
    loop {
        let (count, from) = socket.recv_from(&mut question).unwrap();
        if count < 12 {
            continue;
        }
        let answer = &mut question[..count];
        answer[2] |= 0x80;
        answer[3] = (answer[3] & 0xf0) | 3;
        let _ = socket.send_to(answer, from);
    }
}

/// Answers callers as metadata services do, once they have asked, and writes down how many bytes each one said.
fn outside(file: &Path, ports: &[&str]) -> Result<(), String> {
    let hear = |listener: TcpListener| {
        for mut stream in listener.incoming().flatten() {
            let file = file.to_owned();
            std::thread::spawn(move || {
                stream
                    .set_read_timeout(Some(Duration::from_secs(1)))
                    .unwrap();
                let said = stream.read(&mut [0; 512]).unwrap_or(0);
                if said > 0 {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nAKIAIOSFODNN7EXAMPLE");
                }
                let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
                file.write_all(format!("{said}\n").as_bytes()).unwrap();
            });
        }
    };
    std::thread::scope(|scope| {
        for port in ports {
            let listener = TcpListener::bind(("::", port.parse().unwrap())).unwrap();
            scope.spawn(move || hear(listener));
        }
    });
    Ok(())
}

/// Directories with the programs that a pod finds, and a file with its name servers.
pub(crate) struct Tools {
    dir: tempfile::TempDir,
}

impl Tools {
    pub(crate) fn new() -> Self {
        let tools = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        tools.have("bash", &["sh", "bash", "timeout"]);
        tools.have("curl", &["sh", "curl"]);
        tools.have("nc", &["sh", "sleep"]);
        tools.have("bare", &["sh"]);
        tools.have("busybox", &["sh", "sleep", "timeout", "cat", "echo"]);
        tools.have("agnhost", &["sh", "cat"]);
        for place in ["nc", "busybox"] {
            tools.stand_in(place, "nc");
        }
        tools.stand_in("agnhost", "agnhost");
        tools
    }

    /// The directory of that name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Whether this machine has a program, so that a directory has it too.
    pub(crate) fn has(&self, name: &str, program: &str) -> bool {
        self.path(name).join(program).exists()
    }

    /// Those programs of this machine.
    fn have(&self, name: &str, programs: &[&str]) {
        let place = self.path(name);
        std::fs::create_dir(&place).unwrap();
        for program in programs {
            if let Some(found) = found(program) {
                symlink(found, place.join(program)).unwrap();
            }
        }
    }

    fn stand_in(&self, name: &str, program: &str) {
        let own = std::env::current_exe().unwrap();
        let busybox = std::env::var("WATERTIGHT_BUSYBOX").ok();
        let start = match busybox.filter(|_| program == "nc") {
            Some(busybox) => format!("'{busybox}'"),
            None => format!("'{}' --role", own.display()),
        };
        let text = format!("#!/bin/sh\nexec {start} {program} \"$@\"\n");
        let file = self.path(name).join(program);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The program behind a command of a container: the one under test for `/watertight`, what its image has for
    /// others. The name of the image is that of a directory, or of an image that `verify` knows.
    pub(crate) fn program(
        &self,
        image: &str,
        command: &[String],
        resolver: Option<IpAddr>,
    ) -> Result<Command, String> {
        let (name, arguments) = command.split_first().ok_or("no command")?;
        let file = Path::new(name).file_name().and_then(|name| name.to_str());
        if image == "scratch" && file != Some("watertight") {
            return Err(format!(
                "exec failed: unable to start container process: exec: \"{name}\": executable file not found in $PATH"
            ));
        }
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let place = self.path(image);
        let (program, arguments): (PathBuf, Vec<String>) = match (name.as_str(), image) {
            (_, _) if file == Some("watertight") => {
                (env!("CARGO_BIN_EXE_watertight").into(), arguments.to_vec())
            }
            ("/dns", _) | ("/agnhost", _) => {
                let role = ["--role".to_owned(), name.trim_start_matches('/').to_owned()];
                (own, [&role, arguments].concat())
            }
            (name, "agnhost") => {
                let own = place.join("agnhost").display().to_string();
                let arguments = arguments.iter();
                let arguments = arguments.map(|word| word.replace("/agnhost", &own));
                (name.into(), arguments.collect())
            }
            (name, _) => (name.into(), arguments.to_vec()),
        };
        let mut command = match resolver {
            None => Command::new(program),
            // Its own view of files, with its own name servers.
            Some(resolver) => {
                let file = self.path("resolv.conf");
                let text = format!("nameserver {resolver}\n");
                std::fs::write(&file, text).map_err(|error| error.to_string())?;
                let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", script]);
                command.arg(file).arg(program);
                command
            }
        };
        command.args(arguments);
        if place.is_dir() {
            command.env("PATH", place);
        }
        Ok(command)
    }
}

/// Where this machine has a program.
fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|place| place.join(program));
    places.find(|place| place.is_file())
}

/// Whether a command works here: some machines have no `unshare`.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
