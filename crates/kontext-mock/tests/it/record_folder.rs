//! What `kontext-mock record` writes to its folder, and where it fails to.

use std::fs;

use kontext_mock::Recordings;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    http::{PATH, post, send},
    process::{self, run},
    record::{one, prompt, recordings, serve, start},
    upstream::{Upstream, image, respond},
};

#[test]
fn answer_outside_the_contract_goes_to_quarantine() {
    let is_right = std::sync::atomic::AtomicBool::new(false);
    let upstream = Upstream::start(move |request, stream| {
        let mut body: Value = serde_json::from_slice(&image(request)).unwrap();
        if request.json()["prompt"] == "Odd."
            && !is_right.swap(true, std::sync::atomic::Ordering::SeqCst)
        {
            body["quality"] = "high".into();
        }
        respond(stream, 200, &[], body.to_string().as_bytes());
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &["--mode", "missing"]);
    post(recorder.address, prompt("Even."));
    let answer = post(recorder.address, prompt("Odd."));
    assert_eq!(answer.json()["quality"], "high");
    // It was paid for: it is kept and replayed, and the folder can still be served.
    let hidden = Recordings::load(folder.path().join(".quarantine")).unwrap();
    let odd = hidden.iter().next().unwrap();
    assert_eq!(odd.response(), answer.body);
    assert_eq!(recordings(&folder).len(), 1);
    let again = post(recorder.address, prompt("Odd."));
    assert_eq!((again.body, upstream.received().len()), (answer.body, 2));
    let errors = recorder.stop();
    for part in [
        "IT DISAGREES WITH THE CONTRACT",
        "/quality\n",
        "no such key",
        &format!(
            "mv {0}/.quarantine/{1} {0}/{1}",
            folder.path().display(),
            odd.name()
        ),
    ] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
    serve(&folder).stop();
    // Once the service agrees with the contract, the quarantined recording is removed.
    let recorder = start(&upstream, &folder, &[]);
    post(recorder.address, prompt("Odd."));
    assert_eq!(one(&folder, "odd-").name(), odd.name());
    assert!(!folder.path().join(".quarantine/generate-image").exists());
}

#[test]
fn request_outside_the_contract_passes_and_is_not_saved() {
    let upstream = Upstream::json(200, "[]");
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let answer = send(recorder.address, "GET", "/v1/models?x=1", &[], b"");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"[]"[..]));
    assert!(
        upstream.received()[0]
            .head
            .starts_with("GET /v1/models?x=1 HTTP/1.1\r\n")
    );
    let answer = send(recorder.address, "HEAD", PATH, &[], b"");
    assert_eq!(answer.header("content-length"), Some("2"));
    post(recorder.address, "no JSON");
    let health = send(recorder.address, "GET", "/__mock/health", &[], b"");
    assert_eq!(health.json()["recording"], true);
    assert_eq!(
        send(recorder.address, "GET", "/__mock/x", &[], b"").status,
        404
    );
    assert_eq!(upstream.received().len(), 3);
    let errors = recorder.stop();
    assert_eq!(
        errors
            .matches("not saved: the contract has no such operation")
            .count(),
        2
    );
    assert!(
        errors.contains("not saved: the request body is not JSON"),
        "{errors}"
    );
}

#[test]
fn failed_save_still_answers_the_client_and_exits_2() {
    let upstream = Upstream::images();
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("generate-image"), "in the way").unwrap();
    let recorder = start(&upstream, &folder, &[]);
    assert_eq!(post(recorder.address, prompt("Lost.")).status, 200);
    recorder.signal("TERM");
    let (status, errors) = recorder.end();
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(errors.contains("NOT SAVED: "), "{errors}");
    assert!(errors.contains(folder.path().to_str().unwrap()), "{errors}");
}

#[test]
fn unwritable_folder_fails_at_start() {
    let upstream = Upstream::json(200, "{}");
    let outer = TempDir::new().unwrap();
    fs::write(outer.path().join("file"), "").unwrap();
    let mut folders = vec![outer.path().join("file/recordings")];
    #[cfg(target_os = "linux")]
    folders.push("/proc/kontext-mock".into());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let read_only = outer.path().join("read-only");
        fs::create_dir(&read_only).unwrap();
        fs::set_permissions(&read_only, fs::Permissions::from_mode(0o555)).unwrap();
        // Root can write anywhere.
        if fs::write(read_only.join("x"), "").is_err() {
            folders.push(read_only);
        }
    }
    for folder in folders {
        let mut command = process::command(&["record", "--listen", "127.0.0.1:0"]);
        command.args(["--upstream", &upstream.url()]);
        let (code, output, errors) = run(command.arg("--recordings").arg(&folder));
        assert_eq!((code, output.as_str()), (Some(2), ""));
        let expected = format!("error: {} cannot be written: ", folder.display());
        assert!(errors.starts_with(&expected), "{errors}");
    }
}

#[test]
fn two_recorders_share_a_folder() {
    const LANES: usize = 4;
    const ROUNDS: usize = 10;
    // All responses of a round arrive at the same time.
    let together = std::sync::Barrier::new(2 * LANES);
    let upstream = Upstream::start(move |request, stream| {
        together.wait();
        respond(stream, 200, &[], &image(request));
    });
    let folder = TempDir::new().unwrap();
    let recorders = [
        start(&upstream, &folder, &[]),
        start(&upstream, &folder, &[]),
    ];
    std::thread::scope(|scope| {
        for recorder in &recorders {
            let address = recorder.address;
            for lane in 0..LANES {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        // Half of the lanes record a request of this round that the
                        // other recorder records too.
                        let who = match lane % 2 {
                            0 => "all".to_owned(),
                            _ => format!("{} {lane}", address.port()),
                        };
                        let answer = post(address, prompt(&format!("{who} {round}")));
                        assert_eq!(answer.status, 200);
                    }
                });
            }
        }
    });
    assert_eq!(recordings(&folder).len(), ROUNDS * (1 + LANES));
    for recorder in recorders {
        recorder.stop();
    }
    let hidden: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(hidden, [".lock"]);
}

#[test]
fn prompt_in_another_script_gets_a_readable_name() {
    let upstream = Upstream::images();
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    for text in ["Добавь птицу", "鳥を追加", "أضف طائرا"] {
        assert_eq!(post(recorder.address, prompt(text)).status, 200);
    }
    recorder.stop();
    one(&folder, "dobav-ptitsu-");
    for recording in &recordings(&folder) {
        assert!(
            !recording.name().contains("exchange"),
            "{}",
            recording.name()
        );
    }
}
