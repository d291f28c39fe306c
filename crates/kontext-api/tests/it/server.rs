//! A raw TCP server. It reads one request per connection, records it and responds as
//! scripted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use kontext_api::reqwest;
use kontext_api::types::ImageToImageModel;
use kontext_api::{Client, ClientBuilder, ImageToImageRequest, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The API key, which may appear only in the `authorization` header.
pub const KEY: &str = "planted-key-5f2d";

/// What to do after reading a request.
pub enum Answer {
    /// Sends these bytes, then closes the connection.
    Bytes(Vec<u8>),
    /// Closes the connection without a response.
    Close,
    /// Sends these bytes, then leaves the connection open and silent.
    Stall(Vec<u8>),
}

pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    arrival: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    /// Responds to every request alike.
    pub async fn start(answer: Answer) -> Self {
        Self::start_script(vec![answer]).await
    }

    /// Responds to the first request with the first answer, and so on. The last answer
    /// is repeated.
    pub async fn start_script(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        let arrival = Arc::<Notify>::default();
        let arrived = Arc::clone(&arrival);
        let task = tokio::spawn(async move {
            let mut stalled = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                let count = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request);
                    seen.len()
                };
                arrived.notify_one();
                match &answers[count.min(answers.len()) - 1] {
                    Answer::Bytes(bytes) => {
                        // The client may hang up in the middle of an oversized body.
                        let _ = stream.write_all(bytes).await;
                        let _ = stream.shutdown().await;
                    }
                    Answer::Close => {}
                    Answer::Stall(bytes) => {
                        stream.write_all(bytes).await.unwrap();
                        stalled.push(stream);
                    }
                }
            }
        });
        Self {
            address,
            requests,
            arrival,
            task,
        }
    }

    /// Waits for a request.
    pub async fn arrival(&self) {
        self.arrival.notified().await;
    }

    /// Responds with this status, headers and body, and the right `content-length`.
    pub async fn answering(status: &str, headers: &str, body: &[u8]) -> Self {
        Self::start(Answer::Bytes(response(status, headers, body))).await
    }

    /// Requests received so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A builder for a client of this server without retries.
    pub fn builder(&self) -> ClientBuilder {
        plain_http(Client::builder())
            .api_key(KEY)
            .base_url(format!("http://{}", self.address))
            .retry(RetryPolicy::never())
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }
}

/// Configures a client for plain http, without root certificates: loading the system's
/// takes a quarter of a second, and the tests build hundreds of clients.
pub fn plain_http(builder: ClientBuilder) -> ClientBuilder {
    fn without_roots(http: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        let http = http.tls_certs_only([]);
        http
    }
    let builder = builder.configure_http(without_roots);
    builder.configure_download_http(without_roots)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A complete response. `headers` are lines that end with `\r\n`.
pub fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        assert_ne!(count, 0, "the request is cut: {text}");
    }
}

/// A minimal request.
pub fn request() -> ImageToImageRequest {
    ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt("Add a bird.")
        .image_url("https://example.com/cat.png")
        .build()
        .unwrap()
}

/// A response body with one image.
pub const ONE_IMAGE: &[u8] = br#"{"images": [{"url": "https://cdn.example.com/1.jpg"}]}"#;

/// All Debug and Display output of an error and its causes.
pub fn prints(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error:?}\n{error:#?}\n{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n{error:?}\n{error}"));
        cause = error.source();
    }
    text
}

/// Asserts that an error's output doesn't contain the key, and that Display is one line.
pub fn assert_discreet(error: &(dyn std::error::Error + 'static)) {
    let text = prints(error);
    assert!(!text.contains(KEY), "{text}");
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    assert!(!line.starts_with(char::is_uppercase), "{line}");
    assert!(line.len() < 1_500, "{line}");
}

/// Reads one request from a connection and responds to it.
pub async fn answer_one(mut stream: TcpStream, answer: &[u8]) {
    read_request(&mut stream).await;
    stream.write_all(answer).await.unwrap();
}
