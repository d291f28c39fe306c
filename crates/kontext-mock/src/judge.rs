//! Judges a request's body by the contract, and finds what it is compared by.

use std::{fmt, str::FromStr, sync::atomic::AtomicU64};

use serde_json::Value;

use crate::{
    amount,
    canonical::Canonical,
    contract::{Operation, RequestContract},
    explain::{ENTRIES, explain, has_long_list},
    loaded::Set,
    problem,
    redact::Secret,
    refusal::{Reason, Refusal},
};

/// The provider's first line when a body is wrong.
const HEADING: &str = "Body validation error";

/// What happens to a request that the contract does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validation {
    /// It is refused with 400 (or 415), as the provider would.
    #[default]
    Error,
    /// It is answered as if it were right; the header `x-kontext-validation`
    /// and the log say what is wrong.
    Warn,
    /// It is answered as if it were right.
    Off,
}

/// Says that a text names no [`Validation`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected off, warn or error, received {received:?}")]
pub struct UnknownValidation {
    received: String,
}

/// What is made of a request's body, whatever else the request has.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The operation that it was judged for.
    pub(crate) operation: String,
    /// Why the contract does not allow it, if it does not.
    pub(crate) refusal: Option<Refusal>,
    /// The form in which bodies are compared, secrets redacted.
    pub(crate) compared: Compared,
    /// The recording that has exactly this body.
    pub(crate) exact: Option<usize>,
    /// The [fingerprint](crate::redact::Secret::fingerprint) of the secrets that
    /// were last found not to be in the body.
    pub(crate) unmentioned: AtomicU64,
}

/// A body in the form in which bodies are compared.
#[derive(Debug)]
pub(crate) enum Compared {
    /// There is none.
    Nothing,
    Json(Canonical),
    /// Something that is no JSON, which no recording has; or something that is
    /// refused before it is compared.
    Opaque,
}

impl Judged {
    /// Judges a body for an operation; `secrets` are those of the request's
    /// headers that the body has in it.
    pub(crate) fn of(
        set: &Set,
        operation: &Operation,
        validation: Validation,
        body: &[u8],
        secrets: &[Secret],
    ) -> Self {
        let read = match operation.request() {
            Some(contract) => read(set, contract, validation, body, secrets),
            None if body.is_empty() => (Compared::Nothing, None),
            None => (Compared::Opaque, Some(unexpected(body))),
        };
        let (compared, refusal) = read;
        let exact = match &compared {
            Compared::Nothing => set.exact(operation.name(), None),
            Compared::Json(canonical) => set.exact(operation.name(), Some(canonical)),
            Compared::Opaque => None,
        };
        Self {
            operation: operation.name().to_owned(),
            refusal,
            exact,
            unmentioned: AtomicU64::new(0),
            compared,
        }
    }

    /// The body as it is compared, where there is one that is JSON.
    pub(crate) fn canonical(&self) -> Option<&Canonical> {
        match &self.compared {
            Compared::Json(canonical) => Some(canonical),
            Compared::Nothing | Compared::Opaque => None,
        }
    }
}

/// Reads a body as JSON, and says what the contract does not allow in it.
fn read(
    set: &Set,
    contract: &RequestContract,
    validation: Validation,
    body: &[u8],
    secrets: &[Secret],
) -> (Compared, Option<Refusal>) {
    if body.is_empty() {
        let refusal = contract
            .required
            .then(|| not_json("the body is empty, expected JSON"));
        return (Compared::Nothing, refusal);
    }
    judge(set, contract, validation, body, secrets)
        .unwrap_or_else(|refusal| (Compared::Opaque, Some(refusal)))
}

/// Judges a body that is there, or refuses it because it cannot be read.
fn judge(
    set: &Set,
    contract: &RequestContract,
    validation: Validation,
    body: &[u8],
    secrets: &[Secret],
) -> Result<(Compared, Option<Refusal>), Refusal> {
    let text = text(body).map_err(|problem| not_json(&problem))?;
    if amount::is_too_much(text) {
        return Err(Refusal::new(
            Reason::TooLarge,
            format!(
                "Request body too large: it has more than {} keys and values",
                amount::VALUES
            ),
        ));
    }
    let value = serde_json::from_str(text).map_err(|error| unreadable(&words(&error)))?;
    let refusal = refuse(contract, &value);
    if refusal.is_some() && validation == Validation::Error {
        // It is compared with nothing, so megabytes need not be prepared for it.
        return Ok((Compared::Opaque, refusal));
    }
    drop(value);
    let (redacted, _) = set.redaction.json(text, secrets);
    let canonical = Canonical::of(&redacted).map_err(|error| unreadable(&error.to_string()))?;
    Ok((Compared::Json(canonical), refusal))
}

/// The text that a body is.
fn text(body: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(body).map_err(|error| {
        format!(
            "the body is not UTF-8: wrong from byte {} on",
            error.valid_up_to()
        )
    })?;
    if text.starts_with('\u{feff}') {
        return Err(
            "the body starts with a byte order mark (EF BB BF), expected JSON without it"
                .to_owned(),
        );
    }
    Ok(text)
}

fn unreadable(problem: &str) -> Refusal {
    not_json(&format!("the body is no JSON that can be read: {problem}"))
}

/// Says everything that the contract does not allow in a document.
fn refuse(contract: &RequestContract, value: &Value) -> Option<Refusal> {
    let problems = explain(&contract.open, value);
    if problems.is_empty() {
        return None;
    }
    let heading = if has_long_list(value) {
        format!("{HEADING}\n(of each list only the first {ENTRIES} entries are judged)")
    } else {
        HEADING.to_owned()
    };
    let lines = problems.iter().map(problem::Problem::line);
    Some(Refusal::new(
        Reason::Contract,
        problem::list(&heading, lines),
    ))
}

fn not_json(problem: &str) -> Refusal {
    Refusal::new(Reason::NotJson, format!("{HEADING}\n{problem}"))
}

/// Refuses a body where the contract has none.
fn unexpected(body: &[u8]) -> Refusal {
    Refusal::new(
        Reason::Contract,
        format!(
            "{HEADING}\nbody: expected no body, received {} bytes",
            body.len()
        ),
    )
}

/// Says in words what the parser found, with line and column.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("recursion limit exceeded") {
        Some(place) => format!("it is nested deeper than 127 levels{place}"),
        None => text,
    }
}

impl Validation {
    /// Every way, as one chooses among them.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warn, Self::Off];

    /// Its name, as the command line takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Validation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Validation {
    type Err = UnknownValidation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|validation| validation.name() == text)
            .ok_or_else(|| UnknownValidation {
                received: text.to_owned(),
            })
    }
}
