//! Files that are there whole or not at all, and still there after a loss of power.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Writes a new file, which only its owner can read: there are prompts in answers, and
/// URLs that open for anybody. A file that exists is left alone, and an error.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let mut file = tempfile::Builder::new()
        .prefix(".kontext-")
        .suffix(".part")
        .tempfile_in(folder)?;
    file.write_all(content)?;
    // First the content, then the name: a name without its content is worth nothing.
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    sync_folder(folder)
}

/// Writes a new file, `base` with `ending` appended, or with a number between them if
/// there is such a file. Returns its path.
pub(crate) fn create_numbered(base: &Path, ending: &str, content: &[u8]) -> io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let path = match number {
            1 => appended(base, ending),
            _ => appended(base, &format!(".{number}{ending}")),
        };
        match create(&path, content) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Makes a folder and those above it, where they are missing.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = folder_of(path);
    create_folder(above)?;
    match fs::create_dir(path) {
        // Another process was quicker.
        Err(_) if path.is_dir() => {}
        other => other?,
    }
    sync_folder(above)
}

/// Makes the names in a folder last.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows can't open a folder as a file, and needs no such thing.
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `path` with `ending` after its name, whatever dots the name has.
pub(crate) fn appended(path: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(ending);
    path.into()
}
