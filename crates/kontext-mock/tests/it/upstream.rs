//! A server in place of the real one. It writes to its socket exactly the bytes that a
//! test specifies.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value;

/// A request as received.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (other, value) = line.split_once(": ")?;
            (other.eq_ignore_ascii_case(name)).then_some(value)
        })
    }
}

/// A server with one thread and one request per connection.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
}

impl Upstream {
    /// Starts a server that responds with this function. The connection closes when it
    /// returns.
    pub(crate) fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Request>>> = Arc::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let (of_thread, ends) = (received.clone(), is_over.clone());
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                let (received, answer) = (of_thread.clone(), answer.clone());
                thread::spawn(move || {
                    let Some((request, mut stream)) = read(stream.unwrap()) else {
                        return;
                    };
                    received.lock().unwrap().push(request.clone());
                    answer(&request, &mut stream);
                });
            }
        });
        Self {
            address,
            received,
            is_over,
        }
    }

    /// A server that responds to every request with an image.
    pub(crate) fn images() -> Self {
        Self::start(|request, stream| respond(stream, 200, &[], &image(request)))
    }

    /// A server that responds to every request with this status and JSON.
    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self::start(move |_, stream| respond(stream, status, &[], &body))
    }

    /// The origin of the server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests received so far.
    pub(crate) fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

/// Reads a request; `None` if the connection closes before.
fn read(stream: TcpStream) -> Option<(Request, TcpStream)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((Request { head, body }, reader.into_inner()))
}

/// Writes a JSON response with additional headers.
pub(crate) fn respond(stream: &mut TcpStream, status: u16, headers: &[(&str, &str)], body: &[u8]) {
    let mut answer = format!("HTTP/1.1 {status} Whatever\r\n");
    let length = body.len().to_string();
    for (name, value) in [
        ("content-length", length.as_str()),
        ("content-type", "application/json"),
    ] {
        if !headers.iter().any(|(other, _)| *other == name) {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    let mut answer = answer.into_bytes();
    answer.extend_from_slice(body);
    // The test decides whether the client still listens.
    let _ = stream.write_all(&answer);
}

/// A response with one image that repeats the prompt of the request.
pub(crate) fn image(request: &Request) -> Vec<u8> {
    let prompt = &request.json()["prompt"];
    format!(
        r#"{{"images": [{{"url": "https://cdn.example/{}.png", "content_type":"image/png","width":null,"height":null,"file_name":null,"file_size":null}}],
 "timings": {{}}, "seed": 3959063143,"has_nsfw_concepts":[false],   "prompt":{prompt}}}
"#,
        request.body.len()
    )
    .into_bytes()
}

/// The provider's documented error with this status.
pub(crate) fn error(status: u16, message: &str) -> Vec<u8> {
    serde_json::json!({
        "requestId": "1", "statusCode": status, "timestamp": "2026-01-01T00:00:00.000Z",
        "path": "/v1/images/generations", "message": message,
    })
    .to_string()
    .into_bytes()
}
