//! Sessions: what tests that share a mock do not share.

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

/// Names the request header that says to which session a request belongs: up
/// to 64 characters of `A-Z a-z 0-9 . _ -`.
///
/// A session has faults, counters and charges of its own, and its own place in
/// recordings with several answers. It starts with the faults that the server was
/// started with. Requests without the header share one session.
pub const SESSION_HEADER: &str = "x-kontext-session";

/// How many named sessions are kept; of more, the one that was used longest ago
/// is forgotten.
pub const SESSIONS: usize = 1000;

/// How many rate limits and shares of requests a session has at once.
const OWN: usize = 100;

/// How the requests of a session ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// All requests, but those for the mock's own endpoints.
    pub requests: u64,
    /// Those that were answered by exactly their recording.
    pub exact: u64,
    /// Those that were answered by the nearest recording.
    pub nearest: u64,
    /// Those that were answered by another recording, whichever it is.
    pub fallback: u64,
    /// Those whose answer was made up from the request.
    pub generated: u64,
    /// Those that no recording answered.
    pub misses: u64,
    /// Those that were refused before a recording was looked for, and those
    /// that a fault answered with an error.
    pub errors: u64,
}

/// What belongs to one session.
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
    /// What the shares of faults are drawn by.
    seed: u64,
    /// Which answer comes next, by recording; of those with several.
    turns: HashMap<Arc<str>, usize>,
    /// The rate limits and shares that requests ask for themselves, by how they are
    /// written.
    own: HashMap<String, ActiveFault>,
}

/// All sessions of a mock.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// What each session starts with.
    start: State,
    unnamed: Arc<Session>,
    named: Mutex<Named>,
}

#[derive(Debug, Default)]
struct Named {
    sessions: HashMap<Arc<str>, (Arc<Session>, u64)>,
    /// Counts look-ups, to know which session was used longest ago.
    clock: u64,
    /// What was billed for the sessions that are not kept any more.
    forgotten: Billed,
}

/// A session name that is not of the documented form, or one of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadName;

/// Whether a text can name a session.
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

    /// The session that a request names.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Result<Arc<Session>, BadName> {
        let mut names = headers.get_all(SESSION_HEADER).iter();
        match (names.next(), names.next()) {
            (None, _) => Ok(self.unnamed.clone()),
            (Some(name), None) => self.named(name.to_str().map_err(|_| BadName)?),
            // It cannot belong to two.
            (Some(_), Some(_)) => Err(BadName),
        }
    }

    /// The session of requests that name none.
    pub(crate) fn unnamed(&self) -> Arc<Session> {
        self.unnamed.clone()
    }

    /// A session by its name, made where there is none yet.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Session>, BadName> {
        if !is_name(name) {
            return Err(BadName);
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.clock += 1;
        let now = named.clock;
        if let Some((session, used)) = named.sessions.get_mut(name) {
            *used = now;
            return Ok(session.clone());
        }
        if named.sessions.len() >= SESSIONS {
            let oldest = named.sessions.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                let removed = named.sessions.remove(&oldest);
                if let Some((session, _)) = removed {
                    named.forgotten += session.state().billed;
                }
            }
        }
        let session = Arc::new(Session {
            name: Some(name.into()),
            state: Mutex::new(self.start.clone()),
        });
        let key = session.name.clone().unwrap_or_default();
        named.sessions.insert(key, (session.clone(), now));
        Ok(session)
    }

    /// What was billed in all sessions, also those that are not kept any more.
    pub(crate) fn billed(&self) -> Billed {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let mut billed = named.forgotten;
        billed += self.unnamed.state().billed;
        for (session, _) in named.sessions.values() {
            billed += session.state().billed;
        }
        billed
    }

    /// Sets a session back to its start.
    pub(crate) fn reset(&self, session: &Session) {
        *session.state() = self.start.clone();
    }

    /// Sets all sessions back to their start.
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
    /// What the faults make of the next request; `random` is from 0 to 1.
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

    /// What a fault makes of a request that asks for it by its header. Requests that
    /// ask for the same rate limit, or the same share, have one together.
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

    /// Whether the credits of a request have run out.
    pub(crate) fn run_out(&mut self, plan: &mut Plan) -> bool {
        plan.run_out(&mut self.faults, self.billed.images)
    }

    /// Charges for an answer, unless the credits have run out by then: two requests
    /// at once must not both get the last image.
    pub(crate) fn charge(&mut self, plan: &mut Plan, billed: Billed) -> Result<(), Refusal> {
        if billed.images > 0 && self.run_out(plan) {
            return Err(Refusal::simulated(StatusCode::FORBIDDEN));
        }
        self.billed += billed;
        Ok(())
    }

    /// Which answer of a recording is served next. The last one repeats.
    pub(crate) fn turn(&self, recording: &Replay) -> usize {
        let turn = self.turns.get(&recording.name).copied().unwrap_or_default();
        turn.min(recording.answers.len().saturating_sub(1))
    }

    /// Goes on from an answer that was served to the next one.
    pub(crate) fn end_turn(&mut self, recording: &Replay, turn: usize) {
        if turn + 1 < recording.answers.len() {
            self.turns.insert(recording.name.clone(), turn + 1);
        }
    }

    /// Counts a request by how it ended.
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
            // OPTIONS is answered, and is neither.
            None => return,
        } += 1;
    }
}
