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
pub(crate) struct Effective {
    /// The document: OpenAPI 3.0, without what codegen adds as a header.
    pub(crate) document: Value,
    /// What was done to each published document.
    pub(crate) steps: Vec<Steps>,
    /// Where the parts are from: the published file and the pointer in it, by the pointer
    /// to a path or a component of the effective document.
    origins: BTreeMap<String, (String, String)>,
}

impl Effective {
    /// Where a place of the effective document is from: the file, and the pointer there.
    pub(crate) fn origin(&self, pointer: &str) -> (String, String) {
        let mut start = pointer;
        loop {
            if let Some((file, at)) = self.origins.get(start) {
                return (file.clone(), format!("{at}{}", &pointer[start.len()..]));
            }
            match start.rsplit_once('/') {
                Some((parent, _)) => start = parent,
                None => return (FILE.to_owned(), pointer.to_owned()),
            }
        }
    }
}

/// The file of the effective document.
pub(crate) const FILE: &str = "openapi/effective.json";

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
/// All problems of all overlays and documents, each document up to the first step that
/// has any.
pub(crate) fn effective(published: &[Input], overlays: &[Input]) -> Result<Effective, Problems> {
    if published.is_empty() {
        return Err(Problem::new(
            "openapi/published",
            "",
            "no document (*.json) in this folder",
            "restore it with git, or put the provider's OpenAPI document there",
        )
        .into());
    }
    let mut problems = Vec::new();
    let mut parsed = Vec::new();
    for input in overlays {
        match overlay::parse(&input.file, &input.text) {
            Ok(overlay) => parsed.push(overlay),
            Err(more) => problems.extend(more.0),
        }
    }
    let is_complete = problems.is_empty();
    unknown_documents(published, &parsed, &mut problems);
    let mut parts = Vec::new();
    let mut steps = Vec::new();
    for input in published {
        match one(input, published, &parsed, is_complete) {
            Ok((part, done)) => {
                parts.push(part);
                steps.push(done);
            }
            Err(more) => problems.extend(more.0),
        }
    }
    Problems::none_or(problems)?;
    let origins = parts.iter().flat_map(origins).collect();
    let mut document = merged(parts)?;
    document.sort_all_objects();
    Ok(Effective {
        document,
        steps,
        origins,
    })
}

/// One document on its way into the effective one.
struct Part {
    file: String,
    document: Value,
    /// Where its components stood when it was published.
    components: BTreeMap<String, String>,
}

/// Where the paths and components of a document are from.
fn origins(part: &Part) -> Vec<(String, (String, String))> {
    let paths = part.document["paths"].as_object().into_iter().flatten();
    let paths = paths.map(|(path, _)| {
        let at = child("/paths", path);
        (at.clone(), (part.file.clone(), at))
    });
    let components = part.components.iter().map(|(name, at)| {
        let now = child("/components/schemas", name);
        (now, (part.file.clone(), at.clone()))
    });
    paths.chain(components).collect()
}

/// Runs every step of one document.
fn one(
    input: &Input,
    published: &[Input],
    overlays: &[Overlay],
    is_complete: bool,
) -> Result<(Part, Steps), Problems> {
    let file = &input.file;
    let mut document = document::parse(file, &input.text)?;
    let overlays: Vec<(&Overlay, usize)> = overlays
        .iter()
        .filter(|overlay| overlay.applies_to(file))
        .map(|overlay| {
            let documents = published.iter().filter(|one| overlay.applies_to(&one.file));
            (overlay, documents.count())
        })
        .collect();
    Problems::none_or(overlay::apply(file, &mut document, &overlays, is_complete))?;
    document::check(file, &document)?;
    let pruned = prune::prune(file, &mut document)?;
    let normalised = normalise::normalise(&mut document);
    // Before hoisting, so that the pointers are those of the published file.
    supported::check(file, &document)?;
    let components = hoist::hoist(file, &mut document)?;
    let corrected = overlays
        .iter()
        .map(|(overlay, _)| (overlay.file.clone(), overlay.title.clone()))
        .collect();
    let steps = Steps {
        file: file.clone(),
        corrected,
        pruned,
        normalised,
    };
    let part = Part {
        file: file.clone(),
        document,
        components,
    };
    Ok((part, steps))
}

/// An overlay for a document that is not there corrects nothing, silently.
fn unknown_documents(published: &[Input], overlays: &[Overlay], problems: &mut Vec<Problem>) {
    for overlay in overlays {
        for pattern in overlay.applies_to.iter().flatten() {
            if !published
                .iter()
                .any(|input| overlay::matches(pattern, &input.file))
            {
                problems.push(Problem::new(
                    &overlay.file,
                    "/x-applies-to",
                    format!("no document {pattern} in openapi/published"),
                    "correct the name, or delete the overlay with its document",
                ));
            }
        }
    }
}

/// Puts the operations and components of all documents into one.
fn merged(parts: Vec<Part>) -> Result<Value, Problems> {
    let mut parts = parts.into_iter().map(|part| (part.file, part.document));
    let Some((first, mut all)) = parts.next() else {
        return Ok(Value::Object(Map::new()));
    };
    let mut problems = Vec::new();
    let mut ids = operation_ids(&all);
    for (file, document) in parts {
        for name in ["openapi", "info", "servers", "security"] {
            if !same(&all[name], &document[name]) {
                problems.push(Problem::new(
                    &file,
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
                    &file,
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
                            &file,
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

    fn overlay(file: &str, applies_to: &[&str], target: &str) -> Input {
        let text = json!({
            "overlay": "1.0.0", "info": {"title": "t", "version": "1"}, "x-reason": "r",
            "x-evidence": ["e"], "x-applies-to": applies_to,
            "actions": [{"target": target, "x-expect-absent": ["x-new"], "update": {"x-new": 1}}]
        });
        Input {
            file: file.to_owned(),
            text: text.to_string(),
        }
    }

    #[test]
    fn problems_of_all_overlays_and_documents_come_at_once() {
        let documents = [input("a-1.json", "/a", ""), input("b.json", "b", "")];
        let broken = Input {
            file: "o2.json".to_owned(),
            text: "{".to_owned(),
        };
        let overlays = [
            overlay("o1.json", &["c.json"], "$.info"),
            broken,
            overlay("o3.json", &["a-*.json"], "$.info.title"),
        ];
        let error = effective(&documents, &overlays).unwrap_err().to_string();
        let lines: Vec<&str> = error
            .lines()
            .filter(|line| !line.starts_with("  help"))
            .collect();
        assert_eq!(
            lines,
            [
                "o2.json: line 1, column 1: invalid JSON: EOF while parsing an object",
                "o1.json: /x-applies-to: no document c.json in openapi/published",
                "o3.json: /actions/0: expected an object at /info/title of a-1.json, found \"t\"",
                "b.json: /paths/b: expected a path that starts with \"/\", found \"b\"; its operations would be left out",
            ]
        );
    }

    #[test]
    fn missing_target_is_not_reported_while_an_overlay_is_unreadable() {
        let documents = [input("a.json", "/a", "")];
        let second = || overlay("o2.json", &["a.json"], "$.info['x-by-the-first']");
        let broken = Input {
            file: "o1.json".to_owned(),
            text: "{".to_owned(),
        };
        let error = effective(&documents, &[broken, second()]).unwrap_err();
        assert_eq!(error.0.len(), 1, "{error}");
        let error = effective(&documents, &[second()]).unwrap_err().to_string();
        assert!(
            error.contains("nothing at $.info['x-by-the-first']"),
            "{error}"
        );
    }

    #[test]
    fn overlay_of_another_document_is_passed_over() {
        let documents = [input("a.json", "/a", ""), input("b.json", "/b", "")];
        let made = effective(&documents, &[overlay("o.json", &["a*"], "$.paths['/a']")]).unwrap();
        assert_eq!(made.document["paths"]["/a"]["x-new"], json!(1));
        assert_eq!(made.steps[0].corrected.len(), 1);
        assert_eq!(made.steps[1].corrected.len(), 0);
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
