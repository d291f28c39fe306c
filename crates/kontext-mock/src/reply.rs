//! An answer of the mock before it is put on the wire.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use serde::Serialize;

use crate::shorten;

/// What a client gets: faults and the journal look at it, so it is no stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// When every made-up error happened: it is no real time, so that two runs of
/// a test see the same bytes.
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
    /// An answer with a body of a media type.
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

    /// An error in the provider's shape; `number` is that of the request, from
    /// which its id is made.
    pub(crate) fn error(status: StatusCode, message: &str, path: &str, number: u64) -> Self {
        let body = ErrorBody {
            request_id: made_up_id(0, number).into(),
            status_code: status.as_u16(),
            timestamp: TIMESTAMP,
            path: &shorten::text(path, 1000),
            message,
        };
        // A struct of texts and a number has no way not to be JSON.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        Self::new(status, "application/json", body)
    }

    /// Sets a header whose value is known to be one; another is left out.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
    }

    /// Puts the answer on the wire as it is.
    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// An id in the form of a UUID that nobody takes for a real one.
pub(crate) fn made_up_id(kind: u8, number: u64) -> MadeUpId {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = *b"00000000-0000-4000-8000-000000000000";
    text[7] = b'0' + kind % 10;
    let mut rest = number;
    for place in text[24..].iter_mut().rev() {
        *place = DIGITS[(rest % 16) as usize];
        rest /= 16;
    }
    MadeUpId(text)
}

/// An id of ASCII characters.
pub(crate) struct MadeUpId([u8; 36]);

impl From<MadeUpId> for HeaderValue {
    fn from(id: MadeUpId) -> Self {
        // Digits and hyphens have no way not to be a header's value.
        Self::from_bytes(&id.0).unwrap_or_else(|_| Self::from_static(""))
    }
}

impl From<MadeUpId> for String {
    fn from(id: MadeUpId) -> Self {
        Self::from_utf8_lossy(&id.0).into_owned()
    }
}
