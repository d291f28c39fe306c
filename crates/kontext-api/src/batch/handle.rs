//! A batch as it is seen from elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stop::Stop;

/// Stops a batch and shows how far it is, from another task or a signal handler.
#[derive(Clone, Debug, Default)]
pub struct BatchHandle(Arc<State>);

#[derive(Debug, Default)]
struct State {
    stop: Stop,
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
        self.0.stop.say();
    }

    /// Whether [`stop`](Self::stop) was called.
    pub fn is_stopped(&self) -> bool {
        self.0.stop.is_said()
    }

    /// How far the batch is.
    pub fn progress(&self) -> BatchProgress {
        *self.lock()
    }

    /// What ends the calls that wait to be tried again.
    pub(crate) fn stop_of_calls(&self) -> Stop {
        self.0.stop.clone()
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
