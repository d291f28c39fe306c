//! Which requests are retried, and which never are.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kontext_api::{CallOptions, Client, ClientRequestId, Error, Outcome, RetryPolicy};
use tokio::net::TcpSocket;

use crate::server::{Answer, ONE_IMAGE, Server, assert_discreet, plain_http, request, response};

/// The default policy with short delays.
fn quick() -> RetryPolicy {
    RetryPolicy::default().base_delay(Duration::from_millis(1))
}

/// A response in the provider's error format.
fn answer(status: &str, headers: &str) -> Answer {
    let code = status.split(' ').next().unwrap();
    let body = format!("{{\"requestId\": \"r\", \"statusCode\": {code}, \"message\": \"no\"}}");
    Answer::Bytes(response(status, headers, body.as_bytes()))
}

fn images() -> Answer {
    Answer::Bytes(response("200 OK", "", ONE_IMAGE))
}

async fn outcome(policy: RetryPolicy, answers: Vec<Answer>) -> (Result<u32, Error>, usize) {
    let server = Server::start_script(answers).await;
    let client = server.builder().retry(policy).build().unwrap();
    let outcome = client.generate(request()).await;
    if let Err(error) = &outcome {
        assert_discreet(error);
    }
    let attempts = outcome.map(|answer| answer.call().unwrap().attempts());
    (attempts, server.requests().len())
}

#[tokio::test]
async fn requests_that_were_not_carried_out_are_retried() {
    for (failures, attempts) in [
        (vec![answer("429 X", "")], 2),
        (
            vec![answer("429 X", "retry-after: 0\r\n"), answer("429 X", "")],
            3,
        ),
        (
            vec![answer(
                "429 X",
                "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            )],
            2,
        ),
        (vec![answer("503 X", "")], 2),
        (vec![answer("503 X", ""), answer("429 X", "")], 3),
    ] {
        let mut answers = failures;
        answers.push(images());
        let (result, requests) = outcome(quick(), answers).await;
        assert_eq!((result.unwrap(), requests), (attempts, attempts as usize));
    }
}

#[tokio::test]
async fn attempts_are_limited() {
    for (failure, attempts) in [
        (answer("429 X", ""), 3),
        (answer("503 X", ""), 2),
        (answer("429 X", "retry-after: 61\r\n"), 1),
        (
            answer("429 X", "retry-after: Sat, 06 Nov 2094 08:49:37 GMT\r\n"),
            1,
        ),
    ] {
        let (result, requests) = outcome(quick(), vec![failure]).await;
        let error = result.unwrap_err();
        assert_eq!(error.call().unwrap().attempts() as usize, attempts);
        assert_eq!(requests, attempts);
        assert!(error.is_retryable() && !error.may_have_been_charged());
    }
}

#[tokio::test]
async fn retry_does_not_wait_for_full_error_body() {
    let slow = b"HTTP/1.1 429 X\r\ncontent-length: 99\r\n\r\n{\"message\": \"slow down\"";
    let server = Server::start_script(vec![Answer::Stall(slow.to_vec()), images()]).await;
    let client = server
        .builder()
        .retry(quick())
        .attempt_timeout(Duration::from_secs(4))
        .build()
        .unwrap();
    let answer = client.generate(request()).await.unwrap();
    assert_eq!(answer.call().unwrap().attempts(), 2);
    let server = Server::start(Answer::Stall(slow.to_vec())).await;
    let client = server.builder().attempt_timeout(Duration::from_secs(4));
    let error = client
        .build()
        .unwrap()
        .generate(request())
        .await
        .unwrap_err();
    let reply = error.reply().unwrap();
    assert_eq!((reply.is_cut(), reply.message()), (true, Some("slow down")));
}

#[tokio::test]
async fn too_long_retry_after_is_in_the_error() {
    let server = Server::start(answer("429 X", "retry-after: 61\r\n")).await;
    let client = server.builder().retry(quick()).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(61)));
}

#[tokio::test]
async fn requests_that_may_have_been_carried_out_are_never_retried() {
    let answers = [
        Answer::Bytes(response("503 X", "", b"upstream connect error")),
        Answer::Bytes(response("503 X", "retry-after: 0\r\n", b"<html>")),
        answer("500 X", ""),
        answer("502 X", ""),
        answer("504 X", ""),
        answer("408 X", ""),
        answer("307 X", "location: /\r\n"),
        Answer::Close,
        Answer::Stall(Vec::new()),
        Answer::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()),
        Answer::Bytes(b"garbage\r\n\r\n".to_vec()),
        Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()),
        answer("200 OK", "content-encoding: gzip\r\n"),
        answer("200 OK", ""),
    ];
    for failure in answers {
        let server = Server::start_script(vec![failure, images()]).await;
        let client = server
            .builder()
            .retry(quick())
            .attempt_timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        let error = client.generate(request()).await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
        assert_eq!(server.requests().len(), 1, "{error:?}");
    }
}

#[tokio::test]
async fn requests_that_were_not_sent_are_retried() {
    // Bound to reserve the port, but not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let kept = Arc::clone(&seen);
    let socket = Mutex::new(Some(socket));
    let listening = Arc::<Mutex<Option<_>>>::default();
    let listener = Arc::clone(&listening);
    let client = plain_http(Client::builder())
        .api_key("key")
        .base_url(format!("http://{address}"))
        .retry(quick())
        .on_attempt(move |attempt| {
            kept.lock().unwrap().push(attempt.outcome.as_str());
            // Start listening after the first attempt.
            if let Some(socket) = socket.lock().unwrap().take() {
                *listener.lock().unwrap() = Some(socket.listen(9).unwrap());
            }
        })
        .build()
        .unwrap();
    let call = client.generate(request());
    let serve = async {
        let listener = loop {
            if let Some(listener) = listening.lock().unwrap().take() {
                break listener;
            }
            tokio::task::yield_now().await;
        };
        let (stream, _) = listener.accept().await.unwrap();
        crate::server::answer_one(stream, &response("200 OK", "", ONE_IMAGE)).await;
    };
    let (answer, ()) = tokio::join!(call, serve);
    assert_eq!(answer.unwrap().call().unwrap().attempts(), 2);
    assert_eq!(*seen.lock().unwrap(), ["not_sent", "generated"]);
}

#[tokio::test]
async fn status_500_and_502_are_retried_if_enabled() {
    for (status, policy) in [
        ("500 X", quick().retry_500(true)),
        ("502 X", quick().retry_502(true)),
    ] {
        let page = || Answer::Bytes(response(status, "", b"<html>"));
        let (result, requests) = outcome(policy.clone(), vec![page(), images()]).await;
        assert_eq!((result.unwrap(), requests), (2, 2));
        let (result, requests) = outcome(policy.clone(), vec![page()]).await;
        assert_eq!(requests, 3);
        assert!(result.unwrap_err().may_have_been_charged());
        // The first attempt may have been charged, even if the last error proves no charge.
        let (result, requests) = outcome(policy, vec![page(), answer("401 X", "")]).await;
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Authentication(_)) && requests == 2);
        assert!(error.may_have_been_charged() && !error.is_retryable());
    }
    let maintenance = Answer::Bytes(response(
        "500 X",
        "",
        b"{\"message\": \"The model is under maintenance.\"}",
    ));
    let (_, requests) = outcome(quick().retry_500(true), vec![maintenance]).await;
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn charge_of_an_earlier_attempt_is_remembered() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = listener.await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async move {
        let (stream, _) = listener.accept().await.unwrap();
        // From now on, connections are refused.
        drop(listener);
        let page = response("502 X", "connection: close\r\n", b"<html>");
        crate::server::answer_one(stream, &page).await;
    };
    let client = plain_http(Client::builder())
        .api_key("key")
        .base_url(base_url)
        .retry(quick().retry_502(true))
        .build()
        .unwrap();
    let (outcome, ()) = tokio::join!(client.generate(request()), serve);
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert!(error.may_have_been_charged() && !error.is_retryable());
    let id = error.client_request_id().unwrap();
    assert_eq!(
        error.to_string(),
        format!("the request was not sent (client request id {id})")
    );
}

#[tokio::test]
async fn every_attempt_and_result_has_the_same_id() {
    let id = ClientRequestId::new("job-7:a").unwrap();
    let server = Server::start_script(vec![
        answer("429 X", ""),
        images(),
        answer("401 X", ""),
        answer("200 OK", ""),
        Answer::Close,
    ])
    .await;
    let client = server.builder().retry(quick()).build().unwrap();
    let call = || {
        let options = CallOptions::default().client_request_id(id.clone());
        client.generate_with(request(), options)
    };
    assert_eq!(call().await.unwrap().client_request_id(), Some(&id));
    for variant in ["authentication", "no_images", "outcome_unknown"] {
        let error = call().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.client_request_id()),
            (variant, Some(&id))
        );
        assert_eq!(
            error.to_string().contains("job-7:a"),
            error.may_have_been_charged()
        );
    }
    let mut invalid = request();
    invalid.prompt = "a".repeat(4_001);
    let options = CallOptions::default().client_request_id(id.clone());
    let error = client.generate_with(invalid, options).await.unwrap_err();
    assert_eq!(error.client_request_id(), Some(&id));
    assert_eq!(error.call().unwrap().attempts(), 0);
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    for request in requests {
        assert!(
            request.contains("x-client-request-id: job-7:a\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn two_calls_have_two_ids() {
    let server = Server::start(images()).await;
    let client = server.client();
    let one = client.generate(request()).await.unwrap();
    let two = client.clone().generate(request()).await.unwrap();
    assert_ne!(one.client_request_id(), two.client_request_id());
}

#[tokio::test]
async fn clones_share_retry_budget() {
    let server = Server::start(answer("429 X", "")).await;
    let policy = quick().budget(3);
    let client = server.builder().retry(policy).build().unwrap();
    let mut attempts = Vec::new();
    for client in [&client, &client.clone(), &client.clone()] {
        let error = client.generate(request()).await.unwrap_err();
        attempts.push(error.call().unwrap().attempts());
    }
    assert_eq!(attempts, [3, 2, 1]);
}

#[tokio::test]
async fn total_timeout_limits_all_attempts() {
    let server = Server::start_script(vec![answer("429 X", ""), Answer::Stall(Vec::new())]).await;
    let policy = quick().total_timeout(Duration::from_millis(400));
    let client = server
        .builder()
        // Longer than the total timeout: the client shortens it.
        .connect_timeout(Duration::from_millis(1_000))
        .retry(policy.clone().max_attempts(1))
        .build()
        .unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert!(matches!(error, Error::RateLimited(_)));
    let error = client.generate(request()).await.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");

    let server = Server::start(answer("429 X", "retry-after: 1\r\n")).await;
    let client = server.builder().retry(policy).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.call().unwrap().attempts(), 1);
}

#[tokio::test]
async fn hook_sees_every_attempt_and_may_panic() {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&seen);
    let server = Server::start_script(vec![answer("429 X", ""), images()]).await;
    let client = server
        .builder()
        .retry(quick())
        .on_attempt(move |attempt| {
            let outcome = match &attempt.outcome {
                Outcome::Generated(answer) => format!("{} image", answer.images().len()),
                Outcome::Failed(error) => error.kind().to_owned(),
                other => other.as_str().to_owned(),
            };
            let status = attempt.outcome.status().unwrap().as_u16();
            kept.lock().unwrap().push(format!(
                "{} {} {} {status} {outcome} again: {}",
                attempt.operation,
                attempt.client_request_id.unwrap(),
                attempt.number,
                attempt.next_in.is_some(),
            ));
            panic!("a careless hook");
        })
        .build()
        .unwrap();
    let answer = client.generate(request()).await.unwrap();
    let id = answer.client_request_id().unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            format!("generate_image {id} 1 429 rate_limited again: true"),
            format!("generate_image {id} 2 200 1 image again: false"),
        ]
    );
}
