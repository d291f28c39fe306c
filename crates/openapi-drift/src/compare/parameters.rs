//! Path, query, header and cookie parameters.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};

use super::{
    Body, Comparison, NodeRef, Part, Place, Task,
    operation::{Pair, flag},
    text::resolved_text,
};
use crate::{
    document::{Id, Tree, resolve},
    rules::{self, Direction},
    schema::{Additional, Schema, Schemas, Type, additional, schema},
};

/// One parameter, or one property of an object that is serialized as parameters.
#[derive(Clone, Debug)]
struct Parameter {
    location: String,
    name: String,
    /// The item of the list, or the property.
    at: Id,
    /// The target of its reference, or the node itself.
    id: Id,
    is_required: bool,
    /// The schema of its value.
    value: Schema,
    /// Whether it is a property of an object.
    is_property: bool,
}

/// Parameters by location and name.
type Parameters = BTreeMap<(String, String), Parameter>;

impl Comparison<'_> {
    pub(crate) fn parameters(&mut self, pair: &Pair) {
        let (mut before, old_odd) =
            parameters(self.old.tree, pair.old_item, pair.old, &pair.operation.path);
        let (mut after, new_odd) =
            parameters(self.new.tree, pair.new_item, pair.new, &pair.new_path);
        let texts = |tree: &Tree, odd: &[Id]| -> Vec<String> {
            odd.iter().map(|id| tree.canonical_text(*id)).collect()
        };
        if texts(self.old.tree, &old_odd) != texts(self.new.tree, &new_odd) {
            let at = (
                NodeRef::of(old_odd.first().copied(), pair.old),
                NodeRef::of(new_odd.first().copied(), pair.new),
            );
            let reason = "a parameter without a name or place changed";
            self.found(
                &rules::NOT_COMPARED,
                at,
                Some(&pair.operation),
                reason,
                None,
            );
        }
        let unpaired = |these: &Parameters, those: &Parameters| {
            these.keys().filter(|key| !those.contains_key(*key)).count()
        };
        let counts = |before: &Parameters, after: &Parameters| {
            (unpaired(before, after), unpaired(after, before))
        };
        let written = counts(&before, &after);
        if written != (0, 0) {
            // Parameters may have been combined into an object that is serialized the same
            // way, or an object split into parameters.
            let flat = (flattened(self.old, &before), flattened(self.new, &after));
            if counts(&flat.0, &flat.1) < written {
                (before, after) = flat;
            }
        }
        let mut gone: Vec<Parameter> = Vec::new();
        for (key, parameter) in before {
            match after.remove(&key) {
                Some(other) => self.parameter(&parameter, &other, pair),
                None => gone.push(parameter),
            }
        }
        let mut came: Vec<Parameter> = after.into_values().collect();
        for parameter in gone {
            let matching: Vec<usize> = came
                .iter()
                .enumerate()
                .filter(|(_, other)| self.is_renamed(&parameter, other))
                .map(|(index, _)| index)
                .collect();
            let successor = match matching[..] {
                [only] => Some(came.remove(only)),
                _ => None,
            };
            self.parameter_gone(&parameter, successor.as_ref(), pair);
        }
        for parameter in came {
            self.parameter_came(&parameter, pair);
        }
    }

    fn is_renamed(&self, old: &Parameter, new: &Parameter) -> bool {
        let rest = |tree: &Tree, parameter: &Parameter| {
            let members = tree.object(parameter.id).into_iter().flatten();
            let rest = members.filter(|(name, _)| {
                !matches!(&***name, "name" | "description" | "example" | "examples")
            });
            rest.map(|(name, value)| format!("{name} {}", resolved_text(tree, *value, true)))
                .collect::<Vec<_>>()
        };
        old.location == new.location && rest(self.old.tree, old) == rest(self.new.tree, new)
    }

    fn parameter_gone(&mut self, old: &Parameter, successor: Option<&Parameter>, pair: &Pair) {
        let exchange = Some(old.exchange(pair, json!("…")));
        let operation = Some(&pair.operation);
        let list = self.new.tree.get(pair.new, "parameters");
        match successor {
            Some(new) => {
                let reason = format!("{} became `{}`", old.called(), new.name);
                let at = (NodeRef::at(old.at), NodeRef::at(new.at));
                self.found(&rules::PARAMETER_RENAMED, at, operation, reason, exchange);
            }
            None => {
                let reason = format!("{} was removed", old.called());
                let around = NodeRef::missing_in(list.unwrap_or(pair.new));
                let at = (NodeRef::at(old.at), around);
                self.found(&rules::PARAMETER_REMOVED, at, operation, reason, exchange);
            }
        }
    }

    fn parameter_came(&mut self, new: &Parameter, pair: &Pair) {
        let list = self.old.tree.get(pair.old, "parameters");
        let around = NodeRef::missing_in(list.unwrap_or(pair.old));
        let at = (around, NodeRef::at(new.at));
        let operation = Some(&pair.operation);
        if new.is_required {
            let exchange = Some(new.exchange(pair, Value::Null));
            let reason = format!("{} was added, and is required", new.called());
            let rule = &rules::REQUIRED_PARAMETER_ADDED;
            self.found(rule, at, operation, reason, exchange);
        } else {
            let reason = format!("the optional parameter `{}` was added", new.name);
            self.found(&rules::PARAMETER_ADDED, at, operation, reason, None);
        }
    }

    fn parameter(&mut self, old: &Parameter, new: &Parameter, pair: &Pair) {
        let operation = Some(&pair.operation);
        let called = old.called();
        let is_property = old.is_property || new.is_property;
        if !is_property {
            let known = [
                "name",
                "in",
                "required",
                "schema",
                "content",
                "style",
                "explode",
                "allowReserved",
                "deprecated",
            ];
            self.members(old.id, new.id, &known, operation);
            let (was, before) = flag(self.old.tree, old.id, "deprecated");
            let (is, after) = flag(self.new.tree, new.id, "deprecated");
            if was != is {
                let (rules, reason) = if is {
                    (&rules::DEPRECATED, format!("{called} is deprecated"))
                } else {
                    let reason = format!("{called} is no longer deprecated");
                    (&rules::UNDEPRECATED, reason)
                };
                self.found(&rules[0], (before, after), operation, reason, None);
            }
            self.serialisation(old, new, pair);
        }
        if old.is_required != new.is_required {
            let at = (
                flag(self.old.tree, old.id, "required").1,
                flag(self.new.tree, new.id, "required").1,
            );
            if new.is_required {
                let exchange = Some(new.exchange(pair, Value::Null));
                let reason = format!("{called} became required");
                let rule = &rules::PARAMETER_BECAME_REQUIRED;
                self.found(rule, at, operation, reason, exchange);
            } else {
                let reason = format!("{called} became optional");
                let rule = &rules::PARAMETER_BECAME_OPTIONAL;
                self.found(rule, at, operation, reason, None);
            }
        }
        let is_json = |tree: &Tree, one: &Parameter| {
            !one.is_property && tree.get(one.id, "content").is_some()
        };
        let body = Body {
            operation: Rc::clone(&pair.operation),
            direction: Direction::Request,
            part: Part::Parameter {
                location: old.location.clone(),
                name: old.name.clone(),
                is_json: is_json(self.old.tree, old) || is_json(self.new.tree, new),
            },
            old: Rc::clone(&old.value),
            new: Rc::clone(&new.value),
        };
        let at = (
            NodeRef::of(old.value.first().copied(), old.id),
            NodeRef::of(new.value.first().copied(), new.id),
        );
        self.root(body, at.0, at.1);
    }

    /// Compares how values are serialized.
    fn serialisation(&mut self, old: &Parameter, new: &Parameter, pair: &Pair) {
        let kinds = |schemas: &Schemas<'_>, value: &Schema| -> Vec<Type> {
            let expanded = schemas.expand(value);
            expanded.alternatives.iter().map(|one| one.kind).collect()
        };
        let (before, after) = (kinds(self.old, &old.value), kinds(self.new, &new.value));
        let changed = Type::ALL.into_iter().find_map(|kind| {
            let is_of_both = before.contains(&kind) && after.contains(&kind);
            let was = written(self.old.tree, old, kind);
            let is = written(self.new.tree, new, kind);
            (was != is && is_of_both).then_some((was, is))
        });
        let is_content = |tree: &Tree, one: &Parameter| tree.get(one.id, "content").is_some();
        let changed = changed.or_else(|| {
            let was = written(self.old.tree, old, Type::Object);
            let is = written(self.new.tree, new, Type::Object);
            let is_any = is_content(self.old.tree, old) || is_content(self.new.tree, new);
            (is_any && was != is).then_some((was, is))
        });
        let Some((was, is)) = changed else {
            return;
        };
        let name = ["style", "explode", "allowReserved", "content"]
            .into_iter()
            .find(|name| {
                let (before, after) = (
                    self.old.tree.get(old.id, name),
                    self.new.tree.get(new.id, name),
                );
                !self.is_same(before, after)
            });
        let name = name.unwrap_or("style");
        let at = (
            NodeRef::of(self.old.tree.get(old.id, name), old.id),
            NodeRef::of(self.new.tree.get(new.id, name), new.id),
        );
        let reason = format!(
            "{} was written as {was} and is written as {is}",
            old.called()
        );
        let mut exchange = old.exchange(pair, json!("…"));
        exchange["request"]["parameter"]["written"] = json!(was);
        let exchange = Some(exchange);
        let rule = &rules::PARAMETER_SERIALISATION_CHANGED;
        self.found(rule, at, Some(&pair.operation), reason, exchange);
    }

    /// Queues a comparison of two root schemas.
    pub(crate) fn root(&mut self, body: Body, old_at: NodeRef, new_at: NodeRef) {
        self.later(Task {
            old: Rc::clone(&body.old),
            new: Rc::clone(&body.new),
            old_at,
            new_at,
            place: Place::root(Rc::new(body)),
        });
    }
}

impl Parameter {
    fn called(&self) -> String {
        format!("the {} parameter `{}`", self.location, self.name)
    }

    fn exchange(&self, pair: &Pair, value: Value) -> Value {
        json!({
            "method": pair.operation.method,
            "path": pair.operation.path,
            "request": {"parameter": {"in": self.location, "name": self.name, "value": value}},
        })
    }
}

/// The parameters of an operation and its path by location and name, and the entries
/// that are not valid parameters.
fn parameters(tree: &Tree, item: Id, operation: Id, path: &str) -> (Parameters, Vec<Id>) {
    let mut found = BTreeMap::new();
    let mut odd = Vec::new();
    for owner in [item, operation] {
        let list = tree.get(owner, "parameters");
        for at in list.and_then(|list| tree.array(list)).unwrap_or_default() {
            let text = |id: Id, name: &str| {
                let text = tree.get(id, name).and_then(|id| tree.string(id));
                text.map(str::to_owned)
            };
            let Ok(id) = resolve(tree, *at) else {
                odd.push(*at);
                continue;
            };
            let (Some(location), Some(name)) = (text(id, "in"), text(id, "name")) else {
                odd.push(*at);
                continue;
            };
            let key = match location.as_str() {
                "header" => {
                    let lower = name.to_ascii_lowercase();
                    // The specification ignores parameters with these names.
                    if matches!(lower.as_str(), "accept" | "content-type" | "authorization") {
                        continue;
                    }
                    lower
                }
                // The name is not sent, only the position in the path matters.
                "path" => path
                    .split('{')
                    .skip(1)
                    .position(|part| part.split('}').next() == Some(name.as_str()))
                    .map_or_else(|| name.clone(), |index| format!("{{{index}}}")),
                _ => name.clone(),
            };
            let parameter = Parameter {
                is_required: flag(tree, id, "required").0 || location == "path",
                location: location.clone(),
                name,
                at: *at,
                id,
                value: schema(value_schema(tree, id)),
                is_property: false,
            };
            found.insert((location, key), parameter);
        }
    }
    (found, odd)
}

/// The same parameters, with exploded objects replaced by their properties.
fn flattened(schemas: &Schemas<'_>, parameters: &Parameters) -> Parameters {
    let tree = schemas.tree;
    let mut flat = Parameters::new();
    for (key, parameter) in parameters {
        let expanded = schemas.expand(&parameter.value);
        let object = match &expanded.alternatives[..] {
            [one] if one.kind == Type::Object => Some(one),
            _ => None,
        };
        let object = object.filter(|one| {
            written(tree, parameter, Type::Object) == "form, exploded"
                && matches!(
                    additional(tree, &one.parts),
                    Additional::Unsaid | Additional::Nothing(_)
                )
        });
        let Some(object) = object else {
            flat.insert(key.clone(), parameter.clone());
            continue;
        };
        let named = schemas.named(&object.parts);
        for (name, nodes) in &named.properties {
            let at = nodes.first().copied().unwrap_or(parameter.at);
            let member = Parameter {
                location: parameter.location.clone(),
                name: name.to_string(),
                at,
                id: at,
                is_required: parameter.is_required && named.required.contains_key(name),
                value: Rc::clone(nodes),
                is_property: true,
            };
            flat.insert((parameter.location.clone(), name.to_string()), member);
        }
    }
    flat
}

/// How a value of a type is serialized, with the specification's defaults and
/// without distinctions that don't matter for the type.
fn written(tree: &Tree, parameter: &Parameter, kind: Type) -> String {
    if let Some(content) = tree.get(parameter.id, "content")
        && let Some(types) = tree.object(content)
    {
        let names: Vec<&str> = types.keys().map(AsRef::as_ref).collect();
        return names.join(", ");
    }
    let style = tree
        .get(parameter.id, "style")
        .and_then(|id| tree.string(id));
    let default = match parameter.location.as_str() {
        "query" | "cookie" => "form",
        _ => "simple",
    };
    let style = match (kind, style.unwrap_or(default)) {
        // These styles only differ for multiple values.
        (
            Type::Number | Type::Boolean | Type::String | Type::Null,
            "spaceDelimited" | "pipeDelimited" | "deepObject",
        ) => "form",
        (_, style) => style,
    };
    let set = |name: &str| tree.get(parameter.id, name).and_then(|id| tree.boolean(id));
    let explode = match (kind, style) {
        (Type::Object, "deepObject") => false,
        (Type::Object, _) => set("explode").unwrap_or(style == "form"),
        (Type::Array, "simple") => false,
        (Type::Array, _) => set("explode").unwrap_or(style == "form"),
        _ => false,
    };
    let is_text = !matches!(kind, Type::Number | Type::Boolean | Type::Null);
    let mut text = style.to_owned();
    if explode {
        text.push_str(", exploded");
    }
    if is_text && set("allowReserved").unwrap_or(false) {
        text.push_str(", reserved characters as they are");
    }
    text
}

/// The schema of a parameter's value.
fn value_schema(tree: &Tree, parameter: Id) -> Option<Id> {
    if let Some(own) = tree.get(parameter, "schema") {
        return Some(own);
    }
    let content = tree.get(parameter, "content")?;
    let (_, media_type) = tree.object(content)?.iter().next()?;
    tree.get(*media_type, "schema")
}
