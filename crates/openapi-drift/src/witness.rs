//! Exchanges that show a difference: the one document allows them, the other
//! does not.
//!
//! A value is built from the schema of the side that allows it, with what shows
//! the difference in its place, and validated by each side. Nothing is concluded from a value that is not found.

mod build;
pub(crate) mod formats;
pub(crate) mod patterns;
mod sample;
mod search;
mod validate;

pub(crate) use search::Validators;
pub(crate) use validate::Objects;
