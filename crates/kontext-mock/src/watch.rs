//! Reads recordings again when their files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};

use crate::{ADMIN_PATH, log, mock::Mock};

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
    /// Whether there were more events than the system keeps, so that nobody
    /// knows what happened: to read thousands of files is enough for that.
    unknown: bool,
}

/// What the thread has that follows the changes.
struct Follower {
    mock: Weak<Mock>,
    folder: PathBuf,
    watcher: Weak<Mutex<RecommendedWatcher>>,
    /// When the recordings began to be read that are served.
    read_at: SystemTime,
}

/// Has a mock read the recordings of its folder again after each change;
/// `read_at` is when they began to be read the first time.
///
/// To watch thousands of folders takes a while, which nobody waits for: what
/// changes until then is found by its time.
pub(crate) fn start(mock: &Arc<Mock>, folder: PathBuf, read_at: SystemTime) -> io::Result<Watch> {
    let (changed, changes) = mpsc::channel();
    let root = folder.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if let Some(change) = change(&event, &root) {
            let _ = changed.send(change);
        }
    })
    .map_err(io::Error::other)?;
    let watcher = Arc::new(Mutex::new(watcher));
    let follower = Follower {
        mock: Arc::downgrade(mock),
        folder,
        watcher: Arc::downgrade(&watcher),
        read_at,
    };
    thread::Builder::new()
        .name("kontext-mock-watch".to_owned())
        .spawn(move || follower.follow(&changes))?;
    Ok(Watch { _watcher: watcher })
}

/// What an event means; nothing where no file changed.
fn change(event: &notify::Result<notify::Event>, root: &Path) -> Option<Change> {
    match event {
        Ok(event) if event.need_rescan() => Some(Change {
            of_folder: false,
            unknown: true,
        }),
        // To read a file is no change of it.
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => None,
        Ok(event) => {
            let moved = matches!(
                event.kind,
                EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
            );
            Some(Change {
                of_folder: moved && event.paths.iter().any(|path| path == root),
                unknown: false,
            })
        }
        // An error can hide a change.
        Err(_) => Some(Change {
            of_folder: false,
            unknown: false,
        }),
    }
}

/// Whether something in a folder has changed since a time, as far as recordings
/// are looked for. What cannot be looked at has.
fn has_changed(folder: &Path, since: SystemTime, depth: usize) -> bool {
    let is_newer = |path: &Path| {
        let time = fs::metadata(path).and_then(|found| found.modified());
        time.map_or(true, |time| time > since)
    };
    if is_newer(folder) {
        return true;
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return true;
    };
    entries.into_iter().any(|entry| {
        let Ok(entry) = entry else {
            return true;
        };
        let is_folder = depth > 0 && entry.file_type().is_ok_and(|kind| !kind.is_file());
        if is_folder {
            has_changed(&entry.path(), since, depth - 1)
        } else {
            is_newer(&entry.path())
        }
    })
}

impl Follower {
    /// Reads the recordings after each burst of changes, until nobody watches
    /// any more.
    fn follow(mut self, changes: &Receiver<Change>) {
        let mut is_gone = false;
        if let Err(error) = self.watch() {
            if self.folder.exists() {
                let problem = log::with_causes(&error);
                log::write(format!(
                    "recordings are not watched for changes: {problem}; POST {ADMIN_PATH}recordings/reload has them read again\n"
                ));
                return;
            }
            is_gone = true;
        }
        let has_changed_since = is_gone || has_changed(&self.folder, self.read_at, 2);
        if has_changed_since && self.reload().is_none() {
            return;
        }
        loop {
            let mut of_folder = false;
            let mut is_known = false;
            // Without a folder nothing would tell that there is one again.
            let mut wait = if is_gone { AGAIN } else { Duration::MAX };
            let mut first = None;
            // Files that never come to rest must not hold the others up.
            while first.is_none_or(|first: Instant| first.elapsed() < LONGEST) {
                match changes.recv_timeout(wait) {
                    Ok(change) => {
                        of_folder |= change.of_folder;
                        is_known |= !change.unknown;
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                wait = QUIET;
                first.get_or_insert_with(Instant::now);
            }
            if first.is_some() && !is_known && !has_changed(&self.folder, self.read_at, 2) {
                continue;
            }
            let was_gone = is_gone;
            if of_folder || is_gone {
                is_gone = self.watch().is_err();
            }
            // That it is still gone has been said.
            if (was_gone && is_gone) || self.reload().is_some() {
                continue;
            }
            return;
        }
    }

    /// Watches the folder that has the name now, if one has.
    fn watch(&self) -> notify::Result<()> {
        let Some(watcher) = self.watcher.upgrade() else {
            return Ok(());
        };
        let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        // An earlier one may be gone, and with it what is to be undone.
        let _ = watcher.unwatch(&self.folder);
        watcher.watch(&self.folder, RecursiveMode::Recursive)
    }

    /// Reads the recordings and says so; nothing where the mock is no more.
    fn reload(&mut self) -> Option<()> {
        let mock = self.mock.upgrade()?;
        self.read_at = SystemTime::now();
        match mock.reload() {
            Ok(count) => log::write(format!("recordings read again: {count}\n")),
            Err(error) => log::write(format!(
                "recordings not read again, the earlier ones are served: {}\n",
                log::with_causes(&error)
            )),
        }
        Some(())
    }
}
