//! Downloads an image of a response to memory, to a writer or to a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fetch::Fetch;
use file::{Memory, Target, Writer};
use tokio::io::AsyncWrite;
use tracing::Instrument;

use crate::client::retry::{Cause, Schedule};
use crate::client::telemetry::{Operation, Outcome};
use crate::client::{Client, Shared};
use crate::response::base64::Decoder;
use crate::response::image::Image;
use crate::sniff::{self, Format};

mod address;
pub(crate) mod error;
mod fetch;
mod file;
mod ssrf;

pub use error::{DownloadError, DownloadFailure};
pub(crate) use fetch::{Downloads, Settings};

/// How long after the response its images may not be available at their URLs yet.
const FRESH: Duration = Duration::from_secs(15);

/// The delays before retrying such an image.
const FRESH_DELAYS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The minimum time that must be left for another attempt.
const LEAST: Duration = Duration::from_millis(500);

impl Client {
    /// Downloads an image of a response. Nothing happens until one of the methods
    /// [`bytes`](Download::bytes), [`to_writer`](Download::to_writer) and
    /// [`to_file`](Download::to_file) is awaited.
    ///
    /// Base64 and `data:` URIs are decoded from the body of the response, and nothing is sent.
    /// Any other image, and one whose base64 is not a valid image, is fetched from its URL.
    /// The HTTP client for that has no key and no cookies, but the same proxy. How long such a
    /// URL is valid is not documented, so download soon.
    ///
    /// The URL is untrusted input. It must be https and lead to a public address, which is
    /// checked for every connection
    /// ([`ClientBuilder::download_networks`](crate::ClientBuilder::download_networks) allows
    /// others). Up to three redirects are followed, with the same checks. A proxy resolves
    /// names itself, unchecked. If the API is on loopback, such as a mock, images may be on
    /// loopback too, also over plain http.
    ///
    /// The content must be an image by its first bytes; headers are ignored.
    ///
    /// A download is safe to repeat, so the client's [`RetryPolicy`](crate::RetryPolicy)
    /// retries all transient failures: no connection, a stall, a reset, a truncated body, a
    /// 202, a 408, a 425, a 429 and any 5xx. In the first 15 s after the response, its image
    /// may not be ready yet: a 202, a 403, a 404 and a 425 are then retried after 1, 2 and 4
    /// s, which the policy does not count. A body that ends when the connection closes
    /// (HTTP/1.0) counts as complete if it has the [`file_size`](Image::file_size) of the
    /// response or, if there is none, if it ends as a PNG, JPEG or GIF does.
    ///
    /// ```no_run
    /// # async fn f(client: kontext_api::Client, answer: kontext_api::GeneratedImages)
    /// # -> Result<(), kontext_api::DownloadError> {
    /// for (index, image) in answer.images().iter().enumerate() {
    ///     let saved = client.download(image).to_file(format!("bird-{index}")).await?;
    ///     println!("{}", saved.path().display()); // bird-0.png
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn download<'a>(&'a self, image: &'a Image) -> Download<'a> {
        let downloads = &self.shared.downloads;
        Download {
            shared: &self.shared,
            image,
            max_size: downloads.max_size,
            stall_timeout: downloads.stall_timeout,
            overwrite: false,
        }
    }
}

/// A download that has not started, created by [`Client::download`].
#[derive(Clone)]
#[must_use = "nothing happens before `bytes`, `to_writer` or `to_file`"]
pub struct Download<'a> {
    shared: &'a Shared,
    image: &'a Image,
    max_size: u64,
    stall_timeout: Duration,
    overwrite: bool,
}

/// The result of a successful attempt.
#[derive(Clone, Copy)]
struct Received {
    format: Format,
    size: u64,
}

/// A downloaded image in memory.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadedImage {
    /// The bytes of the image.
    pub bytes: Vec<u8>,
    pub(crate) format: Format,
}

/// An image that was written to a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    pub(crate) format: Format,
    pub(crate) size: u64,
}

/// An image that was saved to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedImage {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) size: u64,
}

impl Download<'_> {
    /// The maximum size of the image in bytes, also for base64 after decoding. Default:
    /// [`ClientBuilder::download_max_size`](crate::ClientBuilder::download_max_size).
    pub fn max_size(mut self, limit: u64) -> Self {
        self.max_size = limit;
        self
    }

    /// The maximum time without data before an attempt fails, also between connecting and the
    /// response head. Default:
    /// [`ClientBuilder::download_stall_timeout`](crate::ClientBuilder::download_stall_timeout).
    pub fn stall_timeout(mut self, limit: Duration) -> Self {
        self.stall_timeout = limit;
        self
    }

    /// Whether [`to_file`](Self::to_file) replaces an existing file. Default: no.
    pub fn overwrite(mut self, yes: bool) -> Self {
        self.overwrite = yes;
        self
    }

    /// Downloads the image to memory.
    ///
    /// # Errors
    ///
    /// [`DownloadError`].
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime with IO and time enabled.
    pub async fn bytes(self) -> Result<DownloadedImage, DownloadError> {
        let result = self.to_memory().await;
        result.map_err(|error| error.about(self.image))
    }

    async fn to_memory(&self) -> Result<DownloadedImage, DownloadError> {
        let Some(decoder) = self.decoder()? else {
            return self.fetched().await;
        };
        match self.decoded(decoder).await {
            Err(error) if self.is_elsewhere(&error) => self.fetched().await,
            result => result,
        }
    }

    /// Fetches the image to memory.
    async fn fetched(&self) -> Result<DownloadedImage, DownloadError> {
        let mut memory = Memory::default();
        let Received { format, .. } = self.fetch(&mut memory).await?;
        let Memory(bytes) = memory;
        Ok(DownloadedImage { bytes, format })
    }

    /// Decodes the image to memory, in a single allocation.
    async fn decoded(&self, mut decoder: Decoder<'_>) -> Result<DownloadedImage, DownloadError> {
        let mut bytes = decoder.room();
        let mut format = None;
        while decoder.next(&mut bytes)? {
            if format.is_none() {
                format = Some(self.format_of(&bytes)?);
            }
            // Decoding a large image takes a while, so let other tasks run.
            tokio::task::yield_now().await;
        }
        match format {
            Some(format) => Ok(DownloadedImage { bytes, format }),
            None => Err(self.no_image(&[]).into()),
        }
    }

    /// Downloads the image to a writer, which is flushed at the end.
    ///
    /// Nothing is written before the content is known to be an image. After an error the
    /// writer may contain the beginning of it; once anything was written, the download is not
    /// retried ([`to_file`](Self::to_file) does retry). The time that the writer takes counts
    /// towards the timeout of all attempts, but not towards the stall timeout.
    ///
    /// # Errors
    ///
    /// [`DownloadError`]; it is [`Writer`](DownloadFailure::Writer) if the writer fails.
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime with IO and time enabled.
    pub async fn to_writer(
        self,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Downloaded, DownloadError> {
        let mut target = Writer::new(writer);
        let result = async {
            let Received { format, size } = self.write_to(&mut target).await?;
            target.finish().await?;
            Ok(Downloaded { format, size })
        };
        result
            .await
            .map_err(|error: DownloadError| error.about(self.image))
    }

    /// Downloads the image to a file, which appears complete or not at all.
    ///
    /// The file gets the extension of its content: it replaces the extension of another image
    /// format, and is appended to any other name, so `out/v1.2` becomes `out/v1.2.png`.
    /// [`SavedImage::path`] returns the final path. An existing file is an error unless
    /// [`overwrite`](Self::overwrite) is set.
    ///
    /// The image is written to a temporary file in the same folder, which is then renamed. The
    /// temporary file is removed after an error, and when the future is dropped.
    ///
    /// # Errors
    ///
    /// [`DownloadError`]; [`NoFolder`](DownloadFailure::NoFolder) before anything is sent,
    /// [`Exists`](DownloadFailure::Exists) as soon as the extension is known.
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime with IO and time enabled.
    pub async fn to_file(self, path: impl AsRef<Path>) -> Result<SavedImage, DownloadError> {
        let result = async {
            let mut target = file::File::new(path.as_ref(), self.overwrite).await?;
            let Received { format, size } = self.write_to(&mut target).await?;
            let path = target.finish().await?;
            Ok(SavedImage { path, format, size })
        };
        result
            .await
            .map_err(|error: DownloadError| error.about(self.image))
    }

    async fn write_to(&self, target: &mut impl Target) -> Result<Received, DownloadError> {
        let Some(decoder) = self.decoder()? else {
            return self.fetch(target).await;
        };
        match self.decode(decoder, target).await {
            Err(error) if target.is_repeatable() && self.is_elsewhere(&error) => {
                self.fetch(target).await
            }
            result => result,
        }
    }

    /// Whether base64 that is not a valid image doesn't matter, because there is also a URL.
    fn is_elsewhere(&self, error: &DownloadError) -> bool {
        let holds_none = matches!(
            error.failure(),
            DownloadFailure::InvalidBase64(_) | DownloadFailure::NotAnImage { .. }
        );
        holds_none && self.url().is_ok()
    }

    /// A decoder, if the image is in the response and not too large.
    fn decoder(&self) -> Result<Option<Decoder<'_>>, DownloadFailure> {
        match self.image.decoder() {
            Some(decoder) if decoder.size() > self.max_size => Err(DownloadFailure::TooLarge {
                limit: self.max_size,
            }),
            decoder => Ok(decoder),
        }
    }

    /// Decodes base64 in chunks.
    async fn decode(
        &self,
        mut decoder: Decoder<'_>,
        target: &mut impl Target,
    ) -> Result<Received, DownloadError> {
        let mut format = None;
        let mut bytes = 0;
        let mut piece = Vec::new();
        while decoder.next(&mut piece)? {
            if format.is_none() {
                let found = self.format_of(&piece)?;
                target.begin(found, Some(decoder.size())).await?;
                format = Some(found);
            }
            target.write(&piece).await?;
            bytes += piece.len() as u64;
            piece.clear();
            // The writer may always be ready, so let other tasks run.
            tokio::task::yield_now().await;
        }
        match format {
            Some(format) => Ok(Received {
                format,
                size: bytes,
            }),
            None => Err(self.no_image(&[]).into()),
        }
    }

    fn format_of(&self, head: &[u8]) -> Result<Format, DownloadFailure> {
        sniff::image_format(head).ok_or_else(|| self.no_image(head))
    }

    fn no_image(&self, head: &[u8]) -> DownloadFailure {
        let head = &head[..head.len().min(sniff::HEAD)];
        DownloadFailure::NotAnImage {
            beginning: fetch::beginning(&self.shared.redactor, head),
            content_type: None,
            content_encoding: None,
        }
    }

    /// Fetches the image from its URL, with retries.
    async fn fetch(&self, target: &mut impl Target) -> Result<Received, DownloadError> {
        let shared = self.shared;
        let fetch = Fetch {
            http: &shared.downloads.http,
            policy: &shared.downloads.policy,
            targets: &shared.downloads.targets,
            redactor: &shared.redactor,
            url: self.url()?,
            file_size: self.image.file_size(),
            max_size: self.max_size,
            stall_timeout: self.stall_timeout,
        };
        let observed = shared.observer.begin_call(Operation::Download, None);
        let budget = &shared.downloads.budget;
        let mut schedule = Schedule::start(&shared.retry, budget);
        let result = async {
            let _runtime = shared.runtimes.enter().await;
            self.attempts(&fetch, target, &mut schedule).await
        };
        let result = result.instrument(observed.span()).await;
        let outcome = match &result {
            Ok(_) => Outcome::Downloaded,
            Err(error) => Outcome::DownloadFailed(error),
        };
        observed.end(&outcome, Some(schedule.attempt()));
        result
    }

    async fn attempts(
        &self,
        fetch: &Fetch<'_>,
        target: &mut impl Target,
        schedule: &mut Schedule<'_>,
    ) -> Result<Received, DownloadError> {
        let shared = self.shared;
        let is_fresh = self.image.age().is_some_and(|age| age <= FRESH);
        let mut delays = FRESH_DELAYS.into_iter();
        loop {
            let observed = shared
                .observer
                .begin(Operation::Download, None, schedule.attempt());
            let attempt = fetch.attempt(target).instrument(observed.span());
            let error = match tokio::time::timeout(schedule.time_left(), attempt).await {
                Ok(Ok(received)) => {
                    shared.downloads.budget.succeeded();
                    observed.end(Outcome::Downloaded, None);
                    return Ok(received);
                }
                Ok(Err(error)) => error,
                Err(_) => DownloadFailure::TimedOut {
                    limit: shared.retry.get_total_timeout(),
                },
            };
            let error = DownloadError::from(error).about(self.image);
            let retry_after = error.retry_after();
            let delay = if !target.is_repeatable() {
                None
            } else if is_fresh && error.may_come_to_be() {
                let delay = delays.next();
                delay.and_then(|delay| schedule.next_extra(delay, retry_after, LEAST))
            } else if error.is_retryable() {
                schedule.next(Cause::TransientDownload, retry_after, LEAST)
            } else {
                None
            };
            observed.end(Outcome::DownloadFailed(&error), delay);
            let Some(delay) = delay else {
                return Err(error);
            };
            tokio::time::sleep(delay).await;
        }
    }

    fn url(&self) -> Result<&str, DownloadFailure> {
        let refused = |url: &str, problem: &str| DownloadFailure::Refused {
            url: url.to_owned(),
            problem: problem.to_owned(),
        };
        let Some(url) = self.image.url() else {
            let problem = "the answer has neither a URL nor base64";
            return Err(refused("an image without a URL", problem));
        };
        let scheme = url.trim_start().get(..5);
        // Keep `data:` URIs out of messages: they can be long.
        match scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
            true => Err(refused("a `data:` URI", "it is not base64")),
            false => Ok(url),
        }
    }
}

/// Getters common to all results of downloads.
macro_rules! content {
    ($($result:ty),*) => {$(
        impl $result {
            /// The media type of the content, such as `image/png`.
            pub fn media_type(&self) -> &'static str {
                self.format.media_type
            }

            /// The extension of the content, such as `png`, without a dot. An existing
            /// extension of the file name with the same meaning is kept, such as `.jpeg` or
            /// `.PNG`.
            pub fn extension(&self) -> &'static str {
                self.format.extension
            }
        }
    )*};
}

content!(DownloadedImage, Downloaded, SavedImage);

impl Downloaded {
    /// The number of bytes written.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl SavedImage {
    /// The path of the file, with the extension of its content.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the file, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl fmt::Debug for Download<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("image", self.image)
            .field("max_size", &self.max_size)
            .field("stall_timeout", &self.stall_timeout)
            .field("overwrite", &self.overwrite)
            .finish_non_exhaustive()
    }
}

/// Shows the size of the image instead of its bytes.
impl fmt::Debug for DownloadedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadedImage")
            .field("bytes", &self.bytes.len())
            .field("format", &self.format)
            .finish()
    }
}
