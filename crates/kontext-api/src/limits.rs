//! Validation of a request before it is sent.
//!
//! The limits are in `generated.rs`: codegen writes them from the spec as calls of [`Check`],
//! so they are always up to date. Checks copy nothing: a 40 MB image in a `data:` URI is read
//! in place.
#![allow(
    dead_code,
    reason = "which kinds of limits the spec sets changes with the spec"
)]

use std::fmt;

use serde_json::{Map, Value};

use crate::redact;
use crate::request::uri::{RULE, Uri};
use crate::request::{InvalidRequestError, Violation};

/// The maximum number of characters of a value in a message.
const SHOWN: usize = 60;

/// Runs the checks of a request.
///
/// # Errors
///
/// All violations.
pub(crate) fn check(limits: impl FnOnce(&mut Check<'_>)) -> Result<(), InvalidRequestError> {
    let mut violations = Vec::new();
    limits(&mut Check {
        place: Place::Request,
        violations: &mut violations,
    });
    InvalidRequestError::from_violations(violations)
}

/// Checks the value at one place of a request and collects violations.
pub(crate) struct Check<'a> {
    place: Place<'a>,
    violations: &'a mut Vec<Violation>,
}

/// A place in a request, displayed as `options.image_url[2]`.
enum Place<'a> {
    Request,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => Ok(()),
            Self::Field(Self::Request, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl<'a> Check<'a> {
    /// Checks a required field.
    pub(crate) fn required<T: ?Sized>(
        &mut self,
        name: &str,
        value: Option<&T>,
        limits: impl FnOnce(&T, &mut Check<'_>),
    ) {
        if value.is_none() {
            let field = Place::Field(&self.place, name).to_string();
            self.violations.push(Violation::missing(field));
        }
        self.optional(name, value, limits);
    }

    /// Checks an optional field.
    pub(crate) fn optional<T: ?Sized>(
        &mut self,
        name: &str,
        value: Option<&T>,
        limits: impl FnOnce(&T, &mut Check<'_>),
    ) {
        if let Some(value) = value {
            let mut inner = Check {
                place: Place::Field(&self.place, name),
                violations: self.violations,
            };
            limits(value, &mut inner);
        }
    }

    /// Checks that a field is absent: other models take it, but not this one.
    pub(crate) fn not_taken<T: ?Sized>(
        &mut self,
        name: &str,
        value: Option<&T>,
        model: Option<&str>,
    ) {
        if value.is_some() {
            let model = model.map_or("its models do".to_owned(), |model| format!("{model} does"));
            self.violations.push(Violation {
                field: Place::Field(&self.place, name).to_string(),
                limit: format!("must be left out: {model} not take it"),
                value: None,
            });
        }
    }

    /// Checks that a value does not belong to another request type.
    pub(crate) fn not_of(&mut self, value: &str, others: &[&str]) {
        if others.contains(&value) {
            let limit = "must be a model that takes this type of request".to_owned();
            self.violation(limit, shown(value));
        }
    }

    /// Checks that additional fields do not include any of `own`.
    pub(crate) fn extra(&mut self, extra: &Map<String, Value>, own: &[&str]) {
        for (name, value) in own.iter().filter_map(|name| extra.get_key_value(*name)) {
            self.violations.push(Violation {
                field: Place::Field(&self.place, name).to_string(),
                limit: "is a known field and cannot be set by name".to_owned(),
                value: Some(shown(&value.to_string())),
            });
        }
    }

    /// Checks each item of a list.
    pub(crate) fn each<T>(&mut self, items: &[T], limits: impl Fn(&T, &mut Check<'_>)) {
        for (index, item) in items.iter().enumerate() {
            let mut inner = Check {
                place: Place::Item(&self.place, index),
                violations: self.violations,
            };
            limits(item, &mut inner);
        }
    }

    /// Checks the number of items of a list.
    pub(crate) fn items<T>(&mut self, items: &[T]) -> Count<'_, 'a> {
        Count {
            check: self,
            count: items.len(),
            unit: "item",
        }
    }

    /// Checks the length of a string in Unicode scalar values.
    pub(crate) fn length(&mut self, text: &str) -> Count<'_, 'a> {
        Count {
            check: self,
            count: text.chars().count(),
            unit: "character",
        }
    }

    /// Checks a URI: http, https or data, valid by RFC 3986.
    pub(crate) fn uri(&mut self, uri: &Uri) {
        if !uri.is_valid() {
            let limit = RULE.to_owned();
            self.violation(limit, shown(uri.as_str()));
        }
    }

    /// Checks an integer.
    pub(crate) fn whole_number(&mut self, value: impl Into<i128>) -> Number<'_, 'a, i128> {
        let value = Some(value.into());
        Number { check: self, value }
    }

    /// Checks a number, which must be finite.
    pub(crate) fn number(&mut self, value: f64) -> Number<'_, 'a, f64> {
        let finite = Some(value).filter(|value| value.is_finite());
        if finite.is_none() {
            self.violation("must be a finite number".to_owned(), value.to_string());
        }
        Number {
            check: self,
            value: finite,
        }
    }

    fn violation(&mut self, limit: String, value: String) {
        self.violations.push(Violation {
            field: self.place.to_string(),
            limit,
            value: Some(value),
        });
    }
}

/// A string for a message: quoted, and if it was truncated, with its length.
fn shown(value: &str) -> String {
    let quoted = redact::quoted(value, SHOWN);
    match value.char_indices().nth(SHOWN) {
        Some(_) => format!("{quoted} ({} bytes)", value.len()),
        None => quoted,
    }
}

/// The length of a string or list.
pub(crate) struct Count<'c, 'a> {
    check: &'c mut Check<'a>,
    count: usize,
    unit: &'static str,
}

impl Count<'_, '_> {
    /// The minimum length, inclusive.
    pub(crate) fn at_least(self, minimum: usize) -> Self {
        let is_broken = self.count < minimum;
        self.limit(is_broken, "at least", minimum)
    }

    /// The maximum length, inclusive.
    pub(crate) fn at_most(self, maximum: usize) -> Self {
        let is_broken = self.count > maximum;
        self.limit(is_broken, "at most", maximum)
    }

    fn limit(self, is_broken: bool, which: &str, limit: usize) -> Self {
        if is_broken {
            let plural = |count: usize| match count {
                1 => format!("1 {}", self.unit),
                _ => format!("{count} {}s", self.unit),
            };
            let limit = format!("must have {which} {}", plural(limit));
            self.check.violation(limit, plural(self.count));
        }
        self
    }
}

/// A number. A number that is not finite is already a violation, and is not compared.
pub(crate) struct Number<'c, 'a, T> {
    check: &'c mut Check<'a>,
    value: Option<T>,
}

impl<T: Copy + PartialOrd + fmt::Display> Number<'_, '_, T> {
    /// The minimum, inclusive.
    pub(crate) fn at_least(self, minimum: T) -> Self {
        self.limit(|value| value < minimum, "at least", minimum)
    }

    /// The maximum, inclusive.
    pub(crate) fn at_most(self, maximum: T) -> Self {
        self.limit(|value| value > maximum, "at most", maximum)
    }

    /// The minimum, exclusive.
    pub(crate) fn more_than(self, minimum: T) -> Self {
        self.limit(|value| value <= minimum, "more than", minimum)
    }

    /// The maximum, exclusive.
    pub(crate) fn less_than(self, maximum: T) -> Self {
        self.limit(|value| value >= maximum, "less than", maximum)
    }

    fn limit(self, is_broken: impl Fn(T) -> bool, which: &str, limit: T) -> Self {
        if let Some(value) = self.value.filter(|value| is_broken(*value)) {
            let limit = format!("must be {which} {limit}");
            self.check.violation(limit, value.to_string());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a check of one field.
    fn violations(limits: impl FnOnce(&mut Check<'_>)) -> Vec<String> {
        let outcome = check(|check| check.optional("p", Some(&()), |(), check| limits(check)));
        outcome.map_or_else(
            |error| error.violations().iter().map(ToString::to_string).collect(),
            |()| Vec::new(),
        )
    }

    #[test]
    fn enforces_both_sides_of_each_limit() {
        let length = |text: &str| {
            violations(|check| {
                check.length(text).at_least(2).at_most(4);
            })
        };
        assert_eq!(length("ab"), [""; 0]);
        // Four characters outside the Basic Multilingual Plane, 16 bytes.
        assert_eq!(length("𝄞𝄞𝄞𝄞"), [""; 0]);
        assert_eq!(
            length("a"),
            ["p: must have at least 2 characters, got 1 character"]
        );
        assert_eq!(
            length("äöüßé"),
            ["p: must have at most 4 characters, got 5 characters"]
        );

        let whole = |value: u64| {
            violations(|check| {
                check.whole_number(value).at_least(1).at_most(4);
            })
        };
        assert_eq!([whole(1), whole(4)].concat(), [""; 0]);
        assert_eq!(whole(0), ["p: must be at least 1, got 0"]);
        assert_eq!(
            whole(u64::MAX),
            ["p: must be at most 4, got 18446744073709551615"]
        );

        let inclusive = |value: f64| {
            violations(|check| {
                check.number(value).at_least(0.5).at_most(1.0);
            })
        };
        assert_eq!([inclusive(0.5), inclusive(1.0)].concat(), [""; 0]);
        assert_eq!(inclusive(0.25), ["p: must be at least 0.5, got 0.25"]);
        assert_eq!(inclusive(1.5), ["p: must be at most 1, got 1.5"]);
        assert_eq!(inclusive(f64::NAN), ["p: must be a finite number, got NaN"]);
        assert_eq!(
            inclusive(f64::INFINITY),
            ["p: must be a finite number, got inf"]
        );

        let exclusive = |value: f64| {
            violations(|check| {
                check.number(value).more_than(0.0).less_than(1.0);
            })
        };
        assert_eq!(exclusive(0.001), [""; 0]);
        assert_eq!(exclusive(0.0), ["p: must be more than 0, got 0"]);
        assert_eq!(exclusive(1.0), ["p: must be less than 1, got 1"]);
    }

    #[test]
    fn counts_list_and_names_invalid_items() {
        let list = |urls: &[&str]| {
            let urls = urls.iter().map(|url| Uri::unchecked((*url).into()));
            let urls: Vec<Uri> = urls.collect();
            violations(|check| {
                check.items(&urls).at_least(1).at_most(2);
                check.each(&urls, |uri, check| check.uri(uri));
            })
        };
        assert_eq!(list(&["https://example.com/", "data:,x"]), [""; 0]);
        assert_eq!(list(&[]), ["p: must have at least 1 item, got 0 items"]);
        assert_eq!(
            list(&["https://example.com/", "cat", "ftp://a/"]),
            [
                "p: must have at most 2 items, got 3 items",
                "p[1]: must be an http, https or data URI, got \"cat\"",
                "p[2]: must be an http, https or data URI, got \"ftp://a/\"",
            ]
        );
    }

    #[test]
    fn missing_field_is_named_with_parent_path() {
        let nested = violations(|check| {
            check.required("deep", None::<&str>, |text, check| {
                check.length(text).at_least(1);
            });
        });
        assert_eq!(nested, ["p.deep: is required"]);
    }

    #[test]
    fn long_value_is_truncated_in_violation() {
        let text = format!("data:\n{}", "ä".repeat(5_000_000));
        let uri = Uri::unchecked(text.into());
        let violations = violations(|check| check.uri(&uri));
        assert!(violations[0].len() < 300, "{violations:?}");
        assert!(
            violations[0].ends_with("(10000006 bytes)"),
            "{violations:?}"
        );
        assert!(!violations[0].contains('\n'), "{violations:?}");
    }
}
