//! Requests that are hard to handle correctly, as a table: the files in the folder
//! `hard_requests/`. Each entry has a summary of the correct response and the reason
//! for it; a snapshot has the whole response, to the last byte.
//!
//! After each request, the server must still answer a valid one.

mod entry;
mod exchange;

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::json;

use self::{
    entry::{Entry, Group},
    exchange::{Answer, Exchange, exchange},
};
use crate::http::{PATH, add_bird_with, send};

/// The files of the table, with the names of the groups.
const GROUPS: &[(&str, &str)] = &[
    ("limits", include_str!("hard_requests/limits.json")),
    ("json", include_str!("hard_requests/json.json")),
    ("bodies", include_str!("hard_requests/bodies.json")),
    ("encodings", include_str!("hard_requests/encodings.json")),
    ("types", include_str!("hard_requests/types.json")),
    ("keys", include_str!("hard_requests/keys.json")),
    ("targets", include_str!("hard_requests/targets.json")),
    ("browsers", include_str!("hard_requests/browsers.json")),
    ("heads", include_str!("hard_requests/heads.json")),
    (
        "connections",
        include_str!("hard_requests/connections.json"),
    ),
    (
        "own-headers",
        include_str!("hard_requests/own-headers.json"),
    ),
    ("validation", include_str!("hard_requests/validation.json")),
];

/// The most common response body; the snapshots replace it with a placeholder.
const ADD_BIRD: &str = include_str!("../../recordings/generate-image/add-bird/response.json");

/// Checks a response against the table.
fn judge(entry: &Entry, exchange: &Exchange) -> Result<(), String> {
    let (name, expected, received) = (&entry.name, &entry.expect, exchange.short());
    if *expected == received {
        return Ok(());
    }
    Err(format!(
        "{name}: expected {expected}, received {received}\n{}",
        exchange.shown()
    ))
}

/// Sends every request of a group, each to its own server, so that no response depends
/// on earlier requests.
async fn check(group: &str) {
    let (_, text) = GROUPS.iter().find(|(name, _)| *name == group).unwrap();
    let table = Group::read(text);
    // Equal responses are shown once, with the names of all their requests.
    let mut shown: Vec<(String, String)> = Vec::new();
    let mut wrong = String::new();
    for entry in &table.requests {
        let server = table.server(entry).start().await.unwrap();
        let exchange = exchange(server.address(), entry);
        if let Err(problem) = judge(entry, &exchange) {
            writeln!(wrong, "{problem}").unwrap();
        }
        let answer = without_port(&exchange.shown(), &server.address().to_string());
        let title = format!("## {}\n", entry.name);
        match shown.iter_mut().find(|(_, earlier)| *earlier == answer) {
            Some((titles, _)) => titles.push_str(&title),
            None => shown.push((title, answer)),
        }
        let headers = [
            ("authorization", &*format!("Bearer {}", table.key(entry))),
            ("content-type", "application/json"),
        ];
        let good = add_bird_with(json!({}));
        let good = send(server.address(), "POST", PATH, &headers, good.as_bytes());
        if good.found().0 != Some("exact") {
            writeln!(
                wrong,
                "{}: the server is not well after it: {good:?}",
                entry.name
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let sections = shown
        .iter()
        .map(|(titles, answer)| format!("{titles}\n{answer}\n"));
    let text = sections
        .collect::<String>()
        .replace(ADD_BIRD, "(the recorded body of add-bird)\n");
    snapshot(&format!("hard_requests_{}", group.replace('-', "_")), &text);
}

/// Removes the port from a response: it varies, and so does its length.
fn without_port(shown: &str, address: &str) -> String {
    if !shown.contains(address) {
        return shown.to_owned();
    }
    let mut text = String::new();
    for line in shown.replace(address, "127.0.0.1:PORT").lines() {
        let is_length = line.starts_with("content-length: ");
        text.push_str(if is_length {
            "content-length: …"
        } else {
            line
        });
        text.push('\n');
    }
    text
}

/// Compares a text with the snapshot of this name.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

macro_rules! groups {
    ($($test:ident: $group:literal,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                check($group).await;
            }
        )*

        /// The tested groups.
        const TESTED: &[&str] = &[$($group),*];
    };
}

groups! {
    limit_boundaries: "limits",
    ambiguous_json: "json",
    body_framing: "bodies",
    content_encodings: "encodings",
    content_types: "types",
    authorization: "keys",
    methods_and_targets: "targets",
    browser_requests: "browsers",
    unusual_heads: "heads",
    connections_and_smuggling: "connections",
    provider_and_mock_headers: "own-headers",
    body_validation: "validation",
}

fn groups() -> Vec<Group> {
    GROUPS.iter().map(|(_, text)| Group::read(text)).collect()
}

#[test]
fn tables_are_complete_with_unique_names() {
    let files: Vec<_> = GROUPS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, TESTED);
    let mut names = BTreeSet::new();
    for group in &groups() {
        for entry in &group.requests {
            assert!(
                names.insert(entry.name.clone()),
                "{} is there twice",
                entry.name
            );
            assert!(!entry.why.is_empty(), "{} says no reason", entry.name);
        }
    }
    assert!(names.len() >= 90, "{}", names.len());
}

/// The result of checking the first request of the table, with a changed response.
async fn changed(change: impl FnOnce(&mut Exchange)) -> (Result<(), String>, bool) {
    let group = &groups()[0];
    let entry = &group.requests[0];
    let server = group.server(entry).start().await.unwrap();
    let right = exchange(server.address(), entry);
    judge(entry, &right).unwrap();
    let mut other = right.clone();
    change(&mut other);
    (judge(entry, &other), other.shown() == right.shown())
}

#[tokio::test]
async fn wrong_answer_is_detected() {
    let status = changed(|other| {
        let line = &mut other.answers[0].head[0];
        *line = line.replace("200", "500");
    });
    let (judged, is_same) = status.await;
    assert!(
        judged
            .unwrap_err()
            .contains("expected 200 nearest, received 500 nearest")
    );
    assert!(!is_same);
    let (judged, _) = changed(|other| other.answers.clear()).await;
    assert!(judged.unwrap_err().contains("received none"));
    let twice = changed(|other| other.answers.extend(other.answers.clone()));
    let (judged, _) = twice.await;
    assert!(
        judged
            .unwrap_err()
            .contains("received 200 nearest, 200 nearest")
    );
}

#[tokio::test]
async fn snapshot_covers_every_part_of_answer() {
    let changes: [fn(&mut Exchange); 4] = [
        |other| drop(other.answers[0].head.pop()),
        |other| other.answers[0].head.swap(1, 2),
        |other| other.answers[0].body.truncate(10),
        |other| other.is_kept = !other.is_kept,
    ];
    for change in changes {
        assert!(!changed(change).await.1);
    }
    let long = |last: u8| Exchange {
        answers: vec![Answer {
            head: vec!["HTTP/1.1 200 OK".to_owned()],
            body: [vec![b'x'; 100_000], vec![last]].concat(),
        }],
        is_kept: true,
    };
    assert_ne!(long(b'y').shown(), long(b'z').shown());
}
