//! One line about the machine and the compiler, without which numbers mean little.

use std::fs;
use std::process::Command;
use std::thread;

pub(super) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let processor = fs::read_to_string("/proc/cpuinfo").ok();
    let processor = processor
        .as_deref()
        .and_then(model_name)
        .unwrap_or("unknown processor");
    let compiler = Command::new("rustc").arg("--version").output().ok();
    let compiler = compiler
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default();
    let compiler = match compiler.trim() {
        "" => "unknown rustc",
        version => version,
    };
    let plural = if cores == 1 { "" } else { "s" };
    format!("{cores} core{plural}, {processor}, {compiler}")
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::{describe, model_name};

    #[test]
    fn the_model_and_not_its_number() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 106\nmodel name\t: Some CPU: 3 GHz\n";
        assert_eq!(model_name(cpuinfo), Some("Some CPU: 3 GHz"));
        assert_eq!(model_name(""), None);
    }

    #[test]
    fn always_one_line() {
        assert_eq!(describe().lines().count(), 1);
    }
}
