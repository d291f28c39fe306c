//! Redacts secrets in existing recordings.

use kontext_recording::{
    Canonical, META_FILE, REQUEST_FILE, Redacted, RequestHash, answer_of_file, case_name,
};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, path::Path};

use crate::{
    contract::{Contract, violations::count},
    error::RecordError,
    recorder::{
        exchange::{Draft, places, title},
        rules::{Rules, Wanted},
        staging::{Lock, Place, Shelf},
        store::{NAME_BYTES, Store, read_recording},
    },
    recordings::{Case, Recording, Recordings},
    redaction::{Redaction, RedactionEntry, Secret},
};

/// What [`redact_recordings`] redacted, or would redact.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RedactReport {
    /// Number of recordings checked.
    pub recordings: usize,
    /// The redacted values, with the name of their recording after redaction.
    pub taken: Vec<(String, Redacted)>,
    /// The new names of recordings that were renamed, because their names came from a
    /// request with a secret. Empty for a dry run.
    pub renamed: Vec<String>,
    /// Recordings that still contain secrets, and why.
    pub problems: Vec<(String, String)>,
}

/// Redacts the recordings of a folder by its redaction rules. `patterns` and `pointers`
/// are added to the rules; `secrets`, such as a key, are redacted wherever they appear
/// and never written. Each recording is replaced atomically; those that disagree with
/// the contract are redacted too. With `dry_run` nothing is written.
///
/// # Errors
///
/// Fails if the recordings or the rules cannot be read, or the folder cannot be
/// written.
pub fn redact_recordings(
    folder: &Path,
    patterns: &[String],
    pointers: &[String],
    secrets: &[String],
    dry_run: bool,
) -> Result<RedactReport, RecordError> {
    let wanted = Wanted {
        patterns: patterns.to_vec(),
        pointers: pointers.to_vec(),
    };
    let secrets: Vec<_> = secrets.iter().filter_map(|one| Secret::new(one)).collect();
    let mut recordings = Vec::new();
    for shelf in Shelf::ALL {
        let place = shelf.folder(folder);
        if shelf == Shelf::Served || place.is_dir() {
            let loaded = Recordings::load(place)?;
            recordings.extend(loaded.iter().map(|one| Place::of(shelf, one)));
        }
    }
    let rules = Rules::read(folder)?.with(&wanted)?;
    let store = if dry_run {
        None
    } else {
        let lock = Lock::take(folder).map_err(|error| RecordError::folder(folder, error))?;
        Some(Store::open(folder, &lock, &wanted, Contract::shared()?)?)
    };
    let mut report = RedactReport {
        recordings: recordings.len(),
        ..RedactReport::default()
    };
    let shown = |place: &Place| {
        let name = place.to_string();
        rules.text(&name, &secrets).0.into_owned()
    };
    for place in &recordings {
        let done = match &store {
            Some(store) => store.redact(place, &secrets),
            None => read_recording(folder, place)
                .and_then(|(files, recording)| redacted(files, &recording, &rules, &secrets))
                .map(|(_, taken)| (taken, place.clone())),
        };
        match done {
            Ok((taken, new)) => {
                let name = shown(&new);
                if new != *place {
                    report.renamed.push(name.clone());
                }
                let taken = taken.into_iter().map(|one| (name.clone(), one));
                report.taken.extend(taken);
            }
            Err(problem) => report.problems.push((shown(place), problem)),
        }
    }
    Ok(report)
}

/// The request body in the files of a recording.
pub(crate) fn request(files: &Case) -> Option<Value> {
    serde_json::from_slice(files.get(REQUEST_FILE)?).ok()
}

/// Redacts a recording, and lists what was redacted.
pub(crate) fn redacted(
    mut files: Case,
    recording: &Recording,
    redaction: &Redaction,
    secrets: &[Secret],
) -> Result<(Draft, Vec<Redacted>), String> {
    let old_request = request(&files);
    files.remove(META_FILE);
    let mut all = Vec::new();
    for (name, bytes) in &mut files {
        if name.starts_with("file-") {
            continue;
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let (_, taken) = redaction.text(&String::from_utf8_lossy(bytes), secrets);
            let Some(RedactionEntry { what, .. }) = taken.first() else {
                continue;
            };
            return Err(format!(
                "{name} is binary and has {what} in it, which cannot be taken out; delete the \
                 recording"
            ));
        };
        let (left, taken) = redaction.json(text, secrets);
        if !taken.is_empty() {
            *bytes = left.into_owned().into();
            all.extend(places(name, taken));
        }
    }
    let mut meta = recording.meta();
    let mut listed: Vec<_> = all
        .iter()
        .map(|one: &Redacted| (answer_of_file(one.file()), one.clone()))
        .collect();
    let words = |text: &mut String, pointer: &str| {
        let (left, taken) = redaction.text(text, secrets);
        *text = left.into_owned();
        let taken = places(META_FILE, taken).into_iter();
        taken.map(|one| one.at(pointer)).collect::<Vec<_>>()
    };
    let new_request = request(&files);
    let (method, path) = (recording.method(), recording.path());
    if meta.title == title(method, path, old_request.as_ref()) {
        meta.title = title(method, path, new_request.as_ref());
    }
    let of_title = words(&mut meta.title, "/title");
    all.extend(of_title.iter().cloned());
    listed.extend(of_title.into_iter().map(|one| (None, one)));
    let mut answers = std::mem::take(&mut meta.answers);
    for (index, answer) in answers.iter_mut().enumerate() {
        let mut taken = Vec::new();
        for (name, value) in &mut answer.headers {
            let (left, of_header) = redaction.header(name, value, secrets);
            *value = left.into_owned();
            taken.extend(places(META_FILE, of_header));
        }
        taken.extend(words(&mut answer.source.document, "/source/document"));
        if let Some(section) = &mut answer.source.section {
            taken.extend(words(section, "/source/section"));
        }
        for (number, text) in answer.not_recorded.iter_mut().enumerate() {
            taken.extend(words(text, &format!("/not_recorded/{number}")));
        }
        for one in taken {
            all.push(one.clone().at(&meta.pointer(index, one.pointer())));
            listed.push((Some(index), one));
        }
    }
    // These URLs equal strings in the response, so they change with it.
    for (answer, old) in answers.iter_mut().zip(recording.answers()) {
        let response = files.get(old.response_file());
        let new = response.map(|response| replacements(old.response(), response));
        for kept in &mut answer.files {
            if let Some(url) = new.as_ref().and_then(|new| new.get(&kept.url)) {
                kept.url.clone_from(url);
            }
        }
    }
    meta.answers = answers;
    for (answer, one) in listed {
        meta.add_redacted(answer, one);
    }
    let body = files.get(REQUEST_FILE);
    let body = body.and_then(|body| std::str::from_utf8(body).ok());
    let canonical = body.and_then(|text| Canonical::of(text).ok());
    let draft = Draft {
        hash: RequestHash::of(recording.operation(), canonical.as_ref()),
        request: new_request,
        meta,
        files,
    };
    Ok((draft, all))
}

/// Maps strings of a JSON text to those that replace them in the second text.
fn replacements(old: &[u8], new: &[u8]) -> BTreeMap<String, String> {
    fn collect(old: &Value, new: &Value, found: &mut BTreeMap<String, String>) {
        match (old, new) {
            (Value::String(old), Value::String(new)) if old != new => {
                found.insert(old.clone(), new.clone());
            }
            (Value::Array(old), Value::Array(new)) => {
                for (old, new) in old.iter().zip(new) {
                    collect(old, new, found);
                }
            }
            (Value::Object(old), Value::Object(new)) => {
                for (name, old) in old {
                    if let Some(new) = new.get(name) {
                        collect(old, new, found);
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    if let (Ok(old), Ok(new)) = (serde_json::from_slice(old), serde_json::from_slice(new)) {
        collect(&old, &new, &mut found);
    }
    found
}

impl fmt::Display for RedactReport {
    /// Writes the report for people, without a trailing line break.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, one) in &self.taken {
            writeln!(
                formatter,
                "{name}/{} {}: {}",
                one.file(),
                one.pointer(),
                one.what()
            )?;
        }
        for name in &self.renamed {
            writeln!(formatter, "{name}: has a new name, without a secret in it")?;
        }
        for (name, problem) in &self.problems {
            writeln!(formatter, "{name}: NOT REDACTED: {problem}")?;
        }
        write!(
            formatter,
            "{}, {}",
            count(self.recordings as u64, "recording", "recordings"),
            count(self.taken.len() as u64, "secret", "secrets")
        )
    }
}

impl Store {
    /// Redacts a recording, and lists what was redacted. Also returns its new place,
    /// because a name that came from the request may contain a secret.
    pub(crate) fn redact(
        &self,
        place: &Place,
        secrets: &[Secret],
    ) -> Result<(Vec<Redacted>, Place), String> {
        let mut state = self.state();
        let lock = self.lock()?;
        let rules = &mut state.rules;
        self.refresh(rules)?;
        let (old_files, old) = self.recording(place)?;
        let redact = |rules: &Rules| redacted(old_files.clone(), &old, &rules.redaction(), secrets);
        let (mut draft, mut taken) = redact(rules)?;
        if taken.is_empty() {
            return Ok((taken, place.clone()));
        }
        if !rules.have_key() {
            self.write_key(rules, &lock)?;
            (draft, taken) = redact(rules)?;
        }
        let files = draft.all_files();
        let found = self.find_all(&mut state, &place.operation, &draft.hash)?;
        let others = found.iter().map(|found| &found.place);
        for other in others.filter(|other| other.shelf == place.shelf && *other != place) {
            if self.recording(other)?.0 != files {
                return Err(format!(
                    "without its secrets it has the same request as {other}; delete one of the two"
                ));
            }
            // An interrupted redaction left this copy.
        }
        let old_request = request(&old_files);
        let is_synthetic = NAME_BYTES
            .iter()
            .any(|bytes| place.case == case_name(old_request.as_ref(), &old.hash, *bytes));
        let new = if is_synthetic && old.hash != draft.hash {
            self.place(&state, place.shelf, &found, &place.operation, &draft)?
        } else {
            place.clone()
        };
        self.validate(&new, &files)?;
        self.put(&new, &files, &lock)?;
        if new != *place {
            self.staging
                .remove(place, &lock)
                .map_err(|error| self.failed(&error))?;
        }
        Ok((taken, new))
    }
}
