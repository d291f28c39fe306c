//! Reads recordings again when their files change.

use std::{
    io,
    io::Write as _,
    path::Path,
    sync::{
        Arc, Weak,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::{log, mock::Mock};

/// How long nothing may change before the files are read: a recording is
/// several files, and an editor writes each of them in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    _watcher: RecommendedWatcher,
}

/// A folder whose changes are noted, but not yet followed.
pub(crate) struct Noted {
    watcher: RecommendedWatcher,
    changes: Receiver<()>,
}

/// Starts to note the changes of a folder. That happens before or while it is
/// read, so that no change is missed.
pub(crate) fn note(folder: &Path) -> io::Result<Noted> {
    let (changed, changes) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // To read a file is no change of it. An error can hide a change.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            let _ = changed.send(());
        }
    })
    .map_err(io::Error::other)?;
    watcher
        .watch(folder, RecursiveMode::Recursive)
        .map_err(io::Error::other)?;
    Ok(Noted { watcher, changes })
}

impl Noted {
    /// Has a mock read its recordings again after each change.
    pub(crate) fn follow(self, mock: &Arc<Mock>) -> io::Result<Watch> {
        let mock = Arc::downgrade(mock);
        let changes = self.changes;
        thread::Builder::new()
            .name("kontext-mock-watch".to_owned())
            .spawn(move || follow(&mock, &changes))?;
        Ok(Watch {
            _watcher: self.watcher,
        })
    }
}

/// Reads the recordings after each burst of changes, until nobody watches any
/// more.
fn follow(mock: &Weak<Mock>, changes: &Receiver<()>) {
    while changes.recv().is_ok() {
        loop {
            match changes.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let Some(mock) = mock.upgrade() else {
            return;
        };
        let line = match mock.reload() {
            Ok(count) => format!("recordings read again: {count}\n"),
            Err(error) => format!(
                "recordings not read again, the earlier ones are served: {}\n",
                log::with_causes(&error)
            ),
        };
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}
