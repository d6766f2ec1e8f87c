//! Files and directories: which files a walk reads, and how they are read.
//!
//! What [`is_wanted`] and [`is_excluded`] say holds for revisions of a repository too, so that a
//! directory and its last commit give the same files.

use std::path::{Path, PathBuf};

use globset::GlobSet;
use ignore::WalkBuilder;
use rayon::prelude::*;
use watertight_core::source;
use watertight_core::suggest::misspelt;

/// Files that are read below a directory.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json", "ndjson"];

/// Whether a file below a directory is read, by its name.
pub(super) fn is_wanted(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Whether a glob leaves a file out, by its path as it is spelled or by what is below `root`.
pub(super) fn is_excluded(path: &Path, root: &Path, exclude: &GlobSet) -> bool {
    let plain = path.strip_prefix("./").unwrap_or(path);
    let below = path.strip_prefix(root).unwrap_or(path);
    exclude.is_match(plain) || exclude.is_match(below)
}

/// Files below a directory, sorted.
pub(super) fn walk(
    root: &Path,
    exclude: &GlobSet,
    unreadable: &mut Vec<(String, String)>,
) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in WalkBuilder::new(root).require_git(false).build() {
        match entry {
            Ok(entry) => {
                let path = entry.path();
                let is_file = entry.file_type().is_some_and(|kind| !kind.is_dir());
                if is_wanted(path) && is_file && !is_excluded(path, root, exclude) {
                    found.push(path.to_owned());
                }
            }
            Err(error) => unreadable.push((root.display().to_string(), error.to_string())),
        }
    }
    found.sort();
    found
}

/// Longer files are read in pieces of so many bytes, on all cores: what takes time is to get the
/// memory for them.
const PIECE: usize = 4 << 20;

/// All bytes of a file.
pub(super) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
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

/// A hint for a path that does not exist: the most similar name beside it.
pub(super) fn near(path: &Path) -> String {
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
}
