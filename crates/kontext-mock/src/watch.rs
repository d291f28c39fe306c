//! Reloads recordings when their files change.

use std::{
    fs, io,
    path::{Path, PathBuf, absolute},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::{log, state::Mock};

/// How long no file may change before a reload: a recording has several files, and an
/// editor writes each of them in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// How long a series of changes can delay a reload.
const LONGEST: Duration = Duration::from_secs(2);

/// The polling interval, when file system events are not available.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How far the clock for file timestamps can lag behind the system clock, plus a margin:
/// Linux uses the time of the last tick, at most 10 ms ago.
const STAMP_RESOLUTION: Duration = Duration::from_millis(50);

/// The maximum number of symbolic links in a path, as on Linux.
const MOST_LINKS: usize = 40;

/// How a mock detects changes to the files of its recordings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchMode {
    /// Not at all: they are read at start and on an explicit reload.
    #[default]
    Off,
    /// By file system events. If the system cannot provide a watch, falls back to
    /// [`Poll`](Self::Poll) and says so on standard error.
    Auto,
    /// By checking every file once a second: for network file systems and folders that
    /// are mounted into a container, which have no events.
    Poll,
}

impl From<bool> for WatchMode {
    /// `true` is [`Auto`](Self::Auto), `false` is [`Off`](Self::Off).
    fn from(watch: bool) -> Self {
        if watch { Self::Auto } else { Self::Off }
    }
}

/// A running watch; it stops when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The thread ends when the last sender is dropped.
    _changes: Sender<bool>,
    _source: Option<Source>,
}

/// The event source, shared with the thread that updates the watches.
type Source = Arc<Mutex<RecommendedWatcher>>;

/// A watched folder, before a thread follows its changes.
pub(crate) struct Watched {
    follower: Follower,
    watch: Watch,
}

/// The thread that follows the changes.
struct Follower {
    mock: Weak<Mock>,
    folder: PathBuf,
    /// The folder and the symbolic links on the way to it; events at or below these paths
    /// matter.
    roots: Arc<Mutex<Vec<PathBuf>>>,
    /// Whether the files are known to have changed. They must be compared if the system
    /// dropped events: reading thousands of files can overflow its queue.
    changes: Receiver<bool>,
    /// `None` if the files are polled.
    source: Option<Weak<Mutex<RecommendedWatcher>>>,
    /// The fingerprint of the served files, taken before they were read.
    seen: Fingerprint,
}

impl Watched {
    /// Starts watching a folder. Changes after this call are noticed, so read the
    /// recordings after it.
    pub(crate) fn new(folder: &Path, mode: WatchMode) -> Self {
        Self::with_source(folder, mode, notify::recommended_watcher)
    }

    fn with_source(
        folder: &Path,
        mode: WatchMode,
        source: impl FnOnce(Handler) -> notify::Result<RecommendedWatcher>,
    ) -> Self {
        let folder = absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let (sender, changes) = mpsc::channel();
        let roots = Arc::default();
        let handler = Handler {
            roots: Arc::clone(&roots),
            sender: sender.clone(),
        };
        let source = match mode {
            WatchMode::Off | WatchMode::Poll => None,
            WatchMode::Auto => source(handler)
                .and_then(|mut watcher| {
                    watch(&mut watcher, &folder, &roots)?;
                    Ok(Arc::new(Mutex::new(watcher)))
                })
                .map_err(|error| say_polling(&folder, &error))
                .ok(),
        };
        let follower = Follower {
            mock: Weak::new(),
            seen: Fingerprint::of(&folder),
            folder,
            roots,
            changes,
            source: source.as_ref().map(Arc::downgrade),
        };
        let watch = Watch {
            _changes: sender,
            _source: source,
        };
        Self { follower, watch }
    }

    /// Reloads the recordings of a mock after each change. The mock must have read them
    /// after [`new`](Self::new).
    pub(crate) fn follow(self, mock: &Arc<Mock>) -> io::Result<Watch> {
        let Self {
            mut follower,
            watch,
        } = self;
        follower.mock = Arc::downgrade(mock);
        thread::Builder::new()
            .name("kontext-mock-watch".to_owned())
            .spawn(move || follower.run())?;
        Ok(watch)
    }
}

impl Follower {
    /// Reloads the recordings after each burst of changes, until the [`Watch`] is
    /// dropped.
    fn run(mut self) {
        while let Some(has_changed) = self.next() {
            if !has_changed {
                continue;
            }
            let Some(mock) = self.mock.upgrade() else {
                return;
            };
            self.reload(&mock);
        }
    }

    /// Waits for a burst of changes to end. Returns whether the files changed, or `None`
    /// once the [`Watch`] is dropped.
    fn next(&self) -> Option<bool> {
        // If the folder is gone, there may be no event when it reappears.
        let wait = if self.source.is_none() || self.seen.entries.is_empty() {
            POLL_INTERVAL
        } else {
            Duration::MAX
        };
        let mut is_known = match self.changes.recv_timeout(wait) {
            Ok(is_known) => is_known,
            Err(RecvTimeoutError::Timeout) if !self.has_changed() => return Some(false),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        // Files that keep changing must not delay the reload forever.
        let start = Instant::now();
        let mut last = self.source.is_none().then(|| Fingerprint::of(&self.folder));
        while start.elapsed() < LONGEST {
            match self.changes.recv_timeout(QUIET) {
                Ok(known) => is_known |= known,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => match &mut last {
                    Some(last) => {
                        let now = Fingerprint::of(&self.folder);
                        if now.entries == last.entries {
                            break;
                        }
                        *last = now;
                    }
                    None => break,
                },
            }
        }
        Some(is_known || self.has_changed())
    }

    fn has_changed(&self) -> bool {
        self.seen.is_recent || Fingerprint::of(&self.folder).entries != self.seen.entries
    }

    /// Reloads the recordings and logs the result.
    fn reload(&mut self, mock: &Mock) {
        // The links may have changed. Watch before taking the fingerprint, and take it
        // before reading the files, so that no change is missed.
        if let Some(source) = self.source.as_ref().and_then(Weak::upgrade) {
            let mut watcher = source.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = watch(&mut watcher, &self.folder, &self.roots)
                && self.folder.exists()
            {
                say_polling(&self.folder, &error);
                self.source = None;
            }
        }
        self.seen = Fingerprint::of(&self.folder);
        match mock.reload() {
            Ok(1) => log::write(format_args!("reloaded 1 recording")),
            Ok(count) => log::write(format_args!("reloaded {count} recordings")),
            Err(error) => log::write(format_args!(
                "reload failed, still serving the previous set: {}",
                log::with_causes(&error)
            )),
        }
    }
}

fn say_polling(folder: &Path, error: &notify::Error) {
    log::write(format_args!(
        "cannot watch {} for changes ({}); checking it every second instead",
        folder.display(),
        log::with_causes(error)
    ));
}

/// Forwards the relevant events.
struct Handler {
    roots: Arc<Mutex<Vec<PathBuf>>>,
    sender: Sender<bool>,
}

impl notify::EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        let is_known = match event {
            Ok(event) if event.need_rescan() => false,
            // Reading a file does not change it.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
            Ok(event) => {
                let roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
                let matters = |path: &PathBuf| roots.iter().any(|root| path.starts_with(root));
                if !event.paths.iter().any(matters) {
                    return;
                }
                true
            }
            // An error can hide a change.
            Err(_) => false,
        };
        // Sending fails once the watch is dropped.
        let _ = self.sender.send(is_known);
    }
}

/// Watches a folder recursively, and each symbolic link on the way to it, since replacing
/// a link changes the folder. Removes the previous watches.
fn watch(
    watcher: &mut RecommendedWatcher,
    folder: &Path,
    roots: &Mutex<Vec<PathBuf>>,
) -> notify::Result<()> {
    let mut now = links(folder);
    // The folder itself can be renamed or replaced.
    now.push(folder.to_owned());
    let before = {
        let mut roots = roots.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *roots, now.clone())
    };
    let _ = watcher.unwatch(folder);
    for parent in before.iter().filter_map(|root| root.parent()) {
        // It may be gone, and its watch with it.
        let _ = watcher.unwatch(parent);
    }
    for parent in now.iter().filter_map(|root| root.parent()) {
        // A failure here does not justify polling: the events of the folder itself are
        // nearly always enough.
        let _ = watcher.watch(parent, RecursiveMode::NonRecursive);
    }
    watcher.watch(folder, RecursiveMode::Recursive)
}

/// The symbolic links on the way to a folder.
fn links(folder: &Path) -> Vec<PathBuf> {
    let mut links = Vec::new();
    let mut path = folder.to_owned();
    'path: while links.len() < MOST_LINKS {
        for prefix in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
            let (Ok(target), Some(parent), Ok(rest)) = (
                fs::read_link(prefix),
                prefix.parent(),
                path.strip_prefix(prefix),
            ) else {
                continue;
            };
            let next = parent.join(target).join(rest);
            links.push(prefix.to_owned());
            path = next;
            continue 'path;
        }
        break;
    }
    links
}

/// The state of the files, to detect changes.
#[derive(Debug)]
struct Fingerprint {
    /// Sorted by path; empty if the folder is gone.
    entries: Vec<Entry>,
    /// Whether a file was modified so recently that a later change may have the same
    /// timestamp.
    is_recent: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    path: PathBuf,
    /// Device and inode, if available.
    identity: (u64, u64),
    /// Length in bytes and modification time; `None` for folders.
    content: Option<(u64, Option<SystemTime>)>,
}

impl Fingerprint {
    /// Takes the fingerprint of a folder, as deep as recordings are searched.
    fn of(folder: &Path) -> Self {
        let now = SystemTime::now();
        let mut entries = Vec::new();
        add_entries(folder, 3, &mut entries);
        entries.sort_unstable();
        let is_recent = entries
            .iter()
            .filter_map(|entry| entry.content?.1)
            .any(|modified| modified + STAMP_RESOLUTION >= now);
        Self { entries, is_recent }
    }
}

/// Adds the entry at a path and those below it, up to `depth` folders deep. Skips
/// unreadable entries.
fn add_entries(path: &Path, depth: usize, entries: &mut Vec<Entry>) {
    let Ok(found) = fs::metadata(path) else {
        return;
    };
    entries.push(Entry {
        path: path.to_owned(),
        identity: identity(&found),
        content: found
            .is_file()
            .then(|| (found.len(), found.modified().ok())),
    });
    if !found.is_dir() || depth == 0 {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        // Hidden files belong to no recording.
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            add_entries(&entry.path(), depth - 1, entries);
        }
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn falls_back_to_polling_without_watches() {
        let folder = tempfile::TempDir::new().unwrap();
        let watched = Watched::with_source(folder.path(), WatchMode::Auto, |_| {
            Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch))
        });
        assert!(watched.watch._source.is_none());
        assert!(
            Watched::new(folder.path(), WatchMode::Auto)
                .watch
                ._source
                .is_some()
        );
    }

    #[test]
    fn fingerprint_detects_file_changes() {
        let folder = tempfile::TempDir::new().unwrap();
        let case = folder.path().join("operation/case");
        fs::create_dir_all(&case).unwrap();
        let file = case.join("response.json");
        let entries = || Fingerprint::of(folder.path()).entries;
        fs::write(&file, "one").unwrap();
        let first = entries();
        assert_eq!(first, entries());
        // Change the length, then the time, then replace the file with one of the same
        // length and time.
        fs::write(&file, "longer").unwrap();
        assert_ne!(first, entries());
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "one").unwrap();
        let stamp = |time| {
            let file = fs::File::options().write(true).open(&file).unwrap();
            file.set_modified(time).unwrap();
        };
        stamp(time + Duration::from_secs(5));
        let second = entries();
        assert_ne!(first, second);
        let other = case.join(".other");
        fs::write(&other, "two").unwrap();
        assert_eq!(second, entries(), "hidden files do not count");
        fs::rename(&other, &file).unwrap();
        stamp(time + Duration::from_secs(5));
        assert_ne!(second, entries());
        assert!(entries().len() > 3);
        assert_eq!(Fingerprint::of(&folder.path().join("none")).entries, []);
    }

    /// Without this, polling would miss a change with the same timestamp as the file that
    /// was read.
    #[test]
    fn recently_written_files_are_marked_recent() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "one").unwrap();
        assert!(Fingerprint::of(folder.path()).is_recent);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(1))
            .unwrap();
        assert!(!Fingerprint::of(folder.path()).is_recent);
    }
}
