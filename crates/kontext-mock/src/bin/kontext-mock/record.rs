//! `kontext-mock record`: a recorder until it is told to stop.

use std::{error::Error, process::ExitCode, time::Duration};

use kontext_mock::Recorder;

use crate::{
    command_line::RecordArguments, key, output, port_file::PortFile, serve::block_on,
    signals::Signals,
};

pub(crate) fn run(arguments: RecordArguments) -> ExitCode {
    match block_on(record(arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => output::FAILED.into(),
        Err(error) => output::fail(&*error),
    }
}

/// How long exchanges in flight are waited for, which have been paid for; a
/// second signal ends that.
const PATIENCE: Duration = Duration::from_secs(600);

/// Records, and returns whether all was saved that should have been.
async fn record(arguments: RecordArguments) -> Result<bool, Box<dyn Error>> {
    let mut signals = Signals::catch()?;
    let mut builder = Recorder::builder(arguments.upstream, arguments.recordings)
        .listen(arguments.listen)
        .mode(arguments.mode)
        .pictures(arguments.files)
        .log(true);
    if let Some(key) = key::of_environment() {
        builder = builder.redact_secret(&key);
    }
    for pattern in arguments.rules.redact_pattern {
        builder = builder.redact_pattern(pattern);
    }
    for pointer in arguments.rules.redact_pointer {
        builder = builder.redact_pointer(pointer);
    }
    let mut recorder = builder.start().await?;
    let port_file = match arguments.port_file {
        Some(path) => Some(PortFile::write(&path, recorder.address().port())?),
        None => None,
    };
    output::print(&format!("kontext-mock recording on {}\n", recorder.url()))?;
    signals.next().await;
    drop(port_file);
    let finished = tokio::select! {
        finished = recorder.stop(PATIENCE) => finished,
        () = signals.next() => false,
    };
    output::note(&format!("exchanges saved: {}", recorder.saved()));
    let problems = recorder.problems().len();
    if problems > 0 {
        output::note(&format!("problems, which are named above: {problems}"));
    }
    if !finished {
        output::note("error: exchanges were under way, and are not saved");
    }
    Ok(finished && recorder.lost() == 0)
}
