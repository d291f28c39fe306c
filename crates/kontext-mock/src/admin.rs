//! The mock's own endpoints, under `/__mock/`; the README lists them.

use axum::{
    body::Body,
    http::{
        HeaderMap, Method, StatusCode,
        header::{ACCEPT, HOST, ORIGIN},
        request::Parts,
    },
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::form_urlencoded;

use crate::{
    ADMIN_PATH,
    http::{body, error_response::Reply, headers},
    log,
    matching::index::RecordingIndex,
    recordings::RecordedAnswer,
    respond::picture::Picture,
    state::{
        Mock,
        faults::{ActiveFault, Fault},
        journal::{JOURNAL_ENTRIES, Received},
        session::{self, SESSION_HEADER, Session},
    },
    truncate,
};

/// The maximum length of a body for these endpoints, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// The web page at [`ADMIN_PATH`]: requests, faults and recordings.
const PAGE: &str = include_str!("page.html");

/// The page is a single file, loads nothing from other origins, and cannot be framed.
const PAGE_POLICY: &str = "default-src 'self'; img-src 'self' data:; script-src 'unsafe-inline'; \
                           style-src 'unsafe-inline'; frame-ancestors 'none'";

/// The endpoints except the page and files, with their methods; implemented by
/// [`answer`].
const ENDPOINTS: &[(&str, &str)] = &[
    ("health", "GET, HEAD"),
    ("requests", "GET, DELETE"),
    ("billed", "GET"),
    ("faults", "GET, PUT, DELETE"),
    ("reset", "POST"),
    ("recordings", "GET"),
    ("recordings/reload", "POST"),
];

/// Handles a request to one of the mock's own endpoints.
pub(crate) async fn serve(mock: &Arc<Mock>, parts: Parts, body: Body) -> Response {
    let path = parts.uri.path().strip_prefix(ADMIN_PATH);
    let path = path.unwrap_or_default();
    if let Some(name) = path.strip_prefix("files/") {
        body::discard_body(&parts.headers, body, BODY_LIMIT).await;
        return serve_file(mock, &parts, name).await.into_response();
    }
    let reply = match body::read_body(body, BODY_LIMIT).await {
        // A web page must not control a mock that happens to run on the same machine.
        _ if !is_own_origin(mock, &parts.headers) => Err(Failure::new(
            StatusCode::FORBIDDEN,
            "pages of other origins cannot use /__mock/; call it from a program",
        )),
        Ok(body) => answer(mock, &parts, path, &body),
        Err(refusal) => Err(Failure::new(refusal.status, refusal.message)),
    };
    reply.unwrap_or_else(Failure::into_reply).into_response()
}

/// Redirects a browser that opens the mock's address to the page. Other clients do not
/// ask for HTML, and get the service's 404.
pub(crate) fn redirect_browser(parts: &Parts) -> Option<Response> {
    let accepted = parts
        .headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    let accepts_html = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    let is_front = matches!(parts.uri.path(), "/" | "/__mock");
    (parts.method == Method::GET && accepts_html && is_front).then(|| {
        let mut reply = Reply {
            status: StatusCode::SEE_OTHER,
            ..Reply::default()
        };
        reply.set("location", ADMIN_PATH);
        reply.into_response()
    })
}

/// Implements all endpoints except files.
fn answer(mock: &Arc<Mock>, parts: &Parts, path: &str, body: &[u8]) -> Result<Reply, Failure> {
    let session = || Query::of(parts, &["session"])?.session(mock);
    match (path, parts.method.as_str()) {
        ("", "GET" | "HEAD") => Ok(page()),
        ("health", "GET" | "HEAD") => Ok(health(mock)),
        ("requests", "GET") => {
            let query = Query::of(parts, &["session", "misses", "since"])?;
            Ok(requests(mock, &query))
        }
        ("requests", "DELETE") => {
            let query = Query::of(parts, &["session"])?;
            mock.journal.forget(query.session.as_deref());
            Ok(done())
        }
        ("billed", "GET") => Ok(billed(&*session()?)),
        ("faults", "GET") => Ok(show_faults(&*session()?)),
        ("faults", "PUT") => {
            let Faults { faults } = serde_json::from_slice(body)
                .map_err(|error| Failure::bad_request(format!("the body: {error}")))?;
            let session = session()?;
            session.state().faults = faults.into_iter().map(ActiveFault::new).collect();
            Ok(show_faults(&session))
        }
        ("faults", "DELETE") => {
            session()?.state().faults.clear();
            Ok(done())
        }
        ("reset", "POST") => {
            let query = Query::of(parts, &["session"])?;
            let named = query.session.as_ref().map(|_| query.session(mock));
            mock.reset(named.transpose()?.as_deref());
            Ok(done())
        }
        ("recordings", "GET") => Ok(recordings(mock)),
        ("recordings/reload", "POST") => match mock.reload() {
            Ok(count) => Ok(ok(&json!({ "recordings": count }))),
            Err(error) => Err(Failure::new(StatusCode::CONFLICT, log::with_causes(&error))),
        },
        _ => Err(unknown(path)),
    }
}

/// Whether a request does not come from a web page, or comes from one of the mock's own.
fn is_own_origin(mock: &Mock, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let host = headers
        .get(HOST)
        .map(|host| host.as_bytes())
        .unwrap_or_default();
    let is_public = |url: &String| {
        let rest = url.as_bytes().strip_prefix(origin.as_bytes());
        rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    };
    origin.as_bytes().strip_prefix(b"http://") == Some(host)
        || mock.settings.public_url.as_ref().is_some_and(is_public)
}

/// The error for an unknown endpoint or method, which lists the existing ones.
fn unknown(path: &str) -> Failure {
    let names: Vec<_> = ENDPOINTS.iter().map(|(name, _)| *name).collect();
    match ENDPOINTS.iter().find(|(name, _)| *name == path) {
        Some((_, methods)) => Failure::method(methods),
        None if path.is_empty() => Failure::method("GET, HEAD"),
        None => Failure::new(
            StatusCode::NOT_FOUND,
            format!("no such endpoint; /__mock/ has: {}", names.join(", ")),
        ),
    }
}

/// `{"faults": ["delay=100ms"]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    faults: Vec<Fault>,
}

/// An error response, `{"error": "…"}`.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    problem: String,
    /// The supported methods, if another one was used.
    allow: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, problem: impl Into<String>) -> Self {
        Self {
            status,
            problem: problem.into(),
            allow: None,
        }
    }

    pub(crate) fn bad_request(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem)
    }

    /// The endpoint does not support the request's method.
    pub(crate) fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("method not allowed; this endpoint takes {allow}"),
            )
        }
    }

    pub(crate) fn into_reply(self) -> Reply {
        let mut text = json!({ "error": self.problem }).to_string();
        text.push('\n');
        let mut reply = Reply::new(self.status, "application/json", text);
        if let Some(allow) = self.allow {
            reply.set("allow", allow);
        }
        reply
    }
}

/// Serves `generated/<token>.png`, or `<operation>/<case>/<file>`.
async fn serve_file(mock: &Arc<Mock>, parts: &Parts, name: &str) -> Reply {
    let file = if !matches!(parts.method, Method::GET | Method::HEAD) {
        Err(Failure::method("GET, HEAD"))
    } else if let Some(token) = name.strip_prefix("generated/") {
        generated(token).await
    } else {
        recorded(&mock.loaded().set, name).ok_or_else(unknown_file)
    };
    let mut reply = file.unwrap_or_else(Failure::into_reply);
    // A web page may show the pictures that responses link to.
    headers::add_cors(&mut reply.headers, &parts.headers);
    reply
}

fn unknown_file() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "no recording has this file; URLs in the mock's responses name the existing ones",
    )
}

/// Draws a picture, on a blocking thread because it is slow.
async fn generated(token: &str) -> Result<Reply, Failure> {
    let picture = Picture::from_file_name(token).ok_or_else(unknown_file)?;
    let media_type = picture.format.content_type();
    match tokio::task::spawn_blocking(move || picture.render()).await {
        Ok(Ok(bytes)) => Ok(Reply::new(StatusCode::OK, media_type, bytes)),
        _ => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the picture could not be drawn",
        )),
    }
}

fn recorded(set: &RecordingIndex, name: &str) -> Option<Reply> {
    let (recording, file) = name.rsplit_once('/')?;
    let recording = set.recordings.get(recording)?;
    let mut files = recording.answers().iter().flat_map(|answer| answer.files());
    let file = files.find(|one| one.file() == file)?;
    let mut reply = Reply {
        body: file.bytes.clone(),
        ..Reply::default()
    };
    reply.set("content-length", &file.bytes.len().to_string());
    reply.set("content-type", file.content_type());
    Some(reply)
}

#[derive(Debug, Default)]
pub(crate) struct Query {
    /// The session named in the header or the parameter.
    pub(crate) session: Option<String>,
    pub(crate) misses: bool,
    pub(crate) since: u64,
}

impl Query {
    /// Parses the query of an endpoint with these parameters. Rejects unknown ones, since
    /// a misspelled `session` would otherwise reset everything instead of one session.
    pub(crate) fn of(parts: &Parts, known: &[&str]) -> Result<Self, Failure> {
        let mut read = Self::default();
        if let Some(name) = parts.headers.get(SESSION_HEADER) {
            read.session = Some(String::from_utf8_lossy(name.as_bytes()).into_owned());
        }
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                _ if !known.contains(&&*name) => {
                    return Err(Failure::bad_request(format!(
                        "unknown query parameter {:?}; this endpoint has: {}",
                        truncate::text(&name, 50),
                        known.join(", ")
                    )));
                }
                "session" => read.session = Some(value.into_owned()),
                "misses" => {
                    read.misses = value.parse().map_err(|_| {
                        Failure::bad_request("query misses: expected true or false")
                    })?;
                }
                _ => {
                    read.since = value.parse().map_err(|_| {
                        Failure::bad_request("query since: expected the number of a request")
                    })?;
                }
            }
        }
        match &read.session {
            Some(name) if !session::is_name(name) => Err(bad_session()),
            _ => Ok(read),
        }
    }

    /// The requested session; by default the unnamed one.
    pub(crate) fn session(&self, mock: &Mock) -> Result<Arc<Session>, Failure> {
        let Some(name) = &self.session else {
            return Ok(mock.sessions.unnamed());
        };
        mock.sessions.named(name).ok_or_else(bad_session)
    }
}

fn bad_session() -> Failure {
    Failure::bad_request("session: expected 1 to 64 characters of A-Z a-z 0-9 . _ -")
}

fn page() -> Reply {
    let mut reply = Reply::new(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    reply.set("content-security-policy", PAGE_POLICY);
    reply
}

pub(crate) fn health(mock: &Mock) -> Reply {
    let loaded = mock.loaded();
    let operations = mock.contract.operations();
    let contract = operations.map(|one| json!({"operation": one.name(), "sha256": one.sha256()}));
    ok(&json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "match": mock.settings.match_mode.to_string(),
        "validation": mock.settings.validation.to_string(),
        "recordings": loaded.set.prepared.len(),
        "stale": loaded.set.stale().count(),
        "misses": mock.misses_since_reset(),
        "reload_error": mock.reload_error(),
        "contract": contract.collect::<Vec<_>>(),
    }))
}

pub(crate) fn requests(mock: &Mock, query: &Query) -> Reply {
    let received = mock.journal.received(query.session.as_deref());
    let oldest = received.first().map(Received::number);
    let mut requests = received;
    requests.retain(|one| one.number() > query.since && (!query.misses || one.is_miss()));
    ok(&json!({ "requests": requests, "oldest": oldest, "kept": JOURNAL_ENTRIES }))
}

pub(crate) fn billed(session: &Session) -> Reply {
    let state = session.state();
    let (billed, counts) = (state.billed, state.counts);
    drop(state);
    ok(&json!({ "billed": billed, "usd": billed.usd(), "counts": counts }))
}

pub(crate) fn show_faults(session: &Session) -> Reply {
    let state = session.state();
    let faults = state.faults.iter().map(ActiveFault::remaining);
    // Faults that are used up cannot be set again.
    let faults: Vec<_> = faults.filter(|fault| fault.times != Some(0)).collect();
    drop(state);
    ok(&json!({ "faults": faults }))
}

pub(crate) fn recordings(mock: &Mock) -> Reply {
    let loaded = mock.loaded();
    let recordings = loaded.set.recordings.iter().enumerate();
    let recordings: Vec<_> = recordings
        .map(|(index, recording)| {
            let statuses = recording.answers().iter().map(RecordedAnswer::status);
            let files = recording.files().iter();
            let files =
                files.map(|file| json!({"file": file.file(), "content_type": file.content_type()}));
            json!({
                "name": recording.name(),
                "title": recording.title(),
                "status": recording.status(),
                "statuses": statuses.collect::<Vec<_>>(),
                "origin": recording.origin().to_string(),
                "date": recording.date(),
                "files": files.collect::<Vec<_>>(),
                "used": loaded.is_used(index),
                "stale": loaded.set.is_stale(recording.name()),
            })
        })
        .collect();
    ok(&json!({ "recordings": recordings, "reload_error": mock.reload_error() }))
}

pub(crate) fn done() -> Reply {
    Reply {
        status: StatusCode::NO_CONTENT,
        ..Reply::default()
    }
}

fn ok(value: &Value) -> Reply {
    let mut text = value.to_string();
    text.push('\n');
    Reply::new(StatusCode::OK, "application/json", text)
}
