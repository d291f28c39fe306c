//! `kontext-mock verify`: compares a real server with the recordings.

use std::{
    error::Error,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use kontext_mock::{Recordings, Verdict, VerifyReport, verify};

use crate::{
    command_line::{Format, VerifyArguments},
    output,
    serve::block_on,
};

/// Holds the key for the real server.
const KEY: &str = "AIMLAPI_KEY";

pub(crate) fn run(arguments: &VerifyArguments) -> ExitCode {
    let report = match block_on(ask(arguments)) {
        Ok(report) => report,
        Err(error) => return output::fail(&*error),
    };
    let text = match arguments.format {
        Format::Text => format!("{report}\n"),
        Format::Json => match serde_json::to_string_pretty(&report) {
            Ok(text) => text + "\n",
            Err(error) => return output::fail(&error),
        },
    };
    // What could not be decided is not the same.
    let code = if report.count(Verdict::Differs) > 0 {
        output::DIFFERS
    } else if report.count(Verdict::Undecided) > 0 {
        output::FAILED
    } else {
        0
    };
    output::finish(&text, code)
}

async fn ask(arguments: &VerifyArguments) -> Result<VerifyReport, Box<dyn Error>> {
    let recordings = match &arguments.recordings {
        Some(folder) => Recordings::load(folder)?,
        None => Recordings::embedded()?,
    };
    let key = std::env::var(KEY).ok();
    output::note(&format!(
        "{} requests are sent to {}, which may charge for each",
        recordings.len(),
        arguments.upstream
    ));
    let shows_progress = io::stderr().is_terminal();
    let report = verify(&arguments.upstream, key.as_deref(), &recordings, |one| {
        if shows_progress {
            output::note(&one.to_string());
        }
    });
    Ok(report.await?)
}
