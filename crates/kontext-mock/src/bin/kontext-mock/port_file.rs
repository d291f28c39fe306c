//! A file that tells other programs the port.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// A file with a port, which is deleted when this is dropped.
pub(crate) struct PortFile(PathBuf);

impl PortFile {
    /// Writes the port and a line break. Whoever sees the file sees all of it:
    /// it is renamed into place.
    pub(crate) fn write(path: &Path, port: u16) -> Result<Self, String> {
        let problem = |error: io::Error| {
            format!(
                "the port file {} cannot be written: {error}; name a file in a folder that is \
                 there and can be written",
                path.display()
            )
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = temporary(folder).map_err(problem)?;
        writeln!(file, "{port}").map_err(problem)?;
        file.persist(path).map_err(|error| problem(error.error))?;
        Ok(Self(path.to_owned()))
    }
}

/// A file that others may read as they may any other: a temporary one is for
/// its owner alone, but here another user may wait for the port.
#[cfg(unix)]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;

    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

#[cfg(not(unix))]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(folder)
}

impl Drop for PortFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
