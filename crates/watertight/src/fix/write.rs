//! Files replaced in one step: a new file beside the old one, then renamed over it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// A new text for a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replacement<'s> {
    pub(crate) path: &'s Path,
    /// What the file held when it was read; empty for a file that was not there.
    pub(crate) old: &'s str,
    pub(crate) new: &'s str,
}

/// Replaces files. Nothing is written if one of them is not what it was, or cannot be written.
pub(crate) fn replace_all(replacements: &[Replacement<'_>]) -> anyhow::Result<usize> {
    let mut ready: Vec<Ready> = Vec::with_capacity(replacements.len());
    for replacement in replacements {
        match prepare(replacement) {
            Ok(one) => ready.push(one),
            Err(error) => {
                for one in &ready {
                    let _ = fs::remove_file(&one.temporary);
                }
                return Err(error);
            }
        }
    }
    let written = ready.len();
    let mut failed = None;
    for one in ready {
        if failed.is_none()
            && let Err(error) = fs::rename(&one.temporary, &one.target)
        {
            failed = Some((one.target.clone(), error));
        }
        if failed.is_some() {
            let _ = fs::remove_file(&one.temporary);
        }
    }
    match failed {
        Some((target, error)) => {
            Err(error).with_context(|| format!("cannot write `{}`", target.display()))
        }
        None => Ok(written),
    }
}

/// A new file that waits to be renamed.
struct Ready {
    temporary: PathBuf,
    target: PathBuf,
}

fn prepare(replacement: &Replacement<'_>) -> anyhow::Result<Ready> {
    let shown = replacement.path.display();
    // A link stays a link: what it leads to is replaced.
    let (target, permissions) = match fs::canonicalize(replacement.path) {
        Ok(target) => {
            let permissions = fs::metadata(&target)
                .with_context(|| format!("cannot write `{shown}`"))?
                .permissions();
            if permissions.readonly() {
                bail!("cannot write `{shown}`: it is read-only");
            }
            (target, Some(permissions))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && replacement.old.is_empty() => {
            (replacement.path.to_owned(), None)
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write `{shown}`")),
    };
    if permissions.is_some() {
        let now = fs::read(&target).with_context(|| format!("cannot read `{shown}` again"))?;
        if now != replacement.old.as_bytes() {
            bail!("`{shown}` has changed since it was read: nothing is written; run again");
        }
    }
    let temporary = beside(&target);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        file.write_all(replacement.new.as_bytes())?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.sync_all()
    };
    if let Err(error) = write() {
        if error.kind() != ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&temporary);
        }
        return Err(error).with_context(|| format!("cannot write `{shown}`"));
    }
    Ok(Ready { temporary, target })
}

/// A name in the same directory, which no walk over manifests takes for one.
fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}.watertight-new", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_is_written_if_one_file_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a.yaml"), dir.path().join("b.yaml"));
        fs::write(&a, "a: 1").unwrap();
        fs::write(&b, "b: 2").unwrap();
        let one = |path, old, new| Replacement { path, old, new };
        let error = replace_all(&[one(&a, "a: 1", "a: 3"), one(&b, "b: 1", "b: 3")]).unwrap_err();
        assert!(error.to_string().contains("has changed since"), "{error}");
        assert_eq!(fs::read_to_string(&a).unwrap(), "a: 1");
        assert_eq!(names(dir.path()), ["a.yaml", "b.yaml"]);
        assert_eq!(
            replace_all(&[one(&a, "a: 1", "a: 3"), one(&b, "b: 2", "b: 3")]).unwrap(),
            2
        );
        assert_eq!(fs::read_to_string(&b).unwrap(), "b: 3");
        let c = dir.path().join("c.yaml");
        assert_eq!(replace_all(&[one(&c, "", "c: 1")]).unwrap(), 1);
        // It has come while the input was checked.
        assert!(replace_all(&[one(&c, "", "c: 2")]).is_err());
        assert_eq!(names(dir.path()), ["a.yaml", "b.yaml", "c.yaml"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.yaml"), dir.path().join("link.yaml"));
        fs::write(&real, "a: 1").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.yaml", &link).unwrap();
        let change = Replacement {
            path: &link,
            old: "a: 1",
            new: "a: 2",
        };
        replace_all(&[change]).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "a: 2");
        assert_eq!(
            fs::metadata(&real).unwrap().permissions().mode() & 0o777,
            0o640
        );
        fs::set_permissions(&real, fs::Permissions::from_mode(0o440)).unwrap();
        let again = Replacement {
            path: &link,
            old: "a: 2",
            new: "a: 3",
        };
        let error = replace_all(&[again]).unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
    }
}
