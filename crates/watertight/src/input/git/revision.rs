//! What a revision stands for, and what to say about one that stands for nothing.

use anyhow::{anyhow, bail};
use gix::revision::plumbing;
use gix::revision::spec::parse;
use watertight_core::suggest::misspelt;

use super::cause;

/// The tree of a revision.
pub(super) fn tree<'git>(git: &'git gix::Repository, rev: &str) -> anyhow::Result<gix::Tree<'git>> {
    let spec = git
        .rev_parse(rev)
        .map_err(|error| unknown(git, rev, &error))?;
    let id = match *spec {
        plumbing::Spec::Include(id) => id,
        plumbing::Spec::Merge { theirs, ours } => {
            let parted = git.merge_base(theirs, ours).ok().flatten();
            let parted = parted.map(gix::Id::detach);
            parted.ok_or_else(|| {
                anyhow!(
                    "the revisions of `{rev}` have no commit in common here{}",
                    shallow(git)
                )
            })?
        }
        _ => bail!(
            "`{rev}` is a range of revisions; name one of them, or write `A...B` for the commit \
             where both parted"
        ),
    };
    let object = git
        .find_object(id)
        .map_err(|error| super::tree::broken(git, &error))?;
    let kind = object.kind;
    object.peel_to_tree().map_err(|error| match kind {
        gix::object::Kind::Blob => {
            anyhow!("`{rev}` is a file, not a revision; write `git:REV:PATH`")
        }
        _ => super::tree::broken(git, &error),
    })
}

/// What to say about a revision that does not exist.
fn unknown(git: &gix::Repository, rev: &str, error: &gix::Error) -> anyhow::Error {
    if error.iter_errors().any(|error| {
        let error = error.downcast_ref::<parse::Error>();
        matches!(error, Some(parse::Error::AmbiguousPrefix { .. }))
    }) {
        return anyhow!("several objects begin with `{rev}`; write more of the hash");
    }
    let names = names(git);
    if names.is_empty() && git.head().is_ok_and(|head| head.is_unborn()) {
        return anyhow!("no revision `{rev}`: the repository has no commit yet");
    }
    // Of `A...B`, the one that is missing.
    if let Some((a, b)) = rev.split_once("...").or_else(|| rev.split_once("..")) {
        let mut ends = [a, b].into_iter().filter(|end| !end.is_empty());
        if let Some(missing) = ends.find(|end| git.rev_parse_single(*end).is_err()) {
            return unknown(git, missing, error);
        }
    }
    // `HEAD~3` is `HEAD` and a way from there.
    let base = rev.find(['~', '^', '@', ':']).and_then(|at| rev.get(..at));
    let base = base.filter(|base| !base.is_empty());
    if let Some(base) = base
        && git.rev_parse_single(base).is_ok()
    {
        let hint = shallow(git);
        return match hint.is_empty() {
            true => anyhow!("no revision `{rev}`: {}", cause(error)),
            false => anyhow!("no revision `{rev}`{hint}"),
        };
    }
    let missing = base.unwrap_or(rev);
    let at_remote = names.iter().find(|name| {
        let after = name.strip_suffix(missing);
        after.is_some_and(|remote| remote.ends_with('/'))
    });
    let near = at_remote
        .map(String::as_str)
        .or_else(|| misspelt(missing, names.iter().map(String::as_str)));
    match near {
        Some(near) => {
            let way = rev.strip_prefix(missing).unwrap_or_default();
            anyhow!("no revision `{rev}` (did you mean `{near}{way}`?)")
        }
        None => match shallow(git) {
            "" => anyhow!("no revision `{rev}` in this repository{}", some_of(&names)),
            hint => anyhow!("no revision `{rev}` in this repository{hint}"),
        },
    }
}

/// A few names that there are.
fn some_of(names: &[String]) -> String {
    const MOST: usize = 5;
    let shown: Vec<_> = names
        .iter()
        .take(MOST)
        .map(|name| format!("`{name}`"))
        .collect();
    match (shown.is_empty(), names.len().saturating_sub(MOST)) {
        (true, _) => String::new(),
        (false, 0) => format!("; it has {}", shown.join(", ")),
        (false, more) => format!("; it has {} and {more} more", shown.join(", ")),
    }
}

/// What to do in a clone without its history.
fn shallow(git: &gix::Repository) -> &'static str {
    if git.is_shallow().unwrap_or(false) {
        "; the clone is shallow: `git fetch --unshallow` gets the rest, and in CI `fetch-depth: 0` \
         (GitHub) or `GIT_DEPTH: 0` (GitLab)"
    } else {
        ""
    }
}

/// Branches, tags and branches of remotes, by their short names.
fn names(git: &gix::Repository) -> Vec<String> {
    let Ok(references) = git.references() else {
        return Vec::new();
    };
    let Ok(all) = references.all() else {
        return Vec::new();
    };
    let mut names: Vec<_> = all
        .filter_map(|reference| Some(reference.ok()?.name().shorten().to_string()))
        .collect();
    names.sort();
    names
}
