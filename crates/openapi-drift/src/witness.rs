//! Exchanges that show a difference: the one document allows them, the other
//! does not.
//!
//! A value is built from the schema of the side that allows it, with what shows
//! the difference in its place, and judged by a JSON Schema validator of each
//! side. Nothing is concluded from a value that is not found.

mod build;
pub(crate) mod formats;
mod json_schema;
mod validate;
pub(crate) mod patterns;
mod price;
mod sample;

pub(crate) use validate::Judge;
