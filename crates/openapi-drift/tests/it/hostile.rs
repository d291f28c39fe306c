//! Documents that are broken, huge or malicious: each pair must quickly end in a
//! report or an error.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use openapi_drift::{Document, Report, Unreadable, Verdict, compare};
use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json};

use crate::{
    documents::{document, read},
    edit,
};

mod generated;
mod keywords;

/// After this time a comparison counts as hanging, even on a busy machine. Speed is
/// measured by the benchmarks.
const DEADLINE: Duration = Duration::from_secs(120);

/// The outcome of a comparison.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Compared(Box<Report>),
    Unreadable(Unreadable),
}

impl Outcome {
    /// The verdict, if the documents were compared.
    fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Compared(report) => Some(report.verdict),
            Self::Unreadable(_) => None,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Compared(report) => {
                let mut rules: Vec<String> = report
                    .findings
                    .iter()
                    .map(|finding| format!("{} {}", finding.wire, finding.rule.id))
                    .collect();
                rules.dedup();
                let more = rules.len().saturating_sub(3);
                rules.truncate(3);
                let more = if more == 0 {
                    String::new()
                } else {
                    format!(", and {more} more")
                };
                format!("{} ({}{more})", report.verdict, rules.join(", "))
            }
            Self::Unreadable(error) => {
                format!(
                    "unreadable {}:{}: {}",
                    error.position.line, error.position.column, error.message
                )
            }
        }
    }
}

/// Compares in a thread with the default stack size.
///
/// # Panics
///
/// The comparison panics or hangs.
pub(crate) fn compared(name: &str, old: &str, new: &str) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let (old, new) = (old.to_owned(), new.to_owned());
    let started = Instant::now();
    // A stack overflow aborts the process and reports only the thread name.
    let named = thread::Builder::new().name(name.to_owned());
    let spawned = named.spawn(move || {
        let outcome = Document::parse("old.json", &old)
            .and_then(|old| Ok((old, Document::parse("new.json", &new)?)))
            .map_or_else(Outcome::Unreadable, |(old, new)| {
                Outcome::Compared(Box::new(compare(&old, &new)))
            });
        let _ = sender.send(outcome);
    });
    let thread = spawned.unwrap();
    match receiver.recv_timeout(DEADLINE) {
        Ok(outcome) => {
            let took = started.elapsed();
            if took > Duration::from_secs(1) {
                eprintln!("slow: {name} took {took:?}");
            }
            outcome
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name}: no answer after {DEADLINE:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            panic!(
                "{name}: {:?}",
                thread.join().unwrap_err().downcast_ref::<String>()
            )
        }
    }
}

/// Compares both documents with themselves and each other. Different, readable
/// documents must never be reported as unchanged.
pub(crate) fn both_ways(name: &str, old: &str, new: &str) {
    for (what, text) in [("old", old), ("new", new)] {
        let outcome = compared(&format!("{name}: {what} with itself"), text, text);
        let verdict = outcome.verdict();
        assert!(
            verdict.is_none_or(|verdict| verdict == Verdict::None),
            "{name}: {what} with itself is {}",
            outcome.shown()
        );
    }
    for (what, old, new) in [("", old, new), (" backwards", new, old)] {
        let outcome = compared(&format!("{name}{what}"), old, new);
        assert_ne!(
            outcome.verdict(),
            Some(Verdict::None),
            "{name}: nothing changed{what}"
        );
    }
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Compares every file of the corpus with itself, and with a harmless document both
/// ways. A snapshot keeps the results for review.
#[test]
fn corpus_outcomes_match_snapshot() {
    let harmless = document(
        &json!({"type": "boolean"}),
        &json!({"type": "boolean"}),
        &json!({}),
    );
    let harmless = harmless.to_string();
    let files = corpus();
    assert!(files.len() > 200, "{}", files.len());
    // Files with the same result are listed together.
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, bytes) in files {
        let text = String::from_utf8(bytes).unwrap();
        let itself = compared(&name, &text, &text);
        if let Some(verdict) = itself.verdict() {
            assert_eq!(
                verdict,
                Verdict::None,
                "{name} with itself is {}",
                itself.shown()
            );
        }
        let new = compared(&name, &harmless, &text);
        let old = compared(&name, &text, &harmless);
        for outcome in [&old, &new] {
            // At least the document titles differ.
            assert_ne!(outcome.verdict(), Some(Verdict::None), "{name}");
        }
        let outcome = format!("  new: {}\n  old: {}\n", new.shown(), old.shown());
        said.entry(outcome).or_default().push(name);
    }
    let said = said
        .into_iter()
        .map(|(outcome, names)| format!("{}\n{outcome}", names.join("\n")));
    insta::assert_snapshot!("corpus", said.collect::<String>());
}

/// Invalid UTF-8 never reaches the library, which takes a `&str`.
#[test]
fn truncated_document_is_unreadable() {
    let whole = read("drift-cases/base.json");
    let end = whole.trim_end().len();
    for at in (0..end).step_by(50) {
        let Some(cut) = whole.get(..at) else { continue };
        for (old, new) in [(cut, whole.as_str()), (&whole, cut), (cut, cut)] {
            let outcome = compared(&format!("cut at {at}"), old, new);
            assert!(matches!(outcome, Outcome::Unreadable(_)), "cut at {at}");
        }
    }
    // Whatever follows the last brace is not part of the document.
    assert_eq!(
        compared("whole", &whole, whole.trim_end()).verdict(),
        Some(Verdict::None)
    );
}

#[test]
fn unreadable_error_names_the_document() {
    let good = read("drift-cases/base.json");
    for (old, new, file) in [("{", good.as_str(), "old.json"), (&good, "{", "new.json")] {
        match compared("half", old, new) {
            Outcome::Unreadable(error) => {
                assert_eq!(error.file, file);
                assert!(!error.help.is_empty());
            }
            Outcome::Compared(_) => panic!("half a document was compared"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    /// Replaces, deletes or inserts characters.
    #[test]
    fn damaged_documents_never_panic(
        damage in proptest::collection::vec((any::<Index>(), any::<Index>(), 0..4_u8), 1..4)
    ) {
        let whole = read("cases/small.json");
        let mut text: Vec<char> = whole.chars().collect();
        for (at, other, kind) in damage {
            let (at, other) = (at.index(text.len()), other.index(text.len()));
            match kind {
                0 => text[at] = text[other],
                1 => {
                    text.remove(at);
                }
                2 => text.insert(at, text[other]),
                _ => {
                    let (low, high) = (at.min(other), at.max(other));
                    let part: Vec<char> = text[low..high.min(low + 40)].to_vec();
                    text.splice(at..at, part);
                }
            }
        }
        let damaged: String = text.into_iter().collect();
        compared("damaged", &whole, &damaged);
        compared("damaged", &damaged, &whole);
        let itself = compared("damaged", &damaged, &damaged);
        prop_assert!(itself.verdict().is_none_or(|verdict| verdict == Verdict::None));
    }
}
