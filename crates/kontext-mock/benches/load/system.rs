//! What Linux knows of processes; nothing on other systems.

use std::{collections::BTreeMap, fs, thread, time::Duration};

/// How long each thread of a process has been running.
///
/// Threads count that are there at both ends. One that has ended in between is
/// lost; the servers' own threads do not, and those for blocking work live ten
/// seconds longer than they are needed.
#[derive(Debug)]
pub(crate) struct ProcessorTime(BTreeMap<String, Duration>);

impl ProcessorTime {
    /// Reads it for a process by its id.
    pub(crate) fn of(process: u32) -> Option<Self> {
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{process}/task"))
            .ok()?
            .flatten()
        {
            if let Some(time) = schedstat(&thread.path().join("schedstat").to_string_lossy()) {
                threads.insert(thread.file_name().to_string_lossy().into_owned(), time);
            }
        }
        (!threads.is_empty()).then_some(Self(threads))
    }

    /// What has been added since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        self.0
            .iter()
            .map(|(thread, time)| {
                time.saturating_sub(earlier.0.get(thread).copied().unwrap_or_default())
            })
            .sum()
    }
}

/// How long the calling thread has been running.
pub(crate) fn thread_time() -> Option<Duration> {
    schedstat("/proc/thread-self/schedstat")
}

/// Reads a time in nanoseconds: finer than the clock ticks of `stat`.
fn schedstat(path: &str) -> Option<Duration> {
    let text = fs::read_to_string(path).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// How much memory of a process is resident now, and was at most, in megabytes
/// of 1,000,000 bytes.
pub(crate) fn memory(process: u32) -> Option<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let megabytes = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024.0 / 1e6)
    };
    Some((megabytes("VmRSS:")?, megabytes("VmHWM:")?))
}

/// How many threads and how many open files this process has.
pub(crate) fn threads_and_files() -> Option<(usize, usize)> {
    let count = |folder: &str| Some(fs::read_dir(folder).ok()?.count());
    Some((count("/proc/self/task")?, count("/proc/self/fd")?))
}

/// The machine in a few words, with how busy it is before anything is measured.
pub(crate) fn describe() -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").ok();
    let load = load
        .as_deref()
        .and_then(|text| text.split_whitespace().next())
        .map_or_else(String::new, |load| format!(", load average {load} before"));
    format!(
        "{} {}, {processors} processors{load}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
