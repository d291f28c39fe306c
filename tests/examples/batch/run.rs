//! The run itself: sends, writes down, downloads.
//!
//! The order of what reaches the disk is what everything rests on:
//!
//! 1. `started` is in the journal before the request is sent. From here on the job
//!    may be paid for.
//! 2. The answer is in its file before `answered` is in the journal. From here on the
//!    job is never sent again.
//! 3. Every image is in its file before `finished` is in the journal.
//!
//! Wherever the process ends between two of these, the next run takes the careful
//! side.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kontext_api::{
    Batch, BatchError, BatchHandle, BatchJob, BatchResult, Client, Error, GeneratedImages,
    PendingJob,
};
use tokio::task::{JoinError, JoinSet};

use crate::{
    explain, interrupt,
    jobs::Job,
    journal::Journal,
    ledger::State,
    plan::Plan,
    progress::Progress,
    record::{Event, Record},
    spent::{Spent, Unfit},
    store::Store,
};

/// What a run works with.
pub(crate) struct Setting {
    pub(crate) client: Client,
    pub(crate) jobs: Arc<Vec<Job>>,
    pub(crate) journal: Arc<Mutex<Journal>>,
    pub(crate) store: Arc<Store>,
    pub(crate) progress: Progress,
    pub(crate) concurrency: usize,
    pub(crate) spend_limit: Option<u64>,
}

/// Takes the lock. A journal is whole whatever happened to a thread that had it: a
/// record that was not written to the end is cut off.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what is planned, and says what it cost. How it went is in the journal.
pub(crate) async fn run(setting: Setting, plan: Plan) -> io::Result<Spent> {
    // Caught from here on.
    let mut interrupts = interrupt::listen()?;
    let sent = Arc::new(Mutex::new(Vec::new()));
    let mut batch = start(&setting, plan.send, &sent);
    let handle = batch.handle();
    let mut run = Run {
        handle: handle.clone(),
        waiting: plan
            .download
            .into_iter()
            .map(|place| (place, None))
            .collect(),
        downloads: JoinSet::new(),
        sent,
        setting,
        unfit: Unfit::default(),
        is_estimated: false,
        is_useless: false,
    };
    let mut has_more = true;
    let mut is_interrupted = false;
    loop {
        run.download_more();
        run.setting.progress.update(handle.progress());
        if !has_more && run.downloads.is_empty() {
            return Ok(run.end());
        }
        tokio::select! {
            result = batch.next(), if has_more => match result {
                Some(result) => run.ended(result),
                None => has_more = false,
            },
            Some(done) = run.downloads.join_next() => run.downloaded(done),
            _ = interrupts.recv() => {
                if is_interrupted {
                    run.setting.progress.say("interrupted: what was running is left");
                    return Ok(run.end());
                }
                is_interrupted = true;
                handle.stop();
                run.setting.progress.say(
                    "stopping: what is running may end; interrupt again to leave it, \
                     its outcome then being unknown",
                );
            }
        }
    }
}

/// Makes the batch of the jobs that are to be sent. Their places are in `sent`, in
/// the order in which the batch takes them.
fn start(setting: &Setting, places: Vec<usize>, sent: &Arc<Mutex<Vec<usize>>>) -> Batch {
    let requests = {
        let (jobs, sent, progress) = (setting.jobs.clone(), sent.clone(), setting.progress.clone());
        // One by one, as there is room for another: they have whole images in them.
        places.into_iter().filter_map(move |place| {
            let job = jobs.get(place)?;
            match job.request() {
                Ok(request) => {
                    locked(&sent).push(place);
                    Some(BatchJob::new(request))
                }
                // It was fine a moment ago, but files come and go.
                Err(error) => {
                    progress.say(&format!("{}: not sent: {error}", job.id));
                    None
                }
            }
        })
    };
    let write_started = {
        let (jobs, sent, journal) = (setting.jobs.clone(), sent.clone(), setting.journal.clone());
        move |starting: &PendingJob<'_>| {
            let place = locked(&sent)[starting.index];
            let job = &jobs[place];
            let event = Event::Started {
                client_request_id: starting.client_request_id.to_string(),
                sha256: job.sha256.clone(),
            };
            locked(&journal).append(&Record::now(&job.id, event))?;
            Ok(())
        }
    };
    let builder = setting
        .client
        .batch(requests)
        .concurrency(setting.concurrency)
        .before_each(write_started);
    builder.start()
}

/// A run under way.
struct Run {
    setting: Setting,
    handle: BatchHandle,
    /// The places of the jobs that the batch took.
    sent: Arc<Mutex<Vec<usize>>>,
    /// Jobs that are to be downloaded. Their answers are on the disk, and are read
    /// when it is their turn; one that could not be written is here.
    waiting: VecDeque<(usize, Option<GeneratedImages>)>,
    downloads: JoinSet<(usize, Result<Vec<String>, String>)>,
    unfit: Unfit,
    /// Whether not every cost is known.
    is_estimated: bool,
    /// Whether the account can do nothing more, which is said already.
    is_useless: bool,
}

impl Run {
    /// A request ended.
    fn ended(&mut self, done: BatchResult) {
        let place = locked(&self.sent)[done.index];
        let id = self.setting.jobs[place].id.clone();
        let error = match done.result {
            Ok(answer) => return self.answered(place, &id, answer),
            Err(error) => error,
        };
        let error = match &error {
            BatchError::Call(error) => error,
            BatchError::SpendLimit { estimate, .. } => {
                let limit = self.setting.spend_limit.unwrap_or_default();
                return self.unfit.add(&id, *estimate, limit);
            }
            // That it stops is said already, and the job is listed in the end.
            BatchError::Stopped => return,
            other => {
                self.say(&id, &explain::with_causes(other));
                self.is_estimated |= other.may_have_been_charged();
                if matches!(other, BatchError::NotStarted { .. }) {
                    // Without a journal nothing may be sent.
                    self.handle.stop();
                }
                return;
            }
        };
        self.is_estimated |= error.may_have_been_charged() && error.credits_used().is_none();
        let mut message = explain::failed_call_on_one_line(error);
        let mut text = explain::failed_call(error);
        if let Some(body) = explain::paid_body(error) {
            let is_cut = explain::is_cut(error);
            let what = match is_cut {
                true => "the beginning of the answer's body",
                false => "the answer's body",
            };
            match self.setting.store.write_body(&id, body, is_cut) {
                Ok(path) => {
                    let kept = format!("{what} is in {}", path.display());
                    text.push_str(&format!("\n  {kept}"));
                    message.push_str(&format!("; {kept}"));
                }
                Err(error) => text.push_str(&format!(
                    "\n  {what} cannot be written ({error}), so here it is:\n{}",
                    String::from_utf8_lossy(body).escape_debug()
                )),
            }
        }
        self.say(&id, &text);
        let event = Event::Failed {
            may_have_been_charged: error.may_have_been_charged(),
            message,
        };
        self.write(&id, event);
        let is_of_the_account = matches!(error, Error::Authentication(_) | Error::OutOfCredits(_));
        if is_of_the_account && !self.is_useless {
            self.is_useless = true;
            self.handle.stop();
            self.setting
                .progress
                .say("stopping: every other job would fail like this one; what is running may end");
        }
    }

    /// A request is answered, and paid for.
    fn answered(&mut self, place: usize, id: &str, answer: GeneratedImages) {
        let (asked, came) = (self.setting.jobs[place].asked(), answer.images().len());
        if let Some(text) = explain::too_few(asked, came) {
            self.say(id, &text);
        }
        self.is_estimated |= answer.credits_used().is_none() && answer.usd_spent().is_none();
        match self.setting.store.write_answer(id, &answer) {
            Ok(()) => {
                self.write(id, Event::Answered {});
                self.waiting.push_back((place, None));
            }
            Err(error) => {
                // The images can be saved all the same, but no more is paid for here.
                self.say(id, &format!("the answer cannot be written: {error}"));
                self.handle.stop();
                self.waiting.push_back((place, Some(answer)));
            }
        }
    }

    /// Says what is to be said once, and what was spent.
    fn end(&mut self) -> Spent {
        let limit = self.setting.spend_limit.unwrap_or_default();
        if let Some(text) = self.unfit.text(limit) {
            self.setting.progress.say(&text);
        }
        let progress = self.handle.progress();
        // What is left under way may still be charged.
        Spent {
            credits: progress
                .credits_spent
                .saturating_add(progress.credits_reserved),
            is_estimated: self.is_estimated || progress.credits_reserved > 0,
        }
    }

    /// Starts downloads while there is room for them.
    fn download_more(&mut self) {
        while self.downloads.len() < self.setting.concurrency
            && let Some((place, answer)) = self.waiting.pop_front()
        {
            let (client, store) = (self.setting.client.clone(), self.setting.store.clone());
            let id = self.setting.jobs[place].id.clone();
            // The last run was killed before it could write this down.
            if answer.is_none() && !self.is_answered(&id) {
                self.write(&id, Event::Answered {});
            }
            self.downloads
                .spawn(async move { (place, store.download(&client, &id, answer).await) });
        }
    }

    fn is_answered(&self, id: &str) -> bool {
        let journal = locked(&self.setting.journal);
        let entry = journal.ledger().get(id);
        entry.is_some_and(|entry| entry.state == State::Answered)
    }

    /// A download ended.
    fn downloaded(&mut self, done: Result<(usize, Result<Vec<String>, String>), JoinError>) {
        match done {
            Ok((place, Ok(files))) => {
                let id = self.setting.jobs[place].id.clone();
                self.setting.progress.finished(&id, &files);
                self.write(&id, Event::Finished { files });
            }
            Ok((place, Err(problem))) => {
                let id = &self.setting.jobs[place].id;
                self.say(id, &format!("not downloaded: {problem}"));
            }
            Err(error) => self.setting.progress.say(&explain::with_causes(&error)),
        }
    }

    /// Writes to the journal. If that fails, nothing more is sent; the files say
    /// enough for the next run.
    fn write(&self, id: &str, event: Event) {
        let written = locked(&self.setting.journal).append(&Record::now(id, event));
        if let Err(error) = written {
            self.say(id, &explain::with_causes(&error));
            self.handle.stop();
        }
    }

    fn say(&self, id: &str, text: &str) {
        self.setting.progress.say(&format!("{id}: {text}"));
    }
}
