//! Errors of downloads, and what to do about them.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use http::StatusCode;

use crate::client::retry::is_permanent;
use crate::redact;
use crate::response::error_body::Reply;
use crate::response::image::{Image, InvalidBase64Error};

/// What to do after a transient failure.
const AGAIN: &str = "the image is paid for and still at its URL: download it again";

/// The error of a download, which costs nothing. [What to do](crate::errors) about each.
///
/// Display is one line without the cause, which `source()` returns. Display and Debug omit
/// queries, fragments, user names and the API key, and show only the beginning of content that
/// is not an image. [`url`](Self::url) returns the image's complete URL, and [`Reply::body`]
/// and [`Reply::headers`] return everything as received.
pub struct DownloadError {
    failure: DownloadFailure,
    url: Option<Box<str>>,
    /// The age of the response with the image.
    age: Option<Duration>,
}

/// The reason for a failed download, from [`DownloadError::failure`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadFailure {
    /// The image is base64 in the response, and the base64 is invalid.
    #[error(transparent)]
    InvalidBase64(#[from] InvalidBase64Error),
    /// The URL, or a redirect, is not allowed: it is missing, invalid or not https, leads to
    /// an address that is not public, contains a user name or the API key, or is the fourth
    /// redirect. Nothing was sent there.
    #[error("refused to download {url}: {problem}")]
    #[non_exhaustive]
    Refused {
        /// The rejected URL, without its query.
        url: String,
        /// The reason.
        problem: String,
    },
    /// The response was not a success, was a 206, or was a 202 without an image. With 403, 404
    /// and 410 the URL of an old response has probably expired.
    #[error("the image was not downloaded: {0}")]
    Status(Box<Reply>),
    /// The image is larger than the limit.
    #[error(
        "the image is larger than the limit of {limit} bytes: raise it with \
         `Download::max_size` or `ClientBuilder::download_max_size`"
    )]
    #[non_exhaustive]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The downloaded or decoded content is not an image.
    #[error("the downloaded content is not an image: it {}{}{}", begins(.beginning), claims(.content_type), is_coded(.content_encoding))]
    #[non_exhaustive]
    NotAnImage {
        /// Its first bytes, for a message: text in quotes, or hexadecimal; empty if there are
        /// none.
        beginning: String,
        /// The `content-type` header.
        content_type: Option<String>,
        /// The `content-encoding` header, if it is not `identity`. The client did not request
        /// it.
        content_encoding: Option<String>,
    },
    /// No data arrived within the stall timeout.
    #[error("no data of the image arrived for {limit:?}; {AGAIN}")]
    #[non_exhaustive]
    Stalled {
        /// The timeout.
        limit: Duration,
    },
    /// All attempts together exceeded the timeout of the retry policy.
    #[error("the download took longer than {limit:?}; {AGAIN}")]
    #[non_exhaustive]
    TimedOut {
        /// The timeout.
        limit: Duration,
    },
    /// No connection was made, or it broke.
    #[error("the connection to the image's server failed; {AGAIN}")]
    #[non_exhaustive]
    Transport {
        /// The cause: a `reqwest::Error` without its URL.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The body is truncated.
    #[error("the image was cut off after {received}{} bytes; {AGAIN}", of(.expected))]
    #[non_exhaustive]
    Cut {
        /// The number of bytes received.
        received: u64,
        /// The size of the file, from the API's response. `None` if that has no size, and the
        /// image does not end as its format requires.
        expected: Option<u64>,
    },
    /// The file exists, and [`Download::overwrite`](crate::Download::overwrite) is not set.
    #[error("{} exists already: choose another name, or call `Download::overwrite`", shown(.path))]
    #[non_exhaustive]
    Exists {
        /// The path, with the extension of the image.
        path: PathBuf,
    },
    /// The folder for the file does not exist.
    #[error("the folder {} does not exist: create it first", shown(.path))]
    #[non_exhaustive]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file could not be written.
    #[error("cannot write {}", shown(.path))]
    #[non_exhaustive]
    File {
        /// The path of the file or of its folder.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The caller's writer failed.
    #[error("cannot write the image")]
    #[non_exhaustive]
    Writer {
        /// The writer's error.
        source: io::Error,
    },
}

fn of(size: &Option<u64>) -> String {
    size.map(|size| format!(" of {size}")).unwrap_or_default()
}

impl<T: Into<DownloadFailure>> From<T> for DownloadError {
    fn from(failure: T) -> Self {
        Self {
            failure: failure.into(),
            url: None,
            age: None,
        }
    }
}

impl fmt::Display for DownloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)?;
        match &self.failure {
            DownloadFailure::Status(reply) => f.write_str(&advice(reply, self.age)),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for DownloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl StdError for DownloadError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.failure.source()
    }
}

impl DownloadError {
    /// The reason for the failure.
    pub fn failure(&self) -> &DownloadFailure {
        &self.failure
    }

    /// The image's complete URL, as in the response: the image is paid for, and may still be
    /// there. `None` if the image has no URL, or only a `data:` URI.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Adds the image's URL and age to the error.
    pub(crate) fn about(mut self, of: &Image) -> Self {
        let is_data = |url: &&str| {
            let scheme = url.trim_start().get(..5);
            scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
        };
        self.url = of.url().filter(|url| !is_data(url)).map(Into::into);
        self.age = of.age();
        self
    }

    /// Whether the image may just not be available yet.
    pub(crate) fn may_come_to_be(&self) -> bool {
        let status = self.status().map(|status| status.as_u16());
        matches!(status, Some(202 | 403 | 404 | 425))
    }

    /// The name of the variant, for logs and metrics, such as `download_stalled`.
    pub fn kind(&self) -> &'static str {
        match &self.failure {
            DownloadFailure::InvalidBase64(_) => "download_invalid_base64",
            DownloadFailure::Refused { .. } => "download_refused",
            DownloadFailure::Status(_) => "download_status",
            DownloadFailure::TooLarge { .. } => "download_too_large",
            DownloadFailure::NotAnImage { .. } => "download_not_an_image",
            DownloadFailure::Stalled { .. } => "download_stalled",
            DownloadFailure::TimedOut { .. } => "download_timed_out",
            DownloadFailure::Transport { .. } => "download_transport",
            DownloadFailure::Cut { .. } => "download_cut",
            DownloadFailure::Exists { .. } => "download_exists",
            DownloadFailure::NoFolder { .. } => "download_no_folder",
            DownloadFailure::File { .. } => "download_file",
            DownloadFailure::Writer { .. } => "download_writer",
        }
    }

    /// Whether another attempt may succeed; a download costs nothing.
    ///
    /// True for a failed connection, a stall, a timeout, a truncated body, a 202, a 408, a
    /// 425, a 429 and every 5xx. False for a connection that can never be made: an untrusted
    /// certificate, a proxy that requires a password. The client has already retried according
    /// to its [`RetryPolicy`](crate::RetryPolicy).
    pub fn is_retryable(&self) -> bool {
        match &self.failure {
            DownloadFailure::Status(reply) => {
                let status = reply.status();
                status.is_server_error()
                    || matches!(
                        status,
                        StatusCode::ACCEPTED
                            | StatusCode::REQUEST_TIMEOUT
                            | StatusCode::TOO_EARLY
                            | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            DownloadFailure::Transport { source, .. } => {
                let error = source.downcast_ref();
                !error.is_some_and(reqwest::Error::is_builder) && !is_permanent(&**source)
            }
            DownloadFailure::Stalled { .. }
            | DownloadFailure::TimedOut { .. }
            | DownloadFailure::Cut { .. } => true,
            DownloadFailure::InvalidBase64(_)
            | DownloadFailure::Refused { .. }
            | DownloadFailure::TooLarge { .. }
            | DownloadFailure::NotAnImage { .. }
            | DownloadFailure::Exists { .. }
            | DownloadFailure::NoFolder { .. }
            | DownloadFailure::File { .. }
            | DownloadFailure::Writer { .. } => false,
        }
    }

    /// The response, if the failure is [`Status`](DownloadFailure::Status).
    pub fn reply(&self) -> Option<&Reply> {
        match &self.failure {
            DownloadFailure::Status(reply) => Some(reply),
            _ => None,
        }
    }

    /// The HTTP status, if the failure is [`Status`](DownloadFailure::Status).
    pub fn status(&self) -> Option<StatusCode> {
        self.reply().map(Reply::status)
    }

    /// The server's `Retry-After`, at most 24 hours.
    pub fn retry_after(&self) -> Option<Duration> {
        self.reply().and_then(Reply::retry_after)
    }
}

/// What a status means for an image, for the message.
fn advice(reply: &Reply, age: Option<Duration>) -> String {
    const OLD: Duration = Duration::from_secs(60 * 60);
    match (reply.status().as_u16(), age) {
        (202 | 425, _) => "; the image is not ready yet: download it again later".to_owned(),
        (401 | 403 | 404 | 410, Some(age)) if age < OLD => {
            "; the answer is recent, so the URL has not expired: download it again later".to_owned()
        }
        (401 | 403 | 404 | 410, _) => {
            "; the URL has probably expired (for how long URLs are valid is not documented)"
                .to_owned()
        }
        (408 | 429 | 500..=599, _) => format!("; {AGAIN}"),
        _ => String::new(),
    }
}

fn begins(beginning: &str) -> String {
    match beginning {
        "" => "is empty".to_owned(),
        beginning => format!("begins with {beginning}"),
    }
}

fn claims(content_type: &Option<String>) -> String {
    let claim = content_type.as_ref();
    let claim = claim.map(|content_type| format!(", its content-type is {content_type}"));
    claim.unwrap_or_default()
}

fn is_coded(content_encoding: &Option<String>) -> String {
    let coding = content_encoding.as_ref().map(|coding| {
        format!(", and its content-encoding is {coding}, which the client did not request")
    });
    coding.unwrap_or_default()
}

/// A path on one line.
fn shown(path: &Path) -> String {
    redact::one_line(&path.to_string_lossy(), 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_small() {
        assert!(size_of::<DownloadError>() <= 128);
    }
}
