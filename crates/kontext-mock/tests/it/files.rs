//! Pictures kept with a recording: the mock serves them, and its responses link to
//! them.

use kontext_mock::{MatchMode, MockServer, Recordings};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    folders::Folder,
    http::{self, Answer, PATH, add_bird_with, post, raw},
    wire::{admin, last_request},
};

const URL: &str = "https://cdn.aimlapi.com/squirrel/files/panda/qMuknweKekEYlj9-RdUNt_f0706e451d674554a4c03f2489cf7d5a.jpg";
const AT: &str = "/__mock/files/generate-image/add-bird/file-1.jpg";

/// Bytes that any text conversion would corrupt.
pub(crate) fn picture() -> Vec<u8> {
    (0..=255)
        .chain(*b"\r\n\0\xff\xd8")
        .cycle()
        .take(70_000)
        .collect()
}

/// The first recording, with its picture.
pub(crate) fn folder_with_picture() -> Folder {
    let folder = Folder::with_add_bird();
    folder.write("generate-image/add-bird/file-1.jpg", picture());
    folder.edit("generate-image/add-bird/recording.json", |story| {
        story["files"] = json!([{
            "url": URL,
            "file": "file-1.jpg",
            "content_type": "image/jpeg",
            "sha256": format!("{:x}", Sha256::digest(picture())),
            "origin": "synthetic",
        }]);
    });
    folder
}

async fn server(folder: &Folder) -> MockServer {
    MockServer::builder()
        .recordings(folder.path())
        .start()
        .await
        .unwrap()
}

/// Posts the recorded request with this `Host` header, or without one.
fn post_as(server: &MockServer, version: &str, host: Option<&str>) -> Answer {
    let text = String::from_utf8(last_request(&[], &add_bird_with(json!({})))).unwrap();
    let host = host.map_or(String::new(), |host| format!("host: {host}\r\n"));
    let text = text
        .replace("host: mock\r\n", &host)
        .replace("HTTP/1.1", version);
    raw(server.address(), text.as_bytes())
}

fn url_of(answer: &Answer) -> String {
    answer.json()["images"][0]["url"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn image_url_is_rewritten_to_served_file() {
    let folder = folder_with_picture();
    let server = server(&folder).await;
    let host = server.address().to_string();
    let answer = post_as(&server, "HTTP/1.1", Some(&host));
    assert_eq!(answer.header("x-kontext-rewritten"), Some("url"));
    assert_eq!(answer.found().0, Some("exact"));
    let recorded = String::from_utf8(folder.read("generate-image/add-bird/response.json")).unwrap();
    let expected = recorded.replace(URL, &format!("http://{host}{AT}"));
    assert_eq!(String::from_utf8(answer.body.clone()).unwrap(), expected);
    assert_eq!(
        answer.header("content-length"),
        Some(&*expected.len().to_string())
    );
    let path = url_of(&answer)
        .strip_prefix(&server.url())
        .unwrap()
        .to_owned();
    let file = http::send(server.address(), "GET", &path, &[], b"");
    assert_eq!(
        (file.status, file.header("content-type")),
        (200, Some("image/jpeg"))
    );
    assert!(file.body == picture());
    // It does not count as a request for a recording.
    assert_eq!(server.received().len(), 1);
    // HEAD returns the same headers without the body.
    let head = http::send(server.address(), "HEAD", &path, &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some("70000"));
}

#[tokio::test]
async fn every_notation_and_place_of_url_is_rewritten() {
    let folder = folder_with_picture();
    let text = String::from_utf8(folder.read("generate-image/add-bird/response.json")).unwrap();
    // With escaped slashes as PHP writes them, twice, and as part of another string.
    let escaped = URL.replace('/', "\\/");
    let body = text
        .replace(&format!("\"{URL}\""), &format!("\"{escaped}\""))
        .replace(
            "\"images\"",
            &format!("\"model\": \"see {URL}\", \"data\": [{{\"url\": \"{URL}\"}}],\n  \"images\""),
        );
    folder.write("generate-image/add-bird/response.json", &body);
    let server = server(&folder).await;
    let answer = post_as(&server, "HTTP/1.1", Some("a.example:1"));
    let to = format!("http://a.example:1{AT}");
    let expected = body
        .replace(&format!("\"{escaped}\""), &format!("\"{to}\""))
        .replace(
            &format!("\"url\": \"{URL}\""),
            &format!("\"url\": \"{to}\""),
        );
    assert_eq!(String::from_utf8(answer.body).unwrap(), expected);
}

#[tokio::test]
async fn rewritten_url_uses_host_of_request() {
    let folder = folder_with_picture();
    let server = server(&folder).await;
    for host in [
        "localhost:4010",
        "mock",
        "[::1]:80",
        "api.example.",
        "10.0.0.1:65535",
    ] {
        let answer = post_as(&server, "HTTP/1.1", Some(host));
        assert_eq!(url_of(&answer), format!("http://{host}{AT}"));
        assert_eq!(answer.header("x-kontext-rewritten"), Some("url"));
    }
    // With a request target in absolute form, as for a proxy.
    let text = String::from_utf8(last_request(&[], &add_bird_with(json!({})))).unwrap();
    let text = text.replace(PATH, &format!("http://proxied:7{PATH}"));
    assert_eq!(
        url_of(&raw(server.address(), text.as_bytes())),
        format!("http://proxied:7{AT}")
    );
}

#[tokio::test]
async fn rewritten_url_falls_back_to_socket_address() {
    let folder = folder_with_picture();
    let server = server(&folder).await;
    let to = format!("{}{AT}", server.url());
    assert_eq!(url_of(&post_as(&server, "HTTP/1.0", None)), to);
    for odd in [
        "",
        "a\"b",
        "a b",
        "user@host",
        "a/b",
        "a\\b",
        "h\u{e4}",
        &"x".repeat(301),
    ] {
        let answer = post_as(&server, "HTTP/1.1", Some(odd));
        assert_eq!(answer.status, 200, "{odd:?}");
        assert_eq!(url_of(&answer), to, "{odd:?}");
    }
}

#[tokio::test]
async fn keep_urls_serves_urls_as_recorded() {
    let folder = folder_with_picture();
    let server = MockServer::builder()
        .recordings(folder.path())
        .keep_urls(true)
        .start()
        .await
        .unwrap();
    let answer = post_as(&server, "HTTP/1.1", Some("mock"));
    assert_eq!(
        answer.body,
        folder.read("generate-image/add-bird/response.json")
    );
    assert_eq!(answer.header("x-kontext-rewritten"), None);
    // The picture is served nevertheless.
    assert_eq!(
        http::send(server.address(), "GET", AT, &[], b"").status,
        200
    );
}

#[cfg(unix)]
#[test]
fn serve_accepts_keep_urls_option() {
    let folder = folder_with_picture();
    for (option, url) in [
        ("--quiet", format!("http://mock{AT}")),
        ("--keep-urls", URL.to_owned()),
    ] {
        let serving = crate::process::Process::serve(&mut crate::process::command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            option,
            "--recordings",
            folder.path().to_str().unwrap(),
        ]));
        assert_eq!(
            url_of(&http::post(serving.address, add_bird_with(json!({})))),
            url
        );
    }
}

#[tokio::test]
async fn unknown_file_paths_return_404() {
    let folder = folder_with_picture();
    let server = server(&folder).await;
    for path in [
        "files/",
        "files/generate-image/add-bird/",
        "files/generate-image/add-bird/file-2.jpg",
        "files/generate-image/add-bird/recording.json",
        "files/generate-image/add-bird/request.json",
        "files/generate-image/other/file-1.jpg",
        "files/other/add-bird/file-1.jpg",
        "files/generate-image/add-bird/../add-bird/file-1.jpg",
        "files/../../etc/passwd",
        "files/generate-image/add-bird/%66ile-1.jpg",
        "files//etc/passwd",
        "files/generated/",
        "files/generated/x.jpg",
        "files/generated/0-1x1.png",
    ] {
        let answer = admin(server.address(), "GET", path, "");
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.json()["error"],
            "no recording has this file; URLs in the mock's responses name the existing ones"
        );
    }
    // A query string is ignored.
    let answer = admin(
        server.address(),
        "GET",
        "files/generate-image/add-bird/file-1.jpg?v=1",
        "",
    );
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn files_allow_any_origin() {
    let folder = folder_with_picture();
    let server = server(&folder).await;
    for path in [AT, "/__mock/files/generate-image/none/file-1.jpg"] {
        let origin = [("origin", "http://elsewhere.example")];
        let answer = http::send(server.address(), "GET", path, &origin, b"");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let answer = http::send(server.address(), "GET", path, &[], b"");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn changed_or_missing_file_fails_loading() {
    let folder = folder_with_picture();
    folder.write("generate-image/add-bird/file-1.jpg", "other");
    let error = Recordings::load(folder.path()).unwrap_err();
    let defect = error.defects()[0].to_string();
    assert!(
        defect.contains("recording.json, /files/0/sha256: the file file-1.jpg has the SHA-256 "),
        "{defect}"
    );
    folder.remove("generate-image/add-bird/file-1.jpg");
    let defect = Recordings::load(folder.path()).unwrap_err().defects()[0].to_string();
    assert!(
        defect.contains("/files/0/file: the file file-1.jpg does not exist"),
        "{defect}"
    );
    let folder = folder_with_picture();
    folder.edit(
        "generate-image/add-bird/recording.json",
        |story: &mut Value| {
            story["files"] = json!([]);
        },
    );
    let defect = Recordings::load(folder.path()).unwrap_err().defects()[0].to_string();
    assert!(
        defect.contains("file-1.jpg: is not listed in recording.json"),
        "{defect}"
    );
}

#[tokio::test]
async fn public_url_is_used_in_image_urls() {
    for (url, expected) in [
        ("https://mock.example", "https://mock.example/__mock/files/"),
        (
            "https://[::1]:81/base/",
            "https://[::1]:81/base/__mock/files/",
        ),
    ] {
        for mode in [MatchMode::Nearest, MatchMode::Generate] {
            let builder = MockServer::builder().public_url(url).match_mode(mode);
            let server = builder.start().await.unwrap();
            // Pages of the public URL's origin may use the admin API.
            let origin = url.split("/base").next().unwrap();
            for (origin, status) in [(origin, 204), ("https://other.example", 403)] {
                let headers = [("origin", origin)];
                let reset = http::send(server.address(), "POST", "/__mock/reset", &headers, b"");
                assert_eq!(reset.status, status, "{origin}");
            }
            for prompt in ["Add a bird to the foreground of the photo.", "Another."] {
                let answer = post(server.address(), add_bird_with(json!({"prompt": prompt})));
                let image = answer.json()["images"][0]["url"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                assert!(image.starts_with(expected), "{image}");
            }
        }
    }
    for wrong in [
        "",
        "mock.example",
        "ftp://a.example",
        "https://a.example/?b",
        "https://u:secret@a",
    ] {
        let error = MockServer::builder()
            .public_url(wrong)
            .start()
            .await
            .unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("expected http:// or https://"),
            "{wrong}: {error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}
