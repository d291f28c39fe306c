//! Where the bytes of an image go.

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::error::DownloadError;
use crate::sniff::Format;

/// The most memory that is set aside on a server's word, in bytes.
const MOST_RESERVED: u64 = 64 * 1024 * 1024;

/// Takes an image piece by piece.
pub(super) trait Target {
    /// An image of this format is about to come, and perhaps its size is known. What
    /// an earlier attempt wrote counts no more.
    async fn begin(&mut self, format: Format, size: Option<u64>) -> Result<(), DownloadError>;

    /// Takes the next bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError>;

    /// Whether [`begin`](Self::begin) may come again.
    fn is_repeatable(&self) -> bool {
        true
    }
}

/// Keeps the image in memory.
#[derive(Default)]
pub(super) struct Memory(pub(super) Vec<u8>);

impl Target for Memory {
    async fn begin(&mut self, _format: Format, size: Option<u64>) -> Result<(), DownloadError> {
        let size = size.unwrap_or(0).min(MOST_RESERVED);
        self.0.clear();
        // It is at most 64 MiB, which every usize holds.
        self.0.reserve_exact(usize::try_from(size).unwrap_or(0));
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
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
    pub(super) async fn finish(self) -> Result<(), DownloadError> {
        let flushed = self.writer.flush().await;
        flushed.map_err(|source| DownloadError::Writer { source })
    }
}

impl<W: AsyncWrite + Unpin> Target for Writer<'_, W> {
    async fn begin(&mut self, _format: Format, _size: Option<u64>) -> Result<(), DownloadError> {
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.has_begun = true;
        let written = self.writer.write_all(bytes).await;
        written.map_err(|source| DownloadError::Writer { source })
    }

    fn is_repeatable(&self) -> bool {
        !self.has_begun
    }
}
