#![doc = include_str!("../README.md")]
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
mod explain;
mod findings;
pub mod format;
mod ignore;
mod rules;
mod schema;
mod severity;
mod witness;

pub use document::{Document, Position, Unreadable};
pub use explain::{explain, rules_table};
pub use findings::{Finding, Ignored, Report, Side, Verdict, Witness};
pub use ignore::{Expired, IgnoreError, IgnoreFile, Unused};
pub use rules::{Direction, Rule, Wire, rule, rules};
pub use severity::compare;
