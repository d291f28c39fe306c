//! The client: calls, their attempts and their responses.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use progenitor_client::ResponseValue;
use tracing::Instrument;

use crate::client::build_error::BuildError;
use crate::client::builder::ClientBuilder;
use crate::client::call::{Call, CallOptions, ClientRequestId, InBatch};
use crate::client::credits::{CreditBudget, Credits, Reservation};
use crate::client::hooks::AttemptHooks;
use crate::client::receive::{End, Pieces, receive};
use crate::client::retry::{Budget, Cause, RetryPolicy, Schedule};
use crate::client::runtimes::Runtimes;
use crate::client::telemetry::{Observer, Operation, Outcome};
#[cfg(feature = "download")]
use crate::download::Downloads;
use crate::error::Error;
use crate::generated;
use crate::redact::Redactor;
use crate::response::answer::GeneratedImages;
use crate::response::decode_error::{DecodeError, Problem};
use crate::response::error_body::Reply;
use crate::types::GenerateImageRequest;

pub(crate) mod base_url;
pub(crate) mod build_error;
pub(crate) mod builder;
pub(crate) mod call;
pub(crate) mod credits;
pub(crate) mod hooks;
pub(crate) mod http_client;
pub(crate) mod rate_limit;
mod receive;
pub(crate) mod retry;
pub(crate) mod runtimes;
pub(crate) mod telemetry;

/// How much of an error body to keep, in bytes.
const MAX_ERROR_SIZE: usize = 64 * 1024;

/// The timeout for the body of an error response, after its head.
const ERROR_BODY_TIME: Duration = Duration::from_secs(10);

/// An API client. Clones are cheap and share connections, retry budget and spend limit.
///
/// Use it in one tokio runtime if possible: connections belong to the runtime that opened
/// them. A call in another runtime may wait up to 5 s, until idle connections of a runtime
/// that is not running (for example between two `block_on`) have expired.
///
/// ```no_run
/// # async fn f(request: kontext_api::GenerateImageRequest) -> Result<(), Box<dyn std::error::Error>> {
/// let client = kontext_api::Client::from_env()?;
/// let answer = client.generate(request).await?;
/// println!("{:?}, {:?} credits spent", answer.images(), client.credits().spent);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

/// The state that clones of a client share.
pub(crate) struct Shared {
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: String,
    pub(crate) redactor: Redactor,
    pub(crate) max_response_size: usize,
    pub(crate) attempt_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: Budget,
    pub(crate) credits: Arc<CreditBudget>,
    #[cfg(feature = "download")]
    pub(crate) downloads: Downloads,
    pub(crate) observer: Observer,
    pub(crate) runtimes: Runtimes,
}

/// The head of a response, with its body as a stream.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
    pieces: Pieces,
}

impl Client {
    /// Creates a client from the environment variables `AIMLAPI_KEY`, `AIMLAPI_BASE_URL`
    /// (optional) and `AIMLAPI_ALLOW_PLAIN_HTTP_TO` (optional); see
    /// [`ClientBuilder::from_env`].
    ///
    /// # Errors
    ///
    /// [`BuildError`], which names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, BuildError> {
        ClientBuilder::from_env()?.build()
    }

    /// A builder with the default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A unique client request id.
    pub(crate) fn new_client_request_id(&self) -> ClientRequestId {
        ClientRequestId::random()
    }

    /// The credits that this client and its clones have spent, and their
    /// [spend limit](ClientBuilder::spend_limit).
    pub fn credits(&self) -> Credits {
        self.shared.credits.credits()
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Generates images and waits for them, which takes seconds to minutes.
    ///
    /// The request is validated first. It is retried only if it was certainly not processed:
    /// the API has no idempotency key, so a request sent twice may be paid for twice; see
    /// [`RetryPolicy`].
    ///
    /// **Dropping the future** after the request was sent (a `select!`, a timeout around it,
    /// an aborted task) leaves the outcome unknown: the image may be generated and charged.
    /// The client then logs a warning with the client request id and calls
    /// [`ClientBuilder::on_attempt`].
    ///
    /// # Errors
    ///
    /// [`Error`]; see [what to do](crate::errors).
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime with IO and time enabled.
    pub async fn generate(
        &self,
        request: impl Into<GenerateImageRequest>,
    ) -> Result<GeneratedImages, Error> {
        self.generate_with(request, CallOptions::default()).await
    }

    /// Like [`generate`](Self::generate), with options for this call.
    ///
    /// # Errors
    ///
    /// As [`generate`](Self::generate).
    ///
    /// # Panics
    ///
    /// As [`generate`](Self::generate).
    pub async fn generate_with(
        &self,
        request: impl Into<GenerateImageRequest>,
        options: CallOptions,
    ) -> Result<GeneratedImages, Error> {
        self.call(request.into(), options, None).await
    }

    /// Makes a call, either alone or in a batch, which has already reserved its credits.
    pub(crate) async fn call(
        &self,
        request: GenerateImageRequest,
        options: CallOptions,
        batch: Option<(InBatch, Reservation)>,
    ) -> Result<GeneratedImages, Error> {
        let call = Call {
            client_request_id: options
                .client_request_id
                .clone()
                .unwrap_or_else(|| self.new_client_request_id()),
            attempts: 0,
            earlier_may_be_charged: false,
        };
        let id = call.client_request_id.clone();
        let observer = &self.shared.observer;
        let observed = observer.begin_call(Operation::GenerateImage, Some(&id));
        let attempts = async {
            let _runtime = self.shared.runtimes.enter().await;
            self.attempts(request, call, options, batch).await
        };
        let result = attempts.instrument(observed.span()).await;
        match &result {
            Ok(answer) => observed.end(
                &Outcome::Generated(answer),
                answer.call().map(Call::attempts),
            ),
            Err(error) => observed.end(&Outcome::Failed(error), error.call().map(Call::attempts)),
        }
        result
    }

    /// Makes attempts until one succeeds or a retry is not safe.
    async fn attempts(
        &self,
        request: GenerateImageRequest,
        mut call: Call,
        options: CallOptions,
        batch: Option<(InBatch, Reservation)>,
    ) -> Result<GeneratedImages, Error> {
        let shared = &*self.shared;
        // The fields are public, so the request may have changed since it was built.
        let checked = request.check();
        checked.map_err(|invalid| Error::from(invalid).in_call(&call))?;
        let (batch, mut reservation) = match batch {
            Some((batch, reservation)) => (Some(batch), reservation),
            None => {
                let estimate = shared.credits.estimate(&request);
                let reserved = shared.credits.reserve(estimate);
                let reservation = reserved.map_err(|left| Error::SpendLimit {
                    estimate,
                    left,
                    call: Some(call.clone()),
                })?;
                (None, reservation)
            }
        };
        let mut schedule = Schedule::start(&shared.retry, &shared.budget);
        let longest = match options.timeout {
            Some(limit) => {
                schedule.ends_after(limit);
                limit
            }
            None => shared.attempt_timeout,
        };
        // An attempt that starts just before the deadline would be cut off, with an unknown
        // outcome.
        let least = longest.min(shared.attempt_timeout) / 2;
        let id = call.client_request_id.clone();
        loop {
            call.attempts += 1;
            let sent_at = tokio::time::Instant::now();
            let observed =
                shared
                    .observer
                    .begin(Operation::GenerateImage, Some(&id), call.attempts);
            let left = schedule.time_left();
            let time = (left.min(longest) != shared.attempt_timeout).then_some(left.min(longest));
            reservation.attempt_begins();
            let sent = self.send(&request, &id, time, &options.headers);
            let error = match sent.instrument(observed.span()).await {
                // Any 2xx is a success and was paid for; the spec once documented 201.
                Ok(head) if head.status.is_success() => {
                    // Free the request's images before reading the response, which can be
                    // large.
                    drop(request);
                    let result = self.success(head).instrument(observed.span()).await;
                    let result = match result {
                        Ok(answer) => Ok(answer.in_call(call)),
                        Err(error) => Err(error.in_call(&call)),
                    };
                    reservation.attempt_ended(result.as_ref());
                    match &result {
                        Ok(answer) => {
                            if let Some(batch) = &batch {
                                batch.rate_limit.lifted();
                            }
                            shared.budget.succeeded();
                            observed.end(Outcome::Generated(answer), None);
                        }
                        Err(error) => observed.end(Outcome::Failed(error), None),
                    }
                    return result;
                }
                Ok(head) => self.refusal(head).instrument(observed.span()).await,
                Err(error) => error,
            };
            let error = error.in_call(&call);
            reservation.attempt_ended(Err(&error));
            let (cause, retry_after) = (error.cause(), error.retry_after());
            if let Some(batch) = &batch
                && error.status().is_some()
                && !matches!(error, Error::RateLimited(_))
            {
                batch.rate_limit.lifted();
            }
            let delay = match (&batch, cause) {
                (Some(batch), Some(Cause::RateLimited)) => {
                    let rate_limit = &batch.rate_limit;
                    rate_limit.refused(&shared.retry, sent_at, retry_after)
                }
                _ => cause.and_then(|cause| schedule.next(cause, retry_after, least)),
            };
            observed.end(Outcome::Failed(&error), delay);
            let Some(delay) = delay else {
                return Err(error);
            };
            call.earlier_may_be_charged = error.may_have_been_charged();
            let Some(batch) = &batch else {
                tokio::time::sleep(delay).await;
                continue;
            };
            let begin = Instant::now();
            if !batch.wait(delay).await {
                return Err(error);
            }
            // A pause of the batch does not count towards the call's timeout.
            let own = match cause {
                Some(Cause::RateLimited) => Duration::ZERO,
                _ => delay,
            };
            schedule.extend(begin.elapsed().saturating_sub(own));
        }
    }

    /// Sends the request once and waits for the response head.
    async fn send(
        &self,
        request: &GenerateImageRequest,
        id: &ClientRequestId,
        time: Option<Duration>,
        headers: &HeaderMap,
    ) -> Result<Head, Error> {
        let shared = &*self.shared;
        let api = generated::Client {
            baseurl: shared.base_url.clone(),
            client: shared.http.clone(),
            inner: AttemptHooks::new(id.header().clone(), time, headers.clone()),
        };
        let response = match api.generate_image(request).await {
            Ok(response) => response,
            Err(progenitor_client::Error::UnexpectedResponse(response)) => {
                ResponseValue::stream(response)
            }
            Err(progenitor_client::Error::CommunicationError(error)) => {
                return Err(Error::from_transport(error));
            }
            // The generated code returns no other errors for this operation. If it does, it is
            // unknown whether the request was sent.
            Err(_) => {
                return Err(Error::OutcomeUnknown {
                    reply: None,
                    source: "the generated client failed".into(),
                    call: None,
                });
            }
        };
        Ok(Head {
            status: response.status(),
            headers: api.inner.into_headers(),
            pieces: response.into_inner_stream(),
        })
    }

    /// Reads a response that was paid for, so every error contains it.
    async fn success(&self, head: Head) -> Result<GeneratedImages, Error> {
        let Head {
            status,
            headers,
            pieces,
        } = head;
        let limit = self.shared.max_response_size;
        let redactor = self.shared.redactor.clone();
        let received = receive(&headers, pieces, limit, None).await;
        match received.end {
            End::Complete => {}
            End::TooLong => {
                let reply = Reply::new(status, headers, received.bytes, true, redactor);
                return Err(Error::Decode(DecodeError::new(
                    reply,
                    Problem::TooLarge { limit },
                )));
            }
            End::Broken(source) => {
                let reply = Reply::new(status, headers, received.bytes, true, redactor);
                return Err(Error::OutcomeUnknown {
                    reply: Some(Box::new(reply)),
                    source,
                    call: None,
                });
            }
        }
        let answer = GeneratedImages::from_parts(status, headers, received.bytes, &redactor)?;
        if answer.images().is_empty() {
            return Err(Error::NoImages(Box::new(answer)));
        }
        Ok(answer.received_now())
    }

    /// Reads an error response. If the body breaks off, it is still the same error.
    async fn refusal(&self, head: Head) -> Error {
        let Head {
            status,
            headers,
            pieces,
        } = head;
        // The status is enough to act on; the message is not worth a long wait.
        let patience = ERROR_BODY_TIME.min(self.shared.attempt_timeout / 4);
        let deadline = Instant::now() + patience;
        let received = receive(&headers, pieces, MAX_ERROR_SIZE, Some(deadline.into())).await;
        let is_cut = !matches!(received.end, End::Complete);
        let redactor = self.shared.redactor.clone();
        let reply = Reply::new(status, headers, received.bytes, is_cut, redactor);
        Error::from_reply(reply.read_as_error())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.shared.base_url)
            .finish_non_exhaustive()
    }
}
