//! `.watertight.yaml`: what a repository decides once. Flags win over it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use schemars::JsonSchema;
use watertight_core::document::{Document, Kind, Node, units};
use watertight_core::source::Sources;
use watertight_core::suggest::misspelt;

/// The name that is searched for, upward to the repository's root.
pub(crate) const FILE_NAME: &str = ".watertight.yaml";

/// The configuration file of Watertight.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config {
    /// The network engine, as NAME or NAME@VERSION.
    pub(crate) engine: Option<String>,
    /// Readings that the API leaves open, as NAME=VALUE.
    pub(crate) switches: Vec<String>,
    /// The Kubernetes version.
    pub(crate) k8s_version: Option<String>,
    /// Clouds whose metadata services count.
    pub(crate) clouds: Vec<String>,
    /// Where pods without a known address lie.
    pub(crate) pod_cidrs: Vec<String>,
    /// The namespace of objects that name none.
    pub(crate) default_namespace: Option<String>,
    /// Rules to run; all if empty.
    pub(crate) select: Vec<String>,
    /// Rules not to run.
    pub(crate) ignore: Vec<String>,
    /// Globs of files to leave out, relative to the configuration file.
    pub(crate) exclude: Vec<String>,
    /// The lowest severity that fails a run: error, warning or note.
    pub(crate) fail_on: Option<String>,
    /// Findings to live with.
    pub(crate) suppressions: Vec<Suppression>,
    /// The directory of the file.
    #[schemars(skip)]
    pub(crate) directory: PathBuf,
}

/// Findings to live with.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Suppression {
    /// The rule, or a list of rules, by id or name.
    #[schemars(rename = "rule")]
    pub(crate) rules: Vec<String>,
    /// Globs of files it applies to, relative to the configuration file; all if empty.
    pub(crate) paths: Vec<String>,
    /// Namespaces it applies to; all if empty.
    pub(crate) namespaces: Vec<String>,
    /// Why. Required.
    pub(crate) reason: String,
    /// The last day on which it counts, as YYYY-MM-DD.
    pub(crate) expires: Option<String>,
}

/// The file that was asked for, or the nearest one; none if there is none.
pub(crate) fn load(asked: Option<&Path>) -> anyhow::Result<Config> {
    let Some(path) = asked.map(Path::to_owned).or_else(search) else {
        return Ok(Config::default());
    };
    let shown = path.display().to_string();
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{shown}`"))?;
    let mut config = parse(&shown, bytes)?;
    config.directory = path.parent().map(Path::to_owned).unwrap_or_default();
    Ok(config)
}

fn search() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let mut up = PathBuf::new();
    for directory in here.ancestors() {
        if directory.join(FILE_NAME).is_file() {
            return Some(up.join(FILE_NAME));
        }
        if directory.join(".git").exists() {
            return None;
        }
        up.push("..");
    }
    None
}

fn parse(name: &str, bytes: Vec<u8>) -> anyhow::Result<Config> {
    let mut sources = Sources::new();
    let file = sources
        .add(name, bytes)
        .with_context(|| format!("cannot read `{name}`"))?;
    let text = sources.file(file).text();
    let (units, errors) = units(file, name, text);
    let mut documents = Vec::new();
    if let Some(error) = errors.first() {
        bail!("{}: {}", sources.locate(error.span), error.message);
    }
    for unit in units {
        for document in unit.read(text) {
            match document {
                Ok(document) => documents.push(document),
                Err(error) => bail!("{}: {}", sources.locate(error.span), error.message),
            }
        }
    }
    let decoder = Decoder { sources: &sources };
    match documents.first().and_then(Document::root) {
        None => Ok(Config::default()),
        Some(root) => decoder.config(root),
    }
}

struct Decoder<'s> {
    sources: &'s Sources,
}

impl Decoder<'_> {
    fn wrong(&self, node: Node<'_, '_>, expected: &str) -> anyhow::Error {
        anyhow!(
            "{}: expected {expected}, found {}",
            self.sources.locate(node.span()),
            node.kind().word()
        )
    }

    fn unknown(&self, key: Node<'_, '_>, known: &[&str]) -> anyhow::Error {
        let name = key.str().unwrap_or_default();
        let near = misspelt(name, known.iter().copied());
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known fields: {}", known.join(", ")),
        };
        anyhow!(
            "{}: unknown field `{name}`; {hint}",
            self.sources.locate(key.span())
        )
    }

    fn text(&self, node: Node<'_, '_>) -> anyhow::Result<String> {
        match node.kind() {
            Kind::String => Ok(node.str().unwrap_or_default().to_owned()),
            // A version or a date needs no quotes here.
            Kind::Number => Ok(node.as_written().to_owned()),
            _ => Err(self.wrong(node, "a string")),
        }
    }

    fn texts(&self, node: Node<'_, '_>) -> anyhow::Result<Vec<String>> {
        match node.kind() {
            Kind::Sequence => node.items().map(|item| self.text(item)).collect(),
            Kind::Null => Ok(Vec::new()),
            _ => Ok(vec![self.text(node)?]),
        }
    }

    fn config(&self, root: Node<'_, '_>) -> anyhow::Result<Config> {
        if root.is_null() {
            return Ok(Config::default());
        }
        if root.kind() != Kind::Mapping {
            return Err(self.wrong(root, "a mapping"));
        }
        let mut config = Config::default();
        for (key, value) in root.entries() {
            match key.str().unwrap_or_default() {
                "engine" => config.engine = Some(self.text(value)?),
                "switches" => config.switches = self.texts(value)?,
                "k8sVersion" => config.k8s_version = Some(self.text(value)?),
                "clouds" => config.clouds = self.texts(value)?,
                "podCidrs" => config.pod_cidrs = self.texts(value)?,
                "defaultNamespace" => config.default_namespace = Some(self.text(value)?),
                "select" => config.select = self.texts(value)?,
                "ignore" => config.ignore = self.texts(value)?,
                "exclude" => config.exclude = self.texts(value)?,
                "failOn" => config.fail_on = Some(self.text(value)?),
                "suppressions" => {
                    if value.kind() != Kind::Sequence {
                        return Err(self.wrong(value, "a list"));
                    }
                    let entries = value.items().map(|entry| self.suppression(entry));
                    config.suppressions = entries.collect::<anyhow::Result<_>>()?;
                }
                _ => return Err(self.unknown(key, FIELDS)),
            }
        }
        Ok(config)
    }

    fn suppression(&self, node: Node<'_, '_>) -> anyhow::Result<Suppression> {
        if node.kind() != Kind::Mapping {
            return Err(self.wrong(node, "a mapping"));
        }
        let mut suppression = Suppression::default();
        for (key, value) in node.entries() {
            match key.str().unwrap_or_default() {
                "rule" => suppression.rules = self.texts(value)?,
                "paths" => suppression.paths = self.texts(value)?,
                "namespaces" => suppression.namespaces = self.texts(value)?,
                "reason" => suppression.reason = self.text(value)?,
                "expires" => {
                    let date = self.text(value)?;
                    if date.parse::<jiff::civil::Date>().is_err() {
                        let place = self.sources.locate(value.span());
                        bail!("{place}: `{date}` is no date; write it as YYYY-MM-DD");
                    }
                    suppression.expires = Some(date);
                }
                _ => return Err(self.unknown(key, SUPPRESSION_FIELDS)),
            }
        }
        if suppression.rules.is_empty() {
            let place = self.sources.locate(node.span());
            bail!("{place}: a suppression needs a `rule`");
        }
        Ok(suppression)
    }
}

const FIELDS: &[&str] = &[
    "engine",
    "switches",
    "k8sVersion",
    "clouds",
    "podCidrs",
    "defaultNamespace",
    "select",
    "ignore",
    "exclude",
    "failOn",
    "suppressions",
];

const SUPPRESSION_FIELDS: &[&str] = &["rule", "paths", "namespaces", "reason", "expires"];

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse("c.yaml", text.into()).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_file() {
        let text = "engine: cilium@1.16\nk8sVersion: 1.36\nclouds: [aws]\nfailOn: error\n\
                    suppressions:\n- rule: [WT201, WT202]\n  paths: legacy/**\n  reason: r\n  \
                    expires: 2030-01-31\n";
        let config = parse("c.yaml", text.into()).unwrap();
        assert_eq!(config.engine.as_deref(), Some("cilium@1.16"));
        assert_eq!(config.k8s_version.as_deref(), Some("1.36"));
        let suppression = config.suppressions.first().unwrap();
        assert_eq!(suppression.rules, ["WT201", "WT202"]);
        assert_eq!(suppression.paths, ["legacy/**"]);
        assert_eq!(suppression.expires.as_deref(), Some("2030-01-31"));
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(
            error("engin: x"),
            "c.yaml:1:1: unknown field `engin`; did you mean `engine`?"
        );
        assert_eq!(
            error("a: 1\n"),
            "c.yaml:1:1: unknown field `a`; known fields: engine, switches, k8sVersion, clouds, podCidrs, defaultNamespace, select, ignore, exclude, failOn, suppressions"
        );
        assert_eq!(
            error("engine: [a]"),
            "c.yaml:1:9: expected a string, found a list"
        );
        assert_eq!(
            error("suppressions:\n- reason: x\n"),
            "c.yaml:2:3: a suppression needs a `rule`"
        );
        assert_eq!(
            error("suppressions:\n- {rule: WT101, expires: soon}\n"),
            "c.yaml:2:26: `soon` is no date; write it as YYYY-MM-DD"
        );
    }

    #[test]
    fn an_empty_file_is_fine() {
        assert!(parse("c.yaml", Vec::new()).is_ok());
        assert!(parse("c.yaml", "# nothing\n".into()).is_ok());
    }
}
