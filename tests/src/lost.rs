//! What decoding has lost of a value.

use serde_json::Value;

/// The JSON pointers of values in `sent` that `kept` lacks or has changed.
///
/// A null may disappear: it means no value. Numbers of another type (1 and 1.0) count as
/// lost on purpose: an integer decoded as a float would be sent as one.
#[must_use]
pub fn lost_paths(sent: &Value, kept: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    walk(sent, Some(kept), "", &mut lost);
    lost
}

fn walk(sent: &Value, kept: Option<&Value>, at: &str, lost: &mut Vec<String>) {
    match (sent, kept) {
        (Value::Null, _) => {}
        (Value::Object(members), Some(Value::Object(kept))) => {
            for (name, member) in members {
                walk(member, kept.get(name), &format!("{at}/{name}"), lost);
            }
        }
        (Value::Array(items), Some(Value::Array(kept))) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, kept.get(index), &format!("{at}/{index}"), lost);
            }
        }
        (sent, Some(kept)) if sent == kept => {}
        _ => lost.push(at.to_owned()),
    }
}
