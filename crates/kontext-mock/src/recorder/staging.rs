//! Where recordings are written before they are put in their place: whole or
//! not at all.
//!
//! Each recorder has a hidden folder of its own beside the recordings, so
//! that a rename brings a recording into place. A file in it is locked while
//! the recorder lives; the system unlocks it however the recorder ends, so a
//! folder whose file can be locked is a dead recorder's.

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

/// How the name of a hidden folder of a recorder starts.
const PREFIX: &str = ".tmp-";

/// The file that is locked while a recorder lives.
const ALIVE: &str = "alive";

/// Where a recording waits that is being replaced, if the system cannot
/// exchange two folders at once.
const OLD: &str = "old";

/// How long to wait for a lock without a word: a recording is saved sooner.
const SOON: Duration = Duration::from_secs(2);

/// How long to wait before the next attempt to lock.
const BREATH: Duration = Duration::from_millis(2);

/// The lock of a folder of recordings; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// The hidden folder of one recorder. It is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    root: PathBuf,
    folder: TempDir,
    _alive: File,
}

impl Lock {
    /// Waits until no one else changes the recordings of a folder, as [`take`](Self::take)
    /// does, but can be given up: whoever drops the future waits no more.
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

    /// Waits until no one else changes the recordings of a folder.
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

/// Whether a lock was free, and is ours now.
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
    /// Makes the hidden folder in a folder of recordings, and clears away
    /// those of dead recorders. The caller has the lock of the folder.
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
                recover(root, &path)?;
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(Self {
            root: root.to_owned(),
            folder,
            _alive: alive,
        })
    }

    /// Puts a recording into its place on a shelf, new or instead of the one
    /// that is there, on the disk when it returns. The caller has the lock.
    pub(crate) fn put<'a>(
        &self,
        shelf: Shelf,
        operation: &str,
        case: &str,
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        _lock: &Lock,
    ) -> io::Result<()> {
        let staged = tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(self.folder.path())?;
        let outer = staged.path().join(operation);
        let inner = outer.join(case);
        fs::create_dir_all(&inner)?;
        let before = shelf.folder(&self.root).join(operation).join(case);
        for (name, bytes) in files {
            // What stays as it is, is on the disk already.
            let is_there = fs::read(before.join(name)).is_ok_and(|old| old == bytes);
            if !is_there || fs::hard_link(before.join(name), inner.join(name)).is_err() {
                write(&inner.join(name), bytes)?;
            }
        }
        sync(&inner)?;
        sync(&outer)?;
        let shelf = shelf.folder(&self.root);
        fs::create_dir_all(&shelf)?;
        let outer_place = shelf.join(operation);
        let place = outer_place.join(case);
        if exists(&place)? {
            self.replace(&inner, &place)?;
        } else if exists(&outer_place)? {
            fs::rename(&inner, &place)?;
        } else {
            // Both at once: a folder of an operation without a recording is
            // one that cannot be loaded.
            fs::rename(&outer, &outer_place)?;
        }
        sync(&outer_place)?;
        sync(&shelf)?;
        sync(&self.root)
        // Dropping what was staged deletes what stood there before; where
        // that fails, it is hidden and the next start does it.
    }

    /// Takes a recording away. The caller has the lock.
    pub(crate) fn remove(
        &self,
        shelf: Shelf,
        operation: &str,
        case: &str,
        _lock: &Lock,
    ) -> io::Result<()> {
        let gone = tempfile::Builder::new()
            .prefix("gone-")
            .tempdir_in(self.folder.path())?;
        let outer_place = shelf.folder(&self.root).join(operation);
        fs::rename(outer_place.join(case), gone.path().join(case))?;
        // A folder without a recording is one that cannot be loaded. One that
        // has others is not empty, and stays.
        match fs::remove_dir(&outer_place) {
            Ok(()) => Ok(()),
            Err(_) => sync(&outer_place),
        }
    }

    /// Writes a file in the root of the folder, whole or not at all. The
    /// caller has the lock.
    pub(crate) fn put_file(&self, name: &str, bytes: &[u8], _lock: &Lock) -> io::Result<()> {
        let staged = self.folder.path().join(name);
        write(&staged, bytes)?;
        fs::rename(staged, self.root.join(name))?;
        sync(&self.root)
    }

    /// Puts a staged recording in the place of another one.
    fn replace(&self, staged: &Path, place: &Path) -> io::Result<()> {
        if exchange(staged, place)? {
            return Ok(());
        }
        self.move_aside(staged, place)
    }

    /// Does in two steps what [`exchange`] does in one. Between them the
    /// recording is in the hidden folder, from where [`recover`] brings it
    /// back.
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

/// Whether the recorder that made a hidden folder is no more. One that has no
/// file to lock died before it had made it: folders are made under the lock.
fn is_dead(staging: &Path) -> bool {
    match OpenOptions::new().write(true).open(staging.join(ALIVE)) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Brings back what a dead recorder had moved aside and not replaced yet.
fn recover(root: &Path, staging: &Path) -> io::Result<()> {
    let old = staging.join(OLD);
    if exists(&old)? {
        bring_back(&old, root)?;
    }
    Ok(())
}

/// Moves the recordings below a folder to where none stands in their place.
fn bring_back(folder: &Path, place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            // This is a recording, and another one stands in its place.
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

/// Exchanges two folders at once; false where the system cannot.
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

/// Exchanges two folders at once, which this system cannot.
#[cfg(not(target_os = "linux"))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Writes a file, on the disk when it returns.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Brings the names in a folder onto the disk.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Brings the names in a folder onto the disk, which this system does itself.
#[cfg(not(unix))]
fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether something is there, be it a link that leads nowhere.
fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The hidden folder of the recordings that disagree with the contract.
const QUARANTINE: &str = ".quarantine";

/// A part of a folder of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// What the mock serves.
    Served,
    /// What validation refuses. It is kept, because it was paid for, where the
    /// mock does not see it: one such recording would refuse the whole folder.
    Quarantine,
}

/// Where a recording stands in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shelf: Shelf,
    pub(crate) operation: String,
    pub(crate) case: String,
}

impl Shelf {
    /// Both, the one that counts first.
    pub(crate) const ALL: [Self; 2] = [Self::Served, Self::Quarantine];

    /// The folder that has the folders of the operations.
    pub(crate) fn folder(self, root: &Path) -> PathBuf {
        match self {
            Self::Served => root.to_owned(),
            Self::Quarantine => root.join(QUARANTINE),
        }
    }
}

impl Place {
    /// Where a recording of a shelf stands.
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
    /// Writes the path from the folder of recordings on.
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

    /// Every file and folder below a folder, without the lock.
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

    fn put(staging: &Staging, lock: &Lock, text: &str) {
        staging
            .put(
                Shelf::Served,
                "op",
                "case",
                [("a", text.as_bytes()), (text, b"")],
                lock,
            )
            .unwrap();
    }

    #[test]
    fn a_recording_is_put_and_replaced_whole() {
        let root = TempDir::new().unwrap();
        let (staging, lock) = open(root.path());
        put(&staging, &lock, "one");
        put(&staging, &lock, "two");
        staging
            .put(Shelf::Served, "op", "other", [("a", &b"x"[..])], &lock)
            .unwrap();
        staging
            .put(Shelf::Served, "op", "gone", [("a", &b"x"[..])], &lock)
            .unwrap();
        staging.remove(Shelf::Served, "op", "gone", &lock).unwrap();
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
    fn moving_aside_replaces_as_well() {
        let root = TempDir::new().unwrap();
        let (staging, lock) = open(root.path());
        put(&staging, &lock, "one");
        let staged = staging.folder.path().join("staged");
        fs::create_dir(&staged).unwrap();
        fs::write(staged.join("b"), "two").unwrap();
        let place = root.path().join("op/case");
        staging.move_aside(&staged, &place).unwrap();
        // Where the second step fails, the first is taken back.
        let error = staging.move_aside(&staged, &place);
        assert!(error.is_err());
        drop(staging);
        assert_eq!(listing(root.path()), ["op", "op/case", "op/case/b"]);
    }

    #[test]
    fn the_folder_of_a_dead_recorder_goes_and_what_it_had_moved_comes_back() {
        let root = TempDir::new().unwrap();
        let dead = root.path().join(".tmp-dead");
        fs::create_dir_all(dead.join("old/op/case")).unwrap();
        fs::write(dead.join("old/op/case/a"), "old").unwrap();
        fs::write(dead.join(ALIVE), "").unwrap();
        fs::create_dir_all(root.path().join(".tmp-half-made")).unwrap();
        drop(open(root.path()));
        assert_eq!(listing(root.path()), ["op", "op/case", "op/case/a"]);
        // What has been replaced stays so.
        fs::create_dir_all(dead.join("old/op/case")).unwrap();
        drop(open(root.path()));
        assert_eq!(listing(root.path()), ["op", "op/case", "op/case/a"]);
    }

    #[test]
    fn the_folder_of_a_living_recorder_stays() {
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
