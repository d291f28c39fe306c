//! Takes secrets out of what is written to disk, compared or logged.

use std::{borrow::Cow, fmt, path::Path};

use regex::Regex;

mod base64;
mod error;
mod find;
mod headers;
mod json;
mod marker;
mod parameter;
mod rules;
mod secret;
mod strings;
mod view;

pub use error::RedactionError;
pub(crate) use headers::is_secret_header;
#[cfg(feature = "record")]
pub(crate) use headers::keeps_header;
pub(crate) use secret::Secret;

use self::marker::{Marker, Spelling};

/// The file's name in the root of a folder of recordings.
const FILE: &str = "redaction.json";

/// The rules by which secrets are taken out of requests and responses before
/// they are written, compared or logged.
///
/// Built in are: the exchange's own bearer token and cookies, wherever they
/// appear and however they are spelled (plain, percent-encoded, in base64,
/// escaped as in JSON); signatures, tokens and passwords in URLs; tokens behind
/// `Bearer`; keys that start with `sk-`. A folder of recordings can add regular
/// expressions and JSON pointers in its `redaction.json`.
///
/// What is taken out is replaced by a marker that is a keyed hash of it,
/// `[redacted:<32 hex>]` or, in a URL, `redacted-<32 hex>`: equal secrets have
/// equal markers, so that requests can be compared without them.
#[derive(Clone)]
pub struct Redaction {
    marker: Marker,
    /// Without it the hash has a key of zeros, which everybody knows.
    key: Option<[u8; 32]>,
    patterns: Vec<Regex>,
    pointers: Vec<String>,
}

/// Something that was taken out of a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Taken {
    /// Where, as a JSON pointer; empty for a text that is no JSON.
    pub(crate) pointer: String,
    /// What, such as `the URL parameter X-Amz-Signature`; never the secret.
    pub(crate) what: String,
}

impl Redaction {
    /// Reads the rules of a folder of recordings, its `redaction.json`; the
    /// built-in rules where there is no such file.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read or has a defect.
    pub fn load(folder: &Path) -> Result<Self, RedactionError> {
        rules::load(folder)
    }

    /// Reads the rules from the text of a file; `file_name` names it in errors.
    ///
    /// # Errors
    ///
    /// Fails where the text has a defect.
    pub fn from_slice(bytes: &[u8], file_name: &str) -> Result<Self, RedactionError> {
        rules::read(bytes, file_name)
    }

    /// Writes the rules as the text of a `redaction.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        rules::write(self)
    }

    /// Adds a regular expression; what it matches is taken out of every string.
    ///
    /// # Errors
    ///
    /// Fails where it does not compile, or matches the empty string.
    pub fn with_pattern(mut self, pattern: &str) -> Result<Self, RedactionError> {
        self.patterns.push(rules::pattern(pattern)?);
        Ok(self)
    }

    /// Adds a JSON pointer (RFC 6901); the value there is taken out of every
    /// request and response, whatever its type.
    ///
    /// # Errors
    ///
    /// Fails where it is not a JSON pointer, or that of the whole document.
    pub fn with_pointer(mut self, pointer: &str) -> Result<Self, RedactionError> {
        self.pointers.push(rules::pointer(pointer)?);
        Ok(self)
    }

    /// Replaces the key by 32 random bytes.
    ///
    /// # Errors
    ///
    /// Fails where the operating system gives no random bytes.
    pub fn with_random_key(mut self) -> Result<Self, RedactionError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| RedactionError {
            file: "the key of redaction".to_owned(),
            place: None,
            problem: format!("no random bytes can be had: {error}"),
            next: "write a key into redaction.json".to_owned(),
        })?;
        self.set_key(key);
        Ok(self)
    }

    /// Redacts inside of a JSON text; every byte that is not part of what is
    /// taken out stays. A text that is no JSON is treated as by `text`.
    pub(crate) fn json<'a>(&self, text: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<Taken>) {
        let built_in = self.patterns.is_empty() && self.pointers.is_empty();
        if built_in && !strings::may_have(text.as_bytes(), secrets) {
            return (text.into(), Vec::new());
        }
        match json::redact(self, text, secrets) {
            Some((_, taken)) if taken.is_empty() => (text.into(), taken),
            Some((redacted, taken)) => (redacted.into(), taken),
            None => self.text(text, secrets),
        }
    }

    /// Redacts a text that is no JSON.
    pub(crate) fn text<'a>(&self, text: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<Taken>) {
        let (redacted, what) = self.url(text, secrets);
        let taken = what.into_iter().map(|what| Taken {
            pointer: String::new(),
            what,
        });
        (redacted, taken.collect())
    }

    /// Redacts a URL, or any other text; says what was taken out.
    pub(crate) fn url<'a>(&self, text: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<String>) {
        let replacements = strings::replacements(self, text, secrets);
        if replacements.is_empty() {
            return (text.into(), Vec::new());
        }
        let (redacted, what) = strings::replaced(text, replacements);
        (redacted.into(), what)
    }

    /// Redacts the value of a header: all of it where the header is secret,
    /// else as `text` does. The pointer is `/headers/<name>`, as in `recording.json`.
    #[cfg(feature = "record")]
    pub(crate) fn header<'a>(
        &self,
        name: &str,
        value: &'a str,
        secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<Taken>) {
        let pointer = format!("/headers/{name}");
        if is_secret_header(name) && !marker::is_marker(value) {
            let marker = self.marker.of(value.as_bytes(), Spelling::Text);
            let what = "the value of a secret header".to_owned();
            return (marker.into(), vec![Taken { pointer, what }]);
        }
        let (redacted, mut taken) = self.text(value, secrets);
        for one in &mut taken {
            one.pointer.clone_from(&pointer);
        }
        (redacted, taken)
    }
}

impl Default for Redaction {
    /// The built-in rules alone.
    fn default() -> Self {
        Self {
            marker: Marker::new(&[0; 32]),
            key: None,
            patterns: Vec::new(),
            pointers: Vec::new(),
        }
    }
}

impl fmt::Debug for Redaction {
    /// Leaves the key out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Redaction")
            .field("patterns", &self.patterns)
            .field("pointers", &self.pointers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
