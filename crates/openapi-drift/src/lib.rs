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
mod finish;
pub mod format;
mod ignore;
mod report;
mod rules;
mod schema;
mod text;
mod witness;

pub use document::{Document, Position, Unreadable};
pub use explain::{explain, rules_table};
pub use finish::compare;
pub use ignore::{Expired, IgnoreError, IgnoreFile, Unused};
pub use report::{Finding, Ignored, Report, Side, Verdict, Wire, Witness};
pub use rules::{Direction, Rule, rule, rules};
