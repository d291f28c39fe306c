//! Output of the commands, and their exit codes.

use std::{
    error::Error,
    io::{self, Write as _},
    iter,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

/// Recordings disagree with the contract.
pub(crate) const DISAGREEMENT: u8 = 1;

/// A request matched no recording.
pub(crate) const MISSED: u8 = 1;

/// The real server answers differently from the recording.
pub(crate) const DIFFERS: u8 = 1;

/// Something could not be read, started or decided.
pub(crate) const FAILED: u8 = 2;

/// Writes a text to standard output and flushes it.
///
/// A closed pipe, as with `head`, is not an error.
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

/// Prints a result and returns the exit code.
pub(crate) fn finish(text: &str, code: u8) -> ExitCode {
    match print(text) {
        Ok(()) => code.into(),
        Err(error) => fail(&error),
    }
}

/// Writes a line to standard error, waiting at most a second: a full pipe that nobody
/// reads must not keep the program from ending.
pub(crate) fn note(text: &str) {
    let line = format!("{text}\n");
    let (done, is_done) = mpsc::sync_channel(1);
    let writing = thread::Builder::new().spawn(move || {
        // If standard error is closed, nobody is reading.
        let _ = io::stderr().lock().write_all(line.as_bytes());
        let _ = done.send(());
    });
    if writing.is_ok() {
        let _ = is_done.recv_timeout(Duration::from_secs(1));
    }
}

/// Writes an error and its causes to standard error.
pub(crate) fn fail(error: &dyn Error) -> ExitCode {
    let errors = iter::successors(Some(error), |&error| error.source());
    let errors: Vec<_> = errors.map(ToString::to_string).collect();
    note(&format!("error: {}", errors.join(": ")));
    FAILED.into()
}
