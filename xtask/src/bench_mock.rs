//! `cargo xtask bench-mock`: the mock's numbers beside a bare axum server.

use std::{
    env,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use clap::Args;
use serde_json::Value;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Fewer requests and starts: rougher numbers, in less than a minute.
    #[arg(long)]
    quick: bool,

    /// Exit with 1 where a goal is missed.
    #[arg(long)]
    check: bool,

    /// Write the table as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Measure only these parts, such as `start,memory`; another name lists
    /// them.
    #[arg(long, value_name = "PARTS")]
    only: Option<String>,
}

/// Builds the benchmark and runs it; it prints the table itself.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> ExitCode {
    match measure(root, arguments) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(root: &Path, arguments: &Arguments) -> Result<ExitCode, String> {
    let benchmark = build(root)?;
    let mut command = Command::new(&benchmark);
    command.arg("--bench");
    if arguments.quick {
        command.arg("--quick");
    }
    if arguments.check {
        command.arg("--check");
    }
    if let Some(parts) = &arguments.only {
        command.args(["--only", parts]);
    }
    if let Some(file) = &arguments.json {
        command.arg("--json").arg(file);
    }
    let status = command
        .status()
        .map_err(|error| format!("{} cannot run: {error}", benchmark.display()))?;
    // A benchmark that was killed has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(2)))
}

/// Builds the benchmark, and returns where it is.
///
/// `cargo bench` would run it, too, but calls a missed goal a failed command.
fn build(root: &Path) -> Result<PathBuf, String> {
    // The cargo that runs this command, so that there is one toolchain.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).stderr(Stdio::inherit());
    command.args(["bench", "--package", "kontext-mock", "--bench", "load"]);
    command.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    if !io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    let output = command
        .output()
        .map_err(|error| format!("cargo cannot run: {error}"))?;
    if !output.status.success() {
        return Err("the benchmark cannot be built".to_owned());
    }
    executable(&output.stdout)
        .ok_or_else(|| "cargo does not say where the benchmark `load` is".to_owned())
}

/// Finds the benchmark among the messages of cargo, one JSON object per line.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| {
            message
                .pointer("/target/name")
                .is_some_and(|name| name == "load")
        })
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benchmark_is_found_among_the_messages_of_cargo() {
        let messages = br#"
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"kontext_mock"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"kontext-mock"},"executable":"/t/kontext-mock"}
{"reason":"compiler-artifact","target":{"kind":["bench"],"name":"load"},"executable":"/t/deps/load-1"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(executable(messages), Some(PathBuf::from("/t/deps/load-1")));
        assert_eq!(executable(b"warning: no JSON\n"), None);
    }
}
