//! The directory in which the labs of a user write down that they are there.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use super::{Error, State, gone};

/// How long a holder may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// A file in the directory of labs.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name of the lab.
    pub name: Box<str>,
    /// What the file says; none if it cannot be read as that.
    pub state: Option<State>,
    /// Whether the lab is there.
    pub is_up: bool,
}

/// The directory in which labs write down that they are there.
#[derive(Clone, Debug)]
pub struct Labs {
    directory: PathBuf,
}

impl Labs {
    /// The directory of this user: `/run/watertight` of root, that of others below their own runtime
    /// directory, or else below `/tmp`.
    pub fn usual() -> Result<Self, Error> {
        let uid = outer_uid();
        let directory = match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            _ if uid == 0 => PathBuf::from("/run/watertight"),
            Some(directory) if directory.is_absolute() => directory.join("watertight"),
            _ => PathBuf::from(format!("/tmp/watertight-{uid}")),
        };
        let labs = Self { directory };
        // The first lab makes it.
        labs.is_there()?;
        Ok(labs)
    }

    /// A directory, made if it is not there. It must be the user's own, and nobody else's.
    pub fn at(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        let labs = Self {
            directory: directory.into(),
        };
        labs.make()?;
        Ok(labs)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    fn make(&self) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                let shown = self.directory.display();
                let text = format!("could not make {shown}: {error}");
                return Err(Error::State(text.into()));
            }
            _ => {}
        }
        // Somebody else may have been faster.
        self.is_there().map(drop)
    }

    /// Takes the directory away if it has nothing in it.
    pub fn take_away_if_empty(&self) {
        // INVARIANT: the kernel takes no directory away that has something in it.
        let _ = fs::remove_dir(&self.directory);
    }

    /// Whether the directory is there; fails if it is somebody else's.
    fn is_there(&self) -> Result<bool, Error> {
        let shown = self.directory.display();
        let metadata = match fs::symlink_metadata(&self.directory) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                let text = format!("could not look at {shown}: {error}");
                return Err(Error::State(text.into()));
            }
        };
        let is_ours = metadata.is_dir()
            && metadata.uid() == geteuid().as_raw()
            && metadata.mode() & 0o077 == 0;
        if !is_ours {
            let text = format!(
                "{shown} is not a directory of this user alone: take it away, or set its mode to 0700"
            );
            return Err(Error::State(text.into()));
        }
        Ok(true)
    }

    /// All labs, by name.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let failed = |error: std::io::Error| {
            let shown = self.directory.display();
            Error::State(format!("could not list {shown}: {error}").into())
        };
        let mut found = Vec::new();
        let files = match fs::read_dir(&self.directory) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(failed(error)),
        };
        for file in files {
            let path = file.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.and_then(|name| name.strip_suffix(".json")) {
                found.push(self.entry(name, &path)?);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The lab of a name; the only one if no name is given.
    pub fn find(&self, name: Option<&str>) -> Result<State, Error> {
        let entry = self.one(name)?;
        match entry.state {
            Some(state) if entry.is_up => Ok(state),
            _ => Err(gone(&entry.name)),
        }
    }

    /// Ends a lab and takes its file away; the only one if no name is given. The entry that there was: not
    /// up, if all there was left was the file.
    pub fn down(&self, name: Option<&str>) -> Result<Entry, Error> {
        let entry = self.one(name)?;
        if let Some(state) = &entry.state {
            let doing = format!("end the lab `{}`", entry.name);
            state.holder.end(PATIENCE).map_err(Error::system(doing))?;
        }
        self.remove(&entry.name)?;
        Ok(entry)
    }

    /// Fails if a lab of a name is up, or if it cannot be a name.
    pub fn check_new(&self, name: &str) -> Result<(), Error> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(is_name) {
            let text = format!(
                "`{name}` cannot be the name of a lab: take up to 40 letters, digits, `-` and `_`"
            );
            return Err(Error::State(text.into()));
        }
        let path = self.file(name);
        if path.exists() && self.entry(name, &path)?.is_up {
            let text = format!("a lab called `{name}` is up already: end it with `lab down`");
            return Err(Error::State(text.into()));
        }
        Ok(())
    }

    /// Writes down that a lab is there.
    pub fn write(&self, state: &State) -> Result<(), Error> {
        self.check_new(&state.name)?;
        self.make()?;
        let path = self.file(&state.name);
        let draft = path.with_extension(format!("{}.new", state.holder.pid));
        let write = || -> std::io::Result<()> {
            let text = serde_json::to_vec(state)?;
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(&text)?;
            fs::rename(&draft, &path)
        };
        write().map_err(|error| {
            Error::State(format!("could not write {}: {error}", path.display()).into())
        })
    }

    /// Takes the file of a lab away.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::State(
                format!("could not take {} away: {error}", path.display()).into(),
            )),
            _ => Ok(()),
        }
    }

    fn one(&self, name: Option<&str>) -> Result<Entry, Error> {
        let mut all = self.list()?;
        if let Some(name) = name {
            let at = all.iter().position(|entry| *entry.name == *name);
            return match at {
                Some(at) => Ok(all.swap_remove(at)),
                None => Err(Error::State(format!("no lab is called `{name}`").into())),
            };
        }
        let names: Vec<_> = all.iter().map(|entry| entry.name.to_string()).collect();
        match (all.pop(), all.is_empty()) {
            (Some(entry), true) => Ok(entry),
            (None, _) => Err(Error::State("no lab is up: make one with `lab up`".into())),
            (Some(_), false) => {
                let text = format!(
                    "there are several labs: say which one of {}",
                    names.join(", ")
                );
                Err(Error::State(text.into()))
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    fn entry(&self, name: &str, path: &Path) -> Result<Entry, Error> {
        let text = fs::read(path).ok();
        let state: Option<State> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let is_up = match &state {
            Some(state) => state.is_up()?,
            None => false,
        };
        Ok(Entry {
            name: name.into(),
            state,
            is_up,
        })
    }
}

/// The user as the machine knows it, also from inside of a user namespace.
fn outer_uid() -> u32 {
    let own = geteuid().as_raw();
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    outside(&map, own).unwrap_or(own)
}

pub(super) fn outside(map: &str, own: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let (inside, outside, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let offset = own.checked_sub(inside.ok()?)?;
        (offset < count.ok()?).then(|| outside.ok()?.checked_add(offset))?
    })
}
