//! The hash that identifies a recorded request.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::canonical::{Canonical, OutOfRange, TEXT, has_fraction, in_order, normalised_integer};

/// The SHA-256 of an operation and a request body. Equal for equivalent bodies, regardless of
/// the order of keys and the notation of numbers and strings.
///
/// Redact secrets before hashing a body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestHash([u8; 32]);

impl RequestHash {
    /// The hash of a request with this body, or without one.
    #[must_use]
    pub fn of(operation: &str, body: Option<&Canonical>) -> Self {
        let mut hash = Sha256::new();
        add_text(None, operation, &mut hash);
        if let Some(body) = body {
            add(body.marked(), None, &mut hash);
        }
        Self(hash.finalize().into())
    }

    /// The hash of a request whose body is already parsed; `text` is the unparsed body.
    ///
    /// # Errors
    ///
    /// As [`Canonical::of`].
    pub fn of_json(operation: &str, text: &str, value: &Value) -> Result<Self, OutOfRange> {
        // A double has lost the exact number.
        if has_fraction(value) {
            return Ok(Self::of(operation, Some(&Canonical::of(text)?)));
        }
        let mut hash = Sha256::new();
        add_text(None, operation, &mut hash);
        add(value, Some(TEXT), &mut hash);
        Ok(Self(hash.finalize().into()))
    }

    /// The first bytes as hexadecimal digits, two per byte; at most 32 bytes.
    #[must_use]
    pub fn digits(&self, bytes: usize) -> String {
        let mut text = String::new();
        for byte in self.0.iter().take(bytes) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// Adds a value in an unambiguous encoding. Strings of an unmarked value get the mark `text`.
/// Members are sorted by key, because `serde_json` does not sort them if any crate in the
/// build enables `preserve_order`.
fn add(value: &Value, text: Option<char>, hash: &mut Sha256) {
    match value {
        Value::Array(entries) => {
            add_count(b'[', entries.len(), hash);
            for entry in entries {
                add(entry, text, hash);
            }
        }
        Value::Object(members) => {
            add_count(b'{', members.len(), hash);
            for (name, member) in in_order(members) {
                add_text(text, name, hash);
                add(member, text, hash);
            }
        }
        Value::String(string) => add_text(text, string, hash),
        Value::Number(number) => add_text(None, &normalised_integer(number), hash),
        Value::Bool(_) | Value::Null => {
            hash.update(b"v");
            add_text(None, &value.to_string(), hash);
        }
    }
}

fn add_text(mark: Option<char>, text: &str, hash: &mut Sha256) {
    let mut buffer = [0; 4];
    let mark = mark.map_or("", |mark| mark.encode_utf8(&mut buffer));
    add_count(b'"', mark.len() + text.len(), hash);
    hash.update(mark);
    hash.update(text);
}

fn add_count(kind: u8, count: usize, hash: &mut Sha256) {
    hash.update([kind]);
    hash.update((count as u64).to_le_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn of(body: &str) -> RequestHash {
        let hash = RequestHash::of("generate-image", Some(&Canonical::of(body).unwrap()));
        // The fast path returns the same.
        let value = serde_json::from_str(body).unwrap();
        let canonical = Canonical::of_json(body, &value).unwrap();
        assert_eq!(RequestHash::of("generate-image", Some(&canonical)), hash);
        let short = RequestHash::of_json("generate-image", body, &value);
        assert_eq!(short, Ok(hash), "{body}");
        hash
    }

    #[test]
    fn equal_requests_have_equal_hashes() {
        assert_eq!(
            of(r#"{"a":1,"b":[2,null]}"#),
            of(r#"{"b":[2.0,null],"a":1e0}"#)
        );
        assert_eq!(of(r#"{"a":1,"a":2}"#), of(r#"{"a":2}"#));
    }

    #[test]
    fn different_requests_have_different_hashes() {
        let bodies = [
            "{}",
            "[]",
            "null",
            "true",
            "\"true\"",
            "1",
            "\"1\"",
            "[[],[]]",
            "[[[]]]",
            "[1,2]",
            "[2,1]",
            "[\"1\",2]",
            r#"{"a":"b"}"#,
            r#"["a","b"]"#,
            r#"{"ab":""}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{},"b":1}"#,
            "18446744073709551615",
            "9223372036854775807",
            "-1",
            "-0.5",
            "100",
            r#"{"b":{"z":10,"a":[1,0]}}"#,
            "18446744073709551616",
            "18446744073709551617",
        ];
        let mut seen = std::collections::HashSet::new();
        for body in bodies {
            assert!(seen.insert(of(body)), "{body}");
        }
        assert!(seen.insert(RequestHash::of("generate-image", None)));
        assert!(seen.insert(RequestHash::of("edit-image", None)));
        assert_eq!(of("{}").digits(4).len(), 8);
    }
}
