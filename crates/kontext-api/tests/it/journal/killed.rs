//! Batches killed at every moment visible to a server, or unable to write their journal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::{env, fs, thread};

use kontext_api::{BatchError, Client, RetryPolicy};
use tempfile::TempDir;

use super::job;
use crate::server::plain_http;

const TAGS: [&str; 4] = ["ant", "bee", "cow", "dog"];

/// The smallest PNG: one grey pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\
\x9b\x55\0\0\0\x0aIDAT\x08\xd7\x63\x68\0\0\0\x82\0\x81\xdd\x43\x6a\xf4\0\0\0\0IEND\xaeB`\x82";

/// The child process to be killed: a batch with a journal, which saves its images to
/// files. It is a test so that the test binary can run itself.
#[tokio::test]
#[ignore = "is started by other tests, and does nothing without them"]
async fn child() {
    let Ok(url) = env::var("JOURNAL_TEST_SERVER") else {
        return;
    };
    let client = plain_http(Client::builder()).api_key("key").base_url(url);
    let client = client.retry(RetryPolicy::never()).build().unwrap();
    let resend = env::var("JOURNAL_TEST_RESEND").is_ok();
    let jobs = TAGS.map(|tag| job(tag).resend_unknown(resend));
    let batch = client.batch(jobs).concurrency(2).journal("journal");
    let mut batch = batch.unwrap().start();
    while let Some(done) = batch.next().await {
        let tag = done.tag.unwrap();
        if let Some(error) = &done.journal_error {
            println!("\nnot-recorded {tag} {error}");
        }
        match done.result {
            Ok(answer) => {
                let download = client.download(&answer.images()[0]).overwrite(true);
                download.to_file(&tag).await.unwrap();
            }
            Err(error @ BatchError::NotStarted { .. }) => {
                println!("\nnot-started {tag} {error:?}");
            }
            Err(error) => println!("\n{} {tag}", error.kind()),
        }
    }
    for job in batch.unknown() {
        println!("\nunknown {}", job.tag);
    }
}

/// When the child is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// After a POST was read, before the response.
    PostArrived,
    /// After the response to a POST was written.
    PostAnswered,
    /// After a download request was read, before the response.
    GetArrived,
    /// After the response to a download was written.
    GetAnswered,
}

/// A server that always succeeds, and blocks at one moment of one request.
struct Server {
    url: String,
    /// The method and tag of each request.
    requests: Arc<Mutex<Vec<(String, String)>>>,
    /// Receives the tag of the job when the server blocks.
    struck: Receiver<String>,
    go_on: Sender<()>,
}

impl Server {
    fn start(strike: Option<(Moment, usize)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (strike_sender, struck) = mpsc::channel();
        let (go_on, gone_on) = mpsc::channel();
        let gone_on = Arc::new(Mutex::new(gone_on));
        let requests = Arc::<Mutex<Vec<(String, String)>>>::default();
        let server = Self {
            url: url.clone(),
            requests: requests.clone(),
            struck,
            go_on,
        };
        let armed = Arc::new(Mutex::new(strike));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (url, requests, armed) = (url.clone(), requests.clone(), armed.clone());
                let (strike_sender, gone_on) = (strike_sender.clone(), gone_on.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some((method, tag)) = read(&mut stream) else {
                        return;
                    };
                    let number = {
                        let mut requests = requests.lock().unwrap();
                        requests.push((method.clone(), tag.clone()));
                        requests.iter().filter(|(of, _)| *of == method).count()
                    };
                    let strike = |moment| {
                        let mut armed = armed.lock().unwrap();
                        if *armed == Some((moment, number)) {
                            *armed = None;
                            drop(armed);
                            strike_sender.send(tag.clone()).unwrap();
                            let _ = gone_on.lock().unwrap().recv();
                        }
                    };
                    let is_post = method == "POST";
                    strike(if is_post {
                        Moment::PostArrived
                    } else {
                        Moment::GetArrived
                    });
                    let json = format!(r#"{{"images": [{{"url": "{url}/{tag}"}}]}}"#);
                    let body = if is_post { json.as_bytes() } else { PNG };
                    let answer = crate::server::response("200 OK", "connection: close\r\n", body);
                    // The client may be gone.
                    let _ = stream.write_all(&answer);
                    strike(if is_post {
                        Moment::PostAnswered
                    } else {
                        Moment::GetAnswered
                    });
                });
            }
        });
        server
    }

    fn posts_of(&self, tag: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        let posts = requests
            .iter()
            .filter(|(method, of)| method == "POST" && of == tag);
        posts.count()
    }

    fn posts(&self) -> usize {
        TAGS.iter().map(|tag| self.posts_of(tag)).sum()
    }
}

/// Reads a request. Returns its method and tag, which is the prompt or the path.
fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?);
    if method == "GET" {
        return Some((method, path[1..].to_owned()));
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    Some((method, body["prompt"].as_str()?.to_owned()))
}

fn command(folder: &Path, server: &Server) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([
        "journal::killed::child",
        "--exact",
        "--ignored",
        "--nocapture",
    ]);
    command.current_dir(folder);
    command.env("JOURNAL_TEST_SERVER", &server.url);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the child. Returns its own output lines, split after the first word.
fn run(command: &mut Command) -> Vec<(String, String)> {
    lines(command.spawn().unwrap())
}

fn lines(child: Child) -> Vec<(String, String)> {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let lines = text.lines().filter_map(|line| {
        let (word, rest) = line.split_once(' ')?;
        let ours = [
            "not-recorded",
            "not-started",
            "unknown_outcome",
            "unknown",
            "stopped",
        ];
        ours.contains(&word)
            .then(|| (word.to_owned(), rest.to_owned()))
    });
    lines.collect()
}

fn of<'a>(lines: &'a [(String, String)], word: &str) -> Vec<&'a str> {
    let lines = lines.iter().filter(|(first, _)| first == word);
    lines.map(|(_, rest)| &**rest).collect()
}

fn has_image(folder: &Path, tag: &str) -> bool {
    match fs::read(folder.join(format!("{tag}.png"))) {
        Ok(bytes) => bytes == PNG,
        Err(_) => false,
    }
}

fn kill_at(moment: Moment, number: usize) {
    let at = format!("{moment:?} {number}");
    let folder: TempDir = tempfile::tempdir().unwrap();
    let server = Server::start(Some((moment, number)));
    let mut killed = command(folder.path(), &server).spawn().unwrap();
    let struck = server.struck.recv().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    server.go_on.send(()).unwrap();

    // The next run resends no job that may have been charged, and lists it as unknown.
    let second = run(&mut command(folder.path(), &server));
    let unknown = of(&second, "unknown");
    assert_eq!(
        of(&second, "unknown_outcome").len(),
        unknown.len(),
        "{at}: {second:?}"
    );
    for tag in TAGS {
        let is_unknown = unknown.contains(&tag);
        assert_ne!(has_image(folder.path(), tag), is_unknown, "{at}: {tag}");
        assert!(server.posts_of(tag) <= 1, "{at}: {tag}");
        assert!(is_unknown || server.posts_of(tag) == 1, "{at}: {tag}");
    }
    match moment {
        Moment::PostArrived => assert!(unknown.contains(&&*struck), "{at}: {second:?}"),
        // The answer may or may not have been recorded.
        Moment::PostAnswered => {}
        Moment::GetArrived | Moment::GetAnswered => {
            assert!(!unknown.contains(&&*struck), "{at}: {second:?}");
        }
    }
    // `resend_unknown` resends the jobs of unknown outcome, and no others.
    let mut resend = command(folder.path(), &server);
    let third = run(resend.env("JOURNAL_TEST_RESEND", "1"));
    assert_eq!(third, [], "{at}");
    for tag in TAGS {
        let most = if unknown.contains(&tag) { 2 } else { 1 };
        assert!(server.posts_of(tag) <= most, "{at}: {tag}");
        assert!(has_image(folder.path(), tag), "{at}: {tag}");
    }
    // Now there is nothing left to send.
    let posts = server.posts();
    assert_eq!(run(&mut command(folder.path(), &server)), [], "{at}");
    assert_eq!(server.posts(), posts, "{at}");
}

#[test]
fn killed_process_pays_for_no_job_twice() {
    let moments = [
        Moment::PostArrived,
        Moment::PostAnswered,
        Moment::GetArrived,
        Moment::GetAnswered,
    ];
    thread::scope(|scope| {
        for moment in moments {
            scope.spawn(move || [1, TAGS.len()].map(|number| kill_at(moment, number)));
        }
    });
}

#[test]
fn journal_of_another_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Some((Moment::PostArrived, 1)));
    let first = command(folder.path(), &server).spawn().unwrap();
    server.struck.recv().unwrap();
    let second = command(folder.path(), &server).output().unwrap();
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && text.contains("InUse"), "{text}");
    server.go_on.send(()).unwrap();
    assert_eq!(lines(first), []);
    assert_eq!(server.posts(), 4);
}

/// Limits the file size to simulate a full disk.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_sent_once_journal_is_unwritable() {
    for blocks in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(None);
        let direct = command(folder.path(), &server);
        let mut limited = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        limited
            .args(["-c", &script])
            .arg(direct.get_program())
            .args(direct.get_args());
        limited
            .current_dir(folder.path())
            .env("JOURNAL_TEST_SERVER", &server.url);
        limited.stdout(Stdio::piped()).stderr(Stdio::piped());
        let full = run(&mut limited);
        let failures = of(&full, "not-started").len() + of(&full, "not-recorded").len();
        assert!(failures > 0, "{blocks}: {full:?}");
        assert!(blocks > 0 || server.posts() == 0, "{full:?}");
        // Jobs sent but not recorded are unknown, the rest are sent, and none is sent twice.
        let second = run(&mut command(folder.path(), &server));
        assert_eq!(of(&second, "unknown"), of(&full, "unknown"), "{blocks}");
        for tag in TAGS {
            assert_eq!(server.posts_of(tag), 1, "{blocks}: {tag}");
        }
    }
}
