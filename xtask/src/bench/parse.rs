//! The baseline: reading the bytes of a directory and making sense of none of them.
//!
//! JSON goes into slim structs by serde_json, YAML through the event loop of the parser that the product uses. One
//! thread, one file at a time, nothing kept. It runs in a process of its own, as what it is compared with does.

use std::fs;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use granit_parser::Parser;

use super::slim::Object;

/// Parse every manifest below a directory and drop the result: the baseline of `bench`
#[derive(Debug, clap::Args)]
pub(crate) struct ParseArgs {
    #[arg(value_enum)]
    kind: Kind,
    dir: PathBuf,
}

/// Which files of a directory count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// *.json
    Json,
    /// *.yaml and *.yml
    Yaml,
    /// Both, each with its own parser
    Mixed,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Json => "json",
            Kind::Yaml => "yaml",
            Kind::Mixed => "mixed",
        }
    }

    fn of_file(path: &Path) -> Option<Kind> {
        match path.extension()?.to_str()? {
            "json" => Some(Kind::Json),
            "yaml" | "yml" => Some(Kind::Yaml),
            _ => None,
        }
    }

    fn takes(self, file: Kind) -> bool {
        self == file || self == Kind::Mixed
    }
}

/// The manifests below a directory.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) kind: Kind,
    pub(super) bytes: u64,
    files: Vec<(PathBuf, Kind)>,
}

impl Inventory {
    /// Everything below `dir`, hidden entries and symbolic links aside.
    pub(super) fn of(dir: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        let mut bytes = 0;
        let mut open = vec![dir.to_owned()];
        while let Some(dir) = open.pop() {
            let entries =
                fs::read_dir(&dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
            for entry in entries {
                let entry = entry?;
                let (path, kind) = (entry.path(), entry.file_type()?);
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if kind.is_dir() {
                    open.push(path);
                } else if let Some(format) = Kind::of_file(&path).filter(|_| kind.is_file()) {
                    bytes += entry.metadata()?.len();
                    files.push((path, format));
                }
            }
        }
        files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let has = |kind| files.iter().any(|&(_, file)| file == kind);
        let kind = match (has(Kind::Json), has(Kind::Yaml)) {
            (true, false) => Kind::Json,
            (false, true) => Kind::Yaml,
            (true, true) => Kind::Mixed,
            (false, false) => {
                return Err(anyhow!("no JSON or YAML file below `{}`", dir.display()));
            }
        };
        Ok(Self { kind, bytes, files })
    }

    /// The files, in order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    files: usize,
    /// In JSON files.
    objects: usize,
    /// In YAML files.
    events: usize,
}

pub(crate) fn parse(args: &ParseArgs) -> anyhow::Result<()> {
    let parsed = parse_dir(args.kind, &args.dir)?;
    let Parsed {
        files,
        objects,
        events,
    } = parsed;
    writeln!(
        io::stdout().lock(),
        "{files} files: {objects} JSON objects, {events} YAML events"
    )?;
    Ok(())
}

fn parse_dir(kind: Kind, dir: &Path) -> anyhow::Result<Parsed> {
    let mut parsed = Parsed::default();
    for (path, file) in Inventory::of(dir)?
        .files
        .iter()
        .filter(|&&(_, file)| kind.takes(file))
    {
        let context = || format!("cannot parse `{}`", path.display());
        let bytes = fs::read(path).with_context(context)?;
        match file {
            Kind::Json => parsed.objects += parse_json(&bytes).with_context(context)?,
            Kind::Yaml | Kind::Mixed => {
                parsed.events += parse_yaml(&bytes).with_context(context)?
            }
        }
        parsed.files += 1;
    }
    ensure!(
        parsed.files > 0,
        "no {} file below `{}`",
        kind.name(),
        dir.display()
    );
    Ok(parsed)
}

fn parse_json(bytes: &[u8]) -> anyhow::Result<usize> {
    let object: Object<'_> = black_box(serde_json::from_slice(bytes)?);
    Ok(object.count())
}

fn parse_yaml(bytes: &[u8]) -> anyhow::Result<usize> {
    let mut events = 0;
    for event in Parser::new_from_str(std::str::from_utf8(bytes)?) {
        black_box(event?);
        events += 1;
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Inventory, Kind, Parsed, parse_dir, parse_json, parse_yaml};
    use crate::bench::Scratch;
    use crate::synth::{Format, Size, SynthArgs, cluster_dir, generate};

    #[test]
    fn json_objects_are_counted_through_lists() {
        assert_eq!(
            parse_json(br#"{"kind": "Pod", "metadata": {"name": "a\u0062"}}"#).unwrap(),
            1
        );
        let list = br#"{"kind": "List", "items": [{"kind": "Pod", "status": {"podIPs": [{"ip": "10.0.0.1"}]}},
            {"spec": {"ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": "http"}, {"port": 80}]}]}}]}"#;
        assert_eq!(parse_json(list).unwrap(), 2);
        assert!(parse_json(b"{").is_err());
    }

    #[test]
    fn yaml_events_are_counted() {
        // Stream and document start and end, mapping start and end, key and value.
        assert_eq!(parse_yaml(b"a: b\n").unwrap(), 8);
        assert!(parse_yaml(b"a: [\n").is_err());
    }

    #[test]
    fn a_synthetic_cluster_parses_in_both_formats() {
        let scratch = Scratch::create("parse").unwrap();
        let world = |format: Format| {
            let out = scratch.path().join(format.extension());
            generate(&SynthArgs::new(out.clone(), Size::S, format)).unwrap();
            cluster_dir(&out)
        };
        let json = parse_dir(Kind::Json, &world(Format::Json)).unwrap();
        assert_eq!(
            json,
            Parsed {
                files: 3,
                objects: 160,
                events: 0
            }
        );
        let yaml = parse_dir(Kind::Yaml, &world(Format::Yaml)).unwrap();
        assert_eq!((yaml.files, yaml.objects), (11, 0));
        assert!(yaml.events > 160 * 10);
    }

    #[test]
    fn the_kind_of_a_directory_is_that_of_its_files() {
        let scratch = Scratch::create("kind").unwrap();
        let dir = scratch.path();
        assert!(Inventory::of(dir).is_err());
        fs::write(dir.join("notes.txt"), "{").unwrap();
        fs::create_dir(dir.join("below")).unwrap();
        fs::write(dir.join("below/a.yml"), "a: 1\n").unwrap();
        fs::create_dir(dir.join(".hidden")).unwrap();
        fs::write(dir.join(".hidden/b.json"), "{}").unwrap();
        let yaml = Inventory::of(dir).unwrap();
        assert_eq!(
            (yaml.kind, yaml.bytes, yaml.files.len()),
            (Kind::Yaml, 5, 1)
        );

        fs::write(dir.join("c.json"), "{}").unwrap();
        assert_eq!(Inventory::of(dir).unwrap().kind, Kind::Mixed);
        let count = |kind| parse_dir(kind, dir).unwrap().files;
        assert_eq!(
            (count(Kind::Json), count(Kind::Yaml), count(Kind::Mixed)),
            (1, 1, 2)
        );
    }
}
