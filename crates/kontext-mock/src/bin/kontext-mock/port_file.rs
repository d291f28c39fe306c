//! A file that tells other programs the port.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// A file with a port, which is deleted when this is dropped.
pub(crate) struct PortFile(PathBuf);

impl PortFile {
    /// Writes the port and a line break. Whoever sees the file sees all of it:
    /// it is renamed into place.
    pub(crate) fn write(path: &Path, port: u16) -> Result<Self, String> {
        let problem = |error: std::io::Error| {
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
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(problem)?;
        writeln!(file, "{port}").map_err(problem)?;
        file.persist(path).map_err(|error| problem(error.error))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PortFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
