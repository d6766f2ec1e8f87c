//! Builds the program to measure and finds out where cargo put it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

const PROGRAM: &str = "watertight";

pub(super) fn release_binary() -> anyhow::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", PROGRAM, "--bin", PROGRAM])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "cannot build `{PROGRAM}`");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .find_map(executable)
        .context("cargo did not say where the program is")
}

/// The path in cargo's message about a finished program.
fn executable(message: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        target: Target,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let message: Message = serde_json::from_str(message).ok()?;
    message
        .executable
        .filter(|_| message.target.name == PROGRAM)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::executable;

    #[test]
    fn only_the_program_counts() {
        let program = r#"{"reason":"compiler-artifact","target":{"name":"watertight"},"executable":"/t/watertight"}"#;
        assert_eq!(
            executable(program).as_deref(),
            Some(Path::new("/t/watertight"))
        );
        let library =
            r#"{"reason":"compiler-artifact","target":{"name":"watertight"},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(executable("not JSON"), None);
    }
}
