//! Files are complete or absent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kontext_api::{Client, DownloadError, DownloadFailure, Image, SavedImage};
use tokio::sync::Semaphore;

use super::host::{Answer, Host, whole};
use super::{check, jpeg, local, png};

/// The sorted file names of a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

async fn save(client: &Client, image: &Image, path: PathBuf) -> Result<SavedImage, DownloadError> {
    let saved = client.download(image).to_file(path).await;
    saved.inspect_err(check)
}

#[tokio::test]
async fn file_extension_follows_content() {
    let host = Host::start(|_, path| {
        let body = if path == "/jpeg" { jpeg() } else { png(3_000) };
        Answer::Bytes(whole("200 OK", "", &body))
    })
    .await;
    let client = local().build().unwrap();
    for (url, name, expected) in [
        ("/png", "bird", "bird.png"),
        ("/png", "v1.2", "v1.2.png"),
        ("/png", "bird.PNG", "bird.PNG"),
        ("/png", "bird.jpg", "bird.png"),
        ("/jpeg", "bird.jpeg", "bird.jpeg"),
        ("/jpeg", "bird.webp", "bird.jpg"),
        ("/jpeg", "bird", "bird.jpg"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        // The name in the URL doesn't matter.
        let image = super::image_at(host.url(url));
        let saved = save(&client, &image, folder.path().join(name))
            .await
            .unwrap();
        assert_eq!(saved.path(), folder.path().join(expected));
        assert_eq!(names(folder.path()), [expected]);
        let bytes = std::fs::read(saved.path()).unwrap();
        assert!(bytes == if url == "/jpeg" { jpeg() } else { png(3_000) });
        assert_eq!(saved.size(), bytes.len() as u64);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn file_has_default_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::answering("200 OK", "", &png(3_000)).await;
    let client = local().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, "").unwrap();
    let saved = save(&client, &host.image(), folder.path().join("a"))
        .await
        .unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    assert_eq!(mode(saved.path()), mode(&other));
}

#[tokio::test]
async fn existing_file_is_rejected_before_full_download() {
    let response = whole("200 OK", "", &png(100_000));
    // The rest never arrives.
    let host = Host::always(Answer::Stall(response[..2_000].to_vec())).await;
    let client = local().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let existing = folder.path().join("a.png");
    std::fs::write(&existing, "mine").unwrap();
    for name in ["a", "a.png", "a.jpg"] {
        let error = save(&client, &host.image(), folder.path().join(name))
            .await
            .unwrap_err();
        assert!(
            matches!(error.failure(), DownloadFailure::Exists { path, .. } if *path == existing),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("`Download::overwrite`"),
            "{error}"
        );
        assert!(error.to_string().contains("a.png"), "{error}");
    }
    assert_eq!(names(folder.path()), ["a.png"]);
    assert_eq!(std::fs::read(&existing).unwrap(), b"mine");
}

#[tokio::test]
async fn overwrite_replaces_only_with_complete_image() {
    let host = Host::start(|_, path| {
        let response = whole("200 OK", "", &png(100_000));
        let end = if path == "/cut" {
            50_000
        } else {
            response.len()
        };
        Answer::Bytes(response[..end].to_vec())
    })
    .await;
    let client = local().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let existing = folder.path().join("a.png");
    std::fs::write(&existing, "mine").unwrap();
    let cut = super::image_at(host.url("/cut"));
    let download = client.download(&cut).overwrite(true);
    let error = download.to_file(&existing).await.unwrap_err();
    assert!(
        matches!(error.failure(), DownloadFailure::Transport { .. }),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&existing).unwrap(), b"mine");
    let image = host.image();
    let download = client.download(&image).overwrite(true);
    download.to_file(&existing).await.unwrap();
    assert!(std::fs::read(&existing).unwrap() == png(100_000));
    assert_eq!(names(folder.path()), ["a.png"]);
}

#[tokio::test]
async fn missing_folder_is_reported_before_any_request() {
    let host = Host::answering("200 OK", "", &png(3_000)).await;
    let client = local().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no");
    let error = save(&client, &host.image(), missing.join("a"))
        .await
        .unwrap_err();
    assert!(
        matches!(error.failure(), DownloadFailure::NoFolder { path, .. } if *path == missing),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .ends_with("/no does not exist: create it first"),
        "{error}"
    );
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [
        file.join("a"),
        folder.path().join(".."),
        folder.path().join("a/"),
    ] {
        let error = save(&client, &host.image(), path).await.unwrap_err();
        assert!(
            matches!(error.failure(), DownloadFailure::File { .. }),
            "{error:?}"
        );
        assert!(!error.is_retryable() && std::error::Error::source(&error).is_some());
    }
    assert_eq!(host.requests().len(), 0);
    assert_eq!(names(folder.path()), ["file"]);
}

#[tokio::test]
async fn folder_with_the_name_of_the_file_is_an_error() {
    let host = Host::answering("200 OK", "", &png(3_000)).await;
    let client = local().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a.png")).unwrap();
    let error = save(&client, &host.image(), folder.path().join("a"))
        .await
        .unwrap_err();
    assert!(
        matches!(error.failure(), DownloadFailure::Exists { .. }),
        "{error:?}"
    );
    let image = host.image();
    let download = client.download(&image).overwrite(true);
    let error = download.to_file(folder.path().join("a")).await.unwrap_err();
    assert!(
        matches!(error.failure(), DownloadFailure::File { .. }),
        "{error:?}"
    );
    assert_eq!(names(folder.path()), ["a.png"]);
}

/// A host that sends half of an image, and the rest when the test opens the gate.
async fn gated() -> (Host, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let response = whole("200 OK", "", &png(100_000));
    let (first, rest) = response.split_at(50_000);
    let answer = Answer::Gated(first.to_vec(), Arc::clone(&gate), rest.to_vec());
    (Host::always(answer).await, gate)
}

/// Whether the folder has exactly `count` entries, all of them non-empty.
fn has_begun(folder: &Path, count: usize) -> bool {
    let mut lengths = Vec::new();
    for entry in folder.read_dir().unwrap() {
        lengths.push(entry.unwrap().metadata().unwrap().len());
    }
    lengths.len() == count && lengths.iter().all(|length| *length > 0)
}

#[tokio::test]
async fn dropped_download_leaves_no_file() {
    let (host, _gate) = gated().await;
    let client = local().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let image = host.image();
    let mut download = Box::pin(save(&client, &image, folder.path().join("a")));
    while !has_begun(folder.path(), 1) {
        tokio::select! {
            biased;
            saved = &mut download => panic!("{saved:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(download);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn one_of_two_concurrent_downloads_to_a_file_wins() {
    let (host, gate) = gated().await;
    let client = local().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let image = host.image();
    let path = folder.path().join("a");
    let mut both = Box::pin(async {
        tokio::join!(
            save(&client, &image, path.clone()),
            save(&client, &image, path.clone())
        )
    });
    // Both have checked for an existing file before either finishes.
    while !has_begun(folder.path(), 2) {
        tokio::select! {
            biased;
            saved = &mut both => panic!("{saved:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    gate.add_permits(2);
    let (one, other) = both.await;
    let (won, lost) = if one.is_ok() {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(won.unwrap().path(), folder.path().join("a.png"));
    let error = lost.unwrap_err();
    assert!(
        matches!(error.failure(), DownloadFailure::Exists { .. }),
        "{error:?}"
    );
    assert_eq!(names(folder.path()), ["a.png"]);
    assert!(std::fs::read(folder.path().join("a.png")).unwrap() == png(100_000));
}
