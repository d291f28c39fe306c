//! Chooses the recording that answers a request.

pub(crate) mod diff;
pub(crate) mod index;

use strum::{Display, EnumString, IntoStaticStr};

use crate::{
    matching::{diff::Differences, index::RecordingIndex},
    respond::validate::EvaluatedBody,
};

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

/// The recording that matches exactly; a request with a query string matches none.
pub(crate) fn exact(body: &EvaluatedBody<'_>, query: Option<&str>) -> Option<usize> {
    body.exact.filter(|_| query.is_none())
}

/// The differences between a request and a recorded one.
pub(crate) fn differences(
    set: &RecordingIndex,
    index: usize,
    body: &EvaluatedBody<'_>,
    query: Option<&str>,
) -> Differences {
    let recorded = set.canonical(index).map(|recorded| set.stripped(recorded));
    let recorded = recorded.as_deref();
    let mut differences = if body.is_opaque() {
        Differences::opaque(recorded)
    } else {
        let body = body.canonical().map(|body| set.stripped(body));
        Differences::between(recorded, body.as_deref())
    };
    if let Some(query) = query {
        differences.add_query(query);
    }
    differences
}

/// The recording of the same model whose request differs in the fewest values; on a tie,
/// the first by name.
pub(crate) fn nearest(
    set: &RecordingIndex,
    operation: &str,
    body: &EvaluatedBody<'_>,
) -> Option<usize> {
    let model = body.model.as_deref();
    let body = body.canonical().map(|body| set.stripped(body));
    // On a tie, min_by_key takes the first, and names are sorted.
    set.of_model(operation, model)
        .min_by_key(|(_, prepared)| {
            let recorded = prepared.canonical.as_ref();
            let recorded = recorded.map(|recorded| set.stripped(recorded));
            Differences::distance(recorded.as_deref(), body.as_deref())
        })
        .map(|(index, _)| index)
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
