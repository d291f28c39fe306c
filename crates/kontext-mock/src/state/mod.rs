//! The state and settings of a running mock.

pub(crate) mod billing;
pub(crate) mod faults;
pub(crate) mod journal;
pub(crate) mod session;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    contract::Contract,
    error::StartError,
    http::body::Key,
    log,
    matching::{
        MatchMode,
        index::{Loaded, RecordingIndex},
    },
    respond::{synthetic::Generate, validate::Validation},
    state::{
        journal::Journal,
        session::{Session, Sessions},
    },
};
pub use billing::Billed;
pub use faults::{Fault, FaultKind, ParseFaultError};
pub use journal::{DataUri, JOURNAL_BODY, JOURNAL_ENTRIES, Received};
pub use session::{Counts, SESSION_HEADER, SESSIONS};

/// The default limit of a request body: 32 MiB, in bytes.
pub const DEFAULT_BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The settings of a mock, fixed at start.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) key: Option<Key>,
    pub(crate) match_mode: MatchMode,
    pub(crate) validation: Validation,
    pub(crate) generate: Generate,
    pub(crate) body_limit: usize,
    /// The longest body that the journal keeps in full, in bytes.
    pub(crate) journal_body: usize,
    pub(crate) log_requests: bool,
    pub(crate) rewrite_urls: bool,
    /// The URL at which clients reach the mock, if it cannot be derived from their
    /// requests.
    pub(crate) public_url: Option<String>,
    /// The folder of the recordings; `None` for the built-in ones.
    pub(crate) folder: Option<PathBuf>,
    /// Ignored JSON pointers in addition to those of the folder's `matching.json`.
    pub(crate) ignore: Vec<kontext_recording::Pointer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key: None,
            match_mode: MatchMode::default(),
            validation: Validation::default(),
            generate: Generate::default(),
            body_limit: DEFAULT_BODY_LIMIT,
            journal_body: JOURNAL_BODY,
            log_requests: false,
            rewrite_urls: true,
            public_url: None,
            folder: None,
            ignore: Vec::new(),
        }
    }
}

/// Everything that is needed to answer requests.
#[derive(Debug)]
pub(crate) struct Mock {
    pub(crate) contract: Arc<Contract>,
    pub(crate) settings: Settings,
    pub(crate) sessions: Sessions,
    pub(crate) journal: Journal,
    pub(crate) loaded: RwLock<Arc<Loaded>>,
    /// The error of the last reload, if it failed.
    pub(crate) reload_error: Mutex<Option<String>>,
    /// Held during a reload, so that of two concurrent reloads the last one wins.
    pub(crate) reloading: Mutex<()>,
    /// The number of requests received so far.
    pub(crate) numbers: AtomicU64,
    pub(crate) misses: AtomicU64,
    /// The number of misses before the last reset.
    pub(crate) forgotten_misses: AtomicU64,
}

impl Mock {
    pub(crate) fn new(
        contract: Arc<Contract>,
        set: Arc<RecordingIndex>,
        settings: Settings,
        sessions: Sessions,
    ) -> Self {
        Self {
            contract,
            settings,
            sessions,
            journal: Journal::default(),
            loaded: RwLock::new(Arc::new(Loaded::new(set))),
            reload_error: Mutex::default(),
            reloading: Mutex::default(),
            numbers: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            forgotten_misses: AtomicU64::new(0),
        }
    }

    /// The recordings that are served now.
    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    /// Reloads the recordings. The new set is served from the next request on; if any
    /// recording is invalid, the previous set is kept.
    pub(crate) fn reload(&self) -> Result<usize, StartError> {
        let reloading = self.reloading.lock();
        let _reloading = reloading.unwrap_or_else(PoisonError::into_inner);
        let set = match &self.settings.folder {
            Some(folder) => RecordingIndex::load(
                folder,
                &self.contract,
                self.settings.match_mode,
                &self.settings.ignore,
            ),
            None => Ok(self.loaded().set.clone()),
        };
        let result = set.map(|set| {
            let count = set.prepared.len();
            let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
            let known = loaded.set.recordings.strays();
            let strays = set.recordings.strays().iter();
            for stray in strays.filter(|stray| self.settings.log_requests && !known.contains(stray))
            {
                log::write(format_args!("{} warning: {stray}", log::now()));
            }
            *loaded = Arc::new(loaded.followed_by(set));
            count
        });
        let error = self.reload_error.lock();
        *error.unwrap_or_else(PoisonError::into_inner) =
            result.as_ref().err().map(log::with_causes);
        result
    }

    /// The error of the last reload, if it failed and the previous recordings are still
    /// served.
    pub(crate) fn reload_error(&self) -> Option<String> {
        let error = self.reload_error.lock();
        error.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of requests since the start that no recording answered, in all
    /// sessions. A reset does not change it, so that `serve --fail-on-miss` also sees
    /// misses before a reset.
    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// The number of misses since the last reset.
    pub(crate) fn misses_since_reset(&self) -> u64 {
        let forgotten = self.forgotten_misses.load(Ordering::Relaxed);
        self.misses().saturating_sub(forgotten)
    }

    /// Resets the state of one session or of all.
    pub(crate) fn reset(&self, session: Option<&Session>) {
        match session {
            Some(session) => {
                self.sessions.reset(session);
                self.journal.forget(session.name.as_deref());
            }
            None => {
                self.sessions.reset_all();
                self.journal.forget(None);
                self.loaded().forget_used();
                self.forgotten_misses
                    .store(self.misses(), Ordering::Relaxed);
            }
        }
    }

    /// A query string with secret values redacted.
    pub(crate) fn redacted_query(&self, query: &str) -> String {
        let url = format!("http://mock/?{query}");
        let (url, _) = self.loaded().set.redaction.url(&url, &[]);
        url.split_once('?')
            .map_or("", |(_, query)| query)
            .to_owned()
    }
}
