//! A command in a container: a process in its namespace, with its streams.

use fake_cluster::Exec;
use std::process::{Command, Stdio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use watertight_node::sys::Namespace;

/// Runs a program in a namespace for whoever asked for it, until it ends or they go; its exit code.
pub(crate) async fn run(
    mut program: Command,
    namespace: Namespace,
    mut exec: Exec,
) -> Result<i32, String> {
    program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut program = tokio::process::Command::from(program);
    program.kill_on_drop(true);
    let tokio = tokio::runtime::Handle::current();
    let spawned = namespace.run(|| {
        let _inside = tokio.enter();
        program.spawn()
    });
    let mut child = spawned
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let (mut stdin, mut stdout, mut stderr) = (
        child.stdin.take(),
        child.stdout.take().unwrap(),
        child.stderr.take().unwrap(),
    );
    let out = async {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stdout.read(&mut bytes).await {
            if exec
                .stdout
                .send(bytes[..count].to_vec().into())
                .await
                .is_err()
            {
                break;
            }
        }
    };
    let err = async {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stderr.read(&mut bytes).await {
            if exec
                .stderr
                .send(bytes[..count].to_vec().into())
                .await
                .is_err()
            {
                break;
            }
        }
    };
    let input = async {
        while let Some(bytes) = exec.stdin.recv().await {
            let Some(stdin) = &mut stdin else { break };
            if stdin.write_all(&bytes).await.is_err() {
                break;
            }
        }
        stdin = None;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = futures::future::join(out, err) => {}
        () = input => {}
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    Ok(status.code().unwrap_or(137))
}
