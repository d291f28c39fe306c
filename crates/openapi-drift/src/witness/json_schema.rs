//! Schemas of OpenAPI 3.0 as JSON Schema 2020-12, for the validator.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    document::resolve,
    json::{Decimal, Id, Tree, value_of},
    rules::Direction,
    schema::{
        Additional, Schemas, Type, additional, integer_format, is_well_formed, keyword, schema,
    },
};

/// How objects are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Objects {
    /// Members that no schema names are allowed.
    Open,
    /// They are not, unless the document says so.
    Closed,
}

/// The most schemas that are translated.
const MOST: usize = 20_000;

/// Translates a schema with all that it refers to. None if it is too large.
pub(crate) fn translate(
    schemas: &Schemas<'_>,
    root: &[Id],
    direction: Direction,
    objects: Objects,
) -> Option<Value> {
    let mut translator = Translator {
        schemas,
        tree: schemas.tree,
        direction,
        objects,
        names: BTreeMap::new(),
        waiting: Vec::new(),
        count: 0,
    };
    let mut whole = translator.used(root);
    let mut definitions = Map::new();
    while let Some(id) = translator.waiting.pop() {
        let name = translator.names.get(&id).cloned().unwrap_or_default();
        let definition = translator.one(id);
        definitions.insert(name, definition);
        if translator.count > MOST {
            return None;
        }
    }
    whole["$defs"] = Value::Object(definitions);
    Some(whole)
}

struct Translator<'a, 'b> {
    schemas: &'b Schemas<'a>,
    tree: &'a Tree,
    direction: Direction,
    objects: Objects,
    names: BTreeMap<Id, String>,
    waiting: Vec<Id>,
    count: usize,
}

impl Translator<'_, '_> {
    /// A schema of some nodes where values are: here objects are closed.
    fn used(&mut self, nodes: &[Id]) -> Value {
        let mut parts: Vec<Value> = nodes.iter().map(|node| self.reference(*node)).collect();
        let mut used = match parts.len() {
            1 => parts.remove(0),
            _ => json!({ "allOf": parts }),
        };
        if parts.is_empty() && nodes.is_empty() {
            used = json!({});
        }
        if self.objects == Objects::Closed && self.is_closed(nodes) {
            used["unevaluatedProperties"] = json!(false);
        }
        used
    }

    /// Whether all objects of a schema name what they have.
    fn is_closed(&self, nodes: &[Id]) -> bool {
        let expanded = self.schemas.expand(&schema(nodes.iter().copied()));
        let mut objects = expanded
            .alternatives
            .iter()
            .filter(|one| one.kind == Type::Object)
            .peekable();
        objects.peek().is_some()
            && objects.all(|one| {
                matches!(
                    additional(self.tree, &one.parts),
                    Additional::Unsaid | Additional::Nothing(_)
                )
            })
    }

    /// A reference to the definition of a schema.
    fn reference(&mut self, node: Id) -> Value {
        let Ok(target) = resolve(self.tree, node) else {
            return json!({});
        };
        if !self.names.contains_key(&target) {
            self.names.insert(target, self.names.len().to_string());
            self.waiting.push(target);
        }
        let name = self.names.get(&target).cloned().unwrap_or_default();
        json!({"$ref": format!("#/$defs/{name}")})
    }

    /// The definition of one schema object.
    fn one(&mut self, id: Id) -> Value {
        self.count += 1;
        let mut translated = Map::new();
        let Some(members) = self.tree.object(id) else {
            return json!({});
        };
        for (name, value) in members {
            if is_well_formed(self.tree, name, *value) {
                self.member(name, *value, id, &mut translated);
            }
        }
        self.format(id, &mut translated);
        let nullable = keyword(self.tree, id, "nullable");
        if nullable.is_some_and(|flag| self.tree.boolean(flag) == Some(true)) {
            match translated.remove("type") {
                Some(Value::Array(mut types)) => {
                    types.push(json!("null"));
                    types.dedup();
                    translated.insert("type".to_owned(), Value::Array(types));
                }
                Some(other) if other == "null" => {
                    translated.insert("type".to_owned(), other);
                }
                Some(other) => {
                    translated.insert("type".to_owned(), json!([other, "null"]));
                }
                None => return json!({"anyOf": [translated, {"type": "null"}]}),
            }
        }
        Value::Object(translated)
    }

    fn member(&mut self, name: &str, value: Id, owner: Id, translated: &mut Map<String, Value>) {
        let tree = self.tree;
        let inner = match name {
            "type" | "enum" | "minLength" | "maxLength" | "pattern" | "minItems" | "maxItems"
            | "uniqueItems" | "minProperties" | "maxProperties" | "multipleOf" => tree.value(value),
            "items" | "not" => self.used(&[value]),
            "additionalProperties" => match tree.boolean(value) {
                Some(flag) => json!(flag),
                None => self.used(&[value]),
            },
            "allOf" | "anyOf" | "oneOf" => {
                let branches = tree.array(value).unwrap_or_default();
                branches
                    .iter()
                    .map(|branch| self.reference(*branch))
                    .collect()
            }
            "properties" => {
                let members = tree.object(value).into_iter().flatten();
                let mut properties = Map::new();
                for (name, property) in members {
                    if !self.is_one_way(*property) {
                        let used = self.used(&[*property]);
                        properties.insert(name.to_string(), used);
                    }
                }
                Value::Object(properties)
            }
            "required" => return self.required(value, owner, translated),
            "minimum" | "maximum" => {
                let exclusive = if name == "minimum" {
                    "exclusiveMinimum"
                } else {
                    "exclusiveMaximum"
                };
                let flag = keyword(tree, owner, exclusive);
                let name = match flag.and_then(|flag| tree.boolean(flag)) {
                    Some(true) => exclusive,
                    _ => name,
                };
                translated.insert(name.to_owned(), tree.value(value));
                return;
            }
            "exclusiveMinimum" | "exclusiveMaximum" => {
                // A number stands by itself; a flag is read with its limit.
                if tree.number(value).is_some() {
                    translated.insert(name.to_owned(), tree.value(value));
                }
                return;
            }
            _ => return,
        };
        translated.insert(name.to_owned(), inner);
    }

    /// What is needed; what is needed and not named is named.
    fn required(&self, value: Id, owner: Id, translated: &mut Map<String, Value>) {
        let tree = self.tree;
        let properties = keyword(tree, owner, "properties");
        let mut names = Vec::new();
        for name in tree.array(value).unwrap_or_default() {
            let Some(name) = tree.string(*name) else {
                continue;
            };
            let property = properties.and_then(|properties| tree.get(properties, name));
            if property.is_some_and(|property| self.is_one_way(property)) {
                continue;
            }
            names.push(json!(name));
            if self.objects == Objects::Closed {
                let named = translated.entry("properties").or_insert_with(|| json!({}));
                if let Some(named) = named.as_object_mut() {
                    named.entry(name).or_insert_with(|| json!({}));
                }
            }
        }
        translated.insert("required".to_owned(), Value::Array(names));
    }

    /// Whether a property travels in the other direction alone.
    fn is_one_way(&self, property: Id) -> bool {
        let target = resolve(self.tree, property).unwrap_or(property);
        let name = match self.direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        keyword(self.tree, target, name).is_some_and(|flag| self.tree.boolean(flag) == Some(true))
    }

    fn format(&self, id: Id, translated: &mut Map<String, Value>) {
        let Some(format) = keyword(self.tree, id, "format") else {
            return;
        };
        let name = self.tree.string(format).unwrap_or_default();
        if let Some((low, high)) = integer_format(name) {
            let bound = |value: i128| value_of(&Decimal::from_i128(value));
            let limits = json!({"minimum": bound(low), "maximum": bound(high)});
            let mut all = match translated.remove("allOf") {
                Some(Value::Array(all)) => all,
                _ => Vec::new(),
            };
            all.push(limits);
            translated.insert("allOf".to_owned(), Value::Array(all));
        } else if super::formats::is_checked(name) {
            translated.insert("format".to_owned(), json!(name));
        }
    }
}
