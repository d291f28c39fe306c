//! One level of JSON at a time.
//!
//! An answer can hold 60 MB of base64 in one string, and objects nested without
//! end in a field that nobody knows. `RawValue` finds where a value ends without
//! recursion and without a copy, so nothing is decoded but what is asked for.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::number::{Number, whole};

/// A value that is not of the type that its place has.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) pointer: String,
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

/// A JSON pointer that is put together only when it is printed.
#[derive(Clone, Copy)]
pub(crate) enum Pointer<'a> {
    /// The whole document, written as nothing.
    Root,
    /// A member of an object.
    Member(&'a Pointer<'a>, &'a str),
    /// An item of a list.
    Item(&'a Pointer<'a>, usize),
}

impl Pointer<'_> {
    /// A value here is not what was expected.
    pub(crate) fn mismatch(&self, expected: &'static str, found: &RawValue) -> Mismatch {
        Mismatch {
            pointer: self.to_string(),
            expected,
            found: crate::text::one_line(found.get(), 60),
        }
    }
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

pub(crate) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// The members of an object; of a name that occurs twice, the last one counts.
pub(crate) fn object<'a>(
    raw: &'a RawValue,
    at: &Pointer<'_>,
) -> Result<Vec<(String, &'a RawValue)>, Mismatch> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    let mut members = deserializer
        .deserialize_map(Members)
        .map_err(|_| at.mismatch("an object", raw))?;
    let mut seen = HashSet::new();
    let is_last: Vec<bool> = members
        .iter()
        .rev()
        .map(|(name, _)| seen.insert(name.as_str()))
        .collect();
    if is_last.contains(&false) {
        let mut is_last = is_last.into_iter().rev();
        members.retain(|_| is_last.next().unwrap_or(true));
    }
    Ok(members)
}

/// The items of a list.
pub(crate) fn list<'a>(raw: &'a RawValue, at: &Pointer<'_>) -> Result<Vec<&'a RawValue>, Mismatch> {
    serde_json::from_str(raw.get()).map_err(|_| at.mismatch("a list", raw))
}

/// The characters of a string, decoded. Half of a surrogate pair becomes U+FFFD.
pub(crate) fn string(raw: &RawValue, at: &Pointer<'_>) -> Result<String, Mismatch> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    deserializer
        .deserialize_bytes(Lossy)
        .map_err(|_| at.mismatch("a string", raw))
}

/// The text between the quotes of a string, as it stands, escapes included.
pub(crate) fn between_quotes<'a>(raw: &'a RawValue, at: &Pointer<'_>) -> Result<&'a str, Mismatch> {
    let inside = raw
        .get()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inside.ok_or_else(|| at.mismatch("a string", raw))
}

pub(crate) fn boolean(raw: &RawValue, at: &Pointer<'_>) -> Result<bool, Mismatch> {
    match raw.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(at.mismatch("true or false", raw)),
    }
}

pub(crate) fn number(raw: &RawValue, at: &Pointer<'_>) -> Result<Number, Mismatch> {
    match is_number(raw) {
        true => Ok(Number::from_json(raw.get())),
        false => Err(at.mismatch("a number", raw)),
    }
}

/// A whole number from 0 to 2^64 - 1, in any spelling.
pub(crate) fn count(raw: &RawValue, at: &Pointer<'_>) -> Result<u64, Mismatch> {
    let count = if is_number(raw) {
        whole(raw.get())
    } else {
        None
    };
    count.ok_or_else(|| at.mismatch("a whole number from 0 to 18446744073709551615", raw))
}

/// Whether a value that a parser accepted is a number.
pub(crate) fn is_number(raw: &RawValue) -> bool {
    raw.get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Collects the members of an object.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(LossyString(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}

/// A string that may hold half of a surrogate pair, as a cut emoji leaves it.
struct LossyString(String);

impl<'de> de::Deserialize<'de> for LossyString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Lossy).map(Self)
    }
}

/// Takes strings as bytes, where serde_json lets lone surrogates pass.
struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
