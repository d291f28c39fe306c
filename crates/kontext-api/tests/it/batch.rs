//! Batches: concurrency, spend limits, rate limits and failures.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kontext_api::{
    BatchError, BatchJob, BatchResult, Client, ClientBuilder, ClientRequestId, Error,
    GenerateImageRequest, ImageToImageRequest,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::server::{Answer, ONE_IMAGE, Server, plain_http, read_request, request, response};

/// A request that arrived at [`Manual`], and the sender for its response.
struct Arrived {
    prompt: String,
    answer: oneshot::Sender<Vec<u8>>,
}

/// A server whose responses are sent by the test.
struct Manual {
    client: Client,
    arrivals: mpsc::UnboundedReceiver<Arrived>,
}

impl Manual {
    async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, arrivals) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let sender = sender.clone();
                tokio::spawn(async move {
                    let text = read_request(&mut stream).await;
                    let (_, body) = text.split_once("\r\n\r\n").unwrap();
                    let body: serde_json::Value = serde_json::from_str(body).unwrap();
                    let prompt = body["prompt"].as_str().unwrap().to_owned();
                    let (answer, answered) = oneshot::channel();
                    let _ = sender.send(Arrived { prompt, answer });
                    if let Ok(bytes) = answered.await {
                        use tokio::io::AsyncWriteExt;
                        let _ = stream.write_all(&bytes).await;
                    }
                });
            }
        });
        let client = plain_http(Client::builder())
            .api_key("key")
            .base_url(base_url);
        Self {
            client: settings(client).build().unwrap(),
            arrivals,
        }
    }

    async fn arrived(&mut self) -> Arrived {
        self.arrivals.recv().await.unwrap()
    }

    /// Whether a request has arrived that the test hasn't taken. Doesn't wait for one that
    /// is still on its way.
    fn has_more(&mut self) -> bool {
        self.arrivals.try_recv().is_ok()
    }
}

fn prompt(text: impl ToString) -> ImageToImageRequest {
    let mut request = request();
    request.prompt = text.to_string();
    request
}

fn ok() -> Vec<u8> {
    response("200 OK", "connection: close\r\n", ONE_IMAGE)
}

fn refused() -> Vec<u8> {
    response("400 X", "connection: close\r\n", b"{}")
}

/// The next result. Panics at the end of the batch.
async fn result_of(batch: &mut kontext_api::Batch) -> BatchResult {
    batch.next().await.unwrap()
}

#[tokio::test]
async fn concurrency_is_limited_and_results_come_as_requests_end() {
    let mut server = Manual::start().await;
    let mut batch = server
        .client
        .batch((0..5).map(prompt))
        .concurrency(2)
        .start();
    let handle = batch.handle();
    let work = tokio::spawn(async move {
        let mut results = Vec::new();
        while let Some(done) = batch.next().await {
            results.push((done.index, done.result.is_ok()));
        }
        (results, batch.progress())
    });
    let (one, two) = (server.arrived().await, server.arrived().await);
    let (zero, one) = if one.prompt == "0" {
        (one, two)
    } else {
        (two, one)
    };
    assert_eq!((&*zero.prompt, &*one.prompt), ("0", "1"));
    assert_eq!(handle.progress().running, 2);
    // The second job finishes first, which makes room for a third.
    assert!(!server.has_more());
    one.answer.send(ok()).unwrap();
    let two = server.arrived().await;
    assert_eq!(two.prompt, "2");
    zero.answer.send(refused()).unwrap();
    let three = server.arrived().await;
    three.answer.send(ok()).unwrap();
    let four = server.arrived().await;
    four.answer.send(ok()).unwrap();
    // Respond to `two` last, once the others have finished.
    while handle.progress().succeeded < 3 {
        tokio::task::yield_now().await;
    }
    two.answer.send(ok()).unwrap();
    let (results, progress) = work.await.unwrap();
    assert_eq!(results[..2], [(1, true), (0, false)]);
    assert_eq!(results.last(), Some(&(2, true)));
    assert_eq!(results.len(), 5);
    assert_eq!(
        (progress.succeeded, progress.failed, progress.running),
        (4, 1, 0)
    );
    assert_eq!(progress.credits_spent, 4 * 91_000);
    assert_eq!(progress.credits_reserved, 0);
}

#[tokio::test]
async fn stopped_batch_finishes_requests_in_flight() {
    let mut server = Manual::start().await;
    let mut batch = server
        .client
        .batch((0..9).map(prompt))
        .concurrency(2)
        .start();
    let handle = batch.handle();
    let work = tokio::spawn(async move {
        let mut count = 0;
        while let Some(done) = batch.next().await {
            done.result.unwrap();
            count += 1;
        }
        count
    });
    let (one, two) = (server.arrived().await, server.arrived().await);
    handle.stop();
    one.answer.send(ok()).unwrap();
    two.answer.send(ok()).unwrap();
    assert_eq!(work.await.unwrap(), 2);
    assert!(!server.has_more());
}

#[tokio::test]
async fn waiting_call_is_not_retried_after_stop() {
    let busy = response("429 X", "connection: close\r\nretry-after: 60\r\n", b"{}");
    let server = Server::start(Answer::Bytes(busy)).await;
    let (ended, end) = tokio::sync::oneshot::channel();
    let ended = Mutex::new(Some(ended));
    let client = server
        .builder()
        .retry(kontext_api::RetryPolicy::default())
        .on_attempt(move |_| {
            let _ = ended.lock().unwrap().take().unwrap().send(());
        })
        .build()
        .unwrap();
    let mut batch = client.batch([prompt("a")]).start();
    let handle = batch.handle();
    let stop = async {
        end.await.unwrap();
        handle.stop();
    };
    let (result, ()) = tokio::join!(batch.next(), stop);
    let error = result.unwrap().result.unwrap_err();
    assert!(
        matches!(error, BatchError::Call(Error::RateLimited(_))),
        "{error:?}"
    );
    assert!(batch.next().await.is_none());
    assert_eq!(server.requests().len(), 1);
}

/// A server that accepts `per_window` requests per 100 ms and refuses the others with
/// a 429. Returns its URL and how many it accepted and refused.
async fn limited(per_window: u32, headers: &'static str) -> (String, Arc<Mutex<(u32, u32)>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let counts = Arc::<Mutex<(u32, u32)>>::default();
    let counted = Arc::clone(&counts);
    tokio::spawn(async move {
        let (mut window, mut taken) = (tokio::time::Instant::now(), 0);
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            if window.elapsed() > Duration::from_millis(100) {
                (window, taken) = (tokio::time::Instant::now(), 0);
            }
            taken += 1;
            let is_taken = taken <= per_window;
            let answer = match is_taken {
                true => ok(),
                false => response("429 X", &format!("connection: close\r\n{headers}"), b"{}"),
            };
            {
                let mut counts = counted.lock().unwrap();
                match is_taken {
                    true => counts.0 += 1,
                    false => counts.1 += 1,
                }
            }
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(&answer).await;
        }
    });
    (base_url, counts)
}

#[tokio::test]
async fn rate_limit_pauses_batch_without_failing_jobs() {
    let (base_url, counts) = limited(3, "").await;
    let policy = kontext_api::RetryPolicy::default().base_delay(Duration::from_millis(50));
    let client = plain_http(Client::builder())
        .api_key("key")
        .base_url(base_url)
        .retry(policy);
    let client = client.build().unwrap();
    let mut batch = client.batch((0..50).map(prompt)).start();
    let mut done = 0;
    while let Some(result) = batch.next().await {
        let answer = result.result.unwrap();
        assert!(answer.call().unwrap().attempts() >= 1);
        done += 1;
    }
    assert_eq!((done, batch.progress().credits_reserved), (50, 0));
    let (taken, refused) = *counts.lock().unwrap();
    assert_eq!(taken, 50);
    assert!(refused > 0, "there was no limit");
    // These retries don't use the retry budget: with a budget of 0, they continue.
    let server = Server::start(Answer::Bytes(response(
        "429 X",
        "connection: close\r\n",
        b"{}",
    )))
    .await;
    let policy = kontext_api::RetryPolicy::default().base_delay(Duration::from_millis(1));
    let client = server.builder().retry(policy.budget(0)).build().unwrap();
    let mut batch = client.batch([prompt("a")]).start();
    let handle = batch.handle();
    let stop = async {
        while server.requests().len() < 5 {
            tokio::task::yield_now().await;
        }
        handle.stop();
    };
    let (result, ()) = tokio::join!(batch.next(), stop);
    let error = result.unwrap().result.unwrap_err();
    assert!(
        matches!(error, BatchError::Call(Error::RateLimited(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn quota_429_ends_the_job() {
    for (headers, body) in [
        ("retry-after: 61\r\n", "{}"),
        (
            "",
            "{\"message\": \"Free-tier limit: You've reached your free limit.\"}",
        ),
        ("", "{\"message\": \"See your billing page.\"}"),
        ("x-aimlapi-credits-used: 91000\r\n", "{}"),
    ] {
        let headers = format!("connection: close\r\n{headers}");
        let answer = response("429 X", &headers, body.as_bytes());
        let server = Server::start(Answer::Bytes(answer)).await;
        let client = server.builder().retry(kontext_api::RetryPolicy::default());
        let client = client.build().unwrap();
        let mut batch = client.batch((0..2).map(prompt)).concurrency(1).start();
        for sent in 1..=2 {
            let error = batch.next().await.unwrap().result.unwrap_err();
            assert!(matches!(error, BatchError::Call(Error::RateLimited(_))));
            assert_eq!(server.requests().len(), sent, "{headers}{body}");
        }
        assert!(batch.next().await.is_none());
    }
}

#[tokio::test]
async fn endless_rate_limit_ends_the_job_and_so_does_a_policy_without_retries() {
    let busy = || Answer::Bytes(response("429 X", "connection: close\r\n", b"{}"));
    let server = Server::start(busy()).await;
    let quick = kontext_api::RetryPolicy::default().base_delay(Duration::from_millis(1));
    let short = quick.clone().total_timeout(Duration::from_millis(200));
    for (policy, is_one) in [
        (short, false),
        (quick.clone().retry_rate_limits(false), true),
        (kontext_api::RetryPolicy::never(), true),
    ] {
        let before = server.requests().len();
        let client = server.builder().retry(policy).build().unwrap();
        let mut batch = client.batch([prompt("a")]).start();
        let error = batch.next().await.unwrap().result.unwrap_err();
        assert!(matches!(error, BatchError::Call(Error::RateLimited(_))));
        let requests = server.requests().len() - before;
        assert_eq!(requests == 1, is_one, "{requests}");
    }
}

#[tokio::test]
async fn paused_batch_reserves_credits_until_stopped() {
    let busy = response("429 X", "connection: close\r\nretry-after: 60\r\n", b"{}");
    let server = Server::start(Answer::Bytes(busy)).await;
    let client = server.builder().retry(kontext_api::RetryPolicy::default());
    let client = client.spend_limit(200_000).build().unwrap();
    let mut batch = client.batch((0..9).map(prompt)).concurrency(2).start();
    let handle = batch.handle();
    let work = tokio::spawn(async move {
        let mut results = Vec::new();
        while let Some(done) = batch.next().await {
            results.push(done.result);
        }
        results
    });
    server.arrival().await;
    while server.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    // Both wait for a retry, and their estimated cost stays reserved.
    assert_eq!(handle.progress().credits_reserved, 182_000);
    handle.stop();
    let results = work.await.unwrap();
    assert_eq!(results.len(), 2, "{results:?}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn job_waiting_for_credits_is_returned_after_stop() {
    let mut server = Manual::with(|builder| builder.spend_limit(100_000)).await;
    let mut batch = server.client.batch((0..3).map(prompt)).start();
    let handle = batch.handle();
    let work = tokio::spawn(async move {
        let mut results = Vec::new();
        while let Some(done) = batch.next().await {
            results.push(done);
        }
        (results, batch.progress())
    });
    let first = server.arrived().await;
    handle.stop();
    first.answer.send(ok()).unwrap();
    let (results, progress) = work.await.unwrap();
    assert_eq!(results.len(), 2);
    for BatchResult { index, result, .. } in results {
        match index {
            0 => assert!(result.is_ok()),
            _ => assert!(matches!(result, Err(BatchError::Stopped)), "{result:?}"),
        }
    }
    assert_eq!(progress.not_sent, 1);
}

#[tokio::test]
async fn spend_limit_counts_requests_in_flight() {
    let mut server = Manual::with(|builder| builder.spend_limit(250_000)).await;
    let mut pair = prompt("pair");
    pair.num_images = Some(2);
    let jobs = [prompt("first"), pair, prompt("last")];
    let mut batch = server.client.batch(jobs).start();
    let handle = batch.handle();
    let work = tokio::spawn(async move {
        let mut results = Vec::new();
        while let Some(done) = batch.next().await {
            results.push(done);
        }
        results
    });
    // 91,000 credits are reserved, so the pair must wait.
    let first = server.arrived().await;
    assert_eq!(first.prompt, "first");
    assert_eq!(handle.progress().credits_reserved, 91_000);
    // It cost less than estimated, so there is room for the pair.
    let cheap = response(
        "200 OK",
        "connection: close\r\nx-aimlapi-credits-used: 50000\r\n",
        ONE_IMAGE,
    );
    first.answer.send(cheap).unwrap();
    let pair = server.arrived().await;
    assert_eq!(pair.prompt, "pair");
    assert_eq!(handle.progress().credits_spent, 50_000);
    // The outcome is unknown, so it counts in full.
    drop(pair.answer);
    let results = work.await.unwrap();
    assert!(results[0].result.is_ok());
    let error = results[1].result.as_ref().unwrap_err();
    assert!(error.may_have_been_charged(), "{error:?}");
    let error = results[2].result.as_ref().unwrap_err();
    assert!(
        matches!(
            error,
            BatchError::SpendLimit {
                estimate: 91_000,
                left: 18_000,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "the job was not sent: its estimated cost is 91000 credits, and 18000 credits of the \
         spend limit are left"
    );
    assert_eq!((results[2].index, handle.progress().not_sent), (2, 1));
    assert!(!server.has_more());
}

#[tokio::test]
async fn affordable_job_is_sent_after_unaffordable_one() {
    let server = Server::start(Answer::Bytes(ok())).await;
    let mut four = prompt("four");
    four.num_images = Some(4);
    let client = server.builder().spend_limit(20).credits_per_image(10);
    let client = client.build().unwrap();
    let mut batch = client.batch([four, prompt("one")]).start();
    let (one, two) = (result_of(&mut batch).await, result_of(&mut batch).await);
    assert!(matches!(one.result, Err(BatchError::SpendLimit { .. })));
    assert!(two.result.is_ok() && batch.next().await.is_none());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn failing_before_each_keeps_the_job_from_being_sent() {
    let server = Server::start(Answer::Bytes(ok())).await;
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&seen);
    let named =
        BatchJob::new(prompt("b")).client_request_id(ClientRequestId::new("job-b").unwrap());
    let mut batch = server
        .client()
        .batch([prompt("a").into(), named, prompt("c").into()])
        .concurrency(1)
        .before_each(move |starting| {
            let GenerateImageRequest::ImageToImage(request) = starting.request else {
                panic!("another request");
            };
            let (index, prompt) = (starting.index, &request.prompt);
            let id = starting.client_request_id;
            kept.lock().unwrap().push(format!("{index} {id} {prompt}"));
            match index {
                0 => Err("the disk is full".into()),
                2 => panic!("a careless function"),
                _ => Ok(()),
            }
        })
        .start();
    let result = result_of(&mut batch).await;
    let error = result.result.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!((result.index, &*source), (0, "the disk is full"));
    assert!(!error.may_have_been_charged());
    let result = result_of(&mut batch).await;
    let answer = result.result.unwrap();
    assert_eq!(answer.client_request_id().unwrap().as_str(), "job-b");
    let error = result_of(&mut batch).await.result.unwrap_err();
    assert!(matches!(error, BatchError::NotStarted { .. }), "{error:?}");
    assert_eq!(batch.progress().credits_reserved, 0);
    let seen = seen.lock().unwrap();
    assert!(seen.len() == 3 && seen[1] == "1 job-b b", "{seen:?}");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains("x-client-request-id: job-b\r\n"));
}

#[tokio::test]
async fn jobs_are_pulled_only_when_capacity_is_free() {
    let mut server = Manual::start().await;
    let taken = Arc::<Mutex<usize>>::default();
    let counter = Arc::clone(&taken);
    let jobs = std::iter::repeat_with(move || {
        *counter.lock().unwrap() += 1;
        prompt("endless")
    });
    let mut batch = server.client.batch(jobs).concurrency(3).start();
    let handle = batch.handle();
    let next = tokio::spawn(async move { (batch.next().await, batch) });
    for _ in 0..3 {
        server.arrived().await.answer.send(ok()).unwrap();
    }
    let (result, mut batch) = next.await.unwrap();
    assert!(result.unwrap().result.is_ok());
    assert_eq!(*taken.lock().unwrap(), 3);
    handle.stop();
    while batch.next().await.is_some() {}
    assert_eq!(*taken.lock().unwrap(), 3);
}

#[tokio::test]
async fn invalid_request_costs_nothing() {
    let server = Server::start(Answer::Bytes(ok())).await;
    let mut invalid = prompt("a");
    invalid.num_images = Some(u64::MAX);
    let mut batch = server.client().batch([invalid]).start();
    let error = result_of(&mut batch).await.result.unwrap_err();
    assert!(matches!(error, BatchError::Call(Error::InvalidRequest(_))));
    assert_eq!(batch.progress().credits_spent, 0);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn batch_is_a_stream_and_cancelling_next_loses_nothing() {
    let server = Server::start(Answer::Bytes(ok())).await;
    let mut batch = server.client().batch((0..3).map(prompt)).start();
    let mut count = 0;
    loop {
        // Often too short for a response, so `next` is cancelled.
        let next = tokio::time::timeout(Duration::from_micros(50), batch.next());
        match next.await {
            Ok(Some(done)) => count += usize::from(done.result.is_ok()),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    assert_eq!((count, server.requests().len()), (3, 3));
    fn stream(_: impl futures_core::Stream<Item = BatchResult> + Send + 'static) {}
    stream(batch);
}
