//! The folder that a recorder writes into, beside other recorders.

use axum::body::Bytes;
use kontext_recording::{META_FILE, RequestHash};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    contract::{Contract, Operation},
    error::{CheckReport, RecordError},
    log::with_causes,
    recorder::{
        exchange::{Draft, Exchange, recorded_body},
        index::{BROKEN, Index},
        rules::{Rules, Wanted},
        slug,
        staging::{Lock, Place, Shelf, Staging},
    },
    recordings::{Case, Recording, Recordings, check, is_part},
    redaction::{Redaction, Secret},
};

/// How many bytes of a request's hash the name of its case has; and if
/// another request has that name already.
pub(crate) const NAME_BYTES: [usize; 2] = [4, 32];

/// The folder of recordings of one recorder. Its methods block.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) root: PathBuf,
    pub(crate) staging: Staging,
    contract: Arc<Contract>,
    state: Mutex<State>,
    /// The rules as they were last read or written, for those who must not wait
    /// while the folder is used.
    latest: Mutex<Arc<Redaction>>,
}

#[derive(Debug)]
pub(crate) struct State {
    /// That of each [`Shelf`], in the order of [`Shelf::ALL`].
    indexes: [Index; 2],
    pub(crate) rules: Rules,
}

/// What became of an exchange that was saved.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) place: Place,
    /// Whether there was a recording of the same request in this place before.
    pub(crate) replaced: bool,
    /// Whether the recording agrees with the contract.
    pub(crate) report: CheckReport,
    /// The response as it is kept.
    pub(crate) response: Bytes,
}

/// Why an exchange was not saved.
#[derive(Debug)]
pub(crate) enum Unsaved {
    /// By the rules of the recorder it is not to be.
    Unwanted(String),
    /// It should have been.
    Failed(String),
}

/// A recording that has the request that is looked for.
pub(crate) struct Found {
    pub(crate) place: Place,
    status: u16,
}

impl From<String> for Unsaved {
    fn from(problem: String) -> Self {
        Self::Failed(problem)
    }
}

impl Store {
    /// Opens a folder to record into, whose lock the caller has.
    pub(crate) fn open(
        root: &Path,
        lock: &Lock,
        wanted: &Wanted,
        contract: Arc<Contract>,
    ) -> Result<Self, RecordError> {
        let failed = |source| RecordError::Folder {
            folder: root.to_owned(),
            source,
        };
        // What an earlier version called so holds answers that were paid for.
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

    /// The rules of redaction, as they were when the folder was last used.
    /// Whoever asks does not wait for the disk.
    pub(crate) fn redaction(&self) -> Arc<Redaction> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }

    /// Reads the rules again, if their file has changed.
    fn refresh(&self, rules: &mut Rules) -> Result<(), String> {
        rules
            .refresh(&self.root)
            .map_err(|error| with_causes(&error))?;
        self.set_on_responsest(rules);
        Ok(())
    }

    fn set_on_responsest(&self, rules: &Rules) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = rules.redaction();
    }

    /// Reads the recording of a request, if there is one that says something of the
    /// request; of two the one whose status is worth more.
    pub(crate) fn find(
        &self,
        operation: &Operation,
        body: &[u8],
        secrets: &[Secret],
    ) -> Result<Option<(Place, Recording)>, String> {
        let mut state = self.state();
        let _lock = self.lock()?;
        self.refresh(&mut state.rules)?;
        // What cannot be recorded has no recording.
        let Ok(asked) = recorded_body(operation, body, &state.rules.redaction(), secrets) else {
            return Ok(None);
        };
        let found = self.find_all(&mut state, operation.name(), &asked.hash)?;
        // Of equals, the last is the greatest.
        let best = found
            .into_iter()
            .rev()
            .max_by_key(|found| rank(found.status));
        let Some(Found { place, .. }) = best.filter(|found| is_good(found.status)) else {
            return Ok(None);
        };
        let (_, recording) = self.recording(&place)?;
        Ok(Some((place, recording)))
    }

    /// Saves an exchange; with `known` only if its request has a recording.
    pub(crate) fn save(&self, exchange: &Exchange<'_>, known: bool) -> Result<Saved, Unsaved> {
        let operation = exchange.operation.name();
        let mut state = self.state();
        let lock = self.lock()?;
        let draft = self.draft(exchange, &mut state.rules, &lock)?;
        let found = self.find_all(&mut state, operation, &draft.hash)?;
        if known && found.is_empty() {
            return Err(Unsaved::Unwanted(
                "there is no recording of this request to update".to_owned(),
            ));
        }
        let new = if exchange.broke_off {
            BROKEN
        } else {
            exchange.status.as_u16()
        };
        if let Some(better) = found.iter().find(|found| rank(found.status) > rank(new)) {
            return Err(Unsaved::Unwanted(format!(
                "{} has the status {}, which {new} does not replace",
                better.place, better.status
            )));
        }
        let mut place = self.place(&state, Shelf::Served, &found, operation, &draft)?;
        let Draft {
            mut files,
            mut story,
            ..
        } = draft.clone();
        for earlier in &found {
            self.keep_pictures(&earlier.place, &mut files, &mut story);
        }
        files.insert(META_FILE.to_owned(), story.to_json().into());
        let (mut read, mut report) = self.validate(&place, &files)?;
        if !report.is_clean() || exchange.broke_off {
            place = self.place(&state, Shelf::Quarantine, &found, operation, &draft)?;
            (read, report) = self.validate(&place, &files)?;
        }
        self.put(&place, &files, &lock)?;
        for earlier in &found {
            // Validation refused it then, and has nothing against it now.
            if place.shelf == Shelf::Served && earlier.place.shelf == Shelf::Quarantine {
                self.staging
                    .remove(earlier.place.shelf, operation, &earlier.place.case, &lock)
                    .map_err(|error| self.failed(&error))?;
            }
        }
        Ok(Saved {
            replaced: found.iter().any(|found| found.place == place),
            place,
            report,
            response: read.response_bytes(),
        })
    }

    /// Makes of an exchange what is kept of it. Where that leaves something
    /// out, the folder gets a key of its own first.
    fn draft(
        &self,
        exchange: &Exchange<'_>,
        rules: &mut Rules,
        lock: &Lock,
    ) -> Result<Draft, Unsaved> {
        self.refresh(rules)?;
        let draft = exchange.draft(&rules.redaction())?;
        if draft.story.redacted.is_empty() || rules.are_written() {
            return Ok(draft);
        }
        self.write_key(rules, lock)?;
        exchange.draft(&rules.redaction())
    }

    /// Gives the rules a key, without which everybody could try whether a marker
    /// is that of a secret.
    pub(crate) fn write_key(&self, rules: &mut Rules, lock: &Lock) -> Result<(), String> {
        let keyed = rules.with(&Wanted::default());
        keyed
            .and_then(|keyed| rules.write(keyed, &self.root, &self.staging, lock))
            .map_err(|error| with_causes(&error))?;
        self.set_on_responsest(rules);
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
            if let Some((case, status)) = index.find(operation, hash) {
                all.push(Found {
                    place: Place {
                        shelf,
                        operation: operation.to_owned(),
                        case: case.to_owned(),
                    },
                    status,
                });
            }
        }
        Ok(all)
    }

    /// Reads a recording as the mock will read it, and judges it by the
    /// contract.
    pub(crate) fn validate(
        &self,
        place: &Place,
        files: &Case,
    ) -> Result<(Recording, CheckReport), String> {
        let folder = place.shelf.folder(&self.root).display().to_string();
        let recordings = Recordings::one(&folder, &place.operation, &place.case, files)
            .map_err(|error| with_causes(&error))?;
        let report = check(&self.contract, &recordings);
        let read = recordings.iter().next().cloned();
        let read = read.ok_or_else(|| format!("{place} is empty"))?;
        Ok((read, report))
    }

    /// Puts a recording into its place.
    pub(crate) fn put(&self, place: &Place, files: &Case, lock: &Lock) -> Result<(), String> {
        let all = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        self.staging
            .put(place.shelf, &place.operation, &place.case, all, lock)
            .map_err(|error| self.failed(&error))
    }

    /// Where on a shelf a recording goes: in the place of that of the same
    /// request, or where no other request is.
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
            .map(|bytes| slug::case(draft.request.as_ref(), &draft.hash, *bytes));
        let case = elsewhere.chain(new).find(is_free).ok_or_else(|| {
            format!(
                "{}/{} is there and cannot be read, repair or delete it",
                shelf.folder(&self.root).join(operation).display(),
                slug::case(draft.request.as_ref(), &draft.hash, NAME_BYTES[0])
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
        let root = place.shelf.folder(&self.root);
        read_recording(&root, &place.operation, &place.case)
    }

    pub(crate) fn lock(&self) -> Result<Lock, String> {
        Lock::take(&self.root).map_err(|error| self.failed(&error))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // What is in it is read again from the disk, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failed(&self, error: &io::Error) -> String {
        format!("{} cannot be written: {error}", self.root.display())
    }
}

/// Reads one recording of a folder, with its files.
pub(crate) fn read_recording(
    root: &Path,
    operation: &str,
    case: &str,
) -> Result<(Case, Recording), String> {
    let folder = root.join(operation).join(case);
    let unreadable = |error: &io::Error| format!("{} cannot be read: {error}", folder.display());
    let mut files: Case = BTreeMap::new();
    for entry in fs::read_dir(&folder).map_err(|error| unreadable(&error))? {
        let name = entry.map_err(|error| unreadable(&error))?.file_name();
        let Some(name) = name.to_str().filter(|name| is_part(name)) else {
            continue;
        };
        let bytes = fs::read(folder.join(name)).map_err(|error| unreadable(&error))?;
        files.insert(name.to_owned(), bytes.into());
    }
    let set = Recordings::one(&root.display().to_string(), operation, case, &files)
        .map_err(|error| with_causes(&error))?;
    let recording = set.iter().next().cloned();
    let recording = recording.ok_or_else(|| format!("{} is empty", folder.display()))?;
    Ok((files, recording))
}

/// How much a status is worth to whoever replays it.
pub(crate) fn rank(status: u16) -> u8 {
    match status {
        200..=299 => 2,
        _ if is_good(status) => 1,
        _ => 0,
    }
}

/// Whether a status says something of the request, and not of the key, the
/// balance or the state of the service.
pub(crate) fn is_good(status: u16) -> bool {
    status < 500 && !matches!(status, 401 | 403 | 429)
}
