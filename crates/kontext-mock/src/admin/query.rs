//! What a request for an endpoint says beside its path.

use std::sync::Arc;

use axum::http::request::Parts;
use url::form_urlencoded;

use super::failure::Failure;
use crate::{
    mock::Mock,
    session::{self, SESSION_HEADER, Session},
    shorten,
};

#[derive(Debug, Default)]
pub(super) struct Query {
    /// The session that is asked for, by its header or parameter.
    pub(super) session: Option<String>,
    pub(super) misses: bool,
    pub(super) since: u64,
}

impl Query {
    /// Reads what a request says, for an endpoint that has these parameters:
    /// one that is not known could be one that was misspelt, and everything
    /// would be forgotten in place of one session.
    pub(super) fn of(parts: &Parts, known: &[&str]) -> Result<Self, Failure> {
        let mut read = Self::default();
        if let Some(name) = parts.headers.get(SESSION_HEADER) {
            read.session = Some(String::from_utf8_lossy(name.as_bytes()).into_owned());
        }
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match known
                .iter()
                .find(|one| **one == name)
                .copied()
                .unwrap_or_default()
            {
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
                    return Err(Failure::bad_request(format!(
                        "unknown query parameter {:?}; this endpoint has: {}",
                        shorten::text(&name, 50),
                        known.join(", ")
                    )));
                }
            }
        }
        match &read.session {
            Some(name) if !session::is_name(name) => Err(bad_session()),
            _ => Ok(read),
        }
    }

    /// The session that is asked for, the one without a name by default.
    pub(super) fn session(&self, mock: &Mock) -> Result<Arc<Session>, Failure> {
        let Some(name) = &self.session else {
            return Ok(mock.sessions.unnamed());
        };
        mock.sessions.named(name).map_err(|_| bad_session())
    }
}

fn bad_session() -> Failure {
    Failure::bad_request("session: expected 1 to 64 characters of A-Z a-z 0-9 . _ -")
}
