//! Who runs the pods.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Bytes;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::Store;

/// A command in a container, as exec asks for it.
#[derive(Debug)]
pub struct Exec {
    /// The pod.
    pub pod: Value,
    /// The container; empty for the first one.
    pub container: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What the caller writes; closed at its end, or when the caller goes away.
    pub stdin: mpsc::Receiver<Bytes>,
    /// Where output goes. An error means that nobody listens any more.
    pub stdout: mpsc::Sender<Bytes>,
    /// Where errors go.
    pub stderr: mpsc::Sender<Bytes>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// It could not be started.
    NotStarted(String),
}

/// Runs pods: gives them addresses, runs commands in them, follows policies and Services.
pub trait Runtime: Send + Sync + 'static {
    /// A pod was scheduled; its addresses, or why it cannot start. May block. May be asked again for
    /// a pod that could not start.
    fn start(&self, pod: &Value) -> Result<Vec<IpAddr>, String>;

    /// A pod is gone. May block.
    fn stop(&self, pod: &Value);

    /// Some object changed. Called by one thread at a time; may block.
    fn sync(&self, store: &Store);

    /// Runs a command.
    fn exec(&self, exec: Exec) -> BoxFuture<'static, ExitStatus>;

    /// What a pod has written.
    fn logs(&self, _pod: &Value) -> String {
        String::new()
    }
}

/// Pods have addresses, and that is all.
#[derive(Debug, Default)]
pub struct NoRuntime {
    next: AtomicU32,
}

impl Runtime for NoRuntime {
    fn start(&self, _pod: &Value) -> Result<Vec<IpAddr>, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let [.., high, low] = number.to_be_bytes();
        Ok(vec![IpAddr::from([10, 244, high, low])])
    }

    fn stop(&self, _pod: &Value) {}

    fn sync(&self, _store: &Store) {}

    fn exec(&self, _exec: Exec) -> BoxFuture<'static, ExitStatus> {
        Box::pin(async { ExitStatus::NotStarted("nothing runs here".to_owned()) })
    }
}
