//! What a server answered when it was not an image: the evidence of an error.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::api_key::ApiKey;
use crate::headers;
use crate::json::{self, Pointer};
use crate::text::one_line;

/// An answer as it came: status, headers, body and what the body says.
///
/// The body may be JSON in the provider's error shape, an HTML page of a
/// gateway, or nothing at all; all of them are normal. Its Debug print shows
/// neither the body nor the values of headers.
#[derive(Clone)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    is_cut: bool,
    told: Told,
}

/// What a body in the provider's error shape says.
#[derive(Clone, Default)]
struct Told {
    message: Option<String>,
    request_id: Option<String>,
    status_code: Option<u64>,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: Vec<u8>, is_cut: bool) -> Self {
        Self {
            status,
            headers,
            body,
            is_cut,
            told: Told::default(),
        }
    }

    /// Reads the body of an error; the key is removed from what it says.
    pub(crate) fn read_as_error(mut self, key: &ApiKey) -> Self {
        let mut told = read(&self.body).unwrap_or_default();
        told.message = told.message.map(|message| key.redact(message));
        told.request_id = told.request_id.map(|id| key.redact(id));
        self.told = told;
        self
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
    /// says), or the connection ended before it did.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// What the provider says went wrong, in full; the API key is removed from it.
    ///
    /// It can hold an upstream provider's JSON as text.
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
    /// body, else the header `x-inference-id`.
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

    /// The header `x-client-request-id`, the echo of what the caller sent.
    pub fn client_request_id(&self) -> Option<&str> {
        headers::text(&self.headers, headers::CLIENT_REQUEST_ID)
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

    /// The header `Retry-After`, where it is a number of seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        headers::retry_after(&self.headers)
    }

    /// Where a redirect points, without user name, password, query and fragment.
    pub fn redirect_target(&self) -> Option<String> {
        headers::redirect_target(&self.headers)
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
            write!(f, ": {}", one_line(message, 300))?;
        }
        match self.request_id() {
            Some(id) => write!(f, " (request id {})", one_line(id, 128)),
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
                &self.message().map(|message| one_line(message, 300)),
            )
            .field("request_id", &self.request_id())
            .field("headers", &headers::Names(&self.headers))
            .field("body_bytes", &self.body.len())
            .field("is_cut", &self.is_cut)
            .finish()
    }
}

/// Reads the provider's error shape; whatever is not in it is left alone.
fn read(body: &[u8]) -> Option<Told> {
    let raw: &RawValue = serde_json::from_slice(body).ok()?;
    let members = json::object(raw, &Pointer::Root).ok()?;
    let mut told = Told::default();
    for (name, raw) in members {
        let at = Pointer::Root;
        let string = json::string(raw, &at).ok();
        match name.as_str() {
            _ if json::is_null(raw) => {}
            // A list of messages is shown as it is written.
            "message" => told.message = Some(string.unwrap_or_else(|| raw.get().to_owned())),
            "requestId" => told.request_id = string,
            "statusCode" => {
                told.status_code = match string {
                    Some(text) => text.trim().parse().ok(),
                    None => json::count(raw, &at).ok(),
                }
            }
            _ => {}
        }
    }
    Some(told)
}
