//! Tests of the crate from the outside: over real sockets, and on bodies.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and is no library"
)]

mod base64;
mod bodies;
mod charge;
mod echoes;
mod limits;
mod log;
mod random_bodies;
mod refusals;
mod requests;
mod server;
mod transport;
mod wrong_types;
