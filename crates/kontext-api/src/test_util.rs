//! Constructors of responses, errors and results, for unit tests of users.

use std::error::Error as StdError;
use std::path::PathBuf;

use http::{HeaderMap, StatusCode};

use crate::batch::{BatchError, BatchResult, JournalError, PendingJob, UnknownJob};
use crate::client::call::{Call, ClientRequestId};
use crate::client::telemetry::{Attempt, Operation, Outcome};
use crate::error::Error;
use crate::redact::Redactor;
use crate::response::answer::GeneratedImages;
use crate::response::decode_error::DecodeError;
use crate::response::error_body::Reply;
use crate::response::image::{Image, Parts, Text};
use crate::types::GenerateImageRequest;

impl Call {
    /// A call with this many attempts.
    pub fn new(client_request_id: ClientRequestId, attempts: u32) -> Self {
        Self {
            client_request_id,
            attempts,
            earlier_may_be_charged: false,
        }
    }
}

impl GeneratedImages {
    /// Parses a response as a client does, except that a body without an image is accepted.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json).
    pub fn from_response(
        status: StatusCode,
        headers: HeaderMap,
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, DecodeError> {
        Self::from_parts(status, headers, body.into(), &Redactor::default())
    }

    /// Adds a call to the response.
    pub fn with_call(self, call: Call) -> Self {
        self.in_call(call)
    }
}

impl Image {
    /// An image with a URL and no other properties.
    pub fn from_url(url: impl Into<String>) -> Self {
        Self {
            body: Default::default(),
            redactor: Redactor::default(),
            parts: Parts {
                url: Some(Text::Decoded(url.into().into())),
                ..Parts::default()
            },
            received: None,
        }
    }
}

impl Error {
    /// The error for a response outside 2xx.
    pub fn from_response(status: StatusCode, headers: HeaderMap, body: impl Into<Vec<u8>>) -> Self {
        let reply = Reply::new(status, headers, body.into(), false, Redactor::default());
        Self::from_reply(reply.read_as_error())
    }

    /// Adds a call to the error.
    pub fn with_call(self, call: &Call) -> Self {
        self.in_call(call)
    }

    /// The error of a request that could exceed the spend limit.
    pub fn spend_limit(estimate: u64, left: u64) -> Self {
        let call = None;
        Self::SpendLimit {
            estimate,
            left,
            call,
        }
    }

    /// The error of a request that was not sent.
    pub fn not_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::NotSent { source, call: None }
    }

    /// The error of a request whose outcome is unknown.
    pub fn outcome_unknown(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::OutcomeUnknown {
            reply: None,
            source: source.into(),
            call: None,
        }
    }
}

impl<'a> Attempt<'a> {
    /// The only attempt of a call, with a duration of zero. Its fields can be changed.
    pub fn new(operation: Operation, outcome: Outcome<'a>) -> Self {
        Self {
            operation,
            client_request_id: None,
            number: 1,
            duration: Default::default(),
            outcome,
            next_in: None,
        }
    }
}

impl BatchResult {
    /// The result of the first job of a batch. Its fields can be changed.
    pub fn new(result: Result<GeneratedImages, BatchError>) -> Self {
        Self {
            index: 0,
            tag: None,
            is_recorded: false,
            journal_error: None,
            client_request_id: None,
            result,
        }
    }
}

impl<'a> PendingJob<'a> {
    /// The first job of a batch. Its fields can be changed.
    pub fn new(client_request_id: &'a ClientRequestId, request: &'a GenerateImageRequest) -> Self {
        Self {
            index: 0,
            client_request_id,
            request,
            estimate: 0,
        }
    }
}

impl UnknownJob {
    /// A job whose outcome is unknown.
    pub fn new(tag: impl Into<String>, client_request_id: ClientRequestId) -> Self {
        let tag = tag.into();
        Self {
            tag,
            client_request_id,
        }
    }
}

impl JournalError {
    /// The error of a journal that cannot be read or written.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        Self::Io { path, source }
    }
}

impl BatchError {
    /// The error of a job that could exceed the spend limit.
    pub fn spend_limit(estimate: u64, left: u64) -> Self {
        Self::SpendLimit { estimate, left }
    }

    /// The error of a job that was not sent, because a step before that failed.
    pub fn not_started(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::NotStarted { source }
    }

    /// The error of a job whose task ended without a result.
    pub fn lost(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::Lost { source }
    }

    /// The error of a job from an earlier run whose outcome is unknown.
    pub fn unknown_outcome(client_request_id: ClientRequestId) -> Self {
        Self::UnknownOutcome { client_request_id }
    }
}

#[cfg(feature = "download")]
mod download {
    use std::time::Duration;

    use super::*;
    use crate::sniff::{image_format, shown_beginning};
    use crate::{DownloadError, DownloadFailure, Downloaded, DownloadedImage, SavedImage};

    impl DownloadedImage {
        /// A downloaded image; `None` if the bytes don't start like an image.
        pub fn new(bytes: Vec<u8>) -> Option<Self> {
            let format = image_format(&bytes)?;
            Some(Self { bytes, format })
        }
    }

    impl Downloaded {
        /// The result of writing these bytes to a writer; `None` if they don't start like an
        /// image.
        pub fn new(bytes: &[u8]) -> Option<Self> {
            let (format, size) = (image_format(bytes)?, bytes.len() as u64);
            Some(Self { format, size })
        }
    }

    impl SavedImage {
        /// The result of saving these bytes to a file; `None` if they don't start like an
        /// image. No file is created.
        pub fn new(path: impl Into<PathBuf>, bytes: &[u8]) -> Option<Self> {
            let (path, size) = (path.into(), bytes.len() as u64);
            let format = image_format(bytes)?;
            Some(Self { path, format, size })
        }
    }

    impl DownloadError {
        /// The error of a download with an unsuccessful response.
        pub fn from_response(
            status: StatusCode,
            headers: HeaderMap,
            body: impl Into<Vec<u8>>,
        ) -> Self {
            let reply = Reply::new(status, headers, body.into(), false, Redactor::default());
            DownloadFailure::Status(Box::new(reply.read_as_error())).into()
        }

        /// The error of a download whose connection failed.
        pub fn transport(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
            let source = source.into();
            DownloadFailure::Transport { source }.into()
        }

        /// The error of a download that received no data for this long.
        pub fn stalled(limit: Duration) -> Self {
            DownloadFailure::Stalled { limit }.into()
        }

        /// The error of a download whose URL is not allowed.
        pub fn refused(url: impl Into<String>, problem: impl Into<String>) -> Self {
            let (url, problem) = (url.into(), problem.into());
            DownloadFailure::Refused { url, problem }.into()
        }

        /// The error of a download of more than `limit` bytes.
        pub fn too_large(limit: u64) -> Self {
            DownloadFailure::TooLarge { limit }.into()
        }

        /// The error of a download whose content, these bytes, is not an image.
        pub fn not_an_image(bytes: &[u8]) -> Self {
            let beginning = shown_beginning(bytes);
            DownloadFailure::NotAnImage {
                beginning,
                content_type: None,
                content_encoding: None,
            }
            .into()
        }

        /// The error of a download to a file that already exists.
        pub fn exists(path: impl Into<PathBuf>) -> Self {
            let path = path.into();
            DownloadFailure::Exists { path }.into()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn builds_responses_and_errors_for_unit_tests() {
        let headers = HeaderMap::new;
        let body = r#"{"images": [{"url": "https://example.com/1.png"}]}"#;
        let answer = GeneratedImages::from_response(StatusCode::CREATED, headers(), body).unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let image = Image::from_url("https://example.com/1.png");
        assert_eq!(image.url(), answer.images()[0].url());
        assert_eq!((image.width(), image.base64()), (None, None));
        assert_eq!([image], answer.images());
        let call = Call::new(ClientRequestId::new("job-7").unwrap(), 2);
        let of_call = answer.clone().with_call(call.clone());
        assert_eq!(of_call.client_request_id(), Some(call.client_request_id()));
        assert_ne!(of_call, answer);
        let body = r#"{"message": "slow down"}"#;
        let error = Error::from_response(StatusCode::TOO_MANY_REQUESTS, headers(), body);
        assert!(error.is_retryable() && matches!(error, Error::RateLimited(_)));
        assert_eq!(error.reply().unwrap().message(), Some("slow down"));
        assert_eq!(error.with_call(&call).call(), Some(&call));
        assert!(!Error::not_sent("no network").may_have_been_charged());
        let unknown = Error::outcome_unknown("a reset");
        let attempt = Attempt::new(Operation::GenerateImage, Outcome::Failed(&unknown));
        assert_eq!(attempt.outcome.as_str(), "outcome_unknown");
        let result = BatchResult::new(Err(BatchError::spend_limit(2, 1)));
        assert_eq!(result.result.unwrap_err().kind(), "spend_limit");
    }
}
