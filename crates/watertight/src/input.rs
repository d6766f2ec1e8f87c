//! From paths to sources.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;
use watertight_core::source::Sources;
use watertight_core::suggest::misspelt;

/// Files that a directory walk reads.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json", "ndjson"];

/// What was read.
#[derive(Debug)]
pub(crate) struct Input {
    /// The files.
    pub(crate) sources: Sources,
    /// Files that could not be read, with the reason.
    pub(crate) unreadable: Vec<(String, String)>,
    /// The paths behind the sources, to watch and to fix; none for standard input.
    pub(crate) paths: Vec<Option<PathBuf>>,
}

/// Compiles globs.
pub(crate) fn globs<'p>(patterns: impl IntoIterator<Item = &'p String>) -> anyhow::Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).with_context(|| format!("`{pattern}` is no glob"))?);
        // `legacy/` and `legacy` mean everything below.
        let below = format!("{}/**", pattern.trim_end_matches('/'));
        set.add(Glob::new(&below).with_context(|| format!("`{pattern}` is no glob"))?);
    }
    Ok(set.build()?)
}

/// Reads everything that was asked for. A file that cannot be read is booked, not fatal; a path that
/// does not exist is a mistake of the caller's and is fatal.
pub(crate) fn read(paths: &[PathBuf], exclude: &GlobSet) -> anyhow::Result<Input> {
    let mut input = Input {
        sources: Sources::new(),
        unreadable: Vec::new(),
        paths: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let mut stdin_read = false;
    for path in paths {
        if path.as_os_str() == "-" {
            if !std::mem::replace(&mut stdin_read, true) {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .lock()
                    .read_to_end(&mut bytes)
                    .context("cannot read standard input")?;
                input.add("<stdin>", None, bytes);
            }
            continue;
        }
        let metadata = std::fs::metadata(path)
            .with_context(|| format!("cannot read `{}`{}", path.display(), near(path)))?;
        if metadata.is_dir() {
            for file in walk(path, exclude, &mut input.unreadable) {
                input.file(&file, &mut seen);
            }
        } else {
            input.file(path, &mut seen);
        }
    }
    if input.sources.is_empty() && input.unreadable.is_empty() {
        let shown: Vec<_> = paths
            .iter()
            .map(|path| format!("`{}`", path.display()))
            .collect();
        bail!(
            "found no YAML or JSON file in {}; name a file or directory, or pipe manifests into \
             `check -`",
            shown.join(", ")
        );
    }
    Ok(input)
}

/// Files below a directory, sorted.
fn walk(root: &Path, exclude: &GlobSet, unreadable: &mut Vec<(String, String)>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in WalkBuilder::new(root).require_git(false).build() {
        match entry {
            Ok(entry) => {
                let path = entry.path();
                let extension = path.extension().and_then(|extension| extension.to_str());
                let wanted = extension.is_some_and(|extension| {
                    EXTENSIONS
                        .iter()
                        .any(|known| extension.eq_ignore_ascii_case(known))
                });
                let is_file = entry.file_type().is_some_and(|kind| !kind.is_dir());
                if wanted && is_file && !is_excluded(path, root, exclude) {
                    found.push(path.to_owned());
                }
            }
            Err(error) => unreadable.push((root.display().to_string(), error.to_string())),
        }
    }
    found.sort();
    found
}

fn is_excluded(path: &Path, root: &Path, exclude: &GlobSet) -> bool {
    let plain = path.strip_prefix("./").unwrap_or(path);
    let below = path.strip_prefix(root).unwrap_or(path);
    exclude.is_match(plain) || exclude.is_match(below)
}

impl Input {
    fn file(&mut self, path: &Path, seen: &mut BTreeSet<PathBuf>) {
        // One file may be named twice, or be below two of the directories.
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if !seen.insert(identity) {
            return;
        }
        let plain = path.strip_prefix("./").unwrap_or(path);
        let name = plain.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => self.add(&name, Some(path.to_owned()), bytes),
            Err(error) => self.unreadable.push((name, error.to_string())),
        }
    }

    fn add(&mut self, name: &str, path: Option<PathBuf>, bytes: Vec<u8>) {
        match self.sources.add(name, bytes) {
            Ok(_) => self.paths.push(path),
            Err(error) => self.unreadable.push((name.to_owned(), error.to_string())),
        }
    }
}

/// A hint for a path that does not exist: the most similar name beside it.
fn near(path: &Path) -> String {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return String::new();
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(parent) else {
        return String::new();
    };
    let names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    match misspelt(name, names.iter().map(String::as_str)) {
        Some(other) => {
            let near = parent.join(other);
            let near = near.strip_prefix("./").unwrap_or(&near);
            format!(" (did you mean `{}`?)", near.display())
        }
        None => String::new(),
    }
}
