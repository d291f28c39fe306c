//! `cargo xtask drift`: compares two documents and reports breaking changes.

mod client;
pub(crate) mod input;
pub(crate) mod recordings;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::SystemTime,
};

use clap::ValueEnum;
use openapi_drift::{
    Document, Finding, IgnoreFile, Ignored, Report, Verdict, Wire, compare, explain,
    format::{self, COMMENT_LIMIT, View},
    rule, rules, rules_table,
};
use serde::Serialize;

use client::{Effect, Generated, generated};
use input::{Page, Source};

/// Exit code: a finding gates.
const GATED: u8 = 1;

/// Exit code: something could not be read or decided.
const UNDECIDED: u8 = 2;

/// The stack size of the threads that generate clients, in bytes: documents may be deeply
/// nested.
const STACK: usize = 32 << 20;

#[derive(Debug, clap::Args)]
#[command(override_usage = "cargo xtask drift [OPTIONS] <OLD> <NEW>
       cargo xtask drift --explain <RULE>
       cargo xtask drift --rules")]
pub(crate) struct Arguments {
    /// Old document: a file, `-` for standard input, or a git REVISION:PATH.
    #[arg(value_name = "OLD", required_unless_present_any = ["explain", "rules"])]
    old: Option<PathBuf>,

    /// New document, likewise.
    #[arg(value_name = "NEW", required_unless_present_any = ["explain", "rules"])]
    new: Option<PathBuf>,

    /// Format of the report.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Findings that make the exit code 1.
    #[arg(long, value_enum, default_value = "breaking")]
    fail_on: FailOn,

    /// Exit with 0 if nothing is worse than undecided; such findings are still listed.
    #[arg(long)]
    undecided_ok: bool,

    /// Least severe level to list; the rest is counted. JSON always has all findings.
    ///
    /// By default everything but docs is listed.
    #[arg(long, value_enum)]
    level: Option<Level>,

    /// Show location, values, witness and fingerprint of each finding, and list docs.
    #[arg(long)]
    verbose: bool,

    /// File of acknowledged findings.
    ///
    /// {"format": 1, "ignore": [{"fingerprint": "…", "reason": "…", "expires":
    /// "2026-12-31"}, {"rule": "…", "path": "POST /images", "reason": "…"}]}. A path is
    /// an operation, its path, or a JSON pointer. An expired entry makes the command
    /// fail until somebody reviews it.
    #[arg(long, value_name = "FILE")]
    ignore: Option<PathBuf>,

    /// Write an ignore file with the findings that affect the exit code.
    ///
    /// The file must not exist yet. Its entries expire in 90 days.
    #[arg(long, value_name = "FILE")]
    write_ignore: Option<PathBuf>,

    /// Folder of recordings to validate against both documents.
    ///
    /// It has the form of kontext-mock: FOLDER/OPERATION/CASE/recording.json, next to
    /// request.json and response.json.
    #[arg(long, value_name = "FOLDER")]
    recordings: Option<PathBuf>,

    /// Explain a rule instead of comparing.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["old", "new", "rules"])]
    explain: Option<String>,

    /// Print the table of all rules instead of comparing.
    #[arg(long, conflicts_with_all = ["old", "new"])]
    rules: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: the report of openapi-drift, plus `rust` and `recordings`.
    Json,
    /// For pull request comments.
    Markdown,
    /// GitHub workflow annotations for breaking and undecided findings.
    Github,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Findings that break existing clients.
    Breaking,
    /// All findings, including docs.
    Any,
    /// None; undecided findings still make the exit code 2.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    Breaking,
    Undecided,
    Notice,
    NonBreaking,
    Docs,
}

impl From<Level> for Wire {
    fn from(level: Level) -> Self {
        match level {
            Level::Breaking => Self::Breaking,
            Level::Undecided => Self::Undecided,
            Level::Notice => Self::Notice,
            Level::NonBreaking => Self::NonBreaking,
            Level::Docs => Self::Docs,
        }
    }
}

/// Runs the command; the exit codes are in its help.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let outcome = outcome(arguments).and_then(|done| {
        for message in &done.notes {
            note(&format!("note: {message}"));
        }
        print(&done.text, done.has_colors)?;
        Ok(done.code)
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            note(&message);
            ExitCode::from(UNDECIDED)
        }
    }
}

/// The output of a successful run.
#[derive(Default)]
struct Done {
    text: String,
    has_colors: bool,
    notes: Vec<String>,
    code: u8,
}

fn outcome(arguments: &Arguments) -> Result<Done, String> {
    let page = |text| Done {
        text,
        ..Done::default()
    };
    if arguments.rules {
        return Ok(page(rules_table()));
    }
    if let Some(name) = &arguments.explain {
        let rule = rule(name).ok_or_else(|| unknown(name))?;
        return Ok(page(explain(rule)));
    }
    let (Some(old), Some(new)) = (&arguments.old, &arguments.new) else {
        return Err("name two documents: OLD and NEW".to_owned());
    };
    let recordings = arguments.recordings.as_deref();
    let recordings = recordings.map(recordings::read).transpose()?;
    let given = [Some(old), Some(new), arguments.ignore.as_ref()];
    let given = given.into_iter().flatten();
    if given.filter(|path| input::is_standard(path)).count() > 1 {
        return Err("standard input can be only one of the files\n  help: write - once".to_owned());
    }
    let ignore = arguments.ignore.as_deref().map(ignore_file).transpose()?;
    let (old, new) = documents(old, new)?;
    let (mut report, clients) = compared(&old, &new)?;
    let mut notes = Vec::new();
    let now = SystemTime::now();
    if let Some(ignore) = ignore {
        let (judged, unused) = ignore
            .apply(report, now)
            .map_err(|expired| expired.to_string())?;
        report = judged;
        notes.extend(unused.iter().map(ToString::to_string));
    }
    if let Some(file) = &arguments.write_ignore {
        notes.push(write_ignore(file, &report, arguments.fail_on, now)?);
    }
    let names = (old.source.name.as_str(), new.source.name.as_str());
    let rust = Effect::of((names.0, &clients.0), (names.1, &clients.1));
    let recordings = recordings.map(|recordings| {
        let pages = pages(&old, &new);
        let before = clients.0.contract(&old.source, pages.0);
        let after = clients.1.contract(&new.source, pages.1);
        recordings::validate(&recordings, &before, &after)
    });
    let is_undecided = recordings.as_ref().is_some_and(|one| one.reason.is_some());
    let code = code(&report, is_undecided, arguments);
    let whole = Whole {
        format: report.format,
        verdict: report.verdict,
        rust: &rust,
        recordings: recordings.as_ref(),
        findings: &report.findings,
        ignored: &report.ignored,
    };
    let mut summary = rust.lines(arguments.verbose);
    summary.extend(
        recordings
            .iter()
            .flat_map(|one| one.lines(arguments.verbose)),
    );
    let mut view = View::new(names.0, names.1);
    view.summary = &summary;
    view.verbose = arguments.verbose;
    view.level = match arguments.level {
        Some(level) => level.into(),
        None if arguments.verbose => Wire::Docs,
        None => view.level,
    };
    let text = match arguments.format {
        Format::Text => format::text(&report, &view, true),
        Format::Json => format::json(&whole).map_err(|error| error.to_string())?,
        Format::Markdown => format::markdown(&report, &view, COMMENT_LIMIT),
        Format::Github => format::github(&report, &view),
    };
    Ok(Done {
        text,
        has_colors: arguments.format == Format::Text,
        notes,
        code,
    })
}

/// The report, extended with what only this command adds.
#[derive(Serialize)]
struct Whole<'a> {
    format: u32,
    verdict: Verdict,
    rust: &'a Effect,
    recordings: Option<&'a recordings::Outcome>,
    findings: &'a [Finding],
    ignored: &'a [Ignored],
}

/// A parsed document and its source.
struct Read {
    source: Source,
    document: Document,
}

/// Reads both documents, and reports both errors if neither is readable.
fn documents(old: &Path, new: &Path) -> Result<(Read, Read), String> {
    let read = |path: &Path| {
        let source = input::read(path)?;
        let document = Document::parse(&source.name, &source.text);
        let document = document.map_err(|error| error.to_string())?;
        Ok(Read { source, document })
    };
    match (read(old), read(new)) {
        (Ok(old), Ok(new)) => Ok((old, new)),
        (Err(old), Err(new)) => Err(format!("{old}\n{new}")),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

/// The pages of the documents. If only one belongs to a page, the other is treated as
/// another version of it: without the overlays, the clients could not be compared.
fn pages<'a>(old: &'a Read, new: &'a Read) -> (Option<&'a Page>, Option<&'a Page>) {
    let (old, new) = (old.source.page.as_ref(), new.source.page.as_ref());
    (old.or(new), new.or(old))
}

/// Compares the documents while generating both clients in parallel.
fn compared(old: &Read, new: &Read) -> Result<(Report, (Generated, Generated)), String> {
    let pages = pages(old, new);
    thread::scope(|scope| {
        let start = |source, page| {
            let thread = thread::Builder::new().stack_size(STACK);
            let started = thread.spawn_scoped(scope, move || generated(source, page));
            started.map_err(|error| format!("no thread to generate a client: {error}"))
        };
        let before = start(&old.source, pages.0)?;
        let after = start(&new.source, pages.1)?;
        let report = compare(&old.document, &new.document);
        // Generator panics are caught inside the thread.
        let panicked = |_| "generating a client panicked; report it with the documents".to_owned();
        let before = before.join().map_err(panicked)?;
        let after = after.join().map_err(panicked)?;
        Ok((report, (before, after)))
    })
}

fn ignore_file(path: &Path) -> Result<IgnoreFile, String> {
    let Source { name, text, .. } = input::read(path)?;
    IgnoreFile::parse(name, &text).map_err(|error| error.to_string())
}

/// Creates an ignore file, and returns instructions for it.
fn write_ignore(
    path: &Path,
    report: &Report,
    fail_on: FailOn,
    now: SystemTime,
) -> Result<String, String> {
    let findings = report.findings.iter();
    let findings: Vec<&Finding> = findings
        .filter(|finding| finding.wire <= Wire::Undecided || fail_on == FailOn::Any)
        .collect();
    let text = IgnoreFile::start(findings.iter().copied(), now);
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    let name = path.display();
    match written {
        Ok(()) => Ok(format!(
            "wrote {name} with {} of the findings\n  help: replace each reason by why nobody \
             breaks, then pass the file with --ignore",
            findings.len()
        )),
        Err(error) => Err(format!(
            "{name}: cannot be written: {error}\n  help: name a file that does not exist yet"
        )),
    }
}

fn code(report: &Report, is_undecided: bool, arguments: &Arguments) -> u8 {
    let has = |wire| report.findings.iter().any(|finding| finding.wire == wire);
    let is_gated = match arguments.fail_on {
        FailOn::Breaking => has(Wire::Breaking),
        FailOn::Any => !report.findings.is_empty(),
        FailOn::Never => false,
    };
    if is_gated {
        GATED
    } else if (is_undecided || has(Wire::Undecided)) && !arguments.undecided_ok {
        UNDECIDED
    } else {
        0
    }
}

/// Writes a text to standard output.
///
/// Strips colours if the output doesn't support them; a text without colours is written
/// byte for byte. A broken pipe, for example to `head`, is not an error.
fn print(text: &str, has_colors: bool) -> Result<(), String> {
    fn write(mut output: impl Write, text: &str) -> io::Result<()> {
        output.write_all(text.as_bytes())?;
        output.flush()
    }
    let written = if has_colors {
        write(anstream::stdout().lock(), text)
    } else {
        write(io::stdout().lock(), text)
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: cannot be written: {error}"))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error.
fn note(message: &str) {
    // Nothing can be reported if standard error is closed.
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// The message for an unknown rule, with similar names.
fn unknown(name: &str) -> String {
    let mut near: Vec<(usize, &str)> = rules()
        .iter()
        .map(|rule| {
            // Rules that contain the name are the closest.
            let distance = if name.len() > 2 && rule.id.contains(name) {
                0
            } else {
                strsim::osa_distance(name, rule.id)
            };
            (distance, rule.id)
        })
        .collect();
    near.sort_unstable();
    let nearest = near.first().map_or(0, |(distance, _)| *distance);
    let is_near = |(distance, _): &&(usize, &str)| *distance <= nearest + 1 && nearest < 8;
    let names: Vec<&str> = near
        .iter()
        .filter(is_near)
        .map(|(_, id)| *id)
        .take(6)
        .collect();
    let help = if names.is_empty() {
        "`cargo xtask drift --rules` prints all".to_owned()
    } else {
        format!("did you mean {}?", names.join(", "))
    };
    format!("unknown rule {name:?}\n  help: {help}")
}
