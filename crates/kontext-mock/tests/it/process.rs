//! The binary as a process that runs until it is stopped.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// Timeout for expected events.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with these arguments, without environment variables that affect it.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kontext-mock"));
    command.args(arguments);
    for name in [
        "KONTEXT_MOCK_KEY",
        "AIMLAPI_KEY",
        "HTTP_PROXY",
        "http_proxy",
    ] {
        command.env_remove(name);
    }
    command
}

/// Sends a signal; returns whether it was delivered.
pub(crate) fn signal(child: &Child, name: &str) -> bool {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    sent.unwrap().success()
}

/// Runs the binary to completion; returns its exit code and output.
pub(crate) fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

/// A running `serve` or `record` process. It is killed when a test fails.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
    errors: Receiver<String>,
    /// Lines of its standard error read so far.
    seen: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a mock.
    pub(crate) fn serve(command: &mut Command) -> Self {
        Self::start(command, "kontext-mock listening on")
    }

    /// Starts it, and waits for the line that says it is up: `start` followed by the
    /// address.
    pub(crate) fn start(command: &mut Command, start: &str) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, errors) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix(&format!("{start} http://"))
            .and_then(|rest| rest.strip_suffix('\n'))
            .unwrap_or_else(|| panic!("{line:?} {:?}", errors.iter().collect::<Vec<_>>()))
            .parse()
            .unwrap();
        Self {
            child,
            output,
            errors,
            seen: Vec::new(),
            address,
        }
    }

    /// Waits for a line on its standard error that contains `part`.
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        loop {
            let line = self.errors.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {part:?} in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(signal(&self.child, name));
    }

    /// Waits for it to exit; returns its exit status and everything it wrote to
    /// standard error.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line on standard output is all");
        self.seen.extend(self.errors.iter());
        let lines = self.seen.iter().map(|line| format!("{line}\n"));
        (status, lines.collect())
    }

    /// Sends a signal, and waits for the exit like [`end`](Self::end).
    pub(crate) fn end_by(self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        self.end()
    }

    /// Stops it gracefully, checks that it exits with success, and returns its standard
    /// error.
    pub(crate) fn stop(self) -> String {
        let (status, errors) = self.end_by("TERM");
        assert_eq!(status.code(), Some(0), "{errors}");
        errors
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
