//! What a value costs a validator, before it is asked.

use std::collections::HashMap;

use serde_json::Value;

/// About how many schemas a validator looks at for a small value.
///
/// Schemas that hold for one value (`allOf`, unions, references) are all looked at,
/// each time that something leads to them; of those of its members, one after the
/// other is. A hostile document makes this a power of its size.
pub(crate) fn price(schema: &Value) -> u64 {
    let mut known = HashMap::new();
    of(schema, schema, &mut known, 0)
}

/// How deep schemas are followed; a small value is not deeper.
const DEPTH: usize = 200;

fn of<'s>(
    schema: &'s Value,
    root: &'s Value,
    known: &mut HashMap<&'s str, u64>,
    depth: usize,
) -> u64 {
    if depth > DEPTH {
        return 1;
    }
    let Some(members) = schema.as_object() else {
        return 1;
    };
    let mut together: u64 = 1;
    let mut inside: u64 = 0;
    for (name, value) in members {
        let each: Vec<&Value> = match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(map) if name == "properties" => map.values().collect(),
            other => vec![other],
        };
        match name.as_str() {
            "allOf" | "anyOf" | "oneOf" | "not" => {
                for part in each {
                    together = together.saturating_add(of(part, root, known, depth + 1));
                }
            }
            "properties" | "items" | "additionalProperties" => {
                for part in each {
                    inside = inside.max(of(part, root, known, depth + 1));
                }
            }
            "$ref" => {
                let name = value.as_str().unwrap_or_default();
                let price = match known.get(name) {
                    Some(price) => *price,
                    None => {
                        // Of itself, until it is known.
                        known.insert(name, 1);
                        let target = name.strip_prefix('#').and_then(|at| root.pointer(at));
                        let price = target.map_or(1, |target| of(target, root, known, depth + 1));
                        known.insert(name, price);
                        price
                    }
                };
                together = together.saturating_add(price);
            }
            _ => {}
        }
    }
    let price = together.saturating_add(inside);
    if members.contains_key("unevaluatedProperties") {
        price.saturating_mul(3) // It looks at all of them again.
    } else {
        price
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forks_are_expensive_and_depth_is_not() {
        let forks = |count: usize| {
            let mut definitions = json!({"0": {"type": "integer"}});
            for index in 1..=count {
                let below = json!({"$ref": format!("#/$defs/{}", index - 1)});
                definitions[index.to_string()] = json!({"allOf": [below, below]});
            }
            json!({"$ref": format!("#/$defs/{count}"), "$defs": definitions})
        };
        assert!(price(&forks(5)) < 500);
        assert!(price(&forks(40)) > 1 << 40);
        let mut deep = json!({"type": "integer"});
        for _ in 0..100 {
            deep = json!({"properties": {"a": deep, "b": {"type": "string"}}});
        }
        assert!(price(&deep) < 500);
        let cycle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}}});
        assert!(price(&cycle) < 10);
    }
}
