//! The settings of a mock.

use axum::Router;
use kontext_recording::Pointer;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};
use url::Url;

use crate::{
    contract::Contract,
    error::StartError,
    http::{body::Key, listener},
    matching::{MatchMode, index::RecordingIndex},
    respond::{pipeline, synthetic::Generate, validate::Validation},
    server::MockServer,
    state::{Mock, Settings, faults::Fault, session::Sessions},
};

#[cfg(feature = "watch")]
use crate::watch::{Watch, WatchMode, Watched};

/// The settings of a mock, from [`MockServer::builder`].
///
/// By default, the mock serves the built-in recordings, accepts any key, matches
/// strictly, rejects requests that violate the contract, accepts bodies up to
/// [`DEFAULT_BODY_LIMIT`](crate::DEFAULT_BODY_LIMIT), has no faults, logs nothing, and listens on a free port of
/// 127.0.0.1.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    contract: Option<Contract>,
    settings: Settings,
    ignore: Vec<String>,
    faults: Vec<Fault>,
    #[cfg(feature = "watch")]
    watch: WatchMode,
    listen: Vec<SocketAddr>,
    listeners: Vec<TcpListener>,
}

/// Builds the mock with its default settings as a router, without a socket.
///
/// # Errors
///
/// The same as [`Builder::router`].
pub fn router() -> Result<Router, StartError> {
    Builder::default().router()
}

impl Builder {
    /// Serves the recordings of a folder instead of the built-in ones.
    ///
    /// The folder is loaded at start, and must pass validation
    /// ([`check()`](crate::check())).
    pub fn recordings(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.folder = Some(folder.into());
        self
    }

    /// Validates against another contract than the built-in one.
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = Some(contract);
        self
    }

    /// Accepts only this key; other requests get 401.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.settings.key = Some(Key(key.into()));
        self
    }

    /// Sets what happens when no recording matches exactly.
    pub fn match_mode(mut self, mode: MatchMode) -> Self {
        self.settings.match_mode = mode;
        self
    }

    /// Sets what happens to requests that violate the contract.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.settings.validation = validation;
        self
    }

    /// Sets how responses are generated with [`MatchMode::Generate`]. The seed also
    /// selects the requests that faults with a share apply to.
    pub fn generate(mut self, settings: Generate) -> Self {
        self.settings.generate = settings;
        self
    }

    /// Ignores the value at a JSON pointer (RFC 6901), such as `/seed`, if no recording
    /// matches exactly. The header `x-kontext-ignored` lists the pointers that differ.
    /// The `matching.json` in a recordings folder has the same setting.
    pub fn ignore(mut self, pointer: impl Into<String>) -> Self {
        self.ignore.push(pointer.into());
        self
    }

    /// Adds a fault to the initial faults of each session.
    pub fn fault(mut self, fault: impl Into<Fault>) -> Self {
        self.faults.push(fault.into());
        self
    }

    /// Keeps the recorded URLs in responses, so that they are byte for byte as recorded.
    /// By default, the URLs of stored pictures are rewritten to the mock.
    pub fn keep_urls(mut self, keep: bool) -> Self {
        self.settings.rewrite_urls = !keep;
        self
    }

    /// Sets the URL at which clients reach the mock, such as
    /// `https://mock.example.com/images` behind a proxy. The URLs of pictures in
    /// responses start with it; by default with the `Host` of the request.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.settings.public_url = Some(url.into());
        self
    }

    /// Reloads the recordings of a folder when a file in it changes.
    ///
    /// If a recording is invalid, the previous set is still served, and standard error
    /// and `GET /__mock/health` report the error. `true` is [`WatchMode::Auto`].
    #[cfg(feature = "watch")]
    pub fn watch(mut self, watch: impl Into<WatchMode>) -> Self {
        self.watch = watch.into();
        self
    }

    /// Sets the limit of request bodies in bytes; longer ones get 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// Keeps request bodies up to this many bytes in full for
    /// [`received`](MockServer::received); by default
    /// [`JOURNAL_BODY`](crate::JOURNAL_BODY). For longer ones, only the start and the
    /// SHA-256 are kept.
    pub fn journal_body(mut self, bytes: usize) -> Self {
        self.settings.journal_body = bytes;
        self
    }

    /// Logs one line per request to standard error: method, path, status, how it was
    /// matched, the recording, and any differences from it; never a header.
    pub fn log_requests(mut self, log: bool) -> Self {
        self.settings.log_requests = log;
        self
    }

    /// Listens on an address; port 0 selects a free one. Can be called several times to
    /// listen on several addresses; port 0 then reuses the port of the first.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// Listens on a socket that is already bound.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Builds the mock as a router, without a socket. Ignores the addresses to listen on
    /// and whether to watch the recordings.
    ///
    /// The handlers need a tokio runtime with time enabled. Faults that break a
    /// connection need a socket, and have no effect.
    ///
    /// # Errors
    ///
    /// Fails if the recordings or their redaction rules cannot be read, if the recordings
    /// disagree with the contract, or if a setting is invalid: an empty key, a malformed
    /// JSON pointer to ignore, or an unusable public URL.
    pub fn router(self) -> Result<Router, StartError> {
        Ok(pipeline::router(self.build()?))
    }

    /// Starts the mock on its own threads, so that a client that blocks its thread can
    /// use it too. All mocks of a process share these threads.
    ///
    /// # Errors
    ///
    /// Fails like [`Builder::router`], and if the mock cannot listen on an address or
    /// start the threads that serve requests and watch the folder.
    #[expect(
        clippy::unused_async,
        reason = "the caller need not know that nothing waits yet"
    )]
    pub async fn start(mut self) -> Result<MockServer, StartError> {
        let mut listen = std::mem::take(&mut self.listen);
        let mut listeners = std::mem::take(&mut self.listeners);
        if listen.is_empty() && listeners.is_empty() {
            listen.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        }
        #[cfg(feature = "watch")]
        let (mock, watch) = self.build_watched()?;
        #[cfg(not(feature = "watch"))]
        let mock = self.build()?;
        let bound = listener::bind(&listen)
            .map_err(|(address, source)| StartError::Listen { address, source })?;
        listeners.extend(bound);
        let server = MockServer::run(listeners, mock).map_err(StartError::Run)?;
        #[cfg(feature = "watch")]
        let server = server.with_watch(watch);
        Ok(server)
    }

    /// Builds the mock and, if enabled, starts watching the recordings folder.
    #[cfg(feature = "watch")]
    fn build_watched(self) -> Result<(Arc<Mock>, Option<Watch>), StartError> {
        // Loading the recordings reports a missing folder.
        let watches = |folder: &&PathBuf| self.watch != WatchMode::Off && folder.is_dir();
        let Some(folder) = self.settings.folder.as_ref().filter(watches) else {
            return Ok((self.build()?, None));
        };
        // Watch before the recordings are read, so that no change is missed.
        let watched = Watched::new(folder, self.watch);
        let mock = self.build()?;
        let watch = watched.follow(&mock).map_err(StartError::Watch)?;
        Ok((mock, Some(watch)))
    }

    fn build(self) -> Result<Arc<Mock>, StartError> {
        let mut settings = self.settings;
        if settings.key.as_ref().is_some_and(|Key(key)| key.is_empty()) {
            return Err(StartError::EmptyKey);
        }
        for text in self.ignore {
            let pointer = Pointer::parse(&text);
            let pointer = pointer.ok_or(StartError::Ignore { pointer: text })?;
            settings.ignore.push(pointer);
        }
        settings.public_url = settings.public_url.as_deref().map(public_url).transpose()?;
        let built_in = self.contract.is_none();
        let contract = match self.contract {
            Some(contract) => Arc::new(contract),
            None => Contract::shared().map_err(StartError::Contract)?,
        };
        let (mode, ignore) = (settings.match_mode, &settings.ignore);
        let set = match &settings.folder {
            Some(folder) => RecordingIndex::load(folder, &contract, mode, ignore)?,
            None if built_in && ignore.is_empty() => RecordingIndex::embedded()?,
            None => RecordingIndex::embedded_for(&contract, ignore)?,
        };
        let sessions = Sessions::new(&self.faults, settings.generate.seed);
        Ok(Arc::new(Mock::new(contract, set, settings, sessions)))
    }
}

/// Validates the public URL, and removes trailing slashes.
fn public_url(text: &str) -> Result<String, StartError> {
    let read = Url::parse(text).ok();
    let is_base = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
            && !text.contains('@')
    };
    let url = read.filter(is_base).ok_or(StartError::PublicUrl)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
