//! `cargo xtask import`: a page of the provider becomes a published document and
//! recordings, and what contradicts itself is told.

mod acknowledge;
mod checks;
mod document;
mod exchange;
mod page;
mod record;
mod sample;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use kontext_codegen::{Input, contract, generate};
use openapi_drift::{Verdict, compare};
use sha2::{Digest as _, Sha256};

use self::{
    acknowledge::Acknowledged, checks::Contradiction, document::Document, exchange::Exchange,
    page::Page, record::Recorder,
};
use crate::{
    codegen::{self, Before},
    drift::input,
    files::{self, Change},
    workspace,
};

const README: &str = "openapi/README.md";

const CONTRACT: &str = "crates/kontext-mock/contract.json";

/// The head of the table of documents in it.
const TABLE: &str = "| published document | from | taken on | SHA-256 |\n|---|---|---|---|\n";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The page as Markdown: a file, or `-` for standard input. An OpenAPI document
    /// is taken as well, without samples.
    #[arg(value_name = "PAGE.md")]
    page: PathBuf,

    /// The OpenAPI document of a page that only names it.
    #[arg(value_name = "SPEC.json")]
    document: Option<PathBuf>,
}

/// Runs the command; see the exit codes in its help.
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
    let is_document = source.text.trim_start().starts_with('{');
    let page = if is_document {
        Page::default()
    } else {
        page::read(&source.text)
    };
    let document = match (&arguments.document, is_document) {
        (Some(_), true) => {
            return Err(format!(
                "{}: expected a page, found a document",
                source.name
            ));
        }
        (None, true) => Document::read(&source.name, 1, &source.text)?,
        (spec, false) => document_of(&source.name, &page, spec.as_deref())?,
    };
    let mut inputs = workspace::inputs(root).map_err(|error| error.to_string())?;
    let name = name(&arguments.page, &page, &document, &inputs.published)?;
    let page_file = format!("openapi/pages/{name}.md");
    let document_file = format!("openapi/published/{name}.json");

    // The update, before anything is said of what it brings.
    let published = Input {
        file: document_file.clone(),
        text: document.text.clone(),
    };
    match inputs
        .published
        .iter_mut()
        .find(|known| known.file == document_file)
    {
        Some(known) => {
            report_update(known, &published)?;
            *known = published;
        }
        None => {
            anstream::println!("new: {document_file}");
            inputs.published.push(published);
            inputs
                .published
                .sort_by(|left, right| left.file.cmp(&right.file));
        }
    }
    let outputs = generate(&inputs);

    let exchanges = exchange::exchanges(&page, &document);
    if arguments.document.is_some() {
        is_of_page(&source.name, &page, &exchanges, &document)?;
    }
    let entries = read(root, acknowledge::FILE)?;
    let acknowledged =
        Acknowledged::read(&name, entries.as_deref(), &inputs.overlays, &document.value)?;
    let found = checks::contradictions(&source.name, &page, &document, &exchanges);
    let open = report(&found, &acknowledged);

    // Without codegen, the mock goes on with the contract that it has.
    let (allowed, served) = match &outputs {
        Ok(outputs) => (outputs.contract.clone(), outputs.contract.clone()),
        Err(_) => {
            let current = read(root, CONTRACT)?.unwrap_or_default();
            let current = serde_json::from_slice(&current).unwrap_or_default();
            (contract(&document.value), current)
        }
    };
    let today = jiff::Timestamp::now().strftime("%F").to_string();
    let recorder = Recorder {
        root,
        page: &page_file,
        today: &today,
        allowed: &allowed,
        served: &served,
    };
    let recorded = recorder.record(&exchanges)?;
    for line in &recorded.lines {
        anstream::println!("{line}");
    }

    let mut changes: Vec<Change> = Vec::new();
    let mut wanted = recorded.files;
    let readme = readme(root, &name, &page_file, !is_document, &document, &today)?;
    wanted.push((README.to_owned(), Some(readme.into_bytes())));
    wanted.push((document_file, Some(document.text.clone().into_bytes())));
    if !is_document {
        wanted.push((page_file, Some(source.text.clone().into_bytes())));
    }
    for (file, want) in wanted {
        let change = files::change(root, &file, want).map_err(|error| error.to_string())?;
        changes.extend(change);
    }
    if let Ok(outputs) = &outputs {
        let stale = files::stale(root, &outputs.files).map_err(|error| error.to_string())?;
        changes.extend(stale);
    }
    let before = Before::read(root);
    files::write(&changes).map_err(|error| error.to_string())?;
    for change in &changes {
        anstream::println!("updated: {}", change.file);
    }
    if changes.is_empty() {
        anstream::println!("every file is current");
    }
    match &outputs {
        Ok(outputs) => {
            codegen::report_steps(outputs);
            if let Some(summary) = before.and_then(|before| before.summary(outputs)) {
                anstream::println!("{summary}");
            }
        }
        Err(problems) => anstream::eprintln!(
            "{problems}\n\ncodegen did not run; correct this with overlays, then import the page again"
        ),
    }
    Ok(ExitCode::from(u8::from(open || outputs.is_err())))
}

fn read(root: &Path, file: &str) -> Result<Option<Vec<u8>>, String> {
    files::read(root, file).map_err(|error| error.to_string())
}

/// The document of a page: its own block, or the file that it names.
fn document_of(file: &str, page: &Page<'_>, spec: Option<&Path>) -> Result<Document, String> {
    let is_document = |block: &&page::Block<'_>| {
        let text = block.text.trim_start();
        text.starts_with('{') && text.contains("\"openapi\"")
    };
    let blocks: Vec<&page::Block<'_>> = page.blocks.iter().filter(is_document).collect();
    if let [_, second, ..] = &*blocks {
        return Err(format!(
            "{file}:{}: expected one OpenAPI document, found a second one\n  help: make a page of each",
            second.line
        ));
    }
    let own = blocks
        .first()
        .map(|block| Document::read(file, block.line, block.text))
        .transpose()?;
    let Some(spec) = spec else {
        return own.ok_or_else(|| match &page.elsewhere {
            Some(tag) => format!(
                "{file}:{}: the page names its document with an openapi-operation tag: {}\n  help: \
                 save that file of the provider, and name it behind the page",
                tag.line, tag.file
            ),
            None => format!(
                "{file}: expected a block of code with an OpenAPI document, found none\n  help: name \
                 the document behind the page"
            ),
        });
    };
    let source = input::read(spec)?;
    let named = Document::read(&source.name, 1, &source.text)?;
    if let Some(own) = own.filter(|own| own.value != named.value) {
        return Err(format!(
            "{file}:{}: the page has a document of its own, which differs from {}\n  help: leave the \
             file away",
            own.first_line, named.file
        ));
    }
    if let Some(tag) = &page.elsewhere {
        let is_it = |operation: &document::Operation| {
            operation.path == tag.path && operation.method.to_lowercase() == tag.method
        };
        if !named.operations.iter().any(is_it) {
            return Err(format!(
                "{}: expected the operation that {file}:{} names, {} {}, found none\n  help: look for {}",
                named.file,
                tag.line,
                tag.method.to_uppercase(),
                tag.path,
                tag.file
            ));
        }
    }
    Ok(named)
}

/// Whether a document has a model that its page has: if not, it is that of another page.
fn is_of_page(
    file: &str,
    page: &Page<'_>,
    exchanges: &[Exchange<'_>],
    document: &Document,
) -> Result<(), String> {
    let operations = document.operations.iter();
    let models: Vec<&str> = operations.flat_map(|one| document.models(one)).collect();
    let samples = exchanges.iter().flat_map(|exchange| &exchange.samples);
    let sent = samples.filter_map(|sample| sample.body.value()?.get("model")?.as_str());
    let named: Vec<&str> = page
        .models
        .iter()
        .map(|(_, model)| model.as_str())
        .chain(sent)
        .collect();
    if models.is_empty() || named.is_empty() || named.iter().any(|one| models.contains(one)) {
        return Ok(());
    }
    Err(format!(
        "{}: the models of {file} are {}, and the document takes {}\n  help: give the document of \
         this page",
        document.file,
        named.join(", "),
        models.join(", ")
    ))
}

/// The name of a page: that of the document with its model that is there, or that of its
/// file, or its title.
fn name(
    path: &Path,
    page: &Page<'_>,
    document: &Document,
    known: &[Input],
) -> Result<String, String> {
    let stem = |file: &str| {
        let file = file.rsplit(['/', '\\']).next().unwrap_or_default();
        file.rsplit_once('.')
            .map_or(file, |(stem, _)| stem)
            .to_owned()
    };
    let own = match path.file_stem() {
        Some(name) if path.as_os_str() != "-" => name.to_string_lossy().into_owned(),
        _ => page.title.clone(),
    };
    let own: Vec<String> = own
        .split(|one: char| !one.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let own = own.join("-");
    let models = |document: &Document| -> Vec<(String, String)> {
        let operations = document.operations.iter();
        let models = operations.flat_map(|one| {
            document
                .models(one)
                .into_iter()
                .map(|model| (one.path.clone(), model.to_owned()))
        });
        models.collect()
    };
    let ours = models(document);
    let shares = |input: &&Input| {
        let other = Document::read(&input.file, 1, &input.text);
        other.is_ok_and(|other| models(&other).iter().any(|model| ours.contains(model)))
    };
    let sharing: Vec<String> = known
        .iter()
        .filter(shares)
        .map(|input| stem(&input.file))
        .collect();
    match sharing.first() {
        Some(first) if !sharing.contains(&own) => Ok(first.clone()),
        _ if own.is_empty() => Err(
            "<stdin>: the page has no title to be named after\n  help: save it as a file"
                .to_owned(),
        ),
        _ => Ok(own),
    }
}

/// Says what the provider has changed in a document.
fn report_update(old: &Input, new: &Input) -> Result<(), String> {
    let parse = |input: &Input| openapi_drift::Document::parse(&input.file, &input.text);
    let (old, new) = (
        parse(old).map_err(|error| error.to_string())?,
        parse(new).map_err(|error| error.to_string())?,
    );
    let report = compare(&old, &new);
    if report.verdict == Verdict::None {
        anstream::println!("unchanged: {}", new.name());
    } else {
        anstream::println!(
            "the provider changed {}: {} on the wire",
            new.name(),
            report.verdict
        );
        for line in codegen::findings(&report) {
            anstream::println!("{line}");
        }
    }
    Ok(())
}

/// Prints the contradictions; true if one of them, or an entry without one, needs somebody
/// to look at it.
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
    let outdated = acknowledged.outdated();
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

/// The README of the documents, with the row of a document as it should be.
fn readme(
    root: &Path,
    name: &str,
    page: &str,
    has_page: bool,
    document: &Document,
    today: &str,
) -> Result<String, String> {
    let bytes = read(root, README)?.unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|error| format!("{README}: {error}"))?;
    let hash = format!("{:x}", Sha256::digest(&document.text));
    let start = format!("| `{name}.json` |");
    let page = page.trim_start_matches("openapi/");
    let from = match (has_page, document.first_line) {
        (false, _) => "the document itself".to_owned(),
        (true, 1) => format!("the document that `{page}` names"),
        (true, _) => format!("the OpenAPI block of `{page}`"),
    };
    let row = format!("{start} {from} | {today} | `{hash}` |");
    let mut lines: Vec<&str> = text.lines().collect();
    if let Some(line) = lines.iter_mut().find(|line| line.starts_with(&start)) {
        // It was taken on the day on which it became what it is.
        if !line.contains(&hash) {
            *line = &row;
        }
    } else {
        let head: Vec<&str> = TABLE.lines().collect();
        let table = lines.windows(2).position(|pair| pair == head);
        let end = match table {
            Some(start) => {
                let rows = lines[start..]
                    .iter()
                    .take_while(|line| line.starts_with('|'));
                start + rows.count()
            }
            None if text.is_empty() => {
                lines.extend(head);
                lines.len()
            }
            None => {
                return Err(format!(
                    "{README}: expected the table `{}`, found none\n  help: restore it with git",
                    head[0]
                ));
            }
        };
        lines.insert(end, &row);
    }
    Ok(lines.join("\n") + "\n")
}
