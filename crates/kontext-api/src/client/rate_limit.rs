//! A rate limit that the calls of a batch run into together.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::client::retry::RetryPolicy;

/// The longest pause after a 429 that does not say how long to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The rate limit that calls of a batch run into together: while one waits, all do.
#[derive(Debug, Default)]
pub(crate) struct SharedRateLimit(Mutex<Pauses>);

/// The pauses since the last answer that was no 429.
#[derive(Debug, Default)]
struct Pauses {
    /// Nothing is sent before.
    until: Option<Instant>,
    count: u32,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl SharedRateLimit {
    /// For how long nothing may be sent.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let until = self.lock().until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// The provider has taken a request.
    pub(crate) fn lifted(&self) {
        let mut pauses = self.lock();
        let until = pauses.until;
        *pauses = Pauses {
            until,
            ..Pauses::default()
        };
    }

    /// Begins a pause after a 429, and gives how long it is; `None` if the call ends: the
    /// policy does not try again, the provider asks for more time than it allows, or for
    /// the time of a whole call every answer has been a 429.
    pub(crate) fn refused(
        &self,
        policy: &RetryPolicy,
        sent: Instant,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        let is_too_long = retry_after.is_some_and(|delay| delay > policy.get_max_retry_after());
        if !policy.get_retry_rate_limits() || policy.get_max_attempts() <= 1 || is_too_long {
            return None;
        }
        let now = Instant::now();
        let mut pauses = self.lock();
        let first = *pauses.first.get_or_insert(now);
        if now.duration_since(first) > policy.get_total_timeout() {
            return None;
        }
        // What was in flight when a pause began says nothing new.
        if pauses.last.is_none_or(|last| sent >= last) {
            pauses.count = pauses.count.saturating_add(1);
            pauses.last = Some(now);
        }
        let doublings = (pauses.count - 1).min(31);
        let longest = policy.get_base_delay().max(Duration::from_millis(1));
        let longest = longest.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let delay = match retry_after {
            Some(delay) => delay.saturating_add(policy.longest_delay(2).mul_f64(fastrand::f64())),
            None => longest.mul_f64(0.5 + fastrand::f64() / 2.0),
        };
        let until = now.checked_add(delay)?;
        let until = pauses.until.map_or(until, |earlier| earlier.max(until));
        pauses.until = Some(until);
        Some(until.saturating_duration_since(now))
    }

    fn lock(&self) -> MutexGuard<'_, Pauses> {
        // Each of its values is whole whatever happened to the thread that held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
