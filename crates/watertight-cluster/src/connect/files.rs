//! Kubeconfig files: which are read, and what they name.

use std::path::{Path, PathBuf};

use kube::config::{Context, Kubeconfig, KubeconfigError};
use watertight_core::suggest::misspelt;

use super::{Environment, Error, Flags};

/// All kubeconfig files as one, and where they were looked for.
pub(super) fn read(
    flags: &Flags,
    environment: &Environment,
) -> Result<(Kubeconfig, Vec<PathBuf>), Error> {
    if let Some(path) = &flags.kubeconfig {
        return Ok((read_file(path)?, vec![path.clone()]));
    }
    let list = environment
        .kubeconfig
        .as_ref()
        .filter(|list| !list.is_empty());
    let paths: Vec<PathBuf> = match list {
        Some(list) => std::env::split_paths(list)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        None => {
            let home = environment.home.iter();
            home.map(|home| home.join(".kube").join("config")).collect()
        }
    };
    let mut merged = Kubeconfig::default();
    for path in &paths {
        // A file of the list may be missing, as for kubectl.
        if path.exists() {
            let merge = merged.merge(read_file(path)?);
            merged = merge.map_err(|error| Error::Kubeconfig(error.to_string()))?;
        }
    }
    Ok((merged, paths))
}

fn read_file(path: &Path) -> Result<Kubeconfig, Error> {
    let shown = path.display();
    Kubeconfig::read_from(path).map_err(|error| {
        Error::Kubeconfig(match error {
            KubeconfigError::ReadConfig(error, _) => {
                format!("cannot read the kubeconfig `{shown}`: {error}")
            }
            // The text of a kubeconfig has credentials in it and is not repeated.
            KubeconfigError::Parse(_) => {
                format!("`{shown}` is no kubeconfig; `kubectl config view` may say where it breaks")
            }
            error => format!("`{shown}` cannot be used: {error}"),
        })
    })
}

/// The context that is meant; none where flags name all there is to know.
pub(super) fn find_context<'k>(
    flags: &Flags,
    kubeconfig: &'k Kubeconfig,
) -> Result<Option<(&'k str, &'k Context)>, Error> {
    let current = kubeconfig.current_context.as_deref();
    let current = current.filter(|name| !name.is_empty());
    let (name, is_asked) = match (&flags.context, current) {
        (Some(name), _) => (name.as_str(), true),
        (None, Some(name)) => (name, false),
        (None, None) if flags.server.is_some() || flags.cluster.is_some() => return Ok(None),
        (None, None) => {
            let names = kubeconfig.contexts.iter().map(|of| of.name.clone());
            return Err(Error::NoContext(names.collect()));
        }
    };
    let contexts = kubeconfig.contexts.iter();
    let known = contexts.map(|of| (of.name.as_str(), of.context.as_ref()));
    match named("context", name, known) {
        Ok(context) => {
            let of = kubeconfig.contexts.iter().find(|of| of.name == name);
            Ok(of
                .zip(context)
                .map(|(of, context)| (of.name.as_str(), context)))
        }
        // The current context is of no matter to who names a server.
        Err(_) if !is_asked && flags.server.is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What has a name, or why not.
pub(super) fn named<'k, T>(
    what: &'static str,
    name: &str,
    known: impl Iterator<Item = (&'k str, Option<&'k T>)> + Clone,
) -> Result<Option<&'k T>, Error> {
    if let Some((_, found)) = known.clone().find(|(of, _)| *of == name) {
        return Ok(found);
    }
    let names: Vec<&str> = known.map(|(name, _)| name).collect();
    Err(Error::Unknown {
        what,
        name: name.into(),
        near: misspelt(name, names.iter().copied()).map(Into::into),
        known: names.into_iter().map(Into::into).collect(),
    })
}
