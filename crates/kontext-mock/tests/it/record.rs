//! `kontext-mock record`: the response to the client, and what is saved.

use std::{fs, io::Write as _, net::TcpListener, process::Command};

use kontext_mock::{Contract, Recordings, check};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    http::{PATH, add_bird_with, post, send},
    process::{self, PATIENCE, Process, run},
    upstream::{Upstream, respond},
};

/// Start of the first line that a recorder prints.
pub(crate) const UP: &str = "kontext-mock recording on";

/// A recorder for a server, into a folder.
pub(crate) fn command(upstream: &str, folder: &TempDir) -> Command {
    let mut command = process::command(&["record", "--listen", "127.0.0.1:0"]);
    command.args(["--upstream", upstream]);
    command.arg("--recordings").arg(folder.path());
    command
}

pub(crate) fn start(upstream: &Upstream, folder: &TempDir, more: &[&str]) -> Process {
    Process::start(command(&upstream.url(), folder).args(more), UP)
}

/// Loads the recordings of a folder, and checks that they agree with the contract.
pub(crate) fn recordings(folder: &TempDir) -> Recordings {
    let recordings = Recordings::load(folder.path()).unwrap();
    let report = check(&Contract::embedded().unwrap(), &recordings);
    assert!(report.is_clean() && report.notes.is_empty(), "{report}");
    recordings
}

/// The only recording whose case starts with this text.
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

/// A mock of a folder, in strict mode.
pub(crate) fn serve(folder: &TempDir) -> Process {
    let mut command = process::command(&["serve", "--listen", "127.0.0.1:0", "--match", "strict"]);
    command.arg("--recordings").arg(folder.path());
    Process::serve(&mut command)
}

#[test]
fn answer_passes_unchanged_and_is_saved() {
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
                ("connection", "close, X-Hop"),
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
    // The request that the upstream received.
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
    // What was saved: once the client has the response, it is recorded.
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
            "POST {PATH} 200 saved as {}\nexchanges saved: 1\n",
            recording.name()
        )
    );
    // The mock responds to the same request with it.
    let serving = serve(&folder);
    let replayed = post(serving.address, request);
    assert_eq!(
        (replayed.found(), replayed.body.as_slice()),
        ((Some("exact"), Some(recording.name())), &body[..])
    );
}

#[test]
fn gzip_answer_passes_encoded_and_is_saved_decoded() {
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
fn unreachable_upstream_is_502() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let folder = TempDir::new().unwrap();
    let recorder = Process::start(&mut command(&url, &folder), UP);
    let answer = post(recorder.address, prompt("Nobody."));
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-kontext-error"), Some("upstream"));
    assert!(answer.message().contains("nothing was sent"), "{answer:?}");
    // A server that closes the connection may have received the request.
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
fn redirects_and_proxies_are_not_followed() {
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
fn plain_http_upstream_must_be_loopback() {
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
fn upstream_base_path_is_not_recorded() {
    let upstream = Upstream::images();
    let folder = TempDir::new().unwrap();
    let base = format!("{}/gateway", upstream.url());
    let recorder = Process::start(&mut command(&base, &folder), UP);
    assert_eq!(post(recorder.address, prompt("Base.")).status, 200);
    let recording = one(&folder, "base-");
    assert_eq!(recording.path(), PATH);
    assert_eq!(recording.source(), (&*upstream.url(), None));
    // No path escapes the base path, which may separate services on the same host.
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

#[test]
fn invalid_arguments_are_named() {
    let folder = TempDir::new().unwrap();
    let upstream = Upstream::json(200, "{}");
    for (arguments, part) in [
        (&["--mode", "some"][..], "some"),
        (&["--redact-pattern", "("], "is not a regular expression"),
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
async fn library_recorder_saves_and_stops() {
    let upstream = Upstream::images();
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
