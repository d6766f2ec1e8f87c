//! `live --hold FILE [nothing]` keeps a cluster and writes its kubeconfig to FILE, until standard input ends: for
//! trying clients by hand.

use std::process::ExitCode;

use crate::cluster::{serve, workload};
use crate::runtime::{LabRuntime, Mode};

pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    let (file, mode) = match arguments {
        [file] => (file, Mode::Enforcing),
        [file, word] if word == "nothing" => (file, Mode::Nothing),
        _ => {
            eprintln!("usage: live --hold FILE [nothing]");
            return ExitCode::FAILURE;
        }
    };
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cluster = tokio.block_on(serve(LabRuntime::new(&["node-a", "node-b"], mode)));
    for app in ["web", "db"] {
        cluster.store().put(workload(app)).unwrap();
    }
    std::fs::write(file, cluster.kubeconfig("lab")).unwrap();
    eprintln!("KUBECONFIG={file} until the end of standard input");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    ExitCode::SUCCESS
}
