//! Elements of sets and maps as attributes of netlink, both ways.
//!
//! A range of one field is two entries for the kernel: its first key, and the key behind its last one. A
//! range of several fields is one entry with two keys.
//!
//! INVARIANT: a key has the length that its set was made with, whatever a register pads it to.

use super::encode::{DATA_VALUE, LIST_ELEMENT, read_verdict, verdict};
use super::table::{Bytes, Element, KeyType, Verdict};
use crate::netlink::{Attributes, Message};

const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const ELEMENT_FLAGS: u16 = 3;
const ELEMENT_KEY_END: u16 = 10;
const INTERVAL_END: u32 = 1;

/// What an element of a map leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data<'a> {
    /// Nothing: it is a set.
    Nothing,
    /// A verdict.
    Verdict(&'a Verdict),
    /// A value of so many bytes.
    Value(&'a Bytes, usize),
}

/// How the kernel keeps a set, as far as its elements look different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One key each.
    Keys,
    /// Ranges of one field: a first key, and the one behind the last.
    Ends,
    /// Ranges of several fields: a first and a last key.
    Pairs,
}

/// Bytes of a key: one field has no padding, several have.
pub(super) fn key_length(key: &[KeyType]) -> usize {
    match key {
        [field] => field.size(),
        fields => fields.iter().map(|field| field.padded()).sum(),
    }
}

/// Writes an element as entries of a list.
pub(super) fn element(
    message: Message,
    shape: Shape,
    length: usize,
    element: &Element,
    data: Data<'_>,
) -> Message {
    let first = element.first.as_slice().get(..length).unwrap_or_default();
    let last = element.last.as_slice().get(..length).unwrap_or_default();
    let message = message.nested(LIST_ELEMENT, |entry| {
        let entry = entry.nested(ELEMENT_KEY, |inner| inner.attr(DATA_VALUE, first));
        let entry = match shape {
            Shape::Pairs => entry.nested(ELEMENT_KEY_END, |inner| inner.attr(DATA_VALUE, last)),
            Shape::Keys | Shape::Ends => entry,
        };
        match data {
            Data::Nothing => entry,
            Data::Verdict(to) => entry.nested(ELEMENT_DATA, |inner| verdict(inner, to)),
            Data::Value(value, length) => entry.nested(ELEMENT_DATA, |inner| {
                inner.attr(
                    DATA_VALUE,
                    value.as_slice().get(..length).unwrap_or_default(),
                )
            }),
        }
    });
    // A range up to the very last key is left open.
    match behind(last).filter(|_| shape == Shape::Ends) {
        Some(end) => message.nested(LIST_ELEMENT, |entry| {
            entry
                .be32(ELEMENT_FLAGS, INTERVAL_END)
                .nested(ELEMENT_KEY, |inner| inner.attr(DATA_VALUE, &end))
        }),
        None => message,
    }
}

/// One entry of a list of elements.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Box<[u8]>,
    pub(super) last: Option<Box<[u8]>>,
    pub(super) is_end: bool,
    pub(super) verdict: Option<Verdict>,
    pub(super) value: Option<Box<[u8]>>,
}

/// Reads one entry of a list of elements.
pub(super) fn read_entry(entry: &[u8]) -> Option<Entry> {
    let entry = Attributes::new(entry);
    let data = entry.inside(ELEMENT_DATA);
    Some(Entry {
        key: entry.inside(ELEMENT_KEY).get(DATA_VALUE)?.into(),
        last: entry
            .inside(ELEMENT_KEY_END)
            .get(DATA_VALUE)
            .map(Into::into),
        is_end: entry.be32(ELEMENT_FLAGS).unwrap_or_default() & INTERVAL_END != 0,
        verdict: read_verdict(&data),
        value: data.get(DATA_VALUE).map(Into::into),
    })
}

/// The key behind a key; none behind the very last.
pub(super) fn behind(key: &[u8]) -> Option<Box<[u8]>> {
    let mut next: Box<[u8]> = key.into();
    for byte in next.iter_mut().rev() {
        let (sum, overflows) = byte.overflowing_add(1);
        *byte = sum;
        if !overflows {
            return Some(next);
        }
    }
    None
}

/// The key before a key; none before the very first.
pub(super) fn before(key: &[u8]) -> Option<Box<[u8]>> {
    let mut previous: Box<[u8]> = key.into();
    for byte in previous.iter_mut().rev() {
        let (rest, overflows) = byte.overflowing_sub(1);
        *byte = rest;
        if !overflows {
            return Some(previous);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_neighbours_except_at_the_ends() {
        assert_eq!(behind(&[1, 255]).as_deref(), Some(&[2, 0][..]));
        assert_eq!(behind(&[255, 255]), None);
        assert_eq!(before(&[2, 0]).as_deref(), Some(&[1, 255][..]));
        assert_eq!(before(&[0, 0]), None);
    }

    #[test]
    fn a_key_of_one_field_has_no_padding() {
        assert_eq!(key_length(&[KeyType::Port]), 2);
        assert_eq!(key_length(&[KeyType::Protocol, KeyType::Port]), 8);
        assert_eq!(
            key_length(&[KeyType::V6, KeyType::Protocol, KeyType::Port]),
            24
        );
    }
}
