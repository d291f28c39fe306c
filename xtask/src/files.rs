//! Updates files: all of them or none.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use kontext_codegen::Output;
use similar::TextDiff;
use tempfile::NamedTempFile;

/// A file that must be written or removed.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) file: String,
    path: PathBuf,
    /// The current content; `None` if the file is missing.
    have: Option<Vec<u8>>,
    /// The new content; `None` if the file is to be removed.
    want: Option<Vec<u8>>,
}

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{file}: cannot be {action}: {source}; {outcome}")]
pub(crate) struct FileError {
    file: String,
    action: &'static str,
    source: io::Error,
    outcome: String,
}

/// The content of a file; `None` if it is missing.
pub(crate) fn read(root: &Path, file: &str) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(root.join(file)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError {
            file: file.to_owned(),
            action: "read",
            source,
            outcome: "nothing was changed".to_owned(),
        }),
    }
}

/// The change that gives a file this content, or removes it if `want` is `None`. `None` if
/// nothing has to change.
pub(crate) fn change(
    root: &Path,
    file: &str,
    want: Option<Vec<u8>>,
) -> Result<Option<Change>, FileError> {
    let have = read(root, file)?;
    Ok((have != want).then(|| Change {
        file: file.to_owned(),
        path: root.join(file),
        have,
        want,
    }))
}

/// Compares the outputs with the files. Line endings are compared as `\n`, so that a
/// checkout on Windows is not stale.
pub(crate) fn stale(root: &Path, outputs: &[Output]) -> Result<Vec<Change>, FileError> {
    let mut stale = Vec::new();
    for output in outputs {
        let is_current =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n") == output.text;
        let want = output.text.clone().into_bytes();
        stale.extend(
            change(root, output.file, Some(want))?
                .filter(|change| !change.have.as_deref().is_some_and(is_current)),
        );
    }
    Ok(stale)
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.want.is_some() {
            "updated"
        } else {
            "removed"
        };
        write!(formatter, "{verb}: {}", self.file)
    }
}

impl Change {
    /// A unified diff from the current to the new content.
    pub(crate) fn diff(&self) -> String {
        let text = |bytes: &Option<Vec<u8>>| {
            let text = bytes.as_deref().map(String::from_utf8_lossy);
            text.unwrap_or_default().replace("\r\n", "\n")
        };
        let old = if self.have.is_some() {
            format!("a/{}", self.file)
        } else {
            "/dev/null".to_owned()
        };
        TextDiff::from_lines(text(&self.have), text(&self.want))
            .unified_diff()
            .header(&old, &format!("b/{}", self.file))
            .to_string()
    }

    /// Moves the temporary file into place, or removes the file.
    fn put(&self, temporary: Option<NamedTempFile>) -> io::Result<()> {
        match temporary {
            Some(file) => file
                .persist(&self.path)
                .map(drop)
                .map_err(|error| error.error),
            None => fs::remove_file(&self.path),
        }
    }
}

/// Makes all changes, or none.
///
/// All new content is on disk before the first rename. If a rename fails, the files already
/// changed are restored.
pub(crate) fn write(changes: &[Change]) -> Result<(), FileError> {
    let written = write_all(changes);
    for change in changes {
        // Remove folders that are empty, either created for a failed write or emptied by a
        // removal. Others can't be removed and stay.
        let mut folders = change.path.ancestors().skip(1);
        while folders
            .next()
            .is_some_and(|folder| fs::remove_dir(folder).is_ok())
        {}
    }
    written
}

fn write_all(changes: &[Change]) -> Result<(), FileError> {
    let failed = |change: &Change, source, outcome| FileError {
        file: change.file.clone(),
        action: "written",
        source,
        outcome,
    };
    let mut waiting = Vec::new();
    for change in changes {
        let temporary = change
            .want
            .as_deref()
            .map(|bytes| temporary(&change.path, bytes));
        let temporary = temporary.transpose();
        waiting.push(
            temporary.map_err(|error| failed(change, error, "nothing was changed".to_owned()))?,
        );
    }
    for (index, (change, temporary)) in changes.iter().zip(waiting).enumerate() {
        change
            .put(temporary)
            .map_err(|error| failed(change, error, roll_back(&changes[..index])))?;
    }
    Ok(())
}

/// A temporary file next to its target, so that the rename stays on one file system.
fn temporary(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // Temporary files are private by default; these are source files.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Restores files to their old content, and says whether that worked.
fn roll_back(changed: &[Change]) -> String {
    let mut lost = Vec::new();
    for change in changed {
        let old = change
            .have
            .as_deref()
            .map(|bytes| temporary(&change.path, bytes));
        if old.transpose().and_then(|old| change.put(old)).is_err() {
            lost.push(&*change.file);
        }
    }
    if lost.is_empty() {
        "everything is as it was".to_owned()
    } else {
        format!(
            "{} could not be put back: restore with git",
            lost.join(", ")
        )
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    fn one(root: &Path, file: &str, have: Option<&str>, want: Option<&str>) -> Change {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_owned());
        Change {
            file: file.to_owned(),
            path: root.join(file),
            have: bytes(have),
            want: bytes(want),
        }
    }

    #[test]
    fn failed_rename_rolls_everything_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in ["existing", "unwanted"] {
            fs::write(root.join(file), "old").unwrap();
        }
        // A file can't be renamed onto a non-empty folder.
        fs::create_dir_all(root.join("folder/inside")).unwrap();
        let stale = [
            one(root, "existing", Some("old"), Some("new")),
            one(root, "missing/file", None, Some("new")),
            one(root, "unwanted", Some("old"), None),
            one(root, "folder", None, Some("new")),
        ];
        let error = write(&stale).unwrap_err().to_string();
        assert!(error.starts_with("folder: cannot be written: "), "{error}");
        assert!(error.ends_with("; everything is as it was"), "{error}");
        for file in ["existing", "unwanted"] {
            assert_eq!(
                fs::read_to_string(root.join(file)).unwrap(),
                "old",
                "{file}"
            );
        }
        assert!(!root.join("missing").exists());
        let left: Vec<_> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 3, "no temporary file is left: {left:?}");
    }
}
