//! `watertight verify`: whether a cluster enforces policies, proved with packets.

mod clean;
mod real;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail};
use watertight_cluster::read::answers;
use watertight_cluster::verify::access::Access;
use watertight_cluster::verify::clean::by_hand;
use watertight_cluster::verify::image::{Image, Tool};
use watertight_cluster::verify::objects::Objects;
use watertight_cluster::verify::plan::{Options, Patience, layout, refused};
use watertight_cluster::verify::{answer, run};
use watertight_cluster::{Connection, Environment, connect};
use watertight_core::report::VerifyReport;

use crate::args::{
    Global, LiveArgs, OutputTarget, VerifyArgs, VerifyFormat, VerifyTool, VerifyVerb,
};
use crate::exit::{Exit, complain, say};
use crate::output::{one_line, verify};

pub(super) fn run(args: &VerifyArgs, global: &Global) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    match &args.verb {
        Some(VerifyVerb::Clean(args)) => runtime.block_on(clean::run(args, global)),
        None => {
            let targets = super::targets(&args.output, VerifyFormat::Text)?;
            if args.real {
                let how = real::how(args)?;
                if args.dry_run {
                    return super::print(&how.dry_run(args.namespace.as_deref()));
                }
                let report = real::run(args, &how, &runtime, global)?;
                return delivered(&targets, &report, global);
            }
            let options = options(args)?;
            if args.dry_run {
                return runtime.block_on(dry_run(args, &options));
            }
            let connection = runtime.block_on(connected(&args.live))?;
            let report = runtime.block_on(verified(connection, &options, global))?;
            let Some(report) = report else {
                return Ok(Exit::Unable);
            };
            delivered(&targets, &report, global)
        }
    }
}

fn delivered(
    targets: &[OutputTarget<VerifyFormat>],
    report: &VerifyReport,
    global: &Global,
) -> anyhow::Result<Exit> {
    super::deliver(targets, global, |format, color, out| {
        verify::render(report, format, color, super::width(), out)
    })?;
    Ok(exit(report))
}

/// A cluster, by the flags of kubectl; it answers.
async fn connected(args: &LiveArgs) -> anyhow::Result<Connection> {
    if args.snapshot.is_some() {
        bail!("a snapshot takes no packets; leave out --snapshot");
    }
    let connection = connect(&args.flags(None), &Environment::of_process())?;
    answers(&connection).await?;
    Ok(connection)
}

async fn verified(
    connection: Connection,
    options: &Options,
    global: &Global,
) -> anyhow::Result<Option<VerifyReport>> {
    let cluster = connection.context.clone();
    let quiet = global.quiet;
    let tell = move |line: &str| {
        if !quiet {
            say(&one_line(line));
        }
    };
    let by_hand = by_hand(&run::run_of(options));
    let ended = tokio::select! {
        ended = run::verify(Access::of(&connection), options, &tell, stopped(1)) => ended,
        () = stopped(2) => {
            say(&format!("stopped while removing; `{by_hand}` removes what may be left"));
            return Ok(None);
        }
    };
    for left in &ended.left_behind {
        say(&format!("note: left behind: {}", one_line(left)));
    }
    if !ended.left_behind.is_empty() {
        say(&format!("note: `{by_hand}` removes it"));
    }
    match ended.result {
        Ok(ran) => Ok(Some(answer::report(
            &cluster,
            options,
            ran,
            ended.left_behind,
        ))),
        Err(_) if ended.is_stopped => {
            let end = if ended.left_behind.is_empty() {
                "stopped; everything that was made is removed, or on its way out"
            } else {
                "stopped"
            };
            say(end);
            Ok(None)
        }
        Err(error) => {
            complain(&anyhow!("{}", one_line(&error.to_string())));
            Ok(None)
        }
    }
}

/// So many times Ctrl-C, being told to end, or the terminal gone.
async fn stopped(times: usize) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (terminate, hangup, interrupt) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
            signal(SignalKind::interrupt()),
        );
        if let (Ok(mut terminate), Ok(mut hangup), Ok(mut interrupt)) =
            (terminate, hangup, interrupt)
        {
            for _ in 0..times {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            return;
        }
    }
    for _ in 0..times {
        let _ = tokio::signal::ctrl_c().await;
    }
}

async fn dry_run(args: &VerifyArgs, options: &Options) -> anyhow::Result<Exit> {
    let nodes = match connected(&args.live).await {
        Ok(connection) => run::nodes(&Access::of(&connection))
            .await
            .map_err(|error| anyhow!("{error}")),
        Err(error) => Err(error),
    };
    let nodes = match nodes {
        Ok(nodes) => {
            if let Some(why) = refused(options, nodes.as_deref()) {
                bail!("cannot use the nodes of --node: {why}");
            }
            nodes
        }
        Err(error) => {
            say(&format!(
                "note: the cluster cannot be asked, so pods have no nodes here: {}",
                one_line(&format!("{error:#}"))
            ));
            None
        }
    };
    let layout = layout(options, nodes.as_deref());
    for note in &layout.notes {
        say(&format!("note: {}", one_line(note)));
    }
    let objects = Objects {
        options,
        owner: None,
    };
    super::print(&objects.dry_run(&layout))
}

fn options(args: &VerifyArgs) -> anyhow::Result<Options> {
    let mut image = args.image.as_deref().map_or_else(Image::own, Image::named);
    if let Some(tool) = args.tool {
        image.tool = match tool {
            VerifyTool::Watertight => Tool::Watertight,
            VerifyTool::Agnhost => Tool::Agnhost,
            VerifyTool::Busybox => Tool::Busybox,
        };
    }
    let mut internet = Vec::new();
    for name in &args.internet {
        let addresses = resolved(name)?;
        internet.extend(addresses.into_iter().map(|address| (name.clone(), address)));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Options {
        namespace: args.namespace.clone(),
        image,
        nodes: args.node.clone(),
        per_node: args.per_node,
        udp: !args.no_udp,
        sctp: !args.no_sctp,
        services: !args.no_services,
        surroundings: !args.no_surroundings,
        internet,
        patience: Patience {
            ready: args.ready,
            settle: args.settle,
            stable: args.stable,
            slow: args.slow,
            attempt: args.attempt,
            ..Patience::default()
        },
        new_pod: !args.no_new_pod,
        ..Options::new(id(), now.saturating_add(args.ttl).as_secs())
    })
}

/// One address of each family.
fn resolved(name: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let wrong = || format!("`{name}` is no target; write a host and a port, as example.org:443");
    let found: Vec<SocketAddr> = name.to_socket_addrs().with_context(wrong)?.collect();
    let v4 = found.iter().find(|address| address.is_ipv4());
    let v6 = found.iter().find(|address| address.is_ipv6());
    let addresses: Vec<SocketAddr> = v4.into_iter().chain(v6).copied().collect();
    if addresses.is_empty() {
        bail!(wrong());
    }
    Ok(addresses)
}

/// Six letters and digits that no other run has.
fn id() -> String {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    const SIGNS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut rest = RandomState::new().build_hasher().finish();
    let mut id = String::new();
    for _ in 0..6 {
        let sign = usize::try_from(rest % 32).ok().and_then(|at| SIGNS.get(at));
        id.extend(sign.map(|sign| char::from(*sign)));
        rest /= 32;
    }
    id
}

fn exit(report: &VerifyReport) -> Exit {
    match &*report.verdict {
        "enforced" if !report.left_behind.is_empty() => Exit::Unable,
        "enforced" => Exit::Clean,
        "not-enforced" => Exit::Findings,
        _ => Exit::Unable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_can_be_labels_and_names() {
        let id = id();
        assert_eq!(id.len(), 6);
        let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(id.chars().all(is_sign));
        assert_ne!(id, super::id());
    }

    #[test]
    fn a_target_outside_has_a_port() {
        assert_eq!(resolved("203.0.113.9:443").unwrap().len(), 1);
        assert!(resolved("203.0.113.9").is_err());
    }
}
