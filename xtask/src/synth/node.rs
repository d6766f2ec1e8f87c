//! An ordered tree of a manifest, written as JSON or as YAML.
//!
//! Maps keep the order in which they were built, so the bytes depend on nothing but the code here. Keys must be
//! valid plain YAML scalars; every text value is double-quoted, so no value can turn into another type.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Bool(bool),
    Int(u64),
    Text(Cow<'static, str>),
    List(Vec<Node>),
    Map(Vec<(&'static str, Node)>),
}

pub(super) fn map<const N: usize>(entries: [(&'static str, Node); N]) -> Node {
    Node::Map(entries.into())
}

impl Node {
    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(out, self).map_err(io::Error::from)
    }

    /// One document with its `---` line.
    pub(super) fn write_yaml(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"---\n")?;
        if self.is_block() {
            self.write_block(out, 0, false)
        } else {
            self.write_flow(out)
        }
    }

    fn is_block(&self) -> bool {
        match self {
            Node::List(items) => !items.is_empty(),
            Node::Map(entries) => !entries.is_empty(),
            Node::Bool(_) | Node::Int(_) | Node::Text(_) => false,
        }
    }

    /// `inline`: the first line goes on where the caller stopped, after its `- `.
    fn write_block(&self, out: &mut impl Write, depth: usize, inline: bool) -> io::Result<()> {
        let mut width = if inline { 0 } else { depth * 2 };
        match self {
            Node::Map(entries) => {
                for (key, value) in entries {
                    write!(out, "{:width$}{key}:", "")?;
                    width = depth * 2;
                    if value.is_block() {
                        out.write_all(b"\n")?;
                        value.write_block(out, depth + 1, false)?;
                    } else {
                        out.write_all(b" ")?;
                        value.write_flow(out)?;
                    }
                }
            }
            Node::List(items) => {
                for item in items {
                    write!(out, "{:width$}- ", "")?;
                    width = depth * 2;
                    if item.is_block() {
                        item.write_block(out, depth + 1, true)?;
                    } else {
                        item.write_flow(out)?;
                    }
                }
            }
            Node::Bool(_) | Node::Int(_) | Node::Text(_) => self.write_flow(out)?,
        }
        Ok(())
    }

    /// On one line. JSON's scalars and empty collections are YAML's too.
    fn write_flow(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_json(out)?;
        out.write_all(b"\n")
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Bool(value) => serializer.serialize_bool(*value),
            Node::Int(value) => serializer.serialize_u64(*value),
            Node::Text(value) => serializer.serialize_str(value),
            Node::List(items) => serializer.collect_seq(items),
            Node::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl From<&'static str> for Node {
    fn from(value: &'static str) -> Self {
        Node::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Node {
    fn from(value: String) -> Self {
        Node::Text(Cow::Owned(value))
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Node::Bool(value)
    }
}

impl From<u16> for Node {
    fn from(value: u16) -> Self {
        Node::Int(value.into())
    }
}

impl<T: Into<Node>> FromIterator<T> for Node {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Node::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, map};

    fn sample() -> Node {
        map([
            ("kind", "List".into()),
            ("none", map([])),
            ("nothing", Node::List(Vec::new())),
            (
                "items",
                Node::List(vec![
                    map([("a", "on".into()), ("b", 80_u16.into())]),
                    Node::List(vec!["x".into()]),
                    map([]),
                ]),
            ),
            ("last", true.into()),
        ])
    }

    #[test]
    fn yaml_layout() {
        let mut out = Vec::new();
        sample().write_yaml(&mut out).unwrap();
        let expected = "---\nkind: \"List\"\nnone: {}\nnothing: []\nitems:\n  - a: \"on\"\n    b: 80\n  - - \"x\"\n  - {}\nlast: true\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn json_layout() {
        let mut out = Vec::new();
        sample().write_json(&mut out).unwrap();
        let expected = r#"{"kind":"List","none":{},"nothing":[],"items":[{"a":"on","b":80},["x"],{}],"last":true}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
