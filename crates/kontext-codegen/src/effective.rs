//! The fifth step: makes the effective document, which everything else is generated from.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    document::{self, Input},
    hoist, merge,
    normalise::{self, Normalised},
    origins::{Origins, Part},
    overlay::{self, Overlay},
    pages,
    problem::{Problem, Problems},
    prune, supported,
};

/// The effective document and how it was made.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    /// The document: OpenAPI 3.0, without the header that codegen adds.
    pub(crate) document: Value,
    /// The steps applied to each published document.
    pub(crate) steps: Vec<Steps>,
    /// The origins of its parts.
    pub(crate) origins: Origins,
}

/// The steps applied to one published document.
#[derive(Clone, Debug)]
pub struct Steps {
    /// The published file, relative to the workspace.
    pub file: String,
    /// The overlays that apply to it: file and title.
    pub corrected: Vec<(String, String)>,
    /// The number of unreachable components removed.
    pub pruned: usize,
    /// Repairs that don't change the meaning.
    pub normalised: Vec<Normalised>,
}

/// Makes the effective document from the published documents and overlays.
///
/// # Errors
///
/// All problems of all overlays and documents; each document stops at its first failing
/// step.
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
    described_twice(published, &mut problems);
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
    let shared = merge::shared(&parts);
    let mut problems = Vec::new();
    for part in &mut parts {
        let named = pages::name(part, &shared);
        match named.and_then(|()| hoist::hoist(&part.file, &mut part.document)) {
            Ok(components) => part.components = components,
            Err(more) => problems.extend(more.0),
        }
    }
    Problems::none_or(problems)?;
    let (mut document, origins) = merge::merge(parts, &shared)?;
    document.sort_all_objects();
    Ok(Effective {
        document,
        steps,
        origins,
    })
}

/// Runs every step for one document.
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
    // Before hoisting, so that pointers are those of the published file.
    supported::check(file, &document)?;
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
        components: BTreeMap::new(),
    };
    Ok((part, steps))
}

/// Rejects overlays for documents that don't exist: they would silently correct nothing.
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
                    format!("no document {pattern} in openapi/published or openapi/described"),
                    "correct the name, or delete the overlay with its document",
                ));
            }
        }
    }
}

/// Rejects two files with one name: an imported page replaces our handwritten version.
fn described_twice(published: &[Input], problems: &mut Vec<Problem>) {
    let name = |input: &Input| input.file.rsplit('/').next().map(str::to_owned);
    for (index, input) in published.iter().enumerate() {
        if let Some(other) = published[..index]
            .iter()
            .find(|other| name(other) == name(input))
        {
            problems.push(Problem::new(
                &input.file,
                "",
                format!("{} is the same page", other.file),
                "delete the one in openapi/described: the published page takes its place",
            ));
        }
    }
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
    fn merges_documents_unless_they_conflict() {
        let both = effective(&[input("a.json", "/a", ""), input("b.json", "/b", "")], &[]).unwrap();
        let paths: Vec<_> = both.document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/a", "/b"]);
        // Documentation may differ.
        let (one, other) = (input("a.json", "/a", "x"), input("b.json", "/a", "y"));
        assert!(effective(&[one.clone(), other.clone()], &[]).is_ok());
        // Something missing is reported in the file where it is missing.
        let secured = Input {
            text: other.text.replacen('{', r#"{"security":[{}],"#, 1),
            ..other.clone()
        };
        let error = effective(&[one.clone(), secured], &[]).unwrap_err();
        let first = "b.json: /security: [{}] differs from nothing at /security of a.json\n";
        assert!(error.to_string().starts_with(first), "{error}");
        let other = Input {
            text: other
                .text
                .replace(r#"{"type":"object"}"#, r#"{"type":"string"}"#),
            ..other
        };
        let error = effective(&[one, other], &[]).unwrap_err().to_string();
        let at = "/paths/~1a/get/responses/200/content/application~1json/schema/type";
        let first = format!("b.json: {at}: \"string\" differs from \"object\" at {at} of a.json\n");
        assert!(error.starts_with(&first), "{error}");
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
    fn reports_problems_of_all_inputs_at_once() {
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
                "o1.json: /x-applies-to: no document c.json in openapi/published or openapi/described",
                "o3.json: /actions/0: expected an object at /info/title of a-1.json, found \"t\"",
                "b.json: /paths/b: expected a path that starts with \"/\", found \"b\"; its operations would be left out",
            ]
        );
    }

    #[test]
    fn missing_target_is_not_reported_if_overlay_is_unreadable() {
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
    fn overlay_for_another_document_is_skipped() {
        let documents = [input("a.json", "/a", ""), input("b.json", "/b", "")];
        let made = effective(&documents, &[overlay("o.json", &["a*"], "$.paths['/a']")]).unwrap();
        assert_eq!(made.document["paths"]["/a"]["x-new"], json!(1));
        assert_eq!(made.steps[0].corrected.len(), 1);
        assert_eq!(made.steps[1].corrected.len(), 0);
    }

    #[test]
    fn no_documents_is_an_error() {
        let error = effective(&[], &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("openapi/published: no document"),
            "{error}"
        );
    }
}
