//! What a running mock remembers, and what it was set up with.

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
    builder::DEFAULT_BODY_LIMIT,
    contract::Contract,
    error::StartError,
    http::body::Key,
    log,
    matching::{
        MatchMode,
        index::{Loaded, RecordingIndex},
    },
    recordings::Recordings,
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

/// What a mock is told once.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) key: Option<Key>,
    pub(crate) match_mode: MatchMode,
    pub(crate) validation: Validation,
    pub(crate) generate: Generate,
    pub(crate) body_limit: usize,
    /// How long the bodies are that the journal keeps whole.
    pub(crate) journal_body: usize,
    pub(crate) log_requests: bool,
    pub(crate) rewrite_urls: bool,
    /// Where clients find the mock, if it cannot be told from their requests.
    pub(crate) public_url: Option<String>,
    /// Where the recordings are from; nothing where they are built in.
    pub(crate) folder: Option<PathBuf>,
    /// What is ignored besides what the folder says.
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

/// Everything that answers requests.
#[derive(Debug)]
pub(crate) struct Mock {
    pub(crate) contract: Arc<Contract>,
    pub(crate) settings: Settings,
    pub(crate) sessions: Sessions,
    pub(crate) journal: Journal,
    pub(crate) loaded: RwLock<Arc<Loaded>>,
    /// Why the recordings could not be read again, if they could not.
    pub(crate) reload_error: Mutex<Option<String>>,
    /// Held while recordings are read again, so that of two who do the last one
    /// wins.
    pub(crate) reloading: Mutex<()>,
    /// How many requests there were.
    pub(crate) numbers: AtomicU64,
    pub(crate) misses: AtomicU64,
    /// How many of the misses were forgotten by a reset.
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

    /// The recordings as they are now.
    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    /// Reads the recordings again. All of them are served from the next request
    /// on, or, if one of them is wrong, none.
    pub(crate) fn reload(&self) -> Result<usize, StartError> {
        let _reloading = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
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
        let mut error = self
            .reload_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *error = result.as_ref().err().map(log::with_causes);
        result
    }

    /// Why the recordings that are served are not those of the folder.
    pub(crate) fn reload_error(&self) -> Option<String> {
        let error = self
            .reload_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        error.clone()
    }

    /// How many requests no recording answered since the start, in all
    /// sessions. That a test resets the mock in between must not hide from
    /// `serve --fail-on-miss` what was missed before.
    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// The same since the last reset.
    pub(crate) fn misses_since_reset(&self) -> u64 {
        let forgotten = self.forgotten_misses.load(Ordering::Relaxed);
        self.misses().saturating_sub(forgotten)
    }

    /// The recordings by themselves.
    pub(crate) fn recordings(&self) -> Recordings {
        self.loaded().set.recordings.clone()
    }

    /// Forgets everything that happened, in one session or in all.
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

    /// A query without the values of secret parameters.
    pub(crate) fn redacted_query(&self, query: &str) -> String {
        let url = format!("http://mock/?{query}");
        let (url, _) = self.loaded().set.redaction.url(&url, &[]);
        url.split_once('?')
            .map_or("", |(_, query)| query)
            .to_owned()
    }
}
