//! Bringing generated files in line: all of them or none.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use kontext_codegen::Output;
use similar::TextDiff;
use tempfile::NamedTempFile;

/// A generated file that differs from what codegen makes.
#[derive(Debug)]
pub(crate) struct Stale {
    pub(crate) file: &'static str,
    path: PathBuf,
    /// What stands there now; none if the file is missing.
    have: Option<Vec<u8>>,
    want: String,
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

/// Compares the outputs with the files. Line ends are compared as `\n`, so
/// that a checkout on Windows is not stale.
pub(crate) fn stale(root: &Path, outputs: &[Output]) -> Result<Vec<Stale>, FileError> {
    let mut stale = Vec::new();
    for output in outputs {
        let path = root.join(output.file);
        let have = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(FileError {
                    file: output.file.to_owned(),
                    action: "read",
                    source,
                    outcome: "nothing was changed".to_owned(),
                });
            }
        };
        let is_current = have.as_ref().is_some_and(|bytes| {
            String::from_utf8_lossy(bytes).replace("\r\n", "\n") == output.text
        });
        if !is_current {
            stale.push(Stale {
                file: output.file,
                path,
                have,
                want: output.text.clone(),
            });
        }
    }
    Ok(stale)
}

impl Stale {
    /// A unified diff from the file to what it should be.
    pub(crate) fn diff(&self) -> String {
        let have = self.have.as_deref().map(String::from_utf8_lossy);
        let have = have.unwrap_or_default().replace("\r\n", "\n");
        let old = if self.have.is_some() {
            format!("a/{}", self.file)
        } else {
            "/dev/null".to_owned()
        };
        TextDiff::from_lines(have.as_str(), self.want.as_str())
            .unified_diff()
            .header(&old, &format!("b/{}", self.file))
            .to_string()
    }
}

/// Writes all stale files, or none.
///
/// Every text is on the disk before the first rename; if a rename fails, the
/// files renamed before it get their old bytes back.
pub(crate) fn write(stale: &[Stale]) -> Result<(), FileError> {
    let failed = |file: &str, source: io::Error, outcome: &str| FileError {
        file: file.to_owned(),
        action: "written",
        source,
        outcome: outcome.to_owned(),
    };
    let mut waiting = Vec::new();
    for one in stale {
        let temporary = temporary(&one.path, one.want.as_bytes())
            .map_err(|error| failed(one.file, error, "nothing was changed"))?;
        waiting.push(temporary);
    }
    for (index, temporary) in waiting.into_iter().enumerate() {
        let Some(one) = stale.get(index) else { break };
        if let Err(error) = temporary.persist(&one.path) {
            let outcome = roll_back(&stale[..index]);
            return Err(failed(one.file, error.error, &outcome));
        }
    }
    Ok(())
}

/// A temporary file beside its target, so that the rename stays on one disk.
fn temporary(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // A temporary file is private by default; these are source files.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Gives files their old bytes back, and says how that went.
fn roll_back(renamed: &[Stale]) -> String {
    let mut lost = Vec::new();
    for one in renamed {
        let result = match &one.have {
            None => fs::remove_file(&one.path),
            Some(bytes) => temporary(&one.path, bytes).and_then(|file| {
                file.persist(&one.path)
                    .map(drop)
                    .map_err(|error| error.error)
            }),
        };
        if result.is_err() {
            lost.push(one.file);
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

    fn one(root: &Path, file: &'static str, have: Option<&str>) -> Stale {
        Stale {
            file,
            path: root.join(file),
            have: have.map(|text| text.as_bytes().to_owned()),
            want: "new".to_owned(),
        }
    }

    #[test]
    fn a_failed_rename_rolls_everything_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("existing"), "old").unwrap();
        // No file can be renamed to where a folder stands that is not empty.
        fs::create_dir_all(root.join("folder/inside")).unwrap();
        let stale = [
            one(root, "existing", Some("old")),
            one(root, "missing", None),
            one(root, "folder", None),
        ];
        let error = write(&stale).unwrap_err().to_string();
        assert!(error.starts_with("folder: cannot be written: "), "{error}");
        assert!(error.ends_with("; everything is as it was"), "{error}");
        assert_eq!(fs::read_to_string(root.join("existing")).unwrap(), "old");
        assert!(!root.join("missing").exists());
        let left: Vec<_> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 2, "no temporary file is left: {left:?}");
    }
}
