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
mod hostile;
mod http;
mod matching;
mod process;
mod record;
mod record_files;
mod record_kill;
mod record_secrets;
mod redact_command;
mod replay;
mod requests;
mod secrets;
mod server;
mod upstream;
mod verify;
