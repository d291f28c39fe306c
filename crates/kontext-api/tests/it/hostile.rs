//! Careless callers and odd servers must not cause a second payment, a lost response or
//! a leaked secret.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use kontext_api::{
    BatchError, BuildError, Client, GeneratedImages, Image, InputImage, Outcome, RetryPolicy, Uri,
};
use serde_json::json;

use crate::server::{Answer, KEY, ONE_IMAGE, Server, plain_http, request, response};
use crate::traces::Lines;

fn ok() -> Vec<u8> {
    response("200 OK", "connection: close\r\n", ONE_IMAGE)
}

fn quick() -> RetryPolicy {
    RetryPolicy::default().base_delay(Duration::from_millis(1))
}

fn image(value: serde_json::Value) -> Image {
    let body = json!({ "images": [value] }).to_string();
    GeneratedImages::from_json(body).unwrap().images()[0].clone()
}

/// A client that can download from this machine.
fn local() -> Client {
    let client = plain_http(Client::builder())
        .api_key(KEY)
        .base_url("http://127.0.0.1:9");
    client.retry(RetryPolicy::never()).build().unwrap()
}

#[tokio::test]
async fn iterator_is_not_polled_after_its_end() {
    let server = Server::start(Answer::Bytes(ok())).await;
    let mut count = 0;
    let jobs = std::iter::from_fn(move || {
        count += 1;
        (count % 3 != 0).then(request)
    });
    let mut batch = server.client().batch(jobs).start();
    let mut results = 0;
    while batch.next().await.is_some() {
        results += 1;
        assert!(results < 9);
    }
    assert_eq!((results, server.requests().len()), (2, 2));
}

#[tokio::test]
async fn panicking_iterator_loses_no_answer() {
    let server = Server::start(Answer::Bytes(ok())).await;
    let jobs = (0..2).map(|index| match index {
        0 => request(),
        _ => panic!("a careless iterator"),
    });
    let mut batch = server.client().batch(jobs).start();
    let mut paid = 0;
    while let Some(done) = batch.next().await {
        match done.index {
            0 => paid += usize::from(done.result.is_ok()),
            _ => assert!(matches!(done.result, Err(BatchError::NotStarted { .. }))),
        }
    }
    assert_eq!(paid, 1);
}

#[tokio::test]
async fn endless_rejected_jobs_do_not_starve_answers() {
    let server = Server::start(Answer::Bytes(ok())).await;
    let mut batch = server
        .client()
        .batch(std::iter::repeat_with(request))
        .before_each(|starting| match starting.index {
            0 => Ok(()),
            _ => Err("the disk is full".into()),
        })
        .start();
    loop {
        let done = batch.next().await.unwrap();
        if done.index == 0 {
            done.result.unwrap();
            break;
        }
        assert!(done.index < 100_000);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn dropped_batch_warns_of_paid_answers() {
    let lines = Lines::keep();
    let server = Server::start(Answer::Bytes(ok())).await;
    let ended = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&ended);
    let client = server
        .builder()
        .on_attempt(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let mut batch = client.batch((0..3).map(|_| request())).start();
    let handle = batch.handle();
    batch.next().await.unwrap().result.unwrap();
    while ended.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    // The tasks finish shortly after their last attempt.
    for _ in 0..9 {
        tokio::task::yield_now().await;
    }
    drop(batch);
    let text = lines.text();
    assert_eq!(
        text.matches("before a paid answer was taken").count(),
        2,
        "{text}"
    );
    assert_eq!(
        (handle.progress().running, handle.progress().succeeded),
        (0, 3)
    );
}

#[test]
fn without_runtime_no_job_is_started() {
    let started = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&started);
    let mut batch = local()
        .batch([request()])
        .before_each(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
        .start();
    let next = pin!(batch.next());
    let mut context = Context::from_waker(Waker::noop());
    let result = match next.poll(&mut context) {
        std::task::Poll::Ready(result) => result.unwrap(),
        std::task::Poll::Pending => panic!("it waits for ever"),
    };
    assert!(matches!(result.result, Err(BatchError::NotStarted { .. })));
    assert_eq!(started.load(Ordering::SeqCst), 0);
}

/// A subscriber that panics when a span records a field.
struct Panics;

impl tracing::Subscriber for Panics {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {
        panic!("a careless subscriber");
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn panicking_subscriber_loses_no_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcome = tracing::subscriber::with_default(Panics, || {
        catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let server = Server::start(Answer::Bytes(ok())).await;
                server.client().generate(request()).await.is_ok()
            })
        }))
    });
    assert!(matches!(outcome, Ok(true)));
}

#[tokio::test]
async fn refusal_with_cost_is_not_retried() {
    for status in ["503 X", "429 X"] {
        let headers = "connection: close\r\nx-aimlapi-credits-used: 91000\r\n";
        let server = Server::start(Answer::Bytes(response(status, headers, b"{}"))).await;
        let client = server.builder().retry(quick()).build().unwrap();
        let error = client.generate(request()).await.unwrap_err();
        assert!(
            error.may_have_been_charged() && !error.is_retryable(),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn redirect_to_result_may_have_been_charged() {
    for (status, is_charged) in [
        ("301 X", true),
        ("302 X", true),
        ("303 X", true),
        ("307 X", false),
        ("308 X", false),
    ] {
        let answer = response(status, "location: /v1/images/7\r\n", b"");
        let server = Server::start(Answer::Bytes(answer)).await;
        let error = server.client().generate(request()).await.unwrap_err();
        assert_eq!(error.may_have_been_charged(), is_charged, "{error}");
    }
}

#[tokio::test]
async fn reported_cost_counts_as_spent() {
    let one = |rest: &str| format!("{{\"images\": [{{\"url\": \"https://e.com/1\"}}]{rest}}}");
    for (status, headers, body, spent) in [
        ("200 OK", "x-aimlapi-usd-spent: 1.0\r\n", one(""), 2_000_000),
        (
            "200 OK",
            "",
            one(",\"meta\": {\"usage\": {\"tokens_used\": 300000}}"),
            300_000,
        ),
        (
            "200 OK",
            "",
            "{\"meta\": {\"usage\": {\"credits_used\": 300000}}}".to_owned(),
            300_000,
        ),
        (
            "400 X",
            "x-aimlapi-credits-used: 91000\r\n",
            "{}".to_owned(),
            91_000,
        ),
        ("400 X", "", "{}".to_owned(), 0),
    ] {
        let answer = response(status, headers, body.as_bytes());
        let server = Server::start(Answer::Bytes(answer)).await;
        let mut batch = server.client().batch([request()]).start();
        batch.next().await.unwrap();
        assert_eq!(batch.progress().credits_spent, spent, "{headers}{body}");
    }
}

#[tokio::test]
async fn spend_limit_counts_retries_that_may_be_charged() {
    let server = Server::start(Answer::Bytes(response("502 X", "", b""))).await;
    let policy = quick().retry_502(true);
    let limited = |credits| {
        let builder = server.builder().retry(policy.clone());
        builder.spend_limit(credits).build().unwrap()
    };
    let mut batch = limited(91_000).batch([request()]).start();
    let result = batch.next().await.unwrap().result;
    assert!(matches!(
        result,
        Err(BatchError::SpendLimit {
            estimate: 273_000,
            left: 91_000,
            ..
        })
    ));
    let mut batch = limited(273_000).batch([request()]).start();
    batch.next().await.unwrap().result.unwrap_err();
    assert_eq!(batch.progress().credits_spent, 273_000);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn debug_hides_signatures_and_image_data() {
    let signed = "https://cdn.example.com/1.png?X-Amz-Signature=signature-3b1f#f";
    let answer = json!({ "images": [{ "url": signed }] }).to_string();
    let answer = GeneratedImages::from_json(answer).unwrap();
    let client = local();
    let image = &answer.images()[0];
    let data = InputImage::from_bytes(png(999)).unwrap();
    for text in [
        format!("{answer:?}"),
        format!("{image:?}"),
        format!("{:?}", client.download(image)),
        format!("{:?}", Outcome::Generated(&answer)),
        format!("{:?}", Uri::try_from(signed).unwrap()),
        format!("{:?}", Uri::from(data)),
    ] {
        assert!(!text.contains("signature-3b1f"), "{text}");
        assert!(!text.contains("iVBORw0KGgo"), "{text}");
    }
}

fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(length, 7);
    bytes
}

#[tokio::test]
async fn url_is_used_when_base64_holds_no_image() {
    let server = Server::start(Answer::Bytes(response("200 OK", "", &png(600)))).await;
    let url = format!("http://{}/a.png", server.address);
    let folder = tempfile::tempdir().unwrap();
    for base64 in ["<omitted>", "bm90IGFuIGltYWdl"] {
        let image = image(json!({ "url": url, "b64_json": base64 }));
        let client = local();
        let downloaded = client.download(&image).bytes().await.unwrap();
        assert!(downloaded.bytes == png(600));
        let path = folder.path().join(base64.len().to_string());
        let saved = client.download(&image).to_file(path).await.unwrap();
        assert!(std::fs::read(saved.path()).unwrap() == png(600));
    }
}

#[tokio::test]
async fn path_naming_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let base64 = "iVBORw0KGgoAAAANSUhEUg==";
    let image = image(json!({ "b64_json": base64 }));
    for name in [".", "./", "..", "x/..", ""] {
        let path = out.join(name);
        local().download(&image).to_file(&path).await.unwrap_err();
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "{name}");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "{name}"
        );
    }
}

#[tokio::test]
async fn url_containing_key_is_not_fetched() {
    let server = Server::start(Answer::Bytes(response("200 OK", "", &png(600)))).await;
    let once: String = KEY.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let twice: String = KEY.bytes().map(|byte| format!("%25{byte:02X}")).collect();
    for key in [KEY, &once, &twice] {
        let image = image(json!({ "url": format!("http://{}/?k={key}", server.address) }));
        local().download(&image).bytes().await.unwrap_err();
    }
    assert!(server.requests().is_empty());
}

/// No time, almost none, and the maximum.
const EXTREMES: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];

#[tokio::test]
async fn extreme_settings_neither_panic_nor_hang() {
    for total in EXTREMES {
        for attempt in EXTREMES {
            for connect in EXTREMES {
                let busy = response("429 X", "connection: close\r\n", b"");
                let script = vec![Answer::Bytes(busy), Answer::Bytes(ok())];
                let server = Server::start_script(script).await;
                let policy = RetryPolicy::default()
                    .max_attempts(u32::MAX)
                    .budget(u32::MAX)
                    .max_503_retries(u32::MAX)
                    .base_delay(Duration::MAX)
                    .max_delay(Duration::ZERO)
                    .max_retry_after(Duration::MAX)
                    .total_timeout(total);
                let client = server
                    .builder()
                    .connect_timeout(connect)
                    .attempt_timeout(attempt)
                    .retry(policy)
                    .build();
                if attempt > total {
                    assert!(matches!(client, Err(BuildError::AttemptTimeout { .. })));
                    continue;
                }
                let client = client.unwrap();
                let call =
                    tokio::time::timeout(Duration::from_secs(20), client.generate(request()));
                assert!(
                    call.await.is_ok(),
                    "{connect:?} {attempt:?} {total:?}: it hangs"
                );
                assert!(server.requests().len() <= 2);
            }
        }
    }
}

#[tokio::test]
async fn echoed_prompt_is_logged_at_trace_only() {
    for body in [
        &br#"{"prompt": "nobody's business", "images": [{"#[..],
        br#"{"images": "nobody's business"}"#,
        br#"{"message": "nobody's business"}"#,
    ] {
        let lines = Lines::keep();
        let server = Server::start(Answer::Bytes(response("200 OK", "", body))).await;
        server.client().generate(request()).await.unwrap_err();
        let text = lines.text();
        for line in text.lines().filter(|line| line.contains("nobody's")) {
            assert!(line.starts_with("TRACE"), "{line}");
        }
    }
}

#[test]
fn thousand_calls_have_distinct_ids() {
    let seen = Arc::<Mutex<std::collections::BTreeSet<String>>>::default();
    for _ in 0..2 {
        let kept = Arc::clone(&seen);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut batch = local()
                .batch((0..500).map(|_| request()))
                .before_each(move |starting| {
                    let id = starting.client_request_id.to_string();
                    kept.lock().unwrap().insert(id);
                    Err("only looking".into())
                })
                .start();
            while batch.next().await.is_some() {}
        });
    }
    assert_eq!(seen.lock().unwrap().len(), 1_000);
}
