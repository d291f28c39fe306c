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
use crate::request::{InvalidRequest, Violation};

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
        is_valid_uri: false,
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

/// Visits the branches of `limits` that a value of this kind fits by type.
fn branches(limits: &'static Limits, kind: Kind, visit: &mut dyn FnMut(&'static Limits)) {
    let fits = match limits {
        Limits::Any => true,
        Limits::Boolean => kind == Kind::Boolean,
        Limits::String(_) => kind == Kind::String,
        Limits::Integer(_) | Limits::Number(_) => kind == Kind::Number,
        Limits::Array(_) => kind == Kind::Array,
        Limits::Object(_) => kind == Kind::Object,
        Limits::AnyOf(all) => return all.iter().for_each(|branch| branches(branch, kind, visit)),
    };
    if fits {
        visit(limits);
    }
}

/// The visit of one value. It answers whether there was one.
pub(super) struct Check<'a> {
    limits: &'static Limits,
    at: &'a Path<'a>,
    violations: &'a mut Vec<Violation>,
    /// Whether the value has said that it is a valid URI.
    pub(super) is_valid_uri: bool,
}

impl<'a> Check<'a> {
    /// A value without parts: it is good if any branch of its type takes it.
    pub(super) fn scalar(
        self,
        kind: Kind,
        value: &dyn Fn() -> String,
        test: &dyn Fn(&Limits) -> Vec<Broken>,
    ) -> Visit {
        let mut is_good = false;
        let mut first = None;
        branches(self.limits, kind, &mut |branch| {
            if !is_good {
                let broken = test(branch);
                is_good = broken.is_empty();
                first.get_or_insert(broken);
            }
        });
        if is_good {
            return Ok(true);
        }
        let first = first.unwrap_or_else(|| {
            vec![Broken {
                limit: format!("must be {}", self.limits),
                value: value(),
            }]
        });
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
        let mut first = None;
        branches(self.limits, kind, &mut |branch| {
            first.get_or_insert(branch);
        });
        if first.is_none() {
            self.violations.push(Violation {
                field: self.at.to_string(),
                limit: format!("must be {}", self.limits),
                value: Some(name.to_owned()),
            });
        }
        first
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
            seen: Seen::default(),
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
            is_valid_uri: false,
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
    seen: Seen,
    pub(super) key: String,
}

impl Object<'_> {
    pub(super) fn field(
        &mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), Unreadable> {
        let mut fields = self.fields.iter().enumerate();
        let field = fields.find(|(_, field)| field.name == name);
        let at = Path::Field(self.at, name);
        let limits = field.map_or(&Limits::Any, |(_, field)| &field.limits);
        let present = value.serialize(Check {
            limits,
            at: &at,
            violations: self.violations,
            is_valid_uri: false,
        })?;
        if let (Some((index, _)), true) = (field, present) {
            self.seen.insert(index);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Visit {
        for (index, field) in self.fields.iter().enumerate() {
            if field.required && !self.seen.contains(index) {
                self.violations.push(Violation::missing(
                    Path::Field(self.at, field.name).to_string(),
                ));
            }
        }
        Ok(true)
    }
}

/// The fields of an object that were there, by their index: bits for as many as
/// nearly all objects have, so that a check sets no memory aside.
#[derive(Default)]
struct Seen {
    first: u128,
    others: Vec<usize>,
}

impl Seen {
    fn insert(&mut self, index: usize) {
        match u32::try_from(index) {
            Ok(index @ ..128) => self.first |= 1 << index,
            _ => self.others.push(index),
        }
    }

    fn contains(&self, index: usize) -> bool {
        match u32::try_from(index) {
            Ok(index @ ..128) => self.first & (1 << index) != 0,
            _ => self.others.contains(&index),
        }
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
        Self(crate::redact::one_line(&message.to_string(), 200))
    }
}
