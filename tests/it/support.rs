//! Helpers that several test modules share.

use std::{fmt::Display, sync::mpsc};

use kontext_api::Client;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Compares a text with the named snapshot.
///
/// Snapshot files in `snapshots/` have no module prefix, so moving a test renames none.
pub(crate) fn snapshot(name: &str, text: impl Display) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A client of a local server.
pub(crate) fn client(url: &str) -> Client {
    Client::builder()
        .base_url(url)
        .api_key("test-key")
        .build()
        .unwrap()
}

/// Starts a server that answers one HTTP request. Returns its URL and a receiver of the
/// request's bytes.
pub(crate) async fn one_exchange(answer: String) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        while !is_whole(&received) {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).await.unwrap();
            assert_ne!(length, 0, "the client closed before its request was whole");
            received.extend_from_slice(&piece[..length]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        sender.send(received).unwrap();
    });
    (url, receiver)
}

/// Whether the request has its complete head and body, by `content-length`.
pub(crate) fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    body.len() >= length
}
