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

/// A file of so many bytes is long.
pub(super) const LONG: usize = 2 * PIECE;

/// All bytes of a file.
pub(super) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if metadata.is_file() && (LONG..=source::MAX_FILE_BYTES).contains(&length) {
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

/// Whether two files may well be the same: they are long, and equally long.
pub(super) fn may_be_same(a: &Path, b: &Path) -> bool {
    let length = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        let length = usize::try_from(metadata.len()).ok()?;
        let is_long = (LONG..=source::MAX_FILE_BYTES).contains(&length);
        (metadata.is_file() && is_long).then_some(length)
    };
    length(a).is_some_and(|of| length(b) == Some(of))
}

/// So much of a file is compared at once: it stays in the cache of a core.
#[cfg(unix)]
const AT_ONCE: usize = 256 << 10;

/// Whether a file holds just these bytes, without keeping what is read of it.
#[cfg(unix)]
pub(super) fn holds(path: &Path, bytes: &[u8]) -> std::io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::open(path)?;
    let is_same = |(index, piece): (usize, &[u8])| -> std::io::Result<bool> {
        let mut buffer = vec![0; AT_ONCE.min(piece.len())];
        let mut offset = u64::try_from(index * PIECE).unwrap_or(u64::MAX);
        for part in piece.chunks(AT_ONCE) {
            let buffer = buffer.get_mut(..part.len()).unwrap_or_default();
            file.read_exact_at(buffer, offset)?;
            if *buffer != *part {
                return Ok(false);
            }
            offset += u64::try_from(part.len()).unwrap_or(u64::MAX);
        }
        Ok(true)
    };
    let pieces = bytes.par_chunks(PIECE).enumerate();
    let other = pieces
        .map(is_same)
        .find_any(|is_same| !matches!(is_same, Ok(true)));
    let end = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    match other {
        Some(other) => other,
        None => Ok(file.read_at(&mut [0], end)? == 0),
    }
}

/// Whether a file holds just these bytes.
#[cfg(not(unix))]
pub(super) fn holds(path: &Path, bytes: &[u8]) -> std::io::Result<bool> {
    Ok(std::fs::read(path)? == bytes)
}

/// A hint for a path that does not exist: the most similar name beside the first part of it that is not there.
pub(super) fn near(path: &Path) -> String {
    let parts = path.ancestors().filter(|part| !part.as_os_str().is_empty());
    let Some(missing) = parts.take_while(|part| !part.exists()).last() else {
        return String::new();
    };
    let Some(name) = missing.file_name().and_then(|name| name.to_str()) else {
        return String::new();
    };
    let parent = match missing.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(parent) else {
        return String::new();
    };
    let names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let Some(other) = misspelt(name, names.iter().map(String::as_str)) else {
        return String::new();
    };
    let near = parent.join(other);
    let whole = match path.strip_prefix(missing) {
        Ok(rest) if !rest.as_os_str().is_empty() => near.join(rest),
        _ => near.clone(),
    };
    // What comes behind may be misspelt too.
    let near = if whole.exists() { whole } else { near };
    let near = near.strip_prefix("./").unwrap_or(&near);
    format!(" (did you mean `{}`?)", near.display())
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
    fn files_are_compared_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a.json", "b.json"].map(|name| dir.path().join(name));
        let bytes: Vec<u8> = (0..=2 * PIECE).map(|at| b'a' + (at % 23) as u8).collect();
        std::fs::write(&a, &bytes).unwrap();
        std::fs::write(&b, &bytes[..bytes.len() - 1]).unwrap();
        assert!(
            may_be_same(&a, &a) && !may_be_same(&a, &b) && !may_be_same(dir.path(), dir.path())
        );
        assert!(holds(&a, &bytes).unwrap());
        assert!(!holds(&a, &bytes[..bytes.len() - 1]).unwrap());
        for at in [0, AT_ONCE, PIECE - 1, PIECE, 2 * PIECE] {
            let mut other = bytes.clone();
            other[at] = b'-';
            assert!(!holds(&a, &other).unwrap(), "{at}");
        }
        assert!(holds(&b, &bytes).is_err() && holds(&dir.path().join("c.json"), b"").is_err());
        std::fs::write(&b, "short").unwrap();
        assert!(!may_be_same(&b, &b));
    }

    #[test]
    fn a_misspelt_path_is_near_one_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("examples/shop")).unwrap();
        let told = |path: &str| near(&dir.path().join(path));
        let meant = |path: &str| format!(" (did you mean `{}`?)", dir.path().join(path).display());
        assert_eq!(told("examples/shpo"), meant("examples/shop"));
        assert_eq!(told("exmaples/shop"), meant("examples/shop"));
        assert_eq!(told("exmaples/shop/"), meant("examples/shop"));
        assert_eq!(told("exmaples/nothing"), meant("examples"));
        assert_eq!(told("nothing/shop"), "");
    }
}
