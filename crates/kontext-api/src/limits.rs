//! What a value may be: the spec's limits as data, and the check before sending.
//!
//! The data is in `generated.rs`, so it cannot fall behind the spec; its types
//! are here. All of it can be built in a `static`.

mod check;
#[allow(
    dead_code,
    reason = "which sorts of limits the spec sets changes with the spec"
)]
mod data;
mod scalar;
#[cfg(test)]
mod tests;
mod visit;

pub(crate) use check::check;
pub(crate) use data::{
    ArrayLimits, Field, Format, IntegerLimits, Limits, NumberLimits, StringLimits,
};
