//! What can go wrong with a download, and what a caller may do about it.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use http::StatusCode;

use crate::client::retry::is_permanent;
use crate::redact;
use crate::response::error_body::Reply;
use crate::response::image::{Image, InvalidBase64};

/// What a person does after a failure that may pass.
const AGAIN: &str = "the image is paid for and still at its url: download it again";

/// The whole URL of an image. Its Debug print hides it: the query can be a signature.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HiddenUrl(pub(crate) Option<Box<str>>);

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// The error of a download. Nothing was charged for it, and the image itself is as
/// safe as it was before.
///
/// Display is one line without its cause; the cause is in `source()`. Neither Display
/// nor Debug shows a query, a fragment, a user name or the API key, and of what is no
/// image only the beginning. [`url`](Self::url) has the image's whole URL, and
/// [`Reply::body`] and [`Reply::headers`] have everything as it came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The image is base64 in the answer, and that is not valid.
    #[error(transparent)]
    InvalidBase64(#[from] InvalidBase64),
    /// The URL, or one that it redirects to, is not fetched: it is not https, leads to
    /// an address that is not public, has a user name or the API key in it, or is the
    /// fourth redirect. Nothing was sent there.
    #[error("the image's url is refused, {url}: {problem}")]
    Refused {
        /// The URL that is refused, without its query.
        url: String,
        /// What is wrong with it.
        problem: String,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// The answer was not a success. With 403, 404 and 410 the URL of an old answer has
    /// probably expired.
    #[error("the image was not downloaded: {}{}", .0, advice(.0))]
    Status(Box<Reply>),
    /// The image is larger than the limit.
    #[error(
        "the image has more than {limit} bytes, the limit: raise it with `Download::max_bytes` \
         or `ClientBuilder::download_max_bytes`"
    )]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// What came, or what the base64 holds, is no image.
    #[error("what was downloaded is no image: it {}{}{}", begins(.beginning), claims(.content_type), is_coded(.content_encoding))]
    NotAnImage {
        /// Its first bytes, fit for a message: as text in quotes or as hexadecimal
        /// numbers; empty if there are none.
        beginning: String,
        /// The media type that the server gave it.
        content_type: Option<String>,
        /// The coding that it came in, which nobody asked for.
        content_encoding: Option<String>,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// For this long no byte came.
    #[error("no byte of the image came for {limit:?}; {AGAIN}")]
    Stalled {
        /// The limit.
        limit: Duration,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// All attempts together took longer than the retry policy allows.
    #[error("the download took longer than {limit:?}; {AGAIN}")]
    TimedOut {
        /// The limit.
        limit: Duration,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// No connection was made, or it broke.
    #[error("the connection to the image's server failed; {AGAIN}")]
    Transport {
        /// What happened: a `reqwest::Error` without its URL.
        source: Box<dyn StdError + Send + Sync>,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// The body ended before the image did.
    #[error("the image was cut off after {received}{} bytes; {AGAIN}", of(.expected))]
    Cut {
        /// How many bytes came.
        received: u64,
        /// The size of the file, as the answer of the API gives it. Without one, the
        /// image does not end as one of its format does.
        expected: Option<u64>,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// There is a file of that name, and it is not overwritten unless asked.
    #[error("{} exists already: choose another name, or call `Download::overwrite`", shown(.path))]
    Exists {
        /// The name, with the extension that fits the image.
        path: PathBuf,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// The folder that the file would be in does not exist.
    #[error("there is no folder {}: make it first", shown(.path))]
    NoFolder {
        /// The folder.
        path: PathBuf,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// The file could not be written.
    #[error("{} could not be written", shown(.path))]
    File {
        /// The file, or its folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
        #[doc(hidden)]
        image: HiddenUrl,
    },
    /// The caller's writer failed.
    #[error("the image could not be written")]
    Writer {
        /// How it failed.
        source: io::Error,
        #[doc(hidden)]
        image: HiddenUrl,
    },
}

fn of(size: &Option<u64>) -> String {
    size.map(|size| format!(" of {size}")).unwrap_or_default()
}

impl DownloadError {
    /// The image's URL, whole and as the answer has it: the image is paid for, and may
    /// still be there. Nothing where the image has no URL, or only a `data:` URI.
    pub fn url(&self) -> Option<&str> {
        let HiddenUrl(url) = match self {
            Self::InvalidBase64(error) => &error.image,
            Self::Status(reply) => &reply.image,
            Self::Refused { image, .. }
            | Self::TooLarge { image, .. }
            | Self::NotAnImage { image, .. }
            | Self::Stalled { image, .. }
            | Self::TimedOut { image, .. }
            | Self::Transport { image, .. }
            | Self::Cut { image, .. }
            | Self::Exists { image, .. }
            | Self::NoFolder { image, .. }
            | Self::File { image, .. }
            | Self::Writer { image, .. } => image,
        };
        url.as_deref()
    }

    /// The same error, which knows the image that it is about.
    pub(crate) fn about(mut self, of: &Image) -> Self {
        let is_data = |url: &&str| {
            let scheme = url.trim_start().get(..5);
            scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
        };
        let url = of.url().filter(|url| !is_data(url)).map(Into::into);
        let image = match &mut self {
            Self::InvalidBase64(error) => &mut error.image,
            Self::Status(reply) => {
                reply.image_age = of.age();
                &mut reply.image
            }
            Self::Refused { image, .. }
            | Self::TooLarge { image, .. }
            | Self::NotAnImage { image, .. }
            | Self::Stalled { image, .. }
            | Self::TimedOut { image, .. }
            | Self::Transport { image, .. }
            | Self::Cut { image, .. }
            | Self::Exists { image, .. }
            | Self::NoFolder { image, .. }
            | Self::File { image, .. }
            | Self::Writer { image, .. } => image,
        };
        *image = HiddenUrl(url);
        self
    }

    /// Whether the image may only not be there yet.
    pub(crate) fn may_come_to_be(&self) -> bool {
        let status = self.status().map(|status| status.as_u16());
        matches!(status, Some(202 | 403 | 404 | 425))
    }

    /// The variant in one word, for logs and metrics, such as `download_stalled`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidBase64(_) => "download_invalid_base64",
            Self::Refused { .. } => "download_refused",
            Self::Status(_) => "download_status",
            Self::TooLarge { .. } => "download_too_large",
            Self::NotAnImage { .. } => "download_not_an_image",
            Self::Stalled { .. } => "download_stalled",
            Self::TimedOut { .. } => "download_timed_out",
            Self::Transport { .. } => "download_transport",
            Self::Cut { .. } => "download_cut",
            Self::Exists { .. } => "download_exists",
            Self::NoFolder { .. } => "download_no_folder",
            Self::File { .. } => "download_file",
            Self::Writer { .. } => "download_writer",
        }
    }

    /// Whether another attempt may have a chance; a download costs nothing.
    ///
    /// True for a connection that was not made or broke, a stall, a time-out, a cut
    /// body, a 202, a 408, a 425, a 429 and every 5xx. False for a connection that no
    /// attempt makes: a certificate that is not trusted, a proxy that wants a password. The client has tried again already, as its
    /// [`RetryPolicy`](crate::RetryPolicy) says.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Status(reply) => {
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
            Self::Transport { source, .. } => {
                let error = source.downcast_ref();
                !error.is_some_and(reqwest::Error::is_builder) && !is_permanent(&**source)
            }
            Self::Stalled { .. } | Self::TimedOut { .. } | Self::Cut { .. } => true,
            Self::InvalidBase64(_)
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::NotAnImage { .. }
            | Self::Exists { .. }
            | Self::NoFolder { .. }
            | Self::File { .. }
            | Self::Writer { .. } => false,
        }
    }

    /// The answer behind the error, if it is one.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Status(reply) => Some(reply),
            _ => None,
        }
    }

    /// The HTTP status, if the answer was not a success.
    pub fn status(&self) -> Option<StatusCode> {
        self.reply().map(Reply::status)
    }

    /// How long the server asks to wait; at most a day.
    pub fn retry_after(&self) -> Option<Duration> {
        self.reply().and_then(Reply::retry_after)
    }
}

/// What a status means for an image.
fn advice(reply: &Reply) -> String {
    const OLD: Duration = Duration::from_secs(60 * 60);
    match (reply.status().as_u16(), reply.image_age) {
        (202 | 425, _) => "; the image is not there yet: download it again later".to_owned(),
        (401 | 403 | 404 | 410, Some(age)) if age < OLD => {
            "; the answer is recent, so the url has not expired: download it again later".to_owned()
        }
        (401 | 403 | 404 | 410, _) => {
            "; the url has probably expired, and how long one lives is not documented".to_owned()
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
    match content_type {
        Some(content_type) => format!(", its content-type is {content_type}"),
        None => String::new(),
    }
}

fn is_coded(content_encoding: &Option<String>) -> String {
    match content_encoding {
        Some(coding) => format!(", and its content-encoding is {coding}, which nobody asked for"),
        None => String::new(),
    }
}

/// A path on one line.
fn shown(path: &Path) -> String {
    redact::one_line(&path.to_string_lossy(), 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_cheap_to_return() {
        assert!(size_of::<DownloadError>() <= 128);
    }
}
