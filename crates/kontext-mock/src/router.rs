//! The mock as a function from a request to a response.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Request, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    answer,
    contract::{Contract, Operation},
    judge,
    matching::{Asked, Match, MatchMode},
    recordings::Recordings,
    refusal::Refusal,
    request::{self, Key},
    shorten,
};

/// From how many bytes on a body is judged beside the other requests and not
/// among them: parsing megabytes takes long enough to hold them up.
const LARGE: usize = 64 * 1024;

/// Everything that answers requests.
#[derive(Debug)]
pub(crate) struct Mock {
    pub(crate) contract: Contract,
    pub(crate) recordings: Recordings,
    pub(crate) key: Option<Key>,
    pub(crate) match_mode: MatchMode,
    pub(crate) body_limit: usize,
    pub(crate) log_requests: bool,
    /// How many errors have been made up so far.
    pub(crate) errors: AtomicU64,
}

/// What a request came to: a response, and what the log says of it.
struct Outcome {
    response: Response,
    log: String,
}

/// Makes the router; everything the mock does is in it.
pub(crate) fn router(mock: Arc<Mock>) -> Router {
    Router::new()
        .route("/__mock/health", get(health).fallback(serve))
        .fallback(serve)
        .with_state(mock)
}

/// Says that the server is up.
async fn health() -> Response {
    let headers = [(CONTENT_TYPE, "application/json")];
    (headers, "{\"status\":\"ok\"}\n").into_response()
}

/// Answers every request but those for the mock's own endpoints.
async fn serve(State(mock): State<Arc<Mock>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let method = parts.method.clone();
    let path = parts.uri.path().to_owned();
    let outcome = match mock.clone().answer(parts, body).await {
        Ok(outcome) => outcome,
        Err(refusal) => {
            let number = mock.errors.fetch_add(1, Ordering::Relaxed) + 1;
            Outcome {
                response: refusal.response(&path, number),
                log: format!("error={}", refusal.reason.name()),
            }
        }
    };
    if mock.log_requests {
        let status = outcome.response.status().as_u16();
        let path = shorten::text(&path, 200);
        // A log that no one reads any more must not stop the server.
        let _ = writeln!(
            std::io::stderr().lock(),
            "{method} {path} {status} {}",
            outcome.log
        );
    }
    outcome.response
}

impl Mock {
    /// Answers a request, or refuses it, by checks in a fixed order.
    async fn answer(self: Arc<Self>, parts: Parts, body: Body) -> Result<Outcome, Refusal> {
        let admitted = request::find_operation(&self.contract, &parts.method, parts.uri.path())
            .and_then(|operation| {
                request::authorize(operation, &parts.headers, self.key.as_ref())?;
                Ok(operation)
            });
        let operation = match admitted {
            Ok(operation) => operation,
            Err(refusal) => {
                // A client that is still sending when the connection ends sees
                // a broken pipe and not the refusal.
                request::discard_body(body, self.body_limit).await;
                return Err(refusal);
            }
        };
        let body = request::read_body(body, self.body_limit).await?;
        if body.len() < LARGE {
            return self.answer_body(operation, &parts, &body);
        }
        let mock = self.clone();
        let judged = tokio::task::spawn_blocking(move || {
            let operation =
                request::find_operation(&mock.contract, &parts.method, parts.uri.path())?;
            mock.answer_body(operation, &parts, &body)
        });
        match judged.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, so no one waits for an answer.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Answers a request whose body has been read.
    fn answer_body(
        &self,
        operation: &Operation,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Outcome, Refusal> {
        let body = match operation.request() {
            Some(contract) => {
                if contract.required || !body.is_empty() {
                    request::media_type(&parts.headers)?;
                }
                judge::read(contract, body)?
            }
            None => {
                judge::refuse_body(body)?;
                None
            }
        };
        let asked = Asked {
            operation: operation.name(),
            query: parts.uri.query().filter(|query| !query.is_empty()),
            body: body.as_ref(),
        };
        let found = judge::find(&self.recordings, operation, &asked, self.match_mode)?;
        let mut log = format!("match={} recording={}", found.how, found.recording.name());
        if found.how != Match::Exact {
            log.push_str(" differs: ");
            log.push_str(&shorten::text(&found.differences.lines().join("; "), 1000));
        }
        Ok(Outcome {
            response: answer::replay(found.recording, found.how),
            log,
        })
    }
}
