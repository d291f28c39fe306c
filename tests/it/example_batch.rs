//! The example `batch`, as a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use kontext_mock::MatchMode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    example_process::{Ended, Process, example, filtered},
    example_server::{Arrived, PNG, Reaction, Server, answer, mock_with_images_at, raw},
    support::snapshot,
};

mod interrupted;
mod killed;

const JOBS: [&str; 4] = ["ant", "bee", "cow", "dog"];

/// A folder with jobs, and a server.
struct Bench {
    folder: TempDir,
    server: Server,
}

impl Bench {
    fn new(react: impl Fn(&Arrived) -> Reaction + Send + Sync + 'static) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            server: Server::start(react),
        };
        bench.write_jobs(JOBS.map(job));
        bench
    }

    fn write_jobs(&self, jobs: impl IntoIterator<Item = Value>) {
        let lines = jobs.into_iter().map(|job| format!("{job}\n"));
        self.write("jobs.jsonl", lines.collect::<String>());
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Two at once unless the arguments say otherwise.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = example("batch", self.path(), &self.server.url);
        command.args(["jobs.jsonl", "--output", "results"]);
        if !arguments.contains(&"--concurrency") {
            command.args(["--concurrency", "2"]);
        }
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Process::default().run(&mut self.command(arguments))
    }

    fn has_image(&self, name: &str) -> bool {
        match fs::read(self.path().join("results").join(name)) {
            Ok(bytes) => {
                assert_eq!(bytes, PNG, "{name} is not whole");
                true
            }
            Err(_) => false,
        }
    }

    fn shown(&self, ended: &Ended) -> String {
        filtered(&ended.text(), self.path())
    }
}

fn job(id: &str) -> Value {
    json!({ "id": id, "prompt": id, "image_url": "https://example.com/photo.png" })
}

/// The ids that a run lists as unknown, each with a client request id.
fn unknown(ended: &Ended) -> Vec<String> {
    let Some((_, list)) = ended.stdout.split_once("\nUnknown: ") else {
        return Vec::new();
    };
    let list = list.split("\n\n").next().unwrap();
    let line = |line: &str| {
        let (id, rest) = line.strip_prefix("  ")?.split_once(": started ")?;
        assert!(rest.contains(" GMT, client request id kontext-"), "{rest}");
        Some(id.to_owned())
    };
    list.lines().filter_map(line).collect()
}

/// The documented requests, each found by the mock exactly as it was recorded.
#[tokio::test(flavor = "multi_thread")]
async fn it_works_with_the_mock() {
    let bench = Bench::new(Arrived::good);
    let mock = mock_with_images_at(&bench.server.url, bench.path(), MatchMode::Strict).await;
    let mut jobs = Vec::new();
    for name in ["add-bird", "combine-two-images"] {
        let path = format!("recordings/generate-image/{name}/request.json");
        let mut job: Value =
            serde_json::from_slice(&fs::read(bench.path().join(path)).unwrap()).unwrap();
        job["id"] = name.into();
        jobs.push(job);
    }
    bench.write_jobs(jobs);
    let mut command = bench.command(&[]);
    command.env("AIMLAPI_BASE_URL", mock.url());
    let ended = Process::default().run(&mut command);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert!(bench.has_image("add-bird.png") && bench.has_image("combine-two-images.png"));
}

#[test]
fn all_jobs_are_finished_and_then_there_is_nothing_to_do() {
    let bench = Bench::new(|arrived| match arrived.job.as_str() {
        "bee" if arrived.is_post() => arrived.images(2),
        _ => arrived.good(),
    });
    let first = bench.run(&["--concurrency", "1"]);
    snapshot("example_batch_finished", bench.shown(&first));
    for name in ["ant.png", "bee+1.png", "bee+2.png", "cow.png", "dog.png"] {
        assert!(bench.has_image(name), "{name}");
    }
    let again = bench.run(&[]);
    assert_eq!(again.code, Some(0));
    assert_eq!((bench.server.posts(), bench.server.gets()), (4, 5));
    // The state needs neither a key nor a server.
    let mut command = bench.command(&["--status"]);
    command.env_remove("AIMLAPI_KEY");
    let status = Process::default().run(&mut command);
    assert_eq!(status.code, Some(0));
    assert_eq!(status.stdout, again.stdout);
}

#[test]
fn what_fails_is_told_apart() {
    let is_healed = Arc::new(AtomicBool::new(false));
    let bench = {
        let is_healed = is_healed.clone();
        Bench::new(move |arrived| {
            let is_healed = is_healed.load(Ordering::SeqCst);
            match (arrived.method.as_str(), arrived.job.as_str()) {
                _ if is_healed => arrived.good(),
                ("POST", "ant") => {
                    let body = br#"{"message": "Body validation error"}"#;
                    answer("400 Bad Request", "application/json", body)
                }
                // Read, and nothing said.
                ("POST", "bee") => raw(""),
                ("POST", "cow") => answer("200 OK", "application/json", b"{\"images\": 7}"),
                ("GET", "dog") => answer("404 Not Found", "text/plain", b"gone"),
                _ => arrived.good(),
            }
        })
    };
    let first = bench.run(&["--concurrency", "1"]);
    snapshot("example_batch_failed", bench.shown(&first));
    assert_eq!(unknown(&first), ["bee", "cow"]);
    let body = fs::read(bench.path().join("results/cow.body")).unwrap();
    assert_eq!(body, b"{\"images\": 7}");
    let status = bench.run(&["--status"]);
    let spent = |line: &&str| !line.starts_with("spent in this run: ");
    let first: Vec<_> = first.stdout.lines().filter(spent).collect();
    let status_lines: Vec<_> = status.stdout.lines().collect();
    assert_eq!((status.code, status_lines), (Some(1), first));

    is_healed.store(true, Ordering::SeqCst);
    // The wrong job can be put right, as nothing was made of it.
    let mut ant = job("ant");
    ant["num_images"] = 2.into();
    bench.write_jobs([ant, job("bee"), job("cow"), job("dog")]);
    let second = bench.run(&[]);
    assert_eq!(second.code, Some(1));
    assert_eq!(unknown(&second), ["bee", "cow"]);
    assert_eq!(JOBS.map(|id| bench.server.posts_of(id)), [2, 1, 1, 1]);
    assert!(bench.has_image("ant.png") && bench.has_image("dog.png"));

    // One by name, and then the other.
    let third = bench.run(&["--resend-unknown", "cow"]);
    assert_eq!(unknown(&third), ["bee"]);
    assert_eq!(JOBS.map(|id| bench.server.posts_of(id)), [2, 1, 2, 1]);
    let wrong = bench.run(&["--resend-unknown", "cow", "--resend-unknown", "cat"]);
    snapshot("example_batch_resend_wrong", bench.shown(&wrong));
    let last = bench.run(&["--resend-unknown", "bee"]);
    assert_eq!(last.code, Some(0), "{}", last.text());
    assert_eq!(JOBS.map(|id| bench.server.posts_of(id)), [2, 2, 2, 1]);
}

#[test]
fn wrong_jobs_are_named_before_anything_is_sent() {
    let bench = Bench::new(Arrived::good);
    let url = "https://example.com/a.png";
    bench.write(
        "jobs.jsonl",
        [
            r#"{"id": "fine", "prompt": "p", "image_url": "https://example.com/a.png"}"#,
            r#"{"id": "typo", "promt": "p", "image_url": "https://example.com/a.png"}"#,
            r#"{"id": "FINE", "prompt": "p", "image_url": "https://example.com/a.png"}"#,
            "",
            r#"{"id": "twice", "prompt": "p", "prompt": "q", "image_url": "data:,"}"#,
            r#"{"id": "a/b", "prompt": "p", "image_url": "data:,"}"#,
            r#"{"id": "", "prompt": "p", "image_url": "data:,"}"#,
            r#"{"id": "a.png", "prompt": "p", "image_url": "data:,"}"#,
            r#"{"id": 7, "prompt": "p", "image_url": "data:,"}"#,
            r#"{"id": "none", "prompt": "p"}"#,
            r#"{"prompt": "p", "image_url": "data:,"}"#,
            r#"{"id": "ratio", "prompt": "p", "image_url": "data:,", "aspect_ratio": "2:1"}"#,
            r#"{"id": "cut", "prompt": "#,
            r#"["id"]"#,
            "\u{feff}{}",
            r#"{"id": "ftp", "prompt": "p", "image_url": "ftp://me:secret@example.com/a.png"}"#,
        ]
        .join("\n"),
    );
    let ended = bench.run(&[]);
    snapshot("example_batch_wrong_lines", bench.shown(&ended));
    assert!(!bench.path().join("results").exists());

    // What is wrong with images and limits is found as early.
    bench.write("text.png", "no image");
    bench.write_jobs([
        json!({ "id": "fine", "prompt": "p", "image_url": url }),
        json!({ "id": "missing", "prompt": "p", "image_url": ["photo.png", url] }),
        json!({ "id": "text", "prompt": "p", "image_url": "text.png" }),
        json!({ "id": "folder", "prompt": "p", "image_url": "." }),
        json!({ "id": "five", "prompt": "p", "image_url": url, "num_images": 5 }),
        json!({ "id": "empty", "prompt": "p", "image_url": [] }),
    ]);
    let ended = bench.run(&[]);
    snapshot("example_batch_wrong_images", bench.shown(&ended));
    bench.write("jobs.jsonl", "\n");
    assert_eq!(bench.run(&[]).code, Some(2));
    assert_eq!(bench.server.posts(), 0);
}

#[test]
fn files_are_sent_as_what_they_hold() {
    let (sender, received) = mpsc::channel();
    let bench = Bench::new(move |arrived| {
        if arrived.is_post() {
            sender.send(arrived.body["image_url"].clone()).unwrap();
        }
        arrived.good()
    });
    bench.write("photo", PNG);
    let url = "https://example.com/a.png";
    bench.write_jobs([
        json!({ "id": "one", "prompt": "one", "image_url": "photo" }),
        json!({ "id": "two", "prompt": "two", "image_url": ["photo", url] }),
        json!({ "id": "list", "prompt": "list", "image_url": [url] }),
    ]);
    // Relative to the jobs, wherever it runs.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = example("batch", elsewhere.path(), &bench.server.url);
    command.arg(bench.path().join("jobs.jsonl"));
    command.args(["--concurrency", "1", "--output", "deep/results"]);
    let ended = Process::default().run(&mut command);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    let sent: Vec<Value> = received.try_iter().collect();
    let is_data = |value: &Value| {
        value
            .as_str()
            .unwrap()
            .starts_with("data:image/png;base64,iVBOR")
    };
    assert!(is_data(&sent[0]), "{sent:?}");
    assert!(is_data(&sent[1][0]) && sent[1][1] == url, "{sent:?}");
    assert_eq!(sent[2], json!([url]));
}

#[test]
fn a_job_that_changed_stops_everything() {
    let bench = Bench::new(Arrived::good);
    bench.write_jobs([job("ant")]);
    assert_eq!(bench.run(&[]).code, Some(0));
    let mut changed = job("ant");
    changed["prompt"] = "another".into();
    bench.write_jobs([changed, job("bee")]);
    let ended = bench.run(&[]);
    snapshot("example_batch_changed", bench.shown(&ended));
    assert_eq!(bench.server.posts(), 1);
    // The order of the fields is no change, nor is the order of the jobs.
    let line = r#"{"image_url": "https://example.com/photo.png", "prompt": "ant", "id": "ant"}"#;
    // Nor is the mark that some editors begin a file with.
    bench.write("jobs.jsonl", format!("\u{feff}{}\n{line}", job("bee")));
    assert_eq!(bench.run(&[]).code, Some(0));
    assert_eq!(bench.server.posts(), 2);
}

#[test]
fn files_of_others_are_not_replaced() {
    let bench = Bench::new(Arrived::good);
    fs::create_dir(bench.path().join("results")).unwrap();
    for name in [
        "ant.jpg",
        "bee.answer.json",
        "cow+2.png",
        "dog.txt",
        "dog.x.png",
    ] {
        bench.write(&format!("results/{name}"), "of another");
    }
    let ended = bench.run(&[]);
    snapshot("example_batch_in_the_way", bench.shown(&ended));
    assert_eq!(bench.server.posts(), 0);
}

#[test]
fn a_journal_that_is_damaged_stops_everything() {
    let bench = Bench::new(Arrived::good);
    assert_eq!(bench.run(&[]).code, Some(0));
    let path = bench.path().join("results/journal.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    let (first, rest) = journal.split_once('\n').unwrap();
    fs::write(&path, format!("{}\n{rest}", &first[..20])).unwrap();
    let ended = bench.run(&[]);
    snapshot("example_batch_damaged", bench.shown(&ended));
    assert_eq!(bench.server.posts(), 4);
    // Cut in its last line, it goes on.
    fs::write(&path, &journal[..journal.len() - 9]).unwrap();
    assert_eq!(bench.run(&[]).code, Some(0));
    assert_eq!(bench.server.posts(), 4);
}

/// The process may be killed between an answer's file and the journal's line, or
/// between an image and the line; the files are then ahead of the journal.
#[test]
fn every_beginning_of_a_journal_is_enough_with_the_files_there() {
    let bench = Bench::new(Arrived::good);
    let path = bench.path().join("results/journal.jsonl");
    assert_eq!(bench.run(&[]).code, Some(0));
    let journal = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 3 * JOBS.len());
    for whole in 0..=lines.len() {
        let beginning = lines[..whole].concat();
        let is_started = |id: &&str| beginning.contains(&format!("\"job\":\"{id}\""));
        let (started, new): (Vec<_>, Vec<_>) = JOBS.into_iter().partition(is_started);
        for id in &new {
            for name in [format!("{id}.png"), format!("{id}.answer.json")] {
                fs::remove_file(bench.path().join("results").join(name)).unwrap();
            }
        }
        fs::write(&path, &beginning).unwrap();
        let before = JOBS.map(|id| bench.server.posts_of(id));
        let ended = bench.run(&[]);
        assert_eq!(ended.code, Some(0), "{whole} lines: {}", ended.text());
        for (id, before) in JOBS.iter().zip(before) {
            let sent = bench.server.posts_of(id) - before;
            assert_eq!(
                sent,
                usize::from(!started.contains(id)),
                "{whole} lines: {id}"
            );
            assert!(bench.has_image(&format!("{id}.png")));
        }
    }
}

/// What cannot be written down is at least downloaded, and nothing more is paid for.
#[test]
fn an_answer_that_cannot_be_written_stops_the_run_and_is_downloaded() {
    let folder = Arc::new(Mutex::new(None));
    let bench = {
        let folder = folder.clone();
        Bench::new(move |arrived| {
            if arrived.is_post() && arrived.job == "bee" {
                // A folder is in the way of the answer.
                let folder: Option<PathBuf> = folder.lock().unwrap().clone();
                fs::create_dir(folder.unwrap().join("results/bee.answer.json")).unwrap();
            }
            arrived.good()
        })
    };
    *folder.lock().unwrap() = Some(bench.path().to_owned());
    let ended = bench.run(&["--concurrency", "1"]);
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    let line = "bee: the answer cannot be written: ";
    assert!(ended.stderr.contains(line), "{}", ended.text());
    assert!(bench.has_image("ant.png") && bench.has_image("bee.png"));
    assert_eq!(bench.server.posts(), 2);
    // Never before the answer is there.
    let journal = fs::read_to_string(bench.path().join("results/journal.jsonl")).unwrap();
    let answered: Vec<&str> = journal
        .lines()
        .filter(|line| line.contains("answered"))
        .collect();
    assert!(
        answered.len() == 1 && answered[0].contains("\"ant\""),
        "{journal}"
    );
    assert_eq!(bench.run(&[]).code, Some(0));
    assert_eq!(bench.server.posts(), 4);
}

#[test]
fn an_unknown_job_is_listed_even_when_its_line_is_gone() {
    let bench = Bench::new(|arrived| match arrived.job.as_str() {
        "bee" => raw(""),
        _ => arrived.good(),
    });
    assert_eq!(unknown(&bench.run(&[])), ["bee"]);
    bench.write_jobs([job("ant"), job("cow"), job("dog")]);
    let ended = bench.run(&[]);
    assert_eq!(
        (ended.code, unknown(&ended)),
        (Some(1), vec!["bee".to_owned()])
    );
}

#[test]
fn an_answer_that_is_gone_is_not_paid_for_again() {
    let bench = Bench::new(|arrived| match arrived.is_post() {
        true => arrived.good(),
        false => answer("404 Not Found", "text/plain", b"gone"),
    });
    bench.write_jobs([job("ant")]);
    assert_eq!(bench.run(&[]).code, Some(1));
    fs::remove_file(bench.path().join("results/ant.answer.json")).unwrap();
    let ended = bench.run(&["--resend-unknown", "all"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("ant.answer.json"), "{}", ended.text());
    assert_eq!(bench.server.posts(), 1);
}

#[test]
fn a_limit_on_what_is_spent_holds() {
    let bench = Bench::new(Arrived::good);
    let mut large = job("fox");
    large["num_images"] = 4.into();
    bench.write_jobs(JOBS.map(job).into_iter().chain([large]));
    let ended = bench.run(&["--spend-limit", "200000", "--concurrency", "1"]);
    snapshot("example_batch_spend_limit", bench.shown(&ended));
    assert_eq!(bench.server.posts(), 2);
    assert_eq!(bench.run(&[]).code, Some(0));
    assert_eq!(bench.server.posts(), 5);
}

#[test]
fn what_answers_say_of_their_cost_is_added_up() {
    let bench = Bench::new(|arrived| match arrived.is_post() {
        true => arrived.charged("91000", "0.0455"),
        false => arrived.good(),
    });
    let ended = bench.run(&[]);
    let line = "\nspent in this run: 364000 credits, 0.1820 US dollars\n";
    assert!(ended.stdout.contains(line), "{}", ended.text());
}

/// The other jobs would fail as well, each after a request of its own.
#[test]
fn an_account_that_can_do_nothing_ends_the_run() {
    for (status, name) in [("401 X", "no_key"), ("402 X", "no_credits")] {
        let bench = Bench::new(move |_| answer(status, "application/json", b"{}"));
        let ended = bench.run(&["--concurrency", "1"]);
        snapshot(&format!("example_batch_{name}"), bench.shown(&ended));
        assert_eq!(bench.server.posts(), 1);
    }
}

#[test]
fn what_came_of_an_answer_that_is_too_large_is_kept() {
    let bench = Bench::new(|_| {
        let body = vec![b' '; 1024 * 1024 + 1];
        answer("200 OK", "application/json", &body)
    });
    bench.write_jobs([job("ant")]);
    let ended = bench.run(&["--max-answer-mib", "1"]);
    snapshot("example_batch_too_large", bench.shown(&ended));
    let part = fs::read(bench.path().join("results/ant.body.part")).unwrap();
    assert_eq!(part.len(), 1024 * 1024);
}

#[test]
fn fewer_images_than_asked_for_are_said() {
    let bench = Bench::new(Arrived::good);
    let mut two = job("ant");
    two["num_images"] = 2.into();
    bench.write_jobs([two]);
    let ended = bench.run(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    let line = "ant: 2 images were asked for, and 1 came\n";
    assert!(ended.stderr.starts_with(line), "{}", ended.text());
}
