//! The request journal: its limits, redaction, and assertions for tests.

use std::{
    io::{Read as _, Write as _},
    time::{Duration, SystemTime},
};

use kontext_mock::{JOURNAL_BODY, JOURNAL_ENTRIES, Match, MatchMode, MockServer};
use serde_json::json;

use crate::{
    http::{self, PATH, add_bird_with, connect, post},
    wire::{self, admin, admin_json, post_with},
};

#[tokio::test]
async fn journal_keeps_request_as_received() {
    let server = MockServer::start().await.unwrap();
    let before = SystemTime::now();
    let headers = [
        ("x-test", "one"),
        ("x-test", "two"),
        ("x-kontext-session", "s-1"),
        ("x-kontext-fault", "delay=1ms"),
    ];
    let body = add_bird_with(json!({}));
    let path = format!("{PATH}?page=2");
    post_with(server.address(), &headers, &body);
    http::send(
        server.address(),
        "POST",
        &path,
        http::HEADERS,
        body.as_bytes(),
    );
    let received = server.received();
    let [first, second] = received.as_slice() else {
        panic!("{received:?}")
    };
    assert_eq!((first.number(), second.number()), (1, 2));
    assert_eq!(
        (first.method(), first.path(), first.query()),
        ("POST", PATH, None)
    );
    assert_eq!(
        (first.header("x-test"), first.header("X-Test")),
        (Some("one"), None)
    );
    let values: Vec<_> = first
        .headers()
        .filter(|(name, _)| *name == "x-test")
        .collect();
    assert_eq!(values, [("x-test", "one"), ("x-test", "two")]);
    assert_eq!(
        (first.body(), first.body_length()),
        (body.as_bytes(), body.len())
    );
    assert_eq!(
        first.json().unwrap()["prompt"],
        "Add a bird to the foreground of the photo."
    );
    assert!(first.at() >= before - Duration::from_secs(1));
    assert!(first.at() <= SystemTime::now() + Duration::from_secs(1));
    assert_eq!(
        (first.status(), first.found(), first.is_miss()),
        (200, Some(Match::Exact), false)
    );
    assert_eq!(first.recording(), Some("generate-image/add-bird"));
    assert_eq!((first.error(), first.differences().len()), (None, 0));
    assert_eq!(
        (first.session(), first.faults()),
        (Some("s-1"), &["delay=1ms".to_owned()][..])
    );
    assert_eq!((first.billed().images, first.billed().credits), (1, 91_000));
    assert_eq!(
        (second.query(), second.found(), second.billed().images),
        (Some("page=2"), Some(Match::Miss), 0)
    );
    let difference = &second.differences()[0];
    assert_eq!(
        (difference.place.as_str(), difference.received.as_deref()),
        ("query", Some("page=2"))
    );
}

#[tokio::test]
async fn journal_keeps_last_1000_requests() {
    let server = MockServer::start().await.unwrap();
    let mut stream = connect(server.address());
    let bodies = [
        add_bird_with(json!({})),
        add_bird_with(json!({"prompt": "x"})),
    ];
    for number in 0..JOURNAL_ENTRIES + 10 {
        stream
            .write_all(&wire::request(&[], &bodies[number % 2]))
            .unwrap();
        wire::next(&mut stream);
    }
    let received = server.received();
    assert_eq!(received.len(), JOURNAL_ENTRIES);
    let numbers: Vec<_> = received
        .iter()
        .map(kontext_mock::Received::number)
        .collect();
    assert_eq!(numbers, (11..=1010).collect::<Vec<_>>());
    // The counters have no such limit.
    assert_eq!((server.counts().requests, server.miss_count()), (1010, 505));
    assert_eq!(server.misses().len(), 500);
    assert_eq!(server.billed().generations, 505);
    let listed = admin_json(server.address(), "requests");
    assert_eq!(
        (
            listed["requests"].as_array().unwrap().len(),
            &listed["kept"]
        ),
        (1000, &json!(1000))
    );
    let numbers = |query: &str| -> Vec<u64> {
        let listed = admin_json(server.address(), &format!("requests?{query}"));
        listed["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["number"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers("since=1007"), [1008, 1009, 1010]);
    assert_eq!(numbers("since=1007&misses=true"), [1008, 1010]);
    assert_eq!(numbers("since=1010"), [0; 0]);
}

#[tokio::test]
async fn journal_keeps_first_four_kib_of_body() {
    let server = MockServer::start().await.unwrap();
    let empty = add_bird_with(json!({"prompt": ""})).len();
    for length in [JOURNAL_BODY, JOURNAL_BODY + 1, 100_000] {
        let body = add_bird_with(json!({"prompt": "x".repeat(length - empty)}));
        assert_eq!(body.len(), length);
        post(server.address(), &body);
        let received = server.received();
        let last = received.last().unwrap();
        let kept = length.min(JOURNAL_BODY);
        assert_eq!(
            (last.body(), last.body_length()),
            (&body.as_bytes()[..kept], length)
        );
        assert_eq!(last.json().is_some(), length == kept);
        let listed = admin_json(server.address(), "requests");
        let listed = listed["requests"].as_array().unwrap().last().unwrap();
        assert_eq!(listed["body"].as_str().unwrap().len(), kept);
        assert_eq!(
            (&listed["body_length"], &listed["body_is_cut"]),
            (&json!(length), &json!(length != kept))
        );
    }
    // Cutting a body inside a character is not an error.
    let umlauts = add_bird_with(json!({"prompt": "ü".repeat(3000)}));
    post(server.address(), &umlauts);
    let listed = admin_json(server.address(), "requests?since=3");
    assert!(
        listed["requests"][0]["body"]
            .as_str()
            .unwrap()
            .contains("üüü")
    );
}

#[tokio::test]
async fn secrets_in_headers_and_queries_are_hidden() {
    let server = MockServer::builder()
        .key("s3cret-key")
        .start()
        .await
        .unwrap();
    let headers = [
        ("authorization", "Bearer s3cret-key"),
        ("cookie", "id=s3cret-cookie"),
        ("proxy-authorization", "Basic s3cret-proxy"),
        ("x-api-key", "s3cret-api"),
        ("x-amz-security-token", "s3cret-token"),
        ("x-client-secret", "s3cret-client"),
        ("x-ratelimit-remaining-tokens", "12"),
        ("content-type", "application/json"),
    ];
    let body = add_bird_with(json!({}));
    http::send(server.address(), "POST", PATH, &headers, body.as_bytes());
    // Also for a request that is refused because of its key.
    http::send(
        server.address(),
        "POST",
        PATH,
        &[("authorization", "Bearer s3cret-other")],
        b"",
    );
    let received = server.received();
    assert_eq!((received[0].status(), received[1].status()), (200, 401));
    for hidden in [
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "x-amz-security-token",
        "x-client-secret",
    ] {
        assert_eq!(received[0].header(hidden), Some("[redacted]"), "{hidden}");
    }
    assert_eq!(
        received[0].header("x-ratelimit-remaining-tokens"),
        Some("12")
    );
    let answer = admin(server.address(), "GET", "requests", "");
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.contains("[redacted]") && !text.contains("s3cret"),
        "{text}"
    );
    let text = format!("{received:?}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn misses_list_differences() {
    let server = MockServer::start().await.unwrap();
    post(server.address(), add_bird_with(json!({})));
    post(
        server.address(),
        add_bird_with(json!({"prompt": "Add a cat.", "seed": 7})),
    );
    let misses = server.misses();
    assert_eq!((misses.len(), server.miss_count()), (1, 1));
    let miss = &misses[0];
    assert_eq!(
        (miss.number(), miss.status(), miss.error()),
        (2, 404, Some("miss"))
    );
    assert_eq!(
        miss.recording(),
        Some("generate-image/add-bird"),
        "the nearest"
    );
    let differences: Vec<_> = miss
        .differences()
        .iter()
        .map(|one| {
            (
                one.place.as_str(),
                one.expected.as_deref(),
                one.received.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        differences,
        [
            (
                "/prompt",
                Some("\"Add a bird to the foreground of the photo.\""),
                Some("\"Add a cat.\"")
            ),
            ("/seed", None, Some("7")),
        ]
    );
    let listed = admin_json(server.address(), "requests?misses=true");
    assert_eq!(
        listed["requests"][0]["differences"][1],
        json!({"place": "/seed", "expected": null, "received": "7"})
    );
}

#[tokio::test]
async fn counts_requests_by_outcome() {
    let near = add_bird_with(json!({"prompt": "x"}));
    for (mode, count) in [
        (MatchMode::Strict, "misses"),
        (MatchMode::Nearest, "nearest"),
        (MatchMode::Fallback, "fallback"),
        (MatchMode::Generate, "generated"),
    ] {
        let server = MockServer::builder()
            .match_mode(mode)
            .start()
            .await
            .unwrap();
        post(server.address(), add_bird_with(json!({})));
        post(server.address(), &near);
        post(server.address(), "[]");
        http::send(server.address(), "GET", "/nowhere", &[], b"");
        // It does not look for a recording, and is not an error.
        http::send(server.address(), "OPTIONS", PATH, &[], b"");
        let counted = admin_json(server.address(), "billed")["counts"].clone();
        let mut expected = json!({
            "requests": 5, "exact": 1, "nearest": 0, "fallback": 0, "generated": 0, "misses": 0,
            "errors": 2,
        });
        expected[count] = 1.into();
        assert_eq!(counted, expected, "{mode:?}");
    }
}

#[tokio::test]
async fn reset_clears_all_but_misses_of_the_run() {
    let server = MockServer::start().await.unwrap();
    post(server.address(), add_bird_with(json!({"prompt": "x"})));
    post(server.address(), add_bird_with(json!({})));
    assert_eq!(
        admin(server.address(), "DELETE", "requests", "").status,
        204
    );
    assert_eq!(
        (
            server.received().len(),
            server.counts().requests,
            server.billed().images
        ),
        (0, 2, 1)
    );
    assert_eq!(admin_json(server.address(), "health")["misses"], 1);
    assert_eq!(admin(server.address(), "POST", "reset", "").status, 204);
    assert_eq!((server.counts().requests, server.billed().images), (0, 0));
    assert_eq!(admin_json(server.address(), "health")["misses"], 0);
    assert_eq!(server.miss_count(), 1);
    post(server.address(), add_bird_with(json!({})));
    assert_eq!(server.received()[0].number(), 3, "numbers go on");
}

#[tokio::test]
async fn admin_requests_are_not_in_journal() {
    let server = MockServer::start().await.unwrap();
    admin_json(server.address(), "health");
    let mut stream = connect(server.address());
    write!(
        stream,
        "GET /__mock/files/generate-image/x/y HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!((server.received().len(), server.counts().requests), (0, 0));
}

#[tokio::test]
async fn journal_keeps_longer_bodies_and_data_uri_facts() {
    let server = MockServer::builder()
        .match_mode(kontext_mock::MatchMode::Nearest)
        .journal_body(6000)
        .start()
        .await
        .unwrap();
    // "abc" in base64 and percent-encoded, and a string that is neither.
    let body = add_bird_with(json!({
        "image_url": ["data:image/png;base64,YWJj", "data:text/plain,a%62c", "data:;base64,???"],
        "prompt": "data of a bird, no URI",
        "more": "x".repeat(5000),
    }));
    let longer = add_bird_with(json!({"more": "x".repeat(7000)}));
    for body in [&body, &longer] {
        assert_eq!(post(server.address(), body).status, 200);
    }
    let received = server.received();
    assert_eq!(received[0].body(), body.as_bytes());
    assert_eq!(received[0].body_sha256(), None);
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let facts: Vec<_> = received[0]
        .data_uris()
        .iter()
        .map(|one| {
            (
                &*one.pointer,
                &*one.media_type,
                one.bytes,
                one.sha256.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("/image_url/0", "image/png", Some(3), Some(abc)),
            ("/image_url/1", "text/plain", Some(3), Some(abc)),
            ("/image_url/2", "", None, None),
        ]
    );
    assert_eq!(received[1].body().len(), kontext_mock::JOURNAL_BODY);
    assert_eq!(received[1].body_length(), longer.len());
    let sha256 = format!("{:x}", <sha2::Sha256 as sha2::Digest>::digest(&longer));
    assert_eq!(received[1].body_sha256(), Some(&*sha256));
    let shown = serde_json::to_value(&received[0]).unwrap();
    assert_eq!(shown["data_uris"][0]["sha256"], abc);
    assert_eq!(shown["body_is_cut"], false);
}
