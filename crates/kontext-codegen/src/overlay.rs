//! The second step: our corrections, as OpenAPI Overlay 1.0 documents.
//!
//! Other tools can apply these files. Here they are applied strictly, because
//! a correction must not outlive its defect: a target that is missing, an
//! expectation that fails, an action that changes nothing and two files that
//! disagree each stop codegen.
//!
//! Our extensions are `x-applies-to` on the document (file names of published
//! documents, `*` for any text; absent means all) and on each action `x-expect` (a subset of what
//! stands at the target today), `x-expect-exact` (all of it; required with
//! `remove`) and `x-expect-absent` (member names). `x-reason` and `x-evidence`
//! are for people, and required.

mod apply;
mod parse;

pub(crate) use apply::apply;
pub use parse::matches;
pub(crate) use parse::{Action, Change, Overlay, parse};
