//! A cluster in one file: a compressed archive of the texts, the header first.
//!
//! Unpacked it is a directory that reads like any other. Reading one trusts nobody: sizes are bounded,
//! and only plain files with texts count. INVARIANT: an archive that is cut off or damaged anywhere, or
//! that holds less than its header says, is an error and never a smaller cluster.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Component, Path};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use watertight_core::source::MAX_FILE_BYTES;

use crate::header::{HEADER, Header};
use crate::read::File;
use crate::read::texts::directory;

/// The directory in the archive.
const ROOT: &str = "cluster";

/// What all texts together may come to. 100,000 pods are some 50 MiB.
const MOST_BYTES: u64 = 8 << 30;

/// What every archive may unpack to, however small it is.
const LEAST_BYTES: u64 = 64 << 20;

/// Beyond that, an archive may unpack to so many times its size: objects that are nearly alike come to
/// some 30 times, and compression to a thousand at most.
const RATIO: u64 = 200;

/// A text may be as long as a file. One with a single object never comes near it; one with all objects
/// of a large cluster, as `kubectl get` prints them, has some hundred megabytes.
const LONGEST_TEXT: u64 = MAX_FILE_BYTES as u64;

/// There may not be more texts: each is a policy, or all objects of a kind.
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
    /// Its header cannot be read.
    Header(serde_json::Error),
    /// There are fewer objects of a kind in it than its header says.
    Missing {
        /// The kind, as the beginning of its texts.
        texts: String,
        /// What the header says.
        count: usize,
        /// What is there.
        found: usize,
    },
    /// It unpacks to more than this, which is more than any cluster has.
    TooLarge(u64),
    /// There are more texts in it than any cluster has.
    TooMany,
    /// One text is too long.
    TooLong {
        /// Its name.
        name: String,
        /// Its length.
        bytes: u64,
    },
    /// There is nothing in it that could be read.
    Empty,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "the snapshot is broken or cut off: {error}"),
            Self::Header(error) => {
                write!(f, "`{HEADER}` of the snapshot cannot be read: {error}")
            }
            Self::Missing {
                texts,
                count,
                found,
            } => write!(
                f,
                "the snapshot is damaged: of {texts} it says that it has {count}, and there are \
                 {found}; save it again"
            ),
            Self::TooLarge(most) => write!(
                f,
                "the snapshot unpacks to more than {} MiB, far more than a cluster that is packed so small; \
                 if you know where it is from, unpack it with tar and name the directory",
                most >> 20
            ),
            Self::TooMany => write!(
                f,
                "the snapshot has more than {MOST_FILES} texts; if you know where it is from, unpack it \
                 with tar and name the directory"
            ),
            Self::TooLong { name, bytes } => write!(
                f,
                "`{name}` of the snapshot has {} MiB, and texts of more than {} MiB are not read; unpack \
                 it with tar, cut that file into several, and name the directory",
                bytes >> 20,
                LONGEST_TEXT >> 20
            ),
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
    unpack_to(bytes, LEAST_BYTES)
}

/// The same; `least` is what every archive may unpack to.
fn unpack_to(bytes: &[u8], least: u64) -> Result<Archive, Error> {
    let most = (bytes.len() as u64).saturating_mul(RATIO).max(least);
    let most = most.min(MOST_BYTES);
    let limited = GzDecoder::new(bytes).take(most);
    let mut reader = tar::Archive::new(limited);
    let archive = entries(&mut reader);
    let mut rest = reader.into_inner();
    // Only the end of the stream tells whether all of it is there and as it was written.
    let end = match &archive {
        Ok(_) => io::copy(&mut rest, &mut io::sink()),
        Err(_) => Ok(0),
    };
    if rest.limit() == 0 {
        return Err(Error::TooLarge(most));
    }
    let mut archive = archive?;
    end?;
    if archive.files.is_empty() {
        return Err(Error::Empty);
    }
    archive
        .files
        .sort_by(|a, b| Path::new(&a.name).cmp(Path::new(&b.name)));
    complete(&archive)?;
    Ok(archive)
}

/// The texts, in the order of the archive.
fn entries(reader: &mut tar::Archive<impl Read>) -> Result<Archive, Error> {
    let mut archive = Archive::default();
    for entry in reader.entries()? {
        let mut entry = entry?;
        if archive.files.len() >= MOST_FILES {
            return Err(Error::TooMany);
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Some(name) = name(&entry.path()?) else {
            continue;
        };
        if entry.size() > LONGEST_TEXT {
            let bytes = entry.size();
            return Err(Error::TooLong { name, bytes });
        }
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        if name == HEADER {
            archive.header = Some(serde_json::from_str(&text).map_err(Error::Header)?);
        }
        archive.files.push(File { name, text });
    }
    Ok(archive)
}

/// Fails if there is less than the header says.
fn complete(archive: &Archive) -> Result<(), Error> {
    let Some(header) = &archive.header else {
        return Ok(());
    };
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for file in &archive.files {
        let (texts, objects) = match (file.name.split_once('/'), file.name.strip_suffix(".ndjson"))
        {
            (Some((texts, _)), _) => (texts, 1),
            (None, Some(lines)) => {
                // Long lists go on in `pods-2`.
                let parts = lines.rsplit_once('-');
                let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
                let first = parts.filter(|(_, number)| is_number(number));
                let objects = file.text.lines().filter(|line| !line.is_empty());
                (first.map_or(lines, |(first, _)| first), objects.count())
            }
            (None, None) => continue,
        };
        *found.entry(texts).or_default() += objects;
    }
    for kind in &header.kinds {
        let texts = directory(&kind.resource, &kind.group);
        let found = found.get(&*texts).copied().unwrap_or_default();
        if found < kind.count {
            return Err(Error::Missing {
                texts,
                count: kind.count,
                found,
            });
        }
    }
    Ok(())
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

    fn header(count: usize) -> String {
        let kind = crate::KindRead {
            group: "cilium.io".into(),
            version: "v2".into(),
            resource: "ciliumnetworkpolicies".into(),
            kind: "CiliumNetworkPolicy".into(),
            state: crate::State::Complete,
            count,
            message: String::new(),
            namespaces: Vec::new(),
        };
        let pods = crate::KindRead {
            group: String::new(),
            resource: "pods".into(),
            ..kind.clone()
        };
        let header = Header {
            api_version: "watertight.dev/v1".into(),
            kind: "Snapshot".into(),
            metadata: crate::Named { name: "a".into() },
            cluster: crate::About::default(),
            taken: String::new(),
            redacted: false,
            kinds: vec![kind, pods],
        };
        header.text()
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_found() {
        let texts: String = (0..300_u32)
            .map(|n| format!("{}\n", n * n * 7919))
            .collect();
        let bytes = packed(&[file("pods.ndjson", &texts)]);
        assert!(unpack(&bytes).is_ok());
        for end in (bytes.len() - 40..bytes.len()).chain([20, bytes.len() / 2]) {
            assert!(unpack(&bytes[..end]).is_err(), "cut off at {end}");
        }
        for at in bytes.len() - 8..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(matches!(unpack(&changed), Err(Error::Broken(_))), "{at}");
        }
    }

    #[test]
    fn what_the_header_says_has_to_be_there() {
        let policy = |n: usize| {
            file(
                &format!("ciliumnetworkpolicies.cilium.io/a/{n}.yaml"),
                "a: b\n",
            )
        };
        let all = [
            policy(1),
            policy(2),
            file("pods.ndjson", "{}\n"),
            file("pods-2.ndjson", "{}\n"),
        ];
        let with = |count, files: &[File]| {
            let mut files = files.to_vec();
            files.push(file(HEADER, &header(count)));
            unpack(&packed(&files))
        };
        assert!(with(2, &all).is_ok());
        let less = with(2, &all[1..]).unwrap_err();
        assert_eq!(
            less.to_string(),
            "the snapshot is damaged: of ciliumnetworkpolicies.cilium.io it says that it has 2, and \
             there are 1; save it again"
        );
        assert!(matches!(with(5, &[]), Err(Error::Missing { .. })));
        assert!(matches!(
            with(2, &all[..3]),
            Err(Error::Missing { found: 1, .. })
        ));
        let no_header = packed(&[file(HEADER, "{\"kind\": 1}"), file("a.yaml", "")]);
        assert!(matches!(unpack(&no_header), Err(Error::Header(_))));
    }

    #[test]
    fn archives_do_not_unpack_to_more_than_a_cluster_has() {
        let bytes = packed(&[file("pods.ndjson", &"a".repeat(4 << 20))]);
        assert!(bytes.len() < 10_000, "{}", bytes.len());
        let error = unpack_to(&bytes, 1 << 20).unwrap_err().to_string();
        assert!(
            error.starts_with("the snapshot unpacks to more than 1 MiB"),
            "{error}"
        );
        assert!(
            error.ends_with("unpack it with tar and name the directory"),
            "{error}"
        );
        assert!(unpack(&bytes).is_ok());
    }

    #[test]
    fn a_text_of_many_objects_may_be_long() {
        let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n";
        let texts = [file("all.yaml", &object.repeat(200_000))];
        assert!(texts.iter().all(|file| file.text.len() > 8 << 20));
        assert_eq!(unpack(&packed(&texts)).unwrap().files, texts);
    }

    #[test]
    fn a_text_that_is_too_long_is_named_before_it_is_read() {
        // What is announced and not there would take long to make.
        let mut header = tar::Header::new_ustar();
        header.set_path("cluster/all.yaml").unwrap();
        header.set_size((2 << 30) + (1 << 20));
        header.set_mode(0o644);
        header.set_cksum();
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(header.as_bytes()).unwrap();
        let error = unpack(&packed.finish().unwrap()).unwrap_err().to_string();
        assert_eq!(
            error,
            "`all.yaml` of the snapshot has 2049 MiB, and texts of more than 2048 MiB are not read; \
             unpack it with tar, cut that file into several, and name the directory"
        );
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
