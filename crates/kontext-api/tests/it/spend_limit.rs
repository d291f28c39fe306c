//! The spend limit of a client, shared by its clones and batches.

use kontext_api::{Client, Error};

use crate::server::{Answer, ONE_IMAGE, Server, request, response};

/// A client whose spend limit covers two images, at 100 credits each.
fn limited(server: &Server) -> Client {
    let builder = server.builder().credits_per_image(100);
    builder.spend_limit(200).build().unwrap()
}

fn spent_and_reserved(client: &Client) -> (u64, u64) {
    let credits = client.credits();
    (credits.spent, credits.reserved)
}

#[tokio::test]
async fn call_over_spend_limit_is_not_sent() {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    let client = limited(&server);
    for _ in 0..2 {
        client.clone().generate(request()).await.unwrap();
    }
    let error = client.generate(request()).await.unwrap_err();
    let limits = (
        error.kind(),
        error.is_retryable(),
        error.may_have_been_charged(),
    );
    assert_eq!(limits, ("spend_limit", false, false));
    assert!(error.call().is_some_and(|call| call.attempts() == 0));
    assert_eq!(
        error.to_string(),
        "the request was not sent: its estimated cost is 100 credits, and 0 credits of the \
         spend limit are left"
    );
    assert_eq!(spent_and_reserved(&client), (200, 0));
    assert_eq!(client.credits().limit, Some(200));
    assert_eq!(server.requests().len(), 2);
    // The cost in the response replaces the estimate.
    let server = Server::answering("200 OK", "x-aimlapi-credits-used: 7\r\n", ONE_IMAGE).await;
    let client = limited(&server);
    client.generate(request()).await.unwrap();
    assert_eq!(spent_and_reserved(&client), (7, 0));
}

#[tokio::test]
async fn concurrent_calls_cannot_exceed_the_limit() {
    let server = Server::start(Answer::Stall(Vec::new())).await;
    let client = limited(&server);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        calls.spawn(async move { client.generate(request()).await });
    }
    for _ in 0..8 {
        let result = calls.join_next().await.unwrap().unwrap();
        assert!(matches!(result, Err(Error::SpendLimit { left: 0, .. })));
    }
    assert_eq!(spent_and_reserved(&client), (0, 200));
    // A batch is refused as well, and dropped calls may have been charged.
    let mut batch = client.batch([request()]).start();
    let refused = batch.next().await.unwrap().result.unwrap_err();
    assert!(!refused.may_have_been_charged(), "{refused}");
    calls.shutdown().await;
    assert_eq!(spent_and_reserved(&client), (200, 0));
}

#[tokio::test]
async fn uncharged_calls_cost_nothing() {
    let busy = response("429 X", "retry-after: 60\r\n", b"{}");
    let server = Server::start(Answer::Bytes(busy)).await;
    let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
    let client = server
        .builder()
        .spend_limit(100_000)
        .retry(kontext_api::RetryPolicy::default())
        .on_attempt(move |_| ended.send(()).unwrap())
        .build()
        .unwrap();
    // Dropped while waiting for a retry: nothing is in flight.
    tokio::select! {
        _ = client.generate(request()) => panic!("it should wait for a minute"),
        _ = end.recv() => {}
    }
    assert_eq!(spent_and_reserved(&client), (0, 0));
    // Never polled: nothing is reserved.
    drop(client.generate(request()));
    let mut invalid = request();
    invalid.num_images = Some(5);
    client.generate(invalid).await.unwrap_err();
    assert_eq!(spent_and_reserved(&client), (0, 0));
}

#[tokio::test]
async fn possibly_charged_call_costs_its_estimate() {
    let server = Server::start(Answer::Close).await;
    let client = limited(&server);
    client.generate(request()).await.unwrap_err();
    assert_eq!(spent_and_reserved(&client), (100, 0));
}

#[tokio::test]
async fn dropped_batch_is_charged_its_estimates() {
    let server = Server::start(Answer::Stall(Vec::new())).await;
    let client = limited(&server);
    let mut batch = client.batch([request(), request()]).start();
    let handle = batch.handle();
    tokio::select! {
        _ = batch.next() => panic!("nothing answers"),
        () = server.arrival() => {}
    }
    drop(batch);
    while client.credits().reserved > 0 {
        tokio::task::yield_now().await;
    }
    let progress = handle.progress();
    assert_eq!(
        (progress.credits_spent, progress.credits_reserved),
        (200, 0)
    );
    assert_eq!(spent_and_reserved(&client).1, 0);
    assert!(client.credits().spent >= 100);
}
