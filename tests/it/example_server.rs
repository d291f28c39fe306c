//! A server that does what a test tells it at each step of an exchange, and counts.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use kontext_mock::{MatchMode, MockServer};
use serde_json::{Value, json};

/// The smallest image: one grey pixel.
pub(crate) const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\
\x9b\x55\0\0\0\x0aIDAT\x08\xd7\x63\x68\0\0\0\x82\0\x81\xdd\x43\x6a\xf4\0\0\0\0IEND\xaeB`\x82";

/// A request that was read whole.
pub(crate) struct Arrived {
    /// `POST` or `GET`.
    pub(crate) method: String,
    /// The prompt of a POST; of a GET the name of the image, without its number.
    pub(crate) job: String,
    /// How many of this method there were, this one included.
    pub(crate) number: usize,
    /// Where the server is.
    pub(crate) url: String,
    pub(crate) body: Value,
    /// The header, where there is one.
    pub(crate) client_request_id: Option<String>,
}

/// What is sent back, and what is done when it is sent.
pub(crate) struct Reaction {
    bytes: Vec<u8>,
    then: Box<dyn FnOnce()>,
}

impl Arrived {
    pub(crate) fn is_post(&self) -> bool {
        self.method == "POST"
    }

    /// What a good server does: one image per job, at a URL of this server.
    pub(crate) fn good(&self) -> Reaction {
        match self.is_post() {
            true => self.images(1),
            false => answer("200 OK", "image/png", PNG),
        }
    }

    /// An answer with an image, and headers that say what it cost.
    pub(crate) fn charged(&self, credits: &str, dollars: &str) -> Reaction {
        let good = String::from_utf8(self.images(1).bytes).unwrap();
        let cost =
            format!("\r\nx-aimlapi-credits-used: {credits}\r\nx-aimlapi-usd-spent: {dollars}\r\n");
        raw(good.replacen("\r\n", &cost, 1))
    }

    /// An answer with so many images.
    pub(crate) fn images(&self, count: usize) -> Reaction {
        let images = (1..=count).map(|number| {
            let url = format!("{}/{}/{number}", self.url, self.job);
            json!({ "url": url, "content_type": "image/png" })
        });
        let body = json!({ "images": images.collect::<Vec<_>>(), "seed": 7 });
        answer("200 OK", "application/json", body.to_string().as_bytes())
    }
}

/// An answer.
pub(crate) fn answer(status: &str, content_type: &str, body: &[u8]) -> Reaction {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    raw([head.as_bytes(), body].concat())
}

/// These bytes, and the end of the connection.
pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Reaction {
    Reaction {
        bytes: bytes.into(),
        then: Box::new(|| {}),
    }
}

impl Reaction {
    /// Does something when the bytes are sent.
    pub(crate) fn then(mut self, act: impl FnOnce() + 'static) -> Self {
        self.then = Box::new(act);
        self
    }
}

/// The mock with its own recordings, whose images are at another server of this machine.
pub(crate) async fn mock_with_images_at(
    url: &str,
    folder: &Path,
    match_mode: MatchMode,
) -> MockServer {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/kontext-mock/recordings");
    let to = folder.join("recordings");
    for case in [
        "generate-image/add-bird",
        "generate-image/combine-two-images",
    ] {
        fs::create_dir_all(to.join(case)).unwrap();
        let read = |name: &str| fs::read_to_string(from.join(case).join(name)).unwrap();
        let write = |name: &str, text: String| fs::write(to.join(case).join(name), text).unwrap();
        write("request.json", read("request.json"));
        let image = format!("\"url\": \"{url}/image/");
        let response = read("response.json");
        write(
            "response.json",
            response.replace("\"url\": \"https://cdn.aimlapi.com/", &image),
        );
        // The mock would otherwise serve its own pictures.
        let mut story: Value = serde_json::from_str(&read("recording.json")).unwrap();
        story.as_object_mut().unwrap().remove("files");
        write("recording.json", story.to_string());
    }
    let builder = MockServer::builder().recordings(to);
    builder.match_mode(match_mode).start().await.unwrap()
}

/// How many requests there were, by method and job.
type Counts = Arc<Mutex<BTreeMap<(String, String), usize>>>;

/// The server. Its threads end with the tests.
pub(crate) struct Server {
    pub(crate) url: String,
    counts: Counts,
}

impl Server {
    /// Starts a server that calls a function for every request, on a thread of its own.
    pub(crate) fn start(react: impl Fn(&Arrived) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counts = Counts::default();
        let server = Self {
            url: url.clone(),
            counts: counts.clone(),
        };
        let react = Arc::new(react);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (react, counts, url) = (react.clone(), counts.clone(), url.clone());
                thread::spawn(move || serve(stream.unwrap(), &*react, &counts, url));
            }
        });
        server
    }

    /// How many POSTs a job had.
    pub(crate) fn posts_of(&self, job: &str) -> usize {
        self.count(|(method, of)| method == "POST" && of == job)
    }

    pub(crate) fn posts(&self) -> usize {
        self.count(|(method, _)| method == "POST")
    }

    pub(crate) fn gets(&self) -> usize {
        self.count(|(method, _)| method == "GET")
    }

    fn count(&self, wanted: impl Fn(&(String, String)) -> bool) -> usize {
        let counts = self.counts.lock().unwrap();
        counts
            .iter()
            .filter(|(of, _)| wanted(of))
            .map(|(_, count)| count)
            .sum()
    }
}

fn serve(
    mut stream: TcpStream,
    react: &dyn Fn(&Arrived) -> Reaction,
    counts: &Counts,
    url: String,
) {
    let Some((head, body)) = read(&mut stream) else {
        return;
    };
    let (method, rest) = head.split_once(' ').unwrap();
    let (path, _) = rest.split_once(' ').unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let job = match method {
        "POST" => body["prompt"].as_str().unwrap(),
        _ => path[1..].split_once('/').unwrap().0,
    };
    let number = {
        let mut counts = counts.lock().unwrap();
        *counts
            .entry((method.to_owned(), job.to_owned()))
            .or_default() += 1;
        let of_method = counts.iter().filter(|((of, _), _)| of == method);
        of_method.map(|(_, count)| count).sum()
    };
    let arrived = Arrived {
        method: method.to_owned(),
        job: job.to_owned(),
        number,
        url,
        body,
        client_request_id: header(&head, "x-client-request-id"),
    };
    let reaction = react(&arrived);
    // The client may be gone: some tests kill it.
    let _ = stream.write_all(&reaction.bytes);
    (reaction.then)();
}

fn header(head: &str, wanted: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(wanted).then(|| value.to_owned())
    })
}

/// Reads a request: its head and its body. Nothing if the client goes away.
fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut received = Vec::new();
    let mut piece = [0; 64 * 1024];
    loop {
        let end = received.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(received[..end].to_vec()).unwrap();
            let length = header(&head, "content-length");
            let length = length.map(|length| length.parse::<usize>().unwrap());
            let body = &received[end + 4..];
            if body.len() >= length.unwrap_or(0) {
                return Some((head, body.to_vec()));
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(length) => received.extend_from_slice(&piece[..length]),
        }
    }
}
