//! Integration tests: over real sockets, and on response bodies alone.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and is no library"
)]

mod base64;
mod batch;
mod bodies;
mod charge;
mod download;
mod echoes;
mod hostile;
mod inputs;
mod journal;
mod limits;
mod log;
mod random_bodies;
mod refusals;
mod requests;
mod retries;
mod runtimes;
mod server;
mod settings;
mod spend_limit;
mod traces;
mod transport;
mod wrong_types;
