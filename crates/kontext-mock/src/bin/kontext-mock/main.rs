//! The mock's command line.

mod args;
mod output;
mod serve;
mod tools;

use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    match args::parse() {
        Command::Serve(arguments) => serve::serve_command(arguments),
        Command::Check(arguments) => tools::check_command(&arguments),
        Command::List(arguments) => tools::list_command(&arguments),
        Command::Record(arguments) => serve::record_command(arguments),
        Command::Redact(arguments) => tools::redact_command(&arguments),
        Command::Verify(arguments) => tools::verify_command(&arguments),
        Command::Health(arguments) => tools::health_command(&arguments),
    }
}
