//! The commands that run to completion: check, list, redact, verify, health.

use crate::{
    args::{
        CheckArguments, Format, HealthArguments, ListArguments, RedactArguments, VerifyArguments,
        key_of_environment,
    },
    output, serve,
};
use kontext_mock::{
    Contract, RecordError, Recording, Recordings, Verdict, VerifyReport, redact_recordings, verify,
    verify_plan,
};
use serde_json::json;
use std::{
    error::Error,
    fmt::Write as _,
    io,
    io::IsTerminal as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

pub(crate) fn check_command(arguments: &CheckArguments) -> ExitCode {
    match report(arguments) {
        Ok((text, code)) => output::finish(&format!("{text}\n"), code),
        Err(error) => output::fail(&*error),
    }
}

fn report(arguments: &CheckArguments) -> Result<(String, u8), Box<dyn Error>> {
    let recordings = read(arguments.recordings.as_ref())?;
    let report = kontext_mock::check(&Contract::embedded()?, &recordings);
    let text = match arguments.format {
        Format::Text => report.to_string(),
        Format::Json => serde_json::to_string_pretty(&report)?,
    };
    let code = if report.is_clean() {
        0
    } else {
        output::DISAGREEMENT
    };
    Ok((text, code))
}

/// Loads the recordings of a folder, or the built-in ones if there is none.
pub(crate) fn read(folder: Option<&PathBuf>) -> Result<Recordings, kontext_mock::LoadError> {
    match folder {
        Some(folder) => Recordings::load(folder),
        None => Recordings::embedded(),
    }
}

/// Maximum number of characters of a request to show.
const REQUEST_CHARACTERS: usize = 100;

pub(crate) fn list_command(arguments: &ListArguments) -> ExitCode {
    let recordings = match read(arguments.recordings.as_ref()) {
        Ok(recordings) => recordings,
        Err(error) => return output::fail(&error),
    };
    let mut text = String::new();
    for recording in &recordings {
        let _ = writeln!(
            text,
            "{}  {}  {}\n    {} {} {}",
            recording.name(),
            statuses(recording),
            recording.title(),
            recording.method(),
            recording.path(),
            summary(recording)
        );
    }
    output::finish(&text, 0)
}

/// The statuses of the answers, in order.
fn statuses(recording: &Recording) -> String {
    let answers = recording.answers().iter();
    let statuses: Vec<_> = answers.map(|answer| answer.status().to_string()).collect();
    statuses.join(", ")
}

/// The request body on one line, truncated.
fn summary(recording: &Recording) -> String {
    let Some(body) = recording.request() else {
        return "(no body)".to_owned();
    };
    let text = String::from_utf8_lossy(body);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REQUEST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

pub(crate) fn redact_command(arguments: &RedactArguments) -> ExitCode {
    let rules = &arguments.rules;
    let report = redact_recordings(
        &arguments.recordings,
        &rules.redact_pattern,
        &rules.redact_pointer,
        key_of_environment().as_slice(),
        arguments.dry_run,
    );
    let report = match report {
        Ok(report) => report,
        Err(error) => return output::fail(&error),
    };
    let done = if arguments.dry_run {
        "would be redacted"
    } else {
        "taken out"
    };
    let code = if report.problems.is_empty() {
        0
    } else {
        output::FAILED
    };
    output::finish(&format!("{report} {done}\n"), code)
}

pub(crate) fn verify_command(arguments: &VerifyArguments) -> ExitCode {
    match serve::block_on(ask(arguments)) {
        Ok(Some(report)) => verified(arguments.format, &report),
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => output::fail(&*error),
    }
}

fn verified(format: Format, report: &VerifyReport) -> ExitCode {
    let text = match format {
        Format::Text => format!("{report}\n"),
        Format::Json => match serde_json::to_string_pretty(report) {
            Ok(text) => text + "\n",
            Err(error) => return output::fail(&error),
        },
    };
    // Undecided does not count as the same.
    let code = if report.count(Verdict::Differs) > 0 {
        output::DIFFERS
    } else if report.count(Verdict::Undecided) > 0 {
        output::FAILED
    } else {
        0
    };
    output::finish(&text, code)
}

/// Verifies recordings; returns `None` for a dry run.
async fn ask(arguments: &VerifyArguments) -> Result<Option<VerifyReport>, Box<dyn Error>> {
    let recordings = read(arguments.recordings.as_ref())?;
    let chosen = chosen(&recordings, &arguments.cases)?;
    let key = key_of_environment();
    let plan = verify_plan(chosen.iter().copied())?;
    let (requests, billed) = (plan.requests, plan.billed);
    let price = format!(
        "requests for the upstream: {requests} of {}, one at a time; images: {}; cost: about {} \
         credits, ${:.2}",
        chosen.len(),
        billed.images,
        billed.credits,
        billed.usd()
    );
    if arguments.dry_run {
        let text = match arguments.format {
            Format::Text => format!("{price}; nothing was sent"),
            Format::Json => serde_json::to_string_pretty(&json!({
                "format": 1,
                "recordings": chosen.len(),
                "requests": requests,
                "images": billed.images,
                "credits": billed.credits,
                "usd": billed.usd(),
            }))?,
        };
        output::print(&format!("{text}\n"))?;
        return Ok(None);
    }
    output::note(&price);
    let shows_progress = io::stderr().is_terminal();
    let asks = requests > 0 && shows_progress && io::stdin().is_terminal() && !arguments.yes;
    if asks && !is_confirmed()? {
        return Err("nothing was sent; answer y, or use --yes, to send the requests".into());
    }
    let report = verify(&arguments.upstream, key.as_deref(), chosen, |one| {
        if shows_progress {
            output::note(&one.to_string());
        }
    });
    Ok(Some(report.await?))
}

/// Asks whether to send paid requests.
fn is_confirmed() -> io::Result<bool> {
    output::note("The provider charges for this. Send the requests? [y/N]");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(&*answer.trim().to_ascii_lowercase(), "y" | "yes"))
}

/// The recordings with these names, or all if no names are given.
fn chosen<'a>(
    recordings: &'a Recordings,
    names: &[String],
) -> Result<Vec<&'a Recording>, RecordError> {
    if names.is_empty() {
        return Ok(recordings.iter().collect());
    }
    let of_name = |name: &String| {
        let found = recordings.get(name);
        found.ok_or_else(|| RecordError::NoSuchRecording { name: name.clone() })
    };
    names.iter().map(of_name).collect()
}

/// Timeout for the health check.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Exits with 0 if a mock is up, otherwise with 1.
pub(crate) fn health_command(arguments: &HealthArguments) -> ExitCode {
    match ask_health(&arguments.url) {
        Ok(body) => output::finish(&body, 0),
        Err(problem) => {
            output::note(&format!("error: {}: {problem}", arguments.url));
            ExitCode::from(1)
        }
    }
}

/// Sends a handwritten health request, without starting an HTTP client.
fn ask_health(url: &str) -> Result<String, String> {
    let host = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    let host = host.ok_or("expected an origin such as http://127.0.0.1:4010")?;
    let failed = |error: io::Error| error.to_string();
    let mut stream = TcpStream::connect(host).map_err(failed)?;
    let timeout = Some(HEALTH_TIMEOUT);
    stream.set_read_timeout(timeout).map_err(failed)?;
    stream.set_write_timeout(timeout).map_err(failed)?;
    write!(
        stream,
        "GET /__mock/health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .map_err(failed)?;
    let mut answer = String::new();
    stream
        .take(1024 * 1024)
        .read_to_string(&mut answer)
        .map_err(failed)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") && body.contains("\"status\"") => {
            Ok(body.to_owned())
        }
        _ => Err("expected the health of a mock; is something else listening there?".to_owned()),
    }
}
