//! The mock as its users see it: over sockets, as a router, as a binary, and
//! with folders of recordings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod binary;
mod contracts;
mod folders;
mod gate;
mod hard_requests;
mod hostile;
mod http;
mod matching;
mod matching_properties;
mod replay;
mod requests;
mod server;
