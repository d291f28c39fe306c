//! Applying overlays to one published document.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    json::{child, same, short},
    overlay::{Action, Change, Overlay},
    problem::{Problem, Problems},
};

/// Applies the overlays, in the order given, to a document.
///
/// `document_file` is the published file, relative to the workspace; overlays
/// that do not apply to it are passed over.
///
/// # Errors
///
/// The first action that cannot be applied as it says: its target is missing,
/// an expectation fails, it changes nothing, or it contradicts an earlier file.
pub fn apply(
    document_file: &str,
    document: &mut Value,
    overlays: &[Overlay],
) -> Result<(), Problems> {
    let name = document_file.rsplit('/').next().unwrap_or(document_file);
    let mut written = Written::default();
    for overlay in overlays {
        if let Some(names) = &overlay.applies_to
            && !names.iter().any(|other| other == name)
        {
            continue;
        }
        for (index, action) in overlay.actions.iter().enumerate() {
            Application {
                document_file,
                overlay,
                action,
                index,
            }
            .apply(document, &mut written)?;
        }
    }
    Ok(())
}

/// What overlays have written so far: the value and the file, by JSON pointer
/// of each leaf. A removal is a leaf without a value.
#[derive(Default)]
struct Written(BTreeMap<String, (Option<Value>, String)>);

impl Written {
    /// The file that wrote something else to this place before, if any.
    fn contradiction(&self, pointer: &str, value: Option<&Value>) -> Option<&str> {
        self.0
            .iter()
            .find(|(place, (earlier, _))| {
                if *place == pointer {
                    earlier.as_ref() != value
                } else {
                    // A leaf above or below: one file made a value where the
                    // other made an object, or removed the place altogether.
                    let is_inside = |inner: &str, outer: &str| {
                        inner
                            .strip_prefix(outer)
                            .is_some_and(|rest| rest.starts_with('/'))
                    };
                    is_inside(place, pointer) || is_inside(pointer, place)
                }
            })
            .map(|(_, (_, file))| file.as_str())
    }
}

/// One action on its way into a document, with what its messages need.
struct Application<'a> {
    document_file: &'a str,
    overlay: &'a Overlay,
    action: &'a Action,
    index: usize,
}

impl Application<'_> {
    fn problem(&self, message: String, help: String) -> Problems {
        Problem::new(
            &self.overlay.file,
            format!("/actions/{}", self.index),
            message,
            help,
        )
        .into()
    }

    /// What to do when the provider has made this action unnecessary.
    fn obsolete(&self) -> String {
        let file = &self.overlay.file;
        if self.overlay.actions.len() == 1 {
            format!("the provider has corrected this: delete {file}")
        } else {
            format!(
                "the provider has corrected this: delete this action of {file}, \
                 or the file if no other action is needed"
            )
        }
    }

    fn apply(&self, document: &mut Value, written: &mut Written) -> Result<(), Problems> {
        let pointers: Vec<String> = self
            .action
            .path
            .query_located(document)
            .iter()
            .map(|node| node.location().to_json_pointer())
            .collect();
        if pointers.is_empty() {
            return Err(self.missing());
        }
        // From the last to the first, so that removing an item of a list does
        // not move the ones still to be removed.
        for pointer in pointers.iter().rev() {
            self.apply_at(pointer, document, written)?;
        }
        Ok(())
    }

    fn missing(&self) -> Problems {
        let message = format!(
            "nothing stands at {} of {}",
            self.action.target, self.document_file
        );
        let help = match self.action.change {
            Change::Remove => self.obsolete(),
            Change::Update(_) => format!(
                "look at what the provider changed in {}, then adapt the target or delete {}",
                self.document_file, self.overlay.file
            ),
        };
        self.problem(message, help)
    }

    fn apply_at(
        &self,
        pointer: &str,
        document: &mut Value,
        written: &mut Written,
    ) -> Result<(), Problems> {
        self.contradictions(pointer, written)?;
        let Some(target) = document.pointer(pointer) else {
            return Err(self.missing());
        };
        self.expectations(pointer, target)?;
        self.overwrites(pointer, target)?;
        match &self.action.change {
            Change::Remove => {
                remove(document, pointer);
                written
                    .0
                    .insert(pointer.to_owned(), (None, self.overlay.file.clone()));
            }
            Change::Update(update) => {
                let merged = self.merged(pointer, target, update)?;
                if same(&merged, target) {
                    return Err(self.problem(
                        format!(
                            "changes nothing at {} of {}",
                            self.action.target, self.document_file
                        ),
                        self.obsolete(),
                    ));
                }
                if let Some(place) = document.pointer_mut(pointer) {
                    *place = merged;
                }
                for (leaf, value) in leaves(pointer, update) {
                    written
                        .0
                        .insert(leaf, (Some(value), self.overlay.file.clone()));
                }
            }
        }
        Ok(())
    }

    fn contradictions(&self, pointer: &str, written: &Written) -> Result<(), Problems> {
        let places = match &self.action.change {
            Change::Remove => vec![(pointer.to_owned(), None)],
            Change::Update(update) => leaves(pointer, update)
                .into_iter()
                .map(|(leaf, value)| (leaf, Some(value)))
                .collect(),
        };
        for (place, value) in places {
            if let Some(other) = written.contradiction(&place, value.as_ref()) {
                return Err(self.problem(
                    format!(
                        "contradicts {other}: both write {place} of {}",
                        self.document_file
                    ),
                    "one defect has one overlay: merge the two files or delete one".to_owned(),
                ));
            }
        }
        Ok(())
    }

    fn expectations(&self, pointer: &str, target: &Value) -> Result<(), Problems> {
        let action = self.action;
        let failed = if let Some(expected) = &action.expect_exact
            && !same(expected, target)
        {
            let found = short(target);
            Some((
                pointer.to_owned(),
                format!("exactly {}", short(expected)),
                found,
            ))
        } else if let Some(expected) = &action.expect
            && let Some((place, expected, found)) = mismatch(pointer, target, expected)
        {
            let found = found.map_or("nothing".to_owned(), short);
            Some((place, short(expected), found))
        } else if !action.expect_absent.is_empty() && !target.is_object() {
            Some((pointer.to_owned(), "an object".to_owned(), short(target)))
        } else {
            action.expect_absent.iter().find_map(|name| {
                let found = target.get(name.as_str())?;
                Some((child(pointer, name), "nothing".to_owned(), short(found)))
            })
        };
        let Some((place, expected, found)) = failed else {
            return Ok(());
        };
        let already = match &action.change {
            Change::Update(update) => mismatch(pointer, target, update).is_none(),
            Change::Remove => false,
        };
        let help = if already {
            self.obsolete()
        } else {
            format!(
                "the provider has changed this: look at it, then adapt or delete {}",
                self.overlay.file
            )
        };
        Err(self.problem(
            format!(
                "expected {expected} at {place} of {}, found {found}",
                self.document_file
            ),
            help,
        ))
    }

    /// Whatever an update writes over must be expected, or it would mask what
    /// the provider adds there; what stands there already is corrected.
    fn overwrites(&self, pointer: &str, target: &Value) -> Result<(), Problems> {
        let Change::Update(update) = &self.action.change else {
            return Ok(());
        };
        let expected = |place: &str| {
            self.action.expect_exact.is_some()
                || self
                    .action
                    .expect
                    .as_ref()
                    .is_some_and(|expected| expected.pointer(place).is_some())
        };
        for (place, value) in leaves("", update) {
            // The target itself: a list that is appended to.
            let Some(found) = target.pointer(&place).filter(|_| !place.is_empty()) else {
                continue;
            };
            let place_in_document = format!("{pointer}{place}");
            if same(found, &value) {
                return Err(self.problem(
                    format!(
                        "writes what stands at {place_in_document} of {} already",
                        self.document_file
                    ),
                    self.obsolete(),
                ));
            }
            if !expected(&place) {
                return Err(self.problem(
                    format!(
                        "would write over {} at {place_in_document} of {}, which it does not expect",
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
        }
        Ok(())
    }

    fn merged(&self, pointer: &str, target: &Value, update: &Value) -> Result<Value, Problems> {
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
            _ => {
                return Err(self.problem(
                    format!(
                        "cannot merge {} into {} at {pointer} of {}",
                        short(update),
                        short(target),
                        self.document_file
                    ),
                    "an update needs an object into an object, or a target that is a list"
                        .to_owned(),
                ));
            }
        }
        Ok(merged)
    }
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
        apply("openapi/published/p.json", &mut document, overlays)
            .map_err(|problems| problems.to_string())?;
        Ok(document)
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
    fn an_overlay_of_another_document_is_passed_over() {
        let mut other = overlay("o.json", update("$.nothing", json!(1), json!({})));
        other.applies_to = Some(vec!["q.json".to_owned()]);
        assert_eq!(run(json!({"a": 1}), &[other]).unwrap(), json!({"a": 1}));
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
                "o.json: /actions/0: nothing stands at $.n of openapi/published/p.json\n  help: look at what the provider changed in openapi/published/p.json, then adapt the target or delete o.json",
                "o.json: /actions/0: expected \"number\" at /n/type of openapi/published/p.json, found \"string\"\n  help: the provider has changed this: look at it, then adapt or delete o.json",
                "o.json: /actions/0: expected \"number\" at /n/type of openapi/published/p.json, found \"integer\"\n  help: the provider has corrected this: delete o.json",
                "o.json: /actions/0: writes what stands at /n/type of openapi/published/p.json already\n  help: the provider has corrected this: delete o.json",
                "o.json: /actions/0: would write over 7 at /n/maximum of openapi/published/p.json, which it does not expect\n  help: the provider has added this: look at it, then name it in x-expect, or delete o.json",
                "o.json: /actions/0: changes nothing at $.n of openapi/published/p.json\n  help: the provider has corrected this: delete o.json",
                "o.json: /actions/0: expected nothing at /n/type of openapi/published/p.json, found \"number\"\n  help: the provider has changed this: look at it, then adapt or delete o.json",
                "o.json: /actions/0: expected exactly {\"type\":\"string\"} at /n of openapi/published/p.json, found {\"type\":\"number\"}\n  help: the provider has changed this: look at it, then adapt or delete o.json",
                "o.json: /actions/0: nothing stands at $.n of openapi/published/p.json\n  help: the provider has corrected this: delete o.json",
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
}
