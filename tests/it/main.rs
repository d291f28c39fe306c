//! Tests that the published document, the recordings and the code agree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod changes;
mod contract;
mod downstream_crates;
mod drift;
mod drift_rust;
mod examples;
mod fault_matrix;
mod generated;
mod mock_answers;
mod mock_recipe;
mod other_clients;
mod page;
mod properties;
mod published_client;
mod readme;
mod recordings;
mod snapshots;
mod support;
mod wire_request;
