//! What a run has to do: the jobs, and what the journal says of them.

use crate::{
    jobs::Job,
    ledger::{Entry, Ledger, State},
    store::{self, Store},
};

/// How a job stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing<'a> {
    /// It was never sent.
    NotStarted,
    /// It may have been paid for, and there is nothing to show for it.
    Unknown(&'a Entry),
    /// It is paid for, and its answer is on the disk.
    Answered,
    /// It failed, and certainly was not paid for.
    Failed(&'a str),
    /// Its images are on the disk.
    Finished,
}

/// Judges a job by the journal and the folder for the results.
pub(crate) fn standing<'a>(id: &str, ledger: &'a Ledger, store: &Store) -> Standing<'a> {
    let Some(entry) = ledger.get(id) else {
        return Standing::NotStarted;
    };
    match &entry.state {
        // Killed after the answer was written and before the journal said so. There
        // was no such file when the job was started.
        State::Started if store.has_answer(id) => Standing::Answered,
        State::Started => Standing::Unknown(entry),
        State::Answered => Standing::Answered,
        State::Finished => Standing::Finished,
        State::Failed {
            may_have_been_charged: true,
            ..
        } => Standing::Unknown(entry),
        State::Failed { message, .. } => Standing::Failed(message),
    }
}

/// Places of jobs in their file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// To be sent.
    pub(crate) send: Vec<usize>,
    /// To be downloaded; they are paid for.
    pub(crate) download: Vec<usize>,
    /// Finished in an earlier run.
    pub(crate) finished: usize,
}

/// Decides what to do with each job. If anything is wrong with any of them, nothing
/// is done at all, and every problem is named.
pub(crate) fn plan(
    jobs: &[Job],
    ledger: &Ledger,
    store: &Store,
    resend_unknown: &[String],
) -> Result<Plan, Vec<String>> {
    let mut plan = Plan::default();
    let mut problems = Vec::new();
    let names = store
        .names()
        .map_err(|error| vec![format!("the folder for the results: {error}")])?;
    let resend_all = resend_unknown.iter().any(|id| id == "all");
    for (place, job) in jobs.iter().enumerate() {
        let id = &job.id;
        let standing = standing(id, ledger, store);
        // Of what was not made, nothing can be taken for something else.
        let can_change = matches!(standing, Standing::NotStarted | Standing::Failed(_));
        let is_changed = ledger
            .get(id)
            .is_some_and(|entry| entry.sha256 != job.sha256);
        if is_changed && !can_change {
            problems.push(format!(
                "the job `{id}` is not the one that was sent under this id: give it another \
                 id, or its old content"
            ));
            continue;
        }
        match standing {
            Standing::NotStarted => {
                if let Some(name) = names.iter().find(|name| store::is_of(name, id)) {
                    problems.push(format!(
                        "{name} in the folder for the results is in the way of the job `{id}`, \
                         which this journal does not know: move it, or give the job another id"
                    ));
                }
                plan.send.push(place);
            }
            Standing::Failed(_) => plan.send.push(place),
            Standing::Unknown(_) if resend_all || resend_unknown.contains(id) => {
                plan.send.push(place);
            }
            Standing::Unknown(_) => {}
            Standing::Answered => plan.download.push(place),
            Standing::Finished => plan.finished += 1,
        }
    }
    for id in resend_unknown.iter().filter(|id| *id != "all") {
        let is_unknown = matches!(standing(id, ledger, store), Standing::Unknown(_));
        if !jobs.iter().any(|job| job.id == *id) {
            problems.push(format!("--resend-unknown {id}: there is no such job"));
        } else if !is_unknown {
            problems.push(format!(
                "--resend-unknown {id}: the outcome of this job is known"
            ));
        }
    }
    // Now, and not when half of the jobs are paid for.
    for place in &plan.send {
        let job = &jobs[*place];
        if let Err(error) = job.request() {
            problems.push(format!("the job `{}`: {error}", job.id));
        }
    }
    match problems.is_empty() {
        true => Ok(plan),
        false => Err(problems),
    }
}
