//! Whether a JSON document has the members of another.

use serde_json::Value;

/// Whether `whole` has everything that `part` has: objects may have more
/// members, everything else must be equal.
pub(crate) fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| is_part(part, whole))),
        (part, whole) => part == whole,
    }
}
