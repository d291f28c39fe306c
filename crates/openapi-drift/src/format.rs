//! A report as a text: for people, programs, pull requests and annotations.
//!
//! Everything here is a function from a report to a string. What a document has
//! in it comes out as text and as nothing else: no control character, no Markdown,
//! no mention of a user, no second workflow command, whatever the document's
//! author wrote.

mod github;
mod json;
mod markdown;
#[cfg(test)]
pub(crate) mod samples;
mod shown;
mod summary;
mod text;

use std::{fmt, str::FromStr};

pub use github::github;
pub use json::{REPORT_SCHEMA, json};
pub use markdown::{COMMENT_LIMIT, markdown};
pub(crate) use shown::printable;
pub use text::text;

/// The forms that a report can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people, at a terminal: [`text()`].
    Text,
    /// For programs: [`json()`].
    Json,
    /// For a comment on a pull request: [`markdown()`].
    Markdown,
    /// Annotations of a GitHub workflow: [`github()`].
    Github,
}

/// The name of a format that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no format {0:?}; there are text, json, markdown and github")]
pub struct UnknownFormat(String);

impl Format {
    /// All formats, in the order in which help names them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Markdown, Self::Github];

    /// The name that it has on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Github => "github",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_one_name() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!(
            "JSON".parse::<Format>().unwrap_err().to_string(),
            "no format \"JSON\"; there are text, json, markdown and github"
        );
    }
}
