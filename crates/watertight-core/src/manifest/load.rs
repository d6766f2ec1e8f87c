//! From sources to objects: reads every unit of every file, in parallel where threads exist.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Object;
use super::decode::Decoder;
use super::objects::{ListOf, Reader, item_kind};
use crate::diag::{Finding, Fix};
use crate::document::{Node, SyntaxError, Unit, pieces};
use crate::rules::reading;
use crate::source::{FileId, Sources, Span};

/// How manifests are read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Refuse CIDRs in sloppy spelling, as Kubernetes does since 1.36 (V-20).
    pub strict_cidr: bool,
    /// Take admin policies as release 0.1.1 of their API did, with `sameLabels` and `notSameLabels`
    ///
    pub old_admin_api: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strict_cidr: true,
            old_admin_api: false,
        }
    }
}

/// To which of two worlds a file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// The one before a change.
    Old,
    /// The one after it.
    New,
    /// Both.
    Both,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Loaded<'s> {
    /// The objects, in reading order.
    pub objects: Vec<Object<'s>>,
    /// What went wrong.
    pub findings: Vec<Finding>,
    /// Objects of kinds that are of no concern, by kind.
    pub other_kinds: BTreeMap<String, usize>,
    /// Objects of policy kinds that are not evaluated, by `kind.group`.
    pub not_evaluated: BTreeMap<String, NotEvaluated>,
    /// Documents that are no Kubernetes objects.
    pub not_objects: usize,
    /// Documents that could not be read.
    pub broken: usize,
}

/// What becomes of objects as they are read: one value for each batch that is read on its own.
pub(crate) trait Gather<'s>: Default {
    /// What a batch becomes.
    type Gathered: Send;

    /// Takes the next object.
    fn object(&mut self, object: Object<'s>);

    /// Is shown every object as written, of whatever kind, before it is decoded; says whether an
    /// object of a kind that is not decoded is of use all the same.
    fn seen(&mut self, _node: Node<'_, 's>, _api_version: &str, _kind: &str) -> bool {
        false
    }

    /// Behind the last object.
    fn done(self) -> Self::Gathered;
}

impl<'s> Gather<'s> for Vec<Object<'s>> {
    type Gathered = Self;

    fn object(&mut self, object: Object<'s>) {
        self.push(object);
    }

    fn done(self) -> Self {
        self
    }
}

impl Loaded<'_> {
    fn append(&mut self, other: Self) {
        self.findings.extend(other.findings);
        for (kind, count) in other.other_kinds {
            *self.other_kinds.entry(kind).or_default() += count;
        }
        for (kind, found) in other.not_evaluated {
            self.not_evaluated.entry(kind).or_default().append(found);
        }
        self.not_objects += other.not_objects;
        self.broken += other.broken;
    }

    /// Behind the last batch: one finding for each kind that is not evaluated.
    fn finish(&mut self) {
        let not_evaluated = self.not_evaluated.iter();
        let about_kinds: Vec<_> = not_evaluated
            .map(|(kind, found)| found.finding(kind))
            .collect();
        self.findings.extend(about_kinds);
    }
}

/// Objects of one policy kind that is not evaluated.
#[derive(Clone, Debug, Default)]
pub struct NotEvaluated {
    /// How many.
    pub count: usize,
    /// Where the first of them are.
    pub(super) first: Vec<Span>,
}

impl NotEvaluated {
    pub(super) fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = MOST_PLACES.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }

    /// One finding for the kind: five hundred would bury the rest.
    fn finding(&self, kind: &str) -> Finding {
        let (name, group) = kind.split_once('.').unwrap_or((kind, ""));
        let message = match self.count {
            1 => format!("1 {name} of {group} is not evaluated: the answers leave it out"),
            more => format!(
                "{more} {name} objects of {group} are not evaluated: the answers leave them out"
            ),
        };
        let finding = Finding::new(&reading::NOT_EVALUATED, message);
        let places = self.first.iter();
        places.fold(finding, |finding, place| {
            finding.at(*place, "may allow or deny more")
        })
    }
}

/// The places that a finding about a kind names.
const MOST_PLACES: usize = 3;

/// One piece of work: a unit, and the kind of the List it is an item of.
struct Task {
    unit: Unit,
    list: Option<Arc<ListOf>>,
}

/// Files are read in about so many batches: enough to keep many cores busy until the end.
const BATCHES: usize = 64;

/// Batches are no smaller: each has costs of its own.
const SMALLEST_BATCH: usize = 64 * 1024;

/// Reads all files.
#[must_use]
pub fn load<'s>(sources: &'s Sources, options: &Options) -> Loaded<'s> {
    load_with(sources, options, None)
}

/// Reads all files; `progress` is told how many bytes are done.
#[must_use]
pub fn load_with<'s>(
    sources: &'s Sources,
    options: &Options,
    progress: Option<&AtomicU64>,
) -> Loaded<'s> {
    let (mut loaded, batches) = gather::<Vec<Object<'s>>>(sources, options, progress);
    loaded.objects = batches.into_iter().flatten().collect();
    loaded
}

/// Reads all files; what the batches of objects become comes back in reading order, in place of the
/// objects.
pub(crate) fn gather<'s, G: Gather<'s>>(
    sources: &'s Sources,
    options: &Options,
    progress: Option<&AtomicU64>,
) -> (Loaded<'s>, Vec<G::Gathered>) {
    let mut loaded = Loaded::default();
    let mut gathered = Vec::new();
    for read in read_files::<G, ()>(sources, |_| Some(()), options, progress) {
        loaded.append(read.loaded);
        gathered.extend(read.gathered);
    }
    loaded.finish();
    (loaded, gathered)
}

/// Reads files for two worlds; what belongs to both is read once. First the old one.
pub(crate) fn gather_two<'s, G: Gather<'s>>(
    sources: &'s Sources,
    belongs: impl Fn(FileId) -> Option<Belongs>,
    options: &Options,
    progress: Option<&AtomicU64>,
) -> [(Loaded<'s>, Vec<G::Gathered>); 2]
where
    G::Gathered: Clone,
{
    let mut old = (Loaded::default(), Vec::new());
    let mut new = (Loaded::default(), Vec::new());
    for read in read_files::<G, Belongs>(sources, belongs, options, progress) {
        if read.of == Belongs::Both {
            old.0.append(read.loaded.clone());
            old.1.extend(read.gathered.clone());
        }
        let side = match read.of {
            Belongs::Old => &mut old,
            Belongs::New | Belongs::Both => &mut new,
        };
        side.0.append(read.loaded);
        side.1.extend(read.gathered);
    }
    old.0.finish();
    new.0.finish();
    [old, new]
}

/// What was read of files of one kind.
struct Read<'s, P, T> {
    /// The kind.
    of: T,
    loaded: Loaded<'s>,
    /// None if the files could not be cut into documents.
    gathered: Option<P>,
}

/// Reads the files that `of` says something about, in batches of files of which it says the same.
fn read_files<'s, G: Gather<'s>, T: Copy + PartialEq>(
    sources: &'s Sources,
    of: impl Fn(FileId) -> Option<T>,
    options: &Options,
    progress: Option<&AtomicU64>,
) -> Vec<Read<'s, G::Gathered, T>> {
    let bytes = sources.iter().map(|(_, source)| source.text().len());
    let batch = (bytes.sum::<usize>() / BATCHES).max(SMALLEST_BATCH);
    let guessed = attempt::<G, T>(sources, &of, options, progress, batch, true);
    match guessed {
        (read, true) => read,
        (_, false) => attempt::<G, T>(sources, &of, options, progress, batch, false).0,
    }
}

/// Reads all files in batches of about so many bytes; nothing of it counts if starts of items were
/// guessed wrong.
fn attempt<'s, G: Gather<'s>, T: Copy + PartialEq>(
    sources: &'s Sources,
    of: impl Fn(FileId) -> Option<T>,
    options: &Options,
    progress: Option<&AtomicU64>,
    batch: usize,
    guess: bool,
) -> (Vec<Read<'s, G::Gathered, T>>, bool) {
    let mut found = Vec::new();
    let mut tasks = Vec::new();
    for (file, source) in sources.iter() {
        let Some(kind) = of(file) else {
            continue;
        };
        let (units, errors) = pieces(file, source.name(), source.text(), batch, guess);
        if !errors.is_empty() {
            let findings = errors.iter().map(syntax_finding).collect();
            let loaded = Loaded {
                findings,
                broken: errors.len(),
                ..Loaded::default()
            };
            found.push(Read {
                of: kind,
                loaded,
                gathered: None,
            });
        }
        tasks.extend(with_lists(units, source.text()));
    }
    let kinds = tasks.chunk_by(|a, b| {
        let (a, b) = (a.unit.file(), b.unit.file());
        a == b || of(a) == of(b)
    });
    let batches: Vec<&[Task]> = kinds.flat_map(|tasks| batches(tasks, batch)).collect();
    let mut all_fit = true;
    let read = read_all::<G>(sources, &batches, options, progress);
    for (read, tasks) in read.into_iter().zip(batches) {
        all_fit &= read.fits;
        let of = tasks.first().and_then(|task| of(task.unit.file()));
        found.extend(of.map(|of| Read {
            of,
            loaded: read.loaded,
            gathered: Some(read.gathered),
        }));
    }
    (found, all_fit)
}

/// Tasks that follow each other, up to so many bytes together.
fn batches(tasks: &[Task], bytes: usize) -> Vec<&[Task]> {
    let mut found = Vec::new();
    let mut rest = tasks;
    while !rest.is_empty() {
        let mut room = bytes;
        let fits = |task: &&Task| {
            let before = room;
            room = room.saturating_sub(task.unit.len());
            before > 0
        };
        let count = rest.iter().take_while(fits).count();
        let (batch, behind) = rest.split_at_checked(count.max(1)).unwrap_or((rest, &[]));
        found.push(batch);
        rest = behind;
    }
    found
}

/// Tells the items of a JSON List its kind: items that a server lists carry none themselves.
fn with_lists(units: Vec<Unit>, text: &str) -> Vec<Task> {
    let mut list = None;
    let mut tasks: Vec<Task> = Vec::with_capacity(units.len());
    let mut ahead = units.into_iter().peekable();
    while let Some(unit) = ahead.next() {
        if !unit.is_item() {
            list = None;
            if ahead.peek().is_some_and(Unit::is_item) {
                list = unit.read(text).first().and_then(|head| {
                    let root = head.as_ref().ok()?.root()?;
                    let of = |key| Some(root.get(key)?.str()?.to_owned());
                    Some(Arc::new((of("apiVersion")?, item_kind(&of("kind")?)?)))
                });
            }
        }
        let list = list.clone().filter(|_| unit.is_item());
        tasks.push(Task { unit, list });
    }
    tasks
}

/// What a batch gives.
struct Batch<'s, G: Gather<'s>> {
    loaded: Loaded<'s>,
    gathered: G::Gathered,
    /// Whether it was cut where an item starts; if not, it was not read to the end.
    fits: bool,
}

#[cfg(feature = "parallel")]
fn read_all<'s, G: Gather<'s>>(
    sources: &'s Sources,
    batches: &[&[Task]],
    options: &Options,
    progress: Option<&AtomicU64>,
) -> Vec<Batch<'s, G>> {
    use rayon::prelude::*;
    // Threads cost more than they save on a handful of manifests.
    if batches.len() < 4 {
        let batches = batches.iter();
        return batches
            .map(|batch| read_batch::<G>(sources, batch, options, progress))
            .collect();
    }
    batches
        .par_iter()
        .with_max_len(1)
        .map(|batch| read_batch::<G>(sources, batch, options, progress))
        .collect()
}

#[cfg(not(feature = "parallel"))]
fn read_all<'s, G: Gather<'s>>(
    sources: &'s Sources,
    batches: &[&[Task]],
    options: &Options,
    progress: Option<&AtomicU64>,
) -> Vec<Batch<'s, G>> {
    let batches = batches.iter();
    batches
        .map(|batch| read_batch::<G>(sources, batch, options, progress))
        .collect()
}

fn read_batch<'s, G: Gather<'s>>(
    sources: &'s Sources,
    tasks: &[Task],
    options: &Options,
    progress: Option<&AtomicU64>,
) -> Batch<'s, G> {
    let mut loaded = Loaded::default();
    let mut into = G::default();
    let mut decoder = Decoder::new(options);
    let mut fits = true;
    for task in tasks {
        if let Some(progress) = progress {
            progress.fetch_add(task.unit.len() as u64, Ordering::Relaxed);
        }
        let text = sources.file(task.unit.file()).text();
        fits = task.unit.read_each(text, |document| match document {
            Ok(document) => {
                if let Some(root) = document.root() {
                    let mut reader = Reader {
                        loaded: &mut loaded,
                        into: &mut into,
                        decoder: &mut decoder,
                    };
                    reader.value(root, task.list.as_deref());
                }
            }
            Err(error) => {
                loaded.broken += 1;
                loaded.findings.push(syntax_finding(&error));
            }
        });
        if !fits {
            break;
        }
    }
    Batch {
        loaded,
        gathered: into.done(),
        fits,
    }
}

fn syntax_finding(error: &SyntaxError) -> Finding {
    let rule = if error.limit {
        &reading::LIMIT
    } else {
        &reading::SYNTAX
    };
    let mut finding = Finding::new(rule, error.message.clone())
        .at(error.span, "")
        .incomplete();
    finding.fix = error.help.clone().map(Fix::advice);
    finding
}

/// A file that could not be read at all.
#[must_use]
pub fn unreadable(name: &str, reason: &str) -> Finding {
    Finding::new(
        &reading::UNREADABLE,
        format!("cannot read `{name}`: {reason}"),
    )
    .incomplete()
}
