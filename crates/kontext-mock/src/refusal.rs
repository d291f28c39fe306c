//! Requests that no recording answers, and the error that the mock makes up
//! for them in the provider's shape.

use axum::{
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{ERROR_HEADER, MATCH_HEADER, matching::Match, shorten};

/// What the provider documents for a missing or wrong key.
pub(crate) const UNAUTHORIZED: &str = "This request requires a valid API key. You can create a new API key on the Billing page: https://aimlapi.com/app/keys";

/// When every made-up error happened: it is no real time, so that two runs of
/// a test see the same bytes.
const TIMESTAMP: &str = "2025-01-01T00:00:00.000Z";

/// Why the mock refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NotFound,
    Unauthorized,
    TooLarge,
    Cut,
    MediaType,
    NotJson,
    Contract,
    Miss,
}

/// A request that is refused, with the message that says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

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

impl Reason {
    fn status(self) -> StatusCode {
        match self {
            Self::NotFound | Self::Miss => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Cut | Self::NotJson | Self::Contract => StatusCode::BAD_REQUEST,
        }
    }

    /// The value of [`ERROR_HEADER`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Unauthorized => "unauthorized",
            Self::TooLarge => "body-too-large",
            Self::Cut => "body-cut",
            Self::MediaType => "media-type",
            Self::NotJson => "not-json",
            Self::Contract => "contract",
            Self::Miss => "miss",
        }
    }
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// Makes the response to a request for `path`; `number` counts the errors
    /// of a server from 1 and becomes the request's id.
    pub(crate) fn response(&self, path: &str, number: u64) -> Response {
        let status = self.reason.status();
        let body = ErrorBody {
            request_id: format!("00000000-0000-4000-8000-{:012x}", number & 0xffff_ffff_ffff),
            status_code: status.as_u16(),
            timestamp: TIMESTAMP,
            path: &shorten::text(path, 1000),
            message: &self.message,
        };
        // A struct of texts and a number has no way not to be JSON.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ERROR_HEADER, HeaderValue::from_static(self.reason.name()));
        if self.reason == Reason::Miss {
            headers.insert(MATCH_HEADER, HeaderValue::from_static(Match::Miss.name()));
        }
        response
    }
}
