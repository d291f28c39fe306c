//! `cargo xtask ci`: everything that CI runs, in one command.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use crate::rust_version;

/// One step: a name, a cargo command and its environment variables.
struct Step {
    name: &'static str,
    command: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// The steps, in order. Tests run before the steps that download more dependencies: on a
/// clean machine, a test that relies on a missing download then fails.
const STEPS: [Step; 9] = [
    Step {
        name: "format",
        command: &["fmt", "--all", "--check"],
        environment: &[],
    },
    Step {
        name: "generated files",
        command: &["xtask", "codegen", "--check"],
        environment: &[],
    },
    Step {
        // The README's test command. A changed or missing snapshot fails.
        name: "tests",
        command: &["test", "--workspace"],
        environment: &[("INSTA_UPDATE", "no")],
    },
    Step {
        name: "clippy",
        command: &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "clippy without TLS",
        command: &[
            "clippy",
            "--package",
            "kontext-api",
            "--no-default-features",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "clippy with native TLS",
        command: &[
            "clippy",
            "--package",
            "kontext-api",
            "--no-default-features",
            "--features",
            "native-tls",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "docs",
        command: &["doc", "--workspace", "--no-deps", "--locked"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
    Step {
        // Not advisories: their database isn't reachable from everywhere.
        name: "licences, bans, sources",
        command: &["deny", "check", "licenses", "bans", "sources"],
        environment: &[],
    },
    Step {
        // Local working trees are often dirty; CI's is clean. This step proves that a
        // package contains all of its files. Default features are skipped: their
        // dependencies take minutes to compile, and clippy has checked them.
        name: "packages",
        command: &[
            "package",
            "--package",
            "kontext-api",
            "--package",
            "kontext-recording",
            "--package",
            "kontext-mock",
            "--package",
            "openapi-drift",
            "--allow-dirty",
            "--no-default-features",
        ],
        environment: &[("CARGO_PROFILE_DEV_DEBUG", "false")],
    },
];

/// The outcome of a step.
enum Outcome {
    Passed,
    Failed,
    CouldNotRun(std::io::Error),
}

/// The name of the step that runs `rust_version::check`.
const RUST_VERSION: &str = "minimum Rust version";

/// Runs all steps, even after a failure, and reports each outcome at the end.
pub(crate) fn run(root: &Path) -> ExitCode {
    // The cargo that runs this command, so that all steps use one toolchain.
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let mut report = Vec::new();
    for step in &STEPS {
        anstream::eprintln!("\n==> {}: cargo {}", step.name, step.command.join(" "));
        let start = Instant::now();
        let outcome = run_step(&cargo, root, step);
        report.push((step.name, outcome, start.elapsed()));
    }
    anstream::eprintln!("\n==> {RUST_VERSION}");
    let start = Instant::now();
    let outcome = match rust_version::check(&cargo, root) {
        Ok(()) => Outcome::Passed,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            Outcome::Failed
        }
    };
    report.push((RUST_VERSION, outcome, start.elapsed()));
    anstream::eprintln!();
    let mut code = 0;
    for (name, outcome, time) in &report {
        let time = time.as_secs();
        match outcome {
            Outcome::Passed => anstream::eprintln!("passed         {time:>5} s  {name}"),
            Outcome::Failed => {
                code = code.max(1);
                anstream::eprintln!("failed         {time:>5} s  {name}");
            }
            Outcome::CouldNotRun(error) => {
                code = 2;
                anstream::eprintln!("could not run  {time:>5} s  {name}: {error}");
            }
        }
    }
    ExitCode::from(code)
}

fn run_step(cargo: &Path, root: &Path, step: &Step) -> Outcome {
    let status = Command::new(cargo)
        .args(step.command)
        .envs(step.environment.iter().copied())
        .current_dir(root)
        .status();
    match status {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(_) => Outcome::Failed,
        Err(error) => Outcome::CouldNotRun(error),
    }
}
