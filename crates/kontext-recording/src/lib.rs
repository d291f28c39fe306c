//! The form of a recorded exchange on disk, and the hash that tells one recorded
//! request from another.
//!
//! A recording is a folder with [`recording.json`](RecordingMeta), the request's
//! body, the bodies of its answers and maybe pictures. The README of `kontext-mock` has
//! the form in full.

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
