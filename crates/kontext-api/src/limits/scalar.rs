//! One value against one limit, in words.

use std::fmt;

use super::{ArrayLimits, Format, IntegerLimits, Limits, NumberLimits, StringLimits};
use crate::redact;

/// How many characters of a string a message shows.
const SHOWN: usize = 60;

/// A limit that a value breaks, in words, and the value, shortened.
pub(super) struct Broken {
    pub(super) limit: String,
    pub(super) value: String,
}

/// A number as the request holds it.
#[derive(Clone, Copy)]
pub(super) enum Given {
    Whole(i128),
    Float(f64),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Any => "a value",
            Self::Boolean => "a boolean",
            Self::String(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
            Self::AnyOf(branches) => {
                for (index, branch) in branches.iter().enumerate() {
                    let separator = if index == 0 { "" } else { " or " };
                    write!(f, "{separator}{branch}")?;
                }
                return Ok(());
            }
        };
        f.write_str(name)
    }
}

/// A string for a message: quoted, shortened, with its length if it was.
pub(super) fn shown(value: &str) -> String {
    let quoted = redact::quoted(value, SHOWN);
    match value.char_indices().nth(SHOWN) {
        Some(_) => format!("{quoted} ({} bytes)", value.len()),
        None => quoted,
    }
}

/// The limits that a string breaks.
pub(super) fn string(value: &str, is_valid_uri: bool, limits: &Limits) -> Vec<Broken> {
    let Limits::String(StringLimits {
        min_length,
        max_length,
        format,
        values,
    }) = limits
    else {
        return Vec::new();
    };
    let mut broken = Vec::new();
    if min_length.is_some() || max_length.is_some() {
        let length = value.chars().count() as u64;
        let got = || format!("{length} characters");
        if let Some(minimum) = min_length.filter(|minimum| length < *minimum) {
            broken.push(Broken {
                limit: format!("must have at least {minimum} characters"),
                value: got(),
            });
        }
        if let Some(maximum) = max_length.filter(|maximum| length > *maximum) {
            broken.push(Broken {
                limit: format!("must have at most {maximum} characters"),
                value: got(),
            });
        }
    }
    if let Some(Format::Uri) = format
        && !is_valid_uri
        && !crate::request::uri::is_valid(value)
    {
        broken.push(Broken {
            limit: "must be an http, https or data URI".to_owned(),
            value: shown(value),
        });
    }
    if !values.is_empty() && !values.contains(&value) {
        let allowed: Vec<_> = values
            .iter()
            .map(|allowed| redact::quoted(allowed, SHOWN))
            .collect();
        broken.push(Broken {
            limit: format!("must be one of {}", allowed.join(", ")),
            value: shown(value),
        });
    }
    broken
}

/// The limits that a number breaks.
pub(super) fn number(given: Given, limits: &Limits) -> Vec<Broken> {
    let limit = match (limits, given) {
        (Limits::Integer(limits), Given::Whole(number)) => integer(number, limits),
        (Limits::Integer(limits), Given::Float(number)) => match exact(number) {
            Some(number) => integer(number, limits),
            None => Some("must be a whole number".to_owned()),
        },
        (Limits::Number(limits), Given::Whole(number)) => float(number as f64, limits),
        (_, Given::Float(number)) if !number.is_finite() => {
            Some("must be a finite number".to_owned())
        }
        (Limits::Number(limits), Given::Float(number)) => float(number, limits),
        _ => None,
    };
    limit
        .into_iter()
        .map(|limit| Broken {
            limit,
            value: given.to_string(),
        })
        .collect()
}

/// The whole number that a float is, if it is one.
fn exact(number: f64) -> Option<i128> {
    // 2^127 is the first float that an i128 cannot hold.
    (number.fract() == 0.0 && number.abs() < 2f64.powi(127)).then_some(number as i128)
}

fn integer(number: i128, limits: &IntegerLimits) -> Option<String> {
    if let Some(minimum) = limits.minimum.filter(|minimum| number < *minimum) {
        return Some(format!("must be at least {minimum}"));
    }
    let maximum = limits.maximum.filter(|maximum| number > *maximum)?;
    Some(format!("must be at most {maximum}"))
}

fn float(number: f64, limits: &NumberLimits) -> Option<String> {
    if let Some(minimum) = limits.minimum {
        if limits.exclusive_minimum && number <= minimum {
            return Some(format!("must be more than {minimum}"));
        }
        if number < minimum {
            return Some(format!("must be at least {minimum}"));
        }
    }
    let maximum = limits.maximum?;
    if limits.exclusive_maximum && number >= maximum {
        return Some(format!("must be less than {maximum}"));
    }
    (number > maximum).then(|| format!("must be at most {maximum}"))
}

/// The limit that the length of a list breaks.
pub(super) fn item_count(count: usize, limits: &ArrayLimits) -> Option<Broken> {
    let items = count as u64;
    let limit = match (limits.min_items, limits.max_items) {
        (Some(minimum), _) if items < minimum => format!("must have at least {}", plural(minimum)),
        (_, Some(maximum)) if items > maximum => format!("must have at most {}", plural(maximum)),
        _ => return None,
    };
    Some(Broken {
        limit,
        value: plural(items),
    })
}

fn plural(count: u64) -> String {
    if count == 1 {
        "1 item".to_owned()
    } else {
        format!("{count} items")
    }
}
