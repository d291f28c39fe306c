//! Turns the exchanges of a page into recordings for the mock.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use kontext_recording::{
    AnswerMeta, Canonical, META_FILE, Origin, REQUEST_FILE, RecordingMeta, RequestHash, Source,
    case_name, prompt_line,
};
use serde_json::Value;

use super::{exchange::Exchange, sample::Literal};
use crate::drift::recordings::{Contract, Recording};

/// The recordings that the mock serves, relative to the workspace.
const SERVED: &str = "crates/kontext-mock/recordings";

/// Recordings that violate the contract; the mock would not start with them.
const QUARANTINE: &str = "crates/kontext-mock/recordings/.quarantine";

const RESPONSE_FILE: &str = "response.json";

/// The number of bytes of the request hash in a case's name.
const NAME_BYTES: usize = 4;

/// The inputs for recording the exchanges of a page.
pub(super) struct Recorder<'a> {
    pub(super) root: &'a Path,
    /// The page, relative to the workspace.
    pub(super) page: &'a str,
    /// The date, such as `2026-11-22`.
    pub(super) today: &'a str,
    /// The contract that sample requests are validated against.
    pub(super) allowed: &'a Value,
    /// The contract that the mock will use.
    pub(super) served: &'a Value,
}

/// Files relative to the workspace, with their new contents; none removes the file.
pub(super) type Files = Vec<(String, Option<Vec<u8>>)>;

/// The result of recording the exchanges.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) files: Files,
    /// A message about each exchange.
    pub(super) lines: Vec<String>,
    requests: Vec<RequestHash>,
}

/// An existing recording.
struct Known {
    shelf: &'static str,
    /// Such as `generate-image/add-bird`.
    name: String,
    meta: RecordingMeta,
    hash: RequestHash,
}

impl Known {
    fn is_of(&self, page: &str) -> bool {
        let mut answers = self.meta.answers.iter();
        answers.any(|answer| answer.source.document == page)
    }

    /// The origin of an answer that is not from a page, if any: such a recording is not
    /// changed.
    fn other_origin(&self) -> Option<Origin> {
        let mut origins = self.meta.answers.iter().map(|answer| answer.origin);
        origins.find(|origin| *origin != Origin::Documented)
    }
}

impl Recorder<'_> {
    /// Turns the exchanges of a page into recordings.
    ///
    /// # Errors
    ///
    /// An existing recording can't be read; the message names it.
    pub(super) fn record(&self, exchanges: &[Exchange<'_>]) -> Result<Recorded, String> {
        let known = known(self.root)?;
        let mut recorded = Recorded::default();
        for exchange in exchanges {
            if let Err(why) = self.exchange(exchange, &known, &mut recorded) {
                let section = &exchange.section;
                recorded
                    .lines
                    .push(format!("not recorded: {}: {section}: {why}", self.page));
            }
        }
        let is_gone =
            |known: &&Known| known.is_of(self.page) && !recorded.requests.contains(&known.hash);
        let gone = known.iter().filter(is_gone);
        let lines = gone.map(|known| format!("no longer on the page: {}", known.name));
        let lines: Vec<String> = lines.collect();
        recorded.lines.extend(lines);
        Ok(recorded)
    }

    /// Records an exchange; the error says why it can't be recorded.
    fn exchange(
        &self,
        exchange: &Exchange<'_>,
        known: &[Known],
        recorded: &mut Recorded,
    ) -> Result<(), String> {
        let answer = exchange
            .response
            .as_ref()
            .ok_or("the page shows no answer")?;
        let answer = answer
            .read
            .as_ref()
            .map_err(|_| "the answer cannot be read")?;
        let (request, value) = self.request(exchange, &answer.1)?;
        let problems = problems(self.served, exchange, value, &answer.1, |_| true)?;
        let operation = &exchange.operation;
        let entry = entry(self.served, exchange).or_else(|| entry(self.allowed, exchange));
        let text = |member: &str| {
            let text = entry.and_then(|entry| entry[member].as_str());
            text.unwrap_or_default().to_owned()
        };
        let request = request.to_json();
        let canonical = Canonical::of(&request).map_err(|error| error.to_string())?;
        let hash = RequestHash::of(&text("name"), Some(&canonical));
        if recorded.requests.contains(&hash) {
            return Err("the page has this request before, with another answer".to_owned());
        }
        recorded.requests.push(hash);
        let shelf = if problems.is_empty() {
            SERVED
        } else {
            QUARANTINE
        };
        let same: Vec<&Known> = known.iter().filter(|known| known.hash == hash).collect();
        let name = match same.first() {
            Some(known) => known.name.clone(),
            None => format!(
                "{}/{}",
                text("name"),
                case_name(Some(value), &hash, NAME_BYTES)
            ),
        };
        let meta = RecordingMeta {
            format: 1, // there is one answer
            title: prompt_line(Some(value)).unwrap_or_else(|| exchange.section.clone()),
            method: operation.method.clone(),
            path: operation.path.clone(),
            redacted: Vec::new(),
            answers: vec![AnswerMeta {
                status: operation.status,
                headers: BTreeMap::from([("content-type".into(), "application/json".into())]),
                origin: Origin::Documented,
                source: Source {
                    document: self.page.to_owned(),
                    section: Some(exchange.section.clone()),
                },
                date: self.today.to_owned(),
                contract_sha256: entry.map_or_else(String::new, |entry| sha256(entry, value)),
                not_recorded: vec![
                    format!(
                        "the status: the page shows none, the document has {}",
                        operation.status
                    ),
                    "the response headers: the page shows none, content-type is what the document \
                     declares"
                        .to_owned(),
                    "the pictures: the page has only their URLs".to_owned(),
                ],
                redacted: Vec::new(),
                files: Vec::new(),
            }],
        };
        let kept = same.iter().find(|known| known.shelf == shelf);
        recorded.store(
            self.root,
            &format!("{shelf}/{name}"),
            meta,
            &request,
            &answer.0,
            kept,
        );
        recorded
            .lines
            .extend(problems.first().map(|first| format!("  {first}")));
        // A recording that is served now leaves the quarantine.
        let refused = same
            .iter()
            .filter(|known| shelf == SERVED && known.shelf == QUARANTINE);
        for known in refused.filter(|known| known.other_origin().is_none()) {
            for file in [META_FILE, REQUEST_FILE, RESPONSE_FILE] {
                recorded
                    .files
                    .push((format!("{QUARANTINE}/{}/{file}", known.name), None));
            }
        }
        Ok(())
    }

    /// The first sample that is readable and valid.
    fn request<'e>(
        &self,
        exchange: &'e Exchange<'_>,
        answer: &Value,
    ) -> Result<&'e (Literal, Value), String> {
        let mut refused = Vec::new();
        for sample in &exchange.samples {
            let Ok(read) = &sample.body.read else {
                continue;
            };
            let is_in_request = |file: &str| file != RESPONSE_FILE;
            let problems = problems(self.allowed, exchange, &read.1, answer, is_in_request)?;
            match problems.first() {
                None => return Ok(read),
                Some(first) => refused.push(format!("{} sample: {first}", sample.language)),
            }
        }
        Err(match refused.is_empty() {
            true => "no sample can be read".to_owned(),
            false => refused.join("; "),
        })
    }
}

impl Recorded {
    /// Adds the files of an exchange; an existing recording keeps its request and manual
    /// edits of its metadata.
    fn store(
        &mut self,
        root: &Path,
        folder: &str,
        mut meta: RecordingMeta,
        request: &str,
        answer: &Literal,
        known: Option<&&Known>,
    ) {
        let response = (
            format!("{folder}/{RESPONSE_FILE}"),
            answer.to_json().into_bytes(),
        );
        let is_current = fs::read(root.join(&response.0)).is_ok_and(|bytes| bytes == response.1);
        let verb = match known {
            Some(known) => match known.other_origin() {
                Some(origin) => {
                    self.lines.push(format!("kept: {folder}: it is {origin}"));
                    return;
                }
                None if is_current => "current",
                None => "updated",
            },
            None if folder.starts_with(QUARANTINE) => "put into quarantine",
            None => "recorded",
        };
        self.lines.push(format!("{verb}: {folder}"));
        let mut file = |name: &str, bytes| self.files.push((format!("{folder}/{name}"), bytes));
        if let Some(known) = known {
            let new = std::mem::replace(&mut meta, known.meta.clone());
            if let (Some(kept), Some(new)) = (meta.answers.first_mut(), new.answers.first()) {
                kept.contract_sha256.clone_from(&new.contract_sha256);
                if !is_current {
                    kept.date.clone_from(&new.date);
                    // Remove images whose URL is no longer in the answer.
                    let text = String::from_utf8_lossy(&response.1);
                    let gone = kept.files.extract_if(.., |kept| !text.contains(&kept.url));
                    gone.for_each(|kept| file(&kept.file, None));
                }
            }
        } else {
            file(REQUEST_FILE, Some(request.as_bytes().to_owned()));
        }
        file(META_FILE, Some(meta.to_json().into_bytes()));
        file(RESPONSE_FILE, Some(response.1));
    }
}

/// The contract violations of an exchange, in the files that `counts` selects.
fn problems(
    contract: &Value,
    exchange: &Exchange<'_>,
    request: &Value,
    answer: &Value,
    counts: impl Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    let operation = &exchange.operation;
    let (method, path) = (&operation.method, &operation.path);
    let recording = Recording::of(
        method,
        path,
        operation.status,
        request.clone(),
        answer.clone(),
    );
    let problems = Contract::of(contract).problems(&recording)?.into_iter();
    let problems = problems.filter(|problem| counts(&problem.file));
    Ok(problems
        .map(|problem| format!("{} {}: {}", problem.file, problem.pointer, problem.problem))
        .collect())
}

/// The contract's entry for the operation of an exchange.
fn entry<'c>(contract: &'c Value, exchange: &Exchange<'_>) -> Option<&'c Value> {
    let operation = &exchange.operation;
    let mut entries = contract.get("operations")?.as_array()?.iter();
    entries.find(|one| one["method"] == *operation.method && one["path"] == *operation.path)
}

/// The contract hash for a request: that of its page if several pages describe the
/// operation.
fn sha256(entry: &Value, request: &Value) -> String {
    let model = request["model"].as_str().unwrap_or_default();
    let of_page = entry["request"]["sha256"].get(model);
    let hash = of_page.unwrap_or(&entry["sha256"]).as_str();
    hash.unwrap_or_default().to_owned()
}

/// All existing recordings, served and in quarantine.
fn known(root: &Path) -> Result<Vec<Known>, String> {
    let mut known = Vec::new();
    for shelf in [SERVED, QUARANTINE] {
        let operations = folders(&root.join(shelf)).into_iter();
        for (operation, case, folder) in operations.flat_map(|(operation, folder)| {
            let cases = folders(&folder).into_iter();
            cases.map(move |(case, folder)| (operation.clone(), case, folder))
        }) {
            let Ok(meta) = fs::read(folder.join(META_FILE)) else {
                continue;
            };
            let name = format!("{operation}/{case}");
            let meta = RecordingMeta::parse(&meta).map_err(|error| {
                format!(
                    "{shelf}/{name}/{META_FILE}: {error}\n  help: run `kontext-mock check` for \
                     details"
                )
            })?;
            let request = fs::read_to_string(folder.join(REQUEST_FILE)).unwrap_or_default();
            let is_json = serde_json::from_str::<Value>(&request).is_ok();
            let canonical = is_json.then(|| Canonical::of(&request).ok()).flatten();
            known.push(Known {
                shelf,
                hash: RequestHash::of(&operation, canonical.as_ref()),
                name,
                meta,
            });
        }
    }
    Ok(known)
}

/// The folders in a folder with their names, sorted; empty if it doesn't exist. Skips
/// hidden ones.
fn folders(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.map(|entry| {
        (
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        )
    });
    let mut folders: Vec<_> = named
        .filter(|(name, path)| !name.starts_with('.') && path.is_dir())
        .collect();
    folders.sort();
    folders
}
