//! The comparison.

use crate::{Document, Report};

/// Compares two documents.
#[must_use]
pub fn compare(_old: &Document, _new: &Document) -> Report {
    Report::of(Vec::new())
}
