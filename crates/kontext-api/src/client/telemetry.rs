//! Tells a hook and the trace what happens on the way.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tracing::field::Empty;
use tracing::{Level, Span, debug, info, trace, warn};

use crate::client::call::ClientRequestId;
#[cfg(feature = "download")]
use crate::download::error::{DownloadError, DownloadFailure};
use crate::error::Error;
use crate::redact::Redactor;
use crate::response::answer::GeneratedImages;

/// A span of a call or an attempt, with the fields of both and some more.
macro_rules! span {
    ($level:expr, $name:literal, $operation:expr, $id:expr, $($field:ident = $value:expr),*) => {
        tracing::span!(
            $level,
            $name,
            operation = $operation.as_str(),
            client_request_id = $id.map(ClientRequestId::as_str),
            $($field = $value,)*
            outcome = Empty,
            status = Empty,
            request_id = Empty,
            credits_used = Empty,
            usd_spent = Empty,
            duration_ms = Empty,
        )
    };
}

/// A function that sees every attempt.
pub(crate) type Hook = Arc<dyn Fn(&Attempt<'_>) + Send + Sync>;

/// Tells a hook and the trace what happens.
pub(crate) struct Observer {
    hook: Option<Hook>,
    redactor: Redactor,
}

impl Observer {
    pub(crate) fn new(hook: Option<Hook>, redactor: Redactor) -> Self {
        Self { hook, redactor }
    }

    /// Begins a call. If what it returns is dropped, the call was.
    pub(crate) fn begin_call(
        &self,
        operation: Operation,
        id: Option<&ClientRequestId>,
    ) -> CallSpan<'_> {
        let span = span!(Level::INFO, "kontext_call", operation, id, attempts = Empty);
        CallSpan {
            observer: self,
            begin: Instant::now(),
            span,
            has_ended: false,
        }
    }

    /// Begins an attempt. If what it returns is dropped, the attempt was.
    pub(crate) fn begin<'a>(
        &'a self,
        operation: Operation,
        id: Option<&'a ClientRequestId>,
        number: u32,
    ) -> AttemptSpan<'a> {
        let span = span!(
            Level::DEBUG,
            "kontext_attempt",
            operation,
            id,
            attempt = number,
            next_in_ms = Empty
        );
        AttemptSpan {
            observer: self,
            operation,
            id,
            number,
            begin: Instant::now(),
            span,
            has_ended: false,
        }
    }

    /// Writes into a span what an outcome says; all of it without the key.
    fn record(&self, span: &Span, outcome: &Outcome<'_>, duration: Duration) {
        if span.is_disabled() {
            return;
        }
        let shown = |text: &str| self.redactor.shown(text, 128);
        span.record("outcome", outcome.as_str());
        span.record("status", outcome.status().map(|status| status.as_u16()));
        span.record("request_id", outcome.request_id().map(shown));
        span.record("credits_used", outcome.credits_used());
        span.record("usd_spent", outcome.usd_spent().map(shown));
        span.record("duration_ms", milliseconds(duration));
    }

    fn call_hook(&self, attempt: &Attempt<'_>) {
        if let Some(hook) = &self.hook {
            catch_panic(|| hook(attempt));
        }
    }
}

/// A call in flight.
pub(crate) struct CallSpan<'a> {
    observer: &'a Observer,
    begin: Instant,
    span: Span,
    has_ended: bool,
}

impl CallSpan<'_> {
    /// The span that the call runs in.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Tells how it ended, after so many attempts.
    pub(crate) fn end(mut self, outcome: &Outcome<'_>, attempts: Option<u32>) {
        self.has_ended = true;
        catch_panic(|| {
            self.span.record("attempts", attempts);
            self.observer
                .record(&self.span, outcome, self.begin.elapsed());
        });
    }
}

impl Drop for CallSpan<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            let duration = self.begin.elapsed();
            catch_panic(|| {
                self.observer
                    .record(&self.span, &Outcome::Dropped, duration)
            });
        }
    }
}

/// An attempt in flight.
pub(crate) struct AttemptSpan<'a> {
    observer: &'a Observer,
    operation: Operation,
    id: Option<&'a ClientRequestId>,
    number: u32,
    begin: Instant,
    span: Span,
    has_ended: bool,
}

impl AttemptSpan<'_> {
    /// The span that the attempt runs in.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Tells how it ended.
    pub(crate) fn end(mut self, outcome: Outcome<'_>, next_in: Option<Duration>) {
        self.has_ended = true;
        self.tell(outcome, next_in);
    }

    fn tell(&self, outcome: Outcome<'_>, next_in: Option<Duration>) {
        let duration = self.begin.elapsed();
        catch_panic(|| {
            self.observer.record(&self.span, &outcome, duration);
            self.span.record("next_in_ms", next_in.map(milliseconds));
            self.span.in_scope(|| self.log(&outcome, next_in));
        });
        self.observer.call_hook(&Attempt {
            operation: self.operation,
            client_request_id: self.id,
            number: self.number,
            duration,
            outcome,
            next_in,
        });
    }

    /// Writes a line for those who want to know without asking. What a server says may
    /// repeat the prompt, so the text of an error is for the finest level alone.
    fn log(&self, outcome: &Outcome<'_>, next_in: Option<Duration>) {
        // The span may be filtered out where its events are not.
        let client_request_id = self.id.map(ClientRequestId::as_str);
        let status = outcome.status().map(|status| status.as_u16());
        let next_in_ms = next_in.map(milliseconds);
        let (kind, cause) = (outcome.as_str(), self.cause(outcome));
        match outcome {
            Outcome::Generated(_) => debug!("the attempt succeeded"),
            #[cfg(feature = "download")]
            Outcome::Downloaded => debug!("the attempt succeeded"),
            Outcome::Dropped if self.operation == Operation::GenerateImage => warn!(
                client_request_id,
                "the call was dropped: its outcome is unknown, it may be carried out and charged"
            ),
            Outcome::Dropped => debug!("the download was dropped"),
            Outcome::Failed(error) if error.may_have_been_charged() => warn!(
                client_request_id,
                outcome = kind,
                status,
                cause,
                next_in_ms,
                "the call failed, and may have been carried out and charged"
            ),
            Outcome::Failed(_) if next_in.is_some() => {
                info!(
                    client_request_id,
                    outcome = kind,
                    status,
                    cause,
                    next_in_ms,
                    "trying again"
                );
            }
            #[cfg(feature = "download")]
            Outcome::DownloadFailed(_) if next_in.is_some() => {
                info!(
                    outcome = kind,
                    status, cause, next_in_ms, "downloading again"
                );
            }
            // The caller has the error, and knows whether it is worth a line.
            _ => {
                debug!(
                    client_request_id,
                    outcome = kind,
                    status,
                    cause,
                    "the attempt failed"
                );
            }
        }
        match outcome {
            Outcome::Failed(error) => trace!("{error}"),
            #[cfg(feature = "download")]
            Outcome::DownloadFailed(error) => trace!("{error}"),
            _ => {}
        }
    }

    /// Why there was no answer, in the words of the HTTP client.
    fn cause(&self, outcome: &Outcome<'_>) -> Option<String> {
        let source = match outcome {
            Outcome::Failed(
                Error::NotSent { source, .. } | Error::OutcomeUnknown { source, .. },
            ) => source,
            #[cfg(feature = "download")]
            Outcome::DownloadFailed(error) => match error.failure() {
                DownloadFailure::Transport { source, .. } => source,
                _ => return None,
            },
            _ => return None,
        };
        let mut text = source.to_string();
        let mut cause = source.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Some(self.observer.redactor.shown(&text, 300))
    }
}

impl Drop for AttemptSpan<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.tell(Outcome::Dropped, None);
        }
    }
}

/// Runs code of the caller's, a hook or a subscriber. An image may have been paid for, so
/// a panic in it stays there; whoever panics prints that.
fn catch_panic(run: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(run));
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What an attempt tries to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `generate_image`: a POST that is paid for.
    GenerateImage,
    /// The download of an image, which costs nothing.
    Download,
}

impl Operation {
    /// The name in traces: `generate_image`, `download`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GenerateImage => "generate_image",
            Self::Download => "download",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An attempt that has ended, as [`ClientBuilder::on_attempt`] sees it.
///
/// [`ClientBuilder::on_attempt`]: crate::ClientBuilder::on_attempt
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// What was tried.
    pub operation: Operation,
    /// The `X-Client-Request-Id` of the call; `None` for a download, which has none.
    pub client_request_id: Option<&'a ClientRequestId>,
    /// 1 for the first attempt of a call.
    pub number: u32,
    /// How long it took, from connecting to the last byte.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome<'a>,
    /// When the next attempt of the same call begins, counted from now; `None` if
    /// this was the last. It is not made if the future is dropped, or a batch stopped,
    /// while it waits.
    pub next_in: Option<Duration>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// With images.
    Generated(&'a GeneratedImages),
    /// With an error of the call.
    Failed(&'a Error),
    /// With an image on this side.
    #[cfg(feature = "download")]
    Downloaded,
    /// Without the image; it is still where it was.
    #[cfg(feature = "download")]
    DownloadFailed(&'a DownloadError),
    /// The caller dropped the future. If it was a generation, its outcome is unknown:
    /// the image may be made, and charged.
    Dropped,
}

impl Outcome<'_> {
    /// The name in traces, such as `generated` or `outcome_unknown`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Generated(_) => "generated",
            Self::Failed(error) => error.kind(),
            #[cfg(feature = "download")]
            Self::Downloaded => "downloaded",
            #[cfg(feature = "download")]
            Self::DownloadFailed(error) => error.kind(),
            Self::Dropped => "dropped",
        }
    }

    /// The HTTP status, if an answer arrived that is not an image.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Generated(answer) => Some(answer.status()),
            Self::Failed(error) => error.status(),
            #[cfg(feature = "download")]
            Self::DownloadFailed(error) => error.status(),
            _ => None,
        }
    }

    /// The provider's name for the request.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Generated(answer) => answer.request_id(),
            Self::Failed(error) => error.request_id(),
            _ => None,
        }
    }

    /// The cost in credits, as the answer says.
    pub fn credits_used(&self) -> Option<u64> {
        match self {
            Self::Generated(answer) => answer.credits_used(),
            Self::Failed(error) => error.credits_used(),
            _ => None,
        }
    }

    /// The cost in US dollars, as the answer says.
    pub fn usd_spent(&self) -> Option<&str> {
        match self {
            Self::Generated(answer) => answer.usd_spent(),
            Self::Failed(error) => error.usd_spent(),
            _ => None,
        }
    }
}
