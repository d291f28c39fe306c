//! Recordings that change while they are served: either all changes are served, or the
//! previous recordings and an error.

use std::{fs, net::SocketAddr};

use kontext_mock::{MockServer, StartError, WatchMode};
use serde_json::{Value, json};

use crate::{
    folders::Folder,
    http::{add_bird_with, post},
    wire::{admin, admin_json, wait_for},
};

const RESPONSE: &str = "generate-image/add-bird/response.json";
const STORY: &str = "generate-image/add-bird/recording.json";

fn seed_of(address: SocketAddr) -> Value {
    post(address, add_bird_with(json!({}))).json()["seed"].clone()
}

fn health(address: SocketAddr) -> Value {
    admin_json(address, "health")
}

/// Changes the seed in the recorded response.
fn set_seed(folder: &Folder, seed: u64) {
    folder.edit(RESPONSE, |body| body["seed"] = seed.into());
}

/// Adds another recording.
fn add_another(folder: &Folder) {
    folder.copy_add_bird_to("generate-image/another");
    folder.edit("generate-image/another/request.json", |request| {
        request["seed"] = 2.into()
    });
}

async fn server(folder: &Folder, watch: impl Into<WatchMode>) -> MockServer {
    MockServer::builder()
        .recordings(folder.path())
        .watch(watch)
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn changes_are_served_only_after_reload() {
    let folder = Folder::with_add_bird();
    let server = server(&folder, false).await;
    let address = server.address();
    set_seed(&folder, 5);
    assert_eq!(seed_of(address), 3_959_063_143_u64);
    assert_eq!(server.reload().unwrap(), 1);
    assert_eq!(seed_of(address), 5);
    add_another(&folder);
    let reloaded = admin(address, "POST", "recordings/reload", "");
    assert_eq!(
        (reloaded.status, reloaded.json()),
        (200, json!({"recordings": 2}))
    );
    let answer = post(address, add_bird_with(json!({"seed": 2})));
    assert_eq!(
        answer.found(),
        (Some("exact"), Some("generate-image/another"))
    );
    assert_eq!(
        (
            health(address)["recordings"].clone(),
            server.recordings().len()
        ),
        (json!(2), 2)
    );
    fs::remove_dir_all(folder.path().join("generate-image/another")).unwrap();
    assert_eq!(server.reload().unwrap(), 1);
    let answer = post(address, add_bird_with(json!({"seed": 2})));
    assert_eq!(answer.found(), (Some("miss"), None));
    // The built-in recordings can be reloaded too.
    assert_eq!(MockServer::start().await.unwrap().reload().unwrap(), 2);
}

#[tokio::test]
async fn invalid_file_keeps_old_set_and_is_reported() {
    let folder = Folder::with_add_bird();
    let server = server(&folder, false).await;
    let address = server.address();
    let name = folder.path().display().to_string();
    let good = folder.read(STORY);
    set_seed(&folder, 5);
    add_another(&folder);
    for (spoilt, expected) in [
        (
            "{",
            format!(
                "the recordings cannot be read:\n  {name}/{STORY}, line 1, column 1: EOF while parsing an object; correct it; the README of kontext-mock shows the format"
            ),
        ),
        (
            "",
            format!(
                "the recordings cannot be read:\n  {name}/{STORY}, line 1, column 0: EOF while parsing a value"
            ),
        ),
    ] {
        folder.write(STORY, spoilt);
        let error = server.reload().unwrap_err();
        assert!(matches!(error, StartError::Recordings(_)), "{error}");
        let answer = admin(address, "POST", "recordings/reload", "");
        assert_eq!(answer.status, 409);
        let told = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(told.starts_with(&expected), "{told}");
        assert_eq!(health(address)["reload_error"], told.as_str());
        assert_eq!(
            admin_json(address, "recordings")["reload_error"],
            told.as_str()
        );
        // None of the changes is served.
        assert_eq!(
            (seed_of(address), health(address)["recordings"].clone()),
            (json!(3_959_063_143_u64), json!(1))
        );
    }
    // The same for a recording that can be read, but disagrees with the contract.
    folder.write(STORY, &good);
    folder.edit(RESPONSE, |body| body["images"][0]["width"] = "wide".into());
    let error = server.reload().unwrap_err();
    assert!(matches!(error, StartError::Disagreement(_)), "{error}");
    let told = health(address)["reload_error"].as_str().unwrap().to_owned();
    assert!(
        told.contains(&format!("{name}/{RESPONSE} /images/0/width")),
        "{told}"
    );
    assert_eq!(seed_of(address), 3_959_063_143_u64);
    // After the repair, everything is served.
    folder.edit(RESPONSE, |body| body["images"][0]["width"] = 10.into());
    assert_eq!(server.reload().unwrap(), 2);
    assert_eq!(
        (seed_of(address), health(address)["reload_error"].clone()),
        (json!(5), Value::Null)
    );
}

#[tokio::test]
async fn missing_folder_keeps_old_set() {
    let folder = Folder::with_add_bird();
    let server = server(&folder, false).await;
    let here = folder.path().join("generate-image");
    fs::rename(&here, folder.path().join(".away")).unwrap();
    let error = server.reload().unwrap_err();
    assert!(matches!(error, StartError::Recordings(_)), "{error}");
    let told = health(server.address())["reload_error"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        told.contains("holds no recording, expected <operation>/<case>/recording.json"),
        "{told}"
    );
    assert_eq!(seed_of(server.address()), 3_959_063_143_u64);
    fs::rename(folder.path().join(".away"), &here).unwrap();
    assert_eq!(server.reload().unwrap(), 1);
}

#[tokio::test]
async fn reload_keeps_usage() {
    let folder = Folder::with_add_bird();
    add_another(&folder);
    let server = server(&folder, false).await;
    seed_of(server.address());
    assert_eq!(server.unused(), ["generate-image/another"]);
    set_seed(&folder, 9);
    folder.copy_add_bird_to("generate-image/aaa");
    folder.edit("generate-image/aaa/request.json", |request| {
        request["seed"] = 3.into()
    });
    server.reload().unwrap();
    assert_eq!(
        server.unused(),
        ["generate-image/aaa", "generate-image/another"]
    );
    // Faults, counters and the journal are unaffected.
    assert_eq!((server.received().len(), server.counts().exact), (1, 1));
}

#[tokio::test]
async fn concurrent_requests_see_old_or_new_set() {
    let folder = Folder::with_add_bird();
    let server = server(&folder, false).await;
    let address = server.address();
    let asking = std::thread::spawn(move || {
        (0..200)
            .map(|_| seed_of(address).as_u64().unwrap())
            .collect::<Vec<_>>()
    });
    let mut written = vec![3_959_063_143];
    while !asking.is_finished() {
        let seed = written.len() as u64;
        set_seed(&folder, seed);
        server.reload().unwrap();
        written.push(seed);
    }
    let seen = asking.join().unwrap();
    let mut at = 0;
    for seed in seen {
        at += written[at..]
            .iter()
            .position(|one| *one == seed)
            .unwrap_or_else(|| panic!("{seed} after {}", written[at]));
    }
}

#[tokio::test]
async fn watched_folder_reloads() {
    let folder = Folder::with_add_bird();
    let server = server(&folder, true).await;
    let address = server.address();
    set_seed(&folder, 5);
    wait_for("the changed file", || (seed_of(address) == 5).then_some(()));
    add_another(&folder);
    wait_for("the new recording", || {
        (health(address)["recordings"] == 2).then_some(())
    });
    // A file replaced by a rename, as many editors save.
    let text = String::from_utf8(folder.read(RESPONSE))
        .unwrap()
        .replace("\"seed\": 5", "\"seed\": 6");
    folder.write("generate-image/add-bird/.response.json.new", text);
    let path = |file: &str| folder.path().join("generate-image/add-bird").join(file);
    fs::rename(path(".response.json.new"), path("response.json")).unwrap();
    wait_for("the replaced file", || {
        (seed_of(address) == 6).then_some(())
    });
    fs::remove_dir_all(folder.path().join("generate-image/another")).unwrap();
    wait_for("the removed recording", || {
        (health(address)["recordings"] == 1).then_some(())
    });
    let name = folder.path().display().to_string();
    let good = folder.read(STORY);
    folder.write(STORY, "{\n\"format\": }");
    let told = wait_for("the error", || {
        health(address)["reload_error"].as_str().map(str::to_owned)
    });
    assert!(
        told.contains(&format!(
            "{name}/{STORY}, line 2, column 11: expected value"
        )),
        "{told}"
    );
    assert_eq!(seed_of(address), 6);
    folder.write(STORY, good);
    wait_for("the repair", || {
        health(address)["reload_error"].is_null().then_some(())
    });
}

/// The kernel's clock for file timestamps is some milliseconds behind, so a change
/// right after the start can look older than the start.
#[tokio::test]
async fn change_right_after_start_is_served() {
    for mode in [WatchMode::Auto, WatchMode::Poll] {
        for _ in 0..if mode == WatchMode::Poll { 2 } else { 20 } {
            let folder = Folder::with_add_bird();
            set_seed(&folder, 4);
            let server = server(&folder, mode).await;
            // The same file with the same length.
            set_seed(&folder, 5);
            wait_for("the changed file", || {
                (seed_of(server.address()) == 5).then_some(())
            });
        }
    }
}

#[tokio::test]
async fn polled_folder_is_reloaded() {
    let folder = Folder::with_add_bird();
    let server = server(&folder, WatchMode::Poll).await;
    let address = server.address();
    set_seed(&folder, 5);
    wait_for("the changed file", || (seed_of(address) == 5).then_some(()));
    add_another(&folder);
    wait_for("the new recording", || {
        (health(address)["recordings"] == 2).then_some(())
    });
    fs::remove_dir_all(folder.path().join("generate-image/another")).unwrap();
    wait_for("the removed recording", || {
        (health(address)["recordings"] == 1).then_some(())
    });
}

/// Replaces a symbolic link by a rename, as `ln -sfn` and deployments do.
#[cfg(unix)]
fn link(target: &str, link: &std::path::Path) {
    let new = link.with_file_name(".new-link");
    std::os::unix::fs::symlink(target, &new).unwrap();
    fs::rename(new, link).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn replaced_symlink_anywhere_on_path_triggers_reload() {
    for mode in [WatchMode::Auto, WatchMode::Poll] {
        let outer = Folder::empty();
        let path = |name: &str| outer.path().join(name);
        for (version, seed) in [("v1", 1), ("v2", 2), ("v3", 3)] {
            let folder = Folder::with_add_bird();
            set_seed(&folder, seed);
            for file in ["recording.json", "request.json", "response.json"] {
                outer.write(
                    &format!("{version}/recordings/generate-image/add-bird/{file}"),
                    folder.read(&format!("generate-image/add-bird/{file}")),
                );
            }
        }
        // `served` links to `current/recordings`, and `current` to a version.
        link("v1", &path("current"));
        link("current/recordings", &path("served"));
        let server = MockServer::builder()
            .recordings(path("served"))
            .watch(mode)
            .start()
            .await
            .unwrap();
        let address = server.address();
        assert_eq!(seed_of(address), 1);
        link("v2", &path("current"));
        wait_for("the outer link", || (seed_of(address) == 2).then_some(()));
        link("v3/recordings", &path("served"));
        wait_for("the inner link", || (seed_of(address) == 3).then_some(()));
        // The target of the new link is watched too.
        set_seed_at(&path("v3/recordings"), 4);
        wait_for("a change behind it", || {
            (seed_of(address) == 4).then_some(())
        });
    }
}

/// A folder whose entries link into a hidden one, like a mounted ConfigMap.
#[cfg(unix)]
#[tokio::test]
async fn replaced_symlink_inside_folder_triggers_reload() {
    let outer = Folder::empty();
    for (version, seed) in [(".v1", 1), (".v2", 2)] {
        let folder = Folder::with_add_bird();
        set_seed(&folder, seed);
        for file in ["recording.json", "request.json", "response.json"] {
            outer.write(
                &format!("{version}/generate-image/add-bird/{file}"),
                folder.read(&format!("generate-image/add-bird/{file}")),
            );
        }
    }
    link(".v1", &outer.path().join("..data"));
    link(
        "..data/generate-image",
        &outer.path().join("generate-image"),
    );
    let server = server(&outer, true).await;
    let address = server.address();
    assert_eq!(seed_of(address), 1);
    link(".v2", &outer.path().join("..data"));
    wait_for("the link", || (seed_of(address) == 2).then_some(()));
}

#[tokio::test]
async fn replaced_folder_is_reloaded() {
    let outer = Folder::empty();
    let name = outer.path().join("recordings");
    let copy = |seed: u64| {
        let folder = Folder::with_add_bird();
        set_seed(&folder, seed);
        let new = outer.path().join("new");
        for file in ["recording.json", "request.json", "response.json"] {
            outer.write(
                &format!("new/generate-image/add-bird/{file}"),
                folder.read(&format!("generate-image/add-bird/{file}")),
            );
        }
        new
    };
    fs::rename(copy(1), &name).unwrap();
    let server = MockServer::builder()
        .recordings(&name)
        .watch(true)
        .start()
        .await
        .unwrap();
    let address = server.address();
    // As when checking out a branch without the folder, and then the first branch
    // again.
    fs::remove_dir_all(&name).unwrap();
    let told = wait_for("the error", || {
        health(address)["reload_error"].as_str().map(str::to_owned)
    });
    assert!(told.contains(&name.display().to_string()), "{told}");
    assert_eq!(seed_of(address), 1);
    fs::rename(copy(2), &name).unwrap();
    wait_for("the folder that came back", || {
        (seed_of(address) == 2).then_some(())
    });
    assert!(health(address)["reload_error"].is_null());
    set_seed_at(&name, 3);
    wait_for("a change in it", || (seed_of(address) == 3).then_some(()));
}

fn set_seed_at(folder: &std::path::Path, seed: u64) {
    let file = folder.join(RESPONSE);
    let mut body: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    body["seed"] = seed.into();
    fs::write(file, body.to_string()).unwrap();
}
