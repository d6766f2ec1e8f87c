//! Runs the binary in a directory of its own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot run its command fails"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory with manifests.
pub(crate) struct Project {
    directory: TempDir,
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let project = Self {
            directory: TempDir::new().unwrap(),
        };
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, None)
    }

    pub(crate) fn run_with(&self, arguments: &[&str], stdin: Option<&str>) -> Ran {
        finish(&mut self.command(".", arguments), stdin)
    }

    /// Runs in a directory of the project.
    pub(crate) fn run_in(&self, directory: &str, arguments: &[&str]) -> Ran {
        finish(&mut self.command(directory, arguments), None)
    }

    fn command(&self, directory: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
        command
            .args(arguments)
            .current_dir(self.path().join(directory))
            .env_remove("WATERTIGHT_CONFIG")
            .env_remove("WATERTIGHT_ENGINE")
            .env_remove("WATERTIGHT_COLOR")
            // Set where the tests run in a hook.
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .env("COLUMNS", "100");
        command
    }
}

pub(crate) fn finish(command: &mut Command, stdin: Option<&str>) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let text = stdin.unwrap_or_default().to_owned();
    let writer = std::thread::spawn(move || {
        let _ = pipe.write_all(text.as_bytes());
    });
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// A pod that a policy isolates in both directions and that can do nothing wrong.
pub(crate) const TIGHT: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: tight
  labels:
    pod-security.kubernetes.io/enforce: restricted
---
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: tight
  labels: {app: a}
spec:
  containers: [{name: main}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: tight
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: tight
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
    ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
";

/// A namespace whose pod nothing isolates.
pub(crate) const OPEN: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: b
  namespace: open
  labels: {app: b}
spec:
  containers: [{name: main}]
";
