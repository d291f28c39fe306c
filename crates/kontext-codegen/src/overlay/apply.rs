//! Applying overlays to one published document.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::{
    json::{child, same, short},
    overlay::{Action, Change, Overlay},
    problem::Problem,
};

/// Applies overlays, in the order given, to a document, and returns what is wrong.
///
/// `document_file` is the published file, relative to the workspace; `overlays` are
/// those for it, each with the number of documents that it is for. An action that fails
/// is applied all the same where that can be done, so that the actions that build on it
/// are judged by themselves: the document is of no use then, but for that. Where
/// `is_complete` is false, an overlay could not be read, and a target that is missing may
/// be its to write: it is not reported.
pub(crate) fn apply(
    document_file: &str,
    document: &mut Value,
    overlays: &[(&Overlay, usize)],
    is_complete: bool,
) -> Vec<Problem> {
    let mut written = Written::default();
    let mut problems = Vec::new();
    for (overlay, documents) in overlays {
        for (index, action) in overlay.actions.iter().enumerate() {
            let application = Application {
                document_file,
                overlay,
                documents: *documents,
                action,
                index,
            };
            application.apply(document, &mut written, is_complete, &mut problems);
        }
    }
    problems
}

/// What overlays have written so far: the value and the file, by JSON pointer
/// of each leaf. A removal is a leaf without a value.
#[derive(Default)]
struct Written(BTreeMap<String, (Option<Value>, String)>);

impl Written {
    /// The file that wrote to this place, above it or below it before, with what it
    /// wrote if it is exactly this place.
    fn at(&self, pointer: &str) -> Option<(&str, Option<&Option<Value>>)> {
        if let Some((value, file)) = self.0.get(pointer) {
            return Some((file, Some(value)));
        }
        // A leaf above or below: one file made a value where the other made an object,
        // or removed the place altogether.
        let is_inside = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let mut others = self.0.iter();
        let other =
            others.find(|(place, _)| is_inside(place, pointer) || is_inside(pointer, place));
        other.map(|(_, (_, file))| (file.as_str(), None))
    }
}

/// One action on its way into a document, with what its messages need.
struct Application<'a> {
    document_file: &'a str,
    overlay: &'a Overlay,
    /// How many documents the overlay is for.
    documents: usize,
    action: &'a Action,
    index: usize,
}

/// What keeps an action from one of its targets.
enum Obstacle {
    /// The provider has corrected what the action corrects.
    Corrected(String),
    /// Anything else: the message, and what to do.
    Other(String, String),
}

impl Application<'_> {
    fn problem(&self, message: String, help: String) -> Problem {
        let place = format!("/actions/{}", self.index);
        Problem::new(&self.overlay.file, place, message, help)
    }

    /// What to do when the provider has made this action unnecessary: of `targets` that
    /// it has in this document, for `corrected` of them.
    fn obsolete(&self, corrected: usize, targets: usize) -> String {
        let file = &self.overlay.file;
        let document = self.document_file;
        if corrected < targets {
            format!(
                "the provider has corrected this at {corrected} of {targets} targets: narrow the \
                 target to the others"
            )
        } else if self.documents > 1 {
            format!(
                "the provider has corrected this in {document}: leave it out of x-applies-to of \
                 {file}, if nothing else in the overlay is for it"
            )
        } else if self.overlay.actions.len() == 1 {
            format!("the provider has corrected this: delete {file}")
        } else {
            format!(
                "the provider has corrected this: delete this action of {file}, \
                 or the file if no other action is needed"
            )
        }
    }

    fn apply(
        &self,
        document: &mut Value,
        written: &mut Written,
        is_complete: bool,
        problems: &mut Vec<Problem>,
    ) {
        let pointers = located(&self.action.path, document);
        if pointers.is_empty() {
            if is_complete {
                problems.push(self.missing(document, written));
            }
            return;
        }
        let mut obstacles = Vec::new();
        // From the last to the first, so that removing an item of a list does
        // not move the ones still to be removed.
        for pointer in pointers.iter().rev() {
            let Some(target) = document.pointer(pointer) else {
                continue;
            };
            obstacles.extend(self.obstacle(pointer, target, written));
            self.write(pointer, document, written);
        }
        let is_corrected = |obstacle: &&Obstacle| matches!(obstacle, Obstacle::Corrected(_));
        let corrected = obstacles.iter().filter(is_corrected).count();
        for obstacle in obstacles.into_iter().rev() {
            problems.push(match obstacle {
                Obstacle::Corrected(message) => {
                    self.problem(message, self.obsolete(corrected, pointers.len()))
                }
                Obstacle::Other(message, help) => self.problem(message, help),
            });
        }
    }

    /// A target that is not there. What was to be removed is corrected only if its parent
    /// stands as it did: or else it may stand under another name.
    fn missing(&self, document: &Value, written: &Written) -> Problem {
        let (target, document_file) = (&self.action.target, self.document_file);
        let message = format!("nothing at {target} of {document_file}");
        let look = |hint: &str| {
            format!(
                "look at what the provider changed in {document_file}{hint}, then adapt the \
                 target; delete {} only if the defect is gone",
                self.overlay.file
            )
        };
        let removed = match &self.action.change {
            Change::Remove => self.action.expect_exact.as_ref(),
            Change::Update(_) => None,
        };
        let (Some(removed), Some((parent, name))) = (removed, split(target)) else {
            return self.problem(message, look(""));
        };
        let parents = JsonPath::parse(parent).map(|path| located(&path, document));
        let parents = parents.unwrap_or_default();
        let elsewhere = |root: &str| {
            let mut places = Vec::new();
            if let Some(value) = document.pointer(root) {
                find(value, root, &name, removed, &mut places);
            }
            let known = |place: &&String| !parents.iter().any(|one| **place == child(one, &name));
            let places: Vec<String> = places.iter().filter(known).take(3).cloned().collect();
            places
        };
        let [parent] = &parents[..] else {
            let hint = match &elsewhere("")[..] {
                [] if parents.is_empty() => " (what it stood in is gone, too)".to_owned(),
                [] => String::new(),
                places => format!(" (the same value stands at {})", places.join(", ")),
            };
            return self.problem(message, look(&hint));
        };
        if let Some((file, _)) = written.at(&child(parent, &name)) {
            let help = "one defect has one overlay: merge the two files or delete one";
            return self.problem(format!("{message}: {file} removes it"), help.to_owned());
        }
        let inside = elsewhere(parent);
        if !inside.is_empty() {
            let hint = format!(" (the same value stands at {})", inside.join(", "));
            return self.problem(message, look(&hint));
        }
        let stands = match document.pointer(parent) {
            // What a reference or a part says is said of the parent, too.
            Some(Value::Object(members)) => ["$ref", "allOf", "anyOf", "oneOf"]
                .iter()
                .all(|other| !members.contains_key(*other)),
            Some(Value::Array(items)) => !items.iter().any(|item| same(item, removed)),
            _ => false,
        };
        if !stands {
            let hint = format!(" ({parent} has another form)");
            return self.problem(message, look(&hint));
        }
        let beside = parent.rsplit_once('/').map_or("", |(above, _)| above);
        let help = match &elsewhere(beside)[..] {
            [] => self.obsolete(1, 1),
            places => format!(
                "the same value stands at {}: look at it first. Or else {}",
                places.join(", "),
                self.obsolete(1, 1)
            ),
        };
        self.problem(message, help)
    }

    /// What keeps the action from this target, if anything does.
    fn obstacle(&self, pointer: &str, target: &Value, written: &Written) -> Option<Obstacle> {
        let other = self.other_file(pointer, written);
        let other = other.or_else(|| self.expectations(pointer, target, written));
        let other = other.or_else(|| self.overwrites(pointer, target));
        other.or_else(|| match &self.action.change {
            Change::Remove => None,
            Change::Update(update) => match merged(target, update) {
                Some(merged) if same(&merged, target) => Some(Obstacle::Corrected(format!(
                    "changes nothing at {} of {}",
                    self.action.target, self.document_file
                ))),
                Some(_) => None,
                None => Some(Obstacle::Other(
                    format!(
                        "cannot merge {} into {} at {pointer} of {}",
                        short(update),
                        short(target),
                        self.document_file
                    ),
                    "an update needs an object into an object, or a target that is a list"
                        .to_owned(),
                )),
            },
        })
    }

    /// Writes what the action says, as far as that can be done.
    fn write(&self, pointer: &str, document: &mut Value, written: &mut Written) {
        let file = &self.overlay.file;
        match &self.action.change {
            Change::Remove => {
                remove(document, pointer);
                written.0.insert(pointer.to_owned(), (None, file.clone()));
            }
            Change::Update(update) => {
                if let Some(place) = document.pointer_mut(pointer)
                    && let Some(merged) = merged(place, update)
                {
                    *place = merged;
                }
                for (leaf, value) in leaves(pointer, update) {
                    written.0.insert(leaf, (Some(value), file.clone()));
                }
            }
        }
    }

    /// Whether another file writes to the same place.
    fn other_file(&self, pointer: &str, written: &Written) -> Option<Obstacle> {
        let places = match &self.action.change {
            Change::Remove => vec![(pointer.to_owned(), None)],
            Change::Update(update) => leaves(pointer, update)
                .into_iter()
                .map(|(leaf, value)| (leaf, Some(value)))
                .collect(),
        };
        places.into_iter().find_map(|(place, value)| {
            let (file, other) = written.at(&place)?;
            let does = match other {
                Some(other) if *other == value => "repeats",
                _ => "contradicts",
            };
            Some(Obstacle::Other(
                format!(
                    "{does} {file}: both write {place} of {}",
                    self.document_file
                ),
                "one defect has one overlay: merge the two files or delete one".to_owned(),
            ))
        })
    }

    fn expectations(&self, pointer: &str, target: &Value, written: &Written) -> Option<Obstacle> {
        let action = self.action;
        let (place, expected, found) = if let Some(expected) = &action.expect_exact
            && !same(expected, target)
        {
            let expected = format!("exactly {}", short(expected));
            (pointer.to_owned(), expected, short(target))
        } else if let Some(expected) = &action.expect
            && let Some((place, expected, found)) = mismatch(pointer, target, expected)
        {
            let found = found.map_or("nothing".to_owned(), short);
            (place, short(expected), found)
        } else if !action.expect_absent.is_empty() && !target.is_object() {
            (pointer.to_owned(), "an object".to_owned(), short(target))
        } else {
            action.expect_absent.iter().find_map(|name| {
                let found = target.get(name.as_str())?;
                Some((child(pointer, name), "nothing".to_owned(), short(found)))
            })?
        };
        let message = format!(
            "expected {expected} at {place} of {}, found {found}",
            self.document_file
        );
        if let Some((file, _)) = written.at(&place) {
            return Some(Obstacle::Other(
                format!("{message}, which {file} has written"),
                "one defect has one overlay: merge the two files, or adapt what this one expects"
                    .to_owned(),
            ));
        }
        if let Change::Update(update) = &action.change
            && mismatch(pointer, target, update).is_none()
        {
            return Some(Obstacle::Corrected(message));
        }
        Some(Obstacle::Other(
            message,
            format!(
                "the provider has changed this: look at it, then adapt or delete {}",
                self.overlay.file
            ),
        ))
    }

    /// Whatever an update writes over must be expected, or it would mask what
    /// the provider adds there; what stands there already is corrected.
    fn overwrites(&self, pointer: &str, target: &Value) -> Option<Obstacle> {
        let Change::Update(update) = &self.action.change else {
            return None;
        };
        let expected = |place: &str| {
            self.action.expect_exact.is_some()
                || self
                    .action
                    .expect
                    .as_ref()
                    .is_some_and(|expected| expected.pointer(place).is_some())
        };
        let leaves = leaves("", update);
        let mut standing = Vec::new();
        let mut over = None;
        for (place, value) in &leaves {
            // The target itself: a list that is appended to.
            let Some(found) = target.pointer(place).filter(|_| !place.is_empty()) else {
                continue;
            };
            if same(found, value) {
                standing.push(format!("{pointer}{place}"));
            } else if !expected(place) {
                over.get_or_insert((format!("{pointer}{place}"), found));
            }
        }
        if let Some((place, found)) = over {
            return Some(Obstacle::Other(
                format!(
                    "would write over {} at {place} of {}, which it does not expect",
                    short(found),
                    self.document_file
                ),
                format!(
                    "the provider has added this: look at it, then name it in x-expect, \
                     or delete {}",
                    self.overlay.file
                ),
            ));
        }
        let first = standing.first()?;
        let message = format!(
            "writes what stands at {first} of {} already",
            self.document_file
        );
        Some(if standing.len() == leaves.len() {
            Obstacle::Corrected(message)
        } else {
            Obstacle::Other(
                message,
                format!(
                    "the provider has corrected a part of this: take {} out of the update; the \
                     rest of it is still needed",
                    standing.join(", ")
                ),
            )
        })
    }
}

/// The JSON pointers to what a path selects.
fn located(path: &JsonPath, document: &Value) -> Vec<String> {
    let nodes = path.query_located(document);
    nodes
        .iter()
        .map(|node| node.location().to_json_pointer())
        .collect()
}

/// A JSONPath without its last segment, and the name or index that this is; none if it is
/// anything else.
fn split(target: &str) -> Option<(&str, String)> {
    let mut starts = Vec::new();
    let mut brackets = 0;
    let mut quote = None;
    let mut is_escaped = false;
    for (index, c) in target.char_indices() {
        match (quote, c) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '.') if brackets == 0 => starts.push(index),
            (None, '[') => {
                if brackets == 0 {
                    starts.push(index);
                }
                brackets += 1;
            }
            (None, ']') => brackets -= 1,
            _ => {}
        }
    }
    let start = starts.pop()?;
    let (parent, last) = target.split_at(start);
    // A segment of two dots selects at any depth.
    if parent.ends_with('.') {
        return None;
    }
    let name = match last.strip_prefix('.') {
        Some(name) => name.to_owned(),
        None => {
            let inner = last.strip_prefix('[')?.strip_suffix(']')?.trim();
            let quoted = ['\'', '"']
                .into_iter()
                .find_map(|quote| inner.strip_prefix(quote)?.strip_suffix(quote));
            match quoted {
                Some(name) if !name.contains('\\') => name.to_owned(),
                None if inner.parse::<usize>().is_ok() => inner.to_owned(),
                _ => return None,
            }
        }
    };
    (name != "*").then_some((parent, name))
}

/// Every place below a value where a member of this name has this value.
fn find(value: &Value, at: &str, name: &str, wanted: &Value, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let at = child(at, key);
                if key == name && same(member, wanted) {
                    places.push(at);
                } else {
                    find(member, &at, name, wanted, places);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find(item, &child(at, &index.to_string()), name, wanted, places);
            }
        }
        _ => {}
    }
}

/// A target with an update in it: objects member by member, lists with new items at their
/// end. None if the two don't fit.
fn merged(target: &Value, update: &Value) -> Option<Value> {
    let mut merged = target.clone();
    match (&mut merged, update) {
        (Value::Object(_), Value::Object(_)) => merge(&mut merged, update),
        (Value::Array(items), update) => {
            let more = update
                .as_array()
                .map_or(std::slice::from_ref(update), Vec::as_slice);
            for item in more {
                // An item that is there already is no change.
                if !items.iter().any(|other| same(other, item)) {
                    items.push(item.clone());
                }
            }
        }
        _ => return None,
    }
    Some(merged)
}

/// The first place where `expected` does not stand in `value`, with what was
/// expected and found there: objects by member, the rest as a whole.
fn mismatch<'a>(
    pointer: &str,
    value: &'a Value,
    expected: &'a Value,
) -> Option<(String, &'a Value, Option<&'a Value>)> {
    match (value, expected) {
        (Value::Object(value), Value::Object(expected)) => {
            expected.iter().find_map(|(key, inner)| {
                let place = child(pointer, key);
                match value.get(key) {
                    Some(found) => mismatch(&place, found, inner),
                    None => Some((place, inner, None)),
                }
            })
        }
        _ if same(value, expected) => None,
        _ => Some((pointer.to_owned(), expected, Some(value))),
    }
}

/// Merges as Overlay 1.0 says: objects member by member, the rest replaced.
fn merge(target: &mut Value, update: &Value) {
    match (target, update) {
        (Value::Object(target), Value::Object(update)) => {
            for (key, value) in update {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, update) => *target = update.clone(),
    }
}

/// The leaves of an update with their pointers: what it writes.
fn leaves(pointer: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(members) if !members.is_empty() => members
            .iter()
            .flat_map(|(key, inner)| leaves(&child(pointer, key), inner))
            .collect(),
        _ => vec![(pointer.to_owned(), value.clone())],
    }
}

/// Removes the value at a pointer from its object or array.
fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        return;
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.remove(&last);
        }
        Some(Value::Array(items)) => {
            if let Ok(index) = last.parse::<usize>()
                && index < items.len()
            {
                items.remove(index);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::overlay::parse;

    fn overlay(file: &str, actions: Value) -> Overlay {
        let text = json!({
            "overlay": "1.0.0", "info": {"title": "t", "version": "1"},
            "x-reason": "r", "x-evidence": ["e"], "actions": actions
        });
        parse(file, &text.to_string()).unwrap()
    }

    fn run(document: Value, overlays: &[Overlay]) -> Result<Value, String> {
        let mut document = document;
        let overlays: Vec<(&Overlay, usize)> = overlays.iter().map(|one| (one, 1)).collect();
        let problems = apply("openapi/published/p.json", &mut document, &overlays, true);
        match &problems[..] {
            [] => Ok(document),
            problems => Err(problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")),
        }
    }

    fn update(target: &str, expect: Value, update: Value) -> Value {
        json!([{"target": target, "x-expect": expect, "update": update}])
    }

    #[test]
    fn updates_merge_and_removals_remove() {
        let document = json!({"a": {"b": 1, "c": [1]}, "d": "x", "list": [1, 2, 1]});
        let actions = json!([
            {"target": "$.a", "x-expect": {"b": 1.0}, "update": {"b": 2, "e": {"f": 1}}},
            {"target": "$.a.c", "x-expect-exact": [1], "update": 2},
            {"target": "$.d", "x-expect-exact": "x", "remove": true},
            {"target": "$.list[?@ == 1]", "x-expect-exact": 1, "remove": true},
        ]);
        assert_eq!(
            run(document, &[overlay("o.json", actions)]).unwrap(),
            json!({"a": {"b": 2, "c": [1, 2], "e": {"f": 1}}, "list": [2]})
        );
    }

    #[test]
    fn what_cannot_be_applied_names_file_action_and_place() {
        let number = || json!({"n": {"type": "number"}});
        let fix =
            |expect: Value| overlay("o.json", update("$.n", expect, json!({"type": "integer"})));
        let cases = [
            (json!({"m": 1}), fix(json!({"type": "number"}))),
            (
                json!({"n": {"type": "string"}}),
                fix(json!({"type": "number"})),
            ),
            (
                json!({"n": {"type": "integer"}}),
                fix(json!({"type": "number"})),
            ),
            (
                json!({"n": {"type": "integer"}}),
                fix(json!({"type": "integer"})),
            ),
            (
                json!({"n": {"maximum": 7}}),
                overlay(
                    "o.json",
                    json!([{"target": "$.n", "x-expect-absent": ["x"], "update": {"maximum": 5}}]),
                ),
            ),
            (
                json!({"n": ["a"]}),
                overlay(
                    "o.json",
                    json!([{"target": "$.n", "x-expect-exact": ["a"], "update": "a"}]),
                ),
            ),
            (
                number(),
                overlay(
                    "o.json",
                    json!([{"target": "$.n", "x-expect-absent": ["type"], "update": {"x": 1}}]),
                ),
            ),
            (
                number(),
                overlay(
                    "o.json",
                    json!([{"target": "$.n", "x-expect-exact": {"type": "string"}, "remove": true}]),
                ),
            ),
            (
                json!({"m": 1}),
                overlay(
                    "o.json",
                    json!([{"target": "$.n", "x-expect-exact": 1, "remove": true}]),
                ),
            ),
            (
                number(),
                overlay(
                    "o.json",
                    update("$.n.type", json!("number"), json!("integer")),
                ),
            ),
        ];
        let messages: Vec<String> = cases
            .into_iter()
            .map(|(document, overlay)| run(document, &[overlay]).unwrap_err())
            .collect();
        assert_eq!(
            messages,
            [
                "o.json: /actions/0: nothing at $.n of openapi/published/p.json\n  help: look at what the provider changed in openapi/published/p.json, then adapt the target; delete o.json only if the defect is gone",
                "o.json: /actions/0: expected \"number\" at /n/type of openapi/published/p.json, found \"string\"\n  help: the provider has changed this: look at it, then adapt or delete o.json",
                "o.json: /actions/0: expected \"number\" at /n/type of openapi/published/p.json, found \"integer\"\n  help: the provider has corrected this: delete o.json",
                "o.json: /actions/0: writes what stands at /n/type of openapi/published/p.json already\n  help: the provider has corrected this: delete o.json",
                "o.json: /actions/0: would write over 7 at /n/maximum of openapi/published/p.json, which it does not expect\n  help: the provider has added this: look at it, then name it in x-expect, or delete o.json",
                "o.json: /actions/0: changes nothing at $.n of openapi/published/p.json\n  help: the provider has corrected this: delete o.json",
                "o.json: /actions/0: expected nothing at /n/type of openapi/published/p.json, found \"number\"\n  help: the provider has changed this: look at it, then adapt or delete o.json",
                "o.json: /actions/0: expected exactly {\"type\":\"string\"} at /n of openapi/published/p.json, found {\"type\":\"number\"}\n  help: the provider has changed this: look at it, then adapt or delete o.json",
                "o.json: /actions/0: nothing at $.n of openapi/published/p.json\n  help: the provider has corrected this: delete o.json",
                "o.json: /actions/0: cannot merge \"integer\" into \"number\" at /n.type of openapi/published/p.json\n  help: an update needs an object into an object, or a target that is a list",
            ].map(|message| message.replace("/n.type", "/n/type"))
        );
    }

    #[test]
    fn two_files_that_disagree_are_found_before_anything_else() {
        let write = |file: &str, value: Value| {
            let actions = json!([{"target": "$", "x-expect-absent": ["z"], "update": value}]);
            overlay(file, actions)
        };
        let run =
            |one: Value, two: Value| run(json!({}), &[write("1.json", one), write("2.json", two)]);
        let message = run(json!({"a": {"b": 1}}), json!({"a": {"b": 2}})).unwrap_err();
        assert!(
            message.starts_with(
                "2.json: /actions/0: contradicts 1.json: both write /a/b of openapi/published/p.json"
            ),
            "{message}"
        );
        // One made a value where the other made an object.
        assert!(run(json!({"a": 1}), json!({"a": {"b": 2}})).is_err());
        assert!(run(json!({"a": {"b": 1}}), json!({"a": 2})).is_err());
        // Different places are no contradiction.
        assert!(run(json!({"a": {"b": 1}}), json!({"a": {"bc": 2}})).is_ok());
    }

    /// The advice on removing the wrong default of `ratio` from a document.
    fn advice_on_default(document: Value) -> String {
        let remove = json!([
            {"target": "$.properties.ratio.default", "x-expect-exact": "16:9", "remove": true}
        ]);
        run(document, &[overlay("o.json", remove)]).unwrap_err()
    }

    #[test]
    fn missing_target_is_corrected_only_if_its_parent_stands() {
        const DELETE: &str = "the provider has corrected this: delete o.json";
        let ratio = |schema: Value| json!({"properties": {"ratio": schema}});
        assert!(advice_on_default(ratio(json!({"type": "string"}))).contains(DELETE));
        for (document, hint) in [
            // Renamed: the wrong default stands under the new name.
            (
                json!({"properties": {"aspect": {"type": "string", "default": "16:9"}}}),
                "the same value stands at /properties/aspect/default",
            ),
            // Renamed, and the default with it: nothing is known.
            (
                json!({"properties": {"aspect": {"type": "string"}}}),
                "what it stood in is gone, too",
            ),
            // Moved away from its parent.
            (
                json!({"properties": {}, "parts": [{"default": "16:9"}]}),
                "the same value stands at /parts/0/default",
            ),
            // Moved into a branch, or behind a reference.
            (
                ratio(json!({"anyOf": [{"default": "16:9"}]})),
                "the same value stands at /properties/ratio/anyOf/0/default",
            ),
            (
                ratio(json!({"$ref": "#/components/schemas/Ratio"})),
                "/properties/ratio has another form",
            ),
            (
                ratio(json!({"allOf": [{"type": "string"}]})),
                "/properties/ratio has another form",
            ),
            (ratio(json!(["16:9"])), "/properties/ratio has another form"),
        ] {
            let advice = advice_on_default(document.clone());
            assert!(advice.contains(hint), "{document}: {advice}");
            assert!(
                !advice.contains("has corrected this"),
                "{document}: {advice}"
            );
        }
        // The old name stays beside the new one.
        let both = json!({"properties": {"ratio": {}, "aspect": {"default": "16:9"}}});
        let advice = advice_on_default(both);
        assert!(
            advice
                .contains("the same value stands at /properties/aspect/default: look at it first"),
            "{advice}"
        );
    }

    #[test]
    fn item_that_moved_in_its_list_is_not_corrected() {
        let remove = || {
            let action = json!([{"target": "$.enum[2]", "x-expect-exact": "c", "remove": true}]);
            overlay("o.json", action)
        };
        let moved = run(json!({"enum": ["c", "b"]}), &[remove()]).unwrap_err();
        assert!(moved.contains("/enum has another form"), "{moved}");
        let gone = run(json!({"enum": ["a", "b"]}), &[remove()]).unwrap_err();
        assert!(gone.contains("delete o.json"), "{gone}");
    }

    #[test]
    fn action_that_is_corrected_in_part_is_still_needed() {
        let actions = || {
            let change = json!({"type": "integer", "minimum": 1});
            overlay("o.json", update("$.n", json!({"format": "x"}), change))
        };
        let part = json!({"n": {"format": "x", "type": "integer"}});
        let message = run(part, &[actions()]).unwrap_err();
        assert!(
            message.contains("take /n/type out of the update; the rest of it is still needed"),
            "{message}"
        );
        let all = json!({"n": {"format": "x", "type": "integer", "minimum": 1}});
        let message = run(all, &[actions()]).unwrap_err();
        assert!(message.contains("delete o.json"), "{message}");

        // One of two targets.
        let both = |second: &str| json!({"l": [{"type": "integer"}, {"type": second}]});
        let fix = || {
            let change = json!({"type": "integer"});
            overlay(
                "o.json",
                update("$.l[*]", json!({"type": "number"}), change),
            )
        };
        let message = run(both("number"), &[fix()]).unwrap_err();
        assert!(
            message.contains("corrected this at 1 of 2 targets: narrow the target"),
            "{message}"
        );
        let message = run(both("integer"), &[fix()]).unwrap_err();
        assert!(message.contains("delete o.json"), "{message}");
    }

    #[test]
    fn correction_in_one_of_several_documents_keeps_the_overlay() {
        let fix = overlay(
            "o.json",
            update("$.n", json!({"type": "number"}), json!({"type": "integer"})),
        );
        let mut document = json!({"n": {"type": "integer"}});
        let problems = apply("x/p.json", &mut document, &[(&fix, 2)], true);
        assert_eq!(
            problems[0].help,
            "the provider has corrected this in x/p.json: leave it out of x-applies-to of o.json, \
             if nothing else in the overlay is for it"
        );
    }

    #[test]
    fn what_another_overlay_did_is_not_put_down_to_the_provider() {
        let integer = |file: &str| {
            let change = json!({"type": "integer"});
            overlay(file, update("$.n", json!({"type": "number"}), change))
        };
        let number = || json!({"n": {"type": "number"}});
        let repeated = run(number(), &[integer("1.json"), integer("2.json")]).unwrap_err();
        assert!(
            repeated.starts_with("2.json: /actions/0: repeats 1.json: both write /n/type of"),
            "{repeated}"
        );
        let remove = |file: &str| {
            let action =
                json!([{"target": "$.n.type", "x-expect-exact": "number", "remove": true}]);
            overlay(file, action)
        };
        let removed = run(number(), &[remove("1.json"), remove("2.json")]).unwrap_err();
        assert!(removed.contains("1.json removes it"), "{removed}");
        let after = json!([{
            "target": "$.n", "x-expect": {"type": "number"}, "update": {"minimum": 1}
        }]);
        let after = overlay("2.json", after);
        let message = run(number(), &[integer("1.json"), after]).unwrap_err();
        assert!(
            message.contains("found \"integer\", which 1.json has written"),
            "{message}"
        );
        for message in [repeated, removed, message] {
            assert!(!message.contains("the provider has"), "{message}");
        }
    }

    #[test]
    fn all_problems_come_at_once_and_cause_no_others() {
        // The first action fails and is applied all the same: the second builds on it.
        let first = json!([
            {"target": "$.n", "x-expect": {"type": "number"}, "update": {"inner": {"a": 1}}},
            {"target": "$.n.inner", "x-expect": {"a": 1}, "update": {"b": 2}}
        ]);
        let second = json!([
            {"target": "$.gone", "x-expect-absent": ["a"], "update": {"a": 1}},
            {"target": "$.m", "x-expect-exact": 2, "remove": true}
        ]);
        let overlays = [overlay("1.json", first), overlay("2.json", second)];
        let message = run(json!({"n": {"type": "string"}, "m": 1}), &overlays).unwrap_err();
        let lines: Vec<&str> = message
            .lines()
            .filter(|line| !line.starts_with("  help"))
            .collect();
        assert_eq!(
            lines,
            [
                "1.json: /actions/0: expected \"number\" at /n/type of openapi/published/p.json, found \"string\"",
                "2.json: /actions/0: nothing at $.gone of openapi/published/p.json",
                "2.json: /actions/1: expected exactly 2 at /m of openapi/published/p.json, found 1",
            ]
        );
    }

    #[test]
    fn last_segment_of_a_path_is_split_off() {
        for (path, expected) in [
            ("$.a.b", Some(("$.a", "b"))),
            ("$['a']['b/c']", Some(("$['a']", "b/c"))),
            ("$[\"a.b\"].c", Some(("$[\"a.b\"]", "c"))),
            ("$.a[2]", Some(("$.a", "2"))),
            ("$.a[?@.b == 'x.y']", None),
            ("$..a", None),
            ("$.a.*", None),
            ("$.a[*]", None),
            ("$", None),
        ] {
            let split = split(path);
            let split = split
                .as_ref()
                .map(|(parent, name)| (*parent, name.as_str()));
            assert_eq!(split, expected, "{path}");
        }
    }
}
