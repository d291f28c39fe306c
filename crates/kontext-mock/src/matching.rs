//! Which recording answers a request.

use std::{fmt, str::FromStr};

use crate::{
    difference::Differences,
    judge::{Compared, Judged},
    loaded::Set,
};

/// What happens when no recording has exactly the request that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchMode {
    /// The answer is 404, with the nearest recording and what differs.
    #[default]
    Strict,
    /// The recording of the operation answers that differs in the fewest
    /// values; of several, the first by name.
    Nearest,
    /// The first recording of the operation, by name, answers.
    Fallback,
    /// An answer is made up from the request, with pictures that the mock
    /// serves.
    Generate,
}

/// How a recording was found; the value of [`MATCH_HEADER`](crate::MATCH_HEADER).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Match {
    /// The recorded request is the one that was sent.
    Exact,
    /// The recorded request is another one, the nearest.
    Nearest,
    /// The recorded request is another one, whichever is the first, or the one
    /// that the request named.
    Fallback,
    /// The answer is no recorded one: it was made up from the request, or is
    /// the documented error of a status that was asked for.
    Generated,
    /// No recording answers.
    Miss,
}

/// Says that a text names no [`MatchMode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected strict, nearest, fallback or generate, received {received:?}")]
pub struct UnknownMatchMode {
    received: String,
}

/// Whether a request is one that a recording has exactly.
pub(crate) fn exact(judged: &Judged, query: Option<&str>) -> Option<usize> {
    judged.exact.filter(|_| query.is_none())
}

/// How a request differs from that of a recording.
pub(crate) fn differences(
    set: &Set,
    index: usize,
    judged: &Judged,
    query: Option<&str>,
) -> Differences {
    let recorded = set
        .prepared
        .get(index)
        .and_then(|one| one.canonical.as_ref());
    let mut differences = match &judged.compared {
        Compared::Opaque => Differences::opaque(recorded),
        Compared::Nothing | Compared::Json(_) => Differences::between(recorded, judged.canonical()),
    };
    if let Some(query) = query {
        differences.add_query(query);
    }
    differences
}

/// The recording of the operation whose request differs in the fewest values;
/// of several, the first by name.
pub(crate) fn nearest(set: &Set, judged: &Judged) -> Option<usize> {
    // Of equal ones, min_by_key takes the first, and names are in order.
    set.of_operation(&judged.operation)
        .min_by_key(|(_, prepared)| {
            Differences::distance(prepared.canonical.as_ref(), judged.canonical())
        })
        .map(|(index, _)| index)
}

impl MatchMode {
    /// Every mode, as one chooses among them.
    pub const ALL: [Self; 4] = [Self::Strict, Self::Nearest, Self::Fallback, Self::Generate];

    /// The mode's name, as the command line takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Nearest => "nearest",
            Self::Fallback => "fallback",
            Self::Generate => "generate",
        }
    }
}

impl fmt::Display for MatchMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for MatchMode {
    type Err = UnknownMatchMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| UnknownMatchMode {
                received: text.to_owned(),
            })
    }
}

impl Match {
    /// The value of the response header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Nearest => "nearest",
            Self::Fallback => "fallback",
            Self::Generated => "generated",
            Self::Miss => "miss",
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
