//! `kontext-mock record --mode all|missing|update`.

use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    http::{self, PATH, post, send},
    record::{one, prompt, recordings, start},
    upstream::{Upstream, error, image, respond},
};

#[test]
fn mode_all_appends_answers_of_equal_requests() {
    let upstream = Upstream::start(|request, stream| {
        let mut body = image(request);
        body.extend_from_slice(&b" ".repeat(request.head.len() % 7));
        respond(stream, 200, &[], &body);
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let body = prompt("Same.");
    post(recorder.address, &body);
    // The same value, with another key order and spelling.
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
fn mode_missing_sends_only_unrecorded_requests() {
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
    // A request with a query string is not recorded.
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
fn mode_update_replaces_only_existing_recordings() {
    let upstream = Upstream::images();
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
fn failure_neither_follows_nor_replaces_a_success() {
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
fn concurrent_equal_json_is_paid_once() {
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
