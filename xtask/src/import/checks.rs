//! Finds contradictions between a page, its samples and answers, and the document.

mod document;
mod exchange;
mod words;

use kontext_codegen::contract;
use serde_json::{Value, json};

use super::{
    document::{Document, Operation},
    exchange::Exchange,
    page::Page,
};

/// Which side is used by default.
const DOCUMENT: &str = "the document is used";

/// Two statements that can't both be true.
#[derive(Debug)]
pub(super) struct Contradiction {
    pub(super) file: String,
    /// The lines where it occurs, the first one first.
    pub(super) lines: Vec<usize>,
    /// The kind and both sides; identifies the contradiction.
    pub(super) text: String,
    pub(super) used: String,
    /// The places in the document that an overlay would correct; empty if only the page is
    /// wrong.
    pub(super) pointers: Vec<String>,
    /// Whether codegen repairs it, so that it needs no review.
    pub(super) is_repaired: bool,
}

/// Finds all contradictions, sorted by line.
pub(super) fn contradictions(
    file: &str,
    page: &Page<'_>,
    document: &Document,
    exchanges: &[Exchange<'_>],
) -> Vec<Contradiction> {
    let mut checks = Checks {
        file,
        document,
        found: Vec::new(),
    };
    for operation in &document.operations {
        checks.document(page, operation);
        let is_own = |exchange: &&Exchange<'_>| exchange.operation.at == operation.at;
        let exchanges: Vec<&Exchange<'_>> = exchanges.iter().filter(is_own).collect();
        checks.exchanges(operation, &exchanges);
    }
    let mut found = checks.found;
    found.sort_by(|left, right| (&left.file, left.lines[0]).cmp(&(&right.file, right.lines[0])));
    found
}

struct Checks<'a> {
    /// The page's file.
    file: &'a str,
    document: &'a Document,
    found: Vec<Contradiction>,
}

impl Checks<'_> {
    /// Adds a contradiction in a line of the page, or adds the line to a known one.
    fn page(&mut self, line: usize, text: String, used: &str, pointers: Vec<String>) {
        let mut known = self.found.iter_mut();
        match known.find(|known| known.text == text && known.pointers == pointers) {
            Some(known) => known.lines.push(line),
            None => self.found.push(Contradiction {
                file: self.file.to_owned(),
                lines: vec![line],
                text,
                used: used.to_owned(),
                pointers,
                is_repaired: false,
            }),
        }
    }

    /// Adds a contradiction at a place in the document.
    fn place(&mut self, pointer: String, text: String) {
        self.found.push(Contradiction {
            file: self.document.file.clone(),
            lines: vec![self.document.line(&pointer)],
            text,
            used: DOCUMENT.to_owned(),
            pointers: vec![pointer],
            is_repaired: false,
        });
    }

    /// Like [`Checks::place`], but for one that codegen repairs.
    fn repaired(&mut self, pointer: String, text: String, used: &str) {
        self.place(pointer, text);
        if let Some(last) = self.found.last_mut() {
            used.clone_into(&mut last.used);
            last.is_repaired = true;
        }
    }

    fn at(&self, pointer: &str) -> Option<&Value> {
        self.document.value.pointer(pointer)
    }

    /// A validator for bodies of the document as published, without our overlays.
    fn validator(&self, operation: &Operation, body: &str) -> Option<jsonschema::Validator> {
        let contract = contract(&self.document.value);
        let mut operations = contract.get("operations")?.as_array()?.iter();
        let own = operations
            .find(|one| one["method"] == *operation.method && one["path"] == *operation.path)?;
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [own.pointer(&format!("/{body}/content/application~1json"))?],
            "$defs": own.get("$defs"),
        });
        let options = jsonschema::options().should_validate_formats(true);
        options.build(&schema).ok()
    }
}
