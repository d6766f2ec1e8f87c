//! From a file to the documents in it: JSON or YAML, one or many, Lists taken apart.
//!
//! JSON is YAML, but reading it as what it is takes a tenth of the time. So a document that starts
//! like JSON is tried as JSON first, whatever the file is called, and is read as YAML if it turns
//! out to be a YAML flow mapping. Only a file that calls itself JSON has to be JSON.

use std::ops::Range;

use super::cuts::Grain;
use super::outline::{Outline, Values, outline};
use super::{Document, SyntaxError, chunks, json, yaml};
use crate::source::{FileId, Span};

/// A piece of a file that can be read on its own, so that pieces can be read in parallel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    file: FileId,
    range: Range<usize>,
    syntax: Syntax,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Json,
    /// JSON, or else YAML.
    JsonOrYaml,
    Yaml,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// A JSON List without its items, which are units of their own.
    Head {
        items: Range<usize>,
    },
    Item,
    /// Several items, with commas between them, and one behind them if another unit goes on there.
    Items {
        goes_on: bool,
    },
}

/// The units of a file, and why parts of it have none.
#[must_use]
pub fn units(file: FileId, name: &str, text: &str) -> (Vec<Unit>, Vec<SyntaxError>) {
    cut(file, name, text, Grain::ITEM)
}

/// The units of a file, with several items of a JSON List in one. If starts of items may be guessed,
/// reading a unit may tell that a guess was wrong: then nothing counts that was read with guesses.
pub(crate) fn pieces(
    file: FileId,
    name: &str,
    text: &str,
    bytes: usize,
    guess: bool,
) -> (Vec<Unit>, Vec<SyntaxError>) {
    cut(file, name, text, Grain { bytes, guess })
}

/// Reads the documents of a file again in which one of these places starts; the places are those of whole
/// objects, in order.
pub(crate) fn documents_with<'s>(
    (file, name, text): (FileId, &str, &'s str),
    places: &[Span],
    mut take: impl FnMut(&Document<'s>),
) {
    if is_json(name) {
        // An object is a text of its own, wherever it is.
        for place in places {
            let range = place.start as usize..place.end as usize;
            if let Ok(document) = json::read(file, text, range, None) {
                take(&document);
            }
        }
        return;
    }
    let (units, _) = pieces(file, name, text, 64 * 1024, false);
    for unit in units {
        let from = places.partition_point(|span| (span.start as usize) < unit.range.start);
        let is_in = |span: &Span| (span.start as usize) < unit.range.end;
        if places.get(from).is_some_and(is_in) {
            unit.read_each(text, |document| {
                if let Ok(document) = document {
                    take(document);
                }
            });
        }
    }
}

/// Whether a file calls itself JSON.
fn is_json(name: &str) -> bool {
    name.ends_with(".json") || name.ends_with(".ndjson")
}

fn cut(file: FileId, name: &str, text: &str, grain: Grain) -> (Vec<Unit>, Vec<SyntaxError>) {
    if is_json(name) {
        let start = text.len() - text.trim_start_matches('\u{feff}').len();
        let (found, errors) = outline(file, text, start..text.len(), Values::Any, grain);
        let mut units = Vec::with_capacity(found.len());
        for outline in found {
            push_json(&mut units, file, outline, Syntax::Json, grain);
        }
        return (units, errors);
    }
    let (mut units, mut errors) = (Vec::new(), Vec::new());
    for range in chunks::cut(text) {
        match like_json(file, text, range.clone(), grain) {
            Some((found, broken)) => {
                for outline in found {
                    push_json(&mut units, file, outline, Syntax::JsonOrYaml, grain);
                }
                errors.extend(broken);
            }
            None => units.push(Unit {
                file,
                range,
                syntax: Syntax::Yaml,
                part: Part::Whole,
            }),
        }
    }
    (units, errors)
}

/// The JSON values of a chunk between `---` lines, if it looks like JSON.
fn like_json(
    file: FileId,
    text: &str,
    range: Range<usize>,
    grain: Grain,
) -> Option<(Vec<Outline>, Vec<SyntaxError>)> {
    let start = chunks::content_start(text, range.clone());
    if !text.get(start..range.end)?.starts_with('{') {
        return None;
    }
    let (found, errors) = outline(file, text, start..range.end, Values::Objects, grain);
    let behind = match errors.first() {
        Some(error) => text.get(error.span.start as usize..range.end)?,
        None => "",
    };
    // Text that only YAML allows: a flow mapping from the start, or a comment or an end marker
    // behind JSON.
    let is_yaml = !errors.is_empty() && found.is_empty() || behind.starts_with(['#', '.']);
    (!is_yaml).then_some((found, errors))
}

fn push_json(units: &mut Vec<Unit>, file: FileId, outline: Outline, syntax: Syntax, grain: Grain) {
    let Some(list) = outline.list else {
        units.push(Unit {
            file,
            range: outline.whole,
            syntax,
            part: Part::Whole,
        });
        return;
    };
    units.push(Unit {
        file,
        range: outline.whole,
        syntax: Syntax::Json,
        part: Part::Head { items: list.whole },
    });
    units.extend(list.items.into_iter().map(|cut| Unit {
        file,
        range: cut.range,
        syntax,
        part: if grain.bytes > 0 {
            Part::Items {
                goes_on: cut.goes_on,
            }
        } else {
            Part::Item
        },
    }));
}

impl Unit {
    /// The file of the unit.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Whether the unit is an item of the JSON List whose head came before it, or several.
    #[must_use]
    pub fn is_item(&self) -> bool {
        matches!(self.part, Part::Item | Part::Items { .. })
    }

    /// The number of bytes, to share work evenly.
    #[must_use]
    pub fn len(&self) -> usize {
        let apart = match &self.part {
            Part::Head { items } => items.len(),
            Part::Whole | Part::Item | Part::Items { .. } => 0,
        };
        self.range.len().saturating_sub(apart)
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the documents of the unit; `text` is the whole file.
    #[must_use]
    pub fn read<'s>(&self, text: &'s str) -> Vec<Result<Document<'s>, SyntaxError>> {
        let skip = match &self.part {
            Part::Head { items } => Some(items.clone()),
            Part::Whole | Part::Item | Part::Items { .. } => None,
        };
        self.read_range(text, self.range.clone(), skip)
    }

    /// Reads the documents of the unit one after the other. Tells whether the unit was cut where it
    /// should have been.
    pub(crate) fn read_each<'s>(
        &self,
        text: &'s str,
        mut take: impl FnMut(Result<&Document<'s>, SyntaxError>),
    ) -> bool {
        let Part::Items { goes_on } = self.part else {
            hand_over(self.read(text), &mut take);
            return true;
        };
        let range = self.range.clone();
        json::items(self.file, text, range, goes_on, |item| match item {
            json::Item::Read(document) => take(Ok(document)),
            json::Item::At(range) => hand_over(self.read_range(text, range, None), &mut take),
        })
    }

    fn read_range<'s>(
        &self,
        text: &'s str,
        range: Range<usize>,
        skip: Option<Range<usize>>,
    ) -> Vec<Result<Document<'s>, SyntaxError>> {
        if self.syntax == Syntax::Yaml {
            return yaml::read(self.file, text, range);
        }
        let found = json::read(self.file, text, range.clone(), skip);
        let maybe_yaml = matches!(&found, Err(error) if !error.limit);
        if maybe_yaml && self.syntax == Syntax::JsonOrYaml {
            let documents = yaml::read(self.file, text, range);
            if documents.iter().all(Result::is_ok) {
                return documents;
            }
        }
        vec![found]
    }
}

fn hand_over<'s>(
    documents: Vec<Result<Document<'s>, SyntaxError>>,
    take: &mut impl FnMut(Result<&Document<'s>, SyntaxError>),
) {
    for document in documents {
        match document {
            Ok(document) => take(Ok(&document)),
            Err(error) => take(Err(error)),
        }
    }
}
