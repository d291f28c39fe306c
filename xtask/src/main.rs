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
    /// The checkout to work in [default: the one that contains the current folder].
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
    /// On any problem no file changes. Exit codes: 0 done or current, 1 stale
    /// (with --check), 2 failed.
    Codegen {
        /// Write nothing; print the difference to stale files.
        #[arg(long)]
        check: bool,
    },
    /// Imports a page of the provider with its OpenAPI document and sample exchanges,
    /// reports contradictions, and runs codegen.
    ///
    /// A page that is already there is updated. Exit codes: 0 done; 1 done, but
    /// contradictions are not acknowledged or codegen failed; 2 failed, and no file
    /// changed.
    Import(import::Arguments),
    /// Compares two OpenAPI 3.0 documents and says which changes break existing
    /// clients, our generated client and recordings.
    ///
    /// Exit codes: 1 a finding fails the comparison (see --fail-on); otherwise 2
    /// something is undecided (unless --undecided-ok) or could not be read; otherwise 0.
    /// Effects on the generated client and on recordings do not change the exit code.
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
        // It works on the files that it is given, wherever they are.
        Command::Drift(arguments) => drift::run(&arguments),
        Command::Import(arguments) => in_workspace(root, |root| import::run(root, &arguments)),
        Command::Codegen { check } => in_workspace(root, |root| codegen::run(root, check)),
        Command::Ci => in_workspace(root, ci::run),
    }
}

fn in_workspace(root: Option<PathBuf>, run: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    match root.or_else(workspace::root) {
        Some(root) => run(&root),
        None => {
            anstream::eprintln!(
                "error: the current folder is in no checkout of this project; run \
                 `cargo xtask` in one, or pass --root"
            );
            ExitCode::from(2)
        }
    }
}
