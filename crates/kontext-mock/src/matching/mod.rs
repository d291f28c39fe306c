//! Chooses the recording that answers a request.

pub(crate) mod diff;
pub(crate) mod index;

use strum::{Display, EnumString, IntoStaticStr};

/// What happens when no recording has exactly the request that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString)]
#[cfg_attr(feature = "binary", derive(clap::ValueEnum))]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum MatchMode {
    /// Answer 404 with the nearest recording and the differences.
    #[default]
    Strict,
    /// Answer with the recording of the request's model that differs in the fewest values;
    /// of several, the first by name.
    Nearest,
    /// Answer with the first recording of the request's model, by name.
    Fallback,
    /// Generate a response from the request, with pictures that the mock serves.
    Generate,
}

/// How a recording was found; the value of [`MATCH_HEADER`](crate::MATCH_HEADER).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Match {
    /// The recorded request equals the received one.
    Exact,
    /// The nearest recorded request, which differs from the received one.
    Nearest,
    /// A recorded request that differs: the first one, or the one that the client asked
    /// for.
    Fallback,
    /// Not a recorded response: generated from the request, or the documented error for a
    /// requested status.
    Generated,
    /// No recording answers.
    Miss,
}

impl MatchMode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Strict, Self::Nearest, Self::Fallback, Self::Generate];
}

impl Match {
    /// The value of the response header.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}
