//! `cargo xtask import`: imports a page of the provider as a published document and
//! recordings, and reports contradictions.
//!
//! Everything is read and checked before the first file changes.

mod acknowledge;
mod checks;
mod document;
mod exchange;
mod page;
mod record;
mod sample;
mod source;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use kontext_codegen::{Input, contract, generate};
use openapi_drift::{Verdict, compare};
use sha2::{Digest as _, Sha256};

use self::{
    acknowledge::Acknowledged,
    checks::Contradiction,
    record::{Files, Recorder},
    source::Imported,
};
use crate::{
    codegen::{self, Before},
    drift::input,
    files, workspace,
};

const README: &str = "openapi/README.md";

const CONTRACT: &str = "crates/kontext-mock/contract.json";

/// The header of the table of documents in the README.
const TABLE: &str = "| published document | from | taken on | SHA-256 |\n|---|---|---|---|\n";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Page as Markdown: a file, or `-` for standard input. An OpenAPI document without
    /// samples works too.
    #[arg(value_name = "PAGE.md")]
    page: PathBuf,

    /// OpenAPI document of a page that does not contain it.
    #[arg(value_name = "SPEC.json")]
    document: Option<PathBuf>,
}

/// Runs the command; the exit codes are in its help.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> ExitCode {
    match import(root, arguments) {
        Ok(code) => code,
        Err(message) => {
            anstream::eprintln!("{message}\n\nimport stopped; no file was changed");
            ExitCode::from(2)
        }
    }
}

fn import(root: &Path, arguments: &Arguments) -> Result<ExitCode, String> {
    let source = input::read(&arguments.page)?;
    let mut inputs = workspace::inputs(root).map_err(|error| error.to_string())?;
    let spec = arguments.document.as_deref();
    let imported = source::read(&source, spec, &inputs.published)?;
    let Imported {
        name,
        page,
        document,
        exchanges,
    } = &imported;
    update(&mut inputs.published, &imported)?;
    let outputs = generate(&inputs);

    let entries = read(root, acknowledge::FILE)?;
    let acknowledged =
        Acknowledged::read(name, entries.as_deref(), &inputs.overlays, &document.value)?;
    let found = checks::contradictions(&source.name, page, document, exchanges);
    let is_open = report(&found, &acknowledged);

    // If codegen fails, the mock keeps its current contract.
    let (allowed, served) = match &outputs {
        Ok(outputs) => (outputs.contract.clone(), outputs.contract.clone()),
        Err(_) => {
            let current = read(root, CONTRACT)?.unwrap_or_default();
            let current = serde_json::from_slice(&current).unwrap_or_default();
            (contract(&document.value), current)
        }
    };
    let recorder = Recorder {
        root,
        page: &imported.page_file(),
        today: &today(),
        allowed: &allowed,
        served: &served,
    };
    let recorded = recorder.record(exchanges)?;
    for line in &recorded.lines {
        anstream::println!("{line}");
    }

    let mut changes = Vec::new();
    let own = own_files(root, &source.text, &imported)?;
    for (file, want) in recorded.files.into_iter().chain(own) {
        changes.extend(files::change(root, &file, want).map_err(|error| error.to_string())?);
    }
    if let Ok(outputs) = &outputs {
        let stale = files::stale(root, &outputs.files);
        changes.extend(stale.map_err(|error| error.to_string())?);
    }
    let before = Before::read(root);
    files::write(&changes).map_err(|error| error.to_string())?;
    for change in &changes {
        anstream::println!("{change}");
    }
    if changes.is_empty() {
        anstream::println!("every file is current");
    }
    match &outputs {
        Ok(outputs) => {
            codegen::report_steps(outputs, Some(&imported.document_file()));
            if let Some(summary) = before.and_then(|before| before.summary(outputs)) {
                anstream::println!("{summary}");
            }
        }
        Err(problems) => anstream::eprintln!(
            "{problems}\n\ncodegen did not run; correct this with overlays, then import the page \
             again"
        ),
    }
    Ok(ExitCode::from(u8::from(is_open || outputs.is_err())))
}

/// Today's date in UTC, such as `2026-11-22`.
fn today() -> String {
    jiff::Timestamp::now().strftime("%F").to_string()
}

/// Replaces the existing document, published or handwritten, by the imported one, and
/// reports the changes.
fn update(documents: &mut Vec<Input>, imported: &Imported<'_>) -> Result<(), String> {
    let new = Input {
        file: imported.document_file(),
        text: imported.document.text.clone(),
    };
    let is_old = |one: &Input| one.file == new.file || one.file == imported.described_file();
    match documents.iter().find(|one| is_old(one)) {
        None => anstream::println!("new: {}", new.file),
        Some(old) => {
            let parse = |input: &Input| {
                let document = openapi_drift::Document::parse(&input.file, &input.text);
                document.map_err(|error| error.to_string())
            };
            let report = compare(&parse(old)?, &parse(&new)?);
            let verdict = report.verdict;
            match old.file == new.file {
                _ if verdict == Verdict::None => anstream::println!("unchanged: {}", new.file),
                true => {
                    anstream::println!("the provider changed {}: {verdict} on the wire", new.file)
                }
                false => {
                    anstream::println!(
                        "{} was described otherwise: {verdict} on the wire",
                        new.file
                    );
                }
            }
            for line in codegen::findings(&report) {
                anstream::println!("{line}");
            }
        }
    }
    documents.retain(|one| !is_old(one));
    // The handwritten documents come after the published ones.
    let is_before = |one: &Input| one.file.starts_with("openapi/published/") && one.file < new.file;
    let index = documents.iter().filter(|one| is_before(one)).count();
    documents.insert(index, new);
    Ok(())
}

/// The files of the page itself, with their new contents.
fn own_files(root: &Path, text: &str, imported: &Imported<'_>) -> Result<Files, String> {
    let page = imported.page_file();
    let from = match (imported.has_page(), imported.document.first_line) {
        (false, _) => "the document itself".to_owned(),
        (true, 1) => format!("the document that `{page}` names"),
        (true, _) => format!("the OpenAPI block of `{page}`"),
    };
    let from = from.replace("openapi/", "");
    let document = imported.document.text.clone().into_bytes();
    let mut files = vec![
        (README.to_owned(), Some(readme(root, imported, &from)?)),
        (imported.document_file(), Some(document)),
        (imported.described_file(), None),
    ];
    if imported.has_page() {
        files.push((page, Some(text.as_bytes().to_owned())));
    }
    Ok(files)
}

fn read(root: &Path, file: &str) -> Result<Option<Vec<u8>>, String> {
    files::read(root, file).map_err(|error| error.to_string())
}

/// Prints the contradictions; returns true if one of them is not acknowledged, or an entry
/// is outdated.
fn report(found: &[Contradiction], acknowledged: &Acknowledged) -> bool {
    let mut open = Vec::new();
    for one in found {
        let by = acknowledged.by(one);
        let used = by
            .clone()
            .unwrap_or_else(|| format!("{}, not acknowledged", one.used));
        let more: Vec<String> = one.lines.iter().skip(1).map(usize::to_string).collect();
        let more = match more.len() {
            0 => String::new(),
            1 => format!(" (also in line {})", more[0]),
            _ => format!(" (also in lines {})", more.join(", ")),
        };
        anstream::println!("{}:{}: {}; {used}{more}", one.file, one.lines[0], one.text);
        if by.is_none() {
            open.push(one);
        }
    }
    let outdated = acknowledged.outdated(found);
    for line in &outdated {
        anstream::eprintln!("{line}");
    }
    if !open.is_empty() {
        anstream::eprintln!(
            "{} of {} contradictions are not acknowledged\n  help: correct the place with an overlay, or add an entry \
             with your reason to {}:",
            open.len(),
            found.len(),
            acknowledge::FILE
        );
        for one in &open {
            if let Some((first, more)) = one.pointers.split_first() {
                let more = if more.is_empty() { "" } else { ", and others" };
                anstream::eprintln!("  {first}{more}");
            }
            anstream::eprintln!("    {}", acknowledged.entry(one));
        }
    }
    !open.is_empty() || !outdated.is_empty()
}

/// The README of the documents with an updated row for this document.
fn readme(root: &Path, imported: &Imported<'_>, from: &str) -> Result<Vec<u8>, String> {
    let bytes = read(root, README)?.unwrap_or_else(|| TABLE.as_bytes().to_owned());
    let text = String::from_utf8(bytes).map_err(|error| format!("{README}: {error}"))?;
    let hash = format!("{:x}", Sha256::digest(&imported.document.text));
    let start = format!("| `{}.json` |", imported.name);
    let is_row = |line: &&str| line.starts_with(&start);
    // An unchanged document keeps its import date.
    if text
        .lines()
        .any(|line| is_row(&line) && line.contains(&hash))
    {
        return Ok(text.into_bytes());
    }
    let row = format!("{start} {from} | {} | `{hash}` |", today());
    let mut lines: Vec<&str> = text.lines().filter(|line| !is_row(line)).collect();
    let head = TABLE.lines().next().unwrap_or_default();
    let table = lines.iter().position(|line| *line == head).ok_or_else(|| {
        format!("{README}: expected the table `{head}`, found none\n  help: restore it with git")
    })?;
    let rows = lines[table..]
        .iter()
        .take_while(|line| line.starts_with('|'));
    let end = table + rows.count();
    lines.insert(end, &row);
    Ok((lines.join("\n") + "\n").into_bytes())
}
