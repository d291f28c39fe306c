//! Tests of the mock from the outside: over sockets, as a router, as a binary, and with
//! recordings folders.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod admin;
mod answers;
mod binary;
mod contracts;
mod fault_connections;
mod fault_effects;
mod faults;
mod files;
mod folders;
mod generated;
mod hard_requests;
mod hostile;
mod http;
mod journal;
mod log;
mod matching;
mod matching_properties;
mod page;
mod prefer;
mod process;
mod recipes;
mod record;
mod record_files;
mod record_folder;
mod record_interrupted;
mod record_kill;
mod record_modes;
mod record_secrets;
mod recording_validation;
mod redact_command;
mod regressions;
mod reload;
mod replay;
mod requests;
mod secrets;
mod server;
mod serving;
mod sessions;
mod shutdown;
mod unread_bodies;
mod unused_recordings;
mod upstream;
mod verify;
mod wire;
