//! The mock's log on standard error.
//!
//! A separate thread writes it: if nobody reads the pipe, it is full after some hundred
//! lines and writes block forever. That must not block request handlers.

use std::{
    error::Error,
    fmt::{self, Write as _},
    io::{self, Write as _},
    iter, mem,
    path::Path,
    sync::{Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, SystemTime},
};
use tokio::sync::oneshot;

/// The origin of the provider's service.
const PROVIDER: &str = "https://api.aimlapi.com";

/// The maximum number of queued lines. Further lines are dropped and counted.
const WAITING: usize = 10_000;

/// How long the writer pauses after a write, so that lines are batched and senders need
/// not wake the thread for each.
const REST: Duration = Duration::from_millis(5);

/// How long a stopping server waits for its log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue of the writer thread.
#[derive(Default)]
struct Waiting {
    text: String,
    lines: usize,
    dropped: u64,
    /// Notified when the lines above are written.
    flushes: Vec<oneshot::Sender<()>>,
}

static WAITING_LINES: LazyLock<Mutex<Waiting>> = LazyLock::new(Mutex::default);

/// Whether the writer thread was started; set on the first line.
static WRITER: OnceLock<bool> = OnceLock::new();

/// Wakes the writer when the queue is no longer empty.
static ARRIVED: Condvar = Condvar::new();

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING_LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Queues a line.
pub(crate) fn write(line: fmt::Arguments<'_>) {
    if !is_started() {
        return;
    }
    let mut waiting = waiting();
    if waiting.lines >= WAITING {
        waiting.dropped += 1;
        return;
    }
    let _ = writeln!(waiting.text, "{line}");
    waiting.lines += 1;
    if waiting.lines == 1 {
        ARRIVED.notify_one();
    }
}

/// Waits until the queued lines are written, for at most a second: if nobody reads
/// standard error, they never are.
pub(crate) async fn flush_soon() {
    if WRITER.get() != Some(&true) {
        return;
    }
    let (done, is_done) = oneshot::channel();
    waiting().flushes.push(done);
    ARRIVED.notify_one();
    let _ = tokio::time::timeout(FLUSH_TIMEOUT, is_done).await;
}

/// Whether the writer thread runs; starts it on the first call. If no thread can be
/// started, there is no log.
fn is_started() -> bool {
    *WRITER.get_or_init(|| {
        let thread = thread::Builder::new().name("kontext-mock-log".to_owned());
        thread.spawn(run).is_ok()
    })
}

/// Writes queued lines. Errors are ignored, because a closed standard error cannot report
/// them.
fn run() {
    let mut batch = Waiting::default();
    loop {
        let is_idle = |waiting: &mut Waiting| waiting.lines == 0 && waiting.flushes.is_empty();
        let found = ARRIVED.wait_while(waiting(), is_idle);
        // The swap reuses the buffer of the last batch.
        mem::swap(
            &mut *found.unwrap_or_else(PoisonError::into_inner),
            &mut batch,
        );
        let mut output = io::stderr().lock();
        let _ = output.write_all(batch.text.as_bytes());
        if batch.dropped > 0 {
            let lines = if batch.dropped == 1 { "line" } else { "lines" };
            let dropped = batch.dropped;
            let _ = writeln!(output, "dropped {dropped} {lines} that nobody read in time");
        }
        drop(output);
        for done in batch.flushes.drain(..) {
            let _ = done.send(());
        }
        batch.text.clear();
        (batch.lines, batch.dropped) = (0, 0);
        thread::sleep(REST);
    }
}

/// The current time in UTC, with milliseconds.
pub(crate) fn now() -> impl fmt::Display {
    humantime::format_rfc3339_millis(SystemTime::now())
}

/// The command that records requests which no recording matches.
pub(crate) fn record_command(folder: Option<&Path>) -> String {
    let folder = folder.map_or_else(|| "RECORDINGS".to_owned(), quoted);
    format!("kontext-mock record --upstream {PROVIDER} --recordings {folder}")
}

/// Quotes a path for a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Formats an error with its causes.
pub(crate) fn with_causes(error: &impl Error) -> String {
    let errors = iter::successors(Some(error as &dyn Error), |&error| error.source());
    errors
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
