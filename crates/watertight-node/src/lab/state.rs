//! Labs that run in the background, by their files.
//!
//! A file says which process holds a lab and under which numbers it holds the namespaces. It proves nothing: a
//! lab is there if that process is, started at that time, in this boot. A file without its process is what is
//! left after a kill; there is nothing else to clean up.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use super::{Cluster, Error, Place, Plan};
use crate::sys::process::Process;
use crate::sys::{Namespace, UserNamespace};

/// How long a holder may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// A lab that runs in the background, or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its name.
    pub name: Box<str>,
    /// The process that holds it.
    pub holder: Process,
    /// Its namespaces, the world first, then the nodes.
    pub places: Vec<HeldPlace>,
}

/// A namespace that a holder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPlace {
    /// `world`, the name of a node, or `namespace/name` of a pod.
    pub name: Box<str>,
    /// The node that a pod is on.
    pub node: Option<Box<str>>,
    /// The addresses.
    pub ips: Vec<IpAddr>,
    /// The number of the descriptor in the holder.
    pub descriptor: RawFd,
}

impl State {
    /// Of a cluster that this process holds.
    pub fn of(name: &str, plan: &Plan, cluster: &Cluster) -> Result<Self, Error> {
        let holder = Process::current().map_err(Error::system("write down who holds the lab"))?;
        let node_name = |id| {
            let node = plan.nodes.iter().find(|node| node.id == id);
            node.map(|node| node.name.clone())
        };
        let places = cluster.namespaces().map(|(place, namespace)| HeldPlace {
            name: match place {
                Place::World => "world".into(),
                Place::Node(id) => node_name(id).unwrap_or_default(),
                Place::Pod(id) => plan.pod(id).map(|pod| pod.name.clone()).unwrap_or_default(),
            },
            node: match place {
                Place::Pod(_) => plan.node_of(place).and_then(node_name),
                Place::World | Place::Node(_) => None,
            },
            ips: plan.ips_of(place),
            descriptor: namespace.number(),
        });
        Ok(Self {
            name: name.into(),
            holder,
            places: places.collect(),
        })
    }

    /// Whether the lab is there.
    pub fn is_up(&self) -> Result<bool, Error> {
        let doing = format!("look for the lab `{}`", self.name);
        self.holder.is_alive().map_err(Error::system(doing))
    }

    /// The user namespace of the holder; none if it is the caller's. To be entered before threads are
    /// started, and before any namespace of the lab.
    pub fn user_namespace(&self) -> Result<Option<UserNamespace>, Error> {
        let doing = format!("enter the lab `{}`", self.name);
        UserNamespace::of_process(self.holder.pid).map_err(Error::system(doing))
    }

    /// One of its places by name: all of it, or a pod's name without its namespace if no other has it.
    pub fn place(&self, name: &str) -> Result<&HeldPlace, Error> {
        if let Some(place) = self.places.iter().find(|place| *place.name == *name) {
            return Ok(place);
        }
        let is_short = |place: &&HeldPlace| {
            place
                .name
                .split_once('/')
                .is_some_and(|(_, short)| short == name)
        };
        let found: Vec<_> = self.places.iter().filter(is_short).collect();
        match found.as_slice() {
            [place] => Ok(*place),
            [] => {
                let names = self.places.iter().take(8).map(|place| &*place.name);
                let names: Vec<_> = names.collect();
                Err(Error::State(
                    format!(
                        "nothing in the lab `{}` is called `{name}`: try one of {}",
                        self.name,
                        names.join(", ")
                    )
                    .into(),
                ))
            }
            [first, ..] => Err(Error::State(
                format!(
                    "`{name}` is in several namespaces: say `{}`, for one",
                    first.name
                )
                .into(),
            )),
        }
    }

    /// The network namespace of a place.
    pub fn namespace(&self, place: &HeldPlace) -> Result<Namespace, Error> {
        if !self.is_up()? {
            return Err(gone(&self.name));
        }
        let doing = format!("open `{}` of the lab `{}`", place.name, self.name);
        Namespace::of_process(self.holder.pid, place.descriptor).map_err(Error::system(doing))
    }
}

fn gone(name: &str) -> Error {
    let text = format!(
        "the process that held the lab `{name}` is gone, and the lab with it: take its file away with `lab down`"
    );
    Error::State(text.into())
}

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
        Self::at(directory)
    }

    /// A directory, made if it is not there. It must be the user's own, and nobody else's.
    pub fn at(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        let directory = directory.into();
        let shown = directory.display();
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::State(
                    format!("could not make {shown}: {error}").into(),
                ));
            }
            _ => {}
        }
        let metadata = fs::symlink_metadata(&directory)
            .map_err(|error| Error::State(format!("could not look at {shown}: {error}").into()))?;
        let is_ours = metadata.is_dir()
            && metadata.uid() == geteuid().as_raw()
            && metadata.mode() & 0o077 == 0;
        if !is_ours {
            let text = format!(
                "{shown} is not a directory of this user alone: take it away, or set its mode to 0700"
            );
            return Err(Error::State(text.into()));
        }
        Ok(Self { directory })
    }

    /// All labs, by name.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let failed = |error: std::io::Error| {
            let shown = self.directory.display();
            Error::State(format!("could not list {shown}: {error}").into())
        };
        let mut found = Vec::new();
        for file in fs::read_dir(&self.directory).map_err(failed)? {
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
        let path = self.path(name);
        if path.exists() && self.entry(name, &path)?.is_up {
            let text = format!("a lab called `{name}` is up already: end it with `lab down`");
            return Err(Error::State(text.into()));
        }
        Ok(())
    }

    /// Writes down that a lab is there.
    pub fn write(&self, state: &State) -> Result<(), Error> {
        self.check_new(&state.name)?;
        let path = self.path(&state.name);
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
        let path = self.path(name);
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

    fn path(&self, name: &str) -> PathBuf {
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

fn outside(map: &str, own: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let (inside, outside, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let offset = own.checked_sub(inside.ok()?)?;
        (offset < count.ok()?).then(|| outside.ok()?.checked_add(offset))?
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let name = format!("watertight-test-{}-{name}", std::process::id());
        std::env::temp_dir().join(name)
    }

    fn state(name: &str, holder: Process) -> State {
        let place = |name: &str, descriptor| HeldPlace {
            name: name.into(),
            node: None,
            ips: Vec::new(),
            descriptor,
        };
        let places = vec![
            place("world", 3),
            place("a/web", 4),
            place("a/db", 5),
            place("b/db", 6),
        ];
        State {
            name: name.into(),
            holder,
            places,
        }
    }

    #[test]
    fn a_lab_is_found_while_its_process_runs_and_taken_away_after() {
        let directory = directory("found");
        let labs = Labs::at(&directory).unwrap();
        assert_eq!(
            labs.find(None).unwrap_err().to_string(),
            "no lab is up: make one with `lab up`"
        );
        let this = Process::current().unwrap();
        labs.write(&state("one", this.clone())).unwrap();
        assert_eq!(labs.find(None).unwrap().holder, this);
        assert_eq!(labs.find(Some("one")).unwrap(), state("one", this.clone()));
        let again = labs.write(&state("one", this.clone())).unwrap_err();
        assert_eq!(
            again.to_string(),
            "a lab called `one` is up already: end it with `lab down`"
        );

        // A process of the same number that was started at another time is somebody else.
        let started = this.started - 1;
        labs.write(&state("dead", Process { started, ..this }))
            .unwrap();
        fs::write(directory.join("broken.json"), "{").unwrap();
        let up: Vec<_> = labs
            .list()
            .unwrap()
            .iter()
            .map(|e| (e.name.clone(), e.is_up))
            .collect();
        assert_eq!(
            up,
            [
                ("broken".into(), false),
                ("dead".into(), false),
                ("one".into(), true)
            ]
        );
        assert!(
            labs.find(Some("dead"))
                .unwrap_err()
                .to_string()
                .contains("is gone")
        );
        assert!(
            labs.down(None)
                .unwrap_err()
                .to_string()
                .contains("broken, dead, one")
        );
        assert!(!labs.down(Some("dead")).unwrap().is_up);
        assert!(!labs.down(Some("broken")).unwrap().is_up);
        assert_eq!(
            labs.down(Some("dead")).unwrap_err().to_string(),
            "no lab is called `dead`"
        );
        labs.remove("one").unwrap();
        assert!(labs.list().unwrap().is_empty());
        fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn only_a_directory_of_ones_own_is_used() {
        let directory = directory("own");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Labs::at(&directory).unwrap_err().to_string();
        assert!(error.contains("of this user alone"), "{error}");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let link = directory.with_extension("link");
        std::os::unix::fs::symlink(&directory, &link).unwrap();
        Labs::at(&link).unwrap_err();
        let labs = Labs::at(&directory).unwrap();
        for name in ["", "../x", "a.b", &"a".repeat(41)] {
            labs.check_new(name).unwrap_err();
        }
        fs::remove_file(&link).unwrap();
        fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn places_go_by_short_names_that_are_no_others() {
        let state = state("one", Process::current().unwrap());
        assert_eq!(state.place("a/db").unwrap().descriptor, 5);
        assert_eq!(state.place("web").unwrap().descriptor, 4);
        assert_eq!(
            state.place("db").unwrap_err().to_string(),
            "`db` is in several namespaces: say `a/db`, for one"
        );
        assert_eq!(
            state.place("x").unwrap_err().to_string(),
            "nothing in the lab `one` is called `x`: try one of world, a/web, a/db, b/db"
        );
    }

    #[test]
    fn the_user_outside_is_read_from_the_map() {
        assert_eq!(outside("         0       1000          1\n", 0), Some(1000));
        assert_eq!(outside("0 0 4294967295\n", 7), Some(7));
        assert_eq!(outside("0 1000 1\n1 100000 65536\n", 5), Some(100_004));
        assert_eq!(outside("0 1000 1\n", 1), None);
    }
}
