//! What is seen while it runs: a bar on a terminal, lines in a pipe.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use kontext_api::BatchProgress;

/// The progress of a run. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    spend_limit: Option<u64>,
}

impl Progress {
    /// Shows that so many of so many jobs are finished. There are no colours.
    pub(crate) fn start(finished: usize, jobs: usize, spend_limit: Option<u64>) -> Self {
        // It is hidden where standard error is no terminal.
        let bar = ProgressBar::new(jobs as u64).with_position(finished as u64);
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} {msg} {elapsed}") {
            bar.set_style(style.progress_chars("=> "));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, spend_limit }
    }

    /// Shows how far the requests are.
    pub(crate) fn update(&self, progress: BatchProgress) {
        let spent = progress.credits_spent;
        let limit = match self.spend_limit {
            Some(limit) => format!(" of {limit}"),
            None => String::new(),
        };
        let running = progress.running;
        self.bar
            .set_message(format!("{running} running, {spent}{limit} credits"));
    }

    /// A job is finished.
    pub(crate) fn finished(&self, id: &str, files: &[String]) {
        self.bar.inc(1);
        // On a terminal the bar says enough.
        if self.bar.is_hidden() {
            self.say(&format!("{id}: saved {}", files.join(", ")));
        }
    }

    /// Writes a line to standard error.
    pub(crate) fn say(&self, text: &str) {
        self.bar.suspend(|| {
            // Where standard error is closed, the journal has to do.
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
