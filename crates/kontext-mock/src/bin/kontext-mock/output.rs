//! How the commands write what they have to say, and their exit codes.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

/// Recordings disagree with the contract.
pub(crate) const DISAGREEMENT: u8 = 1;

/// No recording answered a request.
pub(crate) const MISSED: u8 = 1;

/// The real server answers differently from the recording.
pub(crate) const DIFFERS: u8 = 1;

/// Something could not be read, started or decided.
pub(crate) const FAILED: u8 = 2;

/// Writes a text to standard output at once.
///
/// That no one reads it any more, as behind `head`, is not an error of ours.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a result and makes an exit code of it.
pub(crate) fn finish(text: &str, code: u8) -> ExitCode {
    match print(text) {
        Ok(()) => code.into(),
        Err(error) => fail(&error),
    }
}

/// Writes a line to standard error, and waits for at most a second until it is
/// there: a pipe that nobody reads can be full, and must not keep a program that
/// is to end.
pub(crate) fn note(text: &str) {
    let line = format!("{text}\n");
    let (done, is_done) = mpsc::sync_channel(1);
    let writing = thread::Builder::new().spawn(move || {
        // Where standard error is closed, nobody wants to know.
        let _ = io::stderr().lock().write_all(line.as_bytes());
        let _ = done.send(());
    });
    if writing.is_ok() {
        let _ = is_done.recv_timeout(Duration::from_secs(1));
    }
}

/// Writes an error with its causes to standard error.
pub(crate) fn fail(error: &dyn Error) -> ExitCode {
    note(&format!("error: {}", with_causes(error)));
    FAILED.into()
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
