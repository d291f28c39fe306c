//! A raw TCP server of images and other content. It serves connections concurrently,
//! with one request each.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use kontext_api::Image;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::image_at;

/// What to do after reading a request.
#[derive(Clone)]
pub enum Answer {
    /// Sends these bytes, then closes the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes, then leaves the connection open and silent.
    Stall(Vec<u8>),
    /// Sends the first part, and the second when the test opens the gate.
    Gated(Vec<u8>, Arc<Semaphore>, Vec<u8>),
    /// Resets the connection by closing it with the request unread.
    Reset,
}

pub struct Host {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Host {
    /// `answer` gets the number of the request, from 0, and its path.
    pub async fn start(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move { serve(stream, &seen, &*answer).await });
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    /// Responds to every request alike.
    pub async fn always(answer: Answer) -> Self {
        Self::start(move |_, _| answer.clone()).await
    }

    /// Responds to every request with this status, headers and body.
    pub async fn answering(status: &str, headers: &str, body: &[u8]) -> Self {
        Self::always(Answer::Bytes(whole(status, headers, body))).await
    }

    /// Requests received so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn image(&self) -> Image {
        image_at(self.url("/image"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<String>>,
    answer: &(impl Fn(usize, &str) -> Answer + Send + Sync),
) {
    let mut buffer = vec![0; 16 * 1024];
    let request = loop {
        let count = stream.peek(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&buffer[..count]);
        if text.ends_with("\r\n\r\n") {
            break text.into_owned();
        }
        tokio::task::yield_now().await;
    };
    let length = request.len();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    let answer = answer(number, &path);
    if matches!(answer, Answer::Reset) {
        return;
    }
    // Consume the peeked request: closing with unread data resets the connection.
    stream.read_exact(&mut buffer[..length]).await.unwrap();
    // The client may hang up in the middle of an unwanted body.
    match answer {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Wait until the client hangs up.
            let _ = stream.read(&mut buffer).await;
        }
        Answer::Gated(first, gate, rest) => {
            let _ = stream.write_all(&first).await;
            gate.acquire().await.unwrap().forget();
            let _ = stream.write_all(&rest).await;
            let _ = stream.shutdown().await;
        }
        Answer::Reset => {}
    }
}

/// A response with a `content-length`. `headers` are lines that end with `\r\n`.
pub fn whole(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\n{headers}", body.len());
    raw(status, &length, body)
}

/// A response with only these headers and `connection: close`.
pub fn raw(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// A chunk of a chunked body.
pub fn chunk(body: &[u8]) -> Vec<u8> {
    let length = format!("{:x}\r\n", body.len());
    [length.as_bytes(), body, b"\r\n"].concat()
}

pub fn redirect(location: &str) -> Answer {
    Answer::Bytes(whole(
        "302 Found",
        &format!("location: {location}\r\n"),
        b"",
    ))
}
