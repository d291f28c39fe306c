//! Validates values against a schema of a document.
//!
//! The document is used as it is: only the schemas that apply to a value are
//! visited, which keeps this fast for large documents. Formats and patterns are
//! delegated to a JSON Schema validator.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
};

use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};

use super::formats;
use crate::{
    document::{Decimal, Id, Members, Tree, resolve},
    rules::Direction,
    schema::{Additional, Listed, Schemas, Type, additional, integer_format, keyword, schema},
};

/// How unnamed members of objects are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Objects {
    /// They are allowed, unless something forbids them.
    Open,
    /// They are refused, unless the document allows them.
    Closed,
}

/// The maximum length of a pattern.
pub(super) const LONGEST_PATTERN: usize = 2_000;

/// The maximum number of schemas to visit for one value.
const STEPS: usize = 200_000;

/// The maximum depth of schemas to follow.
const DEPTH: usize = 400;

/// Cached data of one document.
#[derive(Default)]
pub(super) struct Known {
    patterns: RefCell<HashMap<Id, Option<Rc<Validator>>>>,
    formats: RefCell<HashMap<String, Option<Rc<Validator>>>>,
    lists: RefCell<HashMap<Id, Rc<HashSet<Listed>>>>,
}

/// The members of an object that schemas name.
#[derive(Clone, Debug, Default)]
struct Named {
    names: HashSet<Rc<str>>,
}

impl Named {
    fn add(&mut self, other: &Self) {
        self.names.extend(other.names.iter().map(Rc::clone));
    }
}

/// Undecided: too many schemas, or too deep.
#[derive(Clone, Copy, Debug)]
struct Beyond;

/// The named members if the value is allowed, `None` if it is not.
type Outcome = Result<Option<Rc<Named>>, Beyond>;

/// Cached results by schema and value.
type Seen = HashMap<(Id, *const Value), Option<Rc<Named>>>;

/// The validation of one value against the schemas of a document.
pub(super) struct Validation<'v, 'a> {
    pub(super) schemas: &'v Schemas<'a>,
    pub(super) direction: Direction,
    pub(super) objects: Objects,
    pub(super) known: &'v Known,
    left: Cell<usize>,
    /// Avoids repeated work: shared parts can be reached in exponentially many ways.
    seen: RefCell<Seen>,
}

impl<'v, 'a> Validation<'v, 'a> {
    pub(super) fn new(
        schemas: &'v Schemas<'a>,
        known: &'v Known,
        direction: Direction,
        objects: Objects,
    ) -> Self {
        Self {
            schemas,
            direction,
            objects,
            known,
            left: Cell::new(STEPS),
            seen: RefCell::default(),
        }
    }

    /// Whether all of some schemas allow a value. `None` if that takes too long.
    pub(super) fn allows(&self, nodes: &[Id], value: &Value) -> Option<bool> {
        self.at(nodes, value, 0).ok()
    }

    /// Validates a whole value: a body, a member or an item.
    fn at(&self, nodes: &[Id], value: &Value, depth: usize) -> Result<bool, Beyond> {
        let is_closed = self.objects == Objects::Closed && value.is_object() && self.closed(nodes);
        if self.all_at(nodes, value, is_closed, depth)? {
            return Ok(true);
        }
        if let ([node], true) = (nodes, is_closed)
            && let Ok(target) = resolve(self.schemas.tree, *node)
        {
            // Schemas that extend this one name more members.
            for kind in self.schemas.kinds(target) {
                if self.all_at(&[kind], value, true, depth)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn all_at(
        &self,
        nodes: &[Id],
        value: &Value,
        is_closed: bool,
        depth: usize,
    ) -> Result<bool, Beyond> {
        let mut named = Named::default();
        for node in nodes {
            match self.here(*node, value, depth)? {
                Some(more) => named.add(&more),
                None => return Ok(false),
            }
        }
        if !is_closed {
            return Ok(true);
        }
        let mut names = value
            .as_object()
            .into_iter()
            .flat_map(|object| object.keys());
        Ok(names.all(|name| named.names.contains(name.as_str())))
    }

    /// Whether unnamed members are refused: at least one object alternative lists its
    /// properties, and none is free-form.
    fn closed(&self, nodes: &[Id]) -> bool {
        let expanded = self.schemas.expand(&schema(nodes.iter().copied()));
        let objects = expanded.alternatives.iter();
        let objects = objects.filter(|one| one.kind == Type::Object);
        let said = objects.map(|one| additional(self.schemas.tree, &one.parts));
        let said: Vec<Additional> = said.collect();
        !said.contains(&Additional::Any(None))
            && said
                .iter()
                .any(|one| matches!(one, Additional::Unsaid | Additional::Nothing(_)))
    }

    /// Validates a value against one schema, which may be one of several that apply.
    fn here(&self, node: Id, value: &Value, depth: usize) -> Outcome {
        // An unresolvable reference is no constraint here; the comparison reports it.
        let Ok(id) = resolve(self.schemas.tree, node) else {
            return Ok(Some(Rc::default()));
        };
        let key = (id, std::ptr::from_ref(value));
        if let Some(known) = self.seen.borrow().get(&key) {
            return Ok(known.clone());
        }
        let left = self.left.get();
        if left == 0 || depth > DEPTH {
            return Err(Beyond);
        }
        self.left.set(left - 1);
        let outcome = self.schema(id, value, depth + 1)?;
        self.seen.borrow_mut().insert(key, outcome.clone());
        Ok(outcome)
    }

    fn schema(&self, id: Id, value: &Value, depth: usize) -> Outcome {
        let tree = self.schemas.tree;
        let has = |name: &str| keyword(tree, id, name);
        let is_nullable = has("nullable").is_some_and(|flag| tree.boolean(flag) == Some(true));
        match has("type") {
            Some(types) => {
                let names = tree.array(types).unwrap_or(std::slice::from_ref(&types));
                let is_of = names
                    .iter()
                    .any(|name| is_of_type(tree.string(*name).unwrap_or_default(), value));
                if !(is_of || is_nullable && value.is_null()) {
                    return Ok(None);
                }
            }
            None if is_nullable && value.is_null() => return Ok(Some(Rc::default())),
            None => {}
        }
        if let Some(list) = has("enum")
            && !self.list(list).contains(&listed(value))
        {
            return Ok(None);
        }
        if let Some(only) = has("const")
            && Listed::of(tree, only) != listed(value)
        {
            return Ok(None);
        }
        let mut named = Named::default();
        let is_allowed = match value {
            Value::String(text) => self.text(id, text, value),
            Value::Number(number) => self.number(id, &number.to_string()),
            Value::Array(items) => self.items(id, items, depth)?,
            Value::Object(members) => self.members(id, members, &mut named, depth)?,
            Value::Null | Value::Bool(_) => true,
        };
        if !is_allowed {
            return Ok(None);
        }
        for part in self.parts(id, "allOf") {
            match self.here(part, value, depth)? {
                Some(more) => named.add(&more),
                None => return Ok(None),
            }
        }
        for (name, most) in [("anyOf", usize::MAX), ("oneOf", 1)] {
            if has(name).is_none() {
                continue;
            }
            let mut count = 0;
            for branch in self.parts(id, name) {
                if let Some(more) = self.here(branch, value, depth)? {
                    count += 1;
                    named.add(&more);
                }
                if count > most {
                    return Ok(None);
                }
            }
            if count == 0 {
                return Ok(None);
            }
        }
        if let Some(not) = tree.get(id, "not")
            && tree.object(not).is_some()
            && self.here(not, value, depth)?.is_some()
        {
            return Ok(None);
        }
        Ok(Some(Rc::new(named)))
    }

    fn parts(&self, id: Id, name: &str) -> Vec<Id> {
        let list = keyword(self.schemas.tree, id, name);
        let list = list.and_then(|list| self.schemas.tree.array(list));
        list.unwrap_or_default().to_vec()
    }

    fn list(&self, id: Id) -> Rc<HashSet<Listed>> {
        let mut known = self.known.lists.borrow_mut();
        let list = known.entry(id).or_insert_with(|| {
            let tree = self.schemas.tree;
            let values = tree.array(id).unwrap_or_default().iter();
            Rc::new(values.map(|value| Listed::of(tree, *value)).collect())
        });
        Rc::clone(list)
    }

    /// Whether a length or count is within its limits.
    fn is_within(&self, id: Id, count: usize, (low, high): (&str, &str)) -> bool {
        let tree = self.schemas.tree;
        let limit = |name: &str| {
            let number = keyword(tree, id, name).and_then(|limit| tree.number(limit));
            number.cloned()
        };
        if keyword(tree, id, low).is_none() && keyword(tree, id, high).is_none() {
            return true;
        }
        let count = Decimal::from_i128(i128::try_from(count).unwrap_or(i128::MAX));
        limit(low).is_none_or(|least| count >= least)
            && limit(high).is_none_or(|most| count <= most)
    }

    fn text(&self, id: Id, text: &str, value: &Value) -> bool {
        let tree = self.schemas.tree;
        let limits = ("minLength", "maxLength");
        if (keyword(tree, id, limits.0).is_some() || keyword(tree, id, limits.1).is_some())
            && !self.is_within(id, text.chars().count(), limits)
        {
            return false;
        }
        if let Some(pattern) = keyword(tree, id, "pattern")
            && let Some(validator) = self.pattern(pattern)
            && !validator.is_valid(value)
        {
            return false;
        }
        let format = keyword(tree, id, "format").and_then(|format| tree.string(format));
        match format.map(formats::standard) {
            None => true,
            Some("char") => text.chars().count() == 1,
            Some("byte") => formats::is_base64(text),
            Some("ip") => ["ipv4", "ipv6"]
                .iter()
                .any(|name| self.is_of_format(name, value)),
            Some(name) => !formats::is_checked(name) || self.is_of_format(name, value),
        }
    }

    /// The validator of a pattern. Patterns that can't be matched in linear time are
    /// ignored, on both sides alike.
    fn pattern(&self, id: Id) -> Option<Rc<Validator>> {
        let mut known = self.known.patterns.borrow_mut();
        let validator = known.entry(id).or_insert_with(|| {
            let pattern = self.schemas.tree.string(id).unwrap_or_default();
            if pattern.len() > LONGEST_PATTERN {
                return None;
            }
            let options = PatternOptions::regex()
                .size_limit(1 << 20)
                .dfa_size_limit(1 << 21);
            let built = jsonschema::draft202012::options()
                .with_pattern_options(options)
                .build(&json!({ "pattern": pattern }));
            built.ok().map(Rc::new)
        });
        validator.clone()
    }

    fn is_of_format(&self, name: &str, value: &Value) -> bool {
        let mut known = self.known.formats.borrow_mut();
        let validator = known.entry(name.to_owned()).or_insert_with(|| {
            let built = jsonschema::draft202012::options()
                .should_validate_formats(true)
                .build(&json!({ "format": name }));
            built.ok().map(Rc::new)
        });
        validator
            .as_ref()
            .is_none_or(|validator| validator.is_valid(value))
    }

    fn number(&self, id: Id, text: &str) -> bool {
        let tree = self.schemas.tree;
        let Some(number) = Decimal::parse(text) else {
            return true;
        };
        let of = |name: &str| keyword(tree, id, name);
        let limit = |name: &str| of(name).and_then(|node| tree.number(node));
        let is_exclusive =
            |name: &str| of(name).is_some_and(|flag| tree.boolean(flag) == Some(true));
        let is_above = limit("minimum").is_none_or(|least| {
            number > *least || (number == *least && !is_exclusive("exclusiveMinimum"))
        });
        let is_below = limit("maximum").is_none_or(|most| {
            number < *most || (number == *most && !is_exclusive("exclusiveMaximum"))
        });
        let format = of("format").and_then(|format| tree.string(format));
        is_above
            && is_below
            // Numbers, as in current JSON Schema.
            && limit("exclusiveMinimum").is_none_or(|least| number > *least)
            && limit("exclusiveMaximum").is_none_or(|most| number < *most)
            && limit("multipleOf").is_none_or(|step| number.is_multiple_of(step))
            && format.and_then(integer_format).is_none_or(|(low, high)| {
                number >= Decimal::from_i128(low) && number <= Decimal::from_i128(high)
            })
    }

    fn items(&self, id: Id, items: &[Value], depth: usize) -> Result<bool, Beyond> {
        let tree = self.schemas.tree;
        if !self.is_within(id, items.len(), ("minItems", "maxItems")) {
            return Ok(false);
        }
        let is_unique = keyword(tree, id, "uniqueItems");
        if is_unique.is_some_and(|flag| tree.boolean(flag) == Some(true)) {
            let mut seen = HashSet::new();
            if !items.iter().all(|item| seen.insert(listed(item))) {
                return Ok(false);
            }
        }
        if let Some(schema) = keyword(tree, id, "items") {
            for (index, item) in items.iter().enumerate() {
                // Skip repeated items: long arrays repeat one value.
                if index > 0 && items.get(index - 1) == Some(item) {
                    continue;
                }
                if !self.at(&[schema], item, depth)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn members(
        &self,
        id: Id,
        members: &serde_json::Map<String, Value>,
        named: &mut Named,
        depth: usize,
    ) -> Result<bool, Beyond> {
        let tree = self.schemas.tree;
        if !self.is_within(id, members.len(), ("minProperties", "maxProperties")) {
            return Ok(false);
        }
        let properties = keyword(tree, id, "properties").and_then(|id| tree.object(id));
        let none = Members::default();
        let properties = properties.unwrap_or(&none);
        if let Some(list) = keyword(tree, id, "required") {
            for name in tree.array(list).unwrap_or_default() {
                let Some(name) = tree.string(*name) else {
                    continue;
                };
                if properties
                    .get(name)
                    .is_some_and(|node| self.is_one_way(*node))
                {
                    continue;
                }
                if !members.contains_key(name) {
                    return Ok(false);
                }
                // A required member counts as named even without a schema.
                named.names.insert(name.into());
            }
        }
        let others = keyword(tree, id, "additionalProperties");
        for (name, member) in members {
            let property = properties.get(name.as_str());
            if let Some(node) = property.filter(|node| !self.is_one_way(**node)) {
                named.names.insert(name.as_str().into());
                if !self.at(&[*node], member, depth)? {
                    return Ok(false);
                }
                continue;
            }
            let Some(others) = others else { continue };
            match tree.boolean(others) {
                Some(false) => return Ok(false),
                Some(true) => {}
                None if !self.at(&[others], member, depth)? => return Ok(false),
                None => {}
            }
            named.names.insert(name.as_str().into());
        }
        Ok(true)
    }

    /// Whether a property is only sent in the other direction.
    fn is_one_way(&self, property: Id) -> bool {
        let tree = self.schemas.tree;
        let target = resolve(tree, property).unwrap_or(property);
        let name = match self.direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        keyword(tree, target, name).is_some_and(|flag| tree.boolean(flag) == Some(true))
    }
}

/// Whether a value has a JSON Schema type.
fn is_of_type(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => {
            number.is_i64()
                || number.is_u64()
                || Decimal::parse(&number.to_string()).is_some_and(|number| number.is_integer())
        }
        _ => false,
    }
}

/// A value in the form that enums are compared in.
fn listed(value: &Value) -> Listed {
    match value {
        Value::String(text) => Listed::Text(text.as_str().into()),
        Value::Number(number) => {
            let text = number.to_string();
            let decimal = Decimal::parse(&text).map(|decimal| decimal.to_string());
            Listed::Other(decimal.unwrap_or(text).into())
        }
        Value::Null | Value::Bool(_) => Listed::Other(value.to_string().into()),
        other => Listed::Other(canonical(other).into()),
    }
}

/// The same text as [`Tree::canonical_text`] for the value.
fn canonical(value: &Value) -> String {
    // Exact, because it is parsed from the text that is written.
    Tree::parse(&value.to_string()).map_or_else(
        |_| value.to_string(),
        |tree| tree.canonical_text(crate::document::ROOT),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(schema: &str, value: &Value, objects: Objects) -> bool {
        let tree = Tree::parse(schema).unwrap();
        let schemas = Schemas::new(&tree);
        let known = Known::default();
        let validation = Validation::new(&schemas, &known, Direction::Request, objects);
        validation.allows(&[crate::document::ROOT], value).unwrap()
    }

    #[test]
    fn closed_objects_allow_only_named_properties() {
        let object = r#"{"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}"#;
        for (value, open, closed) in [
            (json!({"a": 1, "b": 2}), true, true),
            (json!({"c": 1}), true, false),
        ] {
            assert_eq!(allows(object, &value, Objects::Open), open, "{value}");
            assert_eq!(allows(object, &value, Objects::Closed), closed, "{value}");
        }
        let forbidden = r#"{"properties": {"a": {}}, "additionalProperties": false}"#;
        assert!(!allows(forbidden, &json!({"c": 1}), Objects::Open));
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert!(allows(r#"{"enum": [1.0, [2]]}"#, &json!(1), Objects::Open));
        assert!(allows(
            r#"{"enum": [1.0, [2]]}"#,
            &json!([2.0]),
            Objects::Open
        ));
        assert!(allows(r#"{"type": "integer"}"#, &json!(1.0), Objects::Open));
        let above = r#"{"minimum": 1, "exclusiveMinimum": true, "format": "uint8"}"#;
        for (value, is_allowed) in [(json!(1), false), (json!(2), true), (json!(256), false)] {
            assert_eq!(allows(above, &value, Objects::Open), is_allowed, "{value}");
        }
    }

    #[test]
    fn branching_references_terminate() {
        let mut schema = json!({"0": {"type": "integer"}});
        for index in 1..60 {
            let below = json!({"$ref": format!("#/{}", index - 1)});
            schema[index.to_string()] = json!({"allOf": [below, below]});
        }
        schema["allOf"] = json!([{"$ref": "#/59"}]);
        assert!(allows(&schema.to_string(), &json!(1), Objects::Open));
        assert!(!allows(&schema.to_string(), &json!("a"), Objects::Open));
    }
}
