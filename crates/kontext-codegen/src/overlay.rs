//! The second step: our corrections, written as OpenAPI Overlay 1.0 documents.
//!
//! Other tools can apply these files. Here they are applied strictly, so that no correction
//! outlives its defect: codegen stops on a missing target, a failed expectation, an action
//! that changes nothing, and two files that conflict.
//!
//! Our extensions: the document has `x-applies-to` (file names of published documents, with
//! `*` as a wildcard; absent means all). Each action has `x-expect` (a subset of the
//! target's current value), `x-expect-exact` (the whole value; required with `remove`) and
//! `x-expect-absent` (member names). `x-reason` and `x-evidence` are required, for human
//! readers.

mod apply;
mod parse;

pub(crate) use apply::apply;
pub use parse::matches;
pub(crate) use parse::{Overlay, parse};
