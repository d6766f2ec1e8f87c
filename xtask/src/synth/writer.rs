//! Writes the objects of one cluster to files, one object at a time.
//!
//! YAML: `namespaces.yaml` and one file per namespace. JSON: one `List` file per section. A file is created with
//! its first object, so none is ever empty.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::Format;
use super::node::Node;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Namespaces,
    Workloads,
    Policies,
    Extra,
}

impl Section {
    fn file_stem(self) -> &'static str {
        match self {
            Section::Namespaces => "namespaces",
            Section::Workloads => "workloads",
            Section::Policies => "policies",
            Section::Extra => "extra",
        }
    }
}

#[derive(Debug)]
pub(super) struct ClusterWriter {
    dir: PathBuf,
    format: Format,
    /// By name without extension.
    open: BTreeMap<String, BufWriter<File>>,
}

impl ClusterWriter {
    /// Refuses a directory that exists: it could hold anything, and leftovers would join the cluster.
    pub(super) fn create(dir: &Path, format: Format) -> anyhow::Result<Self> {
        ensure!(
            !dir.exists(),
            "`{}` already exists: remove it or choose another directory",
            dir.display()
        );
        fs::create_dir_all(dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
        Ok(Self {
            dir: dir.to_owned(),
            format,
            open: BTreeMap::new(),
        })
    }

    /// Adds an object of `namespace`.
    pub(super) fn put(
        &mut self,
        namespace: &str,
        section: Section,
        object: &Node,
    ) -> anyhow::Result<()> {
        let stem = match self.format {
            Format::Yaml if section != Section::Namespaces => namespace,
            Format::Yaml | Format::Json => section.file_stem(),
        };
        let first = !self.open.contains_key(stem);
        if first {
            let path = self.dir.join(format!("{stem}.{}", self.format.extension()));
            let file = File::create_new(&path)
                .with_context(|| format!("cannot create `{}`", path.display()))?;
            self.open.insert(stem.to_owned(), BufWriter::new(file));
        }
        if let Some(file) = self.open.get_mut(stem) {
            write_object(file, self.format, first, object)
                .with_context(|| format!("cannot write to `{}`", self.dir.display()))?;
        }
        Ok(())
    }

    /// No more objects of this namespace will come.
    pub(super) fn end_namespace(&mut self, namespace: &str) -> anyhow::Result<()> {
        match self.open.remove(namespace) {
            Some(file) => self.close(file),
            None => Ok(()),
        }
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        std::mem::take(&mut self.open)
            .into_values()
            .try_for_each(|file| self.close(file))
    }

    fn close(&self, mut file: BufWriter<File>) -> anyhow::Result<()> {
        let end = match self.format {
            Format::Json => "]}\n",
            Format::Yaml => "",
        };
        file.write_all(end.as_bytes())
            .and_then(|()| file.flush())
            .with_context(|| format!("cannot write to `{}`", self.dir.display()))
    }
}

fn write_object(
    file: &mut impl Write,
    format: Format,
    first: bool,
    object: &Node,
) -> std::io::Result<()> {
    match format {
        Format::Yaml => object.write_yaml(file),
        Format::Json => {
            let before = if first {
                r#"{"apiVersion":"v1","kind":"List","items":["#
            } else {
                ","
            };
            file.write_all(before.as_bytes())?;
            object.write_json(file)
        }
    }
}
