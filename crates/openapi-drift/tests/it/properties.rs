//! Properties that hold for all documents, tested with random schemas and changes.

use std::{cell::RefCell, collections::BTreeMap};

use openapi_drift::{Finding, Report, Verdict, Wire};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{RngSeed, TestCaseError},
};
use serde_json::{Value, json};

use crate::{
    documents::{compare_texts, compare_values, document, read_json, shown},
    edit::{self, escaped},
    instances::samples,
    schema_cases::{self, Place},
    schemas::{mutations, positions, root},
    validator::{Reading, validator, wrong_witness},
};

/// The same cases on every run; `PROPTEST_CASES` requests that many random ones.
fn config(cases: u32) -> ProptestConfig {
    let more = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: more.unwrap_or(cases),
        rng_seed: if more.is_some() {
            RngSeed::Random
        } else {
            RngSeed::Fixed(5)
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Request,
    Response,
}

const WAYS: [Way; 2] = [Way::Request, Way::Response];

impl Way {
    fn document(self, root: &Value) -> Value {
        let other = json!({"type": "boolean"});
        match self {
            Self::Request => document(&root["schema"], &other, &root["components"]),
            Self::Response => document(&other, &root["schema"], &root["components"]),
        }
    }

    fn reading(self) -> Reading {
        match self {
            Self::Request => Reading::Closed,
            Self::Response => Reading::Open,
        }
    }
}

/// A random schema, and the result of up to three random changes.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    (root(), proptest::collection::vec(any::<Index>(), 1..4)).prop_map(|(old, changes)| {
        let mut new = old.clone();
        for change in changes {
            let mut all = mutations(&new);
            if !all.is_empty() {
                new = all.swap_remove(change.index(all.len()));
            }
        }
        (old, new)
    })
}

/// Values of both schemas, and near misses.
fn values_of(old: &Value, new: &Value) -> Vec<Value> {
    let of = |root: &Value| samples(&Way::Request.document(root), &root["schema"], 3);
    [of(old), of(new)].concat()
}

/// Checks a comparison against the validity of sample values.
fn judged(way: Way, old: &Value, new: &Value, values: &[Value]) -> Result<Report, String> {
    let (old, new) = (way.document(old), way.document(new));
    let report = compare_values(&old, &new);
    let again = compare_values(&old, &new);
    if serde_json::to_string(&report).unwrap() != serde_json::to_string(&again).unwrap() {
        return Err("two runs differ".to_owned());
    }
    let schema = |document: &Value| {
        let place = match way {
            Way::Request => crate::documents::REQUEST,
            Way::Response => crate::documents::RESPONSE,
        };
        document.pointer(place).unwrap().clone()
    };
    let (old_schema, new_schema) = (schema(&old), schema(&new));
    let of_old = validator(&old, &old_schema, way.reading());
    let of_new = validator(&new, &new_schema, way.reading());
    let fail = |why: String| {
        Err(format!(
            "{way:?}: {why}\nold {old_schema}\nnew {new_schema}\ncomponents {} -> {}\n{}",
            old["components"],
            new["components"],
            shown(&report)
        ))
    };
    for value in values {
        let (before, after) = (of_old.is_valid(value), of_new.is_valid(value));
        if before == after {
            continue;
        }
        if report.verdict >= Verdict::DocsOnly {
            return fail(format!(
                "called {}, though {value} was {before} and is {after}",
                report.verdict
            ));
        }
        let breaks = match way {
            Way::Request => before && !after,
            Way::Response => after && !before,
        };
        if breaks && report.verdict > Verdict::Undecided {
            return fail(format!(
                "called {}, though {value} breaks it",
                report.verdict
            ));
        }
    }
    for finding in &report.findings {
        if let Some(wrong) = unproved(&old, &new, finding) {
            return fail(format!("{}: {wrong}", finding.rule.id));
        }
    }
    Ok(report)
}

fn unproved(old: &Value, new: &Value, finding: &Finding) -> Option<String> {
    (finding.wire == Wire::Breaking).then(|| wrong_witness(old, new, finding))?
}

proptest! {
    #![proptest_config(config(400))]

    /// The main property. A change that affects some value is never reported as none,
    /// and in the breaking direction at least as undecided. A witness proves every
    /// break.
    #[test]
    fn no_schema_change_is_missed((old, new) in pair()) {
        let values = values_of(&old, &new);
        for way in WAYS {
            for (old, new) in [(&old, &new), (&new, &old)] {
                judged(way, old, new, &values).map_err(TestCaseError::fail)?;
            }
        }
    }
}

/// Few single changes of random schemas are undecided, and few are called breaking
/// if all sampled values at the limits agree.
#[test]
fn few_changes_are_undecided() {
    let counts: RefCell<BTreeMap<Verdict, usize>> = RefCell::default();
    let mut runner = proptest::test_runner::TestRunner::new(config(150));
    runner
        .run(&(root(), any::<Index>()), |(old, change)| {
            let mut all = mutations(&old);
            let new = all.swap_remove(change.index(all.len()));
            for way in WAYS {
                let report = compare_values(&way.document(&old), &way.document(&new));
                *counts.borrow_mut().entry(report.verdict).or_default() += 1;
            }
            Ok(())
        })
        .unwrap();
    let counts = counts.into_inner();
    let all: usize = counts.values().sum();
    let undecided = counts.get(&Verdict::Undecided).copied().unwrap_or_default();
    eprintln!("{counts:?}");
    assert!(
        undecided * 10 <= all,
        "{undecided} of {all} are undecided: {counts:?}"
    );
}

/// A deterministic random number generator with a seed.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // The constants of Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// Writes a document with other member order, number notation and whitespace.
fn respelled(value: &Value, dice: &mut Dice, text: &mut String) {
    let space = [" ", "", "\n", "\r\n\t"];
    text.push_str(space[dice.below(4)]);
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            let spellings = [
                number.to_string(),
                format!("{number}.0"),
                format!("{number}e0"),
                if number.as_i64() == Some(0) {
                    "0E-1".to_owned()
                } else {
                    format!("{number}0E-1")
                },
                format!("{number}.000e+00"),
            ];
            text.push_str(&spellings[dice.below(5)]);
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                respelled(item, dice, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            dice.shuffle(&mut members);
            text.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                // Escapes are notation, too.
                let mut spelled: String = serde_json::to_string(name).unwrap();
                if dice.below(8) == 0 && name.starts_with(|first: char| first.is_ascii_alphabetic())
                {
                    spelled = format!(
                        "\"\\u{:04x}{}\"",
                        u32::from(name.chars().next().unwrap()),
                        &spelled[2..spelled.len() - 1]
                    );
                }
                text.push_str(&spelled);
                text.push(':');
                respelled(value, dice, text);
            }
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
    text.push_str(space[dice.below(4)]);
}

/// Reorders arrays whose order is irrelevant. Only in schemas and operations: in an
/// example or a default, the order may matter.
fn reordered(value: &mut Value, name: &str, dice: &mut Dice) {
    match value {
        Value::Array(items) => {
            for item in items.iter_mut() {
                reordered(item, "", dice);
            }
            if matches!(
                name,
                "enum" | "required" | "anyOf" | "oneOf" | "allOf" | "parameters" | "security"
            ) {
                dice.shuffle(items);
            }
        }
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                if !matches!(name.as_str(), "example" | "examples" | "default") {
                    reordered(value, name, dice);
                }
            }
        }
        _ => {}
    }
}

fn bases() -> [Value; 2] {
    [
        read_json("cases/small.json"),
        read_json("drift-cases/base.json"),
    ]
}

fn silent(what: &str, old: &str, new: &str) -> Result<(), TestCaseError> {
    for (old, new) in [(old, new), (new, old)] {
        let report = compare_texts(old, new);
        if report.verdict < Verdict::DocsOnly {
            let why = format!("{what}: {}\n{old}\n{new}", shown(&report));
            return Err(TestCaseError::fail(why));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn identical_documents_have_no_findings(root in root()) {
        for way in WAYS {
            let document = way.document(&root);
            let report = compare_values(&document, &document);
            prop_assert_eq!(report.verdict, Verdict::None);
            prop_assert!(report.findings.is_empty());
        }
    }

    #[test]
    fn json_notation_is_no_change(root in root(), seed: u64) {
        let mut dice = Dice(seed);
        let documents = WAYS.iter().map(|way| way.document(&root)).chain(bases());
        for document in documents {
            let mut text = String::new();
            respelled(&document, &mut dice, &mut text);
            let report = compare_texts(&document.to_string(), &text);
            prop_assert_eq!(report.verdict, Verdict::None, "{}\n{}", shown(&report), text);
            prop_assert!(report.findings.is_empty());
        }
    }

    #[test]
    fn reordering_is_no_wire_change(root in root(), seed: u64) {
        let mut dice = Dice(seed);
        let documents = WAYS.iter().map(|way| way.document(&root)).chain(bases());
        for document in documents {
            let mut other = document.clone();
            reordered(&mut other, "", &mut dice);
            silent("reordered", &document.to_string(), &other.to_string())?;
        }
    }

    /// Moves a schema to the components and refers to it, in both directions.
    #[test]
    fn extracting_component_is_no_wire_change(root in root(), at in proptest::collection::vec(any::<Index>(), 1..3)) {
        let mut other = root.clone();
        for (number, at) in at.iter().enumerate() {
            let all = positions(&other);
            let pointer = &all[at.index(all.len())];
            let name = format!("Hoisted{number}");
            let place = other.pointer_mut(pointer).unwrap();
            let schema = place.take();
            *place = json!({"$ref": format!("#/components/schemas/{}", escaped(&name))});
            other["components"][name] = schema;
        }
        for way in WAYS {
            silent("hoisted", &way.document(&root).to_string(), &way.document(&other).to_string())?;
        }
    }

    /// A nested pair of schemas of which one allows less: what breaks in one direction
    /// does not break in the other.
    #[test]
    fn narrowing_breaks_and_its_inverse_does_not(
        case in any::<Index>(),
        around in proptest::collection::vec(any::<Index>(), 0..4),
        there in any::<bool>(),
    ) {
        let cases: Vec<_> = schema_cases::all()
            .into_iter()
            .filter(|case| case.there.effect == "narrows" && case.back.effect == "widens" && !case.is_disputed())
            .collect();
        let case = &cases[case.index(cases.len())];
        let (mut old, mut new, mut components) = (case.old.clone(), case.new.clone(), json!({}));
        let mut new_components = json!({});
        let mut places = Vec::new();
        for (depth, place) in around.iter().enumerate() {
            let place = Place::ALL[place.index(Place::ALL.len())];
            if !place.suits(&old, &new) {
                continue;
            }
            places.push(place);
            if place == Place::Reference {
                // A separate component for each.
                let name = format!("It{depth}");
                components[&name] = old;
                new_components[&name] = new;
                let reference = json!({"$ref": format!("#/components/schemas/{name}")});
                old = json!({"type": "object", "properties": {"it": reference}});
                new = old.clone();
            } else {
                old = place.around(&old).0;
                new = place.around(&new).0;
            }
        }
        let _ = there;
        let (old, new) = (
            json!({"schema": old, "components": components}),
            json!({"schema": new, "components": new_components}),
        );
        for way in WAYS {
            let narrowed = judged_case(way, &old, &new)?;
            let widened = judged_case(way, &new, &old)?;
            let (breaking, harmless) = match way {
                Way::Request => (narrowed, widened),
                Way::Response => (widened, narrowed),
            };
            prop_assert_eq!(breaking.verdict, Verdict::Breaking, "{} in {:?}: {}", case.name, places, shown(&breaking));
            prop_assert_eq!(harmless.verdict, Verdict::NonBreaking, "{} in {:?}: {}", case.name, places, shown(&harmless));
        }
    }

    /// Regardless of number and order.
    #[test]
    fn documentation_edits_are_docs_only(edits in proptest::collection::vec((any::<Index>(), any::<Index>(), 0..4_u8), 1..8)) {
        for base in bases() {
            let mut edited = base.clone();
            for (at, member, how) in &edits {
                let places = documented(&edited);
                let (pointer, members) = &places[at.index(places.len())];
                let name = members[member.index(members.len())];
                let place = edited.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
                if *how == 0 {
                    place.remove(name);
                } else {
                    place.insert(name.to_owned(), documentation(name, *how));
                }
                let report = compare_values(&base, &edited);
                let expected = if edited == base { Verdict::None } else { Verdict::DocsOnly };
                // Unused components are not compared, and extensions in `paths` are disputed.
                let compared = |document: &Value| {
                    let mut document = document.clone();
                    document["paths"].as_object_mut().unwrap().remove("x-own");
                    if let Some(unused) = document.pointer_mut("/components/schemas/Unused") {
                        unused.take();
                    }
                    document
                };
                let is_fine = report.verdict == expected
                    || (report.verdict == Verdict::None && compared(&edited) == compared(&base));
                prop_assert!(is_fine, "{pointer}/{name}: {}", shown(&report));
                for finding in &report.findings {
                    prop_assert_eq!(finding.wire, Wire::Docs);
                }
            }
        }
    }
}

fn judged_case(way: Way, old: &Value, new: &Value) -> Result<Report, TestCaseError> {
    judged(way, old, new, &values_of(old, new)).map_err(TestCaseError::fail)
}

fn documentation(name: &str, how: u8) -> Value {
    match name {
        "tags" => json!([format!("tag{how}")]),
        "externalDocs" => json!({"url": format!("https://docs.example.com/{how}")}),
        "example" | "x-own" => {
            [json!({"$ref": "#/gone"}), json!(7), json!("text")][usize::from(how) - 1].clone()
        }
        _ => json!(format!("text {how}")),
    }
}

/// The places for documentation, with the members that are allowed there.
fn documented(document: &Value) -> Vec<(String, Vec<&'static str>)> {
    let mut found = vec![
        (String::new(), vec!["externalDocs", "x-own"]),
        (
            "/info".to_owned(),
            vec!["title", "description", "version", "termsOfService", "x-own"],
        ),
        ("/servers/0".to_owned(), vec!["description", "x-own"]),
        ("/paths".to_owned(), vec!["x-own"]),
    ];
    let add = |found: &mut Vec<(String, Vec<&'static str>)>,
               value: &Value,
               pointer: String,
               members: &[&'static str]| {
        if value.is_object() && value.get("$ref").is_none() {
            found.push((pointer, members.to_vec()));
            true
        } else {
            false
        }
    };
    let contents = |found: &mut Vec<_>, value: &Value, pointer: &str| {
        for (name, media) in value["content"].as_object().into_iter().flatten() {
            let pointer = format!("{pointer}/content/{}", escaped(name));
            add(found, media, pointer.clone(), &["example", "x-own"]);
            schemas(found, &media["schema"], &format!("{pointer}/schema"));
        }
    };
    let parameters = |found: &mut Vec<_>, value: &Value, pointer: &str| {
        for (at, parameter) in value["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let pointer = format!("{pointer}/parameters/{at}");
            add(
                found,
                parameter,
                pointer.clone(),
                &["description", "example", "x-own"],
            );
            schemas(found, &parameter["schema"], &format!("{pointer}/schema"));
        }
    };
    for (path, item) in document["paths"].as_object().unwrap() {
        let pointer = format!("/paths/{}", escaped(path));
        if !add(
            &mut found,
            item,
            pointer.clone(),
            &["summary", "description", "x-own"],
        ) {
            continue;
        }
        parameters(&mut found, item, &pointer);
        for (method, operation) in item.as_object().unwrap() {
            if !matches!(method.as_str(), "get" | "put" | "post" | "delete") {
                continue;
            }
            let pointer = format!("{pointer}/{method}");
            add(
                &mut found,
                operation,
                pointer.clone(),
                &["summary", "description", "tags", "externalDocs", "x-own"],
            );
            parameters(&mut found, operation, &pointer);
            let body = &operation["requestBody"];
            add(
                &mut found,
                body,
                format!("{pointer}/requestBody"),
                &["description", "x-own"],
            );
            contents(&mut found, body, &format!("{pointer}/requestBody"));
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                if status.starts_with("x-") {
                    continue;
                }
                let pointer = format!("{pointer}/responses/{status}");
                add(
                    &mut found,
                    response,
                    pointer.clone(),
                    &["description", "x-own"],
                );
                contents(&mut found, response, &pointer);
            }
        }
    }
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        schemas(&mut found, schema, &format!("/components/schemas/{name}"));
    }
    found
}

fn schemas(found: &mut Vec<(String, Vec<&'static str>)>, schema: &Value, pointer: &str) {
    if !schema.is_object() || schema.get("$ref").is_some() {
        return;
    }
    found.push((
        pointer.to_owned(),
        vec!["title", "description", "example", "externalDocs", "x-own"],
    ));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        schemas(
            found,
            property,
            &format!("{pointer}/properties/{}", escaped(name)),
        );
    }
    for (at, branch) in schema["anyOf"].as_array().into_iter().flatten().enumerate() {
        schemas(found, branch, &format!("{pointer}/anyOf/{at}"));
    }
    schemas(found, &schema["items"], &format!("{pointer}/items"));
}

/// Verifies that the checks above can fail: sampled values reveal a missed break.
#[test]
fn sampled_values_detect_breaking_changes() {
    let old = json!({"schema": {"type": "string", "maxLength": 5}, "components": {}});
    let new = json!({"schema": {"type": "string", "maxLength": 4}, "components": {}});
    let document = Way::Request.document(&old);
    let values = samples(&document, &old["schema"], 2);
    let (before, after) = (
        validator(&document, &old["schema"], Reading::Closed),
        validator(&document, &new["schema"], Reading::Closed),
    );
    assert!(
        values
            .iter()
            .any(|value| before.is_valid(value) && !after.is_valid(value))
    );
    // The sampled values distinguish most random pairs.
    let told = RefCell::new((0, 0));
    let mut runner = proptest::test_runner::TestRunner::new(config(100));
    runner
        .run(&pair(), |(old, new)| {
            let (old, new) = (Way::Request.document(&old), Way::Request.document(&new));
            let place = crate::documents::REQUEST;
            let (left, right) = (old.pointer(place).unwrap(), new.pointer(place).unwrap());
            let mut values = samples(&old, left, 3);
            values.extend(samples(&new, right, 3));
            let (left, right) = (
                validator(&old, left, Reading::Closed),
                validator(&new, right, Reading::Closed),
            );
            let differ = values
                .iter()
                .any(|value| left.is_valid(value) != right.is_valid(value));
            let allowed = values.iter().any(|value| left.is_valid(value));
            let mut told = told.borrow_mut();
            told.0 += usize::from(differ);
            told.1 += usize::from(allowed);
            Ok(())
        })
        .unwrap();
    let (differ, allowed) = told.into_inner();
    eprintln!("{differ} of 100 pairs differ, {allowed} allow something");
    assert!(
        differ > 50 && allowed > 90,
        "{differ} differ, {allowed} allow something"
    );
    edit::apply(&mut json!({}), &json!([]));
}
