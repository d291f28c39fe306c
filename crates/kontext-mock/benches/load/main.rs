//! The mock's numbers, measured in one run beside a bare axum server with a
//! fixed answer, as a table with the goals.
//!
//! `cargo xtask bench-mock`, or `cargo bench -p kontext-mock --bench load --
//! [--quick] [--check] [--json FILE]`.
//!
//! The program starts itself again as the bare server and for the servers that
//! are embedded in one process; the mock that it measures is the binary that
//! was built with it.

mod bare;
mod comparison;
mod embedded;
mod exchange;
mod generator;
mod large;
mod many;
mod memory;
mod process;
mod start;
mod statistics;
mod system;
mod table;
mod template;
mod throughput;

use std::{
    error::Error as StdError,
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    thread,
};

use clap::{Parser, ValueEnum};
use tokio::sync::oneshot;

use table::{Outcome, Row, Table};

type Result<T> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

/// Measures the mock beside a bare axum server, and prints the numbers with
/// their goals.
#[derive(Debug, Parser)]
#[command(
    name = "load",
    after_help = "Exit codes: 0 measured, 1 a goal is missed (with --check), 2 something could \
                  not be measured."
)]
struct Arguments {
    /// Fewer requests and starts: rougher numbers, in less time.
    #[arg(long)]
    quick: bool,

    /// Exit with 1 where a goal is missed.
    #[arg(long)]
    check: bool,

    /// Write the table as JSON, too. Under `cargo bench` the path is taken from
    /// the package's folder.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Measure only these parts.
    #[arg(long, value_name = "PART", value_enum, value_delimiter = ',')]
    only: Vec<Part>,

    /// Cargo says so to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,

    /// What this process is to be for another one of this program.
    #[arg(long, hide = true, value_enum)]
    role: Option<Role>,

    /// How many threads the bare server has; 0 is one per processor.
    #[arg(long, hide = true, default_value_t = 0)]
    workers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    Bare,
    Embedded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Throughput,
    Start,
    Embedded,
    Memory,
    Large,
    Many,
    Stop,
}

impl Part {
    /// What it is called on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Start => "start",
            Self::Embedded => "embedded",
            Self::Memory => "memory",
            Self::Large => "large",
            Self::Many => "many",
            Self::Stop => "stop",
        }
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// How many times two servers are loaded in turn.
    pairs: usize,
    /// How many requests a server gets each time.
    requests: u64,
    /// How many times a process is started, or stopped.
    starts: usize,
    /// How many processes embed a hundred servers.
    embedding: usize,
    /// How many times each large body is sent.
    bodies: usize,
}

const FULL: Effort = Effort {
    pairs: 9,
    requests: 50_000,
    starts: 30,
    embedding: 7,
    bodies: 9,
};

const QUICK: Effort = Effort {
    pairs: 5,
    requests: 10_000,
    starts: 10,
    embedding: 3,
    bodies: 3,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        Some(Role::Bare) => bare::run(arguments.workers),
        Some(Role::Embedded) => embedded::run(),
        None if arguments.bench => orchestrate(&arguments),
        // `cargo test --benches` asks whether the benchmarks run, not for numbers.
        None => {
            say("nothing is measured without `cargo bench`\n");
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr().lock(), "error: {error}");
        ExitCode::from(2)
    })
}

/// Measures on a thread of its own, and ends what was started when this
/// process is told to stop.
fn orchestrate(arguments: &Arguments) -> Result<ExitCode> {
    let effort = if arguments.quick { QUICK } else { FULL };
    let only = arguments.only.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (done, measured) = oneshot::channel();
    let stopping = {
        let _inside = runtime.enter();
        stop_signal()?
    };
    let measuring = thread::spawn(move || {
        let _ = done.send(measure(effort, &only));
    });
    let table = runtime.block_on(async {
        tokio::select! {
            table = measured => table.map_err(|_| "the measurement ended early".into()),
            () = stopping => {
                // What is being measured fails now, and cleans up on its way out.
                process::stop_all();
                Err::<_, Box<dyn StdError + Send + Sync>>("stopped by a signal".into())
            }
        }
    });
    let _ = measuring.join();
    let table = table?;
    say(&table.to_string());
    if let Some(file) = &arguments.json {
        fs::write(file, table.to_json())
            .map_err(|error| format!("{}: cannot be written: {error}", file.display()))?;
    }
    Ok(match table.outcome() {
        Outcome::Missed if arguments.check => ExitCode::from(1),
        Outcome::Undecided if arguments.check => ExitCode::from(2),
        _ if table.has_failed() => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    })
}

fn measure(effort: Effort, only: &[Part]) -> Table {
    let mut table = Table::new(format!(
        "{}; each ratio is the median of {} pairs of {} requests, taken in turn, with the least and the greatest",
        system::describe(),
        effort.pairs,
        statistics::grouped(effort.requests as f64, 0),
    ));
    let parts: Vec<&Part> = Part::value_variants()
        .iter()
        .filter(|part| only.is_empty() || only.contains(part))
        .collect();
    for (index, part) in parts.iter().enumerate() {
        progress(part.name(), index + 1, parts.len());
        let rows = match part {
            Part::Start => start::process(effort),
            Part::Embedded => start::embedded(effort),
            Part::Stop => start::stop(effort),
            Part::Large => large::rows(effort),
            Part::Many => many::rows(effort),
            Part::Memory => memory::rows(),
            Part::Throughput => throughput::rows(effort),
        };
        match rows {
            Ok(rows) => table.rows.extend(rows),
            // The other parts still have something to tell.
            Err(error) => table.rows.push(Row::failed(part.name(), &*error)),
        }
    }
    table.sort();
    table
}

/// Says on a terminal what is being measured; a log needs no such thing.
fn progress(part: &str, number: usize, of: usize) {
    let mut output = io::stderr().lock();
    if output.is_terminal() {
        let _ = writeln!(output, "measuring {part} ({number} of {of})");
    }
}

/// Completes at SIGTERM or Ctrl-C.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Writes to standard output; that no one reads it is not an error of ours.
fn say(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}
