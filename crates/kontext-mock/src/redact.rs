//! Takes secrets out of what is written to disk, compared or logged.

use std::{borrow::Cow, path::Path};

mod error;
mod headers;
mod secret;

pub use error::RedactionError;
pub(crate) use headers::{is_secret_header, keeps_header};
pub(crate) use secret::Secret;

/// The file's name in the root of a folder of recordings.
pub(crate) const FILE: &str = "redaction.json";

/// The rules by which secrets are taken out of requests and responses before
/// they are written, compared or logged.
#[derive(Clone, Debug, Default)]
pub struct Redaction {}

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
    pub fn load(_folder: &Path) -> Result<Self, RedactionError> {
        Ok(Self::default())
    }

    /// Reads the rules from the text of a file; `file_name` names it in errors.
    ///
    /// # Errors
    ///
    /// Fails where the text has a defect.
    pub fn from_slice(_bytes: &[u8], _file_name: &str) -> Result<Self, RedactionError> {
        Ok(Self::default())
    }

    /// Writes the rules as the text of a `redaction.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        String::new()
    }

    /// Adds a regular expression; what it matches is taken out of every string.
    ///
    /// # Errors
    ///
    /// Fails where it does not compile, or matches the empty string.
    pub fn with_pattern(self, _pattern: &str) -> Result<Self, RedactionError> {
        Ok(self)
    }

    /// Adds a JSON pointer (RFC 6901); the value there is taken out of every
    /// request and response, whatever its type.
    ///
    /// # Errors
    ///
    /// Fails where it is not a JSON pointer.
    pub fn with_pointer(self, _pointer: &str) -> Result<Self, RedactionError> {
        Ok(self)
    }

    /// Replaces the key by 32 random bytes.
    ///
    /// # Errors
    ///
    /// Fails where the operating system gives no random bytes.
    pub fn with_random_key(self) -> Result<Self, RedactionError> {
        Ok(self)
    }

    /// Redacts inside of a JSON text; every byte that is not part of what is
    /// taken out stays. A text that is no JSON is treated as by `text`.
    pub(crate) fn json<'a>(
        &self,
        text: &'a str,
        _secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<Taken>) {
        (Cow::Borrowed(text), Vec::new())
    }

    /// Redacts a text that is no JSON.
    pub(crate) fn text<'a>(
        &self,
        text: &'a str,
        _secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<Taken>) {
        (Cow::Borrowed(text), Vec::new())
    }

    /// Redacts a URL, or a path with a query; says what was taken out.
    pub(crate) fn url<'a>(&self, url: &'a str, _secrets: &[Secret]) -> (Cow<'a, str>, Vec<String>) {
        (Cow::Borrowed(url), Vec::new())
    }

    /// Redacts the value of a header: all of it where the header is secret,
    /// else as `text` does. The pointer is `/headers/<name>`, as in `recording.json`.
    pub(crate) fn header<'a>(
        &self,
        _name: &str,
        value: &'a str,
        _secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<Taken>) {
        (Cow::Borrowed(value), Vec::new())
    }
}
