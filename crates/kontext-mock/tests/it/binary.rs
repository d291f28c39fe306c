//! The binary: what it prints, where, and its exit codes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    folders::Folder,
    http::{self, PATH, add_bird_with, post, send},
};

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kontext-mock"));
    command.args(arguments).env_remove("KONTEXT_MOCK_KEY");
    command
}

pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(arguments).output().unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

/// A binary that serves. It is killed when a test fails.
pub(crate) struct Serving {
    pub(crate) child: Child,
    output: BufReader<std::process::ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Serving {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("kontext-mock listening on http://")
            .and_then(|rest| rest.strip_suffix('\n'))
            .unwrap_or_else(|| panic!("{line:?}"))
            .parse()
            .unwrap();
        Self {
            child,
            output,
            address,
        }
    }

    /// Sends a signal, and returns how it ended and what it wrote on its
    /// standard error.
    pub(crate) fn stop(self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        self.wait()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line on standard output is all");
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (status, errors)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn it_serves_until_a_signal_and_logs_without_secrets() {
    for signal in ["TERM", "INT"] {
        let serving = Serving::start(&mut command(&["serve", "--listen", "127.0.0.1:0"]));
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
        let (status, errors) = serving.stop(signal);
        assert_eq!(status.code(), Some(0), "{errors}");
        assert_eq!(
            errors,
            format!(
                "POST {PATH} 200 match=nearest recording=generate-image/add-bird differs: \
                 /prompt: expected \"Add a bird to the foreground of the photo.\", \
                 received \"Add a cat.\"\n\
                 POST {PATH} 200 match=exact recording=generate-image/add-bird\n\
                 POST {PATH} 400 error=not-json\n\
                 recordings that answered no request: generate-image/combine-two-images\n"
            )
        );
    }
}

#[cfg(unix)]
#[test]
fn a_half_sent_request_does_not_hold_up_the_end() {
    let serving = Serving::start(&mut command(&["serve", "--listen", "127.0.0.1:0"]));
    let mut stream = http::connect(serving.address);
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: mock\r\ncontent-length: 5\r\n\r\n1"
    )
    .unwrap();
    let (status, _) = serving.stop("TERM");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn options_reach_the_server() {
    let folder = Folder::with_add_bird();
    let serving = Serving::start(&mut command(&[
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
fn a_key_is_required_by_option_or_environment_and_never_printed() {
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    let servings = [
        Serving::start(command(&listen).args(["--key", "s3cret"])),
        Serving::start(command(&listen).env("KONTEXT_MOCK_KEY", "s3cret")),
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
        assert!(!serving.stop("TERM").1.contains("s3cret"));
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
fn a_port_in_use_is_named() {
    let serving = Serving::start(&mut command(&["serve", "--listen", "127.0.0.1:0"]));
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
fn wrong_arguments_are_2_and_help_is_0() {
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
fn check_says_where_and_exits_with_1() {
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
fn recordings_that_cannot_be_read_are_2_for_every_command() {
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
fn list_names_what_there_is() {
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
fn standard_output_that_no_one_reads_is_no_panic() {
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
