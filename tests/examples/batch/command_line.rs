//! What the command line takes.

use std::path::PathBuf;

use clap::Parser;

use crate::client::Limits;

/// Sends many requests, and pays for each of them once.
///
/// JOBS has one job per line, as JSON: {"id": "bird", "prompt": "Add a bird.",
/// "image_url": "photo.png"}. An image is an http(s) or data URL, or a file, relative
/// to JOBS; there can be a list of them. Every other field of the API's request can
/// be set.
///
/// The journal says of every job that it was started, before anything is sent, and
/// how it ended. Run the same command again after an interruption of any kind: what
/// is finished is left alone, what was answered is downloaded, what failed without a
/// charge is sent again. A job that was started and has no end may have been paid
/// for. It is listed, and not sent again unless you say so.
///
/// A line that changed after its job was sent is refused. The content of the files
/// that it names is not compared.
///
/// The key is taken from AIMLAPI_KEY, another origin of the API, such as a mock's,
/// from AIMLAPI_BASE_URL.
#[derive(Debug, Parser)]
#[command(
    name = "batch",
    max_term_width = 80,
    after_help = "Exit codes: 0 all jobs are finished, 1 some are not, 2 bad arguments, jobs, \
                  journal or settings; nothing was sent."
)]
pub(crate) struct Arguments {
    /// The jobs, one JSON object per line.
    #[arg(value_name = "JOBS")]
    pub(crate) jobs: PathBuf,

    /// The folder for the results: ID.jpg (or ID+1.jpg and so on for several images)
    /// and ID.answer.json, the answer as it came.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,

    /// The journal; by default journal.jsonl in the folder for the results.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,

    /// How many requests are under way at once.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = at_least_one)]
    pub(crate) concurrency: usize,

    /// How much this run may spend, in credits: 2,000,000 are 1 US dollar, and an
    /// image is taken to cost 91,000. Earlier runs do not count.
    #[arg(long, value_name = "CREDITS")]
    pub(crate) spend_limit: Option<u64>,

    /// Send a job of unknown outcome again, which may pay for it twice; `all` for
    /// all of them. Can be given several times.
    #[arg(long, value_name = "JOB")]
    pub(crate) resend_unknown: Vec<String>,

    #[command(flatten)]
    pub(crate) limits: Limits,

    /// Send and download nothing: say how far the jobs are.
    #[arg(long, conflicts_with_all = ["spend_limit", "resend_unknown"])]
    pub(crate) status: bool,
}

impl Arguments {
    pub(crate) fn journal(&self) -> PathBuf {
        match &self.journal {
            Some(path) => path.clone(),
            None => self.output.join("journal.jsonl"),
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number from 1".to_owned()),
        Ok(count) => Ok(count),
    }
}
