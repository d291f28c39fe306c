//! What the mock writes on standard error.
//!
//! A thread writes it: a pipe that nobody reads is full after some hundred lines,
//! and whoever writes to it then waits forever. That must not be those who answer
//! requests.

use axum::http::request::Parts;
use std::{
    error::Error,
    fmt::Write as _,
    io::{self, BufWriter, Write as _},
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

use crate::{respond::pipeline::Answer, truncate};

/// Where the provider's service is; the page of the provider names it.
const PROVIDER: &str = "https://api.aimlapi.com";

/// How many lines may wait. More are dropped and counted.
const WAITING: usize = 10_000;

/// How long the writer rests after it has written: lines that come meanwhile are
/// written together, and whoever sends one need not wake a thread.
const REST: Duration = Duration::from_millis(5);

/// How long the end of a server waits for its log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// What the writer is sent.
enum Message {
    Line(String),
    /// Asks to be told when all lines before it are written.
    Flush(oneshot::Sender<()>),
}

/// How many lines were dropped since the last one that was written.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The way to the writer, once there was a line.
static WRITER: OnceLock<Option<SyncSender<Message>>> = OnceLock::new();

/// Writes a text, which ends with a line break, when it is its turn.
pub(crate) fn write(line: String) {
    let Some(writer) = writer() else {
        return;
    };
    if let Err(TrySendError::Full(_)) = writer.try_send(Message::Line(line)) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until what was written before is on standard error, for at most a
/// second: where nobody reads it, it never is.
pub(crate) async fn flush_soon() {
    let (done, is_done) = oneshot::channel();
    if let Some(Some(writer)) = WRITER.get()
        && writer.try_send(Message::Flush(done)).is_ok()
    {
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, is_done).await;
    }
}

/// The way to the writer, which is started with the first line. Where no thread
/// can be started there is no log.
fn writer() -> Option<&'static SyncSender<Message>> {
    let started = WRITER.get_or_init(|| {
        let (sender, messages) = mpsc::sync_channel(WAITING);
        let thread = thread::Builder::new().name("kontext-mock-log".to_owned());
        thread.spawn(move || run(&messages)).ok().map(|_| sender)
    });
    started.as_ref()
}

/// Writes until there are no more senders. Where standard error is closed, nobody
/// wants to know.
fn run(messages: &Receiver<Message>) {
    let mut output = BufWriter::with_capacity(64 * 1024, io::stderr());
    while let Ok(first) = messages.recv() {
        let dropped = DROPPED.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let lines = if dropped == 1 { "line" } else { "lines" };
            let _ = writeln!(output, "dropped {dropped} {lines} that nobody read in time");
        }
        for message in std::iter::once(first).chain(messages.try_iter().take(WAITING)) {
            match message {
                Message::Line(line) => {
                    let _ = output.write_all(line.as_bytes());
                }
                Message::Flush(done) => {
                    let _ = output.flush();
                    let _ = done.send(());
                }
            }
        }
        let _ = output.flush();
        thread::sleep(REST);
    }
}

/// What a line says of a request.
pub(crate) struct Line<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) session: Option<&'a str>,
    pub(crate) took: Duration,
    pub(crate) answer: &'a Answer,
    pub(crate) faults: &'a [String],
}

impl Line<'_> {
    /// Writes it: never a header, a query or a body.
    pub(crate) fn write(&self) {
        let Self { parts, answer, .. } = self;
        let mut line = format!(
            "{} {} {} {} {:.1}ms",
            now(),
            truncate::text(parts.method.as_str(), 50),
            truncate::text(parts.uri.path(), 200),
            answer.reply.status.as_u16(),
            self.took.as_secs_f64() * 1e3
        );
        if let Some(session) = self.session {
            let _ = write!(line, " session={session}");
        }
        if let Some(error) = answer.error {
            let _ = write!(line, " error={error}");
        }
        if !answer.fields.is_empty() {
            let fields = answer.fields.join(",");
            let _ = write!(line, " fields={}", truncate::text(&fields, 500));
        }
        if !answer.unknown.is_empty() {
            let _ = write!(line, " unknown={}", answer.unknown);
        }
        if let Some(found) = answer.found.filter(|_| !answer.is_miss()) {
            let _ = write!(line, " match={found}");
        }
        if let Some(recording) = &answer.recording {
            let label = if answer.is_miss() {
                "nearest"
            } else {
                "recording"
            };
            let _ = write!(line, " {label}={recording}");
        }
        line.push_str(&answer.note);
        if !self.faults.is_empty() {
            let _ = write!(line, " faults={}", self.faults.join(";"));
        }
        line.push('\n');
        write(line);
    }
}

/// The time in UTC, to the millisecond.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The command that records what no recording answers.
pub(crate) fn record_command(folder: Option<&Path>) -> String {
    let folder = folder.map_or_else(|| "RECORDINGS".to_owned(), quoted);
    format!("kontext-mock record --upstream {PROVIDER} --recordings {folder}")
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// An error with its causes in one text.
pub(crate) fn with_causes(error: &impl Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
