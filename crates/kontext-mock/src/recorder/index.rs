//! Index of the requests that have recordings, which reads only changed files.

use kontext_recording::{
    AnswerMeta, Canonical, META_FILE, REQUEST_FILE, RecordingMeta, RequestHash,
};
use std::{
    collections::HashMap,
    fs::{self, Metadata},
    io,
    path::Path,
    time::SystemTime,
};

/// The recordings of a folder, by operation and case.
#[derive(Debug, Default)]
pub(crate) struct Index {
    operations: HashMap<String, HashMap<String, Entry>>,
}

/// The parts of a recording that are needed to find and rank it.
#[derive(Debug)]
struct Entry {
    stamps: [Option<Stamp>; 2],
    /// `None` if the recording cannot be read.
    read: Option<(RequestHash, Statuses)>,
}

/// A file's modification time, length and inode, to detect changes.
type Stamp = (Option<SystemTime>, u64, u64);

/// The statuses of a recording's answers, used for ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Statuses {
    /// Status of the most useful answer.
    pub(crate) best: u16,
    /// Status of the last answer, which repeats.
    pub(crate) last: u16,
}

impl Index {
    /// Rereads the recordings of an operation that have changed since the last call.
    pub(crate) fn refresh(&mut self, root: &Path, operation: &str) -> io::Result<()> {
        let known = self.operations.entry(operation.to_owned()).or_default();
        let mut found = HashMap::new();
        let folder = root.join(operation);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                known.clear();
                return Ok(());
            }
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let Some(case) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let folder = folder.join(case);
            let stamps = [META_FILE, REQUEST_FILE].map(|file| stamp(&folder.join(file)));
            let entry = match known.remove(case) {
                Some(entry) if entry.stamps == stamps => entry,
                _ => Entry {
                    stamps,
                    read: read(&folder, operation),
                },
            };
            found.insert(case.to_owned(), entry);
        }
        *known = found;
        Ok(())
    }

    /// The case with this request, and its statuses; if there are several, the first by
    /// name.
    pub(crate) fn find(&self, operation: &str, hash: &RequestHash) -> Option<(&str, Statuses)> {
        self.operations
            .get(operation)?
            .iter()
            .filter_map(|(case, entry)| {
                let (other, statuses) = entry.read.as_ref()?;
                (other == hash).then_some((case.as_str(), *statuses))
            })
            .min()
    }

    /// Whether an operation has a case with this name.
    pub(crate) fn has_case(&self, operation: &str, case: &str) -> bool {
        self.operations
            .get(operation)
            .is_some_and(|cases| cases.contains_key(case))
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    let modified = metadata.modified().ok();
    Some((modified, metadata.len(), inode(&metadata)))
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &Metadata) -> u64 {
    0
}

fn read(folder: &Path, operation: &str) -> Option<(RequestHash, Statuses)> {
    let meta = RecordingMeta::parse(&fs::read(folder.join(META_FILE)).ok()?).ok()?;
    let all = || meta.answers.iter().map(ranked_status);
    let statuses = Statuses {
        best: all().max_by_key(|status| rank(*status))?,
        last: all().next_back()?,
    };
    let hash = match fs::read_to_string(folder.join(REQUEST_FILE)) {
        Ok(text) => {
            serde_json::from_str::<serde::de::IgnoredAny>(&text).ok()?;
            RequestHash::of(operation, Some(&Canonical::of(&text).ok()?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => RequestHash::of(operation, None),
        Err(_) => return None,
    };
    Some((hash, statuses))
}

/// The `not_recorded` entry of a truncated response.
pub(crate) const BROKE_OFF: &str = "the end of the response: the connection broke off";

/// The status that an answer is ranked by: a truncated response counts as a failure.
pub(crate) fn ranked_status(answer: &AnswerMeta) -> u16 {
    let broke_off = answer.not_recorded.iter().any(|one| one == BROKE_OFF);
    if broke_off { 599 } else { answer.status }
}

/// Ranks a status by its value for replay: success first, then errors caused by the
/// request, then all others.
pub(crate) fn rank(status: u16) -> u8 {
    match status {
        200..=299 => 2,
        _ if is_good(status) => 1,
        _ => 0,
    }
}

/// Whether a status depends on the request rather than on the key, the balance or the
/// state of the service.
pub(crate) fn is_good(status: u16) -> bool {
    status < 500 && !matches!(status, 401 | 403 | 429)
}
