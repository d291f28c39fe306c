//! `kontext-mock serve` and `kontext-mock record`: servers that run until they are
//! stopped.

use crate::{
    args::{RecordArguments, ServeArguments, Watch, key_of_environment},
    output,
};
use kontext_mock::{Builder, Generate, MatchMode, MockServer, Recorder, StartError, WatchMode};
use std::{
    error::Error, fs, io, io::Write as _, path::Path, path::PathBuf, process::ExitCode,
    time::Duration,
};
use tempfile::NamedTempFile;

/// Timeout for requests in flight when stopping; a second signal ends the wait.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn serve_command(arguments: ServeArguments) -> ExitCode {
    let fail_on_miss = arguments.fail_on_miss;
    match block_on(serve(arguments)) {
        Ok(misses) if fail_on_miss && misses > 0 => output::MISSED.into(),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let code = output::fail(&*error);
            match error.downcast_ref() {
                Some(StartError::Disagreement(_)) => output::DISAGREEMENT.into(),
                _ => code,
            }
        }
    }
}

/// Runs a future on the current thread.
pub(crate) fn block_on<T>(
    future: impl Future<Output = Result<T, Box<dyn Error>>>,
) -> Result<T, Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// Serves recordings; returns the number of requests that matched no recording.
async fn serve(arguments: ServeArguments) -> Result<u64, Box<dyn Error>> {
    // Before the line that says the server is up: whoever waits for it may send a
    // signal from then on.
    let mut signals = Signals::catch()?;
    let port_file = arguments.port_file.clone();
    if arguments.fail_on_miss && arguments.match_mode != MatchMode::Strict {
        output::note(&format!(
            "warning: --fail-on-miss never fails with --match {}{}; use --match strict",
            arguments.match_mode,
            match arguments.match_mode {
                MatchMode::Generate => "",
                _ => " for a model that has a recording",
            }
        ));
    }
    let mut server = builder(arguments).start().await?;
    for stray in server.strays() {
        output::note(&format!("warning: {stray}"));
    }
    for address in server.addresses().iter().skip(1) {
        output::note(&format!("also listening on http://{address}"));
    }
    for stale in server.stale() {
        output::note(&format!(
            "{stale} was made under an older contract; record it again, or look at it and put \
             the new hash into its recording.json"
        ));
    }
    let port = server.address().port();
    let port_file = port_file
        .map(|path| PortFile::write(path, port))
        .transpose()?;
    output::print(&format!("kontext-mock listening on {}\n", server.url()))?;
    signals.next().await;
    drop(port_file);
    tokio::select! {
        () = server.drain(PATIENCE) => {}
        () = signals.next() => {}
    }
    let misses = server.miss_count();
    report(misses, &server.unused());
    Ok(misses)
}

fn builder(arguments: ServeArguments) -> Builder {
    let mut generate = Generate::default().with_seed(arguments.seed);
    generate = generate.with_shape(arguments.shape);
    let mut builder = MockServer::builder()
        .match_mode(arguments.match_mode)
        .validation(arguments.validation)
        .generate(generate)
        .keep_urls(arguments.keep_urls)
        .body_limit(arguments.body_limit)
        .journal_body(arguments.journal_body)
        .watch(match arguments.watch {
            _ if arguments.no_watch => WatchMode::Off,
            Watch::Auto => WatchMode::Auto,
            Watch::Poll => WatchMode::Poll,
        })
        .log_requests(!arguments.quiet);
    for address in arguments.listen.addresses() {
        builder = builder.listen(address);
    }
    for pointer in arguments.ignore {
        builder = builder.ignore(pointer);
    }
    for fault in arguments.faults {
        builder = builder.fault(fault);
    }
    if let Some(url) = arguments.public_url {
        builder = builder.public_url(url);
    }
    if let Some(folder) = arguments.recordings {
        builder = builder.recordings(folder);
    }
    if let Some(key) = arguments.key {
        builder = builder.key(key);
    }
    builder
}

/// Reports unmatched requests and unused recordings at the end.
fn report(misses: u64, unused: &[String]) {
    if misses > 0 {
        output::note(&format!("unmatched requests: {misses}"));
    }
    if !unused.is_empty() {
        let shown = unused[..unused.len().min(20)].join(", ");
        let more = match unused.len().saturating_sub(20) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        output::note(&format!("unused recordings: {shown}{more}"));
    }
}

pub(crate) fn record_command(arguments: RecordArguments) -> ExitCode {
    match block_on(record(arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => output::FAILED.into(),
        Err(error) => output::fail(&*error),
    }
}

/// Timeout for exchanges in flight, which have been paid for; a second signal ends the
/// wait.
const RECORD_PATIENCE: Duration = Duration::from_secs(600);

/// Records; returns whether everything that should be saved was saved.
async fn record(arguments: RecordArguments) -> Result<bool, Box<dyn Error>> {
    let mut signals = Signals::catch()?;
    let mut builder = Recorder::builder(arguments.upstream, arguments.recordings)
        .mode(arguments.mode)
        .pictures(arguments.files)
        .log(true);
    for address in arguments.listen.addresses() {
        builder = builder.listen(address);
    }
    if let Some(key) = key_of_environment() {
        builder = builder.redact_secret(&key);
    }
    for pattern in arguments.rules.redact_pattern {
        builder = builder.redact_pattern(pattern);
    }
    for pointer in arguments.rules.redact_pointer {
        builder = builder.redact_pointer(pointer);
    }
    // Starting may wait for another recorder; nothing has been sent by then.
    let mut recorder = tokio::select! {
        started = builder.start() => started?,
        () = signals.next() => {
            output::note("stopped before recording started");
            return Ok(true);
        }
    };
    let port = recorder.address().port();
    let port_file = arguments.port_file.map(|path| PortFile::write(path, port));
    let port_file = port_file.transpose()?;
    output::print(&format!("kontext-mock recording on {}\n", recorder.url()))?;
    signals.next().await;
    drop(port_file);
    let finished = tokio::select! {
        finished = recorder.stop(RECORD_PATIENCE) => finished,
        () = signals.next() => false,
    };
    output::note(&format!("exchanges saved: {}", recorder.saved()));
    let problems = recorder.problems().len();
    if problems > 0 {
        output::note(&format!("problems, which are named above: {problems}"));
    }
    if !finished {
        output::note("error: in-flight exchanges were not saved");
    }
    Ok(finished && recorder.lost() == 0)
}

/// SIGTERM and Ctrl-C, caught from creation on.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ctrl-C, caught from creation on.
#[cfg(windows)]
pub(crate) struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    pub(crate) fn catch() -> io::Result<Self> {
        let interrupt = tokio::signal::windows::ctrl_c()?;
        Ok(Self { interrupt })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}

/// A file that contains the port. Dropping it deletes the file.
struct PortFile(PathBuf);

impl PortFile {
    /// Writes the port and a line break. The file is renamed into place, so readers
    /// never see part of it.
    fn write(path: PathBuf, port: u16) -> Result<Self, String> {
        let problem = |error: io::Error| {
            format!(
                "the port file {} cannot be written: {error}; name a file in a folder that is \
                 there and can be written",
                path.display()
            )
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = temporary(folder).map_err(problem)?;
        writeln!(file, "{port}").map_err(problem)?;
        file.persist(&path).map_err(|error| problem(error.error))?;
        Ok(Self(path))
    }
}

/// A temporary file with default permissions: by default only its owner could read it,
/// but another user may be waiting for the port.
#[cfg(unix)]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;

    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

#[cfg(not(unix))]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(folder)
}

impl Drop for PortFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
