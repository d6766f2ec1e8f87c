//! What the kernel holds of a table, as far as it can be compared with a [`Table`](super::Table).
//!
//! INVARIANT: what this program would not write stays recognisably foreign, so that adopting a table never
//! takes it for its own; counters and handles play no part in comparing.

use std::collections::BTreeMap;

use super::elements::{Entry, before, key_length};
use super::expressions::Expression;
use super::table::{Bytes, Contents, Element, Hook, KeyType, Set};

/// A table in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The name.
    pub name: Box<str>,
    /// How many transactions the network namespace has seen: those that change other tables count too.
    pub generation: u32,
    /// Sets by name; none for a set of a kind that this program does not make.
    pub sets: BTreeMap<Box<str>, Option<Set>>,
    /// Chains by name.
    pub chains: BTreeMap<Box<str>, HeldChain>,
}

/// A chain in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldChain {
    /// Where the kernel enters it.
    pub hook: Option<Hook>,
    /// Whether it is a base chain of a kind that this program does not make: another type or policy.
    pub is_foreign: bool,
    /// Its rules, in order.
    pub rules: Vec<HeldRule>,
}

/// A rule in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldRule {
    /// What it does.
    pub expressions: Vec<Expression>,
    /// The comment beside it.
    pub comment: Box<str>,
    /// What its counter shows, if it has one: packets and bytes.
    pub counted: Option<(u64, u64)>,
}

/// The description of a set, as the kernel lists it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) flags: u32,
    pub(super) key_type: u32,
    pub(super) key_length: u32,
    pub(super) data_type: Option<u32>,
}

/// Flags of a set.
pub(super) const INTERVAL: u32 = 4;
pub(super) const MAP: u32 = 8;
pub(super) const CONCATENATED: u32 = 0x80;

/// The type of data that is a verdict.
pub(super) const VERDICT_TYPE: u32 = 0xffff_ff00;

/// Bits of one field in the number of a key's type.
const TYPE_BITS: u32 = 6;

/// The number that `nft` knows a type by. The kernel keeps it and makes nothing of it.
pub(super) fn type_number(key: &[KeyType]) -> u32 {
    key.iter().fold(0, |number, field| {
        let field = match field {
            KeyType::Number => 4,
            KeyType::V4 => 7,
            KeyType::V6 => 8,
            KeyType::Protocol => 12,
            KeyType::Port => 13,
        };
        number << TYPE_BITS | field
    })
}

/// The fields that a number stands for; none if one of them is unknown.
fn fields(mut number: u32) -> Option<Vec<KeyType>> {
    let mut fields = Vec::new();
    while number != 0 {
        fields.push(match number & ((1 << TYPE_BITS) - 1) {
            4 => KeyType::Number,
            7 => KeyType::V4,
            8 => KeyType::V6,
            12 => KeyType::Protocol,
            13 => KeyType::Port,
            _ => return None,
        });
        number >>= TYPE_BITS;
    }
    fields.reverse();
    (!fields.is_empty()).then_some(fields)
}

/// A set without elements, if it is of a kind that this program makes.
pub(super) fn shape(described: &Described) -> Option<Set> {
    let key = fields(described.key_type)?;
    let ranges = described.flags & INTERVAL != 0;
    let is_known = described.flags & !(INTERVAL | MAP | CONCATENATED) == 0
        && usize::try_from(described.key_length).is_ok_and(|length| length == key_length(&key));
    let contents = match described.data_type.filter(|_| described.flags & MAP != 0) {
        None if described.flags & MAP == 0 => Contents::Members(Vec::new()),
        None => return None,
        Some(VERDICT_TYPE) => Contents::Verdicts(BTreeMap::new()),
        Some(number) => Contents::Values(fields(number)?, BTreeMap::new()),
    };
    is_known.then_some(Set {
        key,
        ranges,
        contents,
    })
}

/// A set with its elements; none if one of them is not as this program writes them.
pub(super) fn fill(mut set: Set, mut entries: Vec<Entry>) -> Option<Set> {
    let mut elements: Vec<(Element, Entry)> = Vec::with_capacity(entries.len());
    if set.ranges && set.key.len() == 1 {
        // Where one range ends the next may begin: the end goes first.
        entries.sort_by(|one, other| one.key.cmp(&other.key).then(other.is_end.cmp(&one.is_end)));
        let length = key_length(&set.key);
        let mut open: Option<Entry> = None;
        for entry in entries {
            if let Some(first) = open.take() {
                let last = before(&entry.key)?;
                elements.push((ranged(&set.key, &first.key, &last)?, first));
            }
            if !entry.is_end {
                open = Some(entry);
            }
        }
        if let Some(first) = open {
            elements.push((ranged(&set.key, &first.key, &vec![u8::MAX; length])?, first));
        }
    } else {
        for entry in entries {
            let last = entry.last.as_ref().unwrap_or(&entry.key);
            elements.push((ranged(&set.key, &entry.key, last)?, entry));
        }
        elements.sort_by_key(|(element, _)| *element);
    }
    match &mut set.contents {
        Contents::Members(members) => {
            members.extend(elements.into_iter().map(|(element, _)| element))
        }
        Contents::Verdicts(verdicts) => {
            for (element, entry) in elements {
                verdicts.insert(element, entry.verdict?);
            }
        }
        Contents::Values(to, values) => {
            for (element, entry) in elements {
                values.insert(element, padded(to, &entry.value?)?);
            }
        }
    }
    Some(set)
}

fn ranged(key: &[KeyType], first: &[u8], last: &[u8]) -> Option<Element> {
    Some(Element {
        first: padded(key, first)?,
        last: padded(key, last)?,
    })
}

/// The kernel's bytes as registers hold them. What pads a field counts for nothing.
fn padded(key: &[KeyType], bytes: &[u8]) -> Option<Bytes> {
    if let [field] = key {
        return (bytes.len() == field.size()).then(|| Bytes::EMPTY.with(bytes));
    }
    let mut rest = bytes;
    let mut value = Bytes::EMPTY;
    for field in key {
        let (this, behind) = rest.split_at_checked(field.padded())?;
        value = value.with(this.get(..field.size())?);
        rest = behind;
    }
    rest.is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &[u8], is_end: bool) -> Entry {
        Entry {
            key: key.into(),
            last: None,
            is_end,
            verdict: None,
            value: None,
        }
    }

    fn ports(entries: Vec<Entry>) -> Vec<(u16, u16)> {
        let set = Set {
            key: vec![KeyType::Port],
            ranges: true,
            contents: Contents::Members(Vec::new()),
        };
        let Some(Set {
            contents: Contents::Members(members),
            ..
        }) = fill(set, entries)
        else {
            panic!("foreign")
        };
        let port = |bytes: &Bytes| u16::from_be_bytes(*bytes.as_slice().first_chunk().unwrap());
        members
            .iter()
            .map(|element| (port(&element.first), port(&element.last)))
            .collect()
    }

    #[test]
    fn ranges_are_put_together_from_their_ends_in_any_order() {
        let listed = vec![
            entry(&[255, 0], false),
            entry(&[0, 90], true),
            entry(&[0, 90], false),
            entry(&[0, 95], true),
            entry(&[0, 80], false),
        ];
        assert_eq!(ports(listed), [(80, 89), (90, 94), (65_280, 65_535)]);
        // An end of nothing, as `nft` puts it in front of the first range.
        assert_eq!(
            ports(vec![
                entry(&[0, 0], true),
                entry(&[0, 5], false),
                entry(&[0, 6], true)
            ]),
            [(5, 5)]
        );
    }

    #[test]
    fn types_are_known_by_their_number() {
        for key in [
            vec![KeyType::V4],
            vec![KeyType::Number],
            vec![KeyType::V6, KeyType::V6],
            vec![KeyType::V4, KeyType::Protocol, KeyType::Port],
        ] {
            assert_eq!(fields(type_number(&key)), Some(key));
        }
        assert_eq!(fields(0), None);
        assert_eq!(fields(9), None, "an address of Ethernet");
    }

    #[test]
    fn a_set_with_flags_of_others_is_foreign() {
        let described = |flags| Described {
            flags,
            key_type: 7,
            key_length: 4,
            data_type: None,
        };
        assert!(shape(&described(0)).is_some());
        assert!(shape(&described(INTERVAL)).is_some());
        assert!(
            shape(&described(0x10)).is_none(),
            "elements with a time limit"
        );
        assert!(shape(&described(MAP)).is_none(), "of objects");
        assert!(
            shape(&Described {
                key_length: 16,
                ..described(0)
            })
            .is_none()
        );
    }
}
