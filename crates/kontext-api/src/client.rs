//! The client: one call, one request, one answer.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use progenitor_client::ResponseValue;

use crate::answer::GeneratedImages;
use crate::build_error::BuildError;
use crate::builder::ClientBuilder;
use crate::decode_error::{DecodeError, Problem};
use crate::error::Error;
use crate::generated::{self, limits::GENERATE_IMAGE_REQUEST};
use crate::receive::{End, Pieces, receive};
use crate::redact::Redactor;
use crate::reply::Reply;
use crate::types::GenerateImageRequest;

/// How much of the body of an error is kept, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// A client of the API. Clones are cheap and share their connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    api: generated::Client,
    redactor: Redactor,
    max_answer_bytes: usize,
}

impl Client {
    /// A client from the variables `AIMLAPI_KEY` and, if it is set,
    /// `AIMLAPI_BASE_URL`.
    ///
    /// # Errors
    ///
    /// [`BuildError`], which names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, BuildError> {
        ClientBuilder::from_env()?.build()
    }

    /// A client made step by step.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn new(api: generated::Client, redactor: Redactor, max_answer_bytes: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                api,
                redactor,
                max_answer_bytes,
            }),
        }
    }

    /// Generates images, and waits for them: seconds to minutes.
    ///
    /// The request is checked first, and it is sent once. There are no retries:
    /// the API has no idempotency key, so a request that is sent again may be
    /// paid for twice.
    ///
    /// Dropping the future after the request was sent leaves the outcome
    /// unknown: the image may be made, and charged.
    ///
    /// # Errors
    ///
    /// [`Error`]; its variants say what a caller can do.
    /// [`Error::is_retryable`] and [`Error::may_have_been_charged`] say it in a word.
    pub async fn generate(
        &self,
        request: impl Into<GenerateImageRequest>,
    ) -> Result<GeneratedImages, Error> {
        let request = request.into();
        // The fields are public, so a request can have changed since it was built.
        crate::limits::check(&request, &GENERATE_IMAGE_REQUEST)?;
        let sent = self.shared.api.generate_image(&request).await;
        // The answer can take long and be large: the request's images are not needed any more.
        drop(request);
        match sent {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                self.success(status, headers, response.into_inner_stream())
                    .await
            }
            Err(progenitor_client::Error::UnexpectedResponse(response)) => {
                let (status, headers) = (response.status(), response.headers().clone());
                let pieces = ResponseValue::stream(response).into_inner_stream();
                // Any 2xx is a success: the document had 201 once, and an image was paid for.
                match status.is_success() {
                    true => self.success(status, headers, pieces).await,
                    false => Err(self.refusal(status, headers, pieces).await),
                }
            }
            Err(progenitor_client::Error::CommunicationError(error)) => {
                Err(Error::from_transport(error))
            }
            // The generated code makes no other error for this operation. Should
            // it ever, nobody knows whether the request was sent.
            Err(_) => Err(Error::OutcomeUnknown {
                reply: None,
                source: "the generated client failed".into(),
            }),
        }
    }

    /// Reads an answer that was paid for: whatever goes wrong, it is in the error.
    async fn success(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        pieces: Pieces,
    ) -> Result<GeneratedImages, Error> {
        let limit = self.shared.max_answer_bytes;
        let redactor = self.shared.redactor.clone();
        let received = receive(&headers, pieces, limit).await;
        match received.end {
            End::Whole => {}
            End::TooLong => {
                let reply = Reply::new(status, headers, received.bytes, true, redactor);
                return Err(Error::Decode(DecodeError::new(
                    reply,
                    Problem::TooLarge { limit },
                )));
            }
            End::Broken(error) => {
                let reply = Reply::new(status, headers, received.bytes, true, redactor);
                return Err(Error::OutcomeUnknown {
                    reply: Some(Box::new(reply)),
                    source: Box::new(error),
                });
            }
        }
        let answer = GeneratedImages::from_parts(status, headers, received.bytes, &redactor)?;
        if answer.images().is_empty() {
            return Err(Error::NoImages(Box::new(answer)));
        }
        Ok(answer)
    }

    /// Reads an answer that is an error. One that breaks off is still that error.
    async fn refusal(&self, status: StatusCode, headers: HeaderMap, pieces: Pieces) -> Error {
        let received = receive(&headers, pieces, MAX_ERROR_BYTES).await;
        let is_cut = !matches!(received.end, End::Whole);
        let redactor = self.shared.redactor.clone();
        let reply = Reply::new(status, headers, received.bytes, is_cut, redactor);
        Error::from_reply(reply.read_as_error())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.shared.api.baseurl)
            .finish_non_exhaustive()
    }
}
