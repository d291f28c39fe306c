//! The generator's view: the effective document as progenitor can take it.
//!
//! It is derived by a closed list of transformations, each with its reason:
//!
//! 1. Responses that are no success go: errors are decoded by hand, because a
//!    gateway's HTML must not become a decode error without a status.
//! 2. A success is declared as bytes, so that the client streams it and holds
//!    it as it came; its schema stays among the components, but [`crate::rust`] generates
//!    no type for it.
//! 3. Bodies without a name are named after their operation. One of several pages is left
//!    to [`crate::rust`], an enum of the structs that its pages fold into.
//! 4. String enums become components that typify is told to leave to
//!    [`crate::rust`]: its names of variants depend on the other values.
//! 5. Defaults go, so that nothing is sent that the caller did not set.
//! 6. Limits go: half of them would be enforced, half not. They are checked in one
//!    place, by code made of the effective document.
//! 7. Whole numbers are 64 bits wide, unsigned where no value is negative.
//! 8. An object keeps the members that it has no property for.
//! 9. Enums in a response alone are plain strings: a new value is no error.
//! 10. Objects and unions that stand inline become components named after their
//!     place, so that no two types share a name without a word.
//! 11. Titles, examples and vendor extensions go: an edit of the documentation
//!     must not rename a type. What is left of it is shown as it is.

mod bodies;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::bodies::Bodies;
use crate::{
    docs,
    effective::Effective,
    fold::{self, Union, Variant},
    json::{
        LIMITS, array, child, component_name, each_child_mut, each_operation, has_properties,
        reference, same,
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
    /// The string enums, by type name, which typify leaves out.
    pub enums: BTreeMap<String, StringEnum>,
    /// The bodies of several pages, by type name, which typify leaves out, too.
    pub unions: BTreeMap<String, Union>,
    /// The other types that are sent, by name, with their schemas as they stand in the
    /// effective document.
    pub sent: BTreeMap<String, Value>,
    /// Where the schema of each type is from: the published file, and the pointer there.
    pub places: BTreeMap<String, (String, String)>,
    /// The types that nobody named, so that they are named after their place: the name,
    /// and the pointer to the schema in the published document.
    pub unnamed: Vec<(String, String)>,
}

impl View {
    /// The union that a struct is of, with its variant.
    pub(crate) fn variant(&self, name: &str) -> Option<(&Union, &Variant)> {
        self.unions.values().find_map(|union| {
            let variant = union.variants.iter().find(|one| one.of == name)?;
            Some((union, variant))
        })
    }
}

/// A type with a fixed set of strings as its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StringEnum {
    /// What the schema says of it.
    pub description: Option<String>,
    /// The values with the names of their variants, in the provider's order.
    pub values: Vec<(String, String)>,
}

/// Which way the values of a component travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
    Both,
}

/// Derives the view.
///
/// # Errors
///
/// Two schemas that would become types of one name, with both places.
pub(crate) fn view(made: &Effective) -> Result<View, Problems> {
    let effective = &made.document;
    let mut document = effective.clone();
    let mut bodies = Bodies::default();
    let mut operations = Vec::new();
    each_operation(effective, &mut |_, _, operation, at| {
        operations.push((at, operation["operationId"].as_str().unwrap_or_default()));
    });
    for (at, id) in operations {
        if let Some(operation) = document.pointer_mut(&at) {
            bodies.of_operation(effective, operation, &at, id);
        }
    }
    if let Some(document) = document.as_object_mut() {
        for part in ["security", "servers", "tags", "externalDocs", "components"] {
            document.remove(part);
        }
    }
    // The generator does not take 3.0, without a patch version.
    document["openapi"] = json!("3.0.3");
    let mut components = effective["components"]["schemas"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let mut types = Types {
        origins: made.origins.clone(),
        directions: BTreeMap::new(),
        enums: BTreeMap::new(),
        sent: BTreeMap::new(),
        hoisted: Map::new(),
        names: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut places = BTreeMap::new();
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
        let at = child("/components/schemas", name);
        types.claim(name, schema, &at);
        places.insert(name.clone(), at);
    }
    for (name, (schema, at)) in bodies.named {
        types.claim(&name, &schema, &at);
        places.insert(name.clone(), at);
        components.insert(name, schema);
    }
    types.directions = directions(&components, &bodies.requests, &bodies.responses);
    components.retain(|name, _| types.directions.contains_key(name));
    null_at_references(&mut components);
    for (name, schema) in &mut components {
        types.component(name, schema, &places[name]);
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

/// The components that some of them reach, those included.
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

/// Which components each direction reaches.
fn directions(
    components: &Map<String, Value>,
    requests: &[String],
    responses: &[String],
) -> BTreeMap<String, Direction> {
    let (sent, received) = (reach(components, requests), reach(components, responses));
    let direction = |name: &String| match (sent.contains(name), received.contains(name)) {
        (true, false) => Direction::Request,
        (false, _) => Direction::Response,
        (true, true) => Direction::Both,
    };
    let all = sent.union(&received);
    all.map(|name| (name.clone(), direction(name))).collect()
}

/// Where a component may be null, what refers to it may be: typify would wrap its type.
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

/// The components on their way into the view.
struct Types {
    origins: Origins,
    directions: BTreeMap<String, Direction>,
    enums: BTreeMap<String, StringEnum>,
    sent: BTreeMap<String, Value>,
    hoisted: Map<String, Value>,
    /// The names of all types, with what has each and where it stands.
    names: BTreeMap<String, (Value, String)>,
    problems: Vec<Problem>,
}

impl Types {
    /// Takes a name for a schema; one name means one schema.
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

    fn component(&mut self, name: &str, schema: &mut Value, at: &str) {
        let direction = self.directions.get(name).copied();
        let direction = direction.unwrap_or(Direction::Response);
        let original = schema.clone();
        self.parts(name, schema, direction, at);
        self.take(name, schema, original, direction);
    }

    /// Transforms the schemas inside one, and moves those that are types of
    /// their own to the components.
    fn parts(&mut self, owner: &str, schema: &mut Value, direction: Direction, at: &str) {
        let properties = schema["properties"].as_object().into_iter().flatten();
        // Fields are named in snake case: `Extra` is one of them.
        let extra = properties
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
            self.parts(&name, inner, direction, &at);
            if !is_type(inner, direction) {
                transform(inner, direction);
                return;
            }
            let is_nullable = inner.get("nullable") == Some(&json!(true));
            let mut component = std::mem::replace(inner, reference(&name, is_nullable));
            if let Some(component) = component.as_object_mut() {
                component.remove("nullable");
            }
            self.claim(&name, &original, &at);
            self.take(&name, &mut component, original, direction);
            self.hoisted.insert(name, component);
        });
    }

    /// Takes a schema as a type, with its parts transformed.
    fn take(&mut self, name: &str, schema: &mut Value, original: Value, direction: Direction) {
        let is_sent = direction != Direction::Response;
        if is_sent && let Some(values) = string_enum(schema) {
            self.enums.insert(name.to_owned(), values);
            return;
        }
        if is_sent {
            self.sent.insert(name.to_owned(), original);
        }
        transform(schema, direction);
    }
}

/// What the name of a part adds to that of its owner.
fn suffix(at: &str, part: &Value) -> String {
    let mut segments = at.rsplit('/');
    let last = segments.next().unwrap_or_default();
    match (segments.next().unwrap_or_default(), last) {
        ("properties", name) => names::type_name(&name.replace("~1", "/").replace("~0", "~")),
        (_, "items") => "Item".to_owned(),
        (_, "additionalProperties") => "Value".to_owned(),
        // Not the position: another branch in front must rename nothing.
        ("anyOf" | "oneOf", index) => match part["type"].as_str() {
            Some(name) => names::type_name(name),
            None => format!("Branch{index}"),
        },
        (_, other) => names::type_name(other),
    }
}

/// Whether a schema that stands inline is a type of its own.
fn is_type(schema: &Value, direction: Direction) -> bool {
    let is_union = ["anyOf", "oneOf"]
        .iter()
        .any(|union| schema.get(union).is_some())
        || schema["allOf"]
            .as_array()
            .is_some_and(|parts| parts.len() > 1);
    let is_enum = direction != Direction::Response && string_enum(schema).is_some();
    is_enum || is_union || has_properties(schema)
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

/// Transformations 8 and 9, and those of [`plain`].
fn transform(schema: &mut Value, direction: Direction) {
    plain(schema, direction);
    let Some(members) = schema.as_object_mut() else {
        return;
    };
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
    if direction == Direction::Response {
        optional_is_nullable(members);
        for union in ["anyOf", "oneOf"] {
            only_required(members, union);
        }
    }
}

/// Transformations 5, 6, 7 and 11 of one schema.
fn plain(schema: &mut Value, direction: Direction) {
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
    if direction == Direction::Response {
        members.remove("enum");
    }
    match members.get("type").and_then(Value::as_str) {
        Some("integer") => {
            let format = if unsigned { "uint64" } else { "int64" };
            members.insert("format".to_owned(), json!(format));
        }
        // Of the formats of strings, the client has a type for URIs.
        Some("string") if members.get("format") == Some(&json!("binary")) => {}
        Some("string")
            if members.get("format") == Some(&json!("uri")) && direction != Direction::Response => {
        }
        _ => {
            members.remove("format");
        }
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

/// Transformation 11, everywhere; `properties` may have such names.
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
