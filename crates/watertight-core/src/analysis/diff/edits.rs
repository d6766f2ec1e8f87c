//! What is written otherwise in an object than before: the smallest values that differ.
//!
//! Only what decides connections is looked at: the API version, the labels and the spec. Formatting,
//! comments, annotations and what a server adds are no difference.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::document::{Document, Kind, Node, documents_with};
use crate::source::{FileId, Sources, Span};

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The field path inside the object: `spec.ingress[0].ports[1].port`.
    pub path: String,
    /// What was there.
    pub old: Option<Written>,
    /// What is there.
    pub new: Option<Written>,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// A scalar as written; of a list or mapping what it is: `2 items`.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A value on its own.
#[derive(Clone, Debug)]
enum Tree {
    Scalar(String, Span),
    List(Vec<Tree>, Span),
    Mapping(BTreeMap<String, Tree>, Span),
}

/// A text of a value is cut behind so many characters.
const LONGEST: usize = 80;

impl Tree {
    fn of(node: Node<'_, '_>) -> Self {
        let span = node.span();
        match node.kind() {
            Kind::Sequence => Self::List(node.items().map(Self::of).collect(), span),
            Kind::Mapping => {
                let entries = node.entries();
                let entries = entries.filter(|(_, value)| !value.is_null());
                let entries = entries.map(|(key, value)| (text(key), Self::of(value)));
                Self::Mapping(entries.collect(), span)
            }
            _ => Self::Scalar(text(node), span),
        }
    }

    /// The parts of an object that decide connections.
    fn of_object(root: Node<'_, '_>) -> Self {
        let mut found = BTreeMap::new();
        let plain = [
            "apiVersion",
            "kind",
            "spec",
            "specs",
            "subsets",
            "endpoints",
            "ports",
        ];
        for key in plain {
            if let Some(value) = root.get(key).filter(|value| !value.is_null()) {
                found.insert(key.to_owned(), Self::of(value));
            }
        }
        let labels = root.get("metadata").and_then(|meta| meta.get("labels"));
        if let Some(labels) = labels.filter(|labels| !labels.is_null()) {
            found.insert("metadata.labels".into(), Self::of(labels));
        }
        Self::Mapping(found, root.span())
    }

    fn span(&self) -> Span {
        match self {
            Self::Scalar(_, span) | Self::List(_, span) | Self::Mapping(_, span) => *span,
        }
    }

    fn written(&self) -> Written {
        let text = match self {
            Self::Scalar(text, _) => match text.char_indices().nth(LONGEST) {
                Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
                None => text.clone(),
            },
            Self::List(items, _) => counted(items.len(), "item"),
            Self::Mapping(entries, _) => counted(entries.len(), "field"),
        };
        Written {
            text,
            span: self.span(),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn text(node: Node<'_, '_>) -> String {
    match node.string() {
        Some(text) => text.into_owned(),
        None => node.as_written().to_owned(),
    }
}

fn compare(path: &str, old: &Tree, new: &Tree, found: &mut Vec<Edit>) {
    match (old, new) {
        (Tree::Scalar(a, _), Tree::Scalar(b, _)) if a == b => {}
        (Tree::Mapping(a, _), Tree::Mapping(b, _)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                one(&path, a.get(key), b.get(key), found);
            }
        }
        (Tree::List(a, _), Tree::List(b, _)) => {
            // What both begin and end with stays what it is.
            let same = |(a, b): &(&Tree, &Tree)| are_same(a, b);
            let head = a.iter().zip(b).take_while(same).count();
            let room = a.len().min(b.len()) - head;
            let tail = a.iter().rev().zip(b.iter().rev()).take(room);
            let tail = tail.take_while(same).count();
            let middle = |list: &'_ [Tree]| (head, list.len() - tail);
            let ((first, behind_a), (_, behind_b)) = (middle(a), middle(b));
            for at in first..behind_a.max(behind_b) {
                let old = a.get(at).filter(|_| at < behind_a);
                let new = b.get(at).filter(|_| at < behind_b);
                one(&format!("{path}[{at}]"), old, new, found);
            }
        }
        _ => found.push(Edit {
            path: path.into(),
            old: Some(old.written()),
            new: Some(new.written()),
        }),
    }
}

fn one(path: &str, old: Option<&Tree>, new: Option<&Tree>, found: &mut Vec<Edit>) {
    if let (Some(old), Some(new)) = (old, new) {
        compare(path, old, new, found);
        return;
    }
    found.push(Edit {
        path: path.into(),
        old: old.map(Tree::written),
        new: new.map(Tree::written),
    });
}

fn are_same(a: &Tree, b: &Tree) -> bool {
    match (a, b) {
        (Tree::Scalar(a, _), Tree::Scalar(b, _)) => a == b,
        (Tree::List(a, _), Tree::List(b, _)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_same(a, b))
        }
        (Tree::Mapping(a, _), Tree::Mapping(b, _)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|((a, x), (b, y))| a == b && are_same(x, y))
        }
        _ => false,
    }
}

/// What is written otherwise, for each pair of objects, the old one first; nothing if an object cannot
/// be found again.
pub(super) fn find(sources: &Sources, pairs: &[(Span, Span)]) -> Vec<Vec<Edit>> {
    let wanted = pairs.iter().flat_map(|(old, new)| [*old, *new]);
    let trees = read(sources, wanted.collect());
    let edits = pairs.iter().map(|(old, new)| {
        let mut found = Vec::new();
        if let (Some(old), Some(new)) = (trees.get(old), trees.get(new)) {
            compare("", old, new, &mut found);
        }
        found
    });
    edits.collect()
}

/// Reads objects again, by where they are.
fn read(sources: &Sources, mut wanted: Vec<Span>) -> FxHashMap<Span, Tree> {
    wanted.sort_unstable();
    wanted.dedup();
    let mut found = FxHashMap::default();
    for of_file in wanted.chunk_by(|a, b| a.file == b.file) {
        let Some(file) = of_file.first().map(|span| span.file) else {
            continue;
        };
        read_file(sources, file, of_file, &mut found);
    }
    found
}

fn read_file(sources: &Sources, file: FileId, wanted: &[Span], found: &mut FxHashMap<Span, Tree>) {
    let source = sources.file(file);
    let take = |document: &Document<'_>| {
        if let Some(root) = document.root() {
            below(root, wanted, found);
        }
    };
    documents_with((file, source.name(), source.text()), wanted, take);
}

/// Finds the wanted objects: a document, or items of Lists.
fn below(node: Node<'_, '_>, wanted: &[Span], found: &mut FxHashMap<Span, Tree>) {
    if wanted.binary_search(&node.span()).is_ok() {
        found.insert(node.span(), Tree::of_object(node));
        return;
    }
    for item in node.get("items").into_iter().flat_map(Node::items) {
        below(item, wanted, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_json_lists_are_found_where_they_are() {
        let list = |port: &str| {
            let policy = format!("{{\"kind\": \"NetworkPolicy\", \"spec\": {{\"port\": {port}}}}}");
            format!("{{\"kind\": \"List\", \"items\": [{{\"kind\": \"Pod\"}},\n{policy}]}}\n")
        };
        let mut sources = Sources::new();
        let mut add = |name, port| sources.add(name, list(port).into_bytes()).unwrap();
        let files = [add("old.json", "80"), add("new.json", "81")];
        let [old, new] = files.map(|file| {
            let text = sources.file(file).text();
            let ends = ["{\"kind\": \"NetworkPolicy", "]}\n"].map(|end| text.find(end).unwrap());
            let [start, end] = ends.map(|end| u32::try_from(end).unwrap());
            Span { file, start, end }
        });
        let found = find(&sources, &[(old, new)]);
        let [edit] = found[0].as_slice() else {
            panic!("{found:?}");
        };
        let told = |of: &Option<Written>| {
            let of = of.as_ref().unwrap();
            format!("{} {}", of.text, sources.locate(of.span))
        };
        assert_eq!(edit.path, "spec.port");
        assert_eq!(told(&edit.old), "80 old.json:2:44");
        assert_eq!(told(&edit.new), "81 new.json:2:44");
    }
}
