//! Staging folders, in which recordings are written before they are moved into place
//! atomically.
//!
//! Each recorder has its own hidden folder next to the recordings, so that a rename
//! moves a recording into place. It holds a lock on a file in it while it runs. The
//! system releases the lock however the recorder ends, so a folder whose file can be
//! locked is stale.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

use crate::{log, recordings::Recording};

/// Name prefix of staging folders.
const PREFIX: &str = ".tmp-";

/// The file that a running recorder keeps locked.
const ALIVE: &str = "alive";

/// Subfolder for a recording that is being replaced, if the system cannot exchange two
/// folders atomically.
const OLD: &str = "old";

/// How long to wait for a lock before logging it; saving a recording usually takes
/// less.
const SOON: Duration = Duration::from_secs(2);

/// Delay between two attempts to lock.
const BREATH: Duration = Duration::from_millis(2);

/// The lock of a recordings folder; dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// The staging folder of one recorder. Dropping it deletes the folder.
#[derive(Debug)]
pub(crate) struct Staging {
    root: PathBuf,
    folder: TempDir,
    _alive: File,
}

impl Lock {
    /// Waits for the lock of a recordings folder, like [`take`](Self::take), but can be
    /// cancelled by dropping the future.
    pub(crate) async fn wait(root: &Path) -> io::Result<Self> {
        let file = Self::open(root)?;
        let begun = Instant::now();
        let mut is_said = false;
        while !try_lock(&file)? {
            if begun.elapsed() >= SOON && !is_said {
                say_waiting(root);
                is_said = true;
            }
            tokio::time::sleep(BREATH).await;
        }
        Ok(Self { _file: file })
    }

    fn open(root: &Path) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join(".lock"))
    }

    /// Waits for the lock of a recordings folder.
    pub(crate) fn take(root: &Path) -> io::Result<Self> {
        let file = Self::open(root)?;
        let begun = Instant::now();
        while !try_lock(&file)? {
            if begun.elapsed() >= SOON {
                say_waiting(root);
                file.lock()?;
                break;
            }
            thread::sleep(BREATH);
        }
        Ok(Self { _file: file })
    }
}

/// Tries to acquire a lock; returns whether it did.
fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn say_waiting(root: &Path) {
    log::write(format_args!(
        "waiting for another recorder that has locked {}",
        root.display()
    ));
}

impl Staging {
    /// Creates the staging folder in a recordings folder, and cleans up stale ones. The
    /// caller holds the lock of the recordings folder.
    pub(crate) fn open(root: &Path, _lock: &Lock) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root)?;
        let alive = File::create(folder.path().join(ALIVE))?;
        alive.lock()?;
        for entry in fs::read_dir(root)? {
            let path = entry?.path();
            let is_staging = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(PREFIX));
            if is_staging && path != folder.path() && is_dead(&path) {
                // Restore what the dead recorder moved aside and did not replace.
                let old = path.join(OLD);
                if exists(&old)? {
                    bring_back(&old, root)?;
                }
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(Self {
            root: root.to_owned(),
            folder,
            _alive: alive,
        })
    }

    /// Moves a recording into its place, replacing an existing one; it is on disk when
    /// this returns. The caller holds the lock.
    pub(crate) fn put<'a>(
        &self,
        to: &Place,
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        _lock: &Lock,
    ) -> io::Result<()> {
        let staged = tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(self.folder.path())?;
        let outer = staged.path().join(&to.operation);
        let inner = outer.join(&to.case);
        fs::create_dir_all(&inner)?;
        let shelf = to.shelf.folder(&self.root);
        let outer_place = shelf.join(&to.operation);
        let place = outer_place.join(&to.case);
        for (name, bytes) in files {
            // Unchanged files are already on disk.
            let before = place.join(name);
            let is_there = fs::read(&before).is_ok_and(|old| old == bytes);
            if !is_there || fs::hard_link(before, inner.join(name)).is_err() {
                write(&inner.join(name), bytes)?;
            }
        }
        sync(&inner)?;
        sync(&outer)?;
        fs::create_dir_all(&shelf)?;
        if exists(&place)? {
            if !exchange(&inner, &place)? {
                self.move_aside(&inner, &place)?;
            }
        } else if exists(&outer_place)? {
            fs::rename(&inner, &place)?;
        } else {
            // Both in one rename: the folder of an operation without recordings cannot
            // be loaded.
            fs::rename(&outer, &outer_place)?;
        }
        sync(&outer_place)?;
        sync(&shelf)?;
        sync(&self.root)
        // Dropping the staged folder deletes the replaced recording. If that fails, it
        // is hidden and the next start deletes it.
    }

    /// Removes a recording. The caller holds the lock.
    pub(crate) fn remove(&self, place: &Place, _lock: &Lock) -> io::Result<()> {
        let gone = tempfile::Builder::new()
            .prefix("gone-")
            .tempdir_in(self.folder.path())?;
        let outer_place = place.shelf.folder(&self.root).join(&place.operation);
        fs::rename(outer_place.join(&place.case), gone.path().join(&place.case))?;
        // A folder without recordings cannot be loaded. If it has others it is not
        // empty, and stays.
        match fs::remove_dir(&outer_place) {
            Ok(()) => Ok(()),
            Err(_) => sync(&outer_place),
        }
    }

    /// Writes a file in the root of the folder atomically. The caller holds the lock.
    pub(crate) fn put_file(&self, name: &str, bytes: &[u8], _lock: &Lock) -> io::Result<()> {
        let staged = self.folder.path().join(name);
        write(&staged, bytes)?;
        fs::rename(staged, self.root.join(name))?;
        sync(&self.root)
    }

    /// Does in two steps what [`exchange`] does in one. In between, the recording is in
    /// the staging folder, where [`bring_back`] finds it.
    fn move_aside(&self, staged: &Path, place: &Path) -> io::Result<()> {
        let from_root = place.strip_prefix(&self.root).unwrap_or(place);
        let aside = self.folder.path().join(OLD).join(from_root);
        if let Some(outer) = aside.parent() {
            fs::create_dir_all(outer)?;
        }
        fs::rename(place, &aside)?;
        if let Err(error) = fs::rename(staged, place) {
            fs::rename(&aside, place)?;
            return Err(error);
        }
        fs::remove_dir_all(&aside)
    }
}

/// Whether the recorder that created a staging folder has ended. Without a file to
/// lock, it ended before it created one: folders are created under the lock.
fn is_dead(staging: &Path) -> bool {
    match OpenOptions::new().write(true).open(staging.join(ALIVE)) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Moves the recordings in a folder back, unless something else is in their place.
fn bring_back(folder: &Path, place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            // This is a recording, and another one is in its place.
            return Ok(());
        }
        let inner_place = place.join(entry.file_name());
        if exists(&inner_place)? {
            bring_back(&entry.path(), &inner_place)?;
        } else {
            fs::rename(entry.path(), &inner_place)?;
            sync(place)?;
        }
    }
    Ok(())
}

/// Exchanges two folders atomically; returns false if the system does not support it.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Exchanges two folders atomically, which this system does not support.
#[cfg(not(target_os = "linux"))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Writes a file; its contents are on disk when this returns.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Flushes a folder's entries to disk.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Flushes a folder's entries to disk, which this system does on its own.
#[cfg(not(unix))]
fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a path exists, even as a dangling link.
fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The hidden folder for recordings that disagree with the contract.
const QUARANTINE: &str = ".quarantine";

/// A section of a recordings folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// Recordings that the mock serves.
    Served,
    /// Recordings that fail validation. They are kept because they were paid for, but
    /// out of the mock's sight: one of them would make the whole folder fail to load.
    Quarantine,
}

/// The location of a recording in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shelf: Shelf,
    pub(crate) operation: String,
    pub(crate) case: String,
}

impl Shelf {
    /// All shelves, in order of precedence.
    pub(crate) const ALL: [Self; 2] = [Self::Served, Self::Quarantine];

    /// The folder that contains the folders of the operations.
    pub(crate) fn folder(self, root: &Path) -> PathBuf {
        match self {
            Self::Served => root.to_owned(),
            Self::Quarantine => root.join(QUARANTINE),
        }
    }
}

impl Place {
    /// The location of a recording on a shelf.
    pub(crate) fn of(shelf: Shelf, recording: &Recording) -> Self {
        let name = recording.name();
        let (operation, case) = name.split_once('/').unwrap_or((name, ""));
        Self {
            shelf,
            operation: operation.to_owned(),
            case: case.to_owned(),
        }
    }
}

impl fmt::Display for Place {
    /// Writes the path relative to the recordings folder.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shelf == Shelf::Quarantine {
            write!(formatter, "{QUARANTINE}/")?;
        }
        write!(formatter, "{}/{}", self.operation, self.case)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn open(root: &Path) -> (Staging, Lock) {
        let lock = Lock::take(root).unwrap();
        (Staging::open(root, &lock).unwrap(), lock)
    }

    /// All files and folders below a folder, except the lock.
    fn listing(root: &Path) -> Vec<String> {
        fn collect(folder: &Path, root: &Path, names: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                if path.is_dir() {
                    collect(&path, root, names);
                }
                names.push(name);
            }
        }
        let mut names = Vec::new();
        collect(root, root, &mut names);
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }

    fn place(case: &str) -> Place {
        Place {
            shelf: Shelf::Served,
            operation: "op".to_owned(),
            case: case.to_owned(),
        }
    }

    fn put(staging: &Staging, lock: &Lock, text: &str) {
        let files = [("a", text.as_bytes()), (text, b"")];
        staging.put(&place("case"), files, lock).unwrap();
    }

    #[test]
    fn recording_is_stored_and_replaced_atomically() {
        let root = TempDir::new().unwrap();
        let (staging, lock) = open(root.path());
        put(&staging, &lock, "one");
        put(&staging, &lock, "two");
        for case in ["other", "gone"] {
            let files = [("a", &b"x"[..])];
            staging.put(&place(case), files, &lock).unwrap();
        }
        staging.remove(&place("gone"), &lock).unwrap();
        staging.put_file("rules", b"{}", &lock).unwrap();
        drop(staging);
        assert_eq!(
            listing(root.path()),
            [
                "op",
                "op/case",
                "op/case/a",
                "op/case/two",
                "op/other",
                "op/other/a",
                "rules"
            ]
        );
        assert_eq!(fs::read(root.path().join("op/case/a")).unwrap(), b"two");
    }

    #[test]
    fn move_aside_replaces_or_rolls_back() {
        let root = TempDir::new().unwrap();
        let (staging, lock) = open(root.path());
        put(&staging, &lock, "one");
        let staged = staging.folder.path().join("staged");
        fs::create_dir(&staged).unwrap();
        fs::write(staged.join("b"), "two").unwrap();
        let place = root.path().join("op/case");
        staging.move_aside(&staged, &place).unwrap();
        // If the second step fails, the first is undone.
        let error = staging.move_aside(&staged, &place);
        assert!(error.is_err());
        drop(staging);
        assert_eq!(listing(root.path()), ["op", "op/case", "op/case/b"]);
    }

    #[test]
    fn open_recovers_stale_staging_dir() {
        let root = TempDir::new().unwrap();
        let dead = root.path().join(".tmp-dead");
        fs::create_dir_all(dead.join("old/op/case")).unwrap();
        fs::write(dead.join("old/op/case/a"), "old").unwrap();
        fs::write(dead.join(ALIVE), "").unwrap();
        fs::create_dir_all(root.path().join(".tmp-half-made")).unwrap();
        drop(open(root.path()));
        assert_eq!(listing(root.path()), ["op", "op/case", "op/case/a"]);
        // A recording that was already replaced is not restored.
        fs::create_dir_all(dead.join("old/op/case")).unwrap();
        drop(open(root.path()));
        assert_eq!(listing(root.path()), ["op", "op/case", "op/case/a"]);
    }

    #[test]
    fn open_keeps_staging_dir_of_live_recorder() {
        let root = TempDir::new().unwrap();
        let (living, lock) = open(root.path());
        drop(lock);
        let (other, lock) = open(root.path());
        put(&living, &lock, "one");
        drop((other, living));
        assert_eq!(
            listing(root.path()),
            ["op", "op/case", "op/case/a", "op/case/one"]
        );
    }
}
