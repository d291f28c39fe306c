//! The settings of a mock.

use axum::Router;
use kontext_recording::Pointer;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    contract::Contract,
    error::StartError,
    http::{body::Key, listener},
    matching::{MatchMode, index::RecordingIndex},
    respond::{pipeline, synthetic::Generate, validate::Validation},
    server::MockServer,
    state::{Mock, Settings, faults::Fault, session::Sessions},
};

use url::Url;

#[cfg(feature = "watch")]
use crate::watch::{Watch, WatchMode, Watched};

/// How long a request's body may be by default: 32 MiB, in bytes.
pub const DEFAULT_BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The settings of a mock, from [`MockServer::builder`].
///
/// Without any of them the mock serves the recordings that are built in, takes
/// any key, matches strictly, refuses what the contract does not allow, takes
/// bodies of [`DEFAULT_BODY_LIMIT`], has no faults, logs nothing,
/// and listens on a free port of 127.0.0.1.
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

/// Makes the mock with its default settings as a router, without a socket.
///
/// # Errors
///
/// Fails as [`Builder::router`] does.
pub fn router() -> Result<Router, StartError> {
    Builder::default().router()
}

impl Builder {
    /// Serves the recordings of a folder instead of those built in.
    ///
    /// The folder is read at start, and must pass validation ([`check()`](crate::check())).
    pub fn recordings(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.folder = Some(folder.into());
        self
    }

    /// Validates against another contract than the one built in.
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = Some(contract);
        self
    }

    /// Takes only this key; other requests get 401.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.settings.key = Some(Key(key.into()));
        self
    }

    /// Decides what happens when no recording has exactly the request.
    pub fn match_mode(mut self, mode: MatchMode) -> Self {
        self.settings.match_mode = mode;
        self
    }

    /// Decides what happens to requests that the contract does not allow.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.settings.validation = validation;
        self
    }

    /// Decides what [`MatchMode::Generate`] makes. Its seed also decides which requests
    /// a fault with a share happens to.
    pub fn generate(mut self, settings: Generate) -> Self {
        self.settings.generate = settings;
        self
    }

    /// Ignores the value at a JSON pointer (RFC 6901), such as `/seed`, where no
    /// recording has exactly the request. The header `x-kontext-ignored` names what
    /// differs. The `matching.json` of a folder of recordings can say the same.
    pub fn ignore(mut self, pointer: impl Into<String>) -> Self {
        self.ignore.push(pointer.into());
        self
    }

    /// Adds a fault that each session starts with.
    pub fn fault(mut self, fault: impl Into<Fault>) -> Self {
        self.faults.push(fault.into());
        self
    }

    /// Serves answers byte for byte as they were recorded, also those whose
    /// pictures the mock could serve: their URLs then lead to the provider.
    pub fn keep_urls(mut self, keep: bool) -> Self {
        self.settings.rewrite_urls = !keep;
        self
    }

    /// Where clients find the mock, such as `https://mock.example.com/images` behind a
    /// proxy: the URLs of pictures in answers start with it. By default they start with
    /// the `Host` of the request.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.settings.public_url = Some(url.into());
        self
    }

    /// Reloads the recordings of a folder when a file in it changes.
    ///
    /// If one of them is wrong, the previous set is still served; standard error
    /// then says why, and so does `GET /__mock/health`. `true` is
    /// [`WatchMode::Auto`].
    #[cfg(feature = "watch")]
    pub fn watch(mut self, watch: impl Into<WatchMode>) -> Self {
        self.watch = watch.into();
        self
    }

    /// Takes bodies up to so many bytes; longer ones get 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// Keeps request bodies of up to so many bytes whole, for
    /// [`received`](MockServer::received); by default [`JOURNAL_BODY`](crate::JOURNAL_BODY). Of longer ones
    /// the start is kept, and their SHA-256.
    pub fn journal_body(mut self, bytes: usize) -> Self {
        self.settings.journal_body = bytes;
        self
    }

    /// Writes a line per request to standard error: method, path, status, how
    /// a recording was found and which; never a header.
    pub fn log_requests(mut self, log: bool) -> Self {
        self.settings.log_requests = log;
        self
    }

    /// Listens on an address; port 0 is a free one. Called again, it listens on that
    /// address as well; port 0 is then the port of the first.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// Listens on a socket that is already bound.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Makes the mock as a router, without a socket; where to listen and
    /// whether to watch the recordings is ignored.
    ///
    /// Its handlers need a tokio runtime with time. Faults that break a
    /// connection need a socket, and do nothing.
    ///
    /// # Errors
    ///
    /// Fails where the recordings cannot be read, where the
    /// recordings disagree with the contract, and where the key is empty.
    pub fn router(self) -> Result<Router, StartError> {
        Ok(pipeline::router(self.build()?))
    }

    /// Starts the mock on threads of its own, so that a client that blocks its
    /// thread can use it as well. All mocks of a process share them.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::router`] does, and where the address cannot be
    /// listened on, or the folder not be watched.
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

    /// Builds the mock, and has the folder of its recordings watched, if it is to
    /// be.
    #[cfg(feature = "watch")]
    fn build_watched(self) -> Result<(Arc<Mock>, Option<Watch>), StartError> {
        let (WatchMode::Auto | WatchMode::Poll, Some(folder)) = (self.watch, &self.settings.folder)
        else {
            return Ok((self.build()?, None));
        };
        if !folder.is_dir() {
            // Reading it says what is wrong.
            return Ok((self.build()?, None));
        }
        // Before the recordings are read, so that no change falls in between.
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

/// A URL as it stands before a path, without a slash at its end.
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
