//! `git:REV[:PATH]`: files of a revision, read from the object database of the repository that the
//! current directory is in. No git binary runs, nothing is checked out, nothing is fetched.
//!
//! `REV` is whatever names one commit, tag or tree for git; `A...B` is the commit where the two
//! parted. `PATH` is from the root of the repository, or from here where it begins with `./` or
//! `../`, as for `git show REV:PATH`.

mod revision;
mod tree;

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use globset::GlobSet;
use watertight_core::source::split_revision;
use watertight_core::suggest::misspelt;

use self::tree::{Reader, Seen};

/// What such a source begins with.
pub(super) const SCHEME: &str = "git:";

/// What to say about a file that only stands for another.
pub(super) const IN_LFS: &str = "a pointer to a file in Git LFS, not the file; run `git lfs pull` \
                                 and name the checked-out file";

/// Whether a file only stands for one that Git LFS keeps.
pub(super) fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spec {
    /// As it was typed.
    text: String,
    rev: String,
    /// As it was typed; empty for the whole revision.
    path: String,
}

impl Spec {
    /// Reads `git:REV[:PATH]`; nothing where the text is a path.
    pub(super) fn parse(text: &str) -> Option<anyhow::Result<Self>> {
        let rest = text.strip_prefix(SCHEME)?;
        let (rev, path) = split_revision(rest).unwrap_or((rest, ""));
        Some(if rev.is_empty() {
            Err(anyhow!(
                "`{text}` names no revision; write `git:REV` or `git:REV:PATH`, such as \
                 `git:HEAD~1:k8s`"
            ))
        } else {
            Ok(Self {
                text: text.to_owned(),
                rev: rev.to_owned(),
                path: path.to_owned(),
            })
        })
    }

    /// What the names of files begin with: the revision, a whole hash cut short.
    fn prefix(&self) -> String {
        let is_hash = matches!(self.rev.len(), 40 | 64)
            && self.rev.bytes().all(|byte| byte.is_ascii_hexdigit());
        let shown = self.rev.get(..10).filter(|_| is_hash);
        format!("{SCHEME}{}:", shown.unwrap_or(&self.rev))
    }

    /// The path without slashes at its end.
    fn plain_path(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    fn is_from_here(&self) -> bool {
        matches!(self.plain_path(), "." | "..")
            || self.path.starts_with("./")
            || self.path.starts_with("../")
    }
}

/// A file of a revision.
pub(super) struct Blob {
    /// `git:REV:PATH`, which names it when given back.
    pub(super) name: String,
    /// The file below what was asked for.
    pub(super) below: PathBuf,
    /// Its content, or why there is none.
    pub(super) bytes: Result<Vec<u8>, String>,
}

/// The repository that the current directory is in.
pub(super) struct Repository {
    git: gix::Repository,
    /// The current directory, from the root of the work tree; none outside of one.
    here: Option<Vec<String>>,
    seen: Seen,
}

impl Repository {
    /// Looks here and upwards, as git does.
    pub(super) fn here(spec: &Spec) -> anyhow::Result<Self> {
        let directory = std::env::current_dir().context("cannot tell the current directory")?;
        let mut git = gix::discover_with_environment_overrides(directory).map_err(|error| {
            if error.classify().is_not_found() {
                anyhow!(
                    "`{}` needs a git repository, and there is none here or above",
                    spec.text
                )
            } else {
                anyhow!("cannot open the git repository: {}", cause(&error))
            }
        })?;
        git.object_cache_size_if_unset(4 << 20);
        let here = git.prefix().ok().flatten().map(|path| {
            path.components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect()
        });
        Ok(Self {
            git,
            here,
            seen: Seen::new(),
        })
    }

    /// The files that are meant, sorted as a walk of a directory sorts them.
    pub(super) fn read(&mut self, spec: &Spec, exclude: &GlobSet) -> anyhow::Result<Vec<Blob>> {
        let root = revision::tree(&self.git, &spec.rev)?;
        let path = self.path_from_root(spec)?;
        let mut reader = Reader::new(&root, spec.prefix(), spec.plain_path(), exclude);
        if path.is_empty() {
            return reader.directory(&path, &root, &mut self.seen);
        }
        let parts = path.iter().map(String::as_bytes);
        let entry = root
            .lookup_entry(parts)
            .map_err(|error| tree::broken(&self.git, &error))?
            .ok_or_else(|| self.no_such_path(spec, &root, &path))?;
        reader
            .entry(&path, &entry, &mut self.seen)
            .with_context(|| format!("cannot read `{}`", spec.text))
    }

    /// The path from the root of the repository, in parts.
    fn path_from_root(&self, spec: &Spec) -> anyhow::Result<Vec<String>> {
        let mut parts = Vec::new();
        if spec.is_from_here() {
            let Some(here) = &self.here else {
                bail!(
                    "`{}` is from the current directory, which is in no work tree; leave the \
                     `./` out",
                    spec.text
                );
            };
            parts.clone_from(here);
        }
        for part in spec.path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        bail!("`{}` leaves the repository", spec.text);
                    }
                }
                part => parts.push(part.to_owned()),
            }
        }
        Ok(parts)
    }

    /// What to say about a path that the revision does not have.
    fn no_such_path(&self, spec: &Spec, root: &gix::Tree<'_>, path: &[String]) -> anyhow::Error {
        let Spec { rev, .. } = spec;
        let exists = |path: &[String]| {
            let entry = root.lookup_entry(path.iter().map(String::as_bytes));
            entry.ok().flatten()
        };
        let shown = path.join("/");
        if let (Some(here), false) = (&self.here, spec.is_from_here()) {
            let from_here: Vec<_> = here.iter().chain(path).cloned().collect();
            if exists(&from_here).is_some() {
                return anyhow!(
                    "no `{shown}` in revision `{rev}`: paths are from the root of the repository \
                     (did you mean `git:{rev}:./{shown}`?)"
                );
            }
        }
        // The deepest directory that does exist has the names to compare with.
        let depth = (0..path.len())
            .rev()
            .find(|depth| {
                let above = path.get(..*depth).unwrap_or_default();
                above.is_empty() || exists(above).is_some_and(|entry| entry.mode().is_tree())
            })
            .unwrap_or_default();
        let (above, below) = path.split_at_checked(depth).unwrap_or((path, &[]));
        let names = match exists(above) {
            Some(entry) => tree::names(&self.git, entry.object_id()),
            None => tree::names(&self.git, root.id),
        };
        let near = below
            .first()
            .and_then(|missing| misspelt(missing, names.iter().map(String::as_str)));
        match near {
            Some(near) => {
                let near: Vec<_> = above.iter().map(String::as_str).chain([near]).collect();
                let near = near.join("/");
                anyhow!("no `{shown}` in revision `{rev}` (did you mean `git:{rev}:{near}`?)")
            }
            None => anyhow!("no `{shown}` in revision `{rev}`"),
        }
    }
}

/// What is at the bottom of an error, in one line.
fn cause(error: &gix::Error) -> String {
    let text = error.probable_cause().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(String, String)> {
        let spec = Spec::parse(text)?.unwrap();
        Some((spec.prefix(), spec.plain_path().to_owned()))
    }

    #[test]
    fn a_revision_and_a_path() {
        let parts = |rev: &str, path: &str| Some((rev.to_owned(), path.to_owned()));
        assert_eq!(parse("git:main"), parts("git:main:", ""));
        assert_eq!(parse("git:main:"), parts("git:main:", ""));
        assert_eq!(parse("git:HEAD~1:k8s/"), parts("git:HEAD~1:", "k8s"));
        assert_eq!(parse("git:a...b:./x"), parts("git:a...b:", "./x"));
        assert_eq!(parse("git:a:b:c"), parts("git:a:", "b:c"));
        assert_eq!(
            parse("git:HEAD^{/fix: dns}:k8s"),
            parts("git:HEAD^{/fix: dns}:", "k8s"),
        );
        assert_eq!(
            parse("git:0123456789abcdef0123456789abcdef01234567:k8s"),
            parts("git:0123456789:", "k8s"),
        );
        assert_eq!(parse("k8s"), None);
        assert_eq!(parse("./git:main"), None);
        assert_eq!(parse("github"), None);
        for none in ["git:", "git::k8s"] {
            let error = Spec::parse(none).unwrap().unwrap_err().to_string();
            assert!(error.contains("names no revision"), "{error}");
        }
    }
}
