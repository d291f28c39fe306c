//! Generates code and contract from the provider's OpenAPI documents and our corrections.
//!
//! Everything here is a pure function of texts: no file I/O, no clock, and the same inputs
//! give the same bytes. The steps, each in its own module:
//!
//! 1. `document`: parses JSON and checks that it is an OpenAPI 3.0 document.
//! 2. `overlay`: applies our corrections, strictly.
//! 3. `prune`, `normalise`: remove unreachable components and repair defects that carry no
//!    meaning.
//! 4. `supported`: reports what the generators don't support, while pointers are still
//!    those of the published document.
//! 5. `hoist`, `pages`, `merge`, `effective`: name inline schemas and merge the documents
//!    into one, in canonical order.
//! 6. `contract`, `fold` and `view`, `rust`: generate the outputs.
//!
//! [`generate`] runs all of them. [`surface`] compares the generated Rust API with an
//! earlier one.

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
pub use document::Input;
pub use effective::Steps;
pub use generate::{GENERATORS, Inputs, Output, Outputs, generate};
pub use json::{array, child, each_operation, follow, same};
pub use normalise::Normalised;
pub use overlay::matches as applies_to;
pub use problem::{Problem, Problems};
