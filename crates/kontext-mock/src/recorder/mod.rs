//! The recorder: a proxy that saves the exchanges that pass through it.

pub(crate) mod exchange;
pub(crate) mod index;
pub(crate) mod pictures;
pub(crate) mod proxy;
pub(crate) mod redact;
pub(crate) mod relay;
pub(crate) mod rules;
mod server;
pub(crate) mod staging;
pub(crate) mod store;
pub(crate) mod tee_body;
pub(crate) mod upstream;

pub use redact::{RedactReport, redact_recordings};
pub use server::{Recorder, RecorderBuilder};
pub use store::RecordMode;
