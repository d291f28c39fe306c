//! How a change to a document affects the Rust client generated from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use contract_tests::read;
use kontext_codegen::{Input, Inputs, generate, surface::Surface};
use serde_json::Value;

use crate::support::snapshot;

/// Two documents and the name of the pair.
struct Pair {
    name: String,
    old: String,
    new: String,
}

const CASES: &str = "crates/openapi-drift/tests/drift-cases";
const CHANGES: &str = "tests/fixtures/drift-rust";

/// The drift cases of the provider's document, and one change of each kind to a richer
/// document. Each pair is compared in both directions.
fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    let cases = parsed(&format!("{CASES}/cases.json"));
    let case = |file: &str| read(&format!("{CASES}/{file}")).unwrap();
    let base = case(cases["base"].as_str().unwrap());
    for one in cases["cases"].as_array().unwrap() {
        let file = one["file"].as_str().unwrap();
        let name = file.trim_end_matches(".json").to_owned();
        pairs.push((name, base.clone(), case(file)));
    }
    let rich = parsed(&format!("{CHANGES}/rich.json"));
    let changes = parsed(&format!("{CHANGES}/changes.json"));
    for change in changes.as_array().unwrap() {
        let name = change["name"].as_str().unwrap();
        let after = changed(name, &rich, change);
        pairs.push((name.to_owned(), format!("{rich:#}"), format!("{after:#}")));
    }
    pairs
        .into_iter()
        .flat_map(|(name, old, new)| {
            let back = Pair {
                name: format!("{name} (back)"),
                old: new.clone(),
                new: old.clone(),
            };
            [Pair { name, old, new }, back]
        })
        .collect()
}

fn parsed(file: &str) -> Value {
    serde_json::from_str(&read(file).unwrap()).unwrap()
}

/// Removes what `remove` points to, then sets the values in `set`. `$copy` copies a value
/// from the original document.
fn changed(name: &str, before: &Value, change: &Value) -> Value {
    let mut document = before.clone();
    let removed = change["remove"].as_array().into_iter().flatten();
    let removed = removed.map(|pointer| (pointer.as_str().unwrap(), None));
    let set = change["set"].as_object().into_iter().flatten();
    let set = set.map(|(pointer, value)| (pointer.as_str(), Some(value)));
    for (pointer, value) in removed.chain(set) {
        let (around, key) = pointer.rsplit_once('/').unwrap();
        let around = document.pointer_mut(around);
        let around = around.unwrap_or_else(|| panic!("{name}: nothing around {pointer}"));
        let key = key.replace("~1", "/").replace("~0", "~");
        match value {
            None => {
                let removed = around.as_object_mut().unwrap().remove(&key);
                assert!(removed.is_some(), "{name}: nothing at {pointer}");
            }
            Some(value) => {
                around[key] = match value.get("$copy").and_then(Value::as_str) {
                    Some(from) => before.pointer(from).unwrap().clone(),
                    None => value.clone(),
                };
            }
        }
    }
    assert_ne!(&document, before, "{name} changes nothing");
    document
}

/// The surface of the client generated from each document, or `None` if the generator
/// refuses it. Runs in parallel.
fn surfaces(documents: &BTreeSet<&String>) -> BTreeMap<String, Option<Surface>> {
    let documents: Vec<&String> = documents.iter().copied().collect();
    let count = thread::available_parallelism().map_or(1, usize::from);
    let share = documents.len().div_ceil(count).max(1);
    let generated = |text: &&String| {
        let published = vec![Input {
            file: "openapi/published/document.json".to_owned(),
            text: (*text).clone(),
        }];
        let overlays = Vec::new();
        let inputs = Inputs {
            published,
            overlays,
        };
        let outputs = generate(&inputs).ok();
        ((*text).clone(), outputs.map(|outputs| outputs.surface))
    };
    thread::scope(|scope| {
        let workers: Vec<_> = documents
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(generated).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    })
}

#[test]
fn version_steps_of_changes_match_snapshot() {
    let pairs = pairs();
    let documents = pairs.iter().flat_map(|pair| [&pair.old, &pair.new]);
    let surfaces = surfaces(&documents.collect());
    let mut text = format!("{:<72} step\n", "change");
    for Pair { name, old, new } in &pairs {
        let step = match (&surfaces[old], &surfaces[new]) {
            (Some(old), Some(new)) => old.changes(new).step().to_string(),
            _ => "refused".to_owned(),
        };
        text.push_str(&format!("{name:<72} {step}\n"));
    }
    snapshot("drift_rust", text);
}
