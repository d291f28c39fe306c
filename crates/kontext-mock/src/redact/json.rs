//! Goes through a JSON text and takes out what is to be taken out, leaving every
//! other byte as it is.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::{
    Redaction, Taken,
    marker::{self, Spelling},
    secret::Secret,
    strings,
};
use crate::{
    canonical::{Canonical, string_end},
    problem::{self, Step},
};

/// Redacts a JSON text; nothing where it is none.
pub(super) fn redact(
    redaction: &Redaction,
    text: &str,
    secrets: &[Secret],
) -> Option<(String, Vec<Taken>)> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut walk = Walk {
        redaction,
        secrets,
        text,
        at: 0,
        copied: 0,
        redacted: String::with_capacity(text.len()),
        place: Vec::new(),
        taken: Vec::new(),
    };
    walk.value();
    walk.redacted.push_str(&text[walk.copied..]);
    Some((walk.redacted, walk.taken))
}

/// Where in a text that is known to be JSON, and not deep, the walk is.
struct Walk<'a> {
    redaction: &'a Redaction,
    secrets: &'a [Secret],
    text: &'a str,
    at: usize,
    /// Up to where the text is in `redacted`.
    copied: usize,
    redacted: String,
    place: Vec<Step>,
    taken: Vec<Taken>,
}

impl Walk<'_> {
    fn value(&mut self) {
        self.blanks();
        if !self.place.is_empty() && self.is_pointed_at() {
            return self.take_value();
        }
        match self.byte() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => {
                let pointer = problem::pointer(&self.place);
                self.string(&pointer);
            }
            _ => self.at = self.scalar_end(),
        }
    }

    fn object(&mut self) {
        self.at += 1;
        loop {
            self.blanks();
            match self.byte() {
                Some(b'"') => {}
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                _ => break,
            }
            // A key is no place of its own, and naming it would tell what was
            // taken out of it.
            let pointer = problem::pointer(&self.place);
            let key = self.string(&pointer);
            self.blanks();
            // The colon.
            self.at += 1;
            self.place.push(Step::Key(key));
            self.value();
            self.place.pop();
        }
        self.at += 1;
    }

    fn array(&mut self) {
        self.at += 1;
        let mut index = 0;
        loop {
            self.blanks();
            match self.byte() {
                Some(b']') | None => break,
                Some(b',') => self.at += 1,
                Some(_) => {
                    self.place.push(Step::Index(index));
                    self.value();
                    self.place.pop();
                    index += 1;
                }
            }
        }
        self.at += 1;
    }

    /// Redacts the string that starts here, and returns what is left of it.
    fn string(&mut self, pointer: &str) -> String {
        let end = string_end(self.text.as_bytes(), self.at + 1);
        let token = &self.text[self.at..end];
        self.at = end;
        let (string, is_raw) = unescaped(token);
        let replacements = strings::replacements(self.redaction, &string, self.secrets);
        if replacements.is_empty() {
            return string.into_owned();
        }
        let (left, what) = strings::replaced(&string, replacements);
        self.taken.extend(what.into_iter().map(|what| Taken {
            pointer: pointer.to_owned(),
            what,
        }));
        let written = if is_raw {
            format!("\"{left}\"")
        } else {
            Value::from(left.as_str()).to_string()
        };
        self.replace(end - token.len(), &written);
        left
    }

    /// Whether a configured pointer names this place.
    fn is_pointed_at(&self) -> bool {
        let mut pointers = self.redaction.pointers.iter();
        pointers.any(|pointer| *pointer == problem::pointer(&self.place))
    }

    /// Takes out the value that starts here, whatever it is.
    fn take_value(&mut self) {
        let start = self.at;
        self.at = self.value_end();
        let value = &self.text[start..self.at];
        if value.starts_with('"') && marker::is_marker(&unescaped(value).0) {
            return;
        }
        // Equal values have equal markers, however they are spelled.
        let hashed = match Canonical::of(value) {
            Ok(canonical) => crate::canonical::readable(canonical.marked()),
            Err(_) => value.to_owned(),
        };
        let pointer = problem::pointer(&self.place);
        let marker = self.redaction.marker.of(hashed.as_bytes(), Spelling::Text);
        self.replace(start, &format!("\"{marker}\""));
        self.taken.push(Taken {
            what: format!("the value at {pointer}"),
            pointer,
        });
    }

    /// Puts a token in the place of the text from `start` to here.
    fn replace(&mut self, start: usize, token: &str) {
        self.redacted.push_str(&self.text[self.copied..start]);
        self.redacted.push_str(token);
        self.copied = self.at;
    }

    /// Where the value that starts here ends.
    fn value_end(&self) -> usize {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (self.at, 0_usize);
        while at < bytes.len() {
            match bytes[at] {
                b'"' => {
                    at = string_end(bytes, at + 1);
                    if depth == 0 {
                        return at;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at + 1;
                    }
                }
                _ if depth == 0 => return self.scalar_end(),
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// Where the number or word that starts here ends.
    fn scalar_end(&self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
        self.at + rest.iter().position(ends).unwrap_or(rest.len())
    }

    fn blanks(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// What a string token stands for. Half of a surrogate pair stands for no
/// character; such a token is looked at as it is spelled, and this is said.
fn unescaped(token: &str) -> (Cow<'_, str>, bool) {
    let inside = &token[1..token.len().max(2) - 1];
    if !inside.contains('\\') {
        return (inside.into(), false);
    }
    serde_json::from_str::<String>(token)
        .map_or_else(|_| (inside.into(), true), |string| (string.into(), false))
}
