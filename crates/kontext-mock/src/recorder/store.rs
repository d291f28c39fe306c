//! The folder that a recorder writes to, possibly shared with other recorders.

use axum::body::Bytes;
use kontext_recording::{
    META_FILE, REQUEST_FILE, RequestHash, answer_of_file, case_name, file_of_answer,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use strum::{Display, EnumString};

use crate::{
    contract::{Contract, Operation},
    error::{CheckReport, RecordError},
    log::with_causes,
    recorder::{
        exchange::{Draft, Exchange, Unsaved, recorded_body},
        index::{Index, Statuses, is_good, rank, ranked_status},
        rules::{Rules, Wanted},
        staging::{Lock, Place, Shelf, Staging},
    },
    recordings::{Case, RecordedAnswer, Recording, check, is_part},
    redaction::{Redaction, Secret},
};

/// Number of bytes of the request hash in the name of a case; the second if another
/// request already has the name.
pub(crate) const NAME_BYTES: [usize; 2] = [4, 32];

/// Which exchanges a recorder saves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString)]
#[cfg_attr(feature = "binary", derive(clap::ValueEnum))]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordMode {
    /// All. If the request has a recording, the response becomes its next answer, unless
    /// that would make a failure follow a success.
    #[default]
    All,
    /// Only those whose request has no recording yet. Other requests are answered from
    /// their recording and cost nothing, unless it holds a transient failure (401, 403,
    /// 429, or 500 and above).
    Missing,
    /// Only those whose request has a recording. The response replaces all of its answers,
    /// but a failure never replaces a success.
    Update,
}

/// The recordings folder of one recorder. Its methods block.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) root: PathBuf,
    pub(crate) staging: Staging,
    contract: Arc<Contract>,
    state: Mutex<State>,
    /// The redaction rules as last read or written, for callers that must not wait
    /// while the folder is in use.
    latest: Mutex<Arc<Redaction>>,
}

#[derive(Debug)]
pub(crate) struct State {
    /// One per [`Shelf`], in the order of [`Shelf::ALL`].
    indexes: [Index; 2],
    pub(crate) rules: Rules,
}

/// Result of saving an exchange.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) place: Place,
    /// Whether this place already had a recording of the same request.
    pub(crate) again: bool,
    /// Number of answers in the recording; the last one was just saved.
    pub(crate) answers: usize,
    /// Where the recording disagrees with the contract.
    pub(crate) report: CheckReport,
    /// The recorded response.
    pub(crate) response: Bytes,
}

/// A recording of the request that was searched for.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) place: Place,
    statuses: Statuses,
}

impl Store {
    /// Opens a folder to record into. The caller holds its lock.
    pub(crate) fn open(
        root: &Path,
        lock: &Lock,
        wanted: &Wanted,
        contract: Arc<Contract>,
    ) -> Result<Self, RecordError> {
        let failed = |source| RecordError::folder(root, source);
        // The former name of this folder; its recordings were paid for.
        let (earlier, quarantine) = (root.join(".disagreeing"), Shelf::Quarantine.folder(root));
        if earlier.is_dir() && !quarantine.exists() {
            fs::rename(earlier, quarantine).map_err(failed)?;
        }
        let staging = Staging::open(root, lock).map_err(failed)?;
        let mut rules = Rules::read(root)?;
        if !wanted.is_empty() {
            let merged = rules.with(wanted)?;
            rules.write(merged, root, &staging, lock)?;
        }
        Ok(Self {
            root: root.to_owned(),
            staging,
            contract,
            latest: Mutex::new(rules.redaction()),
            state: Mutex::new(State {
                indexes: Default::default(),
                rules,
            }),
        })
    }

    /// The redaction rules as of the last use of the folder, without waiting for the
    /// disk.
    pub(crate) fn redaction(&self) -> Arc<Redaction> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }

    /// Reloads the rules if their file has changed.
    pub(crate) fn refresh(&self, rules: &mut Rules) -> Result<(), String> {
        rules
            .refresh(&self.root)
            .map_err(|error| with_causes(&error))?;
        self.publish(rules);
        Ok(())
    }

    fn publish(&self, rules: &Rules) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = rules.redaction();
    }

    /// Returns the best recorded answer to a request, unless it is a transient failure;
    /// of several recordings, from the one with the best answer.
    pub(crate) fn find(
        &self,
        operation: &Operation,
        body: &[u8],
        secrets: &[Secret],
    ) -> Result<Option<(Place, RecordedAnswer)>, String> {
        let mut state = self.state();
        let _lock = self.lock()?;
        self.refresh(&mut state.rules)?;
        // A request that cannot be recorded has no recording.
        let Ok(asked) = recorded_body(operation, body, &state.rules.redaction(), secrets) else {
            return Ok(None);
        };
        let found = self.find_all(&mut state, operation.name(), &asked.hash)?;
        let good = found
            .into_iter()
            .filter(|found| is_good(found.statuses.best));
        // Of equals, `max_by_key` returns the last.
        let Some(Found { place, .. }) = good.rev().max_by_key(|found| rank(found.statuses.best))
        else {
            return Ok(None);
        };
        let (_, recording) = self.recording(&place)?;
        let answers = recording.answers().iter();
        let best = answers.max_by_key(|answer| rank(ranked_status(&answer.meta)));
        Ok(best.map(|answer| (place, answer.clone())))
    }

    /// Saves an exchange according to the mode.
    pub(crate) fn save(&self, exchange: &Exchange<'_>, mode: RecordMode) -> Result<Saved, Unsaved> {
        let operation = exchange.operation.name();
        let mut state = self.state();
        let lock = self.lock()?;
        let mut draft = self.draft(exchange, &mut state.rules, &lock)?;
        let found = self.find_all(&mut state, operation, &draft.hash)?;
        if mode == RecordMode::Update && found.is_empty() {
            return Err(Unsaved::Unwanted(
                "there is no recording of this request to update".to_owned(),
            ));
        }
        // Validated alone: if it disagrees, earlier recordings are still served.
        let alone = Place {
            shelf: Shelf::Served,
            operation: operation.to_owned(),
            case: case_name(draft.request.as_ref(), &draft.hash, NAME_BYTES[0]),
        };
        let (read, report) = self.validate(&alone, &draft.all_files())?;
        let name = match exchange.broke_off {
            true => "an answer that broke off".to_owned(),
            false => exchange.status.as_u16().to_string(),
        };
        let shelf = match report.is_clean() && !exchange.broke_off {
            true => Shelf::Served,
            false => Shelf::Quarantine,
        };
        let new = ranked_status(&read.answers()[0].meta);
        let appends = mode == RecordMode::All;
        for Found { place, statuses } in &found {
            // A quarantined recording is removed when an answer can be served.
            let (earlier, does) = match (appends, place.shelf) {
                (true, at) if at == shelf => (statuses.last, "follow"),
                _ => (statuses.best, "replace"),
            };
            // A quarantined answer does not hide a served one.
            let is_apart = appends && shelf == Shelf::Quarantine && place.shelf == Shelf::Served;
            if rank(earlier) > rank(new) && !is_apart {
                return Err(Unsaved::Unwanted(format!(
                    "{place} has the status {earlier}, which {name} does not {does}"
                )));
            }
        }
        let mut known = found.clone();
        for earlier in &found {
            let is_here = earlier.place.shelf == shelf;
            match self.recording(&earlier.place) {
                Ok((files, recording)) if is_here || !appends => {
                    keep_pictures(&files, &recording, &mut draft);
                    if appends {
                        append(files, &recording, &mut draft);
                    }
                }
                // Don't overwrite a recording that cannot be read.
                Err(_) if appends => known.retain(|one| one.place != earlier.place),
                _ => {}
            }
        }
        let place = self.place(&state, shelf, &known, operation, &draft)?;
        let files = draft.all_files();
        let (read, report) = self.validate(&place, &files)?;
        self.put(&place, &files, &lock)?;
        for earlier in &found {
            // It failed validation before and passes now.
            if place.shelf == Shelf::Served && earlier.place.shelf == Shelf::Quarantine {
                self.staging
                    .remove(&earlier.place, &lock)
                    .map_err(|error| self.failed(&error))?;
            }
        }
        let saved = read.answers().last();
        let response = saved.map(|answer| answer.response.clone());
        Ok(Saved {
            answers: read.answers().len(),
            again: found.iter().any(|found| found.place == place),
            place,
            report,
            response: response.unwrap_or_default(),
        })
    }

    /// Drafts the recording of an exchange. If something is redacted, first ensures
    /// that the folder has its own key.
    fn draft(
        &self,
        exchange: &Exchange<'_>,
        rules: &mut Rules,
        lock: &Lock,
    ) -> Result<Draft, Unsaved> {
        self.refresh(rules)?;
        let draft = exchange.draft(&rules.redaction())?;
        if draft.meta.all_redacted().next().is_none() || rules.are_written() {
            return Ok(draft);
        }
        self.write_key(rules, lock)?;
        exchange.draft(&rules.redaction())
    }

    /// Adds a key to the rules. Without one, anyone could test whether a marker stands
    /// for a guessed secret.
    pub(crate) fn write_key(&self, rules: &mut Rules, lock: &Lock) -> Result<(), String> {
        let keyed = rules.with(&Wanted::default());
        keyed
            .and_then(|keyed| rules.write(keyed, &self.root, &self.staging, lock))
            .map_err(|error| with_causes(&error))?;
        self.publish(rules);
        Ok(())
    }

    /// Finds the recordings of a request on both shelves, in their order.
    pub(crate) fn find_all(
        &self,
        state: &mut State,
        operation: &str,
        hash: &RequestHash,
    ) -> Result<Vec<Found>, String> {
        let mut all = Vec::new();
        for (shelf, index) in Shelf::ALL.into_iter().zip(&mut state.indexes) {
            index
                .refresh(&shelf.folder(&self.root), operation)
                .map_err(|error| self.failed(&error))?;
            if let Some((case, statuses)) = index.find(operation, hash) {
                all.push(Found {
                    place: Place {
                        shelf,
                        operation: operation.to_owned(),
                        case: case.to_owned(),
                    },
                    statuses,
                });
            }
        }
        Ok(all)
    }

    /// Reads a recording as the mock would, and validates it against the contract.
    pub(crate) fn validate(
        &self,
        place: &Place,
        files: &Case,
    ) -> Result<(Recording, CheckReport), String> {
        let folder = place.shelf.folder(&self.root).display().to_string();
        let read = Recording::read(&folder, &place.operation, &place.case, files)
            .map_err(|error| with_causes(&error))?;
        let report = check(&self.contract, &read.clone().into());
        Ok((read, report))
    }

    /// Writes a recording to its place.
    pub(crate) fn put(&self, place: &Place, files: &Case, lock: &Lock) -> Result<(), String> {
        let all = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        self.staging
            .put(place, all, lock)
            .map_err(|error| self.failed(&error))
    }

    /// Where to put a recording on a shelf: in place of one of the same request, or
    /// under an unused name.
    pub(crate) fn place(
        &self,
        state: &State,
        shelf: Shelf,
        found: &[Found],
        operation: &str,
        draft: &Draft,
    ) -> Result<Place, String> {
        let here = |found: &&Found| found.place.shelf == shelf;
        if let Some(same) = found.iter().find(here) {
            return Ok(same.place.clone());
        }
        let is_free = |case: &String| {
            let mut indexes = Shelf::ALL.into_iter().zip(&state.indexes);
            !indexes.any(|(other, index)| {
                let is_same =
                    |found: &Found| found.place.shelf == other && found.place.case == *case;
                index.has_case(operation, case) && !found.iter().any(is_same)
            })
        };
        let elsewhere = found.iter().map(|found| found.place.case.clone());
        let new = NAME_BYTES
            .iter()
            .map(|bytes| case_name(draft.request.as_ref(), &draft.hash, *bytes));
        let case = elsewhere.chain(new).find(is_free).ok_or_else(|| {
            format!(
                "{}/{} is there and cannot be read, repair or delete it",
                shelf.folder(&self.root).join(operation).display(),
                case_name(draft.request.as_ref(), &draft.hash, NAME_BYTES[0])
            )
        })?;
        Ok(Place {
            shelf,
            operation: operation.to_owned(),
            case,
        })
    }

    /// Reads one recording, with its files.
    pub(crate) fn recording(&self, place: &Place) -> Result<(Case, Recording), String> {
        read_recording(&self.root, place)
    }

    pub(crate) fn lock(&self) -> Result<Lock, String> {
        Lock::take(&self.root).map_err(|error| self.failed(&error))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // The state is refreshed from disk, so a poisoned lock is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failed(&self, error: &io::Error) -> String {
        format!("{} cannot be written: {error}", self.root.display())
    }
}

/// Reads one recording of a folder, with its files.
pub(crate) fn read_recording(root: &Path, place: &Place) -> Result<(Case, Recording), String> {
    let root = place.shelf.folder(root);
    let folder = root.join(&place.operation).join(&place.case);
    let unreadable = |error: &io::Error| format!("{} cannot be read: {error}", folder.display());
    let mut files = Case::new();
    for entry in fs::read_dir(&folder).map_err(|error| unreadable(&error))? {
        let name = entry.map_err(|error| unreadable(&error))?.file_name();
        let Some(name) = name.to_str().filter(|name| is_part(name)) else {
            continue;
        };
        let bytes = fs::read(folder.join(name)).map_err(|error| unreadable(&error))?;
        files.insert(name.to_owned(), bytes.into());
    }
    let root = root.display().to_string();
    let recording = Recording::read(&root, &place.operation, &place.case, &files)
        .map_err(|error| with_causes(&error))?;
    Ok((files, recording))
}

/// Appends the answer of a draft to those of a recording of the same request.
fn append(mut files: Case, recording: &Recording, draft: &mut Draft) {
    let mut meta = recording.meta();
    let index = meta.answers.len();
    for answer in std::mem::take(&mut draft.meta.answers) {
        meta.push(answer);
    }
    for (name, bytes) in std::mem::take(&mut draft.files) {
        // Both requests are equal, however they are spelled.
        if name != REQUEST_FILE {
            files.insert(file_of_answer(index, &name), bytes);
        }
    }
    files.remove(META_FILE);
    draft.files = files;
    draft.meta = meta;
}

/// Copies the pictures of a recording to a draft with the same response.
fn keep_pictures(old_files: &Case, old: &Recording, draft: &mut Draft) {
    let Some(answer) = draft.meta.answers.last_mut() else {
        return;
    };
    let mut bodies = draft.files.iter();
    let body = bodies.find(|(name, _)| answer_of_file(name).is_some());
    let is_same = |one: &&RecordedAnswer| body.is_some_and(|(_, body)| one.response == *body);
    let Some(same) = old.answers().iter().rfind(is_same) else {
        return;
    };
    for kept in &same.meta.files {
        let is_taken = draft.files.contains_key(&kept.file);
        if let Some(bytes) = old_files.get(&kept.file).filter(|_| !is_taken) {
            draft.files.insert(kept.file.clone(), bytes.clone());
            answer.files.push(kept.clone());
        }
    }
}
