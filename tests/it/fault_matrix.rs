//! The client never pays twice and never loses what was paid for: every fault over real
//! sockets, and the outcome of a call that meets it.

mod bodies;
mod log;
mod rows;
mod rules;
mod run;
mod table;

use std::collections::BTreeSet;
use std::time::Duration;

use contract_tests::faults::{Address, FaultServer, Http2Fault, Response, Script, Seen, Step};
use kontext_api::{CallOptions, ClientRequestId, RetryPolicy};
use tokio::task::JoinSet;

use self::log::Log;
use self::rows::{Exchange, ROWS, Row, SENT_AGAIN};
use self::run::{Downloaded, Generated, request};
use crate::support::snapshot;

/// The key. It must appear only in one header of requests to the API.
const KEY: &str = "planted-key-5f2d";

/// Runs these rows concurrently.
async fn run_all(rows: impl Iterator<Item = &'static Row>) -> Vec<(Generated, Option<Downloaded>)> {
    let mut tasks = JoinSet::new();
    for row in rows {
        tasks.spawn(async move {
            let downloaded = async {
                match row.is_for_downloads {
                    true => Some(run::download(row).await),
                    false => None,
                }
            };
            tokio::join!(run::generate(row), downloaded)
        });
    }
    tasks.join_all().await
}

/// The index of a row in the table.
fn place(name: &str) -> usize {
    ROWS.iter().position(|row| row.name == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_obeys_rules_and_matches_snapshot() {
    let log = Log::keep();
    // Rows that wait for a timeout run last, when no other row slows them down.
    let mut runs = run_all(ROWS.iter().filter(|row| !row.times_out)).await;
    runs.extend(run_all(ROWS.iter().filter(|row| row.times_out)).await);
    runs.sort_by_key(|(generated, _)| place(generated.row.name));

    let mut problems = Vec::new();
    for (generated, downloaded) in &runs {
        let name = generated.row.name;
        problems.extend(rules::paid_twice(name, &generated.seen));
        problems.extend(rules::lost(generated));
        problems.extend(rules::nameless(generated));
        problems.extend(rules::misjudged(generated));
        problems.extend(rules::key_printed(KEY, generated));
        problems.extend(rules::key_sent(KEY, name, &generated.seen));
        problems.extend(rules::key_leaked(KEY, name, &generated.elsewhere));
        let strangers = generated.elsewhere.connections;
        assert_eq!(strangers, 0, "{name}: a POST went to another origin");
        if let Some(downloaded) = downloaded {
            problems.extend(rules::spoilt(downloaded));
            problems.extend(rules::key_leaked(KEY, name, &downloaded.seen));
            problems.extend(rules::key_leaked(KEY, name, &downloaded.elsewhere));
            if let Err(error) = &downloaded.outcome {
                let prints = run::prints(error);
                problems.extend(rules::found(KEY, name, "a print", &[prints.as_bytes()]));
            }
        }
    }
    assert_eq!(problems, Vec::<String>::new());
    let sent_again = runs.iter().map(|(generated, _)| generated);
    let sent_again: Vec<&str> = sent_again
        .filter(|run| run.seen.with_method("POST").count() > 1)
        .map(|run| run.row.name)
        .collect();
    assert_eq!(sent_again, SENT_AGAIN);
    // The logs of all rows. The loop proves that each of these crates does log.
    assert_eq!(log.lines_with(KEY), Vec::<String>::new());
    for crate_that_logs in ["reqwest", "hyper_util", "h2"] {
        let lines = log.lines_with(crate_that_logs);
        assert!(!lines.is_empty(), "{crate_that_logs} logs nothing");
    }
    snapshot("fault_matrix", table::table(&runs));
}

#[test]
fn row_names_are_unique() {
    let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len());
    for name in SENT_AGAIN {
        assert!(names.contains(name), "{name} is no row");
    }
}

#[tokio::test]
async fn dropped_call_sends_one_request() {
    let log = Log::keep();
    let good = Exchange::post(String::new(), String::new()).good();
    let script = Script::Steps(vec![Step::nothing().hold(), good]);
    let server = FaultServer::start(script).unwrap();
    let client = run::builder(&server).build().unwrap();
    let call = tokio::spawn({
        let client = client.clone();
        let id = ClientRequestId::new("dropped-call-6").unwrap();
        let options = CallOptions::default().client_request_id(id);
        async move { client.generate_with(request(), options).await }
    });
    let is_read = |seen: &Seen| seen.requests.iter().any(|request| request.is_whole);
    server.until(is_read).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let traced = log.lines_with("dropped-call-6");
    let is_warned = |line: &String| line.contains("its outcome is unknown");
    assert!(traced.iter().any(is_warned), "{traced:?}");
    let seen = server.until(|seen| seen.ended == 1).await;
    assert_eq!((seen.connections, seen.requests.len()), (1, 1));
    // The client still works and has nothing left to send.
    client.generate(request()).await.unwrap();
    drop(client);
    let seen = server.until(|seen| seen.ended == seen.connections).await;
    assert_eq!((seen.connections, seen.requests.len()), (2, 2));
}

/// The server closes each connection right after its response, while the next request may
/// already be on its way. Which comes first is a race.
#[tokio::test(flavor = "multi_thread")]
async fn call_on_closing_connection_sends_one_request() {
    const CALLS: usize = 100;
    let good = Exchange::post(String::new(), String::new()).good();
    let server = FaultServer::start(Script::Steps(vec![good.close()])).unwrap();
    let client = run::builder(&server).build().unwrap();
    let mut answered = 0;
    for _ in 0..CALLS {
        match client.generate(request()).await {
            Ok(_) => answered += 1,
            Err(error) => assert!(
                error.may_have_been_charged() && !error.is_retryable(),
                "{error:?}"
            ),
        }
    }
    drop(client);
    let seen = server.until(|seen| seen.ended == seen.connections).await;
    // Requests that arrive after the server closed its side are counted too: a real server
    // could still process them.
    let late = String::from_utf8_lossy(&seen.stray)
        .matches("POST /")
        .count();
    assert_eq!(seen.requests.len(), answered);
    assert!(answered + late <= CALLS, "{answered} and {late}");
}

/// A typical hand-written client: reqwest's default redirects and retries, and the key in a
/// custom header.
fn careless() -> reqwest::ClientBuilder {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("x-key", KEY.parse().unwrap());
    reqwest::Client::builder()
        .no_proxy()
        .default_headers(headers)
}

#[tokio::test]
async fn detects_client_that_resends() {
    let server = FaultServer::start(Script::Http2(Http2Fault::RefuseStream)).unwrap();
    let client = careless().http2_prior_knowledge().build().unwrap();
    let request = client.post(server.url()).body("{}");
    assert!(request.send().await.is_err());
    let name = "HTTP/2, stream refused";
    let problems = rules::paid_twice(name, &server.seen());
    assert!(problems.len() > 1, "{problems:?}");
    assert!(problems[0].ends_with(" POSTs"), "{problems:?}");
    assert!(
        problems[1].ends_with("another POST after None"),
        "{problems:?}"
    );
}

#[tokio::test]
async fn detects_client_that_follows_redirects() {
    let elsewhere = Address::take().unwrap();
    let redirect = Response::new(307, "").header("location", elsewhere.url());
    let server = FaultServer::start(Script::Steps(vec![Step::answer(redirect)])).unwrap();
    let stranger = elsewhere
        .play(Script::Steps(vec![Step::answer(Response::new(200, "{}"))]))
        .unwrap();
    let client = careless().build().unwrap();
    client.post(server.url()).body("{}").send().await.unwrap();
    assert_eq!(stranger.seen().with_method("POST").count(), 1);
    assert_eq!(
        rules::key_leaked(KEY, "a row", &stranger.seen()),
        ["a row: the key is in what a stranger was sent"]
    );
    assert_eq!(
        rules::key_sent(KEY, "a row", &server.seen()),
        [
            "a row: no header with the key, or two",
            "a row: the key is in a request"
        ]
    );
}

#[tokio::test]
async fn detects_retry_that_may_pay_twice() {
    let failed = Response::new(500, "");
    let server = FaultServer::start(Script::Steps(vec![Step::answer(failed)])).unwrap();
    let policy = RetryPolicy::default().base_delay(Duration::ZERO);
    let client = run::builder(&server)
        .retry(policy.retry_500(true))
        .build()
        .unwrap();
    client.generate(request()).await.unwrap_err();
    let problems = rules::paid_twice("500", &server.seen());
    assert_eq!(
        problems,
        [
            "500: 3 POSTs",
            "500: another POST after Some(500)",
            "500: another POST after Some(500)"
        ]
    );
}

#[tokio::test]
async fn detects_lost_answer() {
    let row = &ROWS[place("200, a wrong type")];
    let mut run = run::generate(row).await;
    assert_eq!(rules::lost(&run), Vec::<String>::new());
    assert_eq!(rules::nameless(&run), Vec::<String>::new());
    let other = Response::new(201, "another body").header("x-inference-id", "inf-8");
    run.seen.requests[0].answered = Some(other);
    assert_eq!(rules::lost(&run).len(), 4);
    run.seen.requests[0].bytes = b"POST / HTTP/1.1\r\n\r\n".to_vec();
    assert_eq!(rules::nameless(&run).len(), 1);

    // A refusal costs nothing. Without a response, the same claim is wrong.
    let row = &ROWS[place("429 about a quota")];
    let mut run = run::generate(row).await;
    assert_eq!(rules::misjudged(&run), Vec::<String>::new());
    run.seen.requests[0].answered = None;
    assert_eq!(
        rules::misjudged(&run),
        ["429 about a quota: said to cost nothing"]
    );
    run.outcome = Ok(kontext_api::GeneratedImages::from_json(KEY_IN_ANSWER).unwrap());
    assert_eq!(
        rules::key_printed(KEY, &run),
        ["429 about a quota: the key is in a print"]
    );
}

/// An answer decoded without a client, so its copy of the key is not redacted.
const KEY_IN_ANSWER: &str = r#"{"images": [], "prompt": "planted-key-5f2d"}"#;

#[test]
fn detects_key_in_logs() {
    let log = Log::keep();
    // Keys that no other test uses, because all tests share the log.
    ::log::trace!("a line with logged-key-1");
    tracing::trace!(secret = "traced-key-2", "an event");
    let span = tracing::trace_span!(
        "call",
        secret = "spanned-key-3",
        later = tracing::field::Empty
    );
    span.record("later", "recorded-key-4");
    for key in [
        "logged-key-1",
        "traced-key-2",
        "spanned-key-3",
        "recorded-key-4",
    ] {
        assert_eq!(log.lines_with(key).len(), 1, "{key}");
    }
}
