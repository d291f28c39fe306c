//! Many requests, a few at a time.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use budget::CreditBudget;
use futures_core::Stream;
use tokio::runtime::Handle;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument, warn};

use crate::client::Client;
use crate::client::call::{CallOptions, ClientRequestId};
use crate::error::Error;
use crate::response::answer::GeneratedImages;

mod budget;
mod job;

pub use job::{BatchError, BatchHandle, BatchJob, BatchProgress, BatchResult, PendingJob};

/// What a documented call costs per image, in credits.
const CREDITS_PER_IMAGE: u64 = 91_000;

/// A function that is called before a job is sent.
type BeforeEach =
    Arc<dyn Fn(&PendingJob<'_>) -> Result<(), Box<dyn StdError + Send + Sync>> + Send + Sync>;

/// Makes a [`Batch`]; see [`Client::batch`].
#[must_use = "a batch does nothing before it is started"]
pub struct BatchBuilder {
    client: Client,
    jobs: Box<dyn Iterator<Item = BatchJob> + Send>,
    concurrency: usize,
    spend_limit: Option<u64>,
    credits_per_image: u64,
    before_each: Option<BeforeEach>,
}

impl Client {
    /// Many requests, a few at a time, with the results as they come.
    ///
    /// The requests are taken one by one, when there is room for another, so there can be
    /// more of them than fit in memory; an iterator that waits for the next one holds up
    /// [`next`](Batch::next). One that fails does not stop the others.
    ///
    /// A 429 pauses the whole batch: for as long as its `Retry-After` asks, up to
    /// [`RetryPolicy::max_retry_after`](crate::RetryPolicy::max_retry_after), or without one
    /// for a time that doubles up to 60 s. The job is then sent again, as often as it
    /// takes, and no budget of retries is used up. It ends with
    /// [`Error::RateLimited`](crate::Error::RateLimited) where the provider asks for more time,
    /// where the message is about a quota or billing, or where every answer has been a 429
    /// for [`RetryPolicy::total_timeout`](crate::RetryPolicy::total_timeout).
    ///
    /// ```no_run
    /// # async fn f(client: kontext_api::Client, requests: Vec<kontext_api::GenerateImageRequest>) {
    /// let mut batch = client.batch(requests).concurrency(2).spend_limit(1_000_000).start();
    /// let handle = batch.handle();
    /// # async fn interrupt() {}
    /// tokio::spawn(async move {
    ///     interrupt().await; // Such as `tokio::signal::ctrl_c()`.
    ///     handle.stop();
    /// });
    /// while let Some(done) = batch.next().await {
    ///     match done.result {
    ///         Ok(answer) => println!("{}: {} images", done.index, answer.images().len()),
    ///         Err(error) => eprintln!("{}: {error}", done.index),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn batch<I>(&self, jobs: I) -> BatchBuilder
    where
        I: IntoIterator<Item: Into<BatchJob> + 'static, IntoIter: Send + 'static>,
    {
        BatchBuilder {
            client: self.clone(),
            // One that begins anew after its end would be paid for anew.
            jobs: Box::new(jobs.into_iter().map(Into::into).fuse()),
            concurrency: 4,
            spend_limit: None,
            credits_per_image: CREDITS_PER_IMAGE,
            before_each: None,
        }
    }
}

impl BatchBuilder {
    /// How many requests are under way at once: 4 unless it is set. 0 is taken as 1.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// How many credits the batch may spend; 2,000,000 credits are 1 US dollar. There
    /// is no limit unless it is set.
    ///
    /// What is under way counts with its estimate, and so does what may have been
    /// charged although it failed. What was answered counts with the cost that the
    /// answer names, else with its estimate. A job that could cross the limit waits for
    /// those under way; if there is no room for it then, it is not sent and ends with
    /// [`BatchError::SpendLimit`]. Where the client's policy tries again after a 500 or a
    /// 502, the estimate is that of all attempts. The provider is free to charge more than the
    /// estimate: the limit holds as well as the estimate does.
    pub fn spend_limit(mut self, credits: u64) -> Self {
        self.spend_limit = Some(credits);
        self
    }

    /// What an image is estimated to cost, in credits: 91,000 unless it is set, which
    /// is what the provider's page shows. A request costs this for each image of
    /// `num_images`.
    pub fn credits_per_image(mut self, credits: u64) -> Self {
        self.credits_per_image = credits;
        self
    }

    /// Calls a function before each job is sent: to write down that it is.
    ///
    /// If it fails, or panics, the job is not sent and ends with
    /// [`BatchError::NotStarted`]. It runs where [`Batch::next`] is called, so a write
    /// to a disk is fine and more is not. It is called for a request too that turns out
    /// not to be valid, which is then not sent.
    ///
    /// ```no_run
    /// # fn f(client: kontext_api::Client, requests: Vec<kontext_api::GenerateImageRequest>) {
    /// use std::io::Write;
    ///
    /// let batch = client.batch(requests).before_each(|starting| {
    ///     let mut journal = std::fs::File::options().append(true).open("journal")?;
    ///     writeln!(journal, "{} {}", starting.index, starting.client_request_id)?;
    ///     journal.sync_all()?;
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn before_each(
        mut self,
        function: impl Fn(&PendingJob<'_>) -> Result<(), Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.before_each = Some(Arc::new(function));
        self
    }

    /// Makes the batch. The first [`Batch::next`] sends the first requests.
    pub fn start(self) -> Batch {
        let budget = CreditBudget::new(
            self.spend_limit,
            self.credits_per_image,
            self.client.charges_per_call(),
        );
        Batch {
            client: self.client,
            jobs: self.jobs,
            next_job: None,
            taken: 0,
            concurrency: self.concurrency,
            before_each: self.before_each,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            budget,
            handle: BatchHandle::default(),
            pausing: None,
        }
    }
}

impl fmt::Debug for BatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuilder")
            .field("concurrency", &self.concurrency)
            .field("spend_limit", &self.spend_limit)
            .field("credits_per_image", &self.credits_per_image)
            .finish_non_exhaustive()
    }
}

/// Requests under way, and those that wait.
///
/// It is a `Stream` too, and needs a tokio runtime. New requests are sent while
/// [`next`](Self::next) is awaited; those under way go on meanwhile.
///
/// **Dropping it** drops what is under way, whose outcome is then unknown: images may be
/// made, and charged. [`BatchHandle::stop`] sends nothing more and lets those end.
#[must_use = "a batch does nothing unless its results are taken"]
pub struct Batch {
    client: Client,
    jobs: Box<dyn Iterator<Item = BatchJob> + Send>,
    /// A job that was taken and waits for room.
    next_job: Option<Waiting>,
    taken: usize,
    concurrency: usize,
    before_each: Option<BeforeEach>,
    tasks: JoinSet<Result<GeneratedImages, Error>>,
    running: HashMap<Id, Running>,
    budget: CreditBudget,
    handle: BatchHandle,
    /// Ends when a rate limit does, or when the batch is stopped.
    pausing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// A job that was taken and not sent.
struct Waiting {
    index: usize,
    job: BatchJob,
    estimate: u64,
}

/// What the iterator of the jobs gives.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is moved on at once"
)]
enum Next {
    Job(Waiting),
    End,
    Panicked,
}

/// A job that was sent.
struct Running {
    index: usize,
    client_request_id: ClientRequestId,
    estimate: u64,
}

impl Batch {
    /// The next result, in the order in which requests end; nothing when all have.
    ///
    /// Cancelling it is fine: the next call goes on.
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
                        Next::Job(waiting) => self.next_job = Some(waiting),
                        Next::End => return Poll::Ready(None),
                        Next::Panicked => return Poll::Ready(Some(self.no_job())),
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
            let next = self.next_job.take().map_or_else(|| self.take(), Next::Job);
            let waiting = match next {
                Next::Job(waiting) => waiting,
                Next::End => return None,
                Next::Panicked => return Some(self.no_job()),
            };
            if let Err(left) = self.budget.reserve(waiting.estimate) {
                if !self.tasks.is_empty() {
                    // Those under way may turn out to cost less.
                    self.next_job = Some(waiting);
                    return None;
                }
                let estimate = waiting.estimate;
                return Some(self.not_sent(waiting, BatchError::SpendLimit { estimate, left }));
            }
            if let Some(result) = self.send(waiting) {
                return Some(result);
            }
        }
        None
    }

    /// The next job. A panic is the iterator's end: what is under way is worth more.
    fn take(&mut self) -> Next {
        let jobs = &mut self.jobs;
        let job = match catch_unwind(AssertUnwindSafe(|| jobs.next())) {
            Ok(Some(job)) => job,
            Ok(None) => return Next::End,
            Err(_) => {
                self.jobs = Box::new(std::iter::empty());
                return Next::Panicked;
            }
        };
        let index = self.taken;
        self.taken += 1;
        let estimate = self.budget.estimate(&job.request);
        Next::Job(Waiting {
            index,
            job,
            estimate,
        })
    }

    /// The job that there would have been, had the iterator not panicked.
    fn no_job(&self) -> BatchResult {
        self.handle.update(|progress| progress.not_sent += 1);
        let source = "the iterator of the jobs panicked, and is not asked again".into();
        BatchResult {
            index: self.taken,
            client_request_id: None,
            result: Err(BatchError::NotStarted { source }),
        }
    }

    /// Sends a job for which there is room. Gives it back if it may not be sent.
    fn send(&mut self, mut waiting: Waiting) -> Option<BatchResult> {
        let id = waiting.job.client_request_id.take();
        let id = id.unwrap_or_else(|| self.client.new_client_request_id());
        let starting = PendingJob {
            index: waiting.index,
            client_request_id: &id,
            request: &waiting.job.request,
            estimate: waiting.estimate,
        };
        let may_start = match Handle::try_current() {
            Ok(runtime) => self.ask(&starting).map(|()| runtime),
            Err(error) => Err(error.into()),
        };
        let runtime = match may_start {
            Ok(runtime) => runtime,
            Err(source) => {
                self.budget.settle(waiting.estimate, 0);
                waiting.job.client_request_id = Some(id);
                return Some(self.not_sent(waiting, BatchError::NotStarted { source }));
            }
        };
        let client = self.client.clone();
        let options = CallOptions {
            client_request_id: Some(id.clone()),
            batch: Some(self.handle.shared().clone()),
        };
        let request = waiting.job.request;
        let call = async move { client.generate_with(request, options).await };
        let task = self.tasks.spawn_on(call.in_current_span(), &runtime);
        let running = Running {
            index: waiting.index,
            client_request_id: id,
            estimate: waiting.estimate,
        };
        self.running.insert(task.id(), running);
        self.handle.update(|progress| progress.running += 1);
        self.report_budget();
        None
    }

    /// Asks the caller's function whether a job may be sent.
    fn ask(&self, starting: &PendingJob<'_>) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let Some(before_each) = &self.before_each else {
            return Ok(());
        };
        catch_unwind(AssertUnwindSafe(|| before_each(starting)))
            .unwrap_or_else(|_| Err("the function given to `before_each` panicked".into()))
    }

    fn not_sent(&self, waiting: Waiting, error: BatchError) -> BatchResult {
        self.handle.update(|progress| progress.not_sent += 1);
        BatchResult {
            index: waiting.index,
            client_request_id: waiting.job.client_request_id,
            result: Err(error),
        }
    }

    /// Settles the account of a job that ended.
    fn ended(
        &mut self,
        ended: Result<(Id, Result<GeneratedImages, Error>), JoinError>,
    ) -> Option<BatchResult> {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result.map_err(BatchError::Call)),
            Err(error) => (
                error.id(),
                Err(BatchError::Lost {
                    source: error.into(),
                }),
            ),
        };
        // Every task was noted when it was spawned.
        let running = self.running.remove(&id)?;
        let cost = match &result {
            Ok(answer) => self.budget.cost_of_answer(answer, running.estimate),
            Err(error) => self.budget.cost_of_error(error, running.estimate),
        };
        self.budget.settle(running.estimate, cost);
        self.handle.update(|progress| {
            progress.running -= 1;
            match &result {
                Ok(_) => progress.succeeded += 1,
                Err(_) => progress.failed += 1,
            }
        });
        self.report_budget();
        Some(BatchResult {
            index: running.index,
            client_request_id: Some(running.client_request_id),
            result,
        })
    }

    fn report_budget(&self) {
        let (spent, reserved) = self.budget.state();
        self.handle.update(|progress| {
            progress.credits_spent = spent;
            progress.credits_reserved = reserved;
        });
    }
}

/// Says what is lost. Calls under way say so themselves when they are dropped.
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
                    "a batch was dropped with an answer that is paid for and that nobody took"
                );
            }
        }
        self.handle.update(|progress| progress.running = 0);
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
