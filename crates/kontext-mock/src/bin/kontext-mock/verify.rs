//! `kontext-mock verify`: compares a real server with the recordings.

use std::{
    error::Error,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use kontext_mock::{
    RecordError, Recording, Recordings, Verdict, VerifyPlan, VerifyReport, verify, verify_plan,
};

use crate::{
    check,
    command_line::{Format, VerifyArguments},
    key, output,
    serve::block_on,
};

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
    let recordings = check::read(arguments.recordings.as_ref())?;
    let chosen = chosen(&recordings, &arguments.cases)?;
    let key = key::of_environment();
    let VerifyPlan {
        requests, billed, ..
    } = verify_plan(chosen.iter().copied())?;
    output::note(&format!(
        "of {} recordings {requests} are sent to the upstream, one at a time, with generations of \
         {} images: about {} credits, ${:.2}",
        chosen.len(),
        billed.images,
        billed.credits,
        billed.usd()
    ));
    let shows_progress = io::stderr().is_terminal();
    let report = verify(&arguments.upstream, key.as_deref(), chosen, |one| {
        if shows_progress {
            output::note(&one.to_string());
        }
    });
    Ok(report.await?)
}

/// The recordings with these names, or all where there are none.
fn chosen<'a>(
    recordings: &'a Recordings,
    names: &[String],
) -> Result<Vec<&'a Recording>, RecordError> {
    if names.is_empty() {
        return Ok(recordings.iter().collect());
    }
    let of_name = |name: &String| {
        let found = recordings.get(name);
        found.ok_or_else(|| RecordError::NoSuchRecording { name: name.clone() })
    };
    names.iter().map(of_name).collect()
}
