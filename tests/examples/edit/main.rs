//! Edits images with a prompt, and saves what comes:
//!
//! `cargo run -p contract-tests --example edit -- --prompt "Add a bird." --output out/bird photo.png`

#[path = "../common/client.rs"]
mod client;
mod command_line;
#[path = "../common/digest.rs"]
mod digest;
#[path = "../common/download.rs"]
mod download;
#[path = "../common/durable.rs"]
mod durable;
#[path = "../common/explain.rs"]
mod explain;
#[path = "../common/extensions.rs"]
mod extensions;
#[path = "../common/inputs.rs"]
mod inputs;
#[path = "../common/interrupt.rs"]
mod interrupt;
mod output;
mod request;
mod save;
mod send;
mod shell;
mod started;

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Parser as _;
use indicatif::{ProgressBar, ProgressStyle};
use kontext_api::{BuildError, Client, GeneratedImages};

use command_line::Arguments;
use interrupt::Interrupts;
use output::Output;
use save::Source;

/// Why not every image is saved.
enum Failure {
    /// Nothing was sent.
    Usage(String),
    /// Something was sent, and perhaps paid for.
    Call(String),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.from_answer {
        Some(file) => resume(&arguments, file).await,
        None => edit(&arguments).await,
    };
    let (text, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => (text, 2),
        Err(Failure::Call(text)) => (text, 1),
    };
    say(&format!("error: {text}"));
    ExitCode::from(code)
}

/// Writes a line to standard error. Where that is closed, the exit code has to do:
/// `eprintln` would panic, perhaps between paying and saving.
fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Sends a request, and downloads what comes.
async fn edit(arguments: &Arguments) -> Result<(), Failure> {
    let client = made(client::new(&arguments.limits, None))?;
    let output = Output::new(&arguments.output, arguments.overwrite);
    let prompt = arguments.prompt.as_deref().unwrap_or_default();
    if !arguments.force_new {
        // First of all: what else is wrong may be a trace of the earlier call too.
        started::refuse_after_another(&output, prompt).map_err(Failure::Usage)?;
    }
    let request = request::read(arguments)
        .await
        .map_err(|error| Failure::Usage(explain::with_causes(&*error)))?;
    // Left out, the provider makes one image.
    let asked = request.num_images.unwrap_or(1);
    output.prepare(asked).map_err(Failure::Usage)?;

    // Not before: reading standard input can take forever.
    let mut interrupts = listen()?;
    let force_new = arguments.force_new;
    let (answer, started) =
        send::send(&client, request, &output, force_new, &mut interrupts).await?;
    // It is on the disk before anything else can go wrong.
    let (file, started) = match output.write_answer(answer.raw().as_bytes()) {
        Ok(file) => {
            send::finished(started);
            (Some(file), None)
        }
        Err(error) => {
            say(&format!("warning: the answer cannot be written: {error}"));
            (None, Some(started))
        }
    };
    say(&send::receipt(&answer));
    if let Some(text) = explain::too_few(asked, answer.images().len()) {
        say(&format!("warning: {text}"));
    }
    let file = file.as_deref();
    let source = Source { asked, file };
    let saved = save::save(&client, &answer, &output, &source, &mut interrupts).await;
    match (saved, started) {
        (Ok(()), Some(started)) => send::finished(started),
        // Neither the answer nor every image is on the disk.
        (Err(Failure::Call(text)), Some(started)) => {
            return Err(Failure::Call(text + &started.keep()));
        }
        (saved, _) => saved?,
    }
    match file {
        Some(file) if !arguments.keep_answer => fs::remove_file(file).unwrap_or_else(|error| {
            say(&format!(
                "warning: {} cannot be removed: {error}",
                file.display()
            ));
        }),
        _ => {}
    }
    Ok(())
}

/// Downloads what an earlier run paid for.
async fn resume(arguments: &Arguments, file: &Path) -> Result<(), Failure> {
    let client = made(client::without_key(&arguments.limits))?;
    let output = Output::new(&arguments.output, arguments.overwrite);
    let usage = |problem: String| Failure::Usage(format!("{}: {problem}", file.display()));
    let body = fs::read(file).map_err(|error| usage(error.to_string()))?;
    let answer =
        GeneratedImages::from_json(body).map_err(|error| usage(explain::with_causes(&error)))?;
    let asked = answer.images().len() as u64;
    if asked == 0 {
        return Err(usage("there is no image in it".to_owned()));
    }
    output.prepare(asked).map_err(Failure::Usage)?;
    let source = Source {
        asked,
        file: Some(file),
    };
    save::save(&client, &answer, &output, &source, &mut listen()?).await?;
    say(&format!("{} is not needed any more", file.display()));
    Ok(())
}

fn made(client: Result<Client, BuildError>) -> Result<Client, Failure> {
    client.map_err(|error| Failure::Usage(explain::no_client(&error)))
}

fn listen() -> Result<Interrupts, Failure> {
    interrupt::listen().map_err(|error| Failure::Usage(error.to_string()))
}

/// Something that turns, on a terminal; nothing elsewhere. It has no colours.
fn spinner(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    if !spinner.is_hidden() {
        spinner.enable_steady_tick(Duration::from_millis(100));
    }
    spinner
}
