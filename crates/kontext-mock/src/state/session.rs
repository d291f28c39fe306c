//! Sessions isolate tests that share a mock.

use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{
    http::error_response::Refusal,
    matching::Match,
    respond::replay::Replay,
    state::{
        billing::Billed,
        faults::{ActiveFault, Fault, Plan},
    },
};

/// The request header that names the session of a request: 1 to 64 characters of `A-Z a-z
/// 0-9 . _ -`.
///
/// Each session has its own faults, counters and charges, and its own position in
/// recordings with several answers. It starts with the faults that the server was started
/// with. Requests without the header share one session.
pub const SESSION_HEADER: &str = "x-kontext-session";

/// How many named sessions are kept; beyond that, the least recently used one is dropped.
pub const SESSIONS: usize = 1000;

/// How many rate limits and shares from request headers a session keeps at once.
const OWN: usize = 100;

/// The outcomes of a session's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// All requests, except those to the mock's own endpoints.
    pub requests: u64,
    /// Requests answered by an exactly matching recording.
    pub exact: u64,
    /// Requests answered by the nearest recording.
    pub nearest: u64,
    /// Requests answered by another recording: the first one, or the one that the client
    /// asked for.
    pub fallback: u64,
    /// Requests answered with a generated response.
    pub generated: u64,
    /// Requests that no recording answered.
    pub misses: u64,
    /// Requests rejected before matching, and requests that a fault answered with an
    /// error.
    pub errors: u64,
}

/// The state of one session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: Option<Arc<str>>,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) faults: Vec<ActiveFault>,
    pub(crate) billed: Billed,
    pub(crate) counts: Counts,
    /// The seed for faults with a share.
    seed: u64,
    /// The next answer of each recording that has several.
    turns: HashMap<Arc<str>, usize>,
    /// The rate limits and shares from request headers, by their text.
    own: HashMap<String, ActiveFault>,
}

/// All sessions of a mock.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// The initial state of each session.
    start: State,
    unnamed: Arc<Session>,
    named: Mutex<Named>,
}

#[derive(Debug, Default)]
struct Named {
    sessions: HashMap<Arc<str>, (Arc<Session>, u64)>,
    /// Counts lookups, to find the least recently used session.
    clock: u64,
    /// The charges of sessions that were dropped.
    forgotten: Billed,
}

/// Whether a text is a valid session name.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

impl Sessions {
    pub(crate) fn new(faults: &[Fault], seed: u64) -> Self {
        let start = State {
            seed,
            faults: faults.iter().copied().map(ActiveFault::new).collect(),
            ..State::default()
        };
        Self {
            unnamed: Arc::new(Session {
                name: None,
                state: Mutex::new(start.clone()),
            }),
            start,
            named: Mutex::default(),
        }
    }

    /// The session that a request belongs to; `None` if the name is not valid.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        let mut names = headers.get_all(SESSION_HEADER).iter();
        match (names.next(), names.next()) {
            (None, _) => Some(self.unnamed()),
            (Some(name), None) => self.named(name.to_str().ok()?),
            // A request cannot belong to two sessions.
            (Some(_), Some(_)) => None,
        }
    }

    /// The session of requests without a session header.
    pub(crate) fn unnamed(&self) -> Arc<Session> {
        self.unnamed.clone()
    }

    /// The session with this name, created on first use; `None` if the name is not valid.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Session>> {
        if !is_name(name) {
            return None;
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.clock += 1;
        let now = named.clock;
        if let Some((session, used)) = named.sessions.get_mut(name) {
            *used = now;
            return Some(session.clone());
        }
        if named.sessions.len() >= SESSIONS {
            let oldest = named.sessions.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone())
                && let Some((session, _)) = named.sessions.remove(&oldest)
            {
                named.forgotten += session.state().billed;
            }
        }
        let name: Arc<str> = name.into();
        let session = Arc::new(Session {
            name: Some(name.clone()),
            state: Mutex::new(self.start.clone()),
        });
        named.sessions.insert(name, (session.clone(), now));
        Some(session)
    }

    /// The charges of all sessions, including dropped ones.
    pub(crate) fn billed(&self) -> Billed {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let mut billed = named.forgotten;
        billed += self.unnamed.state().billed;
        for (session, _) in named.sessions.values() {
            billed += session.state().billed;
        }
        billed
    }

    /// Resets a session to its initial state.
    pub(crate) fn reset(&self, session: &Session) {
        *session.state() = self.start.clone();
    }

    /// Resets the unnamed session and drops all named ones.
    pub(crate) fn reset_all(&self) {
        self.reset(&self.unnamed);
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        *named = Named::default();
    }
}

impl Session {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Applies the session's faults to the next request; `random` is from 0 to 1.
    pub(crate) fn plan(&mut self, plan: &mut Plan, random: f64) {
        if self.faults.is_empty() {
            return;
        }
        let now = Instant::now();
        for fault in &mut self.faults {
            if fault.is_drawn(self.seed) {
                plan.add(fault, now, random);
            }
        }
    }

    /// Applies a fault from a request's header. Requests with the same rate limit or
    /// share use the same state.
    pub(crate) fn plan_own(&mut self, plan: &mut Plan, fault: Fault, random: f64) {
        let now = Instant::now();
        if !fault.is_rate_limit() && fault.share.is_none() {
            return plan.add_own(fault, now, random);
        }
        let name = fault.to_string();
        if self.own.len() >= OWN && !self.own.contains_key(&name) {
            self.own.clear();
        }
        let own = self.own.entry(name);
        let own = own.or_insert_with(|| ActiveFault::new(fault));
        if own.is_drawn(self.seed) {
            plan.add(own, now, random);
        }
    }

    /// Whether the request must be rejected because the credits have run out.
    pub(crate) fn run_out(&mut self, plan: &mut Plan) -> bool {
        plan.run_out(&mut self.faults, self.billed.images)
    }

    /// Charges for a response, unless the credits have run out in the meantime: two
    /// concurrent requests must not both get the last image.
    pub(crate) fn charge(&mut self, plan: &mut Plan, billed: Billed) -> Result<(), Refusal> {
        if billed.images > 0 && self.run_out(plan) {
            return Err(Refusal::simulated(StatusCode::FORBIDDEN));
        }
        self.billed += billed;
        Ok(())
    }

    /// The index of the recording's next answer. The last one repeats.
    pub(crate) fn turn(&self, recording: &Replay) -> usize {
        let turn = self.turns.get(&recording.name).copied().unwrap_or_default();
        turn.min(recording.answers.len().saturating_sub(1))
    }

    /// Advances to the answer after the one that was served.
    pub(crate) fn end_turn(&mut self, recording: &Replay, turn: usize) {
        if turn + 1 < recording.answers.len() {
            self.turns.insert(recording.name.clone(), turn + 1);
        }
    }

    /// Counts a request by its outcome.
    pub(crate) fn count(&mut self, found: Option<Match>, is_error: bool) {
        let counts = &mut self.counts;
        counts.requests += 1;
        *match found {
            Some(Match::Exact) => &mut counts.exact,
            Some(Match::Nearest) => &mut counts.nearest,
            Some(Match::Fallback) => &mut counts.fallback,
            Some(Match::Generated) => &mut counts.generated,
            Some(Match::Miss) => &mut counts.misses,
            None if is_error => &mut counts.errors,
            // OPTIONS requests are neither matched nor errors.
            None => return,
        } += 1;
    }
}
