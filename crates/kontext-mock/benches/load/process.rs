//! The servers under test, each a process that ends with its owner.

use std::{
    env,
    ffi::OsStr,
    fs::File,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::Result;

/// All processes that run now, for [`stop_all`].
static RUNNING: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

/// Whether no more are to be started.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// A server that runs as a process. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Arc<Mutex<Child>>,
    id: u32,
    pub(crate) address: SocketAddr,
    /// When the process was asked for.
    pub(crate) spawned: Instant,
    /// Kept, so that the server can go on writing.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `kontext-mock serve` as it is by default, with its log nowhere.
    pub(crate) fn mock(recordings: Option<&Path>) -> Result<Self> {
        Self::mock_with(recordings, &[], None)
    }

    /// Starts `kontext-mock serve` with a folder of recordings or those built
    /// in, more arguments, and its log in a file or nowhere.
    pub(crate) fn mock_with(
        recordings: Option<&Path>,
        more: &[&str],
        log: Option<File>,
    ) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kontext-mock"));
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(more);
        if let Some(folder) = recordings {
            command.args([OsStr::new("--recordings"), folder.as_os_str()]);
        }
        command.env_remove("KONTEXT_MOCK_KEY");
        command.stdin(Stdio::null());
        command.stderr(log.map_or_else(Stdio::null, Stdio::from));
        Self::start(command)
    }

    /// Starts a bare axum server; 0 workers are one per processor.
    pub(crate) fn bare(workers: usize) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--role", "bare", "--workers", &workers.to_string()]);
        command.stdin(Stdio::piped());
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self> {
        command.stdout(Stdio::piped());
        let spawned = Instant::now();
        let mut child = spawn(&mut command)?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let id = child.id();
        let child = Arc::new(Mutex::new(child));
        lock(&RUNNING).push(child.clone());
        let mut running = Self {
            child,
            id,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            spawned,
            _output: BufReader::new(output),
        };
        let mut line = String::new();
        running._output.read_line(&mut line)?;
        running.address = line
            .trim_end()
            .split_once("http://")
            .and_then(|(_, address)| address.parse().ok())
            .ok_or_else(|| format!("a server did not start; it said {line:?}"))?;
        Ok(running)
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Waits for the process to end of itself, for so long at most.
    pub(crate) fn wait(&self, at_most: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            // Locked for a moment only, for `stop_all` may want to kill it.
            if let Some(status) = lock(&self.child).try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > at_most {
                return Err(format!("a server did not stop within {at_most:?}").into());
            }
            thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        lock(&RUNNING).retain(|child| !Arc::ptr_eq(child, &self.child));
        end(&self.child);
    }
}

/// Runs this program in a role to its end, and returns what it says.
pub(crate) fn role(name: &str) -> Result<String> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--role", name]).stdin(Stdio::null());
    command.stdout(Stdio::piped());
    let mut child = spawn(&mut command)?;
    let output = child.stdout.take().ok_or("no standard output")?;
    let child = Arc::new(Mutex::new(child));
    lock(&RUNNING).push(child.clone());
    let said = std::io::read_to_string(output);
    lock(&RUNNING).retain(|other| !Arc::ptr_eq(other, &child));
    let status = lock(&child).wait()?;
    if !status.success() {
        return Err(format!("the role {name} failed: {status}").into());
    }
    Ok(said?)
}

/// Ends every process that was started here, and lets no more start.
pub(crate) fn stop_all() {
    STOPPED.store(true, Ordering::SeqCst);
    for child in lock(&RUNNING).iter() {
        end(child);
    }
}

fn spawn(command: &mut Command) -> Result<Child> {
    if STOPPED.load(Ordering::SeqCst) {
        return Err("stopped by a signal".into());
    }
    Ok(command.spawn()?)
}

fn end(child: &Mutex<Child>) {
    let mut child = lock(child);
    let _ = child.kill();
    let _ = child.wait();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
