//! The state of a recorder, and the requests that it forwards.

use axum::{
    body::Bytes,
    http::{StatusCode, request::Parts},
    response::Response,
};
use kontext_recording::RequestHash;
use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{sync::OwnedMutexGuard, task::JoinSet};

use crate::{
    MATCH_HEADER, RECORDING_HEADER,
    contract::{Contract, Operation},
    http::{
        body::{self, find_operation},
        error_response::Reply,
        listener::unblock,
    },
    log,
    matching::Match,
    recorder::{
        exchange::recorded_body,
        pictures::Fetcher,
        staging::Place,
        store::{RecordMode, Store},
        upstream::Upstream,
    },
    recordings::RecordedAnswer,
    redaction::Secret,
    state::DEFAULT_BODY_LIMIT,
    truncate,
};

/// Maximum number of problems kept.
const PROBLEMS: usize = 1_000;

/// Fixed settings of a recorder.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) mode: RecordMode,
    pub(crate) log: bool,
    /// Secrets to redact in addition to those in the exchanges.
    pub(crate) secrets: Vec<Secret>,
    /// The folder, as given by the user.
    pub(crate) folder: PathBuf,
}

/// A recorder without its listener.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) store: Store,
    pub(crate) upstream: Upstream,
    pub(crate) fetcher: Option<Fetcher>,
    pub(crate) settings: Settings,
    contract: Arc<Contract>,
    /// Exchanges in flight. They are separate from their connections, so they continue
    /// when the client disconnects.
    pub(super) exchanges: Mutex<JoinSet<()>>,
    pub(crate) saved: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(super) numbers: AtomicU64,
    problems: Mutex<VecDeque<String>>,
    /// One lock per request, so that equal requests take turns.
    turns: Mutex<HashMap<RequestHash, Arc<tokio::sync::Mutex<()>>>>,
}

/// A request that was read completely.
#[derive(Debug)]
pub(crate) struct ProxyRequest {
    pub(crate) number: u64,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    /// The decoded body, or why it cannot be decoded.
    pub(crate) decoded: Result<Bytes, String>,
    /// The index of the operation in the contract, if there is one.
    pub(crate) operation: Option<usize>,
    pub(crate) secrets: Vec<Secret>,
    /// Held until the exchange is saved, if equal requests wait for it.
    pub(super) turn: Option<OwnedMutexGuard<()>>,
}

impl ProxyRequest {
    /// Whether there is a query string; such requests are not recorded.
    pub(crate) fn has_query(&self) -> bool {
        let query = self.parts.uri.query();
        query.is_some_and(|query| !query.is_empty())
    }
}

impl Proxy {
    pub(crate) fn new(
        store: Store,
        upstream: Upstream,
        contract: Arc<Contract>,
        fetcher: Option<Fetcher>,
        settings: Settings,
    ) -> Self {
        Self {
            store,
            upstream,
            fetcher,
            settings,
            contract,
            exchanges: Mutex::default(),
            saved: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            numbers: AtomicU64::new(0),
            problems: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Whether this recorder saves the exchange once it completes.
    pub(crate) fn is_to_be_saved(&self, asked: &ProxyRequest) -> bool {
        asked.operation.is_some() && !asked.has_query() && asked.decoded.is_ok()
    }

    /// Waits until no exchange with the same request is in flight, so that the first
    /// response is available to the others.
    pub(super) async fn turn(&self, asked: &ProxyRequest) -> Option<OwnedMutexGuard<()>> {
        // A request that cannot be recorded need not wait.
        let (operation, body) = (self.operation(asked)?, asked.decoded.as_ref().ok()?);
        // Equal JSON values are the same request, however they are spelled.
        let hash = tokio::task::block_in_place(|| {
            let redaction = self.store.redaction();
            let recorded = recorded_body(operation, body, &redaction, &asked.secrets);
            recorded.ok().map(|recorded| recorded.hash)
        })?;
        let turn = {
            let mut turns = lock(&self.turns);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            turns.entry(hash).or_default().clone()
        };
        Some(turn.lock_owned().await)
    }

    /// The operation of a request.
    pub(crate) fn operation(&self, asked: &ProxyRequest) -> Option<&Operation> {
        self.contract.operations().nth(asked.operation?)
    }

    pub(super) fn read(&self, number: u64, parts: Parts, body: Bytes) -> ProxyRequest {
        let decoded = match body::decode(&parts.headers, &body, DEFAULT_BODY_LIMIT) {
            Ok(decoded) => Ok(decoded.unwrap_or_else(|| body.clone())),
            Err(refusal) => Err(refusal.message),
        };
        let mut secrets = self.settings.secrets.clone();
        secrets.append(&mut Secret::from_headers(&parts.headers));
        secrets.extend(self.secrets_of_query(parts.uri.query().unwrap_or_default()));
        ProxyRequest {
            number,
            operation: find_operation(&self.contract, &parts.method, parts.uri.path()).ok(),
            decoded,
            secrets,
            parts,
            body,
            turn: None,
        }
    }

    /// The values of query parameters that redaction would replace in a URL: errors may
    /// repeat them elsewhere.
    fn secrets_of_query(&self, query: &str) -> Vec<Secret> {
        let redaction = self.store.redaction();
        let mut secrets = Vec::new();
        for pair in query.split('&') {
            let url = format!("https://host/?{pair}");
            if redaction.url(&url, &[]).1.is_empty() {
                continue;
            }
            let value = pair.split_once('=').map_or(pair, |(_, value)| value);
            secrets.extend(Secret::new(value));
            for (_, value) in url::form_urlencoded::parse(pair.as_bytes()) {
                secrets.extend(Secret::new(&value));
            }
        }
        secrets
    }

    /// Responds from a recording, if there is a good one.
    pub(super) async fn replay(
        self: &Arc<Self>,
        asked: ProxyRequest,
    ) -> (ProxyRequest, Option<Response>) {
        let proxy = self.clone();
        let (asked, found) = unblock(move || {
            let found = match (proxy.operation(&asked), &asked.decoded) {
                (Some(operation), Ok(body)) if !asked.has_query() => {
                    proxy.store.find(operation, body, &asked.secrets)
                }
                _ => Ok(None),
            };
            (asked, found)
        })
        .await;
        let response = match found {
            Ok(Some((place, answer))) => {
                let line = self.place(&asked.parts, &asked.secrets);
                self.say(&format!(
                    "{line} {} answered by {place}, nothing was sent on",
                    answer.status()
                ));
                Some(replayed(&place, &answer))
            }
            Ok(None) => None,
            Err(problem) => {
                self.problem(
                    &asked,
                    &format!(": recordings cannot be looked for: {problem}"),
                );
                None
            }
        };
        (asked, response)
    }

    /// Describes a request for the log, without its query and without secrets.
    pub(super) fn place(&self, parts: &Parts, secrets: &[Secret]) -> String {
        let redaction = self.store.redaction();
        let (path, _) = redaction.url(parts.uri.path(), secrets);
        format!(
            "{} {}",
            truncate::text(parts.method.as_str(), 50),
            truncate::text(&path, 200)
        )
    }

    /// Logs what happened to a request; `words` continue its description.
    pub(crate) fn note(&self, asked: &ProxyRequest, words: &str) {
        self.say(&format!(
            "{}{words}",
            self.place(&asked.parts, &asked.secrets)
        ));
    }

    /// Logs and remembers a problem with a request.
    pub(crate) fn problem(&self, asked: &ProxyRequest, words: &str) {
        let line = format!("{}{words}", self.place(&asked.parts, &asked.secrets));
        self.say(&line);
        let mut problems = lock(&self.problems);
        if problems.len() >= PROBLEMS {
            problems.pop_front();
        }
        problems.push_back(line);
    }

    pub(super) fn say(&self, line: &str) {
        if self.settings.log {
            log::write(format_args!("{} {line}", log::now()));
        }
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        lock(&self.problems).iter().cloned().collect()
    }

    /// Waits for the exchanges in flight.
    pub(crate) async fn finish(&self) {
        let mut exchanges = std::mem::take(&mut *lock(&self.exchanges));
        while exchanges.join_next().await.is_some() {}
    }

    /// Aborts the exchanges in flight.
    pub(crate) fn abort(&self) {
        lock(&self.exchanges).abort_all();
    }

    pub(super) fn health(&self) -> Response {
        let body = format!(
            "{{\"status\":\"ok\",\"recording\":true,\"mode\":\"{}\",\"saved\":{},\"lost\":{}}}\n",
            self.settings.mode,
            self.saved.load(Ordering::Relaxed),
            self.lost.load(Ordering::Relaxed)
        );
        Reply::new(StatusCode::OK, "application/json", body).into_response()
    }
}

/// The recorded response, byte for byte.
fn replayed(place: &Place, answer: &RecordedAnswer) -> Response {
    let mut reply = Reply {
        status: answer.status,
        headers: answer.headers.clone(),
        body: answer.response.clone(),
    };
    reply.set(MATCH_HEADER, Match::Exact.name());
    reply.set(RECORDING_HEADER, &place.to_string());
    reply.into_response()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
