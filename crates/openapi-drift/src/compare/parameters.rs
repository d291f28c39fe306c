//! Path, query, header and cookie parameters.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};

use super::{Comparison, NodeRef, Part, operation::Pair, text::resolved_text};
use crate::{
    document::{Id, Tree, resolve, same},
    rules,
    schema::{Additional, Alternative, Schema, Schemas, Type, additional, schema},
};

/// One parameter, or one property of an object that is serialized as parameters.
#[derive(Clone)]
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
        let (old_tree, new_tree) = (self.old.tree, self.new.tree);
        let (mut before, old_odd) =
            parameters(old_tree, pair.items.0, pair.nodes.0, &pair.operation.path);
        let (mut after, new_odd) = parameters(new_tree, pair.items.1, pair.nodes.1, &pair.new_path);
        let is_same = |(old, new): (&Id, &Id)| same(old_tree, *old, new_tree, *new);
        if old_odd.len() != new_odd.len() || !old_odd.iter().zip(&new_odd).all(is_same) {
            let at = (
                NodeRef::of(old_odd.first().copied(), pair.nodes.0),
                NodeRef::of(new_odd.first().copied(), pair.nodes.1),
            );
            let reason = "a parameter without a name or place changed";
            let operation = Some(&pair.operation);
            self.found(&rules::NOT_COMPARED, at, operation, reason, None);
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
            let is_successor = |index: &usize| self.is_renamed(&parameter, &came[*index]);
            let matching: Vec<usize> = (0..came.len()).filter(is_successor).collect();
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
        let rest = |tree: &Tree, parameter: &Parameter| -> Vec<String> {
            let rest = tree.members(parameter.id).filter(|(name, _)| {
                !matches!(&***name, "name" | "description" | "example" | "examples")
            });
            rest.map(|(name, value)| format!("{name} {}", resolved_text(tree, *value, true)))
                .collect()
        };
        old.location == new.location && rest(self.old.tree, old) == rest(self.new.tree, new)
    }

    fn parameter_gone(&mut self, old: &Parameter, successor: Option<&Parameter>, pair: &Pair) {
        let exchange = Some(old.exchange(pair, json!("…")));
        let operation = Some(&pair.operation);
        let called = old.called();
        if let Some(new) = successor {
            let reason = format!("{called} became `{}`", new.name);
            let at = (NodeRef::at(old.at), NodeRef::at(new.at));
            self.found(&rules::PARAMETER_RENAMED, at, operation, reason, exchange);
        } else {
            let reason = format!("{called} was removed");
            let missing = NodeRef::missing_from(self.new.tree, pair.nodes.1, "parameters");
            let at = (NodeRef::at(old.at), missing);
            self.found(&rules::PARAMETER_REMOVED, at, operation, reason, exchange);
        }
    }

    fn parameter_came(&mut self, new: &Parameter, pair: &Pair) {
        let missing = NodeRef::missing_from(self.old.tree, pair.nodes.0, "parameters");
        let at = (missing, NodeRef::at(new.at));
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
        let nodes = (old.id, new.id);
        let called = old.called();
        if !old.is_property && !new.is_property {
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
            self.members(nodes, &known, operation);
            if let Some((is_deprecated, at)) = self.flag_change(nodes, "deprecated") {
                let (rules, reason) = if is_deprecated {
                    (&rules::DEPRECATED, format!("{called} is deprecated"))
                } else {
                    let reason = format!("{called} is no longer deprecated");
                    (&rules::UNDEPRECATED, reason)
                };
                self.found(&rules[0], at, operation, reason, None);
            }
            self.serialisation(old, new, pair);
        }
        if old.is_required != new.is_required {
            let (rule, reason, exchange) = if new.is_required {
                let exchange = Some(new.exchange(pair, Value::Null));
                let reason = format!("{called} became required");
                (&rules::PARAMETER_BECAME_REQUIRED, reason, exchange)
            } else {
                let reason = format!("{called} became optional");
                (&rules::PARAMETER_BECAME_OPTIONAL, reason, None)
            };
            let at = self.member_at(nodes, "required");
            self.found(rule, at, operation, reason, exchange);
        }
        let is_json = |tree: &Tree, one: &Parameter| {
            !one.is_property && tree.get(one.id, "content").is_some()
        };
        let part = Part::Parameter {
            location: old.location.clone(),
            name: old.name.clone(),
            is_json: is_json(self.old.tree, old) || is_json(self.new.tree, new),
        };
        let at = (
            NodeRef::of(old.value.first().copied(), old.id),
            NodeRef::of(new.value.first().copied(), new.id),
        );
        let schemas = (Rc::clone(&old.value), Rc::clone(&new.value));
        self.root(pair, part, schemas, at);
    }

    /// Compares how values are serialized.
    fn serialisation(&mut self, old: &Parameter, new: &Parameter, pair: &Pair) {
        let nodes = (old.id, new.id);
        let kinds = |schemas: &Schemas<'_>, value: &Schema| -> Vec<Type> {
            let expanded = schemas.expand(value);
            expanded.alternatives.iter().map(|one| one.kind).collect()
        };
        let (before, after) = (kinds(self.old, &old.value), kinds(self.new, &new.value));
        let change = |kind: Type| {
            let was = written(self.old.tree, old, kind);
            let is = written(self.new.tree, new, kind);
            (was != is).then_some((was, is))
        };
        let is_of_both = |kind: &Type| before.contains(kind) && after.contains(kind);
        let changed = Type::ALL.into_iter().filter(is_of_both).find_map(change);
        let at = self.member_at(nodes, "content");
        let is_content = at.0.exists || at.1.exists;
        let changed = changed.or_else(|| change(Type::Object).filter(|_| is_content));
        let Some((was, is)) = changed else {
            return;
        };
        let names = ["style", "explode", "allowReserved", "content"];
        let name = names.into_iter().find(|name| !self.is_same(nodes, name));
        let at = self.member_at(nodes, name.unwrap_or("style"));
        let called = old.called();
        let reason = format!("{called} was written as {was} and is written as {is}");
        let mut exchange = old.exchange(pair, json!("…"));
        exchange["request"]["parameter"]["written"] = json!(was);
        let operation = Some(&pair.operation);
        let rule = &rules::PARAMETER_SERIALISATION_CHANGED;
        self.found(rule, at, operation, reason, Some(exchange));
    }
}

impl Parameter {
    fn called(&self) -> String {
        format!("the {} parameter `{}`", self.location, self.name)
    }

    fn exchange(&self, pair: &Pair, value: Value) -> Value {
        let parameter = json!({"in": self.location, "name": self.name, "value": value});
        let request = json!({"parameter": parameter});
        pair.operation.exchange("request", request)
    }
}

/// The parameters of an operation and its path by location and name, and the entries
/// that are not valid parameters.
fn parameters(tree: &Tree, item: Id, operation: Id, path: &str) -> (Parameters, Vec<Id>) {
    let mut found = BTreeMap::new();
    let mut odd = Vec::new();
    let lists = [item, operation].map(|owner| tree.items(owner, "parameters"));
    for at in lists.into_iter().flatten().copied() {
        let member = |name: &str| Some(tree.text(resolve(tree, at).ok()?, name)?.to_owned());
        let (Ok(id), Some(location), Some(name)) =
            (resolve(tree, at), member("in"), member("name"))
        else {
            odd.push(at);
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
            is_required: tree.has_flag(id, "required") || location == "path",
            location: location.clone(),
            name,
            at,
            id,
            value: schema(value_schema(tree, id)),
            is_property: false,
        };
        found.insert((location, key), parameter);
    }
    (found, odd)
}

/// The same parameters, with exploded objects replaced by their properties.
fn flattened(schemas: &Schemas<'_>, parameters: &Parameters) -> Parameters {
    let tree = schemas.tree;
    let mut flat = Parameters::new();
    for (key, parameter) in parameters {
        let expanded = schemas.expand(&parameter.value);
        let is_exploded = |one: &Alternative| {
            one.kind == Type::Object
                && written(tree, parameter, Type::Object) == "form, exploded"
                && matches!(
                    additional(tree, &one.parts),
                    Additional::Unsaid | Additional::Nothing(_)
                )
        };
        let object = match &expanded.alternatives[..] {
            [one] if is_exploded(one) => one,
            _ => {
                flat.insert(key.clone(), parameter.clone());
                continue;
            }
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
    let content = tree.get(parameter.id, "content");
    if let Some(types) = content.and_then(|content| tree.object(content)) {
        let names: Vec<&str> = types.keys().map(AsRef::as_ref).collect();
        return names.join(", ");
    }
    let default = match parameter.location.as_str() {
        "query" | "cookie" => "form",
        _ => "simple",
    };
    let style = tree.text(parameter.id, "style").unwrap_or(default);
    let style = match (kind, style) {
        // These styles only differ for multiple values.
        (
            Type::Number | Type::Boolean | Type::String | Type::Null,
            "spaceDelimited" | "pipeDelimited" | "deepObject",
        ) => "form",
        (_, style) => style,
    };
    let mut text = style.to_owned();
    let may_explode = match kind {
        Type::Object => style != "deepObject",
        Type::Array => style != "simple",
        _ => false,
    };
    let explode = tree.get(parameter.id, "explode");
    let explode = explode.and_then(|id| tree.boolean(id));
    if may_explode && explode.unwrap_or(style == "form") {
        text.push_str(", exploded");
    }
    let is_text = !matches!(kind, Type::Number | Type::Boolean | Type::Null);
    if is_text && tree.has_flag(parameter.id, "allowReserved") {
        text.push_str(", reserved characters as they are");
    }
    text
}

/// The schema of a parameter's value.
fn value_schema(tree: &Tree, parameter: Id) -> Option<Id> {
    tree.get(parameter, "schema").or_else(|| {
        let (_, media_type) = tree.members_of(parameter, "content").next()?;
        tree.get(*media_type, "schema")
    })
}
