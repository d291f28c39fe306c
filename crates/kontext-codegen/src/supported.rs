//! The fourth step: what the generators can't take is found first and said in
//! words, with file and JSON pointer, instead of as a panic or a riddle.
//!
//! It runs on each document after overlays and normalisation and before
//! hoisting, so that pointers are those of the published file.

mod cycles;
mod dialect;
mod operations;
mod parts;
mod requests;
mod schemas;

use serde_json::Value;

use crate::problem::{Problem, Problems};

/// Finds what is known of a document that the generators can't take.
///
/// # Errors
///
/// All problems of the first kind that has any: cycles, then what the
/// generators can't take, then what is not OpenAPI 3.0.
pub(crate) fn check(file: &str, document: &Value) -> Result<(), Problems> {
    let mut found = Found {
        file,
        problems: Vec::new(),
    };
    cycles::check(document, &mut found);
    // The other checks follow references, which a cycle would never end.
    Problems::none_or(std::mem::take(&mut found.problems))?;
    operations::check(document, &mut found);
    schemas::check(document, &mut found);
    requests::check(document, &mut found);
    Problems::none_or(std::mem::take(&mut found.problems))?;
    // The last net, with the place but in the words of a parser.
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
