//! Exchanges that demonstrate a difference: one document allows them, the other does
//! not.
//!
//! A value is built from the schema of the side that allows it, with the difference
//! at its place, and validated against both sides. Finding no value proves nothing.

mod build;
pub(crate) mod formats;
pub(crate) mod patterns;
mod sample;
mod search;
mod validate;

pub(crate) use search::Validators;
pub(crate) use validate::Objects;
