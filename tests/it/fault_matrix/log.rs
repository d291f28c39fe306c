//! Captures everything that any crate in this process logs or traces, at every level.

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Every line that any test in this process has logged.
pub(super) struct Log(Mutex<String>);

static LOG: Log = Log(Mutex::new(String::new()));
static START: Once = Once::new();

impl Log {
    /// Starts capturing.
    pub(super) fn keep() -> &'static Self {
        START.call_once(|| {
            log::set_logger(&LOG).unwrap();
            log::set_max_level(log::LevelFilter::Trace);
            tracing::subscriber::set_global_default(Tracer::default()).unwrap();
        });
        &LOG
    }

    /// The lines that contain this text.
    pub(super) fn lines_with(&self, text: &str) -> Vec<String> {
        let lines = self.lock();
        let found = lines.lines().filter(|line| line.contains(text));
        found.map(str::to_owned).collect()
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap()
    }
}

impl log::Log for Log {
    fn enabled(&self, _metadata: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        writeln!(self.lock(), "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

/// Writes traces to the same log: one line for each new span, for each value recorded
/// later, and for each event.
#[derive(Default)]
struct Tracer {
    spans: AtomicU64,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        Self(format!("{} {}", metadata.target(), metadata.name()))
    }

    fn end(self) {
        writeln!(LOG.lock(), "{}", self.0).unwrap();
    }
}

impl Subscriber for Tracer {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line::of(span.metadata());
        span.record(&mut line);
        line.end();
        Id::from_u64(1 + self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut line = Line(format!("span {}", span.into_u64()));
        values.record(&mut line);
        line.end();
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::of(event.metadata());
        event.record(&mut line);
        line.end();
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
