//! Faults: failures between client and service, injected on purpose.

mod parse;

use crate::respond::picture::Random;
pub use parse::ParseFaultError;
use std::{
    mem,
    time::{Duration, Instant},
};

/// The maximum delay, so that a mistyped one does not look like a hang.
const LONGEST: Duration = Duration::from_secs(3600);

/// A kind of failure that is injected on purpose.
///
/// Faults apply to authorized requests to an operation of the contract. The text form is
/// that of the command line (`delay=200ms`, `reset-after`, `429=7,times=2`); [`Fault`]
/// parses it with [`FromStr`](std::str::FromStr) and writes it with
/// [`Display`](std::fmt::Display).
///
/// "Charged" and "not charged" refer to [`billed`](crate::MockServer::billed).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// `delay=200ms`, `delay=50ms..2s`: delays the response by this time, or by a random
    /// time in this range. Charged as without the fault.
    Delay {
        /// The shortest delay.
        shortest: Duration,
        /// The longest delay.
        longest: Duration,
    },
    /// `slow-body=2s`: sends the body in pieces, the last one after this time. Charged.
    SlowBody {
        /// The total time for the body.
        duration: Duration,
    },
    /// `reset-before`: resets the connection (RST) after the request head, before the
    /// body is read. Not charged.
    ResetBefore,
    /// `reset-after`: resets the connection (RST) after the request was read and carried
    /// out. Charged.
    ResetAfter,
    /// `empty-reply`: closes the connection cleanly without sending a byte. Charged.
    EmptyReply,
    /// `garbage`: sends bytes that are not HTTP, then closes the connection. Charged.
    Garbage,
    /// `malformed-chunk`: sends a chunked body whose second chunk has no length. Charged.
    MalformedChunk,
    /// `cut-body`, `cut-body=10`: closes the connection after half of the body or this
    /// many bytes, although the full length was announced. Charged.
    CutBody {
        /// How many bytes of the body are sent; by default half of them.
        after: Option<usize>,
    },
    /// `wrong-content-length`, `wrong-content-length=10`: announces half of the body's
    /// length, or this one, and sends the whole body. Charged.
    WrongContentLength {
        /// The announced length in bytes; by default half of the true one.
        announced: Option<usize>,
    },
    /// `html-502`: sends a gateway's HTML error page in place of JSON. Not charged.
    Html502,
    /// `status=503`: sends the documented error for a status from 400 to 599. Not
    /// charged.
    Status {
        /// The status.
        status: u16,
    },
    /// `429`, `429=7`: too many requests, with a `Retry-After` in seconds if given. Not
    /// charged.
    TooManyRequests {
        /// The value of `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// `rate-limit=5/s`, `rate-limit=60/m,burst=10`: a token bucket. Requests over the
    /// limit get 429 with a `Retry-After`. Not charged.
    RateLimit {
        /// The allowed requests per minute.
        per_minute: u32,
        /// How many requests may come at once: the size of the bucket.
        burst: u32,
    },
    /// `out-of-credits=3`: after this many images have been charged, sends 403 as the
    /// provider documents it. Not charged. With `times`, this many requests are rejected,
    /// then there are credits again.
    OutOfCredits {
        /// How many images can be made before the credits run out.
        after_images: u64,
    },
}

/// A fault, and how often it applies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many requests it applies to; `None` for all.
    pub times: Option<u64>,
    /// The share of requests that it applies to, above 0 and up to 1; `None` for all. The
    /// selection depends only on the fault and the seed of [`Generate`](crate::Generate).
    pub share: Option<f64>,
}

impl FaultKind {
    /// Whether the fault breaks the connection, and so needs one.
    pub(crate) fn breaks_connection(&self) -> bool {
        matches!(
            self,
            Self::ResetBefore
                | Self::ResetAfter
                | Self::EmptyReply
                | Self::Garbage
                | Self::MalformedChunk
                | Self::CutBody { .. }
                | Self::WrongContentLength { .. }
        )
    }
}

impl Fault {
    pub(crate) fn is_rate_limit(&self) -> bool {
        matches!(self.kind, FaultKind::RateLimit { .. })
    }

    /// Applies to the first `times` requests only.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Applies to this share of requests only, from 0 to 1. Has no effect on
    /// [`FaultKind::RateLimit`] and [`FaultKind::OutOfCredits`].
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Self {
            share: Some(share),
            ..self
        }
    }

    /// Whether the fault ignores a share, because it selects requests by other means.
    fn takes_no_share(&self) -> bool {
        self.is_rate_limit() || matches!(self.kind, FaultKind::OutOfCredits { .. })
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self {
            kind,
            times: None,
            share: None,
        }
    }
}

/// A fault with its state.
#[derive(Clone, Debug)]
pub(crate) struct ActiveFault {
    fault: Fault,
    /// How many more requests it applies to; `None` for all.
    left: Option<u64>,
    bucket: Option<Bucket>,
    /// Draws the share; initialized on first use.
    random: Option<Random>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// The effects of the faults on one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    /// What happens in place of carrying the request out.
    pub(crate) before_handler: Option<BeforeHandler>,
    /// What happens to the response.
    pub(crate) on_response: Option<OnResponse>,
    /// The faults that apply, in text form.
    pub(crate) names: Vec<String>,
    /// The request's own out-of-credits faults; whether they apply is only known when the
    /// request would be charged.
    credits: Vec<ActiveFault>,
    /// Whether there is a connection that can be broken.
    has_connection: bool,
}

/// What happens in place of carrying a request out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeforeHandler {
    Reset,
    Html502,
    /// The documented error for a status, and `Retry-After` in seconds.
    Status(u16, Option<u32>),
}

/// What happens to the response of a request that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnResponse {
    SlowBody(Duration),
    Reset,
    EmptyReply,
    Garbage,
    MalformedChunk,
    CutBody(Option<usize>),
    WrongContentLength(Option<usize>),
}

impl ActiveFault {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            left: fault.times,
            bucket: None,
            random: None,
        }
    }

    /// Draws whether the fault may apply to the next request.
    pub(crate) fn is_drawn(&mut self, seed: u64) -> bool {
        let fault = self.fault;
        let Some(share) = fault.share.filter(|_| !fault.takes_no_share()) else {
            return true;
        };
        let random = self.random.get_or_insert_with(|| {
            // Different faults draw different sequences.
            let text = fault.to_string();
            let mix = |seed: u64, byte: u8| Random(seed ^ u64::from(byte)).next();
            Random(text.bytes().fold(seed, mix))
        });
        random.fraction() < share
    }

    /// The fault, with the number of remaining requests.
    pub(crate) fn remaining(&self) -> Fault {
        Fault {
            times: self.left,
            ..self.fault
        }
    }
}

impl Plan {
    pub(crate) fn new(has_connection: bool) -> Self {
        Self {
            has_connection,
            ..Self::default()
        }
    }

    /// Adds a fault of this request alone.
    pub(crate) fn add_own(&mut self, fault: Fault, now: Instant, random: f64) {
        let mut active = ActiveFault::new(fault);
        self.add(&mut active, now, random);
        if matches!(fault.kind, FaultKind::OutOfCredits { .. }) {
            self.credits.push(active);
        }
    }

    /// Adds a fault; `random` is from 0 to 1 and picks the delay within its range.
    ///
    /// Of mutually exclusive faults the first applies, and the others are not used up.
    /// Faults that need a connection are not used up without one.
    pub(crate) fn add(&mut self, active: &mut ActiveFault, now: Instant, random: f64) {
        if active.left == Some(0)
            || self.before_handler.is_some()
            || (active.fault.kind.breaks_connection() && !self.has_connection)
        {
            return;
        }
        let acts = match active.fault.kind {
            FaultKind::Delay { shortest, longest } => {
                let spread = longest.saturating_sub(shortest).min(LONGEST);
                self.delay += shortest.min(LONGEST) + spread.mul_f64(random);
                true
            }
            FaultKind::ResetBefore => self.set_before_handler(BeforeHandler::Reset),
            FaultKind::Html502 => self.set_before_handler(BeforeHandler::Html502),
            FaultKind::Status { status } => {
                self.set_before_handler(BeforeHandler::Status(status, None))
            }
            FaultKind::TooManyRequests { retry_after } => {
                self.set_before_handler(BeforeHandler::Status(429, retry_after))
            }
            FaultKind::RateLimit { per_minute, burst } => {
                let wait = Bucket::take(&mut active.bucket, per_minute, burst, now);
                wait.is_some() && self.set_before_handler(BeforeHandler::Status(429, wait))
            }
            // See `run_out`.
            FaultKind::OutOfCredits { .. } => false,
            FaultKind::SlowBody { duration } => {
                self.set_on_response(OnResponse::SlowBody(duration.min(LONGEST)))
            }
            FaultKind::ResetAfter => self.set_on_response(OnResponse::Reset),
            FaultKind::EmptyReply => self.set_on_response(OnResponse::EmptyReply),
            FaultKind::Garbage => self.set_on_response(OnResponse::Garbage),
            FaultKind::MalformedChunk => self.set_on_response(OnResponse::MalformedChunk),
            FaultKind::CutBody { after } => self.set_on_response(OnResponse::CutBody(after)),
            FaultKind::WrongContentLength { announced } => {
                self.set_on_response(OnResponse::WrongContentLength(announced))
            }
        };
        if acts {
            self.act(active);
        }
    }

    /// Whether the credits have run out after this many charged images, by the faults of
    /// the session or of the request.
    pub(crate) fn run_out(&mut self, faults: &mut [ActiveFault], images: u64) -> bool {
        let mut own = mem::take(&mut self.credits);
        let runs_out = |active: &&mut ActiveFault| {
            active.left != Some(0)
                && matches!(active.fault.kind, FaultKind::OutOfCredits { after_images }
                    if images >= after_images)
        };
        let found = own.iter_mut().chain(faults).find(runs_out);
        let has_run_out = found.is_some();
        if let Some(active) = found {
            self.act(active);
        }
        self.credits = own;
        has_run_out
    }

    /// Records that a fault applies.
    fn act(&mut self, active: &mut ActiveFault) {
        self.names.push(active.fault.kind.to_string());
        if let Some(left) = &mut active.left {
            *left = left.saturating_sub(1);
        }
    }

    fn set_before_handler(&mut self, before_handler: BeforeHandler) -> bool {
        self.before_handler = Some(before_handler);
        true
    }

    fn set_on_response(&mut self, on_response: OnResponse) -> bool {
        if self.on_response.is_some() {
            return false;
        }
        self.on_response = Some(on_response);
        true
    }
}

impl Bucket {
    /// Takes a token, or returns the seconds until the next one.
    fn take(bucket: &mut Option<Self>, per_minute: u32, burst: u32, now: Instant) -> Option<u32> {
        let per_second = f64::from(per_minute.max(1)) / 60.0;
        let Self { tokens, filled } = bucket.get_or_insert(Self {
            tokens: f64::from(burst),
            filled: now,
        });
        let passed = now.saturating_duration_since(*filled).as_secs_f64();
        *tokens = (*tokens + passed * per_second).min(f64::from(burst));
        *filled = now;
        if *tokens >= 1.0 {
            *tokens -= 1.0;
            return None;
        }
        let wait = ((1.0 - *tokens) / per_second).ceil().max(1.0);
        // The rate is at least 1 per minute, so the wait is at most 60 s.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 1 to 60"
        )]
        Some(wait as u32)
    }
}

#[cfg(test)]
mod active_tests {
    use super::*;

    #[test]
    fn shares_depend_only_on_seed_and_fault() {
        let drawn = |status: u16, seed: u64| {
            let fault = Fault::from(FaultKind::Status { status }).share(0.1);
            let mut active = ActiveFault::new(fault);
            (0..1000)
                .filter(|_| active.is_drawn(seed))
                .collect::<Vec<_>>()
        };
        let first = drawn(503, 0);
        assert!((60..140).contains(&first.len()), "{}", first.len());
        assert_eq!(drawn(503, 0), first);
        for (status, seed) in [(503, 1), (502, 0)] {
            let other = drawn(status, seed);
            assert!((60..140).contains(&other.len()) && other != first);
        }
    }

    fn plan(faults: &mut [ActiveFault], now: Instant) -> Plan {
        let mut plan = Plan::new(true);
        for fault in faults {
            plan.add(fault, now, 0.5);
        }
        plan
    }

    #[test]
    fn rate_limit_bucket_empties_and_refills() {
        let start = Instant::now();
        let mut faults = [ActiveFault::new(
            FaultKind::RateLimit {
                per_minute: 30,
                burst: 2,
            }
            .into(),
        )];
        let mut at = |seconds: f64| plan(&mut faults, start + Duration::from_secs_f64(seconds));
        assert_eq!(at(0.0).before_handler, None);
        assert_eq!(at(0.0).before_handler, None);
        assert_eq!(
            at(0.0).before_handler,
            Some(BeforeHandler::Status(429, Some(2)))
        );
        assert_eq!(
            at(1.0).before_handler,
            Some(BeforeHandler::Status(429, Some(1)))
        );
        assert_eq!(at(2.0).before_handler, None);
        // It never holds more tokens than its size.
        assert_eq!(at(1000.0).before_handler, None);
        assert_eq!(at(1000.0).before_handler, None);
        assert_eq!(
            at(1000.0).before_handler,
            Some(BeforeHandler::Status(429, Some(2)))
        );
    }

    #[test]
    fn delays_add_up_and_first_other_fault_wins() {
        let delay = FaultKind::Delay {
            shortest: Duration::from_secs(1),
            longest: Duration::from_secs(3),
        };
        let mut faults = [
            ActiveFault::new(delay.into()),
            ActiveFault::new(delay.into()),
            ActiveFault::new(Fault::from(FaultKind::Garbage).times(1)),
            ActiveFault::new(Fault::from(FaultKind::ResetAfter).times(1)),
        ];
        let now = Instant::now();
        let first = plan(&mut faults, now);
        assert_eq!(first.delay, Duration::from_secs(4));
        assert_eq!(first.on_response, Some(OnResponse::Garbage));
        assert_eq!(plan(&mut faults, now).on_response, Some(OnResponse::Reset));
        let third = plan(&mut faults, now);
        assert_eq!(third.on_response, None);
        assert_eq!(third.names, ["delay=1s..3s", "delay=1s..3s"]);
    }

    #[test]
    fn out_of_credits_respects_times() {
        let fault = |after_images| Fault::from(FaultKind::OutOfCredits { after_images });
        let mut session = [ActiveFault::new(fault(2).times(1))];
        let mut plan = Plan::new(true);
        assert!(!plan.run_out(&mut session, 1));
        assert!(plan.names.is_empty());
        assert!(plan.run_out(&mut session, 2));
        assert_eq!(plan.names, ["out-of-credits=2"]);
        assert!(!plan.run_out(&mut session, 2));
        plan.add_own(fault(1), Instant::now(), 0.5);
        assert!(!plan.run_out(&mut [], 0));
        assert!(plan.run_out(&mut [], 1));
    }
}
