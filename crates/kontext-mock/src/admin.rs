//! The mock's own endpoints, under `/__mock/`; the README lists them.

mod body;
mod failure;
mod files;
mod query;
mod views;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{
        HeaderMap, Method, StatusCode,
        header::{HOST, ORIGIN},
        request::Parts,
    },
    response::Response,
};

use self::{failure::Failure, query::Query};
use crate::{ADMIN_PATH, fault::ActiveFault, log, mock::Mock, reply::Reply, request};

/// How long a body for these endpoints may be, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// The endpoints but files, with their methods; [`answer`] carries them out.
const ENDPOINTS: &[(&str, &str)] = &[
    ("health", "GET, HEAD"),
    ("requests", "GET, DELETE"),
    ("billed", "GET"),
    ("faults", "GET, PUT, DELETE"),
    ("reset", "POST"),
    ("recordings", "GET"),
    ("recordings/reload", "POST"),
];

/// Answers a request for an endpoint of the mock's own.
pub(crate) async fn serve(mock: &Arc<Mock>, parts: Parts, body: Body) -> Response {
    let path = parts.uri.path().strip_prefix(ADMIN_PATH);
    let path = path.unwrap_or_default();
    if let Some(name) = path.strip_prefix("files/") {
        request::discard_body(&parts.headers, body, BODY_LIMIT).await;
        return files::serve(mock, &parts, name).await.into_response();
    }
    let reply = match request::read_body(body, BODY_LIMIT).await {
        // A page in a browser must not drive a mock that happens to run beside it.
        _ if !is_own_origin(&parts.headers) => Err(Failure::new(
            StatusCode::FORBIDDEN,
            "pages of other origins cannot use /__mock/; call it from a program",
        )),
        Ok(body) => answer(mock, &parts, path, &body),
        Err(refusal) => Err(Failure::new(refusal.status, refusal.message)),
    };
    reply.unwrap_or_else(Failure::into_reply).into_response()
}

/// Carries out everything but files.
fn answer(mock: &Arc<Mock>, parts: &Parts, path: &str, body: &[u8]) -> Result<Reply, Failure> {
    const GET: Method = Method::GET;
    const HEAD: Method = Method::HEAD;
    const PUT: Method = Method::PUT;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    let session = || Query::of(parts, &["session"])?.session(mock);
    match (path, &parts.method) {
        ("health", &GET | &HEAD) => Ok(views::health(mock)),
        ("requests", &GET) => {
            let query = Query::of(parts, &["session", "misses", "since"])?;
            Ok(views::requests(mock, &query))
        }
        ("requests", &DELETE) => {
            let query = Query::of(parts, &["session"])?;
            mock.journal.forget(query.session.as_deref());
            Ok(views::done())
        }
        ("billed", &GET) => Ok(views::billed(&*session()?)),
        ("faults", &GET) => Ok(views::faults(&*session()?)),
        ("faults", &PUT) => {
            let body::Faults { faults } = body::read(body)?;
            let session = session()?;
            session.state().faults = faults.into_iter().map(ActiveFault::new).collect();
            Ok(views::faults(&session))
        }
        ("faults", &DELETE) => {
            session()?.state().faults.clear();
            Ok(views::done())
        }
        ("reset", &POST) => {
            let query = Query::of(parts, &["session"])?;
            let session = match &query.session {
                Some(_) => Some(query.session(mock)?),
                None => None,
            };
            mock.reset(session.as_deref());
            Ok(views::done())
        }
        ("recordings", &GET) => Ok(views::recordings(mock)),
        ("recordings/reload", &POST) => match mock.reload() {
            Ok(count) => Ok(views::reloaded(count)),
            Err(error) => Err(Failure::new(StatusCode::CONFLICT, log::with_causes(&error))),
        },
        _ => Err(unknown(path)),
    }
}

/// Whether a request comes from no page, or from one of the mock's own.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let host = headers
        .get(HOST)
        .map(|host| host.as_bytes())
        .unwrap_or_default();
    origin.as_bytes().strip_prefix(b"http://") == Some(host)
}

/// What there is, where something else was asked for.
fn unknown(path: &str) -> Failure {
    let names: Vec<_> = ENDPOINTS.iter().map(|(name, _)| *name).collect();
    match ENDPOINTS.iter().find(|(name, _)| *name == path) {
        Some((_, methods)) => Failure::method(methods),
        None => Failure::new(
            StatusCode::NOT_FOUND,
            format!("no such endpoint; /__mock/ has: {}", names.join(", ")),
        ),
    }
}
