//! The canonical form of request bodies, for comparing requests.

use std::{borrow::Cow, fmt::Write as _};

use memchr::memchr2;
use serde_json::{Map, Number, Value};

use crate::Pointer;

/// Marks a string that is a string in the document.
pub(crate) const TEXT: char = 's';

/// Marks a string that is a number in the document.
const NUMBER: char = 'n';

/// A JSON document in canonical form, in which equal documents are equal values. The order of
/// keys does not matter, numbers are exact decimals (1 is 1.0, 2^64 is not 2^64+1), the order
/// of arrays matters, the last of duplicate keys wins, and nothing is ignored.
///
/// It is a JSON value in which every number is a string with its normalised notation. A first
/// character marks each string and key as text or number. So a number never passes through a
/// double.
#[derive(Clone, Debug, PartialEq)]
pub struct Canonical(Value);

/// The exponent of a number does not fit in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("number out of range")]
#[non_exhaustive]
pub struct OutOfRange;

impl Canonical {
    /// Converts JSON text that `serde_json` has accepted to canonical form.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if an exponent does not fit in 64 bits. `serde_json` accepts such a
    /// number only if it rounds to 0.
    pub fn of(accepted: &str) -> Result<Self, OutOfRange> {
        let marked = mark(accepted)?;
        // Marking changes neither nesting nor escapes, so this parses too.
        serde_json::from_str(&marked)
            .map(Self)
            .map_err(|_| OutOfRange)
    }

    /// Like [`of`](Self::of), for text that is already parsed as `value`.
    ///
    /// # Errors
    ///
    /// Fails as [`of`](Self::of) does.
    pub fn of_json(accepted: &str, value: &Value) -> Result<Self, OutOfRange> {
        // A double does not say how it was spelled.
        if has_fraction(value) {
            return Self::of(accepted);
        }
        Ok(Self(marked(value)))
    }

    /// The value at a pointer, in canonical form.
    #[must_use]
    pub fn at(&self, pointer: &Pointer) -> Option<&Value> {
        let mut value = &self.0;
        for part in pointer.parts() {
            value = match value {
                Value::Object(members) => members.get(&format!("{TEXT}{part}"))?,
                Value::Array(entries) => entries.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// The document without the values at these pointers. An array entry becomes null, so that
    /// the others keep their positions.
    #[must_use]
    pub fn without(&self, pointers: &[Pointer]) -> Self {
        let mut left = self.0.clone();
        for pointer in pointers {
            let Some((last, outer)) = pointer.parts().split_last() else {
                continue;
            };
            let parent = outer.iter().try_fold(&mut left, |value, part| match value {
                Value::Object(members) => members.get_mut(&format!("{TEXT}{part}")),
                Value::Array(entries) => entries.get_mut(part.parse::<usize>().ok()?),
                _ => None,
            });
            match parent {
                Some(Value::Object(members)) => {
                    members.remove(&format!("{TEXT}{last}"));
                }
                Some(Value::Array(entries)) => {
                    let index = last.parse::<usize>().ok();
                    if let Some(entry) = index.and_then(|index| entries.get_mut(index)) {
                        *entry = Value::Null;
                    }
                }
                _ => {}
            }
        }
        Self(left)
    }

    /// The value with marked strings; see [`key`] and [`readable`].
    #[must_use]
    pub fn marked(&self) -> &Value {
        &self.0
    }
}

/// Whether the value contains a number that is not a 64-bit integer.
pub(crate) fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_u64() && !number.is_i64(),
        Value::Array(entries) => entries.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        _ => false,
    }
}

/// Marks a value whose numbers are all integers.
fn marked(value: &Value) -> Value {
    let text = |string: &str| format!("{TEXT}{string}");
    match value {
        Value::Array(entries) => entries.iter().map(marked).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (text(name), marked(member)))
            .collect(),
        Value::String(string) => text(string).into(),
        Value::Number(number) => normalised_integer(number).into(),
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

/// An integer in normalised notation, marked.
pub(crate) fn normalised_integer(number: &Number) -> String {
    let mut text = NUMBER.to_string();
    // An integer is never out of range.
    let _ = write_normalised(&number.to_string(), &mut text);
    text
}

/// Rewrites JSON text: numbers become marked strings, strings are marked, and whitespace is
/// removed.
fn mark(json: &str) -> Result<String, OutOfRange> {
    let bytes = json.as_bytes();
    let mut marked = String::with_capacity(json.len() + json.len() / 4);
    // Text between strings and numbers is copied in one go.
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                marked.push_str(&json[copied..=at]);
                marked.push(TEXT);
                copied = at + 1;
                at = string_end(bytes, copied);
            }
            b'-' | b'0'..=b'9' => {
                marked.push_str(&json[copied..at]);
                let is_part =
                    |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                copied = at + bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                marked.push('"');
                marked.push(NUMBER);
                write_normalised(&json[at..copied], &mut marked)?;
                marked.push('"');
                at = copied;
            }
            b' ' | b'\t' | b'\n' | b'\r' => {
                marked.push_str(&json[copied..at]);
                at += blanks(&bytes[at..]);
                copied = at;
            }
            _ => at += 1,
        }
    }
    marked.push_str(&json[copied..]);
    Ok(marked)
}

/// The length in bytes of the JSON whitespace that a text starts with.
#[must_use]
pub fn blanks(bytes: &[u8]) -> usize {
    // Blocks without branches are vectorised.
    const BLOCK: usize = 32;
    let is_blank =
        |byte: &u8| (*byte == b' ') | (*byte == b'\t') | (*byte == b'\n') | (*byte == b'\r');
    let mut end = 0;
    while let Some(block) = bytes.get(end..end + BLOCK) {
        if !block.iter().fold(true, |all, byte| all & is_blank(byte)) {
            break;
        }
        end += BLOCK;
    }
    end + bytes[end..]
        .iter()
        .take_while(|byte| is_blank(byte))
        .count()
}

/// The index after the closing quote of a string; `at` is the index after its opening quote.
#[must_use]
pub fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        // An escaped character does not end the string.
        at += 2;
    }
    bytes.len()
}

/// Writes a JSON number in its unique normalised notation: sign, digits without leading or
/// trailing zeros, `e`, and the power of ten.
fn write_normalised(number: &str, text: &mut String) -> Result<(), OutOfRange> {
    // Nearly all numbers are integers, which need no allocation.
    if number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
    {
        let significant = number.trim_end_matches('0');
        let _ = match significant {
            "" | "-" => write!(text, "0"),
            _ => write!(text, "{significant}e{}", number.len() - significant.len()),
        };
        return Ok(());
    }
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", number),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        text.push('0');
        return Ok(());
    }
    let zeros = digits.len() - significant.len();
    let shift = |count: usize| i64::try_from(count).map_err(|_| OutOfRange);
    let exponent = exponent
        .parse::<i64>()
        .map_err(|_| OutOfRange)?
        .checked_sub(shift(fraction.len())?)
        .and_then(|exponent| exponent.checked_add(shift(zeros).ok()?))
        .ok_or(OutOfRange)?;
    let _ = write!(text, "{sign}{significant}e{exponent}");
    Ok(())
}

/// The members of an object, sorted by key. `serde_json` does not sort them if another crate
/// in the build enables `preserve_order`.
pub(crate) fn in_order(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

/// Removes the mark from a key.
#[must_use]
pub fn key(marked: &str) -> &str {
    marked.strip_prefix(TEXT).unwrap_or(marked)
}

/// Converts a marked value back to JSON, with numbers in plain notation.
#[must_use]
pub fn readable(marked: &Value) -> String {
    readable_start(marked, usize::MAX)
}

/// Writes the start of a marked value as JSON: if it is longer than `bytes`, only slightly
/// more than that, so that a huge value costs no more than what is shown.
#[must_use]
pub fn readable_start(marked: &Value, bytes: usize) -> String {
    let mut text = String::new();
    write_readable(marked, bytes, &mut text);
    text
}

fn write_readable(marked: &Value, limit: usize, text: &mut String) {
    if text.len() > limit {
        return;
    }
    match marked {
        Value::String(string) => match string.strip_prefix(NUMBER) {
            Some(number) => text.push_str(&plain(number)),
            None => write_string(key(string), limit, text),
        },
        Value::Array(entries) => {
            text.push('[');
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_readable(entry, limit, text);
                if text.len() > limit {
                    return;
                }
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (name, member)) in in_order(members).into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(key(name), limit, text);
                text.push(':');
                write_readable(member, limit, text);
                if text.len() > limit {
                    return;
                }
            }
            text.push('}');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

fn write_string(string: &str, limit: usize, text: &mut String) {
    // Only the start of a long string is written, with a closing quote.
    let end = limit.saturating_sub(text.len()).saturating_add(1);
    let end = (end..string.len()).find(|&end| string.is_char_boundary(end));
    let start = &string[..end.unwrap_or(string.len())];
    // A string has no way not to be JSON.
    text.push_str(&serde_json::to_string(start).unwrap_or_default());
}

/// A normalised number without an exponent, if that is short.
fn plain(normalised: &str) -> Cow<'_, str> {
    let Some((signed, exponent)) = normalised.split_once('e') else {
        return normalised.into();
    };
    let (sign, digits) = match signed.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", signed),
    };
    match exponent.parse::<i64>() {
        Ok(0) => signed.into(),
        Ok(zeros @ 1..=20) => {
            let zeros = usize::try_from(zeros).unwrap_or_default();
            format!("{signed}{}", "0".repeat(zeros)).into()
        }
        Ok(places @ -20..=-1) => {
            let places = usize::try_from(-places).unwrap_or_default();
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            format!("{sign}{whole}.{fraction}").into()
        }
        _ => normalised.into(),
    }
}

#[cfg(test)]
mod tests;
