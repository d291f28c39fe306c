//! The shape of a JSON body: its keys and the types of its values, not the values.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    contract::violations::{self, Step},
    verify::Drift,
};

/// The shape at one place, merged over all entries of enclosing lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shape {
    types: BTreeSet<&'static str>,
    /// The keys of objects, and how many of the objects contain each.
    keys: BTreeMap<String, (Shape, usize)>,
    objects: usize,
    entries: Option<Box<Shape>>,
}

/// Lists the differences between the shapes of a recorded and a live body. Values
/// inside a key of `maps` are data and are not compared.
pub(crate) fn drift(recorded: &Value, live: &Value, maps: &BTreeSet<String>) -> Vec<Drift> {
    let mut found = Vec::new();
    let shape = |value| {
        let mut shape = Shape::default();
        shape.add(value);
        shape
    };
    compare(
        &shape(recorded),
        &shape(live),
        maps,
        &mut Vec::new(),
        &mut found,
    );
    found
}

impl Shape {
    fn add(&mut self, value: &Value) {
        self.types.insert(match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        });
        match value {
            Value::Array(entries) => {
                let shape = self.entries.get_or_insert_default();
                for entry in entries {
                    shape.add(entry);
                }
            }
            Value::Object(members) => {
                self.objects += 1;
                for (key, value) in members {
                    let (shape, count) = self.keys.entry(key.clone()).or_default();
                    shape.add(value);
                    *count += 1;
                }
            }
            _ => {}
        }
    }

    fn words(&self) -> String {
        let words: Vec<_> = self.types.iter().copied().collect();
        words.join(" or ")
    }

    /// How often a key occurs in its objects.
    fn presence(&self, count: usize) -> &'static str {
        if count == self.objects {
            "always there"
        } else {
            "there now and then"
        }
    }
}

fn compare(
    recorded: &Shape,
    live: &Shape,
    maps: &BTreeSet<String>,
    place: &mut Vec<Step>,
    found: &mut Vec<Drift>,
) {
    let drift = |place: &[Step], recorded: String, live: String| Drift {
        pointer: violations::pointer(place),
        recorded,
        live,
    };
    if recorded.types != live.types {
        found.push(drift(place, recorded.words(), live.words()));
    }
    if let Some(Step::Key(key)) = place.last()
        && maps.contains(key)
    {
        return;
    }
    if recorded.objects > 0 && live.objects > 0 {
        let keys: BTreeSet<_> = recorded.keys.keys().chain(live.keys.keys()).collect();
        for key in keys {
            place.push(Step::Key(key.clone()));
            match (recorded.keys.get(key), live.keys.get(key)) {
                (Some((one, of_recorded)), Some((other, of_live))) => {
                    let before = recorded.presence(*of_recorded);
                    let now = live.presence(*of_live);
                    if before != now {
                        found.push(drift(place, before.to_owned(), now.to_owned()));
                    }
                    compare(one, other, maps, place, found);
                }
                (Some((one, _)), None) => {
                    found.push(drift(place, one.words(), "nothing".to_owned()));
                }
                (None, Some((other, _))) => {
                    found.push(drift(place, "nothing".to_owned(), other.words()));
                }
                (None, None) => {}
            }
            place.pop();
        }
    }
    if let (Some(one), Some(other)) = (&recorded.entries, &live.entries) {
        place.push(Step::Key("*".to_owned()));
        // An empty list says nothing about its entries, and differs from one that has
        // some.
        match (one.types.is_empty(), other.types.is_empty()) {
            (false, false) => compare(one, other, maps, place, found),
            (true, true) => {}
            (true, false) => found.push(drift(place, "nothing".to_owned(), other.words())),
            (false, true) => found.push(drift(place, one.words(), "nothing".to_owned())),
        }
        place.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(recorded: &Value, live: &Value) -> Vec<String> {
        let maps = BTreeSet::from(["timings".to_owned()]);
        drift(recorded, live, &maps)
            .into_iter()
            .map(|one| format!("{}: {} -> {}", one.pointer, one.recorded, one.live))
            .collect()
    }

    #[test]
    fn different_values_are_no_drift() {
        for (recorded, live) in [
            (
                json!({"a": 1, "b": ["x"]}),
                json!({"b": ["y", "z"], "a": 2.5}),
            ),
            (json!([{"a": 1}, {}]), json!([{}, {"a": 2}, {}])),
            (json!([]), json!([])),
        ] {
            assert_eq!(found(&recorded, &live), [""; 0]);
            assert_eq!(found(&live, &recorded), [""; 0]);
        }
    }

    #[test]
    fn different_keys_and_types_are_drift() {
        for (recorded, live, expected) in [
            (json!({}), json!({"a~": 1}), "/a~0: nothing -> a number"),
            (json!({"a": null}), json!({"a": 1}), "/a: null -> a number"),
            (
                json!([1, null]),
                json!([1]),
                "/*: a number or null -> a number",
            ),
            (
                json!({"l": [{"a": 1}]}),
                json!({"l": [{"a": 1}, {}]}),
                "/l/*/a: always there -> there now and then",
            ),
            (
                json!({"timings": {}}),
                json!({"timings": []}),
                "/timings: an object -> a list",
            ),
            (json!([]), json!({}), ": a list -> an object"),
            (json!([]), json!([1]), "/*: nothing -> a number"),
        ] {
            assert_eq!(found(&recorded, &live), [expected]);
        }
    }
}
