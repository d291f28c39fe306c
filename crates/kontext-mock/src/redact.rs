//! Takes secrets out of what is written to disk, compared or logged.

use std::{borrow::Cow, fmt, ops::Range, path::Path};

use regex::bytes::Regex;

mod base64;
mod error;
mod find;
mod headers;
mod json;
mod marker;
mod parameter;
mod place;
mod pointer;
mod rules;
mod search;
mod secret;
mod strings;
mod taken;
mod view;

pub use error::RedactionError;
pub(crate) use headers::is_secret_header;
#[cfg(feature = "record")]
pub(crate) use headers::keeps_header;
pub(crate) use secret::Secret;
pub(crate) use taken::Taken;

use self::{
    marker::{Marker, Spelling},
    pointer::Pointer,
    search::Rules,
    strings::Form,
    taken::Takings,
};

/// The file's name in the root of a folder of recordings.
pub(crate) const FILE: &str = "redaction.json";

/// How often a text that is no JSON is gone through before all of it is taken
/// out.
const ROUNDS: usize = 8;

/// Up to how many bytes a text is looked at quickly as a whole.
const QUICK: usize = 16 * 1024;

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
    pointers: Vec<Pointer>,
}

/// Whether a body has one of the secrets of its own exchange in it.
pub(crate) fn mentions(body: &[u8], secrets: &[Secret]) -> bool {
    !secrets.is_empty() && search::mentions(body, secrets)
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

    /// Adds a regular expression; what it matches is taken out of every string
    /// and, as a whole, every number.
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
            problem: format!("no random bytes can be had: {error}"),
            next: "write a key into redaction.json".to_owned(),
        })?;
        self.set_key(key);
        Ok(self)
    }

    /// Whether markers are made with a key of its own, and not of zeros.
    #[cfg(feature = "record")]
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Redacts inside of a JSON text; every byte that is not part of what is
    /// taken out stays. A text that is no JSON is treated as by `text`, once the
    /// values are taken out that pointers name.
    ///
    /// Redacting what is redacted changes nothing. At most 1,000 things that
    /// were taken out are listed, and how many more there were.
    pub(crate) fn json<'a>(&self, text: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<Taken>) {
        let rules = self.with(secrets);
        let mut takings = Takings::default();
        if !rules.can_change(text.as_bytes()) || marker::is_marker(text.as_bytes()) {
            return (text.into(), takings.into_list());
        }
        let mut redacted = Cow::Borrowed(text);
        for _ in 0..ROUNDS {
            let scanned = json::scan(rules, &redacted);
            let is_changed = !scanned.edits.is_empty();
            takings.extend(scanned.takings);
            if is_changed {
                redacted = edited(&redacted, &scanned.edits).into();
            }
            if scanned.is_json {
                return (redacted, takings.into_list());
            }
            // What is no JSON may have been some before it was cut.
            let cut = Rules {
                is_cut: true,
                ..rules
            };
            let Some((text, what)) = strings::redact(cut, &redacted, Form::Text) else {
                return (redacted, takings.into_list());
            };
            takings.add(what, String::new);
            redacted = text.into();
        }
        // What is taken out changes where strings start and end, again and again.
        let marker = self.marker.of(redacted.as_bytes(), Spelling::Text);
        (marker.into(), takings.into_list())
    }

    /// Redacts a text that is no JSON.
    pub(crate) fn text<'a>(&self, text: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<Taken>) {
        match strings::redact(self.with(secrets), text, Form::Text) {
            Some((redacted, what)) => {
                let mut takings = Takings::default();
                takings.add(what, String::new);
                (redacted.into(), takings.into_list())
            }
            None => (text.into(), Vec::new()),
        }
    }

    /// Redacts a URL, or a path with a query; says what was taken out.
    pub(crate) fn url<'a>(&self, url: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<String>) {
        match strings::redact(self.with(secrets), url, Form::Url) {
            Some((redacted, what)) => {
                let what = what.iter().map(ToString::to_string);
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
    ) -> (Cow<'a, str>, Vec<Taken>) {
        let pointer = format!("/headers/{}", name.replace('~', "~0"));
        if is_secret_header(name) && !marker::is_marker(value.as_bytes()) {
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

    fn with<'a>(&'a self, secrets: &'a [Secret]) -> Rules<'a> {
        Rules {
            redaction: self,
            secrets,
            is_cut: false,
        }
    }
}

impl Rules<'_> {
    /// Whether a JSON text can have something to take out, by a quick look that
    /// is asked of every request. The strings of a large text are better looked
    /// at one by one, and patterns can ask for where they start and end.
    fn can_change(self, text: &[u8]) -> bool {
        if text.len() > QUICK || !self.redaction.patterns.is_empty() {
            return true;
        }
        let mut pointers = self.redaction.pointers.iter();
        let is_pointed_at = pointers.any(|pointer| pointer.can_be_in(text));
        // What ends as JSON does has not been cut.
        let is_cut = !text.trim_ascii_end().ends_with(b"}");
        is_pointed_at || Rules { is_cut, ..self }.may_find(text)
    }
}

/// Puts texts in the place of parts, which are in order.
fn edited(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut edited = String::with_capacity(text.len());
    let mut copied = 0;
    for (range, replacement) in edits {
        edited.push_str(&text[copied..range.start]);
        edited.push_str(replacement);
        copied = range.end;
    }
    edited.push_str(&text[copied..]);
    edited
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
