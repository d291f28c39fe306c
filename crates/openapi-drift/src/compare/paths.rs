//! Which path and operation of the one document is which of the other.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use serde_json::json;

use super::{Comparison, Operation, NodeRef, operation::Pair, texts::resolved_text};
use crate::{
    document::resolve,
    document::{Id, ROOT, Tree},
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
        self.other_paths();
        let before = self.items(true);
        let after = self.items(false);
        let mut gone = Vec::new();
        for (key, item) in &before {
            match after.get(key) {
                Some(other) => self.path(item, other),
                None => gone.push(item.clone()),
            }
        }
        let came: Vec<Item> = after
            .iter()
            .filter(|(key, _)| !before.contains_key(*key))
            .map(|(_, item)| item.clone())
            .collect();
        let successors = successors(
            &Likeness::of_all(self.old.tree, &gone),
            &Likeness::of_all(self.new.tree, &came),
        );
        for (index, item) in gone.iter().enumerate() {
            let successor = successors.get(&index).and_then(|index| came.get(*index));
            match successor.cloned() {
                Some(other) => {
                    let spots = (NodeRef::at(item.at), NodeRef::at(other.at));
                    let reason = format!("{} is {} now", item.path, other.path);
                    let exchange = Some(self.request_to(item));
                    self.found(
                        &rules::PATH_CHANGED,
                        spots.0,
                        spots.1,
                        None,
                        reason,
                        exchange,
                    );
                    self.path(item, &other);
                }
                None => {
                    let spots = (NodeRef::at(item.at), self.missing_path(false));
                    let reason = format!("{} is gone", item.path);
                    let exchange = Some(self.request_to(item));
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
        let taken: HashSet<usize> = successors.into_values().collect();
        let others = came.into_iter().enumerate();
        for (_, item) in others.filter(|(index, _)| !taken.contains(index)) {
            let spots = (self.missing_path(true), NodeRef::at(item.at));
            let reason = format!("{} is new", item.path);
            self.found(&rules::PATH_ADDED, spots.0, spots.1, None, reason, None);
        }
    }

    /// What stands among the paths and is none, or leads nowhere.
    fn other_paths(&mut self) {
        let of = |tree: &Tree| -> BTreeMap<Arc<str>, Id> {
            let paths = tree.get(ROOT, "paths").and_then(|paths| tree.object(paths));
            let paths = paths.into_iter().flatten();
            let others = paths.filter(|(path, at)| {
                path.starts_with("x-")
                    || resolve(tree, **at).is_err()
                    || tree.object(**at).is_none()
            });
            others.map(|(path, at)| (Arc::clone(path), *at)).collect()
        };
        let (before, after) = (of(self.old.tree), of(self.new.tree));
        for name in before
            .keys()
            .chain(after.keys())
            .cloned()
            .collect::<HashSet<_>>()
        {
            let of = |tree: &Tree| {
                let paths = tree.get(ROOT, "paths")?;
                tree.get(paths, &name)
            };
            let (old, new) = (of(self.old.tree), of(self.new.tree));
            if self.is_same(old, new) {
                continue;
            }
            let (rule, reason) = if name.starts_with("x-") {
                (&rules::EXTENSION_CHANGED, format!("`{name}` changed"))
            } else {
                (
                    &rules::NOT_COMPARED,
                    format!("{name} is no path, in one of the documents"),
                )
            };
            let spots = (
                old.map_or_else(|| self.missing_path(true), NodeRef::at),
                new.map_or_else(|| self.missing_path(false), NodeRef::at),
            );
            self.found(rule, spots.0, spots.1, None, reason, None);
        }
    }

    /// A request to an old path, with the first method that it has.
    fn request_to(&self, item: &Item) -> serde_json::Value {
        let operations = item.operations(self.old.tree);
        let method = operations.keys().next().map_or("get", |method| *method);
        let operation = operation_of(method, item);
        json!({"method": operation.method, "path": operation.path, "request": {}})
    }

    fn missing_path(&self, is_old: bool) -> NodeRef {
        let tree = if is_old { self.old.tree } else { self.new.tree };
        NodeRef::missing_in(tree.get(ROOT, "paths").unwrap_or(ROOT))
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
            // What nobody can ask for; whatever else it is, is compared elsewhere.
            if path.starts_with("x-")
                || resolve(tree, *at).is_err()
                || METHODS
                    .iter()
                    .all(|method| tree.get(item.id, method).is_none())
            {
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

    fn path(&mut self, old: &Item, new: &Item) {
        let mut known: Vec<&str> = METHODS.to_vec();
        known.extend(["parameters", "servers", "$ref"]);
        self.members(old.id, new.id, &known, None);
        let is_template =
            old.path != new.path && without_names(&old.path) == without_names(&new.path);
        if is_template {
            let reason = format!("{} is written {} now", old.path, new.path);
            let spots = (NodeRef::at(old.at), NodeRef::at(new.at));
            self.found(
                &rules::PATH_PARAMETER_RENAMED,
                spots.0,
                spots.1,
                None,
                reason,
                None,
            );
        }
        for method in METHODS {
            let (before, after) = (
                self.old.tree.get(old.id, method),
                self.new.tree.get(new.id, method),
            );
            let is_odd =
                |tree: &Tree, id: Option<Id>| id.is_some_and(|id| tree.object(id).is_none());
            let is_any_odd = is_odd(self.old.tree, before) || is_odd(self.new.tree, after);
            if is_any_odd && !self.is_same(before, after) {
                let reason = format!("`{method}` is no operation");
                let spots = (NodeRef::of(before, old.id), NodeRef::of(after, new.id));
                self.found(&rules::NOT_COMPARED, spots.0, spots.1, None, reason, None);
            }
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
                    let spots = (NodeRef::at(id), NodeRef::at(other_id));
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
                    let spots = (NodeRef::at(id), NodeRef::missing_in(new.at));
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
            let spots = (NodeRef::missing_in(old.at), NodeRef::at(id));
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

/// What tells that two paths have the same operations.
struct Likeness {
    text: String,
    ids: Vec<String>,
}

impl Likeness {
    fn of_all(tree: &Tree, items: &[Item]) -> Vec<Self> {
        let of = |item: &Item| {
            let operations = item.operations(tree);
            let ids = operations.values().filter_map(|id| {
                let name = tree.string(tree.get(*id, "operationId")?)?;
                Some(name.to_owned())
            });
            Self {
                text: resolved_text(tree, item.id, true),
                ids: ids.collect(),
            }
        };
        items.iter().map(of).collect()
    }
}

/// Which of the paths that came has the operations of one that went: by their names
/// or by all that is said of them, where there is one such on each side.
fn successors(gone: &[Likeness], came: &[Likeness]) -> HashMap<usize, usize> {
    let mut pairs = HashMap::new();
    let mut taken = HashSet::new();
    let keys: [fn(&Likeness) -> Option<String>; 2] = [
        |one| (!one.ids.is_empty()).then(|| one.ids.join("\n")),
        |one| Some(one.text.clone()),
    ];
    for key in keys {
        let mut before: HashMap<String, Vec<usize>> = HashMap::new();
        let mut after: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, one) in gone.iter().enumerate() {
            if let Some(key) = key(one).filter(|_| !pairs.contains_key(&index)) {
                before.entry(key).or_default().push(index);
            }
        }
        for (index, one) in came.iter().enumerate() {
            if let Some(key) = key(one).filter(|_| !taken.contains(&index)) {
                after.entry(key).or_default().push(index);
            }
        }
        for (key, from) in before {
            if let ([from], Some([to])) = (&from[..], after.get(&key).map(Vec::as_slice)) {
                pairs.insert(*from, *to);
                taken.insert(*to);
            }
        }
    }
    pairs
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
