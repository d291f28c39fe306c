//! One attempt to fetch an image by its URL.

use std::error::Error as StdError;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use ipnet::IpNet;
use reqwest::Response;
use url::{Position, Url};

use super::Received;
use super::error::DownloadFailure;
use super::file::Target;
use super::ssrf::{NoAllowedAddress, Resolver, Targets, UrlPolicy};
use crate::client::base_url::BaseUrl;
use crate::client::build_error::BuildError;
use crate::client::http_client::{Configure, Network, strict, with_localhost_here};
use crate::client::retry::{Budget, RetryPolicy};
use crate::redact::Redactor;
use crate::response::error_body::Reply;
use crate::response::headers;
use crate::sniff;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;

/// How much of the body of an error is kept, in bytes.
const MAX_ERROR_SIZE: usize = 64 * 1024;

/// What an attempt needs to know.
pub(super) struct Fetch<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) policy: &'a UrlPolicy,
    pub(super) targets: &'a Targets,
    pub(super) redactor: &'a Redactor,
    pub(super) url: &'a str,
    /// The size of the file, where the answer of the API gives it.
    pub(super) file_size: Option<u64>,
    pub(super) max_size: u64,
    pub(super) stall_timeout: Duration,
}

/// An answer, and what stood on the way to it.
struct Arrived {
    response: Response,
    /// Whether a URL on the way had a query, which may be a signature.
    has_query: bool,
}

impl Fetch<'_> {
    /// Makes one attempt, redirects included. The target gets the image, or the
    /// beginning of it; it gets nothing of what is no image.
    pub(super) async fn attempt(
        &self,
        target: &mut impl Target,
    ) -> Result<Received, DownloadFailure> {
        let arrived = self.open().await?;
        let status = arrived.response.status();
        // A part of an image that nobody asked for is none.
        if !status.is_success() || status == StatusCode::PARTIAL_CONTENT {
            return Err(self.refusal(arrived, Vec::new()).await);
        }
        let has_query = arrived.has_query;
        let mut response = arrived.response;
        let size = response.content_length();
        if size.is_some_and(|size| size > self.max_size) {
            return Err(self.too_large());
        }
        let mut received = 0;
        let mut head = Vec::new();
        while head.len() < sniff::HEAD {
            match self.piece(&mut response, &mut received).await? {
                Some(piece) => head.extend_from_slice(&piece),
                None => break,
            }
        }
        let Some(format) = sniff::image_format(&head) else {
            if status == StatusCode::ACCEPTED {
                // It says that the image is not made yet.
                let arrived = Arrived {
                    response,
                    has_query,
                };
                return Err(self.refusal(arrived, head).await);
            }
            if head.len() < sniff::HEAD {
                self.check_size(&response, received)?;
            }
            return Err(self.no_image(&head, response.headers()));
        };
        target.begin(format, size).await?;
        target.write(&head).await?;
        let mut tail = Tail::default();
        tail.add(&head);
        drop(head);
        while let Some(piece) = self.piece(&mut response, &mut received).await? {
            target.write(&piece).await?;
            tail.add(&piece);
        }
        if !self.check_size(&response, received)? && !sniff::can_end_with(format, &tail.0) {
            let expected = None;
            return Err(DownloadFailure::Cut { received, expected });
        }
        Ok(Received {
            format,
            size: received,
        })
    }

    /// Sends the request and follows its redirects.
    async fn open(&self) -> Result<Arrived, DownloadFailure> {
        let Ok(mut url) = Url::parse(self.url) else {
            return Err(refused(headers::ELSEWHERE, "it is not a valid URL"));
        };
        let mut has_query = false;
        let mut redirects = 0;
        loop {
            self.check(&url)?;
            has_query |= url.query().is_some();
            let response = self.send(&url).await?;
            let Some(next) = location(&response) else {
                return Ok(Arrived {
                    response,
                    has_query,
                });
            };
            let place = headers::redirect_target(response.headers());
            let Ok(next) = url.join(next) else {
                let place = place.unwrap_or_else(|| headers::ELSEWHERE.to_owned());
                let place = self.redactor.shown(&place, 200);
                return Err(refused(&place, "the redirect to it is not a valid URL"));
            };
            if redirects == MAX_REDIRECTS {
                let problem = format!("it is more than {MAX_REDIRECTS} redirects away");
                return Err(refused(&self.shown(&next), &problem));
            }
            redirects += 1;
            url = next;
        }
    }

    /// Looks at a URL before anything is sent there.
    fn check(&self, url: &Url) -> Result<(), DownloadFailure> {
        // The key belongs to the API's origin, and this is another one.
        if self.redactor.finds(url.as_str()) {
            return Err(refused(&self.shown(url), "it contains the API key"));
        }
        let checked = self.policy.check(url);
        checked.map_err(|problem| refused(&self.shown(url), &problem))
    }

    async fn send(&self, url: &Url) -> Result<Response, DownloadFailure> {
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let Ok(host) = HeaderValue::try_from(authority) else {
            let problem = "its host is not valid in a header";
            return Err(refused(&self.shown(url), problem));
        };
        // The headers of a request win over default headers.
        let request = self
            .http
            .get(url.clone())
            .header(ACCEPT, "image/*")
            .header(ACCEPT_ENCODING, "identity")
            .header(HOST, host);
        // Its name is judged as that of a target as long as this is in flight.
        let _target = self.targets.enter(url);
        let sent = self.in_time(request.send()).await?;
        sent.map_err(|error| self.failed(error, Some(url)))
    }

    /// The next bytes of the body; nothing at its end.
    async fn piece(
        &self,
        response: &mut Response,
        received: &mut u64,
    ) -> Result<Option<Bytes>, DownloadFailure> {
        let piece = self.in_time(response.chunk()).await?;
        let piece = piece.map_err(|error| self.failed(error, None))?;
        *received += piece.as_ref().map_or(0, Bytes::len) as u64;
        match *received > self.max_size {
            true => Err(self.too_large()),
            false => Ok(piece),
        }
    }

    async fn in_time<T>(&self, future: impl Future<Output = T>) -> Result<T, DownloadFailure> {
        let limit = self.stall_timeout;
        let outcome = tokio::time::timeout(limit, future).await;
        outcome.map_err(|_| DownloadFailure::Stalled { limit })
    }

    /// Looks whether a body is whole by its size, and says whether that is known.
    ///
    /// It is of every body but one that ended with its connection, as one ends that was
    /// cut; of that one it is where the answer of the API has the size.
    fn check_size(&self, response: &Response, received: u64) -> Result<bool, DownloadFailure> {
        let headers = response.headers();
        let is_framed = response.version() >= Version::HTTP_2
            || headers.contains_key(CONTENT_LENGTH)
            || headers.contains_key(TRANSFER_ENCODING);
        match self.file_size {
            Some(size) if !is_framed && received < size => Err(DownloadFailure::Cut {
                received,
                expected: Some(size),
            }),
            size => Ok(is_framed || size.is_some()),
        }
    }

    /// The error of an answer that is not a success. One that breaks off is still that error.
    async fn refusal(&self, arrived: Arrived, mut body: Vec<u8>) -> DownloadFailure {
        let Arrived {
            mut response,
            has_query,
        } = arrived;
        body.truncate(MAX_ERROR_SIZE);
        let is_cut = loop {
            match self.in_time(response.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    let room = MAX_ERROR_SIZE - body.len();
                    body.extend_from_slice(&piece[..piece.len().min(room)]);
                    if piece.len() > room {
                        break true;
                    }
                }
                Ok(Ok(None)) => break false,
                Ok(Err(_)) | Err(_) => break true,
            }
        };
        let headers = response.headers().clone();
        let redactor = self.redactor.clone();
        let reply = Reply::new(response.status(), headers, body, is_cut, redactor);
        DownloadFailure::Status(Box::new(match has_query {
            // A message can repeat the signature that it does not like.
            true => reply,
            false => reply.read_as_error(),
        }))
    }

    fn no_image(&self, head: &[u8], headers: &HeaderMap) -> DownloadFailure {
        let shown = |text: &str| self.redactor.shown(text, 60);
        let content_type = headers::text(headers, CONTENT_TYPE.as_str());
        DownloadFailure::NotAnImage {
            beginning: beginning(self.redactor, head),
            content_type: content_type.map(shown),
            content_encoding: headers::content_encoding(headers).map(shown),
        }
    }

    fn too_large(&self) -> DownloadFailure {
        DownloadFailure::TooLarge {
            limit: self.max_size,
        }
    }

    /// What a failed exchange is: the resolver may have refused the host of `url`.
    fn failed(&self, error: reqwest::Error, url: Option<&Url>) -> DownloadFailure {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(error) = cause {
            if let (Some(refusal), Some(url)) = (error.downcast_ref::<NoAllowedAddress>(), url) {
                return refused(&self.shown(url), &refusal.to_string());
            }
            cause = error.source();
        }
        DownloadFailure::Transport {
            source: Box::new(error.without_url()),
        }
    }

    /// A URL for a message.
    fn shown(&self, url: &Url) -> String {
        self.redactor.shown(&headers::place(url), 200)
    }
}

/// The last bytes of what has come.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn add(&mut self, piece: &[u8]) {
        let piece = &piece[piece.len().saturating_sub(sniff::TAIL)..];
        let excess = (self.0.len() + piece.len()).saturating_sub(sniff::TAIL);
        self.0.drain(..excess.min(self.0.len()));
        self.0.extend_from_slice(piece);
    }
}

/// Where a redirect leads that is to be followed.
fn location(response: &Response) -> Option<&str> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION)?;
    // Some servers send it in UTF-8.
    let location = std::str::from_utf8(location.as_bytes()).ok()?;
    Some(location).filter(|location| is_redirect && !location.is_empty())
}

fn refused(url: &str, problem: &str) -> DownloadFailure {
    DownloadFailure::Refused {
        url: url.to_owned(),
        problem: problem.to_owned(),
    }
}

/// The first bytes of what is no image, without the key; `None` if there are none.
pub(super) fn beginning(redactor: &Redactor, head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    match redactor.finds(&text) {
        _ if head.is_empty() => String::new(),
        true => format!("\"{}\"", redactor.shown(&text, 40)),
        false => sniff::shown_beginning(head),
    }
}

/// What a caller sets before the client is made.
pub(crate) struct Settings {
    pub(crate) max_size: u64,
    pub(crate) stall_timeout: Duration,
    pub(crate) networks: Vec<String>,
    pub(crate) configure: Option<Configure>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_size: 32 * 1024 * 1024,
            stall_timeout: Duration::from_secs(20),
            networks: Vec::new(),
            configure: None,
        }
    }
}

/// What downloads of one client have in common.
pub(crate) struct Downloads {
    pub(super) http: reqwest::Client,
    pub(super) policy: UrlPolicy,
    pub(super) targets: Targets,
    /// Of their own, so that a host of images that is down takes no retry from the API.
    pub(super) budget: Budget,
    pub(super) max_size: u64,
    pub(super) stall_timeout: Duration,
}

impl Settings {
    /// Makes the HTTP client.
    pub(crate) fn build(
        self,
        base_url: &BaseUrl,
        network: &Network,
        connect_timeout: Duration,
        retry: &RetryPolicy,
    ) -> Result<Downloads, BuildError> {
        let networks = self.networks.into_iter().map(|network| {
            let address = || network.trim().parse::<IpAddr>().map(IpNet::from);
            let parsed = network.trim().parse().or_else(|_| address());
            parsed.map_err(|_| BuildError::InvalidNetwork { network })
        });
        let networks = networks.collect::<Result<_, _>>()?;
        let plain_http = base_url.plain_http().cloned();
        let policy = UrlPolicy::new(base_url.is_loopback(), plain_http, networks);
        let targets = Targets::default();
        let configure = self.configure.unwrap_or_else(|| Box::new(|http| http));
        // What the caller may choose otherwise. The proxy is the API's, which may have none.
        let preset = match base_url.is_loopback() || base_url.plain_http().is_some() {
            true => network.http().no_proxy(),
            false => network.http(),
        };
        let http = configure(preset)
            .https_only(!base_url.is_loopback() && base_url.plain_http().is_none())
            .dns_resolver(Resolver {
                policy: policy.clone(),
                targets: targets.clone(),
            });
        // Redirects are followed one by one, because each is checked, and reqwest cannot
        // tell why one was refused.
        let mut http = strict(http, connect_timeout);
        if base_url.is_loopback() {
            // Plain http is allowed to it, so it must be this machine.
            http = with_localhost_here(http);
        }
        Ok(Downloads {
            http: http
                .build()
                .map_err(|error| BuildError::Http(error.without_url()))?,
            policy,
            targets,
            budget: Budget::new(retry),
            max_size: self.max_size,
            stall_timeout: self.stall_timeout,
        })
    }
}
