//! The mock on a socket, and its API for tests.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use crate::{
    builder::Builder,
    error::{Defect, StartError},
    http::listener::Running,
    log,
    recordings::Recordings,
    state::{
        Mock,
        billing::Billed,
        faults::{ActiveFault, Fault},
        journal::Received,
        session::{Counts, Session},
    },
};

/// How long [`MockServer::stop`] waits for requests in flight.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// A mock that listens on a socket. Dropping it stops it immediately; the port is free
/// when the drop returns.
#[derive(Debug)]
pub struct MockServer {
    /// At least one.
    addresses: Vec<SocketAddr>,
    mock: Arc<Mock>,
    running: Option<Running>,
    #[cfg(feature = "watch")]
    _watch: Option<crate::watch::Watch>,
}

impl MockServer {
    /// Starts serving on the listeners.
    pub(crate) fn run(listeners: Vec<TcpListener>, mock: Arc<Mock>) -> io::Result<Self> {
        let addresses = listeners.iter().map(TcpListener::local_addr);
        let addresses: Vec<_> = addresses.collect::<io::Result<_>>()?;
        Ok(Self {
            addresses,
            running: Some(Running::start(listeners, mock.clone())?),
            mock,
            #[cfg(feature = "watch")]
            _watch: None,
        })
    }

    /// Starts a mock with the built-in recordings and strict matching, on a free port of
    /// 127.0.0.1.
    ///
    /// # Errors
    ///
    /// The same as [`Builder::start`].
    pub async fn start() -> Result<Self, StartError> {
        Builder::default().start().await
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The origin to send requests to, such as `http://127.0.0.1:4010`, without a
    /// trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The first address that the mock listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses that the mock listens on.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops gracefully: accepts no more connections, waits at most two seconds for
    /// requests in flight, and frees the port.
    pub async fn stop(mut self) {
        self.drain(GRACE).await;
    }

    /// Stops gracefully like [`stop`](Self::stop), but waits up to `patience` for
    /// requests in flight; for requests that have not been fully received, at most two
    /// seconds. The server's records can still be queried afterwards.
    pub async fn drain(&mut self, patience: Duration) {
        if let Some(mut running) = self.running.take() {
            running.drain(patience).await;
            log::flush_soon().await;
        }
    }

    #[cfg(feature = "watch")]
    pub(crate) fn with_watch(mut self, watch: Option<crate::watch::Watch>) -> Self {
        self._watch = watch;
        self
    }
}

impl MockServer {
    /// The last requests that the mock received, across all sessions, oldest first; at
    /// most [`JOURNAL_ENTRIES`](crate::JOURNAL_ENTRIES).
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.mock.journal.received(None)
    }

    /// Those of the last requests that no recording answered.
    #[must_use]
    pub fn misses(&self) -> Vec<Received> {
        let received = self.received().into_iter();
        received.filter(Received::is_miss).collect()
    }

    /// The number of requests since the start that no recording answered, across all
    /// sessions; [`reset`](Self::reset) does not change it.
    #[must_use]
    pub fn miss_count(&self) -> u64 {
        self.mock.misses()
    }

    /// What the provider would have billed, across all sessions.
    #[must_use]
    pub fn billed(&self) -> Billed {
        self.mock.sessions.billed()
    }

    /// The outcomes of the requests without a session.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.mock.sessions.unnamed().state().counts
    }

    /// The recordings that are served now.
    #[must_use]
    pub fn recordings(&self) -> Recordings {
        self.mock.loaded().set.recordings.clone()
    }

    /// The names of the recordings that have answered no request.
    #[must_use]
    pub fn unused(&self) -> Vec<String> {
        self.mock.loaded().unused()
    }

    /// The names of the recordings that were made under an older contract.
    #[must_use]
    pub fn stale(&self) -> Vec<String> {
        let loaded = self.mock.loaded();
        loaded.set.stale().map(str::to_owned).collect()
    }

    /// Files in the recordings folder that belong to no recording and are skipped.
    #[must_use]
    pub fn strays(&self) -> Vec<Defect> {
        self.mock.loaded().set.recordings.strays().to_vec()
    }

    /// Asserts that every recording has answered a request. Call it at the end of a test
    /// to find recordings that are no longer needed.
    ///
    /// # Panics
    ///
    /// Panics if a recording has answered no request; the message names all of them.
    #[track_caller]
    pub fn assert_all_used(&self) {
        let unused = self.unused();
        assert!(
            unused.is_empty(),
            "no request was answered by these recordings, delete them or test them: {}",
            unused.join(", ")
        );
    }

    /// Replaces the faults for requests without a session.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = impl Into<Fault>>) {
        set_faults(&self.mock.sessions.unnamed(), faults);
    }

    /// Forgets all requests, charges and used recordings, resets the faults, and drops
    /// the named sessions.
    pub fn reset(&self) {
        self.mock.reset(None);
    }

    /// Reloads the recordings and returns their number. If any recording is invalid, the
    /// previous set is still served.
    ///
    /// # Errors
    ///
    /// Fails if the recordings cannot be read or disagree with the contract.
    pub fn reload(&self) -> Result<usize, StartError> {
        self.mock.reload()
    }

    /// A session of the mock, for tests that share a server: it has its own faults,
    /// counters and charges, and shares the recordings and settings. Requests select it
    /// with the header [`SESSION_HEADER`](crate::SESSION_HEADER).
    ///
    /// Returns `None` unless the name is 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    #[must_use]
    pub fn session(&self, name: &str) -> Option<SessionHandle> {
        self.mock.sessions.named(name)?;
        Some(SessionHandle {
            mock: self.mock.clone(),
            name: name.to_owned(),
        })
    }
}

/// A session of a mock, from [`MockServer::session`].
#[derive(Clone, Debug)]
pub struct SessionHandle {
    mock: Arc<Mock>,
    name: String,
}

impl SessionHandle {
    /// The value of `x-kontext-session` for requests of this session.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last requests of this session, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.mock.journal.received(Some(&self.name))
    }

    /// Those of the last requests that no recording answered.
    #[must_use]
    pub fn misses(&self) -> Vec<Received> {
        let received = self.received().into_iter();
        received.filter(Received::is_miss).collect()
    }

    /// What the provider would have billed for this session.
    #[must_use]
    pub fn billed(&self) -> Billed {
        self.session().state().billed
    }

    /// The outcomes of the requests of this session.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.session().state().counts
    }

    /// Replaces the faults of this session.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = impl Into<Fault>>) {
        set_faults(&self.session(), faults);
    }

    /// Forgets the requests and charges of this session, and resets its faults.
    pub fn reset(&self) {
        self.mock.reset(Some(&self.session()));
    }

    /// The session; it starts anew if it was dropped in the meantime.
    fn session(&self) -> Arc<Session> {
        let session = self.mock.sessions.named(&self.name);
        // The name was validated when the handle was made.
        session.unwrap_or_else(|| self.mock.sessions.unnamed())
    }
}

fn set_faults(session: &Session, faults: impl IntoIterator<Item = impl Into<Fault>>) {
    let faults = faults
        .into_iter()
        .map(|fault| ActiveFault::new(fault.into()));
    let faults = faults.collect();
    session.state().faults = faults;
}
