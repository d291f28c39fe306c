//! The project's own commands: `cargo xtask <command>`.

mod ci;
mod codegen;
mod drift;
mod files;
mod import;
mod rust_version;
mod workspace;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 80)]
struct Arguments {
    /// The workspace to work in; by default the one this command is part of.
    #[arg(long, global = true, value_name = "FOLDER")]
    root: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Generates the client, the contract and the effective document from
    /// openapi/.
    ///
    /// All or nothing: on any problem no file changes. Exit codes: 0 done or
    /// current, 1 stale (with --check), 2 failed.
    Codegen {
        /// Write nothing; print what is stale as a diff.
        #[arg(long)]
        check: bool,
    },
    /// Takes a page of the provider: its OpenAPI document and its sample exchanges, and
    /// says what in them contradicts what. Then runs codegen.
    ///
    /// All or nothing. A page that is already there is updated. Exit codes: 0 done, 1
    /// done, with contradictions that nobody has acknowledged, or without codegen; 2
    /// failed, and no file was changed.
    Import(import::Arguments),
    /// Compares two OpenAPI 3.0 documents and says which changes break existing
    /// clients, our generated client and recordings.
    ///
    /// Exit codes: 1 a finding gates (see --fail-on); otherwise 2 something is
    /// undecided (unless --undecided-ok) or could not be read; otherwise 0. What
    /// happens to the generated client or to recordings does not gate.
    Drift(drift::Arguments),
    /// Runs everything that CI runs, in the same order.
    ///
    /// Exit codes: 0 all steps passed, 1 a step failed, 2 a step could not
    /// run.
    Ci,
}

fn main() -> ExitCode {
    let Arguments { root, command } = Arguments::parse();
    match command {
        // It works on the files that it is given, whichever workspace they are in.
        Command::Drift(arguments) => drift::run(&arguments),
        Command::Import(arguments) => in_workspace(root, |root| import::run(root, &arguments)),
        Command::Codegen { check } => in_workspace(root, |root| codegen::run(root, check)),
        Command::Ci => in_workspace(root, ci::run),
    }
}

fn in_workspace(root: Option<PathBuf>, run: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    match root.map_or_else(workspace::root, Ok) {
        Ok(root) => run(&root),
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
