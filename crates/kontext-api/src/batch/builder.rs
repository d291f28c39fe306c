//! How a batch is made.

use std::collections::{HashMap, HashSet};
use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::journal::Journal;
use super::{Batch, SharedJournal};
use crate::batch::job::{BatchHandle, BatchJob, JournalError, PendingJob};
use crate::client::Client;

/// A function that is called before a job is sent.
pub(super) type BeforeEach =
    Arc<dyn Fn(&PendingJob<'_>) -> Result<(), Box<dyn StdError + Send + Sync>> + Send + Sync>;

/// Makes a [`Batch`]; see [`Client::batch`].
#[must_use = "a batch does nothing before it is started"]
pub struct BatchBuilder {
    client: Client,
    jobs: Box<dyn Iterator<Item = BatchJob> + Send>,
    concurrency: usize,
    before_each: Option<BeforeEach>,
    journal: Option<SharedJournal>,
}

impl Client {
    /// Runs many requests, a few at a time, and returns results as they finish.
    ///
    /// A request is taken from the iterator when there is room for it, so there can be more of
    /// them than fit in memory; an iterator that blocks holds up [`next`](Batch::next). A request
    /// that fails does not stop the others.
    ///
    /// A 429 pauses the whole batch: for its `Retry-After`, up to
    /// [`RetryPolicy::max_retry_after`](crate::RetryPolicy::max_retry_after), or without one for
    /// a time that doubles up to 60 s. The job is then sent again, as often as it takes, without
    /// using the retry budget. It ends with [`Error::RateLimited`](crate::Error::RateLimited) if
    /// the provider asks for more time, if the message is about a quota or billing, or if every
    /// answer was a 429 for
    /// [`RetryPolicy::total_timeout`](crate::RetryPolicy::total_timeout).
    ///
    /// The client's [spend limit](crate::ClientBuilder::spend_limit) applies. A job that could
    /// exceed it waits until the running jobs have ended; if it still could, it is not sent and
    /// ends with [`BatchError::SpendLimit`](crate::BatchError::SpendLimit).
    ///
    /// ```no_run
    /// # async fn f(client: kontext_api::Client, requests: Vec<kontext_api::GenerateImageRequest>) {
    /// let mut batch = client.batch(requests).concurrency(2).start();
    /// let handle = batch.handle();
    /// # async fn interrupt() {}
    /// tokio::spawn(async move {
    ///     interrupt().await; // `tokio::signal::ctrl_c()`, and SIGTERM on Unix
    ///     handle.stop(); // Requests in flight finish, and `next` still returns them.
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
            before_each: None,
            journal: None,
        }
    }
}

impl BatchBuilder {
    /// How many requests are in flight at once. Default: 4. 0 means 1.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// Calls a closure before each job is sent, for example to record it.
    ///
    /// If it fails or panics, the job is not sent and ends with
    /// [`BatchError::NotStarted`](crate::BatchError::NotStarted). It runs inside
    /// [`Batch::next`], so it may write to a disk but should not block for longer. It is also
    /// called for a request that turns out to be invalid, which is then not sent.
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

    /// Keeps a journal in a file, so that no job is paid for twice even if the process is killed
    /// at any moment. The file is created if it does not exist; each job needs its own
    /// [tag](BatchJob::tag).
    ///
    /// A job is recorded on disk before it is sent; if that fails, it and all later jobs are not
    /// sent. Its result is recorded when its call ends. The next run with the same jobs and
    /// journal returns
    ///
    /// - the recorded answer of an answered job, without sending anything (the URLs of its images
    ///   may have expired),
    /// - [`BatchError::UnknownOutcome`](crate::BatchError::UnknownOutcome) for a job that started and did not end, or that failed
    ///   and may have been charged, unless it has [`BatchJob::resend_unknown`],
    /// - the result of a new call for any other job.
    ///
    /// A tag that comes with another request than before is
    /// [`JournalError::OtherRequest`], unless the job failed and was not charged.
    /// [`Batch::unknown`] lists the jobs of unknown outcome, those of earlier runs included.
    ///
    /// The journal holds answers as received, without the API key, and the body of a paid answer
    /// that could not be decoded. It only grows, and is locked while the batch lives. Writing
    /// blocks [`Batch::next`] and the calls for as long as the disk takes.
    ///
    /// ```no_run
    /// # async fn f(client: kontext_api::Client, requests: Vec<kontext_api::GenerateImageRequest>)
    /// # -> Result<(), kontext_api::JournalError> {
    /// use kontext_api::BatchJob;
    ///
    /// let jobs = (1..).zip(requests);
    /// let jobs = jobs.map(|(number, request)| BatchJob::new(request).tag(format!("job-{number}")));
    /// let mut batch = client.batch(jobs).journal("jobs.journal")?.start();
    /// while let Some(done) = batch.next().await {
    ///     println!("{:?}: {:?}", done.tag, done.result.map(|answer| answer.images().len()));
    /// }
    /// for job in batch.unknown() {
    ///     println!("{} may have been paid for: {}", job.tag, job.client_request_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JournalError`] if the file can't be opened, locked or read.
    pub fn journal(mut self, path: impl AsRef<Path>) -> Result<Self, JournalError> {
        // A journal that was set before is closed first: it may be the same.
        self.journal = None;
        let redactor = self.client.shared.redactor.clone();
        let journal = Journal::open(path.as_ref(), redactor)?;
        self.journal = Some(Arc::new(Mutex::new(journal)));
        Ok(self)
    }

    /// Makes the batch. The first [`Batch::next`] sends the first requests.
    pub fn start(self) -> Batch {
        Batch {
            client: self.client,
            jobs: self.jobs,
            next_job: None,
            taken: 0,
            concurrency: self.concurrency,
            before_each: self.before_each,
            journal: self.journal,
            tags: HashSet::new(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            handle: BatchHandle::default(),
            pausing: None,
        }
    }
}

impl fmt::Debug for BatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuilder")
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
