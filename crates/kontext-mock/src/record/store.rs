//! The folder that a recorder writes into, beside other recorders.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;

pub(crate) use crate::log::with_causes as words;

use super::{
    error::RecordError,
    exchange::{Draft, Exchange, asked},
    identity::Identity,
    index::Index,
    names, redacting,
    rules::{Rules, Wanted},
    shelf::{Place, Shelf},
    workplace::{Lock, Workplace},
};
use crate::{
    check::{CheckReport, check},
    contract::{Contract, Operation},
    recordings::{Case, FILE, Kept, Recording, Recordings, Redacted, Story, is_part},
    redact::{Redaction, Secret},
};

/// How many bytes of a request's identity the name of its case has; and if
/// another request has that name already.
const NAME_BYTES: [usize; 2] = [4, 32];

/// The folder of recordings of one recorder. Its methods block.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    workplace: Workplace,
    contract: Arc<Contract>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// That of each [`Shelf`], in the order of [`Shelf::ALL`].
    indexes: [Index; 2],
    rules: Rules,
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
struct Found {
    place: Place,
    status: u16,
}

/// A picture that was fetched for a recording.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// The URL as the kept response has it.
    pub(crate) url: String,
    pub(crate) content_type: String,
    pub(crate) extension: &'static str,
    pub(crate) bytes: Bytes,
}

impl From<String> for Unsaved {
    fn from(problem: String) -> Self {
        Self::Failed(problem)
    }
}

impl Store {
    /// Opens a folder to record into, and makes it where it is missing.
    pub(crate) fn open(
        root: &Path,
        wanted: &Wanted,
        contract: Arc<Contract>,
    ) -> Result<Self, RecordError> {
        let failed = |source| RecordError::Folder {
            folder: root.to_owned(),
            source,
        };
        fs::create_dir_all(root).map_err(failed)?;
        let lock = Lock::take(root).map_err(failed)?;
        let workplace = Workplace::open(root, &lock).map_err(failed)?;
        let mut rules = Rules::read(root)?;
        if !wanted.is_empty() {
            let merged = rules.with(wanted)?;
            rules.write(merged, root, &workplace, &lock)?;
        }
        Ok(Self {
            root: root.to_owned(),
            workplace,
            contract,
            state: Mutex::new(State {
                indexes: Default::default(),
                rules,
            }),
        })
    }

    /// The rules of redaction at the moment.
    pub(crate) fn redaction(&self) -> Arc<Redaction> {
        self.state().rules.redaction()
    }

    /// Reads the recording of a request, if there is one; of two the one
    /// whose status is worth more.
    pub(crate) fn find(
        &self,
        operation: &Operation,
        body: &[u8],
        secrets: &[Secret],
    ) -> Result<Option<(Place, Recording)>, String> {
        let mut state = self.state();
        let _lock = self.lock()?;
        state
            .rules
            .refresh(&self.root)
            .map_err(|error| words(&error))?;
        // What cannot be recorded has no recording.
        let Ok(asked) = asked(operation, body, &state.rules.redaction(), secrets) else {
            return Ok(None);
        };
        let found = self.find_all(&mut state, operation.name(), &asked.identity)?;
        // Of equals, the last is the greatest.
        let best = found
            .into_iter()
            .rev()
            .max_by_key(|found| rank(found.status));
        let Some(Found { place, .. }) = best else {
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
        let found = self.find_all(&mut state, operation, &draft.identity)?;
        if known && found.is_empty() {
            return Err(Unsaved::Unwanted(
                "there is no recording of this request to update".to_owned(),
            ));
        }
        let new = exchange.status.as_u16();
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
        files.insert(FILE.to_owned(), story.to_json().into());
        let (mut read, mut report) = self.judge(&place, &files)?;
        if !report.is_clean() {
            place = self.place(&state, Shelf::Disagreeing, &found, operation, &draft)?;
            (read, report) = self.judge(&place, &files)?;
        }
        self.put(&place, &files, &lock)?;
        for earlier in &found {
            // The gate refused it then, and has nothing against it now.
            if place.shelf == Shelf::Served && earlier.place.shelf == Shelf::Disagreeing {
                self.workplace
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

    /// Adds pictures to a recording, if it still has the response that they
    /// were fetched for, and says which could not be fetched.
    pub(crate) fn add_pictures(
        &self,
        place: &Place,
        response: &Bytes,
        pictures: &[Picture],
        failures: &[String],
    ) -> Result<(), String> {
        let _state = self.state();
        let lock = self.lock()?;
        let (mut files, recording) = self.recording(place)?;
        if recording.response() != response.as_ref() {
            return Err("it has been recorded again since".to_owned());
        }
        let mut story = recording.story().clone();
        for picture in pictures {
            story.files.retain(|kept| kept.url != picture.url);
        }
        for (number, picture) in (1_u32..).zip(pictures) {
            // The names of those that stay are taken.
            let file = (number..)
                .map(|number| format!("file-{number}.{}", picture.extension))
                .find(|file| !story.files.iter().any(|kept| kept.file == *file))
                .unwrap_or_default();
            story.files.push(Kept::live(
                picture.url.clone(),
                file.clone(),
                picture.content_type.clone(),
                &picture.bytes,
            ));
            files.insert(file, picture.bytes.clone());
        }
        files.retain(|file, _| {
            !file.starts_with("file-") || story.files.iter().any(|kept| kept.file == *file)
        });
        for failure in failures {
            if !story.not_recorded.contains(failure) {
                story.not_recorded.push(failure.clone());
            }
        }
        files.insert(FILE.to_owned(), story.to_json().into());
        self.judge(place, &files)?;
        self.put(place, &files, &lock)
    }

    /// Takes out of a recording what the rules say, and lists it; says where it
    /// is from now on, too, because a name that was made of its request can have
    /// a secret in it.
    pub(crate) fn redact(
        &self,
        place: &Place,
        secrets: &[Secret],
    ) -> Result<(Vec<Redacted>, Place), String> {
        let mut state = self.state();
        let lock = self.lock()?;
        let rules = &mut state.rules;
        rules.refresh(&self.root).map_err(|error| words(&error))?;
        let (old_files, old) = self.recording(place)?;
        let redact = |rules: &Rules| {
            redacting::redacted(old_files.clone(), &old, &rules.redaction(), secrets)
        };
        let (mut draft, mut taken) = redact(rules)?;
        if taken.is_empty() {
            return Ok((taken, place.clone()));
        }
        if !rules.have_key() {
            self.write_key(rules, &lock)?;
            (draft, taken) = redact(rules)?;
        }
        let mut files = draft.files.clone();
        files.insert(FILE.to_owned(), draft.story.to_json().into());
        let found = self.find_all(&mut state, &place.operation, &draft.identity)?;
        let others = found.iter().map(|found| &found.place);
        for other in others.filter(|other| other.shelf == place.shelf && *other != place) {
            if self.recording(other)?.0 != files {
                return Err(format!(
                    "without its secrets it has the same request as {other}; delete one of the two"
                ));
            }
            // A redaction that was killed got so far.
        }
        let old_identity = Identity::of(old.operation(), old.canonical());
        let old_request = redacting::request(&old_files);
        let is_made_up = NAME_BYTES
            .iter()
            .any(|bytes| place.case == names::case(old_request.as_ref(), &old_identity, *bytes));
        let new = if is_made_up && old_identity != draft.identity {
            self.place(&state, place.shelf, &found, &place.operation, &draft)?
        } else {
            place.clone()
        };
        self.judge(&new, &files)?;
        self.put(&new, &files, &lock)?;
        if new != *place {
            self.workplace
                .remove(place.shelf, &place.operation, &place.case, &lock)
                .map_err(|error| self.failed(&error))?;
        }
        Ok((taken, new))
    }

    /// Makes of an exchange what is kept of it. Where that leaves something
    /// out, the folder gets a key of its own first.
    fn draft(
        &self,
        exchange: &Exchange<'_>,
        rules: &mut Rules,
        lock: &Lock,
    ) -> Result<Draft, Unsaved> {
        rules.refresh(&self.root).map_err(|error| words(&error))?;
        let draft = exchange.draft(&rules.redaction())?;
        if draft.story.redacted.is_empty() || rules.have_key() {
            return Ok(draft);
        }
        self.write_key(rules, lock)?;
        exchange.draft(&rules.redaction())
    }

    /// Gives the rules a key, without which everybody could try whether a marker
    /// is that of a secret.
    fn write_key(&self, rules: &mut Rules, lock: &Lock) -> Result<(), String> {
        let keyed = rules.with(&Wanted::default());
        keyed
            .and_then(|keyed| rules.write(keyed, &self.root, &self.workplace, lock))
            .map_err(|error| words(&error))
    }

    /// Finds the recordings of a request on both shelves, in their order.
    fn find_all(
        &self,
        state: &mut State,
        operation: &str,
        identity: &Identity,
    ) -> Result<Vec<Found>, String> {
        let mut all = Vec::new();
        for (shelf, index) in Shelf::ALL.into_iter().zip(&mut state.indexes) {
            index
                .refresh(&shelf.folder(&self.root), operation)
                .map_err(|error| self.failed(&error))?;
            if let Some((case, status)) = index.find(operation, identity) {
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
    fn judge(&self, place: &Place, files: &Case) -> Result<(Recording, CheckReport), String> {
        let folder = place.shelf.folder(&self.root).display().to_string();
        let recordings = Recordings::one(&folder, &place.operation, &place.case, files)
            .map_err(|error| words(&error))?;
        let report = check(&self.contract, &recordings);
        let read = recordings.iter().next().cloned();
        let read = read.ok_or_else(|| format!("{place} is empty"))?;
        Ok((read, report))
    }

    /// Puts a recording into its place.
    fn put(&self, place: &Place, files: &Case, lock: &Lock) -> Result<(), String> {
        let all = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        self.workplace
            .put(place.shelf, &place.operation, &place.case, all, lock)
            .map_err(|error| self.failed(&error))
    }

    /// Where on a shelf a recording goes: in the place of that of the same
    /// request, or where no other request is.
    fn place(
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
            .map(|bytes| names::case(draft.request.as_ref(), &draft.identity, *bytes));
        let case = elsewhere.chain(new).find(is_free).ok_or_else(|| {
            format!(
                "{}/{} is there and cannot be read, repair or delete it",
                shelf.folder(&self.root).join(operation).display(),
                names::case(draft.request.as_ref(), &draft.identity, NAME_BYTES[0])
            )
        })?;
        Ok(Place {
            shelf,
            operation: operation.to_owned(),
            case,
        })
    }

    /// Keeps the pictures of a recording whose response is the same again.
    fn keep_pictures(&self, earlier: &Place, files: &mut Case, story: &mut Story) {
        let Ok((old_files, old)) = self.recording(earlier) else {
            return;
        };
        if files.get(old.response_file_name()).map(Bytes::as_ref) != Some(old.response()) {
            return;
        }
        for kept in &old.story().files {
            if let (Some(bytes), false) =
                (old_files.get(&kept.file), files.contains_key(&kept.file))
            {
                files.insert(kept.file.clone(), bytes.clone());
                story.files.push(kept.clone());
            }
        }
    }

    /// Reads one recording, with its files.
    fn recording(&self, place: &Place) -> Result<(Case, Recording), String> {
        let root = place.shelf.folder(&self.root);
        read_recording(&root, &place.operation, &place.case)
    }

    fn lock(&self) -> Result<Lock, String> {
        Lock::take(&self.root).map_err(|error| self.failed(&error))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is in it is read again from the disk, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &io::Error) -> String {
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
        .map_err(|error| words(&error))?;
    let recording = set.iter().next().cloned();
    let recording = recording.ok_or_else(|| format!("{} is empty", folder.display()))?;
    Ok((files, recording))
}

/// How much a status is worth to whoever replays it.
fn rank(status: u16) -> u8 {
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
