//! Reads recordings again when their files change.

use std::{
    io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};

use crate::{log, mock::Mock};

/// How long nothing may change before the files are read: a recording is
/// several files, and an editor writes each of them in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// How often to look whether a folder is there again that was taken away.
const AGAIN: Duration = Duration::from_millis(500);

/// How long changes that follow each other are waited for in all.
const LONGEST: Duration = Duration::from_secs(2);

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    _watcher: Arc<Mutex<RecommendedWatcher>>,
}

/// Something that happened in the folder, or to itself.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// Whether the folder itself may be another one now, which has to be
    /// watched instead.
    of_folder: bool,
}

/// What the thread has that follows the changes.
struct Follower {
    mock: Weak<Mock>,
    folder: PathBuf,
    watcher: Weak<Mutex<RecommendedWatcher>>,
}

/// A folder whose changes are noted, but not yet followed.
pub(crate) struct Noted {
    folder: PathBuf,
    watcher: RecommendedWatcher,
    changes: Receiver<Change>,
}

/// Starts to note the changes of a folder. That happens before or while it is
/// read, so that no change is missed.
pub(crate) fn note(folder: PathBuf) -> io::Result<Noted> {
    let (changed, changes) = mpsc::channel();
    let root = folder.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if let Some(change) = change(&event, &root) {
            let _ = changed.send(change);
        }
    })
    .map_err(io::Error::other)?;
    watcher
        .watch(&folder, RecursiveMode::Recursive)
        .map_err(io::Error::other)?;
    Ok(Noted {
        folder,
        watcher,
        changes,
    })
}

impl Noted {
    /// Has a mock read its recordings again after each change.
    pub(crate) fn follow(self, mock: &Arc<Mock>) -> io::Result<Watch> {
        let watcher = Arc::new(Mutex::new(self.watcher));
        let follower = Follower {
            mock: Arc::downgrade(mock),
            folder: self.folder,
            watcher: Arc::downgrade(&watcher),
        };
        let changes = self.changes;
        thread::Builder::new()
            .name("kontext-mock-watch".to_owned())
            .spawn(move || follower.follow(&changes))?;
        Ok(Watch { _watcher: watcher })
    }
}

/// What an event means; nothing where no file changed.
fn change(event: &notify::Result<notify::Event>, root: &Path) -> Option<Change> {
    match event {
        // To read a file is no change of it.
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => None,
        Ok(event) => {
            let moved = matches!(
                event.kind,
                EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
            );
            let of_folder = moved && event.paths.iter().any(|path| path == root);
            Some(Change { of_folder })
        }
        // An error can hide a change.
        Err(_) => Some(Change { of_folder: false }),
    }
}

impl Follower {
    /// Reads the recordings after each burst of changes, until nobody watches
    /// any more.
    fn follow(&self, changes: &Receiver<Change>) {
        let mut is_gone = false;
        loop {
            let mut of_folder = false;
            // Without a folder nothing would tell that there is one again.
            let mut wait = if is_gone { AGAIN } else { Duration::MAX };
            let mut first = None;
            // Files that never come to rest must not hold the others up.
            while first.is_none_or(|first: Instant| first.elapsed() < LONGEST) {
                match changes.recv_timeout(wait) {
                    Ok(change) => of_folder |= change.of_folder,
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                wait = QUIET;
                first.get_or_insert_with(Instant::now);
            }
            let was_gone = is_gone;
            if of_folder || is_gone {
                is_gone = !self.watch_again();
            }
            // That it is still gone has been said.
            if (was_gone && is_gone) || self.reload().is_some() {
                continue;
            }
            return;
        }
    }

    /// Watches the folder that has the name now, if one has.
    fn watch_again(&self) -> bool {
        let Some(watcher) = self.watcher.upgrade() else {
            return false;
        };
        let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        // The earlier one may be gone, and with it what is to be undone.
        let _ = watcher.unwatch(&self.folder);
        watcher
            .watch(&self.folder, RecursiveMode::Recursive)
            .is_ok()
    }

    /// Reads the recordings and says so; nothing where the mock is no more.
    fn reload(&self) -> Option<()> {
        let line = match self.mock.upgrade()?.reload() {
            Ok(count) => format!("recordings read again: {count}\n"),
            Err(error) => format!(
                "recordings not read again, the earlier ones are served: {}\n",
                log::with_causes(&error)
            ),
        };
        let _ = io::stderr().lock().write_all(line.as_bytes());
        Some(())
    }
}
