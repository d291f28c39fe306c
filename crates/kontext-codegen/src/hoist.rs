//! The third step, third part: inline schemas that deserve a name get one.
//!
//! An overlay marks a schema with `x-component: AspectRatio`; here it becomes
//! that component and is referenced from where it stood. Nothing of it is
//! restated, so whatever the provider changes in it comes through.

use serde_json::{Map, Value, json};

use crate::{
    json::{child, component_name, each_child_mut, each_root_schema_mut, same},
    problem::{Problem, Problems},
};

/// The mark that names an inline schema.
pub const MARK: &str = "x-component";

/// Moves every marked schema to the components.
///
/// # Errors
///
/// A name that is not an upper camel case identifier, or two different
/// schemas of one name.
pub fn hoist(file: &str, document: &mut Value) -> Result<(), Problems> {
    let mut hoisted = Hoisted {
        file,
        components: Map::new(),
        problems: Vec::new(),
    };
    each_root_schema_mut(document, &mut |schema, at| hoisted.visit(schema, &at));
    let Hoisted {
        components,
        mut problems,
        ..
    } = hoisted;
    for (name, schema) in components {
        let place = document
            .as_object_mut()
            .and_then(|document| {
                document
                    .entry("components")
                    .or_insert_with(|| json!({}))
                    .as_object_mut()
            })
            .and_then(|all| {
                all.entry("schemas")
                    .or_insert_with(|| json!({}))
                    .as_object_mut()
            });
        let Some(schemas) = place else { continue };
        if schemas
            .get(&name)
            .is_some_and(|other| !same(other, &schema))
        {
            problems.push(taken(file, &child("/components/schemas", &name), &name));
        }
        schemas.insert(name, schema);
    }
    Problems::none_or(problems)
}

fn taken(file: &str, at: &str, name: &str) -> Problem {
    Problem::new(
        file,
        at,
        format!("another schema is already named {name}"),
        format!("choose another {MARK} in the overlay"),
    )
}

struct Hoisted<'a> {
    file: &'a str,
    components: Map<String, Value>,
    problems: Vec<Problem>,
}

impl Hoisted<'_> {
    /// Children first, so that a component holds references to its own named
    /// parts.
    fn visit(&mut self, schema: &mut Value, at: &str) {
        each_child_mut(schema, at, &mut |inner, at| self.visit(inner, &at));
        let Some(members) = schema.as_object_mut() else {
            return;
        };
        let Some(mark) = members.remove(MARK) else {
            return;
        };
        let Some(name) = mark.as_str().filter(|name| is_type_name(name)) else {
            self.problems.push(Problem::new(
                self.file,
                child(at, MARK),
                format!("{mark} is not a name for a type"),
                "write an upper camel case name such as AspectRatio",
            ));
            return;
        };
        let name = name.to_owned();
        // Whether null is allowed belongs to the place, not to the type.
        let nullable = members.remove("nullable") == Some(json!(true));
        let component = schema.take();
        *schema = reference(&name, nullable);
        if let Some(other) = self.components.get(&name)
            && !same(other, &component)
        {
            self.problems.push(taken(self.file, at, &name));
        }
        self.components.insert(name, component);
    }
}

/// A reference to a component; `nullable` needs `allOf`, as OpenAPI 3.0
/// ignores whatever stands beside a `$ref`.
pub(crate) fn reference(name: &str, nullable: bool) -> Value {
    let reference = json!({"$ref": format!("#/components/schemas/{name}")});
    if nullable {
        json!({"allOf": [reference], "nullable": true})
    } else {
        reference
    }
}

/// The component that a schema refers to, directly or as a nullable reference.
pub(crate) fn referenced(schema: &Value) -> Option<&str> {
    let reference = match schema
        .get("allOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([only]) => only.get("$ref"),
        _ => schema.get("$ref"),
    };
    component_name(reference?.as_str()?)
}

fn is_type_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(schema: Value) -> Value {
        json!({"paths": {"/x": {"get": {"schema": schema}}}})
    }

    #[test]
    fn marked_schemas_become_components() {
        let mut document = document(json!({
            "x-component": "Outer",
            "properties": {"a": {"x-component": "Inner", "type": "string", "nullable": true}}
        }));
        hoist("p.json", &mut document).unwrap();
        assert_eq!(
            document,
            json!({
                "paths": {"/x": {"get": {"schema": {"$ref": "#/components/schemas/Outer"}}}},
                "components": {"schemas": {
                    "Outer": {"properties": {"a": {
                        "allOf": [{"$ref": "#/components/schemas/Inner"}], "nullable": true
                    }}},
                    "Inner": {"type": "string"}
                }}
            })
        );
    }

    #[test]
    fn a_name_means_one_schema() {
        let two = |other: &str| {
            let mut document = document(json!({"properties": {
                "a": {"x-component": "A", "type": "string"},
                "b": {"x-component": "A", "type": other}
            }}));
            hoist("p.json", &mut document).map_err(|problems| problems.to_string())
        };
        assert_eq!(two("string"), Ok(()));
        assert!(two("integer").unwrap_err().starts_with(
            "p.json: /paths/~1x/get/schema/properties/b: another schema is already named A"
        ));
        let mut wrong = document(json!({"x-component": "a b"}));
        assert!(
            hoist("p.json", &mut wrong)
                .unwrap_err()
                .to_string()
                .starts_with(
                    "p.json: /paths/~1x/get/schema/x-component: \"a b\" is not a name for a type"
                )
        );
    }
}
