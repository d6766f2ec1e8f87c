//! A table as `nft` writes it: for people, for snapshots, and for `nft -f`.

use std::fmt::Write as _;

use super::table::{
    Bytes, Chain, ChainType, Contents, Element, Field, Hook, KeyType, Match, Rule, Set, Statement,
    Table, Target, Verdict,
};

/// Elements in one line of the text.
const IN_LINE: usize = 6;

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "table inet {} {{", self.name)?;
        let mut is_first = true;
        let mut blank = |f: &mut std::fmt::Formatter<'_>| {
            if std::mem::take(&mut is_first) {
                Ok(())
            } else {
                writeln!(f)
            }
        };
        // What numbers stand for is written where it is used.
        let named = |set: &&Set| !matches!(set.contents, Contents::Values(..));
        for (name, set) in self.sets.iter().filter(|(_, set)| named(set)) {
            blank(f)?;
            f.write_str(&set_text(name, set))?;
        }
        let (base, other): (Vec<_>, Vec<_>) = self
            .chains
            .iter()
            .partition(|(_, chain)| chain.hook.is_some());
        for (name, chain) in base.into_iter().chain(other) {
            blank(f)?;
            f.write_str(&self.chain_text(name, chain))?;
        }
        writeln!(f, "}}")
    }
}

fn set_text(name: &str, set: &Set) -> String {
    let types = |key: &[KeyType]| {
        key.iter()
            .map(|key| key.word())
            .collect::<Vec<_>>()
            .join(" . ")
    };
    let key = types(&set.key);
    let element = |element: &Element| element_text(element, &set.key);
    let (word, of, elements): (_, _, Vec<String>) = match &set.contents {
        Contents::Members(members) => ("set", key, members.iter().map(element).collect()),
        Contents::Verdicts(verdicts) => {
            let each = verdicts
                .iter()
                .map(|(key, verdict)| format!("{} : {}", element(key), verdict_text(verdict)));
            ("map", format!("{key} : verdict"), each.collect())
        }
        Contents::Values(to, values) => {
            let each = values
                .iter()
                .map(|(key, value)| format!("{} : {}", element(key), value.words(to)));
            ("map", format!("{key} : {}", types(to)), each.collect())
        }
    };
    let mut text = format!("\t{word} {name} {{\n\t\ttype {of}\n");
    if set.ranges {
        text.push_str("\t\tflags interval\n");
    }
    if !elements.is_empty() {
        let lines: Vec<String> = elements
            .chunks(IN_LINE)
            .map(|line| line.join(", "))
            .collect();
        _ = writeln!(
            text,
            "\t\telements = {{ {} }}",
            lines.join(",\n\t\t             ")
        );
    }
    text.push_str("\t}\n");
    text
}

fn element_text(element: &Element, key: &[KeyType]) -> String {
    if element.first == element.last {
        return element.first.words(key);
    }
    let words = |bytes: &Bytes| -> Vec<String> {
        bytes.words(key).split(" . ").map(str::to_owned).collect()
    };
    let fields = words(&element.first).into_iter().zip(words(&element.last));
    let fields = fields.map(|(first, last)| {
        if first == last {
            first
        } else {
            format!("{first}-{last}")
        }
    });
    fields.collect::<Vec<_>>().join(" . ")
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".into(),
        Verdict::Drop => "drop".into(),
        Verdict::Return => "return".into(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
    }
}

fn field_word(field: Field) -> &'static str {
    match field {
        Field::Source4 => "ip saddr",
        Field::Source6 => "ip6 saddr",
        Field::Destination4 => "ip daddr",
        Field::Destination6 => "ip6 daddr",
        Field::Protocol => "meta l4proto",
        Field::SourcePort => "th sport",
        Field::DestinationPort => "th dport",
        Field::IcmpMessage => "@th,0,16",
        Field::Mark => "meta mark",
    }
}

fn fields_text(fields: &[Field]) -> String {
    fields
        .iter()
        .map(|field| field_word(*field))
        .collect::<Vec<_>>()
        .join(" . ")
}

fn value_text(field: Field, value: &Bytes) -> String {
    if field == Field::IcmpMessage {
        let number = value.as_slice().first_chunk().copied().unwrap_or_default();
        return format!("{:#06x}", u16::from_be_bytes(number));
    }
    if field == Field::Mark {
        let number = value.as_slice().first_chunk().copied().unwrap_or_default();
        return format!("{:#010x}", u32::from_ne_bytes(number));
    }
    value.words(&[field.key()])
}

impl Match {
    fn text(&self) -> String {
        match self {
            Self::Family(2) => "meta nfproto ipv4".into(),
            Self::Family(_) => "meta nfproto ipv6".into(),
            Self::Is(field, value) => {
                format!("{} {}", field_word(*field), value_text(*field, value))
            }
            Self::Between {
                field,
                first,
                last,
                not,
            } => {
                let (first, last) = (value_text(*field, first), value_text(*field, last));
                let range = if first == last {
                    first
                } else {
                    format!("{first}-{last}")
                };
                format!(
                    "{}{} {range}",
                    field_word(*field),
                    if *not { " !=" } else { "" }
                )
            }
            Self::In { fields, set, not } => {
                format!(
                    "{}{} @{set}",
                    fields_text(fields),
                    if *not { " !=" } else { "" }
                )
            }
            Self::State(bits) => {
                let names = [
                    (1, "invalid"),
                    (2, "established"),
                    (4, "related"),
                    (8, "new"),
                    (64, "untracked"),
                ];
                let named = names
                    .iter()
                    .filter(|(bit, _)| bits & bit != 0)
                    .map(|(_, name)| *name);
                format!("ct state {}", named.collect::<Vec<_>>().join(","))
            }
            Self::Way(0) => "ct direction original".into(),
            Self::Way(_) => "ct direction reply".into(),
        }
    }
}

impl Table {
    fn chain_text(&self, name: &str, chain: &Chain) -> String {
        let mut text = format!("\tchain {name} {{\n");
        if let Some(hook) = &chain.hook {
            _ = writeln!(text, "\t\t{}", hook_text(hook));
        }
        for rule in &chain.rules {
            _ = writeln!(text, "\t\t{}", self.rule_text(rule));
        }
        text.push_str("\t}\n");
        text
    }

    /// One rule in a line.
    #[must_use]
    pub fn rule_text(&self, rule: &Rule) -> String {
        let matches = rule.matches.iter().map(Match::text);
        let statements = rule
            .statements
            .iter()
            .map(|statement| self.statement_text(statement));
        let mut parts: Vec<String> = matches.chain(statements).collect();
        if !rule.comment.is_empty() {
            parts.push(format!("comment \"{}\"", rule.comment));
        }
        parts.join(" ")
    }

    fn statement_text(&self, statement: &Statement) -> String {
        match statement {
            Statement::Counter => "counter".into(),
            Statement::Log {
                prefix,
                group,
                per_second,
            } => {
                let rate = per_second.map(|rate| format!("limit rate {rate}/second "));
                format!(
                    "{}log prefix \"{prefix}\" group {group}",
                    rate.unwrap_or_default()
                )
            }
            Statement::Verdict(verdict) => verdict_text(verdict),
            Statement::Lookup { fields, map } => format!("{} vmap @{map}", fields_text(fields)),
            Statement::Redirect(Target::One(ip, port)) => match ip.is_ipv4() {
                true => format!("dnat ip to {ip}:{port}"),
                false => format!("dnat ip6 to [{ip}]:{port}"),
            },
            Statement::Redirect(Target::Turns { map, count, is_v6 }) => {
                let values = match self.sets.get(map).map(|set| (&set.key, &set.contents)) {
                    Some((key, Contents::Values(to, values))) => values
                        .iter()
                        .map(|(number, value)| {
                            format!("{} : {}", element_text(number, key), value.words(to))
                        })
                        .collect(),
                    _ => Vec::new(),
                };
                let family = if *is_v6 { "ip6" } else { "ip" };
                format!(
                    "dnat {family} to numgen inc mod {count} map {{ {} }}",
                    values.join(", ")
                )
            }
            Statement::Mark(mark) => format!("meta mark set {mark:#010x}"),
            Statement::Masquerade => "masquerade".into(),
            Statement::Reject => "reject".into(),
        }
    }
}

fn hook_text(hook: &Hook) -> String {
    let kind = match hook.kind {
        ChainType::Filter => "filter",
        ChainType::Nat => "nat",
    };
    format!(
        "type {kind} hook {} priority {}; policy accept;",
        hook.word(),
        hook.priority
    )
}
