//! What can be wrong with a folder of recordings.

use std::fmt;

/// Says why recordings could not be loaded: every defect that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recordings cannot be read:{}", lines(.defects))]
pub struct LoadError {
    defects: Vec<Defect>,
}

/// One thing that keeps a folder of recordings from being read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Defect {
    /// The file or folder, with the folder of the recordings.
    pub file: String,
    /// The place in the file, as a JSON pointer or as line and column; nothing
    /// where it is the file as such.
    pub place: Option<String>,
    /// What is wrong, and what was expected.
    pub problem: String,
    /// What to do next.
    pub next: String,
}

impl LoadError {
    pub(super) fn new(mut defects: Vec<Defect>) -> Self {
        defects.sort();
        Self { defects }
    }

    /// Lists the defects by file; there is at least one.
    #[must_use]
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }
}

impl Defect {
    /// Describes a defect of a file as such.
    pub(super) fn of_file(
        file: impl Into<String>,
        problem: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            place: None,
            problem: problem.into(),
            next: next.into(),
        }
    }

    /// Describes a defect at a place in a file.
    pub(super) fn at(self, place: impl Into<String>) -> Self {
        Self {
            place: Some(place.into()),
            ..self
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file)?;
        if let Some(place) = &self.place {
            write!(formatter, ", {place}")?;
        }
        write!(formatter, ": {}; {}", self.problem, self.next)
    }
}

fn lines(defects: &[Defect]) -> String {
    defects
        .iter()
        .map(|defect| format!("\n  {defect}"))
        .collect()
}
