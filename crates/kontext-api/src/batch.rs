//! Many requests, a few at a time.

use std::collections::{HashMap, HashSet};
use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::runtime::Handle;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument, warn};

use crate::client::Client;
use crate::client::call::{CallOptions, ClientRequestId};
use crate::client::credits::Reservation;
use crate::error::Error;
use crate::response::answer::GeneratedImages;

mod builder;
mod job;
mod journal;

pub use builder::BatchBuilder;
use builder::BeforeEach;
pub use job::{
    BatchError, BatchHandle, BatchJob, BatchProgress, BatchResult, JournalError, PendingJob,
    UnknownJob,
};
use journal::{Journal, Standing};

/// How a call ended, and why that is not in the journal.
type Ended = (Result<GeneratedImages, Error>, Option<JournalError>);

/// A journal, which the tasks of a batch write to as they end.
type SharedJournal = Arc<Mutex<Journal>>;

/// A running batch; see [`Client::batch`].
///
/// It is a `Stream` too, and needs a tokio runtime. New requests are sent only while
/// [`next`](Self::next) is awaited; those in flight continue without it.
///
/// **Dropping it** drops requests in flight, whose outcome is then unknown: images may be made,
/// and charged. [`BatchHandle::stop`] sends nothing more and lets them finish.
#[must_use = "a batch does nothing unless its results are taken"]
pub struct Batch {
    client: Client,
    jobs: Box<dyn Iterator<Item = BatchJob> + Send>,
    /// A job that was taken and waits for room.
    next_job: Option<Waiting>,
    taken: usize,
    concurrency: usize,
    before_each: Option<BeforeEach>,
    journal: Option<SharedJournal>,
    /// The tags of the jobs that were taken, where there is a journal.
    tags: HashSet<String>,
    tasks: JoinSet<Ended>,
    running: HashMap<Id, Running>,
    handle: BatchHandle,
    /// Ends when a rate limit does, or when the batch is stopped.
    pausing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// A job that was taken and not sent.
struct Waiting {
    index: usize,
    job: BatchJob,
    estimate: u64,
    /// The hash of the request, where there is a journal.
    hash: String,
}

/// A job that was sent.
struct Running {
    index: usize,
    tag: Option<String>,
    client_request_id: ClientRequestId,
    estimate: u64,
}

impl Batch {
    /// The next result, in the order in which requests end. `None` when all have.
    ///
    /// It is cancellation-safe: the next call continues.
    ///
    /// # Panics
    ///
    /// If a rate limit pauses the batch and it is polled outside of a tokio runtime with a clock.
    pub async fn next(&mut self) -> Option<BatchResult> {
        poll_fn(|context| self.poll_result(context)).await
    }

    /// To stop the batch, and to see how far it is, from elsewhere.
    pub fn handle(&self) -> BatchHandle {
        self.handle.clone()
    }

    /// How far it is.
    pub fn progress(&self) -> BatchProgress {
        self.handle.progress()
    }

    fn poll_result(&mut self, context: &mut Context<'_>) -> Poll<Option<BatchResult>> {
        loop {
            // What is paid for comes first: an endless row of jobs that are not sent
            // must not stand before it.
            if let Poll::Ready(Some(ended)) = self.tasks.poll_join_next_with_id(context) {
                match self.ended(ended) {
                    Some(result) => return Poll::Ready(Some(result)),
                    None => continue,
                }
            }
            if self.poll_pause(context).is_pending() {
                // At the end there is nothing to wait for.
                if self.tasks.is_empty() && self.next_job.is_none() {
                    match self.take() {
                        Some(Ok(waiting)) => self.next_job = Some(waiting),
                        None => return Poll::Ready(None),
                        Some(Err(result)) => return Poll::Ready(Some(*result)),
                    }
                }
                return Poll::Pending;
            }
            // A job that is not sent is a result at once.
            let before = self.tasks.len();
            if let Some(result) = self.start_more() {
                return Poll::Ready(Some(result));
            }
            match self.tasks.len() {
                0 => return Poll::Ready(None),
                // Those that were sent now have to be polled once to be heard of.
                after if after > before => {}
                _ => return Poll::Pending,
            }
        }
    }

    /// Ready when no rate limit keeps jobs from being sent, or when the batch is stopped.
    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let shared = self.handle.shared();
            let Some(left) = shared
                .rate_limit
                .pause()
                .filter(|_| !self.handle.is_stopped())
            else {
                self.pausing = None;
                return Poll::Ready(());
            };
            let stopped = shared.stop.clone().cancelled_owned();
            let pausing = self.pausing.get_or_insert_with(|| {
                Box::pin(async move {
                    let _ = timeout(left, stopped).await;
                })
            });
            ready!(pausing.as_mut().poll(context));
            self.pausing = None;
        }
    }

    /// Sends jobs while there is room for them. Gives back one that can't be sent.
    fn start_more(&mut self) -> Option<BatchResult> {
        while self.tasks.len() < self.concurrency {
            if self.handle.is_stopped() {
                let waiting = self.next_job.take()?;
                return Some(self.not_sent(waiting, BatchError::Stopped));
            }
            let next = self.next_job.take().map(Ok).or_else(|| self.take());
            let waiting = match next {
                Some(Ok(waiting)) => waiting,
                None => return None,
                Some(Err(result)) => return Some(*result),
            };
            let estimate = waiting.estimate;
            let reservation = match self.client.shared.credits.reserve(estimate) {
                Ok(reservation) => reservation,
                Err(_) if !self.tasks.is_empty() => {
                    // Those in flight may turn out to cost less.
                    self.next_job = Some(waiting);
                    return None;
                }
                Err(left) => {
                    let error = BatchError::SpendLimit { estimate, left };
                    return Some(self.not_sent(waiting, error));
                }
            };
            if let Some(result) = self.send(waiting, reservation) {
                return Some(result);
            }
        }
        None
    }

    /// The next job, or the result of one that needs no call. A panic is the iterator's end:
    /// what is in flight is worth more.
    fn take(&mut self) -> Option<Result<Waiting, Box<BatchResult>>> {
        let jobs = &mut self.jobs;
        let job = match catch_unwind(AssertUnwindSafe(|| jobs.next())) {
            Ok(Some(job)) => job,
            Ok(None) => return None,
            Err(_) => {
                self.jobs = Box::new(std::iter::empty());
                return Some(Err(Box::new(self.no_job())));
            }
        };
        let index = self.taken;
        self.taken += 1;
        let estimate = self.client.shared.credits.estimate(&job.request);
        let mut waiting = Waiting {
            index,
            job,
            estimate,
            hash: String::new(),
        };
        let result = match self.look_up(&mut waiting) {
            Ok(Standing::New) => return Some(Ok(waiting)),
            Ok(Standing::Answered(answer, id)) => {
                self.handle.update(|progress| progress.recorded += 1);
                BatchResult {
                    index,
                    tag: waiting.job.tag,
                    is_recorded: true,
                    journal_error: None,
                    client_request_id: Some(id),
                    result: answer.map_err(BatchError::Call),
                }
            }
            Ok(Standing::Unknown(client_request_id)) => {
                waiting.job.client_request_id = Some(client_request_id.clone());
                self.not_sent(waiting, BatchError::UnknownOutcome { client_request_id })
            }
            Err(source) => {
                let source = source.into();
                self.not_sent(waiting, BatchError::NotStarted { source })
            }
        };
        Some(Err(Box::new(result)))
    }

    /// What the journal says of a job.
    fn look_up(
        &mut self,
        Waiting { job, hash, .. }: &mut Waiting,
    ) -> Result<Standing, JournalError> {
        let Some(journal) = &self.journal else {
            return Ok(Standing::New);
        };
        let tag = job.tag.as_ref().ok_or(JournalError::NoTag)?;
        if !self.tags.insert(tag.clone()) {
            let tag = tag.clone();
            return Err(JournalError::DuplicateTag { tag });
        }
        let mut journal = lock(journal);
        *hash = journal.hash(&job.request)?;
        journal.look_up(tag, hash, job.resend_unknown)
    }

    fn is_running(&self, tag: &str) -> bool {
        let mut running = self.running.values();
        running.any(|running| running.tag.as_deref() == Some(tag))
    }

    /// The jobs of the [journal](BatchBuilder::journal) that were sent by this batch or an
    /// earlier one, may have been paid for, and have no answer. Those in flight are
    /// not among them.
    pub fn unknown(&self) -> Vec<UnknownJob> {
        match &self.journal {
            Some(journal) => lock(journal).unknown(|tag| self.is_running(tag)),
            None => Vec::new(),
        }
    }

    /// The job that there would have been, had the iterator not panicked.
    fn no_job(&self) -> BatchResult {
        self.handle.update(|progress| progress.not_sent += 1);
        let source = "the iterator of jobs panicked, so no more jobs are taken from it".into();
        BatchResult {
            index: self.taken,
            tag: None,
            is_recorded: false,
            journal_error: None,
            client_request_id: None,
            result: Err(BatchError::NotStarted { source }),
        }
    }

    /// Sends a job for which there is room. Gives it back if it may not be sent.
    fn send(&mut self, mut waiting: Waiting, reservation: Reservation) -> Option<BatchResult> {
        let id = waiting.job.client_request_id.take();
        let id = id.unwrap_or_else(|| self.client.new_client_request_id());
        let starting = PendingJob {
            index: waiting.index,
            client_request_id: &id,
            request: &waiting.job.request,
            estimate: waiting.estimate,
        };
        let may_start = match Handle::try_current() {
            Ok(runtime) => self.may_start(&starting, &waiting).map(|()| runtime),
            Err(error) => Err(error.into()),
        };
        let runtime = match may_start {
            Ok(runtime) => runtime,
            Err(source) => {
                waiting.job.client_request_id = Some(id);
                return Some(self.not_sent(waiting, BatchError::NotStarted { source }));
            }
        };
        let client = self.client.clone();
        let options = CallOptions {
            client_request_id: Some(id.clone()),
            ..CallOptions::default()
        };
        let batch = Some((self.handle.shared().clone(), reservation));
        let request = waiting.job.request;
        // A batch that is dropped closes its journal at once.
        let journal = self.journal.as_ref().map(Arc::downgrade);
        let tag = waiting.job.tag.clone();
        let call = async move {
            let result = client.call(request, options, batch).await;
            // Now, and not when somebody asks for the result: the process may be killed
            // before that.
            let journal = journal.and_then(|journal| journal.upgrade()).zip(tag);
            let written = journal.map(|(journal, tag)| lock(&journal).ended(&tag, &result));
            (result, written.and_then(Result::err))
        };
        let task = self.tasks.spawn_on(call.in_current_span(), &runtime);
        let running = Running {
            index: waiting.index,
            tag: waiting.job.tag,
            client_request_id: id,
            estimate: waiting.estimate,
        };
        self.running.insert(task.id(), running);
        self.handle.update(|progress| {
            progress.running += 1;
            progress.credits_reserved += waiting.estimate;
        });
        None
    }

    /// Asks the caller's function whether a job may be sent, and writes into the journal that
    /// it is.
    fn may_start(
        &self,
        starting: &PendingJob<'_>,
        Waiting { job, hash, .. }: &Waiting,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        if let Some(before_each) = &self.before_each {
            catch_unwind(AssertUnwindSafe(|| before_each(starting)))
                .unwrap_or_else(|_| Err("the `before_each` closure panicked".into()))?;
        }
        if let (Some(journal), Some(tag)) = (&self.journal, &job.tag) {
            let id = starting.client_request_id.clone();
            let written = lock(journal).started(tag, id, hash.clone());
            // Nothing is sent that is not written down.
            written.inspect_err(|_| self.handle.stop())?;
        }
        Ok(())
    }

    fn not_sent(&self, waiting: Waiting, error: BatchError) -> BatchResult {
        self.handle.update(|progress| progress.not_sent += 1);
        BatchResult {
            index: waiting.index,
            tag: waiting.job.tag,
            is_recorded: false,
            journal_error: None,
            client_request_id: waiting.job.client_request_id,
            result: Err(error),
        }
    }

    /// Settles the account of a job that ended.
    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) -> Option<BatchResult> {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Ok(ended)),
            Err(error) => (error.id(), Err(error)),
        };
        // Every task was noted when it was spawned.
        let running = self.running.remove(&id)?;
        let (cost, journal_error, result) = match ended {
            Ok((result, journal_error)) => {
                let credits = &self.client.shared.credits;
                let cost = credits.cost(result.as_ref(), running.estimate);
                (cost, journal_error, result.map_err(BatchError::Call))
            }
            Err(error) => {
                let source = error.into();
                (running.estimate, None, Err(BatchError::Lost { source }))
            }
        };
        if journal_error.is_some() {
            self.handle.stop();
        }
        self.handle.update(|progress| {
            progress.running -= 1;
            progress.credits_reserved -= running.estimate;
            progress.credits_spent = progress.credits_spent.saturating_add(cost);
            match &result {
                Ok(_) => progress.succeeded += 1,
                Err(_) => progress.failed += 1,
            }
        });
        Some(BatchResult {
            index: running.index,
            tag: running.tag,
            is_recorded: false,
            journal_error,
            client_request_id: Some(running.client_request_id),
            result,
        })
    }
}

fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    // A line is there whole or is cut off, whatever happened to the thread that held it.
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says what is lost. Calls in flight say so themselves when they are dropped.
impl Drop for Batch {
    fn drop(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            if let Some(BatchResult {
                client_request_id: Some(id),
                result: Ok(_),
                ..
            }) = self.ended(ended)
            {
                warn!(
                    client_request_id = id.as_str(),
                    "a batch was dropped before a paid answer was taken from it"
                );
            }
        }
        self.handle.update(|progress| {
            progress.running = 0;
            // What is dropped may be charged.
            let reserved = std::mem::take(&mut progress.credits_reserved);
            progress.credits_spent = progress.credits_spent.saturating_add(reserved);
        });
    }
}

impl Stream for Batch {
    type Item = BatchResult;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_result(context)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("concurrency", &self.concurrency)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
