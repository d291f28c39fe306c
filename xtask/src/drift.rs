//! `cargo xtask drift`: what changed between two documents, and whom it breaks.

mod input;
mod output;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use openapi_drift::{
    Date, Document, IgnoreFile, Report, Wire, compare, explain,
    format::{self, COMMENT_LIMIT, Format},
    rule, rules, rules_table,
};

/// Something gates.
const GATED: u8 = 1;

/// Something could not be read, or not be decided.
const UNDECIDED: u8 = 2;

#[derive(Debug, clap::Args)]
#[command(override_usage = "cargo xtask drift [OPTIONS] <OLD> <NEW>
       cargo xtask drift --explain <RULE>
       cargo xtask drift --rules")]
pub(crate) struct Arguments {
    /// The old document; `-` is standard input.
    #[arg(value_name = "OLD", required_unless_present_any = ["explain", "rules"])]
    old: Option<PathBuf>,

    /// The new document; `-` is standard input.
    #[arg(value_name = "NEW", required_unless_present_any = ["explain", "rules"])]
    new: Option<PathBuf>,

    /// How the report is written.
    ///
    /// text: for people. json: for programs; crates/openapi-drift/report.schema.json
    /// describes it. markdown: for a comment on a pull request. github:
    /// annotations of a GitHub workflow.
    #[arg(
        long,
        default_value = "text",
        value_parser = PossibleValuesParser::new(Format::ALL.map(Format::name))
            .try_map(|name| name.parse::<Format>())
    )]
    format: Format,

    /// Which findings make the exit code 1.
    #[arg(long, value_enum, default_value = "breaking")]
    fail_on: FailOn,

    /// A file of findings that are acknowledged, by their fingerprints.
    ///
    /// {"format": 1, "ignore": [{"fingerprint": "…", "reason": "…", "expires":
    /// "2026-12-31"}]}. An entry holds through its day, in UTC; when that is over,
    /// the command fails until somebody has looked at it again.
    #[arg(long, value_name = "FILE")]
    ignore: Option<PathBuf>,

    /// Says what a rule is about, instead of comparing.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["old", "new", "rules"])]
    explain: Option<String>,

    /// Prints the table of all rules, instead of comparing.
    #[arg(long, conflicts_with_all = ["old", "new"])]
    rules: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Findings that break somebody.
    Breaking,
    /// All findings, down to a description.
    Any,
    /// None; what is undecided makes the exit code 2 all the same.
    Never,
}

/// Runs the command; see the exit codes in its help.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let outcome = outcome(arguments).and_then(|done| {
        output::notes(&done.notes);
        output::print(&done.text, done.has_colors)?;
        Ok(done.code)
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            output::note(&message);
            ExitCode::from(UNDECIDED)
        }
    }
}

/// What a run has to say when nothing stopped it.
struct Done {
    text: String,
    has_colors: bool,
    notes: Vec<String>,
    code: u8,
}

impl Done {
    fn page(text: String) -> Self {
        Self {
            text,
            has_colors: false,
            notes: Vec::new(),
            code: 0,
        }
    }
}

fn outcome(arguments: &Arguments) -> Result<Done, String> {
    if arguments.rules {
        return Ok(Done::page(rules_table()));
    }
    if let Some(name) = &arguments.explain {
        let rule = rule(name).ok_or_else(|| unknown(name))?;
        return Ok(Done::page(explain(rule)));
    }
    let (Some(old), Some(new)) = (&arguments.old, &arguments.new) else {
        return Err("name two documents: OLD and NEW".to_owned());
    };
    let given = [Some(old), Some(new), arguments.ignore.as_ref()];
    if given
        .into_iter()
        .flatten()
        .filter(|path| input::is_standard(path))
        .count()
        > 1
    {
        return Err("standard input can be only one of the files\n  help: write - once".to_owned());
    }
    let ignore = arguments.ignore.as_deref().map(ignore_file).transpose()?;
    let (old, new) = documents(old, new)?;
    let mut report = compare(&old, &new);
    let mut notes = Vec::new();
    if let Some(ignore) = ignore {
        let today = Date::of(SystemTime::now());
        let (judged, unused) = ignore
            .apply(report, today)
            .map_err(|expired| expired.to_string())?;
        report = judged;
        notes.extend(unused.iter().map(ToString::to_string));
    }
    Ok(Done {
        text: written(&report, arguments.format, old.name(), new.name())?,
        has_colors: arguments.format == Format::Text,
        notes,
        code: code(&report, arguments.fail_on),
    })
}

/// Reads both documents, and says of both if they are unreadable.
fn documents(old: &Path, new: &Path) -> Result<(Document, Document), String> {
    let read = |path: &Path| {
        let (name, text) = input::read(path)?;
        Document::parse(name, &text).map_err(|error| error.to_string())
    };
    match (read(old), read(new)) {
        (Ok(old), Ok(new)) => Ok((old, new)),
        (Err(old), Err(new)) => Err(format!("{old}\n{new}")),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

fn ignore_file(path: &Path) -> Result<IgnoreFile, String> {
    let (name, text) = input::read(path)?;
    IgnoreFile::parse(name, &text).map_err(|error| error.to_string())
}

fn written(report: &Report, format: Format, old: &str, new: &str) -> Result<String, String> {
    Ok(match format {
        Format::Text => format::text(report, old, new, true),
        Format::Json => format::json(report).map_err(|error| error.to_string())?,
        Format::Markdown => format::markdown(report, old, new, COMMENT_LIMIT),
        Format::Github => format::github(report, old, new),
    })
}

fn code(report: &Report, fail_on: FailOn) -> u8 {
    let has = |wire| report.findings.iter().any(|finding| finding.wire == wire);
    let is_gated = match fail_on {
        FailOn::Breaking => has(Wire::Breaking),
        FailOn::Any => !report.findings.is_empty(),
        FailOn::Never => false,
    };
    if is_gated {
        GATED
    } else if has(Wire::Undecided) {
        UNDECIDED
    } else {
        0
    }
}

/// Says that there is no such rule, and which are called nearly so.
fn unknown(name: &str) -> String {
    let mut near: Vec<(usize, &str)> = rules()
        .iter()
        .map(|rule| {
            // A part of a name is near all that have it.
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
    format!("no rule {name:?}\n  help: {help}")
}
