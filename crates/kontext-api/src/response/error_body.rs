//! The response behind an error.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::client::call::{Call, ClientRequestId};
use crate::redact::Redactor;
use crate::response::cost::named_cost;
use crate::response::{headers, json};

/// A response without images: status, headers, body and the error in it.
///
/// The body may be JSON in the provider's error format, a gateway's HTML page, or empty.
///
/// Display and Debug show the status, the message, the request id and (Display) the target of
/// a redirect or (Debug) the names of headers, but not the rest of the body or other header
/// values, and not the API key if a server echoes it. [`body`](Self::body),
/// [`headers`](Self::headers) and the methods that return the value of a header return it as
/// received.
#[derive(Clone)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    is_cut: bool,
    error: ErrorBody,
    is_providers_word: bool,
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
            // A date is a delay from when the response arrived, not from when the caller asks
            // for it.
            retry_after: headers::retry_after(&headers, SystemTime::now()),
            headers,
            body,
            is_cut,
            error: ErrorBody::default(),
            is_providers_word: false,
            redactor,
            call: None,
        }
    }

    /// Parses the body as an error.
    pub(crate) fn read_as_error(mut self) -> Self {
        self.error = ErrorBody::read(&self.body, &self.redactor);
        self.is_providers_word = !self.is_cut && is_providers_word(&self.body, self.status);
        self
    }

    /// Whether the response is from the provider itself, not from a gateway in front of it.
    pub(crate) fn is_providers_word(&self) -> bool {
        self.is_providers_word
    }

    /// Whether this is a Cloudflare challenge, which requires a browser.
    fn is_challenge(&self) -> bool {
        let title = self.message().unwrap_or_default();
        self.headers.contains_key("cf-mitigated")
            || headers::text(&self.headers, "server")
                .is_some_and(|server| server.eq_ignore_ascii_case("cloudflare"))
                && ["Just a moment", "Attention Required!"]
                    .iter()
                    .any(|beginning| title.starts_with(beginning))
    }

    /// Text from a server, for a message.
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

    /// The body as received, or the beginning of it if [`is_cut`](Self::is_cut).
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the body is incomplete: it exceeded the limit (64 KiB, or for a 2xx
    /// [`ClientBuilder::max_response_size`](crate::ClientBuilder::max_response_size)), the
    /// connection broke, or the body of an error timed out. The timeout after its head is 10
    /// seconds, or a quarter of the attempt timeout if that is shorter; for a download, it is
    /// the stall timeout.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The provider's error message in full, without the API key.
    ///
    /// It is `message` of the body, or else what gateways and other services use instead:
    /// `error` (text, or an object with a `message`), `detail` (text, or a list with `msg`),
    /// `errors` or `title`, or else the title of an HTML page.
    ///
    /// It may contain an upstream provider's JSON as text. A `message` that is not a string,
    /// such as a list, is returned as JSON.
    pub fn message(&self) -> Option<&str> {
        self.error.message.as_deref()
    }

    /// The status in the body, which may differ from the HTTP status.
    ///
    /// The provider writes it as a number or as a string.
    pub fn reported_status(&self) -> Option<u64> {
        self.error.status_code
    }

    /// The provider's id for the request, for its support: `requestId` of the body, without
    /// the API key, or else the header `x-inference-id`.
    pub fn request_id(&self) -> Option<&str> {
        self.error
            .request_id
            .as_deref()
            .or_else(|| self.inference_id())
    }

    /// The header `x-inference-id`.
    pub fn inference_id(&self) -> Option<&str> {
        headers::text(&self.headers, headers::INFERENCE_ID)
    }

    /// The call that this is a response to; `None` for a download.
    pub fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    /// The `X-Client-Request-Id` that the request was sent with; `None` for a download. The
    /// value that the provider returned is in the [`headers`](Self::headers).
    pub fn client_request_id(&self) -> Option<&ClientRequestId> {
        self.call().map(Call::client_request_id)
    }

    /// The cost in whole credits, rounded up: the header `x-aimlapi-credits-used`, or else
    /// `x-aimlapi-usd-spent`; 2,000,000 credits are 1 US dollar.
    pub fn credits_used(&self) -> Option<u64> {
        named_cost(&self.headers, None)
    }

    /// The header `x-aimlapi-usd-spent`, in US dollars, as written.
    pub fn usd_spent(&self) -> Option<&str> {
        headers::text(&self.headers, headers::USD_SPENT)
    }

    /// The `Retry-After` header (seconds or a date) as a delay from when the response arrived,
    /// at most 24 hours. A date is compared with the response's own `Date`, if it has one,
    /// because clocks differ.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The target of a redirect, truncated, without user name, password, query, fragment and
    /// API key: `an unsupported URL` if it is neither an http or https URL nor a path. The
    /// original value is in [`headers`](Self::headers).
    pub fn redirect_target(&self) -> Option<String> {
        let target = headers::redirect_target(&self.headers)?;
        Some(self.shown(&target, 200))
    }
}

/// Shows status, message and request id on one line.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status.as_u16())?;
        if self.status.is_redirection()
            && let Some(target) = self.redirect_target()
        {
            write!(f, ", a redirect to {target} that was not followed")?;
        }
        if self.is_challenge() {
            f.write_str(
                ", a Cloudflare challenge, which only a browser can pass: call from another \
                 network, or ask the provider's support to let this one through",
            )?;
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
            .field("body_size", &self.body.len())
            .field("is_cut", &self.is_cut)
            .finish()
    }
}

/// The fields of an error body.
#[derive(Clone, Default)]
pub(crate) struct ErrorBody {
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) status_code: Option<u64>,
    /// The field `status`, which unfinished jobs have.
    pub(crate) state: Option<String>,
}

impl ErrorBody {
    /// Parses as much as possible: a body may be truncated, start with a byte order mark,
    /// contain invalid UTF-8, or not be JSON at all. The message decides what a caller may do,
    /// so errors elsewhere must not lose it.
    pub(crate) fn read(body: &[u8], redactor: &Redactor) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = json::without_mark(&text);
        let mut error = Self::default();
        // Gateways and other services use other fields for the message. The first one present
        // wins.
        let mut others = [const { None }; 4];
        for (name, raw) in json::whole_members(text) {
            match &*name {
                _ if json::is_null(raw) => {}
                "message" => error.message = message(raw),
                "error" => others[0] = any_message(raw, 0),
                "detail" => others[1] = any_message(raw, 0),
                "errors" => others[2] = any_message(raw, 0),
                "title" => others[3] = any_message(raw, 0),
                "requestId" => error.request_id = identifier(raw),
                "statusCode" => error.status_code = status_code(raw),
                "status" => error.state = identifier(raw),
                _ => {}
            }
        }
        let without_key = |text: String| redactor.redact(&text);
        let message = error
            .message
            .or_else(|| others.into_iter().flatten().next());
        error.message = message.or_else(|| html_title(text)).map(without_key);
        error.request_id = error.request_id.map(without_key);
        error.state = error.state.map(without_key);
        error
    }
}

/// Whether a body is in the provider's own error format for this status: a complete JSON
/// object with a `requestId` and a `message` that are non-empty strings, and this status as
/// its `statusCode`, each of them once.
///
/// Gateways use other formats. They do not know what the service behind them did.
fn is_providers_word(body: &[u8], status: StatusCode) -> bool {
    let Some(members) = str::from_utf8(body).ok().and_then(json::all_members) else {
        return false;
    };
    let only = |wanted: &str| {
        let mut found = members.iter().filter(|(name, _)| name == wanted);
        let (_, raw) = found.next()?;
        found.next().is_none().then_some(*raw)
    };
    let has_text = |name| {
        let text = only(name).and_then(json::string);
        text.is_some_and(|text| !text.trim().is_empty())
    };
    let names_status = |raw| match json::string(raw) {
        Some(text) => text == status.as_str(),
        None => json::count(raw) == Some(status.as_u16().into()),
    };
    has_text("requestId") && has_text("message") && only("statusCode").is_some_and(names_status)
}

/// The title of an HTML page.
fn html_title(text: &str) -> Option<String> {
    if !text.trim_start().starts_with('<') {
        return None;
    }
    // ASCII only, so that offsets stay the same.
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let words: Vec<&str> = text[start..end].split_whitespace().collect();
    Some(words.join(" ")).filter(|title| !title.is_empty())
}

fn text(raw: &RawValue) -> Option<String> {
    let text = json::string(raw)?.into_owned();
    Some(text).filter(|text| !text.trim().is_empty())
}

/// A message. Anything but a string is shown as JSON; an empty string is `None`.
fn message(raw: &RawValue) -> Option<String> {
    match raw.get().starts_with('"') {
        true => text(raw),
        false => Some(raw.get().to_owned()),
    }
}

/// The message in another service's format: text, an object that contains one, or a list of
/// them.
fn any_message(raw: &RawValue, depth: usize) -> Option<String> {
    const DEEPEST: usize = 3;
    if depth > DEEPEST {
        return None;
    }
    if let Some(items) = json::list(raw) {
        let messages = items
            .into_iter()
            .filter_map(|raw| any_message(raw, depth + 1));
        let messages: Vec<String> = messages.collect();
        return Some(messages.join("; ")).filter(|text| !text.is_empty());
    }
    let members = json::whole_members(raw.get());
    let inner = ["message", "msg", "detail", "error", "title"].iter();
    let inner = inner.filter_map(|wanted| {
        let (_, raw) = members.iter().rev().find(|(name, _)| name == wanted)?;
        any_message(raw, depth + 1)
    });
    text(raw).or_else(|| inner.into_iter().next())
}

/// The id of a request: a non-empty string, or a number as written.
fn identifier(raw: &RawValue) -> Option<String> {
    text(raw).or_else(|| json::is_number(raw).then(|| raw.get().to_owned()))
}

fn status_code(raw: &RawValue) -> Option<u64> {
    match json::string(raw) {
        Some(text) => text.trim().parse().ok(),
        None => json::count(raw),
    }
}
