//! A server of raw bytes that fails on purpose, and counts what it was sent.
//!
//! It listens on a free port of 127.0.0.1, follows a [`Script`] and never waits
//! for time to pass: a stall is a socket that is held and not written to.

mod http2;
mod request;
mod response;
mod script;
mod seen;
mod server;

pub use http2::Http2Fault;
pub use response::{Framing, Response};
pub use script::{Script, Step};
pub use seen::{Request, Seen};
pub use server::{Address, FaultServer};
