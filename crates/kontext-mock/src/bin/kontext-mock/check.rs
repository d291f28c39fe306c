//! `kontext-mock check`: the gate that `serve` passes at its start.

use std::{error::Error, path::PathBuf, process::ExitCode};

use kontext_mock::{CheckReport, Contract, Recordings};

use crate::{
    command_line::{CheckArguments, Format},
    output,
};

pub(crate) fn run(arguments: &CheckArguments) -> ExitCode {
    let written = report(arguments.recordings.as_ref()).and_then(|report| {
        let text = match arguments.format {
            Format::Text => report.to_string(),
            Format::Json => serde_json::to_string_pretty(&report)?,
        };
        let code = if report.is_clean() {
            0
        } else {
            output::DISAGREEMENT
        };
        Ok((text, code))
    });
    match written {
        Ok((text, code)) => output::finish(&format!("{text}\n"), code),
        Err(error) => output::fail(&*error),
    }
}

fn report(folder: Option<&PathBuf>) -> Result<CheckReport, Box<dyn Error>> {
    let recordings = read(folder)?;
    Ok(kontext_mock::check(&Contract::embedded()?, &recordings))
}

/// Reads the recordings of a folder or, without one, those built in.
pub(crate) fn read(folder: Option<&PathBuf>) -> Result<Recordings, kontext_mock::LoadError> {
    match folder {
        Some(folder) => Recordings::load(folder),
        None => Recordings::embedded(),
    }
}
