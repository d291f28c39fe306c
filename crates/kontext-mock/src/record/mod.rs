//! Recordings are made here: a proxy that saves what passes through it, and what
//! goes with it.

mod error;
mod exchange;
mod hops;
mod index;
mod names;
mod pictures;
mod proxy;
mod recorder;
mod redacting;
mod relay;
mod rest;
mod rules;
mod shelf;
mod store;
mod upstream;
mod workplace;

pub use error::RecordError;
pub use recorder::{RecordMode, Recorder, RecorderBuilder};
pub use redacting::{RedactReport, redact_recordings};
pub(crate) use store::{is_good, words};
pub(crate) use upstream::Upstream;
