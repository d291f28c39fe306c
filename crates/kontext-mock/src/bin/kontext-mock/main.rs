//! The command line of the mock.

mod check;
mod command_line;
mod key;
mod list;
mod output;
mod port_file;
mod record;
mod redact;
mod serve;
mod signals;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use command_line::{Arguments, Command};

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Record(arguments) => record::run(arguments),
        Command::Redact(arguments) => redact::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
    }
}
