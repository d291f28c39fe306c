//! `kontext-mock redact`: takes secrets out of recordings.

use std::process::ExitCode;

use kontext_mock::redact_recordings;

use crate::{command_line::RedactArguments, key, output};

pub(crate) fn run(arguments: &RedactArguments) -> ExitCode {
    let rules = &arguments.rules;
    let report = redact_recordings(
        &arguments.recordings,
        &rules.redact_pattern,
        &rules.redact_pointer,
        key::of_environment().as_slice(),
        arguments.dry_run,
    );
    let report = match report {
        Ok(report) => report,
        Err(error) => return output::fail(&error),
    };
    let done = if arguments.dry_run {
        "would be taken out"
    } else {
        "taken out"
    };
    let code = if report.problems.is_empty() {
        0
    } else {
        output::FAILED
    };
    output::finish(&format!("{report} {done}\n"), code)
}
