//! The faults of a session, and what they make of its next request.

use std::time::{Duration, Instant};

use super::{Fault, FaultKind};

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
    /// After how many charged images the credits have run out.
    pub(crate) credits_for: Option<u64>,
    /// The faults that act, as they are written.
    pub(crate) names: Vec<String>,
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
    /// Adds a fault; `random` is a number from 0 to 1 that a spread is drawn by.
    ///
    /// Of faults that exclude each other the first acts, and the others are
    /// not used up.
    pub(crate) fn add(&mut self, active: &mut ActiveFault, now: Instant, random: f64) {
        if active.left == Some(0) || self.early.is_some() {
            return;
        }
        let acts = match active.fault.kind {
            FaultKind::Delay { shortest, longest } => {
                self.delay += shortest + (longest - shortest).mul_f64(random);
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
            FaultKind::OutOfCredits { after_images } => {
                let limit = self.credits_for.unwrap_or(u64::MAX);
                self.credits_for = Some(limit.min(after_images));
                return;
            }
            FaultKind::SlowBody { duration } => self.set_late(Late::SlowBody(duration)),
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
            self.names.push(active.fault.kind.to_string());
            if let Some(left) = &mut active.left {
                *left -= 1;
            }
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
        let per_second = f64::from(per_minute) / 60.0;
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
        let mut plan = Plan::default();
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
}
