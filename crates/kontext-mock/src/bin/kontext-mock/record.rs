//! `kontext-mock record`: a recorder until it is told to stop.

use std::{error::Error, process::ExitCode};

use kontext_mock::Recorder;

use crate::{
    command_line::RecordArguments,
    output,
    port_file::PortFile,
    serve::{PATIENCE, block_on},
    signals::Signals,
};

pub(crate) fn run(arguments: RecordArguments) -> ExitCode {
    match block_on(record(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&*error),
    }
}

async fn record(arguments: RecordArguments) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::catch()?;
    let mut builder = Recorder::builder(arguments.upstream, arguments.recordings)
        .listen(arguments.listen)
        .mode(arguments.mode)
        .pictures(arguments.files)
        .log(true);
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
    tokio::select! {
        () = recorder.stop(PATIENCE) => {}
        () = signals.next() => {}
    }
    output::note(&format!("exchanges saved: {}", recorder.saved()));
    let problems = recorder.problems().len();
    if problems > 0 {
        output::note(&format!("problems, which are named above: {problems}"));
    }
    Ok(())
}
