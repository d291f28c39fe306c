//! The content of `recording.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The name of the metadata file in a recording's folder.
pub const META_FILE: &str = "recording.json";

/// The name of the request body in a recording's folder.
pub const REQUEST_FILE: &str = "request.json";

/// The newest format version that this crate reads. A recording keeps its version when it is
/// written; [`RecordingMeta::push`] upgrades version 1 to 2.
pub const FORMAT: u64 = 2;

/// The origin of a recorded exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// The provider's documentation.
    Documented,
    /// The provider's service.
    Live,
    /// Invented, for cases that nobody has recorded.
    Synthetic,
}

/// The content of `recording.json`: a request, and its responses in the order in which they
/// are served. The last one repeats.
#[derive(Clone, Debug)]
pub struct RecordingMeta {
    /// The format version, 1 or 2.
    pub format: u64,
    /// A one-sentence description of the exchange.
    pub title: String,
    /// The method of the request, in upper case.
    pub method: String,
    /// The path of the request, without origin and query.
    pub path: String,
    /// What was redacted from the request and the title. Format 1 lists it with the response
    /// instead.
    pub redacted: Vec<Redacted>,
    /// The responses; at least one.
    pub answers: Vec<AnswerMeta>,
}

/// One response to a recorded request. Unknown keys are errors, so that a misspelt one is not
/// silently lost.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerMeta {
    /// The status of the response.
    pub status: u16,
    /// The recorded response headers, with names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The origin of the exchange.
    pub origin: Origin,
    /// The source of the exchange.
    pub source: Source,
    /// The date of the recording, such as `2026-11-22`.
    pub date: String,
    /// The SHA-256, in hexadecimal, of the contract for the request's model at that time.
    pub contract_sha256: String,
    /// What the recording contains although nobody has observed it, and why.
    #[serde(default)]
    pub not_recorded: Vec<String>,
    /// What was redacted from the response and its metadata: pointers into `recording.json`
    /// are relative to this response.
    #[serde(default)]
    pub redacted: Vec<Redacted>,
    /// Images behind URLs of the response, stored with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<KeptFile>,
}

/// Format 1: one response, whose fields are next to those of the request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Single {
    #[serde(rename = "format")]
    _format: u64,
    title: String,
    method: String,
    path: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    origin: Origin,
    source: Source,
    date: String,
    contract_sha256: String,
    #[serde(default)]
    not_recorded: Vec<String>,
    #[serde(default)]
    redacted: Vec<Redacted>,
    #[serde(default)]
    files: Vec<KeptFile>,
}

/// Format 2.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    #[serde(rename = "format")]
    _format: u64,
    title: String,
    method: String,
    path: String,
    #[serde(default)]
    redacted: Vec<Redacted>,
    answers: Vec<AnswerMeta>,
}

/// Both formats, for writing.
#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    title: &'a str,
    method: &'a str,
    path: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    single: Option<&'a AnswerMeta>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<&'a [Redacted]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<&'a [AnswerMeta]>,
}

/// Why a `recording.json` cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// It is not valid JSON, or does not match its format version.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It has an unsupported format version.
    #[error("the format is {0}, this version reads formats 1 and {FORMAT}")]
    Format(u64),
    /// It has no response in `/answers`.
    #[error("expected at least one answer")]
    NoAnswer,
}

/// The source of an exchange.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name of the document, or the origin of the service.
    pub document: String,
    /// The section of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

/// A place in a recording where something was redacted before writing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    /// The name of the file in the recording's folder, such as `request.json`.
    pub file: String,
    /// The place in the file, as a JSON pointer (RFC 6901); empty for the whole file, and for
    /// a file that is not JSON.
    pub pointer: String,
    /// A description of what was redacted; never the secret itself.
    pub what: String,
}

/// An image behind a URL of the response, stored with the recording.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeptFile {
    /// The URL, exactly as in a string of the response.
    pub url: String,
    /// The name of the file in the recording's folder, such as `file-1.jpg`.
    pub file: String,
    /// The media type, such as `image/jpeg`.
    pub content_type: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The origin of the image.
    pub origin: Origin,
}

impl KeptFile {
    /// Describes an image that was fetched from the service.
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
    /// Describes a redaction at a place of a file.
    #[must_use]
    pub fn new(file: &str, pointer: String, what: String) -> Self {
        Self {
            file: file.to_owned(),
            pointer,
            what,
        }
    }

    /// The same redaction, at another place of its file.
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

    /// The place in the file, as a JSON pointer; empty for the whole file.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// A description of what was redacted.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Whether it is in the request, or in the title, which is derived from it.
    fn is_of_request(&self) -> bool {
        self.file == REQUEST_FILE || (self.file == META_FILE && self.pointer == "/title")
    }
}

/// The first recordings have the hash of the contract together with its documentation:
/// that, and the hash of what travels, which did not change since.
const FIRST_CONTRACT: [&str; 2] = [
    "fd059ef8d6fe8b6bd4674a9a822c7fae9d4e07bc3fb906ee61cbed7eb620c253",
    "c7c6b0317e1d8d2183c74b2e1d0fa7bf058fc4b45fe3ba677389c22499ad37d2",
];

impl RecordingMeta {
    /// Parses `recording.json`, in format 1 or 2.
    ///
    /// # Errors
    ///
    /// [`MetaError`] if it is not valid JSON, has an unsupported format version, does not
    /// match its version, or has no response.
    pub fn parse(json: &[u8]) -> Result<Self, MetaError> {
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let Version { format } = serde_json::from_slice(json)?;
        match format {
            1 => {
                let mut read: Single = serde_json::from_slice(json)?;
                if read.contract_sha256 == FIRST_CONTRACT[0] {
                    read.contract_sha256 = FIRST_CONTRACT[1].to_owned();
                }
                Ok(Self {
                    format,
                    title: read.title,
                    method: read.method,
                    path: read.path,
                    redacted: Vec::new(),
                    answers: vec![AnswerMeta {
                        status: read.status,
                        headers: read.headers,
                        origin: read.origin,
                        source: read.source,
                        date: read.date,
                        contract_sha256: read.contract_sha256,
                        not_recorded: read.not_recorded,
                        redacted: read.redacted,
                        files: read.files,
                    }],
                })
            }
            2 => {
                let read: Several = serde_json::from_slice(json)?;
                if read.answers.is_empty() {
                    return Err(MetaError::NoAnswer);
                }
                Ok(Self {
                    format,
                    title: read.title,
                    method: read.method,
                    path: read.path,
                    redacted: read.redacted,
                    answers: read.answers,
                })
            }
            other => Err(MetaError::Format(other)),
        }
    }

    /// The text of the file, indented by two spaces, with a trailing newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut written = Written {
            format: self.format,
            title: &self.title,
            method: &self.method,
            path: &self.path,
            single: None,
            redacted: None,
            answers: None,
        };
        match self.answers.as_slice() {
            [answer] if self.format == 1 => written.single = Some(answer),
            answers => {
                written.redacted = Some(&self.redacted);
                written.answers = Some(answers);
            }
        }
        // Strings, numbers and a map with string keys always serialize.
        let mut text = serde_json::to_string_pretty(&written).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Everything that was redacted from the request and the responses.
    pub fn all_redacted(&self) -> impl Iterator<Item = &Redacted> {
        let answers = self.answers.iter().flat_map(|answer| &answer.redacted);
        self.redacted.iter().chain(answers)
    }

    /// Appends a response, whose files are named as in format 1, and upgrades format 1 to 2.
    pub fn push(&mut self, answer: AnswerMeta) {
        let mut flat = Vec::new();
        if self.format == 1 {
            flat = std::mem::take(&mut self.answers);
            self.format = 2;
        }
        for mut answer in flat.into_iter().chain([answer]) {
            let index = self.answers.len();
            for mut one in std::mem::take(&mut answer.redacted) {
                if one.is_of_request() {
                    // Equal requests have the same redactions.
                    if !self.redacted.contains(&one) {
                        self.redacted.push(one);
                    }
                    continue;
                }
                one.file = file_of_answer(index, &one.file);
                answer.redacted.push(one);
            }
            self.answers.push(answer);
        }
    }

    /// Records a redaction in a response, or with `None` in the request. Format 1 has only one
    /// list.
    pub fn add_redacted(&mut self, answer: Option<usize>, one: Redacted) {
        let answer = if self.format == 1 { Some(0) } else { answer };
        let list = match answer.and_then(|index| self.answers.get_mut(index)) {
            Some(answer) => &mut answer.redacted,
            None => &mut self.redacted,
        };
        if !list.contains(&one) {
            list.push(one);
        }
    }

    /// The pointer in `recording.json` to a field of a response, such as `/status`.
    #[must_use]
    pub fn pointer(&self, answer: usize, member: &str) -> String {
        match self.format {
            1 => member.to_owned(),
            _ => format!("/answers/{answer}{member}"),
        }
    }
}

/// The index of the response whose body is in this file: 0 for `response.json`, 1 for
/// `response-2.json`, with any extension. `None` for other files, including backups by editors
/// and tools.
#[must_use]
pub fn answer_of_file(name: &str) -> Option<usize> {
    const COPIES: &[&str] = &["bak", "old", "orig", "rej", "swp", "temp", "tmp"];
    let (number, extension) = name.strip_prefix("response")?.split_once('.')?;
    let is_kind = !extension.is_empty()
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !COPIES.contains(&extension.to_ascii_lowercase().as_str());
    let index = match number.strip_prefix('-') {
        Some(number) if number.starts_with(|first| matches!(first, '1'..='9')) => {
            // The first response has no number.
            number.parse::<usize>().ok().filter(|number| *number > 1)? - 1
        }
        None if number.is_empty() => 0,
        _ => return None,
    };
    is_kind.then_some(index)
}

/// The file name for another response, from that of the first: `response-3.json` for
/// `response.json` and index 2. Other names are unchanged.
#[must_use]
pub fn file_of_answer(index: usize, first: &str) -> String {
    match (index, first.split_once('.')) {
        (1.., Some(("response", extension))) => format!("response-{}.{extension}", index + 1),
        _ => first.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SINGLE: &str = r#"{
  "format": 1,
  "title": "A bird.",
  "method": "POST",
  "path": "/v1/images",
  "status": 429,
  "headers": {},
  "origin": "live",
  "source": {
    "document": "https://a.example"
  },
  "date": "2026-11-22",
  "contract_sha256": "00",
  "not_recorded": [],
  "redacted": [
    {
      "file": "request.json",
      "pointer": "/prompt",
      "what": "a secret"
    },
    {
      "file": "recording.json",
      "pointer": "/headers/location",
      "what": "a secret"
    }
  ]
}
"#;

    #[test]
    fn format_1_round_trips() {
        let meta = RecordingMeta::parse(SINGLE.as_bytes()).unwrap();
        assert_eq!((meta.answers.len(), meta.all_redacted().count()), (1, 2));
        assert_eq!(meta.pointer(0, "/status"), "/status");
        assert_eq!(meta.to_json(), SINGLE);
        // The hash of the first recordings is read as today's hash of the same contract.
        let [first, today] =
            FIRST_CONTRACT.map(|hash| SINGLE.replace(": \"00\"", &format!(": {hash:?}")));
        let meta = RecordingMeta::parse(first.as_bytes()).unwrap();
        assert_eq!(meta.to_json(), today);
    }

    #[test]
    fn second_answer_upgrades_to_format_2() {
        let mut meta = RecordingMeta::parse(SINGLE.as_bytes()).unwrap();
        for status in [429, 200] {
            let mut answer = RecordingMeta::parse(SINGLE.as_bytes())
                .unwrap()
                .answers
                .remove(0);
            answer.status = status;
            meta.push(answer);
        }
        let read = RecordingMeta::parse(meta.to_json().as_bytes()).unwrap();
        assert_eq!(read.to_json(), meta.to_json());
        assert_eq!((read.format, read.redacted.len()), (2, 1));
        let mut more = read.clone();
        let one = |file: &str| Redacted::new(file, "/a".to_owned(), "a secret".to_owned());
        for _ in 0..2 {
            more.add_redacted(None, one("request.json"));
            more.add_redacted(Some(1), one("response-2.json"));
        }
        let counts = more.answers.iter().map(|answer| answer.redacted.len());
        assert_eq!((more.redacted.len(), counts.collect()), (2, vec![1, 2, 1]));
        let statuses: Vec<_> = read.answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [429, 429, 200]);
        for answer in &read.answers {
            let places: Vec<_> = answer.redacted.iter().map(|one| one.pointer()).collect();
            assert_eq!(places, ["/headers/location"]);
        }
    }

    #[test]
    fn unsupported_formats_and_keys_are_rejected() {
        let parse = |text: &str| {
            RecordingMeta::parse(text.as_bytes())
                .unwrap_err()
                .to_string()
        };
        let changed = |from: &str, to: &str| parse(&SINGLE.replacen(from, to, 1));
        assert!(changed("\"format\": 1", "\"format\": 3").contains("the format is 3"));
        assert!(changed("\"status\"", "\"Status\"").contains("unknown field `Status`"));
        assert!(changed("\"format\": 1", "\"format\": 2").contains("unknown field `status`"));
        let none = r#"{"format":2,"title":"","method":"","path":"","answers":[]}"#;
        assert!(parse(none).contains("at least one answer"));
    }

    #[test]
    fn answer_index_follows_from_file_name() {
        for (name, index) in [
            ("response.json", 0),
            ("response-2.json", 1),
            ("response-10.png", 9),
        ] {
            assert_eq!(answer_of_file(name), Some(index), "{name}");
            let first = name.replace(|char: char| char == '-' || char.is_ascii_digit(), "");
            assert_eq!(file_of_answer(index, &first), name);
        }
        for name in [
            "response",
            "response.",
            "response-1.json",
            "response-02.json",
            "response-+2.json",
            "response-.json",
            "response2.json",
            "response.json~",
            "response.orig",
            "response-2.tar.gz",
            "request.json",
        ] {
            assert_eq!(answer_of_file(name), None, "{name}");
        }
    }
}
