//! What a server answered when it was not an image: the evidence of an error.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::client::call::{Call, ClientRequestId};
use crate::redact::Redactor;
use crate::response::headers;
use crate::response::json::{self, Pointer};
use crate::response::number::Number;

/// An answer as it came: status, headers, body and what the body says.
///
/// The body may be JSON in the provider's error shape, an HTML page of a
/// gateway, or nothing at all; all of them are normal.
///
/// Neither print shows the body. Of the values of headers they show the request
/// id and where a redirect points, and of what the body says its message. The
/// API key is removed from all of that, should a server send it back;
/// [`body`](Self::body), [`headers`](Self::headers) and the methods that give a
/// header's value have it as it came.
#[derive(Clone)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    is_cut: bool,
    told: ErrorBody,
    redactor: Redactor,
    retry_after: Option<Duration>,
    pub(crate) call: Option<Call>,
}

impl Reply {
    pub(crate) fn new(
        status: StatusCode,
        headers: HeaderMap,
        body: Vec<u8>,
        is_cut: bool,
        redactor: Redactor,
    ) -> Self {
        Self {
            status,
            // A date means a delay from when the answer came, not from when it is asked for.
            retry_after: headers::retry_after(&headers, SystemTime::now()),
            headers,
            body,
            is_cut,
            told: ErrorBody::default(),
            redactor,
            call: None,
        }
    }

    /// Reads the body of an error.
    pub(crate) fn read_as_error(mut self) -> Self {
        self.told = ErrorBody::read(&self.body, &self.redactor);
        self
    }

    /// What a server wrote, fit for a message.
    pub(crate) fn shown(&self, text: &str, limit: usize) -> String {
        self.redactor.shown(text, limit)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body as it came, or the beginning of it if [`is_cut`](Self::is_cut).
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether there was more: the body was over the limit (64 KiB, or for a 2xx
    /// what [`ClientBuilder::max_answer_bytes`](crate::ClientBuilder::max_answer_bytes)
    /// says), the connection ended before it did, or the body of an error did not
    /// arrive within 10 seconds of its head.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// What the provider says went wrong, in full; the API key is removed from
    /// it. It is `message` of the body, else `error.message`, else `error`.
    ///
    /// It can hold an upstream provider's JSON as text, and a list of messages is
    /// given as JSON.
    pub fn message(&self) -> Option<&str> {
        self.told.message.as_deref()
    }

    /// The status that the body names, which may differ from the HTTP status.
    ///
    /// The provider writes it as a number or as a string.
    pub fn reported_status(&self) -> Option<u64> {
        self.told.status_code
    }

    /// The provider's name for the request, for its support: `requestId` of the
    /// body, without the API key, else the header `x-inference-id`.
    pub fn request_id(&self) -> Option<&str> {
        self.told
            .request_id
            .as_deref()
            .or_else(|| self.inference_id())
    }

    /// The header `x-inference-id`.
    pub fn inference_id(&self) -> Option<&str> {
        headers::text(&self.headers, headers::INFERENCE_ID)
    }

    /// The call that this is an answer to; nothing for a download.
    pub fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    /// The `X-Client-Request-Id` that the request was sent with; nothing for a
    /// download. What the provider sent back is among the [`headers`](Self::headers).
    pub fn client_request_id(&self) -> Option<&ClientRequestId> {
        self.call().map(Call::client_request_id)
    }

    /// The header `x-aimlapi-credits-used`; 2,000,000 credits are 1 US dollar.
    pub fn credits_used(&self) -> Option<u64> {
        headers::text(&self.headers, headers::CREDITS_USED)?
            .parse()
            .ok()
    }

    /// The header `x-aimlapi-usd-spent`, in US dollars, as it is written.
    pub fn usd_spent(&self) -> Option<&str> {
        headers::text(&self.headers, headers::USD_SPENT)
    }

    /// The header `Retry-After`, a number of seconds or a date, counted from when the
    /// answer came; at most a day. A date is compared with the answer's own `Date`,
    /// where it has one, because clocks differ.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Where a redirect points, shortened, without user name, password, query,
    /// fragment and API key: `another place` where it is neither an http or https
    /// URL nor a path. What the server wrote is in [`headers`](Self::headers).
    pub fn redirect_target(&self) -> Option<String> {
        let target = headers::redirect_target(&self.headers)?;
        Some(self.shown(&target, 200))
    }
}

/// Status, message and id, on one line.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status.as_u16())?;
        if self.status.is_redirection()
            && let Some(target) = self.redirect_target()
        {
            write!(f, ", a redirect to {target} that was not followed")?;
        }
        if let Some(message) = self.message() {
            write!(f, ": {}", self.shown(message, 300))?;
        }
        match self.request_id() {
            Some(id) => write!(f, " (request id {})", self.shown(id, 128)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field(
                "message",
                &self.message().map(|message| self.shown(message, 300)),
            )
            .field(
                "request_id",
                &self.request_id().map(|id| self.shown(id, 128)),
            )
            .field("headers", &headers::Names(&self.headers, &self.redactor))
            .field("body_bytes", &self.body.len())
            .field("is_cut", &self.is_cut)
            .finish()
    }
}

/// What a body in the provider's error shape says.
#[derive(Clone, Default)]
pub(crate) struct ErrorBody {
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) status_code: Option<u64>,
}

impl ErrorBody {
    /// Reads as much as there is: a body may be cut, begin with a byte order mark,
    /// have a byte that is not UTF-8, or be no JSON at all. The message counts for
    /// what a caller may do, so it is not lost over something beside it.
    pub(crate) fn read(body: &[u8], redactor: &Redactor) -> Self {
        let text = String::from_utf8_lossy(body);
        let mut told = Self::default();
        let mut nested = None;
        for (name, raw) in json::whole_members(json::without_mark(&text)) {
            match &*name {
                _ if json::is_null(raw) => {}
                "message" => told.message = shown(raw),
                "error" => nested = error_message(raw),
                "requestId" => told.request_id = identifier(raw),
                "statusCode" => told.status_code = status_code(raw),
                _ => {}
            }
        }
        let without_key = |text: String| redactor.redact(&text);
        told.message = told.message.or(nested).map(without_key);
        told.request_id = told.request_id.map(without_key);
        told
    }
}

fn string(raw: &RawValue) -> Option<String> {
    json::string(raw, &Pointer::Root).ok().map(Cow::into_owned)
}

/// A message; a list of them is shown as it is written. An empty one is none.
fn shown(raw: &RawValue) -> Option<String> {
    let message = string(raw).unwrap_or_else(|| raw.get().to_owned());
    Some(message).filter(|message| !message.trim().is_empty())
}

/// The message of `error`, which gateways write as text or as an object.
fn error_message(raw: &RawValue) -> Option<String> {
    if let Some(text) = string(raw) {
        return Some(text).filter(|text| !text.trim().is_empty());
    }
    let members = json::whole_members(raw.get());
    let mut last_first = members.iter().rev();
    let (_, message) = last_first.find(|(name, raw)| name == "message" && !json::is_null(raw))?;
    shown(message)
}

/// A name of a request: text, or a number as it is written. An empty one is none.
fn identifier(raw: &RawValue) -> Option<String> {
    let number = || json::is_number(raw).then(|| raw.get().to_owned());
    string(raw)
        .or_else(number)
        .filter(|name| !name.trim().is_empty())
}

fn status_code(raw: &RawValue) -> Option<u64> {
    match string(raw) {
        Some(text) => text.trim().parse().ok(),
        None => Number::from_json(raw.get()).as_u64(),
    }
}
