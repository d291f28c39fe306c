//! The binary: its output and its exit codes.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    folders::Folder,
    http::{self, PATH, add_bird_with, post, send},
    log::stable,
    process::{self, Process, command},
};

pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    process::run(&mut command(arguments))
}

#[cfg(unix)]
#[test]
fn serves_until_signal_and_logs_no_secrets() {
    for signal in ["TERM", "INT"] {
        let serving = Process::serve(&mut command(&["serve", "--listen", "127.0.0.1:0"]));
        let headers = [
            ("authorization", "Bearer s3cret"),
            ("content-type", "application/json"),
        ];
        let body = add_bird_with(json!({"prompt": "Add a cat."}));
        let answer = send(serving.address, "POST", PATH, &headers, body.as_bytes());
        assert_eq!(
            answer.found(),
            (Some("nearest"), Some("generate-image/add-bird"))
        );
        post(serving.address, add_bird_with(json!({})));
        post(serving.address, "{");
        send(serving.address, "GET", "/__mock/health", &[], b"");
        let (status, errors) = serving.end_by(signal);
        assert_eq!(status.code(), Some(0), "{errors}");
        let lines: Vec<_> = errors.lines().collect();
        let requests: Vec<_> = lines[..3].iter().map(|line| stable(line)).collect();
        assert_eq!(
            requests,
            [
                format!(
                    "POST {PATH} 200 match=nearest recording=generate-image/add-bird differs: \
                     /prompt: expected \"Add a bird to the foreground of the photo.\", \
                     received \"Add a cat.\""
                ),
                format!("POST {PATH} 200 match=exact recording=generate-image/add-bird"),
                format!("POST {PATH} 400 error=not-json"),
            ]
        );
        assert_eq!(
            lines[3..],
            ["unused recordings: generate-image/combine-two-images"]
        );
    }
}

#[cfg(unix)]
#[test]
fn half_sent_request_does_not_delay_shutdown() {
    let serving = Process::serve(&mut command(&["serve", "--listen", "127.0.0.1:0"]));
    let mut stream = http::connect(serving.address);
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: mock\r\ncontent-length: 5\r\n\r\n1"
    )
    .unwrap();
    let (status, _) = serving.end_by("TERM");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn options_reach_server() {
    let folder = Folder::with_add_bird();
    let serving = Process::serve(&mut command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--match",
        "strict",
        "--body-limit",
        "300",
        "--recordings",
        folder.path().to_str().unwrap(),
    ]));
    let body = add_bird_with(json!({"prompt": "x"}));
    assert_eq!(post(serving.address, body).found().0, Some("miss"));
    assert_eq!(post(serving.address, " ".repeat(301)).status, 413);
}

#[test]
fn key_is_required_when_set_and_never_printed() {
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    let servings = [
        Process::serve(command(&listen).args(["--key", "s3cret"])),
        Process::serve(command(&listen).env("KONTEXT_MOCK_KEY", "s3cret")),
    ];
    for serving in servings {
        let headers = [
            ("authorization", "Bearer s3cret"),
            ("content-type", "application/json"),
        ];
        let body = add_bird_with(json!({}));
        let answer = send(serving.address, "POST", PATH, &headers, body.as_bytes());
        assert_eq!(answer.status, 200);
        assert_eq!(post(serving.address, body).status, 401);
        #[cfg(unix)]
        assert!(!serving.end_by("TERM").1.contains("s3cret"));
    }
    let help = command(&["serve", "--help"])
        .env("KONTEXT_MOCK_KEY", "s3cret")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("KONTEXT_MOCK_KEY") && !help.contains("s3cret"),
        "{help}"
    );
    let (code, _, errors) = run(&["serve", "--key", ""]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("--key <KEY>"), "{errors}");
}

#[test]
fn port_in_use_is_reported() {
    let serving = Process::serve(&mut command(&["serve", "--listen", "127.0.0.1:0"]));
    let address = serving.address.to_string();
    let (code, output, errors) = run(&["serve", "--listen", &address]);
    assert_eq!((code, output.as_str()), (Some(2), ""));
    assert!(
        errors.starts_with(&format!(
            "error: cannot listen on {address}; choose another address, or port 0 for a free one: "
        )),
        "{errors}"
    );
}

#[test]
fn wrong_arguments_exit_with_2_and_help_with_0() {
    for arguments in [
        &[][..],
        &["nothing"],
        &["serve", "--match", "best"],
        &["serve", "--listen", "4010"],
        &["serve", "--body-limit", "-1"],
        &["check", "--format", "xml"],
    ] {
        let (code, output, errors) = run(arguments);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains("--help"), "{errors}");
    }
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("Exit codes: 0 stopped or clean"), "{help}");
    assert_eq!(run(&["--version"]).0, Some(0));
}

#[test]
fn check_lists_violations_and_exits_with_1() {
    let (code, output, errors) = run(&["check"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(
        output.ends_with("2 recordings checked against the contract: no disagreement\n"),
        "{output}"
    );
    let folder = Folder::with_add_bird();
    folder.edit("generate-image/add-bird/response.json", |body| {
        body["new"] = 1.into()
    });
    folder.edit("generate-image/add-bird/recording.json", |story| {
        let contract = kontext_mock::Contract::embedded().unwrap();
        story["contract_sha256"] = contract.operations().next().unwrap().sha256().into();
    });
    let name = folder.path().to_str().unwrap();
    let (code, output, errors) = run(&["check", "--recordings", &format!("{name}/")]);
    assert_eq!((code, errors.as_str()), (Some(1), ""));
    assert_eq!(
        output,
        format!(
            "{name}/generate-image/add-bird/response.json /new\n  \
             the contract of the response 200 of generate-image expects no such key \
             (it is unknown to the contract); recorded is 1\n  \
             next: correct the recording, or the contract with an overlay if the provider does \
             answer this\n\
             1 recording checked against the contract: 1 disagreement\n"
        )
    );
    let (code, output, _) = run(&["check", "--recordings", name, "--format", "json"]);
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!(
        (&report["format"], &report["recordings"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(report["disagreements"][0]["pointer"], "/new");
    assert_eq!(
        report["disagreements"][0]["recording"],
        "generate-image/add-bird"
    );
    assert_eq!(report["notes"], json!([]));
    let (code, output, errors) = run(&["serve", "--listen", "127.0.0.1:0", "--recordings", name]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(errors.contains("response.json /new\n"), "{errors}");
}

#[test]
fn unreadable_recordings_exit_with_2() {
    let folder = Folder::with_add_bird();
    folder.write("generate-image/add-bird/recording.json", "{");
    let name = folder.path().to_str().unwrap();
    for first in ["serve", "check", "list"] {
        let (code, output, errors) = run(&[first, "--recordings", name]);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{first}");
        assert!(
            errors.contains(&format!(
                "{name}/generate-image/add-bird/recording.json, line 1, column 1: "
            )),
            "{errors}"
        );
    }
}

#[test]
fn list_shows_recordings() {
    let (code, output, _) = run(&["list"]);
    assert_eq!(code, Some(0));
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        lines[0],
        "generate-image/add-bird  200  Add a bird to the foreground of a photo."
    );
    assert!(
        lines[1].starts_with(&format!("    POST {PATH} {{ \"model\": ")),
        "{}",
        lines[1]
    );
}

#[test]
fn closed_stdout_does_not_panic() {
    for arguments in [&["list"][..], &["check"], &["check", "--format", "json"]] {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stderr, b"");
    }
}

#[test]
fn empty_variables_are_unset_and_others_set_options() {
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    let mut empty = command(&listen);
    for name in [
        "KEY",
        "MATCH",
        "PORT",
        "FAULT",
        "RECORDINGS",
        "QUIET",
        "SEED",
    ] {
        empty.env(format!("KONTEXT_MOCK_{name}"), "");
    }
    let serving = Process::serve(&mut empty);
    assert_eq!(post(serving.address, add_bird_with(json!({}))).status, 200);
    let mut set = command(&["serve"]);
    set.env("KONTEXT_MOCK_PORT", "0")
        .env("KONTEXT_MOCK_MATCH", "strict")
        .env("KONTEXT_MOCK_FAULT", "status=503,times=1;429,times=1");
    let serving = Process::serve(&mut set);
    let statuses = [(); 3].map(|()| post(serving.address, add_bird_with(json!({}))).status);
    assert_eq!(statuses, [503, 429, 200]);
    let other = add_bird_with(json!({"prompt": "x"}));
    assert_eq!(post(serving.address, other).found().0, Some("miss"));
    // The command line takes precedence over the environment.
    let mut both = command(&["serve", "--port", "0", "--match", "nearest"]);
    both.env("KONTEXT_MOCK_MATCH", "strict");
    let serving = Process::serve(&mut both);
    let other = add_bird_with(json!({"prompt": "x"}));
    assert_eq!(post(serving.address, other).found().0, Some("nearest"));
    // The error names the invalid value of a variable.
    let wrong = command(&["serve"])
        .env("KONTEXT_MOCK_MATCH", "best")
        .output();
    let wrong = wrong.unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("best"));
}

#[test]
fn variables_of_repeatable_options_take_several_values() {
    for ignore in ["/seed,/prompt", "/seed, /prompt,", "/seed\n/prompt\r\n"] {
        let mut serve = command(&["serve", "--port", "0"]);
        let serving = Process::serve(serve.env("KONTEXT_MOCK_IGNORE", ignore));
        let other = add_bird_with(json!({"prompt": "x", "seed": 1}));
        let answer = post(serving.address, other);
        assert_eq!(answer.found().0, Some("exact"), "{ignore:?}");
        let ignored = answer.header("x-kontext-ignored");
        assert_eq!(ignored, Some("/seed, /prompt"));
    }
    let mut serve = command(&["serve", "--port", "0"]);
    let faults = "503,times=1\n429=7,times=1; status=500,times=1";
    let serving = Process::serve(serve.env("KONTEXT_MOCK_FAULT", faults));
    let statuses = [(); 4].map(|()| post(serving.address, add_bird_with(json!({}))).status);
    assert_eq!(statuses, [503, 429, 500, 200]);
    let upstream = "http://127.0.0.1:9";
    let output = command(&["verify", "--dry-run", "--upstream", upstream])
        .env(
            "KONTEXT_MOCK_CASE",
            "generate-image/add-bird,generate-image/combine-two-images",
        )
        .output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(output.contains("upstream: 2 of 2"), "{output}");
    // Commas are part of regular expressions.
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let output = command(&["record", "--upstream", upstream, "--recordings", path])
        .env("KONTEXT_MOCK_REDACT_PATTERN", "ab{1,2}\n(c")
        .output();
    let errors = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(errors.contains("the pattern \"(c\""), "{errors}");
}

#[test]
fn missing_folder_is_the_only_thing_said() {
    let output = command(&["serve", "--port", "0", "--recordings", "nosuch"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        errors,
        "error: the recordings cannot be read:\n  nosuch: cannot be read: No such file or directory \
         (os error 2); name a folder of recordings that can be read\n"
    );
}

#[test]
fn localhost_listens_on_ipv4_and_ipv6() {
    let serving = Process::serve(&mut command(&[
        "serve",
        "--listen",
        "localhost:0",
        "--quiet",
    ]));
    let port = serving.address.port();
    assert!(serving.address.is_ipv4());
    assert_eq!(post(serving.address, add_bird_with(json!({}))).status, 200);
    // Some machines have no IPv6.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let other = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
        assert_eq!(post(other, add_bird_with(json!({}))).status, 200);
        let (_, errors) = serving.end_by("TERM");
        assert!(
            errors.contains(&format!("also listening on http://[::1]:{port}\n")),
            "{errors}"
        );
    }
}

#[test]
fn ineffective_fail_on_miss_warns_at_start() {
    for (mode, is_said) in [("nearest", true), ("generate", true), ("strict", false)] {
        let arguments = ["serve", "--port", "0", "--fail-on-miss", "--match", mode];
        let serving = Process::serve(&mut command(&arguments));
        let (status, errors) = serving.end_by("TERM");
        assert_eq!(status.code(), Some(0));
        let warning = format!("--fail-on-miss never fails with --match {mode}");
        assert_eq!(errors.contains(&warning), is_said, "{errors}");
    }
}

#[test]
fn generate_mode_needs_no_recordings() {
    let folder = Folder::empty();
    let name = folder.path().to_str().unwrap();
    let arguments = [
        "serve",
        "--port",
        "0",
        "--recordings",
        name,
        "--match",
        "generate",
    ];
    let serving = Process::serve(&mut command(&arguments));
    let answer = post(serving.address, add_bird_with(json!({})));
    assert_eq!((answer.status, answer.found().0), (200, Some("generated")));
    let reload = send(
        serving.address,
        "POST",
        "/__mock/recordings/reload",
        &[],
        b"",
    );
    assert_eq!(reload.json()["recordings"], 0);
    let (code, _, errors) = run(&["serve", "--port", "0", "--recordings", name]);
    assert_eq!(code, Some(2), "{errors}");
}

#[test]
fn health_command_checks_whether_mock_is_up() {
    let serving = Process::serve(&mut command(&["serve", "--port", "0"]));
    let url = format!("http://{}", serving.address);
    let (code, output, _) = run(&["health", &url]);
    assert_eq!(code, Some(0));
    let health: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(health["status"], "ok");
    serving.end_by("TERM");
    let (code, output, errors) = run(&["health", &url]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(errors.starts_with(&format!("error: {url}: ")), "{errors}");
    assert_eq!(run(&["health", "nonsense"]).0, Some(1));
    // Another server is not a mock.
    let other = crate::upstream::Upstream::json(200, "{}");
    assert_eq!(run(&["health", &other.url()]).0, Some(1));
}

/// Runs the container's command and health check with its variables, but without a
/// container.
#[test]
fn container_recipe_serves_and_is_healthy() {
    let recipe = include_str!("../../Dockerfile");
    let after = |start: &str| {
        let mut lines = recipe.lines().filter_map(|line| line.split_once(start));
        lines.next_back().unwrap().1
    };
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap();
    assert_eq!(list(after("ENTRYPOINT ")), ["/kontext-mock"]);
    let (name, value) = after("ENV ").split_once('=').unwrap();
    assert_eq!(value, "0.0.0.0:4010");
    // Another port, because this one may be in use.
    let mut serve = Command::new(env!("CARGO_BIN_EXE_kontext-mock"));
    serve.args(list(recipe.rsplit_once("\nCMD ").unwrap().1.trim()));
    let serving = Process::serve(serve.env(name, "127.0.0.1:0"));
    let check = list(after(" CMD "));
    assert_eq!(check[0], "/kontext-mock");
    let arguments = check[1..]
        .iter()
        .map(|argument| argument.replace("127.0.0.1:4010", &serving.address.to_string()));
    let arguments: Vec<_> = arguments.collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    assert_eq!(run(&arguments).0, Some(0));
}
