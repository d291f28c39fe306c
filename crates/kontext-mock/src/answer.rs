//! Responses that replay a recording.

use axum::{body::Body, http::HeaderValue, response::Response};

use crate::{MATCH_HEADER, RECORDING_HEADER, matching::Match, recordings::Recording};

/// Replays a recording: its status, its headers and its body byte for byte,
/// with two headers of ours that say which it is and how it was found.
pub(crate) fn replay(recording: &Recording, how: Match) -> Response {
    let mut response = Response::new(Body::from(recording.response_bytes()));
    *response.status_mut() = recording.status_code();
    *response.headers_mut() = recording.headers().clone();
    let headers = response.headers_mut();
    headers.insert(MATCH_HEADER, HeaderValue::from_static(how.name()));
    // The name is in kebab case, which loading has made sure of.
    if let Ok(name) = HeaderValue::from_str(recording.name()) {
        headers.insert(RECORDING_HEADER, name);
    }
    response
}
