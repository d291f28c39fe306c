//! The generator's view: the effective document in the form that progenitor supports.
//!
//! It is derived by these transformations, each with its reason:
//!
//! 1. Error responses are removed: errors are decoded by hand, because a gateway's HTML
//!    must not become a decode error without a status.
//! 2. A success response is declared as bytes, so that the client can stream it and keep it
//!    unmodified. It is decoded by hand, so what only responses use gets no type.
//! 3. Inline bodies are named after their operation. A body with several pages is left to
//!    [`crate::rust`]: an enum of the structs that its pages fold into.
//! 4. String enums become components that typify leaves to [`crate::rust`]: typify's
//!    variant names depend on the other values.
//! 5. Defaults are removed, so that only what the caller set is sent.
//! 6. Limits are removed: the generators would enforce only half of them. Code generated
//!    from the effective document checks them all in one place.
//! 7. Integers are 64 bits wide, unsigned if no value is negative.
//! 8. Objects keep unknown members.
//! 9. Inline objects and unions become components named after their place, so that no two
//!    types silently share a name.
//! 10. Titles, examples and vendor extensions are removed: editing the documentation must
//!     not rename a type. The remaining documentation is kept as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    docs,
    effective::Effective,
    fold::{self, Union, Variant},
    json::{
        LIMITS, child, component_name, each_child_mut, each_operation, has_properties, members,
        reference, referenced, same,
    },
    names,
    origins::Origins,
    pages,
    problem::{Problem, Problems},
};

/// The generator's view of an effective document.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The document for progenitor.
    pub document: Value,
    /// The string enums, by type name; typify skips them.
    pub enums: BTreeMap<String, StringEnum>,
    /// The bodies with several pages, by type name; typify skips them, too.
    pub unions: BTreeMap<String, Union>,
    /// The other types, by name, with their schemas from the effective document.
    pub sent: BTreeMap<String, Value>,
    /// The origin of each type's schema: the published file, and the pointer in it.
    pub places: BTreeMap<String, (String, String)>,
    /// Types without an explicit name, which are named after their place: the name, and the
    /// pointer to the schema in the published document.
    pub unnamed: Vec<(String, String)>,
}

impl View {
    /// The union that a struct belongs to, and its variant.
    pub(crate) fn variant(&self, name: &str) -> Option<(&Union, &Variant)> {
        self.unions.values().find_map(|union| {
            let variant = union.variants.iter().find(|one| one.of == name)?;
            Some((union, variant))
        })
    }
}

/// A type with a fixed set of string values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StringEnum {
    /// The schema's description.
    pub description: Option<String>,
    /// The values with their variant names, in the provider's order.
    pub values: Vec<(String, String)>,
}

/// Derives the view.
///
/// # Errors
///
/// Two different schemas would become types with the same name; reports both places. Also
/// fails if pages can't be folded or a property is named like the field for unknown
/// members.
pub(crate) fn view(made: &Effective) -> Result<View, Problems> {
    let effective = &made.document;
    let mut document = effective.clone();
    let mut bodies = Bodies::default();
    let mut operations = Vec::new();
    each_operation(effective, &mut |_, _, _, at| operations.push(at));
    for at in operations {
        if let Some(operation) = document.pointer_mut(&at).and_then(Value::as_object_mut) {
            bodies.of_operation(effective, operation, &at);
        }
    }
    if let Some(document) = document.as_object_mut() {
        for part in ["security", "servers", "tags", "externalDocs", "components"] {
            document.remove(part);
        }
    }
    // The generator requires a patch version.
    document["openapi"] = json!("3.0.3");
    let mut components = effective["components"]["schemas"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let mut types = Types {
        origins: made.origins.clone(),
        enums: BTreeMap::new(),
        sent: BTreeMap::new(),
        hoisted: Map::new(),
        names: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut unions = BTreeMap::new();
    let mut named: BTreeSet<String> = components.keys().cloned().collect();
    for (name, (body, at)) in bodies.unions {
        let Some((property, pages)) = pages::pages(effective, &body) else {
            continue;
        };
        let folded = fold::fold(made, property, &pages)?;
        components.retain(|name, _| !pages.iter().any(|page| page.component == name));
        types.claim(&name, &body, &at);
        named.insert(name.clone());
        for (name, schema, at) in folded.types {
            let now = child("/components/schemas", &name);
            types.origins.alias(&now, &at);
            bodies.requests.push(name.clone());
            bodies.named.insert(name.clone(), (schema, now));
            named.insert(name);
        }
        for (now, at) in folded.places {
            types.origins.alias(&now, &at);
        }
        unions.insert(name, folded.union);
    }
    for (name, schema) in &components {
        types.claim(name, schema, &child("/components/schemas", name));
    }
    for (name, (schema, at)) in bodies.named {
        types.claim(&name, &schema, &at);
        let now = child("/components/schemas", &name);
        types.origins.alias(&now, &at);
        components.insert(name, schema);
    }
    let sent = reach(&components, &bodies.requests);
    components.retain(|name, _| sent.contains(name));
    null_at_references(&mut components);
    for (name, schema) in &mut components {
        let original = schema.clone();
        types.parts(name, schema, &child("/components/schemas", name));
        types.take(name, schema, original);
    }
    Problems::none_or(types.problems)?;
    components.extend(types.hoisted);
    components.extend(
        unions
            .keys()
            .map(|name| (name.clone(), json!({"type": "object"}))),
    );
    let origins = types.origins;
    let places: BTreeMap<_, _> = types
        .names
        .into_iter()
        .map(|(name, (_, at))| (name, origins.of(&at)))
        .collect();
    let unnamed = places.iter().filter(|(name, _)| !named.contains(*name));
    let unnamed = unnamed
        .map(|(name, (_, at))| (name.clone(), at.clone()))
        .collect();
    document["components"] = json!({"schemas": components});
    remove_extensions(&mut document);
    Ok(View {
        document,
        enums: types.enums,
        unions,
        sent: types.sent,
        places,
        unnamed,
    })
}

/// The request bodies of all operations.
#[derive(Default)]
struct Bodies {
    /// Inline schemas by their new name, with their places.
    named: BTreeMap<String, (Value, String)>,
    /// Bodies with several pages by name, with their places.
    unions: BTreeMap<String, (Value, String)>,
    /// The types of all bodies but those in `unions`.
    requests: Vec<String>,
}

impl Bodies {
    /// Transformations 1, 2 and 3 of one operation.
    fn of_operation(&mut self, effective: &Value, operation: &mut Map<String, Value>, at: &str) {
        const SCHEMA: &str = "/content/application~1json/schema";
        operation.remove("security");
        let responses = operation.get_mut("responses");
        if let Some(responses) = responses.and_then(Value::as_object_mut) {
            responses.retain(|status, _| status.starts_with('2'));
            for response in responses.values_mut() {
                let meant = referenced(effective, response).unwrap_or(response);
                let bytes = json!({"type": "string", "format": "binary"});
                *response = json!({
                    "description": meant["description"],
                    "content": {"application/octet-stream": {"schema": bytes}}
                });
            }
        }
        let id = operation.get("operationId").and_then(Value::as_str);
        let id = names::type_name(id.unwrap_or_default());
        let name = names::type_name(&format!("{id}Request"));
        let Some(body) = operation.get_mut("requestBody") else {
            return;
        };
        if let Some(target) = referenced(effective, body) {
            *body = target.clone();
        }
        body["required"] = json!(true);
        let Some(schema) = body.pointer_mut(SCHEMA) else {
            return;
        };
        if let Some(component) = schema["$ref"].as_str().and_then(component_name) {
            self.requests.push(component.to_owned());
            return;
        }
        let is_union = pages::pages(effective, schema).is_some();
        let inline = std::mem::replace(schema, reference(&name, false));
        let inline = (inline, format!("{at}/requestBody{SCHEMA}"));
        if is_union {
            self.unions.insert(name, inline);
        } else {
            self.named.insert(name.clone(), inline);
            self.requests.push(name);
        }
    }
}

/// The components reachable from `start`, including those.
pub(crate) fn reach(components: &Map<String, Value>, start: &[String]) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut waiting = start.to_vec();
    while let Some(name) = waiting.pop() {
        if reached.insert(name.clone())
            && let Some(schema) = components.get(&name)
        {
            crate::prune::references(schema, "", &mut |_, reference| {
                waiting.extend(component_name(reference).map(str::to_owned));
            });
        }
    }
    reached
}

/// Moves `nullable` from components to the references to them: typify would wrap the type.
fn null_at_references(components: &mut Map<String, Value>) {
    fn refer(schema: &mut Value, nullable: &BTreeSet<String>) {
        each_child_mut(schema, "", &mut |inner, _| match inner["$ref"]
            .as_str()
            .and_then(component_name)
        {
            Some(name) if nullable.contains(name) => *inner = reference(name, true),
            _ => refer(inner, nullable),
        });
    }
    let all = components.iter_mut();
    let nullable = all.filter_map(|(name, schema)| {
        let flag = schema.as_object_mut()?.remove("nullable")?;
        (flag == json!(true)).then(|| name.clone())
    });
    let nullable = nullable.collect();
    for schema in components.values_mut() {
        refer(schema, &nullable);
    }
}

/// The components while the view is being built.
struct Types {
    origins: Origins,
    enums: BTreeMap<String, StringEnum>,
    sent: BTreeMap<String, Value>,
    hoisted: Map<String, Value>,
    /// The schema and place of each type name.
    names: BTreeMap<String, (Value, String)>,
    problems: Vec<Problem>,
}

impl Types {
    /// Claims a type name for a schema; a name can only have one schema.
    fn claim(&mut self, name: &str, schema: &Value, at: &str) {
        let message = match self.names.get(name) {
            _ if !names::is_type_name(name) => "which no type may have".to_owned(),
            Some((other, place)) if !same(other, schema) => {
                format!("as {} is", self.origins.of(place).1)
            }
            Some(_) => return,
            None => {
                let claim = (schema.clone(), at.to_owned());
                self.names.insert(name.to_owned(), claim);
                return;
            }
        };
        let (file, at) = self.origins.of(at);
        self.problems.push(Problem::new(
            file,
            at,
            format!("would be named {name}, {message}"),
            "name it with x-component in an overlay",
        ));
    }

    /// Transforms the schemas inside a schema, and moves those that are types of their own
    /// to the components.
    fn parts(&mut self, owner: &str, schema: &mut Value, at: &str) {
        // Fields are in snake case, so `Extra` would be `extra`, too.
        let extra = members(&schema["properties"])
            .map(|(name, _)| name)
            .find(|name| names::snake(name) == "extra");
        if let Some(extra) = extra {
            let (file, extra) = self.origins.of(&child(&child(at, "properties"), extra));
            self.problems.push(Problem::new(
                file,
                extra,
                "a field of this name holds the members that have no property",
                "remove the property with an overlay; it is then one of them",
            ));
        }
        each_child_mut(schema, at, &mut |inner, at| {
            let name = names::type_name(&format!("{owner}{}", suffix(&at, inner)));
            let original = inner.clone();
            self.parts(&name, inner, &at);
            if !is_type(inner) {
                transform(inner);
                return;
            }
            let is_nullable = inner.get("nullable") == Some(&json!(true));
            let mut component = std::mem::replace(inner, reference(&name, is_nullable));
            if let Some(component) = component.as_object_mut() {
                component.remove("nullable");
            }
            self.claim(&name, &original, &at);
            self.take(&name, &mut component, original);
            self.hoisted.insert(name, component);
        });
    }

    /// Registers a schema whose parts are transformed as a type, and transforms it.
    fn take(&mut self, name: &str, schema: &mut Value, original: Value) {
        if let Some(values) = string_enum(schema) {
            self.enums.insert(name.to_owned(), values);
        } else {
            self.sent.insert(name.to_owned(), original);
            transform(schema);
        }
    }
}

/// The suffix that a part's type name adds to its owner's.
fn suffix(at: &str, part: &Value) -> String {
    let mut segments = at.rsplit('/');
    let last = segments.next().unwrap_or_default();
    match (segments.next().unwrap_or_default(), last) {
        ("properties", name) => names::type_name(&name.replace("~1", "/").replace("~0", "~")),
        (_, "items") => "Item".to_owned(),
        (_, "additionalProperties") => "Value".to_owned(),
        // By type, not position: inserting a branch must not rename the others.
        ("anyOf" | "oneOf", index) => match part["type"].as_str() {
            Some(name) => names::type_name(name),
            None => format!("Branch{index}"),
        },
        (_, other) => names::type_name(other),
    }
}

/// Whether an inline schema becomes a type of its own.
fn is_type(schema: &Value) -> bool {
    let is_union = ["anyOf", "oneOf"]
        .iter()
        .any(|union| schema.get(union).is_some());
    is_union || string_enum(schema).is_some() || has_properties(schema)
}

fn string_enum(schema: &Value) -> Option<StringEnum> {
    let members = schema.as_object()?;
    if members.get("type")? != "string" || !members.contains_key("enum") {
        return None;
    }
    Some(StringEnum {
        description: members
            .get("description")
            .and_then(Value::as_str)
            .map(docs::text),
        values: names::variants(schema),
    })
}

/// Transformations 5 to 8 of one schema.
fn transform(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    let unsigned = members
        .get("minimum")
        .and_then(Value::as_f64)
        .is_some_and(|minimum| minimum >= 0.0);
    for name in LIMITS {
        members.remove(name);
    }
    let format = members.get("format").and_then(Value::as_str);
    match members.get("type").and_then(Value::as_str) {
        Some("integer") => {
            let format = if unsigned { "uint64" } else { "int64" };
            members.insert("format".to_owned(), json!(format));
        }
        // Only binary strings and URIs have types of their own.
        Some("string") if matches!(format, Some("binary" | "uri")) => {}
        _ => {
            members.remove("format");
        }
    }
    if members.get("properties") == Some(&json!({})) {
        members.remove("properties");
    }
    let is_open = match members.get("additionalProperties") {
        None => !members.contains_key("properties"),
        Some(rest) => rest.is_object(),
    };
    if !is_open {
        members.insert("additionalProperties".to_owned(), json!({}));
    }
}

/// The part of transformation 10 that removes extensions; property names are kept.
fn remove_extensions(value: &mut Value) {
    fn walk(value: &mut Value, is_names: bool) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| is_names || !name.starts_with("x-"));
                for (name, member) in members {
                    match member {
                        Value::String(text) if !is_names && name == "description" => {
                            *text = docs::text(text);
                        }
                        member => walk(member, !is_names && name == "properties"),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, false)),
            _ => {}
        }
    }
    walk(value, false);
}

#[cfg(test)]
mod tests;
