//! The fourth step: reports what the generators don't support, with file and JSON pointer,
//! instead of a panic or a cryptic error.
//!
//! It runs on each document after overlays and normalisation but before hoisting, so that
//! pointers are those of the published file.

mod cycles;
mod dialect;
mod operations;
mod requests;
mod schemas;

use serde_json::Value;

use crate::problem::{Problem, Problems};

/// Finds everything in a document that the generators are known not to support.
///
/// # Errors
///
/// All problems of the first failing kind: cycles, then unsupported features, then invalid
/// OpenAPI 3.0.
pub(crate) fn check(file: &str, document: &Value) -> Result<(), Problems> {
    let mut found = Found {
        file,
        problems: Vec::new(),
    };
    cycles::check(document, &mut found);
    // The other checks follow references, so a cycle would never end.
    Problems::none_or(std::mem::take(&mut found.problems))?;
    operations::check(document, &mut found);
    schemas::check(document, &mut found);
    requests::check(document, &mut found);
    Problems::none_or(std::mem::take(&mut found.problems))?;
    // The last resort: it finds the place, but the message is the parser's.
    dialect::check(document, &mut found);
    Problems::none_or(found.problems)
}

/// Collects the problems of one file.
struct Found<'a> {
    file: &'a str,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn add(&mut self, at: &str, message: impl Into<String>, help: &str) {
        self.problems
            .push(Problem::new(self.file, at, message, help));
    }
}

#[cfg(test)]
mod tests;
