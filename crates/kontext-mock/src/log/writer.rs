//! Lines on their way to standard error.
//!
//! A thread writes them: a pipe that nobody reads is full after some hundred
//! lines, and whoever writes to it then waits for ever. That must not be those
//! who answer requests.

use std::{
    io::{self, Write as _},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

/// How many lines may wait. More are dropped, and how many is said.
const WAITING: usize = 10_000;

/// How long the end of a server waits for its log.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the thread is told.
enum Order {
    Line(String),
    /// To say when all lines before it are written.
    Flush(oneshot::Sender<()>),
}

/// How many lines were dropped since the last one that was written.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The way to the thread, once there is a line.
static WRITER: OnceLock<Option<SyncSender<Order>>> = OnceLock::new();

/// Writes a text, which ends with a line break, when it is its turn.
pub(crate) fn write(line: String) {
    let sent = match writer() {
        Some(writer) => writer.try_send(Order::Line(line)),
        None => return,
    };
    if let Err(TrySendError::Full(_)) = sent {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until what was written before is on standard error, for at most a
/// second: where nobody reads it, it never is.
pub(crate) async fn flush_soon() {
    let Some(writer) = WRITER.get().and_then(Option::as_ref) else {
        return;
    };
    let (done, is_done) = oneshot::channel();
    if writer.try_send(Order::Flush(done)).is_ok() {
        let _ = tokio::time::timeout(PATIENCE, is_done).await;
    }
}

/// The way to the thread, which is started with the first line. Where no thread
/// can be started there is no log.
fn writer() -> Option<&'static SyncSender<Order>> {
    let started = WRITER.get_or_init(|| {
        let (sender, orders) = mpsc::sync_channel(WAITING);
        let thread = thread::Builder::new().name("kontext-mock-log".to_owned());
        thread.spawn(move || follow(&orders)).ok().map(|_| sender)
    });
    started.as_ref()
}

fn follow(orders: &Receiver<Order>) {
    for order in orders {
        match order {
            Order::Line(line) => {
                let dropped = DROPPED.swap(0, Ordering::Relaxed);
                let mut standard_error = io::stderr().lock();
                if dropped > 0 {
                    let _ = writeln!(
                        standard_error,
                        "lines that were dropped, because nobody read the ones before: {dropped}"
                    );
                }
                // Where it is closed, nobody wants to know.
                let _ = standard_error.write_all(line.as_bytes());
            }
            Order::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}
