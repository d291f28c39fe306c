//! Tests of the commands: the real binary on real files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod codegen;
mod drift;
mod import;
mod messages;
mod readme;
mod support;
mod workflow;
