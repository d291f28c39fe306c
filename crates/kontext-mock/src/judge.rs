//! Judges a request's body and finds the recording that answers.

use serde_json::Value;

use crate::{
    canonical::Canonical,
    contract::{Operation, RequestContract},
    explain::{ENTRIES, explain, has_long_list},
    matching::{self, Asked, Found, Match, MatchMode},
    problem,
    recordings::Recordings,
    refusal::{Reason, Refusal},
    shorten,
};

/// The provider's first line when a body is wrong.
const HEADING: &str = "Body validation error";

/// Reads a body as JSON that agrees with the contract, in the form in which
/// requests are compared; nothing where there need not be a body and is none.
pub(crate) fn read(contract: &RequestContract, body: &[u8]) -> Result<Option<Canonical>, Refusal> {
    if body.is_empty() && !contract.required {
        return Ok(None);
    }
    let not_json = |problem: String| Refusal::new(Reason::NotJson, format!("{HEADING}\n{problem}"));
    if body.is_empty() {
        return Err(not_json("the body is empty, expected JSON".to_owned()));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        not_json(format!(
            "the body is not UTF-8: wrong from byte {} on",
            error.valid_up_to()
        ))
    })?;
    if text.starts_with('\u{feff}') {
        return Err(not_json(
            "the body starts with a byte order mark (EF BB BF), expected JSON without it"
                .to_owned(),
        ));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        not_json(format!(
            "the body is no JSON that can be read: {}",
            words(&error)
        ))
    })?;
    let problems = explain(&contract.open, &value);
    if !problems.is_empty() {
        let heading = if has_long_list(&value) {
            format!("{HEADING}\n(of each list only the first {ENTRIES} entries are judged)")
        } else {
            HEADING.to_owned()
        };
        let lines = problems.iter().map(problem::Problem::line);
        return Err(Refusal::new(
            Reason::Contract,
            problem::list(&heading, lines),
        ));
    }
    let canonical = Canonical::of(text)
        .map_err(|error| not_json(format!("the body is no JSON that can be read: {error}")))?;
    Ok(Some(canonical))
}

/// Says in words what the parser found, with line and column.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("recursion limit exceeded") {
        Some(place) => format!("it is nested deeper than 127 levels{place}"),
        None => text,
    }
}

/// Finds the recording that answers, or refuses with the nearest one and what
/// differs.
pub(crate) fn find<'a>(
    recordings: &'a Recordings,
    operation: &Operation,
    asked: &Asked<'_>,
    mode: MatchMode,
) -> Result<Found<'a>, Refusal> {
    let Some(found) = matching::find(recordings, asked, mode) else {
        return Err(Refusal::new(
            Reason::Miss,
            format!("No recording of {} is there.", operation.name()),
        ));
    };
    if found.how != Match::Miss {
        return Ok(found);
    }
    let heading = format!(
        "No recording matches this request. The nearest is {} ({}), which differs here:",
        found.recording.name(),
        shorten::text(found.recording.title(), 200)
    );
    let lines = found.differences.lines();
    Err(Refusal::new(
        Reason::Miss,
        problem::list(&heading, lines.into_iter()),
    ))
}

/// Refuses a body where the contract has none.
pub(crate) fn refuse_body(body: &[u8]) -> Result<(), Refusal> {
    if body.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::Contract,
        format!(
            "{HEADING}\nbody: expected no body, received {} bytes",
            body.len()
        ),
    ))
}
