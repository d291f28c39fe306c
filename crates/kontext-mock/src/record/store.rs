//! The folder that a recorder writes into, beside other recorders.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;

use super::{
    error::RecordError,
    exchange::{Draft, Exchange, asked},
    identity::Identity,
    index::Index,
    names, redacting,
    rules::{Rules, Wanted},
    workplace::{Lock, Workplace},
};
use crate::{
    check::{CheckReport, check},
    contract::{Contract, Operation},
    log::with_causes,
    recordings::{Case, FILE, Kept, Recording, Recordings, Redacted, is_part},
    redact::Secret,
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
    index: Index,
    rules: Rules,
}

/// What became of an exchange.
#[derive(Debug)]
pub(crate) struct Saved {
    /// Such as `generate-image/add-a-bird-1234abcd`.
    pub(crate) name: String,
    /// Whether there was a recording of the same request before.
    pub(crate) replaced: bool,
    /// Whether the recording agrees with the contract.
    pub(crate) report: CheckReport,
    /// The response as it is kept.
    pub(crate) response: Bytes,
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
                index: Index::default(),
                rules,
            }),
        })
    }

    /// Reads the recording of a request, if there is one.
    pub(crate) fn find(
        &self,
        operation: &Operation,
        body: &[u8],
        secrets: &[Secret],
    ) -> Result<Option<Recording>, String> {
        let mut state = self.state();
        let _lock = Lock::take(&self.root).map_err(|error| self.failed(&error))?;
        let root = &self.root;
        let State { index, rules } = &mut *state;
        rules.refresh(root).map_err(|error| with_causes(&error))?;
        // What cannot be recorded has no recording.
        let Ok(asked) = asked(operation, body, &rules.redaction(), secrets) else {
            return Ok(None);
        };
        index
            .refresh(root, operation.name())
            .map_err(|error| self.failed(&error))?;
        let Some((case, _)) = index.find(operation.name(), &asked.identity) else {
            return Ok(None);
        };
        let recording = self.recording(operation.name(), case);
        recording.map(|found| Some(found.1))
    }

    /// Saves an exchange; with `known` only if its request has a recording.
    /// Fails where it is not saved, and says why.
    pub(crate) fn save(&self, exchange: &Exchange<'_>, known: bool) -> Result<Saved, String> {
        let operation = exchange.operation;
        let mut state = self.state();
        let lock = Lock::take(&self.root).map_err(|error| self.failed(&error))?;
        let State { index, rules } = &mut *state;
        rules
            .refresh(&self.root)
            .map_err(|error| with_causes(&error))?;
        let mut draft = exchange.draft(&rules.redaction())?;
        if !draft.story.redacted.is_empty() && !rules.are_on_disk() {
            self.write_key(rules, &lock)?;
            draft = exchange.draft(&rules.redaction())?;
        }
        index
            .refresh(&self.root, operation.name())
            .map_err(|error| self.failed(&error))?;
        let found = index.find(operation.name(), &draft.identity);
        let case = match found {
            Some((case, status)) => {
                let name = format!("{}/{case}", operation.name());
                let new = exchange.status.as_u16();
                if rank(new) < rank(status) {
                    return Err(format!(
                        "{name} has the status {status}, which {new} does not replace"
                    ));
                }
                case.to_owned()
            }
            None if known => {
                return Err("there is no recording of this request to update".to_owned());
            }
            None => self.new_case(index, operation, &draft.identity, &draft)?,
        };
        let replaced = found.is_some();
        if replaced {
            self.keep_pictures(operation.name(), &case, &mut draft);
        }
        self.put(operation.name(), &case, draft, &lock)
            .map(|(response, report)| Saved {
                name: format!("{}/{case}", operation.name()),
                replaced,
                report,
                response,
            })
    }

    /// Adds pictures to a recording, if it still has the response that they
    /// were fetched for.
    pub(crate) fn add_pictures(
        &self,
        name: &str,
        response: &Bytes,
        pictures: &[Picture],
    ) -> Result<(), String> {
        let (operation, case) = name.split_once('/').unwrap_or((name, ""));
        let _state = self.state();
        let lock = Lock::take(&self.root).map_err(|error| self.failed(&error))?;
        let (files, recording) = self.recording(operation, case)?;
        if recording.response() != response.as_ref() {
            return Err("it has been recorded again since".to_owned());
        }
        let mut draft = draft_of(files, &recording);
        draft.story.files.clear();
        draft.files.retain(|file, _| !file.starts_with("file-"));
        for (index, picture) in pictures.iter().enumerate() {
            let file = format!("file-{}.{}", index + 1, picture.extension);
            draft.story.files.push(Kept::live(
                picture.url.clone(),
                file.clone(),
                picture.content_type.clone(),
                &picture.bytes,
            ));
            draft.files.insert(file, picture.bytes.clone());
        }
        self.put(operation, case, draft, &lock).map(|_| ())
    }

    /// Takes out of a recording what the rules say, and lists it.
    pub(crate) fn redact(&self, operation: &str, case: &str) -> Result<Vec<Redacted>, String> {
        let mut state = self.state();
        let lock = Lock::take(&self.root).map_err(|error| self.failed(&error))?;
        let rules = &mut state.rules;
        rules
            .refresh(&self.root)
            .map_err(|error| with_causes(&error))?;
        let redacted = |rules: &Rules| {
            let (files, recording) = self.recording(operation, case)?;
            redacting::redacted(draft_of(files, &recording), &rules.redaction())
        };
        let (mut draft, mut taken) = redacted(rules)?;
        if taken.is_empty() {
            return Ok(taken);
        }
        if !rules.are_on_disk() {
            self.write_key(rules, &lock)?;
            (draft, taken) = redacted(rules)?;
        }
        self.put(operation, case, draft, &lock)?;
        Ok(taken)
    }

    /// Gives the rules a key, without which everybody could try whether a marker
    /// is that of a secret.
    fn write_key(&self, rules: &mut Rules, lock: &Lock) -> Result<(), String> {
        let keyed = rules.with(&Wanted::default());
        keyed
            .and_then(|keyed| rules.write(keyed, &self.root, &self.workplace, lock))
            .map_err(|error| with_causes(&error))
    }

    /// Puts a recording into its place, once it has been read as the mock
    /// will read it.
    fn put(
        &self,
        operation: &str,
        case: &str,
        draft: Draft,
        lock: &Lock,
    ) -> Result<(Bytes, CheckReport), String> {
        let mut files = draft.files;
        files.insert(FILE.to_owned(), draft.story.to_json().into());
        let folder = self.root.display().to_string();
        let recordings = Recordings::one(&folder, operation, case, &files)
            .map_err(|error| with_causes(&error))?;
        let all = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        self.workplace
            .put(operation, case, all, lock)
            .map_err(|error| self.failed(&error))?;
        let response = recordings.iter().map(Recording::response_bytes).next();
        Ok((
            response.unwrap_or_default(),
            check(&self.contract, &recordings),
        ))
    }

    /// A name that no other request has.
    fn new_case(
        &self,
        index: &Index,
        operation: &Operation,
        identity: &Identity,
        draft: &Draft,
    ) -> Result<String, String> {
        NAME_BYTES
            .iter()
            .map(|bytes| names::case(draft.request.as_ref(), identity, *bytes))
            .find(|case| !index.has_case(operation.name(), case))
            .ok_or_else(|| {
                format!(
                    "{}/{} is there and cannot be read, repair or delete it",
                    self.root.join(operation.name()).display(),
                    names::case(draft.request.as_ref(), identity, NAME_BYTES[0])
                )
            })
    }

    /// Keeps the pictures of a recording whose response is the same again.
    fn keep_pictures(&self, operation: &str, case: &str, draft: &mut Draft) {
        let Ok((files, old)) = self.recording(operation, case) else {
            return;
        };
        if draft.files.get(old.response_file_name()).map(Bytes::as_ref) != Some(old.response()) {
            return;
        }
        for kept in &old.story().files {
            if let Some(bytes) = files.get(&kept.file) {
                draft.files.insert(kept.file.clone(), bytes.clone());
                draft.story.files.push(kept.clone());
            }
        }
    }

    /// Reads one recording, with its files.
    fn recording(&self, operation: &str, case: &str) -> Result<(Case, Recording), String> {
        read_recording(&self.root, operation, case)
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
        .map_err(|error| with_causes(&error))?;
    let recording = set.iter().next().cloned();
    let recording = recording.ok_or_else(|| format!("{} is empty", folder.display()))?;
    Ok((files, recording))
}

/// Makes of a recording the draft of one that replaces it.
pub(crate) fn draft_of(mut files: Case, recording: &Recording) -> Draft {
    files.remove(FILE);
    Draft {
        identity: Identity::of(recording.operation(), recording.canonical()),
        request: recording
            .request()
            .and_then(|body| serde_json::from_slice(body).ok()),
        story: recording.story().clone(),
        files,
    }
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
