//! From a file to the documents in it: JSON or YAML, one or many, Lists taken apart.

use std::ops::Range;

use super::{Document, SyntaxError, json, yaml};
use crate::source::FileId;

/// A piece of a file that can be read on its own, so that pieces can be read in parallel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    file: FileId,
    range: Range<usize>,
    syntax: Syntax,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Json,
    /// The head of a JSON List: the value without its items, which are units of their own.
    JsonListHead {
        items_start: usize,
        items_end: usize,
    },
    JsonItem,
    Yaml,
}

/// The units of a file, and why parts of it have none.
#[must_use]
pub fn units(file: FileId, name: &str, text: &str) -> (Vec<Unit>, Vec<SyntaxError>) {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let named_json = name.ends_with(".json") || name.ends_with(".ndjson");
    if !named_json && !start.starts_with('{') {
        return (yaml_units(file, text), Vec::new());
    }
    let (found, error) = json::outline(file, text);
    // A YAML flow mapping starts like JSON does.
    if !named_json && found.is_empty() && error.is_some() {
        return (yaml_units(file, text), Vec::new());
    }
    let units = found
        .into_iter()
        .flat_map(|outline| json_units(file, outline))
        .collect();
    (units, error.into_iter().collect())
}

fn yaml_units(file: FileId, text: &str) -> Vec<Unit> {
    yaml::chunks(text)
        .into_iter()
        .map(|range| Unit {
            file,
            range,
            syntax: Syntax::Yaml,
        })
        .collect()
}

fn json_units(file: FileId, outline: json::Outline) -> Vec<Unit> {
    let Some(items) = outline.items else {
        return vec![Unit {
            file,
            range: outline.whole,
            syntax: Syntax::Json,
        }];
    };
    let head = Unit {
        file,
        range: outline.whole,
        syntax: Syntax::JsonListHead {
            items_start: outline.list.start,
            items_end: outline.list.end,
        },
    };
    std::iter::once(head)
        .chain(items.into_iter().map(|range| Unit {
            file,
            range,
            syntax: Syntax::JsonItem,
        }))
        .collect()
}

impl Unit {
    /// The file of the unit.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Whether the unit is an item of the JSON List whose head came before it.
    #[must_use]
    pub fn is_item(&self) -> bool {
        self.syntax == Syntax::JsonItem
    }

    /// The number of bytes, to share work evenly.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Reads the documents of the unit; `text` is the whole file.
    #[must_use]
    pub fn read<'s>(&self, text: &'s str) -> Vec<Result<Document<'s>, SyntaxError>> {
        match self.syntax {
            Syntax::Json | Syntax::JsonItem => {
                vec![json::read(self.file, text, self.range.clone())]
            }
            Syntax::JsonListHead {
                items_start,
                items_end,
            } => vec![json::read_head(
                self.file,
                text,
                self.range.clone(),
                items_start..items_end,
            )],
            Syntax::Yaml => {
                let mut found = Vec::new();
                yaml::read(self.file, text, self.range.clone(), &mut found);
                found
            }
        }
    }
}
