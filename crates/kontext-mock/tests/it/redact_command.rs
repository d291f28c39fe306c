//! `kontext-mock redact`: redacting existing recordings.

use std::{fs, process::Command};

use kontext_mock::{Contract, Recordings, check};
use serde_json::{Value, json};

use crate::{
    folders::Folder,
    http::{add_bird_with, post},
    process::{self, Process, run},
    secrets::{Secret, everything, mention},
};

const CASE: &str = "generate-image/add-bird";

fn command(folder: &Folder, more: &[&str]) -> Command {
    let mut command = process::command(&["redact", "--recordings"]);
    command.arg(folder.path()).args(more);
    command
}

fn recordings(folder: &Folder) -> Recordings {
    let recordings = Recordings::load(folder.path()).unwrap();
    let report = check(&Contract::embedded().unwrap(), &recordings);
    assert!(report.is_clean(), "{report}");
    recordings
}

/// A recording with secrets: a signature that the built-in rules recognize, and a key
/// that is known only from the environment.
fn spoilt(signature: &Secret, key: &Secret) -> Folder {
    let folder = Folder::with_add_bird();
    let url = format!(
        "https://bucket.example/a.png?X-Amz-Signature={}",
        signature.encoded()
    );
    folder.edit(&format!("{CASE}/request.json"), |body| {
        body["image_url"] = url.clone().into();
        body["prompt"] = mention(key).into();
    });
    folder.edit(&format!("{CASE}/response.json"), |body| {
        body["images"][0]["url"] = url.clone().into();
        body["prompt"] = mention(key).into();
    });
    folder.write(&format!("{CASE}/file-1.png"), "abc");
    folder.edit(&format!("{CASE}/recording.json"), |story| {
        story["title"] = format!("With the key {}", key.plain).into();
        story["headers"]["x-inference-id"] = key.plain.clone().into();
        story["headers"]["set-cookie"] = format!("a={}", signature.plain).into();
        story["not_recorded"] = json!([format!("nothing but {}", key.plain)]);
        story["files"] = json!([{
            "url": url,
            "file": "file-1.png",
            "content_type": "image/png",
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "origin": "live",
        }]);
    });
    recordings(&folder);
    folder
}

#[test]
fn redact_removes_secrets_once_and_lists_them() {
    let (signature, key) = (Secret::new("signature"), Secret::new("key"));
    let folder = spoilt(&signature, &key);
    let before = everything(folder.path());
    assert!(signature.is_in(&before) && key.is_in(&before));
    let redact = |more: &[&str]| {
        let mut command = command(&folder, more);
        run(command.env("AIMLAPI_KEY", &key.plain))
    };

    let (code, would, errors) = redact(&["--dry-run"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(would.ends_with(" would be redacted\n"), "{would}");
    assert_eq!(everything(folder.path()), before, "nothing is written");

    let (code, output, errors) = redact(&[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let places = |text: &str| {
        text.lines()
            .rev()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(places(&output), places(&would));
    for part in [
        "generate-image/add-bird/request.json /image_url: the URL parameter X-Amz-Signature\n",
        "generate-image/add-bird/request.json /prompt: a secret of the exchange\n",
        "generate-image/add-bird/response.json /images/0/url: the URL parameter X-Amz-Signature\n",
        "generate-image/add-bird/response.json /prompt: a secret of the exchange\n",
        "generate-image/add-bird/recording.json /title: a secret of the exchange\n",
        "generate-image/add-bird/recording.json /not_recorded/0: a secret of the exchange\n",
        "generate-image/add-bird/recording.json /headers/x-inference-id: ",
        "generate-image/add-bird/recording.json /headers/set-cookie: ",
        "1 recording, 8 secrets taken out\n",
    ] {
        assert!(output.contains(part), "{part} in {output}");
    }
    let after = everything(folder.path());
    for secret in [&signature, &key] {
        let all = [&after, output.as_bytes(), would.as_bytes()].concat();
        assert!(!secret.is_in(&all), "{}", String::from_utf8_lossy(&all));
    }
    let recordings = recordings(&folder);
    let recording = recordings.get(CASE).unwrap();
    assert_eq!(recording.redacted().len(), 8);
    assert_eq!(recording.files()[0].bytes(), b"abc");

    let (code, output, _) = redact(&[]);
    assert_eq!(code, Some(0));
    assert_eq!(output, "1 recording, 0 secrets taken out\n");
    assert_eq!(everything(folder.path()), after, "nothing is left to do");
}

#[test]
fn redacted_recording_still_matches_its_request() {
    let signature = Secret::new("signature");
    let folder = Folder::with_add_bird();
    let with = |signature: &str| {
        add_bird_with(json!({
            "image_url": format!("https://bucket.example/a.png?X-Amz-Signature={signature}"),
        }))
    };
    folder.write(&format!("{CASE}/request.json"), with(&signature.encoded()));
    assert_eq!(run(&mut command(&folder, &[])).0, Some(0));
    let mut serve = process::command(&["serve", "--listen", "127.0.0.1:0", "--match", "strict"]);
    let serving = Process::start(
        serve.arg("--recordings").arg(folder.path()),
        "kontext-mock listening on",
    );
    let found = |body: String| {
        let answer = post(serving.address, body);
        answer.found().0.map(str::to_owned)
    };
    assert_eq!(found(with(&signature.encoded())).as_deref(), Some("exact"));
    assert_eq!(found(with("another")).as_deref(), Some("miss"));
}

/// A recording named after its prompt, as a recorder does; returns the folder and the
/// recording's name.
fn named_after(prompt: &str) -> (Folder, String) {
    let folder = Folder::with_add_bird();
    folder.edit(&format!("{CASE}/request.json"), |body| {
        body["prompt"] = prompt.into()
    });
    folder.edit(&format!("{CASE}/recording.json"), |story| {
        story["title"] = format!("POST /v1/images/generations: {prompt}").into();
    });
    let upstream = crate::upstream::Upstream::json(400, "{}");
    let recorder = tempfile::TempDir::new().unwrap();
    let process = crate::record::start(&upstream, &recorder, &[]);
    post(
        process.address,
        folder.read(&format!("{CASE}/request.json")),
    );
    process.stop();
    let made = recorder.path().join(".quarantine/generate-image");
    let made = fs::read_dir(made).unwrap().next().unwrap().unwrap();
    let name = made.file_name().into_string().unwrap();
    let place = folder.path().join("generate-image");
    fs::rename(place.join("add-bird"), place.join(&name)).unwrap();
    (folder, format!("generate-image/{name}"))
}

#[test]
fn redact_adds_rules_and_renames_revealing_folders() {
    let (folder, name) = named_after("Unicorns in private");
    assert!(name.starts_with("generate-image/unicorns-in-private-"));

    let rules = [
        "--redact-pointer",
        "/prompt",
        "--redact-pattern",
        "squirrel",
    ];
    let (code, output, errors) = run(&mut command(&folder, &rules));
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    assert!(
        output.contains(": has a new name, without a secret in it\n"),
        "{output}"
    );
    let after = everything(folder.path());
    let all = String::from_utf8_lossy(&after) + &*output;
    assert!(!all.to_lowercase().contains("unicorn"), "{all}");
    let rules: Value = serde_json::from_slice(&folder.read("redaction.json")).unwrap();
    assert_eq!(rules["pointers"], json!(["/prompt"]));
    assert_eq!(rules["patterns"], json!(["squirrel"]));
    assert_eq!(recordings(&folder).len(), 1);
    assert_eq!(
        run(&mut command(&folder, &[])).1,
        "1 recording, 0 secrets taken out\n"
    );
    assert_eq!(everything(folder.path()), after);
}

#[test]
fn redacts_quarantined_recordings() {
    let signature = Secret::new("signature");
    let folder = Folder::with_add_bird();
    folder.copy_add_bird_to(".quarantine/generate-image/odd");
    folder.edit(".quarantine/generate-image/odd/response.json", |body| {
        body["odd"] = format!("https://a.example/?sig={}", signature.encoded()).into();
    });
    let (code, output, _) = run(&mut command(&folder, &[]));
    assert_eq!(code, Some(0));
    assert!(
        output.starts_with(".quarantine/generate-image/odd/response.json /odd: the URL parameter "),
        "{output}"
    );
    assert!(!signature.is_in(&everything(folder.path())));
}

#[test]
fn unredactable_recording_fails_the_command() {
    let key = Secret::new("key");
    let folder = Folder::with_add_bird();
    folder.remove(&format!("{CASE}/response.json"));
    let binary = [b"\xff\xd8\xff", key.plain.as_bytes()].concat();
    folder.write(&format!("{CASE}/response.jpg"), &binary);
    let mut redact = command(&folder, &[]);
    let (code, output, errors) = run(redact.env("AIMLAPI_KEY", &key.plain));
    assert_eq!((code, errors.as_str()), (Some(2), ""));
    assert!(
        output.starts_with(
            "generate-image/add-bird: NOT REDACTED: response.jpg is binary and has a secret of \
             the exchange in it, which cannot be taken out; delete the recording\n"
        ),
        "{output}"
    );
    // A folder that is empty or does not exist is an error as well.
    for folder in [
        Folder::empty().path().to_owned(),
        Folder::empty().path().join("gone"),
    ] {
        let mut redact = process::command(&["redact", "--recordings"]);
        let (code, output, errors) = run(redact.arg(&folder));
        assert_eq!((code, output.as_str()), (Some(2), ""));
        assert!(errors.contains(folder.to_str().unwrap()), "{errors}");
    }
}

#[test]
fn conflicting_recordings_are_not_deleted() {
    let folder = Folder::with_add_bird();
    folder.edit(&format!("{CASE}/request.json"), |body| {
        body["image_url"] = "https://a.example/?sig=0123456789abcdef".into();
    });
    folder.copy_add_bird_to("generate-image/copy");
    folder.edit("generate-image/copy/response.json", |body| {
        body["seed"] = 1.into()
    });
    let (code, output, _) = run(&mut command(&folder, &[]));
    // Which one to keep is up to the user.
    assert_eq!(code, Some(2), "{output}");
    assert!(
        output.contains("generate-image/copy: NOT REDACTED: "),
        "{output}"
    );
    assert!(
        output.contains("has the same request as generate-image/add-bird"),
        "{output}"
    );
}

#[test]
fn next_run_finishes_killed_redaction() {
    let (folder, name) = named_after("Unicorns in private");
    let old: Vec<_> = ["recording.json", "request.json", "response.json"]
        .map(|file| format!("{name}/{file}"))
        .map(|file| (folder.read(&file), file))
        .into();
    let rules = ["--redact-pointer", "/prompt"];
    assert_eq!(run(&mut command(&folder, &rules)).0, Some(0));
    let after = everything(folder.path());
    // It was killed when the new recording existed and the old one was not deleted yet.
    for (bytes, file) in old {
        folder.write(&file, bytes);
    }
    assert_eq!(Recordings::load(folder.path()).unwrap().len(), 2);
    let (code, output, _) = run(&mut command(&folder, &[]));
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(everything(folder.path()), after);
}
