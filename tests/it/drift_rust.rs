//! What `openapi-drift` says of the generated Rust client, against the client
//! that is generated.

use std::{collections::BTreeMap, fs};

use contract_tests::{PublicItems, path, read, rust_effect};
use openapi_drift::RustEffect;
use serde_json::Value;

use crate::support::snapshot;

/// Two documents and what they are called.
struct Pair {
    name: String,
    old: String,
    new: String,
}

/// The cases of the provider's document, and a list of changes to one that has
/// more in it; each in both directions.
fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    let cases: Value = serde_json::from_str(&read("tests/fixtures/drift-cases/cases.json").unwrap()).unwrap();
    let case = |file: &str| read(&format!("tests/fixtures/drift-cases/{file}")).unwrap();
    let base = case(cases["base"].as_str().unwrap());
    for one in cases["cases"].as_array().unwrap() {
        let file = one["file"].as_str().unwrap();
        pairs.push((file.trim_end_matches(".json").to_owned(), base.clone(), case(file)));
    }
    let rich = read("tests/fixtures/drift-rust/rich.json").unwrap();
    let changes: Vec<Value> = serde_json::from_str(&read("tests/fixtures/drift-rust/changes.json").unwrap()).unwrap();
    for change in &changes {
        let name = change["name"].as_str().unwrap();
        pairs.push((name.to_owned(), rich.clone(), changed(name, &rich, change)));
    }
    let pair = |name, old, new| Pair { name, old, new };
    pairs
        .into_iter()
        .flat_map(|(name, old, new)| {
            let back = pair(format!("{name} (back)"), new.clone(), old.clone());
            [pair(name, old, new), back]
        })
        .collect()
}

/// Removes what `remove` points to, then sets what `set` gives; `$copy` takes a
/// value from the document as it was.
fn changed(name: &str, text: &str, change: &Value) -> String {
    let before: Value = serde_json::from_str(text).unwrap();
    let mut document = before.clone();
    let place = |document: &mut Value, pointer: &str| -> (Value, String) {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        assert!(document.pointer(parent).is_some(), "{name}: no {parent}");
        (Value::from(parent), key.replace("~1", "/").replace("~0", "~"))
    };
    for pointer in change["remove"].as_array().into_iter().flatten() {
        let (parent, key) = place(&mut document, pointer.as_str().unwrap());
        let parent = document.pointer_mut(parent.as_str().unwrap()).unwrap();
        assert!(parent.as_object_mut().unwrap().remove(&key).is_some(), "{name}: no {key}");
    }
    for (pointer, value) in change["set"].as_object().into_iter().flatten() {
        let (parent, key) = place(&mut document, pointer);
        let value = match value.get("$copy").and_then(Value::as_str) {
            Some(from) => before.pointer(from).unwrap().clone(),
            None => value.clone(),
        };
        document.pointer_mut(parent.as_str().unwrap()).unwrap()[key] = value;
    }
    assert_ne!(document.to_string(), before.to_string(), "{name} changes nothing");
    format!("{document:#}")
}

#[test]
fn what_is_said_of_the_client_is_what_becomes_of_it() {
    let mut clients: BTreeMap<String, Result<PublicItems, String>> = BTreeMap::new();
    let mut text = String::new();
    let mut reasons = String::new();
    for Pair { name, old, new } in pairs() {
        for document in [&old, &new] {
            if !clients.contains_key(document) {
                clients.insert(document.clone(), PublicItems::of_document(document));
            }
        }
        let (effect, why) = rust_effect(&clients[&old], &clients[&new]);
        text.push_str(&format!("{name:<64} {effect}\n"));
        reasons.push_str(&format!("# {name}: {effect}\n{}\n", why.join("\n")));
    }
    fs::write(path("target-reasons.txt"), reasons).unwrap();
    let _ = RustEffect::None;
    snapshot("drift_rust", text);
}
