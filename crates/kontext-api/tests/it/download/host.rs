//! A server of images and of what is none, made of raw bytes. It answers connections
//! at the same time, one request on each.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use kontext_api::Image;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::image_at;

/// What happens once a request was read.
#[derive(Clone)]
pub enum Answer {
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, and the connection stays open without another byte.
    Stall(Vec<u8>),
    /// These bytes, and the others when the test says so.
    Gated(Vec<u8>, Arc<Semaphore>, Vec<u8>),
    /// The connection is reset: it is closed with the request unread.
    Reset,
}

pub struct Host {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Host {
    /// Answers the request of this number, from 0, for this path.
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

    /// Answers every request alike.
    pub async fn always(answer: Answer) -> Self {
        Self::start(move |_, _| answer.clone()).await
    }

    /// Answers every request with this.
    pub async fn answering(status: &str, headers: &str, body: &[u8]) -> Self {
        Self::always(Answer::Bytes(whole(status, headers, body))).await
    }

    /// The requests so far, as text.
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
    // What was seen is there; unread, it would reset the connection.
    stream.read_exact(&mut buffer[..length]).await.unwrap();
    // The client may hang up in the middle of a body that it does not want.
    match answer {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Until the client hangs up.
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

/// A whole response of a connection that is not kept; `headers` are lines that end
/// with `\r\n`.
pub fn whole(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\n{headers}", body.len());
    raw(status, &length, body)
}

/// A response with no header but these.
pub fn raw(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// One chunk of a chunked body.
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
