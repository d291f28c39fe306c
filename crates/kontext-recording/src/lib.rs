//! The on-disk format of recorded exchanges, and the hash that identifies a recorded request.
//!
//! A recording is a folder with [`recording.json`](RecordingMeta), the request body, the
//! response bodies and optionally images. The README of `kontext-mock` documents the format in
//! full.

mod canonical;
mod hash;
mod meta;
#[cfg(feature = "names")]
mod names;
mod pointer;
mod strict_schema;

pub use canonical::{Canonical, OutOfRange, blanks, key, readable, readable_start, string_end};
pub use hash::RequestHash;
pub use meta::{
    AnswerMeta, FORMAT, KeptFile, META_FILE, MetaError, Origin, REQUEST_FILE, RecordingMeta,
    Redacted, Source, answer_of_file, file_of_answer,
};
#[cfg(feature = "names")]
pub use names::{case_name, prompt_line};
pub use pointer::Pointer;
pub use strict_schema::{OPEN_MAP, strict_schema};
