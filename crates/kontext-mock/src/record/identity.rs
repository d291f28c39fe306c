//! What tells one recorded request from another.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::canonical::Canonical;

/// The SHA-256 of a redacted request in the form in which requests are
/// compared: equal for requests that are the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Identity([u8; 32]);

impl Identity {
    /// The identity of a request with this body, or with none.
    pub(crate) fn of(operation: &str, body: Option<&Canonical>) -> Self {
        let mut hash = Sha256::new();
        add_text(operation, &mut hash);
        if let Some(body) = body {
            add(body.marked(), &mut hash);
        }
        Self(hash.finalize().into())
    }

    /// The first digits in hexadecimal, two for each byte.
    pub(crate) fn digits(&self, bytes: usize) -> String {
        let mut text = String::new();
        for byte in self.0.iter().take(bytes) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// Adds a value, in a spelling that no other value has. Whether objects keep
/// the order of their keys is a feature of `serde_json` that any crate of a
/// build can turn on, so they are sorted here.
fn add(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Array(entries) => {
            add_count(b'[', entries.len(), hash);
            for entry in entries {
                add(entry, hash);
            }
        }
        Value::Object(members) => {
            add_count(b'{', members.len(), hash);
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            for (name, member) in members {
                add_text(name, hash);
                add(member, hash);
            }
        }
        Value::String(text) => add_text(text, hash),
        other => {
            hash.update(b"v");
            add_text(&other.to_string(), hash);
        }
    }
}

fn add_text(text: &str, hash: &mut Sha256) {
    add_count(b'"', text.len(), hash);
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

    fn of(body: &str) -> Identity {
        Identity::of("generate-image", Some(&Canonical::of(body).unwrap()))
    }

    #[test]
    fn equal_requests_have_one_identity() {
        assert_eq!(
            of(r#"{"a":1,"b":[2,null]}"#),
            of(r#"{"b":[2.0,null],"a":1e0}"#)
        );
        assert_eq!(of(r#"{"a":1,"a":2}"#), of(r#"{"a":2}"#));
    }

    #[test]
    fn other_requests_have_others() {
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
            "18446744073709551616",
            "18446744073709551617",
        ];
        let mut seen = std::collections::HashSet::new();
        for body in bodies {
            assert!(seen.insert(of(body)), "{body}");
        }
        assert!(seen.insert(Identity::of("generate-image", None)));
        assert!(seen.insert(Identity::of("edit-image", None)));
        assert_eq!(of("{}").digits(4).len(), 8);
    }
}
