//! The example that the README shows first works, and prints what a person
//! wants to read.

use crate::support::snapshot;

#[path = "../examples/offline.rs"]
#[expect(dead_code, reason = "main is the example's own")]
mod example;

#[tokio::test]
async fn the_offline_example() {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    example::run(&mut out, folder.path()).await.unwrap();
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
    for (name, case) in [
        ("add-a-bird.jpg", "add-bird"),
        ("combine-two-images.jpg", "combine-two-images"),
    ] {
        let saved = std::fs::read(folder.path().join(name)).unwrap();
        let recordings = kontext_mock::Recordings::embedded().unwrap();
        let recording = recordings.get(&format!("generate-image/{case}")).unwrap();
        assert_eq!(saved, recording.files()[0].bytes());
    }
}
