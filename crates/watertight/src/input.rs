//! From paths to sources.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;
use rayon::prelude::*;
use watertight_core::source::{self, Sources};
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
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if !std::mem::replace(&mut stdin_read, true) {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .lock()
                    .read_to_end(&mut bytes)
                    .context("cannot read standard input")?;
                files.push(Given::Stdin(bytes));
            }
            continue;
        }
        let metadata = std::fs::metadata(path)
            .with_context(|| format!("cannot read `{}`{}", path.display(), near(path)))?;
        let found = if metadata.is_dir() {
            walk(path, exclude, &mut input.unreadable)
        } else {
            vec![path.clone()]
        };
        // One file may be named twice, or be below two of the directories.
        let is_new = |path: &PathBuf| {
            let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
            seen.insert(identity)
        };
        files.extend(found.into_iter().filter(is_new).map(Given::File));
    }
    for (given, text) in texts(files) {
        input.add(given, text);
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

/// Something to be read.
enum Given {
    Stdin(Vec<u8>),
    File(PathBuf),
}

/// The texts of files, in their order, and where they came from; or why they have none.
fn texts(files: Vec<Given>) -> Vec<(Option<PathBuf>, Result<String, String>)> {
    let text = |given: Given| match given {
        Given::Stdin(bytes) => (None, source::text(bytes).map_err(|error| error.to_string())),
        Given::File(path) => {
            let bytes = read_file(&path).map_err(|error| error.to_string());
            let text =
                bytes.and_then(|bytes| source::text(bytes).map_err(|error| error.to_string()));
            (Some(path), text)
        }
    };
    // Threads cost more than they save on a handful of manifests.
    if files.len() < 16 {
        return files.into_iter().map(text).collect();
    }
    files.into_par_iter().map(text).collect()
}

/// Longer files are read in pieces of so many bytes, on all cores: what takes time is to get the
/// memory for them.
const PIECE: usize = 4 << 20;

/// All bytes of a file.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if metadata.is_file() && (2 * PIECE..=source::MAX_FILE_BYTES).contains(&length) {
            let mut bytes = vec![0; length];
            let pieces = bytes.par_chunks_mut(PIECE).enumerate();
            let read = pieces.try_for_each(|(index, piece)| {
                let offset = u64::try_from(index * PIECE).unwrap_or(u64::MAX);
                file.read_exact_at(piece, offset)
            });
            // A file that somebody is writing is read like any other.
            if read.is_ok() && file.read_at(&mut [0], metadata.len())? == 0 {
                return Ok(bytes);
            }
        }
    }
    std::fs::read(path)
}

impl Input {
    fn add(&mut self, path: Option<PathBuf>, text: Result<String, String>) {
        let name = match &path {
            Some(path) => path
                .strip_prefix("./")
                .unwrap_or(path)
                .display()
                .to_string(),
            None => "<stdin>".to_owned(),
        };
        let added = text.and_then(|text| {
            let added = self.sources.add_text(&name, text);
            added.map_err(|error| error.to_string())
        });
        match added {
            Ok(_) => self.paths.push(path),
            Err(reason) => self.unreadable.push((name, reason)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        for length in [0, 1, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 1, 3 * PIECE] {
            let bytes: Vec<u8> = (0..length).map(|at| b'a' + (at % 23) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert!(read_file(&path).unwrap() == bytes, "{length}");
        }
        assert!(read_file(&dir.path().join("b.json")).is_err());
    }

    #[test]
    fn files_keep_their_order_and_say_what_is_wrong_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..40)
            .map(|at| dir.path().join(format!("{at}.yaml")))
            .collect();
        for (at, path) in paths.iter().enumerate() {
            let bytes = if at == 30 {
                vec![b'a', 0xff]
            } else {
                at.to_string().into()
            };
            std::fs::write(path, bytes).unwrap();
        }
        let mut given = paths.clone();
        given.push(paths[3].clone());
        let input = read(&given, &GlobSet::empty()).unwrap();
        let texts = input.sources.iter().map(|(_, file)| file.text().to_owned());
        let expected = (0..40).filter(|at| *at != 30).map(|at| at.to_string());
        assert!(texts.eq(expected));
        assert_eq!(input.paths.len(), 39);
        let [(name, reason)] = &*input.unreadable else {
            panic!("{:?}", input.unreadable);
        };
        assert!(name.ends_with("30.yaml"));
        assert_eq!(reason, "not UTF-8 text (bad byte at offset 1)");
    }
}
