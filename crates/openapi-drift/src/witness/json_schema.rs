//! Schemas of OpenAPI 3.0 as JSON Schema, for the validator.
//!
//! Draft 7 is enough for most schemas, and a validator of it is ready four times
//! as fast as one of 2020-12, which is taken where only that can say what is
//! meant.

use std::collections::BTreeMap;

use jsonschema::Draft;
use serde_json::{Map, Value, json};

use crate::{
    document::resolve,
    document::{Decimal, Id, Tree, value_of},
    rules::Direction,
    schema::{
        Additional, Schemas, Type, additional, integer_format, is_well_formed, keyword, schema,
    },
};

/// How objects are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Objects {
    /// Members that no schema names are allowed.
    Open,
    /// They are not, unless the document says so.
    Closed,
}

/// The most schemas and names that are translated.
const MOST: usize = 10_000;

/// The longest pattern that values are matched with.
const LONGEST_PATTERN: usize = 2_000;

/// A translated schema, and the draft that it is written in.
pub(crate) struct Translated {
    pub(crate) schema: Value,
    pub(crate) draft: Draft,
}

/// Translates a schema with all that it refers to. None if it is too large.
pub(crate) fn translate(
    schemas: &Schemas<'_>,
    root: &[Id],
    direction: Direction,
    objects: Objects,
) -> Option<Translated> {
    let mut translator = Translator {
        schemas,
        tree: schemas.tree,
        direction,
        objects,
        names: BTreeMap::new(),
        waiting: Vec::new(),
        draft: Draft::Draft7,
        count: 0,
    };
    let whole = translator.used(root);
    let mut definitions = Map::new();
    while let Some((id, objects)) = translator.waiting.pop() {
        let name = translator.names.get(&(id, objects)).cloned();
        let definition = translator.one(id, objects);
        definitions.insert(name.unwrap_or_default(), definition);
        if translator.count > MOST {
            return None;
        }
    }
    Some(Translated {
        // Beside a reference, draft 7 reads nothing.
        schema: json!({"allOf": [whole], "$defs": definitions}),
        draft: translator.draft,
    })
}

struct Translator<'a, 'b> {
    schemas: &'b Schemas<'a>,
    tree: &'a Tree,
    direction: Direction,
    objects: Objects,
    /// The names of definitions: a schema has one for each way to read objects.
    names: BTreeMap<(Id, Objects), String>,
    waiting: Vec<(Id, Objects)>,
    draft: Draft,
    count: usize,
}

impl Translator<'_, '_> {
    /// A schema of some nodes where values are: here objects are closed.
    fn used(&mut self, nodes: &[Id]) -> Value {
        let is_closed = self.objects == Objects::Closed && self.is_closed(nodes);
        match nodes {
            [] => json!({}),
            [node] if !is_closed => self.reference(*node, Objects::Open),
            [node] if self.can_be_closed(*node, 0) => self.reference(*node, Objects::Closed),
            _ => {
                let parts = nodes
                    .iter()
                    .map(|node| self.reference(*node, Objects::Open));
                let mut used = json!({ "allOf": parts.collect::<Vec<_>>() });
                if is_closed {
                    self.draft = Draft::Draft202012;
                    used["unevaluatedProperties"] = json!(false);
                }
                used
            }
        }
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

    /// Whether closing each schema object by itself says the same as closing all
    /// of them together: not so where several hold for one value.
    fn can_be_closed(&self, node: Id, depth: usize) -> bool {
        let tree = self.tree;
        let Ok(target) = resolve(tree, node) else {
            return false;
        };
        let has = |name: &str| keyword(tree, target, name).is_some();
        if depth > 8 || has("allOf") || has("oneOf") {
            return false;
        }
        let Some(union) = keyword(tree, target, "anyOf") else {
            return true;
        };
        let branches = tree.array(union).unwrap_or_default();
        !has("properties")
            && !has("required")
            && branches
                .iter()
                .all(|branch| self.can_be_closed(*branch, depth + 1))
    }

    /// A reference to the definition of a schema.
    fn reference(&mut self, node: Id, objects: Objects) -> Value {
        let Ok(target) = resolve(self.tree, node) else {
            return json!({});
        };
        let key = (target, objects);
        if !self.names.contains_key(&key) {
            self.names.insert(key, self.names.len().to_string());
            self.waiting.push(key);
        }
        let name = self.names.get(&key).cloned().unwrap_or_default();
        json!({"$ref": format!("#/$defs/{name}")})
    }

    /// The definition of one schema object.
    fn one(&mut self, id: Id, objects: Objects) -> Value {
        let mut translated = Map::new();
        let Some(members) = self.tree.object(id) else {
            return json!({});
        };
        self.count += 1;
        for (name, value) in members {
            let names = match &**name {
                "properties" => self.tree.object(*value).map_or(0, BTreeMap::len),
                "required" => self.tree.array(*value).map_or(0, <[_]>::len),
                _ => 0,
            };
            self.count = self.count.saturating_add(names);
            if self.count > MOST {
                return json!({});
            }
            let is_long = &**name == "pattern"
                && self
                    .tree
                    .string(*value)
                    .is_some_and(|text| text.len() > LONGEST_PATTERN);
            if !is_long && is_well_formed(self.tree, name, *value) {
                self.member(name, *value, id, objects, &mut translated);
            }
        }
        if objects == Objects::Closed && translated.contains_key("properties") {
            translated.insert("additionalProperties".to_owned(), json!(false));
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

    fn member(
        &mut self,
        name: &str,
        value: Id,
        owner: Id,
        objects: Objects,
        translated: &mut Map<String, Value>,
    ) {
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
                    .map(|branch| self.reference(*branch, objects))
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

    fn format(&mut self, id: Id, translated: &mut Map<String, Value>) {
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
            if matches!(name, "uuid" | "duration") {
                self.draft = Draft::Draft202012; // Draft 7 does not know them.
            }
            translated.insert("format".to_owned(), json!(name));
        }
    }
}
