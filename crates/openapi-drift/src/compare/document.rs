//! Which path and operation of the one document is which of the other.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use serde_json::json;

use super::{Comparison, Operation, Spot, members::resolved_text, operation::Pair};
use crate::{
    document::resolve,
    json::{Id, ROOT, Tree},
    rules,
};

/// The methods of OpenAPI 3.0.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// One path and what stands under it.
#[derive(Clone)]
struct Item {
    path: Arc<str>,
    /// The member of `paths`.
    at: Id,
    /// What it refers to, or itself.
    id: Id,
}

impl Item {
    fn operations(&self, tree: &Tree) -> BTreeMap<&'static str, Id> {
        let operations = METHODS
            .iter()
            .filter_map(|method| Some((*method, tree.get(self.id, method)?)));
        operations
            .filter(|(_, id)| tree.object(*id).is_some())
            .collect()
    }
}

impl Comparison<'_> {
    /// Compares everything.
    pub(crate) fn documents(&mut self) {
        let known = ["paths", "components", "servers", "security"];
        self.members(ROOT, ROOT, &known, None);
        self.servers(ROOT, ROOT, None);
        let before = self.items(true);
        let after = self.items(false);
        let mut gone = Vec::new();
        for (key, item) in &before {
            match after.get(key) {
                Some(other) => self.path(item, other),
                None => gone.push(item.clone()),
            }
        }
        let mut came: Vec<Item> = after
            .iter()
            .filter(|(key, _)| !before.contains_key(*key))
            .map(|(_, item)| item.clone())
            .collect();
        for item in gone {
            let successor = self.successor(&item, &came);
            match successor.map(|index| came.remove(index)) {
                Some(other) => {
                    let spots = (Spot::at(item.at), Spot::at(other.at));
                    let reason = format!("{} is {} now", item.path, other.path);
                    let exchange = Some(self.request_to(&item));
                    self.found(
                        &rules::PATH_CHANGED,
                        spots.0,
                        spots.1,
                        None,
                        reason,
                        exchange,
                    );
                    self.path(&item, &other);
                }
                None => {
                    let spots = (Spot::at(item.at), self.missing_path(false));
                    let reason = format!("{} is gone", item.path);
                    let exchange = Some(self.request_to(&item));
                    self.found(
                        &rules::PATH_REMOVED,
                        spots.0,
                        spots.1,
                        None,
                        reason,
                        exchange,
                    );
                }
            }
        }
        for item in came {
            let spots = (self.missing_path(true), Spot::at(item.at));
            let reason = format!("{} is new", item.path);
            self.found(&rules::PATH_ADDED, spots.0, spots.1, None, reason, None);
        }
    }

    /// A request to an old path, with the first method that it has.
    fn request_to(&self, item: &Item) -> serde_json::Value {
        let operations = item.operations(self.old.tree);
        let method = operations.keys().next().map_or("get", |method| *method);
        let operation = operation_of(method, item);
        json!({"method": operation.method, "path": operation.path, "request": {}})
    }

    fn missing_path(&self, is_old: bool) -> Spot {
        let tree = if is_old { self.old.tree } else { self.new.tree };
        Spot::missing_in(tree.get(ROOT, "paths").unwrap_or(ROOT))
    }

    /// The paths of a document, by what is the same for all names in braces.
    fn items(&self, is_old: bool) -> BTreeMap<String, Item> {
        let tree = if is_old { self.old.tree } else { self.new.tree };
        let paths = tree.get(ROOT, "paths").and_then(|paths| tree.object(paths));
        let mut items = BTreeMap::new();
        for (path, at) in paths.into_iter().flatten() {
            let item = Item {
                path: Arc::clone(path),
                at: *at,
                id: resolve(tree, *at).unwrap_or(*at),
            };
            // An extension, or what nobody can ask for.
            let is_empty = item.operations(tree).is_empty() && item.id == *at;
            if path.starts_with("x-") || (is_empty && tree.get(*at, "$ref").is_none()) {
                continue;
            }
            let mut key = without_names(path);
            while items.contains_key(&key) {
                // Two templates that only differ in names: told apart by them.
                key.push_str(path);
            }
            items.insert(key, item);
        }
        items
    }

    /// The new path that has the same operations, if there is one alone.
    fn successor(&self, item: &Item, came: &[Item]) -> Option<usize> {
        let text = |tree: &Tree, item: &Item| resolved_text(tree, item.id, true);
        let ids = |tree: &Tree, item: &Item| -> Vec<String> {
            let operations = item.operations(tree);
            let ids = operations.values().filter_map(|id| {
                tree.string(tree.get(*id, "operationId")?)
                    .map(str::to_owned)
            });
            ids.collect()
        };
        let wanted = text(self.old.tree, item);
        let names = ids(self.old.tree, item);
        let matching: Vec<usize> = came
            .iter()
            .enumerate()
            .filter(|(_, other)| {
                let others = ids(self.new.tree, other);
                text(self.new.tree, other) == wanted || (!names.is_empty() && names == others)
            })
            .map(|(index, _)| index)
            .collect();
        match matching[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    fn path(&mut self, old: &Item, new: &Item) {
        let mut known: Vec<&str> = METHODS.to_vec();
        known.extend(["parameters", "servers", "$ref"]);
        self.members(old.id, new.id, &known, None);
        let is_template =
            old.path != new.path && without_names(&old.path) == without_names(&new.path);
        if is_template {
            let reason = format!("{} is written {} now", old.path, new.path);
            let spots = (Spot::at(old.at), Spot::at(new.at));
            self.found(
                &rules::PATH_PARAMETER_RENAMED,
                spots.0,
                spots.1,
                None,
                reason,
                None,
            );
        }
        let before = old.operations(self.old.tree);
        let after = new.operations(self.new.tree);
        let mut gone: Vec<(&str, Id)> = Vec::new();
        for (method, id) in &before {
            match after.get(method) {
                Some(other) => self.operation(&pair(old, new, method, *id, *other)),
                None => gone.push((method, *id)),
            }
        }
        let mut came: Vec<(&str, Id)> = after
            .iter()
            .filter(|(method, _)| !before.contains_key(*method))
            .map(|(method, id)| (*method, *id))
            .collect();
        for (method, id) in gone {
            let operation = operation_of(method, old);
            let exchange =
                json!({"method": operation.method, "path": operation.path, "request": {}});
            let successor = self.successor_method(id, &came);
            match successor.map(|index| came.remove(index)) {
                Some((other, other_id)) => {
                    let upper = other.to_ascii_uppercase();
                    let reason = format!("{operation} is {upper} now");
                    let spots = (Spot::at(id), Spot::at(other_id));
                    let rule = &rules::METHOD_CHANGED;
                    self.found(
                        rule,
                        spots.0,
                        spots.1,
                        Some(&operation),
                        reason,
                        Some(exchange),
                    );
                    self.operation(&pair(old, new, method, id, other_id));
                }
                None => {
                    let reason = format!("{operation} is gone");
                    let spots = (Spot::at(id), Spot::missing_in(new.at));
                    let rule = &rules::METHOD_REMOVED;
                    self.found(
                        rule,
                        spots.0,
                        spots.1,
                        Some(&operation),
                        reason,
                        Some(exchange),
                    );
                }
            }
        }
        for (method, id) in came {
            let operation = operation_of(method, new);
            let reason = format!("{operation} is new");
            let spots = (Spot::missing_in(old.at), Spot::at(id));
            self.found(
                &rules::METHOD_ADDED,
                spots.0,
                spots.1,
                Some(&operation),
                reason,
                None,
            );
        }
    }

    fn successor_method(&self, id: Id, came: &[(&str, Id)]) -> Option<usize> {
        let wanted = resolved_text(self.old.tree, id, true);
        let name = self
            .old
            .tree
            .get(id, "operationId")
            .and_then(|id| self.old.tree.string(id));
        came.iter().position(|(_, other)| {
            let tree = self.new.tree;
            let other_name = tree
                .get(*other, "operationId")
                .and_then(|id| tree.string(id));
            resolved_text(tree, *other, true) == wanted || (name.is_some() && name == other_name)
        })
    }
}

fn operation_of(method: &str, item: &Item) -> Rc<Operation> {
    Rc::new(Operation {
        method: method.to_ascii_uppercase(),
        path: item.path.to_string(),
    })
}

fn pair(old: &Item, new: &Item, method: &str, id: Id, other: Id) -> Pair {
    Pair {
        operation: operation_of(method, old),
        new_path: new.path.to_string(),
        old: id,
        new: other,
        old_item: old.id,
        new_item: new.id,
    }
}

/// A path template without the names in braces, which are not sent.
fn without_names(path: &str) -> String {
    let mut key = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else {
            break;
        };
        key.push_str(before);
        key.push_str("{}");
        rest = after;
    }
    key.push_str(rest);
    key
}
