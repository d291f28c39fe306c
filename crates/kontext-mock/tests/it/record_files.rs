//! `record --files`: pictures that a response links to.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::{
    http::{PATH, add_bird_with, post, send},
    process::{self, Process},
    record::{recordings, start},
    secrets::{Secret, everything, send_with},
    upstream::{Upstream, respond},
};

/// A PNG signature, followed by a name.
fn picture(name: &str) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n", name.as_bytes()].concat()
}

/// A server for pictures.
fn pictures() -> Upstream {
    Upstream::start(|request, stream| {
        let path = request.head.split(' ').nth(1).unwrap();
        match path.split('?').next().unwrap() {
            "/1" => respond(stream, 200, &[("content-type", "image/png")], &picture("1")),
            // Many file servers set no useful media type.
            "/2" => respond(
                stream,
                200,
                &[("content-type", "application/octet-stream")],
                &picture("2"),
            ),
            "/moved" => respond(stream, 302, &[("location", "/1")], b""),
            "/page" => respond(stream, 200, &[("content-type", "text/html")], b"<html>"),
            "/huge" => respond(
                stream,
                200,
                &[
                    ("content-length", "99999999999"),
                    ("content-type", "image/png"),
                ],
                b"",
            ),
            _ => respond(stream, 404, &[], b"{}"),
        }
    })
}

/// A server that responds with these URLs.
fn upstream(urls: Vec<String>) -> Upstream {
    Upstream::start(move |_, stream| {
        let images: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
        let body = json!({"images": images, "prompt": "x"});
        respond(stream, 200, &[], body.to_string().as_bytes());
    })
}

#[test]
fn images_are_saved_and_served() {
    let cdn = pictures();
    let signature = Secret::new("signature");
    let signed = format!("{}/1?X-Amz-Signature={}", cdn.url(), signature.encoded());
    let upstream = upstream(vec![
        signed.clone(),
        format!("{}/2", cdn.url()),
        format!("{}/moved", cdn.url()),
        // Equal pictures are fetched once, and data URIs are not fetched.
        signed,
        "data:image/png;base64,AAAA".to_owned(),
    ]);
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &["--files"]);
    let (key, cookie) = (Secret::new("key"), Secret::new("cookie"));
    let body = add_bird_with(json!({}));
    let live = send_with(recorder.address, PATH, &key, &cookie, body.as_bytes());
    assert!(signature.is_in(&live.body));
    recorder.wait_for(": 3 pictures kept with generate-image/");
    let received = cdn.received();
    assert_eq!(received.len(), 4);
    for request in &received {
        for name in ["authorization", "cookie", "referer"] {
            assert_eq!(request.header(name), None);
        }
        assert!(!key.is_in(request.head.as_bytes()));
    }
    assert!(
        signature.is_in(received[0].head.as_bytes()),
        "the live URL is asked"
    );

    let recordings = recordings(&folder);
    let recording = recordings.iter().next().unwrap();
    let files: Vec<_> = recording
        .files()
        .iter()
        .map(|file| {
            (
                file.file(),
                file.content_type(),
                file.bytes().to_vec(),
                file.origin(),
            )
        })
        .collect();
    let live = kontext_mock::Origin::Live;
    assert_eq!(
        files,
        [
            ("file-1.png", "image/png", picture("1"), live),
            ("file-2.png", "image/png", picture("2"), live),
            ("file-3.png", "image/png", picture("1"), live),
        ]
    );
    let errors = recorder.stop();
    let written = [everything(folder.path()), errors.into_bytes()].concat();
    for secret in [&key, &cookie, &signature] {
        assert!(!secret.is_in(&written));
    }

    // The mock serves them itself.
    drop((cdn, upstream));
    let mut command = process::command(&["serve", "--listen", "127.0.0.1:0"]);
    command.arg("--recordings").arg(folder.path());
    let serving = Process::serve(&mut command);
    let answer = post(serving.address, body);
    for (index, expected) in ["1", "2", "1"].into_iter().enumerate() {
        let url = answer.json()["images"][index]["url"]
            .as_str()
            .unwrap()
            .to_owned();
        // The client's `Host` is `mock`.
        let path = url
            .strip_prefix("http://mock")
            .unwrap_or_else(|| panic!("{url}"));
        let served = send(serving.address, "GET", path, &[], b"");
        assert_eq!(served.body, picture(expected));
    }
}

#[test]
fn unfetched_images_are_reported_and_noted() {
    let cdn = pictures();
    let upstream = upstream(vec![
        format!("{}/1", cdn.url()),
        format!("{}/gone", cdn.url()),
        format!("{}/page", cdn.url()),
        format!("{}/huge", cdn.url()),
        "http://cdn.example/plain.png".to_owned(),
    ]);
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &["--files"]);
    post(recorder.address, add_bird_with(json!({})));
    recorder.wait_for(": 1 picture kept with generate-image/");
    let errors = recorder.stop();
    let recordings = recordings(&folder);
    let recording = recordings.iter().next().unwrap();
    assert_eq!(recording.files().len(), 1);
    for part in [
        "/gone: the server answered 404",
        "/page: it is no PNG, JPEG, WebP or GIF picture, but 6 bytes of text/html",
        "/huge: it has more than 67108864 bytes",
        "http://cdn.example/plain.png: its URL is not one of https",
    ] {
        assert!(errors.contains(part), "{part} in {errors}");
        let noted = recording
            .not_recorded()
            .iter()
            .any(|one| one.contains(part));
        assert!(noted, "{part} in {:?}", recording.not_recorded());
    }
    assert!(errors.contains("NOT KEPT: the picture "), "{errors}");
}

#[test]
fn saved_images_are_kept_when_answer_repeats() {
    let cdn = pictures();
    let upstream = upstream(vec![format!("{}/1", cdn.url())]);
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &["--files"]);
    post(recorder.address, add_bird_with(json!({})));
    recorder.wait_for(" kept with ");
    recorder.stop();
    drop(cdn);
    for arguments in [&[][..], &["--files"]] {
        let recorder = start(&upstream, &folder, arguments);
        post(recorder.address, add_bird_with(json!({})));
        recorder.stop();
        let recordings = recordings(&folder);
        for answer in recordings.iter().next().unwrap().answers() {
            let [file] = answer.files() else {
                panic!("{recordings:?}");
            };
            assert_eq!(file.bytes(), picture("1"));
        }
    }
    let cases = fs::read_dir(folder.path().join("generate-image")).unwrap();
    assert_eq!(cases.count(), 1);
}
