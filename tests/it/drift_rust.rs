//! What `openapi-drift` says of the generated Rust client, against the client
//! that is generated.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use contract_tests::{PublicItems, read, rust_effect};
use openapi_drift::{Document, Report, RustEffect, compare};
use serde_json::{Value, json};

use crate::support::snapshot;

/// Two documents and what they are called.
struct Pair {
    name: String,
    old: String,
    new: String,
}

const CASES: &str = "crates/openapi-drift/tests/drift-cases";
const CHANGES: &str = "tests/fixtures/drift-rust";

/// The cases of the provider's document, and a list of changes to one that has
/// more in it; each in both directions.
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
    let changes = parsed(&format!("{CHANGES}/changes.json"));
    for change in changes.as_array().unwrap() {
        let name = change["name"].as_str().unwrap();
        let before = base_of(change["base"].as_str());
        let after = changed(name, &before, change);
        pairs.push((name.to_owned(), format!("{before:#}"), format!("{after:#}")));
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

/// The document that a change is made to: the rich one, one with a schema of
/// several parts, or one that codegen refuses.
fn base_of(name: Option<&str>) -> Value {
    let mut document = parsed(&format!("{CHANGES}/rich.json"));
    let edit = &mut document["paths"]["/edits"]["post"];
    match name {
        None => {}
        Some("parts") => {
            let body = &mut edit["responses"]["200"]["content"]["application/json"];
            body["schema"]["properties"]["image"] = json!({"allOf": [
                {"$ref": "#/components/schemas/Image"},
                {"type": "object", "properties": {
                    "alt": {"type": "string"}, "size": {"type": "integer"}
                }}
            ]});
        }
        Some("common") => {
            let body = &mut edit["responses"]["200"]["content"]["application/json"];
            body["schema"]["properties"]["shape"] = json!({"oneOf": [
                {"$ref": "#/components/schemas/ShapeRound"},
                {"$ref": "#/components/schemas/ShapeFlat"}
            ]});
            let schemas = document["components"]["schemas"].as_object_mut().unwrap();
            for (old, new) in [("Circle", "ShapeRound"), ("Square", "ShapeFlat")] {
                let schema = schemas.remove(old).unwrap();
                schemas.insert(new.to_owned(), schema);
            }
        }
        Some("refused") => {
            edit["parameters"] = json!([{"name": "dry", "in": "query", "schema": {}}]);
        }
        Some(other) => panic!("{other}"),
    }
    document
}

/// Removes what `remove` points to, then sets what `set` gives; `$copy` takes a
/// value from the document as it was.
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

/// The client of each document, made by all processors.
fn clients(documents: &BTreeSet<&String>) -> BTreeMap<String, Result<PublicItems, String>> {
    let documents: Vec<&String> = documents.iter().copied().collect();
    let count = thread::available_parallelism().map_or(1, usize::from);
    let share = documents.len().div_ceil(count).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = documents
            .chunks(share)
            .map(|share| {
                scope.spawn(move || {
                    let one = |text: &&String| ((*text).clone(), PublicItems::of_document(text));
                    share.iter().map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    })
}

/// Where another effect is said than the one that is generated, and why.
const EXCEPTIONS: [(&str, RustEffect, &str); 4] = [
    (
        "response: oneOf becomes anyOf",
        RustEffect::Undecided,
        "whether typify takes the branches for apart is not told",
    ),
    (
        "response: allOf of a component and more",
        RustEffect::Undecided,
        "what parts become together is not told",
    ),
    (
        "response: property of an allOf part added",
        RustEffect::Undecided,
        "what parts become together is not told",
    ),
    (
        "refused: description changed",
        RustEffect::None,
        "there is no client before and none after: a text changes nothing of it",
    ),
];

/// Why another effect may be said than the one that is generated.
fn exception(name: &str, reported: RustEffect) -> Option<&'static str> {
    let name = name.trim_end_matches(" (back)");
    let found = EXCEPTIONS.iter().find(|(other, ..)| *other == name);
    let (_, effect, why) = found?;
    (reported == *effect).then_some(why)
}

#[test]
fn what_is_said_of_the_client_is_what_becomes_of_it() {
    let pairs = pairs();
    let documents = pairs.iter().flat_map(|pair| [&pair.old, &pair.new]);
    let clients = clients(&documents.collect());
    let mut text = format!("{:<72} {:<10} reported\n", "change", "generated");
    let mut wrong = String::new();
    let mut excused = BTreeSet::new();
    for Pair { name, old, new } in &pairs {
        let (generated, why) = rust_effect(&clients[old], &clients[new]);
        let document = |text: &str| Document::parse("document.json", text).unwrap();
        let report = compare(&document(old), &document(new));
        let reported = report.rust;
        let mut line = format!("{name:<72} {generated:<10} {reported}");
        let findings = report.findings.iter().map(|finding| finding.rust);
        if findings.min().unwrap_or(RustEffect::None) != reported {
            line.push_str(", which no finding says");
        }
        if reported != generated {
            match exception(name, reported) {
                Some(reason) => {
                    excused.insert(name.trim_end_matches(" (back)"));
                    line.push_str(&format!(": {reason}"));
                }
                None => wrong.push_str(&explained(&line, &why, &report)),
            }
        }
        text.push_str(&format!("{line}\n"));
    }
    assert!(wrong.is_empty(), "{wrong}");
    let listed: BTreeSet<&str> = EXCEPTIONS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(excused, listed, "an exception that is none any more");
    snapshot("drift_rust", text);
}

/// A wrong line, with what became of the client and what was found.
fn explained(line: &str, why: &[String], report: &Report) -> String {
    let findings = report.findings.iter().map(|finding| {
        format!(
            "  {} {} {} {}",
            finding.rule.id, finding.rust, finding.old_pointer, finding.new_pointer
        )
    });
    let findings: Vec<String> = findings.collect();
    format!("{line}\n{}\n{}\n", why.join("\n"), findings.join("\n"))
}
