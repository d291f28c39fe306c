//! Takes secrets out of what is written to disk, compared or logged.

mod apply;
mod detect;
mod marker;
mod rules;
mod secret;

use std::{borrow::Cow, fmt};

use regex::Regex;

#[cfg(feature = "record")]
pub(crate) use secret::keeps_header;
pub(crate) use secret::{Secret, is_secret_header};

use self::{apply::Rules, marker::Marker, rules::Pointer};
use crate::RedactionError;

/// The file's name in the root of a folder of recordings.
pub(crate) const FILE: &str = "redaction.json";

/// How many entries a [`RedactionLog`] lists; more are only counted.
const LISTED: usize = 1000;

/// The rules by which secrets are taken out of requests and responses before
/// they are written, compared or logged.
///
/// Built in are: the exchange's own bearer token and cookies, wherever they
/// appear and however they are spelled (plain, percent-encoded, in base64,
/// escaped as in JSON); signatures, tokens and passwords in URLs; tokens behind
/// `Bearer`; keys that start with `sk-`. A folder of recordings can add regular
/// expressions and JSON pointers in its `redaction.json`.
///
/// A string with a secret in it is replaced as a whole by a marker that is a
/// keyed hash of it, `[redacted:<32 hex>]`. In a URL only the secret part is, by
/// `redacted-<32 hex>`, so that a URL stays a URL. Equal strings have equal
/// markers, so that requests can be compared without their secrets.
#[derive(Clone)]
pub struct Redaction {
    marker: Marker,
    /// Without it the hash has a key of zeros, which everybody knows.
    key: Option<[u8; 32]>,
    patterns: Vec<Regex>,
    pointers: Vec<Pointer>,
}

/// Something that was taken out of a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RedactionEntry {
    /// Where, as a JSON pointer; empty for a text that is not JSON.
    pub(crate) pointer: String,
    /// What, such as `the URL parameter X-Amz-Signature`; never the secret.
    pub(crate) what: String,
}

/// A list of what was taken out, which stays short.
#[derive(Debug, Default)]
struct RedactionLog {
    listed: Vec<RedactionEntry>,
    more: usize,
}

impl Redaction {
    /// Adds a regular expression; a string or a number with a match is taken out.
    ///
    /// A string that is nothing but base64 of 1 KiB or more, such as the data URI
    /// of a picture, is not searched; a pointer takes out one.
    ///
    /// # Errors
    ///
    /// Fails where it does not compile, or matches the empty string.
    pub fn with_pattern(mut self, pattern: &str) -> Result<Self, RedactionError> {
        let pattern = rules::pattern(pattern)?;
        let mut others = self.patterns.iter();
        if !others.any(|other| other.as_str() == pattern.as_str()) {
            self.patterns.push(pattern);
        }
        Ok(self)
    }

    /// Adds a JSON pointer (RFC 6901); the value there is taken out of every
    /// request and response, whatever its type.
    ///
    /// # Errors
    ///
    /// Fails where it is not a JSON pointer, or that of the whole document.
    pub fn with_pointer(mut self, pointer: &str) -> Result<Self, RedactionError> {
        let pointer = rules::pointer(pointer)?;
        let mut others = self.pointers.iter();
        if !others.any(|other| other.as_str() == pointer.as_str()) {
            self.pointers.push(pointer);
        }
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
            problem: format!("no random bytes available: {error}"),
            next: "write a key into redaction.json".to_owned(),
        })?;
        self.set_key(key);
        Ok(self)
    }

    fn set_key(&mut self, key: [u8; 32]) {
        self.marker = Marker::new(&key);
        self.key = Some(key);
    }

    /// Whether markers are made with a key of its own, and not of zeros.
    #[cfg(feature = "record")]
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Redacts inside of a JSON text; every byte that is not part of a redacted
    /// string stays. A text that is not JSON is treated as by `text`; one that a
    /// pointer could lead into is taken out as a whole.
    ///
    /// Redacting what is redacted changes nothing. At most 1,000 entries are
    /// listed, and how many more there were.
    pub(crate) fn json<'a>(
        &self,
        text: &'a str,
        secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<RedactionEntry>) {
        let rules = self.with(secrets);
        if !rules.can_change(text.as_bytes()) || marker::is_marker(text.as_bytes()) {
            return (text.into(), Vec::new());
        }
        let (redacted, log) = apply::json(rules, text);
        (redacted, log.into_list())
    }

    /// Redacts a text that is not JSON.
    pub(crate) fn text<'a>(
        &self,
        text: &'a str,
        secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<RedactionEntry>) {
        let mut log = RedactionLog::default();
        let Some((redacted, kinds)) = apply::string(self.with(secrets), text, false) else {
            return (text.into(), Vec::new());
        };
        log.add(&kinds, String::new);
        (redacted.into(), log.into_list())
    }

    /// Redacts a URL, or a path with a query; says what was taken out.
    pub(crate) fn url<'a>(&self, url: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<String>) {
        match apply::string(self.with(secrets), url, true) {
            Some((redacted, kinds)) => {
                let what = kinds.iter().map(ToString::to_string);
                (redacted.into(), what.collect())
            }
            None => (url.into(), Vec::new()),
        }
    }

    /// Redacts the value of a header: all of it where the header is secret,
    /// else as `text` does. The pointer is `/headers/<name>`, as in `recording.json`.
    #[cfg(feature = "record")]
    pub(crate) fn header<'a>(
        &self,
        name: &str,
        value: &'a str,
        secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<RedactionEntry>) {
        let pointer = format!("/headers/{}", name.replace('~', "~0"));
        if is_secret_header(name) && !marker::is_marker(value.as_bytes()) {
            let marker = self.marker.in_text(value.as_bytes());
            let what = "the value of a secret header".to_owned();
            return (marker.into(), vec![RedactionEntry { pointer, what }]);
        }
        let (redacted, mut entries) = self.text(value, secrets);
        for entry in &mut entries {
            entry.pointer.clone_from(&pointer);
        }
        (redacted, entries)
    }

    fn with<'a>(&'a self, secrets: &'a [Secret]) -> Rules<'a> {
        Rules {
            redaction: self,
            secrets,
            is_cut: false,
        }
    }
}

impl RedactionLog {
    /// Adds what was taken out of one string.
    fn add(&mut self, kinds: &[detect::SecretKind], pointer: impl Fn() -> String) {
        let room = LISTED - self.listed.len();
        self.more += kinds.len().saturating_sub(room);
        if room == 0 || kinds.is_empty() {
            return;
        }
        let pointer = pointer();
        let entries = kinds.iter().take(room).map(|kind| RedactionEntry {
            pointer: pointer.clone(),
            what: kind.to_string(),
        });
        self.listed.extend(entries);
    }

    /// Adds that the value was taken out which a pointer names.
    fn add_pointer(&mut self, pointer: &str) {
        if self.listed.len() < LISTED {
            self.listed.push(RedactionEntry {
                pointer: pointer.to_owned(),
                what: format!("the value at {pointer}"),
            });
        } else {
            self.more += 1;
        }
    }

    fn into_list(mut self) -> Vec<RedactionEntry> {
        if self.more > 0 {
            self.listed.push(RedactionEntry {
                pointer: String::new(),
                what: format!("{} more", self.more),
            });
        }
        self.listed
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
        let pointers: Vec<_> = self.pointers.iter().map(Pointer::as_str).collect();
        formatter
            .debug_struct("Redaction")
            .field("patterns", &self.patterns)
            .field("pointers", &pointers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
