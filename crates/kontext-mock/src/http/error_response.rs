//! Responses before they are sent, and errors in the provider's format.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use serde::Serialize;
use strum::IntoStaticStr;

use crate::{ERROR_HEADER, truncate};

/// The provider's documented message for a missing or wrong key.
pub(crate) const UNAUTHORIZED: &str = "This request requires a valid API key. You can create a new API key on the Billing page: https://aimlapi.com/app/keys";

/// The provider's documented message when the credits have run out.
const OUT_OF_CREDITS: &str = "You've run out of credits. Please top up your balance or update your payment method to continue: https://aimlapi.com/app/billing/";

/// Why the mock refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Reason {
    NotFound,
    Unauthorized,
    BodyTooLarge,
    BodyCut,
    ContentEncoding,
    MediaType,
    NotJson,
    Contract,
    Miss,
    /// A control header of the mock is invalid.
    Session,
    Fault,
    Prefer,
    /// A fault or the request asked for an error.
    Simulated,
    /// The recorder's upstream cannot be reached.
    #[cfg(feature = "record")]
    Upstream,
}

/// A refused request, with the reason and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// The invalid fields, if the body is invalid.
    pub(crate) fields: Vec<String>,
}

impl Reason {
    fn status(self) -> StatusCode {
        match self {
            // Also used for a wrong method: the contract declares no 405.
            Self::NotFound | Self::Miss => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            // A limit of the mock itself, which the contract cannot declare.
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            // Not 415: the contract does not declare it.
            Self::MediaType
            | Self::ContentEncoding
            | Self::BodyCut
            | Self::NotJson
            | Self::Contract
            | Self::Session
            | Self::Fault
            | Self::Prefer => StatusCode::BAD_REQUEST,
            Self::Simulated => StatusCode::INTERNAL_SERVER_ERROR,
            #[cfg(feature = "record")]
            Self::Upstream => StatusCode::BAD_GATEWAY,
        }
    }

    /// The value of [`ERROR_HEADER`](crate::ERROR_HEADER).
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            status: reason.status(),
            message: message.into(),
            fields: Vec::new(),
        }
    }

    /// The documented error for a status from 400 to 599, requested by a fault or by
    /// the request itself.
    pub(crate) fn simulated(status: StatusCode) -> Self {
        let message = match status.as_u16() {
            400 => "Body validation error",
            401 => UNAUTHORIZED,
            403 => OUT_OF_CREDITS,
            429 => "Too Many Requests",
            500 => "Internal server error",
            502 => "Bad Gateway",
            503 => "Service unavailable",
            504 => "Generation timeout",
            _ => status.canonical_reason().unwrap_or("Unknown error"),
        };
        Self {
            status,
            ..Self::new(Reason::Simulated, message)
        }
    }

    /// The error response, in the provider's format; its request id is derived from
    /// `number`, the number of the request.
    pub(crate) fn reply(&self, path: &str, number: u64) -> Reply {
        let body = ErrorBody {
            request_id: synthetic_id(0, number),
            status_code: self.status.as_u16(),
            timestamp: TIMESTAMP,
            path: &truncate::text(path, 1000),
            message: &self.message,
        };
        // Strings and numbers always serialize.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut reply = Reply::new(self.status, "application/json", body);
        reply.set(ERROR_HEADER, self.reason.name());
        reply
    }
}

/// A complete response. It is not streamed, because faults and the journal inspect it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The timestamp of every synthetic error. It is constant, so that every test run gets
/// the same bytes.
const TIMESTAMP: &str = "2025-01-01T00:00:00.000Z";

/// The provider's error body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    request_id: String,
    status_code: u16,
    timestamp: &'a str,
    path: &'a str,
    message: &'a str,
}

impl Reply {
    /// Creates a response with a body of the given media type.
    pub(crate) fn new(
        status: StatusCode,
        media_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    /// Sets a header; an invalid value is ignored.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
    }

    /// Converts the reply to an axum response, unchanged.
    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// An id in UUID format that is obviously synthetic.
pub(crate) fn synthetic_id(kind: u8, number: u64) -> String {
    format!("{kind:08}-0000-4000-8000-{number:012x}")
}
