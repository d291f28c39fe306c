//! Download targets: a file that appears complete or not at all, memory, and a writer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::error::DownloadFailure;
use crate::sniff::Format;

/// Writes to a temporary file in the folder of the final file.
pub(super) struct File {
    path: PathBuf,
    folder: PathBuf,
    overwrite: bool,
    open: Option<Open>,
}

/// An open temporary file. Dropping it removes the file.
struct Open {
    name: PathBuf,
    file: tokio::fs::File,
    temporary: TemporaryPath,
}

impl File {
    /// Checks that the file can be created. Writes nothing yet.
    pub(super) async fn new(path: &Path, overwrite: bool) -> Result<Self, DownloadFailure> {
        // `Path` ignores the end of `out/` and `out/.`, which name a folder.
        let bytes = path.as_os_str().as_encoded_bytes();
        let mut last_first = bytes.rsplit(|byte| std::path::is_separator(char::from(*byte)));
        let names_folder = matches!(last_first.next(), Some(b"" | b"."));
        let failed = |path: &Path, source| {
            let path = path.to_owned();
            Err(DownloadFailure::File { path, source })
        };
        if path.file_name().is_none() || names_folder {
            let problem = "the path has no file name";
            return failed(path, io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        match tokio::fs::metadata(&folder).await {
            Ok(found) if found.is_dir() => Ok(Self {
                path: path.to_owned(),
                folder,
                overwrite,
                open: None,
            }),
            Ok(_) => failed(&folder, io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(DownloadFailure::NoFolder { path: folder })
            }
            Err(error) => failed(&folder, error),
        }
    }

    /// Moves the file into place and returns its path.
    pub(super) async fn finish(self) -> Result<PathBuf, DownloadFailure> {
        let Some(Open {
            name,
            mut file,
            temporary,
        }) = self.open
        else {
            let source = io::Error::other("nothing was written");
            return Err(DownloadFailure::File {
                path: self.path,
                source,
            });
        };
        let path = name.clone();
        let failed = |source| DownloadFailure::File {
            path: path.clone(),
            source,
        };
        // Writes happen in the background, and flushing reports their errors.
        file.flush().await.map_err(failed)?;
        let file = file.into_std().await;
        let (folder, overwrite) = (self.folder, self.overwrite);
        let put = move || {
            file.sync_all()?;
            drop(file);
            temporary.persist(&name, overwrite)?;
            // Makes the new name survive a power failure. Not all systems support this.
            #[cfg(unix)]
            let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
            #[cfg(not(unix))]
            drop(folder);
            Ok(name)
        };
        match blocking(put).await {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !overwrite => {
                Err(DownloadFailure::Exists { path })
            }
            other => other.map_err(failed),
        }
    }
}

impl Target for File {
    async fn begin(&mut self, format: Format, _size: Option<u64>) -> Result<(), DownloadFailure> {
        // Remove the file of an earlier attempt.
        self.open = None;
        let name = with_extension(&self.path, format.extension);
        if !self.overwrite && tokio::fs::symlink_metadata(&name).await.is_ok() {
            return Err(DownloadFailure::Exists { path: name });
        }
        let folder = self.folder.clone();
        // If the future is dropped in the meantime, the result is too, which removes the file.
        let created = blocking(move || TemporaryPath::create(&folder)).await;
        let (file, temporary) = created.map_err(|source| DownloadFailure::File {
            path: self.folder.clone(),
            source,
        })?;
        self.open = Some(Open {
            name,
            file: tokio::fs::File::from_std(file),
            temporary,
        });
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadFailure> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let written = open.file.write_all(bytes).await;
        written.map_err(|source| DownloadFailure::File {
            path: open.name.clone(),
            source,
        })
    }
}

/// The path of a file that is removed on drop.
struct TemporaryPath(PathBuf);

impl TemporaryPath {
    /// Creates an empty file with a unique name and default permissions.
    fn create(folder: &Path) -> io::Result<(fs::File, Self)> {
        loop {
            let path = folder.join(format!(".kontext-{:016x}.part", fastrand::u64(..)));
            match fs::File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| (file, Self(path))),
            }
        }
    }

    /// Renames the file. Replaces an existing file only if `overwrite` is set.
    fn persist(self, name: &Path, overwrite: bool) -> io::Result<()> {
        if overwrite {
            return fs::rename(&self.0, name);
        }
        // A hard link never replaces a file; the temporary name is removed on drop.
        match fs::hard_link(&self.0, name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                // Some file systems have no hard links. Reserve the name first.
                fs::File::create_new(name)?;
                fs::rename(&self.0, name)
            }
            linked => linked,
        }
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        // Does nothing after a rename.
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs blocking work on the blocking thread pool.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// `path` with the extension of its content. Replaces the extension of another image format;
/// any other suffix is part of the name.
fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let given = path.extension().and_then(|given| given.to_str());
    match given.and_then(canonical) {
        Some(known) if Some(known) == canonical(extension) => path.to_owned(),
        Some(_) => path.with_extension(extension),
        None => {
            let mut name = OsString::from(path);
            name.push(".");
            name.push(extension);
            name.into()
        }
    }
}

/// Image extensions that have only one spelling.
const EXTENSIONS: [&str; 14] = [
    "png", "gif", "webp", "bmp", "ico", "avif", "jxl", "jp2", "jxr", "psd", "cr2", "ora", "dwg",
    "svg",
];

/// The canonical form of an image extension, in lower case.
fn canonical(extension: &str) -> Option<&'static str> {
    match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "jpe" | "jfif" => Some("jpg"),
        "tif" | "tiff" => Some("tif"),
        "heif" | "heic" => Some("heif"),
        "djvu" | "djv" => Some("djvu"),
        other => EXTENSIONS.into_iter().find(|known| *known == other),
    }
}

/// The maximum memory to reserve based on an announced size, in bytes.
const MOST_RESERVED: u64 = 64 * 1024 * 1024;

/// Receives an image in chunks.
pub(super) trait Target {
    /// Starts an image of this format, whose size may be known. Discards what an earlier
    /// attempt wrote.
    async fn begin(&mut self, format: Format, size: Option<u64>) -> Result<(), DownloadFailure>;

    /// Writes the next chunk.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadFailure>;

    /// Whether [`begin`](Self::begin) may be called again.
    fn is_repeatable(&self) -> bool {
        true
    }
}

/// Keeps the image in memory.
#[derive(Default)]
pub(super) struct Memory(pub(super) Vec<u8>);

impl Target for Memory {
    async fn begin(&mut self, _format: Format, size: Option<u64>) -> Result<(), DownloadFailure> {
        let size = size.unwrap_or(0).min(MOST_RESERVED);
        self.0.clear();
        // At most 64 MiB, which fits a usize.
        self.0.reserve_exact(usize::try_from(size).unwrap_or(0));
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadFailure> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes to the caller's writer, which cannot be rewound.
pub(super) struct Writer<'a, W> {
    writer: &'a mut W,
    has_begun: bool,
}

impl<'a, W: AsyncWrite + Unpin> Writer<'a, W> {
    pub(super) fn new(writer: &'a mut W) -> Self {
        Self {
            writer,
            has_begun: false,
        }
    }

    /// Flushes the writer.
    pub(super) async fn finish(self) -> Result<(), DownloadFailure> {
        let flushed = self.writer.flush().await;
        flushed.map_err(|source| DownloadFailure::Writer { source })
    }
}

impl<W: AsyncWrite + Unpin> Target for Writer<'_, W> {
    async fn begin(&mut self, _format: Format, _size: Option<u64>) -> Result<(), DownloadFailure> {
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadFailure> {
        self.has_begun = true;
        let written = self.writer.write_all(bytes).await;
        written.map_err(|source| DownloadFailure::Writer { source })
    }

    fn is_repeatable(&self) -> bool {
        !self.has_begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_follows_content() {
        for (path, extension, expected) in [
            ("a", "png", "a.png"),
            ("a.png", "png", "a.png"),
            ("a.PNG", "png", "a.PNG"),
            ("a.png", "jpg", "a.jpg"),
            ("a.PNG", "jpg", "a.jpg"),
            ("a.jpeg", "jpg", "a.jpeg"),
            ("a.JPEG", "jpg", "a.JPEG"),
            ("a.jpg", "png", "a.png"),
            ("a.tiff", "tif", "a.tiff"),
            ("a.svg", "png", "a.png"),
            ("out/v1.2", "png", "out/v1.2.png"),
            ("out.png/a", "jpg", "out.png/a.jpg"),
            ("a.txt", "webp", "a.txt.webp"),
            ("a.png.bak", "png", "a.png.bak.png"),
            (".png", "png", ".png.png"),
            ("../x.jpg", "webp", "../x.webp"),
        ] {
            assert_eq!(
                with_extension(Path::new(path), extension),
                Path::new(expected)
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn path_may_be_non_unicode() {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"\xff.\xff"));
        let name = with_extension(path, "png");
        assert_eq!(name.as_os_str().as_bytes(), b"\xff.\xff.png");
    }
}
