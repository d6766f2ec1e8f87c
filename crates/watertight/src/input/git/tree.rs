//! The files of a tree, chosen as a walk of the checked-out directory would choose them: by
//! extension, without hidden files and what ignore files leave out. Symbolic links to files are
//! followed inside the revision.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::object::tree::EntryKind;
use globset::GlobSet;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use watertight_core::source::MAX_FILE_BYTES;

use super::{Blob, cause};
use crate::exit::say;
use crate::input::files::{is_excluded, is_wanted};

/// No checkout could have more directories in one another, or more entries: a tree that claims to is
/// made to harm.
const MAX_DEPTH: usize = 200;
const MAX_ENTRIES: usize = 4_000_000;

/// Links that lead to links that lead ...
const MAX_LINKS: usize = 16;

/// Ignore files, in the order in which they count.
const IGNORE_FILES: [&str; 2] = [".ignore", ".gitignore"];

/// Reads files of one revision.
pub(super) struct Reader<'a> {
    git: &'a gix::Repository,
    root: &'a gix::Tree<'a>,
    /// `git:REV:`
    prefix: String,
    /// What was asked for, as it was spelled: names begin with it.
    spelled: &'a str,
    exclude: &'a GlobSet,
    ignores: Vec<Gitignore>,
    entries: usize,
    found: Vec<Found>,
}

/// Files that were read, by the tree of their revision and their path.
pub(super) type Seen = BTreeSet<(ObjectId, Vec<String>)>;

/// A file to read.
struct Found {
    /// Where it is, links followed.
    path: Vec<String>,
    /// Below the directory that was asked for.
    below: PathBuf,
    file: Result<ObjectId, String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        root: &'a gix::Tree<'a>,
        prefix: String,
        spelled: &'a str,
        exclude: &'a GlobSet,
    ) -> Self {
        Self {
            git: root.repo,
            root,
            prefix,
            spelled,
            exclude,
            ignores: Vec::new(),
            entries: 0,
            found: Vec::new(),
        }
    }

    /// What was asked for by name: a file of any extension, or all files below a directory.
    pub(super) fn entry(
        &mut self,
        path: &[String],
        entry: &gix::object::tree::Entry<'_>,
        seen: &mut Seen,
    ) -> anyhow::Result<Vec<Blob>> {
        let id = entry.object_id();
        let (path, id) = match entry.mode().kind() {
            EntryKind::Tree => {
                let tree = self.tree(id)?;
                return self.directory(path, &tree, seen);
            }
            EntryKind::Blob | EntryKind::BlobExecutable => (path.to_vec(), id),
            EntryKind::Link => self.follow(path, id).map_err(|reason| anyhow!(reason))?,
            EntryKind::Commit => bail!("it is a submodule, a repository of its own"),
        };
        if !seen.insert((self.root.id, path)) {
            return Ok(Vec::new());
        }
        Ok(vec![Blob {
            name: format!("{}{}", self.prefix, self.spelled),
            below: PathBuf::new(),
            bytes: self.bytes(id),
        }])
    }

    /// All files below a directory.
    pub(super) fn directory(
        &mut self,
        path: &[String],
        tree: &gix::Tree<'_>,
        seen: &mut Seen,
    ) -> anyhow::Result<Vec<Blob>> {
        // Ignore files above count, as they do for a walk that starts below them.
        let mut above = self.root.clone();
        for depth in 0..path.len() {
            self.ignore_files(path.get(..depth).unwrap_or_default(), &above);
            let below = path.get(depth).and_then(|name| {
                let entry = above.find_entry(name.as_bytes())?;
                Some(entry.object_id())
            });
            if let Some(id) = below {
                above = self.tree(id)?;
            }
        }
        self.walk(path, Path::new(""), tree)?;
        let mut found = std::mem::take(&mut self.found);
        found.sort_by(|a, b| a.below.cmp(&b.below));
        // One file may be named twice, or be at the end of a link.
        found.retain(|found| seen.insert((self.root.id, found.path.clone())));
        let blobs = found.into_iter().map(|found| Blob {
            name: format!("{}{}", self.prefix, self.shown(&found.below)),
            bytes: found.file.and_then(|id| self.bytes(id)),
            below: found.below,
        });
        Ok(blobs.collect())
    }

    fn walk(&mut self, path: &[String], below: &Path, tree: &gix::Tree<'_>) -> anyhow::Result<()> {
        if path.len() > MAX_DEPTH {
            bail!(
                "`{}` has more than {MAX_DEPTH} directories in one another",
                self.prefix
            );
        }
        let outer = self.ignores.len();
        self.ignore_files(path, tree);
        for entry in tree.iter() {
            let entry = entry.map_err(|error| broken(self.git, &error))?;
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                bail!("`{}` has more than {MAX_ENTRIES} files", self.prefix);
            }
            let name = entry.filename().to_str_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let below = below.join(&name);
            let mut path = path.to_vec();
            path.push(name);
            let kind = entry.kind();
            if self.is_ignored(&path, kind == EntryKind::Tree) {
                continue;
            }
            match kind {
                EntryKind::Tree => {
                    let tree = self.tree(entry.object_id())?;
                    self.walk(&path, &below, &tree)?;
                }
                EntryKind::Commit => {
                    let (prefix, shown) = (&self.prefix, self.shown(&below));
                    say(&format!(
                        "note: `{prefix}{shown}` is a submodule and is not read"
                    ));
                }
                _ if !is_wanted(&below) || self.is_left_out(&path, &below) => {}
                EntryKind::Link => match self.follow(&path, entry.object_id()) {
                    Ok((path, id)) => self.keep(path, below, Ok(id)),
                    Err(reason) => self.keep(path, below, Err(reason)),
                },
                EntryKind::Blob | EntryKind::BlobExecutable => {
                    self.keep(path, below, Ok(entry.object_id()));
                }
            }
        }
        self.ignores.truncate(outer);
        Ok(())
    }

    fn keep(&mut self, path: Vec<String>, below: PathBuf, file: Result<ObjectId, String>) {
        self.found.push(Found { path, below, file });
    }

    /// The path of a file, as what was asked for was spelled.
    fn shown(&self, below: &Path) -> String {
        let below = below.display();
        match self.spelled {
            "" => below.to_string(),
            spelled => format!("{spelled}/{below}"),
        }
    }

    fn is_left_out(&self, path: &[String], below: &Path) -> bool {
        let spelled = self.shown(below);
        is_excluded(Path::new(&spelled), Path::new(self.spelled), self.exclude)
            || self.exclude.is_match(path.join("/"))
    }

    fn ignore_files(&mut self, path: &[String], tree: &gix::Tree<'_>) {
        // Those that count more come later.
        for name in IGNORE_FILES.iter().rev() {
            let Some(entry) = tree.find_entry(name.as_bytes()) else {
                continue;
            };
            let Ok(bytes) = self.bytes(entry.object_id()) else {
                continue;
            };
            let mut builder = GitignoreBuilder::new(path.iter().collect::<PathBuf>());
            for line in String::from_utf8_lossy(&bytes).lines() {
                // As git does, a line that is no pattern is passed over.
                let _ = builder.add_line(None, line);
            }
            self.ignores.extend(builder.build());
        }
    }

    fn is_ignored(&self, path: &[String], is_dir: bool) -> bool {
        if self.ignores.is_empty() {
            return false;
        }
        let path: PathBuf = path.iter().collect();
        for ignore in self.ignores.iter().rev() {
            match ignore.matched(&path, is_dir) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }

    /// The file that a symbolic link leads to.
    fn follow(&self, path: &[String], id: ObjectId) -> Result<(Vec<String>, ObjectId), String> {
        let (mut path, mut id) = (path.to_vec(), id);
        for _ in 0..MAX_LINKS {
            let target = self.bytes(id)?;
            let target = String::from_utf8_lossy(&target).into_owned();
            let outside = || format!("a symbolic link to `{target}`, which is not in the revision");
            if target.starts_with('/') {
                return Err(outside());
            }
            path.pop();
            for part in target.split('/') {
                match part {
                    "" | "." => {}
                    ".." => drop(path.pop().ok_or_else(outside)?),
                    part => path.push(part.to_owned()),
                }
            }
            let entry = self
                .root
                .lookup_entry(path.iter().map(String::as_bytes))
                .map_err(|error| cause(&error))?
                .ok_or_else(outside)?;
            id = entry.object_id();
            match entry.mode().kind() {
                EntryKind::Blob | EntryKind::BlobExecutable => return Ok((path, id)),
                EntryKind::Link => {}
                EntryKind::Tree => return Err(format!("a symbolic link to directory `{target}`")),
                EntryKind::Commit => return Err(outside()),
            }
        }
        Err("a symbolic link that leads in a circle".to_owned())
    }

    fn tree(&self, id: ObjectId) -> anyhow::Result<gix::Tree<'a>> {
        self.git
            .find_tree(id)
            .map_err(|error| broken(self.git, &error))
    }

    fn bytes(&self, id: ObjectId) -> Result<Vec<u8>, String> {
        let missing = |error: gix::Error| broken(self.git, &error).to_string();
        let size = self.git.find_header(id).map_err(missing)?.size();
        if usize::try_from(size).is_ok_and(|size| size <= MAX_FILE_BYTES) {
            let mut object = self.git.find_object(id).map_err(missing)?;
            return Ok(std::mem::take(&mut object.data));
        }
        Err(format!(
            "{size} bytes, more than the {MAX_FILE_BYTES} that one file may have; split it"
        ))
    }
}

/// The names in a tree.
pub(super) fn names(git: &gix::Repository, id: ObjectId) -> Vec<String> {
    let Ok(tree) = git.find_tree(id) else {
        return Vec::new();
    };
    tree.iter()
        .filter_map(|entry| Some(entry.ok()?.filename().to_str_lossy().into_owned()))
        .collect()
}

/// What to say about an object that cannot be read.
pub(super) fn broken(git: &gix::Repository, error: &gix::Error) -> anyhow::Error {
    if error.classify().is_not_found() {
        let partial = git.config_snapshot().string("extensions.partialClone");
        return match partial {
            Some(_) => anyhow!(
                "an object of the revision is not in this clone, which is partial; check the \
                 revision out once, or clone without `--filter`"
            ),
            None => anyhow!(
                "an object of the revision is missing in the repository; `git fsck` tells more"
            ),
        };
    }
    anyhow!("cannot read the repository: {}", cause(error))
}
