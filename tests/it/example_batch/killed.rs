//! Killed at every moment that a server can see: nothing is paid for twice, and nothing
//! that was answered is lost.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use super::{Bench, JOBS, unknown};
use crate::{example_process::Process, example_server::raw};

/// When a process is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// When the server has read a POST, and answered nothing.
    PostArrived,
    /// When the server has written the answer to a POST.
    PostAnswered,
    /// When a download arrives.
    GetArrived,
    /// When a download is answered.
    GetAnswered,
}

/// Kills a run at the moment of each request in turn, and looks what the next runs do.
fn kill_at(moment: Moment) {
    for number in 1..=JOBS.len() {
        kill_at_request(moment, number);
    }
}

fn kill_at_request(moment: Moment, number: usize) {
    let process = Process::default();
    let is_armed = Arc::new(AtomicBool::new(true));
    let struck = Arc::new(Mutex::new(String::new()));
    let bench = {
        let (process, is_armed, struck) = (process.clone(), is_armed.clone(), struck.clone());
        Bench::new(move |arrived| {
            let is_post = matches!(moment, Moment::PostArrived | Moment::PostAnswered);
            let is_meant = arrived.is_post() == is_post && arrived.number == number;
            if !is_meant || !is_armed.swap(false, Ordering::SeqCst) {
                return arrived.good();
            }
            *struck.lock().unwrap() = arrived.job.clone();
            match moment {
                Moment::PostArrived | Moment::GetArrived => {
                    process.kill();
                    raw("")
                }
                Moment::PostAnswered | Moment::GetAnswered => {
                    let process = process.clone();
                    arrived.good().then(move || process.kill())
                }
            }
        })
    };
    let at = format!("{moment:?} {number}");
    let killed = process.run(&mut bench.command(&[]));
    assert_eq!(killed.code, None, "{at}: {}", killed.text());
    let struck = struck.lock().unwrap().clone();

    // Told nothing, the next run pays for no job that may be paid for.
    let second = bench.run(&[]);
    let text = format!("{at}, {struck}:\n{}", second.text());
    let unknown_jobs = unknown(&second);
    let expected = if unknown_jobs.is_empty() { 0 } else { 1 };
    assert_eq!(second.code, Some(expected), "{text}");
    for id in JOBS {
        let is_unknown = unknown_jobs.iter().any(|unknown| unknown == id);
        assert_ne!(
            bench.has_image(&format!("{id}.png")),
            is_unknown,
            "{id}: {text}"
        );
        assert!(bench.server.posts_of(id) <= 1, "{id}: {text}");
        assert!(is_unknown || bench.server.posts_of(id) == 1, "{id}: {text}");
    }
    match moment {
        Moment::PostArrived => assert!(unknown_jobs.contains(&struck), "{text}"),
        // Whether the answer was on the disk is a matter of luck.
        Moment::PostAnswered => {}
        Moment::GetArrived | Moment::GetAnswered => {
            assert!(!unknown_jobs.contains(&struck), "{text}");
        }
    }

    // Told to, it sends those of unknown outcome, and no other.
    if !unknown_jobs.is_empty() {
        let third = bench.run(&["--resend-unknown", "all"]);
        assert_eq!(third.code, Some(0), "{at}: {}", third.text());
    }
    let posts = JOBS.map(|id| bench.server.posts_of(id));
    for (id, posts) in JOBS.iter().zip(posts) {
        let most = if unknown_jobs.iter().any(|unknown| unknown == id) {
            2
        } else {
            1
        };
        assert!(posts <= most, "{at}: {id}");
        assert!(bench.has_image(&format!("{id}.png")), "{at}: {id}");
        let answer = bench
            .path()
            .join("results")
            .join(format!("{id}.answer.json"));
        serde_json::from_slice::<Value>(&fs::read(answer).unwrap()).unwrap();
    }

    // Then there is nothing left to do.
    let (posts, gets) = (bench.server.posts(), bench.server.gets());
    assert_eq!(bench.run(&[]).code, Some(0), "{at}");
    assert_eq!(
        (bench.server.posts(), bench.server.gets()),
        (posts, gets),
        "{at}"
    );
}

#[test]
fn killed_when_a_request_is_read() {
    kill_at(Moment::PostArrived);
}

#[test]
fn killed_when_a_request_is_answered() {
    kill_at(Moment::PostAnswered);
}

#[test]
fn killed_when_a_download_arrives() {
    kill_at(Moment::GetArrived);
}

#[test]
fn killed_when_a_download_is_answered() {
    kill_at(Moment::GetAnswered);
}
