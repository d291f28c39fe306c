//! A file that is there whole, or not at all.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::error::DownloadFailure;
use crate::sniff::Format;

/// Writes to a temporary file beside the one that will be.
pub(super) struct File {
    path: PathBuf,
    folder: PathBuf,
    overwrite: bool,
    open: Option<Open>,
}

/// A file that is being written. Dropping it removes the file.
struct Open {
    name: PathBuf,
    file: tokio::fs::File,
    temporary: TemporaryPath,
}

impl File {
    /// Looks whether there can be such a file. Nothing is written yet.
    pub(super) async fn new(path: &Path, overwrite: bool) -> Result<Self, DownloadFailure> {
        // What `Path` overlooks: `out/` and `out/.` name a folder.
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

    /// Puts the file in its place, and gives its name.
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
        // Writing goes on in the background, and here it tells how it went.
        file.flush().await.map_err(failed)?;
        let file = file.into_std().await;
        let (folder, overwrite) = (self.folder, self.overwrite);
        let put = move || {
            file.sync_all()?;
            drop(file);
            temporary.persist(&name, overwrite)?;
            // So that the name outlives a loss of power too. Not every system can.
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
        // What an earlier attempt wrote is removed.
        self.open = None;
        let name = with_extension(&self.path, format.extension);
        if !self.overwrite && tokio::fs::symlink_metadata(&name).await.is_ok() {
            return Err(DownloadFailure::Exists { path: name });
        }
        let folder = self.folder.clone();
        // If the future is dropped meanwhile, so is what this gives, with the file.
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

/// The name of a file that is removed when this is dropped.
struct TemporaryPath(PathBuf);

impl TemporaryPath {
    /// Makes an empty file of a name that nothing else has, with the permissions that any
    /// new file has.
    fn create(folder: &Path) -> io::Result<(fs::File, Self)> {
        loop {
            let path = folder.join(format!(".kontext-{:016x}.part", fastrand::u64(..)));
            match fs::File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| (file, Self(path))),
            }
        }
    }

    /// Gives the file another name, of a file that is replaced only if `overwrite`.
    fn persist(self, name: &Path, overwrite: bool) -> io::Result<()> {
        if overwrite {
            return fs::rename(&self.0, name);
        }
        // A link never replaces a file; the first name goes when this is dropped.
        match fs::hard_link(&self.0, name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                // Some file systems have no links. There the name is taken first.
                fs::File::create_new(name)?;
                fs::rename(&self.0, name)
            }
            linked => linked,
        }
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// `path` with the extension of its content. One that names another sort of image is
/// replaced; anything else after a dot is a part of the name.
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

/// Extensions of images that have one spelling.
const EXTENSIONS: [&str; 14] = [
    "png", "gif", "webp", "bmp", "ico", "avif", "jxl", "jp2", "jxr", "psd", "cr2", "ora", "dwg",
    "svg",
];

/// The usual spelling of an extension of images, in lower case.
fn canonical(extension: &str) -> Option<&'static str> {
    match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "jpe" | "jfif" => Some("jpg"),
        "tif" | "tiff" => Some("tif"),
        "heif" | "heic" => Some("heif"),
        "djvu" | "djv" => Some("djvu"),
        other => EXTENSIONS.into_iter().find(|known| *known == other),
    }
}

/// The most memory that is set aside on a server's word, in bytes.
const MOST_RESERVED: u64 = 64 * 1024 * 1024;

/// Takes an image piece by piece.
pub(super) trait Target {
    /// An image of this format is about to come, and perhaps its size is known. What
    /// an earlier attempt wrote counts no more.
    async fn begin(&mut self, format: Format, size: Option<u64>) -> Result<(), DownloadFailure>;

    /// Takes the next bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadFailure>;

    /// Whether [`begin`](Self::begin) may come again.
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
        // It is at most 64 MiB, which every usize holds.
        self.0.reserve_exact(usize::try_from(size).unwrap_or(0));
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadFailure> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes to a caller's writer, which cannot forget what it was given.
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

    /// Passes on what the writer holds back.
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
    fn the_extension_is_that_of_the_content() {
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
    fn a_name_need_not_be_unicode() {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"\xff.\xff"));
        let name = with_extension(path, "png");
        assert_eq!(name.as_os_str().as_bytes(), b"\xff.\xff.png");
    }
}
