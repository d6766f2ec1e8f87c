//! `label:app=web,tier!=db`: label selectors as kubectl takes them (K-38..K-45).

use crate::suggest::misspelt;
use crate::world::{Symbol, World};

/// One condition on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term<'t> {
    In(&'t str, Vec<&'t str>),
    NotIn(&'t str, Vec<&'t str>),
    Exists(&'t str),
    DoesNotExist(&'t str),
}

/// Reads a selector; an error is one sentence.
pub(super) fn parse(text: &str) -> Result<Vec<Term<'_>>, String> {
    if text.trim().is_empty() {
        return Err("a label selector is missing; write label:KEY=VALUE".into());
    }
    let wrong = |part: &str| {
        format!("`{part}` is no label condition; write KEY=VALUE, KEY!=VALUE, KEY or !KEY")
    };
    let mut terms = Vec::new();
    for part in parts(text) {
        let part = part.trim();
        let term = if let Some((key, value)) = part.split_once("!=") {
            Term::NotIn(key.trim(), vec![value.trim()])
        } else if let Some((key, value)) = part.split_once("==").or(part.split_once('=')) {
            Term::In(key.trim(), vec![value.trim()])
        } else if let Some(key) = part.strip_prefix('!') {
            Term::DoesNotExist(key.trim())
        } else if let Some((words, values)) = part.strip_suffix(')').and_then(|p| p.split_once('('))
        {
            let values = values.split(',').map(str::trim).collect();
            match words.split_whitespace().collect::<Vec<_>>().as_slice() {
                [key, "in"] => Term::In(key, values),
                [key, "notin"] => Term::NotIn(key, values),
                _ => return Err(wrong(part)),
            }
        } else {
            Term::Exists(part)
        };
        let (key, values) = term.parts();
        let plain =
            |text: &str| !text.contains(|c: char| c.is_whitespace() || "=!(),:".contains(c));
        if key.is_empty() || !plain(key) || !values.iter().all(|value| plain(value)) {
            return Err(wrong(part));
        }
        terms.push(term);
    }
    Ok(terms)
}

/// The parts between commas that are in no brackets.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let outside = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(outside).collect()
}

impl<'t> Term<'t> {
    fn parts(&self) -> (&'t str, &[&'t str]) {
        match self {
            Self::In(key, values) | Self::NotIn(key, values) => (key, values),
            Self::Exists(key) | Self::DoesNotExist(key) => (key, &[]),
        }
    }
}

/// The canonical spelling.
pub(super) fn spell(terms: &[Term<'_>]) -> String {
    let one = |term: &Term<'_>| match term {
        Term::In(key, values) => match values.as_slice() {
            [value] => format!("{key}={value}"),
            values => format!("{key} in ({})", values.join(",")),
        },
        Term::NotIn(key, values) => match values.as_slice() {
            [value] => format!("{key}!={value}"),
            values => format!("{key} notin ({})", values.join(",")),
        },
        Term::Exists(key) => (*key).to_owned(),
        Term::DoesNotExist(key) => format!("!{key}"),
    };
    terms.iter().map(one).collect::<Vec<_>>().join(",")
}

/// A selector whose texts are looked up once.
pub(super) struct Matcher {
    tests: Vec<(Option<Symbol>, Test)>,
}

enum Test {
    In(Vec<Symbol>),
    NotIn(Vec<Symbol>),
    Exists,
    DoesNotExist,
}

impl Matcher {
    pub(super) fn new(world: &World, terms: &[Term<'_>]) -> Self {
        let symbols = |values: &[&str]| -> Vec<Symbol> {
            let known = values.iter().filter_map(|value| world.symbols.get(value));
            known.collect()
        };
        let tests = terms.iter().map(|term| {
            let (key, _) = term.parts();
            let test = match term {
                Term::In(_, values) => Test::In(symbols(values)),
                Term::NotIn(_, values) => Test::NotIn(symbols(values)),
                Term::Exists(_) => Test::Exists,
                Term::DoesNotExist(_) => Test::DoesNotExist,
            };
            (world.symbols.get(key), test)
        });
        Self {
            tests: tests.collect(),
        }
    }

    pub(super) fn matches(&self, labels: &[(Symbol, Symbol)]) -> bool {
        self.tests.iter().all(|(key, test)| {
            let value = key.and_then(|key| {
                let found = labels.iter().find(|(known, _)| *known == key);
                found.map(|(_, value)| *value)
            });
            match test {
                Test::In(values) => value.is_some_and(|value| values.contains(&value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
                Test::Exists => value.is_some(),
                Test::DoesNotExist => value.is_none(),
            }
        })
    }
}

/// What to say beside "no pod has these labels": keys that no pod has, with the nearest one.
pub(super) fn hint(world: &World, terms: &[Term<'_>]) -> String {
    let keys = || {
        let endpoints = world.endpoints.iter();
        endpoints.flat_map(|endpoint| endpoint.labels.iter().map(|(key, _)| *key))
    };
    for term in terms {
        let (key, wanted) = match term {
            Term::In(key, values) => (*key, values.as_slice()),
            Term::Exists(key) => (*key, [].as_slice()),
            Term::NotIn(..) | Term::DoesNotExist(_) => continue,
        };
        let symbol = world.symbols.get(key);
        if !keys().any(|known| Some(known) == symbol) {
            let mut known: Vec<_> = keys().collect();
            known.sort_unstable();
            known.dedup();
            let near = misspelt(key, known.iter().map(|key| world.symbols.text(*key)));
            let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            return format!(": none has a label `{key}`{near}");
        }
        let mut values: Vec<_> = world
            .endpoints
            .iter()
            .filter_map(|endpoint| world.symbols.value(&endpoint.labels, key))
            .collect();
        values.sort_unstable();
        values.dedup();
        if let [wanted] = wanted
            && !values.contains(wanted)
        {
            let near = misspelt(wanted, values.iter().copied());
            let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            return format!(": none has `{key}={wanted}`{near}");
        }
    }
    String::new()
}
