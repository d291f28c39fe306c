//! Sends many requests, and pays for each of them once, whatever happens meanwhile:
//!
//! `cargo run -p contract-tests --example batch -- jobs.jsonl --output results`

#[path = "../common/client.rs"]
mod client;
mod command_line;
#[path = "../common/digest.rs"]
mod digest;
#[path = "../common/download.rs"]
mod download;
#[path = "../common/durable.rs"]
mod durable;
#[path = "../common/explain.rs"]
mod explain;
#[path = "../common/extensions.rs"]
mod extensions;
#[path = "../common/inputs.rs"]
mod inputs;
#[path = "../common/interrupt.rs"]
mod interrupt;
mod jobs;
mod journal;
mod json_line;
mod ledger;
mod lock;
mod plan;
mod progress;
mod record;
mod run;
mod spent;
mod store;
mod summary;

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    sync::{Arc, Mutex},
};

use clap::Parser as _;

use command_line::Arguments;
use journal::Journal;
use progress::Progress;
use store::Store;
use summary::Summary;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.status {
        true => status(&arguments),
        false => work(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problems) => {
            for problem in problems {
                let _ = writeln!(io::stderr().lock(), "error: {problem}");
            }
            ExitCode::from(2)
        }
    }
}

/// What is wrong, each of it on its own.
type Problems = Vec<String>;

fn one(error: &(dyn Error + 'static)) -> Problems {
    vec![explain::with_causes(error)]
}

/// Says how far the jobs are. True if all are finished.
fn status(arguments: &Arguments) -> Result<bool, Problems> {
    let jobs = jobs::read(&arguments.jobs)?;
    let ledger = Journal::read(&arguments.journal()).map_err(|error| one(&error))?;
    let store = Store::look(&arguments.output);
    let summary = Summary::new(&jobs, &ledger, &store);
    print(&summary);
    Ok(summary.is_all_finished())
}

/// Sends and downloads. An error means that nothing was sent.
#[tokio::main]
async fn work(arguments: &Arguments) -> Result<bool, Problems> {
    let jobs = Arc::new(jobs::read(&arguments.jobs)?);
    let client = client::new(&arguments.limits, arguments.spend_limit)
        .map_err(|error| vec![explain::no_client(&error)])?;
    durable::create_folder(&arguments.output)
        .map_err(|error| vec![format!("{}: {error}", arguments.output.display())])?;
    // The lock on the journal comes first: whoever has it may look at everything else.
    let journal = Journal::open(&arguments.journal()).map_err(|error| one(&error))?;
    let store = Arc::new(Store::open(&arguments.output).map_err(|problem| vec![problem])?);
    let plan = plan::plan(&jobs, journal.ledger(), &store, &arguments.resend_unknown)?;
    let journal = Arc::new(Mutex::new(journal));
    let progress = Progress::start(plan.finished, jobs.len(), arguments.spend_limit);
    let setting = run::Setting {
        client,
        jobs: jobs.clone(),
        journal: journal.clone(),
        store: store.clone(),
        progress: progress.clone(),
        concurrency: arguments.concurrency,
        spend_limit: arguments.spend_limit,
    };
    let spent = run::run(setting, plan).await.map_err(|error| one(&error))?;
    progress.end();
    let journal = run::locked(&journal);
    let mut summary = Summary::new(&jobs, journal.ledger(), &store);
    summary.set_spent(spent);
    print(&summary);
    Ok(summary.is_all_finished())
}

/// That nobody reads it any more, as behind `head`, is not an error of ours.
fn print(summary: &Summary<'_>) {
    let _ = io::stdout().lock().write_all(summary.text().as_bytes());
}
