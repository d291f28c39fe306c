//! Why a job of a batch has no images.

use std::error::Error as StdError;

use thiserror::Error as ThisError;

use crate::error::Error;

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
