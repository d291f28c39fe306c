//! Parses JSON one level at a time.
//!
//! A response may contain 60 MB of base64 in one string, or deeply nested objects in an
//! unknown field. `RawValue` finds the end of a value without recursion and without a copy, so
//! only what is needed is decoded.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::response::number::{Number, whole};

/// A JSON pointer that is built only when it is displayed.
#[derive(Clone, Copy)]
pub(crate) enum Pointer<'a> {
    /// The whole document, written as an empty string.
    Root,
    /// A member of an object.
    Member(&'a Pointer<'a>, &'a str),
    /// An item of a list.
    Item(&'a Pointer<'a>, usize),
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => {
                write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// Strips the byte order mark that some servers add.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

pub(crate) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// A member of an object. Its name is borrowed from the body if it has no escapes.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// Objects of up to this many members are checked for duplicate names by pairwise comparison,
/// which does not allocate.
const FEW: usize = 16;

/// The members of an object; the last one of a duplicate name wins.
pub(crate) fn object(raw: &RawValue) -> Option<Vec<Member<'_>>> {
    whole_object(raw.get())
}

/// The members of an object that is all of `text`; `None` otherwise.
pub(crate) fn whole_object(text: &str) -> Option<Vec<Member<'_>>> {
    all_members(text).map(last_of_each)
}

/// As [`whole_object`], but with all members of a duplicate name.
pub(crate) fn all_members(text: &str) -> Option<Vec<Member<'_>>> {
    let mut members = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Members(&mut members)).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

/// Keeps only the last of the members with the same name.
fn last_of_each(mut members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    if has_twins(&members) {
        let mut seen = HashSet::new();
        let last_first = members.iter().rev();
        let is_last: Vec<bool> = last_first.map(|(name, _)| seen.insert(name)).collect();
        let mut is_last = is_last.into_iter().rev();
        members.retain(|_| is_last.next().unwrap_or(true));
    }
    members
}

/// Whether a name occurs twice.
fn has_twins(members: &[Member<'_>]) -> bool {
    if members.len() <= FEW {
        let mut rest = members;
        while let [(name, _), others @ ..] = rest {
            if others.iter().any(|(other, _)| other == name) {
                return true;
            }
            rest = others;
        }
        return false;
    }
    let mut seen = HashSet::with_capacity(members.len());
    members.iter().any(|(name, _)| !seen.insert(name))
}

/// The complete members of an object that may be truncated.
pub(crate) fn whole_members(text: &str) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    if deserializer.deserialize_map(Members(&mut members)).is_err() {
        // A number at the end may be truncated.
        let end = text.as_bytes().as_ptr_range().end;
        members.pop_if(|(_, raw)| is_number(raw) && raw.get().as_bytes().as_ptr_range().end == end);
    }
    members
}

/// The members of an object before a syntax error, and the text after them; `None` if the
/// object is complete, or only truncated.
pub(crate) fn members_before_break(text: &str) -> Option<(Vec<Member<'_>>, &str)> {
    let mut members = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let error = deserializer.deserialize_map(Members(&mut members)).err()?;
    let (_, last) = members.last()?;
    let end = last.get().as_bytes().as_ptr_range().end.addr() - text.as_ptr().addr();
    let rest = text.get(end..)?;
    error.is_syntax().then(|| (last_of_each(members), rest))
}

/// The items of a list.
pub(crate) fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// Visits the items of a list without allocating; `None` if it is not a list.
pub(crate) fn for_each<'a>(raw: &'a RawValue, visit: impl FnMut(&'a RawValue)) -> Option<()> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    deserializer.deserialize_seq(Items(visit)).ok()
}

/// The decoded text of a string. Lone surrogates become U+FFFD.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    decoded(raw.get())
}

/// The decoded text of a quoted string.
pub(crate) fn decoded(quoted: &str) -> Option<Cow<'_, str>> {
    let mut deserializer = serde_json::Deserializer::from_str(quoted);
    deserializer.deserialize_bytes(Lossy).ok()
}

/// The text between the quotes of a string, including escapes.
pub(crate) fn between_quotes(raw: &RawValue) -> Option<&str> {
    raw.get().strip_prefix('"')?.strip_suffix('"')
}

pub(crate) fn boolean(raw: &RawValue) -> Option<bool> {
    raw.get().parse().ok()
}

pub(crate) fn number(raw: &RawValue) -> Option<Number> {
    is_number(raw).then(|| Number::from_json(raw.get()))
}

/// A number, or a string that contains only a number.
pub(crate) fn number_or_text(raw: &RawValue) -> Option<Number> {
    number(raw).or_else(|| number(serde_json::from_str(string(raw)?.trim()).ok()?))
}

/// A non-negative integer in any notation.
pub(crate) fn count(raw: &RawValue) -> Option<u64> {
    is_number(raw).then(|| whole(raw.get()))?
}

/// Whether a value that a parser accepted is a number.
pub(crate) fn is_number(raw: &RawValue) -> bool {
    raw.get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Collects the members of an object, up to an error.
struct Members<'a, 'de>(&'a mut Vec<Member<'de>>);

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(LossyString(name)) = map.next_key()? {
            if self.0.is_empty() {
                // Avoids growing the vector for most objects; an empty one needs nothing.
                self.0.reserve(FEW / 2);
            }
            self.0.push((name, map.next_value()?));
        }
        Ok(())
    }
}

/// Visits the items of a list.
struct Items<F>(F);

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

/// A string that may contain a lone surrogate, such as half an emoji.
struct LossyString<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for LossyString<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Lossy).map(Self)
    }
}

/// Reads strings as bytes, because serde_json then accepts lone surrogates.
struct Lossy;

impl<'de> Visitor<'de> for Lossy {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        // Usually valid, and this check is faster.
        Ok(str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned().into())
    }
}
