//! From files to the world, to two worlds, or to a world with hints.

use std::sync::atomic::AtomicU64;

use super::hinted::Hinted;
use super::part::{Gatherer, Part};
use super::preview::Preview;
use super::{Assume, merge};
use crate::diag::Finding;
use crate::manifest::{self, Belongs, Gather as _, Hint, Loaded, Object, Options};
use crate::parallel::both;
use crate::source::{FileId, Sources, Span};
use crate::world::World;

/// Reads all files and builds the world, as `manifest::load_with` and [`build`] do, without ever
/// holding all objects as they are written: those that come back are none. The findings are those
/// of reading and then of building.
#[must_use]
pub fn read<'s>(
    sources: &'s Sources,
    options: &Options,
    assume: &Assume,
    progress: Option<&AtomicU64>,
) -> (World, Loaded<'s>) {
    let (mut loaded, parts) = manifest::gather::<Gatherer<'s>>(sources, options, progress);
    let (world, findings) = merge(sources, parts, assume, |earlier, later| {
        sources.replaces(earlier, later)
    });
    loaded.findings.extend(findings);
    (world, loaded)
}

/// What was read for one world.
type Read<'s> = (Loaded<'s>, Vec<Part<'s>>);

/// Reads files for two worlds, first the old one; files that belong to both are read once, and those
/// that belong to none not at all.
#[must_use]
pub fn read_two<'s>(
    sources: &'s Sources,
    belongs: impl Fn(FileId) -> Option<Belongs> + Sync,
    options: &Options,
    assume: &Assume,
    preview: Option<&Preview>,
    progress: Option<&AtomicU64>,
) -> [(World, Loaded<'s>); 2] {
    let belongs = &belongs;
    let [old, new] = manifest::gather_two::<Gatherer<'s>>(sources, belongs, options, progress);
    let finish = |(mut loaded, parts): Read<'s>, is_meant: &dyn Fn(Span, Span) -> bool| {
        let (world, findings) = merge(sources, parts, assume, is_meant);
        loaded.findings.extend(findings);
        (world, loaded)
    };
    let before = |mut old: Read<'s>| {
        if let Some(preview) = preview {
            preview.before(&mut old.1);
        }
        finish(old, &|_, _| false)
    };
    let after = |mut new: Read<'s>| {
        let Some(preview) = preview else {
            return finish(new, &|_, _| false);
        };
        let staged = preview.after(&mut new.1, &assume.namespace);
        let is_new = |span: Span| belongs(span.file) == Some(Belongs::New);
        // What is applied on top of a cluster replaces what is there.
        finish(new, &|earlier, later| {
            (is_new(later) && !is_new(earlier)) || staged.binary_search(&later).is_ok()
        })
    };
    let (old, new) = both(|| before(old), || after(new));
    [old, new]
}

/// As [`read`], with what objects tell about the connections that their pods need, in reading order.
#[must_use]
pub fn read_with_hints<'s>(
    sources: &'s Sources,
    options: &Options,
    assume: &Assume,
    progress: Option<&AtomicU64>,
) -> (World, Loaded<'s>, Vec<Hint>) {
    let (mut loaded, gathered) = manifest::gather::<Hinted<'s>>(sources, options, progress);
    let (parts, hints): (Vec<_>, Vec<_>) = gathered.into_iter().unzip();
    let (world, findings) = merge(sources, parts, assume, |earlier, later| {
        sources.replaces(earlier, later)
    });
    loaded.findings.extend(findings);
    (world, loaded, hints.into_iter().flatten().collect())
}

/// Builds the world. Of two objects with one name the last one counts, and a finding says so.
#[must_use]
pub fn build(sources: &Sources, objects: &[Object<'_>], assume: &Assume) -> (World, Vec<Finding>) {
    let mut gatherer = Gatherer::default();
    for object in objects {
        gatherer.object(object.clone());
    }
    merge(sources, vec![gatherer.done()], assume, |_, _| false)
}
