//! An attempt that has ended, as a hook sees it.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::answer::GeneratedImages;
use crate::download::DownloadError;
use crate::error::Error;
use crate::request_id::ClientRequestId;

/// What an attempt tries to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `generate_image`: a POST that is paid for.
    GenerateImage,
    /// The download of an image, which costs nothing.
    Download,
}

impl Operation {
    /// The name in traces: `generate_image`, `download`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GenerateImage => "generate_image",
            Self::Download => "download",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An attempt that has ended, as [`ClientBuilder::on_attempt`] sees it.
///
/// [`ClientBuilder::on_attempt`]: crate::ClientBuilder::on_attempt
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// What was tried.
    pub operation: Operation,
    /// The `X-Client-Request-Id` of the call; nothing for a download, which has none.
    pub client_request_id: Option<&'a ClientRequestId>,
    /// 1 for the first attempt of a call.
    pub number: u32,
    /// How long it took, from connecting to the last byte.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome<'a>,
    /// When the next attempt of the same call begins, counted from now; nothing if
    /// this was the last. It is not made if the future is dropped, or a batch stopped,
    /// while it waits.
    pub next_in: Option<Duration>,
}

/// How an attempt ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// With images.
    Generated(&'a GeneratedImages),
    /// With an error of the call.
    Failed(&'a Error),
    /// With an image on this side.
    Downloaded,
    /// Without the image; it is still where it was.
    DownloadFailed(&'a DownloadError),
    /// The caller dropped the future. If it was a generation, its outcome is unknown:
    /// the image may be made, and charged.
    Dropped,
}

impl Outcome<'_> {
    /// The name in traces, such as `generated` or `outcome_unknown`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Generated(_) => "generated",
            Self::Failed(error) => error.kind(),
            Self::Downloaded => "downloaded",
            Self::DownloadFailed(error) => error.kind(),
            Self::Dropped => "dropped",
        }
    }

    /// The HTTP status, if an answer arrived that is not an image.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Generated(answer) => Some(answer.status()),
            Self::Failed(error) => error.status(),
            Self::DownloadFailed(error) => error.status(),
            Self::Downloaded | Self::Dropped => None,
        }
    }

    /// The provider's name for the request.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Generated(answer) => answer.request_id(),
            Self::Failed(error) => error.request_id(),
            _ => None,
        }
    }

    /// The cost in credits, as the answer says.
    pub fn credits_used(&self) -> Option<u64> {
        match self {
            Self::Generated(answer) => answer.credits_used(),
            Self::Failed(error) => error.credits_used(),
            _ => None,
        }
    }

    /// The cost in US dollars, as the answer says.
    pub fn usd_spent(&self) -> Option<&str> {
        match self {
            Self::Generated(answer) => answer.usd_spent(),
            Self::Failed(error) => error.usd_spent(),
            _ => None,
        }
    }
}
