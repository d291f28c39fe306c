//! What goes into a batch, and what comes out.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error as ThisError;

use crate::client::call::{ClientRequestId, InBatch};
use crate::error::Error;
use crate::response::answer::GeneratedImages;
use crate::types::GenerateImageRequest;

/// One request of a batch.
#[derive(Clone, Debug)]
pub struct BatchJob {
    pub(crate) request: GenerateImageRequest,
    pub(crate) client_request_id: Option<ClientRequestId>,
}

impl BatchJob {
    /// A job that sends this request.
    pub fn new(request: impl Into<GenerateImageRequest>) -> Self {
        Self {
            request: request.into(),
            client_request_id: None,
        }
    }

    /// The name of the call, instead of one that the client makes.
    pub fn client_request_id(mut self, id: ClientRequestId) -> Self {
        self.client_request_id = Some(id);
        self
    }
}

impl<T: Into<GenerateImageRequest>> From<T> for BatchJob {
    fn from(request: T) -> Self {
        Self::new(request)
    }
}

/// A job that is about to be sent, as
/// [`BatchBuilder::before_each`](crate::BatchBuilder::before_each) sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct PendingJob<'a> {
    /// Its place among the requests that were given, from 0.
    pub index: usize,
    /// The `X-Client-Request-Id` that it will be sent with.
    pub client_request_id: &'a ClientRequestId,
    /// What will be sent.
    pub request: &'a GenerateImageRequest,
    /// What it is estimated to cost, in credits.
    pub estimate: u64,
}

/// What came of a job.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchResult {
    /// Its place among the requests that were given, from 0.
    pub index: usize,
    /// The `X-Client-Request-Id` that it was sent with, or would have been. Nothing where
    /// it had none and was not looked at any further: because of the spend limit, or
    /// because the batch was stopped.
    pub client_request_id: Option<ClientRequestId>,
    /// The images, or why there are none.
    pub result: Result<GeneratedImages, BatchError>,
}

/// Why a job of a batch has no images.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum BatchError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] Error),
    /// The job could cross the batch's limit. It was not sent.
    #[error(
        "the job was not sent: it is estimated to cost {estimate} credits, and {left} are left of \
         the batch's spend limit"
    )]
    SpendLimit {
        /// What the job is estimated to cost, in credits.
        estimate: u64,
        /// What was left of the limit, in credits.
        left: u64,
    },
    /// The function given to [`BatchBuilder::before_each`](crate::BatchBuilder::before_each)
    /// failed. The job was not sent.
    #[error("the job was not sent, because what has to happen before it failed")]
    NotStarted {
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The batch was stopped while the job waited for room under the spend limit. It was
    /// not sent.
    #[error("the job was not sent, because the batch was stopped")]
    Stopped,
    /// The job's task ended without a result: the runtime shut down, or a function
    /// panicked. The outcome is unknown.
    #[error("the outcome is unknown, the request may have been carried out and charged")]
    Lost {
        /// How the task ended.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl BatchError {
    /// Whether money may have been spent; see [`Error::may_have_been_charged`].
    pub fn may_have_been_charged(&self) -> bool {
        match self {
            Self::Call(error) => error.may_have_been_charged(),
            Self::SpendLimit { .. } | Self::NotStarted { .. } | Self::Stopped => false,
            Self::Lost { .. } => true,
        }
    }
}

/// Stops a batch and shows how far it is, from another task or a signal handler.
#[derive(Clone, Debug, Default)]
pub struct BatchHandle(Arc<State>);

#[derive(Debug, Default)]
struct State {
    shared: InBatch,
    progress: Mutex<BatchProgress>,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchProgress {
    /// Jobs that are under way.
    pub running: usize,
    /// Jobs that ended with images.
    pub succeeded: usize,
    /// Jobs that were sent, or refused as not valid, and ended with an error.
    pub failed: usize,
    /// Jobs that were taken and not sent: because of the spend limit, of the function
    /// before, or because the batch was stopped.
    pub not_sent: usize,
    /// What has been spent, in credits, as answers name it or else as it is estimated.
    /// What may have been charged counts.
    pub credits_spent: u64,
    /// What the jobs under way are estimated to cost, in credits.
    pub credits_reserved: u64,
}

impl BatchHandle {
    /// Sends nothing more. What is under way goes on, and its results still come; a call
    /// that waits to be tried again ends with the error that it has.
    ///
    /// Requests that the batch has not taken yet have no result. One that it has taken
    /// and not sent, because it waits for credits, ends with
    /// [`BatchError::Stopped`](crate::BatchError::Stopped).
    pub fn stop(&self) {
        self.0.shared.stop.cancel();
    }

    /// Whether [`stop`](Self::stop) was called.
    pub fn is_stopped(&self) -> bool {
        self.0.shared.stop.is_cancelled()
    }

    /// How far the batch is.
    pub fn progress(&self) -> BatchProgress {
        *self.lock()
    }

    /// What the calls of the batch share.
    pub(crate) fn shared(&self) -> &InBatch {
        &self.0.shared
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut BatchProgress)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, BatchProgress> {
        // Numbers are whole whatever happened to the thread that held them.
        self.0
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
