//! Local images as `data:` URIs for a request.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::fs::{self, File};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::redact;
use crate::request::uri::Uri;
use crate::sniff::{HEAD, image_format, shown_beginning};

/// The default maximum size of an image, in bytes.
const DEFAULT_MAX_SIZE: u64 = 20 * 1024 * 1024;
/// The formats that the provider's models are known to accept.
const ACCEPTED: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/gif"];
/// The size of the read buffer, in bytes.
const PIECE: usize = 192 * 1024;

/// A local image, encoded as a `data:` URI for a request.
///
/// The format is detected from the first bytes, not from the file name. JPEG, PNG, WebP and
/// GIF are accepted; [`options`](Self::options) can accept more. The bytes are encoded as they
/// are read, into one string that moves into the request, so memory holds the image once, as
/// base64, which is a third larger.
///
/// An image may have up to 20 MiB, unless [`options`](Self::options) change that. The limit is
/// this crate's; the provider documents none.
///
/// ```no_run
/// use kontext_api::{ImageToImageRequest, InputImage, Uri, types::ImageToImageModel};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let cat = InputImage::from_file("cat.png").await?;
/// let hat = InputImage::options().max_size(1024 * 1024).from_file("hat").await?;
/// let request = ImageToImageRequest::builder()
///     .model(ImageToImageModel::FluxKontextProImageToImage)
///     .prompt("Put the hat on the cat.")
///     .image_url([cat, hat]) // Or one of them.
///     .build()?;
///
/// // Beside images that are elsewhere:
/// let bytes = std::fs::read("cat.png")?;
/// let request = ImageToImageRequest::builder()
///     .model(ImageToImageModel::FluxKontextProImageToImage)
///     .prompt("Put the hat on the cat.")
///     .image_url([
///         Uri::from(InputImage::from_bytes(&bytes)?),
///         "https://example.com/hat.png".parse()?,
///     ])
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct InputImage {
    uri: Uri,
    media_type: &'static str,
    size: u64,
}

/// Options for reading an image; see [`InputImage::options`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "options do nothing before an image is read with them"]
pub struct InputOptions {
    max_size: u64,
    also_accepted: &'static [&'static str],
}

impl InputImage {
    /// Reads an image from a file.
    ///
    /// # Errors
    ///
    /// [`InputError`] with the path if the file does not exist, cannot be read, is a
    /// directory, a pipe or a device, is empty, is not an image, has another format, or is too
    /// large. A file that is too large is not read.
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime.
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self, InputError> {
        Self::options().from_file(path).await
    }

    /// Encodes the bytes of an image.
    ///
    /// # Errors
    ///
    /// [`InputError`] if there are no bytes or too many, or if they are not an image.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, InputError> {
        Self::options().from_bytes(bytes)
    }

    /// Reads an image from a stream to its end.
    ///
    /// # Errors
    ///
    /// [`InputError`] if the stream fails, is empty, is not an image, or is too long. At most
    /// 512 bytes are read from a stream that is not an image, and at most one byte more than
    /// the limit from one that is too long.
    pub async fn from_reader(reader: impl AsyncRead + Unpin) -> Result<Self, InputError> {
        Self::options().from_reader(reader).await
    }

    /// Options with the defaults, to change the limit or accept more formats.
    pub fn options() -> InputOptions {
        InputOptions::default()
    }

    /// The media type, such as `image/png`.
    pub fn media_type(&self) -> &str {
        self.media_type
    }

    /// The size of the image before encoding, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            max_size: DEFAULT_MAX_SIZE,
            also_accepted: &[],
        }
    }
}

impl InputOptions {
    /// The maximum size of an image, in bytes. Default: 20 MiB.
    pub fn max_size(mut self, limit: u64) -> Self {
        self.max_size = limit;
        self
    }

    /// Media types to accept in addition to JPEG, PNG, WebP and GIF, such as `image/avif`. The
    /// provider does not document which others it accepts.
    pub fn also_accept(mut self, media_types: &'static [&'static str]) -> Self {
        self.also_accepted = media_types;
        self
    }

    /// Reads an image from a file, as [`InputImage::from_file`].
    ///
    /// # Errors
    ///
    /// As [`InputImage::from_file`].
    ///
    /// # Panics
    ///
    /// As [`InputImage::from_file`].
    pub async fn from_file(self, path: impl AsRef<Path>) -> Result<InputImage, InputError> {
        let path = path.as_ref();
        let failed = |error| InputError::read(Some(path), error);
        // Checked before opening, because opening a pipe blocks until it has a writer.
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
    /// As [`InputImage::from_bytes`].
    pub fn from_bytes(self, bytes: impl AsRef<[u8]>) -> Result<InputImage, InputError> {
        let bytes = bytes.as_ref();
        let size = bytes.len() as u64;
        if size > self.max_size {
            return Err(InputError::too_large(None, Some(size), self.max_size));
        }
        let head = &bytes[..bytes.len().min(HEAD)];
        let mut encoder = Encoder::new(head, size, None, self.also_accepted)?;
        encoder.encode(bytes)?;
        Ok(encoder.finish())
    }

    /// Reads an image from a stream to its end, as [`InputImage::from_reader`].
    ///
    /// # Errors
    ///
    /// As [`InputImage::from_reader`].
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
        if metadata.len() > self.max_size {
            let size = Some(metadata.len());
            return Err(InputError::too_large(Some(path), size, self.max_size));
        }
        Ok(())
    }

    /// Reads to the end. `expected` is only a hint: a file can grow, and some system files
    /// report a size of 0.
    async fn read(
        self,
        reader: impl AsyncRead + Unpin,
        expected: u64,
        path: Option<&Path>,
    ) -> Result<InputImage, InputError> {
        let failed = |error| InputError::read(path, error);
        let check_size = |size: u64| match size > self.max_size {
            true => Err(InputError::too_large(path, None, self.max_size)),
            false => Ok(()),
        };
        // One byte beyond the limit shows that there is more than the limit.
        let mut reader = reader.take(self.max_size.saturating_add(1));
        let mut buffer = vec![0; PIECE];
        let mut filled = 0;
        // Reject anything that is not an image before reading more of it.
        while filled < HEAD {
            let read = reader.read(&mut buffer[filled..HEAD]).await;
            match read.map_err(failed)? {
                0 => break,
                read => filled += read,
            }
            check_size(filled as u64)?;
        }
        let mut encoder = Encoder::new(&buffer[..filled], expected, path, self.also_accepted)?;
        loop {
            // Three bytes are four characters; the remainder waits for the next read.
            let whole = filled - filled % 3;
            encoder.encode(&buffer[..whole])?;
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
            let read = reader.read(&mut buffer[filled..]).await;
            let read = read.map_err(failed)?;
            filled += read;
            check_size(encoder.size + filled as u64)?;
            if read == 0 {
                encoder.encode(&buffer[..filled])?;
                return Ok(encoder.finish());
            }
        }
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

/// Shows the media type and the size, not the image.
impl fmt::Debug for InputImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputImage")
            .field("media_type", &self.media_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Builds a `data:` URI.
struct Encoder<'a> {
    text: String,
    media_type: &'static str,
    size: u64,
    /// The file of the image, for messages.
    path: Option<&'a Path>,
}

impl<'a> Encoder<'a> {
    /// Starts the URI of an image that begins with `head`, with capacity for `expected` bytes.
    /// Encodes nothing yet.
    fn new(
        head: &[u8],
        expected: u64,
        path: Option<&'a Path>,
        also_accepted: &[&str],
    ) -> Result<Self, InputError> {
        if head.is_empty() {
            let path = path.map(Into::into);
            return Err(InputError::Empty { path });
        }
        let Some(format) = image_format(head) else {
            return Err(InputError::NotAnImage {
                path: path.map(Into::into),
                beginning: shown_beginning(head),
            });
        };
        let is = |accepted: &&str| accepted.eq_ignore_ascii_case(format.media_type);
        if !ACCEPTED.iter().any(is) && !also_accepted.iter().any(is) {
            return Err(InputError::UnsupportedFormat {
                path: path.map(Into::into),
                media_type: format.media_type,
            });
        }
        let prefix = format!("data:{};base64,", format.media_type);
        let mut text = String::new();
        let room = encoded(expected).saturating_add(prefix.len());
        text.try_reserve_exact(room)
            .map_err(|error| InputError::read(path, io::Error::from(error)))?;
        text.push_str(&prefix);
        Ok(Self {
            text,
            media_type: format.media_type,
            size: 0,
            path,
        })
    }

    /// Encodes bytes. Their number must be a multiple of three, except for the last ones.
    fn encode(&mut self, bytes: &[u8]) -> Result<(), InputError> {
        let count = bytes.len() as u64;
        // If the size was unknown, the string grows by doubling. That is cheap for a large
        // allocation, which the system moves by remapping pages.
        self.text
            .try_reserve(encoded(count))
            .map_err(|error| InputError::read(self.path, io::Error::from(error)))?;
        STANDARD.encode_string(bytes, &mut self.text);
        self.size += count;
        Ok(())
    }

    /// Finishes the image.
    fn finish(mut self) -> InputImage {
        self.text.shrink_to_fit();
        InputImage {
            uri: Uri::from_valid(self.text),
            media_type: self.media_type,
            size: self.size,
        }
    }
}

/// The length of this many bytes in base64, saturating.
fn encoded(bytes: u64) -> usize {
    usize::try_from(bytes)
        .ok()
        .and_then(|bytes| base64::encoded_len(bytes, true))
        .unwrap_or(usize::MAX)
}

/// The maximum number of characters of a path in a message.
const SHOWN: usize = 300;

/// Why a local image cannot be used. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The image could not be read: the file does not exist, access is denied, or reading
    /// failed. The source has the details.
    #[error("{} cannot be read", named(path.as_deref()))]
    #[non_exhaustive]
    Read {
        /// The path, if it is a file.
        path: Option<PathBuf>,
        /// The I/O error.
        source: io::Error,
    },
    /// The path is a directory, a pipe, a socket or a device.
    #[error("{} is {}", named(Some(path)), other_kind(*is_directory))]
    #[non_exhaustive]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// Whether it is a directory.
        is_directory: bool,
    },
    /// The image has no bytes.
    #[error("{} is empty", named(path.as_deref()))]
    #[non_exhaustive]
    Empty {
        /// The path, if it is a file.
        path: Option<PathBuf>,
    },
    /// Its first bytes are not those of an image.
    #[error("{} is not an image, it begins with {beginning}", named(path.as_deref()))]
    #[non_exhaustive]
    NotAnImage {
        /// The path, if it is a file.
        path: Option<PathBuf>,
        /// Its first bytes, as text if they are text, otherwise in hexadecimal.
        beginning: String,
    },
    /// The image has a format that the provider is not known to accept.
    #[error(
        "{} is {media_type}, and the provider is only known to accept JPEG, PNG, WebP and GIF: \
         convert it, or allow the media type with `InputOptions::also_accept`",
        named(path.as_deref())
    )]
    #[non_exhaustive]
    UnsupportedFormat {
        /// The path, if it is a file.
        path: Option<PathBuf>,
        /// Its media type, such as `image/heif`.
        media_type: &'static str,
    },
    /// The image is larger than the limit.
    #[error(
        "{} has {}, the limit is {limit} bytes: raise it with `InputOptions::max_size`",
        named(path.as_deref()),
        counted(*size, *limit)
    )]
    #[non_exhaustive]
    TooLarge {
        /// The path, if it is a file.
        path: Option<PathBuf>,
        /// Its size in bytes, if it was known before reading.
        size: Option<u64>,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl InputError {
    pub(crate) fn read(path: Option<&Path>, source: io::Error) -> Self {
        Self::Read {
            path: path.map(Into::into),
            source,
        }
    }

    pub(crate) fn too_large(path: Option<&Path>, size: Option<u64>, limit: u64) -> Self {
        Self::TooLarge {
            path: path.map(Into::into),
            size,
            limit,
        }
    }

    /// The path of the image, if it is a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NotAFile { path, .. } => Some(path),
            Self::Read { path, .. }
            | Self::Empty { path }
            | Self::NotAnImage { path, .. }
            | Self::UnsupportedFormat { path, .. }
            | Self::TooLarge { path, .. } => path.as_deref(),
        }
    }
}

fn named(path: Option<&Path>) -> String {
    match path {
        Some(path) => redact::quoted(&path.display().to_string(), SHOWN),
        None => "the input".to_owned(),
    }
}

fn other_kind(is_directory: bool) -> &'static str {
    match is_directory {
        true => "a directory, not a file",
        false => "a pipe, a socket or a device, which `InputImage::from_reader` can read",
    }
}

fn counted(size: Option<u64>, limit: u64) -> String {
    match size {
        Some(size) => format!("{size} bytes"),
        None => format!("more than {limit} bytes"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod encode_tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    #[test]
    fn string_of_known_size_is_allocated_once() {
        for size in [8, 9, 10, 1_000, 3_000_000] {
            let mut encoder = Encoder::new(PNG, size, None, &[]).unwrap();
            let (place, room) = (encoder.text.as_ptr(), encoder.text.capacity());
            let mut left = usize::try_from(size).unwrap();
            while left > 0 {
                let piece = left.min(3 * 1_000);
                encoder.encode(&vec![7; piece]).unwrap();
                left -= piece;
            }
            assert_eq!(encoder.text.as_ptr(), place);
            assert_eq!(encoder.text.capacity(), room);
            assert_eq!(encoder.text.len(), room, "{size} bytes");
            let image = encoder.finish();
            assert_eq!(image.uri.as_str().as_ptr(), place);
            assert_eq!(image.size, size);
        }
    }

    #[test]
    fn input_larger_than_memory_is_an_error() {
        for size in [u64::MAX, u64::MAX / 2] {
            let error = Encoder::new(PNG, size, None, &[]).err().unwrap();
            assert!(matches!(error, InputError::Read { .. }), "{error:?}");
        }
    }

    #[test]
    fn data_uri_needs_no_normalising() {
        for (head, media_type) in [
            (PNG, "image/png"),
            (b"\0\0\x01\0\x01\0", "image/vnd.microsoft.icon"),
            (b"8BPS", "image/vnd.adobe.photoshop"),
            (b"II*\0\x08\0\0\0\0\0\0\0", "image/tiff"),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "image/bmp"),
        ] {
            let mut encoder = Encoder::new(head, 0, None, &[media_type]).unwrap();
            encoder.encode(head).unwrap();
            let uri = encoder.finish().uri;
            assert!(uri.is_valid(), "{uri}");
            assert_eq!(Uri::try_from(uri.as_str()), Ok(uri));
        }
    }
}
