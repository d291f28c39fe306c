//! What a request for an endpoint says beside its path.

use std::sync::Arc;

use axum::http::request::Parts;
use url::form_urlencoded;

use super::failure::Failure;
use crate::{
    mock::Mock,
    session::{SESSION_HEADER, Session},
};

#[derive(Debug, Default)]
pub(super) struct Query {
    /// The session that is asked for, by its header or parameter.
    pub(super) session: Option<String>,
    pub(super) misses: bool,
    pub(super) since: u64,
}

impl Query {
    pub(super) fn of(parts: &Parts) -> Result<Self, Failure> {
        let mut read = Self::default();
        if let Some(name) = parts.headers.get(SESSION_HEADER) {
            read.session = Some(String::from_utf8_lossy(name.as_bytes()).into_owned());
        }
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "session" => read.session = Some(value.into_owned()),
                "misses" => {
                    read.misses = value.parse().map_err(|_| {
                        Failure::bad_request("query misses: expected true or false")
                    })?;
                }
                "since" => {
                    read.since = value.parse().map_err(|_| {
                        Failure::bad_request("query since: expected the number of a request")
                    })?;
                }
                _ => {
                    return Err(Failure::bad_request(
                        "unknown query parameter; session, misses and since are known",
                    ));
                }
            }
        }
        Ok(read)
    }

    /// The session that is asked for, the one without a name by default.
    pub(super) fn session(&self, mock: &Mock) -> Result<Arc<Session>, Failure> {
        let Some(name) = &self.session else {
            return Ok(mock.sessions.unnamed());
        };
        mock.sessions.named(name).map_err(|_| {
            Failure::bad_request("session: expected 1 to 64 characters of A-Z a-z 0-9 . _ -")
        })
    }
}
