//! From what somebody names to sources: paths, `-` and `git:REV[:PATH]`, for every verb alike.
//!
//! A thing that does not exist is a mistake of the caller's and fatal; a file that is there and
//! cannot be read is booked, and the rest is read.

mod files;
mod git;
mod live;
mod two;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use rayon::prelude::*;
use watertight_core::source::{self, Sources};

use crate::args::{Global, InputArgs, LiveArgs};

pub(crate) use live::Origin;
#[cfg(feature = "live")]
pub(crate) use live::{Following, reading};
pub(crate) use two::{Two, read_on_top, read_two};

/// What was read.
#[derive(Debug)]
pub(crate) struct Input {
    /// The files.
    pub(crate) sources: Sources,
    /// Files that could not be read, with the reason.
    pub(crate) unreadable: Vec<(String, String)>,
    /// The paths behind the sources, to watch and to fix; none for standard input and for files of a
    /// revision.
    pub(crate) paths: Vec<Option<PathBuf>>,
    /// The cluster that was read, if it was one; the first of several.
    pub(crate) origin: Option<Origin>,
}

/// What is read of a cluster, and who asks.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "live"),
    expect(dead_code, reason = "nobody is asked without it")
)]
pub(crate) struct Asking<'a> {
    pub(crate) live: &'a LiveArgs,
    /// Where to look for what may not be listed in the whole cluster.
    pub(crate) namespaces: &'a [String],
    /// Whether to read what tells what pods need.
    pub(crate) hints: bool,
    pub(crate) global: &'a Global,
}

impl<'a> Asking<'a> {
    /// Who asks for what decides connections.
    pub(crate) fn of(args: &'a InputArgs, global: &'a Global) -> Self {
        Self {
            live: &args.live,
            namespaces: &args.namespaces,
            hints: false,
            global,
        }
    }

    /// Whether a live cluster is asked for: as a plugin of kubectl, also where nothing else is named.
    pub(crate) fn is_live(&self, paths: &[PathBuf]) -> bool {
        let can_be = cfg!(feature = "live") && self.live.snapshot().is_none();
        let by_itself = self.global.plugin && paths.is_empty() && can_be;
        self.live.is_live() || by_itself
    }

    /// Whether a cluster is asked for, live or saved.
    pub(crate) fn names_cluster(&self, paths: &[PathBuf]) -> bool {
        self.is_live(paths) || self.live.snapshot().is_some()
    }

    #[cfg(feature = "live")]
    fn wanted(&self) -> watertight_cluster::Wanted {
        watertight_cluster::Wanted {
            hints: self.hints,
            namespaces: self.namespaces.to_vec(),
        }
    }
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

/// Reads everything that was asked for: a cluster if one is named, with the files on top of it, or else
/// the files, or else what the command is about by itself.
pub(crate) fn read(
    args: &InputArgs,
    exclude: &GlobSet,
    hints: bool,
    global: &Global,
) -> anyhow::Result<Input> {
    let asking = Asking {
        hints,
        ..Asking::of(args, global)
    };
    let mut finder = Finder::new(exclude, asking);
    let mut unreadable = Vec::new();
    let found = finder.cluster(&args.filename, &mut unreadable)?;
    finish(finder, found, unreadable, &args.filename)
}

/// Reads files on top of what was found of a cluster.
fn finish(
    mut finder: Finder<'_>,
    mut found: Vec<Given>,
    unreadable: Vec<(String, String)>,
    paths: &[PathBuf],
) -> anyhow::Result<Input> {
    let mut input = Input {
        sources: Sources::new(),
        unreadable,
        paths: Vec::new(),
        origin: None,
    };
    let here = [PathBuf::from(".")];
    let paths = match paths {
        [] if !finder.asking.names_cluster(paths) => &here[..],
        paths => paths,
    };
    found.extend(finder.find(paths, &mut input.unreadable)?);
    for text in texts(found, &mut input.origin) {
        input.add(text);
    }
    if input.sources.is_empty() && input.unreadable.is_empty() {
        bail!(nothing_in(paths));
    }
    Ok(input)
}

/// What to say where there is nothing to read.
fn nothing_in<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> String {
    let shown = paths
        .into_iter()
        .map(|path| format!("`{}`", path.display()))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "found no YAML or JSON file in {shown}; name a file or directory, or give `-` and \
         pipe manifests in"
    )
}

/// Finds the files behind what somebody names, each of them once.
struct Finder<'a> {
    exclude: &'a GlobSet,
    asking: Asking<'a>,
    seen: BTreeSet<PathBuf>,
    stdin_read: bool,
    repository: Option<git::Repository>,
}

impl<'a> Finder<'a> {
    fn new(exclude: &'a GlobSet, asking: Asking<'a>) -> Self {
        Self {
            exclude,
            asking,
            seen: BTreeSet::new(),
            stdin_read: false,
            repository: None,
        }
    }

    /// The cluster that flags name; as a plugin of kubectl, that of the current context where no path
    /// is given.
    fn cluster(
        &mut self,
        paths: &[PathBuf],
        unreadable: &mut Vec<(String, String)>,
    ) -> anyhow::Result<Vec<Given>> {
        if let Some(path) = self.asking.live.snapshot() {
            let path = path.to_owned();
            let found = self.files(&path, unreadable)?;
            if found.is_empty() && unreadable.is_empty() {
                // Whoever names a cluster does not mean the directory they are in.
                bail!(
                    "found no YAML or JSON file in the snapshot `{}`; name a file that `watertight \
                     snapshot save` wrote, or the directory it was unpacked to",
                    path.display()
                );
            }
            return Ok(found);
        }
        if self.asking.is_live(paths) {
            return self.live(None);
        }
        Ok(Vec::new())
    }

    /// A live cluster.
    #[cfg(feature = "live")]
    fn live(&self, context: Option<&str>) -> anyhow::Result<Vec<Given>> {
        let wanted = self.asking.wanted();
        let (origin, texts) = live::read(self.asking.live, context, &wanted, self.asking.global)?;
        Ok(vec![Given::Cluster(origin, texts)])
    }

    #[cfg(not(feature = "live"))]
    fn live(&self, _: Option<&str>) -> anyhow::Result<Vec<Given>> {
        bail!("this watertight is built without live clusters")
    }

    fn find(
        &mut self,
        paths: &[PathBuf],
        unreadable: &mut Vec<(String, String)>,
    ) -> anyhow::Result<Vec<Given>> {
        let mut found = Vec::new();
        for path in paths {
            if path.as_os_str() == "-" {
                found.extend(self.stdin()?);
            } else if let Some(context) = path
                .to_str()
                .and_then(|path| path.strip_prefix(live::SCHEME))
                && !path.exists()
            {
                found.extend(self.live(Some(context))?);
            } else if let Some(spec) = path.to_str().and_then(git::Spec::parse) {
                let spec = spec?;
                let repository = match &mut self.repository {
                    Some(repository) => repository,
                    none => none.insert(git::Repository::here(&spec)?),
                };
                let blobs = repository.read(&spec, self.exclude)?;
                found.extend(blobs.into_iter().map(Given::Blob));
            } else {
                found.extend(self.files(path, unreadable)?);
            }
        }
        Ok(found)
    }

    fn stdin(&mut self) -> anyhow::Result<Option<Given>> {
        if std::mem::replace(&mut self.stdin_read, true) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        Ok(Some(Given::Stdin(bytes)))
    }

    fn files(
        &mut self,
        path: &PathBuf,
        unreadable: &mut Vec<(String, String)>,
    ) -> anyhow::Result<Vec<Given>> {
        let metadata = std::fs::metadata(path)
            .with_context(|| format!("cannot read `{}`{}", path.display(), files::near(path)))?;
        let found = if metadata.is_dir() {
            files::walk(path, self.exclude, unreadable)
        } else {
            vec![path.clone()]
        };
        // One file may be named twice, or be below two of the directories.
        let is_new = |path: &PathBuf| {
            let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
            self.seen.insert(identity)
        };
        let given = found.into_iter().filter(is_new).map(|file| {
            let below = file.strip_prefix(path).unwrap_or(&file).to_owned();
            Given::File { path: file, below }
        });
        Ok(given.collect())
    }
}

/// Something to be read.
enum Given {
    Stdin(Vec<u8>),
    File {
        path: PathBuf,
        below: PathBuf,
    },
    Blob(git::Blob),
    #[cfg_attr(
        not(feature = "live"),
        expect(dead_code, reason = "no cluster is read without it")
    )]
    Cluster(Origin, Vec<Text>),
}

/// A text with its name, or why there is none.
struct Text {
    name: String,
    /// The file behind it.
    path: Option<PathBuf>,
    /// The file below what somebody named; empty for what was named itself.
    below: PathBuf,
    text: Result<String, String>,
    /// Whether it is what a cluster holds.
    is_base: bool,
}

/// The texts of files, in their order; and the first cluster among them.
fn texts(files: Vec<Given>, origin: &mut Option<Origin>) -> Vec<Text> {
    // Threads cost more than they save on a handful of manifests.
    let read: Vec<_> = if files.len() < 16 {
        files.into_iter().map(read_given).collect()
    } else {
        files.into_par_iter().map(read_given).collect()
    };
    let mut texts = Vec::with_capacity(read.len());
    for (of, read) in read {
        if origin.is_none() {
            *origin = of;
        }
        texts.extend(read);
    }
    texts
}

/// How a file is called.
fn shown(path: &Path) -> String {
    let plain = path.strip_prefix("./").unwrap_or(path);
    let name = plain.display().to_string();
    if name.starts_with(git::SCHEME) {
        // Without its `./` it would look like a revision.
        return format!("./{name}");
    }
    name
}

/// The text of a file; of an archive all of them.
fn read_given(given: Given) -> (Option<Origin>, Vec<Text>) {
    let (name, path, below, bytes) = match given {
        Given::Stdin(bytes) => ("<stdin>".to_owned(), None, PathBuf::new(), Ok(bytes)),
        Given::File { path, below } => {
            let bytes = files::read_file(&path).map_err(|error| error.to_string());
            (shown(&path), Some(path), below, bytes)
        }
        Given::Blob(blob) => (blob.name, None, blob.below, blob.bytes),
        Given::Cluster(origin, texts) => return (Some(origin), texts),
    };
    let bytes = match bytes {
        #[cfg(feature = "live")]
        Ok(bytes) if live::is_archive(&bytes) => match live::unpack(&name, &bytes) {
            Ok(unpacked) => return unpacked,
            Err(why) => Err(why),
        },
        bytes => bytes,
    };
    let text = bytes.and_then(|bytes| {
        if git::is_lfs_pointer(&bytes) {
            return Err(git::IN_LFS.to_owned());
        }
        source::text(bytes).map_err(|error| error.to_string())
    });
    let text = Text {
        name,
        path,
        below,
        text,
        is_base: false,
    };
    (None, vec![text])
}

impl Input {
    fn add(&mut self, text: Text) {
        let Text {
            name,
            path,
            text,
            is_base,
            ..
        } = text;
        let added = text.and_then(|text| {
            let added = self.sources.add_text(&name, text);
            added.map_err(|error| error.to_string())
        });
        match added {
            Ok(_) => {
                if is_base {
                    self.sources.last_is_base();
                }
                self.paths.push(path);
            }
            Err(reason) => self.unreadable.push((name, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ColorWhen;

    /// Flags that name no cluster.
    pub(super) fn nobody() -> (LiveArgs, Global) {
        let global = Global {
            color: ColorWhen::Never,
            quiet: true,
            verbose: false,
            threads: None,
            plugin: false,
        };
        (LiveArgs::default(), global)
    }

    /// Who asks for files alone.
    pub(super) fn asking((live, global): &(LiveArgs, Global)) -> Asking<'_> {
        Asking {
            live,
            namespaces: &[],
            hints: false,
            global,
        }
    }

    #[cfg(feature = "live")]
    #[test]
    fn a_snapshot_without_manifests_is_not_the_directory_one_is_in() {
        let dir = tempfile::tempdir().unwrap();
        let on_top = dir.path().join("on-top.yaml");
        std::fs::write(&on_top, "a: b").unwrap();
        let empty = dir.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        let args = |filename: Vec<PathBuf>| InputArgs {
            filename,
            exclude: Vec::new(),
            live: LiveArgs {
                snapshot: Some(empty.clone()),
                ..LiveArgs::default()
            },
            namespaces: Vec::new(),
        };
        let global = nobody().1;
        for paths in [vec![], vec![on_top]] {
            let args = args(paths);
            let one = read(&args, &GlobSet::empty(), false, &global).unwrap_err();
            assert!(one.to_string().contains("in the snapshot `"), "{one}");
            let exclude = GlobSet::empty();
            let two = read_on_top(&args.filename, &[], &exclude, Asking::of(&args, &global));
            let two = two.unwrap_err();
            assert!(two.to_string().contains("in the snapshot `"), "{two}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let closed = empty.join("closed");
            std::fs::create_dir(&closed).unwrap();
            std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
            // Some users may read everything.
            if std::fs::read_dir(&closed).is_err() {
                let input = read(&args(vec![]), &GlobSet::empty(), false, &global).unwrap();
                assert_eq!((input.sources.len(), input.unreadable.len()), (0, 1));
            }
            std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
        }
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
        let args = InputArgs {
            filename: given,
            exclude: Vec::new(),
            live: LiveArgs::default(),
            namespaces: Vec::new(),
        };
        let input = read(&args, &GlobSet::empty(), false, &nobody().1).unwrap();
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
