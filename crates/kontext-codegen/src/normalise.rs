//! The third step, second part: repairs defects that carry no meaning and occur on every
//! page of this provider.
//!
//! This list is closed: anything that carries meaning needs an overlay. Each change is
//! returned, so that codegen can print it:
//!
//! | found | becomes |
//! |---|---|
//! | a response without `description` | the name of its HTTP status |
//! | the same value twice in an `enum` | once |
//! | `required: true` on a property | the property's name in the parent's `required` |
//! | `type: ["string"]`, `type: ["string", "null"]` | `type: string`, with `nullable: true` |
//! | `anyOf` or `oneOf` with a branch that is null | the other branches, with `nullable: true` |

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::json::{array, child, each_operation, each_schema_mut, members};

/// One change made by normalisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// The JSON pointer to the change, in the published document.
    pub pointer: String,
    /// A description of the change.
    pub what: String,
}

/// Repairs defects that carry no meaning, and returns the changes.
pub(crate) fn normalise(document: &mut Value) -> Vec<Normalised> {
    let mut changes = descriptions(document);
    each_schema_mut(document, &mut |schema, at| {
        changes.extend(enumeration(schema, at));
        changes.extend(required_flags(schema, at));
        changes.extend(type_list(schema, at));
        changes.extend(null_branch(schema, at));
    });
    changes
}

/// Adds missing response descriptions, which OpenAPI requires.
fn descriptions(document: &mut Value) -> Vec<Normalised> {
    let mut missing = Vec::new();
    each_operation(document, &mut |_, _, operation, at| {
        for (status, response) in members(&operation["responses"]) {
            if response.is_object()
                && response.get("description").is_none()
                && response.get("$ref").is_none()
            {
                let pointer = child(&child(&at, "responses"), status);
                missing.push((pointer, status.clone()));
            }
        }
    });
    for (name, response) in members(&document["components"]["responses"]) {
        if response.is_object() && response.get("description").is_none() {
            missing.push((child("/components/responses", name), name.clone()));
        }
    }
    missing
        .into_iter()
        .map(|(pointer, status)| {
            let text = status_name(&status);
            if let Some(response) = document.pointer_mut(&pointer) {
                response["description"] = json!(text);
            }
            Normalised {
                pointer,
                what: format!("a missing description became {text:?}"),
            }
        })
        .collect()
}

/// The registered name of a status code.
fn status_name(status: &str) -> &'static str {
    match status {
        "200" => "OK",
        "201" => "Created",
        "202" => "Accepted",
        "204" => "No Content",
        "400" => "Bad Request",
        "401" => "Unauthorized",
        "402" => "Payment Required",
        "403" => "Forbidden",
        "404" => "Not Found",
        "409" => "Conflict",
        "413" => "Content Too Large",
        "415" => "Unsupported Media Type",
        "422" => "Unprocessable Content",
        "429" => "Too Many Requests",
        "500" => "Internal Server Error",
        "502" => "Bad Gateway",
        "503" => "Service Unavailable",
        "504" => "Gateway Timeout",
        _ => "A response without a published description",
    }
}

fn enumeration(schema: &mut Value, at: &str) -> Option<Normalised> {
    let values = schema.get_mut("enum")?.as_array_mut()?;
    let before = values.len();
    let mut known = HashSet::with_capacity(before);
    values.retain(|value| known.insert(value.to_string()));
    (values.len() < before).then(|| Normalised {
        pointer: child(at, "enum"),
        what: match before - values.len() {
            1 => "1 duplicate value removed".to_owned(),
            count => format!("{count} duplicate values removed"),
        },
    })
}

fn required_flags(schema: &mut Value, at: &str) -> Vec<Normalised> {
    let mut changes = Vec::new();
    let mut names = Vec::new();
    for (name, property) in schema
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        let Some(flag) = property.get("required").and_then(Value::as_bool) else {
            continue;
        };
        if let Some(property) = property.as_object_mut() {
            property.remove("required");
        }
        if flag {
            names.push(json!(name));
        }
        changes.push(Normalised {
            pointer: child(&child(&child(at, "properties"), name), "required"),
            what: format!("required: {flag} moved to the parent's list"),
        });
    }
    if names.is_empty() {
        return changes;
    }
    if let Some(schema) = schema.as_object_mut() {
        let required = schema.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            for name in names {
                if !required.contains(&name) {
                    required.push(name);
                }
            }
        }
    }
    changes
}

fn type_list(schema: &mut Value, at: &str) -> Option<Normalised> {
    let types = schema.get("type")?.as_array()?.clone();
    let nullable = types.contains(&json!("null"));
    let mut others = types.iter().filter(|name| **name != json!("null"));
    // A union of several types carries meaning, so it is kept and rejected later.
    let (Some(only), None) = (others.next(), others.next()) else {
        return None;
    };
    schema["type"] = only.clone();
    if nullable {
        schema["nullable"] = json!(true);
    }
    Some(Normalised {
        pointer: child(at, "type"),
        what: format!("{} became {only}", json!(types)),
    })
}

fn null_branch(schema: &mut Value, at: &str) -> Option<Normalised> {
    // Annotations don't restrict values; a schema and its branches may both have them.
    const ANNOTATIONS: [&str; 4] = ["title", "description", "default", "example"];
    let is_null = |branch: &Value| {
        let limits: Vec<_> = members(branch)
            .filter(|(name, _)| !ANNOTATIONS.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        limits == [("type", json!("null"))] || limits == [("enum", json!([null]))]
    };
    let members = schema.as_object_mut()?;
    let union = ["anyOf", "oneOf"]
        .into_iter()
        .find(|union| array(members, union).iter().any(is_null))?;
    let mut branches = array(members, union).to_vec();
    branches.retain(|branch| !is_null(branch));
    if branches.is_empty() {
        return None;
    }
    members.insert("nullable".to_owned(), json!(true));
    let only = match &branches[..] {
        [only] => only.as_object(),
        _ => None,
    };
    let is_annotation = |name: &str| ANNOTATIONS.contains(&name);
    match only {
        Some(only) if only.contains_key("$ref") && !members.contains_key("allOf") => {
            members.remove(union);
            members.insert("allOf".to_owned(), json!([only]));
        }
        // A single remaining branch is merged into the schema itself.
        Some(only)
            if !only.contains_key("$ref")
                && only.keys().all(|name| {
                    is_annotation(name) || name == "nullable" || !members.contains_key(name)
                }) =>
        {
            members.remove(union);
            for (name, value) in only {
                members.entry(name).or_insert_with(|| value.clone());
            }
        }
        _ => {
            members.insert(union.to_owned(), json!(branches));
        }
    }
    Some(Normalised {
        pointer: child(at, union),
        what: "the branch that is null became nullable: true".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{self, pairs};

    #[test]
    fn applies_each_normalization() {
        let mut document = json!({"paths": {"/x": {"get": {"responses": {"200": {"content": {"a/b": {"schema": {
            "properties": {
                "a": {"type": ["string", "null"], "enum": ["x", "y", "x"], "required": true},
                "b": {"type": ["string"], "required": false},
                "c": {"type": ["string", "integer"]}
            }
        }}}}}}}}});
        let changes = normalise(&mut document);
        let response = &document["paths"]["/x"]["get"]["responses"]["200"];
        assert_eq!(
            response,
            &json!({"description": "OK", "content": {"a/b": {"schema": {
                "properties": {
                    "a": {"type": "string", "nullable": true, "enum": ["x", "y"]},
                    "b": {"type": "string"},
                    "c": {"type": ["string", "integer"]}
                },
                "required": ["a"]
            }}}})
        );
        assert_eq!(
            changes
                .iter()
                .map(|change| change.what.as_str())
                .collect::<Vec<_>>(),
            [
                "a missing description became \"OK\"",
                "required: true moved to the parent's list",
                "required: false moved to the parent's list",
                "1 duplicate value removed",
                "[\"string\",\"null\"] became \"string\"",
                "[\"string\"] became \"string\"",
            ]
        );
        // Normalising again changes nothing.
        assert_eq!(normalise(&mut document), []);
    }

    #[test]
    fn null_branch_makes_schema_nullable() {
        let cases = r##"
{"oneOf": [{"type": "string", "maxLength": 4}, {"type": "null"}]}
    {"type": "string", "maxLength": 4, "nullable": true}
{"description": "outer", "anyOf": [{"type": "null", "description": "none"}, {"type": "string", "description": "inner"}]}
    {"type": "string", "description": "outer", "nullable": true}
{"anyOf": [{"$ref": "#/components/schemas/A"}, {"enum": [null]}]}
    {"allOf": [{"$ref": "#/components/schemas/A"}], "nullable": true}
{"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}
    {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": true}
{"oneOf": [{"type": "null"}]}
    {"oneOf": [{"type": "null"}]}
"##;
        for (schema, expected) in pairs(cases) {
            let mut document = json!({"components": {"schemas": {"P": table::json(schema)}}});
            normalise(&mut document);
            assert_eq!(
                document["components"]["schemas"]["P"],
                table::json(expected)
            );
            assert_eq!(normalise(&mut document), []);
        }
    }
}
