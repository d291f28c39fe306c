//! Recordings are served byte for byte.

use kontext_mock::{MockServer, Recordings};

use crate::{folders::Folder, http::post};

#[tokio::test]
async fn embedded_recordings_are_served_as_recorded() {
    let server = MockServer::builder().keep_urls(true).start().await.unwrap();
    let recordings = Recordings::embedded().unwrap();
    assert_eq!(recordings.len(), 2);
    for recording in &recordings {
        let answer = post(server.address(), recording.request().unwrap());
        assert_eq!(answer.status, recording.status());
        assert_eq!(
            answer.header("content-type"),
            recording.header("content-type")
        );
        assert_eq!(answer.body, recording.response());
        assert_eq!(answer.found(), (Some("exact"), Some(recording.name())));
        assert_eq!(answer.header("x-kontext-error"), None);
    }
}

#[tokio::test]
async fn embedded_recordings_match_their_folder() {
    let folder = Recordings::load(concat!(env!("CARGO_MANIFEST_DIR"), "/recordings")).unwrap();
    let embedded = Recordings::embedded().unwrap();
    assert_eq!(folder.len(), embedded.len());
    for (one, other) in folder.iter().zip(&embedded) {
        assert_eq!(one.name(), other.name());
        assert_eq!(one.response(), other.response());
        assert_eq!(one.request(), other.request());
        assert_eq!(one.source(), other.source());
    }
}

#[tokio::test]
async fn bytes_status_and_headers_are_preserved() {
    let folder = Folder::with_add_bird();
    let response = "{ \"message\":\"sl\\u006fw \\u00e9\", \"statusCode\":429.0 }\r\n\r\n ";
    folder.write("generate-image/add-bird/response.json", response);
    folder.edit("generate-image/add-bird/recording.json", |story| {
        story["status"] = 429.into();
        story["headers"]["retry-after"] = "7".into();
        story["headers"]["content-type"] = "application/json; charset=utf-8".into();
    });
    let server = MockServer::builder()
        .recordings(folder.path())
        .start()
        .await
        .unwrap();
    let answer = post(
        server.address(),
        folder.read("generate-image/add-bird/request.json"),
    );
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(answer.body, response.as_bytes());
}

#[tokio::test]
async fn non_json_body_is_served_from_its_own_file() {
    let folder = Folder::with_add_bird();
    folder.remove("generate-image/add-bird/response.json");
    folder.write(
        "generate-image/add-bird/response.html",
        "<h1>Bad Gateway</h1>",
    );
    folder.edit("generate-image/add-bird/recording.json", |story| {
        story["status"] = 502.into();
        story["headers"]["content-type"] = "text/html".into();
    });
    let server = MockServer::builder()
        .recordings(folder.path())
        .start()
        .await
        .unwrap();
    let answer = post(
        server.address(),
        folder.read("generate-image/add-bird/request.json"),
    );
    assert_eq!(
        (answer.status, answer.body),
        (502, b"<h1>Bad Gateway</h1>".to_vec())
    );
}
