//! Regression tests for findings of an adversarial review.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::Stdio,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use kontext_mock::{FaultKind, MockServer};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    files::folder_with_picture,
    folders::Folder,
    http::{self, PATH, add_bird_with, post, send},
    process, record,
    upstream::{Upstream, error, image, respond},
    wire,
};

/// A pipe is full after 64 KiB, which is less than 1,000 lines.
#[test]
fn unread_log_does_not_block_server() {
    let mut child = process::command(&["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().rsplit('/').next().unwrap().parse().unwrap();
    for _ in 0..1000 {
        assert_eq!(post(address, add_bird_with(json!({}))).status, 200);
    }
    let killed = process::signal(&child, "TERM");
    assert!(killed);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert!(errors.len() >= 60_000, "the pipe was not full");
}

/// Half a head, and half a body, after a response whose last part arrives late.
#[test]
fn half_request_after_streamed_answer_does_not_delay_stop() {
    let upstream = Upstream::json(200, "{}");
    let folder = TempDir::new().unwrap();
    let body = add_bird_with(json!({}));
    let half = wire::request(&[], &body);
    for length in [20, half.len() - 1] {
        let recorder = record::start(&upstream, &folder, &[]);
        let serving = process::Process::start(
            &mut process::command(&["serve", "--listen", "127.0.0.1:0"]),
            "kontext-mock listening on",
        );
        let slow = [("x-kontext-fault", "slow-body=20ms")];
        for (process, first) in [
            (recorder, wire::request(&[], &body)),
            (serving, wire::request(&slow, &body)),
        ] {
            let mut stream = http::connect(process.address);
            stream.write_all(&first).unwrap();
            assert_eq!(wire::next(&mut stream).status, 200);
            stream.write_all(&half[..length]).unwrap();
            let start = Instant::now();
            process.signal("TERM");
            let (status, errors) = process.end();
            assert_eq!(status.code(), Some(0), "{errors}");
            assert!(start.elapsed() < Duration::from_secs(10));
        }
    }
}

#[test]
fn concurrent_equal_requests_are_paid_once() {
    let upstream = Upstream::start(|request, stream| {
        respond(
            stream,
            200,
            &[("content-type", "application/json")],
            &image(request),
        );
    });
    let folder = TempDir::new().unwrap();
    let recorder = record::start(&upstream, &folder, &["--mode", "missing"]);
    let address = recorder.address;
    let start = Arc::new(Barrier::new(6));
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let start = start.clone();
            thread::spawn(move || {
                start.wait();
                post(address, add_bird_with(json!({"prompt": "once"}))).status
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
    assert_eq!(upstream.received().len(), 1);
    // A different request is sent.
    post(address, add_bird_with(json!({"prompt": "twice"})));
    assert_eq!(upstream.received().len(), 2);
    recorder.signal("TERM");
    assert_eq!(recorder.end().0.code(), Some(0));
}

#[test]
fn truncated_answer_is_reported_as_lost() {
    let upstream = Upstream::start(|_, stream| {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"images\":",
        );
    });
    let folder = TempDir::new().unwrap();
    let recorder = record::start(&upstream, &folder, &[]);
    let mut stream = http::connect(recorder.address);
    stream
        .write_all(&wire::request(&[], &add_bird_with(json!({}))))
        .unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    recorder.signal("TERM");
    let (status, errors) = recorder.end();
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(errors.contains("it may have been charged"), "{errors}");
}

#[test]
fn running_recorder_keeps_rules_when_file_is_replaced() {
    let upstream = Upstream::json(200, r#"{"images":[{"url":"https://a.example/1.png"}]}"#);
    let folder = TempDir::new().unwrap();
    let recorder = record::start(&upstream, &folder, &["--redact-pattern", "PLANTED[0-9]+"]);
    let rules = folder.path().join("redaction.json");
    fs::write(&rules, "{\"format\":1,\"patterns\":[\"other\"]}").unwrap();
    let body = add_bird_with(json!({"prompt": "a PLANTED222 and an other"}));
    assert_eq!(post(recorder.address, &body).status, 200);
    recorder.signal("TERM");
    assert_eq!(recorder.end().0.code(), Some(0));
    let written = fs::read_to_string(rules).unwrap();
    assert!(
        written.contains("PLANTED[0-9]+") && written.contains("\"other\""),
        "{written}"
    );
    for recording in &record::recordings(&folder) {
        let request = String::from_utf8(recording.request().unwrap().to_vec()).unwrap();
        assert!(
            !request.contains("PLANTED222") && !request.contains("other"),
            "{request}"
        );
    }
    // The mock uses the rules on disk, and finds the recording.
    let serving = process::Process::start(
        process::command(&["serve", "--listen", "127.0.0.1:0", "--match", "strict"])
            .arg("--recordings")
            .arg(folder.path()),
        "kontext-mock listening on",
    );
    assert_eq!(post(serving.address, &body).found().0, Some("exact"));
}

#[test]
fn verify_hides_key_echoed_by_server() {
    let key = "a-key-that-nobody-may-see";
    let folder = Folder::with_add_bird();
    let answers = [
        (401, error(401, &format!("bad key Bearer {key}"))),
        (200, format!("{{\"images\":[],\"{key}\":1}}").into_bytes()),
    ];
    for (status, body) in answers {
        let upstream = Upstream::json(status, body);
        for format in ["text", "json"] {
            let mut command = process::command(&["verify", "--upstream", &upstream.url()]);
            command.args(["--format", format]).env("AIMLAPI_KEY", key);
            let command = command.arg("--recordings").arg(folder.path());
            let (code, output, errors) = process::run(command);
            assert_ne!(code, Some(0));
            assert!(
                !output.contains(key) && !errors.contains(key),
                "{output}{errors}"
            );
            assert!(output.contains("redacted"), "{output}");
        }
    }
}

#[test]
fn huge_image_count_does_not_panic() {
    let folder = Folder::with_add_bird();
    folder.edit("generate-image/add-bird/request.json", |body| {
        body["num_images"] = json!(999_999_999_999_999_999_u64);
    });
    let upstream = Upstream::json(400, error(400, "Body validation error"));
    let mut command = process::command(&["verify", "--upstream", &upstream.url()]);
    command.env("AIMLAPI_KEY", "any-key");
    let (code, _, errors) = process::run(command.arg("--recordings").arg(folder.path()));
    assert_eq!(code, Some(1), "{errors}");
}

#[tokio::test]
async fn urls_are_rewritten_in_any_json_notation() {
    for (url, spelled) in [
        (
            "https://a.example/x?a=1&b=2",
            "https://a.example/x?a=1\\u0026b=2",
        ),
        ("https://a.example/x", "https:\\/\\/a.example\\/x"),
        ("no-slash", "no-slash"),
        // A key with the same text is kept.
        ("url", "url"),
    ] {
        let folder = folder_with_picture();
        folder.edit("generate-image/add-bird/recording.json", |story| {
            story["files"][0]["url"] = json!(url);
        });
        let response = format!("{{\"images\":[{{\"url\": \"{spelled}\"}}],\"seed\":1}}");
        folder.write("generate-image/add-bird/response.json", &response);
        let builder = MockServer::builder().recordings(folder.path());
        let server = builder.start().await.unwrap();
        let answer = post(server.address(), add_bird_with(json!({})));
        assert_eq!(answer.header("x-kontext-rewritten"), Some("url"), "{url}");
        let own = "http://mock/__mock/files/generate-image/add-bird/file-1.jpg";
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            response.replace(&format!("\"{spelled}\"}}"), &format!("\"{own}\"}}"))
        );
    }
}

#[tokio::test]
async fn recordings_are_distinguished_by_decimals_and_secrets() {
    let folder = Folder::with_add_bird();
    let record = |case: &str, status: u16, change: &dyn Fn(&str) -> String| {
        let case = format!("generate-image/{case}");
        folder.copy_add_bird_to(&case);
        folder.edit(&format!("{case}/recording.json"), |story| {
            story["status"] = status.into();
        });
        let body = add_bird_with(json!({"seed": 7}));
        folder.write(&format!("{case}/request.json"), change(&body));
        let error = format!("{{\"statusCode\":{status},\"message\":\"recorded\"}}");
        folder.write(&format!("{case}/response.json"), error);
    };
    let seed = |seed: &str| {
        add_bird_with(json!({"seed": 7})).replace("\"seed\":7", &format!("\"seed\":{seed}"))
    };
    let url = |token: &str| {
        add_bird_with(json!({"image_url": format!("https://a.example/x?token={token}")}))
    };
    record("long-seed", 503, &|_| seed("18446744073709551617"));
    record("token", 502, &|_| url("abcdef123"));
    let builder = MockServer::builder().recordings(folder.path());
    let server = builder.start().await.unwrap();
    let status = |body: String| post(server.address(), body).status;
    assert_eq!(status(seed("18446744073709551617")), 503);
    assert_eq!(status(seed("18446744073709551617.0")), 503);
    assert_eq!(status(seed("18446744073709552000")), 404);
    assert_eq!(status(url("abcdef123")), 502);
    assert_eq!(status(url("abcdef124")), 404);
}

#[tokio::test]
async fn equal_rate_limit_headers_share_a_bucket() {
    let server = MockServer::start().await.unwrap();
    let ask = |fault: &str| {
        let headers = [
            ("authorization", "Bearer any"),
            ("content-type", "application/json"),
            ("x-kontext-fault", fault),
        ];
        let body = add_bird_with(json!({}));
        send(server.address(), "POST", PATH, &headers, body.as_bytes()).status
    };
    assert_eq!([ask("rate-limit=1/m"), ask("rate-limit=1/m")], [200, 429]);
    assert_eq!(ask("rate-limit=2/m,burst=1"), 200);
    // The rate limit of a session is separate.
    server.set_faults([FaultKind::RateLimit {
        per_minute: 3,
        burst: 1,
    }]);
    let plain = || post(server.address(), add_bird_with(json!({}))).status;
    assert_eq!([plain(), plain()], [200, 429]);
}

#[tokio::test]
async fn journal_entries_are_bounded() {
    let server = MockServer::start().await.unwrap();
    let long = "x".repeat(50_000);
    let headers = [
        ("authorization", "Bearer any"),
        ("content-type", "application/json"),
        ("x-long", &*long),
        ("x-short", "kept"),
    ];
    let path = format!("{PATH}?{}", "q".repeat(5000));
    let body = add_bird_with(json!({})).replace('}', &format!(",\"{long}\":1}}"));
    send(server.address(), "POST", &path, &headers, body.as_bytes());
    let received = server.received().remove(0);
    assert_eq!(received.headers_left_out(), 1);
    assert_eq!(received.header("x-long"), None);
    assert_eq!(received.header("x-short"), Some("kept"));
    assert!(received.query().unwrap().len() < 2100);
    for difference in received.differences() {
        assert!(difference.place.len() < 1100, "{}", difference.place.len());
    }
    assert!(serde_json::to_string(&received).unwrap().len() < 20_000);
}

/// Tests share a server between threads.
#[test]
fn server_and_recorder_are_send_and_sync() {
    fn shared<T: Send + Sync>() {}
    shared::<MockServer>();
    shared::<kontext_mock::Recorder>();
}
