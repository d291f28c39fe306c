//! An exchange as received, and the parts of it that are recorded.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode},
};
use kontext_recording::{
    AnswerMeta, Canonical, META_FILE, Origin, REQUEST_FILE, RecordingMeta, Redacted, RequestHash,
    Source, prompt_line,
};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    contract::Operation,
    http::headers::media_type,
    recorder::index::BROKE_OFF,
    recordings::{Case, OWN_HEADERS},
    redaction::{Redaction, RedactionEntry, Secret, keeps_header},
};

/// An exchange with the upstream, including its secrets. It does not implement `Debug`.
pub(crate) struct Exchange<'a> {
    pub(crate) operation: &'a Operation,
    /// The decoded request body.
    pub(crate) request: &'a [u8],
    pub(crate) status: StatusCode,
    /// Whether the response was cut off.
    pub(crate) broke_off: bool,
    /// The response headers, without those of the encoding.
    pub(crate) headers: &'a HeaderMap,
    /// The decoded response body.
    pub(crate) response: &'a Bytes,
    /// Secrets in the headers of request and response, which must not be written.
    pub(crate) secrets: &'a [Secret],
    /// The origin of the upstream.
    pub(crate) upstream: &'a str,
    /// The date, such as `2026-11-22`.
    pub(crate) date: String,
}

/// Why an exchange was not saved.
#[derive(Debug)]
pub(crate) enum Unsaved {
    /// The recorder's rules exclude it.
    Unwanted(String),
    /// Saving it failed.
    Failed(String),
}

impl From<String> for Unsaved {
    fn from(problem: String) -> Self {
        Self::Failed(problem)
    }
}

/// The redacted parts of an exchange that are recorded.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) hash: RequestHash,
    /// The redacted request, if it has a body.
    pub(crate) request: Option<Value>,
    pub(crate) meta: RecordingMeta,
    /// All files except `recording.json`.
    pub(crate) files: Case,
}

impl Draft {
    /// All files of the recording.
    pub(crate) fn all_files(&self) -> Case {
        let mut files = self.files.clone();
        files.insert(META_FILE.to_owned(), self.meta.to_json().into());
        files
    }
}

/// The title of a recording: a one-line summary of the request.
pub(crate) fn title(method: &str, path: &str, request: Option<&Value>) -> String {
    match prompt_line(request) {
        Some(prompt) => format!("{method} {path}: {prompt}"),
        None => format!("{method} {path}"),
    }
}

/// A redacted request body.
#[derive(Debug)]
pub(crate) struct RecordedBody<'a> {
    pub(crate) hash: RequestHash,
    text: Option<Cow<'a, str>>,
    value: Option<Value>,
    taken: Vec<RedactionEntry>,
}

/// Redacts a request body and computes its hash; fails if it is not JSON that a
/// recording can hold.
pub(crate) fn recorded_body<'a>(
    operation: &Operation,
    body: &'a [u8],
    redaction: &Redaction,
    secrets: &[Secret],
) -> Result<RecordedBody<'a>, String> {
    if body.is_empty() {
        return Ok(RecordedBody {
            hash: RequestHash::of(operation.name(), None),
            text: None,
            value: None,
            taken: Vec::new(),
        });
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let start = error.valid_up_to();
        format!("the request body is not UTF-8 from byte {start} on")
    })?;
    let (text, taken) = redaction.json(text, secrets);
    // Don't quote the body: if it is not JSON, redaction may have missed a secret in
    // it.
    let no_json = |error: &dyn fmt::Display| format!("the request body is not JSON: {error}");
    let value: Value = serde_json::from_str(&text).map_err(|error| no_json(&error))?;
    let canonical = Canonical::of(&text).map_err(|error| no_json(&error))?;
    Ok(RecordedBody {
        hash: RequestHash::of(operation.name(), Some(&canonical)),
        text: Some(text),
        value: Some(value),
        taken,
    })
}

impl Exchange<'_> {
    /// Creates the redacted draft of a recording; fails with a reason if the exchange
    /// must not or cannot be recorded.
    pub(crate) fn draft(&self, redaction: &Redaction) -> Result<Draft, Unsaved> {
        let asked = recorded_body(self.operation, self.request, redaction, self.secrets)
            .map_err(Unsaved::Unwanted)?;
        let mut files = Case::new();
        let mut redacted = places(REQUEST_FILE, asked.taken);
        if let Some(text) = &asked.text {
            files.insert(REQUEST_FILE.to_owned(), Bytes::from(text.to_string()));
        }
        let (response_file, response) = self.response(redaction, &mut redacted)?;
        files.insert(response_file, response);
        let (method, path) = (self.operation.method(), self.operation.path());
        let mut answer = AnswerMeta {
            status: self.status.as_u16(),
            headers: BTreeMap::new(),
            origin: Origin::Live,
            source: Source {
                document: self.upstream.to_owned(),
                section: None,
            },
            date: self.date.clone(),
            contract_sha256: self.operation.sha256_of(asked.value.as_ref()).to_owned(),
            not_recorded: vec!["the request headers".to_owned()],
            redacted,
            files: Vec::new(),
        };
        if self.broke_off {
            answer.not_recorded.push(BROKE_OFF.to_owned());
        }
        self.keep_headers(redaction, &mut answer);
        Ok(Draft {
            hash: asked.hash,
            meta: RecordingMeta {
                format: 1,
                title: title(method, path, asked.value.as_ref()),
                method: method.to_owned(),
                path: path.to_owned(),
                redacted: Vec::new(),
                answers: vec![answer],
            },
            request: asked.value,
            files,
        })
    }

    /// The name and the contents of the response file.
    fn response(
        &self,
        redaction: &Redaction,
        redacted: &mut Vec<Redacted>,
    ) -> Result<(String, Bytes), String> {
        let media_type = media_type(self.headers);
        let is_json = media_type == "application/json" || media_type.ends_with("+json");
        let extension = extension(&media_type, self.response);
        let file = format!("response.{extension}");
        let Ok(text) = std::str::from_utf8(self.response) else {
            // A secret cannot be redacted from a picture, but it can be detected.
            let (_, taken) = redaction.text(&String::from_utf8_lossy(self.response), self.secrets);
            return match taken.first() {
                None => Ok((file, self.response.clone())),
                Some(RedactionEntry { what, .. }) => Err(format!(
                    "its body of {} is binary and has {what} in it, which cannot be taken out",
                    shown(&media_type)
                )),
            };
        };
        let (kept, taken) = if is_json {
            redaction.json(text, self.secrets)
        } else {
            redaction.text(text, self.secrets)
        };
        redacted.extend(places(&file, taken));
        let bytes = match kept {
            Cow::Borrowed(_) => self.response.clone(),
            Cow::Owned(text) => text.into(),
        };
        Ok((file, bytes))
    }

    /// Keeps the response headers on the allow list, and lists the names of the others.
    fn keep_headers(&self, redaction: &Redaction, answer: &mut AnswerMeta) {
        let mut others = Vec::new();
        for name in self.headers.keys() {
            let name = name.as_str();
            if OWN_HEADERS.contains(&name) || name.starts_with("x-kontext-") {
                continue;
            }
            let values = self.headers.get_all(name).iter();
            let values: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
            let (true, Some(values)) = (keeps_header(name), values) else {
                others.push(name);
                continue;
            };
            let value = values.join(", ");
            let (value, taken) = redaction.header(name, &value, self.secrets);
            if HeaderValue::from_str(&value).is_err() {
                others.push(name);
                continue;
            }
            answer.redacted.extend(places(META_FILE, taken));
            answer.headers.insert(name.to_owned(), value.into_owned());
        }
        if !others.is_empty() {
            others.sort_unstable();
            answer.not_recorded.push(format!(
                "the values of the response headers {}",
                others.join(", ")
            ));
        }
    }
}

/// The redacted values of a file, as listed in `recording.json`.
pub(crate) fn places(file: &str, taken: Vec<RedactionEntry>) -> Vec<Redacted> {
    let mut seen = BTreeSet::new();
    taken
        .into_iter()
        // The same secret may occur many times in a text.
        .filter(|one| seen.insert(one.clone()))
        .map(|RedactionEntry { pointer, what }| Redacted::new(file, pointer, what))
        .collect()
}

/// A media type for messages.
pub(crate) fn shown(media_type: &str) -> &str {
    match media_type {
        "" => "no media type",
        some => some,
    }
}

/// The file extension for a response body.
fn extension(media_type: &str, body: &[u8]) -> &'static str {
    match media_type {
        "text/html" => "html",
        "application/xml" | "text/xml" => "xml",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        json if json == "application/json" || json.ends_with("+json") => "json",
        text if text.starts_with("text/") => "txt",
        _ if std::str::from_utf8(body).is_ok() => "txt",
        _ => "bin",
    }
}
