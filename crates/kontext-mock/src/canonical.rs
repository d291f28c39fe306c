//! The canonical form of a request's body, by which recordings are found.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::{Map, Value};

/// Marks a string that was a string in the document.
const TEXT: char = 's';

/// Marks a string that was a number in the document.
const NUMBER: char = 'n';

/// A JSON document in which equal means the same: keys in any order, numbers
/// as exact decimals (1 is 1.0, 2^64 is not 2^64+1), arrays in order, the last
/// of duplicate keys, nothing ignored.
///
/// It is a JSON value in which every number is a string of its normalised
/// spelling, marked by its first character, as every other string and key is.
/// So a number never passes through a double.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Canonical(Value);

/// A number has an exponent of more digits than a 64-bit integer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("number out of range")]
pub(crate) struct OutOfRange;

impl Canonical {
    /// Brings a text that `serde_json` has accepted as JSON into this form.
    ///
    /// # Errors
    ///
    /// Fails where an exponent is beyond 64 bits, which only a number that is
    /// taken for 0 can have.
    pub(crate) fn of(accepted: &str) -> Result<Self, OutOfRange> {
        let marked = mark(accepted)?;
        // Marking changes neither the nesting nor any escape, so what was
        // accepted before is accepted again.
        serde_json::from_str(&marked)
            .map(Self)
            .map_err(|_| OutOfRange)
    }

    /// A text that is the same for equal documents, and for no others.
    pub(crate) fn key(&self) -> String {
        let mut text = String::new();
        write_key(&self.0, &mut text);
        text
    }

    /// The value in which strings are marked.
    pub(crate) fn marked(&self) -> &Value {
        &self.0
    }
}

/// Rewrites a JSON text: every number becomes a marked string, every string
/// is marked.
fn mark(json: &str) -> Result<String, OutOfRange> {
    let bytes = json.as_bytes();
    let mut marked = String::with_capacity(json.len() + json.len() / 4);
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                marked.push('"');
                marked.push(TEXT);
                marked.push_str(&json[start + 1..at]);
            }
            b'-' | b'0'..=b'9' => {
                while at < bytes.len()
                    && matches!(bytes[at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                {
                    at += 1;
                }
                marked.push('"');
                marked.push(NUMBER);
                marked.push_str(&normalised(&json[start..at])?);
                marked.push('"');
            }
            other => {
                // Outside of strings JSON is ASCII.
                marked.push(char::from(other));
                at += 1;
            }
        }
    }
    Ok(marked)
}

/// Spells a JSON number in the one way that its value has: sign, digits
/// without zeros at either end, `e`, and the power of ten.
fn normalised(number: &str) -> Result<String, OutOfRange> {
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
        return Ok("0".to_owned());
    }
    let zeros = digits.len() - significant.len();
    let shift = |count: usize| i64::try_from(count).map_err(|_| OutOfRange);
    let exponent = exponent
        .parse::<i64>()
        .map_err(|_| OutOfRange)?
        .checked_sub(shift(fraction.len())?)
        .and_then(|exponent| exponent.checked_add(shift(zeros).ok()?))
        .ok_or(OutOfRange)?;
    Ok(format!("{sign}{significant}e{exponent}"))
}

/// The members of an object in the order of their keys. A map need not have
/// them so: another crate of the build can have `serde_json` keep the order in
/// which they came.
fn in_order(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

fn write_key(marked: &Value, text: &mut String) {
    match marked {
        Value::Array(entries) => {
            text.push('[');
            for entry in entries {
                write_key(entry, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (name, member) in in_order(members) {
                write_string(name, text);
                text.push(':');
                write_key(member, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::String(string) => write_string(string, text),
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// Takes the mark off a key.
pub(crate) fn key(marked: &str) -> &str {
    marked.strip_prefix(TEXT).unwrap_or(marked)
}

/// Writes a marked value as JSON again, numbers as a person writes them.
pub(crate) fn readable(marked: &Value) -> String {
    let mut text = String::new();
    write_readable(marked, &mut text);
    text
}

fn write_readable(marked: &Value, text: &mut String) {
    match marked {
        Value::String(string) => match string.strip_prefix(NUMBER) {
            Some(number) => text.push_str(&plain(number)),
            None => write_string(key(string), text),
        },
        Value::Array(entries) => {
            text.push('[');
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_readable(entry, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (name, member)) in in_order(members).into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(key(name), text);
                text.push(':');
                write_readable(member, text);
            }
            text.push('}');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

fn write_string(string: &str, text: &mut String) {
    let _ = write!(text, "{}", Value::from(string));
}

/// Spells a normalised number without an exponent where that is short.
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
