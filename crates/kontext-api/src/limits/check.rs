//! Compares a value with its limits, without copying it.
//!
//! The value is visited by way of its `Serialize`: strings arrive as `&str`, so
//! an image of 40 MB in a `data:` URI is read but not copied, and a float
//! arrives as it is, not-a-number included, before JSON turns it into null.

use std::fmt;

use serde::Serialize;
use serde::ser;

use super::scalar::{self, Broken};
use super::{ArrayLimits, Field, Limits};
use crate::invalid_request::{InvalidRequest, Violation};

/// Checks `value`; absent fields are ignored unless they are required.
///
/// # Errors
///
/// All violations at once.
pub(crate) fn check(value: &impl Serialize, limits: &'static Limits) -> Result<(), InvalidRequest> {
    let mut violations = Vec::new();
    let outcome = value.serialize(Check {
        limits,
        at: &Path::Root,
        violations: &mut violations,
    });
    if let Err(Unreadable(reason)) = outcome {
        violations.push(Violation {
            field: String::new(),
            limit: format!("must be a value that can be checked ({reason})"),
            value: None,
        });
    }
    InvalidRequest::from_violations(violations)
}

/// Where the visit stands, written as `image_url[2]`.
pub(super) enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// What sort of JSON value a value becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    String,
    Number,
    Array,
    Object,
}

/// Adds the branches of `limits` that a value of this kind fits by type.
fn branches(limits: &'static Limits, kind: Kind, into: &mut Vec<&'static Limits>) {
    let fits = match limits {
        Limits::Any => true,
        Limits::Boolean => kind == Kind::Boolean,
        Limits::String(_) => kind == Kind::String,
        Limits::Integer(_) | Limits::Number(_) => kind == Kind::Number,
        Limits::Array(_) => kind == Kind::Array,
        Limits::Object(_) => kind == Kind::Object,
        Limits::AnyOf(all) => return all.iter().for_each(|branch| branches(branch, kind, into)),
    };
    if fits {
        into.push(limits);
    }
}

/// The visit of one value. It answers whether there was one.
pub(super) struct Check<'a> {
    limits: &'static Limits,
    at: &'a Path<'a>,
    violations: &'a mut Vec<Violation>,
}

impl<'a> Check<'a> {
    /// A value without parts: it is good if any branch of its type takes it.
    pub(super) fn scalar(
        self,
        kind: Kind,
        value: &dyn Fn() -> String,
        test: &dyn Fn(&Limits) -> Vec<Broken>,
    ) -> Visit {
        let mut fitting = Vec::new();
        branches(self.limits, kind, &mut fitting);
        let mut outcomes = fitting.into_iter().map(test);
        let first = match outcomes.next() {
            Some(broken) if broken.is_empty() || outcomes.any(|other| other.is_empty()) => {
                return Ok(true);
            }
            Some(broken) => broken,
            None => vec![Broken {
                limit: format!("must be {}", self.limits),
                value: value(),
            }],
        };
        for Broken { limit, value } in first {
            self.violations.push(Violation {
                field: self.at.to_string(),
                limit,
                value: Some(value),
            });
        }
        Ok(true)
    }

    pub(super) fn number(self, number: scalar::Given) -> Visit {
        self.scalar(Kind::Number, &|| number.to_string(), &|limits| {
            scalar::number(number, limits)
        })
    }

    /// A value with parts: the first branch of its type counts.
    fn parts(&mut self, kind: Kind, name: &str) -> Option<&'static Limits> {
        let mut fitting = Vec::new();
        branches(self.limits, kind, &mut fitting);
        if fitting.is_empty() {
            self.violations.push(Violation {
                field: self.at.to_string(),
                limit: format!("must be {}", self.limits),
                value: Some(name.to_owned()),
            });
        }
        fitting.first().copied()
    }

    pub(super) fn list(mut self) -> List<'a> {
        let limits = match self.parts(Kind::Array, "a list") {
            Some(Limits::Array(limits)) => Some(limits),
            _ => None,
        };
        List {
            limits,
            at: self.at,
            violations: self.violations,
            count: 0,
        }
    }

    pub(super) fn object(mut self) -> Object<'a> {
        let fields: &[Field] = match self.parts(Kind::Object, "an object") {
            Some(Limits::Object(fields)) => fields,
            _ => &[],
        };
        Object {
            fields,
            at: self.at,
            violations: self.violations,
            seen: Vec::new(),
            key: String::new(),
        }
    }
}

/// The visit of a list.
pub(super) struct List<'a> {
    limits: Option<&'static ArrayLimits>,
    at: &'a Path<'a>,
    violations: &'a mut Vec<Violation>,
    count: usize,
}

impl List<'_> {
    pub(super) fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Unreadable> {
        let at = Path::Item(self.at, self.count);
        let limits = self.limits.map_or(&Limits::Any, |limits| limits.items);
        value.serialize(Check {
            limits,
            at: &at,
            violations: self.violations,
        })?;
        self.count += 1;
        Ok(())
    }

    pub(super) fn finish(self) -> Visit {
        let broken = self
            .limits
            .and_then(|limits| scalar::item_count(self.count, limits));
        if let Some(Broken { limit, value }) = broken {
            self.violations.push(Violation {
                field: self.at.to_string(),
                limit,
                value: Some(value),
            });
        }
        Ok(true)
    }
}

/// The visit of an object.
pub(super) struct Object<'a> {
    fields: &'static [Field],
    at: &'a Path<'a>,
    violations: &'a mut Vec<Violation>,
    seen: Vec<&'static str>,
    pub(super) key: String,
}

impl Object<'_> {
    pub(super) fn field(
        &mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), Unreadable> {
        let field = self.fields.iter().find(|field| field.name == name);
        let at = Path::Field(self.at, name);
        let limits = field.map_or(&Limits::Any, |field| &field.limits);
        let present = value.serialize(Check {
            limits,
            at: &at,
            violations: self.violations,
        })?;
        if let (Some(field), true) = (field, present) {
            self.seen.push(field.name);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Visit {
        for field in self.fields {
            if field.required && !self.seen.contains(&field.name) {
                self.violations.push(Violation::missing(
                    Path::Field(self.at, field.name).to_string(),
                ));
            }
        }
        Ok(true)
    }
}

/// Whether there was a value: false for none.
pub(super) type Visit = Result<bool, Unreadable>;

/// A value that `Serialize` does not give away, or that no request can have.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl ser::Error for Unreadable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(crate::text::one_line(&message.to_string(), 200))
    }
}
