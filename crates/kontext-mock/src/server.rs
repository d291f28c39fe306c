//! The mock on a socket, and what a test asks it while it runs.

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

/// A mock that listens on a socket. Dropping it stops it at once, and frees the
/// port before it returns.
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
    /// Starts to serve on a listener.
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

    /// Starts with the recordings that are built in, on a free port of
    /// 127.0.0.1, and matches strictly.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::start`] does.
    pub async fn start() -> Result<Self, StartError> {
        Builder::default().start().await
    }

    /// Starts to set up a mock.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The origin to send requests to, such as `http://127.0.0.1:4010`,
    /// without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The address that the mock listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses that the mock listens on, the first one first.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops gracefully: takes no more connections, finishes the requests in
    /// flight for at most two seconds, and frees the port.
    pub async fn stop(mut self) {
        self.drain(GRACE).await;
    }

    /// Stops gracefully as [`stop`](Self::stop) does, and waits for requests in
    /// flight for at most so long; for those that have not been received whole,
    /// at most two seconds. What happened can be asked for afterwards, too.
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
    /// The last requests that the mock received, of all sessions, the oldest
    /// first; at most [`JOURNAL_ENTRIES`](crate::JOURNAL_ENTRIES).
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.mock.journal.received(None)
    }

    /// Those of the last requests that no recording answered.
    #[must_use]
    pub fn misses(&self) -> Vec<Received> {
        let mut received = self.received();
        received.retain(Received::is_miss);
        received
    }

    /// How many requests no recording answered since the start, in all
    /// sessions; [`reset`](Self::reset) does not change it.
    #[must_use]
    pub fn miss_count(&self) -> u64 {
        self.mock.misses()
    }

    /// What the provider would have billed, in all sessions.
    #[must_use]
    pub fn billed(&self) -> Billed {
        self.mock.sessions.billed()
    }

    /// How the requests without a session ended.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.mock.sessions.unnamed().state().counts
    }

    /// The recordings as they are served now.
    #[must_use]
    pub fn recordings(&self) -> Recordings {
        self.mock.recordings()
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

    /// What stands in the folder of the recordings and belongs to none; it is skipped.
    #[must_use]
    pub fn strays(&self) -> Vec<Defect> {
        self.mock.loaded().set.recordings.strays().to_vec()
    }

    /// Expects that every recording has answered a request.
    ///
    /// # Panics
    ///
    /// Panics where one has not, and names it: it is what a test calls at its
    /// end, so that recordings that nobody needs any more are noticed.
    #[track_caller]
    pub fn assert_all_used(&self) {
        let unused = self.unused();
        assert!(
            unused.is_empty(),
            "no request was answered by these recordings, delete them or test them: {}",
            unused.join(", ")
        );
    }

    /// Replaces the faults that happen to requests without a session.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = impl Into<Fault>>) {
        set_faults(&self.mock.sessions.unnamed(), faults);
    }

    /// Forgets everything that happened, and sets faults and sessions back
    ///  to the start.
    pub fn reset(&self) {
        self.mock.reset(None);
    }

    /// Reads the recordings again, and says how many there are. All of them are
    /// served from then on or, if one of them is wrong, the earlier ones.
    ///
    /// # Errors
    ///
    /// Fails where they cannot be read or disagree with the contract.
    pub fn reload(&self) -> Result<usize, StartError> {
        self.mock.reload()
    }

    /// A part of the mock that shares with others only what it serves: for
    /// tests that share a server. Requests belong to it by the header
    /// [`SESSION_HEADER`](crate::SESSION_HEADER).
    ///
    /// Nothing where the name is not 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    #[must_use]
    pub fn session(&self, name: &str) -> Option<SessionHandle> {
        self.mock.sessions.named(name).ok()?;
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
    /// The name that requests have in `x-kontext-session`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last requests of this session, the oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.mock.journal.received(Some(&self.name))
    }

    /// Those of them that no recording answered.
    #[must_use]
    pub fn misses(&self) -> Vec<Received> {
        let mut received = self.received();
        received.retain(Received::is_miss);
        received
    }

    /// What the provider would have billed for this session.
    #[must_use]
    pub fn billed(&self) -> Billed {
        self.session().state().billed
    }

    /// How the requests of this session ended.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.session().state().counts
    }

    /// Replaces the faults of this session.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = impl Into<Fault>>) {
        set_faults(&self.session(), faults);
    }

    /// Forgets what happened in this session, and sets its faults
    /// back to the start.
    pub fn reset(&self) {
        self.mock.reset(Some(&self.session()));
    }

    /// It may have been forgotten since, and then starts again.
    fn session(&self) -> Arc<Session> {
        let session = self.mock.sessions.named(&self.name);
        // The name was taken when the handle was made.
        session.unwrap_or_else(|_| self.mock.sessions.unnamed())
    }
}

fn set_faults(session: &Session, faults: impl IntoIterator<Item = impl Into<Fault>>) {
    let faults = faults.into_iter().map(Into::into);
    let faults = faults.map(ActiveFault::new).collect();
    session.state().faults = faults;
}
