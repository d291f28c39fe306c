//! Faults: what can go wrong between a client and the service, on purpose.

mod parse;

use crate::respond::picture::Random;
pub use parse::ParseFaultError;
use std::{
    mem,
    time::{Duration, Instant},
};

/// The longest delay, so that a misspelt one does not look like a hang.
const LONGEST: Duration = Duration::from_secs(3600);

/// Something that goes wrong on purpose.
///
/// Faults act on requests to an operation of the contract with a good key. One
/// is written as on the command line (`delay=200ms`, `reset-after`,
/// `429=7,times=2`), which [`FromStr`](std::str::FromStr) reads and
/// [`Display`](std::fmt::Display) writes.
///
/// What is said of charges is what [`billed`](crate::MockServer::billed) counts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// `delay=200ms`, `delay=50ms..2s`: the answer comes later by this time, or
    /// by one between the two. Charged as without it.
    Delay {
        /// The shortest delay.
        shortest: Duration,
        /// The longest delay.
        longest: Duration,
    },
    /// `slow-body=2s`: the body comes in pieces, the last one after this time.
    /// Charged.
    SlowBody {
        /// How long the body takes in all.
        duration: Duration,
    },
    /// `reset-before`: the connection is reset (RST) when the head of the
    /// request is there, before its body is read. Not charged.
    ResetBefore,
    /// `reset-after`: the connection is reset (RST) when the request has been
    /// read and carried out. Charged.
    ResetAfter,
    /// `empty-reply`: the connection ends in order, without a byte. Charged.
    EmptyReply,
    /// `garbage`: bytes that are no HTTP, then the end. Charged.
    Garbage,
    /// `malformed-chunk`: a chunked body whose second chunk has no length.
    /// Charged.
    MalformedChunk,
    /// `cut-body`, `cut-body=10`: the connection ends after half of the body, or
    /// after so many bytes of it, although its length was announced. Charged.
    CutBody {
        /// How many bytes of the body are sent; without it half of them.
        after: Option<usize>,
    },
    /// `wrong-content-length`, `wrong-content-length=10`: half of the body's
    /// length is announced, or this one, and all of the body is sent. Charged.
    WrongContentLength {
        /// The length that is announced, in bytes; without it half of the true one.
        announced: Option<usize>,
    },
    /// `html-502`: a gateway's HTML page in place of JSON. Not charged.
    Html502,
    /// `status=503`: the documented error of a status from 400 to 599. Not
    /// charged.
    Status {
        /// The status.
        status: u16,
    },
    /// `429`, `429=7`: too many requests, with a `Retry-After` of so many
    /// seconds where it is given. Not charged.
    TooManyRequests {
        /// The value of `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// `rate-limit=5/s`, `rate-limit=60/m,burst=10`: a token bucket. What comes
    /// too fast gets 429, with a `Retry-After`. Not charged.
    RateLimit {
        /// How many requests there may be in each minute.
        per_minute: u32,
        /// How many may come at once; the bucket's size.
        burst: u32,
    },
    /// `out-of-credits=3`: once so many images have been charged, 403 as the
    /// provider documents it. Not charged. With `times`, so many requests are
    /// refused, and then there are credits again.
    OutOfCredits {
        /// How many images are made before the credits have run out.
        after_images: u64,
    },
}

/// A fault, and how often it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many requests it happens to; without it all.
    pub times: Option<u64>,
    /// The share of requests that it happens to, above 0 and up to 1; without it all.
    /// Which ones follows from the seed of [`Generate`](crate::Generate) alone.
    pub share: Option<f64>,
}

impl FaultKind {
    /// Whether it breaks the connection, for which there must be one.
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

    /// Happens to the first requests only.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Happens to this share of requests only, from 0 to 1. It means nothing to
    /// [`FaultKind::RateLimit`] and [`FaultKind::OutOfCredits`].
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Self {
            share: Some(share),
            ..self
        }
    }

    /// Whether a share of requests is said by other means.
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

/// A fault with what it remembers.
#[derive(Clone, Debug)]
pub(crate) struct ActiveFault {
    fault: Fault,
    /// How many more requests it happens to; without it all.
    left: Option<u64>,
    bucket: Option<Bucket>,
    /// What its share is drawn by, once it has been.
    random: Option<Random>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// What the faults make of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    /// What happens in place of carrying the request out.
    pub(crate) before_handler: Option<BeforeHandler>,
    /// What happens to the answer.
    pub(crate) on_response: Option<OnResponse>,
    /// The faults that act, as they are written.
    pub(crate) names: Vec<String>,
    /// The faults of this request alone by which its credits can run out, which
    /// is known only when it would be charged.
    credits: Vec<ActiveFault>,
    /// Whether there is a connection that could be broken.
    has_connection: bool,
}

/// What happens in place of carrying a request out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeforeHandler {
    Reset,
    Html502,
    /// The documented error of a status, and `Retry-After` in seconds.
    Status(u16, Option<u32>),
}

/// What happens to the answer of a request that was carried out.
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

    /// Draws whether it may happen to the next request.
    pub(crate) fn is_drawn(&mut self, seed: u64) -> bool {
        let fault = self.fault;
        let Some(share) = fault.share.filter(|_| !fault.takes_no_share()) else {
            return true;
        };
        let random = self.random.get_or_insert_with(|| {
            // Other faults are drawn otherwise.
            let text = fault.to_string();
            let mix = |seed: u64, byte: u8| Random(seed ^ u64::from(byte)).next();
            Random(text.bytes().fold(seed, mix))
        });
        random.fraction() < share
    }

    /// The fault, with how often it still happens.
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

    /// Adds a fault; `random` is a number from 0 to 1 that a spread is drawn by.
    ///
    /// Of faults that exclude each other the first acts, and the others are
    /// not used up; nor are those that need a connection where there is none.
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
                match Bucket::take(&mut active.bucket, per_minute, burst, now) {
                    Some(wait) => self.set_before_handler(BeforeHandler::Status(429, Some(wait))),
                    None => false,
                }
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

    /// Whether the credits of a request have run out, by the faults of its
    /// session or its own, when so many images have been charged.
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

    /// Remembers that a fault acts.
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
    /// Takes a token, or says in how many seconds there is one.
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
        // A wait of at most a minute fits.
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
    fn a_share_follows_from_the_seed_and_the_fault_alone() {
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
    fn a_bucket_lets_through_what_it_holds_and_fills_again() {
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
        // It never holds more than its size.
        assert_eq!(at(1000.0).before_handler, None);
        assert_eq!(at(1000.0).before_handler, None);
        assert_eq!(
            at(1000.0).before_handler,
            Some(BeforeHandler::Status(429, Some(2)))
        );
    }

    #[test]
    fn delays_add_up_and_of_others_the_first_acts() {
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
    fn what_comes_after_an_early_fault_is_not_used_up() {
        let mut faults = [
            ActiveFault::new(Fault::from(FaultKind::Html502).times(1)),
            ActiveFault::new(Fault::from(FaultKind::Status { status: 503 }).times(1)),
        ];
        let now = Instant::now();
        assert_eq!(
            plan(&mut faults, now).before_handler,
            Some(BeforeHandler::Html502)
        );
        let second = plan(&mut faults, now).before_handler;
        assert_eq!(second, Some(BeforeHandler::Status(503, None)));
        assert_eq!(plan(&mut faults, now).before_handler, None);
    }

    #[test]
    fn what_needs_a_connection_is_not_used_up_without_one() {
        let fault = Fault::from(FaultKind::Garbage).times(1);
        let mut active = ActiveFault::new(fault);
        let mut without = Plan::new(false);
        without.add(&mut active, Instant::now(), 0.5);
        assert_eq!((without.on_response, without.names.len()), (None, 0));
        assert_eq!(active.remaining(), fault);
        let mut with = Plan::new(true);
        with.add(&mut active, Instant::now(), 0.5);
        assert_eq!(with.on_response, Some(OnResponse::Garbage));
    }

    #[test]
    fn credits_run_out_as_often_as_they_are_to() {
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
