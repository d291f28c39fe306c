//! How far the jobs are, for a person, from the journal and the folder for the results.

use std::fmt::Write as _;

use crate::{
    jobs::Job,
    ledger::{Entry, Ledger, State},
    plan::{Standing, standing},
    spent::Spent,
    store::Store,
};

/// How many jobs stand how, and which.
pub(crate) struct Summary<'a> {
    finished: usize,
    answered: Vec<&'a str>,
    failed: Vec<(&'a str, &'a str)>,
    unknown: Vec<(&'a str, &'a Entry)>,
    not_started: Vec<&'a str>,
    spent: Option<Spent>,
}

impl<'a> Summary<'a> {
    pub(crate) fn new(jobs: &'a [Job], ledger: &'a Ledger, store: &Store) -> Self {
        let mut summary = Self {
            finished: 0,
            answered: Vec::new(),
            failed: Vec::new(),
            unknown: Vec::new(),
            not_started: Vec::new(),
            spent: None,
        };
        for job in jobs {
            match standing(&job.id, ledger, store) {
                Standing::Finished => summary.finished += 1,
                Standing::Answered => summary.answered.push(&job.id),
                Standing::Failed(message) => summary.failed.push((&job.id, message)),
                Standing::Unknown(entry) => summary.unknown.push((&job.id, entry)),
                Standing::NotStarted => summary.not_started.push(&job.id),
            }
        }
        // A job that was removed from the file may have been paid for all the same.
        for (id, entry) in ledger.iter() {
            let is_removed = !jobs.iter().any(|job| job.id == id);
            if is_removed && matches!(standing(id, ledger, store), Standing::Unknown(_)) {
                summary.unknown.push((id, entry));
            }
        }
        summary
    }

    /// Adds what a run spent.
    pub(crate) fn set_spent(&mut self, spent: Spent) {
        self.spent = Some(spent);
    }

    pub(crate) fn is_all_finished(&self) -> bool {
        self.answered.is_empty()
            && self.failed.is_empty()
            && self.unknown.is_empty()
            && self.not_started.is_empty()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "finished {}, to download {}, failed {}, unknown {}, not started {}\n",
            self.finished,
            self.answered.len(),
            self.failed.len(),
            self.unknown.len(),
            self.not_started.len()
        );
        // Writing to a string does not fail.
        if let Some(spent) = self.spent.as_ref().filter(|spent| spent.credits > 0) {
            let _ = writeln!(text, "{spent}");
        }
        if !self.answered.is_empty() {
            text.push_str("\nTo download: paid for; the next run downloads what is still there.\n");
            for id in &self.answered {
                let _ = writeln!(text, "  {id}");
            }
        }
        if !self.failed.is_empty() {
            text.push_str("\nFailed: not charged; the next run sends them again.\n");
            for (id, message) in &self.failed {
                let _ = writeln!(text, "  {id}: {message}");
            }
        }
        if !self.unknown.is_empty() {
            text.push_str(
                "\nUnknown: perhaps charged, and not sent again. The provider's support can look \
                 a charge up\nby the client request id. To send one again, and perhaps pay twice: \
                 --resend-unknown JOB\n",
            );
            for (id, entry) in &self.unknown {
                let _ = writeln!(
                    text,
                    "  {id}: started {}, client request id {}",
                    entry.started_at, entry.client_request_id
                );
                if let State::Failed { message, .. } = &entry.state {
                    // The line before has it.
                    let id = format!(" (client request id {})", entry.client_request_id);
                    let _ = writeln!(text, "    {}", message.replace(&id, ""));
                }
            }
        }
        if !self.not_started.is_empty() {
            text.push_str("\nNot started: the next run sends them, as far as its limit allows.\n");
            for id in &self.not_started {
                let _ = writeln!(text, "  {id}");
            }
        }
        text
    }
}
