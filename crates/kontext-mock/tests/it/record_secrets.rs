//! What a recorder redacts before anything is written.

use std::fs;

use kontext_mock::Recordings;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::{PATH, add_bird_with, post},
    process::{self, Process},
    record::{UP, command, recordings, start},
    secrets::{Secret, everything, mention, send_with},
    upstream::{Upstream, image, respond},
};

#[test]
fn planted_secrets_are_never_written() {
    let key = Secret::new("key");
    let cookie = Secret::new("cookie");
    let set_cookie = Secret::new("set-cookie");
    let signature = Secret::new("signature");
    let query = Secret::new("query");
    let environment = Secret::new("environment");
    let header = Secret::new("header");
    let pattern = "customer-4711-secret";
    let pointed = Secret::new("pointed");
    let secrets = [
        &key,
        &cookie,
        &set_cookie,
        &signature,
        &query,
        &environment,
        &header,
        &pointed,
    ];

    // The server repeats the secrets of headers, URL and environment, in JSON and in a
    // page that looks like a multipart form.
    let all = [&key, &cookie, &set_cookie, &environment, &header]
        .map(mention)
        .join(" ");
    let url = format!(
        "https://cdn.example/1.png?x=1&X-Amz-Signature={}",
        signature.encoded()
    );
    let cookies = format!("id={}; Path=/; HttpOnly", set_cookie.plain);
    let token = header.plain.clone();
    let (repeated, signed) = (all.clone(), url.clone());
    let parts = secrets
        .map(|one| {
            format!(
                "--boundary\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\n{}\r\n",
                mention(one)
            )
        })
        .concat();
    let upstream = Upstream::start(move |request, stream| {
        let headers = [
            ("set-cookie", cookies.as_str()),
            ("x-auth-token", token.as_str()),
            ("x-inference-id", token.as_str()),
        ];
        if request.head.contains("page") {
            let headers = [&headers[..], &[("content-type", "text/html")]].concat();
            return respond(stream, 502, &headers, parts.as_bytes());
        }
        let mut body: Value = serde_json::from_slice(&image(request)).unwrap();
        body["images"][0]["url"] = signed.clone().into();
        body["prompt"] = repeated.clone().into();
        respond(stream, 200, &headers, body.to_string().as_bytes());
    });

    let folder = TempDir::new().unwrap();
    let mut command = command(&upstream.url(), &folder);
    command.args(["--redact-pattern", "customer-[0-9]+-secret"]);
    command.args(["--redact-pointer", "/seed", "--redact-pointer", "/user"]);
    command.env("AIMLAPI_KEY", &environment.plain);
    let recorder = Process::start(&mut command, UP);
    let body = add_bird_with(json!({
        "prompt": format!("{pattern} {all}"),
        "image_url": url,
        "user": pointed.plain,
        "seed": 471_147_114_711_u64,
    }));
    // A secret in JSON escapes is redacted too.
    let escaped = body.replace(&key.plain, &key.escaped());
    let answers = [
        send_with(recorder.address, PATH, &key, &cookie, body.as_bytes()),
        send_with(recorder.address, PATH, &key, &cookie, escaped.as_bytes()),
        send_with(
            recorder.address,
            &format!("{PATH}?page&api_key={}", query.encoded()),
            &key,
            &cookie,
            body.as_bytes(),
        ),
        send_with(
            recorder.address,
            // A secret in the query must not be logged elsewhere either.
            &format!(
                "/v1/{}/{}?token={}",
                key.encoded(),
                query.percent(),
                query.encoded()
            ),
            &key,
            &cookie,
            body.as_bytes(),
        ),
    ];
    let errors = recorder.stop();
    let written = [everything(folder.path()), errors.into_bytes()].concat();
    for secret in secrets {
        assert!(
            !secret.is_in(&written),
            "{}: {}",
            secret.plain,
            String::from_utf8_lossy(&written)
        );
    }
    for plain in [pattern, "471147114711"] {
        assert!(
            !String::from_utf8_lossy(&written).contains(plain),
            "{plain}"
        );
    }
    // The search finds the secrets where they do exist: in the messages of client and
    // server.
    for secret in secrets {
        let live = answers.iter().any(|answer| secret.is_in(&answer.body));
        assert!(live || secret.is_in(body.as_bytes()), "{}", secret.plain);
    }
    let received = upstream.received();
    assert!(key.is_in(received[0].head.as_bytes()) && cookie.is_in(received[0].head.as_bytes()));

    // Every redacted place is listed.
    let hidden = Recordings::load(folder.path().join(".quarantine")).unwrap();
    let recording = hidden.iter().next().unwrap();
    let said: Vec<String> = recording
        .redacted()
        .iter()
        .map(|one| format!("{} {} {}", one.file(), one.pointer(), one.what()))
        .collect();
    for part in [
        "request.json /image_url the URL parameter X-Amz-Signature",
        "request.json /prompt a secret of the exchange",
        "request.json /prompt a match of /patterns/0",
        "request.json /user the value at /user",
        "request.json /seed the value at /seed",
        "response.json /images/0/url the URL parameter X-Amz-Signature",
        "response.json /prompt a secret of the exchange",
        "response.json /seed the value at /seed",
        "recording.json /headers/x-inference-id a secret of the exchange",
    ] {
        assert!(said.iter().any(|one| one == part), "{part} in {said:#?}");
    }
}

#[test]
fn html_errors_hold_no_secret() {
    let key = Secret::new("key");
    let cookie = Secret::new("cookie");
    let text = format!(
        "<html>{} --b\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n{}\r\n",
        mention(&key),
        mention(&cookie)
    );
    let upstream = Upstream::start(move |_, stream| {
        respond(
            stream,
            502,
            &[("content-type", "text/html")],
            text.as_bytes(),
        );
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let body = add_bird_with(json!({"prompt": mention(&key)}));
    let answer = send_with(recorder.address, PATH, &key, &cookie, body.as_bytes());
    assert!(key.is_in(&answer.body) && cookie.is_in(&answer.body));
    let errors = recorder.stop();
    let recordings = recordings(&folder);
    assert_eq!(recordings.len(), 1);
    assert_eq!(recordings.iter().next().unwrap().status(), 502);
    let written = [everything(folder.path()), errors.into_bytes()].concat();
    assert!(!key.is_in(&written) && !cookie.is_in(&written));
}

#[test]
fn binary_answer_with_secret_is_not_saved() {
    let key = Secret::new("key");
    let mut body = vec![0xff, 0xd8, 0xff, 0x00];
    body.extend_from_slice(key.plain.as_bytes());
    let sent = body.clone();
    let upstream = Upstream::start(move |_, stream| {
        respond(stream, 200, &[("content-type", "image/jpeg")], &sent);
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let request = add_bird_with(json!({}));
    let answer = send_with(recorder.address, PATH, &key, &key, request.as_bytes());
    assert_eq!(answer.body, body);
    recorder.signal("TERM");
    let (status, errors) = recorder.end();
    assert_eq!(status.code(), Some(2));
    assert!(
        errors.contains("NOT SAVED: its body of image/jpeg is binary and has"),
        "{errors}"
    );
    assert!(!key.is_in(&everything(folder.path())));
}

#[test]
fn only_same_secrets_match_recording() {
    let upstream = Upstream::images();
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &["--mode", "missing"]);
    let (key, cookie) = (Secret::new("key"), Secret::new("cookie"));
    let request = |signature: &str| {
        add_bird_with(json!({
            "image_url": format!("https://bucket.example/a.png?X-Amz-Signature={signature}"),
        }))
    };
    let mut asked = Vec::new();
    for signature in ["one-signature", "one-signature", "another-signature"] {
        send_with(
            recorder.address,
            PATH,
            &key,
            &cookie,
            request(signature).as_bytes(),
        );
        asked.push(upstream.received().len());
    }
    assert_eq!(asked, [1, 1, 2]);
    recorder.stop();
    let rules = fs::read_to_string(folder.path().join("redaction.json")).unwrap();
    assert_eq!(rules.matches("\"key\"").count(), 1, "{rules}");
    // The mock uses the same rules and finds it.
    let mut command = process::command(&["serve", "--listen", "127.0.0.1:0", "--match", "strict"]);
    command.arg("--recordings").arg(folder.path());
    let serving = Process::serve(&mut command);
    for (signature, found) in [("one-signature", "exact"), ("a-third-signature", "miss")] {
        let answer = send_with(
            serving.address,
            PATH,
            &key,
            &cookie,
            request(signature).as_bytes(),
        );
        assert_eq!(answer.found().0, Some(found));
    }
    let errors = serving.stop();
    assert!(!errors.contains("signature"), "{errors}");
}

#[test]
fn rules_are_added_once_and_keep_their_key() {
    let upstream = Upstream::json(200, "{}");
    let folder = TempDir::new().unwrap();
    // A handwritten file without a key.
    let file = folder.path().join("redaction.json");
    fs::write(&file, r#"{"format":1,"patterns":["by hand"]}"#).unwrap();
    let arguments = ["--redact-pattern", "a[bc]+", "--redact-pointer", "/prompt"];
    let mut texts = Vec::new();
    for _ in 0..2 {
        start(&upstream, &folder, &arguments).stop();
        texts.push(fs::read_to_string(&file).unwrap());
    }
    assert_eq!(texts[0], texts[1]);
    let rules: Value = serde_json::from_str(&texts[0]).unwrap();
    assert_eq!(rules["patterns"], json!(["by hand", "a[bc]+"]));
    assert_eq!(rules["pointers"], json!(["/prompt"]));
    assert_eq!(rules["key"].as_str().unwrap().len(), 64);
}

#[test]
fn redacted_prompt_appears_in_no_name() {
    let upstream = Upstream::images();
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &["--redact-pointer", "/prompt"]);
    let (key, cookie) = (Secret::new("key"), Secret::new("cookie"));
    let body = add_bird_with(json!({"prompt": "unicorns in private"}));
    send_with(recorder.address, PATH, &key, &cookie, body.as_bytes());
    let errors = recorder.stop();
    let written = [everything(folder.path()), errors.into_bytes()].concat();
    let written = String::from_utf8_lossy(&written);
    assert!(!written.contains("unicorn"), "{written}");
    assert_eq!(recordings(&folder).len(), 1);
}

#[tokio::test]
async fn concurrent_recorders_share_one_key() {
    // Both responses arrive at the same time, and both contain a secret.
    let together = std::sync::Barrier::new(2);
    let upstream = Upstream::start(move |request, stream| {
        together.wait();
        respond(stream, 200, &[], &image(request));
    });
    for _ in 0..10 {
        let folder = TempDir::new().unwrap();
        let start = || kontext_mock::Recorder::builder(upstream.url(), folder.path()).start();
        let recorders = [start().await.unwrap(), start().await.unwrap()];
        let clients = [0, 1].map(|index| {
            let address = recorders[index].address();
            let body = add_bird_with(json!({
                "prompt": index.to_string(),
                "image_url": "https://a.example/?sig=0123456789abcdef",
            }));
            tokio::task::spawn_blocking(move || post(address, body))
        });
        for client in clients {
            assert_eq!(client.await.unwrap().status, 200);
        }
        let recordings = recordings(&folder);
        let kept: Vec<Value> = recordings
            .iter()
            .map(|one| serde_json::from_slice(one.request().unwrap()).unwrap())
            .collect();
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[0]["image_url"], kept[1]["image_url"]);
    }
}
