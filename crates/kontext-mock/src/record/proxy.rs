//! What happens to a request on its way to the real server and back.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderName, Request, StatusCode,
        header::{
            ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, TE,
            TRAILER, TRANSFER_ENCODING, UPGRADE,
        },
        request::Parts,
    },
    response::Response,
};
use reqwest::Client;
use tokio::{
    sync::{mpsc::Sender, oneshot},
    task::JoinSet,
};

use super::{
    day,
    error::RecordError,
    exchange::Exchange,
    pictures::{self, Link},
    recorder::RecordMode,
    relay::Relay,
    store::{Saved, Store, is_good},
    upstream::Upstream,
};
use crate::{
    ADMIN_PATH, DEFAULT_BODY_LIMIT, ERROR_HEADER, MATCH_HEADER,
    contract::{Contract, Operation},
    log::with_causes,
    matching::Match,
    prepared::Prepared,
    redact::Secret,
    refusal::{Reason, Refusal},
    reply::Reply,
    request,
    server::{Service, connection::Wire},
};

/// The longest answer that is saved, in bytes; a longer one is passed on.
const LONGEST: usize = 64 * 1024 * 1024;

/// How many problems are kept.
const PROBLEMS: usize = 1000;

/// Passes requests on, and saves the exchanges.
#[derive(Debug)]
pub(super) struct Proxy {
    store: Arc<Store>,
    contract: Arc<Contract>,
    upstream: Upstream,
    pictures: Option<Client>,
    mode: RecordMode,
    log: bool,
    saved: AtomicU64,
    requests: AtomicU64,
    problems: Mutex<VecDeque<String>>,
    /// The exchanges in flight, which go on when their client has gone: they
    /// have been paid for.
    exchanges: Mutex<JoinSet<()>>,
}

/// What a request is recorded as: its operation, by its index in the contract,
/// and its body without an encoding.
#[derive(Debug)]
struct Asked {
    operation: usize,
    body: Bytes,
}

/// An answer that has passed through whole.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Proxy {
    pub(super) fn new(
        store: Store,
        contract: Arc<Contract>,
        upstream: Upstream,
        mode: RecordMode,
        keep_pictures: bool,
        log: bool,
    ) -> Result<Self, RecordError> {
        let pictures = if keep_pictures {
            Some(pictures::client(&upstream).map_err(RecordError::Client)?)
        } else {
            None
        };
        Ok(Self {
            store: Arc::new(store),
            contract,
            upstream,
            pictures,
            mode,
            log,
            saved: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            problems: Mutex::default(),
            exchanges: Mutex::default(),
        })
    }

    pub(super) fn saved(&self) -> u64 {
        self.saved.load(Ordering::Relaxed)
    }

    pub(super) fn problems(&self) -> Vec<String> {
        lock(&self.problems).iter().cloned().collect()
    }

    /// Waits until no exchange is in flight.
    pub(super) async fn finished(&self) {
        loop {
            let mut exchanges = std::mem::take(&mut *lock(&self.exchanges));
            if exchanges.is_empty() {
                return;
            }
            while exchanges.join_next().await.is_some() {}
        }
    }

    fn say(&self, line: &str) {
        if self.log {
            // A log that no one reads any more must not stop the recorder.
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    fn problem(&self, line: String) {
        self.say(&line);
        let mut problems = lock(&self.problems);
        if problems.len() >= PROBLEMS {
            problems.pop_front();
        }
        problems.push_back(line);
    }

    /// What a request is recorded as, or why it cannot be.
    fn asked(&self, parts: &Parts, body: &Bytes) -> Result<Asked, String> {
        let found = request::find_operation(&self.contract, &parts.method, parts.uri.path());
        let Ok(operation) = found else {
            return Err("the contract has no such operation".to_owned());
        };
        if parts.uri.query().is_some() {
            return Err("it has a query, and a recording has none".to_owned());
        }
        let decoded = request::decode(&parts.headers, body, DEFAULT_BODY_LIMIT);
        let decoded = decoded.map_err(|refusal| refusal.message)?;
        Ok(Asked {
            operation,
            body: decoded.unwrap_or_else(|| body.clone()),
        })
    }

    fn operation(&self, index: usize) -> Result<&Operation, String> {
        let operation = self.contract.operations().nth(index);
        operation.ok_or_else(|| "the contract has no such operation".to_owned())
    }

    /// The recording that answers a request where only missing ones are made.
    async fn recorded(self: &Arc<Self>, parts: &Parts, asked: &Asked) -> Option<Response> {
        let (proxy, operation, body) = (self.clone(), asked.operation, asked.body.clone());
        let secrets = Secret::from_headers(&parts.headers);
        let found = tokio::task::spawn_blocking(move || {
            let operation = proxy.operation(operation)?;
            proxy.store.find(operation, &body, &secrets)
        });
        let recording = match found.await.unwrap_or(Ok(None)) {
            Ok(found) => found.filter(|recording| is_good(recording.status()))?,
            Err(problem) => {
                self.problem(format!("recordings cannot be looked for: {problem}"));
                return None;
            }
        };
        self.say(&format!(
            "{} {} {} answered by {}, nothing was sent on",
            parts.method,
            parts.uri.path(),
            recording.status(),
            recording.name()
        ));
        let mut reply = Prepared::new(&recording, None).reply(None);
        reply.set(MATCH_HEADER, Match::Exact.name());
        Some(reply.into_response())
    }

    /// Asks the real server, passes the answer on, and saves it.
    async fn exchange(
        self: Arc<Self>,
        parts: Parts,
        body: Bytes,
        asked: Result<Asked, String>,
        head: oneshot::Sender<Result<Response, Refusal>>,
    ) {
        let place = format!("{} {}", parts.method, parts.uri.path());
        let response = match self.send(&parts, body).await {
            Ok(response) => response,
            Err(error) => {
                let problem = with_causes(&error.without_url());
                self.problem(format!("{place}: the upstream cannot be asked: {problem}"));
                let message = format!("{} cannot be asked: {problem}", self.upstream.origin());
                let _ = head.send(Err(Refusal::new(Reason::Upstream, message)));
                return;
            }
        };
        let (client, relay) = Relay::new();
        let _ = head.send(Ok(client_response(&response, relay)));
        let status = response.status();
        match self.pass_on(response, &client).await {
            Ok((answered, last)) => {
                let place = format!("{place} {}", status.as_u16());
                let saved = match asked {
                    Ok(asked) => self.save(&parts, asked, answered).await,
                    Err(problem) => Err(problem),
                };
                let links = self.report(&place, saved);
                if let Some(last) = last {
                    let _ = client.send(Ok(last)).await;
                }
                drop(client);
                if let Some((name, kept, links)) = links {
                    self.keep_pictures(&name, &kept, &links).await;
                }
            }
            Err(problem) => {
                self.problem(format!("{place} {}: not saved: {problem}", status.as_u16()));
                let _ = client.send(Err(io::Error::other(problem))).await;
            }
        }
    }

    async fn send(&self, parts: &Parts, body: Bytes) -> reqwest::Result<reqwest::Response> {
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let mut headers = end_to_end(&parts.headers);
        for name in [HOST, CONTENT_LENGTH, EXPECT, ACCEPT_ENCODING] {
            headers.remove(name);
        }
        // What is recorded is then what was sent, not what some encoder made of it.
        headers.insert(
            ACCEPT_ENCODING,
            axum::http::HeaderValue::from_static("identity"),
        );
        let url = format!("{}{target}", self.upstream.origin());
        let request = self
            .upstream
            .client()
            .request(parts.method.clone(), url)
            .headers(headers);
        request.body(body).send().await
    }

    /// Passes a body on as it comes, but for its last part, which is returned.
    async fn pass_on(
        &self,
        mut response: reqwest::Response,
        client: &Sender<io::Result<Bytes>>,
    ) -> Result<(Result<Answered, String>, Option<Bytes>), String> {
        let mut answered = Ok(Answered {
            status: response.status(),
            headers: response.headers().clone(),
            body: Vec::new(),
        });
        let mut last: Option<Bytes> = None;
        loop {
            let part = response.chunk().await.map_err(|error| {
                let error = with_causes(&error.without_url());
                format!("the answer ended before it was complete: {error}")
            })?;
            let Some(part) = part else {
                return Ok((answered, last));
            };
            match &mut answered {
                Ok(Answered { body, .. }) if body.len() + part.len() > LONGEST => {
                    answered = Err(format!("the answer has more than {LONGEST} bytes"));
                }
                Ok(Answered { body, .. }) => body.extend_from_slice(&part),
                Err(_) => {}
            }
            if let Some(before) = last.replace(part) {
                // A client that has gone does not end the exchange.
                let _ = client.send(Ok(before)).await;
            }
        }
    }

    async fn save(
        self: &Arc<Self>,
        parts: &Parts,
        asked: Asked,
        answered: Result<Answered, String>,
    ) -> Result<(Saved, Bytes), String> {
        let Answered {
            status,
            mut headers,
            body,
        } = answered?;
        let decoded = request::decode(&headers, &body, LONGEST).map_err(|refusal| refusal.message);
        let body = decoded?.unwrap_or_else(|| body.into());
        let mut secrets = Secret::from_headers(&parts.headers);
        secrets.append(&mut Secret::from_headers(&headers));
        for name in [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let proxy = self.clone();
        let saving = tokio::task::spawn_blocking(move || {
            let exchange = Exchange {
                operation: proxy.operation(asked.operation)?,
                request: &asked.body,
                status,
                headers: &headers,
                response: &body,
                secrets: &secrets,
                upstream: proxy.upstream.origin(),
                date: day::today(),
            };
            let saved = proxy
                .store
                .save(&exchange, proxy.mode == RecordMode::Update)?;
            Ok((saved, body))
        });
        saving
            .await
            .unwrap_or_else(|error| Err(format!("the recorder failed: {error}")))
    }

    /// Says what became of an exchange; what is left to do are the pictures of
    /// this recording, whose response is kept so.
    fn report(
        &self,
        place: &str,
        saved: Result<(Saved, Bytes), String>,
    ) -> Option<(String, Bytes, Vec<Link>)> {
        let (saved, live) = match saved {
            Ok(saved) => saved,
            Err(problem) => {
                self.problem(format!("{place} not saved: {problem}"));
                return None;
            }
        };
        self.saved.fetch_add(1, Ordering::Relaxed);
        let again = if saved.replaced { " again" } else { "" };
        self.say(&format!("{place} saved{again} as {}", saved.name));
        if !saved.report.is_clean() {
            self.problem(format!(
                "{} disagrees with the contract, so that `serve` will refuse the folder: correct \
                 the contract, or delete the recording\n{}",
                saved.name, saved.report
            ));
        }
        let links = pictures::links(&live, &saved.response);
        Some((saved.name, saved.response, links)).filter(|(_, _, links)| !links.is_empty())
    }

    async fn keep_pictures(self: &Arc<Self>, name: &str, kept: &Bytes, links: &[Link]) {
        let Some(client) = &self.pictures else {
            return;
        };
        let mut pictures = Vec::new();
        for link in links {
            match pictures::fetch(client, &self.upstream, link).await {
                Ok(picture) => pictures.push(picture),
                Err(problem) => {
                    self.problem(format!("{name}: a picture was not kept: {problem}"));
                }
            }
        }
        if pictures.is_empty() {
            return;
        }
        let count = pictures.len();
        let (proxy, recording, response) = (self.clone(), name.to_owned(), kept.clone());
        let adding = tokio::task::spawn_blocking(move || {
            proxy.store.add_pictures(&recording, &response, &pictures)
        });
        match adding.await {
            Ok(Ok(())) => self.say(&format!("{name}: {count} pictures kept")),
            Ok(Err(problem)) => self.problem(format!("{name}: pictures were not kept: {problem}")),
            Err(error) => self.problem(format!("{name}: pictures were not kept: {error}")),
        }
    }
}

impl Service for Proxy {
    async fn serve(self: &Arc<Self>, request: Request<Body>, wire: &Wire) -> Response {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let refused = |refusal: &Refusal| {
            let mut reply = Reply::error(refusal.status, &refusal.message, &path, number);
            reply.set(ERROR_HEADER, refusal.reason.name());
            reply.into_response()
        };
        let body = match request::read_body(body, DEFAULT_BODY_LIMIT).await {
            Ok(body) => body,
            Err(refusal) => return refused(&refusal),
        };
        wire.set_received();
        if let Some(endpoint) = path.strip_prefix(ADMIN_PATH) {
            return own(endpoint).into_response();
        }
        let asked = self.asked(&parts, &body);
        if let (RecordMode::Missing, Ok(asked)) = (self.mode, &asked)
            && let Some(response) = self.recorded(&parts, asked).await
        {
            return response;
        }
        let (head, answered) = oneshot::channel();
        {
            let mut exchanges = lock(&self.exchanges);
            // Those that have ended are forgotten.
            while exchanges.try_join_next().is_some() {}
            exchanges.spawn(self.clone().exchange(parts, body, asked, head));
        }
        match answered.await {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => refused(&refusal),
            Err(_) => refused(&Refusal::new(Reason::Upstream, "the recorder is stopping")),
        }
    }
}

/// The one endpoint of a recorder's own.
fn own(endpoint: &str) -> Reply {
    if endpoint == "health" {
        return Reply::new(
            StatusCode::OK,
            "application/json",
            "{\"status\":\"ok\",\"recording\":true}\n",
        );
    }
    Reply::new(
        StatusCode::NOT_FOUND,
        "application/json",
        "{\"error\":\"a recorder has /__mock/health alone\"}\n",
    )
}

/// The answer as the client gets it: all of it, but for what is between the
/// recorder and the real server.
fn client_response(response: &reqwest::Response, relay: Relay) -> Response {
    let mut passed_on = Response::new(Body::new(relay));
    *passed_on.status_mut() = response.status();
    *passed_on.headers_mut() = end_to_end(response.headers());
    passed_on
}

/// The headers that are meant for the other end, and not for the next server.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let known = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    for name in known.into_iter().chain(named) {
        kept.remove(name);
    }
    for name in [
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
    ] {
        kept.remove(name);
    }
    let own: Vec<_> = kept
        .keys()
        .filter(|name| matches!(name.as_str(), "x-kontext-session" | "x-kontext-fault"))
        .cloned()
        .collect();
    for name in own {
        kept.remove(name);
    }
    kept
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
