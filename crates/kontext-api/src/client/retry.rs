//! When to retry, how long to wait, and when to stop.

use std::error::Error as StdError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Which failures are retried, how often and after what delay.
///
/// The API has no idempotency key, so a request sent twice may be paid for twice. By default
/// only requests that were certainly not processed are retried. The table in the
/// [crate's documentation](crate#retries) lists every outcome; the methods here change the
/// behaviour.
///
/// There are at most three attempts, within 330 s. The delays are random ("full jitter", so
/// that clients don't retry all at once): up to 0.5 s before the second attempt, up to 1 s
/// before the third, doubling up to 8 s. The `Retry-After` of a 429 or a 503 is added to that,
/// up to 60 s; a longer one ends the call. A client and its clones share a budget of 10
/// retries: a retry takes 1, and a successful call returns 0.2. When the budget is used up,
/// calls are made only once. Downloads have a budget of their own, of the same size.
///
/// In a [`Batch`](crate::Batch), a 429 pauses all jobs instead, and uses up neither an attempt
/// nor the budget.
///
/// Downloads are safe to repeat, so all their transient failures are retried, including
/// truncated bodies and any 5xx.
///
/// ```
/// use std::time::Duration;
///
/// use kontext_api::RetryPolicy;
///
/// let patient = RetryPolicy::default()
///     .max_attempts(5)
///     .max_retry_after(Duration::from_secs(300))
///     .total_timeout(Duration::from_secs(900));
/// assert_eq!(patient.get_max_attempts(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    max_attempts: u32,
    base_delay: Duration,
    max_delay: Duration,
    max_retry_after: Duration,
    total_timeout: Duration,
    budget: u32,
    not_sent: bool,
    rate_limits: bool,
    max_503: u32,
    on_500: bool,
    on_502: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(8),
            max_retry_after: Duration::from_secs(60),
            total_timeout: Duration::from_secs(330),
            budget: 10,
            not_sent: true,
            rate_limits: true,
            max_503: 1,
            on_500: false,
            on_502: false,
        }
    }
}

/// Getters, each with its field and its setter.
macro_rules! getters {
    ($($name:ident: $kind:ty = $field:ident, $setter:ident;)*) => {$(
        #[doc = concat!("What [`", stringify!($setter), "`](Self::", stringify!($setter), ") has set.")]
        pub fn $name(&self) -> $kind {
            self.$field
        }
    )*};
}

impl RetryPolicy {
    /// A policy without retries.
    pub fn never() -> Self {
        Self::default().max_attempts(1)
    }

    /// The number of attempts, including the first. Default: 3. 0 means 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The maximum delay before the second attempt. Default: 0.5 s. It doubles with every
    /// further attempt.
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// The maximum delay before any attempt. Default: 8 s. A `Retry-After` may be longer.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The longest `Retry-After` to wait for. Default: 60 s.
    pub fn max_retry_after(mut self, delay: Duration) -> Self {
        self.max_retry_after = delay;
        self
    }

    /// The timeout for all attempts of a call and the delays between them. Default: 330 s.
    ///
    /// A retry is made only if at least half of
    /// [`attempt_timeout`](crate::ClientBuilder::attempt_timeout) is left for it after the
    /// delay, because an attempt that is cut off has an unknown outcome. A download needs half
    /// a second.
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.total_timeout = limit;
        self
    }

    /// The retry budget shared by a client and its clones. Default: 10.
    ///
    /// Each retry takes 1, and each successful call returns 0.2, up to this number. With 0
    /// there are no retries.
    pub fn budget(mut self, retries: u32) -> Self {
        self.budget = retries;
        self
    }

    /// Whether to retry when no connection was made. Default: yes.
    pub fn retry_not_sent(mut self, yes: bool) -> Self {
        self.not_sent = yes;
        self
    }

    /// Whether to retry after a 429 that is not about a quota or billing. Default: yes.
    pub fn retry_rate_limits(mut self, yes: bool) -> Self {
        self.rate_limits = yes;
        self
    }

    /// How often to retry after a 503 from the provider itself. Default: 1. Any other 503 has
    /// an unknown outcome and is never retried.
    pub fn max_503_retries(mut self, times: u32) -> Self {
        self.max_503 = times;
        self
    }

    /// Whether to retry after a 500. Default: no.
    ///
    /// The provider documents that failed requests are not charged, which holds for a 500 in
    /// the provider's own format. Any other 500 comes from a gateway, which does not know what
    /// the service behind it did: **the image may be generated, and paid for, twice**. A 500
    /// whose message is about maintenance is not retried.
    pub fn retry_500(mut self, yes: bool) -> Self {
        self.on_500 = yes;
        self
    }

    /// Whether to retry after a 502. Default: no.
    ///
    /// A gateway returns it when the connection to the service behind it breaks: **the image
    /// may be generated, and paid for, twice**.
    pub fn retry_502(mut self, yes: bool) -> Self {
        self.on_502 = yes;
        self
    }

    getters! {
        get_max_attempts: u32 = max_attempts, max_attempts;
        get_base_delay: Duration = base_delay, base_delay;
        get_max_delay: Duration = max_delay, max_delay;
        get_max_retry_after: Duration = max_retry_after, max_retry_after;
        get_total_timeout: Duration = total_timeout, total_timeout;
        get_budget: u32 = budget, budget;
        get_retry_not_sent: bool = not_sent, retry_not_sent;
        get_retry_rate_limits: bool = rate_limits, retry_rate_limits;
        get_max_503_retries: u32 = max_503, max_503_retries;
        get_retry_500: bool = on_500, retry_500;
        get_retry_502: bool = on_502, retry_502;
    }

    /// The maximum number of times that a call may be charged.
    pub(crate) fn charges_per_call(&self) -> u64 {
        match self.on_500 || self.on_502 {
            true => u64::from(self.max_attempts),
            false => 1,
        }
    }

    /// The maximum delay before attempt `number`, which is at least 2.
    pub(super) fn longest_delay(&self, number: u32) -> Duration {
        let doublings = number.saturating_sub(2).min(31);
        let delay = self.base_delay.saturating_mul(1 << doublings);
        delay.min(self.max_delay)
    }

    fn allows(&self, cause: Cause, earlier_503: u32) -> bool {
        match cause {
            Cause::NotSent => self.not_sent,
            Cause::RateLimited => self.rate_limits,
            Cause::Unavailable => earlier_503 < self.max_503,
            Cause::InternalError => self.on_500,
            Cause::BadGateway => self.on_502,
            Cause::TransientDownload => true,
        }
    }
}

/// Why an attempt may be worth retrying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No connection was made.
    NotSent,
    /// 429.
    RateLimited,
    /// 503.
    Unavailable,
    /// 500.
    InternalError,
    /// 502.
    BadGateway,
    /// Any transient failure of a download.
    TransientDownload,
}

/// Whether connecting can never succeed: an untrusted certificate, a proxy that requires a
/// password or has an unsupported scheme, plain http to an address that is not private.
///
/// The underlying libraries have no types for these, so it matches their messages.
pub(crate) fn is_permanent(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string().to_lowercase();
        let marks = ["certificate", "proxy auth", "scheme", "plain http"];
        if marks.iter().any(|mark| words.contains(mark)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The retry budget shared by a client and its clones, in fifths of a retry.
#[derive(Debug)]
pub(crate) struct Budget {
    fifths: Mutex<u64>,
    most: u64,
}

impl Budget {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        let most = u64::from(policy.budget) * 5;
        Self {
            fifths: Mutex::new(most),
            most,
        }
    }

    /// Takes one retry, if one is left.
    fn take(&self) -> bool {
        let mut fifths = self.lock();
        match fifths.checked_sub(5) {
            Some(rest) => {
                *fifths = rest;
                true
            }
            None => false,
        }
    }

    /// Returns a fifth of a retry after a success.
    pub(crate) fn succeeded(&self) {
        let mut fifths = self.lock();
        *fifths = (*fifths + 1).min(self.most);
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // A poisoned lock is fine: the number is always valid.
        self.fifths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Schedule<'a> {
    policy: &'a RetryPolicy,
    budget: &'a Budget,
    /// `None` if the policy's timeout exceeds the range of the clock.
    end: Option<Instant>,
    attempts: u32,
    /// Attempts that the policy does not count.
    extra: u32,
    retries_of_503: u32,
}

impl<'a> Schedule<'a> {
    /// Starts the clock with the first attempt.
    pub(crate) fn start(policy: &'a RetryPolicy, budget: &'a Budget) -> Self {
        Self {
            policy,
            budget,
            end: Instant::now().checked_add(policy.total_timeout),
            attempts: 1,
            extra: 0,
            retries_of_503: 0,
        }
    }

    /// Replaces the policy's total timeout.
    pub(crate) fn ends_after(&mut self, limit: Duration) {
        self.end = Instant::now().checked_add(limit);
    }

    /// Extends the deadline by a pause that does not count towards the call.
    pub(crate) fn extend(&mut self, pause: Duration) {
        self.end = self.end.and_then(|end| end.checked_add(pause));
    }

    /// The number of the current attempt, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempts.saturating_add(self.extra)
    }

    /// Allows another attempt that the policy does not count, after `delay` or `retry_after`,
    /// whichever is longer. `None` if no time is left, `retry_after` exceeds the policy's
    /// limit, or the policy has no retries.
    pub(crate) fn next_extra(
        &mut self,
        delay: Duration,
        retry_after: Option<Duration>,
        least: Duration,
    ) -> Option<Duration> {
        let delay = delay.max(retry_after.unwrap_or_default());
        let is_allowed = self.policy.max_attempts > 1
            && retry_after.is_none_or(|delay| delay <= self.policy.max_retry_after)
            && delay.saturating_add(least) <= self.time_left();
        self.extra += u32::from(is_allowed);
        is_allowed.then_some(delay)
    }

    /// The time left for all attempts.
    pub(crate) fn time_left(&self) -> Duration {
        match self.end {
            Some(end) => end.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        }
    }

    /// The delay before the next attempt, or `None` if there is none.
    ///
    /// `least` is the minimum time that must be left for the attempt itself.
    pub(crate) fn next(
        &mut self,
        cause: Cause,
        retry_after: Option<Duration>,
        least: Duration,
    ) -> Option<Duration> {
        if self.attempts >= self.policy.max_attempts
            || !self.policy.allows(cause, self.retries_of_503)
            || retry_after.is_some_and(|delay| delay > self.policy.max_retry_after)
        {
            return None;
        }
        let longest = self.policy.longest_delay(self.attempts + 1);
        let jitter = longest.mul_f64(fastrand::f64());
        // `Retry-After` is the minimum; the jitter spreads clients that received the same
        // value.
        let delay = retry_after.unwrap_or_default().saturating_add(jitter);
        if delay.saturating_add(least) > self.time_left() || !self.budget.take() {
            return None;
        }
        self.attempts += 1;
        if cause == Cause::Unavailable {
            self.retries_of_503 += 1;
        }
        Some(delay)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The delays of a call whose attempts all fail with this cause.
    fn delays(policy: &RetryPolicy, cause: Cause, retry_after: Option<Duration>) -> Vec<Duration> {
        let budget = Budget::new(policy);
        let mut schedule = Schedule::start(policy, &budget);
        std::iter::from_fn(|| schedule.next(cause, retry_after, SECOND)).collect()
    }

    fn count(policy: &RetryPolicy, cause: Cause) -> usize {
        delays(policy, cause, None).len()
    }

    #[test]
    fn default_policy_matches_the_documented_table() {
        let policy = RetryPolicy::default();
        assert_eq!(count(&policy, Cause::NotSent), 2);
        assert_eq!(count(&policy, Cause::RateLimited), 2);
        assert_eq!(count(&policy, Cause::Unavailable), 1);
        assert_eq!(count(&policy, Cause::InternalError), 0);
        assert_eq!(count(&policy, Cause::BadGateway), 0);
        assert_eq!(count(&policy, Cause::TransientDownload), 2);
        assert_eq!(policy.total_timeout, Duration::from_secs(330));
    }

    #[test]
    fn every_setting_changes_retry_count() {
        let policy = RetryPolicy::default;
        assert_eq!(count(&RetryPolicy::never(), Cause::TransientDownload), 0);
        assert_eq!(count(&policy().max_attempts(0), Cause::NotSent), 0);
        assert_eq!(count(&policy().max_attempts(5), Cause::NotSent), 4);
        assert_eq!(count(&policy().retry_not_sent(false), Cause::NotSent), 0);
        assert_eq!(
            count(&policy().retry_rate_limits(false), Cause::RateLimited),
            0
        );
        assert_eq!(count(&policy().max_503_retries(0), Cause::Unavailable), 0);
        assert_eq!(count(&policy().max_503_retries(2), Cause::Unavailable), 2);
        assert_eq!(count(&policy().retry_500(true), Cause::InternalError), 2);
        assert_eq!(count(&policy().retry_502(true), Cause::BadGateway), 2);
        assert_eq!(count(&policy().budget(1), Cause::NotSent), 1);
        let short = policy().total_timeout(SECOND / 2);
        assert_eq!(count(&short, Cause::NotSent), 0);
        let endless = policy().total_timeout(Duration::MAX);
        assert_eq!(count(&endless, Cause::NotSent), 2);
    }

    #[test]
    fn backoff_doubles_up_to_maximum() {
        let policy = RetryPolicy::default();
        let longest: Vec<f64> = (2..9)
            .map(|number| policy.longest_delay(number).as_secs_f64())
            .collect();
        assert_eq!(longest, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]);
        assert_eq!(policy.longest_delay(u32::MAX), Duration::from_secs(8));
        for _ in 0..100 {
            let delays = delays(&policy, Cause::NotSent, None);
            assert!(delays[0] <= SECOND / 2 && delays[1] <= SECOND, "{delays:?}");
        }
    }

    #[test]
    fn retry_after_is_honoured_up_to_a_limit() {
        let policy = RetryPolicy::default();
        let delays_of = |seconds| {
            let asked = Duration::from_secs(seconds);
            delays(&policy, Cause::RateLimited, Some(asked))
        };
        assert_eq!(delays_of(0).len(), 2);
        for (delay, jitter) in delays_of(60).iter().zip([0.5, 1.0]) {
            let jitter = Duration::from_secs_f64(jitter);
            assert!(*delay >= 60 * SECOND && *delay <= 60 * SECOND + jitter);
        }
        assert_eq!(delays_of(61), []);
        let patient = RetryPolicy::default().max_retry_after(100 * SECOND);
        assert_eq!(
            delays(&patient, Cause::RateLimited, Some(61 * SECOND)).len(),
            2
        );
    }

    #[test]
    fn clones_share_budget_and_successes_refill_it() {
        let policy = RetryPolicy::default().budget(2);
        let budget = Budget::new(&policy);
        let retries = || {
            let mut schedule = Schedule::start(&policy, &budget);
            std::iter::from_fn(|| schedule.next(Cause::NotSent, None, SECOND)).count()
        };
        assert_eq!((retries(), retries()), (2, 0));
        for _ in 0..4 {
            budget.succeeded();
        }
        assert_eq!(retries(), 0);
        budget.succeeded();
        assert_eq!((retries(), retries()), (1, 0));
        for _ in 0..1_000 {
            budget.succeeded();
        }
        assert_eq!((retries(), retries()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn no_delay_exceeds_the_time_left() {
        let policy = RetryPolicy::default()
            .total_timeout(10 * SECOND)
            .max_attempts(100)
            .budget(100);
        let budget = Budget::new(&policy);
        let mut schedule = Schedule::start(&policy, &budget);
        assert_eq!(schedule.attempt(), 1);
        tokio::time::advance(7 * SECOND).await;
        assert!(
            schedule
                .next(Cause::RateLimited, Some(SECOND), SECOND)
                .is_some()
        );
        assert_eq!(schedule.attempt(), 2);
        assert_eq!(
            schedule.next(Cause::RateLimited, Some(3 * SECOND), SECOND),
            None
        );
        tokio::time::advance(4 * SECOND).await;
        assert_eq!(schedule.time_left(), Duration::ZERO);
        assert_eq!(schedule.next(Cause::NotSent, None, Duration::ZERO), None);
    }
}
