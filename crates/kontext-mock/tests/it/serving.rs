//! `serve` apart from its responses: the port file, the exit code for CI, and the files
//! and lines that it writes.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use serde_json::json;

use crate::{
    binary::run,
    folders::Folder,
    http::{add_bird_with, post},
    process::{Process, command},
    wire::{Seen, admin, admin_json, wait_for},
};

const LISTEN: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn serve(options: &[&str]) -> Process {
    Process::serve(command(&LISTEN).args(options))
}

fn miss(serving: &Process) {
    let answer = post(serving.address, add_bird_with(json!({"prompt": "x"})));
    assert_eq!(answer.found().0, Some("miss"));
}

#[test]
fn port_file_exists_while_server_runs() {
    let folder = Folder::empty();
    let file = folder.path().join("port");
    // A port file left by an earlier run is replaced.
    folder.write("port", "1\n2\n3\n");
    let serving = serve(&["--port-file", file.to_str().unwrap()]);
    // It exists before the first line is printed.
    let port = fs::read_to_string(&file).unwrap();
    assert_eq!(port, format!("{}\n", serving.address.port()));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    let umask = 0o666 & !umask();
    assert_eq!(mode & 0o777, umask, "others may read it as any other file");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left beside it");
    assert_eq!(serving.end_by("TERM").0.code(), Some(0));
    assert!(!file.exists());
}

/// The umask, determined by creating a file.
fn umask() -> u32 {
    let folder = Folder::empty();
    folder.write("file", "");
    let mode = fs::metadata(folder.path().join("file"))
        .unwrap()
        .permissions()
        .mode();
    !mode & 0o666
}

#[test]
fn port_file_appears_complete() {
    let folder = Folder::empty();
    let file = folder.path().join("port");
    for _ in 0..3 {
        let mut child = command(&LISTEN)
            .args(["--port-file", file.to_str().unwrap(), "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let text = wait_for("the port file", || fs::read_to_string(&file).ok());
        let port: u16 = text.strip_suffix('\n').unwrap().parse().unwrap();
        assert_eq!(
            admin(([127, 0, 0, 1], port).into(), "GET", "health", "").status,
            200
        );
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(!file.exists());
    }
}

#[test]
fn unwritable_port_file_is_reported() {
    let (code, output, errors) = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--port-file",
        "/nowhere/at/all",
    ]);
    assert_eq!((code, output.as_str()), (Some(2), ""));
    assert!(
        errors.starts_with("error: the port file /nowhere/at/all cannot be written: ")
            && errors.ends_with("name a file in a folder that is there and can be written\n"),
        "{errors}"
    );
    // A server that fails to start leaves no port file either.
    let folder = Folder::empty();
    let file = folder.path().join("port");
    let name = file.to_str().unwrap();
    let (code, ..) = run(&["serve", "--recordings", "/nowhere", "--port-file", name]);
    assert_eq!((code, file.exists()), (Some(2), false));
}

#[test]
fn fail_on_miss_sets_exit_code() {
    let strict = ["--match", "strict"];
    let failing = ["--match", "strict", "--fail-on-miss"];
    for (options, misses, code) in [(&strict[..], 2, 0), (&failing, 2, 1), (&failing, 0, 0)] {
        let serving = serve(options);
        assert_eq!(post(serving.address, add_bird_with(json!({}))).status, 200);
        for _ in 0..misses {
            miss(&serving);
        }
        let (status, errors) = serving.end_by("TERM");
        assert_eq!(status.code(), Some(code), "{options:?}: {errors}");
        let summary = "unmatched requests: 2\n";
        assert_eq!(errors.contains(summary), misses > 0, "{errors}");
    }
}

#[test]
fn reset_does_not_hide_misses_from_exit_code() {
    let serving = serve(&["--match", "strict", "--fail-on-miss", "--quiet"]);
    miss(&serving);
    assert_eq!(admin(serving.address, "POST", "reset", "").status, 204);
    assert_eq!(admin_json(serving.address, "health")["misses"], 0);
    assert_eq!(serving.end_by("TERM").0.code(), Some(1));
}

#[test]
fn session_misses_fail_the_run_even_after_second_signal() {
    let serving = serve(&["--match", "strict", "--fail-on-miss", "--quiet"]);
    let body = add_bird_with(json!({"prompt": "x"}));
    let session = [("x-kontext-session", "one")];
    assert_eq!(
        crate::wire::post_with(serving.address, &session, body).status,
        404
    );
    let fault = [("x-kontext-fault", "delay=1h")];
    let request = crate::wire::last_request(&fault, &add_bird_with(json!({})));
    let mut stream = crate::http::connect(serving.address);
    std::io::Write::write_all(&mut stream, &request).unwrap();
    wait_for("the request", || {
        let requests = admin_json(serving.address, "requests");
        (requests["requests"].as_array()?.len() == 2).then_some(())
    });
    serving.signal("TERM");
    wait_for("the end of the listener", || {
        std::net::TcpStream::connect(serving.address).err()
    });
    serving.signal("TERM");
    assert_eq!(serving.end().0.code(), Some(1));
    assert_eq!(Seen::on(&mut stream).bytes, b"");
}

#[test]
fn miss_log_line_shows_record_command() {
    let folder = Folder::with_add_bird();
    let name = folder.path().to_str().unwrap();
    let serving = serve(&["--match", "strict", "--recordings", name]);
    miss(&serving);
    let (_, errors) = serving.end_by("TERM");
    let (line, rest) = errors.split_once('\n').unwrap();
    assert_eq!(
        crate::log::stable(line),
        format!(
            "POST /v1/images/generations 404 error=miss nearest=generate-image/add-bird differs: \
             /prompt: expected \"Add a bird to the foreground of the photo.\", received \"x\"; to \
             record it: kontext-mock record --upstream https://api.aimlapi.com --recordings {name}"
        )
    );
    assert_eq!(
        rest,
        "unmatched requests: 1\nunused recordings: generate-image/add-bird\n"
    );
}

#[test]
fn quiet_omits_request_lines() {
    let serving = serve(&["--match", "strict", "--quiet"]);
    miss(&serving);
    let (_, errors) = serving.end_by("TERM");
    assert_eq!(
        errors,
        "unmatched requests: 1\n\
         unused recordings: generate-image/add-bird, \
         generate-image/combine-two-images\n"
    );
}

#[test]
fn stale_recordings_are_reported_at_start() {
    let folder = Folder::with_add_bird();
    folder.edit("generate-image/add-bird/recording.json", |story| {
        story["contract_sha256"] = "0".repeat(64).into();
    });
    let serving = serve(&["--quiet", "--recordings", folder.path().to_str().unwrap()]);
    post(serving.address, add_bird_with(json!({})));
    let (_, errors) = serving.end_by("TERM");
    assert_eq!(
        errors,
        "generate-image/add-bird was made under an older contract; record it again, or look at it \
         and put the new hash into its recording.json\n"
    );
}

#[test]
fn folder_is_watched_unless_disabled() {
    let change = |folder: &Folder| {
        folder.edit("generate-image/add-bird/response.json", |body| {
            body["seed"] = 5.into()
        });
    };
    let seed =
        |serving: &Process| post(serving.address, add_bird_with(json!({}))).json()["seed"].clone();
    let (watched, still) = (Folder::with_add_bird(), Folder::with_add_bird());
    let name = |folder: &Folder| folder.path().to_str().unwrap().to_owned();
    let watching = serve(&["--quiet", "--recordings", &name(&watched)]);
    let not = serve(&["--quiet", "--no-watch", "--recordings", &name(&still)]);
    change(&still);
    change(&watched);
    wait_for("the changed file", || (seed(&watching) == 5).then_some(()));
    // This folder was changed before the other one.
    assert_eq!(seed(&not), 3_959_063_143_u64);
    assert_eq!(
        admin(not.address, "POST", "recordings/reload", "").status,
        200
    );
    assert_eq!(seed(&not), 5);
    // Errors are logged to standard error.
    watched.write("generate-image/add-bird/recording.json", "{");
    wait_for("the error", || {
        admin_json(watching.address, "health")["reload_error"]
            .as_str()
            .map(str::to_owned)
    });
    let (status, errors) = watching.end_by("TERM");
    assert_eq!(status.code(), Some(0));
    let expected = format!(
        "reload failed, still serving the previous set: the recordings cannot be read:\n  {}/generate-image/add-bird/recording.json, line 1, \
         column 1: EOF while parsing an object; correct it; the README of kontext-mock shows \
         the format\n",
        name(&watched)
    );
    assert!(
        errors.contains("reloaded 1 recording\n") && errors.contains(&expected),
        "{errors}"
    );
}

/// Removes or restores write permission for a folder and its contents.
fn set_writable(folder: &Folder, writable: bool) {
    let path = folder.path().to_str().unwrap();
    let mode = if writable { "u+w" } else { "a-w" };
    assert!(
        Command::new("chmod")
            .args(["-R", mode, path])
            .status()
            .unwrap()
            .success()
    );
}

/// A folder and everything in it, with modification times.
fn times(path: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let metadata = fs::metadata(path).unwrap();
    let mut all = BTreeMap::from([(path.to_owned(), metadata.modified().unwrap())]);
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            all.extend(times(&entry.unwrap().path()));
        }
    }
    all
}

#[test]
fn read_only_folder_is_served() {
    // A superuser, and a mock it runs, can write despite the mode; the final comparison
    // shows that the mock does not.
    let folder = Folder::with_add_bird();
    set_writable(&folder, false);
    let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o222, 0);
    let before = times(folder.path());
    assert_eq!(before.len(), 6);
    let serving = serve(&["--quiet", "--recordings", folder.path().to_str().unwrap()]);
    assert_eq!(post(serving.address, add_bird_with(json!({}))).status, 200);
    assert_eq!(
        admin(serving.address, "POST", "recordings/reload", "").status,
        200
    );
    let (status, errors) = serving.end_by("TERM");
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    assert_eq!(times(folder.path()), before);
    set_writable(&folder, true);
}
