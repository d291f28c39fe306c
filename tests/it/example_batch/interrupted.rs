//! Told to end, and told that it may not begin.

#[cfg(unix)]
use std::process::Command;
use std::sync::{Mutex, mpsc};

use super::{Bench, JOBS, unknown};
#[cfg(unix)]
use crate::example_process::is_hang_up_ignored;
use crate::{example_process::Process, support::snapshot};

/// A server that holds the POST of the first job until it is told to answer it.
struct Held {
    bench: Bench,
    arrived: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

fn held() -> Held {
    let (sender, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let bench = Bench::new(move |arrived| {
        if arrived.is_post() && arrived.job == JOBS[0] {
            sender.send(()).unwrap();
            // An error is the end of the test.
            let _ = released.lock().unwrap().recv();
        }
        arrived.good()
    });
    Held {
        bench,
        arrived,
        release,
    }
}

#[test]
fn a_second_process_is_refused() {
    let held = held();
    let bench = &held.bench;
    let first = Process::default().start(&mut bench.command(&[]));
    held.arrived.recv().unwrap();
    let second = bench.run(&[]);
    snapshot("example_batch_in_use", bench.shown(&second));
    // Another journal is no way around it: the results are in use too.
    let third = bench.run(&["--journal", "other.jsonl"]);
    assert_eq!(third.code, Some(2), "{}", third.text());
    assert!(third.stderr.contains("in use"), "{}", third.text());
    // Looking is allowed.
    let status = bench.run(&["--status"]);
    assert_eq!(status.code, Some(1));
    assert!(
        unknown(&status).contains(&JOBS[0].to_owned()),
        "{}",
        status.text()
    );
    held.release.send(()).unwrap();
    let first = first.end();
    assert_eq!(first.code, Some(0), "{}", first.text());
    assert_eq!(bench.server.posts(), 4);
}

#[cfg(unix)]
#[test]
fn an_interrupt_lets_what_runs_end() {
    for signal in ["INT", "TERM", "HUP"] {
        if signal == "HUP" && is_hang_up_ignored() {
            continue;
        }
        let held = held();
        let process = Process::default();
        let mut running = process.start(&mut held.bench.command(&["--concurrency", "1"]));
        held.arrived.recv().unwrap();
        process.signal(signal);
        running.wait_for_line("stopping");
        held.release.send(()).unwrap();
        let ended = running.end();
        snapshot("example_batch_interrupted", held.bench.shown(&ended));
        assert!(held.bench.has_image("ant.png"));
        assert_eq!(held.bench.server.posts(), 1);
        assert_eq!(held.bench.run(&[]).code, Some(0));
        assert_eq!(held.bench.server.posts(), 4);
    }
}

/// What `nohup` does: the run goes on, and is interrupted by something else.
#[cfg(target_os = "linux")]
#[test]
fn a_hang_up_that_is_ignored_stays_ignored() {
    let held = held();
    let process = Process::default();
    let direct = held.bench.command(&["--concurrency", "1"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    command.arg(direct.get_program()).args(direct.get_args());
    command.current_dir(held.bench.path());
    command.envs(
        direct
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let running = process.start(&mut command);
    held.arrived.recv().unwrap();
    process.signal("HUP");
    held.release.send(()).unwrap();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert_eq!(held.bench.server.posts(), 4);
}

#[cfg(unix)]
#[test]
fn a_second_interrupt_leaves_and_says_what_is_unknown() {
    let held = held();
    let process = Process::default();
    let mut running = process.start(&mut held.bench.command(&["--concurrency", "1"]));
    held.arrived.recv().unwrap();
    process.signal("INT");
    running.wait_for_line("stopping");
    process.signal("TERM");
    let ended = running.end();
    snapshot("example_batch_interrupted_twice", held.bench.shown(&ended));
    drop(held.release);
    let again = held.bench.run(&[]);
    assert_eq!(unknown(&again), ["ant"]);
    assert_eq!(held.bench.server.posts_of("ant"), 1);
}
