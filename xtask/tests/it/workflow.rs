//! Runs the script of the example workflow on a local server and a local repository.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use tempfile::TempDir;

use crate::support::{Run, Workspace};

/// Serves a text at `/page.md` and returns its URL.
fn serve(text: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let lines = BufReader::new(&connection).lines().map(Result::unwrap);
            let is_found = lines
                .take_while(|line| !line.is_empty())
                .any(|line| line.contains("/page.md "));
            let status = if is_found { "200 OK" } else { "404 Not Found" };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                text.len()
            );
            connection.write_all(head.as_bytes()).unwrap();
            connection.write_all(text.as_bytes()).unwrap();
        }
    });
    format!("http://{address}/page.md")
}

fn git(folder: &Path, arguments: &str) -> String {
    let run = Run::of(
        Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments.split(' ')),
    );
    assert_eq!(run.code, 0, "git {arguments}: {}", run.stderr);
    run.stdout
}

/// A repository with an imported page, a remote, and a fake `gh` that saves the text of
/// each pull request.
struct Repository {
    workspace: Workspace,
    outside: TempDir,
}

impl Repository {
    fn new() -> Self {
        let workspace = Workspace::new();
        let outside = TempDir::new().unwrap();
        let root = workspace.path("");
        workspace.run(&["import", &page_file()]);
        git(&root, "init --quiet --initial-branch main");
        git(&root, "config user.name test");
        git(&root, "config user.email test@example.com");
        git(&root, "add --all");
        git(&root, "commit --quiet --message start");
        git(outside.path(), "init --quiet --bare remote");
        git(
            &root,
            &format!(
                "remote add origin {}",
                outside.path().join("remote").display()
            ),
        );
        let gh = outside.path().join("gh");
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\n[ \"$2\" != view ] || { test -f pr; exit; }\n\
            echo \"$2\" >>pr\nwhile [ \"$1\" != --body-file ]; do shift; done\ncp \"$2\" body.md\n";
        fs::write(&gh, script).unwrap();
        assert_eq!(Run::of(Command::new("chmod").arg("+x").arg(&gh)).code, 0);
        Self { workspace, outside }
    }

    fn update(&self, url: &str) -> Run {
        let path = format!(
            "{}:{}",
            self.outside.path().display(),
            std::env::var("PATH").unwrap()
        );
        let xtask = format!("{} --root .", env!("CARGO_BIN_EXE_xtask"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/update-page.sh");
        let mut command = Command::new("sh");
        command
            .arg(script)
            .arg(url)
            .env("PATH", path)
            .env("XTASK", xtask);
        Run::of(command.current_dir(self.workspace.path("")))
    }

    fn kept(&self, file: &str) -> String {
        fs::read_to_string(self.outside.path().join(file)).unwrap_or_default()
    }
}

fn page_file() -> String {
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../openapi/pages/flux-kontext-pro-image-to-image.md"
    )
    .to_owned()
}

#[test]
fn changed_page_opens_pull_request_with_drift() {
    let repository = Repository::new();
    let page = fs::read_to_string(page_file()).unwrap();
    let same = repository.update(&serve(page.clone()));
    assert_eq!(
        (same.code, repository.kept("pr")),
        (0, String::new()),
        "{}{}",
        same.stdout,
        same.stderr
    );
    assert!(
        same.stdout.ends_with("nothing changed\n"),
        "{}",
        same.stdout
    );
    for (change, expected) in [
        ("\"maxLength\":400,", "create\n"),
        ("\"maxLength\":300,", "create\nedit\n"),
    ] {
        git(&repository.workspace.path(""), "checkout --quiet main");
        let run = repository.update(&serve(page.replace("\"maxLength\":4000,", change)));
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(repository.kept("pr"), expected);
    }
    let body = repository.kept("body.md");
    for text in [
        "maxLength",
        "300",
        "<summary>Report of the import</summary>",
        "\npage.md:33: name: ",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
    let pushed = git(
        &repository.outside.path().join("remote"),
        "show --name-only import/page",
    );
    assert!(
        pushed.contains("openapi/published/flux-kontext-pro-image-to-image.json"),
        "{pushed}"
    );
}

#[test]
fn missing_or_invalid_page_opens_no_pull_request() {
    let repository = Repository::new();
    let url = serve("no page".to_owned());
    for url in [&url.replace("page.md", "gone.md"), &url] {
        let run = repository.update(url);
        assert_ne!(run.code, 0, "{}", run.stdout);
        assert_eq!(
            git(&repository.workspace.path(""), "status --porcelain"),
            ""
        );
    }
    assert_eq!(repository.kept("pr"), "");
}
