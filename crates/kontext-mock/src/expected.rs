//! Says in words what a keyword of the contract expects.

use jsonschema::{
    JsonType,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use crate::shorten;

/// How many bytes of what was expected a message shows.
const BYTES: usize = 400;

/// Says what the keyword that failed expects: "a string", "at most 4".
pub(crate) fn expected(kind: &Kind) -> String {
    let text = match kind {
        Kind::Type {
            kind: TypeKind::Single(json_type),
        } => type_name(*json_type).to_owned(),
        Kind::Type {
            kind: TypeKind::Multiple(types),
        } => types.iter().map(type_name).collect::<Vec<_>>().join(" or "),
        Kind::Enum { options } => match options.as_array().map(Vec::as_slice) {
            Some([only]) => format!("exactly {}", shorten::value(only)),
            Some(options) => format!("one of {}", values(options)),
            None => "one of the listed values".to_owned(),
        },
        Kind::Constant { expected_value } => format!("exactly {}", shorten::value(expected_value)),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MaxLength { limit } => {
            format!("at most {}", count(*limit, "character", "characters"))
        }
        Kind::MinLength { limit } => {
            format!("at least {}", count(*limit, "character", "characters"))
        }
        Kind::MaxItems { limit } => format!("at most {}", count(*limit, "entry", "entries")),
        Kind::MinItems { limit } => format!("at least {}", count(*limit, "entry", "entries")),
        Kind::AdditionalItems { limit } => {
            format!("at most {}", count(*limit as u64, "entry", "entries"))
        }
        Kind::MaxProperties { limit } => format!("at most {}", count(*limit, "key", "keys")),
        Kind::MinProperties { limit } => format!("at least {}", count(*limit, "key", "keys")),
        Kind::UniqueItems => "no two equal entries".to_owned(),
        Kind::Format { format } if format == "uri" => "a URI (RFC 3986)".to_owned(),
        Kind::Format { format } => format!("a text of the format {format}"),
        Kind::Pattern { pattern } => format!("a text that the pattern {pattern} matches"),
        Kind::FalseSchema => "nothing, no value is allowed here".to_owned(),
        Kind::OneOfMultipleValid { .. } => "exactly one alternative, several fit".to_owned(),
        other => format!("what the contract's keyword {} asks for", other.keyword()),
    };
    shorten::text(&text, BYTES)
}

/// Writes a number of things in words.
fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Writes a list of values; it is cut by the caller.
fn values(options: &[Value]) -> String {
    let all: Vec<_> = options.iter().take(100).map(shorten::value).collect();
    all.join(", ")
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
