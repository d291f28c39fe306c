//! Parameters in path, query, header and cookie.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};

use super::{Body, Comparison, Part, Place, NodeRef, Task, operation::Pair};
use crate::{
    document::resolve,
    document::{Id, Tree},
    rules::{self, Direction},
    schema::schema,
};

/// One parameter.
#[derive(Clone, Debug)]
struct Parameter {
    location: String,
    name: String,
    /// The item of the list.
    at: Id,
    /// What it refers to, or itself.
    id: Id,
    is_required: bool,
}

impl Comparison<'_> {
    pub(crate) fn parameters(&mut self, pair: &Pair) {
        let (before, old_odd) =
            parameters(self.old.tree, pair.old_item, pair.old, &pair.operation.path);
        let (after, new_odd) = parameters(self.new.tree, pair.new_item, pair.new, &pair.new_path);
        let texts = |tree: &Tree, odd: &[Id]| -> Vec<String> {
            odd.iter().map(|id| tree.canonical_text(*id)).collect()
        };
        if texts(self.old.tree, &old_odd) != texts(self.new.tree, &new_odd) {
            let spots = (
                NodeRef::of(old_odd.first().copied(), pair.old),
                NodeRef::of(new_odd.first().copied(), pair.new),
            );
            let reason = "a parameter without a name or place changed".to_owned();
            let rule = &rules::NOT_COMPARED;
            self.found(rule, spots.0, spots.1, Some(&pair.operation), reason, None);
        }
        let mut gone: Vec<&Parameter> = Vec::new();
        for (key, parameter) in &before {
            match after.get(key) {
                Some(other) => self.parameter(parameter, other, pair),
                None => gone.push(parameter),
            }
        }
        let mut came: Vec<&Parameter> = after
            .iter()
            .filter(|(key, _)| !before.contains_key(*key))
            .map(|(_, parameter)| parameter)
            .collect();
        for parameter in gone {
            let matching: Vec<usize> = came
                .iter()
                .enumerate()
                .filter(|(_, other)| self.is_renamed(parameter, other))
                .map(|(index, _)| index)
                .collect();
            let successor = match matching[..] {
                [only] => Some(came.remove(only)),
                _ => None,
            };
            self.parameter_gone(parameter, successor, pair);
        }
        for parameter in came {
            self.parameter_came(parameter, pair);
        }
    }

    fn is_renamed(&self, old: &Parameter, new: &Parameter) -> bool {
        let rest = |tree: &Tree, parameter: &Parameter| {
            let members = tree.object(parameter.id).into_iter().flatten();
            let rest = members.filter(|(name, _)| {
                !matches!(&***name, "name" | "description" | "example" | "examples")
            });
            rest.map(|(name, value)| {
                format!("{name} {}", super::texts::resolved_text(tree, *value, true))
            })
            .collect::<Vec<_>>()
        };
        old.location == new.location && rest(self.old.tree, old) == rest(self.new.tree, new)
    }

    fn parameter_gone(&mut self, old: &Parameter, successor: Option<&Parameter>, pair: &Pair) {
        let called = old.called();
        let exchange = Some(old.exchange(pair, json!("…")));
        let operation = Some(&pair.operation);
        let around = self
            .new
            .tree
            .get(pair.new, "parameters")
            .unwrap_or(pair.new);
        match successor {
            Some(new) => {
                let reason = format!("{called} is `{}` now", new.name);
                let spots = (NodeRef::at(old.at), NodeRef::at(new.at));
                let rule = &rules::PARAMETER_RENAMED;
                self.found(rule, spots.0, spots.1, operation, reason, exchange);
            }
            None => {
                let reason = format!("{called} is gone");
                let spots = (NodeRef::at(old.at), NodeRef::missing_in(around));
                let rule = &rules::PARAMETER_REMOVED;
                self.found(rule, spots.0, spots.1, operation, reason, exchange);
            }
        }
    }

    fn parameter_came(&mut self, new: &Parameter, pair: &Pair) {
        let around = self
            .old
            .tree
            .get(pair.old, "parameters")
            .unwrap_or(pair.old);
        let spots = (NodeRef::missing_in(around), NodeRef::at(new.at));
        let operation = Some(&pair.operation);
        let called = new.called();
        if new.is_required {
            let exchange = Some(new.exchange(pair, Value::Null));
            let reason = format!("{called} is new and required");
            let rule = &rules::REQUIRED_PARAMETER_ADDED;
            self.found(rule, spots.0, spots.1, operation, reason, exchange);
        } else {
            let reason = format!("{called} is new and optional");
            self.found(
                &rules::PARAMETER_ADDED,
                spots.0,
                spots.1,
                operation,
                reason,
                None,
            );
        }
    }

    fn parameter(&mut self, old: &Parameter, new: &Parameter, pair: &Pair) {
        let operation = Some(&pair.operation);
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
        let flag = |tree: &Tree, parameter: &Parameter, name: &str| {
            NodeRef::of(tree.get(parameter.id, name), parameter.id)
        };
        let called = old.called();
        if old.is_required != new.is_required {
            let spots = (
                flag(self.old.tree, old, "required"),
                flag(self.new.tree, new, "required"),
            );
            let (rule, reason, exchange) = if new.is_required {
                (
                    &rules::PARAMETER_BECAME_REQUIRED,
                    format!("{called} is required now"),
                    Some(new.exchange(pair, Value::Null)),
                )
            } else {
                (
                    &rules::PARAMETER_BECAME_OPTIONAL,
                    format!("{called} is optional now"),
                    None,
                )
            };
            self.found(rule, spots.0, spots.1, operation, reason, exchange);
        }
        let is_true = |tree: &Tree, spot: NodeRef| spot.exists && tree.boolean(spot.id) == Some(true);
        let spots = (
            flag(self.old.tree, old, "deprecated"),
            flag(self.new.tree, new, "deprecated"),
        );
        match (
            is_true(self.old.tree, spots.0),
            is_true(self.new.tree, spots.1),
        ) {
            (false, true) => {
                let reason = format!("{called} is deprecated now");
                self.found(
                    &rules::DEPRECATED[0],
                    spots.0,
                    spots.1,
                    operation,
                    reason,
                    None,
                );
            }
            (true, false) => {
                let reason = format!("{called} is no longer deprecated");
                self.found(
                    &rules::UNDEPRECATED[0],
                    spots.0,
                    spots.1,
                    operation,
                    reason,
                    None,
                );
            }
            _ => {}
        }
        let (before, after) = (written(self.old.tree, old), written(self.new.tree, new));
        if before != after {
            let name = ["style", "explode", "allowReserved", "content"]
                .into_iter()
                .find(|name| {
                    self.old.tree.get(old.id, name).is_some()
                        || self.new.tree.get(new.id, name).is_some()
                });
            let name = name.unwrap_or("style");
            let spots = (
                flag(self.old.tree, old, name),
                flag(self.new.tree, new, name),
            );
            let reason = format!("{called} was written as {before} and is as {after} now");
            let exchange = Some(old.exchange(pair, json!(before)));
            let rule = &rules::PARAMETER_SERIALISATION_CHANGED;
            self.found(rule, spots.0, spots.1, operation, reason, exchange);
        }
        let body = |old_schema: Option<Id>, new_schema: Option<Id>| Body {
            operation: Rc::clone(&pair.operation),
            direction: Direction::Request,
            part: Part::Parameter {
                location: old.location.clone(),
                name: old.name.clone(),
            },
            old: schema(old_schema),
            new: schema(new_schema),
        };
        let (before, after) = (
            value_schema(self.old.tree, old),
            value_schema(self.new.tree, new),
        );
        self.root(
            body(before, after),
            NodeRef::of(before, old.id),
            NodeRef::of(after, new.id),
        );
    }

    /// Compares two outermost schemas, later.
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

/// The parameters of an operation by place and name, those of its path included,
/// and what is no parameter.
fn parameters(
    tree: &Tree,
    item: Id,
    operation: Id,
    path: &str,
) -> (BTreeMap<(String, String), Parameter>, Vec<Id>) {
    let mut found = BTreeMap::new();
    let mut odd = Vec::new();
    for owner in [item, operation] {
        let list = tree.get(owner, "parameters");
        for at in list.and_then(|list| tree.array(list)).unwrap_or_default() {
            let text = |id: Id, name: &str| {
                tree.get(id, name)
                    .and_then(|id| tree.string(id))
                    .map(str::to_owned)
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
                    // The specification has these described elsewhere.
                    if matches!(lower.as_str(), "accept" | "content-type" | "authorization") {
                        continue;
                    }
                    lower
                }
                // The name is not sent, the place in the path is.
                "path" => path
                    .split('{')
                    .skip(1)
                    .position(|part| part.split('}').next() == Some(name.as_str()))
                    .map_or_else(|| name.clone(), |index| format!("{{{index}}}")),
                _ => name.clone(),
            };
            let required = tree.get(id, "required");
            let parameter = Parameter {
                is_required: required.is_some_and(|id| tree.boolean(id) == Some(true))
                    || location == "path",
                location: location.clone(),
                name,
                at: *at,
                id,
            };
            found.insert((location, key), parameter);
        }
    }
    (found, odd)
}

/// How a value becomes text, with the specification's defaults.
fn written(tree: &Tree, parameter: &Parameter) -> String {
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
    let style = style.unwrap_or(default);
    let flag = |name: &str| tree.get(parameter.id, name).and_then(|id| tree.boolean(id));
    let explode = flag("explode").unwrap_or(style == "form");
    let reserved = flag("allowReserved").unwrap_or(false);
    let mut text = style.to_owned();
    if explode {
        text.push_str(", exploded");
    }
    if reserved {
        text.push_str(", reserved characters as they are");
    }
    text
}

/// The schema of a parameter's value.
fn value_schema(tree: &Tree, parameter: &Parameter) -> Option<Id> {
    if let Some(own) = tree.get(parameter.id, "schema") {
        return Some(own);
    }
    let content = tree.get(parameter.id, "content")?;
    let (_, media_type) = tree.object(content)?.iter().next()?;
    tree.get(*media_type, "schema")
}
