//! What the crates below log, all of it: the key must not be there.

use std::sync::Mutex;

/// Keeps every line that any test of this process causes.
pub struct Log(Mutex<String>);

static LOG: Log = Log(Mutex::new(String::new()));

impl Log {
    /// Starts to keep lines, of every level.
    pub fn keep() -> &'static Self {
        // Another test may have been first.
        let _ = log::set_logger(&LOG);
        log::set_max_level(log::LevelFilter::Trace);
        &LOG
    }

    /// The lines so far.
    pub fn lines(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl log::Log for Log {
    fn enabled(&self, _metadata: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap().push_str(&line);
    }

    fn flush(&self) {}
}
