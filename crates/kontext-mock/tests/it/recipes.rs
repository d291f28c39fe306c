//! Runs the recipes of `docs/recipes.md` and the commands of the README as a user
//! would. If a program is not installed, the test is skipped with a message. The recipe
//! for `cargo test` is a test of the workspace.

use std::{
    env, fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::process::{Process, command};

const RECIPES: &str = include_str!("../../docs/recipes.md");
const README: &str = include_str!("../../README.md");

/// The code blocks of a language on a page, in order.
fn blocks(page: &'static str, language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let fences = page.split(&fence).skip(1);
    fences
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// A command for a program in a folder, with the mock on its `PATH`; `None` if the
/// program is not installed.
fn program(name: &str, probe: &[&str], folder: &Path) -> Option<Command> {
    let probed = Command::new(name).args(probe).output();
    if !probed.is_ok_and(|output| output.status.success()) {
        eprintln!("not run, because {name} {} fails here", probe.join(" "));
        return None;
    }
    let mock = Path::new(env!("CARGO_BIN_EXE_kontext-mock"))
        .parent()
        .unwrap();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([mock.to_owned()].into_iter().chain(env::split_paths(&path)));
    let mut command = Command::new(name);
    command.current_dir(folder).env("PATH", path.unwrap());
    // Ignore http proxies and a mock's key in the environment.
    for proxy in ["http_proxy", "HTTP_PROXY", "KONTEXT_MOCK_KEY"] {
        command.env_remove(proxy);
    }
    Some(command)
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Replacement for pytest if it is not installed.
const PYTEST: &str = r#"
import sys, types
sys.modules["pytest"] = types.SimpleNamespace(fixture=lambda **_: lambda function: function)
import conftest, test_edit
urls = conftest.mock_url()
test_edit.test_edit_pays_for_one_image(next(urls))
next(urls, None)
"#;

#[test]
fn pytest_recipe_passes() {
    let folder = TempDir::new().unwrap();
    let blocks = blocks(RECIPES, "python");
    for (name, text) in ["conftest.py", "test_edit.py"].into_iter().zip(&blocks) {
        assert!(text.starts_with(&format!("# {name}\n")));
        fs::write(folder.path().join(name), text).unwrap();
    }
    let Some(mut python) = program("python3", &["-c", "import requests"], folder.path()) else {
        return;
    };
    let has_pytest = Command::new("python3")
        .args(["-c", "import pytest"])
        .output();
    match has_pytest.unwrap().status.success() {
        true => succeeds(python.args(["-m", "pytest"])),
        false => succeeds(python.args(["-c", PYTEST])),
    };
    // The test fails if its expectation is wrong.
    let test = blocks[1].replace("== 1", "== 2");
    fs::write(folder.path().join("test_edit.py"), test).unwrap();
    assert!(!python.output().unwrap().status.success());
}

#[test]
fn node_recipe_passes() {
    let folder = TempDir::new().unwrap();
    let text = blocks(RECIPES, "javascript")[0];
    fs::write(folder.path().join("edit.test.mjs"), text).unwrap();
    let probe = [
        "-e",
        "process.exit(+process.versions.node.split('.')[0] < 20)",
    ];
    if let Some(mut node) = program("node", &probe, folder.path()) {
        let output = succeeds(node.arg("--test"));
        let output = String::from_utf8(output.stdout).unwrap();
        assert!(output.contains("pass 1"), "{output}");
    }
}

#[cfg(unix)]
#[test]
fn github_actions_recipe_passes_and_reports_misses() {
    let folder = TempDir::new().unwrap();
    let step = blocks(RECIPES, "yaml")[1].split_once("run: |\n").unwrap().1;
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url = format!("http://127.0.0.1:{port}");
    let step = step.replace("kontext-mock health", &format!("kontext-mock health {url}"));
    let run = |tests: &str| {
        let mut bash = program("bash", &["--version"], folder.path())?;
        let script = format!("pytest() {{ {tests}; }}\n{step}");
        let bash = bash.args(["-e", "-c", &script]);
        Some(
            bash.env("KONTEXT_MOCK_PORT", port.to_string())
                .output()
                .unwrap(),
        )
    };
    if let Some(output) = run("true") {
        assert!(output.status.success(), "{output:?}");
    }
    let missed = format!(
        "curl -s {url}/v1/images/generations -H 'authorization: Bearer k' -H \
         'content-type: application/json' -d '{{\"model\":\"flux/kontext-max/text-to-image\",\"prompt\":\"x\"}}'"
    );
    if let (Some(output), true) = (
        run(&missed),
        Command::new("curl").arg("-V").output().is_ok(),
    ) {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
}

#[test]
fn compose_files_set_existing_options_and_check_health() {
    let help = succeeds(Command::new(env!("CARGO_BIN_EXE_kontext-mock")).args(["serve", "--help"]));
    let help = String::from_utf8(help.stdout).unwrap();
    let dockerfile = include_str!("../../Dockerfile");
    for compose in [
        include_str!("../../compose.yaml"),
        blocks(RECIPES, "yaml")[0],
    ] {
        let check = compose
            .split_once("test: ")
            .unwrap()
            .1
            .lines()
            .next()
            .unwrap();
        let command = check.strip_prefix("[\"CMD\", ").unwrap();
        assert!(dockerfile.contains(&format!("CMD [{command}")), "{check}");
        for line in compose.lines() {
            let variable = line.trim().strip_prefix("KONTEXT_MOCK_");
            if let Some((name, _)) = variable.and_then(|rest| rest.split_once(':')) {
                let option = format!("--{}", name.to_lowercase().replace('_', "-"));
                assert!(help.contains(&option), "{line}");
            }
        }
    }
}

#[test]
fn readme_curl_commands_answer_as_shown() {
    let commands = blocks(README, "sh").into_iter();
    let commands: Vec<_> = commands.filter(|one| one.starts_with("curl ")).collect();
    let shown = blocks(README, "text")[0];
    assert_eq!(commands.len(), 2);
    for (text, shown) in commands.into_iter().zip(["HTTP/1.1 200 OK", shown]) {
        let server = Process::serve(&mut command(&["serve", "--port", "0"]));
        let text = text.replace("127.0.0.1:4010", &server.address.to_string());
        let Some(mut shell) = program("sh", &["-c", "curl --version"], Path::new(".")) else {
            return;
        };
        let output = succeeds(shell.args(["-c", &text]));
        let output = String::from_utf8(output.stdout).unwrap();
        for line in shown.lines() {
            assert!(output.contains(line), "{line}: {output}");
        }
    }
}

#[test]
fn readme_lists_every_option_of_serve_with_default_and_variable() {
    let help = succeeds(&mut command(&["serve", "--help"]));
    let help = String::from_utf8(help.stdout).unwrap();
    let table = README.split_once("## Configuration").unwrap().1;
    let table = table.split_once("\n## ").unwrap().0;
    let mut options = 0;
    for option in help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("--"))
    {
        let name = option.split([' ', ',']).next().unwrap();
        let row = table
            .lines()
            .find(|row| row.starts_with(&format!("| `--{name}")));
        let row = row.unwrap_or_else(|| panic!("--{name} is not in the README"));
        let variable = name.to_uppercase().replace('-', "_");
        assert!(row.contains(&format!("`KONTEXT_MOCK_{variable}`")), "{row}");
        // The help of an option ends with the default.
        let text = help.split_once(&format!("--{option}\n")).unwrap().1;
        let text = text.split("\n      --").next().unwrap();
        if let Some((_, default)) = text.split_once("[default: ") {
            let default = default.split(']').next().unwrap();
            assert!(row.contains(default), "{default}: {row}");
        }
        options += 1;
    }
    assert!(options > 15, "{help}");
    for word in README.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))) {
        let Some(name) = word
            .strip_prefix("KONTEXT_MOCK_")
            .filter(|name| !name.is_empty())
        else {
            continue;
        };
        let option = format!("--{}", name.to_lowercase().replace('_', "-"));
        assert!(README.contains(&format!("`{option}")), "{word}");
    }
}
