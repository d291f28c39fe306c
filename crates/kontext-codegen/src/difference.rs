//! Differences between two schemas or other parts of documents.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::json::{LIMITS, array, child, same, short};

/// Which aspects of two schemas are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// Everything that affects the wire format.
    Wire,
    /// Only the Rust type of a value, not its limits.
    Types,
}

/// A place in a document and the value there.
#[derive(Clone, Debug)]
pub(crate) struct Side<'a> {
    document: &'a Value,
    value: Option<&'a Value>,
    at: String,
}

impl<'a> Side<'a> {
    pub(crate) fn new(document: &'a Value, value: &'a Value, at: &str) -> Self {
        Self {
            document,
            value: Some(value),
            at: at.to_owned(),
        }
    }

    pub(crate) fn at(document: &'a Value, at: &str) -> Self {
        Self {
            document,
            value: document.pointer(at),
            at: at.to_owned(),
        }
    }

    /// Follows references, including nullable ones; also returns whether null is allowed
    /// and whether there was a reference.
    fn meant(mut self) -> (Self, bool, bool) {
        let (mut is_nullable, mut is_reference) = (false, false);
        while let Some(members) = self.value.and_then(Value::as_object) {
            is_nullable |= members.get("nullable") == Some(&json!(true));
            let only = match array(members, "allOf") {
                [only] => only.get("$ref"),
                _ => members.get("$ref"),
            };
            let pointer = only
                .and_then(Value::as_str)
                .and_then(|text| text.strip_prefix('#'));
            let Some((pointer, target)) =
                pointer.and_then(|at| Some((at, self.document.pointer(at)?)))
            else {
                break;
            };
            is_reference = true;
            self = Self::new(self.document, target, pointer);
        }
        (self, is_nullable, is_reference)
    }

    fn child(&self, name: &str) -> Self {
        Self {
            document: self.document,
            value: self.value.and_then(|value| match value {
                Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                value => value.get(name),
            }),
            at: child(&self.at, name),
        }
    }

    fn found(self) -> (String, String) {
        let text = self.value.map_or_else(|| "nothing".to_owned(), short);
        (self.at, text)
    }
}

/// The place where two documents differ: a pointer and a description for each.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) first: (String, String),
    pub(crate) second: (String, String),
}

impl Difference {
    /// A message about the second place; the argument is the origin of the first.
    pub(crate) fn message(&self, (file, at): &(String, String)) -> String {
        format!(
            "{} differs from {} at {at} of {file}",
            self.second.1, self.first.1
        )
    }
}

/// The first place where two values differ in more than documentation. References are
/// followed; `seen` holds the pairs already compared.
pub(crate) fn difference(
    first: Side<'_>,
    second: Side<'_>,
    compare: Compare,
    seen: &mut BTreeSet<(String, String)>,
) -> Option<Difference> {
    walk(first, second, false, compare, seen)
}

fn walk(
    first: Side<'_>,
    second: Side<'_>,
    are_names: bool,
    compare: Compare,
    seen: &mut BTreeSet<(String, String)>,
) -> Option<Difference> {
    let ((first, first_null, left), (second, second_null, right)) = match are_names {
        true => ((first, false, false), (second, false, false)),
        false => (first.meant(), second.meant()),
    };
    let is_component =
        |side: &Side<'_>| side.at.starts_with("/components/") && side.at.matches('/').count() == 3;
    let is_known = left || right || (is_component(&first) && is_component(&second));
    if is_known && !seen.insert((first.at.clone(), second.at.clone())) {
        return None;
    }
    let differs = |first: Side<'_>, second: Side<'_>| {
        Some(Difference {
            first: first.found(),
            second: second.found(),
        })
    };
    match (first.value, second.value) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            if first_null != second_null {
                return differs(first, second);
            }
            let is_signed = |members: &Map<String, Value>| {
                let minimum = members.get("minimum").and_then(Value::as_f64);
                !minimum.is_some_and(|minimum| minimum >= 0.0)
            };
            let is_integer =
                |members: &Map<String, Value>| members.get("type") == Some(&json!("integer"));
            if compare == Compare::Types
                && is_integer(one)
                && is_integer(other)
                && is_signed(one) != is_signed(other)
            {
                return differs(first, second);
            }
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let mut names = names.into_iter().filter(|name| {
                let is_ignored = is_documentation(name)
                    || name.as_str() == "nullable"
                    || (compare == Compare::Types && LIMITS.contains(&name.as_str()));
                are_names || !is_ignored
            });
            names.find_map(|name| {
                let (first, second) = (first.child(name), second.child(name));
                let is_set = !are_names && ["required", "enum"].contains(&name.as_str());
                match (first.value, second.value) {
                    (Some(Value::Array(one)), Some(Value::Array(other))) if is_set => {
                        let all_in = |one: &[Value], other: &[Value]| {
                            one.iter()
                                .all(|value| other.iter().any(|one| same(one, value)))
                        };
                        let is_same = all_in(one, other) && all_in(other, one);
                        (!is_same).then(|| differs(first, second)).flatten()
                    }
                    _ => walk(
                        first,
                        second,
                        !are_names && name == "properties",
                        compare,
                        seen,
                    ),
                }
            })
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if one.len() == other.len() => {
            (0..one.len()).find_map(|index| {
                let index = index.to_string();
                walk(
                    first.child(&index),
                    second.child(&index),
                    false,
                    compare,
                    seen,
                )
            })
        }
        (Some(one), Some(other)) if same(one, other) => None,
        (None, None) => None,
        _ => differs(first, second),
    }
}

/// Whether a member is documentation, with no effect on the wire format.
pub(crate) fn is_documentation(name: &str) -> bool {
    match name {
        "title" | "summary" | "description" | "example" | "examples" | "externalDocs"
        | "deprecated" | "tags" => true,
        "x-open-map" | "x-enum-names" => false,
        name => name.starts_with("x-"),
    }
}
