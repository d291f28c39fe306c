//! The faults of a session, and what they make of its next request.

use std::{
    mem,
    time::{Duration, Instant},
};

use super::{Fault, FaultKind, LONGEST};

/// A fault with what it remembers.
#[derive(Clone, Debug)]
pub(crate) struct ActiveFault {
    fault: Fault,
    /// How many more requests it happens to; without it all.
    left: Option<u64>,
    bucket: Option<Bucket>,
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
    pub(crate) early: Option<Early>,
    /// What happens to the answer.
    pub(crate) late: Option<Late>,
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
pub(crate) enum Early {
    Reset,
    Html502,
    /// The documented error of a status, and `Retry-After` in seconds.
    Status(u16, Option<u32>),
}

/// What happens to the answer of a request that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
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
        }
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
            || self.early.is_some()
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
            FaultKind::ResetBefore => self.set_early(Early::Reset),
            FaultKind::Html502 => self.set_early(Early::Html502),
            FaultKind::Status { status } => self.set_early(Early::Status(status, None)),
            FaultKind::TooManyRequests { retry_after } => {
                self.set_early(Early::Status(429, retry_after))
            }
            FaultKind::RateLimit { per_minute, burst } => {
                match Bucket::take(&mut active.bucket, per_minute, burst, now) {
                    Some(wait) => self.set_early(Early::Status(429, Some(wait))),
                    None => false,
                }
            }
            // See `run_out`.
            FaultKind::OutOfCredits { .. } => false,
            FaultKind::SlowBody { duration } => {
                self.set_late(Late::SlowBody(duration.min(LONGEST)))
            }
            FaultKind::ResetAfter => self.set_late(Late::Reset),
            FaultKind::EmptyReply => self.set_late(Late::EmptyReply),
            FaultKind::Garbage => self.set_late(Late::Garbage),
            FaultKind::MalformedChunk => self.set_late(Late::MalformedChunk),
            FaultKind::CutBody { after } => self.set_late(Late::CutBody(after)),
            FaultKind::WrongContentLength { announced } => {
                self.set_late(Late::WrongContentLength(announced))
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

    fn set_early(&mut self, early: Early) -> bool {
        self.early = Some(early);
        true
    }

    fn set_late(&mut self, late: Late) -> bool {
        if self.late.is_some() {
            return false;
        }
        self.late = Some(late);
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
mod tests {
    use super::*;

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
        assert_eq!(at(0.0).early, None);
        assert_eq!(at(0.0).early, None);
        assert_eq!(at(0.0).early, Some(Early::Status(429, Some(2))));
        assert_eq!(at(1.0).early, Some(Early::Status(429, Some(1))));
        assert_eq!(at(2.0).early, None);
        // It never holds more than its size.
        assert_eq!(at(1000.0).early, None);
        assert_eq!(at(1000.0).early, None);
        assert_eq!(at(1000.0).early, Some(Early::Status(429, Some(2))));
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
        assert_eq!(first.late, Some(Late::Garbage));
        assert_eq!(plan(&mut faults, now).late, Some(Late::Reset));
        let third = plan(&mut faults, now);
        assert_eq!(third.late, None);
        assert_eq!(third.names, ["delay=1s..3s", "delay=1s..3s"]);
    }

    #[test]
    fn what_comes_after_an_early_fault_is_not_used_up() {
        let mut faults = [
            ActiveFault::new(Fault::from(FaultKind::Html502).times(1)),
            ActiveFault::new(Fault::from(FaultKind::Status { status: 503 }).times(1)),
        ];
        let now = Instant::now();
        assert_eq!(plan(&mut faults, now).early, Some(Early::Html502));
        let second = plan(&mut faults, now).early;
        assert_eq!(second, Some(Early::Status(503, None)));
        assert_eq!(plan(&mut faults, now).early, None);
    }

    #[test]
    fn what_needs_a_connection_is_not_used_up_without_one() {
        let fault = Fault::from(FaultKind::Garbage).times(1);
        let mut active = ActiveFault::new(fault);
        let mut without = Plan::new(false);
        without.add(&mut active, Instant::now(), 0.5);
        assert_eq!((without.late, without.names.len()), (None, 0));
        assert_eq!(active.remaining(), fault);
        let mut with = Plan::new(true);
        with.add(&mut active, Instant::now(), 0.5);
        assert_eq!(with.late, Some(Late::Garbage));
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
