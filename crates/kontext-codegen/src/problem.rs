//! Errors of codegen: every problem has its file and place.

use std::fmt;

/// One problem that stops codegen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file the problem is in, relative to the workspace.
    pub file: String,
    /// Where in the file: a JSON pointer, a line and column, or an action of an overlay.
    /// Empty for the whole file.
    pub place: String,
    /// What is wrong, and what was expected.
    pub message: String,
    /// How to fix it.
    pub help: String,
}

impl Problem {
    /// Creates a problem at a place in a file.
    pub fn new(
        file: impl Into<String>,
        place: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            place: place.into(),
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if !self.place.is_empty() {
            write!(f, ": {}", self.place)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

/// All problems of a codegen run; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Fails if there are any problems.
    ///
    /// # Errors
    ///
    /// The given problems.
    pub fn none_or(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self(problems))
        }
    }
}

/// Collects the problems of one file, so that one run reports them all.
pub(crate) struct Found<'a> {
    pub(crate) file: &'a str,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Found<'a> {
    pub(crate) fn new(file: &'a str) -> Self {
        let problems = Vec::new();
        Self { file, problems }
    }

    pub(crate) fn add(&mut self, place: &str, message: impl Into<String>, help: &str) {
        self.problems
            .push(Problem::new(self.file, place, message, help));
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
