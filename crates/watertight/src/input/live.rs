//! Live clusters and snapshots of them: texts like any other, and a word about where they come from.

#[cfg(feature = "live")]
use std::path::PathBuf;

#[cfg(feature = "live")]
pub(super) use of_live::{is_archive, read, unpack};

#[cfg(feature = "live")]
use super::Text;

/// The scheme of live clusters, where sources are named one by one: `live:` or `live:CONTEXT`.
pub(crate) const SCHEME: &str = "live:";

/// The first part of the names of texts that are read live.
#[cfg(feature = "live")]
const LIVE: &str = "live";

/// Where a cluster was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whether it was read just now.
    pub(crate) live: bool,
    /// The context.
    pub(crate) context: String,
    /// The version of the server, if it is known.
    pub(crate) version: Option<String>,
    /// When it was read.
    pub(crate) taken: String,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let context = crate::output::one_line(&self.context);
        if self.live {
            write!(f, "live, context {context}")?;
        } else {
            let taken = crate::output::one_line(&self.taken);
            write!(f, "snapshot of {context} at {taken}")?;
        }
        match &self.version {
            Some(version) => write!(f, ", Kubernetes {}", crate::output::one_line(version)),
            None => Ok(()),
        }
    }
}

/// A text of a cluster.
#[cfg(feature = "live")]
fn text(root: &str, name: String, text: String) -> Text {
    Text {
        name: format!("{root}/{name}"),
        path: None,
        below: PathBuf::from(name),
        text: Ok(text),
        is_base: true,
    }
}

#[cfg(feature = "live")]
mod of_live {
    use std::sync::Arc;

    use std::path::PathBuf;

    use anyhow::{Context as _, anyhow};
    use globset::GlobSet;
    use watertight_cluster::{
        Changes, Connection, Environment, Header, Progress, Reading, Wanted, Watch, connect,
        snapshot,
    };

    use super::{LIVE, Origin, Text, text};
    use crate::args::{Global, LiveArgs};
    use crate::input::{Asking, Finder, Given, Input, finish};
    use crate::progress;

    impl Origin {
        fn of(header: &Header, live: bool) -> Self {
            let version = Some(&header.cluster.version).filter(|version| !version.is_empty());
            Self {
                live,
                context: header.metadata.name.clone(),
                version: version.cloned(),
                taken: header.taken.clone(),
            }
        }
    }

    /// Reads a live cluster.
    pub(in crate::input) fn read(
        args: &LiveArgs,
        context: Option<&str>,
        wanted: &Wanted,
        global: &Global,
    ) -> anyhow::Result<(Origin, Vec<Text>)> {
        let reading = reading(args, context, wanted, global)?;
        let origin = Origin::of(&reading.header, true);
        // Of two clusters, findings must tell which.
        let root = match context {
            Some(context) if !context.is_empty() => format!("{LIVE}:{context}"),
            _ => LIVE.to_owned(),
        };
        let files = reading.files.into_iter();
        let texts = files.map(|file| text(&root, file.name, file.text));
        Ok((origin, texts.collect()))
    }

    /// What a live cluster holds.
    pub(crate) fn reading(
        args: &LiveArgs,
        context: Option<&str>,
        wanted: &Wanted,
        global: &Global,
    ) -> anyhow::Result<Reading> {
        let runtime = runtime()?;
        let done = Arc::new(Progress::default());
        runtime.block_on(async {
            let (connection, wanted) = connected(args, context, wanted.clone())?;
            let _shown = progress::of_cluster(&connection.context, &done, !global.quiet);
            let reading = watertight_cluster::read(&connection, &wanted, &done).await;
            reading.map_err(|error| anyhow!("{error}"))
        })
    }

    /// A connection, and what is wanted through it.
    fn connected(
        args: &LiveArgs,
        context: Option<&str>,
        mut wanted: Wanted,
    ) -> anyhow::Result<(Connection, Wanted)> {
        let connection = connect(&args.flags(context), &Environment::of_process())?;
        if wanted.namespaces.is_empty() {
            // Who has rights in one namespace has it in the context.
            wanted.namespaces.extend(connection.namespace.clone());
        }
        Ok((connection, wanted))
    }

    /// Waits for many answers at once, on two threads: making texts of them takes the time.
    fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start threads")
    }

    /// A live cluster that is followed.
    #[derive(Debug)]
    pub(crate) struct Following {
        runtime: tokio::runtime::Runtime,
        watch: Watch,
    }

    impl Following {
        /// Begins to follow the cluster of some flags.
        pub(crate) fn start(asking: Asking<'_>) -> anyhow::Result<Self> {
            let runtime = runtime()?;
            let watch = runtime.block_on(async {
                let (connection, wanted) = connected(asking.live, None, asking.wanted())?;
                let done = Arc::new(Progress::default());
                let wants_to_see = !asking.global.quiet;
                let _shown = progress::of_cluster(&connection.context, &done, wants_to_see);
                let watch = watertight_cluster::watch(&connection, &wanted, &done).await;
                watch.map_err(|error| anyhow!("{error}"))
            })?;
            Ok(Self { runtime, watch })
        }

        /// The cluster as it is now, with files on top of it.
        pub(crate) fn input(
            &self,
            paths: &[PathBuf],
            exclude: &GlobSet,
            asking: Asking<'_>,
        ) -> anyhow::Result<Input> {
            let reading = self.watch.reading();
            let origin = Origin::of(&reading.header, true);
            let files = reading.files.into_iter();
            let texts = files.map(|file| text(LIVE, file.name, file.text)).collect();
            let found = vec![Given::Cluster(origin, texts)];
            finish(Finder::new(exclude, asking), found, Vec::new(), paths)
        }

        /// Waits until something changes; tells what.
        pub(crate) fn changed(&mut self) -> anyhow::Result<Changes> {
            let changed = self.runtime.block_on(self.watch.changed());
            changed.map_err(|error| anyhow!("{error}"))
        }
    }

    /// Whether bytes are those of a snapshot.
    pub(in crate::input) fn is_archive(bytes: &[u8]) -> bool {
        snapshot::is_snapshot(bytes)
    }

    /// The texts of a snapshot.
    pub(in crate::input) fn unpack(
        name: &str,
        bytes: &[u8],
    ) -> Result<(Option<Origin>, Vec<Text>), String> {
        let archive = snapshot::unpack(bytes).map_err(|error| error.to_string())?;
        let origin = archive.header.map(|header| Origin::of(&header, false));
        let files = archive.files.into_iter();
        let texts = files.map(|file| text(name, file.name, file.text));
        Ok((origin, texts.collect()))
    }
}

#[cfg(feature = "live")]
pub(crate) use of_live::{Following, reading};
