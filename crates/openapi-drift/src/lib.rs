//! Compares two OpenAPI 3.0 documents and says whom each change breaks.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]

mod compare;
mod document;
mod finish;
mod json;
mod report;
mod rules;
mod schema;
mod text;
mod witness;

pub use document::{Document, Unreadable};
pub use finish::compare;
pub use json::Position;
pub use report::{AtRisk, Finding, Ignored, Report, RustEffect, Side, Verdict, Wire, Witness};
pub use rules::{Direction, Rule, rule, rules};
