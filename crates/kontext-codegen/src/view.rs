//! The generator's view: the effective document as progenitor can take it.
//!
//! It is derived by a closed list of transformations, each with its reason:
//!
//! 1. Responses that are no success go: errors are decoded by hand, because a
//!    gateway's HTML must not become a decode error without a status.
//! 2. A success is declared as bytes, so that the client streams it and holds
//!    it as it came; its schema stays among the components, so that its type
//!    is still generated.
//! 3. Bodies without a name are named after their operation.
//! 4. String enums become components that typify is told to leave to
//!    [`crate::rust`]: its names of variants depend on the other values.
//! 5. Defaults go, so that nothing is sent that the caller did not set.
//! 6. Limits go: half of them would be enforced, half not. They are checked in
//!    one place, from data made of the effective document.
//! 7. Whole numbers are 64 bits wide, unsigned where no value is negative.
//! 8. An object of a request denies unknown members, so that a misspelt one is
//!    an error; one of a response keeps them.
//! 9. Enums in a response are plain strings: a new value is no error.
//! 10. Titles, examples and vendor extensions go: an edit of the documentation
//!     must not rename a type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    hoist::reference,
    json::{array, child, component_name, each_child_mut, each_operation},
    names,
};

/// The generator's view of an effective document.
#[derive(Clone, Debug)]
pub struct View {
    /// The document for progenitor.
    pub document: Value,
    /// The string enums, by type name, which typify leaves out.
    pub enums: BTreeMap<String, StringEnum>,
    /// The types that are bodies of requests, and where their schemas stand in
    /// the effective document.
    pub requests: BTreeMap<String, Value>,
}

/// A type with a fixed set of strings as its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringEnum {
    /// What the schema says of it.
    pub description: Option<String>,
    /// The values, in the provider's order.
    pub values: Vec<String>,
}

/// Which way the values of a component travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

/// Derives the view.
#[must_use]
pub fn view(effective: &Value) -> View {
    let mut document = effective.clone();
    let mut named = Map::new();
    let mut requests = BTreeMap::new();
    let mut responses = Vec::new();
    let mut operations = Vec::new();
    each_operation(effective, &mut |_, _, operation, at| {
        operations.push((at, operation["operationId"].as_str().unwrap_or_default()));
    });
    for (at, id) in operations {
        let Some(operation) = document.pointer_mut(&at) else {
            continue;
        };
        resolve_bodies(effective, operation);
        let name = names::type_name(id);
        if let Some(schema) = operation.get_mut("requestBody").and_then(body_schema) {
            let name = name_of_body(schema, format!("{name}Request"), &mut named);
            let full = effective["components"]["schemas"].get(&name);
            let full = full.or_else(|| named.get(&name)).cloned();
            requests.insert(name, full.unwrap_or_default());
            operation["requestBody"]["required"] = json!(true);
        }
        if let Some(operation) = operation.as_object_mut() {
            operation.remove("security");
        }
        let success = success(operation);
        if let Some(schema) = success.and_then(body_schema) {
            responses.push(name_of_body(schema, format!("{name}Response"), &mut named));
        }
        stream_success(operation);
    }
    for part in ["security", "servers", "tags"] {
        if let Some(document) = document.as_object_mut() {
            document.remove(part);
        }
    }
    let mut components = effective["components"]["schemas"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    components.extend(named);
    let mut types = Types {
        directions: directions(&components, requests.keys(), &responses),
        enums: BTreeMap::new(),
        hoisted: Map::new(),
    };
    components.retain(|name, _| types.directions.contains_key(name));
    for (name, schema) in &mut components {
        types.component(name, schema);
    }
    components.extend(types.hoisted);
    document["components"] = json!({"schemas": components});
    // The schemas of parameters stand inline and are sent, never received.
    crate::json::each_schema_mut(&mut document, &mut |schema, at| {
        if !at.starts_with("/components") {
            plain(schema, Direction::Request);
        }
    });
    remove_extensions(&mut document);
    View {
        document,
        enums: types.enums,
        requests,
    }
}

/// Bodies and responses by reference stand where they are used from here on.
fn resolve_bodies(effective: &Value, operation: &mut Value) {
    let inline = |value: &mut Value| {
        let reference = value.get("$ref").and_then(Value::as_str);
        let pointer = reference.and_then(|text| text.strip_prefix('#'));
        if let Some(target) = pointer.and_then(|pointer| effective.pointer(pointer)) {
            *value = target.clone();
        }
    };
    operation
        .get_mut("requestBody")
        .into_iter()
        .for_each(inline);
    let responses = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut);
    for (_, response) in responses.into_iter().flatten() {
        inline(response);
    }
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut);
    parameters.into_iter().flatten().for_each(inline);
}

fn success(operation: &mut Value) -> Option<&mut Value> {
    operation["responses"]
        .as_object_mut()?
        .iter_mut()
        .find(|(status, _)| status.starts_with('2'))
        .map(|(_, response)| response)
}

fn body_schema(body: &mut Value) -> Option<&mut Value> {
    body.get_mut("content")?
        .get_mut("application/json")?
        .get_mut("schema")
}

/// The name of a body's type: its component's, or one after the operation.
fn name_of_body(schema: &mut Value, name: String, named: &mut Map<String, Value>) -> String {
    if let Some(component) = schema["$ref"].as_str().and_then(component_name) {
        return component.to_owned();
    }
    let inline = std::mem::replace(schema, reference(&name, false));
    named.insert(name.clone(), inline);
    name
}

/// Transformations 1 and 2.
fn stream_success(operation: &mut Value) {
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    responses.retain(|status, _| status.starts_with('2'));
    for (_, response) in responses.iter_mut() {
        let bytes = json!({"type": "string", "format": "binary"});
        *response = json!({
            "description": response["description"],
            "content": {"application/octet-stream": {"schema": bytes}}
        });
    }
}

/// Which components each direction reaches; what is sent wins, because a limit
/// that is not checked costs less than a request that cannot be expressed.
fn directions<'a>(
    components: &Map<String, Value>,
    requests: impl Iterator<Item = &'a String>,
    responses: &[String],
) -> BTreeMap<String, Direction> {
    let mut directions = BTreeMap::new();
    let reach = |start: Vec<String>| {
        let mut reached = BTreeSet::new();
        let mut waiting = start;
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
    };
    for name in reach(responses.to_vec()) {
        directions.insert(name, Direction::Response);
    }
    for name in reach(requests.cloned().collect()) {
        directions.insert(name, Direction::Request);
    }
    directions
}

/// The components on their way into the view.
struct Types {
    directions: BTreeMap<String, Direction>,
    enums: BTreeMap<String, StringEnum>,
    hoisted: Map<String, Value>,
}

impl Types {
    fn component(&mut self, name: &str, schema: &mut Value) {
        let direction = self.directions.get(name).copied();
        let direction = direction.unwrap_or(Direction::Response);
        if direction == Direction::Request
            && let Some(values) = string_enum(schema)
        {
            self.enums.insert(name.to_owned(), values);
            return;
        }
        self.parts(name, schema, direction);
        self.hoist_enums(name, schema, direction);
        transform(schema, direction);
    }

    /// Transforms the schemas inside one, children first.
    fn parts(&mut self, owner: &str, schema: &mut Value, direction: Direction) {
        each_child_mut(schema, "", &mut |inner, at| {
            let last = at.rsplit('/').next().unwrap_or_default();
            let owner = match last.parse::<usize>() {
                Ok(_) => owner.to_owned(),
                Err(_) => format!("{owner}{}", names::type_name(last)),
            };
            self.parts(&owner, inner, direction);
            self.hoist_enums(&owner, inner, direction);
            transform(inner, direction);
        });
    }

    /// Transformation 4 for enums that stand inline.
    fn hoist_enums(&mut self, owner: &str, schema: &mut Value, direction: Direction) {
        if direction == Direction::Response {
            return;
        }
        each_child_mut(schema, "", &mut |inner, at| {
            let Some(values) = string_enum(inner) else {
                return;
            };
            let last = at.rsplit('/').next().unwrap_or_default();
            let name = format!("{owner}{}", names::type_name(last));
            let nullable = inner.get("nullable") == Some(&json!(true));
            let component = std::mem::replace(inner, reference(&name, nullable));
            self.enums.insert(name.clone(), values);
            self.hoisted.insert(name, component);
        });
    }
}

fn string_enum(schema: &Value) -> Option<StringEnum> {
    let members = schema.as_object()?;
    if members.get("type")? != "string" || !members.contains_key("enum") {
        return None;
    }
    let values = array(members, "enum").iter();
    Some(StringEnum {
        description: members
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned),
        values: values
            .filter_map(|v| Some(v.as_str()?.to_owned()))
            .collect(),
    })
}

/// Transformations 8 and 9, and those of [`plain`].
fn transform(schema: &mut Value, direction: Direction) {
    plain(schema, direction);
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if members.contains_key("properties") && !members.contains_key("additionalProperties") {
        let rest = match direction {
            Direction::Request => json!(false),
            Direction::Response => json!({}),
        };
        members.insert("additionalProperties".to_owned(), rest);
    }
    if direction == Direction::Response {
        optional_is_nullable(members);
        for union in ["anyOf", "oneOf"] {
            only_required(members, union);
        }
    }
}

/// Transformations 5, 6, 7 and 10 of one schema.
fn plain(schema: &mut Value, direction: Direction) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    let unsigned = members
        .get("minimum")
        .and_then(Value::as_f64)
        .is_some_and(|minimum| minimum >= 0.0);
    for name in [
        "default",
        "title",
        "example",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "readOnly",
        "writeOnly",
    ] {
        members.remove(name);
    }
    if direction == Direction::Response {
        members.remove("enum");
    }
    match members.get("type").and_then(Value::as_str) {
        Some("integer") => {
            let format = if unsigned { "uint64" } else { "int64" };
            members.insert("format".to_owned(), json!(format));
        }
        Some("number") => {
            members.remove("format");
        }
        // Of the formats of strings, the client has a type for this one.
        Some("string") if members.get("format") != Some(&json!("binary")) => {
            let is_uri = members.get("format") == Some(&json!("uri"));
            if !is_uri || direction == Direction::Response {
                members.remove("format");
            }
        }
        _ => {}
    }
}

/// What a response may leave out it may also have as null: to a reader both
/// mean that it is not there.
fn optional_is_nullable(members: &mut Map<String, Value>) {
    let required: Vec<Value> = array(members, "required").to_vec();
    let properties = members.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if required.contains(&json!(name)) {
            continue;
        }
        if let Some(component) = property["$ref"].as_str().and_then(component_name) {
            *property = reference(component, true);
        } else {
            property["nullable"] = json!(true);
        }
    }
}

/// A union that only says which members are required has no Rust type of its
/// own; the contract keeps it.
fn only_required(members: &mut Map<String, Value>, union: &str) {
    let branches = array(members, union);
    let is_only_required = !branches.is_empty()
        && branches.iter().all(|branch| {
            branch
                .as_object()
                .is_some_and(|branch| branch.keys().all(|key| key == "required"))
        });
    if is_only_required {
        members.remove(union);
    }
}

/// Transformation 10, everywhere; `properties` may have such names.
fn remove_extensions(value: &mut Value) {
    fn walk(value: &mut Value, is_names: bool) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| is_names || !name.starts_with("x-"));
                for (name, member) in members {
                    walk(member, !is_names && name == "properties");
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, false)),
            _ => {}
        }
    }
    walk(value, false);
}

/// The schema that a reference, also a nullable one, means.
#[must_use]
pub fn follow<'a>(effective: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    while let Some(name) = crate::hoist::referenced(schema) {
        let target = effective.pointer(&child("/components/schemas", name));
        match target {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}
