//! Why an endpoint does not do what it was asked for.

use axum::http::StatusCode;
use serde_json::json;

use crate::reply::Reply;

/// A failure, which is answered as `{"error": "…"}`.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    problem: String,
    /// The methods that the endpoint has, where another one was used.
    allow: Option<&'static str>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, problem: impl Into<String>) -> Self {
        Self {
            status,
            problem: problem.into(),
            allow: None,
        }
    }

    pub(super) fn bad_request(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem)
    }

    /// Another method was used than the endpoint has.
    pub(super) fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("method not allowed; this endpoint takes {allow}"),
            )
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        let mut text = json!({ "error": self.problem }).to_string();
        text.push('\n');
        let mut reply = Reply::new(self.status, "application/json", text);
        if let Some(allow) = self.allow {
            reply.set("allow", allow);
        }
        reply
    }
}
