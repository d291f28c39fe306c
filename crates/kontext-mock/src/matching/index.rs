//! The recordings that a mock currently serves, with everything precomputed once.

use kontext_recording::{Canonical, Pointer, RequestHash};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    contract::Contract,
    error::{Note, StartError},
    matching::MatchMode,
    recordings::{Recordings, check},
    redaction::Redaction,
    respond::replay::Replay,
};

/// A validated set of recordings.
#[derive(Debug)]
pub(crate) struct RecordingIndex {
    pub(crate) recordings: Recordings,
    pub(crate) redaction: Redaction,
    /// The recordings as they are served, in the same order.
    pub(crate) prepared: Vec<Replay>,
    /// What validation noted, such as that a recording is stale.
    pub(crate) notes: Vec<Note>,
    /// Each operation's range of recordings; they are contiguous because names are
    /// sorted.
    operations: BTreeMap<String, std::ops::Range<usize>>,
    /// The recording of each request.
    pub(crate) exact: HashMap<RequestHash, usize>,
    /// JSON pointers that are ignored when no recording matches exactly.
    pub(crate) ignore: Vec<Pointer>,
    /// The recording of each request with the ignored values removed.
    ignoring: HashMap<RequestHash, usize>,
}

/// A set, and which of its recordings one mock has used.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) set: Arc<RecordingIndex>,
    used: Vec<AtomicBool>,
}

impl RecordingIndex {
    /// The built-in set, validated once per process.
    pub(crate) fn embedded() -> Result<Arc<Self>, StartError> {
        static EMBEDDED: OnceLock<Arc<RecordingIndex>> = OnceLock::new();
        if let Some(set) = EMBEDDED.get() {
            return Ok(set.clone());
        }
        let contract = Contract::shared().map_err(StartError::Contract)?;
        let set = Self::embedded_for(&contract, &[])?;
        Ok(EMBEDDED.get_or_init(|| set).clone())
    }

    /// The built-in set, validated against another contract.
    pub(crate) fn embedded_for(
        contract: &Contract,
        ignore: &[Pointer],
    ) -> Result<Arc<Self>, StartError> {
        let recordings = Recordings::embedded().map_err(StartError::Recordings)?;
        Self::new(recordings, Redaction::default(), contract, ignore).map(Arc::new)
    }

    /// Loads the set from a folder.
    pub(crate) fn load(
        folder: &Path,
        contract: &Contract,
        mode: MatchMode,
        ignore: &[Pointer],
    ) -> Result<Arc<Self>, StartError> {
        // Generated answers need no recording.
        let may_be_empty = mode == MatchMode::Generate;
        let recordings = Recordings::load_some(folder, may_be_empty);
        let recordings = recordings.map_err(StartError::Recordings)?;
        let redaction = Redaction::load(folder).map_err(StartError::Redaction)?;
        Self::new(recordings, redaction, contract, ignore).map(Arc::new)
    }

    /// Validates recordings and precomputes how they are matched and served.
    pub(crate) fn new(
        recordings: Recordings,
        redaction: Redaction,
        contract: &Contract,
        ignore: &[Pointer],
    ) -> Result<Self, StartError> {
        let report = check(contract, &recordings);
        if !report.is_clean() {
            return Err(StartError::Disagreement(report));
        }
        let mut set = Self {
            prepared: Vec::with_capacity(recordings.len()),
            notes: report.notes,
            operations: BTreeMap::new(),
            exact: HashMap::with_capacity(recordings.len()),
            ignore: [&recordings.ignore, ignore].concat(),
            ignoring: HashMap::new(),
            recordings,
            redaction,
        };
        for (index, recording) in set.recordings.iter().enumerate() {
            // A handwritten recording may still contain secrets; requests are redacted
            // before they are compared.
            let canonical = recording.request().and_then(|body| {
                let text = std::str::from_utf8(body).ok()?;
                match set.redaction.json(text, &[]) {
                    (Cow::Borrowed(_), _) => recording.canonical().cloned(),
                    (Cow::Owned(text), _) => Canonical::of(&text).ok(),
                }
            });
            let hash = RequestHash::of(recording.operation(), canonical.as_ref());
            set.exact.entry(hash).or_insert(index);
            if let (Some(canonical), false) = (&canonical, set.ignore.is_empty()) {
                let stripped = canonical.without(&set.ignore);
                let hash = RequestHash::of(recording.operation(), Some(&stripped));
                set.ignoring.entry(hash).or_insert(index);
            }
            set.operations
                .entry(recording.operation().to_owned())
                .and_modify(|range| range.end = index + 1)
                .or_insert(index..index + 1);
            let request = recording.request();
            let request = request.and_then(|body| serde_json::from_slice(body).ok());
            let operations = &mut contract.operations();
            let model = operations
                .find(|operation| operation.name() == recording.operation())
                .and_then(|operation| operation.page_of(request.as_ref())?.model.clone());
            set.prepared.push(Replay::new(recording, model, canonical));
        }
        Ok(set)
    }

    /// The names of the recordings with an answer from an older contract.
    pub(crate) fn stale(&self) -> impl Iterator<Item = &str> {
        let is_stale = |note: &&Note| note.pointer.ends_with("/contract_sha256");
        let names = self.notes.iter().filter(is_stale);
        // Notes of the same recording are adjacent.
        let mut last = None;
        names
            .map(|note| note.recording.as_str())
            .filter(move |name| last.replace(*name) != Some(*name))
    }

    /// Whether a recording was made under an older contract.
    pub(crate) fn is_stale(&self, name: &str) -> bool {
        self.stale().any(|stale| stale == name)
    }

    /// The recordings of an operation, each with its index.
    pub(crate) fn of_operation<'a>(
        &'a self,
        operation: &str,
    ) -> impl Iterator<Item = (usize, &'a Replay)> + Clone + use<'a> {
        let range = self.operations.get(operation).cloned().unwrap_or(0..0);
        range.clone().zip(&self.prepared[range])
    }

    /// The recordings of an operation for one model, or all if `model` is `None`: one
    /// model's result does not answer a request for another.
    pub(crate) fn of_model<'a>(
        &'a self,
        operation: &str,
        model: Option<&'a str>,
    ) -> impl Iterator<Item = (usize, &'a Replay)> + use<'a> {
        let recordings = self.of_operation(operation);
        recordings.filter(move |(_, one)| model.is_none() || one.model.as_deref() == model)
    }

    /// The canonical body of a recording's request.
    pub(crate) fn canonical(&self, index: usize) -> Option<&Canonical> {
        self.prepared.get(index)?.canonical.as_ref()
    }

    /// A body without the ignored values.
    pub(crate) fn stripped<'a>(&self, body: &'a Canonical) -> Cow<'a, Canonical> {
        if self.ignore.is_empty() {
            Cow::Borrowed(body)
        } else {
            Cow::Owned(body.without(&self.ignore))
        }
    }

    /// The recording that matches a request except for ignored values, and the pointers
    /// at which they differ.
    pub(crate) fn exact_but_ignored(
        &self,
        operation: &str,
        body: &Canonical,
    ) -> Option<(usize, Vec<&Pointer>)> {
        let hash = RequestHash::of(operation, Some(&self.stripped(body)));
        let index = *self.ignoring.get(&hash)?;
        let recorded = self.canonical(index)?;
        let pointers = self.ignore.iter();
        let differ = pointers.filter(|pointer| recorded.at(pointer) != body.at(pointer));
        Some((index, differ.collect()))
    }

    /// Finds a recording of an operation by its case or full name.
    pub(crate) fn named(&self, operation: &str, name: &str) -> Option<(usize, &Replay)> {
        self.of_operation(operation).find(|(_, prepared)| {
            *prepared.name == *name
                || prepared
                    .name
                    .strip_prefix(operation)
                    .and_then(|rest| rest.strip_prefix('/'))
                    == Some(name)
        })
    }
}

impl Loaded {
    pub(crate) fn new(set: Arc<RecordingIndex>) -> Self {
        let used = set.prepared.iter().map(|_| AtomicBool::default());
        Self {
            used: used.collect(),
            set,
        }
    }

    /// A new state for another set; used recordings stay marked as used.
    pub(crate) fn followed_by(&self, set: Arc<RecordingIndex>) -> Self {
        let next = Self::new(set);
        let earlier = &self.set.prepared;
        for (index, recording) in next.set.prepared.iter().enumerate() {
            // Both sets are sorted by name.
            let before = earlier.binary_search_by(|one| one.name.cmp(&recording.name));
            if before.is_ok_and(|before| self.is_used(before)) {
                next.mark_used(index);
            }
        }
        next
    }

    /// Marks a recording as used.
    pub(crate) fn mark_used(&self, index: usize) {
        if let Some(used) = self.used.get(index) {
            used.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_used(&self, index: usize) -> bool {
        self.used
            .get(index)
            .is_some_and(|used| used.load(Ordering::Relaxed))
    }

    /// Marks all recordings as unused.
    pub(crate) fn forget_used(&self) {
        for used in &self.used {
            used.store(false, Ordering::Relaxed);
        }
    }

    /// The names of the recordings that answered no request.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.set.prepared.iter().enumerate();
        unused
            .filter(|(index, _)| !self.is_used(*index))
            .map(|(_, prepared)| prepared.name.to_string())
            .collect()
    }
}
