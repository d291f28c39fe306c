//! A recorder that is killed at any moment leaves only complete recordings.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use kontext_mock::Recordings;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    http::{PATH, add_bird_with},
    process::{self, PATIENCE, run},
    record::start,
    upstream::{Upstream, image, respond},
};

/// Number of times that a recorder is killed.
const KILLS: usize = 20;

/// Sends requests until one fails. Other lanes also send every second one.
fn send_until_killed(address: SocketAddr, lane: usize, answered: &mpsc::Sender<()>) {
    for number in 0.. {
        let who = if number % 2 == 0 { 0 } else { lane };
        let body = add_bird_with(json!({"prompt": format!("{who} {}", number % 6)}));
        let Ok(mut stream) = std::net::TcpStream::connect(address) else {
            return;
        };
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut answer = Vec::new();
        let done = stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.read_to_end(&mut answer));
        if done.is_err() || answer.is_empty() || answered.send(()).is_err() {
            return;
        }
    }
}

#[test]
fn killed_recorder_leaves_only_complete_recordings() {
    // Large bodies that are written in several steps, and a different one each time, so
    // that every response changes a recording.
    let count = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start(move |request, stream| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let mut body: serde_json::Value = serde_json::from_slice(&image(request)).unwrap();
        body["prompt"] = format!("{number} {}", "x".repeat(40_000)).into();
        respond(stream, 200, &[], body.to_string().as_bytes());
    });
    let folder = TempDir::new().unwrap();
    let mut leftovers = 0;
    let mut most = 0;
    for kill in 0..KILLS {
        let recorder = start(&upstream, &folder, &[]);
        let (sender, answered) = mpsc::channel();
        let lanes: Vec<_> = (1..4)
            .map(|lane| {
                let (sender, address) = (sender.clone(), recorder.address);
                thread::spawn(move || send_until_killed(address, lane, &sender))
            })
            .collect();
        drop(sender);
        // Kill it at an arbitrary moment after this many responses.
        for _ in 0..=kill % 8 {
            answered.recv_timeout(PATIENCE).unwrap();
        }
        recorder.signal("KILL");
        recorder.end();
        drop(answered);
        for lane in lanes {
            lane.join().unwrap();
        }
        let hidden = fs::read_dir(folder.path()).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().starts_with(".tmp-")
        });
        leftovers += hidden.count();
        let recordings = Recordings::load(folder.path()).unwrap();
        assert!(recordings.len() >= most, "what was recorded stays");
        most = recordings.len();
        for recording in &recordings {
            // Request and case belong to the same exchange.
            let request: serde_json::Value =
                serde_json::from_slice(recording.request().unwrap()).unwrap();
            let prompt = request["prompt"].as_str().unwrap().replace(' ', "-");
            let case = recording.name().strip_prefix("generate-image/").unwrap();
            assert!(case.starts_with(&prompt), "{case} {prompt}");
        }
    }
    assert!(leftovers >= KILLS, "it was killed at work");
    let mut check = process::command(&["check", "--recordings"]);
    let (code, output, errors) = run(check.arg(folder.path()));
    assert_eq!(code, Some(0), "{output}{errors}");
    // The next recorder cleans up the stale folders.
    start(&upstream, &folder, &[]).stop();
    let hidden: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(hidden, [".lock"]);
}

#[test]
fn recordings_stay_loadable_while_replaced() {
    let upstream = Upstream::images();
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let body = add_bird_with(json!({"prompt": "Again and again."}));
    crate::http::post(recorder.address, &body);
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (is_over, folder) = (is_over.clone(), folder.path().to_owned());
        thread::spawn(move || {
            let mut times = 0;
            while !is_over.load(Ordering::Acquire) {
                let place = folder.join("generate-image");
                for entry in fs::read_dir(&place).unwrap() {
                    // A complete recording is always in place.
                    assert!(entry.unwrap().path().is_dir());
                    times += 1;
                }
            }
            times
        })
    };
    for _ in 0..20 {
        crate::http::post(recorder.address, &body);
    }
    is_over.store(true, Ordering::Release);
    assert!(reader.join().unwrap() > 0);
    recorder.stop();
    assert_eq!(Recordings::load(folder.path()).unwrap().len(), 1);
}
