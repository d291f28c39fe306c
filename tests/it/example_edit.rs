//! The example `edit`, as a process.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use kontext_mock::MatchMode;
use serde_json::{Value, json};
use tempfile::TempDir;

#[cfg(unix)]
use crate::example_process::{is_hang_up_ignored, program};
use crate::{
    example_process::{Ended, Process, example, filtered},
    example_server::{Arrived, PNG, Reaction, Server, answer, mock_with_images_at, raw},
    support::snapshot,
};

/// A folder with a photo, and a server.
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
        bench.write("photo.png", PNG);
        bench
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = example("edit", self.path(), &self.server.url);
        command.args(arguments);
        command
    }

    /// With a prompt, a photo and an output.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(&["--prompt", "bird", "--output", "out/bird", "photo.png"]);
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Process::default().run(&mut self.command(arguments))
    }

    fn run_bare(&self, arguments: &[&str]) -> Ended {
        Process::default().run(&mut self.bare(arguments))
    }

    fn shown(&self, ended: &Ended) -> String {
        filtered(&ended.text(), self.path())
    }
}

#[test]
fn the_help_says_what_there_is() {
    let bench = Bench::new(Arrived::good);
    snapshot("example_edit_help", bench.run_bare(&["--help"]).stdout);
    let mut batch = example("batch", bench.path(), &bench.server.url);
    let help = Process::default().run(batch.arg("--help"));
    snapshot("example_batch_help", help.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_with_the_mock() {
    let bench = Bench::new(Arrived::good);
    let mock = mock_with_images_at(&bench.server.url, bench.path(), MatchMode::Nearest).await;
    let mut command = bench.command(&[]);
    command.env("AIMLAPI_BASE_URL", mock.url());
    let ended = Process::default().run(&mut command);
    snapshot("example_edit_mock", bench.shown(&ended));
    assert_eq!(bench.read("out/bird.png"), PNG);
    assert_eq!(bench.server.gets(), 1);
}

#[test]
fn everything_that_is_said_is_sent() {
    let sent = Arc::new(Mutex::new(Value::Null));
    let bench = {
        let sent = sent.clone();
        Bench::new(move |arrived| {
            if arrived.is_post() {
                *sent.lock().unwrap() = arrived.body.clone();
            }
            arrived.good()
        })
    };
    let mut command = bench.bare(&[
        "--prompt",
        "bird",
        "--output",
        "bird.png",
        "--num-images",
        "2",
        "--seed",
        "7",
        "--aspect-ratio",
        "16:9",
        "--output-format",
        "png",
        "--guidance-scale",
        "3.5",
        "--safety-tolerance",
        "1",
        "photo.png",
        "https://example.com/a.png",
        "data:image/png;base64,aaaa",
        "-",
    ]);
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(PNG).unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    command.stdin(Stdio::from(input));
    let ended = Process::default().run(&mut command);
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(0), "bird-1.png\n"),
        "{}",
        ended.text()
    );
    let warning = "warning: 2 images were asked for, and 1 came\n";
    assert!(ended.stderr.ends_with(warning), "{}", ended.text());
    let mut sent = sent.lock().unwrap().clone();
    let images = sent.as_object_mut().unwrap().remove("image_url").unwrap();
    assert_eq!(
        sent,
        json!({
            "prompt": "bird", "num_images": 2, "seed": 7, "aspect_ratio": "16:9", "output_format": "png",
            "guidance_scale": 3.5, "safety_tolerance": "1", "model": "flux/kontext-pro/image-to-image",
        })
    );
    assert!(
        images[0]
            .as_str()
            .unwrap()
            .starts_with("data:image/png;base64,iVBOR"),
        "{images}"
    );
    assert_eq!(images[0], images[3]);
    assert_eq!(images[1], "https://example.com/a.png");
    assert_eq!(images[2], "data:image/png;base64,aaaa");
}

#[test]
fn the_answer_is_on_the_disk_before_a_download_and_gone_after_the_last() {
    let was_there = Arc::new(AtomicBool::new(false));
    let folder = Arc::new(Mutex::new(None));
    let bench = {
        let (was_there, folder) = (was_there.clone(), folder.clone());
        Bench::new(move |arrived| {
            if arrived.is_post() {
                return arrived.images(2);
            }
            let folder: Option<PathBuf> = folder.lock().unwrap().clone();
            let folder = folder.unwrap().join("out");
            let answer = fs::read(folder.join("bird.answer.json")).unwrap();
            assert!(!folder.join("bird.started.json").exists());
            serde_json::from_slice::<Value>(&answer).unwrap();
            was_there.store(true, Ordering::SeqCst);
            arrived.good()
        })
    };
    *folder.lock().unwrap() = Some(bench.path().to_owned());
    let ended = bench.run(&[]);
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(0), "out/bird-1.png\nout/bird-2.png\n")
    );
    assert_eq!(
        filtered(&ended.stderr, bench.path()),
        "charged: the answer does not say how much\nclient request id: edit-ID\n",
        "no progress is shown in a pipe"
    );
    assert!(was_there.load(Ordering::SeqCst));
    assert!(!bench.has("out/bird.answer.json"));
    assert_eq!(bench.run(&["--overwrite", "--keep-answer"]).code, Some(0));
    assert!(bench.has("out/bird.answer.json"));
}

#[test]
fn a_download_that_fails_is_made_good_without_paying() {
    let is_healed = Arc::new(AtomicBool::new(false));
    let bench = {
        let is_healed = is_healed.clone();
        Bench::new(move |arrived| match arrived.is_post() {
            true => arrived.images(2),
            false if arrived.number == 1 || is_healed.load(Ordering::SeqCst) => arrived.good(),
            false => answer("409 Conflict", "text/plain", b"later"),
        })
    };
    let ended = bench.run(&[]);
    snapshot("example_edit_download_failed", bench.shown(&ended));
    is_healed.store(true, Ordering::SeqCst);
    let again = bench.run_bare(&[
        "--from-answer",
        "out/bird.answer.json",
        "--output",
        "out/bird",
        "--overwrite",
    ]);
    snapshot("example_edit_from_answer", bench.shown(&again));
    assert!(bench.has("out/bird-1.png") && bench.has("out/bird-2.png"));
    assert_eq!(bench.server.posts(), 1);
}

/// The command that is printed does what it says, whatever the names of the files, and
/// without a key.
#[cfg(unix)]
#[test]
fn the_command_that_downloads_again_can_be_pasted() {
    let is_healed = Arc::new(AtomicBool::new(false));
    let bench = {
        let is_healed = is_healed.clone();
        Bench::new(move |arrived| match arrived.is_post() {
            false if !is_healed.load(Ordering::SeqCst) => {
                answer("409 Conflict", "text/plain", b"later")
            }
            _ => arrived.good(),
        })
    };
    for output in ["it's a $(bird)/*", "tab\t\\'\u{e9}", "-dash"] {
        is_healed.store(false, Ordering::SeqCst);
        let option = format!("--output={output}");
        let ended = bench.run_bare(&["--prompt", "bird", &option, "photo.png"]);
        assert_eq!(ended.code, Some(1), "{}", ended.text());
        let command = ended.stderr.lines().last().unwrap().trim();
        let of_cargo = "cargo run -p contract-tests --example edit -- ";
        assert!(command.contains(of_cargo), "{command}");
        is_healed.store(true, Ordering::SeqCst);
        // Bash, because not every shell knows how a tab is written.
        let mut shell = Command::new("bash");
        shell.args(["-c", &command.replace(of_cargo, "\"$PROGRAM\" ")]);
        shell
            .current_dir(bench.path())
            .env("PROGRAM", program("edit"));
        shell.env_remove("AIMLAPI_KEY");
        let again = Process::default().run(&mut shell);
        assert_eq!(again.code, Some(0), "{command}: {}", again.text());
        assert_eq!(bench.read(&format!("{output}.png")), PNG);
    }
    assert_eq!(bench.server.posts(), 3);
}

/// What is in the way after all is left alone, and the command names another file.
#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let folder = Arc::new(Mutex::new(PathBuf::new()));
    let bench = {
        let folder = folder.clone();
        Bench::new(move |arrived| {
            if arrived.is_post() {
                let path = folder.lock().unwrap().join("out");
                fs::write(path.join("bird.png"), "of another").unwrap();
                fs::write(path.join("bird-again1.jpg"), "of another").unwrap();
            }
            arrived.good()
        })
    };
    *folder.lock().unwrap() = bench.path().to_owned();
    let ended = bench.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    let command = "--from-answer out/bird.answer.json --output out/bird-again2\n";
    assert!(ended.stderr.ends_with(command), "{}", ended.text());
    assert_eq!(bench.read("out/bird.png"), b"of another");
}

#[test]
fn a_large_image_needs_an_option_that_is_named() {
    let bench = Bench::new(|arrived| match arrived.is_post() {
        true => arrived.good(),
        // Other programs may write what they like after the last chunk.
        false => {
            let end = &PNG[PNG.len() - 12..];
            let image = [PNG, &[0; 1024 * 1024], end].concat();
            answer("200 OK", "image/png", &image)
        }
    });
    let ended = bench.run(&["--max-image-mib", "1"]);
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    let problem = "the image is larger than 1048576 bytes: raise that with --max-image-mib\n";
    assert!(ended.stderr.contains(problem), "{}", ended.text());
    let again = bench.run_bare(&[
        "--from-answer",
        "out/bird.answer.json",
        "--output",
        "out/bird",
        "--max-image-mib",
        "2",
    ]);
    assert_eq!(again.code, Some(0), "{}", again.text());
}

/// That the image is gone and that it can be downloaded again is not said at once.
#[test]
fn an_image_that_is_gone_is_not_downloaded_again() {
    let bench = Bench::new(|arrived| match arrived.is_post() {
        true => arrived.charged("91000", "0.0455"),
        false => answer("404 Not Found", "text/plain", b"gone"),
    });
    let ended = bench.run(&[]);
    snapshot("example_edit_gone", bench.shown(&ended));
    assert!(bench.has("out/bird.answer.json"));
}

#[test]
fn a_server_on_this_machine_has_to_be_named() {
    let bench = Bench::new(Arrived::good);
    let image = json!({ "images": [{ "url": format!("{}/bird/1", bench.server.url) }] });
    bench.write("answer.json", image.to_string());
    let mut command = bench.bare(&["--from-answer", "answer.json", "--output", "bird"]);
    command
        .env_remove("AIMLAPI_BASE_URL")
        .env_remove("AIMLAPI_KEY");
    let ended = Process::default().run(&mut command);
    snapshot("example_edit_refused_here", bench.shown(&ended));
    assert_eq!(bench.server.gets(), 0);
}

/// However it ends, the name of the call is on the disk, and nobody pays twice unawares.
#[test]
fn killed_in_a_call_it_has_left_the_id_and_sends_nothing_more() {
    let process = Process::default();
    let id = Arc::new(Mutex::new(None));
    let bench = {
        let (process, id) = (process.clone(), id.clone());
        Bench::new(
            move |arrived| match arrived.is_post() && arrived.number == 1 {
                true => {
                    *id.lock().unwrap() = arrived.client_request_id.clone();
                    process.kill();
                    raw("")
                }
                false => arrived.good(),
            },
        )
    };
    let killed = process.run(&mut bench.command(&[]));
    assert_eq!(killed.code, None);
    let note: Value = serde_json::from_slice(&bench.read("out/bird.started.json")).unwrap();
    assert_eq!(
        note["client_request_id"],
        id.lock().unwrap().clone().unwrap()
    );

    let refused = bench.run(&[]);
    snapshot("example_edit_unknown", bench.shown(&refused));
    // Whatever the extension and the prompt are.
    let other = ["--prompt", "cat", "--output", "out/bird.jpg", "photo.png"];
    let other = bench.run_bare(&other);
    assert_eq!(other.code, Some(2), "{}", other.text());
    assert!(other.stderr.contains("another prompt"), "{}", other.text());
    assert_eq!(bench.server.posts(), 1);

    // Another output is another matter, even if its name looks like a second note.
    let other = ["--prompt", "bird", "--output", "out/bird.2", "photo.png"];
    assert_eq!(bench.run_bare(&other).code, Some(0));
    let forced = bench.run(&["--force-new"]);
    assert_eq!(forced.code, Some(0), "{}", forced.text());
    assert_eq!(bench.server.posts(), 3);
    // What is still unknown is not forgotten.
    let still: Value = serde_json::from_slice(&bench.read("out/bird.started.json")).unwrap();
    assert_eq!(still, note);
    assert!(!bench.has("out/bird.2.started.json"));
    fs::remove_file(bench.path().join("out/bird.started.json")).unwrap();
    assert_eq!(bench.run(&["--overwrite"]).code, Some(0));
}

/// An answer may be that of the call whose note is there.
#[test]
fn a_note_beside_an_answer_leads_to_it() {
    let bench = Bench::new(Arrived::good);
    assert_eq!(bench.run(&["--keep-answer"]).code, Some(0));
    bench.write("out/bird.started.json", "not read");
    let ended = bench.run(&["--overwrite"]);
    snapshot("example_edit_unknown_answered", bench.shown(&ended));
    assert_eq!(bench.server.posts(), 1);
}

#[test]
fn killed_in_a_download_it_has_left_the_answer() {
    let process = Process::default();
    let bench = {
        let process = process.clone();
        Bench::new(move |arrived| match arrived.is_post() {
            false if arrived.number == 1 => {
                process.kill();
                raw("")
            }
            _ => arrived.good(),
        })
    };
    let killed = process.run(&mut bench.command(&[]));
    assert_eq!(killed.code, None);
    let again = bench.run_bare(&[
        "--from-answer",
        "out/bird.answer.json",
        "--output",
        "out/bird",
    ]);
    assert_eq!(again.stdout, "out/bird.png\n");
    assert_eq!(bench.read("out/bird.png"), PNG);
    assert_eq!(bench.server.posts(), 1);
}

#[test]
fn a_call_that_fails_says_what_it_cost_and_keeps_what_came() {
    type Answers = [(&'static str, fn() -> Reaction, &'static [&'static str]); 10];
    let answers: Answers = [
        (
            "refused",
            || {
                answer(
                    "401 X",
                    "application/json",
                    b"{\"message\": \"no such key\"}",
                )
            },
            &[],
        ),
        (
            "quota",
            || {
                let body = br#"{"message": "Free-tier limit: You've reached your free limit."}"#;
                answer("429 X", "application/json", body)
            },
            &[],
        ),
        (
            "moved",
            || raw("HTTP/1.1 308 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"),
            &[],
        ),
        (
            "see_other",
            || raw("HTTP/1.1 303 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"),
            &["bird.started.json"],
        ),
        (
            "gateway",
            || answer("502 X", "text/html", b"<html>"),
            &["bird.started.json"],
        ),
        ("nothing", || raw(""), &["bird.started.json"]),
        (
            "part",
            || raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"images\": [{"),
            &["bird.answer.part", "bird.started.json"],
        ),
        (
            "too_large",
            || answer("200 OK", "application/json", &vec![b' '; 1024 * 1024 + 1]),
            &["bird.answer.part", "bird.started.json"],
        ),
        (
            "decode",
            || answer("200 OK", "application/json", b"<html>"),
            &["bird.answer.json", "bird.started.json"],
        ),
        (
            "no_images",
            || answer("200 OK", "application/json", b"{\"images\": []}"),
            &["bird.answer.json", "bird.started.json"],
        ),
    ];
    let mut texts = String::new();
    for (name, react, files) in answers {
        let bench = Bench::new(move |_| react());
        let ended = bench.run(&["--max-answer-mib", "1"]);
        texts.push_str(&format!("=== {name}\n{}\n", bench.shown(&ended)));
        let kept = fs::read_dir(bench.path().join("out")).unwrap();
        let mut kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
        kept.sort();
        assert_eq!(kept, files, "{name}");
        assert_eq!(bench.server.posts(), 1, "{name}");
    }
    snapshot("example_edit_failed", texts);
}

#[test]
fn what_is_wrong_before_sending_is_said_before_sending() {
    let bench = Bench::new(Arrived::good);
    bench.write("text.png", "no image");
    bench.write("answer.json", "{}");
    fs::create_dir(bench.path().join("out")).unwrap();
    bench.write("out/other.jpg", "of another");
    bench.write("out/some-2.png", "of another");
    bench.write("out/some.GIF", "of another");
    let edit = |arguments: &[&str]| bench.run_bare(arguments);
    let prompt = |rest: &[&str]| edit(&[&["--prompt", "bird"], rest].concat());
    let mut no_key = bench.command(&[]);
    no_key.env_remove("AIMLAPI_KEY");
    let mut wrong_key = bench.command(&[]);
    wrong_key.env("AIMLAPI_KEY", "key\n");
    let mut wrong_url = bench.command(&[]);
    wrong_url.env("AIMLAPI_BASE_URL", "https://api.aimlapi.com/v1");
    let mut plain_url = bench.command(&[]);
    plain_url.env("AIMLAPI_BASE_URL", "http://192.0.2.1");
    let runs = [
        Process::default().run(&mut no_key),
        Process::default().run(&mut wrong_key),
        Process::default().run(&mut wrong_url),
        Process::default().run(&mut plain_url),
        edit(&["--prompt", "bird", "--output", "a"]),
        edit(&["--output", "a", "photo.png"]),
        prompt(&["--output", "a", "missing.png"]),
        prompt(&["--output", "a", "text.png"]),
        prompt(&["--output", "out", "photo.png"]),
        prompt(&["--output", "new/", "photo.png"]),
        prompt(&["--output", "new/.", "photo.png"]),
        prompt(&["--output", "out/other", "photo.png"]),
        prompt(&["--output", "out/some.jpg", "photo.png", "--num-images", "2"]),
        prompt(&["--output", "out/some.GIF", "photo.png"]),
        prompt(&["--output", "out/other.bmp", "photo.png"]),
        prompt(&["--output", "a", "ftp://me:secret@foo/x.png"]),
        prompt(&["--output", "a", "photo.png", "--num-images", "5"]),
        prompt(&["--output", "a", "photo.png", "--aspect-ratio", "2:1"]),
        prompt(&["--output", "photo.png/a", "photo.png"]),
        edit(&["--output", "a", "--from-answer", "missing.json"]),
        edit(&["--output", "a", "--from-answer", "photo.png"]),
        edit(&["--output", "a", "--from-answer", "answer.json"]),
        edit(&[
            "--output",
            "a",
            "--from-answer",
            "answer.json",
            "--seed",
            "7",
        ]),
    ];
    let texts = runs.map(|ended| {
        assert_eq!(
            (ended.code, &*ended.stdout),
            (Some(2), ""),
            "{}",
            ended.text()
        );
        ended
            .stderr
            .split("\n\nUsage:")
            .next()
            .unwrap()
            .trim_end()
            .to_owned()
    });
    snapshot(
        "example_edit_wrong",
        filtered(&texts.join("\n---\n"), bench.path()),
    );
    assert_eq!((bench.server.posts(), bench.server.gets()), (0, 0));
    assert_eq!(bench.read("out/other.jpg"), b"of another");
}

/// Without its folder the answer can't be written either.
#[test]
fn an_answer_that_cannot_be_written_is_printed_at_least() {
    let folder = Arc::new(Mutex::new(None));
    let bench = {
        let folder = folder.clone();
        Bench::new(move |arrived| {
            if arrived.is_post() {
                let folder: Option<PathBuf> = folder.lock().unwrap().clone();
                fs::remove_dir_all(folder.unwrap().join("out")).unwrap();
            }
            arrived.good()
        })
    };
    *folder.lock().unwrap() = Some(bench.path().to_owned());
    let ended = bench.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    let url = format!("{}/bird/1", bench.server.url);
    assert!(ended.stderr.contains(&url), "{}", ended.text());
}

#[cfg(unix)]
#[test]
fn an_interrupt_says_what_is_lost_and_what_is_not() {
    let is_in_call: fn(&Arrived) -> bool = Arrived::is_post;
    for (name, signal, is_meant) in [
        ("call", "INT", is_in_call),
        ("call", "TERM", is_in_call),
        ("call", "HUP", is_in_call),
        ("download", "TERM", |arrived| !arrived.is_post()),
    ] {
        if signal == "HUP" && is_hang_up_ignored() {
            continue;
        }
        let process = Process::default();
        let bench = {
            let process = process.clone();
            Bench::new(move |arrived| {
                if is_meant(arrived) {
                    process.signal(signal);
                    // Nothing is answered before it is gone.
                    process.wait();
                }
                arrived.good()
            })
        };
        let ended = process.run(&mut bench.command(&[]));
        snapshot(
            &format!("example_edit_interrupted_{name}"),
            bench.shown(&ended),
        );
        assert_eq!(bench.has("out/bird.answer.json"), name == "download");
        assert_eq!(bench.has("out/bird.started.json"), name == "call");
    }
}
