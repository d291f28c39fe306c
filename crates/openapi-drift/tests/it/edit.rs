//! Edits of JSON values, as data.

use serde_json::Value;

/// Applies edits similar to JSON Patch: `["add", pointer, value]`,
/// `["replace", pointer, value]`, `["remove", pointer]`, `["move", from, to]`.
pub(crate) fn apply(document: &mut Value, edits: &Value) {
    for edit in edits.as_array().into_iter().flatten() {
        let text = |index: usize| edit[index].as_str().unwrap();
        match text(0) {
            "add" => put(document, text(1), edit[2].clone()),
            "replace" => {
                if document.pointer(text(1)).is_some() {
                    take(document, text(1));
                }
                put(document, text(1), edit[2].clone());
            }
            "remove" => {
                take(document, text(1));
            }
            "move" => {
                let value = take(document, text(1));
                put(document, text(2), value);
            }
            other => panic!("no edit {other:?}"),
        }
    }
}

/// The pointer of the parent, and the last name, unescaped.
fn split(pointer: &str) -> (&str, String) {
    let (around, name) = pointer.rsplit_once('/').unwrap();
    (around, name.replace("~1", "/").replace("~0", "~"))
}

/// Inserts an array item before the index (`-` is the end), or sets an object
/// member.
pub(crate) fn put(document: &mut Value, pointer: &str, value: Value) {
    let (around, name) = split(pointer);
    let around = document
        .pointer_mut(around)
        .unwrap_or_else(|| panic!("nothing at {around}"));
    match around {
        Value::Object(members) => {
            members.insert(name, value);
        }
        Value::Array(items) if name == "-" => items.push(value),
        Value::Array(items) => items.insert(name.parse().unwrap(), value),
        _ => panic!("nothing can be put at {pointer}"),
    }
}

pub(crate) fn take(document: &mut Value, pointer: &str) -> Value {
    let (around, name) = split(pointer);
    match document.pointer_mut(around) {
        Some(Value::Object(members)) => members.remove(&name),
        Some(Value::Array(items)) => Some(items.remove(name.parse().unwrap())),
        _ => None,
    }
    .unwrap_or_else(|| panic!("nothing at {pointer}"))
}

/// Escapes a member's name for a pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
