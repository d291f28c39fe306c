//! Tests that the published document, the recordings and the code agree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod changes;
mod contract;
mod drift;
mod drift_rust;
mod examples;
mod fault_matrix;
mod generated;
mod mock_answers;
mod mock_recipe;
mod other_clients;
mod outside;
mod page;
mod properties;
mod readme;
mod recordings;
mod snapshots;
mod support;
mod trap;
mod wire_request;
