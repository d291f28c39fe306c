//! Requests to end, caught from the first call on, so that none is missed between two
//! waits: Ctrl-C, and on Unix SIGTERM and SIGHUP too.

use std::io;

#[cfg(windows)]
pub(crate) use tokio::signal::windows::CtrlC as Interrupts;

#[cfg(unix)]
pub(crate) use unix::Interrupts;

/// From here on Ctrl-C ends the process no more: `recv` has to be awaited.
#[cfg(unix)]
pub(crate) fn listen() -> io::Result<Interrupts> {
    Interrupts::new()
}

/// From here on Ctrl-C ends the process no more: `recv` has to be awaited.
#[cfg(windows)]
pub(crate) fn listen() -> io::Result<Interrupts> {
    tokio::signal::windows::ctrl_c()
}

#[cfg(unix)]
mod unix {
    use std::{fs, future, io};

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that ask a process to end.
    pub(crate) struct Interrupts {
        interrupt: Signal,
        terminate: Signal,
        /// Nothing under `nohup`.
        hang_up: Option<Signal>,
    }

    impl Interrupts {
        pub(super) fn new() -> io::Result<Self> {
            let hang_up = match is_hang_up_ignored() {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            };
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up,
            })
        }

        /// The next of them.
        pub(crate) async fn recv(&mut self) -> Option<()> {
            let hang_up = async {
                match &mut self.hang_up {
                    Some(signal) => signal.recv().await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                signal = self.interrupt.recv() => signal,
                signal = self.terminate.recv() => signal,
                signal = hang_up => signal,
            }
        }
    }

    /// Whether SIGHUP was ignored when the process was started. To catch it would undo
    /// what `nohup` is for. Only Linux says so in a file; elsewhere it is caught.
    fn is_hang_up_ignored() -> bool {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mut lines = status.lines();
        let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
        // Signal 1 is the lowest bit.
        ignored.is_some_and(|signals| signals & 1 == 1)
    }
}
