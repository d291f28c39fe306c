//! Recordings with several answers: served in order, appended by the recorder, and all
//! of them checked, redacted and verified.

use std::{fs, io::Write as _, process::Command};

use kontext_mock::{MatchMode, MockServer, Recordings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    folders::Folder,
    http::{PATH, add_bird_with, post},
    process::{self, Process, run},
    record::{one, prompt, start},
    upstream::{Upstream, error, image, respond},
    wire::{admin_json, post_with},
};

const CASE: &str = "generate-image/add-bird";
const META: &str = "generate-image/add-bird/recording.json";

/// The recorded answer in format 2, with another status.
fn answer(folder: &Folder, status: u16) -> Value {
    let mut meta: Value = serde_json::from_slice(&folder.read(META)).unwrap();
    let members = meta.as_object_mut().unwrap();
    for name in ["format", "title", "method", "path"] {
        members.remove(name);
    }
    meta["status"] = status.into();
    meta
}

/// A folder with a recording that answers 429, then 200, then 200 with another image.
fn folder() -> Folder {
    let folder = Folder::with_add_bird();
    let file = |name: &str| format!("{CASE}/{name}");
    let success = String::from_utf8(folder.read(&file("response.json"))).unwrap();
    let answers = [429, 200, 200].map(|status| answer(&folder, status));
    folder.edit(META, |meta| {
        let members = meta.as_object_mut().unwrap();
        members.retain(|name, _| matches!(&**name, "title" | "method" | "path"));
        meta["format"] = 2.into();
        meta["answers"] = answers.into();
    });
    let failure = String::from_utf8(error(429, "Too Many Requests")).unwrap();
    folder.write(&file("response.json"), &failure);
    folder.write(&file("response-2.json"), &success);
    let other = success.replace(".jpg", ".png");
    assert_ne!(other, success);
    folder.write(&file("response-3.json"), &other);
    folder
}

fn body() -> String {
    add_bird_with(json!({}))
}

async fn serve(folder: &Folder) -> MockServer {
    let builder = MockServer::builder().recordings(folder.path());
    builder.start().await.unwrap()
}

#[tokio::test]
async fn answers_are_served_in_order_and_last_repeats() {
    let folder = folder();
    let server = serve(&folder).await;
    let recordings = Recordings::load(folder.path()).unwrap();
    let recorded = recordings.get(CASE).unwrap().answers();
    for expected in [0, 1, 2, 2, 2] {
        let got = post(server.address(), body());
        assert_eq!(got.status, recorded[expected].status());
        assert_eq!(got.body, recorded[expected].response());
        assert_eq!(got.found(), (Some("exact"), Some(CASE)));
    }
    let billed = server.billed();
    assert_eq!((billed.generations, billed.images), (4, 4));
    server.reset();
    assert_eq!(post(server.address(), body()).status, 429);
}

#[tokio::test]
async fn each_session_has_its_own_position() {
    let folder = folder();
    let server = serve(&folder).await;
    let ask = |session: &str| {
        let headers = [("x-kontext-session", session)];
        post_with(server.address(), &headers, body()).status
    };
    assert_eq!([ask("a"), ask("a"), ask("b")], [429, 200, 429]);
    assert_eq!(post(server.address(), body()).status, 429);
    server.session("a").unwrap().reset();
    assert_eq!([ask("a"), ask("b")], [429, 200]);
    // Reloading unchanged files has no effect on the order.
    server.reload().unwrap();
    assert_eq!([ask("a"), ask("a")], [200, 200]);
    assert_eq!(server.session("a").unwrap().billed().images, 2);
}

#[tokio::test]
async fn concurrent_requests_get_each_answer_once() {
    let folder = folder();
    let server = serve(&folder).await;
    let address = server.address();
    let asked: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(move || post(address, body()).body))
        .collect();
    let got: Vec<_> = asked.into_iter().map(|one| one.join().unwrap()).collect();
    let recordings = Recordings::load(folder.path()).unwrap();
    let recorded = recordings.get(CASE).unwrap().answers();
    let times = |index: usize| {
        let served = got
            .iter()
            .filter(|body| *body == recorded[index].response());
        served.count()
    };
    assert_eq!([times(0), times(1), times(2)], [1, 1, 6]);
    assert_eq!(server.billed().images, 7);
}

#[tokio::test]
async fn rejected_requests_consume_no_answer() {
    let folder = folder();
    let builder = MockServer::builder().recordings(folder.path());
    let builder = builder.match_mode(MatchMode::Nearest);
    let faults = ["status=503,times=1", "out-of-credits=1"];
    let server = faults
        .iter()
        .fold(builder, |builder, fault| {
            builder.fault(fault.parse::<kontext_mock::Fault>().unwrap())
        })
        .start()
        .await
        .unwrap();
    let ask = || post(server.address(), body()).status;
    assert_eq!(post(server.address(), "{}").status, 503);
    assert_eq!(post(server.address(), "{}").status, 400);
    assert_eq!([ask(), ask(), ask()], [429, 200, 403]);
    server.set_faults([] as [kontext_mock::Fault; 0]);
    let last = Recordings::load(folder.path()).unwrap();
    let last = last.get(CASE).unwrap().answers()[2].response().to_vec();
    assert_eq!(post(server.address(), body()).body, last);
}

#[tokio::test]
async fn preferred_status_consumes_no_answer() {
    let folder = folder();
    let server = serve(&folder).await;
    let prefer = |text: &str| post_with(server.address(), &[("prefer", text)], body());
    assert_eq!(prefer("code=200").status, 200);
    assert_eq!(
        prefer("code=200, example=add-bird").found(),
        (Some("exact"), Some(CASE))
    );
    let none = prefer("code=500, example=add-bird").json()["message"].to_string();
    assert!(
        none.contains("has the status 429, 200, 200, not 500"),
        "{none}"
    );
    assert_eq!(prefer("example=add-bird").status, 429);
    assert_eq!(post(server.address(), body()).status, 200);
}

#[test]
fn check_reports_each_invalid_answer() {
    let folder = folder();
    folder.edit(META, |meta| {
        meta["answers"][1]["contract_sha256"] = "0".repeat(64).into();
        meta["answers"][2]["status"] = 418.into();
    });
    folder.edit(&format!("{CASE}/response-2.json"), |body| {
        body["odd"] = 1.into()
    });
    let mut check = process::command(&["check", "--format", "json", "--recordings"]);
    let (code, output, _) = run(check.arg(folder.path()));
    assert_eq!(code, Some(1));
    let report: Value = serde_json::from_str(&output).unwrap();
    let places = |list: &str| {
        let entries = report[list].as_array().unwrap().iter();
        let place = |one: &Value| {
            let file = one["file"].as_str().unwrap();
            let file = file.rsplit('/').next().unwrap();
            format!("{file} {}", one["pointer"].as_str().unwrap())
        };
        entries.map(place).collect::<Vec<_>>()
    };
    assert_eq!(
        places("disagreements"),
        ["response-2.json /odd", "recording.json /answers/2/status"]
    );
    assert_eq!(
        places("notes"),
        ["recording.json /answers/1/contract_sha256"]
    );
}

#[test]
fn invalid_answers_are_reported_with_pointer() {
    for (edit, defect) in [
        (
            (|meta| meta["answers"][1]["date"] = "today".into()) as fn(&mut Value),
            "/recording.json, /answers/1/date: expected a day",
        ),
        (
            |meta| meta["answers"][2]["status"] = 99.into(),
            "/recording.json, /answers/2/status: expected a status from 200 to 599",
        ),
        (
            |meta| meta["answers"] = json!([]),
            "/recording.json, /answers: expected at least one answer",
        ),
        (
            |meta| drop(meta["answers"].as_array_mut().unwrap().pop()),
            "/response-3.json: is the body of answer 3, recording.json has 2",
        ),
        (
            |meta| {
                let answers = meta["answers"].as_array_mut().unwrap();
                answers.push(answers[0].clone());
            },
            ": expected one response body, found 0; keep one file response-4.json",
        ),
        (
            |meta| {
                meta["answers"][0]["redacted"] = json!([{"file": "a", "pointer": "", "what": ""}])
            },
            "/recording.json, /answers/0/redacted/0/file: names the file \"a\"",
        ),
    ] {
        let folder = folder();
        folder.edit(META, edit);
        let defects = folder.defects();
        assert_eq!(defects.len(), 1, "{defects:?}");
        assert!(defects[0].contains(defect), "{defect} in {defects:?}");
    }
}

/// An upstream that responds with these statuses in turn and numbers the images.
fn upstream(statuses: &'static [u16]) -> Upstream {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Upstream::start(move |request, stream| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let status = statuses[number % statuses.len()];
        let mut body: Value = match status {
            200 => serde_json::from_slice(&image(request)).unwrap(),
            _ => serde_json::from_slice(&error(status, "no")).unwrap(),
        };
        if status == 200 {
            body["prompt"] = number.to_string().into();
        }
        respond(stream, status, &[], body.to_string().as_bytes());
    })
}

#[tokio::test]
async fn recorder_appends_answers_as_good_as_the_last() {
    let upstream = upstream(&[429, 503, 200, 400, 429, 200]);
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let mut kept = Vec::new();
    for (status, answers) in [(429, 1), (503, 2), (200, 3), (400, 3), (429, 3), (200, 4)] {
        let answer = post(recorder.address, prompt("Fail."));
        assert_eq!(answer.status, status);
        let recording = one(&folder, "fail-");
        assert_eq!(recording.answers().len(), answers);
        if kept.len() < answers {
            kept.push(answer.body);
        }
    }
    let errors = recorder.stop();
    for part in [
        "503 saved as answer 2 of generate-image/fail-",
        "has the status 200, which 400 does not follow",
    ] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
    // They are served exactly as recorded.
    let server = MockServer::builder().recordings(folder.path()).start();
    let server = server.await.unwrap();
    for body in &kept {
        assert_eq!(post(server.address(), prompt("Fail.")).body, *body);
    }
}

#[test]
fn missing_mode_records_again_only_without_success() {
    let upstream = upstream(&[429, 429, 200]);
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    post(recorder.address, prompt("Once."));
    post(recorder.address, prompt("Once."));
    recorder.stop();
    assert_eq!(one(&folder, "once-").answers().len(), 2);
    let recorder = start(&upstream, &folder, &["--mode", "missing"]);
    let paid = post(recorder.address, prompt("Once."));
    assert_eq!((paid.status, upstream.received().len()), (200, 3));
    recorder.stop();
    // A failure may be appended by hand; the success is still used.
    let recording = one(&folder, "once-");
    let case = folder.path().join(recording.name());
    let mut meta: Value =
        serde_json::from_slice(&fs::read(case.join("recording.json")).unwrap()).unwrap();
    let flat = [
        "status",
        "headers",
        "origin",
        "source",
        "date",
        "contract_sha256",
    ];
    let mut failure = json!({});
    for name in flat {
        failure[name] = meta[name].clone();
    }
    let success = failure.clone();
    failure["status"] = 429.into();
    meta = json!({
        "format": 2,
        "title": meta["title"],
        "method": meta["method"],
        "path": meta["path"],
        "answers": [success, failure],
    });
    fs::write(case.join("recording.json"), meta.to_string()).unwrap();
    fs::write(case.join("response-2.json"), error(429, "no")).unwrap();
    let recorder = start(&upstream, &folder, &["--mode", "missing"]);
    let again = post(recorder.address, prompt("Once."));
    assert_eq!((again.body, upstream.received().len()), (paid.body, 3));
    recorder.stop();
}

#[test]
fn incomplete_answer_never_replaces_complete_one() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::start(move |_, stream| {
        if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            let half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
            stream.write_all(half).unwrap();
        } else {
            // The contract requires a message.
            respond(stream, 400, &[], b"{}");
        }
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &[]);
    post(recorder.address, prompt("Odd."));
    recorder.wait_for("it is kept as .quarantine/generate-image/odd-");
    post(recorder.address, prompt("Odd."));
    recorder.wait_for("saved as answer 2 of .quarantine/generate-image/odd-");
    recorder.signal("TERM");
    recorder.end();
    let recorder = start(&upstream, &folder, &["--mode", "missing"]);
    assert_eq!(post(recorder.address, prompt("Odd.")).status, 400);
    assert_eq!(upstream.received().len(), 2);
    recorder.stop();
}

#[test]
fn update_mode_replaces_all_answers() {
    let upstream = upstream(&[200]);
    let folder = TempDir::new().unwrap();
    for (arguments, answers) in [(&[][..], 1), (&[], 2), (&["--mode", "update"], 1)] {
        let recorder = start(&upstream, &folder, arguments);
        let answer = post(recorder.address, prompt("New."));
        recorder.stop();
        let recording = one(&folder, "new-");
        let all = recording.answers();
        assert_eq!(
            (all.len(), all[all.len() - 1].response()),
            (answers, &*answer.body)
        );
    }
}

#[test]
fn recorder_does_not_overwrite_unreadable_recording() {
    let upstream = upstream(&[200]);
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let paid = post(recorder.address, prompt("Paid."));
    let case = folder.path().join(one(&folder, "paid-").name());
    fs::write(case.join("response.png"), "a second body").unwrap();
    let second = post(recorder.address, prompt("Paid."));
    recorder.stop();
    assert_eq!(fs::read(case.join("response.json")).unwrap(), paid.body);
    fs::remove_file(case.join("response.png")).unwrap();
    let all = Recordings::load(folder.path()).unwrap();
    assert!(all.iter().any(|one| one.response() == second.body));
}

#[test]
fn redact_removes_secrets_from_every_answer() {
    let folder = folder();
    let secret = "sk-abcdefghijklmnopqrstuvwxyz0123456789";
    folder.edit(&format!("{CASE}/response-3.json"), |body| {
        body["prompt"] = secret.into()
    });
    folder.edit(META, |meta| {
        meta["answers"][1]["headers"]["x-inference-id"] = secret.into();
        meta["answers"][2]["not_recorded"] = json!([secret]);
    });
    let mut redact = process::command(&["redact", "--recordings"]);
    let (code, output, errors) = run(redact.arg(folder.path()));
    assert_eq!(code, Some(0), "{output}{errors}");
    let said = "add-bird/recording.json /answers/1/headers/x-inference-id: an API key";
    assert!(output.contains(said), "{output}");
    let meta: Value = serde_json::from_slice(&folder.read(META)).unwrap();
    let places = |answer: usize| {
        let redacted = meta["answers"][answer]["redacted"].as_array().unwrap();
        let place = |one: &Value| format!("{} {}", one["file"], one["pointer"]).replace('"', "");
        redacted.iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(places(0), [""; 0]);
    assert_eq!(places(1), ["recording.json /headers/x-inference-id"]);
    assert_eq!(
        places(2),
        ["response-3.json /prompt", "recording.json /not_recorded/0"]
    );
    for file in [
        "recording.json",
        "response.json",
        "response-2.json",
        "response-3.json",
    ] {
        let text = String::from_utf8(folder.read(&format!("{CASE}/{file}"))).unwrap();
        assert!(!text.contains("sk-abc"), "{file}: {text}");
    }
    Recordings::load(folder.path()).unwrap();
}

#[test]
fn verify_sends_each_request_once_and_accepts_any_success() {
    let folder = folder();
    let verify = |upstream: &Upstream| {
        let mut command: Command = process::command(&["verify", "--upstream", &upstream.url()]);
        command.arg("--recordings").arg(folder.path());
        run(command.env("AIMLAPI_KEY", "a-key-for-this-test"))
    };
    let recorded = folder.read(&format!("{CASE}/response-2.json"));
    // The third answer has a different shape from the second.
    folder.edit(&format!("{CASE}/response-3.json"), |body| {
        body["seed"] = Value::Null
    });
    let upstream = Upstream::json(200, String::from_utf8(recorded).unwrap());
    let (code, output, errors) = verify(&upstream);
    assert_eq!(code, Some(0), "{output}{errors}");
    assert!(errors.contains("images: 1;"), "{errors}");
    let [request] = &upstream.received()[..] else {
        panic!("{:?}", upstream.received());
    };
    assert!(request.head.starts_with(&format!("POST {PATH} ")));
    let other = Upstream::json(200, "{}".to_owned());
    assert_eq!(verify(&other).0, Some(1));
    assert_eq!(other.received().len(), 1);
}

#[test]
fn list_shows_statuses_in_order() {
    let folder = folder();
    let mut list = process::command(&["list", "--recordings"]);
    let (_, output, _) = run(list.arg(folder.path()));
    assert!(
        output.starts_with(&format!("{CASE}  429, 200, 200  ")),
        "{output}"
    );
    let mut serve = process::command(&["serve", "--listen", "127.0.0.1:0", "--recordings"]);
    let serving = Process::serve(serve.arg(folder.path()));
    let all = admin_json(serving.address, "recordings");
    assert_eq!(all["recordings"][0]["statuses"], json!([429, 200, 200]));
}
