//! Validates a request body against the contract, and prepares it for matching.

use kontext_recording::{Canonical, RequestHash, string_end};
use serde_json::Value;
use std::{borrow::Cow, sync::OnceLock};
use strum::{Display, EnumString};

use crate::{
    contract::{
        Operation, PageContract, RequestContract,
        violations::{self, ENTRIES, Violation, has_long_list},
    },
    http::error_response::{Reason, Refusal},
    matching::index::RecordingIndex,
    redaction::Secret,
    state::journal::{self, DataUri},
};

/// The first line of the provider's message for an invalid body.
const HEADING: &str = "Body validation error";

/// What happens to a request that the contract does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString)]
#[cfg_attr(feature = "binary", derive(clap::ValueEnum))]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Validation {
    /// Answer 400, as the provider would.
    #[default]
    Error,
    /// Answer as if the request were valid; the header `x-kontext-validation` and the log
    /// list the violations.
    Warn,
    /// Answer as if the request were valid.
    Off,
}

/// An evaluated request body: parsed and validated once, and looked up by its hash.
#[derive(Debug, Default)]
pub(crate) struct EvaluatedBody<'a> {
    /// The violations of the contract, if any.
    pub(crate) refusal: Option<Refusal>,
    /// The model of the request; `None` if the contract has a single page for all
    /// requests.
    pub(crate) model: Option<String>,
    /// The recording whose request matches exactly.
    pub(crate) exact: Option<usize>,
    /// The JSON pointers that were ignored to find it.
    pub(crate) ignored: Vec<String>,
    /// Members that the contract does not know, at most 20.
    pub(crate) unknown: Vec<String>,
    /// The data URIs in the body.
    pub(crate) data_uris: Vec<DataUri>,
    pub(crate) compared: Compared<'a>,
    /// The canonical form for finding differences, made on first use.
    canonical: OnceLock<Option<Canonical>>,
}

/// A body in the form in which it is compared with recorded ones.
#[derive(Debug, Default)]
pub(crate) enum Compared<'a> {
    /// No body.
    Nothing,
    /// JSON text with secrets redacted, and its parsed value.
    Json(Cow<'a, str>, Value),
    /// A body that is not JSON, which no recording has, or that was rejected before
    /// comparison.
    #[default]
    Opaque,
}

impl<'a> EvaluatedBody<'a> {
    /// Evaluates a body for an operation; `secrets` are those in the request's headers.
    pub(crate) fn new(
        set: &RecordingIndex,
        operation: &Operation,
        validation: Validation,
        body: &'a [u8],
        secrets: &[Secret],
    ) -> Self {
        let read = match operation.request() {
            contract if body.is_empty() => {
                let is_required = contract.is_some_and(|contract| contract.required);
                Ok(Self {
                    compared: Compared::Nothing,
                    exact: set
                        .exact
                        .get(&RequestHash::of(operation.name(), None))
                        .copied(),
                    refusal: is_required.then(|| not_json("the body is empty, expected JSON")),
                    ..Self::default()
                })
            }
            Some(contract) => evaluate(set, operation, contract, validation, body, secrets),
            None => Err(Refusal::new(
                Reason::Contract,
                format!(
                    "{HEADING}\nbody: expected no body, received {} bytes",
                    body.len()
                ),
            )),
        };
        let mut evaluated = read.unwrap_or_else(|refusal| Self {
            refusal: Some(refusal),
            ..Self::default()
        });
        if evaluated.exact.is_none()
            && !set.ignore.is_empty()
            && let Some(body) = evaluated.canonical()
            && let Some((index, differ)) = set.exact_but_ignored(operation.name(), body)
        {
            evaluated.ignored = differ.into_iter().map(ToString::to_string).collect();
            evaluated.exact = Some(index);
        }
        evaluated
    }

    /// The canonical form of a JSON body, for finding differences.
    pub(crate) fn canonical(&self) -> Option<&Canonical> {
        let Compared::Json(text, value) = &self.compared else {
            return None;
        };
        // Its numbers have been checked to be in range.
        let canonical = || Canonical::of_json(text, value).ok();
        self.canonical.get_or_init(canonical).as_ref()
    }
}

/// Evaluates a non-empty body, or rejects it because it cannot be parsed.
fn evaluate<'a>(
    set: &RecordingIndex,
    operation: &Operation,
    contract: &RequestContract,
    validation: Validation,
    body: &'a [u8],
    secrets: &[Secret],
) -> Result<EvaluatedBody<'a>, Refusal> {
    let text = text(body).map_err(|problem| not_json(&problem))?;
    if is_too_much(text) {
        return Err(Refusal::new(
            Reason::BodyTooLarge,
            format!(
                "Request body too large: it has more than {} keys and values",
                VALUES
            ),
        ));
    }
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| unreadable(&words(&error)))?;
    let refusal = refuse(contract, &value);
    if refusal.is_some() && validation == Validation::Error {
        // It is not compared with recordings, so the rest can be skipped.
        return Ok(EvaluatedBody {
            refusal,
            data_uris: journal::data_uris(&value),
            ..EvaluatedBody::default()
        });
    }
    let (redacted, _) = set.redaction.json(text, secrets);
    if let Cow::Owned(redacted) = &redacted {
        value = serde_json::from_str(redacted).map_err(|error| unreadable(&words(&error)))?;
    }
    let hash = RequestHash::of_json(operation.name(), &redacted, &value)
        .map_err(|error| unreadable(&error.to_string()))?;
    let page = contract.page(&value).ok();
    Ok(EvaluatedBody {
        model: page.and_then(|page| page.model.clone()),
        unknown: page.map_or_else(Vec::new, |page| unknown(page, &value)),
        data_uris: journal::data_uris(&value),
        exact: set.exact.get(&hash).copied(),
        refusal,
        compared: Compared::Json(redacted, value),
        ..EvaluatedBody::default()
    })
}

/// The members of a body that its page does not know.
fn unknown(page: &PageContract, value: &Value) -> Vec<String> {
    let (Some(known), Some(members)) = (&page.known, value.as_object()) else {
        return Vec::new();
    };
    let unknown = members.keys().filter(|name| !known.contains(*name));
    unknown.take(20).cloned().collect()
}

/// Decodes a body as UTF-8 text without a byte order mark.
fn text(body: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let end = error.valid_up_to();
        format!("the body is not UTF-8: wrong from byte {end} on")
    })?;
    if text.starts_with('\u{feff}') {
        let problem = "the body starts with a byte order mark (EF BB BF), expected JSON without it";
        return Err(problem.to_owned());
    }
    Ok(text)
}

fn unreadable(problem: &str) -> Refusal {
    not_json(&format!("invalid JSON: {problem}"))
}

/// Rejects a body with all its violations of the contract.
fn refuse(contract: &RequestContract, value: &Value) -> Option<Refusal> {
    let problems = contract.violations(value);
    if problems.is_empty() {
        return None;
    }
    let heading = if has_long_list(value) {
        format!("{HEADING}\n(of each list only the first {ENTRIES} entries are judged)")
    } else {
        HEADING.to_owned()
    };
    let lines = problems.iter().map(Violation::line);
    let refusal = Refusal::new(Reason::Contract, violations::list(&heading, lines));
    Some(Refusal {
        fields: problems.iter().take(20).map(Violation::field).collect(),
        ..refusal
    })
}

fn not_json(problem: &str) -> Refusal {
    Refusal::new(Reason::NotJson, format!("{HEADING}\n{problem}"))
}

/// Formats a parser error, with line and column.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("recursion limit exceeded") {
        Some(place) => format!("it is nested deeper than 127 levels{place}"),
        None => text,
    }
}

/// The maximum number of keys and values in a body: one of a few megabytes can have
/// millions, which take seconds to validate and compare. A typical request has a few dozen.
const VALUES: usize = 20_000;

/// The JSON parser rejects deeper nesting, so counting can stop there.
const DEPTH: usize = 128;

/// Whether a text, if it is JSON, has more than [`VALUES`] keys and values.
fn is_too_much(text: &str) -> bool {
    let bytes = text.as_bytes();
    if marks(bytes) < VALUES {
        return false;
    }
    let (mut values, mut depth, mut at) = (1_usize, 0_usize, 0);
    while at < bytes.len() && values <= VALUES && depth < DEPTH {
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at + 1);
                continue;
            }
            b',' | b':' => values += 1,
            b'[' | b'{' => {
                values += 1;
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    values > VALUES
}

/// Counts the bytes that can precede a key or value, including those in strings. This is
/// an upper bound that vectorizes.
fn marks(bytes: &[u8]) -> usize {
    let is_mark = |byte: &u8| (*byte == b',') | (*byte == b':') | (*byte == b'[') | (*byte == b'{');
    let counts = bytes.chunks(usize::from(u8::MAX)).map(|chunk| {
        // The sum of a chunk fits into a `u8`.
        let count: u8 = chunk.iter().map(|byte| u8::from(is_mark(byte))).sum();
        usize::from(count)
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_inside_strings_are_not_counted() {
        assert!(!is_too_much(&format!(
            "[\"{}\"]",
            "[,:{\\\"".repeat(VALUES)
        )));
        assert!(!is_too_much(""));
        assert!(!is_too_much(&"\"".repeat(2 * VALUES + 1)));
    }

    #[test]
    fn enforces_limit_exactly() {
        // The list itself is a value, and the last entry has no comma after it.
        let list = |entries: usize| format!("[{}0]", "0,".repeat(entries - 1));
        assert!(!is_too_much(&list(VALUES - 1)));
        assert!(is_too_much(&list(VALUES)));
        let keys = |count: usize| format!("{{{}}}", vec!["\"k\":0"; count].join(","));
        assert!(!is_too_much(&keys(VALUES / 2 - 1)));
        assert!(is_too_much(&keys(VALUES / 2 + 1)));
    }

    #[test]
    fn deep_nesting_is_left_to_the_parser() {
        assert!(!is_too_much(&"[".repeat(VALUES * 2)));
    }
}
