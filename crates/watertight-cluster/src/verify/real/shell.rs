//! What a pod's own shell can try: a script for it, and what the tools that it finds there print.
//!
//! INVARIANT: nothing is sent to whoever answers, and a message that is not understood is an error.

use std::net::SocketAddr;
use std::time::Duration;

use super::Seen;
use crate::verify::wire::Outcome;

/// Finds a tool, and defines `try NUMBER IP PORT HOST`. No file names come in for stars and brackets (`set -f`).
/// The `nc` of small images knows neither `-z` nor when to stop: it is ended when its time to connect is over.
/// curl says at the end whether it was connected, and takes no proxy.
const PREPARED: &str = r#"set -f; has() { command -v "$1" >/dev/null 2>&1; }; if has bash && has timeout; then k=bash; elif has nc; then k=nc; elif has curl; then k=curl; else k=none; fi; try() { case $k in bash) m=$(timeout $t bash -c ": </dev/tcp/$2/$3" 2>&1); c=$?;; nc) m=$(nc -n -v -z -w $t "$2" "$3" </dev/null 2>&1); c=$?; case $m in *"invalid option"*|*"unrecognized option"*) m=$(nc -w $t "$2" "$3" </dev/null 2>&1 & p=$!; (sleep $((t+1)); kill $p) >/dev/null 2>&1 & wait $p); c=$?;; esac;; curl) m=$(curl -sSv --noproxy '*' -m $t -w ' connected %{time_connect}' "telnet://$4:$3" </dev/null 2>&1); c=$?;; *) m=; c=1;; esac; echo "$1 $k $c" $m; }; "#;

/// Why nothing was tried: there is nobody to run the script.
pub(super) const NO_SHELL: &str = "the pod has no shell";
/// Why nothing was tried: there is nothing for it to run.
pub(super) const NO_TOOL: &str = "the pod has no bash with timeout, no nc and no curl";

/// Whole seconds, since most tools know no others; rounded up.
pub(super) fn seconds(attempt: Duration) -> u64 {
    let more = u64::from(attempt.subsec_nanos() > 0);
    attempt.as_secs().saturating_add(more).max(1)
}

/// One line `NUMBER TOOL CODE MESSAGE` for each address; all are tried at once.
pub(super) fn script(addresses: &[SocketAddr], seconds: u64) -> String {
    let mut script = format!("t={seconds}; {PREPARED}");
    for (number, address) in addresses.iter().enumerate() {
        let (ip, port) = (address.ip(), address.port());
        let host = if ip.is_ipv6() {
            format!("[{ip}]")
        } else {
            ip.to_string()
        };
        script.push_str(&format!("try {number} {ip} {port} '{host}' & "));
    }
    script.push_str("wait");
    script
}

/// What that script printed, in the order of the addresses; `missing` says why there may be too little of it.
pub(super) fn read(count: usize, printed: &str, missing: &str) -> Vec<Seen> {
    let line = |number: usize| {
        let number = number.to_string();
        printed.lines().find_map(|line| {
            let mut words = line.splitn(4, ' ');
            let is_it = words.next() == Some(&*number);
            let (tool, code) = (words.next()?, words.next()?.parse::<u8>().ok()?);
            let message = words.next().unwrap_or_default().trim();
            is_it.then_some((tool, code, message))
        })
    };
    let answer = |number: usize| match line(number) {
        None => Seen::untried(without_shell(missing)),
        Some(("none", ..)) => Seen::untried(NO_TOOL.into()),
        Some((tool, code, message)) => {
            let (outcome, detail) = outcome(tool, code, message);
            Seen {
                tool: tool.to_owned(),
                outcome,
                detail: detail.to_owned(),
            }
        }
    };
    (0..count).map(answer).collect()
}

/// Container runtimes have many words for one thing.
fn without_shell(message: &str) -> String {
    let lower = message.to_ascii_lowercase();
    let has = |words: &str| lower.contains(words);
    let is_missing = (has("executable file") && has("not found"))
        || has("no such file or directory")
        || has("error finding executable");
    if is_missing {
        NO_SHELL.into()
    } else {
        message.to_owned()
    }
}

fn outcome<'m>(tool: &str, code: u8, message: &'m str) -> (Outcome, &'m str) {
    let lower = message.to_ascii_lowercase();
    let has = |words: &str| lower.contains(words);
    if tool == "curl" {
        return curl(code, message);
    }
    let outcome = match (tool, code) {
        ("nc" | "bash", 0) => Outcome::Open,
        _ if has("refused") => Outcome::Refused,
        _ if has("timed out") || has("timeout") => Outcome::Timeout,
        ("bash", 124 | 143) => Outcome::Timeout,
        // It says so when it cannot connect in its time: this one was connected, and had to be ended.
        ("nc", 143) if message.is_empty() => Outcome::Open,
        _ if has("host is unreachable") || has("no route to host") || has("not permitted") => {
            Outcome::Rejected
        }
        _ => Outcome::Error,
    };
    (outcome, message)
}

/// With telnet, curl waits for the other side once it is connected, so its code tells little.
fn curl(code: u8, message: &str) -> (Outcome, &str) {
    let (rest, connected) = message.rsplit_once(" connected ").unwrap_or((message, ""));
    if connected.contains(|c: char| matches!(c, '1'..='9')) {
        return (Outcome::Open, "");
    }
    let detail = rest.rfind("curl: (").and_then(|at| rest.get(at..));
    let detail = detail.unwrap_or(rest).trim();
    let lower = rest.to_ascii_lowercase();
    if lower.contains("connection refused") {
        (Outcome::Refused, "Connection refused")
    } else if code == 28 {
        (Outcome::Timeout, detail)
    } else if lower.contains("no route to host") || lower.contains("host is unreachable") {
        (Outcome::Rejected, "No route to host")
    } else {
        (Outcome::Error, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_say_it_each_in_its_way() {
        let outcome = |tool, code, message| super::outcome(tool, code, message).0;
        for refused in [
            "nc: connect to 10.0.0.1 port 80 (tcp) failed: Connection refused",
            "(UNKNOWN) [10.0.0.1] 80 (?) : Connection refused",
            "nc: can't connect to remote host (10.0.0.1): Connection refused",
        ] {
            assert_eq!(outcome("nc", 1, refused), Outcome::Refused);
        }
        for silent in [
            "nc: connect to 10.0.0.1 port 80 (tcp) timed out: Operation now in progress",
            "(UNKNOWN) [10.0.0.1] 80 (?) : Connection timed out",
            "nc: timed out",
        ] {
            assert_eq!(outcome("nc", 1, silent), Outcome::Timeout);
        }
        assert_eq!(
            outcome("nc", 1, "nc: invalid option -- 'z'"),
            Outcome::Error
        );
        assert_eq!(outcome("nc", 1, ""), Outcome::Error);
        assert_eq!(
            outcome("nc", 0, "10.0.0.1 (10.0.0.1:80) open"),
            Outcome::Open
        );
        assert_eq!(outcome("nc", 143, ""), Outcome::Open);
        assert_eq!(outcome("nc", 143, "nc: timed out"), Outcome::Timeout);
        assert_eq!(outcome("bash", 124, ""), Outcome::Timeout);
        assert_eq!(outcome("bash", 143, "Terminated"), Outcome::Timeout);
        assert_eq!(
            outcome("bash", 1, "bash: connect: Connection refused"),
            Outcome::Refused
        );
    }

    #[test]
    fn curl_tells_by_the_time_of_its_connection() {
        let held = "* Connected to 10.0.0.1 * Time-out curl: (28) Time-out connected 0.000126";
        assert_eq!(curl(28, held), (Outcome::Open, ""));
        let silent =
            "* Trying curl: (28) Connection timed out after 1003 milliseconds connected 0.000000";
        assert_eq!(
            curl(28, silent),
            (
                Outcome::Timeout,
                "curl: (28) Connection timed out after 1003 milliseconds"
            )
        );
        let refused = "* connect to 10.0.0.1 port 80 failed: Connection refused curl: (7) Failed to connect connected 0.000000";
        assert_eq!(curl(7, refused), (Outcome::Refused, "Connection refused"));
        let unknown =
            "curl: (1) Protocol \"telnet\" not supported or disabled in libcurl connected 0.000000";
        assert_eq!(curl(1, unknown).0, Outcome::Error);
    }

    #[test]
    fn lines_are_told_by_their_number() {
        let found = read(2, "1 nc 0 open\n", "sh: not found");
        assert_eq!(found[0].outcome, Outcome::Error);
        assert_eq!(found[0].detail, "sh: not found");
        assert_eq!(found[1].outcome, Outcome::Open);
        let none = read(1, "0 none 1\n", "");
        assert!(none[0].detail.contains("no nc"), "{none:?}");
        for missing in [
            r#"exec failed: exec: "sh": executable file not found in $PATH: unknown"#,
            "executable file `sh` not found in $PATH: No such file or directory",
        ] {
            assert!(read(1, "", missing)[0].lacks_tools(), "{missing}");
        }
        assert!(none[0].lacks_tools());
        let forbidden = "cannot run a command in pod `shop/web`: pods \"web\" is forbidden";
        assert!(!read(1, "", forbidden)[0].lacks_tools());
    }

    #[test]
    fn times_are_rounded_up_to_what_tools_know() {
        let at = |milliseconds| seconds(Duration::from_millis(milliseconds));
        assert_eq!([at(10), at(1000), at(1200), at(30_000)], [1, 1, 2, 30]);
    }

    #[test]
    fn the_script_is_one_that_a_shell_understands() {
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [open.local_addr().unwrap(), "127.0.0.1:1".parse().unwrap()];
        let output = std::process::Command::new("sh")
            .args(["-c", &script(&addresses, 1)])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let found = read(2, &printed, "nothing");
        let outcomes = [found[0].outcome, found[1].outcome];
        // Wherever there is a tool that says so.
        if found[0].tool != "none" {
            assert_eq!(
                outcomes,
                [Outcome::Open, Outcome::Refused],
                "{printed} {told}"
            );
        }
    }
}
