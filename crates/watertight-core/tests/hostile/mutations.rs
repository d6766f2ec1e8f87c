//! What goes wrong with files: by hand, by templates, by concatenation, by an attacker.
//!
//! A mutation holds positions as fractions of whatever the text is when its turn comes, so that
//! shrinking a list of mutations keeps the others meaningful.

use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    DeleteLine(Index),
    DuplicateLine(Index, Index),
    SwapLines(Index, Index),
    CutLines(Index, Index),
    Indent(Index, i8),
    Value(Index, &'static str),
    Insert(Index, &'static str),
    InsertLine(Index, &'static str),
    FlipBit(Index, u8),
    Truncate(Index),
    Nest(Index, bool, u8),
    LineEnds(&'static str),
    Wrap(&'static str, &'static str),
}

/// In the place of values, odd ones.
const VALUES: &[&str] = &[
    "",
    "null",
    "~",
    "[]",
    "{}",
    "[[]]",
    "{a: {b: c}}",
    "true",
    "no",
    "1",
    "0",
    "-1",
    "65535",
    "65536",
    "9223372036854775807",
    "99999999999999999999",
    "1e999",
    "1e3",
    "-.inf",
    ".nan",
    "0x1F",
    "017",
    "80.0",
    "\"\"",
    "\"80\"",
    "\"\\u0000\"",
    "\"\\ud83d\"",
    "😀",
    "'\u{202e}abc'",
    "e\u{301}",
    "\u{feff}x",
    "* ",
    "*x",
    "&x y",
    "&x",
    "!!int x",
    "!!binary aGk=",
    "!foo bar",
    "!",
    "|\n      text\n",
    ">-\n  folded",
    "0.0.0.0/0",
    "::/0",
    "::ffff:10.0.0.0/104",
    "10.0.0.1/33",
    "10.0.0.5/24",
    "010.0.0.0/8",
    "10.0.0.0/08",
    "169.254.169.254",
    "fe80::1%eth0/64",
    "ANY",
    "SCTP",
    "In",
    "DoesNotExist",
    "a/b/c",
    "-a-",
    "default-deny",
    "kube-system",
];

/// Anywhere.
const FRAGMENTS: &[&str] = &[
    "---",
    "\n---\n",
    "--- ",
    "...\n",
    "\n...\n",
    "- ",
    "? ",
    ": ",
    ":",
    "#",
    " # c\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "\\",
    "\\u",
    "&a ",
    "*a",
    "!!str ",
    "!!binary ",
    "<<: ",
    "|",
    ">",
    "%",
    "@",
    "`",
    "\t",
    " ",
    "\r",
    "\n",
    "\r\n",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\0",
    "\u{7f}",
    "é",
    "😀",
    "{{ .Values.x }}",
    "\n\n\n",
];

/// As a line of their own, at the indentation of the line below.
const LINES: &[&str] = &[
    "---",
    "--- # c",
    "---\n\u{feff}",
    "...",
    "%YAML 1.1",
    "%TAG ! tag:example.com,2000:",
    "%FOO bar",
    "# watertight: ignore[all]",
    "# comment",
    "",
    "\t",
    "- x",
    "-",
    "key:",
    "key: value",
    "<<: *a",
    "<<: {a: b}",
    "<<: [{a: b}, {c: d}]",
    "<<: 1",
    "? [a, b]",
    "? key",
    "yes: no",
    "~: null",
    "a: &a {b: c}",
    "a: &a [*a]",
    "podSelector: {}",
    "podSelecter: {}",
    "spec:",
    "kind: List",
    "kind: NetworkPolicy",
    "items:",
    "ports: [{port: 1, endPort: 0}]",
    "replicas: 2000000000",
    "hostNetwork: yes",
    "namespace: a/b",
    "name: 1",
    "labels: {a: , b: [], c: 1}",
    "ignore.watertight.dev/WT101: x",
];

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    use Mutation::*;
    use proptest::sample::select;
    let at = any::<Index>;
    prop_oneof![
        3 => at().prop_map(DeleteLine),
        3 => (at(), at()).prop_map(|(line, to)| DuplicateLine(line, to)),
        2 => (at(), at()).prop_map(|(a, b)| SwapLines(a, b)),
        1 => (at(), at()).prop_map(|(from, to)| CutLines(from, to)),
        4 => (at(), -4i8..5).prop_map(|(line, by)| Indent(line, by)),
        8 => (at(), select(VALUES)).prop_map(|(line, value)| Value(line, value)),
        4 => (at(), select(FRAGMENTS)).prop_map(|(at, text)| Insert(at, text)),
        4 => (at(), select(LINES)).prop_map(|(line, text)| InsertLine(line, text)),
        2 => (at(), 0u8..8).prop_map(|(at, bit)| FlipBit(at, bit)),
        1 => at().prop_map(Truncate),
        1 => (at(), any::<bool>(), 1u8..140).prop_map(|(line, flow, deep)| Nest(line, flow, deep)),
        1 => select(&["\r\n", "\r", "\n\n", "\u{85}"][..]).prop_map(LineEnds),
        1 => select(&[("\u{feff}", ""), ("- ", ""), ("{\"a\":", "}"), ("kind: List\nitems:\n- ", ""), ("", "---"), ("%YAML 1.2\n---\n", "")][..])
            .prop_map(|(before, behind)| Wrap(before, behind)),
    ]
}

impl Mutation {
    /// Changes a text, which may be no text behind it.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        if lines.is_empty() {
            return;
        }
        let count = lines.len();
        match self {
            Self::DeleteLine(line) => {
                lines.remove(line.index(count));
            }
            Self::DuplicateLine(line, to) => {
                let line = lines[line.index(count)].clone();
                lines.insert(to.index(count), line);
            }
            Self::SwapLines(a, b) => lines.swap(a.index(count), b.index(count)),
            Self::CutLines(from, to) => {
                let (from, to) = (from.index(count), to.index(count));
                lines.drain(from.min(to)..from.max(to));
            }
            Self::Indent(line, by) => {
                let line = &mut lines[line.index(count)];
                let spaces = line.len() - line.trim_start_matches(' ').len();
                let spaces = spaces.saturating_add_signed(isize::from(*by));
                *line = " ".repeat(spaces) + line.trim_start_matches(' ');
            }
            Self::Value(line, value) => {
                let line = &mut lines[line.index(count)];
                *line = with_value(line, value);
            }
            Self::InsertLine(line, text) => {
                let at = line.index(count);
                let below = &lines[at];
                let spaces = below.len() - below.trim_start_matches([' ', '-']).len();
                lines.insert(at, format!("{}{text}\n", " ".repeat(spaces)));
            }
            Self::Nest(line, flow, deep) => {
                let line = &mut lines[line.index(count)];
                let deep = usize::from(*deep);
                let nested = if *flow {
                    format!("{}{}", "[".repeat(deep), "]".repeat(deep))
                } else {
                    "- ".repeat(deep) + "x"
                };
                *line = with_value(line, &nested);
            }
            Self::LineEnds(end) => {
                for line in &mut lines {
                    *line = line.replace('\n', end);
                }
            }
            Self::Wrap(before, behind) => {
                lines.insert(0, (*before).to_owned());
                lines.push((*behind).to_owned());
            }
            Self::Insert(at, fragment) => {
                let mut at = at.index(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                lines = vec![format!("{}{fragment}{}", &text[..at], &text[at..])];
            }
            Self::FlipBit(at, bit) => {
                let at = at.index(bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                return;
            }
            Self::Truncate(at) => {
                bytes.truncate(at.index(bytes.len() + 1));
                return;
            }
        }
        *bytes = lines.concat().into_bytes();
    }
}

/// A line with another value behind its last colon, or else behind its dash. What is behind the value
/// stays: a comma, the bracket of a collection that it is in.
fn with_value(line: &str, value: &str) -> String {
    let content = line.trim_end();
    let last = |find: &str| content.rfind(find).map(|at| at + find.len());
    let colon = last(": ").or_else(|| content.ends_with(':').then_some(content.len()));
    let at = colon.or_else(|| last("- ")).unwrap_or(0);
    let mut depth = 0;
    let behind = content[at..].char_indices().find(|(_, c)| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        depth < 0 || depth == 0 && *c == ','
    });
    let end = behind.map_or(content.len(), |(length, _)| at + length);
    let space = if content[..at].ends_with(':') {
        " "
    } else {
        ""
    };
    format!(
        "{}{space}{value}{}{}",
        &content[..at],
        &content[end..],
        &line[content.len()..]
    )
}
