//! Sessions isolate tests that share a server.

use std::net::SocketAddr;

use kontext_mock::{Fault, FaultKind, MockServer, SESSION_HEADER, SESSIONS};
use serde_json::{Value, json};

use crate::{
    http::{Answer, add_bird_with, post},
    wire::{admin, admin_json, post_with},
};

fn post_in(address: SocketAddr, session: &str) -> Answer {
    post_with(
        address,
        &[(SESSION_HEADER, session)],
        add_bird_with(json!({})),
    )
}

fn billed(address: SocketAddr, session: &str) -> Value {
    admin_json(address, &format!("billed?session={session}"))
}

#[tokio::test]
async fn sessions_start_with_server_faults() {
    let server = MockServer::builder()
        .fault(Fault::from(FaultKind::Status { status: 503 }).times(1))
        .fault(Fault::from(FaultKind::Status { status: 429 }).times(1))
        .start()
        .await
        .unwrap();
    let address = server.address();
    for session in ["one", "two", "a.B_c-9", &"x".repeat(64)] {
        let statuses = [(); 3].map(|()| post_in(address, session).status);
        assert_eq!(statuses, [503, 429, 200], "{session}");
    }
    let unnamed = [(); 3].map(|()| post(address, add_bird_with(json!({}))).status);
    assert_eq!(unnamed, [503, 429, 200]);
}

#[tokio::test]
async fn session_faults_are_isolated() {
    let server = MockServer::start().await.unwrap();
    let address = server.address();
    let (one, two) = (
        server.session("one").unwrap(),
        server.session("two").unwrap(),
    );
    assert_eq!(one.name(), "one");
    one.set_faults([FaultKind::Status { status: 503 }]);
    two.set_faults([Fault::from(FaultKind::Status { status: 429 }).times(100)]);
    let all = || {
        let unnamed = post(address, add_bird_with(json!({}))).status;
        ["one", "two", "three"]
            .map(|name| post_in(address, name).status)
            .into_iter()
            .chain([unnamed])
            .collect::<Vec<_>>()
    };
    assert_eq!(all(), [503, 429, 200, 200]);
    // The same through the admin API, by parameter and by header.
    assert_eq!(
        admin_json(address, "faults?session=one"),
        json!({"faults": ["status=503"]})
    );
    assert_eq!(admin_json(address, "faults"), json!({"faults": []}));
    assert_eq!(
        admin(address, "DELETE", "faults?session=one", "").status,
        204
    );
    assert_eq!(
        admin(address, "DELETE", "faults?session=two", "").status,
        204
    );
    let put = json!({"faults": ["status=500"]}).to_string();
    let headers = [(SESSION_HEADER, "three")];
    let answer = crate::http::send(address, "PUT", "/__mock/faults", &headers, put.as_bytes());
    assert_eq!(answer.status, 200);
    let put = json!({"faults": ["status=502,times=1"]}).to_string();
    assert_eq!(
        admin(address, "PUT", "faults?session=two", &put).status,
        200
    );
    assert_eq!(all(), [200, 502, 500, 200]);
    // Requests without a session have their own faults as well.
    server.set_faults([FaultKind::Html502]);
    assert_eq!(all(), [200, 200, 500, 502]);
    server.set_faults(Vec::<FaultKind>::new());
    assert_eq!(all(), [200, 200, 500, 200]);
}

#[tokio::test]
async fn counters_charges_and_journal_are_per_session() {
    let server = MockServer::start().await.unwrap();
    let address = server.address();
    let (one, two) = (
        server.session("one").unwrap(),
        server.session("two").unwrap(),
    );
    post_in(address, "one");
    post_in(address, "one");
    let miss = add_bird_with(json!({"prompt": "other"}));
    post_with(address, &[(SESSION_HEADER, "two")], &miss);
    post(address, "{");
    let told = |counts: kontext_mock::Counts| {
        (counts.requests, counts.exact, counts.misses, counts.errors)
    };
    assert_eq!(told(one.counts()), (2, 2, 0, 0));
    assert_eq!(told(two.counts()), (1, 0, 1, 0));
    assert_eq!(told(server.counts()), (1, 0, 0, 1));
    assert_eq!(
        (
            one.billed().images,
            two.billed().images,
            server.billed().images
        ),
        (2, 0, 2)
    );
    assert_eq!(
        (
            one.received().len(),
            two.received().len(),
            server.received().len()
        ),
        (2, 1, 4)
    );
    assert_eq!(
        (
            one.misses().len(),
            two.misses().len(),
            server.misses().len()
        ),
        (0, 1, 1)
    );
    assert!(
        one.received()
            .iter()
            .all(|request| request.session() == Some("one"))
    );
    assert_eq!(server.received()[3].session(), None);
    let over_http = billed(address, "one");
    assert_eq!(
        over_http["billed"],
        json!({"generations": 2, "images": 2, "credits": 182_000})
    );
    assert_eq!(over_http["counts"]["exact"], 2);
    assert!((over_http["usd"].as_f64().unwrap() - 0.091).abs() < 1e-9);
    assert_eq!(billed(address, "two")["billed"]["images"], 0);
    let listed = |query: &str| {
        let listed = admin_json(address, &format!("requests{query}"));
        listed["requests"].as_array().unwrap().len()
    };
    assert_eq!(
        (listed(""), listed("?session=one"), listed("?session=none")),
        (4, 2, 0)
    );

    // Resetting one session leaves the others unchanged.
    one.set_faults([FaultKind::Html502]);
    two.set_faults([FaultKind::Html502]);
    one.reset();
    assert_eq!(told(one.counts()), (0, 0, 0, 0));
    assert_eq!((one.received().len(), one.billed().images), (0, 0));
    assert_eq!((two.received().len(), server.received().len()), (1, 2));
    assert_eq!(
        (
            post_in(address, "one").status,
            post_in(address, "two").status
        ),
        (200, 502)
    );
    assert_eq!(admin(address, "POST", "reset?session=two", "").status, 204);
    assert_eq!((two.received().len(), one.received().len()), (0, 1));
    assert_eq!(post_in(address, "two").status, 200);
    assert_eq!(
        admin(address, "DELETE", "requests?session=two", "").status,
        204
    );
    assert_eq!((two.received().len(), two.counts().requests), (0, 1));
    // Resetting the server resets all sessions.
    server.reset();
    assert_eq!(
        (
            server.received().len(),
            one.counts().requests,
            server.billed().images
        ),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn invalid_session_names_are_rejected() {
    let server = MockServer::start().await.unwrap();
    let address = server.address();
    let long = "x".repeat(65);
    for name in ["", "two words", "slash/", "ümlaut", long.as_str()] {
        let answer = post_in(address, name);
        assert_eq!(
            (answer.status, answer.header("x-kontext-error")),
            (400, Some("session"))
        );
        assert_eq!(
            answer.message(),
            "x-kontext-session: expected one name of 1 to 64 characters of A-Z a-z 0-9 . _ -"
        );
        assert!(server.session(name).is_none(), "{name}");
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("session", name)
            .finish();
        for (method, path) in [
            ("GET", "requests"),
            ("DELETE", "requests"),
            ("GET", "billed"),
            ("GET", "faults"),
            ("DELETE", "faults"),
            ("POST", "reset"),
        ] {
            let answer = admin(address, method, &format!("{path}?{query}"), "");
            assert_eq!(answer.status, 400, "{method} {path} {name:?}");
            assert_eq!(
                answer.json()["error"],
                "session: expected 1 to 64 characters of A-Z a-z 0-9 . _ -"
            );
        }
    }
    // They were recorded in the journal, with the requests without a session.
    assert_eq!((server.received().len(), server.counts().errors), (5, 5));
}

#[tokio::test]
async fn least_recently_used_session_is_evicted() {
    let server = MockServer::start().await.unwrap();
    let address = server.address();
    for name in ["first", "second"] {
        assert_eq!(post_in(address, name).status, 200);
    }
    for number in 0..SESSIONS - 2 {
        server.session(&format!("s{number}")).unwrap();
    }
    assert_eq!(billed(address, "first")["counts"]["requests"], 1);
    // With one more session, the second is the oldest.
    server.session("last").unwrap();
    assert_eq!(billed(address, "first")["counts"]["requests"], 1);
    assert_eq!(server.billed().images, 2, "what was billed stays billed");
    let second = server.session("second").unwrap();
    assert_eq!((second.counts().requests, second.billed().images), (0, 0));
    assert_eq!(second.received().len(), 1, "the journal has its own bound");
    assert_eq!(server.billed().images, 2);
    server.reset();
    assert_eq!(server.billed().images, 0);
}
