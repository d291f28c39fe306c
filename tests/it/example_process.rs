//! The examples as processes, which can be killed from elsewhere.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, OnceLock, mpsc},
    thread,
};

use serde_json::Value;

/// Whether SIGHUP does nothing here, and so in what is started from here: under `nohup`.
#[cfg(unix)]
pub(crate) fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.is_some_and(|digits| u64::from_str_radix(digits.trim(), 16).unwrap() & 1 == 1)
}

/// The file of an example. It is built first, as a test can be run without them, and
/// what is there may be old.
pub(crate) fn program(name: &str) -> PathBuf {
    static PROGRAMS: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    PROGRAMS.get_or_init(build)[name].clone()
}

fn build() -> HashMap<String, PathBuf> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--package", env!("CARGO_PKG_NAME"), "--examples"])
        .args(["--locked", "--offline", "--quiet", "--message-format=json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{stderr}");
    let lines = String::from_utf8(built.stdout).unwrap();
    let messages = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let program = |message: Value| {
        let path = message["executable"].as_str()?;
        Some((message["target"]["name"].as_str()?.to_owned(), path.into()))
    };
    messages.filter_map(program).collect()
}

/// An example, with a key and a server, in a folder.
pub(crate) fn example(name: &str, folder: &Path, server: &str) -> Command {
    let mut command = Command::new(program(name));
    command
        .current_dir(folder)
        .env("AIMLAPI_KEY", "test-key")
        .env("AIMLAPI_BASE_URL", server)
        .stdin(Stdio::null());
    command
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Nothing if it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Everything that a person sees.
    pub(crate) fn text(&self) -> String {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        let code = code.map_or("killed".to_owned(), |code| format!("exit code {code}"));
        format!("{code}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}

/// A process that others may kill, before it is started too: they wait for it then.
#[derive(Clone, Default)]
pub(crate) struct Process(Arc<(Mutex<Option<Child>>, Condvar)>);

impl Process {
    /// Starts it, and waits for its end.
    pub(crate) fn run(&self, command: &mut Command) -> Ended {
        self.start(command).end()
    }

    /// Starts it.
    pub(crate) fn start(&self, command: &mut Command) -> Running {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        *self.0.0.lock().unwrap() = Some(child);
        self.0.1.notify_all();
        Running {
            process: self.clone(),
            stdout,
            lines,
            stderr: String::new(),
        }
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&self) {
        self.with(|child| {
            child.kill().unwrap();
            child.wait().unwrap();
        });
    }

    /// Sends it a signal, such as `INT`, which is what Ctrl-C does.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.with(|child| child.id().to_string());
        let signal = format!("-{name}");
        let sent = Command::new("kill").args([&signal, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended.
    #[cfg(unix)]
    pub(crate) fn wait(&self) {
        self.with(|child| child.wait().unwrap());
    }

    fn with<T>(&self, act: impl FnOnce(&mut Child) -> T) -> T {
        let (child, started) = &*self.0;
        let mut child = child.lock().unwrap();
        while child.is_none() {
            child = started.wait(child).unwrap();
        }
        act(child.as_mut().unwrap())
    }
}

/// A process under way.
pub(crate) struct Running {
    process: Process,
    stdout: thread::JoinHandle<String>,
    lines: mpsc::Receiver<String>,
    stderr: String,
}

impl Running {
    /// Waits for a line on standard error that begins so.
    pub(crate) fn wait_for_line(&mut self, beginning: &str) {
        loop {
            let line = self.lines.recv().expect("the process ended");
            self.stderr.push_str(&format!("{line}\n"));
            if line.starts_with(beginning) {
                return;
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let stdout = self.stdout.join().unwrap();
        for line in &self.lines {
            self.stderr.push_str(&format!("{line}\n"));
        }
        // Who runs a tool can call no method of the library.
        let method = self.stderr.split('`').find(|word| word.contains("::"));
        assert_eq!(method, None, "{}", self.stderr);
        let status = self.process.with(|child| child.wait().unwrap());
        Ended {
            code: status.code(),
            stdout,
            stderr: self.stderr,
        }
    }
}

/// Replaces what is different in each run: ids, times, ports and folders.
pub(crate) fn filtered(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut line = line.to_owned();
        replace_after(&mut line, "kontext-", 32, "ID");
        for (before, end, name) in [
            ("http://127.0.0.1:", "/ \n", "PORT"),
            ("client request id: edit-", " \n)", "ID"),
            ("client request id edit-", " \n)", "ID"),
            (": started ", "G", "TIME "),
            (" sent at ", "G", "TIME "),
        ] {
            let Some(start) = line.find(before).map(|start| start + before.len()) else {
                continue;
            };
            let length = line[start..].find(|c| end.contains(c));
            let length = length.unwrap_or(line.len() - start);
            line.replace_range(start..start + length, name);
        }
        out.push_str(&line);
    }
    out
}

/// Replaces so many hexadecimal digits after a text.
fn replace_after(line: &mut String, before: &str, digits: usize, name: &str) {
    let Some(start) = line.find(before).map(|start| start + before.len()) else {
        return;
    };
    let found = line[start..]
        .chars()
        .take_while(char::is_ascii_hexdigit)
        .count();
    if found == digits {
        line.replace_range(start..start + digits, name);
    }
}
