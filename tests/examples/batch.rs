//! Sends many requests and pays for each once, even if it is killed and restarted.
//!
//! `AIMLAPI_KEY=... cargo run -p contract-tests --example batch jobs.jsonl FOLDER`
//!
//! Each line of the file is a job: `{"tag": "ant", "request": {"prompt": "...", ...}}`. The
//! folder gets an image per job, `ant.png`, and the journal. After Ctrl-C or SIGTERM nothing
//! more is sent and requests in flight finish; the next run sends the rest.

use std::{error::Error, fs, io, io::Write, path::Path};

use kontext_api::{BatchJob, Client, GenerateImageRequest};
use serde::Deserialize;

#[derive(Deserialize)]
struct Job {
    tag: String,
    request: GenerateImageRequest,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [jobs, folder] = &*arguments else {
        return Err("usage: batch JOBS FOLDER".into());
    };
    let client = Client::from_env()?;
    let mut out = std::io::stdout();
    run(&mut out, &client, jobs.as_ref(), folder.as_ref()).await
}

pub(crate) async fn run(
    out: &mut impl Write,
    client: &Client,
    jobs: &Path,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let mut requests = Vec::new();
    for (number, line) in (1..).zip(fs::read_to_string(jobs)?.lines()) {
        let job: Job = serde_json::from_str(line)
            .map_err(|error| format!("{}:{number}: {error}", jobs.display()))?;
        requests.push(BatchJob::new(job.request).tag(job.tag));
    }
    fs::create_dir_all(folder)?;
    let journal = folder.join("journal.jsonl");
    let mut batch = client.batch(requests).journal(journal)?.start();
    let handle = batch.handle();
    let interrupted = tokio::spawn(async move {
        if interruption().await.is_ok() {
            handle.stop();
            eprintln!("stopping after the requests in flight finish");
        }
    });
    while let Some(done) = batch.next().await {
        let tag = done.tag.unwrap_or_default();
        let answer = match done.result {
            Ok(answer) => answer,
            Err(error) => {
                writeln!(out, "{tag}: {error}")?;
                continue;
            }
        };
        for image in answer.images() {
            let download = client.download(image).overwrite(true);
            match download.to_file(folder.join(&tag)).await {
                Ok(saved) => writeln!(out, "{tag}: {}", saved.path().display())?,
                // The answer is in the journal: the next run downloads it again.
                Err(error) => writeln!(out, "{tag}: {error}")?,
            }
        }
    }
    interrupted.abort();
    for job in batch.unknown() {
        let id = job.client_request_id;
        writeln!(out, "{}: may have been paid for, ask for {id}", job.tag)?;
    }
    writeln!(out, "{} credits spent", client.credits().spent)?;
    Ok(())
}

/// Waits for Ctrl-C, or for the SIGTERM that service managers and containers send.
async fn interruption() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
