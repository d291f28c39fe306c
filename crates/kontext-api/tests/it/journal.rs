//! The batch journal: no job is paid for twice, and no response is lost.

use std::fs;
use std::path::{Path, PathBuf};

use kontext_api::{
    Batch, BatchError, BatchJob, BatchResult, Client, Error, JournalError, UnknownJob,
};
use tempfile::TempDir;

use crate::server::{Answer, KEY, ONE_IMAGE, Server, request, response};

mod killed;

const TAGS: [&str; 3] = ["ant", "bee", "cow"];

fn job(tag: &str) -> BatchJob {
    let mut request = request();
    request.prompt = tag.to_owned();
    BatchJob::new(request).tag(tag)
}

fn journal() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    (folder, path)
}

/// Runs one job at a time.
fn start(client: &Client, jobs: Vec<BatchJob>, journal: &Path) -> Batch {
    let batch = client.batch(jobs).concurrency(1).journal(journal);
    batch.unwrap().start()
}

async fn results(mut batch: Batch) -> Vec<BatchResult> {
    let mut results = Vec::new();
    while let Some(result) = batch.next().await {
        results.push(result);
    }
    results
}

async fn run(client: &Client, jobs: Vec<BatchJob>, journal: &Path) -> Vec<BatchResult> {
    results(start(client, jobs, journal)).await
}

fn kinds(results: &[BatchResult]) -> Vec<&'static str> {
    let kind = |result: &BatchResult| match &result.result {
        Ok(_) if result.is_recorded => "recorded",
        Ok(_) => "sent",
        Err(error) => error.kind(),
    };
    results.iter().map(kind).collect()
}

fn tags(jobs: &[UnknownJob]) -> Vec<&str> {
    jobs.iter().map(|job| &*job.tag).collect()
}

fn source(result: &BatchResult) -> &JournalError {
    let Err(BatchError::NotStarted { source, .. }) = &result.result else {
        panic!("{result:?}");
    };
    source.downcast_ref().unwrap()
}

#[tokio::test]
async fn answered_job_is_returned_and_not_sent_again() {
    let headers = "x-inference-id: inference-7\r\nx-aimlapi-credits-used: 7\r\nset-cookie: a=b\r\n";
    let body =
        format!(r#"{{"images": [{{"url": "https://x/1.jpg"}}], "seed": 7, "echo": "{KEY}"}}"#);
    let server = Server::answering("200 OK", headers, body.as_bytes()).await;
    let (_folder, path) = journal();
    let jobs = || TAGS.map(job).to_vec();
    let first = run(&server.client(), jobs(), &path).await;
    assert_eq!(kinds(&first), ["sent"; 3]);
    let client = server.client();
    let mut batch = start(&client, jobs(), &path);
    for sent in &first {
        let again = batch.next().await.unwrap();
        assert_eq!((&again.tag, again.is_recorded), (&sent.tag, true));
        assert_eq!(again.client_request_id, sent.client_request_id);
        let (sent, again) = (sent.result.as_ref().unwrap(), again.result.unwrap());
        assert_eq!(again.raw(), sent.raw().replace(KEY, "[api key]"));
        assert_eq!(again.images()[0].url(), sent.images()[0].url());
        assert_eq!(
            (again.seed(), again.request_id()),
            (Some(7), sent.request_id())
        );
        assert_eq!((again.credits_used(), again.headers().len()), (Some(7), 2));
        assert_eq!(again.client_request_id(), sent.client_request_id());
    }
    assert!(batch.next().await.is_none());
    let progress = batch.progress();
    assert_eq!((progress.recorded, progress.credits_spent), (3, 0));
    assert_eq!((client.credits().spent, server.requests().len()), (0, 3));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(KEY) && !text.contains("cookie"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[tokio::test]
async fn failed_job_is_resent_only_if_not_charged() {
    let server = Server::start_script(vec![
        Answer::Bytes(response("400 X", "", b"{}")),
        Answer::Close,
        Answer::Bytes(response("200 OK", "", b"{\"images\": 7}")),
        Answer::Bytes(response("200 OK", "", ONE_IMAGE)),
    ])
    .await;
    let (_folder, path) = journal();
    let jobs = || TAGS.map(job).to_vec();
    let mut first = start(&server.client(), jobs(), &path);
    let mut done = Vec::new();
    while let Some(result) = first.next().await {
        done.push(result);
    }
    assert_eq!(kinds(&done), ["bad_request", "outcome_unknown", "decode"]);
    assert_eq!(tags(&first.unknown()), ["bee", "cow"]);
    drop(first);
    // A paid response that can't be decoded is recorded.
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(r#""body":"{\"images\": 7}""#), "{text}");
    // A rejected job may be retried with a corrected request.
    let mut changed = request();
    changed.prompt = "another".to_owned();
    let changed = BatchJob::new(changed).tag("ant");
    let second = run(
        &server.client(),
        vec![changed, job("bee"), job("cow")],
        &path,
    )
    .await;
    assert_eq!(
        kinds(&second),
        ["sent", "unknown_outcome", "unknown_outcome"]
    );
    assert_eq!(second[1].client_request_id, done[1].client_request_id);
    assert!(
        second[1]
            .result
            .as_ref()
            .unwrap_err()
            .may_have_been_charged()
    );
    assert_eq!(server.requests().len(), 4);
    // `resend_unknown` resends `cow`. `bee` is still listed, although not in this batch.
    let mut third = start(
        &server.client(),
        vec![job("cow").resend_unknown(true)],
        &path,
    );
    assert!(third.next().await.unwrap().result.is_ok());
    assert!(third.next().await.is_none());
    assert_eq!(tags(&third.unknown()), ["bee"]);
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn reused_tag_with_other_request_is_error() {
    let server = Server::start_script(vec![
        Answer::Bytes(response("200 OK", "", ONE_IMAGE)),
        Answer::Close,
    ])
    .await;
    let (_folder, path) = journal();
    let client = server.client();
    assert_eq!(
        kinds(&run(&client, vec![job("ant"), job("bee")], &path).await),
        ["sent", "outcome_unknown"]
    );
    let mut other = request();
    other.seed = Some(8);
    let mut jobs = vec![];
    for tag in ["ant", "bee"] {
        jobs.push(BatchJob::new(other.clone()).tag(tag).resend_unknown(true));
    }
    let refused = run(&client, jobs, &path).await;
    for result in &refused {
        assert!(matches!(source(result), JournalError::OtherRequest { .. }));
    }
    let message = "the journal has the tag \"ant\" with another request: give this job another tag";
    assert_eq!(source(&refused[0]).to_string(), message);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn tags_are_required_and_unique() {
    let server = Server::start(Answer::Stall(Vec::new())).await;
    let (_folder, path) = journal();
    let client = server.client();
    let jobs = vec![BatchJob::new(request()), job("ant"), job("ant")];
    let mut batch = client.batch(jobs).journal(&path).unwrap().start();
    let untagged = batch.next().await.unwrap();
    assert!(matches!(source(&untagged), JournalError::NoTag));
    let twice = batch.next().await.unwrap();
    assert!(matches!(source(&twice), JournalError::DuplicateTag { .. }));
    assert_eq!(twice.tag.as_deref(), Some("ant"));
    // The first `ant` is in flight, not unknown.
    assert!(batch.unknown().is_empty());
}

#[tokio::test]
async fn journal_in_use_is_refused() {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    let (_folder, path) = journal();
    let client = server.client();
    let batch = start(&client, vec![job("ant")], &path);
    let refused = client.batch([job("ant")]).journal(&path).unwrap_err();
    assert!(matches!(refused, JournalError::InUse { .. }), "{refused}");
    assert_eq!(kinds(&results(batch).await), ["sent"]);
    // The lock is released when the batch is dropped.
    assert_eq!(
        kinds(&run(&client, vec![job("ant")], &path).await),
        ["recorded"]
    );
    let missing = path.join("journal");
    let error = client.batch([job("ant")]).journal(missing).unwrap_err();
    assert!(matches!(error, JournalError::Io { .. }), "{error}");
}

#[tokio::test]
async fn dropped_batch_leaves_outcome_unknown() {
    let server = Server::start_script(vec![
        Answer::Stall(Vec::new()),
        Answer::Bytes(response("200 OK", "", ONE_IMAGE)),
    ])
    .await;
    let (_folder, path) = journal();
    let jobs = || TAGS.map(job).to_vec();
    let mut batch = start(&server.client(), jobs(), &path);
    tokio::select! {
        _ = batch.next() => panic!("nothing answers"),
        () = server.arrival() => drop(batch),
    }
    let again = run(&server.client(), jobs(), &path).await;
    assert_eq!(kinds(&again), ["unknown_outcome", "sent", "sent"]);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn stopped_batch_finishes_and_next_run_sends_the_rest() {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    let (_folder, path) = journal();
    let jobs = || TAGS.map(job).to_vec();
    let mut batch = start(&server.client(), jobs(), &path);
    let handle = batch.handle();
    let stop = async {
        server.arrival().await;
        handle.stop();
    };
    let (done, ()) = tokio::join!(batch.next(), stop);
    assert_eq!(kinds(&[done.unwrap()]), ["sent"]);
    assert!(batch.next().await.is_none());
    drop(batch);
    let again = run(&server.client(), jobs(), &path).await;
    assert_eq!(kinds(&again), ["recorded", "sent", "sent"]);
    assert_eq!(server.requests().len(), 3);
}

/// The process may be killed after any byte that it writes.
#[tokio::test]
async fn truncated_journal_never_resends_started_job() {
    let server = Server::start_script(vec![
        Answer::Bytes(response("200 OK", "", ONE_IMAGE)),
        Answer::Bytes(response("400 X", "", b"{}")),
        Answer::Bytes(response("200 OK", "", ONE_IMAGE)),
    ])
    .await;
    let (_folder, path) = journal();
    let client = server.client();
    let jobs = || TAGS.map(job).to_vec();
    run(&client, jobs(), &path).await;
    let whole = fs::read_to_string(&path).unwrap();
    // Cuts around each line end, and some within lines.
    let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at).collect();
    let is_near_an_end = |cut: &usize| ends.iter().any(|end| end.abs_diff(*cut) < 2);
    let cuts = (0..=whole.len()).filter(|cut| is_near_an_end(cut) || cut % 29 == 0);
    for cut in cuts {
        fs::write(&path, &whole[..cut]).unwrap();
        let lines: Vec<&str> = whole[..cut].split_inclusive('\n').collect();
        let has = |tag: &str, event: &str| {
            let whole_lines = lines.iter().filter(|line| line.ends_with('\n'));
            let mut of_tag = whole_lines.filter(|line| line.contains(&format!("\"{tag}\"")));
            of_tag.any(|line| line.contains(&format!("\"{event}\"")))
        };
        let expected = TAGS.map(|tag| match (has(tag, "started"), has(tag, "answered")) {
            (_, true) => "recorded",
            (true, _) if !has(tag, "failed") => "unknown_outcome",
            _ => "sent",
        });
        assert_eq!(
            kinds(&run(&client, jobs(), &path).await),
            expected,
            "cut at {cut}"
        );
        // Nothing was appended to the torn line.
        let again = kinds(&run(&client, jobs(), &path).await);
        let expected = expected.map(|kind| if kind == "sent" { "recorded" } else { kind });
        assert_eq!(again, expected, "cut at {cut}");
    }
}

#[tokio::test]
async fn damaged_line_is_reported() {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    let (_folder, path) = journal();
    let client = server.client();
    run(&client, TAGS.map(job).to_vec(), &path).await;
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for damaged in 0..lines.len() {
        let mut lines = lines.clone();
        let line = lines[damaged].replacen('"', "~", 1);
        lines[damaged] = &line;
        fs::write(&path, lines.concat()).unwrap();
        let error = client.batch([job("new")]).journal(&path).unwrap_err();
        let expected = format!(", line {}: ", damaged + 1);
        assert!(error.to_string().contains(&expected), "{error}");
    }
    // Impossible lines: an end without its start, and a start after the answer.
    for (kept, line) in [(vec![1], 1), (vec![0, 1, 0], 3)] {
        let content: String = kept.iter().map(|index| lines[*index]).collect();
        fs::write(&path, content).unwrap();
        let error = client.batch([job("new")]).journal(&path).unwrap_err();
        let JournalError::Damaged { line: found, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(found, line);
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn unsent_jobs_are_not_recorded_as_unknown() {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    let (_folder, path) = journal();
    let mut invalid = request();
    invalid.num_images = Some(5);
    let jobs = vec![BatchJob::new(invalid).tag("invalid"), job("ant")];
    let client = server.builder().spend_limit(500_000).build().unwrap();
    let mut batch = start(&client, jobs, &path);
    let first = batch.next().await.unwrap();
    assert!(matches!(
        first.result,
        Err(BatchError::Call(Error::InvalidRequest(_)))
    ));
    assert!(batch.next().await.unwrap().result.is_ok());
    assert!(batch.unknown().is_empty());
    drop(batch);
    let poor = server.builder().spend_limit(1).build().unwrap();
    let mut batch = start(&poor, vec![job("bee")], &path);
    let refused = batch.next().await.unwrap();
    assert_eq!(kinds(&[refused]), ["spend_limit"]);
    assert!(batch.unknown().is_empty());
}
