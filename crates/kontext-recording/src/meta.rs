//! What `recording.json` holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The name of the file in the folder of a recording.
pub const META_FILE: &str = "recording.json";

/// The name of a request's body in the folder of a recording.
pub const REQUEST_FILE: &str = "request.json";

/// The version of the form that this crate reads and writes.
pub const FORMAT: u64 = 1;

/// Where a recorded exchange comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// From the provider's documentation.
    Documented,
    /// From the provider's service.
    Live,
    /// Made up, to show what no one has recorded.
    Synthetic,
}

/// The content of `recording.json`. Unknown keys are errors: a misspelt one would
/// otherwise be lost in silence.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingMeta {
    /// The version of the form; read and judged before the rest.
    pub format: u64,
    /// What happens in the exchange, in one sentence.
    pub title: String,
    /// The method of the request, in upper case.
    pub method: String,
    /// The path of the request, from the origin on, without a query.
    pub path: String,
    /// The status of the response.
    pub status: u16,
    /// The response headers that are kept, names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where the exchange comes from.
    pub origin: Origin,
    /// The document that the exchange was taken from.
    pub source: Source,
    /// The day of the recording, as `2026-11-22`.
    pub date: String,
    /// The SHA-256 of what the contract said of the request's model at that time, in
    /// hexadecimal.
    pub contract_sha256: String,
    /// What the recording has although no one has seen it, and why.
    #[serde(default)]
    pub not_recorded: Vec<String>,
    /// What was taken out, and where.
    #[serde(default)]
    pub redacted: Vec<Redacted>,
    /// Pictures behind URLs of the response that are kept beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<KeptFile>,
}

/// The document that an exchange was taken from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name of the document, or the origin of the service.
    pub document: String,
    /// The section in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

/// A place of a recording at which something was taken out before it was
/// written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    /// The name of the file in the recording's folder, such as `request.json`.
    pub file: String,
    /// The place in the file, as a JSON pointer (RFC 6901); empty for all of it,
    /// and for a file that is not JSON.
    pub pointer: String,
    /// What was taken out, in words; never the secret.
    pub what: String,
}

/// A picture behind a URL of the response, which is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeptFile {
    /// The URL, exactly as a string of the response has it.
    pub url: String,
    /// The name of the file in the recording's folder, such as `file-1.jpg`.
    pub file: String,
    /// The media type, such as `image/jpeg`.
    pub content_type: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Where the picture comes from.
    pub origin: Origin,
}

impl KeptFile {
    /// Describes a picture that was fetched from the service.
    #[must_use]
    pub fn live(url: String, file: String, content_type: String, bytes: &[u8]) -> Self {
        Self {
            url,
            file,
            content_type,
            sha256: format!("{:x}", Sha256::digest(bytes)),
            origin: Origin::Live,
        }
    }
}

impl Redacted {
    /// Says that something was taken out at a place of a file.
    #[must_use]
    pub fn new(file: &str, pointer: String, what: String) -> Self {
        Self {
            file: file.to_owned(),
            pointer,
            what,
        }
    }

    /// The same, at another place of its file.
    #[must_use]
    pub fn at(self, pointer: &str) -> Self {
        Self {
            pointer: pointer.to_owned(),
            ..self
        }
    }

    /// The name of the file in the recording's folder, such as `request.json`.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place in the file, as a JSON pointer; empty for all of it.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What was taken out, in words.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl RecordingMeta {
    /// The text of the file: two spaces, a final newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts, numbers and a map with texts as keys have no way not to be JSON.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
