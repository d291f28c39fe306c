//! Images of the caller's own, as `data:` URIs for a request.

use std::fmt;
use std::fs::Metadata;
use std::path::Path;

use tokio::fs::{self, File};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::input_error::InputError;
use crate::sniff::HEAD;
use crate::uri::Uri;

mod encode;

use encode::Encoder;

/// The most bytes that an image may have unless the caller says otherwise.
const DEFAULT_MAX_BYTES: u64 = 20 * 1024 * 1024;
/// How many bytes are read at once.
const PIECE: usize = 192 * 1024;

/// An image of the caller's own, as the `data:` URI that a request sends.
///
/// What sort of image it is, is told by its first bytes and not by its name; what
/// is no image is refused. The bytes are encoded as they are read, into one
/// string that moves into the request: the image is in memory once, as base64,
/// which is a third larger than the image.
///
/// An image may have 20 MiB unless [`options`](Self::options) say otherwise. That
/// limit is this crate's: the provider documents none.
///
/// ```no_run
/// use kontext_api::{GenerateImageRequest, InputImage, Uri};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let cat = InputImage::from_file("cat.png").await?;
/// let hat = InputImage::options().max_bytes(1024 * 1024).from_file("hat").await?;
/// let request = GenerateImageRequest::builder()
///     .prompt("Put the hat on the cat.")
///     .image_url([cat, hat]) // Or one of them.
///     .build()?;
///
/// // Beside images that are elsewhere:
/// let bytes = std::fs::read("cat.png")?;
/// let request = GenerateImageRequest::builder()
///     .prompt("Put the hat on the cat.")
///     .image_url([
///         Uri::from(InputImage::from_bytes(&bytes)?),
///         Uri::from("https://example.com/hat.png"),
///     ])
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct InputImage {
    uri: Uri,
    media_type: &'static str,
    size: u64,
}

/// How an image is read; see [`InputImage::options`].
#[derive(Clone, Copy, Debug)]
#[must_use = "options do nothing before an image is read with them"]
pub struct InputOptions {
    max_bytes: u64,
}

impl InputImage {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`InputError`], with the path: if there is no such file, if it is none but
    /// a directory, a pipe or a device, if it is empty, no image, or too large. A
    /// file that is too large is not read.
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self, InputError> {
        Self::options().from_file(path).await
    }

    /// Encodes the bytes of an image.
    ///
    /// # Errors
    ///
    /// [`InputError`] if there are none, if they are no image, or too many.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, InputError> {
        Self::options().from_bytes(bytes)
    }

    /// Reads an image to the end of a stream.
    ///
    /// # Errors
    ///
    /// [`InputError`] if the stream fails, if it is empty, no image, or too long.
    /// Of what is no image at most 512 bytes are read, of what is too long one
    /// byte more than the limit.
    pub async fn from_reader(reader: impl AsyncRead + Unpin) -> Result<Self, InputError> {
        Self::options().from_reader(reader).await
    }

    /// Another limit than 20 MiB.
    pub fn options() -> InputOptions {
        InputOptions::default()
    }

    /// The media type, such as `image/png`.
    pub fn media_type(&self) -> &str {
        self.media_type
    }

    /// The size of the image in bytes, before it was encoded.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

impl InputOptions {
    /// The most bytes that an image may have: 20 MiB unless it is set.
    pub fn max_bytes(mut self, limit: u64) -> Self {
        self.max_bytes = limit;
        self
    }

    /// Reads a file, as [`InputImage::from_file`].
    ///
    /// # Errors
    ///
    /// Those of [`InputImage::from_file`].
    pub async fn from_file(self, path: impl AsRef<Path>) -> Result<InputImage, InputError> {
        let path = path.as_ref();
        let failed = |error| InputError::read(Some(path), error);
        // Before it is opened: to open a pipe waits for somebody to write to it.
        let metadata = fs::metadata(path).await.map_err(failed)?;
        self.check_metadata(&metadata, path)?;
        let file = File::open(path).await.map_err(failed)?;
        let metadata = file.metadata().await.map_err(failed)?;
        self.check_metadata(&metadata, path)?;
        self.read(file, metadata.len(), Some(path)).await
    }

    /// Encodes the bytes of an image, as [`InputImage::from_bytes`].
    ///
    /// # Errors
    ///
    /// Those of [`InputImage::from_bytes`].
    pub fn from_bytes(self, bytes: impl AsRef<[u8]>) -> Result<InputImage, InputError> {
        let bytes = bytes.as_ref();
        let size = bytes.len() as u64;
        if size > self.max_bytes {
            return Err(InputError::too_large(None, Some(size), self.max_bytes));
        }
        let head = &bytes[..bytes.len().min(HEAD)];
        let mut encoder = Encoder::new(head, size, None)?;
        encoder.encode(bytes)?;
        Ok(encoder.finish())
    }

    /// Reads an image to the end of a stream, as [`InputImage::from_reader`].
    ///
    /// # Errors
    ///
    /// Those of [`InputImage::from_reader`].
    pub async fn from_reader(
        self,
        reader: impl AsyncRead + Unpin,
    ) -> Result<InputImage, InputError> {
        self.read(reader, 0, None).await
    }

    fn check_metadata(self, metadata: &Metadata, path: &Path) -> Result<(), InputError> {
        if !metadata.is_file() {
            return Err(InputError::NotAFile {
                path: path.to_owned(),
                is_directory: metadata.is_dir(),
            });
        }
        if metadata.len() > self.max_bytes {
            let size = Some(metadata.len());
            return Err(InputError::too_large(Some(path), size, self.max_bytes));
        }
        Ok(())
    }

    /// Reads to the end. That there are `expected` bytes is not relied on: a file
    /// can grow, and some files of the system say that they are empty.
    async fn read(
        self,
        reader: impl AsyncRead + Unpin,
        expected: u64,
        path: Option<&Path>,
    ) -> Result<InputImage, InputError> {
        let mut source = Source::new(reader, self.max_bytes, path);
        // What is no image is refused before more of it is read.
        while source.filled < HEAD && source.read(HEAD).await? {}
        let mut encoder = Encoder::new(&source.buffer[..source.filled], expected, path)?;
        loop {
            // Three bytes are four characters; what is less waits for the next piece.
            let whole = source.filled - source.filled % 3;
            encoder.encode(&source.buffer[..whole])?;
            source.remove(whole);
            if !source.read(PIECE).await? {
                encoder.encode(&source.buffer[..source.filled])?;
                return Ok(encoder.finish());
            }
        }
    }
}

/// A stream, and the bytes of it that are not encoded yet.
struct Source<'a, R> {
    reader: R,
    buffer: Vec<u8>,
    /// How many bytes of the buffer there are.
    filled: usize,
    /// How many bytes were read in all.
    count: u64,
    limit: u64,
    path: Option<&'a Path>,
}

impl<'a, R: AsyncRead + Unpin> Source<'a, R> {
    fn new(reader: R, limit: u64, path: Option<&'a Path>) -> Self {
        Self {
            reader,
            buffer: vec![0; PIECE],
            filled: 0,
            count: 0,
            limit,
            path,
        }
    }

    /// Reads once, until there are at most `end` bytes in the buffer. Says whether
    /// anything came; if not, that was the end.
    async fn read(&mut self, end: usize) -> Result<bool, InputError> {
        // One byte beyond the limit shows that there is more than the limit.
        let left = self.limit.saturating_add(1) - self.count;
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let end = end.min(self.filled.saturating_add(left));
        let read = self.reader.read(&mut self.buffer[self.filled..end]).await;
        let read = read.map_err(|error| InputError::read(self.path, error))?;
        self.filled += read;
        self.count += read as u64;
        if self.count > self.limit {
            return Err(InputError::too_large(self.path, None, self.limit));
        }
        Ok(read > 0)
    }

    /// Removes the first bytes of the buffer.
    fn remove(&mut self, count: usize) {
        self.buffer.copy_within(count..self.filled, 0);
        self.filled -= count;
    }
}

impl From<InputImage> for Uri {
    fn from(image: InputImage) -> Self {
        image.uri
    }
}

/// Copies the image.
impl From<&InputImage> for Uri {
    fn from(image: &InputImage) -> Self {
        image.uri.clone()
    }
}

/// What it is and how large, and nothing of the image.
impl fmt::Debug for InputImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputImage")
            .field("media_type", &self.media_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
