//! A cluster in one file: a compressed archive of the texts, the header first.
//!
//! Unpacked it is a directory that reads like any other. Reading one trusts nobody: sizes are bounded,
//! and only plain files with texts count.

use std::io::{self, Read, Write};
use std::path::{Component, Path};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::header::{HEADER, Header};
use crate::read::File;

/// The directory in the archive.
const ROOT: &str = "cluster";

/// No cluster has more.
const MOST_BYTES: u64 = 8 << 30;

/// A text may not be longer.
const LONGEST_TEXT: u64 = 1 << 30;

/// No cluster has more texts.
const MOST_FILES: usize = 1_000_000;

/// What is in a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// What it says about itself, if it does.
    pub header: Option<Header>,
    /// The texts, the header among them.
    pub files: Vec<File>,
}

/// Why a snapshot cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The archive is broken or cut off.
    Broken(io::Error),
    /// It is larger than any cluster.
    TooLarge,
    /// There is nothing in it that could be read.
    Empty,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "the snapshot is broken or cut off: {error}"),
            Self::TooLarge => f.write_str("the snapshot unpacks to more than any cluster has"),
            Self::Empty => f.write_str("the archive is no snapshot: there are no manifests in it"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Whether a file may be a snapshot, by its first bytes.
#[must_use]
pub fn is_snapshot(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Writes a snapshot. The same texts give the same bytes.
///
/// # Errors
/// When `out` fails.
pub fn pack(files: &[File], out: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    for file in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(file.text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        let path = format!("{ROOT}/{}", file.name);
        // Long names get an entry of their own.
        archive.append_data(&mut header, path, file.text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.flush()
}

/// Reads a snapshot.
///
/// # Errors
/// When it is none, or broken.
pub fn unpack(bytes: &[u8]) -> Result<Archive, Error> {
    let limited = GzDecoder::new(bytes).take(MOST_BYTES);
    let mut reader = tar::Archive::new(limited);
    let mut archive = Archive::default();
    for entry in reader.entries()? {
        let entry = entry?;
        if archive.files.len() >= MOST_FILES || entry.size() > LONGEST_TEXT {
            return Err(Error::TooLarge);
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Some(name) = name(&entry.path()?) else {
            continue;
        };
        let mut text = String::new();
        let mut entry = entry.take(LONGEST_TEXT);
        entry.read_to_string(&mut text)?;
        if name == HEADER {
            archive.header = serde_json::from_str(&text).ok();
        }
        archive.files.push(File { name, text });
    }
    if reader.into_inner().limit() == 0 {
        return Err(Error::TooLarge);
    }
    if archive.files.is_empty() {
        return Err(Error::Empty);
    }
    archive
        .files
        .sort_by(|a, b| Path::new(&a.name).cmp(Path::new(&b.name)));
    Ok(archive)
}

/// The name of a text below the directory of the archive; none if it is no text or leads elsewhere.
fn name(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?;
    if !matches!(extension, "json" | "ndjson" | "yaml" | "yml") {
        return None;
    }
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    let parts = match parts.split_first() {
        Some((first, rest)) if *first == ROOT && !rest.is_empty() => rest,
        _ => &parts,
    };
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> File {
        File {
            name: name.into(),
            text: text.into(),
        }
    }

    fn packed(files: &[File]) -> Vec<u8> {
        let mut bytes = Vec::new();
        pack(files, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_packed_comes_out() {
        let long = format!(
            "networkpolicies/{}/{}.yaml",
            "n".repeat(63),
            "p".repeat(253)
        );
        let files = [file(&long, "a: é\n"), file("pods.ndjson", "")];
        let bytes = packed(&files);
        assert!(is_snapshot(&bytes));
        assert_eq!(packed(&files), bytes, "the same bytes");
        assert_eq!(unpack(&bytes).unwrap().files, files);
    }

    #[test]
    fn broken_archives_say_so() {
        let bytes = packed(&[file("a.yaml", &"a: b\n".repeat(10_000))]);
        let half = bytes.get(..bytes.len() / 2).unwrap();
        assert!(matches!(unpack(half), Err(Error::Broken(_))));
        assert!(matches!(unpack(&packed(&[])), Err(Error::Empty)));
        assert!(matches!(unpack(b"\x1f\x8bno"), Err(Error::Broken(_))));
    }

    #[test]
    fn names_do_not_lead_out() {
        for (path, expected) in [
            ("cluster/pods.ndjson", Some("pods.ndjson")),
            ("./cluster/a/b.yaml", Some("a/b.yaml")),
            ("other/a.yml", Some("other/a.yml")),
            ("cluster/../a.yaml", None),
            ("/etc/a.yaml", None),
            ("cluster/readme.txt", None),
        ] {
            assert_eq!(name(Path::new(path)).as_deref(), expected, "{path}");
        }
    }
}
