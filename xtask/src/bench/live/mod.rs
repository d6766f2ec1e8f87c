//! `cargo xtask bench --live`: what it costs to read a large cluster through its API.
//!
//! The API server is one in memory, in a process of its own, so that what the program holds is the program's.

mod world;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use fake_cluster::{FakeCluster, NoRuntime, Options};

use super::measure::Job;
use super::table::Table;
use super::{BenchArgs, build, machine, progress, usage};

/// Serve a synthetic cluster until standard input ends
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The number of its pods
    #[arg(long, default_value_t = 1000)]
    pods: usize,
}

/// The hidden subcommand under which `main` calls [`serve`].
const SERVE_COMMAND: &str = "bench-serve";

/// Serves, and prints the address and the bytes of all pods.
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    runtime.block_on(async {
        let nobody = Arc::new(NoRuntime::default());
        let cluster = FakeCluster::start(Options::default(), nobody).await?;
        let bytes = world::fill(cluster.store(), args.pods)?;
        let mut out = io::stdout();
        writeln!(out, "{} {bytes}", cluster.url())?;
        out.flush()?;
        // Whoever wants it holds the other end.
        let until_nobody_does = || io::copy(&mut io::stdin(), &mut io::sink());
        tokio::task::spawn_blocking(until_nobody_does).await??;
        Ok(())
    })
}

/// A server in a process of its own.
struct Server {
    url: String,
    bytes: u64,
    /// While this is open it serves.
    stdin: Option<ChildStdin>,
    child: Child,
}

impl Server {
    fn start(this_program: &Path, pods: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(this_program)
            .args([SERVE_COMMAND, "--pods", &pods.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a server")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let told = line.trim().split_once(' ');
        let told = told.and_then(|(url, bytes)| Some((url.to_owned(), bytes.parse().ok()?)));
        let (url, bytes) = told.context("the server did not start")?;
        Ok(Self {
            url,
            bytes,
            stdin: child.stdin.take(),
            child,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// What is measured: its name and its arguments.
const COMMANDS: &[(&str, &[&str])] = &[
    ("snapshot save", &["snapshot", "save", "-"]),
    ("check --live", &["check", "-o", "concise"]),
];

pub(super) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let product: PathBuf = match &args.binary {
        Some(path) => path.clone(),
        None => build::release_binary()?,
    };
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let mut rows = Vec::new();
    for &pods in &args.pods {
        progress(&format!("making a cluster of {pods} pods"))?;
        let server = Server::start(&this, pods)?;
        for (name, arguments) in COMMANDS {
            progress(&format!("{name}: {pods} pods"))?;
            let mut words: Vec<_> = arguments.iter().map(Into::into).collect();
            words.extend(["--server".into(), server.url.clone().into()]);
            let job = Job {
                program: product.clone(),
                args: words,
                success: vec![0, 1],
            };
            let begun = Instant::now();
            let peak = usage::peak_of(&job, &this)?;
            let seconds = begun.elapsed().as_secs_f64();
            let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
            rows.push(vec![
                (*name).to_owned(),
                pods.to_string(),
                mib(server.bytes),
                format!("{seconds:.1}"),
                peak.map_or("-".to_owned(), mib),
            ]);
        }
    }
    let table = Table {
        texts: 1,
        header: vec![
            "command",
            "pods",
            "pods in answers MiB",
            "wall s",
            "peak MiB",
        ],
        rows,
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n", machine::describe())?;
    writeln!(out, "{}", table.render(args.markdown))?;
    if cfg!(debug_assertions) {
        progress("the server is a debug build: it may be what the time is spent on")?;
    }
    Ok(())
}
