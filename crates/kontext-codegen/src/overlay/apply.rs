//! Applying overlays to one published document.

mod missing;

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::{
    json::{child, same, short},
    overlay::parse::{Action, Change, Overlay},
    problem::Problem,
};

/// Applies overlays to a document in the given order, and returns the problems.
///
/// `document_file` is the published file, relative to the workspace. Each overlay comes
/// with the number of documents that it applies to. A failing action is still applied where
/// possible, so that later actions that build on it are checked on their own; the document
/// must not be used then. `is_complete` is false if an overlay could not be parsed: it might
/// create a missing target, so missing targets are not reported.
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

/// What overlays have written so far: value and file by the JSON pointer of each leaf. A
/// removal is a leaf without a value.
#[derive(Default)]
struct Written(BTreeMap<String, (Option<Value>, String)>);

impl Written {
    /// The file that already wrote to this place, to a parent or to a child of it, and the
    /// value if it wrote to exactly this place.
    fn at(&self, pointer: &str) -> Option<(&str, Option<&Option<Value>>)> {
        if let Some((value, file)) = self.0.get(pointer) {
            return Some((file, Some(value)));
        }
        // A parent or child: one file wrote a value where the other wrote an object, or
        // removed the place.
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

/// One action being applied to a document, with the context for its messages.
struct Application<'a> {
    document_file: &'a str,
    overlay: &'a Overlay,
    /// How many documents the overlay applies to.
    documents: usize,
    action: &'a Action,
    index: usize,
}

/// Why an action cannot be applied to one of its targets.
enum Obstacle {
    /// The provider has already made this correction.
    Corrected(String),
    /// Anything else: the message, and how to fix it.
    Other(String, String),
}

impl Application<'_> {
    fn problem(&self, message: String, help: String) -> Problem {
        let place = format!("/actions/{}", self.index);
        Problem::new(&self.overlay.file, place, message, help)
    }

    /// What to do about an action that the provider has made unnecessary at `corrected` of
    /// its `targets` in this document.
    fn obsolete(&self, corrected: usize, targets: usize) -> String {
        let file = &self.overlay.file;
        let document = self.document_file;
        if corrected < targets {
            format!(
                "the provider has corrected this at {corrected} of {targets} targets: narrow the \
                 target to the others"
            )
        } else if self.documents > 1 && self.overlay.applies_to.is_none() {
            format!(
                "the provider has corrected this in {document}: name the other documents in \
                 x-applies-to of {file}, if nothing else in the overlay is for this one"
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
        // In reverse, so that removing an array item does not shift those still to be
        // removed.
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

    /// Why the action cannot be applied to this target, if it cannot.
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

    /// Writes the action's change as far as possible.
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

    /// A conflict with another file that writes to the same place.
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
        let file = &self.overlay.file;
        let help = match self.documents {
            0 | 1 => {
                format!("the provider has changed this: look at it, then adapt or delete {file}")
            }
            _ => format!(
                "the provider changed this page, or it differs from others that the overlay is for: look at it, then adapt \
                 {file}, or name the others in its x-applies-to and correct this page with an \
                 overlay of its own"
            ),
        };
        Some(Obstacle::Other(message, help))
    }

    /// Rejects overwriting a value that is not expected: it would mask what the provider
    /// added. An update that is already there in full counts as corrected.
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
            // An empty pointer is the target itself: an array that is appended to.
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
            "writes what is at {first} of {} already",
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

/// The JSON pointers of the nodes that a path selects.
fn located(path: &JsonPath, document: &Value) -> Vec<String> {
    let nodes = path.query_located(document);
    nodes
        .iter()
        .map(|node| node.location().to_json_pointer())
        .collect()
}

/// The target merged with an update: objects by member, arrays by appending new items. None
/// if the types don't match.
fn merged(target: &Value, update: &Value) -> Option<Value> {
    let mut merged = target.clone();
    match (&mut merged, update) {
        (Value::Object(_), Value::Object(_)) => merge(&mut merged, update),
        (Value::Array(items), update) => {
            let more = update
                .as_array()
                .map_or(std::slice::from_ref(update), Vec::as_slice);
            for item in more {
                // Items that are already there are not added again.
                if !items.iter().any(|other| same(other, item)) {
                    items.push(item.clone());
                }
            }
        }
        _ => return None,
    }
    Some(merged)
}

/// The first place where `value` differs from `expected`, with the expected and actual
/// value: objects are compared by member, everything else as a whole.
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

/// Merges as Overlay 1.0 specifies: objects by member, everything else is replaced.
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

/// The leaves that an update writes, with their pointers.
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
mod tests;
