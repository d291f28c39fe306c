//! The example `batch` is interrupted: what was sent is finished and recorded, and the next
//! run pays for nothing twice.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, RwLock,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use kontext_api::Client;
use serde_json::{Value, json};

use super::{batch, picture};

/// More jobs than are sent at once.
const TAGS: [&str; 6] = ["ant", "bee", "cow", "dog", "eel", "fox"];
const AT_ONCE: usize = 4;

/// The process that is interrupted: the example. It is a test, because then it is in the
/// program that runs already.
#[tokio::test]
#[ignore = "is started by other tests, and does nothing without them"]
async fn child() {
    let Ok(folder) = env::var("BATCH_TEST_FOLDER") else {
        return;
    };
    let folder = Path::new(&folder);
    let (jobs, out) = (folder.join("jobs.jsonl"), folder.join("out"));
    let client = Client::from_env().unwrap();
    let mut stdout = std::io::stdout();
    batch::run(&mut stdout, &client, &jobs, &out).await.unwrap();
}

/// An API that answers no POST while its gate is held.
struct Api {
    url: String,
    /// The prompts of the POSTs, as they arrive.
    posts: Receiver<String>,
    gate: Arc<RwLock<()>>,
}

impl Api {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, posts) = mpsc::channel();
        let gate = Arc::<RwLock<()>>::default();
        let api = Self {
            url: url.clone(),
            posts,
            gate: gate.clone(),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (url, gate, sender) = (url.clone(), gate.clone(), sender.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let body = match read(&stream) {
                        Some(prompt) => {
                            sender.send(prompt).unwrap();
                            drop(gate.read().unwrap());
                            let image = json!({ "url": format!("{url}/image") });
                            json!({ "images": [image] }).to_string().into_bytes()
                        }
                        None => picture("add-bird"),
                    };
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
                    write!(stream, "{head}: {}\r\n\r\n", body.len()).unwrap();
                    stream.write_all(&body).unwrap();
                });
            }
        });
        api
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        let test = "examples::interrupted::child";
        command.args([test, "--exact", "--ignored", "--nocapture"]);
        command.stdout(Stdio::null());
        command.env("BATCH_TEST_FOLDER", folder);
        command.env("AIMLAPI_KEY", "any-key");
        command.env("AIMLAPI_BASE_URL", &self.url);
        command
    }
}

/// Reads a request: the prompt of a POST, nothing of a GET.
fn read(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0);
    }
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    Some(body["prompt"].as_str().unwrap().to_owned())
}

/// The jobs whose answers are in the journal, sorted.
fn answered(folder: &Path) -> Vec<String> {
    let journal = fs::read_to_string(folder.join("out/journal.jsonl")).unwrap();
    let lines = journal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let answered = lines.filter(|line: &Value| line["event"]["answered"].is_object());
    let mut tags: Vec<String> = answered
        .map(|line| line["tag"].as_str().unwrap().to_owned())
        .collect();
    tags.sort_unstable();
    tags
}

fn has_image(folder: &Path, tag: &str) -> bool {
    folder.join(format!("out/{tag}.jpg")).exists()
}

fn interrupt_with(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = "flux/kontext-pro/text-to-image";
    let jobs = TAGS
        .map(|tag| json!({ "tag": tag, "request": { "model": model, "prompt": tag } }).to_string());
    fs::write(folder.join("jobs.jsonl"), jobs.join("\n")).unwrap();
    let api = Api::start();
    let closed = api.gate.write().unwrap();

    let mut command = api.command(folder);
    let mut first = command.stderr(Stdio::piped()).spawn().unwrap();
    let post = |_| api.posts.recv_timeout(Duration::from_secs(60)).unwrap();
    let mut sent: Vec<String> = (0..AT_ONCE).map(post).collect();
    let id = first.id().to_string();
    let kill = Command::new("kill").args(["-s", signal, &id]).status();
    assert!(kill.unwrap().success());
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    let says = lines.any(|line| line.unwrap() == "stopping after the requests in flight finish");
    assert!(says, "{signal}");
    drop(closed);
    assert!(first.wait().unwrap().success(), "{signal}");
    assert_eq!(api.posts.try_iter().count(), 0, "{signal}");
    sent.sort_unstable();
    assert_eq!(answered(folder), sent, "{signal}");
    for tag in TAGS {
        let was_sent = sent.iter().any(|sent| sent == tag);
        assert_eq!(has_image(folder, tag), was_sent, "{signal}: {tag}");
    }

    let second = api.command(folder).status().unwrap();
    assert!(second.success(), "{signal}");
    let rest: Vec<String> = api.posts.try_iter().collect();
    assert_eq!(rest.len(), TAGS.len() - AT_ONCE, "{signal}: {rest:?}");
    assert!(rest.iter().all(|tag| !sent.contains(tag)), "{rest:?}");
    assert_eq!(answered(folder), TAGS, "{signal}");
    assert!(TAGS.iter().all(|tag| has_image(folder, tag)), "{signal}");
}

#[test]
fn interrupted_batch_is_completed_by_next_run() {
    ["INT", "TERM"].into_iter().for_each(interrupt_with);
}
