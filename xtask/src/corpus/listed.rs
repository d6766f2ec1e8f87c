//! The known disagreements with a folder of expected answers: `xtask/corpus/FOLDER.tsv`.
//!
//! A line is `case differences rule why`. `differences` is `skipped`, or how many lines differ and a
//! digest of them, as a failing case prints it. INVARIANT: a listed disagreement that does not occur,
//! or occurs in another way, is a failure, so the list cannot rot.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// `skipped`, or the digest of the differences.
    pub(super) differences: String,
    /// The id of docs/semantics.md that decides it; `-` where no rule is at stake.
    pub(super) rule: String,
    pub(super) why: String,
}

/// The list of a folder, by case.
#[derive(Debug, Default)]
pub(super) struct Listed(pub(super) BTreeMap<String, Entry>);

impl Listed {
    /// Reads the list of a folder; a folder without a list has no disagreements.
    pub(super) fn of(folder: &Path) -> anyhow::Result<Self> {
        let path = path(folder);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = super::read(&path)?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut entries = BTreeMap::new();
        for line in text.lines().skip(1) {
            let columns: Vec<_> = line.split('\t').collect();
            let [case, differences, rule, why] = columns.as_slice() else {
                bail!("`{line}` has not four columns");
            };
            if why.is_empty() {
                bail!("`{case}` has no reason");
            }
            let entry = Entry {
                differences: (*differences).to_owned(),
                rule: (*rule).to_owned(),
                why: (*why).to_owned(),
            };
            if entries.insert((*case).to_owned(), entry).is_some() {
                bail!("`{case}` is listed twice");
            }
        }
        Ok(Self(entries))
    }
}

/// Where the list of a folder is.
pub(super) fn path(folder: &Path) -> PathBuf {
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let name = folder.file_name().unwrap_or_default();
    lists.join(name).with_extension("tsv")
}

/// The number of differences and a digest (FNV-1a) of them.
pub(super) fn digest(differences: &[String]) -> String {
    let bytes = differences
        .iter()
        .flat_map(|line| line.bytes().chain([b'\n']));
    let digest = bytes.fold(0x811c_9dc5_u32, |digest, byte| {
        (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{}:{digest:08x}", differences.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_differences_apart() {
        let lines = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
            digest(&lines)
        };
        assert_eq!(lines(&["a"]), lines(&["a"]));
        assert_ne!(lines(&["a", "b"]), lines(&["a", "c"]));
        assert_ne!(lines(&["ab"]), lines(&["a", "b"]));
    }

    #[test]
    fn lines_need_four_columns_and_a_reason() {
        let list = Listed::parse("case\tdifferences\trule\twhy\nx\tskipped\t-\tbecause\n").unwrap();
        assert_eq!(list.0.get("x").unwrap().why, "because");
        assert!(Listed::parse("head\nx\tskipped\t-\t\n").is_err());
        assert!(Listed::parse("head\nx\tskipped\n").is_err());
        assert!(Listed::parse("head\nx\t1:0\t-\ta\nx\t1:0\t-\tb\n").is_err());
    }
}
