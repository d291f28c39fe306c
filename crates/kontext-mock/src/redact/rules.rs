//! The rules of a folder, as `redaction.json` has them.

use std::{fmt::Write as _, fs, io, path::Path};

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use super::{FILE, Redaction, RedactionError, marker::Marker, pointer::Pointer};

/// The only version of the form that is known today.
const FORMAT: u64 = 1;

/// The file. A key that is not known is an error: a misspelled rule would
/// otherwise take nothing out.
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

pub(super) fn load(folder: &Path) -> Result<Redaction, RedactionError> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => read(&bytes, &path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Redaction::default()),
        Err(error) => Err(RedactionError {
            file: path.display().to_string(),
            place: None,
            problem: format!("cannot be read: {error}"),
            next: "see that it can, or remove it to have the built-in rules alone".to_owned(),
        }),
    }
}

pub(super) fn read(bytes: &[u8], file: &str) -> Result<Redaction, RedactionError> {
    let wrong = |place: String, problem: String, next: &str| RedactionError {
        file: file.to_owned(),
        place: Some(place),
        problem,
        next: next.to_owned(),
    };
    let read: File = serde_json::from_slice(bytes).map_err(|error| {
        wrong(
            format!("line {} column {}", error.line(), error.column()),
            format!("is not of the form of this file: {error}"),
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
    let mut redaction = Redaction::default();
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
            .map_err(|error| error.at(file, format!("/patterns/{index}")))?;
    }
    for (index, pointer) in read.pointers.iter().enumerate() {
        redaction = redaction
            .with_pointer(pointer)
            .map_err(|error| error.at(file, format!("/pointers/{index}")))?;
    }
    Ok(redaction)
}

pub(super) fn write(redaction: &Redaction) -> String {
    let key = redaction.key.map(|key| {
        key.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    });
    let file = File {
        format: FORMAT,
        key,
        patterns: redaction
            .patterns
            .iter()
            .map(|pattern| pattern.as_str().to_owned())
            .collect(),
        pointers: redaction
            .pointers
            .iter()
            .map(|pointer| pointer.as_str().to_owned())
            .collect(),
    };
    // Texts and a number have no way not to be JSON.
    let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
    text.push('\n');
    text
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

/// Reads a pattern, which must not match the empty string: it would then match
/// everywhere and take out nothing.
pub(super) fn pattern(text: &str) -> Result<Regex, RedactionError> {
    let wrong = |problem: String, next: &str| RedactionError {
        file: format!("the pattern {text:?}"),
        place: None,
        problem,
        next: next.to_owned(),
    };
    let pattern = Regex::new(text).map_err(|error| {
        wrong(
            format!("is no regular expression: {error}"),
            "write it in the syntax of the crate regex",
        )
    })?;
    if pattern.is_match(b"") {
        return Err(wrong(
            "matches the empty string".to_owned(),
            "have it match at least one character",
        ));
    }
    Ok(pattern)
}

/// Reads a JSON pointer, which does not name the whole document: nothing would
/// be left to compare.
pub(super) fn pointer(text: &str) -> Result<Pointer, RedactionError> {
    Pointer::parse(text).ok_or_else(|| RedactionError {
        file: format!("the pointer {text:?}"),
        place: None,
        problem: "is no JSON pointer (RFC 6901) to a part of a document".to_owned(),
        next: "write it as in /prompt or /images/0/url, with ~0 for ~ and ~1 for / in a key"
            .to_owned(),
    })
}

impl RedactionError {
    /// The same error, of a rule in a file.
    fn at(self, file: &str, place: String) -> Self {
        Self {
            problem: format!("{} {}", self.file, self.problem),
            file: file.to_owned(),
            place: Some(place),
            next: self.next,
        }
    }
}

impl Redaction {
    pub(super) fn set_key(&mut self, key: [u8; 32]) {
        self.marker = Marker::new(&key);
        self.key = Some(key);
    }
}
