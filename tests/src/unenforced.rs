//! What the contract declares and the types alone do not enforce.
//!
//! Compares the contract with the schemas that schemars derives from the types. They lack
//! lengths, bounds and counts. This list shows which, so that a limit nobody checks is
//! visible. Validation before sending enforces those of requests.

use kontext_codegen::{child, same};
use serde_json::{Map, Value, json};

/// Keywords that constrain a value.
const LIMITS: [&str; 14] = [
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "uniqueItems",
];

/// The constraints of the contract's definitions that the derived schemas of the same name
/// lack, one per line.
#[must_use]
pub fn unenforced(contract: &Map<String, Value>, derived: &Map<String, Value>) -> Vec<String> {
    let mut found = Found {
        contract,
        derived,
        lines: Vec::new(),
    };
    for (name, schema) in contract {
        match derived.get(name) {
            Some(other) => found.compare(schema, other, name),
            None => found.lines.push(format!("{name}: no type of this name")),
        }
    }
    found.lines
}

struct Found<'a> {
    contract: &'a Map<String, Value>,
    derived: &'a Map<String, Value>,
    lines: Vec<String>,
}

impl Found<'_> {
    fn compare(&mut self, declared: &Value, derived: &Value, at: &str) {
        // A reference is compared at its definition.
        if declared.get("$ref").is_some() {
            return;
        }
        let declared = without_null(declared);
        let derived = resolved(self.contract, self.derived, without_null(derived));
        for keyword in LIMITS {
            let Some(limit) = declared.get(keyword) else {
                continue;
            };
            let is_enforced = match (keyword, derived.get(keyword)) {
                ("required" | "enum", Some(other)) => sorted(limit) == sorted(other),
                // Documented variants are derived as a union of constants.
                ("enum", None) => sorted(limit) == constants(derived),
                (_, Some(other)) => same(limit, other),
                (_, None) => false,
            };
            if !is_enforced {
                self.lines.push(format!("{at}: {keyword} {limit}"));
            }
        }
        for (name, inner) in declared["properties"].as_object().into_iter().flatten() {
            self.compare(inner, &derived["properties"][name], &child(at, name));
        }
        if let Some(items) = declared.get("items") {
            self.compare(items, &derived["items"], &child(at, "*"));
        }
        for (index, branch) in declared["anyOf"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let other = &derived["anyOf"][index];
            self.compare(branch, other, &format!("{at} (branch {index})"));
        }
    }
}

/// Resolves a reference to a type that the contract doesn't define. Types that it defines
/// are compared at their definition.
fn resolved<'v>(
    contract: &Map<String, Value>,
    derived: &'v Map<String, Value>,
    schema: &'v Value,
) -> &'v Value {
    schema["$ref"]
        .as_str()
        .and_then(|text| text.rsplit('/').next())
        .filter(|name| !contract.contains_key(*name))
        .and_then(|name| derived.get(name))
        .unwrap_or(schema)
}

/// The non-null branch of a nullable schema.
fn without_null(schema: &Value) -> &Value {
    let null = json!({"type": "null"});
    match schema["anyOf"].as_array().map(Vec::as_slice) {
        Some([one, other]) if *other == null => one,
        _ => schema,
    }
}

/// The constants of a union of constants, sorted.
fn constants(schema: &Value) -> Vec<String> {
    let branches = schema["oneOf"].as_array().into_iter().flatten();
    let constants: Option<Vec<Value>> = branches
        .map(|branch| branch.get("const").cloned())
        .collect();
    sorted(&constants.unwrap_or_default().into())
}

fn sorted(values: &Value) -> Vec<String> {
    let mut texts: Vec<String> = values
        .as_array()
        .into_iter()
        .flatten()
        .map(Value::to_string)
        .collect();
    texts.sort();
    texts
}
