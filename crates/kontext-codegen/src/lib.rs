//! From the provider's OpenAPI documents and our corrections to the texts of
//! the generated files.
//!
//! Everything here is a function from texts to texts: no file is read or
//! written, no clock is asked, and the same inputs give the same bytes. The
//! steps, each in a module of its own:
//!
//! 1. `document`: a text becomes JSON that is an OpenAPI 3.0 document.
//! 2. `overlay`: our corrections are applied, strictly.
//! 3. `prune`, `normalise`: what nothing reaches goes, what carries no
//!    meaning is repaired.
//! 4. `supported`: what the generators can't take is found and reported, while
//!    the places are still those of the published document.
//! 5. `hoist`, `pages`, `merge`, `effective`: what deserves a name gets one, and the
//!    documents become one, in canonical order.
//! 6. `contract`, `fold` and `view`, `rust`: the three things made from it.
//!
//! [`generate`] runs all of them. [`surface`] compares what they made with what they
//! made before.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]

mod contract;
mod difference;
mod docs;
mod document;
mod effective;
mod fold;
mod generate;
mod hoist;
mod json;
mod limits;
mod merge;
mod names;
mod normalise;
mod origins;
mod overlay;
mod pages;
mod problem;
mod prune;
mod rust;
mod supported;
pub mod surface;
#[cfg(test)]
mod table;
mod view;

pub use contract::contract;
pub use effective::Steps;
pub use generate::{GENERATORS, Input, Inputs, Output, Outputs, generate};
pub use json::{array, child, each_operation, follow, same};
pub use normalise::Normalised;
pub use overlay::matches as applies_to;
pub use problem::{Problem, Problems};
