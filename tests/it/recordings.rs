//! Client against mock, over a real socket, for every recording: decoding loses nothing,
//! and every recording conforms to the contract.

use contract_tests::{inputs, kept, lost_paths, spell};
use kontext_api::{Client, GeneratedImages, types};
use kontext_codegen::{Inputs, generate};
use kontext_mock::{Contract, MockServer, Recording, Recordings, check};
use serde_json::{Value, json};

use crate::support::{client, snapshot};

async fn exchange(client: &Client, recording: &Recording) -> GeneratedImages {
    let request: types::GenerateImageRequest =
        serde_json::from_slice(recording.request().unwrap()).unwrap();
    client.generate(request).await.unwrap()
}

#[tokio::test]
async fn recordings_round_trip_through_client() {
    let server = MockServer::builder().keep_urls(true).start().await.unwrap();
    let client = client(&server.url());
    for recording in Recordings::embedded().unwrap().iter() {
        let answer = exchange(&client, recording).await;
        assert_eq!(answer.headers()["x-kontext-recording"], recording.name());
        assert_eq!(answer.headers()["x-kontext-match"], "exact");
        assert_eq!(
            answer.raw().as_bytes(),
            recording.response(),
            "byte for byte"
        );
        assert!(!answer.images().is_empty());
        // The accessors give everything but nulls.
        let sent: Value = serde_json::from_slice(recording.response()).unwrap();
        let spelled = spell(&sent, &[]);
        let read = GeneratedImages::from_json(spelled.text.as_str()).unwrap();
        let kept = kept(&sent, &spelled.parts, &read);
        assert_eq!(lost_paths(&sent, &kept), [""; 0], "{}", recording.name());
    }
}

/// By default the mock serves a recording's pictures itself: only their URLs change in the
/// response, and downloads return the recorded pictures.
#[tokio::test]
async fn recorded_images_can_be_downloaded_offline() {
    let server = MockServer::start().await.unwrap();
    let client = client(&server.url());
    let recordings = Recordings::embedded().unwrap();
    // Recordings imported from a page have no pictures.
    let kept: Vec<_> = recordings
        .iter()
        .filter(|one| !one.files().is_empty())
        .collect();
    assert!(kept.len() >= 2, "{kept:?}");
    for recording in kept {
        let answer = exchange(&client, recording).await;
        assert_eq!(answer.headers()["x-kontext-rewritten"], "url");
        let mut expected = String::from_utf8(recording.response().to_vec()).unwrap();
        for (file, image) in recording.files().iter().zip(answer.images()) {
            let own = format!(
                "{}/__mock/files/{}/{}",
                server.url(),
                recording.name(),
                file.file()
            );
            expected = expected.replace(file.url(), &own);
            let downloaded = client.download(image).bytes().await.unwrap();
            assert_eq!(downloaded.bytes, file.bytes());
        }
        assert_eq!(answer.raw(), expected);
    }
}

#[test]
fn decoded_recordings_match_snapshots() {
    for recording in Recordings::embedded().unwrap().iter() {
        let answer = GeneratedImages::from_json(recording.response()).unwrap();
        let images: Vec<Value> = answer
            .images()
            .iter()
            .map(|image| {
                json!({
                    "url": image.url(),
                    "base64": image.base64(),
                    "width": image.width(),
                    "height": image.height(),
                    "file_size": image.file_size(),
                    "content_type": image.content_type(),
                    "file_name": image.file_name(),
                    "is_nsfw": image.is_nsfw(),
                })
            })
            .collect();
        let read = json!({
            "images": images,
            "seed": answer.seed(),
            "prompt": answer.prompt(),
            "model": answer.model(),
            "timings": answer.timings().map(|timings| timings.iter().collect::<Vec<_>>()),
            "usage": answer.usage().map(|usage| format!("{usage:?}")),
        });
        let unknown: Vec<_> = answer.unknown_fields().collect();
        let sent: Value = serde_json::from_slice(recording.response()).unwrap();
        let text = format!(
            "read by the client:\n{read:#}\n\nkept as unknown:\n{unknown:#?}\n\nnull, so nothing is there:\n{:#?}\n",
            nulls(&sent, "")
        );
        let case = recording.name().rsplit('/').next().unwrap();
        snapshot(&format!("recording_{}", case.replace('-', "_")), text);
    }
}

/// The pointers of all nulls.
fn nulls(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Null => vec![at.to_owned()],
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| nulls(member, &format!("{at}/{name}")))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| nulls(item, &format!("{at}/{index}")))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn recordings_satisfy_contract() {
    let report = check(
        &Contract::embedded().unwrap(),
        &Recordings::embedded().unwrap(),
    );
    assert_eq!(report.disagreements, []);
    assert!(
        report.notes.is_empty(),
        "the contract has changed since these were recorded: look at them, then put the \
         operation's sha256 of crates/kontext-mock/contract.json into their recording.json \
         as contract_sha256: {:#?}",
        report.notes
    );
}

#[test]
fn recordings_violate_contract_without_overlays() {
    let inputs = Inputs {
        overlays: Vec::new(),
        ..inputs().unwrap()
    };
    let outputs = generate(&inputs).unwrap();
    let contract = outputs
        .files
        .iter()
        .find(|output| output.file.ends_with("contract.json"))
        .unwrap();
    let report = check(
        &Contract::parse(&contract.text).unwrap(),
        &Recordings::embedded().unwrap(),
    );
    for case in ["add-bird", "combine-two-images"] {
        assert!(
            report.disagreements.iter().any(|one| {
                one.file.ends_with(&format!("{case}/response.json")) && one.pointer == "/images"
            }),
            "{case}: {:#?}",
            report.disagreements
        );
    }
}
