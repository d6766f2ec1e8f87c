//! Sources for two worlds, before and after a change, in one set of files.
//!
//! A file that both have with the same text is read once: of two revisions of a large repository
//! little differs. The order of files is that of each side alone.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use anyhow::bail;
use globset::GlobSet;
use rayon::prelude::*;
use watertight_core::manifest::Belongs;
use watertight_core::source::{FileId, Sources};

use super::{Asking, Finder, Given, Origin, Text, files, nothing_in, shown, texts};

/// What was read for two worlds.
#[derive(Debug)]
pub(crate) struct Two {
    /// The files of both.
    pub(crate) sources: Sources,
    /// Files that could not be read: whose they are, their names and the reasons.
    pub(crate) unreadable: Vec<(Belongs, String, String)>,
    /// Whose the sources are, in their order.
    belongs: Vec<(FileId, Belongs)>,
    /// The cluster that was read as a base, if it was one.
    pub(crate) origin: Option<Origin>,
}

impl Two {
    fn new() -> Self {
        Self {
            sources: Sources::new(),
            unreadable: Vec::new(),
            belongs: Vec::new(),
            origin: None,
        }
    }

    /// To which of the worlds a file belongs; to none if it was added later.
    pub(crate) fn belongs(&self, file: FileId) -> Option<Belongs> {
        let found = self.belongs.binary_search_by_key(&file, |(file, _)| *file);
        let found = found.ok().and_then(|at| self.belongs.get(at));
        found.map(|(_, belongs)| *belongs)
    }

    /// Whether a file is one of those that a world is made of.
    pub(crate) fn is_of(&self, side: Belongs, file: FileId) -> bool {
        let of = self.belongs(file);
        of == Some(side) || of == Some(Belongs::Both)
    }

    /// The number of files that a world is made of.
    pub(crate) fn files_of(&self, side: Belongs) -> usize {
        let of_side = |of: Belongs| of == side || of == Belongs::Both;
        self.belongs.iter().filter(|(_, of)| of_side(*of)).count()
    }

    fn add(&mut self, belongs: Belongs, text: Text) {
        let Text { name, text, .. } = text;
        let added = text.and_then(|text| {
            let added = self.sources.add_text(&name, text);
            added.map_err(|error| error.to_string())
        });
        match added {
            Ok(file) => self.belongs.push((file, belongs)),
            Err(reason) => self.unreadable.push((belongs, name, reason)),
        }
    }

    fn found_unreadable(&mut self, belongs: Belongs, unreadable: Vec<(String, String)>) {
        let unreadable = unreadable.into_iter();
        let of_side = unreadable.map(|(name, reason)| (belongs, name, reason));
        self.unreadable.extend(of_side);
    }

    fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.unreadable.is_empty()
    }
}

/// Reads two sources to compare. One of them may be an empty directory, not both.
pub(crate) fn read_two(
    old: &Path,
    new: &Path,
    exclude: &GlobSet,
    asking: Asking<'_>,
) -> anyhow::Result<Two> {
    if old.as_os_str() == "-" && new.as_os_str() == "-" {
        bail!("only one of the two can be standard input");
    }
    let mut two = Two::new();
    let mut find = |side: Belongs, path: &Path| -> anyhow::Result<Vec<Given>> {
        let mut unreadable = Vec::new();
        let found = Finder::new(exclude, asking).find(&[path.to_owned()], &mut unreadable)?;
        two.found_unreadable(side, unreadable);
        Ok(found)
    };
    let (before, after) = (find(Belongs::Old, old)?, find(Belongs::New, new)?);
    let (twins, after): (Vec<_>, Vec<_>) = after
        .into_iter()
        .partition(|given| has_twin(given, &before));
    // A dump of a large cluster is one file: only both at once keep several cores busy.
    let (before, after) = rayon::join(|| texts(before, &mut None), || texts(after, &mut None));
    let (after, same) = with_twins(after, twins, &before);
    merge(
        &mut two,
        before.into_iter().peekable(),
        after.into_iter().peekable(),
        &same,
    );
    if two.is_empty() {
        bail!(nothing_in(&[old.to_owned(), new.to_owned()]));
    }
    Ok(two)
}

/// Reads a base and what is applied on top of it.
pub(crate) fn read_on_top(
    base: &[PathBuf],
    on_top: &[PathBuf],
    exclude: &GlobSet,
    asking: Asking<'_>,
) -> anyhow::Result<Two> {
    let mut two = Two::new();
    let mut finder = Finder::new(exclude, asking);
    for (side, paths) in [(Belongs::Both, base), (Belongs::New, on_top)] {
        let mut unreadable = Vec::new();
        let mut found = Vec::new();
        if side == Belongs::Both {
            found = finder.cluster(paths, &mut unreadable)?;
        }
        let here = [PathBuf::from(".")];
        let paths = match paths {
            [] if side == Belongs::Both && !asking.names_cluster(paths) => &here[..],
            paths => paths,
        };
        found.extend(finder.find(paths, &mut unreadable)?);
        two.found_unreadable(side, unreadable);
        for text in texts(found, &mut two.origin) {
            two.add(side, text);
        }
    }
    if two.is_empty() {
        bail!(nothing_in(base));
    }
    Ok(two)
}

/// Whether a long file may be the same as one of the other side, which then is in the same place.
fn has_twin(given: &Given, others: &[Given]) -> bool {
    let Given::File { path, below: own } = given else {
        return false;
    };
    let is_twin = |other: &Given| match other {
        Given::File { path: other, below } => below == own && files::may_be_same(path, other),
        _ => false,
    };
    // Few files are long, so the others are seldom looked through.
    files::may_be_same(path, path) && others.iter().any(is_twin)
}

/// The texts of one side, with its twins: what is the same as a text of the other side is not held in memory
/// twice. Where that is so, the text is empty here, and the place is among those returned.
fn with_twins(
    mut own: Vec<Text>,
    twins: Vec<Given>,
    others: &[Text],
) -> (Vec<Text>, BTreeSet<PathBuf>) {
    let mut same = BTreeSet::new();
    for given in twins {
        let is_same = match &given {
            Given::File { path, below } => {
                let mut others = others.iter().filter(|other| other.below == *below);
                let text = others.next().and_then(|other| other.text.as_ref().ok());
                text.is_some_and(|text| {
                    files::holds(path, text.as_bytes()).is_ok_and(|is_same| is_same)
                })
            }
            _ => false,
        };
        match given {
            Given::File { path, below } if is_same => {
                same.insert(below.clone());
                own.push(Text {
                    name: shown(&path),
                    path: Some(path),
                    below,
                    text: Ok(String::new()),
                    is_base: false,
                });
            }
            given => own.extend(texts(vec![given], &mut None)),
        }
    }
    own.sort_by(|a, b| a.below.cmp(&b.below));
    (own, same)
}

/// Large texts are compared piece by piece, on all cores.
const PIECE: usize = 1 << 20;

type Side = Peekable<IntoIter<Text>>;

/// Two lists of files in the order of their paths become one.
fn merge(two: &mut Two, mut old: Side, mut new: Side, same: &BTreeSet<PathBuf>) {
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(before), Some(after)) => before.below.cmp(&after.below),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        match (before, after) {
            (Some(before), Some(after)) if same.contains(&after.below) => {
                let Text { text, .. } = before;
                two.add(Belongs::Both, Text { text, ..after });
            }
            (Some(before), Some(after)) if have_same_text(&before, &after) => {
                two.add(Belongs::Both, after);
            }
            (before, after) => {
                for (side, text) in [(Belongs::Old, before), (Belongs::New, after)] {
                    if let Some(text) = text {
                        two.add(side, text);
                    }
                }
            }
        }
    }
}

/// Whether both could be read and say the same.
fn have_same_text(old: &Text, new: &Text) -> bool {
    let (Ok(old), Ok(new)) = (&old.text, &new.text) else {
        return false;
    };
    if old.len() != new.len() || old.len() <= PIECE {
        return old == new;
    }
    let (old, new) = (old.as_bytes(), new.as_bytes());
    old.par_chunks(PIECE).eq(new.par_chunks(PIECE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::tests::{asking, nobody};

    fn sides(two: &Two) -> Vec<(String, String)> {
        let files = two.sources.iter();
        files
            .map(|(id, file)| {
                let name = Path::new(file.name()).file_name().unwrap();
                let side = format!("{:?}", two.belongs(id).unwrap());
                (name.to_string_lossy().into_owned(), side)
            })
            .collect()
    }

    #[test]
    fn what_is_the_same_is_read_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let none = nobody();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for (path, text) in [
            ("old/a.yaml", "1"),
            ("old/b.yaml", "1"),
            ("old/c.yaml", "1"),
            ("old/d.yaml", "1"),
            ("new/b.yaml", "1"),
            ("new/c.yaml", "2"),
            ("new/d.yaml", "1"),
            ("new/e.yaml", "1"),
        ] {
            write(path, text);
        }
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        let two = read_two(&old, &new, &GlobSet::empty(), asking(&none)).unwrap();
        let expected = [
            ("a.yaml", "Old"),
            ("b.yaml", "Both"),
            ("c.yaml", "Old"),
            ("c.yaml", "New"),
            ("d.yaml", "Both"),
            ("e.yaml", "New"),
        ];
        let expected = expected.map(|(name, side)| (name.to_owned(), side.to_owned()));
        assert_eq!(sides(&two), expected);
        assert_eq!(two.files_of(Belongs::Old), 4);
        assert_eq!(two.files_of(Belongs::New), 4);

        std::fs::write(old.join("b.yaml"), [0xff]).unwrap();
        std::fs::write(new.join("b.yaml"), [0xff]).unwrap();
        let two = read_two(&old, &new, &GlobSet::empty(), asking(&none)).unwrap();
        let sides: Vec<_> = two.unreadable.iter().map(|(side, ..)| *side).collect();
        assert_eq!(sides, [Belongs::Old, Belongs::New]);
    }

    #[test]
    fn large_texts_are_compared_to_the_end() {
        let text = |end: &str| Text {
            name: String::new(),
            path: None,
            below: PathBuf::new(),
            text: Ok("a".repeat(2 * PIECE + 1) + end),
            is_base: false,
        };
        assert!(have_same_text(&text("b"), &text("b")));
        assert!(!have_same_text(&text("b"), &text("c")));
        assert!(!have_same_text(&text("b"), &text("bb")));
        let unread = || Text {
            text: Err("broken".into()),
            ..text("")
        };
        assert!(!have_same_text(&unread(), &unread()));
    }

    #[test]
    fn a_long_file_that_both_have_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let none = nobody();
        let [old, new] = ["old", "new"].map(|side| dir.path().join(side));
        let long = "# long\n".repeat(2 * files::LONG / 7);
        for side in [&old, &new] {
            std::fs::create_dir(side).unwrap();
            for name in ["b.yaml", "d.yaml"] {
                std::fs::write(side.join(name), &long).unwrap();
            }
            std::fs::write(side.join("c.yaml"), "c").unwrap();
        }
        let other = [long.strip_suffix('\n').unwrap(), "!"].concat();
        std::fs::write(new.join("d.yaml"), other).unwrap();
        std::fs::write(new.join("a.yaml"), &long).unwrap();
        let two = read_two(&old, &new, &GlobSet::empty(), asking(&none)).unwrap();
        let expected = [
            ("a.yaml", "New"),
            ("b.yaml", "Both"),
            ("c.yaml", "Both"),
            ("d.yaml", "Old"),
            ("d.yaml", "New"),
        ];
        let expected = expected.map(|(name, side)| (name.to_owned(), side.to_owned()));
        assert_eq!(sides(&two), expected);
        let texts: Vec<_> = two.sources.iter().map(|(_, file)| file.text()).collect();
        assert_eq!((texts[1], texts[4].ends_with('!')), (&*long, true));
        let name = two.sources.iter().nth(1).unwrap().1.name().to_owned();
        assert_eq!(Path::new(&name), new.join("b.yaml"));
    }

    #[test]
    fn one_side_may_be_empty() {
        let dir = tempfile::tempdir().unwrap();
        let none = nobody();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        for side in [&old, &new] {
            std::fs::create_dir(side).unwrap();
        }
        let exclude = GlobSet::empty();
        assert!(read_two(&old, &new, &exclude, asking(&none)).is_err());
        std::fs::write(new.join("a.yaml"), "a").unwrap();
        let two = read_two(&old, &new, &exclude, asking(&none)).unwrap();
        assert_eq!(two.files_of(Belongs::Old), 0);
        assert!(read_two(Path::new("-"), Path::new("-"), &exclude, asking(&none)).is_err());
    }

    #[test]
    fn what_is_applied_on_top_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let none = nobody();
        let paths = ["a.yaml", "b.yaml"].map(|name| dir.path().join(name));
        for path in &paths {
            std::fs::write(path, "a").unwrap();
        }
        let [base, on_top] = [0, 1].map(|at| std::slice::from_ref(&paths[at]));
        let two = read_on_top(base, on_top, &GlobSet::empty(), asking(&none)).unwrap();
        let sides: Vec<_> = sides(&two).into_iter().map(|(_, side)| side).collect();
        assert_eq!(sides, ["Both", "New"]);
    }
}
