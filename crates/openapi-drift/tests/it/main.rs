//! Checks comparisons against independent expectations and an independent validator.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cases;
mod documents;
mod edit;
mod hostile;
mod instances;
mod properties;
mod schema_cases;
mod schemas;
mod validator;
