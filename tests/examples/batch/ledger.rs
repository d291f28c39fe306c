//! What the records of a journal say of each job, taken together.

use std::collections::BTreeMap;

use crate::record::{Event, Record};

/// The state of every job that was ever started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    entries: BTreeMap<String, Entry>,
}

/// What is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it was started last.
    pub(crate) started_at: String,
    pub(crate) client_request_id: String,
    /// Of the job as it was started last.
    pub(crate) sha256: String,
    pub(crate) state: State,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Started,
    Answered,
    Finished,
    Failed {
        may_have_been_charged: bool,
        message: String,
    },
}

impl Ledger {
    pub(crate) fn get(&self, job: &str) -> Option<&Entry> {
        self.entries.get(job)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(job, entry)| (job.as_str(), entry))
    }

    /// What a job is after a record.
    ///
    /// What never happens in this order is refused: a job that is answered is not
    /// started again, and nothing ends that was not started.
    pub(crate) fn after(&self, record: &Record) -> Result<Entry, String> {
        let entry = self.entries.get(&record.job);
        let state = entry.map(|entry| &entry.state);
        let next = match (&record.event, state) {
            (
                Event::Started {
                    client_request_id,
                    sha256,
                },
                None | Some(State::Started | State::Failed { .. }),
            ) => {
                return Ok(Entry {
                    started_at: record.at.clone(),
                    client_request_id: client_request_id.clone(),
                    sha256: sha256.clone(),
                    state: State::Started,
                });
            }
            (Event::Answered {}, Some(State::Started)) => State::Answered,
            // Straight after the start where the answer could not be written.
            (Event::Finished { .. }, Some(State::Started | State::Answered)) => State::Finished,
            (
                Event::Failed {
                    may_have_been_charged,
                    message,
                },
                Some(State::Started),
            ) => State::Failed {
                may_have_been_charged: *may_have_been_charged,
                message: message.clone(),
            },
            _ => return Err(out_of_order(record, state)),
        };
        match entry {
            Some(entry) => Ok(Entry {
                state: next,
                ..entry.clone()
            }),
            None => Err(out_of_order(record, state)),
        }
    }

    /// Makes [`after`](Self::after) so.
    pub(crate) fn set(&mut self, job: &str, entry: Entry) {
        self.entries.insert(job.to_owned(), entry);
    }
}

fn out_of_order(record: &Record, state: Option<&State>) -> String {
    let event = match record.event {
        Event::Started { .. } => "started",
        Event::Answered {} => "answered",
        Event::Finished { .. } => "finished",
        Event::Failed { .. } => "failed",
    };
    let state = match state {
        None => "not started",
        Some(State::Started) => "started",
        Some(State::Answered) => "answered already",
        Some(State::Finished) => "finished already",
        Some(State::Failed { .. }) => "failed already",
    };
    format!("the job `{}` is {event}, but it is {state}", record.job)
}
