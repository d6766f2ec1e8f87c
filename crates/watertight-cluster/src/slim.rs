//! Objects without what nobody here reads.
//!
//! A [`Keep`] says what of a value is kept; the text of an object is copied through it without ever
//! becoming a tree, so that a page of 500 pods costs its own bytes and little more. What is left is an
//! object in the form that Kubernetes gives it, on one line.
//!
//! INVARIANT: a world made of slim objects is the world made of the full ones; tests hold this.

mod secrets;
pub(crate) mod shapes;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub(crate) use self::secrets::{without_credentials, without_secrets};

/// What of a value is kept.
#[derive(Debug)]
pub(crate) enum Keep {
    /// All of it.
    All,
    /// Of a mapping, these fields; nothing if none of them is there.
    Fields(&'static [(&'static str, Keep)]),
    /// The same, but a mapping without any of them stays as an empty one.
    Object(&'static [(&'static str, Keep)]),
    /// Of a list, this of each item; items of which nothing is left go.
    Each(&'static Keep),
    /// Of a mapping, the entries with these keys.
    Entries(fn(&str) -> bool),
    /// What somebody else makes of it; nothing if nothing.
    With(fn(&str) -> Option<String>),
}

/// Writes what is kept of a JSON text behind `out`; whether that is anything.
///
/// # Errors
/// When the text is not JSON; what was written then means nothing.
pub(crate) fn keep(text: &str, keep: &Keep, out: &mut Vec<u8>) -> serde_json::Result<bool> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let kept = Copy { keep, out }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(kept)
}

/// Copies a value through a [`Keep`].
struct Copy<'o> {
    keep: &'o Keep,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Copy<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        use serde::Deserialize as _;
        match self.keep {
            Keep::All => {
                let raw = <&RawValue>::deserialize(deserializer)?;
                self.out.extend_from_slice(raw.get().as_bytes());
                Ok(true)
            }
            Keep::With(make) => {
                let raw = <&RawValue>::deserialize(deserializer)?;
                let made = make(raw.get());
                self.out
                    .extend_from_slice(made.as_deref().unwrap_or_default().as_bytes());
                Ok(made.is_some())
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Copy<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut any = false;
        let start = self.out.len();
        self.out.push(b'{');
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let wanted = match self.keep {
                Keep::Fields(fields) | Keep::Object(fields) => fields
                    .iter()
                    .find(|(name, _)| *name == key)
                    .map(|(_, keep)| keep),
                Keep::Entries(is_wanted) => is_wanted(&key).then_some(&Keep::All),
                _ => None,
            };
            let Some(keep) = wanted else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let before = self.out.len();
            if any {
                self.out.push(b',');
            }
            write_string(&key, self.out);
            self.out.push(b':');
            let kept = map.next_value_seed(Copy {
                keep,
                out: &mut *self.out,
            })?;
            if kept {
                any = true;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push(b'}');
        if !any && !matches!(self.keep, Keep::Object(_)) {
            self.out.truncate(start);
            return Ok(false);
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let Keep::Each(keep) = self.keep else {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(false);
        };
        let start = self.out.len();
        self.out.push(b'[');
        let mut any = false;
        loop {
            let before = self.out.len();
            if any {
                self.out.push(b',');
            }
            let item = list.next_element_seed(Copy {
                keep,
                out: &mut *self.out,
            })?;
            match item {
                Some(true) => any = true,
                Some(false) => self.out.truncate(before),
                None => {
                    self.out.truncate(before);
                    break;
                }
            }
        }
        self.out.push(b']');
        if !any {
            self.out.truncate(start);
        }
        Ok(any)
    }

    // Null and values of another kind than they should be: nothing that is read.
    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
}

/// A key, where it is if it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// Writes a text as a JSON string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}
