//! `kontext-mock record`: the answer that the client gets, and what is saved.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    sync::{Mutex, mpsc},
};

use kontext_mock::{Contract, Recordings, check};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::{self, PATH, add_bird_with, post, send},
    process::{self, PATIENCE, Process, run},
    upstream::{Upstream, error, image, respond},
};

/// What the first line of a recorder starts with.
pub(crate) const UP: &str = "kontext-mock recording on";

/// A recorder of a server into a folder.
pub(crate) fn command(upstream: &str, folder: &TempDir) -> Command {
    let mut command = process::command(&["record", "--listen", "127.0.0.1:0"]);
    command.args(["--upstream", upstream]);
    command.arg("--recordings").arg(folder.path());
    command
}

pub(crate) fn start(upstream: &Upstream, folder: &TempDir, more: &[&str]) -> Process {
    Process::start(command(&upstream.url(), folder).args(more), UP)
}

/// The recordings of a folder, which agree with the contract.
pub(crate) fn recordings(folder: &TempDir) -> Recordings {
    let recordings = Recordings::load(folder.path()).unwrap();
    let report = check(&Contract::embedded().unwrap(), &recordings);
    assert!(report.is_clean() && report.notes.is_empty(), "{report}");
    recordings
}

/// The one recording that was made of a request, by the start of its case.
pub(crate) fn one(folder: &TempDir, start: &str) -> kontext_mock::Recording {
    let recordings = recordings(folder);
    let mut found = recordings.iter().filter(|one| {
        let case = one.name().strip_prefix("generate-image/").unwrap();
        case.starts_with(start)
    });
    let one = found.next().unwrap().clone();
    assert!(found.next().is_none());
    one
}

pub(crate) fn prompt(prompt: &str) -> String {
    add_bird_with(json!({"prompt": prompt}))
}

#[test]
fn the_live_answer_is_unchanged_and_saved() {
    let body = b"{\"images\":[ {\"url\":\"https:\\/\\/cdn.example\\/1.png\"} ],\n\t\"seed\":1.0e1 ,\"prompt\":\"\\u00e9 \xc3\xa9\"}\r\n\r\n";
    let upstream = Upstream::start(move |_, stream| {
        respond(
            stream,
            200,
            &[
                ("content-type", "application/json; charset=utf-8"),
                ("x-inference-id", "inf-1"),
                ("x-aimlapi-credits-used", "91000"),
                ("set-cookie", "a=1; Path=/"),
                ("set-cookie", "b=2"),
                ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
                ("etag", "W/\"x\""),
                ("vary", "a"),
                ("vary", "b"),
                ("keep-alive", "timeout=5"),
                ("connection", "close, x-hop"),
                ("x-hop", "1"),
            ],
            body,
        );
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let request = add_bird_with(json!({"prompt": "Draw a blue house!", "seed": 7}));
    let answer = send(
        recorder.address,
        "POST",
        PATH,
        &[
            ("authorization", "Bearer a-key-for-this-test"),
            ("content-type", "application/json"),
            ("accept-encoding", "gzip, br"),
            ("x-client-request-id", "mine"),
            ("x-kontext-session", "s"),
            ("te", "trailers"),
        ],
        request.as_bytes(),
    );
    assert_eq!((answer.status, answer.body.as_slice()), (200, &body[..]));
    let mut headers = answer.headers.clone();
    headers.sort();
    let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let expected = [
        ("connection", "close"),
        ("content-length", &*body.len().to_string()),
        ("content-type", "application/json; charset=utf-8"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("etag", "W/\"x\""),
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2"),
        ("vary", "a"),
        ("vary", "b"),
        ("x-aimlapi-credits-used", "91000"),
        ("x-inference-id", "inf-1"),
    ]
    .map(header);
    assert_eq!(headers, expected);
    // What the real server got.
    let [received] = &upstream.received()[..] else {
        panic!("{:?}", upstream.received());
    };
    assert!(
        received
            .head
            .starts_with(&format!("POST {PATH} HTTP/1.1\r\n"))
    );
    assert_eq!(received.body, request.as_bytes());
    let sent = |name| received.header(name);
    assert_eq!(sent("authorization"), Some("Bearer a-key-for-this-test"));
    assert_eq!(sent("accept-encoding"), Some("identity"));
    assert_eq!(sent("x-client-request-id"), Some("mine"));
    assert_eq!(sent("host"), Some(&*upstream.address.to_string()));
    for name in ["te", "x-kontext-session"] {
        assert_eq!(sent(name), None);
    }
    // What was saved: whoever has the answer has the recording.
    let recording = one(&folder, "draw-a-blue-house-");
    assert_eq!(recording.response(), body);
    assert_eq!(recording.request(), Some(request.as_bytes()));
    assert_eq!(
        (recording.status(), recording.method(), recording.path()),
        (200, "POST", PATH)
    );
    assert_eq!(recording.origin(), kontext_mock::Origin::Live);
    assert_eq!(recording.source(), (&*upstream.url(), None));
    assert_eq!(
        recording.title(),
        format!("POST {PATH}: Draw a blue house!")
    );
    assert_eq!(recording.header("x-inference-id"), Some("inf-1"));
    assert_eq!(recording.header("x-aimlapi-credits-used"), Some("91000"));
    for name in ["set-cookie", "date", "etag", "vary", "x-hop"] {
        assert_eq!(recording.header(name), None);
    }
    assert!(
        recording.not_recorded()[1].contains("date, etag, set-cookie, vary"),
        "{:?}",
        recording.not_recorded()
    );
    let errors = recorder.stop();
    let (_time, errors) = errors.split_once(' ').unwrap();
    assert_eq!(
        errors,
        format!(
            "POST {PATH} 200 saved as {}\nexchanges saved: 1",
            recording.name()
        )
    );
    // The mock serves it to the same request.
    let serving = serve(&folder);
    let replayed = post(serving.address, request);
    assert_eq!(
        (replayed.found(), replayed.body.as_slice()),
        ((Some("exact"), Some(recording.name())), &body[..])
    );
}

fn serve(folder: &TempDir) -> Process {
    let mut command = process::command(&["serve", "--listen", "127.0.0.1:0", "--match", "strict"]);
    command.arg("--recordings").arg(folder.path());
    Process::start(&mut command, "kontext-mock listening on")
}

/// Writes one part of a chunked body.
fn chunk(stream: &mut impl std::io::Write, part: &str) {
    write!(stream, "{:x}\r\n{part}\r\n", part.len()).unwrap();
    stream.flush().unwrap();
}

#[test]
fn the_answer_streams_and_its_end_waits_for_the_recording() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let upstream = Upstream::start(move |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n")
            .unwrap();
        chunk(stream, "{\"images\":");
        chunk(stream, "[],");
        may_go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        chunk(stream, "\"seed\":");
        chunk(stream, "1}");
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let mut stream = http::connect(recorder.address);
    let body = prompt("Stream.");
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    // The first part is here while the server has not sent the rest.
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("{\"images\":") {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&some[..count]);
    }
    assert!(Recordings::load(folder.path()).is_err());
    go_on.send(()).unwrap();
    stream.read_to_end(&mut received).unwrap();
    let received = String::from_utf8(received).unwrap();
    assert!(received.ends_with("\r\n0\r\n\r\n"), "{received}");
    assert_eq!(
        one(&folder, "stream-").response(),
        b"{\"images\":[],\"seed\":1}"
    );
}

#[test]
fn an_encoded_answer_is_passed_on_so_and_saved_plain() {
    let plain = b"{\"images\":[],\"prompt\":\"gzip\"}";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    let encoded = encoder.finish().unwrap();
    let sent = encoded.clone();
    let upstream = Upstream::start(move |_, stream| {
        respond(stream, 200, &[("content-encoding", "gzip")], &sent);
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let answer = post(recorder.address, prompt("Encode."));
    assert_eq!(answer.body, encoded);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(one(&folder, "encode-").response(), plain);
}

#[test]
fn a_client_that_goes_does_not_lose_the_recording() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let upstream = Upstream::start(move |request, stream| {
        may_go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        respond(stream, 200, &[], &image(request));
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &[]);
    let mut stream = http::connect(recorder.address);
    let body = prompt("Gone.");
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    while upstream.received().is_empty() {
        std::thread::yield_now();
    }
    drop(stream);
    go_on.send(()).unwrap();
    recorder.wait_for("saved as generate-image/gone-");
    assert_eq!(one(&folder, "gone-").status(), 200);
}

#[test]
fn a_client_that_does_not_read_does_not_hold_up_the_recording() {
    let upstream = Upstream::start(|_, stream| {
        let body = json!({"images": [], "prompt": "x".repeat(12_000_000)});
        respond(stream, 200, &[], body.to_string().as_bytes());
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &[]);
    let mut stream = http::connect(recorder.address);
    let body = prompt("Slow.");
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    recorder.wait_for("saved as generate-image/slow-");
    let answer = http::read(&mut stream);
    assert_eq!(answer.body, one(&folder, "slow-").response());
}

#[test]
fn an_answer_that_breaks_off_is_passed_on_so_and_not_saved() {
    let upstream = Upstream::start(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"images\":[")
            .unwrap();
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &[]);
    let answer = post(recorder.address, prompt("Cut."));
    assert_eq!(answer.header("content-length"), Some("100"));
    assert_eq!(answer.body, b"{\"images\":[");
    let line = recorder.wait_for("not saved: the answer broke off");
    assert!(line.contains("may have been charged"), "{line}");
    assert!(Recordings::load(folder.path()).is_err());
}

#[test]
fn a_server_that_cannot_be_reached_is_an_error_of_the_recorder() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let folder = TempDir::new().unwrap();
    let recorder = Process::start(&mut command(&url, &folder), UP);
    let answer = post(recorder.address, prompt("Nobody."));
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-kontext-error"), Some("upstream"));
    assert!(answer.message().contains("nothing was sent"), "{answer:?}");
    // A server that ends the connection may have taken the request.
    let upstream = Upstream::start(|_, _| ());
    let recorder = start(&upstream, &folder, &[]);
    let answer = post(recorder.address, prompt("Nobody."));
    assert_eq!(answer.status, 502);
    assert!(
        answer.message().contains("may have been charged"),
        "{answer:?}"
    );
    assert_eq!(upstream.received().len(), 1, "nothing is sent twice");
}

#[test]
fn redirects_are_not_followed_and_proxies_not_asked() {
    let elsewhere = Upstream::json(200, "{}");
    let target = format!("{}/stolen", elsewhere.url());
    let upstream = Upstream::start(move |_, stream| {
        respond(stream, 307, &[("location", &target)], b"");
    });
    let folder = TempDir::new().unwrap();
    let mut command = command(&upstream.url(), &folder);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        command.env(name, elsewhere.url());
    }
    let recorder = Process::start(&mut command, UP);
    let answer = post(recorder.address, prompt("Redirect."));
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(upstream.received().len(), 1);
    assert_eq!(elsewhere.received().len(), 0);
}

#[test]
fn the_key_goes_over_https_or_to_this_machine_only() {
    let folder = TempDir::new().unwrap();
    for upstream in [
        "http://api.example",
        "http://10.0.0.1",
        "https://me:s3cret-password@api.example",
        "https://api.example/?s3cret-password",
        "s3cret-password",
        "",
    ] {
        let (code, output, errors) = run(&mut command(upstream, &folder));
        assert_eq!((code, output.as_str()), (Some(2), ""), "{upstream}");
        assert!(errors.starts_with("error: the upstream "), "{errors}");
        assert!(!errors.contains("s3cret"), "{errors}");
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap().to_string();
    drop(port);
    let mut itself = process::command(&["record", "--listen", &address]);
    itself.args(["--upstream", &format!("http://{address}")]);
    itself.arg("--recordings").arg(folder.path());
    let (code, _, errors) = run(&mut itself);
    assert_eq!(code, Some(2));
    assert!(errors.contains("is this recorder itself"), "{errors}");
}

#[test]
fn all_keeps_every_answer_to_the_same_request() {
    let upstream = Upstream::start(|request, stream| {
        let mut body = image(request);
        body.extend_from_slice(&b" ".repeat(request.head.len() % 7));
        respond(stream, 200, &[], &body);
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let body = prompt("Same.");
    post(recorder.address, &body);
    // The same by value: another order of keys, another spelling.
    let mut members: Vec<String> = serde_json::from_str::<Value>(&body)
        .unwrap()
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("{}: {value}", Value::from(name.as_str())))
        .collect();
    members.reverse();
    let other = format!("{{ {} }}", members.join(" , "));
    assert_ne!(other, body);
    let answer = post(recorder.address, &other);
    let recording = one(&folder, "same-");
    assert_eq!(recording.answers()[1].response(), answer.body);
    assert_eq!(recording.request(), Some(body.as_bytes()));
    let errors = recorder.stop();
    assert!(
        errors.contains(&format!("saved as answer 2 of {}", recording.name())),
        "{errors}"
    );
    assert_eq!(recordings(&folder).len(), 1);
}

#[test]
fn missing_asks_for_what_is_missing_only() {
    let upstream =
        Upstream::start(
            |request, stream| match request.json()["prompt"].as_str().unwrap() {
                "Fail." => respond(stream, 500, &[], &error(500, "Internal server error")),
                "Wrong." => respond(stream, 400, &[], &error(400, "Body validation error")),
                _ => respond(stream, 200, &[("x-inference-id", "i")], &image(request)),
            },
        );
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &["--mode", "missing"]);
    let live = post(recorder.address, prompt("One."));
    let replayed = post(recorder.address, prompt("One."));
    assert_eq!(upstream.received().len(), 1);
    assert_eq!(replayed.body, live.body);
    assert_eq!(replayed.header("x-inference-id"), Some("i"));
    let name = one(&folder, "one-").name().to_owned();
    assert_eq!(replayed.found(), (Some("exact"), Some(&*name)));
    assert_eq!(live.found(), (None, None));
    for (text, asked) in [
        ("Two.", 2),
        ("Wrong.", 3),
        ("Wrong.", 3),
        ("Fail.", 4),
        ("Fail.", 5),
    ] {
        post(recorder.address, prompt(text));
        assert_eq!(upstream.received().len(), asked, "{text}");
    }
    // A query makes a request another one.
    let path = format!("{PATH}?a=1");
    send(
        recorder.address,
        "POST",
        &path,
        http::HEADERS,
        prompt("One.").as_bytes(),
    );
    assert_eq!(upstream.received().len(), 6);
    let errors = recorder.stop();
    assert!(
        errors.contains(&format!("200 answered by {name}, nothing was sent on")),
        "{errors}"
    );
    assert!(errors.contains("not saved: it has a query"), "{errors}");
}

#[test]
fn update_refreshes_what_is_there_only() {
    let upstream = Upstream::start(|request, stream| respond(stream, 200, &[], &image(request)));
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    post(recorder.address, prompt("Known."));
    recorder.stop();
    let upstream = Upstream::start(|request, stream| {
        let mut body = image(request);
        body.push(b'\n');
        respond(stream, 200, &[], &body);
    });
    let recorder = start(&upstream, &folder, &["--mode", "update"]);
    let known = post(recorder.address, prompt("Known."));
    let unknown = post(recorder.address, prompt("Unknown."));
    assert_eq!((known.status, unknown.status), (200, 200));
    assert_eq!(one(&folder, "known-").response(), known.body);
    assert_eq!(recordings(&folder).len(), 1);
    let errors = recorder.stop();
    assert!(
        errors.contains("not saved: there is no recording of this request to update"),
        "{errors}"
    );
}

#[test]
fn a_failure_neither_follows_nor_replaces_a_success() {
    let answers = Mutex::new(vec![200, 503, 400, 200, 429]);
    let upstream = Upstream::start(move |request, stream| {
        let status = answers.lock().unwrap().pop().unwrap();
        let body = match status {
            200 => image(request),
            _ => error(status, "no"),
        };
        respond(stream, status, &[], &body);
    });
    let folder = TempDir::new().unwrap();
    let first = start(&upstream, &folder, &[]);
    assert_eq!(post(first.address, prompt("Fail.")).status, 429);
    first.stop();
    let recorder = start(&upstream, &folder, &["--mode", "update"]);
    for (answered, kept) in [(200, 200), (400, 200), (503, 200), (200, 200)] {
        assert_eq!(post(recorder.address, prompt("Fail.")).status, answered);
        let recording = one(&folder, "fail-");
        assert_eq!((recording.status(), recording.answers().len()), (kept, 1));
    }
    let errors = recorder.stop();
    assert!(
        errors.contains("503: not saved: generate-image/fail-"),
        "{errors}"
    );
    assert!(
        errors.contains("has the status 200, which 503 does not replace"),
        "{errors}"
    );
}

#[test]
fn an_answer_that_disagrees_is_kept_and_not_served() {
    let is_right = std::sync::atomic::AtomicBool::new(false);
    let upstream = Upstream::start(move |request, stream| {
        let mut body: Value = serde_json::from_slice(&image(request)).unwrap();
        if request.json()["prompt"] == "Odd."
            && !is_right.swap(true, std::sync::atomic::Ordering::SeqCst)
        {
            body["quality"] = "high".into();
        }
        respond(stream, 200, &[], body.to_string().as_bytes());
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &["--mode", "missing"]);
    post(recorder.address, prompt("Even."));
    let answer = post(recorder.address, prompt("Odd."));
    assert_eq!(answer.json()["quality"], "high");
    // It is paid for: it is kept, answers, and the folder can be served.
    let hidden = Recordings::load(folder.path().join(".quarantine")).unwrap();
    let odd = hidden.iter().next().unwrap();
    assert_eq!(odd.response(), answer.body);
    assert_eq!(recordings(&folder).len(), 1);
    let again = post(recorder.address, prompt("Odd."));
    assert_eq!((again.body, upstream.received().len()), (answer.body, 2));
    let errors = recorder.stop();
    for part in [
        "IT DISAGREES WITH THE CONTRACT",
        "/quality\n",
        "no such key",
        &format!(
            "mv {0}/.quarantine/{1} {0}/{1}",
            folder.path().display(),
            odd.name()
        ),
    ] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
    serve(&folder).stop();
    // When the service answers by the contract, nothing is left of it.
    let recorder = start(&upstream, &folder, &[]);
    post(recorder.address, prompt("Odd."));
    assert_eq!(one(&folder, "odd-").name(), odd.name());
    assert!(!folder.path().join(".quarantine/generate-image").exists());
}

#[test]
fn what_the_contract_does_not_know_passes_and_is_not_saved() {
    let upstream = Upstream::json(200, "[]");
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let answer = send(recorder.address, "GET", "/v1/models?x=1", &[], b"");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"[]"[..]));
    assert!(
        upstream.received()[0]
            .head
            .starts_with("GET /v1/models?x=1 HTTP/1.1\r\n")
    );
    let answer = send(recorder.address, "HEAD", PATH, &[], b"");
    assert_eq!(answer.header("content-length"), Some("2"));
    post(recorder.address, "no JSON");
    let health = send(recorder.address, "GET", "/__mock/health", &[], b"");
    assert_eq!(health.json()["recording"], true);
    assert_eq!(
        send(recorder.address, "GET", "/__mock/x", &[], b"").status,
        404
    );
    assert_eq!(upstream.received().len(), 3);
    let errors = recorder.stop();
    assert_eq!(
        errors
            .matches("not saved: the contract has no such operation")
            .count(),
        2
    );
    assert!(
        errors.contains("not saved: the request's body is no JSON"),
        "{errors}"
    );
}

#[test]
fn a_stop_waits_for_what_is_under_way() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let upstream = Upstream::start(move |request, stream| {
        may_go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        respond(stream, 200, &[], &image(request));
    });
    let folder = TempDir::new().unwrap();
    let port_file = folder.path().join(".port");
    let recorder = start(
        &upstream,
        &folder,
        &["--port-file", port_file.to_str().unwrap()],
    );
    let port = fs::read_to_string(&port_file).unwrap();
    assert_eq!(port, format!("{}\n", recorder.address.port()));
    let address = recorder.address;
    let client = std::thread::spawn(move || post(address, prompt("Late.")));
    while upstream.received().is_empty() {
        std::thread::yield_now();
    }
    recorder.signal("TERM");
    // The port is free as soon as the signal has arrived.
    while port_file.exists() {
        std::thread::yield_now();
    }
    go_on.send(()).unwrap();
    let (status, errors) = recorder.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert_eq!(client.join().unwrap().status, 200);
    assert_eq!(one(&folder, "late-").status(), 200);
}

#[test]
fn a_second_signal_ends_at_once_and_says_what_is_lost() {
    let (_go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let upstream = Upstream::start(move |_, _| {
        let _ = may_go_on.lock().unwrap().recv_timeout(PATIENCE);
    });
    let folder = TempDir::new().unwrap();
    let port_file = folder.path().join(".port");
    let recorder = start(
        &upstream,
        &folder,
        &["--port-file", port_file.to_str().unwrap()],
    );
    let mut stream = http::connect(recorder.address);
    let body = prompt("Never.");
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    while upstream.received().is_empty() {
        std::thread::yield_now();
    }
    recorder.signal("INT");
    while port_file.exists() {
        std::thread::yield_now();
    }
    recorder.signal("INT");
    let (status, errors) = recorder.end();
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("exchanges were under way, and are not saved"),
        "{errors}"
    );
}

#[test]
fn an_answer_that_cannot_be_saved_reaches_the_client_and_is_no_success() {
    let upstream = Upstream::start(|request, stream| respond(stream, 200, &[], &image(request)));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("generate-image"), "in the way").unwrap();
    let recorder = start(&upstream, &folder, &[]);
    assert_eq!(post(recorder.address, prompt("Lost.")).status, 200);
    recorder.signal("TERM");
    let (status, errors) = recorder.end();
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(errors.contains("NOT SAVED: "), "{errors}");
    assert!(errors.contains(folder.path().to_str().unwrap()), "{errors}");
}

#[test]
fn a_folder_that_cannot_be_written_is_said_at_the_start() {
    let upstream = Upstream::json(200, "{}");
    let outer = TempDir::new().unwrap();
    fs::write(outer.path().join("file"), "").unwrap();
    let mut folders = vec![outer.path().join("file/recordings")];
    #[cfg(target_os = "linux")]
    folders.push("/proc/kontext-mock".into());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let read_only = outer.path().join("read-only");
        fs::create_dir(&read_only).unwrap();
        fs::set_permissions(&read_only, fs::Permissions::from_mode(0o555)).unwrap();
        // Root may write anywhere.
        if fs::write(read_only.join("x"), "").is_err() {
            folders.push(read_only);
        }
    }
    for folder in folders {
        let mut command = process::command(&["record", "--listen", "127.0.0.1:0"]);
        command.args(["--upstream", &upstream.url()]);
        let (code, output, errors) = run(command.arg("--recordings").arg(&folder));
        assert_eq!((code, output.as_str()), (Some(2), ""));
        let expected = format!("error: {} cannot be written: ", folder.display());
        assert!(errors.starts_with(&expected), "{errors}");
    }
}

#[test]
fn two_recorders_do_not_destroy_each_others_work() {
    const LANES: usize = 4;
    const ROUNDS: usize = 10;
    // All answers of a round come at once.
    let together = std::sync::Barrier::new(2 * LANES);
    let upstream = Upstream::start(move |request, stream| {
        together.wait();
        respond(stream, 200, &[], &image(request));
    });
    let folder = TempDir::new().unwrap();
    let recorders = [
        start(&upstream, &folder, &[]),
        start(&upstream, &folder, &[]),
    ];
    std::thread::scope(|scope| {
        for recorder in &recorders {
            let address = recorder.address;
            for lane in 0..LANES {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        // Half of the lanes record a request of this round that
                        // the other recorder has as well.
                        let who = match lane % 2 {
                            0 => "all".to_owned(),
                            _ => format!("{} {lane}", address.port()),
                        };
                        let answer = post(address, prompt(&format!("{who} {round}")));
                        assert_eq!(answer.status, 200);
                    }
                });
            }
        }
    });
    assert_eq!(recordings(&folder).len(), ROUNDS * (1 + LANES));
    for recorder in recorders {
        recorder.stop();
    }
    let hidden: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(hidden, [".lock"]);
}

#[test]
fn wrong_arguments_are_named() {
    let folder = TempDir::new().unwrap();
    let upstream = Upstream::json(200, "{}");
    for (arguments, part) in [
        (&["--mode", "some"][..], "some"),
        (&["--redact-pattern", "("], "is no regular expression"),
        (&["--redact-pattern", "x*"], "matches the empty string"),
        (&["--redact-pointer", "prompt"], "prompt"),
    ] {
        let (code, output, errors) = run(command(&upstream.url(), &folder).args(arguments));
        assert_eq!((code, output.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains(part), "{errors}");
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is made"
    );
    fs::write(
        folder.path().join("redaction.json"),
        "{\"format\":1,\"pattern\":[]}",
    )
    .unwrap();
    let (code, _, errors) = run(&mut command(&upstream.url(), &folder));
    assert_eq!(code, Some(2));
    assert!(
        errors.contains("redaction.json") && errors.contains("`pattern`"),
        "{errors}"
    );
}

#[tokio::test]
async fn the_library_records_as_well() {
    let upstream = Upstream::start(|request, stream| respond(stream, 200, &[], &image(request)));
    let folder = TempDir::new().unwrap();
    let wrong = kontext_mock::Recorder::builder("https://me:s3cret@api.example", folder.path());
    assert!(!format!("{wrong:?}").contains("s3cret"));
    assert!(
        !wrong
            .start()
            .await
            .unwrap_err()
            .to_string()
            .contains("s3cret")
    );
    let builder = kontext_mock::Recorder::builder(upstream.url(), folder.path());
    let mut recorder = builder.start().await.unwrap();
    assert_eq!(recorder.url(), format!("http://{}", recorder.address()));
    let address = recorder.address();
    let answer = tokio::task::spawn_blocking(move || post(address, prompt("Library.")));
    assert_eq!(answer.await.unwrap().status, 200);
    assert_eq!(
        (recorder.saved(), recorder.lost(), recorder.problems().len()),
        (1, 0, 0)
    );
    assert!(recorder.stop(PATIENCE).await);
    assert!(std::net::TcpStream::connect(address).is_err());
    assert_eq!(one(&folder, "library-").status(), 200);
}

#[test]
fn a_recorder_that_waits_for_a_lock_can_be_stopped() {
    let upstream = Upstream::json(200, "{}");
    let folder = TempDir::new().unwrap();
    let lock = fs::File::create(folder.path().join(".lock")).unwrap();
    fs4::FileExt::lock(&lock).unwrap();
    let mut child = command(&upstream.url(), &folder)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut errors, &mut line).unwrap();
    assert!(line.contains("waiting for another recorder"), "{line}");
    assert!(process::signal(&child, "TERM"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopped before recording started\n");
}

#[test]
fn equal_json_in_another_order_is_paid_once() {
    let both = std::sync::Arc::new(std::sync::Barrier::new(2));
    let upstream = Upstream::start(move |request, stream| {
        respond(stream, 200, &[], &image(request));
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &["--mode", "missing"]);
    let address = recorder.address;
    let body = prompt("Once.");
    let value: Value = serde_json::from_str(&body).unwrap();
    let members = value.as_object().unwrap().iter().rev();
    let members: Vec<_> = members
        .map(|(name, value)| format!("{name:?} : {value}"))
        .collect();
    let other = format!("{{ {} }}", members.join(" , "));
    assert_ne!(body, other);
    let clients = [body, other].map(|body| {
        let both = both.clone();
        std::thread::spawn(move || {
            both.wait();
            post(address, body).status
        })
    });
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
    assert_eq!(upstream.received().len(), 1);
}

#[test]
fn an_answer_that_broke_off_is_kept_in_quarantine_and_answers_nothing() {
    let is_whole = std::sync::atomic::AtomicBool::new(false);
    let upstream = Upstream::start(move |request, stream| {
        if is_whole.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return respond(stream, 200, &[], &image(request));
        }
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n\
              {\"images\":[{\"url\":\"https://cdn.example/paid.png?sig=abcdef\"",
        );
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &["--mode", "missing"]);
    let mut stream = http::connect(recorder.address);
    stream
        .write_all(&crate::wire::request(&[], &prompt("Paid.")))
        .unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    let line = recorder.wait_for("broke off");
    assert!(
        line.contains("it is kept as .quarantine/generate-image/paid-"),
        "{line}"
    );
    let hidden = Recordings::load(folder.path().join(".quarantine")).unwrap();
    let paid = hidden.iter().next().unwrap();
    let response = String::from_utf8(paid.response().to_vec()).unwrap();
    assert!(
        response.starts_with("{\"images\":[{\"url\":\"https://cdn.example/paid.png?sig=redacted-"),
        "{response}"
    );
    assert!(
        paid.not_recorded()
            .iter()
            .any(|one| one.contains("broke off"))
    );
    // It is no answer to the same request, and goes when there is one.
    assert_eq!(post(recorder.address, prompt("Paid.")).status, 200);
    assert_eq!(upstream.received().len(), 2);
    assert_eq!(one(&folder, "paid-").status(), 200);
    assert!(!folder.path().join(".quarantine/generate-image").exists());
    recorder.signal("TERM");
    assert_eq!(recorder.end().0.code(), Some(2));
}

#[test]
fn a_prompt_in_another_script_has_a_name_that_can_be_read() {
    let upstream = Upstream::start(|request, stream| respond(stream, 200, &[], &image(request)));
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    for text in ["Добавь птицу", "鳥を追加", "أضف طائرا"] {
        assert_eq!(post(recorder.address, prompt(text)).status, 200);
    }
    recorder.stop();
    one(&folder, "dobav-ptitsu-");
    for recording in &recordings(&folder) {
        assert!(
            !recording.name().contains("exchange"),
            "{}",
            recording.name()
        );
    }
}

#[test]
fn an_upstream_can_have_a_base_path_which_is_not_recorded() {
    let upstream = Upstream::start(|request, stream| respond(stream, 200, &[], &image(request)));
    let folder = TempDir::new().unwrap();
    let base = format!("{}/gateway", upstream.url());
    let recorder = Process::start(&mut command(&base, &folder), UP);
    assert_eq!(post(recorder.address, prompt("Base.")).status, 200);
    let recording = one(&folder, "base-");
    assert_eq!(recording.path(), PATH);
    assert_eq!(recording.source(), (&*upstream.url(), None));
    // Nothing leads out of the base, which can be another service of the same host.
    for path in ["/../other", "/%2e%2e/other", "/.%2E/.."] {
        let answer = send(recorder.address, "GET", path, &[], b"");
        assert_eq!(answer.status, 502, "{path}");
    }
    recorder.stop();
    let heads: Vec<_> = upstream
        .received()
        .into_iter()
        .map(|one| one.head)
        .collect();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(
        heads[0].starts_with(&format!("POST /gateway{PATH} ")),
        "{heads:?}"
    );
}
