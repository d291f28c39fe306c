//! Parses overlay documents strictly: a misspelt key would silently disable part of a
//! correction.

use serde_json::{Value, json};
use serde_json_path::JsonPath;

use crate::{
    document,
    json::{child, items, members, short},
    problem::{Found, Problems},
};

/// One overlay document: the correction of one defect.
#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    /// The file, relative to the workspace.
    pub file: String,
    /// The title: what the overlay corrects.
    pub title: String,
    /// File names of the published documents that it corrects, with `*` as a wildcard; none
    /// means all.
    pub applies_to: Option<Vec<String>>,
    /// The changes, in order.
    pub actions: Vec<Action>,
}

impl Overlay {
    /// Whether the overlay applies to this published document.
    pub(crate) fn applies_to(&self, file: &str) -> bool {
        let patterns = self.applies_to.as_ref();
        patterns.is_none_or(|all| all.iter().any(|pattern| matches(pattern, file)))
    }
}

/// Whether a pattern of `x-applies-to` matches a file's name; `*` matches any text.
#[must_use]
pub fn matches(pattern: &str, file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let Some((start, rest)) = pattern.split_once('*') else {
        return name == pattern;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match name.split_once(piece) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(end)
}

/// One change of an overlay.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    /// The target as written, an RFC 9535 JSONPath.
    pub target: String,
    /// The parsed target.
    pub path: JsonPath,
    /// The expected subset of the target's value.
    pub expect: Option<Value>,
    /// The expected value of the target as a whole.
    pub expect_exact: Option<Value>,
    /// Members that the target must not have.
    pub expect_absent: Vec<String>,
    /// The change to make.
    pub change: Change,
}

/// What an action does at its target.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Merges a value into the target.
    Update(Value),
    /// Removes the target from its object or array.
    Remove,
}

/// Parses an overlay document.
///
/// # Errors
///
/// The text is not JSON or not an Overlay 1.0 document, a key is unknown, the reason or
/// evidence is missing, or a target is not a JSONPath. Reports all problems of the file at
/// once.
pub(crate) fn parse(file: &str, text: &str) -> Result<Overlay, Problems> {
    let value = document::parse_json(file, text, "correct the overlay")?;
    let mut found = Found::new(file);
    let overlay = read(&value, &mut found);
    Problems::none_or(found.problems)?;
    Ok(overlay)
}

fn known_keys(object: &Value, at: &str, known: &[&str], found: &mut Found<'_>) {
    for (key, _) in members(object).filter(|(key, _)| !known.contains(&key.as_str())) {
        found.add(
            &child(at, key),
            format!("unknown key, expected one of {}", known.join(", ")),
            "correct the spelling or remove the key",
        );
    }
}

fn text(object: &Value, at: &str, key: &str, found: &mut Found<'_>) -> String {
    match object[key].as_str() {
        Some(text) if !text.trim().is_empty() => text.to_owned(),
        _ => {
            found.add(
                &child(at, key),
                "expected a string that is not empty",
                "add it; the overlays beside this one show the form",
            );
            String::new()
        }
    }
}

fn texts(value: &Value, at: &str, found: &mut Found<'_>) -> Vec<String> {
    let texts = items(value)
        .iter()
        .map(|item| item.as_str().map(str::to_owned));
    let texts: Option<Vec<String>> = texts.collect();
    texts.filter(|all| !all.is_empty()).unwrap_or_else(|| {
        found.add(
            at,
            "expected a list of strings that is not empty",
            "add it; the overlays beside this one show the form",
        );
        Vec::new()
    })
}

fn read(value: &Value, found: &mut Found<'_>) -> Overlay {
    known_keys(
        value,
        "",
        &[
            "overlay",
            "info",
            "x-reason",
            "x-evidence",
            "x-applies-to",
            "actions",
        ],
        found,
    );
    let version = value["overlay"].as_str();
    if !version.is_some_and(|version| version.starts_with("1.0.")) {
        found.add(
            "/overlay",
            "expected the version \"1.0.0\"",
            "write \"overlay\": \"1.0.0\"",
        );
    }
    let info = &value["info"];
    let title = text(info, "/info", "title", found);
    text(info, "/info", "version", found);
    text(value, "", "x-reason", found);
    texts(&value["x-evidence"], "/x-evidence", found);
    let applies_to = value
        .get("x-applies-to")
        .map(|names| texts(names, "/x-applies-to", found));
    let mut actions = Vec::new();
    for (index, item) in items(&value["actions"]).iter().enumerate() {
        actions.extend(action(item, &format!("/actions/{index}"), found));
    }
    if items(&value["actions"]).is_empty() {
        found.add(
            "/actions",
            "expected a list of actions that is not empty",
            "add an action, or delete the file",
        );
    }
    Overlay {
        file: found.file.to_owned(),
        title,
        applies_to,
        actions,
    }
}

fn action(action: &Value, at: &str, found: &mut Found<'_>) -> Option<Action> {
    if !action.is_object() {
        found.add(
            at,
            format!("expected an object, found {}", short(action)),
            "write the action as an object with target and update or remove",
        );
        return None;
    }
    known_keys(
        action,
        at,
        &[
            "target",
            "description",
            "x-expect",
            "x-expect-exact",
            "x-expect-absent",
            "update",
            "remove",
        ],
        found,
    );
    let target = text(action, at, "target", found);
    let path = match JsonPath::parse(&target) {
        Ok(path) => Some(path),
        Err(error) if !target.is_empty() => {
            found.add(
                &child(at, "target"),
                format!(
                    "{target} is not a JSONPath: unexpected {:?}",
                    target.get(error.position()..).unwrap_or(&target)
                ),
                "see RFC 9535; names with slashes are written ['/v1/images']",
            );
            None
        }
        Err(_) => None,
    };
    let expect = action.get("x-expect").cloned();
    let expect_exact = action.get("x-expect-exact").cloned();
    let expect_absent = match action.get("x-expect-absent") {
        Some(names) => texts(names, &child(at, "x-expect-absent"), found),
        None => Vec::new(),
    };
    let change = match (action.get("update"), action.get("remove")) {
        (Some(update), None) => {
            if *update == json!({}) || *update == json!([]) {
                found.add(
                    &child(at, "update"),
                    "the update is empty, so it changes nothing",
                    "write what it changes, or delete the action",
                );
            }
            // Every object contains the empty object.
            let is_vacuous = expect.as_ref().is_none_or(|value| *value == json!({}));
            if is_vacuous && expect_exact.is_none() && expect_absent.is_empty() {
                found.add(
                    at,
                    "expects nothing, so it could outlive its defect",
                    "say with x-expect or x-expect-absent what the provider publishes today",
                );
            }
            Some(Change::Update(update.clone()))
        }
        (None, Some(Value::Bool(true))) => {
            if expect_exact.is_none() {
                found.add(
                    &child(at, "remove"),
                    "needs x-expect-exact, all of what it removes",
                    "add x-expect-exact with the value that the provider publishes today",
                );
            }
            Some(Change::Remove)
        }
        _ => {
            found.add(
                at,
                "expected either update or \"remove\": true",
                "keep one of the two",
            );
            None
        }
    };
    Some(Action {
        target,
        path: path?,
        expect,
        expect_exact,
        expect_absent,
        change: change?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcard_matches_any_text() {
        for (pattern, file, expected) in [
            ("a.json", "x/a.json", true),
            ("a.json", "x/b.json", false),
            ("flux-*.json", "x/flux-pro.json", true),
            ("flux-*.json", "x/flux-.json", true),
            ("flux-*.json", "x/a-flux-pro.json", false),
            ("*-image.json", "x/flux-image.json", true),
            ("*-image.json", "x/flux-images.json", false),
            ("a*b*c", "x/a1b2c", true),
            ("a*b*c", "x/a1c2b", false),
            ("ab*bc", "x/abc", false),
            ("*", "x/a", true),
        ] {
            assert_eq!(matches(pattern, file), expected, "{pattern} {file}");
        }
    }

    #[test]
    fn parse_reports_all_problems_at_once() {
        let text = r#"{
            "overlay": "2.0.0", "info": {"title": ""}, "x-evidense": ["typo"],
            "actions": [
                {"target": "$.paths[", "update": {}, "x-expect-absent": ["a"]},
                {"target": "$", "remove": true},
                {"target": "$", "update": {}, "x-expect": {}},
                {"target": "$", "update": {}, "remove": true, "x-expect": 1},
                7
            ]
        }"#;
        let problems = parse("o.json", text).unwrap_err().0;
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.place, problem.message))
            .collect();
        assert_eq!(
            lines,
            [
                "/x-evidense: unknown key, expected one of overlay, info, x-reason, x-evidence, x-applies-to, actions",
                "/overlay: expected the version \"1.0.0\"",
                "/info/title: expected a string that is not empty",
                "/info/version: expected a string that is not empty",
                "/x-reason: expected a string that is not empty",
                "/x-evidence: expected a list of strings that is not empty",
                "/actions/0/target: $.paths[ is not a JSONPath: unexpected \"[\"",
                "/actions/0/update: the update is empty, so it changes nothing",
                "/actions/1/remove: needs x-expect-exact, all of what it removes",
                "/actions/2/update: the update is empty, so it changes nothing",
                "/actions/2: expects nothing, so it could outlive its defect",
                "/actions/3: expected either update or \"remove\": true",
                "/actions/4: expected an object, found 7",
            ]
        );
    }
}
