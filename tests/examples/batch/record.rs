//! One line of the journal.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// When, as HTTP writes it.
    pub(crate) at: String,
    /// The id of the job.
    pub(crate) job: String,
    pub(crate) event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Event {
    /// The job is about to be sent.
    Started {
        /// What the provider's support can look a charge up by.
        client_request_id: String,
        /// Of the job.
        sha256: String,
    },
    /// The answer is on the disk.
    Answered {},
    /// Every image is on the disk.
    Finished {
        /// Their names in the folder for the results.
        files: Vec<String>,
    },
    /// The call failed.
    Failed {
        may_have_been_charged: bool,
        message: String,
    },
}

impl Record {
    /// Something that happens now.
    pub(crate) fn now(job: &str, event: Event) -> Self {
        Self {
            at: httpdate::fmt_http_date(SystemTime::now()),
            job: job.to_owned(),
            event,
        }
    }
}
