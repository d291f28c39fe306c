//! The recorder: a proxy server that saves the exchanges.

use axum::{body::Body, http::Request, response::Response};
use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    ADMIN_PATH,
    contract::Contract,
    error::RecordError,
    http::{
        body,
        connection::ConnectionHandle,
        error_response::{Reason, Refusal},
        listener::{self, Running, Service},
    },
    log,
    recorder::{
        pictures::Fetcher,
        proxy::{Proxy, ProxyRequest, Settings, lock},
        relay,
        rules::{self, Wanted},
        staging::Lock,
        store::{RecordMode, Store},
        upstream::Upstream,
    },
    redaction::{Redaction, Secret},
    state::DEFAULT_BODY_LIMIT,
    truncate,
};

/// The settings of a recorder, from [`Recorder::builder`].
#[must_use = "a builder does nothing until it is started"]
pub struct RecorderBuilder {
    upstream: String,
    listen: Vec<SocketAddr>,
    pictures: bool,
    wanted: Wanted,
    settings: Settings,
}

/// A proxy that forwards requests to the real server and saves the exchanges as
/// recordings, without their secrets.
///
/// Responses are streamed to the client unchanged. The end of each is held back until
/// its recording is on disk: when a client has the whole response, it is recorded, or
/// [`problems`](Self::problems) says why not. An exchange continues when its client
/// disconnects, because it is paid for.
///
/// An exchange that disagrees with the contract is saved in the hidden folder
/// `.quarantine` of the recordings, which is not served.
///
/// Dropping a recorder stops it immediately and loses the exchanges in flight;
/// [`stop`](Self::stop) waits for them.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    proxy: Arc<Proxy>,
    running: Option<Running>,
}

impl Recorder {
    /// Creates a builder for a recorder. `upstream` is the origin of the real server,
    /// optionally with a path that is prepended to that of each request. Recordings are
    /// saved into `folder`, which is created if it does not exist.
    pub fn builder(upstream: impl Into<String>, folder: impl Into<PathBuf>) -> RecorderBuilder {
        RecorderBuilder {
            upstream: upstream.into(),
            listen: Vec::new(),
            pictures: false,
            wanted: Wanted::default(),
            settings: Settings {
                mode: RecordMode::default(),
                log: false,
                secrets: Vec::new(),
                folder: folder.into(),
            },
        }
    }

    /// The recorder's origin, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that the recorder listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Number of exchanges saved.
    #[must_use]
    pub fn saved(&self) -> u64 {
        self.proxy.saved.load(Ordering::Relaxed)
    }

    /// Number of exchanges that should have been saved but were not, because the disk
    /// was full or they cannot be recorded.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.proxy.lost.load(Ordering::Relaxed)
    }

    /// The last 1,000 problems, oldest first: exchanges without a response or not
    /// saved, disagreements with the contract, and pictures that were not kept.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.proxy.problems()
    }

    /// Stops gracefully: accepts no more connections, and finishes and saves exchanges
    /// in flight, within a timeout. Returns false if it expired and exchanges were
    /// lost.
    pub async fn stop(&mut self, patience: Duration) -> bool {
        let Some(mut running) = self.running.take() else {
            return true;
        };
        let end = Instant::now() + patience;
        running.drain(patience).await;
        // An exchange does not end when its client disconnects.
        let rest = end.saturating_duration_since(Instant::now());
        let finished = tokio::time::timeout(rest, self.proxy.finish()).await;
        self.proxy.abort();
        log::flush_soon().await;
        finished.is_ok()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

/// Omits the upstream, which is not validated yet: a misplaced value may be a key.
impl fmt::Debug for RecorderBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("RecorderBuilder");
        shown
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl RecorderBuilder {
    /// Listens on an address; by default on a free port of 127.0.0.1. Further calls add
    /// addresses.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// Sets which exchanges are saved.
    pub fn mode(mut self, mode: RecordMode) -> Self {
        self.settings.mode = mode;
        self
    }

    /// Whether to fetch the pictures that responses link to, without sending the key,
    /// and keep them with the recordings. The limit is 64 MiB each.
    pub fn pictures(mut self, keep: bool) -> Self {
        self.pictures = keep;
        self
    }

    /// Also redacts what a regular expression matches; the rule is added to the
    /// folder's `redaction.json`.
    pub fn redact_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.wanted.patterns.push(pattern.into());
        self
    }

    /// Also redacts the value at a JSON pointer; the rule is added to the folder's
    /// `redaction.json`.
    pub fn redact_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.wanted.pointers.push(pointer.into());
        self
    }

    /// Also redacts a secret wherever it appears, such as a key that is not in the
    /// headers of the exchanges. It is never written. A secret shorter than 6 bytes is
    /// ignored.
    pub fn redact_secret(mut self, secret: &str) -> Self {
        self.settings.secrets.extend(Secret::new(secret));
        self
    }

    /// Whether to write a line per exchange to standard error.
    pub fn log(mut self, log: bool) -> Self {
        self.settings.log = log;
        self
    }

    /// Starts the recorder on the runtime shared by all servers of this crate.
    ///
    /// # Errors
    ///
    /// Fails if the upstream is not an origin that may receive a key (https, or http on
    /// this machine), if the folder cannot be written or its redaction rules cannot be
    /// read, or if the address cannot be bound.
    pub async fn start(self) -> Result<Recorder, RecordError> {
        let upstream = Upstream::new(&self.upstream)?;
        // Report invalid rules before anything is created.
        rules::added(Redaction::default(), &self.wanted)?;
        let contract = Contract::shared()?;
        let mut listen = self.listen;
        if listen.is_empty() {
            listen.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        }
        let listeners = listener::bind(&listen)
            .map_err(|(address, source)| RecordError::Listen { address, source })?;
        let addresses = listeners.iter().map(TcpListener::local_addr);
        let addresses: Vec<_> = addresses
            .collect::<io::Result<_>>()
            .map_err(RecordError::Run)?;
        let address = addresses[0];
        if addresses.iter().any(|address| upstream.is_at(*address)) {
            return Err(RecordError::Upstream {
                problem: "is this recorder itself".to_owned(),
            });
        }
        let fetcher = self.pictures.then(|| Fetcher::new(&upstream)).transpose()?;
        let store = {
            let folder = &self.settings.folder;
            let failed = |error| RecordError::folder(folder, error);
            std::fs::create_dir_all(folder).map_err(failed)?;
            let lock = Lock::wait(folder).await.map_err(failed)?;
            Store::open(folder, &lock, &self.wanted, contract.clone())?
        };
        let proxy = Proxy::new(store, upstream, contract, fetcher, self.settings);
        let proxy = Arc::new(proxy);
        let running = Running::start(listeners, proxy.clone()).map_err(RecordError::Run)?;
        Ok(Recorder {
            address,
            proxy,
            running: Some(running),
        })
    }
}

impl Proxy {
    /// Forwards a request in a task that outlives its connection.
    async fn pass_on(self: &Arc<Self>, asked: ProxyRequest) -> Response {
        let path = asked.parts.uri.path().to_owned();
        let number = asked.number;
        let (head, answered) = oneshot::channel();
        {
            let mut exchanges = lock(&self.exchanges);
            while exchanges.try_join_next().is_some() {}
            exchanges.spawn(relay::run(self.clone(), asked, head));
        }
        match answered.await {
            Ok(response) => response,
            Err(_) => Refusal::new(Reason::Upstream, "the recorder is being stopped")
                .reply(&path, number)
                .into_response(),
        }
    }
}

impl Service for Proxy {
    fn note(&self, event: &str) {
        self.say(event);
    }

    async fn serve(self: &Arc<Self>, request: Request<Body>, wire: &ConnectionHandle) -> Response {
        let (parts, body) = request.into_parts();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let path = parts.uri.path().to_owned();
        let body = match body::read_body(body, DEFAULT_BODY_LIMIT).await {
            Ok(body) => body,
            Err(refusal) => {
                let place = self.place(&parts, &Secret::from_headers(&parts.headers));
                self.say(&format!("{place}: refused: {}", refusal.message));
                return refusal.reply(&path, number).into_response();
            }
        };
        wire.set_received();
        if path == "/__mock/health" {
            return self.health();
        }
        if path.starts_with(ADMIN_PATH) || !path.starts_with('/') {
            return not_ours(&path).reply(&path, number).into_response();
        }
        let mut asked = self.read(number, parts, body);
        if self.settings.mode == RecordMode::Missing && asked.operation.is_some() {
            asked.turn = self.turn(&asked).await;
            let response;
            (asked, response) = self.replay(asked).await;
            if let Some(response) = response {
                return response;
            }
        }
        self.pass_on(asked).await
    }
}

fn not_ours(path: &str) -> Refusal {
    Refusal::new(
        Reason::NotFound,
        format!(
            "Cannot find {}: a recorder has {ADMIN_PATH}health and, below /, the server that it \
             records",
            truncate::text(path, 200)
        ),
    )
}
