//! The fifth step, first part: names inline schemas.
//!
//! An overlay marks a schema with `x-component: AspectRatio`; here it becomes that
//! component and is replaced by a reference. The overlay doesn't repeat the schema, so the
//! provider's changes to it still apply.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    json::{child, each_child_mut, each_root_schema_mut, reference, same},
    names,
    problem::{Found, Problems},
};

/// The extension that names an inline schema.
pub(crate) const MARK: &str = "x-component";

/// Moves every marked schema to the components, and renames components to valid type names
/// in upper camel case. Returns the original place of each component.
///
/// # Errors
///
/// An invalid type name, or two different schemas with the same name.
pub(crate) fn hoist(
    file: &str,
    document: &mut Value,
) -> Result<BTreeMap<String, String>, Problems> {
    let original = rename(file, document)?;
    let mut hoisted = Hoisted {
        found: Found::new(file),
        original,
        places: BTreeMap::new(),
        components: Map::new(),
    };
    each_root_schema_mut(document, "", &mut |schema, at| hoisted.visit(schema, &at));
    let Hoisted {
        mut found,
        original,
        mut places,
        components,
    } = hoisted;
    places.extend(original);
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
            taken(&mut found, &child("/components/schemas", &name), &name);
        }
        schemas.insert(name, schema);
    }
    Problems::none_or(found.problems)?;
    Ok(places)
}

/// Gives components valid type names: `image-file` becomes `ImageFile`. Removes components
/// that are only a reference, and redirects references to their target.
///
/// Returns the original place of each component.
fn rename(file: &str, document: &mut Value) -> Result<BTreeMap<String, String>, Problems> {
    let Some(schemas) = document.pointer_mut("/components/schemas") else {
        return Ok(BTreeMap::new());
    };
    let mut found = Found::new(file);
    let mut renamed = Map::new();
    let mut places = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut aliases = BTreeMap::new();
    for (name, schema) in schemas.take().as_object().cloned().unwrap_or_default() {
        if let Some(target) = schema["$ref"].as_str() {
            aliases.insert(reference_to(&name), target.to_owned());
            continue;
        }
        let new = names::type_name(&name);
        let at = child("/components/schemas", &name);
        places.insert(new.clone(), at.clone());
        if !names::is_type_name(&new) {
            found.add(
                &at,
                format!("{name:?} gives the type name {new:?}, which no type may have"),
                "rename the component in an overlay: add it under another name and refer to that",
            );
        } else if renamed.insert(new.clone(), schema).is_some() {
            taken(&mut found, &at, &new);
        }
        names.insert(reference_to(&name), reference_to(&new));
    }
    *schemas = Value::Object(renamed);
    for alias in aliases.keys() {
        let mut target = alias;
        // This terminates: cycles were rejected earlier.
        while let Some(next) = aliases.get(target) {
            target = next;
        }
        if let Some(new) = names.get(target).cloned() {
            names.insert(alias.clone(), new);
        }
    }
    refer(document, &names);
    Problems::none_or(found.problems)?;
    Ok(places)
}

/// The reference to a component, with its name escaped for a JSON pointer.
fn reference_to(name: &str) -> String {
    child("#/components/schemas", name)
}

/// Replaces references.
fn refer(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(reference) if key == "$ref" => {
                        if let Some(new) = names.get(reference) {
                            reference.clone_from(new);
                        }
                    }
                    other => refer(other, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, names)),
        _ => {}
    }
}

fn taken(found: &mut Found<'_>, at: &str, name: &str) {
    found.add(
        at,
        format!("another schema is already named {name}"),
        &format!("choose another {MARK} in the overlay"),
    );
}

struct Hoisted<'a> {
    found: Found<'a>,
    /// The original places of the published components, by current name.
    original: BTreeMap<String, String>,
    /// The original places of the marked schemas, by component name.
    places: BTreeMap<String, String>,
    components: Map<String, Value>,
}

impl Hoisted<'_> {
    /// Visits children first, so that a component refers to its named parts.
    fn visit(&mut self, schema: &mut Value, at: &str) {
        each_child_mut(schema, at, &mut |inner, at| self.visit(inner, &at));
        let Some(members) = schema.as_object_mut() else {
            return;
        };
        let Some(mark) = members.remove(MARK) else {
            return;
        };
        let Some(name) = mark.as_str().filter(|name| names::is_type_name(name)) else {
            let at = child(&self.original(at), MARK);
            self.found.add(
                &at,
                format!("{mark} is not a name that a type may have"),
                "write an upper camel case name such as AspectRatio",
            );
            return;
        };
        let name = name.to_owned();
        // `nullable` belongs to the place of use, not to the type.
        let nullable = members.remove("nullable") == Some(json!(true));
        let component = std::mem::replace(schema, reference(&name, nullable));
        let original = self.original(at);
        if let Some(other) = self.components.get(&name)
            && !same(other, &component)
        {
            taken(&mut self.found, &original, &name);
        }
        self.places.entry(name.clone()).or_insert(original);
        self.components.insert(name, component);
    }

    /// The place in the published document.
    fn original(&self, at: &str) -> String {
        let inside = at
            .strip_prefix("/components/schemas/")
            .map(|inside| inside.split_once('/').unwrap_or((inside, "")));
        match inside.and_then(|(name, rest)| Some((self.original.get(name)?, rest))) {
            Some((component, rest)) => format!("{component}/{rest}"),
            None => at.to_owned(),
        }
    }
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
    fn component_name_must_mean_one_schema() {
        let two = |other: &str| {
            let mut document = document(json!({"properties": {
                "a": {"x-component": "A", "type": "string"},
                "b": {"x-component": "A", "type": other}
            }}));
            let outcome = hoist("p.json", &mut document);
            outcome.map(drop).map_err(|problems| problems.to_string())
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
                    "p.json: /paths/~1x/get/schema/x-component: \"a b\" is not a name that a type may have"
                )
        );
    }

    #[test]
    fn component_pointers_refer_to_published_document() {
        let mut document = document(json!({"properties": {
            "a": {"$ref": "#/components/schemas/chain-one"},
            "b": {"x-component": "B", "type": "object", "properties": {"c": {"x-component": "C"}}}
        }}));
        document["components"] = json!({"schemas": {
            "chain-one": {"$ref": "#/components/schemas/chain-two"},
            "chain-two": {"$ref": "#/components/schemas/last-one"},
            "last-one": {"type": "object", "properties": {"d": {"x-component": "D"}}}
        }});
        let places = hoist("p.json", &mut document).unwrap();
        let places: Vec<(&str, &str)> = places
            .iter()
            .map(|(name, at)| (name.as_str(), at.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("B", "/paths/~1x/get/schema/properties/b"),
                ("C", "/paths/~1x/get/schema/properties/b/properties/c"),
                ("D", "/components/schemas/last-one/properties/d"),
                ("LastOne", "/components/schemas/last-one"),
            ]
        );
        // A component that is only a reference is replaced by its target.
        assert_eq!(
            document["paths"]["/x"]["get"]["schema"]["properties"]["a"],
            json!({"$ref": "#/components/schemas/LastOne"})
        );
    }

    #[test]
    fn components_get_valid_type_names() {
        let mut document = document(json!({"$ref": "#/components/schemas/a~1image-file"}));
        document["components"] = json!({"schemas": {"a/image-file": {"type": "string"}}});
        hoist("p.json", &mut document).unwrap();
        assert_eq!(
            document["paths"]["/x"]["get"]["schema"],
            json!({"$ref": "#/components/schemas/AImageFile"})
        );
        let error = |names: [&str; 2]| {
            let mut document = json!({"components": {"schemas": {}}});
            for name in names {
                document["components"]["schemas"][name] = json!({});
            }
            hoist("p.json", &mut document).unwrap_err().to_string()
        };
        assert!(error(["foo_bar", "FooBar"]).starts_with(
            "p.json: /components/schemas/foo_bar: another schema is already named FooBar"
        ));
        assert!(error(["option", "é"]).starts_with(
            "p.json: /components/schemas/option: \"option\" gives the type name \"Option\", which no type may have"
        ));
    }
}
