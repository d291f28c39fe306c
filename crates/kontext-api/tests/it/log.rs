//! Captures everything that dependencies log, to check that the key is never in it.

use std::sync::Mutex;

/// Collects the lines of all tests of this process.
pub struct Log(Mutex<String>);

static LOG: Log = Log(Mutex::new(String::new()));

impl Log {
    /// Starts collecting, at every level.
    pub fn keep() -> &'static Self {
        // Another test may have installed it already.
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
