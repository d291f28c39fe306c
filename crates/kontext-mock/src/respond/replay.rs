//! A recording prepared for replay.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, header::HOST, request::Parts},
};
use kontext_recording::{Canonical, blanks, string_end};
use memchr::memchr;
use std::{borrow::Cow, net::SocketAddr, ops::Range, sync::Arc};

use crate::{
    FILES_PATH,
    http::{
        error_response::Reply,
        headers::{self, REWRITTEN},
    },
    matching::Match,
    recordings::{RecordedAnswer, Recording},
    state::billing::Billed,
};

/// The parts of a recording and its answers that are the same for every request.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) name: Arc<str>,
    pub(crate) title: String,
    /// The model that its request is for; `None` if the contract has a single page for
    /// all requests.
    pub(crate) model: Option<String>,
    /// The canonical body of the request, with secrets redacted.
    pub(crate) canonical: Option<Canonical>,
    /// In the order in which they are served; at least one.
    pub(crate) answers: Vec<ReplayAnswer>,
}

/// One answer of a recording.
#[derive(Debug)]
pub(crate) struct ReplayAnswer {
    pub(crate) billed: Billed,
    reply: Reply,
    rewritten: Option<Rewritten>,
}

/// The response with rewritten URLs for the stored pictures.
#[derive(Debug)]
struct Rewritten {
    headers: HeaderMap,
    pieces: Vec<Piece>,
}

/// A piece of a body that links to stored pictures.
#[derive(Debug)]
enum Piece {
    AsRecorded(Bytes),
    /// In place of a picture's URL: the path at which the mock serves it.
    Picture(String),
}

impl Replay {
    pub(crate) fn new(
        recording: &Recording,
        model: Option<String>,
        canonical: Option<Canonical>,
    ) -> Self {
        let answers = recording.answers().iter();
        Self {
            name: recording.name().into(),
            title: recording.title().to_owned(),
            model,
            canonical,
            answers: answers
                .map(|answer| ReplayAnswer::new(recording.name(), answer))
                .collect(),
        }
    }

    /// The index of the first answer with a status.
    pub(crate) fn answer_of_status(&self, status: u16) -> Option<usize> {
        let mut answers = self.answers.iter();
        answers.position(|answer| answer.status() == status)
    }
}

impl ReplayAnswer {
    fn new(recording: &str, answer: &RecordedAnswer) -> Self {
        let mut reply = Reply {
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.response.clone(),
        };
        let billed = if answer.status.is_success() {
            let credits = answer.header(headers::CREDITS_USED.as_str());
            Billed::of_answer(&answer.response, credits)
        } else {
            Billed::default()
        };
        // The match header is overwritten for each request.
        headers::complete(&mut reply.headers, billed, Some(recording), Match::Exact);
        Self {
            billed,
            rewritten: Rewritten::of(recording, answer, &reply),
            reply,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.reply.status.as_u16()
    }

    /// The response, with the URLs of stored pictures pointing to the mock if `base_url`
    /// is known.
    pub(crate) fn reply(&self, base_url: impl FnOnce() -> Option<String>) -> Reply {
        let rewritten = self.rewritten.as_ref();
        match rewritten.and_then(|rewritten| Some((rewritten, base_url()?))) {
            Some((rewritten, base_url)) => Reply {
                status: self.reply.status,
                headers: rewritten.headers.clone(),
                body: rewritten.body(&base_url),
            },
            None => self.reply.clone(),
        }
    }
}

impl Rewritten {
    /// `None` if the response does not link to a stored picture.
    fn of(recording: &str, answer: &RecordedAnswer, reply: &Reply) -> Option<Self> {
        let mut headers = reply.headers.clone();
        headers.insert(REWRITTEN.clone(), HeaderValue::from_static("url"));
        Some(Self {
            pieces: pieces(recording, answer)?,
            headers,
        })
    }

    fn body(&self, base_url: &str) -> Bytes {
        let parts = self.pieces.iter().flat_map(|piece| match piece {
            Piece::AsRecorded(bytes) => [&**bytes, &[]],
            Piece::Picture(path) => [base_url.as_bytes(), path.as_bytes()],
        });
        let mut body = Vec::with_capacity(parts.clone().map(<[u8]>::len).sum());
        parts.for_each(|part| body.extend_from_slice(part));
        body.into()
    }
}

/// The URL at which the client reached the mock, without a trailing slash. It is taken
/// from the request target's authority or from `Host`; if that is missing or unusual,
/// from the local address of the connection, if there is one.
pub(crate) fn base_url(parts: &Parts, address: Option<SocketAddr>) -> Option<String> {
    // It is inserted into JSON text and into a URL.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let host = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()),
    };
    let host = host.filter(|host| (1..=300).contains(&host.len()) && host.bytes().all(plain));
    match host {
        Some(host) => Some(format!("http://{host}")),
        None => Some(format!("http://{}", address?)),
    }
}

/// Splits a body at the URLs of the stored pictures; `None` if there are none.
fn pieces(recording: &str, answer: &RecordedAnswer) -> Option<Vec<Piece>> {
    let body = &answer.response;
    let mut cuts = Vec::new();
    for range in string_values(body) {
        let string = decoded(&body[range.clone()]);
        let mut files = answer.files().iter();
        if let Some(file) = files.find(|file| string.as_deref() == Some(file.url())) {
            cuts.push((range, file.file()));
        }
    }
    if cuts.is_empty() {
        return None;
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    for (range, file) in cuts {
        pieces.push(Piece::AsRecorded(body.slice(at..range.start)));
        let path = format!("{FILES_PATH}{recording}/{file}");
        pieces.push(Piece::Picture(path));
        at = range.end;
    }
    pieces.push(Piece::AsRecorded(body.slice(at..)));
    Some(pieces)
}

/// The ranges of the string values (not keys) of a JSON text, without quotes, in order.
fn string_values(json: &[u8]) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    let mut at = 0;
    while let Some(found) = memchr(b'"', json.get(at..).unwrap_or_default()) {
        let start = at + found + 1;
        at = string_end(json, start);
        let is_key = json[at + blanks(&json[at..])..].starts_with(b":");
        if !is_key && at > start {
            values.push(start..at - 1);
        }
    }
    values
}

/// Decodes the escapes of a JSON string.
fn decoded(spelled: &[u8]) -> Option<Cow<'_, str>> {
    let spelled = std::str::from_utf8(spelled).ok()?;
    if !spelled.contains('\\') {
        return Some(spelled.into());
    }
    serde_json::from_str::<String>(&format!("\"{spelled}\""))
        .ok()
        .map(Cow::Owned)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn finds_json_strings_in_any_notation_but_not_keys() {
        let json = br#"{"https://a/b" : ["https:\/\/a\u002fb", "https://a/b"], "a":"a\"b", "":""}"#;
        let values = string_values(json).into_iter();
        let values: Vec<_> = values.map(|range| decoded(&json[range]).unwrap()).collect();
        assert_eq!(values, ["https://a/b", "https://a/b", "a\"b", ""]);
        for odd in ["", "\"", "\"\\", "[\"a", "\"\"\""] {
            string_values(odd.as_bytes());
        }
    }
}
