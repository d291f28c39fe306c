//! The examples work against the mock.

use std::fs;

use kontext_mock::{MatchMode, MockServer, Recordings};
use serde_json::{Value, json};

use crate::support::{client, snapshot};

#[path = "../examples/batch.rs"]
#[expect(dead_code, reason = "main is the example's own")]
mod batch;
#[path = "../examples/edit.rs"]
#[expect(dead_code, reason = "main is the example's own")]
mod edit;
#[path = "../examples/offline.rs"]
#[expect(dead_code, reason = "main is the example's own")]
mod offline;

#[cfg(unix)]
mod interrupted;

const CASES: [&str; 2] = ["add-bird", "combine-two-images"];

/// The picture in a recording.
fn picture(case: &str) -> Vec<u8> {
    let recordings = Recordings::embedded().unwrap();
    let recording = recordings.get(&format!("generate-image/{case}")).unwrap();
    recording.files()[0].bytes().to_vec()
}

#[tokio::test]
async fn offline_prints_and_saves_both_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    offline::run(&mut out, folder.path()).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let url = first
        .strip_prefix("The mock answers on ")
        .and_then(|rest| rest.strip_suffix('.'))
        .unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{first}");
    let rest = rest
        .replace(url, "http://127.0.0.1:PORT")
        .replace(&folder.path().display().to_string(), "FOLDER");
    snapshot("offline_example", &rest);
    for (name, case) in ["add-a-bird.jpg", "combine-two-images.jpg"]
        .iter()
        .zip(CASES)
    {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), picture(case));
    }
}

#[tokio::test]
async fn edit_sends_a_file_and_saves_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let builder = MockServer::builder().match_mode(MatchMode::Nearest);
    let server = builder.start().await.unwrap();
    let client = client(&server.url());
    let photo = folder.path().join("photo.jpg");
    fs::write(&photo, picture("add-bird")).unwrap();
    let output = folder.path().join("bird");
    let prompt = "Add a bird to the foreground of the photo.";
    let saved = edit::run(&client, &photo, prompt, &output).await.unwrap();
    assert_eq!(saved, [folder.path().join("bird.jpg")]);
    assert_eq!(fs::read(&saved[0]).unwrap(), picture("add-bird"));

    // A saved answer is not paid for again.
    let recordings = Recordings::embedded().unwrap();
    let recording = recordings.get("generate-image/add-bird").unwrap();
    let mut answer: Value = serde_json::from_slice(recording.response()).unwrap();
    let file = "/__mock/files/generate-image/add-bird/file-1.jpg";
    answer["images"][0]["url"] = format!("{}{file}", server.url()).into();
    let kept = folder.path().join("kept.answer.json");
    fs::write(&kept, answer.to_string()).unwrap();
    let billed = server.billed();
    let output = folder.path().join("kept");
    edit::run(&client, &photo, prompt, &output).await.unwrap();
    assert_eq!(server.billed(), billed);
    assert!(!kept.exists());
}

#[tokio::test]
async fn batch_pays_for_each_job_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = MockServer::start().await.unwrap();
    let recordings = Recordings::embedded().unwrap();
    let lines = CASES.map(|case| {
        let recording = recordings.get(&format!("generate-image/{case}")).unwrap();
        let request: Value = serde_json::from_slice(recording.request().unwrap()).unwrap();
        json!({ "tag": case, "request": request }).to_string()
    });
    let jobs = folder.path().join("jobs.jsonl");
    fs::write(&jobs, lines.join("\n")).unwrap();
    let output = folder.path().join("out");
    for spent in [182_000, 0] {
        let mut out = Vec::new();
        let client = client(&server.url());
        batch::run(&mut out, &client, &jobs, &output).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with(&format!("\n{spent} credits spent\n")),
            "{text}"
        );
        for case in CASES {
            let path = output.join(format!("{case}.jpg"));
            assert!(
                text.contains(&format!("{case}: {}\n", path.display())),
                "{text}"
            );
            assert_eq!(fs::read(&path).unwrap(), picture(case));
            fs::remove_file(path).unwrap();
        }
    }
    let posts = server
        .received()
        .iter()
        .filter(|request| request.method() == "POST")
        .count();
    assert_eq!(posts, 2);
}
