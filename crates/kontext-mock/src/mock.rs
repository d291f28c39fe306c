//! The mock as a function from a request to a response.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header::CONTENT_ENCODING, request::Parts},
    response::Response,
};

use crate::{
    ADMIN_PATH, StartError, admin,
    answer::{self, Answer},
    contract::Contract,
    fault::{self, Early, Fault, Plan},
    generate::Generate,
    headers,
    journal::{Entry, Headers, JOURNAL_BODY, JOURNAL_TARGET, Journal},
    judge::Validation,
    loaded::{Loaded, Set},
    log,
    matching::MatchMode,
    recordings::Recordings,
    refusal::{Reason, Refusal},
    reply::Reply,
    request::{self, Key},
    server::{
        Service,
        connection::{Ending, Wire},
        unread::close_if_unread,
    },
    session::{Session, Sessions},
    shorten,
};

/// Names the request header with faults for this one request, as they are
/// written on the command line, several separated by `;`. In an answer it names
/// the faults that acted.
pub const FAULT_HEADER: &str = "x-kontext-fault";

/// From how many bytes on a body is judged beside the other requests and not
/// among them: parsing megabytes takes long enough to hold them up.
const LARGE: usize = 64 * 1024;

/// From how many recordings on requests are answered beside each other: to find the
/// nearest takes long.
const MANY: usize = 200;

/// What a mock is told once.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) key: Option<Key>,
    pub(crate) match_mode: MatchMode,
    pub(crate) validation: Validation,
    pub(crate) generate: Generate,
    pub(crate) body_limit: usize,
    pub(crate) log_requests: bool,
    pub(crate) rewrite_urls: bool,
    /// Where the recordings are from; nothing where they are built in.
    pub(crate) folder: Option<PathBuf>,
}

/// Everything that answers requests.
#[derive(Debug)]
pub(crate) struct Mock {
    pub(crate) contract: Arc<Contract>,
    pub(crate) settings: Settings,
    pub(crate) sessions: Sessions,
    pub(crate) journal: Journal,
    loaded: RwLock<Arc<Loaded>>,
    /// Why the recordings could not be read again, if they could not.
    reload_error: Mutex<Option<String>>,
    /// Held while recordings are read again, so that of two who do the last one
    /// wins.
    reloading: Mutex<()>,
    /// How many requests there were.
    numbers: AtomicU64,
    misses: AtomicU64,
    /// How many of the misses were forgotten by a reset.
    forgotten_misses: AtomicU64,
}

/// A request on its way through the mock.
pub(crate) struct Exchange {
    pub(crate) number: u64,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) session: Arc<Session>,
    pub(crate) plan: Plan,
    /// The address that the client is connected to.
    pub(crate) address: Option<SocketAddr>,
}

/// What a request asks for.
enum Asked {
    /// The operation with this index in the contract.
    Operation(usize),
    /// What may be asked for at its path: these methods.
    Options(Vec<String>),
    /// A fault resets the connection before the body is read.
    Nothing,
}

impl Mock {
    pub(crate) fn new(
        contract: Arc<Contract>,
        set: Arc<Set>,
        settings: Settings,
        sessions: Sessions,
    ) -> Self {
        Self {
            contract,
            settings,
            sessions,
            journal: Journal::default(),
            loaded: RwLock::new(Arc::new(Loaded::new(set))),
            reload_error: Mutex::default(),
            reloading: Mutex::default(),
            numbers: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            forgotten_misses: AtomicU64::new(0),
        }
    }

    /// The recordings as they are now.
    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    /// Reads the recordings again. All of them are served from the next request
    /// on, or, if one of them is wrong, none.
    pub(crate) fn reload(&self) -> Result<usize, StartError> {
        let _reloading = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let set = match &self.settings.folder {
            Some(folder) => Set::load(folder, &self.contract),
            None => Ok(self.loaded().set.clone()),
        };
        let result = set.map(|set| {
            let count = set.prepared.len();
            let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
            *loaded = Arc::new(loaded.followed_by(set));
            count
        });
        let mut error = self
            .reload_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *error = result.as_ref().err().map(log::with_causes);
        result
    }

    /// Why the recordings that are served are not those of the folder.
    pub(crate) fn reload_error(&self) -> Option<String> {
        let error = self
            .reload_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        error.clone()
    }

    /// How many requests no recording answered since the start, in all
    /// sessions. That a test resets the mock in between must not hide from
    /// `serve --fail-on-miss` what was missed before.
    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// The same since the last reset.
    pub(crate) fn misses_since_reset(&self) -> u64 {
        let forgotten = self.forgotten_misses.load(Ordering::Relaxed);
        self.misses().saturating_sub(forgotten)
    }

    /// The recordings by themselves.
    pub(crate) fn recordings(&self) -> Recordings {
        self.loaded().set.recordings.clone()
    }

    /// Forgets everything that happened, in one session or in all.
    pub(crate) fn reset(&self, session: Option<&Session>) {
        match session {
            Some(session) => {
                self.sessions.reset(session);
                self.journal.forget(session.name.as_deref());
            }
            None => {
                self.sessions.reset_all();
                self.journal.forget(None);
                self.loaded().forget_used();
                self.forgotten_misses
                    .store(self.misses(), Ordering::Relaxed);
            }
        }
    }

    /// Answers a request. A handler that is on a socket passes its connection,
    /// which faults can take over.
    async fn respond(self: &Arc<Self>, request: Request<Body>, wire: Option<&Wire>) -> Response {
        let (parts, body) = request.into_parts();
        if parts.uri.path().starts_with(ADMIN_PATH) {
            return admin::serve(self, parts, body).await;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let session = self.sessions.of(&parts.headers);
        let bad_session = session.is_err();
        let mut exchange = Exchange {
            number,
            parts,
            body: Bytes::new(),
            loaded: self.loaded(),
            session: session.unwrap_or_else(|_| self.sessions.unnamed()),
            plan: Plan::new(wire.is_some()),
            address: wire.and_then(Wire::address),
        };
        let asked = if bad_session {
            let limit = self.settings.body_limit;
            request::discard_body(&exchange.parts.headers, body, limit).await;
            Err(Refusal::new(
                Reason::Session,
                "x-kontext-session: expected one name of 1 to 64 characters of A-Z a-z 0-9 . _ -",
            ))
        } else {
            self.admit(&mut exchange, body).await
        };
        if let Some(wire) = wire {
            wire.set_received();
        }
        let answer = match asked {
            Ok(Asked::Operation(operation)) => {
                let (back, answer) = self.answer(exchange, operation).await;
                exchange = back;
                answer
            }
            Ok(Asked::Options(methods)) => Ok(Answer::options(&exchange.parts, &methods)),
            Ok(Asked::Nothing) => Ok(Answer::reset()),
            Err(refusal) => Err(refusal),
        };
        let answer = answer
            .unwrap_or_else(|refusal| Answer::refusal(&refusal, exchange.parts.uri.path(), number));
        let (delay, late) = (exchange.plan.delay, exchange.plan.late);
        let is_reset = exchange.plan.early == Some(Early::Reset);
        let reply = self.finish(exchange, answer);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match late {
            _ if is_reset => reset(wire),
            Some(late) => fault::apply(late, reply, wire),
            None => reply.into_response(),
        }
    }

    /// Finds out what is asked for, by checks in a fixed order, and reads the
    /// body.
    async fn admit(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        body: Body,
    ) -> Result<Asked, Refusal> {
        let limit = self.settings.body_limit;
        let parts = &exchange.parts;
        if parts.method == Method::OPTIONS {
            let methods = self.contract.methods(parts.uri.path());
            if !methods.is_empty() {
                let methods = methods.into_iter().map(str::to_owned).collect();
                request::discard_body(&parts.headers, body, limit).await;
                return Ok(Asked::Options(methods));
            }
        }
        match self.judge_head(exchange) {
            Ok(_) if exchange.plan.early == Some(Early::Reset) => Ok(Asked::Nothing),
            Ok(operation) => {
                exchange.body = request::read_body(body, limit).await?;
                Ok(Asked::Operation(operation))
            }
            Err(refusal) => {
                request::discard_body(&exchange.parts.headers, body, limit).await;
                Err(refusal)
            }
        }
    }

    /// Judges all that is known before the body is read.
    fn judge_head(&self, exchange: &mut Exchange) -> Result<usize, Refusal> {
        let Exchange {
            parts,
            session,
            plan,
            number,
            ..
        } = exchange;
        let index = request::find_operation(&self.contract, &parts.method, parts.uri.path())?;
        if let Some(operation) = self.contract.operations().nth(index) {
            request::authorize(operation, &parts.headers, self.settings.key.as_ref())?;
        }
        let random = fraction(*number);
        for faults in parts.headers.get_all(FAULT_HEADER) {
            let faults = String::from_utf8_lossy(faults.as_bytes());
            for text in faults.split(';').filter(|text| !text.trim().is_empty()) {
                let fault: Fault = text.trim().parse().map_err(|error| {
                    Refusal::new(Reason::Fault, format!("{FAULT_HEADER}: {error}"))
                })?;
                session.state().plan_own(plan, fault, random);
            }
        }
        session.state().plan(plan, random);
        Ok(index)
    }

    /// Answers a request whose body has been read.
    async fn answer(
        self: &Arc<Self>,
        mut exchange: Exchange,
        operation: usize,
    ) -> (Exchange, Result<Answer, Refusal>) {
        let is_long =
            exchange.body.len() >= LARGE || exchange.parts.headers.contains_key(CONTENT_ENCODING);
        if !is_long && exchange.loaded.set.prepared.len() < MANY {
            let answer = self.answer_now(&mut exchange, operation);
            return (exchange, answer);
        }
        let mock = self.clone();
        let judged = tokio::task::spawn_blocking(move || {
            let answer = mock.answer_now(&mut exchange, operation);
            (exchange, answer)
        });
        match judged.await {
            Ok(answered) => answered,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, so no one waits for an answer.
                Err(_) => std::future::pending().await,
            },
        }
    }

    fn answer_now(&self, exchange: &mut Exchange, operation: usize) -> Result<Answer, Refusal> {
        let limit = self.settings.body_limit;
        if let Some(decoded) = request::decode(&exchange.parts.headers, &exchange.body, limit)? {
            exchange.body = decoded;
        }
        match self.contract.operations().nth(operation) {
            Some(operation) => answer::answer(self, exchange, operation),
            // Its index was found in the same contract.
            None => Err(Refusal::new(Reason::NotFound, "Not found")),
        }
    }

    /// Completes an answer with the headers that every one has, and puts it
    /// down in the journal, the counters and the log.
    fn finish(&self, exchange: Exchange, mut answer: Answer) -> Reply {
        let Exchange {
            number,
            parts,
            body,
            session,
            plan,
            ..
        } = exchange;
        let reply = &mut answer.reply;
        headers::add_inference_id(&mut reply.headers, answer.made_up, number);
        headers::add_client_request_id(&mut reply.headers, &parts.headers);
        headers::add_cors(&mut reply.headers, &parts.headers);
        if !plan.names.is_empty() {
            reply.set(FAULT_HEADER, &plan.names.join("; "));
        }
        session.state().count(answer.found, answer.error.is_some());
        if answer.is_miss() {
            self.misses.fetch_add(1, Ordering::Relaxed);
        }
        if self.settings.log_requests {
            log::write(log::line(&parts, &answer, &plan));
        }
        let reply = answer.reply;
        self.journal.add(Entry {
            number,
            session: session.name.clone(),
            headers: Headers::of(&parts.headers),
            path: shorten::text(parts.uri.path(), JOURNAL_TARGET),
            query: parts.uri.query().map(|query| {
                let query = self.redacted_query(query);
                shorten::text(&query, JOURNAL_TARGET)
            }),
            method: parts.method,
            body: body[..body.len().min(JOURNAL_BODY)].into(),
            body_length: body.len(),
            at: SystemTime::now(),
            status: reply.status,
            found: answer.found,
            recording: answer.recording,
            error: answer.error,
            differences: answer.differences,
            faults: plan.names,
            billed: answer.billed,
        });
        reply
    }

    /// A query without the values of secret parameters.
    pub(crate) fn redacted_query(&self, query: &str) -> String {
        let url = format!("http://mock/?{query}");
        let (url, _) = self.loaded().set.redaction.url(&url, &[]);
        url.split_once('?')
            .map_or("", |(_, query)| query)
            .to_owned()
    }
}

impl Service for Mock {
    async fn serve(self: &Arc<Self>, request: Request<Body>, wire: &Wire) -> Response {
        self.respond(request, Some(wire)).await
    }
}

/// Makes a router of a mock; everything the mock does is in it.
pub(crate) fn router(mock: Arc<Mock>) -> Router {
    Router::new().fallback(async move |request: Request<Body>| {
        close_if_unread(request, |request| mock.respond(request, None)).await
    })
}

/// Resets the connection in place of an answer.
fn reset(wire: Option<&Wire>) -> Response {
    let mut response = Response::new(Body::empty());
    match wire {
        Some(wire) => wire.take_over(Bytes::new(), Ending::Reset),
        None => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

/// A number from 0 to 1 that looks random, and is the same in every run.
fn fraction(number: u64) -> f64 {
    // SplitMix64, whose upper bits are good.
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let upper = u32::try_from(mixed >> 32).unwrap_or_default();
    f64::from(upper) / f64::from(u32::MAX)
}
