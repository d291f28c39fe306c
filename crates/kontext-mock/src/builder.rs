//! The settings of a mock.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use axum::Router;

use crate::{
    MockServer,
    check::{CheckReport, check},
    contract::{Contract, ContractError},
    matching::MatchMode,
    recordings::{LoadError, Recordings},
    request::Key,
    router::{self, Mock},
    server,
};

/// How long a request's body may be by default: 32 MiB, in bytes.
pub const DEFAULT_BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The settings of a mock, from [`MockServer::builder`].
///
/// Without any of them the mock serves the recordings that are built in, takes
/// any key, matches strictly, takes bodies of [`DEFAULT_BODY_LIMIT`], logs
/// nothing, and listens on a free port of 127.0.0.1.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    contract: Option<Contract>,
    recordings: Option<PathBuf>,
    key: Option<Key>,
    match_mode: MatchMode,
    body_limit: Option<usize>,
    log_requests: bool,
    listen: Listen,
}

/// Where a mock listens.
#[derive(Debug, Default)]
enum Listen {
    #[default]
    FreeLoopbackPort,
    Address(SocketAddr),
    Bound(TcpListener),
}

/// Says why a mock did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The contract that is built in cannot be read.
    #[error("the built-in contract cannot be used")]
    Contract(#[source] ContractError),
    /// The recordings cannot be read.
    #[error("the recordings cannot be used")]
    Recordings(#[source] LoadError),
    /// The recordings disagree with the contract.
    #[error("the recordings disagree with the contract:\n{0}")]
    Disagreement(CheckReport),
    /// The key that requests are to have is empty.
    #[error("the key is empty; name the key that requests must have, or none to take any")]
    EmptyKey,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server cannot run on the listener.
    #[error("the server cannot run")]
    Run(#[source] io::Error),
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
    /// The folder is read at start, and must pass the gate ([`check`]).
    pub fn recordings(mut self, folder: impl Into<PathBuf>) -> Self {
        self.recordings = Some(folder.into());
        self
    }

    /// Judges by another contract than the one built in.
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = Some(contract);
        self
    }

    /// Takes only this key; other requests get 401.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(Key(key.into()));
        self
    }

    /// Decides what happens when no recording has exactly the request.
    pub fn match_mode(mut self, mode: MatchMode) -> Self {
        self.match_mode = mode;
        self
    }

    /// Takes bodies up to so many bytes; longer ones get 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// Writes a line per request to standard error: method, path, status, how
    /// a recording was found and which; never a header.
    pub fn log_requests(mut self, log: bool) -> Self {
        self.log_requests = log;
        self
    }

    /// Listens on an address; port 0 is a free one.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.listen = Listen::Address(address.into());
        self
    }

    /// Listens on a socket that is already bound.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listen = Listen::Bound(listener);
        self
    }

    /// Makes the mock as a router, without a socket; where to listen is
    /// ignored.
    ///
    /// Its handlers need a tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails where the recordings cannot be read or disagree with the
    /// contract, and where the key is empty.
    pub fn router(self) -> Result<Router, StartError> {
        Ok(self.build()?.0)
    }

    /// Starts the mock on a thread of its own, so that a client that blocks
    /// its thread can use it as well.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::router`] does, and where the address cannot be
    /// listened on.
    #[expect(
        clippy::unused_async,
        reason = "the caller need not know that nothing waits yet"
    )]
    pub async fn start(self) -> Result<MockServer, StartError> {
        let (router, listen) = self.build()?;
        let listener = match listen {
            Listen::Bound(listener) => listener,
            Listen::FreeLoopbackPort => bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?,
            Listen::Address(address) => bind(address)?,
        };
        server::start(listener, router).map_err(StartError::Run)
    }

    fn build(self) -> Result<(Router, Listen), StartError> {
        if self.key.as_ref().is_some_and(|Key(key)| key.is_empty()) {
            return Err(StartError::EmptyKey);
        }
        let contract = match self.contract {
            Some(contract) => contract,
            None => Contract::embedded().map_err(StartError::Contract)?,
        };
        let recordings = match &self.recordings {
            Some(folder) => Recordings::load(folder),
            None => Recordings::embedded(),
        };
        let recordings = recordings.map_err(StartError::Recordings)?;
        let report = check(&contract, &recordings);
        if !report.is_clean() {
            return Err(StartError::Disagreement(report));
        }
        let mock = Mock {
            contract,
            recordings,
            key: self.key,
            match_mode: self.match_mode,
            body_limit: self.body_limit.unwrap_or(DEFAULT_BODY_LIMIT),
            log_requests: self.log_requests,
            errors: AtomicU64::new(0),
        };
        Ok((router::router(Arc::new(mock)), self.listen))
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })
}
