//! `kontext-mock verify`: whether a server still responds as recorded.

use std::{net::TcpListener, process::Command};

use serde_json::{Value, json};

use crate::{
    folders::Folder,
    http::PATH,
    process::{self, Process, run},
    upstream::{Upstream, error, respond},
};

const CASE: &str = "generate-image/add-bird";
const KEY: &str = "a-key-that-nobody-may-see";

fn command(upstream: &str, folder: &Folder, more: &[&str]) -> Command {
    let mut command = process::command(&["verify", "--upstream", upstream]);
    command.arg("--recordings").arg(folder.path()).args(more);
    command.env("AIMLAPI_KEY", KEY);
    command
}

fn verify(upstream: &Upstream, folder: &Folder) -> (Option<i32>, Value) {
    let mut command = command(&upstream.url(), folder, &["--format", "json"]);
    let (code, output, errors) = run(&mut command);
    assert!(
        !output.contains(KEY) && !errors.contains(KEY),
        "{output}{errors}"
    );
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        (&report["format"], &report["upstream"]),
        (&json!(1), &json!(upstream.url()))
    );
    (code, report)
}

/// The recorded response of the first recording.
fn recorded(folder: &Folder) -> Value {
    serde_json::from_slice(&folder.read(&format!("{CASE}/response.json"))).unwrap()
}

#[test]
fn mock_verifies_against_its_own_recordings() {
    let mut serve = process::command(&["serve", "--listen", "127.0.0.1:0", "--quiet"]);
    let serving = Process::serve(&mut serve);
    let url = format!("http://{}", serving.address);
    let mut verify = process::command(&["verify", "--upstream", &url]);
    let (code, output, errors) = run(verify.env("AIMLAPI_KEY", KEY));
    assert_eq!(
        output,
        format!(
            "generate-image/add-bird: same\n\
             generate-image/combine-two-images: same\n\
             2 recordings verified against {url}: 2 same, 0 differ, 0 undecided\n"
        )
    );
    assert_eq!(code, Some(0));
    assert_eq!(
        errors,
        "requests for the upstream: 2 of 2, one at a time; images: 2; cost: \
         about 182000 credits, $0.09\n"
    );
    let mut verify = process::command(&["verify", "--upstream", &url, "--case", CASE]);
    let (code, output, _) = run(verify.env("AIMLAPI_KEY", KEY));
    assert_eq!(code, Some(0));
    assert!(
        output.starts_with("generate-image/add-bird: same\n1 recording "),
        "{output}"
    );
}

#[test]
fn sends_recorded_request_and_ignores_value_changes() {
    let folder = Folder::with_add_bird();
    let mut live = recorded(&folder);
    live["seed"] = 2.into();
    live["prompt"] = "other".into();
    live["timings"] = json!({"inference": 0.5});
    let upstream = Upstream::json(200, live.to_string());
    let (code, report) = verify(&upstream, &folder);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(
        report["recordings"],
        json!([{"recording": CASE, "verdict": "same", "drift": [], "reason": null}])
    );
    let [request] = &upstream.received()[..] else {
        panic!("{:?}", upstream.received());
    };
    assert!(
        request
            .head
            .starts_with(&format!("POST {PATH} HTTP/1.1\r\n"))
    );
    assert_eq!(request.body, folder.read(&format!("{CASE}/request.json")));
    assert_eq!(
        request.header("authorization"),
        Some(&*format!("Bearer {KEY}"))
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[test]
fn names_drift_in_shape() {
    let folder = Folder::with_add_bird();
    let mut live = recorded(&folder);
    let image = &mut live["images"][0];
    image["width"] = Value::Null;
    image["height"] = "220".into();
    image.as_object_mut().unwrap().remove("file_name");
    live["quality"] = "high".into();
    live["has_nsfw_concepts"] = json!([]);
    let upstream = Upstream::json(200, live.to_string());
    let (code, report) = verify(&upstream, &folder);
    assert_eq!(code, Some(1), "{report}");
    let drift = |pointer: &str, recorded: &str, live: &str| json!({"pointer": pointer, "recorded": recorded, "live": live});
    assert_eq!(
        report["recordings"][0],
        json!({
            "recording": CASE,
            "verdict": "differs",
            "drift": [
                drift("/has_nsfw_concepts/*", "a boolean", "nothing"),
                drift("/images/*/file_name", "null", "nothing"),
                drift("/images/*/height", "a number", "a string"),
                drift("/images/*/width", "a number", "null"),
                drift("/quality", "nothing", "a string"),
            ],
            "reason": null,
        })
    );
    let (code, output, _) = run(&mut command(&upstream.url(), &folder, &[]));
    assert_eq!(code, Some(1));
    for part in [
        "generate-image/add-bird: differs\n",
        "\n  /images/*/width: recorded is a number, now it is null\n",
        ": 0 same, 1 differ, 0 undecided\n",
    ] {
        assert!(output.contains(part), "{part} in {output}");
    }
}

#[test]
fn compares_status_and_media_type() {
    let folder = Folder::with_add_bird();
    let upstream = Upstream::start(|_, stream| {
        respond(
            stream,
            404,
            &[("content-type", "text/html; charset=utf-8")],
            b"<html>",
        );
    });
    let (code, report) = verify(&upstream, &folder);
    assert_eq!(code, Some(1));
    assert_eq!(
        report["recordings"][0]["drift"],
        json!([
            {"pointer": "status", "recorded": "200", "live": "404"},
            {"pointer": "content-type", "recorded": "application/json", "live": "text/html"},
            {"pointer": "", "recorded": "JSON", "live": "no JSON"},
        ])
    );
}

/// Checks that the verdict is undecided, with this reason.
fn check_undecided(upstream: &Upstream, folder: &Folder, reason: &str) {
    let (code, report) = verify(upstream, folder);
    assert_eq!(code, Some(2), "{report}");
    let verified = &report["recordings"][0];
    assert_eq!(verified["verdict"], "undecided");
    let found = verified["reason"].as_str().unwrap();
    assert!(found.contains(reason), "{found}");
}

#[test]
fn undecidable_answers_are_not_same() {
    let folder = Folder::with_add_bird();
    for (status, message) in [
        (401, "This request requires a valid API key."),
        (403, "You've run out of credits."),
        (429, "Too Many Requests"),
        (500, "Internal server error"),
        (503, "Service unavailable"),
    ] {
        let upstream = Upstream::json(status, error(status, message));
        check_undecided(&upstream, &folder, &format!("the server answered {status}"));
        check_undecided(&upstream, &folder, message);
    }
    check_undecided(
        &Upstream::start(|_, _| ()),
        &folder,
        "may have been charged",
    );
    let broken = Upstream::start(|_, stream| {
        respond(stream, 200, &[("content-length", "1000")], b"{");
    });
    check_undecided(&broken, &folder, "the answer broke off");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let (code, output, _) = run(&mut command(&url, &folder, &[]));
    assert_eq!(code, Some(2));
    assert!(output.contains("nothing was sent"), "{output}");
}

#[test]
fn unsendable_requests_are_undecided_and_not_sent() {
    let upstream = Upstream::json(200, "{}");
    let folder = Folder::with_add_bird();
    folder.edit(&format!("{CASE}/request.json"), |body| {
        body["image_url"] = "https://a.example/?sig=0123456789abcdef".into();
    });
    let mut redact = process::command(&["redact", "--recordings"]);
    assert_eq!(run(redact.arg(folder.path())).0, Some(0));
    check_undecided(&upstream, &folder, "its request was redacted");
    let folder = Folder::with_add_bird();
    folder.edit(&format!("{CASE}/recording.json"), |story| {
        story["status"] = 429.into()
    });
    check_undecided(
        &upstream,
        &folder,
        "the recorded status 429 is about the key",
    );
    assert_eq!(upstream.received().len(), 0);
    let (_, _, errors) = run(&mut command(&upstream.url(), &folder, &[]));
    assert!(
        errors.contains("upstream: 0 of") && errors.contains("images: 0;"),
        "{errors}"
    );
}

#[test]
fn rejected_key_stops_sending() {
    let upstream = Upstream::json(401, error(401, "no"));
    let mut verify = process::command(&["verify", "--upstream", &upstream.url()]);
    let (code, output, _) = run(verify.env("AIMLAPI_KEY", KEY));
    assert_eq!(code, Some(2));
    assert!(
        output.contains("it was not sent: the server had answered 401"),
        "{output}"
    );
    assert_eq!(upstream.received().len(), 1);
}

#[test]
fn redacted_values_are_no_drift() {
    let folder = Folder::with_add_bird();
    let live = recorded(&folder);
    let mut redact = process::command(&["redact", "--redact-pointer", "/images/0/width"]);
    redact.args(["--redact-pointer", "/seed"]);
    assert_eq!(
        run(redact.arg("--recordings").arg(folder.path())).0,
        Some(0)
    );
    assert!(recorded(&folder)["seed"].is_string());
    let upstream = Upstream::json(200, live.to_string());
    let (code, report) = verify(&upstream, &folder);
    assert_eq!(code, Some(0), "{report}");
}

#[test]
fn does_not_start_without_key_origin_or_recording() {
    let folder = Folder::with_add_bird();
    let upstream = Upstream::json(200, "{}");
    let mut without = command(&upstream.url(), &folder, &[]);
    let mut empty = command(&upstream.url(), &folder, &[]);
    for (command, part) in [
        (without.env_remove("AIMLAPI_KEY"), "set AIMLAPI_KEY"),
        (empty.env("AIMLAPI_KEY", ""), "set AIMLAPI_KEY"),
        (
            &mut command("http://api.example", &folder, &[]),
            "is plain http",
        ),
        (
            &mut command(&upstream.url(), &folder, &["--case", "generate-image/none"]),
            "no recording is called generate-image/none",
        ),
        (
            &mut command(&upstream.url(), &Folder::empty(), &[]),
            "holds no recording",
        ),
    ] {
        let (code, output, errors) = run(command);
        assert_eq!((code, output.as_str()), (Some(2), ""));
        assert!(errors.contains(part), "{part} in {errors}");
    }
    assert_eq!(upstream.received().len(), 0);
}

#[test]
fn dry_run_shows_price_and_sends_nothing() {
    let folder = Folder::with_add_bird();
    let upstream = Upstream::json(200, recorded(&folder).to_string());
    let mut dry = command(&upstream.url(), &folder, &["--dry-run"]);
    let (code, output, errors) = run(dry.env_remove("AIMLAPI_KEY"));
    assert_eq!((code, &*errors), (Some(0), ""));
    assert_eq!(
        output,
        "requests for the upstream: 1 of 1, one at a time; images: 1; cost: \
         about 91000 credits, $0.05; nothing was sent\n"
    );
    let more = ["--dry-run", "--format", "json"];
    let (code, output, _) = run(&mut command(&upstream.url(), &folder, &more));
    assert_eq!(code, Some(0));
    assert_eq!(
        serde_json::from_str::<Value>(&output).unwrap(),
        json!({
            "format": 1, "recordings": 1, "requests": 1, "images": 1, "credits": 91000,
            "usd": 0.0455,
        })
    );
    assert!(upstream.received().is_empty());
}

/// Runs a command in a pseudoterminal with this input; returns its exit code and its
/// output.
#[cfg(target_os = "linux")]
fn on_a_terminal(command: &mut Command, typed: &str) -> (Option<i32>, String) {
    use rustix::{
        fs::{Mode, OFlags, open},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };
    use std::{
        fs::File,
        io::{Read as _, Write as _},
    };

    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let program = File::from(open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap());
    command.stdin(program.try_clone().unwrap());
    command.stdout(program.try_clone().unwrap()).stderr(program);
    let mut child = command.spawn().unwrap();
    // Only the child keeps the other end open, so that it closes when the child exits.
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    let mut terminal = File::from(terminal);
    terminal.write_all(typed.as_bytes()).unwrap();
    let mut shown = Vec::new();
    // Reading a closed terminal is an error.
    let _ = terminal.read_to_end(&mut shown);
    let shown = String::from_utf8(shown).unwrap();
    (child.wait().unwrap().code(), shown)
}

#[cfg(target_os = "linux")]
#[test]
fn terminal_asks_before_paid_requests() {
    let folder = Folder::with_add_bird();
    let upstream = Upstream::json(200, recorded(&folder).to_string());
    for (typed, more, code, sent) in [
        ("n\n", &[][..], 2, 0),
        ("\n", &[], 2, 0),
        ("y\n", &[], 0, 1),
        ("", &["--yes"], 0, 2),
    ] {
        let mut verify = command(&upstream.url(), &folder, more);
        let (found, shown) = on_a_terminal(&mut verify, typed);
        assert_eq!(found, Some(code), "{typed:?}: {shown}");
        assert_eq!(upstream.received().len(), sent, "{typed:?}");
        let asked = shown.contains("Send the requests? [y/N]");
        assert_eq!(asked, more.is_empty(), "{shown}");
    }
}

#[test]
fn upstream_may_have_base_path() {
    let folder = Folder::with_add_bird();
    let upstream = Upstream::json(200, recorded(&folder).to_string());
    let url = format!("{}/gateway/images/", upstream.url());
    let (code, output, errors) = run(&mut command(&url, &folder, &[]));
    assert_eq!(code, Some(0), "{output}{errors}");
    let head = &upstream.received()[0].head;
    assert!(
        head.starts_with(&format!("POST /gateway/images{PATH} ")),
        "{head}"
    );
    // The path may be secret.
    assert!(!output.contains("gateway") && !errors.contains("gateway"));
}
