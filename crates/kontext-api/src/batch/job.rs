//! What goes into a batch, and what comes out.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use thiserror::Error as ThisError;

use crate::client::call::{ClientRequestId, InBatch};
use crate::error::Error;
use crate::redact::one_line;
use crate::response::answer::GeneratedImages;
use crate::types::GenerateImageRequest;

/// One request of a batch.
///
/// ```
/// # fn f(request: kontext_api::GenerateImageRequest) {
/// use kontext_api::BatchJob;
///
/// let job = BatchJob::new(request).tag("order-7");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a job does nothing before a batch has it"]
pub struct BatchJob {
    pub(crate) request: GenerateImageRequest,
    pub(crate) client_request_id: Option<ClientRequestId>,
    pub(crate) tag: Option<String>,
    pub(crate) resend_unknown: bool,
}

impl BatchJob {
    /// A job that sends this request.
    pub fn new(request: impl Into<GenerateImageRequest>) -> Self {
        Self {
            request: request.into(),
            client_request_id: None,
            tag: None,
            resend_unknown: false,
        }
    }

    /// The id of the call. Default: a random one.
    pub fn client_request_id(mut self, id: ClientRequestId) -> Self {
        self.client_request_id = Some(id);
        self
    }

    /// The caller's name for the job, returned as [`BatchResult::tag`]. A
    /// [journal](crate::BatchBuilder::journal) finds the job by it.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Whether to send the job again where the [journal](crate::BatchBuilder::journal) says
    /// that its outcome is unknown. Default: no. **It may be paid for twice.**
    pub fn resend_unknown(mut self, yes: bool) -> Self {
        self.resend_unknown = yes;
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
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// The [tag](BatchJob::tag) of the job.
    pub tag: Option<String>,
    /// Whether the result is that of an earlier run, from the
    /// [journal](crate::BatchBuilder::journal). Nothing was sent or paid in this one.
    pub is_recorded: bool,
    /// Why the result is not in the [journal](crate::BatchBuilder::journal): keep it yourself,
    /// because a later run takes its outcome for unknown. Nothing more is sent.
    pub journal_error: Option<JournalError>,
    /// The `X-Client-Request-Id` that it was sent with, or would have been. `None` if
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
    /// The job could exceed the client's
    /// [spend limit](crate::ClientBuilder::spend_limit). It was not sent.
    #[error(
        "the job was not sent: its estimated cost is {estimate} credits, and {left} credits of \
         the spend limit are left"
    )]
    #[non_exhaustive]
    SpendLimit {
        /// What the job is estimated to cost, in credits.
        estimate: u64,
        /// What was left of the limit, in credits.
        left: u64,
    },
    /// An earlier run sent the job, and its outcome is unknown: it may have been carried out
    /// and charged. It was not sent again.
    #[error(
        "unknown outcome of an earlier run: the request may have been carried out and charged \
         (client request id {client_request_id}); `BatchJob::resend_unknown` sends it again"
    )]
    #[non_exhaustive]
    UnknownOutcome {
        /// The `X-Client-Request-Id` that it was sent with, for the provider's support.
        client_request_id: ClientRequestId,
    },
    /// The function given to [`BatchBuilder::before_each`](crate::BatchBuilder::before_each)
    /// or the [journal](crate::BatchBuilder::journal) failed. The job was not sent.
    #[error("the job was not sent: the journal or the `before_each` closure failed")]
    #[non_exhaustive]
    NotStarted {
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The batch was stopped while the job waited for room under the spend limit. It was
    /// not sent.
    #[error("the job was not sent: the batch was stopped")]
    Stopped,
    /// The job's task ended without a result: the runtime shut down, or a function
    /// panicked. The outcome is unknown.
    #[error("unknown outcome: the request may have been carried out and charged")]
    #[non_exhaustive]
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
            Self::UnknownOutcome { .. } | Self::Lost { .. } => true,
        }
    }

    /// Whether the same job can be given to another batch without paying twice, and may succeed:
    /// true for a job that was stopped, and for errors of calls with [`Error::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Call(error) => error.is_retryable(),
            Self::Stopped => true,
            Self::SpendLimit { .. }
            | Self::NotStarted { .. }
            | Self::UnknownOutcome { .. }
            | Self::Lost { .. } => false,
        }
    }

    /// The variant in one word, for logs and metrics; that of a call as [`Error::kind`] has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Call(error) => error.kind(),
            Self::SpendLimit { .. } => "spend_limit",
            Self::UnknownOutcome { .. } => "unknown_outcome",
            Self::NotStarted { .. } => "not_started",
            Self::Stopped => "stopped",
            Self::Lost { .. } => "lost",
        }
    }
}

/// Why a journal cannot be used, or does not let a job start.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum JournalError {
    /// The file could not be opened, read or written.
    #[error("cannot use the journal {}", shown(.path))]
    #[non_exhaustive]
    Io {
        /// The journal.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Another batch, here or in another process, has the journal open.
    #[error("the journal {} is in use by another batch", shown(.path))]
    #[non_exhaustive]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// A line of the file is not what a batch writes. A last line that was cut off is no
    /// damage.
    #[error("the journal {}, line {line}: {problem}; restore the file or use a new one", shown(.path))]
    #[non_exhaustive]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The job has no [tag](crate::BatchJob::tag).
    #[error("every job of a batch with a journal needs a tag: set `BatchJob::tag`")]
    NoTag,
    /// An earlier job of this batch has the same tag.
    #[error("another job of this batch has the tag \"{tag}\": give each job its own tag")]
    #[non_exhaustive]
    DuplicateTag {
        /// The tag.
        tag: String,
    },
    /// The journal has the tag with another request, which was or may have been paid for.
    #[error("the journal has the tag \"{tag}\" with another request: give this job another tag")]
    #[non_exhaustive]
    OtherRequest {
        /// The tag.
        tag: String,
    },
}

/// A job that was sent and may have been paid for, without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct UnknownJob {
    /// The job's [tag](crate::BatchJob::tag).
    pub tag: String,
    /// The `X-Client-Request-Id` that it was sent with last, for the provider's support.
    pub client_request_id: ClientRequestId,
}

fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy(), 500)
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BatchProgress {
    /// Jobs in flight.
    pub running: usize,
    /// Jobs that ended with images.
    pub succeeded: usize,
    /// Jobs that were sent, or refused as not valid, and ended with an error.
    pub failed: usize,
    /// Jobs that were taken and not sent: because of the spend limit, the `before_each` closure
    /// or the journal, or because the batch was stopped.
    pub not_sent: usize,
    /// Jobs whose results an earlier run has put into the journal.
    pub recorded: usize,
    /// What has been spent, in credits, as answers name it or else as it is estimated.
    /// What may have been charged counts.
    pub credits_spent: u64,
    /// What the jobs in flight are estimated to cost, in credits.
    pub credits_reserved: u64,
}

impl BatchHandle {
    /// Sends nothing more. Requests in flight finish, and [`Batch::next`](crate::Batch::next)
    /// still returns their results; a call that waits for a retry ends with its last error.
    ///
    /// Requests that the batch has not taken yet have no result. One that was taken and waits
    /// for credits ends with [`BatchError::Stopped`](crate::BatchError::Stopped).
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
