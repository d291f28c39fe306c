//! A hundred servers in one process, in a process of its own, so that nothing
//! else is counted.

use std::{
    fmt,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use kontext_mock::MockServer;
use serde_json::{Value, json};

use crate::{Result, exchange, say, system, template::Template};

const SERVERS: usize = 100;

/// For how long threads may take to be gone after the last drop.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts and drops a hundred servers twice, and writes what that took.
pub(crate) fn run() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = system::threads_and_files();
    let first = cycle(&runtime)?;
    let second = cycle(&runtime)?;
    let dropped = Instant::now();
    let mut after = system::threads_and_files();
    let mut waited = Duration::ZERO;
    while after != before && waited < PATIENCE {
        thread::sleep(Duration::from_millis(1));
        after = system::threads_and_files();
        waited = dropped.elapsed();
    }
    say(&json!({
        "cold": first.cold,
        "start": first.start,
        "again": second.start,
        "dropped": second.dropped,
        "before": before,
        "running": second.running,
        "after": after,
        "waited": waited.as_secs_f64() * 1e3,
    })
    .to_string());
    Ok(ExitCode::SUCCESS)
}

/// Times of a cycle in milliseconds, per server.
struct Cycle {
    cold: f64,
    start: f64,
    dropped: f64,
    running: Option<(usize, usize)>,
}

fn cycle(runtime: &tokio::runtime::Runtime) -> Result<Cycle> {
    let mut servers = Vec::with_capacity(SERVERS);
    let start = Instant::now();
    let cold = runtime.block_on(async {
        servers.push(MockServer::start().await?);
        let cold = start.elapsed();
        for _ in 1..SERVERS {
            servers.push(MockServer::start().await?);
        }
        Result::Ok(cold)
    })?;
    let started = start.elapsed();
    let template = Template::exact();
    for server in &servers {
        let (bytes, _) = template.bytes(server.address())?;
        let answer = exchange::send(server.address(), &bytes)?;
        if answer.status != 200 {
            return Err(format!("an embedded server answers {}", answer.status).into());
        }
    }
    let running = system::threads_and_files();
    let dropping = Instant::now();
    drop(servers);
    let dropped = dropping.elapsed();
    let each = |time: Duration| time.as_secs_f64() * 1e3 / SERVERS as f64;
    Ok(Cycle {
        cold: cold.as_secs_f64() * 1e3,
        start: each(started),
        dropped: each(dropped),
        running,
    })
}

/// What such a process says. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// The first server alone.
    pub(crate) cold: f64,
    /// Each of the first hundred.
    pub(crate) start: f64,
    /// Each of the next hundred.
    pub(crate) again: f64,
    pub(crate) dropped: f64,
    pub(crate) counts: Option<Counts>,
}

/// Threads and open files: before, with a hundred servers, and after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    before: (u64, u64),
    running: (u64, u64),
    after: (u64, u64),
    /// How long it took them to be as before, in milliseconds.
    waited: f64,
}

impl Counts {
    /// How many threads and files are left over.
    pub(crate) fn left(&self) -> u64 {
        self.after.0.saturating_sub(self.before.0) + self.after.1.saturating_sub(self.before.1)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "threads {} → {} → {}, files {} → {} → {}, {:.0} ms after the second hundred",
            self.before.0,
            self.running.0,
            self.after.0,
            self.before.1,
            self.running.1,
            self.after.1,
            self.waited
        )
    }
}

impl Report {
    /// Reads what [`run`] wrote.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let report: Value = serde_json::from_str(text)?;
        let number = |name: &str| {
            report
                .get(name)
                .and_then(Value::as_f64)
                .ok_or_else(|| format!("the report has no {name}"))
        };
        let pair = |name: &str| {
            let count = |index: usize| report.get(name)?.get(index)?.as_u64();
            Some((count(0)?, count(1)?))
        };
        let counts = || {
            Some(Counts {
                before: pair("before")?,
                running: pair("running")?,
                after: pair("after")?,
                waited: number("waited").ok()?,
            })
        };
        Ok(Self {
            cold: number("cold")?,
            start: number("start")?,
            again: number("again")?,
            dropped: number("dropped")?,
            counts: counts(),
        })
    }
}
