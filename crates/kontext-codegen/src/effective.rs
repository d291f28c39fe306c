//! The fifth step: the corrected documents become one, the effective
//! document, which everything else is made from.

use std::collections::BTreeMap;

use heck::ToSnakeCase as _;
use serde_json::{Map, Value};

use crate::{
    Input, document, hoist,
    json::{child, each_operation, same, short},
    normalise::{self, Normalised},
    overlay::{self, Overlay},
    problem::{Problem, Problems},
    prune, supported,
};

/// The effective document and what was done to get there.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The document: OpenAPI 3.0, without what codegen adds as a header.
    pub document: Value,
    /// What was done to each published document.
    pub steps: Vec<Steps>,
}

/// What was done to one published document.
#[derive(Clone, Debug)]
pub struct Steps {
    /// The published file, relative to the workspace.
    pub file: String,
    /// The overlays that apply to it: file and title.
    pub corrected: Vec<(String, String)>,
    /// How many components no operation reaches.
    pub pruned: usize,
    /// What carried no meaning and was repaired.
    pub normalised: Vec<Normalised>,
}

/// Makes the effective document from the published ones and the overlays.
///
/// # Errors
///
/// Any problem of any step; those of one step and document come together.
pub fn effective(published: &[Input], overlays: &[Input]) -> Result<Effective, Problems> {
    if published.is_empty() {
        return Err(Problem::new(
            "openapi/published",
            "",
            "no document (*.json) in this folder",
            "restore it with git, or put the provider's OpenAPI document there",
        )
        .into());
    }
    let overlays = overlays
        .iter()
        .map(|input| overlay::parse(&input.file, &input.text))
        .collect::<Result<Vec<_>, _>>()?;
    unknown_documents(published, &overlays)?;
    let mut parts = Vec::new();
    let mut steps = Vec::new();
    for input in published {
        let (document, done) = one(input, &overlays)?;
        parts.push((input.file.as_str(), document));
        steps.push(done);
    }
    let mut document = merged(parts)?;
    document.sort_all_objects();
    Ok(Effective { document, steps })
}

/// Runs every step of one document.
fn one(input: &Input, overlays: &[Overlay]) -> Result<(Value, Steps), Problems> {
    let file = &input.file;
    let mut document = document::parse(file, &input.text)?;
    overlay::apply(file, &mut document, overlays)?;
    let pruned = prune::prune(file, &mut document)?;
    let normalised = normalise::normalise(&mut document);
    // Before hoisting, so that the pointers are those of the published file.
    supported::check(file, &document)?;
    hoist::hoist(file, &mut document)?;
    let name = file.rsplit('/').next().unwrap_or(file);
    let corrected = overlays
        .iter()
        .filter(|overlay| {
            overlay
                .applies_to
                .as_ref()
                .is_none_or(|names| names.iter().any(|other| other == name))
        })
        .map(|overlay| (overlay.file.clone(), overlay.title.clone()))
        .collect();
    let steps = Steps {
        file: file.clone(),
        corrected,
        pruned,
        normalised,
    };
    Ok((document, steps))
}

/// An overlay for a document that is not there corrects nothing, silently.
fn unknown_documents(published: &[Input], overlays: &[Overlay]) -> Result<(), Problems> {
    let mut problems = Vec::new();
    for overlay in overlays {
        for name in overlay.applies_to.iter().flatten() {
            if !published
                .iter()
                .any(|input| input.file.rsplit('/').next() == Some(name))
            {
                problems.push(Problem::new(
                    &overlay.file,
                    "/x-applies-to",
                    format!("no document {name} in openapi/published"),
                    "correct the name, or delete the overlay with its document",
                ));
            }
        }
    }
    Problems::none_or(problems)
}

/// Puts the operations and components of all documents into one.
fn merged(parts: Vec<(&str, Value)>) -> Result<Value, Problems> {
    let mut parts = parts.into_iter();
    let Some((first, mut all)) = parts.next() else {
        return Ok(Value::Object(Map::new()));
    };
    let mut problems = Vec::new();
    let mut ids = operation_ids(&all);
    for (file, document) in parts {
        for name in ["openapi", "info", "servers", "security"] {
            if !same(&all[name], &document[name]) {
                problems.push(Problem::new(
                    file,
                    child("", name),
                    format!("{} differs from {first}", short(&document[name])),
                    "make them the same with an overlay",
                ));
            }
        }
        for (id, at) in operation_ids(&document) {
            // The same operation in both is found below.
            if ids.get(&id).is_some_and(|other| *other != at) {
                problems.push(Problem::new(
                    file,
                    child(&at, "operationId"),
                    format!("{id:?} is the operationId of another document's operation"),
                    "give one of them another operationId with an overlay",
                ));
            }
            ids.insert(id, at);
        }
        for depth_two in ["paths", "components"] {
            let groups = document[depth_two].as_object().cloned().unwrap_or_default();
            for (group, members) in groups {
                for (name, member) in members.as_object().cloned().unwrap_or_default() {
                    let at = child(&child(&child("", depth_two), &group), &name);
                    let place = &mut all[depth_two][&group][&name];
                    if !place.is_null() && !same(place, &member) {
                        problems.push(Problem::new(
                            file,
                            at,
                            "another document describes this too, and differently".to_owned(),
                            "keep one of them, or make them the same with an overlay",
                        ));
                    }
                    *place = member;
                }
            }
        }
    }
    Problems::none_or(problems)?;
    Ok(all)
}

/// The names of a document's methods, with where they stand.
fn operation_ids(document: &Value) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    each_operation(document, &mut |_, _, operation, at| {
        let id = operation["operationId"].as_str().unwrap_or_default();
        ids.insert(id.to_snake_case(), at);
    });
    ids
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(file: &str, path: &str, summary: &str) -> Input {
        let mut document = json!({
            "openapi": "3.0.0", "info": {"title": "t", "version": "1"},
            "paths": {}
        });
        document["paths"][path]["get"] = json!({
            "operationId": format!("get{}", path.trim_start_matches('/')), "summary": summary,
            "responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}}
        });
        Input {
            file: file.to_owned(),
            text: document.to_string(),
        }
    }

    #[test]
    fn documents_become_one_unless_they_disagree() {
        let both = effective(&[input("a.json", "/a", ""), input("b.json", "/b", "")], &[]).unwrap();
        let paths: Vec<_> = both.document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/a", "/b"]);
        let error = effective(
            &[input("a.json", "/a", "x"), input("b.json", "/a", "y")],
            &[],
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.starts_with("b.json: /paths/~1a/get: another document describes this too"),
            "{error}"
        );
    }

    #[test]
    fn no_document_is_a_problem() {
        let error = effective(&[], &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("openapi/published: no document"),
            "{error}"
        );
    }
}
