//! What unit tests of users need: answers, errors and results that no server sent.

use std::error::Error as StdError;

use http::{HeaderMap, StatusCode};

use crate::batch::{BatchError, BatchResult};
use crate::client::call::ClientRequestId;
use crate::client::telemetry::{Attempt, Operation, Outcome};
use crate::error::Error;
use crate::redact::Redactor;
use crate::response::answer::GeneratedImages;
use crate::response::decode_error::DecodeError;
use crate::response::error_body::Reply;
use crate::response::image::{Image, Parts, Text};

impl GeneratedImages {
    /// Reads an answer as a client does, but for a body without an image, which is taken.
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
}

impl Image {
    /// An image at a URL, of which nothing else is known.
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
    /// The error that an answer outside 2xx is.
    pub fn from_response(status: StatusCode, headers: HeaderMap, body: impl Into<Vec<u8>>) -> Self {
        let reply = Reply::new(status, headers, body.into(), false, Redactor::default());
        Self::from_reply(reply.read_as_error())
    }

    /// A request that was not sent.
    pub fn not_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::NotSent { source, call: None }
    }

    /// A request of unknown outcome.
    pub fn outcome_unknown(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::OutcomeUnknown {
            reply: None,
            source: source.into(),
            call: None,
        }
    }
}

impl<'a> Attempt<'a> {
    /// The only attempt of a call, which took no time. Its fields can be changed.
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

impl BatchError {
    /// A job that the spend limit has no room for.
    pub fn spend_limit(estimate: u64, left: u64) -> Self {
        Self::SpendLimit { estimate, left }
    }

    /// A job that was not sent, because what has to happen before failed.
    pub fn not_started(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::NotStarted { source }
    }

    /// A job of an earlier run whose outcome is unknown.
    pub fn unknown_outcome(client_request_id: ClientRequestId) -> Self {
        Self::UnknownOutcome { client_request_id }
    }
}

#[cfg(feature = "download")]
impl crate::DownloadError {
    /// The error of a download that got an unsuccessful response.
    pub fn from_response(status: StatusCode, headers: HeaderMap, body: impl Into<Vec<u8>>) -> Self {
        let reply = Reply::new(status, headers, body.into(), false, Redactor::default());
        crate::DownloadFailure::Status(Box::new(reply.read_as_error())).into()
    }

    /// The error of a download whose connection failed.
    pub fn transport(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        crate::DownloadFailure::Transport { source }.into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_unit_test_can_make_what_a_client_returns() {
        let headers = HeaderMap::new;
        let body = r#"{"images": [{"url": "https://example.com/1.png"}]}"#;
        let answer = GeneratedImages::from_response(StatusCode::CREATED, headers(), body).unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let image = Image::from_url("https://example.com/1.png");
        assert_eq!(image.url(), answer.images()[0].url());
        assert_eq!((image.width(), image.base64()), (None, None));
        let body = r#"{"message": "slow down"}"#;
        let error = Error::from_response(StatusCode::TOO_MANY_REQUESTS, headers(), body);
        assert!(error.is_retryable() && matches!(error, Error::RateLimited(_)));
        assert_eq!(error.reply().unwrap().message(), Some("slow down"));
        assert!(!Error::not_sent("no network").may_have_been_charged());
        let unknown = Error::outcome_unknown("a reset");
        let attempt = Attempt::new(Operation::GenerateImage, Outcome::Failed(&unknown));
        assert_eq!(attempt.outcome.as_str(), "outcome_unknown");
        let result = BatchResult::new(Err(BatchError::spend_limit(2, 1)));
        assert_eq!(result.result.unwrap_err().kind(), "spend_limit");
    }
}
