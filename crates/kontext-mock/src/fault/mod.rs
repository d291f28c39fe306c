//! Faults: what can go wrong between a client and the service, on purpose.

mod active;
mod apply;
mod spell;

use std::time::Duration;

pub(crate) use active::{ActiveFault, Early, Late, Plan};
pub(crate) use apply::apply;
pub use spell::ParseFaultError;

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
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self { kind, times: None }
    }
}
