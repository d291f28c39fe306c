//! The admin API beyond its usual responses: other methods, other paths, other origins.

use kontext_mock::MockServer;
use serde_json::json;

use crate::{
    http::{self, add_bird_with, post},
    wire::admin,
};

#[tokio::test]
async fn unknown_methods_and_paths_list_alternatives() {
    let server = MockServer::start().await.unwrap();
    let address = server.address();
    for (path, allow) in [
        ("health", "GET, HEAD"),
        ("requests", "GET, DELETE"),
        ("billed", "GET"),
        ("faults", "GET, PUT, DELETE"),
        ("reset", "POST"),
        ("recordings", "GET"),
        ("recordings/reload", "POST"),
    ] {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"] {
            if allow.split(", ").any(|one| one == method) {
                continue;
            }
            let answer = admin(address, method, path, "");
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
            assert_eq!(
                answer.json()["error"],
                format!("method not allowed; this endpoint takes {allow}")
            );
        }
    }
    let answer = admin(address, "DELETE", "files/generated/x.png", "");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("GET, HEAD"))
    );
    for path in ["nothing", "health/", "Health", "requests/1", "../v1"] {
        let answer = admin(address, "GET", path, "");
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.json()["error"],
            "no such endpoint; /__mock/ has: health, requests, billed, faults, reset, recordings, \
             recordings/reload"
        );
    }
}

#[tokio::test]
async fn cross_origin_requests_are_rejected() {
    let server = MockServer::start().await.unwrap();
    let address = server.address();
    post(address, add_bird_with(json!({})));
    for origin in [
        "http://elsewhere.example",
        "null",
        "http://mock.example",
        "https://mock",
        "http://mock:80",
        "",
        "mock",
    ] {
        for (method, path) in [
            ("GET", "requests"),
            ("DELETE", "requests"),
            ("POST", "reset"),
            ("OPTIONS", "faults"),
        ] {
            let headers = [("origin", origin)];
            let path = format!("/__mock/{path}");
            let answer = http::send(address, method, &path, &headers, b"");
            assert_eq!(answer.status, 403, "{method} {path} {origin:?}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(
                answer.json()["error"],
                "pages of other origins cannot use /__mock/; call it from a program"
            );
        }
    }
    assert_eq!(server.received().len(), 1);
    // These requests use the host `mock`.
    let own = http::send(
        address,
        "POST",
        "/__mock/reset",
        &[("origin", "http://mock")],
        b"",
    );
    assert_eq!(own.status, 204);
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn head_returns_length_without_body() {
    let server = MockServer::start().await.unwrap();
    for path in ["health", ""] {
        let get = admin(server.address(), "GET", path, "");
        let head = admin(server.address(), "HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-length", "content-type"] {
            assert_eq!(head.header(name), get.header(name), "{path}");
        }
    }
}
