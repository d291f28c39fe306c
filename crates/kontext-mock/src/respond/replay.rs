//! A recording as it is served.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Uri, header::HOST, request::Parts},
};
use kontext_recording::{Canonical, blanks, string_end};
use memchr::memchr;
use std::{
    borrow::Cow,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    FILES_PATH, RECORDING_HEADER,
    http::{
        error_response::Reply,
        headers::{self, REWRITTEN, SyntheticHeaders},
    },
    recordings::{RecordedAnswer, Recording},
    state::billing::Billed,
};

/// A recording with all of its answers that is the same every time.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) name: Arc<str>,
    pub(crate) title: String,
    /// The model that its request is for; none where the contract does not tell requests
    /// apart.
    pub(crate) model: Option<String>,
    /// The request's body in the form in which requests are compared, secrets
    /// redacted.
    pub(crate) canonical: Option<Canonical>,
    /// In the order in which they are served; at least one.
    pub(crate) answers: Vec<ReplayAnswer>,
}

/// One answer of a recording.
#[derive(Debug)]
pub(crate) struct ReplayAnswer {
    pub(crate) billed: Billed,
    /// Which of the provider's headers were not recorded.
    pub(crate) synthetic: SyntheticHeaders,
    reply: Reply,
    rewritten: Option<Rewritten>,
}

/// The answer with other URLs for the pictures that were kept.
#[derive(Debug)]
struct Rewritten {
    headers: HeaderMap,
    pieces: Vec<Piece>,
    /// The last body that was made, and for which origin: clients keep to one.
    last: Mutex<Option<(Box<str>, Bytes)>>,
}

/// A piece of a body that names kept pictures.
#[derive(Debug)]
enum Piece {
    AsRecorded(Bytes),
    /// Where the URL of a picture stands; the path at which the mock serves it.
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

    /// The first answer with a status.
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
        let synthetic = headers::add_cost(&mut reply.headers, billed);
        reply.set(RECORDING_HEADER, recording);
        headers::reserve(&mut reply.headers, synthetic);
        Self {
            billed,
            synthetic,
            rewritten: Rewritten::of(recording, answer, &reply),
            reply,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.reply.status.as_u16()
    }

    /// The answer, with the URLs of kept pictures pointing to the mock, where
    /// it is known under which address the client found it.
    pub(crate) fn reply(&self, origin: Option<&Origin<'_>>) -> Reply {
        match (&self.rewritten, origin) {
            (Some(rewritten), Some(origin)) => Reply {
                status: self.reply.status,
                headers: rewritten.headers.clone(),
                body: rewritten.body(origin),
            },
            _ => self.reply.clone(),
        }
    }
}

impl Rewritten {
    /// Nothing where no picture was kept with the answer.
    fn of(recording: &str, answer: &RecordedAnswer, reply: &Reply) -> Option<Self> {
        let mut headers = reply.headers.clone();
        headers.insert(REWRITTEN.clone(), HeaderValue::from_static("url"));
        Some(Self {
            pieces: pieces(recording, answer)?,
            headers,
            last: Mutex::default(),
        })
    }

    fn body(&self, origin: &Origin<'_>) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, body)) = &*last
            && **known == *origin.rest
        {
            return body.clone();
        }
        let mut body = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::AsRecorded(bytes) => body.extend_from_slice(bytes),
                Piece::Picture(path) => {
                    body.extend_from_slice(origin.url().as_bytes());
                    body.extend_from_slice(path.as_bytes());
                }
            }
        }
        let body = Bytes::from(body);
        *last = Some((origin.rest.as_ref().into(), body.clone()));
        body
    }
}

/// Where clients find the mock.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    scheme: &'static str,
    rest: Cow<'a, str>,
}

impl<'a> Origin<'a> {
    /// The URL that the user named, without a slash at its end.
    pub(crate) fn public(url: &'a str) -> Self {
        let (scheme, rest) = ("", url.into());
        Self { scheme, rest }
    }

    /// Reads it from `Host`, or from a target with an authority. Where neither
    /// is there or they are not of the usual form, it is the address that the
    /// client is connected to, if it is.
    pub(crate) fn of(parts: &'a Parts, address: Option<SocketAddr>) -> Option<Self> {
        let connected = || Some(address?.to_string().into());
        let rest = Self::read(&parts.uri, &parts.headers).or_else(connected)?;
        let scheme = "http://";
        Some(Self { scheme, rest })
    }

    fn read(uri: &'a Uri, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
        let host = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => headers.get(HOST).map(HeaderValue::to_str)?.ok()?,
        };
        // It becomes part of a JSON text and of a URL.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        let is_usual = !host.is_empty() && host.len() <= 300 && host.bytes().all(plain);
        is_usual.then_some(host.into())
    }

    /// The origin as a URL without a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.scheme, self.rest)
    }
}

/// Cuts a body at the URLs of the pictures that were kept; nothing where there
/// are none.
fn pieces(recording: &str, answer: &RecordedAnswer) -> Option<Vec<Piece>> {
    let body = &answer.response;
    let mut cuts = Vec::new();
    for range in string_values(body) {
        let string = decoded(&body[range.clone()]);
        let file = answer.files().iter().find(|file| {
            let url = string.as_deref();
            url == Some(file.url())
        });
        if let Some(file) = file {
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

/// Where the strings of a JSON text stand that are values and not keys, without
/// their quotes, in order.
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

/// What a string stands for, however it is spelled.
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
    fn a_string_is_found_however_it_is_spelled_and_a_key_is_none() {
        let json = br#"{"https://a/b" : ["https:\/\/a\u002fb", "https://a/b"], "a":"a\"b", "":""}"#;
        let values = string_values(json).into_iter();
        let values: Vec<_> = values.map(|range| decoded(&json[range]).unwrap()).collect();
        assert_eq!(values, ["https://a/b", "https://a/b", "a\"b", ""]);
        for odd in ["", "\"", "\"\\", "[\"a", "\"\"\""] {
            string_values(odd.as_bytes());
        }
    }

    #[test]
    fn an_origin_is_taken_only_in_its_usual_form() {
        let origin = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            let uri = Uri::from_static("/v1");
            Origin::read(&uri, &headers).map(Cow::into_owned)
        };
        assert_eq!(origin("[::1]:80").as_deref(), Some("[::1]:80"));
        assert_eq!(origin("mock:4010").as_deref(), Some("mock:4010"));
        for odd in ["", "a\"b", "a/b", "user@host", "a b", &"a".repeat(301)] {
            assert_eq!(origin(odd), None, "{odd}");
        }
        let uri = Uri::from_static("http://proxied:1/v1");
        let found = Origin::read(&uri, &HeaderMap::new()).map(Cow::into_owned);
        assert_eq!(found.as_deref(), Some("proxied:1"));
    }
}
