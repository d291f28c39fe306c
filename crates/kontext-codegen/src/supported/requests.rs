//! Schemas that are not supported in requests, where every limit has to be checked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    json::{array, child, each_child, each_operation, members, referenced, resolved, same, short},
    names, pages,
    problem::Found,
};

/// Checks the requests of a document.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    each_operation(document, &mut |_, _, operation, at| {
        let mut requests = Requests {
            document,
            found,
            seen: BTreeSet::new(),
        };
        requests.body(&operation["requestBody"], &child(&at, "requestBody"));
    });
}

/// Keywords that don't restrict values.
const ANNOTATIONS: [&str; 9] = [
    "title",
    "description",
    "default",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "externalDocs",
    "xml",
];

/// Checks the schemas of one request.
struct Requests<'a, 'f, 'p> {
    document: &'a Value,
    found: &'f mut Found<'p>,
    /// The references already followed.
    seen: BTreeSet<String>,
}

impl<'a> Requests<'a, '_, '_> {
    fn body(&mut self, body: &'a Value, at: &str) {
        let (body, at) = resolved(self.document, body, at);
        for (media_type, content) in members(&body["content"]) {
            let at = child(&child(&child(&at, "content"), media_type), "schema");
            let schema = &content["schema"];
            if schema.is_null() {
                continue;
            }
            if let Some((_, pages)) = pages::pages(self.document, schema) {
                for page in pages {
                    self.schema(page.schema, &child("/components/schemas", page.component));
                }
                continue;
            }
            let meant = self.meant(schema);
            if meant["type"] != json!("object") || meant["nullable"] == json!(true) {
                self.found.add(
                    &at,
                    format!(
                        "the body of a request must be an object, found {}",
                        short(meant)
                    ),
                    "correct it with an overlay",
                );
            }
            self.schema(schema, &at);
        }
    }

    fn schema(&mut self, schema: &'a Value, at: &str) {
        if let Some(target) = referenced(self.document, schema) {
            let reference = schema["$ref"].as_str().unwrap_or_default();
            if self.seen.insert(reference.to_owned()) {
                self.schema(target, reference.trim_start_matches('#'));
            }
            return;
        }
        let Some(members) = schema.as_object() else {
            return;
        };
        for union in ["anyOf", "oneOf"] {
            self.union(array(members, union), &child(at, union));
        }
        self.limits_that_would_be_lost(members, at);
        let values = array(members, "enum");
        if !values.is_empty() && values.iter().all(Value::is_null) {
            self.found.add(
                &child(at, "enum"),
                "null is the only value, and null is not sent",
                "remove the property with an overlay",
            );
        }
        if members.contains_key("enum") && members.get("type") != Some(&json!("string")) {
            self.found.add(
                &child(at, "enum"),
                "only strings can be enumerated in a request",
                "write the values as minimum and maximum, or name their type, with an overlay",
            );
        }
        self.fields(schema, at);
        self.variants(schema, at);
        each_child(schema, at, &mut |inner, at| self.schema(inner, &at));
    }

    /// Rejects two properties that would become the same Rust field.
    fn fields(&mut self, schema: &Value, at: &str) {
        let mut fields: BTreeMap<String, &str> = BTreeMap::new();
        for (name, _) in members(&schema["properties"]) {
            let at = child(&child(at, "properties"), name);
            let field = names::snake(name);
            if field == "x" && name != "x" && name != "X" {
                self.found.add(
                    &at,
                    format!("{name:?} has nothing to name a Rust field after"),
                    "remove the property with an overlay, if it is optional",
                );
            } else if let Some(other) = fields.insert(field.clone(), name) {
                self.found.add(
                    &at,
                    format!("{name:?} and {other:?} both give the Rust field {field}"),
                    "remove one of them with an overlay",
                );
            }
        }
    }

    /// Rejects two enum values with the same variant name.
    fn variants(&mut self, schema: &Value, at: &str) {
        let unknown = "a value that is not known".to_owned();
        let mut known = BTreeMap::from([(names::UNKNOWN.to_owned(), unknown)]);
        for (value, name) in names::variants(schema) {
            if let Some(other) = known.insert(name.clone(), value.clone()) {
                self.found.add(
                    &child(at, "enum"),
                    format!("{other:?} and {value:?} both give the Rust variant {name}"),
                    "name one of them with x-enum-names in an overlay: \
                     {\"16:9\": \"Landscape16x9\"}",
                );
            }
        }
    }

    /// Rejects limits that would not be checked: only those in the same schema as their
    /// type are.
    fn limits_that_would_be_lost(&mut self, members: &Map<String, Value>, at: &str) {
        let says_more = |allowed: &[&str]| {
            members.keys().any(|key| {
                !allowed.contains(&key.as_str())
                    && !ANNOTATIONS.contains(&key.as_str())
                    && !key.starts_with("x-")
            })
        };
        if members.contains_key("allOf") {
            let is_reference =
                matches!(array(members, "allOf"), [only] if only.get("$ref").is_some());
            if !is_reference || says_more(&["allOf", "nullable"]) {
                self.found.add(
                    &child(at, "allOf"),
                    "a request made of several parts can't be checked before sending",
                    "write the parts as one schema with an overlay",
                );
            }
        } else if members.contains_key("anyOf") || members.contains_key("oneOf") {
            if says_more(&["anyOf", "oneOf", "nullable"]) {
                self.found.add(
                    at,
                    "limits beside a union can't be checked before sending",
                    "write them into the branches with an overlay",
                );
            }
        } else if !members.contains_key("type") && says_more(&["nullable"]) {
            self.found.add(
                at,
                "limits without a type can't be checked before sending",
                "add the type with an overlay",
            );
        }
    }

    /// Requires the branches of a union to have different types: otherwise, neither the
    /// check before sending nor the reader of its message could tell which branch was
    /// meant.
    fn union(&mut self, branches: &'a [Value], at: &str) {
        let mut seen: Vec<&Value> = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            let kind = &self.meant(branch)["type"];
            if kind.is_null() || seen.iter().any(|other| same(other, kind)) {
                self.found.add(
                    &child(at, &index.to_string()),
                    "the branches of a union in a request must have different types",
                    "keep one branch per type with an overlay",
                );
            }
            seen.push(kind);
        }
    }

    /// Follows references. This terminates: cycles were rejected earlier.
    fn meant(&self, schema: &'a Value) -> &'a Value {
        match referenced(self.document, schema) {
            Some(target) => self.meant(target),
            None => schema,
        }
    }
}
