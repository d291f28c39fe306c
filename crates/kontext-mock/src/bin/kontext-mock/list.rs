//! `kontext-mock list`: which recordings there are.

use std::{fmt::Write as _, process::ExitCode};

use kontext_mock::Recording;

use crate::{check, command_line::ListArguments, output};

/// How many characters of a request are shown.
const REQUEST_CHARACTERS: usize = 100;

pub(crate) fn run(arguments: &ListArguments) -> ExitCode {
    let recordings = match check::read(arguments.recordings.as_ref()) {
        Ok(recordings) => recordings,
        Err(error) => return output::fail(&error),
    };
    let mut text = String::new();
    for recording in &recordings {
        let _ = writeln!(
            text,
            "{}  {}  {}\n    {} {} {}",
            recording.name(),
            recording.status(),
            recording.title(),
            recording.method(),
            recording.path(),
            summary(recording)
        );
    }
    output::finish(&text, 0)
}

/// The request's body in one line, shortened.
fn summary(recording: &Recording) -> String {
    let Some(body) = recording.request() else {
        return "(no body)".to_owned();
    };
    let text = String::from_utf8_lossy(body);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REQUEST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
