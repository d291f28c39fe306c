//! What can be wrong with the rules of redaction.

/// Says why rules of redaction cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {problem}; {next}", .place.as_ref().map(|place| format!(", {place}")).unwrap_or_default())]
#[non_exhaustive]
pub struct RedactionError {
    /// The file, or what the rules were told by.
    pub file: String,
    /// The place in the file, as a JSON pointer or as line and column; nothing
    /// where it is the file as such.
    pub place: Option<String>,
    /// What is wrong, and what was expected.
    pub problem: String,
    /// What to do next.
    pub next: String,
}
