//! Turns what the JSON Schema validator finds into problems that name the
//! field, what was expected there and what was received.
//!
//! The validator's own texts print whole values and, for a union, no more than
//! that no alternative fits; so the texts are made here from the kind of each
//! error.

use jsonschema::{
    ValidationError, Validator,
    error::ValidationErrorKind as Kind,
    paths::{Location, LocationSegment},
};
use serde_json::Value;

use crate::{
    expected::expected,
    problem::{Problem, Step},
    shorten,
};

/// How many entries of a list are judged one by one. Each wrong entry costs
/// the validator a few hundred bytes, and a body has room for millions.
pub(crate) const ENTRIES: usize = 1000;

/// What is expected at a key that the schema does not name.
pub(crate) const UNKNOWN_KEY: &str = "no such key (it is unknown to the contract)";

/// Lists everything in a document that the schema does not allow, by place.
///
/// It is empty if, and only if, the document is valid.
pub(crate) fn explain(validator: &Validator, document: &Value) -> Vec<Problem> {
    if validator.is_valid(document) {
        return Vec::new();
    }
    let cut = has_long_list(document).then(|| cut_lists(document));
    let errors: Vec<_> = validator
        .iter_errors(cut.as_ref().unwrap_or(document))
        .collect();
    let mut problems = Vec::new();
    collect(&errors, document, &mut problems);
    if problems.is_empty() {
        problems.push(Problem {
            place: Vec::new(),
            expected: format!("other values behind the first {ENTRIES} entries of a list"),
            received: shorten::value(document),
        });
    }
    joined(problems)
}

/// Explains a list of errors, those of a document or of one alternative.
fn collect(errors: &[ValidationError<'_>], document: &Value, problems: &mut Vec<Problem>) {
    for error in errors {
        if !errors.iter().any(|cause| is_echo(error, cause)) {
            explain_error(error, document, problems);
        }
    }
}

/// Whether `error` says no more than that `cause` is there.
///
/// An alternative that fails names no keys, so that every key of its place
/// then counts as not named.
fn is_echo(error: &ValidationError<'_>, cause: &ValidationError<'_>) -> bool {
    let unnamed =
        |error: &ValidationError<'_>| matches!(error.kind(), Kind::UnevaluatedProperties { .. });
    if !unnamed(error) {
        return false;
    }
    let place = steps(error.instance_path());
    let cause_place = steps(cause.instance_path());
    if place == cause_place {
        return is_union(cause.kind()) || (within_union(cause) && !unnamed(cause));
    }
    cause_place.starts_with(&place) && within_union(cause)
}

fn is_union(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. }
    )
}

/// Whether the keyword that failed stands inside of `allOf`, `anyOf` or
/// `oneOf`.
fn within_union(error: &ValidationError<'_>) -> bool {
    let path = error.evaluation_path().as_str();
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    above
        .split('/')
        .any(|keyword| matches!(keyword, "allOf" | "anyOf" | "oneOf"))
}

fn explain_error(error: &ValidationError<'_>, document: &Value, problems: &mut Vec<Problem>) {
    let place = steps(error.instance_path());
    let value = document
        .pointer(error.instance_path().as_str())
        .unwrap_or_else(|| error.instance());
    match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            explain_union(error.instance_path(), context, document, problems);
        }
        Kind::Required { property } => {
            let mut place = place;
            place.push(Step::Key(property.as_str().unwrap_or_default().to_owned()));
            problems.push(Problem {
                place,
                expected: "a value, it is required".to_owned(),
                received: "nothing".to_owned(),
            });
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for key in unexpected {
                let mut place = place.clone();
                place.push(Step::Key(key.clone()));
                problems.push(Problem {
                    place,
                    expected: UNKNOWN_KEY.to_owned(),
                    received: value.get(key).map_or_else(String::new, shorten::value),
                });
            }
        }
        kind => problems.push(Problem {
            place,
            expected: expected(kind),
            received: received(kind, value),
        }),
    }
}

/// Explains why no alternative of a union fits: by the one that fits by type,
/// and of several by the one that the fewest fixed values rule out.
fn explain_union(
    place: &Location,
    alternatives: &[Vec<ValidationError<'static>>],
    document: &Value,
    problems: &mut Vec<Problem>,
) {
    let value = document.pointer(place.as_str()).unwrap_or(&Value::Null);
    let mut whole = |expected: String| {
        problems.push(Problem {
            place: steps(place),
            expected,
            received: shorten::value(value),
        });
    };
    let fitting: Vec<_> = alternatives
        .iter()
        .filter(|errors| !errors.iter().any(|error| is_type_of(error, place)))
        .collect();
    if fitting.is_empty() {
        let mut types = Vec::new();
        for error in alternatives.iter().flatten() {
            if is_type_of(error, place) {
                types_of(error.kind(), place, &mut types);
            }
        }
        return whole(types.join(" or "));
    }
    let missing: Vec<_> = fitting
        .iter()
        .filter_map(|errors| only_missing(errors, place))
        .collect();
    if missing.len() == fitting.len() && missing.len() > 1 {
        return whole(format!("at least one of the keys {}", missing.join(", ")));
    }
    let best = fitting.into_iter().min_by_key(|errors| {
        let fixed = errors
            .iter()
            .filter(|error| matches!(error.kind(), Kind::Enum { .. } | Kind::Constant { .. }))
            .count();
        (fixed, errors.len())
    });
    if let Some(errors) = best {
        collect(errors, document, problems);
    }
}

/// Whether an error says that the value at `place` has the wrong type, in
/// every alternative of a union inside a union.
fn is_type_of(error: &ValidationError<'_>, place: &Location) -> bool {
    error.instance_path() == place
        && match error.kind() {
            Kind::Type { .. } => true,
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => context
                .iter()
                .all(|errors| errors.iter().any(|error| is_type_of(error, place))),
            _ => false,
        }
}

/// Adds the types that errors for which [`is_type_of`] holds ask for.
fn types_of(kind: &Kind, place: &Location, types: &mut Vec<String>) {
    match kind {
        Kind::Type { .. } => {
            let name = expected(kind);
            if !types.contains(&name) {
                types.push(name);
            }
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            for error in context.iter().flatten() {
                if is_type_of(error, place) {
                    types_of(error.kind(), place, types);
                }
            }
        }
        _ => {}
    }
}

/// The missing key, where an alternative asks for nothing but this one key.
fn only_missing(errors: &[ValidationError<'_>], place: &Location) -> Option<String> {
    match errors {
        [error] if error.instance_path() == place => match error.kind() {
            Kind::Required { property } => property.as_str().map(str::to_owned),
            _ => None,
        },
        _ => None,
    }
}

/// Writes what was received, with the measure that the error is about.
fn received(kind: &Kind, value: &Value) -> String {
    let shown = shorten::value(value);
    match (kind, value) {
        (Kind::MaxLength { .. } | Kind::MinLength { .. }, Value::String(text)) => {
            format!("{} characters: {shown}", text.chars().count())
        }
        (Kind::MaxItems { .. } | Kind::MinItems { .. }, Value::Array(entries)) => {
            format!("{}: {shown}", entries.len())
        }
        (Kind::MaxProperties { .. } | Kind::MinProperties { .. }, Value::Object(members)) => {
            format!("{}: {shown}", members.len())
        }
        _ => shown,
    }
}

fn steps(location: &Location) -> Vec<Step> {
    location
        .segments()
        .map(|segment| match segment {
            LocationSegment::Property(key) => Step::Key(key.into_owned()),
            LocationSegment::Index(index) => Step::Index(index),
        })
        .collect()
}

/// Sorts problems by place and joins those of one place into one.
fn joined(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|one, other| one.place.cmp(&other.place));
    let mut joined: Vec<Problem> = Vec::new();
    for problem in problems {
        match joined.last_mut() {
            Some(last) if last.place == problem.place => {
                if !last.expected.contains(&problem.expected) {
                    last.expected = format!("{} and {}", last.expected, problem.expected);
                }
            }
            _ => joined.push(problem),
        }
    }
    joined
}

/// Whether a document has a list of which only the start is judged.
pub(crate) fn has_long_list(value: &Value) -> bool {
    match value {
        Value::Array(entries) => entries.len() > ENTRIES || entries.iter().any(has_long_list),
        Value::Object(members) => members.values().any(has_long_list),
        _ => false,
    }
}

fn cut_lists(value: &Value) -> Value {
    match value {
        Value::Array(entries) => entries.iter().take(ENTRIES).map(cut_lists).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), cut_lists(value)))
            .collect(),
        other => other.clone(),
    }
}
