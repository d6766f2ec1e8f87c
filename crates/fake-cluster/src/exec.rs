//! Exec over WebSocket (`v4.channel.k8s.io`, `v5.channel.k8s.io`): one byte names the channel of a
//! message.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::lists::Query;
use crate::runtime::{Exec, ExitStatus, Runtime};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
/// Closes another channel, since version 5.
const CLOSE: u8 = 255;

/// Answers a request to run a command in a pod.
pub(crate) fn upgrade(
    upgrade: WebSocketUpgrade,
    runtime: Arc<dyn Runtime>,
    pod: Value,
    query: &Query,
) -> Response {
    let command: Vec<_> = query.all("command").map(str::to_owned).collect();
    let container = query.get("container").unwrap_or_default().to_owned();
    upgrade
        .protocols(["v5.channel.k8s.io", "v4.channel.k8s.io"])
        .on_upgrade(move |socket| run(socket, runtime, pod, container, command))
}

async fn run(
    socket: WebSocket,
    runtime: Arc<dyn Runtime>,
    pod: Value,
    container: String,
    command: Vec<String>,
) {
    let (to_stdin, stdin) = mpsc::channel(16);
    let (stdout, mut from_stdout) = mpsc::channel::<Bytes>(16);
    let (stderr, mut from_stderr) = mpsc::channel::<Bytes>(16);
    let mut ended = tokio::spawn(runtime.exec(Exec {
        pod,
        container,
        command,
        stdin,
        stdout,
        stderr,
    }));
    let (mut out, mut input) = socket.split();
    let mut to_stdin = Some(to_stdin);
    let (mut out_open, mut err_open) = (true, true);
    let mut exit = None;
    while exit.is_none() || out_open || err_open {
        let message = tokio::select! {
            bytes = from_stdout.recv(), if out_open => {
                out_open = bytes.is_some();
                bytes.map(|bytes| framed(STDOUT, &bytes))
            }
            bytes = from_stderr.recv(), if err_open => {
                err_open = bytes.is_some();
                bytes.map(|bytes| framed(STDERR, &bytes))
            }
            status = &mut ended, if exit.is_none() => {
                exit = Some(status.unwrap_or_else(|error| ExitStatus::NotStarted(error.to_string())));
                None
            }
            message = input.next() => {
                match message {
                    Some(Ok(Message::Binary(bytes))) => match bytes.split_first() {
                        Some((&STDIN, rest)) => {
                            if let Some(sender) = &to_stdin
                                && sender.send(bytes.slice_ref(rest)).await.is_err()
                            {
                                to_stdin = None;
                            }
                        }
                        Some((&CLOSE, [STDIN])) => to_stdin = None,
                        _ => {}
                    },
                    Some(Ok(Message::Close(_)) | Err(_)) | None => {
                        // Nobody listens any more: the command goes.
                        ended.abort();
                        return;
                    }
                    Some(Ok(_)) => {}
                }
                None
            }
        };
        if let Some(message) = message
            && out.send(message).await.is_err()
        {
            ended.abort();
            return;
        }
    }
    let status = status(exit.unwrap_or(ExitStatus::Code(0)));
    // The caller may have gone.
    let _ = out.send(framed(ERROR, status.to_string().as_bytes())).await;
    let normal = CloseFrame {
        code: close_code::NORMAL,
        reason: "".into(),
    };
    let _ = out.send(Message::Close(Some(normal))).await;
}

fn framed(channel: u8, bytes: &[u8]) -> Message {
    let mut framed = Vec::with_capacity(bytes.len() + 1);
    framed.push(channel);
    framed.extend_from_slice(bytes);
    Message::Binary(framed.into())
}

fn status(exit: ExitStatus) -> Value {
    match exit {
        ExitStatus::Code(0) => json!({"metadata": {}, "status": "Success"}),
        ExitStatus::Code(code) => json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        ExitStatus::NotStarted(message) => json!({
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": "InternalError",
            "code": 500,
        }),
    }
}
