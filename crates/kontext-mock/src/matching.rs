//! Which recording answers a request.

use std::{fmt, str::FromStr};

use crate::{
    canonical::Canonical,
    difference::Differences,
    recordings::{Recording, Recordings},
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
}

/// How a recording was found; the value of [`MATCH_HEADER`](crate::MATCH_HEADER).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Match {
    /// The recorded request is the one that was sent.
    Exact,
    /// The recorded request is another one, the nearest.
    Nearest,
    /// The recorded request is another one, whichever is the first.
    Fallback,
    /// No recording answers.
    Miss,
}

/// Says that a text names no [`MatchMode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected strict, nearest or fallback, received {received:?}")]
pub struct UnknownMatchMode {
    received: String,
}

/// A request, as far as recordings are told apart by it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The operation's name; it stands for the method and the path.
    pub(crate) operation: &'a str,
    /// The query, where there is one that is not empty.
    pub(crate) query: Option<&'a str>,
    /// The body, where there is one.
    pub(crate) body: Option<&'a Canonical>,
}

/// What was found for a request.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) how: Match,
    /// The recording that answers or, for a miss, the nearest one.
    pub(crate) recording: &'a Recording,
    /// How the request differs from that recording's.
    pub(crate) differences: Differences,
}

/// Finds the recording that answers a request; nothing if there is none of
/// its operation.
pub(crate) fn find<'a>(
    recordings: &'a Recordings,
    asked: &Asked<'_>,
    mode: MatchMode,
) -> Option<Found<'a>> {
    let of_operation = || {
        recordings
            .iter()
            .filter(|recording| recording.operation() == asked.operation)
    };
    let exact = of_operation()
        .find(|recording| asked.query.is_none() && recording.canonical() == asked.body);
    if let Some(recording) = exact {
        return Some(Found {
            how: Match::Exact,
            recording,
            differences: Differences::default(),
        });
    }
    let compared = |recording: &'a Recording| {
        let mut differences = Differences::between(recording.canonical(), asked.body);
        if let Some(query) = asked.query {
            differences.add_query(query);
        }
        Found {
            how: match mode {
                MatchMode::Strict => Match::Miss,
                MatchMode::Nearest => Match::Nearest,
                MatchMode::Fallback => Match::Fallback,
            },
            recording,
            differences,
        }
    };
    match mode {
        MatchMode::Fallback => of_operation().next().map(compared),
        // Of equal ones, min_by_key takes the first, and names are in order.
        MatchMode::Strict | MatchMode::Nearest => of_operation()
            .map(compared)
            .min_by_key(|found| found.differences.leaves()),
    }
}

impl MatchMode {
    /// Every mode, as one chooses among them.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Nearest, Self::Fallback];

    /// The mode's name, as the command line takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Nearest => "nearest",
            Self::Fallback => "fallback",
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
            Self::Miss => "miss",
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
