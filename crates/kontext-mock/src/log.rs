//! What the mock writes on standard error.

mod writer;

use std::{error::Error, fmt::Write as _, path::Path};

pub(crate) use writer::{flush_soon, write};

use axum::http::request::Parts;

use crate::{answer::Answer, fault::Plan, shorten};

/// Where the provider's service is; the page of the provider names it.
const PROVIDER: &str = "https://api.aimlapi.com";

/// One line for a request and its answer: never a header, a query or a body.
pub(crate) fn line(parts: &Parts, answer: &Answer, plan: &Plan) -> String {
    let mut line = format!(
        "{} {} {}",
        shorten::text(parts.method.as_str(), 50),
        shorten::text(parts.uri.path(), 200),
        answer.reply.status.as_u16()
    );
    if let Some(error) = answer.error {
        let _ = write!(line, " error={error}");
    }
    if let Some(found) = answer.found.filter(|_| !answer.is_miss()) {
        let _ = write!(line, " match={found}");
    }
    if let Some(recording) = &answer.recording {
        let label = if answer.is_miss() {
            "nearest"
        } else {
            "recording"
        };
        let _ = write!(line, " {label}={recording}");
    }
    line.push_str(&answer.note);
    if !plan.names.is_empty() {
        let _ = write!(line, " faults={}", plan.names.join(";"));
    }
    line.push('\n');
    line
}

/// The command that records what no recording answers.
pub(crate) fn record_command(folder: Option<&Path>) -> String {
    let folder = folder.map_or_else(|| "RECORDINGS".to_owned(), quoted);
    format!("kontext-mock record --upstream {PROVIDER} --recordings {folder}")
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// An error with its causes in one text.
pub(crate) fn with_causes(error: &impl Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
