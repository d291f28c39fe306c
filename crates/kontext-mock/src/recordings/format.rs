//! The form of `recording.json`, the file that tells what a recording is.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
#[cfg(feature = "record")]
use sha2::{Digest as _, Sha256};

use super::defect::Defect;

/// The file's name in the folder of a recording.
pub(crate) const FILE: &str = "recording.json";

/// The only version of the form that is known today.
pub(crate) const FORMAT: u64 = 1;

/// Headers that the server sets itself, so that a recording must not.
pub(crate) const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Where a recorded exchange comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// From the provider's documentation.
    Documented,
    /// From the provider's service.
    Live,
    /// Made up, to show what no one has recorded.
    Synthetic,
}

/// What `recording.json` says, format 1. Unknown keys are errors: a misspelt
/// one would otherwise be lost in silence.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    /// The version of the form, judged before the rest is read.
    pub(crate) format: u64,
    pub(crate) title: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) origin: Origin,
    pub(crate) source: Source,
    pub(crate) date: String,
    pub(crate) contract_sha256: String,
    #[serde(default)]
    pub(crate) not_recorded: Vec<String>,
    #[serde(default)]
    pub(crate) redacted: Vec<Redacted>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<Kept>,
}

/// The document that an exchange was taken from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) document: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) section: Option<String>,
}

/// A place of a recording at which something was taken out before it was
/// written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    pub(crate) file: String,
    pub(crate) pointer: String,
    pub(crate) what: String,
}

/// A picture behind a URL of the response, which is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) url: String,
    pub(crate) file: String,
    pub(crate) content_type: String,
    pub(crate) sha256: String,
    pub(crate) origin: Origin,
}

#[cfg(feature = "record")]
impl Kept {
    /// Describes a picture that was fetched from the service.
    pub(crate) fn live(url: String, file: String, content_type: String, bytes: &[u8]) -> Self {
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
    /// The same, at another place of its file.
    #[cfg(feature = "record")]
    pub(crate) fn at(self, pointer: &str) -> Self {
        Self {
            pointer: pointer.to_owned(),
            ..self
        }
    }

    #[cfg(feature = "record")]
    pub(crate) fn new(file: &str, pointer: String, what: String) -> Self {
        Self {
            file: file.to_owned(),
            pointer,
            what,
        }
    }

    /// The name of the file in the recording's folder, such as
    /// `request.json`.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place in the file, as a JSON pointer (RFC 6901); empty for all of
    /// it, and for a file that is no JSON.
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

/// The version alone, of whatever else a file says.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

/// Reads a `recording.json`; `file` names it in defects.
pub(super) fn parse(bytes: &[u8], file: &str) -> Result<Story, Defect> {
    let read = |error: serde_json::Error| {
        json_defect(
            &error,
            file,
            "correct it by the form that the README of kontext-mock shows",
        )
    };
    let Version { format } = serde_json::from_slice(bytes).map_err(read)?;
    if format != FORMAT {
        return Err(Defect::of_file(
            file,
            format!("the format is {format}, this version of kontext-mock reads format {FORMAT}"),
            "use a version that knows it, or record the exchange again",
        )
        .at("/format"));
    }
    let story: Story = serde_json::from_slice(bytes).map_err(read)?;
    story.judge(file)?;
    Ok(story)
}

/// Describes why a file is not the JSON that was expected.
pub(super) fn json_defect(error: &serde_json::Error, file: &str, next: &str) -> Defect {
    let text = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    let problem = text.strip_suffix(&suffix).unwrap_or(&text);
    Defect::of_file(file, problem, next).at(format!(
        "line {}, column {}",
        error.line(),
        error.column()
    ))
}

impl Story {
    /// Writes the text of the file: two spaces, a final newline.
    #[cfg(feature = "record")]
    pub(crate) fn to_json(&self) -> String {
        // Texts, numbers and a map with texts as keys have no way not to be JSON.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Judges what the types alone do not say.
    fn judge(&self, file: &str) -> Result<(), Defect> {
        let wrong = |key: &str, expected: &str, next: &str| {
            Err(Defect::of_file(file, format!("expected {expected}"), next).at(format!("/{key}")))
        };
        if self.title.trim().is_empty() {
            return wrong("title", "a sentence", "say what happens in the exchange");
        }
        if Method::from_bytes(self.method.as_bytes()).is_err()
            || self.method != self.method.to_ascii_uppercase()
        {
            return wrong("method", "a method in upper case", "write it as POST");
        }
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            return wrong(
                "path",
                "a path that starts with / and has no query",
                "write the path from the origin on",
            );
        }
        if !is_date(&self.date) {
            return wrong(
                "date",
                "a day as 2026-11-22",
                "write the day of the recording",
            );
        }
        if !is_sha256(&self.contract_sha256) {
            return wrong(
                "contract_sha256",
                "64 hexadecimal digits",
                "copy sha256 of the operation from contract.json",
            );
        }
        for (index, redacted) in self.redacted.iter().enumerate() {
            if !redacted.pointer.is_empty() && !redacted.pointer.starts_with('/') {
                return wrong(
                    &format!("redacted/{index}/pointer"),
                    "a JSON pointer, which is empty or starts with /",
                    "write the place in the file, such as /image_url",
                );
            }
        }
        Ok(())
    }

    /// The recorded status, 200 to 599.
    pub(super) fn status(&self, file: &str) -> Result<StatusCode, Defect> {
        StatusCode::from_u16(self.status)
            .ok()
            .filter(|status| (200..600).contains(&status.as_u16()))
            .ok_or_else(|| {
                Defect::of_file(
                    file,
                    format!("expected a status from 200 to 599, found {}", self.status),
                    "write the status of the response",
                )
                .at("/status")
            })
    }

    /// The recorded response headers.
    pub(super) fn headers(&self, file: &str) -> Result<HeaderMap, Defect> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let place = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
            let wrong =
                |problem: &str, next: &str| Defect::of_file(file, problem, next).at(place.clone());
            let header = HeaderName::from_lowercase(name.as_bytes()).map_err(|_| {
                wrong(
                    "expected a header name in lower case",
                    "write it in lower case",
                )
            })?;
            if OWN_HEADERS.contains(&name.as_str()) || name.starts_with("x-kontext-") {
                return Err(wrong(
                    "this header is set by the mock itself",
                    "delete the line",
                ));
            }
            let value = HeaderValue::from_str(value).map_err(|_| {
                wrong(
                    "expected a header value of visible ASCII",
                    "correct the value",
                )
            })?;
            headers.insert(header, value);
        }
        Ok(headers)
    }
}

/// Whether a text has the form of a SHA-256.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text has the form of a day, 2026-11-22.
fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let number = |part: &str, digits: usize, range: std::ops::RangeInclusive<u16>| {
        part.len() == digits
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && part.parse().is_ok_and(|number| range.contains(&number))
    };
    matches!(parts.as_slice(), [year, month, day]
        if number(year, 4, 1..=9999) && number(month, 2, 1..=12) && number(day, 2, 1..=31))
}
