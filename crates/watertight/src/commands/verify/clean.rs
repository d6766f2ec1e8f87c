//! `watertight verify clean`: what earlier runs have left.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use watertight_cluster::verify::access::Access;
use watertight_cluster::verify::clean::{Run, has_expired, remove, runs};
use watertight_core::rules::count;

use crate::args::{Global, VerifyCleanArgs};
use crate::exit::{Exit, say};
use crate::output::one_line;

pub(super) async fn run(args: &VerifyCleanArgs, global: &Global) -> anyhow::Result<Exit> {
    let access = Access::of(&super::connected(&args.live).await?);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = now.as_secs();
    let found = runs(&access, args.namespace.as_deref()).await;
    let found = found.map_err(|error| anyhow!("{error}"))?;
    let (mut removed, mut kept, mut failed) = (0, 0, 0);
    for run in &found {
        if !args.all && !has_expired(run, now) {
            say(&under_way(run, now));
            kept += 1;
            continue;
        }
        let left = remove(&access, run).await;
        if left.is_empty() {
            removed += 1;
        } else {
            failed += 1;
        }
        for left in left {
            say(&format!("note: left behind: {}", one_line(&left)));
        }
    }
    if !global.quiet {
        let kept = match kept {
            0 => String::new(),
            kept => format!(", {kept} kept"),
        };
        super::super::print(&format!("{} removed{kept}\n", count(removed, "run")))?;
    }
    Ok(if failed == 0 {
        Exit::Clean
    } else {
        Exit::Unable
    })
}

/// What somebody else may need is not what this command is to remove: it is named, and no failure.
fn under_way(run: &Run, now: u64) -> String {
    let minutes = run.expires.unwrap_or(now).saturating_sub(now).div_ceil(60);
    format!(
        "run {} in namespace {} may still be under way, for {} at most; --all removes it now",
        one_line(&run.id),
        one_line(&run.namespace),
        count(usize::try_from(minutes).unwrap_or(usize::MAX), "minute")
    )
}
