//! Redacts secrets from everything that is written to disk, compared or logged.

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

use self::{detect::Rules, marker::Marker, rules::Pointer};
use crate::error::Defect;

/// Name of the rules file in the root of a recordings folder.
pub(crate) const FILE: &str = "redaction.json";

/// Maximum number of entries in a [`RedactionLog`]; further ones are only counted.
const LISTED: usize = 1000;

/// The rules that redact secrets from requests and responses before they are written,
/// compared or logged.
///
/// The built-in rules cover the exchange's own bearer token and cookies, wherever they
/// appear and in any encoding (plain, percent-encoded, base64, JSON escapes);
/// signatures, tokens and passwords in URLs; tokens after `Bearer`; keys that start
/// with `sk-`. A recordings folder can add regular expressions and JSON pointers in its
/// `redaction.json`.
///
/// A string that contains a secret is replaced entirely by a marker, a keyed hash of
/// the string: `[redacted:<32 hex>]`. In a URL only the secret part is replaced, by
/// `redacted-<32 hex>`, so the URL stays valid. Equal strings get equal markers, so
/// redacted requests can still be compared.
#[derive(Clone, Default)]
pub(crate) struct Redaction {
    marker: Marker,
    /// If `None`, the hash key is all zeros, which is public.
    #[cfg(any(test, feature = "record"))]
    key: Option<[u8; 32]>,
    patterns: Vec<Regex>,
    pointers: Vec<Pointer>,
}

/// One redacted value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RedactionEntry {
    /// A JSON pointer to the value; empty if the text is not JSON.
    pub(crate) pointer: String,
    /// The kind of secret, such as `the URL parameter X-Amz-Signature`; never the
    /// secret.
    pub(crate) what: String,
}

/// A list of redacted values of bounded length.
#[derive(Debug, Default)]
struct RedactionLog {
    listed: Vec<RedactionEntry>,
    more: usize,
}

impl Redaction {
    /// Adds a regular expression; strings and numbers with a match are redacted. Fails if
    /// the expression does not compile or matches the empty string.
    ///
    /// A string that consists only of base64 of 1 KiB or more, such as a picture's data
    /// URI, is not searched; use a pointer to redact it.
    pub(crate) fn with_pattern(mut self, pattern: &str) -> Result<Self, Defect> {
        let pattern = rules::pattern(pattern)?;
        let mut others = self.patterns.iter();
        if !others.any(|other| other.as_str() == pattern.as_str()) {
            self.patterns.push(pattern);
        }
        Ok(self)
    }

    /// Adds a JSON pointer (RFC 6901); the value at this pointer is redacted in every
    /// request and response, whatever its type. Fails if the text is not a JSON pointer or
    /// points to the whole document.
    pub(crate) fn with_pointer(mut self, pointer: &str) -> Result<Self, Defect> {
        let pointer = rules::pointer(pointer)?;
        let mut others = self.pointers.iter();
        if !others.any(|other| other.as_str() == pointer.as_str()) {
            self.pointers.push(pointer);
        }
        Ok(self)
    }

    /// Replaces the key with 32 random bytes.
    #[cfg(any(test, feature = "record"))]
    pub(crate) fn with_random_key(mut self) -> Result<Self, Defect> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| {
            Defect::of_file(
                "the key of redaction",
                format!("no random bytes available: {error}"),
                "write a key into redaction.json",
            )
        })?;
        self.set_key(key);
        Ok(self)
    }

    fn set_key(&mut self, key: [u8; 32]) {
        self.marker = Marker::new(&key);
        #[cfg(any(test, feature = "record"))]
        {
            self.key = Some(key);
        }
    }

    /// Whether markers use a key other than the default of zeros.
    #[cfg(feature = "record")]
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Redacts a JSON text; every byte outside a redacted value is kept. Text that is
    /// not JSON is handled as by `text`, but redacted entirely if a pointer could match
    /// in it.
    ///
    /// Redaction is idempotent. At most 1,000 entries are listed, followed by the
    /// number of further ones.
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

    /// Redacts a URL, or a path with a query; also returns the kinds of secrets found.
    pub(crate) fn url<'a>(&self, url: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<String>) {
        match apply::string(self.with(secrets), url, true) {
            Some((redacted, kinds)) => {
                let what = kinds.iter().map(ToString::to_string);
                (redacted.into(), what.collect())
            }
            None => (url.into(), Vec::new()),
        }
    }

    /// Redacts the value of a header: all of it if the header is secret, otherwise as
    /// `text` does. The pointer is `/headers/<name>`, as in `recording.json`.
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
    /// Adds what was redacted in one string.
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

impl fmt::Debug for Redaction {
    /// Omits the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redaction(..)")
    }
}

#[cfg(test)]
mod tests;
