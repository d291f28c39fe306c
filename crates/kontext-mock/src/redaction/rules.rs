//! The rules of a folder, read from `redaction.json`.

use std::{fmt, fs, io, path::Path};

use memchr::{memchr, memmem::Finder};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::marker::Marker;
use crate::error::Defect;

/// Name of the rules file in the root of a recordings folder.
pub(crate) const FILE: &str = "redaction.json";

/// The only supported version of the file format.
const FORMAT: u64 = 1;

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
    pub(super) marker: Marker,
    /// If `None`, the hash key is all zeros, which is public.
    #[cfg(any(test, feature = "record"))]
    key: Option<[u8; 32]>,
    pub(super) patterns: Vec<Regex>,
    pub(super) pointers: Vec<Pointer>,
}

/// The file. Unknown keys are errors: a misspelled rule would otherwise redact nothing.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default)]
    patterns: Vec<String>,
    #[serde(default)]
    pointers: Vec<String>,
}

fn key_of(digits: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(key)
}

/// Moves the error of a rule to its place in a file.
fn in_file(rule: Defect, file: &str, place: String) -> Defect {
    Defect::of_file(file, format!("{} {}", rule.file, rule.problem), rule.next).at(place)
}

impl Redaction {
    /// Adds a regular expression; strings and numbers with a match are redacted. Fails if
    /// the expression does not compile or matches the empty string.
    ///
    /// A string that consists only of base64 of 1 KiB or more, such as a picture's data
    /// URI, is not searched; use a pointer to redact it.
    pub(crate) fn with_pattern(mut self, text: &str) -> Result<Self, Defect> {
        let wrong =
            |problem: String, next| Defect::of_file(format!("the pattern {text:?}"), problem, next);
        let pattern = Regex::new(text).map_err(|error| {
            wrong(
                format!("is not a regular expression: {error}"),
                "write it in the syntax of the crate regex",
            )
        })?;
        // It would match everywhere and redact nothing.
        if pattern.is_match("") {
            return Err(wrong(
                "matches the empty string".to_owned(),
                "have it match at least one character",
            ));
        }
        if self.patterns.iter().all(|other| other.as_str() != text) {
            self.patterns.push(pattern);
        }
        Ok(self)
    }

    /// Adds a JSON pointer (RFC 6901); the value at this pointer is redacted in every
    /// request and response, whatever its type. Fails if the text is not a JSON pointer or
    /// points to the whole document: nothing would be left to compare.
    pub(crate) fn with_pointer(mut self, text: &str) -> Result<Self, Defect> {
        let pointer = Pointer::parse(text).ok_or_else(|| {
            Defect::of_file(
                format!("the pointer {text:?}"),
                "is not a JSON pointer (RFC 6901) to a part of a document",
                "write it as in /prompt or /images/0/url, with ~0 for ~ and ~1 for / in a key",
            )
        })?;
        let mut others = self.pointers.iter();
        if others.all(|other| other.as_str() != pointer.as_str()) {
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

    /// Reads the rules of a recordings folder from its `redaction.json`; returns the
    /// built-in rules if there is no such file.
    pub(crate) fn load(folder: &Path) -> Result<Self, Defect> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => Self::from_slice(&bytes, &path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Defect::of_file(
                path.display().to_string(),
                format!("cannot be read: {error}"),
                "make it readable, or delete it to use only the built-in rules",
            )),
        }
    }

    /// Parses the rules from the contents of a file; `file` names it in errors.
    pub(crate) fn from_slice(bytes: &[u8], file: &str) -> Result<Self, Defect> {
        let wrong =
            |place: String, problem: String, next| Defect::of_file(file, problem, next).at(place);
        let read: File = serde_json::from_slice(bytes).map_err(|error| {
            wrong(
                format!("line {} column {}", error.line(), error.column()),
                format!("does not match the file format: {error}"),
                "write {\"format\": 1, \"key\": \"…\", \"patterns\": [], \"pointers\": []}",
            )
        })?;
        if read.format != FORMAT {
            return Err(wrong(
                "/format".to_owned(),
                format!("expected {FORMAT}, found {}", read.format),
                "use a version of kontext-mock that knows this format",
            ));
        }
        let mut redaction = Self::default();
        if let Some(key) = read.key {
            let key = key_of(&key).ok_or_else(|| {
                wrong(
                    "/key".to_owned(),
                    "expected 64 hexadecimal digits".to_owned(),
                    "write 32 random bytes, or leave it out",
                )
            })?;
            redaction.set_key(key);
        }
        for (index, pattern) in read.patterns.iter().enumerate() {
            redaction = redaction
                .with_pattern(pattern)
                .map_err(|error| in_file(error, file, format!("/patterns/{index}")))?;
        }
        for (index, pointer) in read.pointers.iter().enumerate() {
            redaction = redaction
                .with_pointer(pointer)
                .map_err(|error| in_file(error, file, format!("/pointers/{index}")))?;
        }
        Ok(redaction)
    }

    /// Formats the rules as the contents of a `redaction.json`.
    #[cfg(any(test, feature = "record"))]
    pub(crate) fn to_json(&self) -> String {
        let key = self.key.map(|key| {
            let digits = key.iter().map(|byte| format!("{byte:02x}"));
            digits.collect()
        });
        let patterns = self.patterns.iter().map(Regex::as_str);
        let pointers = self.pointers.iter().map(Pointer::as_str);
        let file = File {
            format: FORMAT,
            key,
            patterns: patterns.map(str::to_owned).collect(),
            pointers: pointers.map(str::to_owned).collect(),
        };
        // Strings and a number always serialize.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl fmt::Debug for Redaction {
    /// Omits the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redaction(..)")
    }
}

/// A JSON pointer to part of a document.
#[derive(Clone)]
pub(super) struct Pointer {
    pointer: kontext_recording::Pointer,
    /// Finds the last key in quotes, spelled without escapes; `None` if every part can
    /// be an index.
    finder: Option<Finder<'static>>,
}

impl Pointer {
    /// Parses a pointer; `None` if it is invalid or points to the whole document.
    fn parse(text: &str) -> Option<Self> {
        let pointer = kontext_recording::Pointer::parse(text)?;
        let is_key = |part: &&String| !part.bytes().all(|byte| byte.is_ascii_digit());
        let key = pointer.parts().iter().rev().find(is_key);
        let finder = key.map(|key| Finder::new(&format!("\"{key}\"")).into_owned());
        Some(Self { pointer, finder })
    }

    pub(super) fn as_str(&self) -> &str {
        self.pointer.as_str()
    }

    /// Number of keys and indexes that lead to the value.
    pub(super) fn depth(&self) -> usize {
        self.pointer.parts().len()
    }

    /// Whether the part at a depth is this key.
    pub(super) fn has_key(&self, depth: usize, key: &str) -> bool {
        let part = self.pointer.parts().get(depth);
        part.is_some_and(|part| part == key)
    }

    /// Whether the part at a depth is this index.
    pub(super) fn has_index(&self, depth: usize, index: usize) -> bool {
        let part = self.pointer.parts().get(depth);
        part.is_some_and(|part| {
            let is_spelled = part == "0" || !part.starts_with(['0', '+']);
            is_spelled && part.parse() == Ok(index)
        })
    }

    /// Whether a JSON text may contain the value, by a quick check.
    pub(super) fn can_be_in(&self, text: &[u8]) -> bool {
        let finder = self.finder.as_ref();
        let is_spelled = finder.is_none_or(|finder| finder.find(text).is_some());
        is_spelled || memchr(b'\\', text).is_some()
    }
}
