//! A raw TCP server that fails on purpose and records what it receives.
//!
//! It listens on a free port of 127.0.0.1, follows a [`Script`] and never sleeps: a stall
//! is a connection that is held open without writing.

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
