//! The command line of the mock: `serve`, `check` and `list`.

mod check;
mod command_line;
mod list;
mod output;
mod port_file;
mod serve;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use command_line::{Arguments, Command};

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
    }
}
