//! Schemas that the generators can't take.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Found;
use crate::{
    contract,
    json::{array, child, each_child, each_operation, each_schema, referenced, same, short},
    names, pages,
    rust::check::{whole_maximum, whole_minimum},
};

/// What says nothing of which values are allowed.
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

const TYPES: [&str; 6] = ["string", "number", "integer", "boolean", "array", "object"];

/// Finds what is wrong with the schemas of a document.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    each_schema(document, &mut |schema, at| {
        let Some(members) = schema.as_object() else {
            found.add(
                at,
                format!(
                    "expected a schema, which is an object, found {}",
                    short(schema)
                ),
                "correct it with an overlay",
            );
            return;
        };
        keywords(members, at, found);
        properties(members, at, found);
        enumeration(members, at, found);
        enum_names(schema, at, found);
        empty_range(members, at, found);
        parts(document, schema, at, found);
        values(document, schema, members, at, found);
    });
    each_operation(document, &mut |_, _, operation, at| {
        let at = child(&at, "requestBody");
        Requests {
            document,
            found,
            seen: BTreeSet::new(),
        }
        .body(&operation["requestBody"], &at);
    });
}

/// Keywords of other dialects, and values of the wrong type.
fn keywords(members: &Map<String, Value>, at: &str, found: &mut Found<'_>) {
    for (name, value) in members {
        let at = child(at, name);
        let expected = match name.as_str() {
            "type" => match value {
                Value::String(name) if TYPES.contains(&name.as_str()) => None,
                Value::Array(_) => Some("one type; several are a union, which is anyOf"),
                _ => Some("one of string, number, integer, boolean, array, object"),
            },
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => (!value.is_u64()).then_some("a whole number from 0"),
            "minimum" | "maximum" => (!value.is_number()).then_some("a number"),
            "multipleOf" => {
                (!value.as_f64().is_some_and(|v| v > 0.0)).then_some("a number above 0")
            }
            "nullable" | "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => {
                (!value.is_boolean()).then_some("true or false")
            }
            "exclusiveMinimum" | "exclusiveMaximum" => {
                (!value.is_boolean()).then_some("true or false, as in OpenAPI 3.0")
            }
            "title" | "description" | "format" | "pattern" | "$ref" => {
                (!value.is_string()).then_some("a string")
            }
            "properties" => (!value.is_object()).then_some("an object"),
            "items" => (!value.is_object()).then_some("one schema for all items"),
            "additionalProperties" => {
                (!(value.is_object() || value.is_boolean())).then_some("a schema, true or false")
            }
            "required" => {
                let is_list = value
                    .as_array()
                    .is_some_and(|names| names.iter().all(Value::is_string));
                (!is_list).then_some("a list of names")
            }
            "enum" => value
                .as_array()
                .is_none_or(Vec::is_empty)
                .then_some("a list that is not empty"),
            "allOf" | "anyOf" | "oneOf" => value
                .as_array()
                .is_none_or(Vec::is_empty)
                .then_some("a list of schemas that is not empty"),
            "default" | "example" | "discriminator" | "xml" | "externalDocs" => None,
            "not" => Some("nothing: no Rust type can exclude values"),
            name if name.starts_with("x-") => None,
            _ => Some("nothing: OpenAPI 3.0 has no such keyword"),
        };
        if let Some(expected) = expected {
            found.add(
                &at,
                format!("expected {expected}, found {}", short(value)),
                "correct it with an overlay",
            );
        }
    }
    if members.contains_key("anyOf") && members.contains_key("oneOf") {
        found.add(
            at,
            "anyOf beside oneOf, which no generator takes",
            "keep one of the two with an overlay",
        );
    }
    let properties = members.get("properties").and_then(Value::as_object);
    for name in array(members, "required") {
        let is_property = name
            .as_str()
            .is_some_and(|name| properties.is_some_and(|all| all.contains_key(name)));
        // Branches of a union may only say which of the properties beside it
        // are required.
        let is_branch = members.keys().all(|key| key == "required");
        if !is_property && !is_branch {
            found.add(
                &child(at, "required"),
                format!("requires {}, which is not a property", short(name)),
                "correct the list or add the property with an overlay",
            );
        }
    }
    if members.get("type") == Some(&json!("array")) && !members.contains_key("items") {
        found.add(
            at,
            "a list without items, so there is no type for its items",
            "add items with an overlay",
        );
    }
}

/// Two properties must not become one Rust field.
fn properties(members: &Map<String, Value>, at: &str, found: &mut Found<'_>) {
    let properties = members.get("properties").and_then(Value::as_object);
    let mut fields: BTreeMap<String, &str> = BTreeMap::new();
    for name in properties.into_iter().flatten().map(|(name, _)| name) {
        let field = names::snake(name);
        if field == "x" && name != "x" && name != "X" {
            found.add(
                &child(&child(at, "properties"), name),
                format!("{name:?} has nothing to name a Rust field after"),
                "remove the property with an overlay, if it is optional",
            );
        } else if let Some(other) = fields.insert(field.clone(), name) {
            found.add(
                &child(&child(at, "properties"), name),
                format!("{name:?} and {other:?} both give the Rust field {field}"),
                "remove one of them with an overlay",
            );
        }
    }
}

fn enumeration(members: &Map<String, Value>, at: &str, found: &mut Found<'_>) {
    let Some(kind) = members.get("type").and_then(Value::as_str) else {
        return;
    };
    for (index, value) in array(members, "enum").iter().enumerate() {
        let fits = match kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => true,
        };
        let is_null = value.is_null() && members.get("nullable") == Some(&json!(true));
        if !fits && !is_null {
            found.add(
                &child(&child(at, "enum"), &index.to_string()),
                format!("expected a value of type {kind}, found {}", short(value)),
                "correct the values or the type with an overlay",
            );
        }
    }
}

/// Names of ours for values must be names, and of values that are there.
fn enum_names(schema: &Value, at: &str, found: &mut Found<'_>) {
    let Some(ours) = schema.get(names::ENUM_NAMES) else {
        return;
    };
    let at = child(at, names::ENUM_NAMES);
    let values = schema["enum"].as_array();
    let (Some(ours), Some(values)) = (ours.as_object(), values) else {
        found.add(
            &at,
            format!(
                "expected an object with a name for each of some values of the enum beside it, \
                 found {}",
                short(ours)
            ),
            "write it as {\"16:9\": \"Landscape16x9\"}, beside the enum",
        );
        return;
    };
    for (value, name) in ours {
        let at = child(&at, value);
        if !values.iter().any(|other| other == value.as_str()) {
            found.add(
                &at,
                format!("names {value:?}, which is not a value of the enum"),
                "the provider has changed the values: adapt the overlay",
            );
        } else if !name.as_str().is_some_and(names::is_variant_name) {
            found.add(
                &at,
                format!("{} is not a name that a Rust variant may have", short(name)),
                "write an upper camel case name such as Landscape16x9",
            );
        }
    }
}

/// Limits that no value keeps to.
fn empty_range(members: &Map<String, Value>, at: &str, found: &mut Found<'_>) {
    if let Some((keyword, message)) = contradiction(members) {
        found.add(
            &child(at, keyword),
            format!("{message}, so no value is allowed"),
            "correct the limits with an overlay",
        );
    }
}

/// The keyword and the limits that contradict each other, in words.
fn contradiction(members: &Map<String, Value>) -> Option<(&'static str, String)> {
    for (minimum, maximum) in [
        ("minLength", "maxLength"),
        ("minItems", "maxItems"),
        ("minProperties", "maxProperties"),
    ] {
        let bound = |name| members.get(name).and_then(Value::as_u64);
        if let (Some(low), Some(high)) = (bound(minimum), bound(maximum))
            && low > high
        {
            return Some((
                minimum,
                format!("{minimum} {low} is above {maximum} {high}"),
            ));
        }
    }
    let bound = |name| members.get(name).and_then(Value::as_f64);
    let is_exclusive = |name| members.get(name) == Some(&json!(true));
    let excludes_bounds = is_exclusive("exclusiveMinimum") || is_exclusive("exclusiveMaximum");
    if let (Some(low), Some(high)) = (bound("minimum"), bound("maximum")) {
        let (low_text, high_text) = (&members["minimum"], &members["maximum"]);
        if low > high {
            let message = format!("minimum {low_text} is above maximum {high_text}");
            return Some(("minimum", message));
        }
        if low == high && excludes_bounds {
            let message = format!("minimum and maximum are {low_text} and one excludes it");
            return Some(("minimum", message));
        }
    }
    if members.get("type") == Some(&json!("integer")) {
        let (low, high) = (whole_minimum(members), whole_maximum(members));
        if low.is_some_and(|low| low > i128::from(u64::MAX)) {
            return Some(("minimum", "the minimum is beyond 64 bits".to_owned()));
        }
        if high.is_some_and(|high| high < i128::from(i64::MIN)) {
            return Some(("maximum", "the maximum is beyond 64 bits".to_owned()));
        }
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            let message = "no whole number is between minimum and maximum".to_owned();
            return Some(("minimum", message));
        }
    }
    None
}

/// The parts of an `allOf` must leave a value that is all of them: the generator would
/// make a type without values of others, and say nothing.
fn parts(document: &Value, schema: &Value, at: &str, found: &mut Found<'_>) {
    if array_of(schema, "allOf").is_empty() {
        return;
    }
    let mut all = AllOf::default();
    all.add(document, schema);
    if let Some(problem) = all.problem(document, 0) {
        found.add(
            &child(at, "allOf"),
            format!("{problem}, so no value is allowed"),
            "correct the parts with an overlay; for a value of one of several types, write anyOf",
        );
    }
}

/// What all the parts of a schema allow.
#[derive(Default)]
struct AllOf<'a> {
    /// The types in common; none if no part says any.
    types: Option<Vec<&'static str>>,
    /// The values of enums in common.
    values: Option<Vec<Value>>,
    /// The tightest limits.
    limits: Map<String, Value>,
    /// What each part says of a property.
    properties: BTreeMap<&'a str, Vec<&'a Value>>,
}

impl<'a> AllOf<'a> {
    /// Why no value is all of the parts, in words.
    fn problem(&self, document: &'a Value, depth: usize) -> Option<String> {
        // Objects may contain themselves.
        const DEEPEST: usize = 8;
        if self.types.as_ref().is_some_and(Vec::is_empty) {
            return Some("the parts have different types".to_owned());
        }
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            return Some("the parts have no value of an enum in common".to_owned());
        }
        if let Some((_, message)) = contradiction(&self.limits) {
            return Some(message);
        }
        self.properties.iter().find_map(|(name, schemas)| {
            if schemas.len() < 2 || depth == DEEPEST {
                return None;
            }
            let mut all = AllOf::default();
            for schema in schemas {
                all.add(document, schema);
            }
            let problem = all.problem(document, depth + 1)?;
            Some(format!("property {name}: {problem}"))
        })
    }

    fn add(&mut self, document: &'a Value, schema: &'a Value) {
        if let Some(target) = referenced(document, schema) {
            return self.add(document, target);
        }
        let Some(members) = schema.as_object() else {
            return;
        };
        if let Some(types) = types(document, schema) {
            match &mut self.types {
                Some(known) => known.retain(|name| types.contains(name)),
                None => self.types = Some(types),
            }
        }
        let values = array(members, "enum");
        if !values.is_empty() {
            match &mut self.values {
                Some(known) => known.retain(|value| values.iter().any(|one| same(one, value))),
                None => self.values = Some(values.to_vec()),
            }
        }
        if let Some(name) = members.get("type") {
            // An integer is what a number beside it has to be, too.
            if self.limits.get("type") != Some(&json!("integer")) {
                self.limits.insert("type".to_owned(), name.clone());
            }
        }
        for (name, is_minimum) in [
            ("minLength", true),
            ("minItems", true),
            ("minProperties", true),
            ("minimum", true),
            ("maxLength", false),
            ("maxItems", false),
            ("maxProperties", false),
            ("maximum", false),
        ] {
            let Some(bound) = members.get(name).filter(|bound| bound.is_number()) else {
                continue;
            };
            let known = self.limits.get(name).and_then(Value::as_f64);
            let is_tighter = match (known, bound.as_f64()) {
                (Some(known), Some(bound)) if is_minimum => bound > known,
                (Some(known), Some(bound)) => bound < known,
                _ => true,
            };
            if is_tighter {
                self.limits.insert(name.to_owned(), bound.clone());
                let exclusive = match name {
                    "minimum" => "exclusiveMinimum",
                    "maximum" => "exclusiveMaximum",
                    _ => continue,
                };
                let flag = members.get(exclusive).cloned();
                self.limits
                    .insert(exclusive.to_owned(), flag.unwrap_or(json!(false)));
            }
        }
        let properties = members.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            self.properties.entry(name).or_default().push(property);
        }
        for part in array(members, "allOf") {
            self.add(document, part);
        }
    }
}

/// The types that a schema allows by its type and its unions; none if it does not say.
fn types(document: &Value, schema: &Value) -> Option<Vec<&'static str>> {
    if let Some(target) = referenced(document, schema) {
        return types(document, target);
    }
    if let Some(name) = schema["type"].as_str() {
        let known = TYPES.into_iter().find(|known| *known == name)?;
        return Some(match known {
            "number" => vec!["number", "integer"],
            known => vec![known],
        });
    }
    for union in ["anyOf", "oneOf"] {
        let branches = array_of(schema, union);
        if !branches.is_empty() {
            let types: Option<Vec<_>> = branches
                .iter()
                .map(|branch| types(document, branch))
                .collect();
            return types.map(|types| types.concat());
        }
    }
    None
}

fn array_of<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema
        .as_object()
        .map_or(&[], |members| array(members, name))
}

/// A default, and each value of an enum, must be what the rest of the schema allows.
fn values(
    document: &Value,
    schema: &Value,
    members: &Map<String, Value>,
    at: &str,
    found: &mut Found<'_>,
) {
    const LIMITS: [&str; 7] = [
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "multipleOf",
        "allOf",
    ];
    let default = members.get("default");
    let values = array(members, "enum");
    let is_limited = LIMITS.iter().any(|limit| members.contains_key(*limit));
    let has_limited_enum = !values.is_empty() && is_limited;
    // Nearly all defaults are of a plain type, whose answer needs no validator.
    let is_plain = default.is_none_or(|default| {
        let is_value = values.is_empty() || values.contains(default);
        let of_type = match members.get("type").and_then(Value::as_str) {
            Some("string") => default.is_string(),
            Some("boolean") => default.is_boolean(),
            _ => false,
        };
        is_value && of_type && !is_limited
    });
    if is_plain && !has_limited_enum {
        return;
    }
    let mut translated = contract::schema(schema);
    if let Some(members) = translated.as_object_mut() {
        members.remove("default");
        if has_limited_enum && is_plain {
            members.remove("enum");
        }
    }
    let definitions = contract::definitions(document, schema, at);
    if definitions.as_object().is_some_and(|all| !all.is_empty()) {
        translated["$defs"] = definitions;
    }
    let validator = match jsonschema::draft202012::new(&translated) {
        Ok(validator) => validator,
        Err(error) => {
            found.add(
                at,
                format!("the schema cannot be compiled: {error}"),
                "correct the schema with an overlay",
            );
            return;
        }
    };
    if let Some(default) = default
        && let Err(error) = validator.validate(default)
    {
        found.add(
            &child(at, "default"),
            format!("the default does not conform to its own schema: {error}"),
            "remove the default with an overlay, or correct the schema",
        );
    }
    let values = if has_limited_enum { values } else { &[] };
    for (index, value) in values.iter().enumerate() {
        if let Err(error) = validator.validate(value) {
            found.add(
                &child(&child(at, "enum"), &index.to_string()),
                format!("the value does not conform to the schema beside it: {error}"),
                "correct the values or the limits with an overlay",
            );
        }
    }
}

/// What can't be taken in a request, where every limit has to be checked.
struct Requests<'a, 'f, 'p> {
    document: &'a Value,
    found: &'f mut Found<'p>,
    /// The references that were followed.
    seen: BTreeSet<String>,
}

impl<'a> Requests<'a, '_, '_> {
    fn body(&mut self, body: &'a Value, at: &str) {
        let pointer = body["$ref"]
            .as_str()
            .and_then(|text| text.strip_prefix('#'));
        let (body, at) = match pointer.and_then(|at| Some((self.document.pointer(at)?, at))) {
            Some((body, at)) => (body, at.to_owned()),
            None => (body, at.to_owned()),
        };
        for (media_type, content) in body["content"].as_object().into_iter().flatten() {
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
        self.variants(schema, at);
        each_child(schema, at, &mut |inner, at| self.schema(inner, &at));
    }

    /// Two values of an enum must not become one variant.
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

    /// Limits are checked where a schema says its type and its limits in one
    /// place; whatever is said in another way would not be.
    fn limits_that_would_be_lost(&mut self, members: &Map<String, Value>, at: &str) {
        let says_more = |allowed: &[&str]| {
            members.keys().any(|key| {
                !allowed.contains(&key.as_str())
                    && !ANNOTATIONS.contains(&key.as_str())
                    && !key.starts_with("x-")
            })
        };
        if members.contains_key("allOf") {
            let is_reference = match array(members, "allOf") {
                [only] => only.get("$ref").is_some(),
                _ => false,
            };
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

    /// The branches of a union must differ by type, or the check before
    /// sending and the person reading its message would have to guess.
    fn union(&mut self, branches: &'a [Value], at: &str) {
        let mut seen: Vec<&Value> = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            let kind = self.kind(branch);
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

    fn kind(&self, schema: &'a Value) -> &'a Value {
        &self.meant(schema)["type"]
    }

    /// What a reference means. There are no cycles: they were found first.
    fn meant(&self, schema: &'a Value) -> &'a Value {
        match referenced(self.document, schema) {
            Some(target) => self.meant(target),
            None => schema,
        }
    }
}
