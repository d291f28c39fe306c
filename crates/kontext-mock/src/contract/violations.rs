//! Contract violations: the field, what was expected and what was received.
//!
//! The JSON Schema validator's messages print whole values and, for a union, say only
//! that no alternative matches, so messages are built here from each error's kind.

use jsonschema::{
    JsonType, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind as Kind},
    paths::{Location, LocationSegment},
};
use serde_json::Value;
use std::fmt::Write as _;

use crate::truncate;

/// How many entries of a list are validated. Each invalid entry costs a few hundred
/// bytes, and a body can have millions.
pub(crate) const ENTRIES: usize = 1000;

/// The expectation for a key that the schema does not name.
pub(crate) const UNKNOWN_KEY: &str = "no such key (it is unknown to the contract)";

/// The expectation where no value is allowed.
pub(crate) const NOTHING: &str = "nothing, no value is allowed here";

/// Lists everything in a document that the schema does not allow, by place.
///
/// The list is empty if and only if the document is valid.
pub(crate) fn violations_of(validator: &Validator, document: &Value) -> Vec<Violation> {
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
        problems.push(Violation {
            place: Vec::new(),
            expected: format!("other values behind the first {ENTRIES} entries of a list"),
            received: truncate::value(document),
        });
    }
    joined(problems)
}

/// Explains a list of errors, those of a document or of one alternative.
fn collect(errors: &[ValidationError<'_>], document: &Value, problems: &mut Vec<Violation>) {
    for error in errors {
        if !errors.iter().any(|cause| is_echo(error, cause)) {
            explain_error(error, document, problems);
        }
    }
}

/// Whether `error` is only a consequence of `cause`.
///
/// A failed alternative marks no keys as evaluated, so every key of its object is then
/// reported as unevaluated.
fn is_echo(error: &ValidationError<'_>, cause: &ValidationError<'_>) -> bool {
    let unnamed =
        |error: &ValidationError<'_>| matches!(error.kind(), Kind::UnevaluatedProperties { .. });
    if !unnamed(error) {
        return false;
    }
    let place = steps(error.instance_path());
    let cause_place = steps(cause.instance_path());
    if place == cause_place {
        let is_union = matches!(
            cause.kind(),
            Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. }
        );
        return is_union || (within_union(cause) && !unnamed(cause));
    }
    cause_place.starts_with(&place) && within_union(cause)
}

/// Whether the failed keyword is inside `allOf`, `anyOf` or `oneOf`.
fn within_union(error: &ValidationError<'_>) -> bool {
    let path = error.evaluation_path().as_str();
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    above
        .split('/')
        .any(|keyword| matches!(keyword, "allOf" | "anyOf" | "oneOf"))
}

fn explain_error(error: &ValidationError<'_>, document: &Value, problems: &mut Vec<Violation>) {
    let place = steps(error.instance_path());
    let value = document
        .pointer(error.instance_path().as_str())
        .unwrap_or_else(|| error.instance());
    match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            explain_union(error.instance_path(), context, document, problems);
        }
        Kind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            problems.push(Violation {
                place: [place, vec![Step::Key(key.to_owned())]].concat(),
                expected: "a value, it is required".to_owned(),
                received: "nothing".to_owned(),
            });
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for key in unexpected {
                let mut place = place.clone();
                place.push(Step::Key(key.clone()));
                problems.push(Violation {
                    place,
                    expected: UNKNOWN_KEY.to_owned(),
                    received: value.get(key).map_or_else(String::new, truncate::value),
                });
            }
        }
        kind => problems.push(Violation {
            place,
            expected: constraint_text(kind),
            received: received(kind, value),
        }),
    }
}

/// Explains why no alternative of a union matches, by the errors of the closest one: its
/// type fits, and it has the fewest `enum` or `const` mismatches.
fn explain_union(
    place: &Location,
    alternatives: &[Vec<ValidationError<'static>>],
    document: &Value,
    problems: &mut Vec<Violation>,
) {
    let value = document.pointer(place.as_str()).unwrap_or(&Value::Null);
    let mut whole = |expected: String| {
        problems.push(Violation {
            place: steps(place),
            expected,
            received: truncate::value(value),
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

/// Whether an error is a type mismatch at `place`; a nested union must have one in every
/// alternative.
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

/// Adds the expected types of errors for which [`is_type_of`] holds.
fn types_of(kind: &Kind, place: &Location, types: &mut Vec<String>) {
    match kind {
        Kind::Type { .. } => {
            let name = constraint_text(kind);
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

/// The missing key, if it is the only error of an alternative.
fn only_missing(errors: &[ValidationError<'_>], place: &Location) -> Option<String> {
    match errors {
        [error] if error.instance_path() == place => match error.kind() {
            Kind::Required { property } => property.as_str().map(str::to_owned),
            _ => None,
        },
        _ => None,
    }
}

/// Formats the received value, with its length if the error is about that.
fn received(kind: &Kind, value: &Value) -> String {
    let shown = truncate::value(value);
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

/// Sorts violations by place and merges those at the same place.
fn joined(mut problems: Vec<Violation>) -> Vec<Violation> {
    problems.sort_by(|one, other| one.place.cmp(&other.place));
    let mut joined: Vec<Violation> = Vec::new();
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

/// Whether a document has a list that is too long to be validated fully.
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

/// The maximum length of an expectation in a message, in bytes.
const BYTES: usize = 400;

/// Describes what the failed keyword expects: "a string", "at most 4".
pub(crate) fn constraint_text(kind: &Kind) -> String {
    let characters = |limit: u64| count(limit, "character", "characters");
    let entries = |limit: u64| count(limit, "entry", "entries");
    let text = match kind {
        Kind::Type {
            kind: TypeKind::Single(json_type),
        } => type_name(*json_type).to_owned(),
        Kind::Type {
            kind: TypeKind::Multiple(types),
        } => types.iter().map(type_name).collect::<Vec<_>>().join(" or "),
        Kind::Enum { options } => match options.as_array().map(Vec::as_slice) {
            Some([only]) => format!("exactly {}", truncate::value(only)),
            Some(options) => {
                // The rest would be cut off.
                let shown: Vec<_> = options.iter().take(100).map(truncate::value).collect();
                format!("one of {}", shown.join(", "))
            }
            None => "one of the listed values".to_owned(),
        },
        Kind::Constant { expected_value } => format!("exactly {}", truncate::value(expected_value)),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MaxLength { limit } => format!("at most {}", characters(*limit)),
        Kind::MinLength { limit } => format!("at least {}", characters(*limit)),
        Kind::MaxItems { limit } => format!("at most {}", entries(*limit)),
        Kind::MinItems { limit } => format!("at least {}", entries(*limit)),
        Kind::AdditionalItems { limit } => format!("at most {}", entries(*limit as u64)),
        Kind::MaxProperties { limit } => format!("at most {}", count(*limit, "key", "keys")),
        Kind::MinProperties { limit } => format!("at least {}", count(*limit, "key", "keys")),
        Kind::UniqueItems => "no two equal entries".to_owned(),
        Kind::Format { format } if format == "uri" => "a URI (RFC 3986)".to_owned(),
        Kind::Format { format } => format!("a text of the format {format}"),
        Kind::Pattern { pattern } => format!("a text that the pattern {pattern} matches"),
        Kind::FalseSchema => NOTHING.to_owned(),
        Kind::OneOfMultipleValid { .. } => "exactly one alternative, several fit".to_owned(),
        other => format!("what the contract's keyword {} asks for", other.keyword()),
    };
    truncate::text(&text, BYTES)
}

/// Formats a count, such as `1 picture` or `2 pictures`.
pub(crate) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn type_name(json_type: JsonType) -> &'static str {
    match json_type {
        JsonType::Null => "null",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "an array",
        JsonType::Object => "an object",
    }
}

/// The maximum length of a place in a message, in bytes.
const PLACE_BYTES: usize = 200;

/// One step from a JSON value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// An array index, counted from 0.
    Index(usize),
    /// An object key.
    Key(String),
}

/// One place of a document that violates the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The place of the value, or of the missing key.
    pub(crate) place: Vec<Step>,
    /// What the contract expects there.
    pub(crate) expected: String,
    /// The received value, truncated.
    pub(crate) received: String,
}

impl Violation {
    /// Formats the violation on one line, as in the mock's error messages.
    pub(crate) fn line(&self) -> String {
        format!(
            "{}: expected {}, received {}",
            dotted(&self.place),
            self.expected,
            self.received
        )
    }

    /// The place in dotted notation.
    pub(crate) fn field(&self) -> String {
        dotted(&self.place)
    }

    /// The place as a JSON pointer (RFC 6901).
    pub(crate) fn pointer(&self) -> String {
        pointer(&self.place)
    }
}

/// Formats a place in dotted notation: `image_url[2].name`.
///
/// The document itself is called `body`. Keys that are not plain names are quoted.
fn dotted(place: &[Step]) -> String {
    let mut text = String::new();
    for step in place {
        let plain = |key: &str| {
            !key.is_empty()
                && !key.starts_with(|first: char| first.is_ascii_digit())
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let _ = match step {
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Key(key) if plain(key) && text.is_empty() => write!(text, "{key}"),
            Step::Key(key) if plain(key) => write!(text, ".{key}"),
            Step::Key(key) => write!(text, "[{key:?}]"),
        };
    }
    if text.is_empty() || text.starts_with('[') {
        text.insert_str(0, "body");
    }
    truncate::text(&text, PLACE_BYTES)
}

/// Formats a place as a JSON pointer (RFC 6901).
pub(crate) fn pointer(place: &[Step]) -> String {
    let mut text = String::new();
    for step in place {
        match step {
            Step::Index(index) => text.push_str(&format!("/{index}")),
            Step::Key(key) => push_key(&mut text, key),
        }
    }
    text
}

/// Appends a key to a JSON pointer.
pub(crate) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    if key.contains(['~', '/']) {
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    } else {
        pointer.push_str(key);
    }
}

/// Appends lines to a heading, up to about 4 KiB, and the number of omitted ones.
pub(crate) fn list(heading: &str, lines: impl ExactSizeIterator<Item = String>) -> String {
    const BYTES: usize = 4000;
    const LINE_BYTES: usize = 1000;
    let count = lines.len();
    let mut text = heading.to_owned();
    for (written, line) in lines.enumerate() {
        let line = truncate::text(&line, LINE_BYTES);
        if text.len() + line.len() > BYTES {
            let _ = write!(text, "\nand {} more", count - written);
            break;
        }
        text.push('\n');
        text.push_str(&line);
    }
    text
}
