//! Acknowledged findings.

mod read;

use std::{collections::BTreeSet, fmt, time::SystemTime};

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde_json::json;

use crate::{
    document::Position,
    findings::{Finding, Ignored, Report},
    format::{self, printable},
};

/// How long the entries of a new file are valid, in days.
const NEW_ENTRY_DAYS: i64 = 90;

/// A file that acknowledges findings. Each entry identifies them by fingerprint, or
/// by rule and path, and has a reason and, optionally, the last day on which it
/// applies.
///
/// ```
/// let file = openapi_drift::IgnoreFile::parse("drift-ignore.json", r#"{
///   "format": 1,
///   "ignore": [
///     {"fingerprint": "830ad28722430936", "reason": "we send no such value", "expires": "2026-12-31"},
///     {"rule": "error-status-removed", "path": "POST /images", "reason": "we read no error bodies"}
///   ]
/// }"#)?;
/// # Ok::<(), openapi_drift::IgnoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct IgnoreFile {
    name: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    target: Target,
    reason: String,
    expires: Option<Date>,
    position: Position,
}

/// The findings that an entry applies to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Fingerprint(String),
    Place { rule: &'static str, path: String },
}

impl Target {
    fn covers(&self, finding: &Finding) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => finding.fingerprint == *fingerprint,
            Self::Place { rule, path } => {
                let is_below = |pointer: &String| {
                    let rest = pointer.strip_prefix(path.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                let is_operation = |operation: &String| {
                    operation == path || operation.split_once(' ').is_some_and(|(_, it)| it == path)
                };
                finding.rule.id == *rule
                    && (is_below(&finding.old_pointer)
                        || is_below(&finding.new_pointer)
                        || finding.operations.iter().any(is_operation))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(fingerprint) => write!(formatter, "fingerprint {fingerprint:?}"),
            Self::Place { rule, path } => write!(formatter, "rule {rule} at {path:?}"),
        }
    }
}

/// Why a text is not a valid ignore file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}:{position}: {message}{}\n  help: {help}",
    printable(file),
    at(pointer)
)]
#[non_exhaustive]
pub struct IgnoreError {
    /// The name passed to [`IgnoreFile::parse`].
    pub file: String,
    /// Where in the file, as a JSON pointer; empty for the root.
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

/// An entry of an ignore file that matches no finding. Its [`Display`](fmt::Display)
/// gives its position and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused(String);

/// The expired entries of an ignore file. Its [`Display`](fmt::Display) lists each with
/// its position and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Expired(String);

impl IgnoreFile {
    /// Parses an ignore file. Messages refer to it by `name`, usually its path.
    ///
    /// # Errors
    ///
    /// The text is not JSON, has a format other than 1, an unknown, missing or empty
    /// member, an unknown rule or an invalid date, or two entries for the same findings.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, IgnoreError> {
        read::read(name.into(), text)
    }

    /// The text of a new ignore file with these findings by fingerprint, each expiring
    /// 90 days after `now`.
    #[must_use]
    pub fn start<'f>(findings: impl IntoIterator<Item = &'f Finding>, now: SystemTime) -> String {
        let expires = day(now).saturating_add(Span::new().days(NEW_ENTRY_DAYS));
        let mut seen = BTreeSet::new();
        let entries = findings
            .into_iter()
            .filter(|finding| seen.insert(finding.fingerprint.as_str()))
            .map(|finding| {
                json!({
                    "fingerprint": finding.fingerprint,
                    "reason": format!("to be reviewed: {}: {}", finding.rule.id, finding.reason),
                    "expires": expires.to_string(),
                })
            });
        let file = json!({"format": 1, "ignore": entries.collect::<Vec<_>>()});
        format::escaped(&format!("{file:#}"))
    }

    /// Moves the acknowledged findings from `findings` to `ignored` and updates the
    /// verdict. Also returns the entries that match no finding and can be deleted.
    ///
    /// An entry is valid through its last day in UTC; without one, it never expires.
    ///
    /// # Errors
    ///
    /// An entry has expired, whether or not it matches a finding: it needs another
    /// review.
    pub fn apply(
        &self,
        mut report: Report,
        now: SystemTime,
    ) -> Result<(Report, Vec<Unused>), Expired> {
        self.check_expiry(day(now))?;
        let mut used = vec![false; self.entries.len()];
        for finding in std::mem::take(&mut report.findings) {
            let mut entry = None;
            for (known, used) in self.entries.iter().zip(&mut used) {
                if known.target.covers(&finding) {
                    *used = true;
                    entry = entry.or(Some(known));
                }
            }
            match entry {
                None => report.findings.push(finding),
                Some(entry) => report.ignored.push(Ignored {
                    fingerprint: finding.fingerprint,
                    rule: finding.rule,
                    reason: entry.reason.clone(),
                    expires: entry.expires.map(|day| day.to_string()),
                }),
            }
        }
        report.judge();
        let unused = self.entries.iter().zip(used).filter(|(_, used)| !used);
        let unused = unused.map(|(entry, _)| {
            Unused(format!(
                "{}: no finding has the {} (reason: {})\n  help: delete the entry",
                self.place(entry),
                entry.target,
                printable(&entry.reason)
            ))
        });
        Ok((report, unused.collect()))
    }

    fn check_expiry(&self, today: Date) -> Result<(), Expired> {
        let lines = self.entries.iter().filter_map(|entry| {
            let expires = entry.expires.filter(|expires| *expires < today)?;
            Some(format!(
                "{}: the entry for the {} expired on {expires}; today is {today} (reason: {})",
                self.place(entry),
                entry.target,
                printable(&entry.reason)
            ))
        });
        let lines: Vec<String> = lines.collect();
        if lines.is_empty() {
            return Ok(());
        }
        Err(Expired(format!(
            "{}\n  help: review the finding; then delete the entry, or give it a later date if its \
             reason still holds",
            lines.join("\n")
        )))
    }

    fn place(&self, entry: &Entry) -> String {
        format!("{}:{}", printable(&self.name), entry.position)
    }
}

/// The date in UTC, clamped to the years that jiff supports.
fn day(time: SystemTime) -> Date {
    let time = Timestamp::try_from(time).unwrap_or(if time < SystemTime::UNIX_EPOCH {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    TimeZone::UTC.to_datetime(time).date()
}

impl fmt::Display for Unused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
