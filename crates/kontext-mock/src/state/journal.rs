//! The journal: the last 1,000 requests and their responses.

use axum::http::{HeaderMap, Method, StatusCode};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    contract::violations::push_key,
    matching::{Match, diff::Difference},
    redaction,
    state::billing::Billed,
    truncate,
};

/// How many requests the journal keeps; older ones are dropped.
pub const JOURNAL_ENTRIES: usize = 1000;

/// The longest request body that the journal keeps in full by default, in bytes.
pub const JOURNAL_BODY: usize = 4096;

/// How many bytes of a request's headers are kept; headers that do not fit are dropped.
const JOURNAL_HEADERS: usize = 8192;

/// How many bytes of a request's path and of its query are kept.
pub(crate) const JOURNAL_TARGET: usize = 2048;

/// Replaces the value of a secret header.
const HIDDEN: &str = "[redacted]";

/// A request that a mock received, and its response.
///
/// Secret header values (`Authorization`, cookies) are replaced by `[redacted]`.
#[derive(Clone, Debug)]
pub struct Received(Arc<Entry>);

/// A journal entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) session: Option<Arc<str>>,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Headers,
    pub(crate) body: Box<[u8]>,
    pub(crate) body_length: usize,
    /// Only for a body that is not kept in full.
    pub(crate) body_sha256: Option<String>,
    pub(crate) data_uris: Vec<DataUri>,
    pub(crate) at: SystemTime,
    pub(crate) status: StatusCode,
    pub(crate) found: Option<Match>,
    pub(crate) recording: Option<Arc<str>>,
    pub(crate) error: Option<&'static str>,
    pub(crate) fields: Vec<String>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) faults: Vec<String>,
    pub(crate) billed: Billed,
}

/// A data URI in a request body, such as a picture passed in place of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DataUri {
    /// The place in the body, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The stated media type, such as `image/png`; may be empty.
    pub media_type: String,
    /// The length of the decoded data in bytes; `None` if it cannot be decoded.
    pub bytes: Option<usize>,
    /// The SHA-256 of the decoded data, in hexadecimal.
    pub sha256: Option<String>,
}

/// How many data URIs of a request are recorded.
const DATA_URIS: usize = 20;

/// The data URIs in a body.
pub(crate) fn data_uris(body: &Value) -> Vec<DataUri> {
    fn collect(value: &Value, place: &mut String, found: &mut Vec<DataUri>) {
        let outer = place.len();
        match value {
            Value::String(text) if found.len() < DATA_URIS => {
                found.extend(DataUri::of(text, place));
            }
            Value::Array(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    let _ = write!(place, "/{index}");
                    collect(entry, place, found);
                    place.truncate(outer);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    push_key(place, name);
                    collect(member, place, found);
                    place.truncate(outer);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(body, &mut String::new(), &mut found);
    found
}

impl DataUri {
    fn of(text: &str, place: &str) -> Option<Self> {
        let scheme = text.get(..5)?;
        let (header, data) = text[5..]
            .split_once(',')
            .filter(|_| scheme.eq_ignore_ascii_case("data:"))?;
        let decoded = match header.strip_suffix(";base64") {
            Some(_) => BASE64_STANDARD.decode(data).ok(),
            None => Some(percent_encoding::percent_decode_str(data).collect()),
        };
        let media_type = header.split(';').next().unwrap_or_default();
        Some(Self {
            pointer: truncate::text(place, 1000),
            media_type: truncate::text(media_type, 100),
            bytes: decoded.as_ref().map(Vec::len),
            sha256: decoded.map(|data| format!("{:x}", Sha256::digest(data))),
        })
    }
}

/// The headers of a request in a single allocation, so that an entry does not keep the
/// connection's read buffer alive.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    text: String,
    left_out: usize,
}

/// The requests that are kept.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Mutex<VecDeque<Arc<Entry>>>,
}

impl Journal {
    pub(crate) fn add(&self, entry: Entry) {
        let entry = Arc::new(entry);
        let mut entries = self.entries();
        let oldest = (entries.len() >= JOURNAL_ENTRIES).then(|| entries.pop_front());
        entries.push_back(entry);
        // Drop the oldest entry after releasing the lock.
        drop(entries);
        drop(oldest);
    }

    /// The requests of one session, or all of them, oldest first.
    pub(crate) fn received(&self, session: Option<&str>) -> Vec<Received> {
        let entries = self.entries();
        let entries = entries.iter().filter(|entry| entry.is_of(session));
        entries.map(|entry| Received(entry.clone())).collect()
    }

    /// Removes the requests of one session, or all of them.
    pub(crate) fn forget(&self, session: Option<&str>) {
        self.entries().retain(|entry| !entry.is_of(session));
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_of(&self, session: Option<&str>) -> bool {
        session.is_none() || self.session.as_deref() == session
    }
}

impl Headers {
    /// Copies headers, with secret values redacted.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut text = String::with_capacity(256);
        let mut left_out = 0;
        for (name, value) in headers {
            let value = if redaction::is_secret_header(name.as_str()) {
                HIDDEN.into()
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            let length = name.as_str().len() + value.len() + ": \n".len();
            if text.len() + length > JOURNAL_HEADERS {
                left_out += 1;
                continue;
            }
            for part in [name.as_str(), ": ", &value, "\n"] {
                text.push_str(part);
            }
        }
        Self { text, left_out }
    }
}

impl Received {
    /// The sequence number of the request, counted from 1 across all sessions.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The session named in `x-kontext-session`, if any.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// The method, such as `POST`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.0.method.as_str()
    }

    /// The path, without the query string.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The query string, if any, with secret values redacted.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.query.as_deref()
    }

    /// The first value of a header; `name` must be in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    /// The headers, with names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        // A header value contains no line break.
        let lines = self.0.headers.text.lines();
        lines.filter_map(|line| line.split_once(": "))
    }

    /// How many headers were dropped because the journal keeps at most 8 KiB per request.
    #[must_use]
    pub fn headers_left_out(&self) -> usize {
        self.0.headers.left_out
    }

    /// The body as received, if it is not longer than the configured limit
    /// ([`Builder::journal_body`](crate::Builder::journal_body)), otherwise its first
    /// [`JOURNAL_BODY`] bytes. Empty if the body was not read.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.0.body
    }

    /// The length of the body that was read, in bytes.
    #[must_use]
    pub fn body_length(&self) -> usize {
        self.0.body_length
    }

    /// The SHA-256 of a body that is not kept in full, in hexadecimal.
    #[must_use]
    pub fn body_sha256(&self) -> Option<&str> {
        self.0.body_sha256.as_deref()
    }

    /// The data URIs in the body, at most 20.
    #[must_use]
    pub fn data_uris(&self) -> &[DataUri] {
        &self.0.data_uris
    }

    /// The body as JSON; `None` if it is not JSON or not kept in full.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        let whole = self.0.body.len() == self.0.body_length;
        serde_json::from_slice(&self.0.body).ok().filter(|_| whole)
    }

    /// When the request was received.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.0.at
    }

    /// The status of the response, even if a fault kept it from the client.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    /// How the recording was found; `None` if matching was not reached.
    #[must_use]
    pub fn found(&self) -> Option<Match> {
        self.0.found
    }

    /// Whether no recording answered.
    #[must_use]
    pub fn is_miss(&self) -> bool {
        self.0.found == Some(Match::Miss)
    }

    /// The recording that answered or, for a miss, the nearest one.
    #[must_use]
    pub fn recording(&self) -> Option<&str> {
        self.0.recording.as_deref()
    }

    /// The reason for an error made by the mock, as in the header `x-kontext-error`.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.0.error
    }

    /// The fields that violate the contract, as in the log.
    #[must_use]
    pub fn invalid_fields(&self) -> &[String] {
        &self.0.fields
    }

    /// The differences from the recorded request, at most 100 plus the query.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.0.differences
    }

    /// The faults that were applied, as in the header `x-kontext-fault`.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.0.faults
    }

    /// What the provider would have billed for the request.
    #[must_use]
    pub fn billed(&self) -> Billed {
        self.0.billed
    }
}

impl Serialize for Received {
    /// Serializes the request as in the admin API.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = self.at().duration_since(UNIX_EPOCH);
        let entry = json!({
            "number": self.number(),
            "session": self.session(),
            "at_milliseconds": at.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            "method": self.method(),
            "path": self.path(),
            "query": self.query(),
            "headers": self.headers().collect::<Vec<_>>(),
            "headers_left_out": self.headers_left_out(),
            "body": String::from_utf8_lossy(self.body()),
            "body_length": self.body_length(),
            "body_is_cut": self.body().len() < self.body_length(),
            "body_sha256": self.body_sha256(),
            "data_uris": self.data_uris(),
            "status": self.status(),
            "match": self.found().map(Match::name),
            "recording": self.recording(),
            "error": self.error(),
            "invalid_fields": self.invalid_fields(),
            "differences": self.differences(),
            "faults": self.faults(),
            "billed": self.billed(),
        });
        entry.serialize(serializer)
    }
}
