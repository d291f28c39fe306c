//! Settings of a client and of a call: headers, timeouts, certificates, plain http.

use std::time::Duration;

use kontext_api::reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use kontext_api::{
    BuildError, CallOptions, Client, ClientBuilder, ClientRequestId, DownloadFailure, Error,
    RetryPolicy,
};

use crate::server::{Answer, KEY, ONE_IMAGE, Server, plain_http, request, response};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    pairs.iter().map(pair).collect()
}

#[tokio::test]
async fn custom_headers_cannot_replace_own_headers() {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    let own = [
        ("authorization", "Bearer other"),
        ("host", "other"),
        ("accept", "other/*"),
        ("accept-encoding", "br"),
        ("content-type", "other/json"),
        ("content-length", "0"),
        ("x-client-request-id", "other"),
    ];
    let of_client = headers(&[&own[..], &[("x-team", "client"), ("x-client", "1")]].concat());
    let of_call = headers(&[&own[..], &[("x-team", "call"), ("x-call", "1")]].concat());
    let client = server.builder().default_headers(of_client).build().unwrap();
    let id = ClientRequestId::new("mine").unwrap();
    let options = CallOptions::default()
        .headers(of_call)
        .client_request_id(id);
    client.generate_with(request(), options).await.unwrap();
    client.generate(request()).await.unwrap();
    let [with, without] = &*server.requests() else {
        panic!("two requests");
    };
    for (text, team) in [(with, "call"), (without, "client")] {
        let head = text
            .split_inclusive("\r\n\r\n")
            .next()
            .unwrap()
            .to_lowercase();
        assert!(
            head.contains(&format!("authorization: bearer {KEY}\r\n")),
            "{head}"
        );
        assert!(head.contains(&format!("x-team: {team}\r\n")), "{head}");
        assert!(head.contains("x-client: 1\r\n"), "{head}");
        assert!(
            !head.contains("other") && !head.contains("br\r\n"),
            "{head}"
        );
    }
    assert!(with.contains("x-call: 1\r\n") && with.contains("x-client-request-id: mine\r\n"));
    assert!(!without.contains("x-call"));
}

#[tokio::test]
async fn call_timeout_overrides_client_timeouts() {
    let server = Server::start(Answer::Stall(Vec::new())).await;
    let limit = Duration::from_millis(200);
    let options = || CallOptions::default().timeout(limit);
    let call = server.client();
    let call = call.generate_with(request(), options());
    let error = tokio::time::timeout(Duration::from_secs(60), call)
        .await
        .unwrap();
    assert!(
        matches!(error, Err(Error::OutcomeUnknown { .. })),
        "{error:?}"
    );
    // It may also be longer than the client's.
    let client = server.builder().attempt_timeout(Duration::from_millis(50));
    let client = client
        .connect_timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let begin = std::time::Instant::now();
    client
        .generate_with(request(), options())
        .await
        .unwrap_err();
    assert!(begin.elapsed() >= limit);
    // It covers all attempts: no retry starts without time left.
    let busy = response("429 X", "retry-after: 1\r\n", b"{}");
    let server = Server::start(Answer::Bytes(busy)).await;
    let client = server.builder().retry(RetryPolicy::default());
    let client = client.build().unwrap();
    let error = client
        .generate_with(request(), options())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::RateLimited(_)), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

/// A client that reaches the server by plain http under the name `kontext-mock`. Its
/// proxy is unreachable, so calls fail if they use it.
fn named(server: &Server) -> ClientBuilder {
    let address = server.address;
    let proxy = kontext_api::reqwest::Proxy::all("http://127.0.0.1:9").unwrap();
    plain_http(Client::builder())
        .api_key(KEY)
        .base_url(format!("http://kontext-mock:{}", address.port()))
        .proxy(proxy.clone())
        .configure_http(move |http| http.proxy(proxy).resolve("kontext-mock", address))
        .configure_download_http(move |http| http.resolve("kontext-mock", address))
        .retry(RetryPolicy::never())
}

#[tokio::test]
async fn plain_http_requires_listed_host_and_skips_proxy() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\0IEND";
    let server = Server::start_script(vec![
        Answer::Bytes(response("200 OK", "connection: close\r\n", ONE_IMAGE)),
        Answer::Bytes(response("200 OK", "connection: close\r\n", png)),
    ])
    .await;
    let error = named(&server).build().unwrap_err();
    assert!(matches!(error, BuildError::PlainHttp { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("`ClientBuilder::allow_plain_http_to`"),
        "{error}"
    );
    let client = named(&server).allow_plain_http_to(["kontext-mock"]);
    let client = client.build().unwrap();
    client.generate(request()).await.unwrap();
    // Images may be downloaded by plain http from that origin only.
    let port = server.address.port();
    let image = |url: String| {
        let body = format!(r#"{{"images": [{{"url": "{url}"}}]}}"#);
        let answer = kontext_api::GeneratedImages::from_json(body).unwrap();
        answer.images()[0].clone()
    };
    let there = image(format!("http://kontext-mock:{port}/a.png"));
    client.download(&there).bytes().await.unwrap();
    for url in [
        "http://kontext-mock/a.png".to_owned(),
        format!("https://kontext-mock:{port}/a.png"),
        format!("http://other:{port}/a.png"),
        format!("http://127.0.0.1:{port}/a.png"),
    ] {
        let error = client.download(&image(url)).bytes().await.unwrap_err();
        assert!(
            matches!(error.failure(), DownloadFailure::Refused { .. }),
            "{error:?}"
        );
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].contains(KEY) && !requests[1].contains(KEY));
}

#[tokio::test]
async fn plain_http_without_private_address_is_not_sent() {
    // The system resolves it to a public address, or not at all.
    let client = plain_http(Client::builder())
        .api_key(KEY)
        .base_url("http://8-8-8-8.invalid")
        .allow_plain_http_to(["8-8-8-8.invalid"])
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
}
