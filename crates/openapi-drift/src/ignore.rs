//! Findings that somebody has looked at, and until when they may be passed over.

mod date;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    document::Position,
    format::printable,
    report::{Ignored, Report},
};

pub use date::{Date, InvalidDate};

/// A file that acknowledges findings: each by its fingerprint, with a reason and
/// with the last day on which it may be ignored.
///
/// ```
/// let file = openapi_drift::IgnoreFile::parse("drift-ignore.json", r#"{
///   "format": 1,
///   "ignore": [
///     {"fingerprint": "0f3a", "reason": "we send no such value", "expires": "2026-12-31"}
///   ]
/// }"#)?;
/// # Ok::<(), openapi_drift::IgnoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreFile {
    name: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    fingerprint: String,
    reason: String,
    expires: Date,
    position: Position,
}

/// Why a text is no ignore file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}:{}: {message}{}\n  help: {help}", printable(file), position.line, position.column, at(pointer))]
#[non_exhaustive]
pub struct IgnoreError {
    /// The name that the text was given.
    pub file: String,
    /// Where in the file, as a JSON pointer; empty for the whole of it.
    pub pointer: String,
    /// Where in the text.
    pub position: Position,
    /// What is wrong there.
    pub message: String,
    /// What to do.
    pub help: String,
}

fn at(pointer: &str) -> String {
    if pointer.is_empty() {
        String::new()
    } else {
        format!(" (at {})", printable(pointer))
    }
}

/// An entry of an ignore file that no finding needs; its [`Display`](fmt::Display)
/// says so with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unused {
    /// The name of the ignore file.
    pub file: String,
    /// Where the entry stands in it.
    pub position: Position,
    /// The finding that is not there.
    pub fingerprint: String,
    /// Why it was ignored.
    pub reason: String,
}

/// Entries of an ignore file whose last day is over; its
/// [`Display`](fmt::Display) names each with its place and says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expired {
    /// The name of the ignore file.
    pub file: String,
    /// The day for which the file was asked.
    pub today: Date,
    /// The entries that are over, in the order of the file; at least one.
    pub entries: Vec<ExpiredEntry>,
}

/// One entry of an ignore file whose last day is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpiredEntry {
    /// Where the entry stands in the file.
    pub position: Position,
    /// The finding that it is for.
    pub fingerprint: String,
    /// Why it was ignored.
    pub reason: String,
    /// Its last day.
    pub expires: Date,
}

impl IgnoreFile {
    /// Reads an ignore file; `name` is how messages call it, usually its path.
    ///
    /// # Errors
    ///
    /// The text is no JSON, is of another format than 1, has a member that is not
    /// known, lacks one, has an empty reason or a date that does not exist, or
    /// names a fingerprint twice.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, IgnoreError> {
        read::read(name.into(), text)
    }

    /// Moves the findings that the file acknowledges from `findings` to `ignored`,
    /// and judges the rest again. Gives the entries that no finding needs, too:
    /// they can be deleted.
    ///
    /// An entry holds through its last day; `today` is in the same time zone as the
    /// dates of the file, whichever that is. [`Date::of`] gives UTC.
    ///
    /// # Errors
    ///
    /// An entry is over, whether or not there is a finding for it: somebody has to
    /// look at it again.
    pub fn apply(&self, mut report: Report, today: Date) -> Result<(Report, Vec<Unused>), Expired> {
        let over = self.entries.iter().filter(|entry| entry.expires < today);
        let entries: Vec<ExpiredEntry> = over
            .map(|entry| ExpiredEntry {
                position: entry.position,
                fingerprint: entry.fingerprint.clone(),
                reason: entry.reason.clone(),
                expires: entry.expires,
            })
            .collect();
        if !entries.is_empty() {
            return Err(Expired {
                file: self.name.clone(),
                today,
                entries,
            });
        }
        let entries = self.entries.iter();
        let by_fingerprint: BTreeMap<&str, &Entry> = entries
            .map(|entry| (entry.fingerprint.as_str(), entry))
            .collect();
        let mut used = BTreeSet::new();
        for finding in std::mem::take(&mut report.findings) {
            let entry = by_fingerprint.get(finding.fingerprint.as_str());
            let Some(entry) = entry else {
                report.findings.push(finding);
                continue;
            };
            used.insert(entry.fingerprint.as_str());
            report.ignored.push(Ignored {
                fingerprint: finding.fingerprint,
                rule: finding.rule,
                reason: entry.reason.clone(),
                expires: entry.expires.to_string(),
            });
        }
        report.judge();
        let unused = self
            .entries
            .iter()
            .filter(|entry| !used.contains(entry.fingerprint.as_str()))
            .map(|entry| Unused {
                file: self.name.clone(),
                position: entry.position,
                fingerprint: entry.fingerprint.clone(),
                reason: entry.reason.clone(),
            })
            .collect();
        Ok((report, unused))
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}:{}: no finding has the fingerprint {:?} (ignored because: {})\n  \
             help: delete the entry",
            printable(&self.file),
            self.position.line,
            self.position.column,
            self.fingerprint,
            printable(&self.reason)
        )
    }
}

impl fmt::Display for Expired {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            writeln!(
                formatter,
                "{}:{}:{}: the entry for the fingerprint {:?} was valid through {}, and today is {} \
                 (ignored because: {})",
                printable(&self.file),
                entry.position.line,
                entry.position.column,
                entry.fingerprint,
                entry.expires,
                self.today,
                printable(&entry.reason)
            )?;
        }
        formatter.write_str(
            "  help: look at the finding again; delete the entry, or give it a later day if its \
             reason still holds",
        )
    }
}

impl std::error::Error for Expired {}

#[cfg(test)]
mod tests;
