//! The sorts of limits that a document can set.

/// What the spec allows at one place of a request.
#[derive(Debug)]
pub(crate) enum Limits {
    /// Anything: the spec says nothing that is checked here.
    Any,
    /// A boolean.
    Boolean,
    /// A string.
    String(StringLimits),
    /// A whole number.
    Integer(IntegerLimits),
    /// A number.
    Number(NumberLimits),
    /// A list.
    Array(ArrayLimits),
    /// An object with these fields; fields that are not named are not checked.
    Object(&'static [Field]),
    /// A value of one of several types: the branch that fits by type counts.
    AnyOf(&'static [Limits]),
}

/// The limits of a string. Lengths are in Unicode scalar values, not bytes.
#[derive(Debug)]
pub(crate) struct StringLimits {
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) format: Option<Format>,
    /// The allowed values; empty means any.
    pub(crate) values: &'static [&'static str],
}

/// What a string must be written as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    /// An http, https or data URI, in the spelling of RFC 3986.
    Uri,
}

/// The limits of a whole number; both are allowed values themselves.
#[derive(Debug)]
pub(crate) struct IntegerLimits {
    pub(crate) minimum: Option<i128>,
    pub(crate) maximum: Option<i128>,
}

/// The limits of a number. Not-a-number and infinities are never allowed.
#[derive(Debug)]
pub(crate) struct NumberLimits {
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
}

/// The limits of a list, and of each of its items.
#[derive(Debug)]
pub(crate) struct ArrayLimits {
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) items: &'static Limits,
}

/// A field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) limits: Limits,
}
