//! Pairs the paths and operations of both documents.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use serde_json::json;

use super::{
    Comparison, NodeRef, Operation, operation::Pair, servers::Servers, text::resolved_text,
};
use crate::{
    document::{Id, ROOT, Tree, resolve},
    rules,
};

/// The methods of OpenAPI 3.0.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// One path item.
#[derive(Clone)]
struct Item {
    path: Arc<str>,
    /// The member of `paths`.
    at: Id,
    /// The target of its reference, or the node itself.
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

    /// The path's full addresses, without parameter names.
    fn addresses(&self, tree: &Tree) -> Vec<String> {
        let owner = tree.get(self.id, "servers").map_or(ROOT, |_| self.id);
        Servers::of(tree, owner).of_path(&without_names(&self.path))
    }
}

impl Comparison<'_> {
    /// Compares the whole documents.
    pub(crate) fn documents(&mut self) {
        let known = ["paths", "components", "servers", "security"];
        self.members(ROOT, ROOT, &known, None);
        self.other_paths();
        let before = items(self.old.tree);
        let mut after = items(self.new.tree);
        let mut pairs: Vec<(Item, Item)> = Vec::new();
        let mut gone: Vec<Item> = Vec::new();
        for (key, item) in before {
            match after.remove(&key) {
                Some(other) => pairs.push((item, other)),
                None => gone.push(item),
            }
        }
        let mut came: Vec<Item> = after.into_values().collect();
        let moved = self.moved(&mut gone, &mut came);
        if !pairs.is_empty() || moved.is_empty() {
            self.servers((ROOT, ROOT), None, None);
        }
        for (old, new) in &pairs {
            self.path(old, new, false);
        }
        if let Some((old, new)) = moved.first() {
            let at = (NodeRef::at(old.at), NodeRef::at(new.at));
            let reason = format!(
                "a part of the path moved between server and path: {} is written {}",
                old.path, new.path
            );
            self.found(&rules::ADDRESS_REWRITTEN, at, None, reason, None);
        }
        for (old, new) in &moved {
            self.path(old, new, true);
        }
        let successors = successors(
            &Likeness::of_all(self.old.tree, &gone),
            &Likeness::of_all(self.new.tree, &came),
        );
        for (index, item) in gone.iter().enumerate() {
            let exchange = Some(self.request_to(item));
            match successors.get(&index).and_then(|index| came.get(*index)) {
                Some(other) => {
                    let at = (NodeRef::at(item.at), NodeRef::at(other.at));
                    let reason = format!("the path {} became {}", item.path, other.path);
                    self.found(&rules::PATH_CHANGED, at, None, reason, exchange);
                    self.path(item, other, false);
                }
                None => {
                    let at = (NodeRef::at(item.at), missing_path(self.new.tree));
                    let reason = format!("the path {} was removed", item.path);
                    self.found(&rules::PATH_REMOVED, at, None, reason, exchange);
                }
            }
        }
        let taken: HashSet<usize> = successors.into_values().collect();
        let others = came.iter().enumerate();
        for (_, item) in others.filter(|(index, _)| !taken.contains(index)) {
            let at = (missing_path(self.old.tree), NodeRef::at(item.at));
            let reason = format!("the path {} was added", item.path);
            self.found(&rules::PATH_ADDED, at, None, reason, None);
        }
    }

    /// Takes out the paths that differ but have the same full address: a part moved to
    /// the server URL, or back.
    fn moved(&self, gone: &mut Vec<Item>, came: &mut Vec<Item>) -> Vec<(Item, Item)> {
        if gone.is_empty() || came.is_empty() {
            return Vec::new();
        }
        let mut known: HashMap<String, usize> = HashMap::new();
        for (index, item) in came.iter().enumerate() {
            for address in item.addresses(self.new.tree) {
                known.insert(address, index);
            }
        }
        let mut pairs = Vec::new();
        let mut taken = HashSet::new();
        gone.retain(|item| {
            let addresses = item.addresses(self.old.tree);
            let index = addresses.iter().find_map(|address| known.get(address));
            let Some(index) = index.filter(|index| taken.insert(**index)) else {
                return true;
            };
            pairs.push((item.clone(), came[*index].clone()));
            false
        });
        let mut index = 0;
        came.retain(|_| {
            index += 1;
            !taken.contains(&(index - 1))
        });
        pairs
    }

    /// Compares entries of `paths` that are extensions, not objects or unresolvable.
    fn other_paths(&mut self) {
        let of = |tree: &Tree| -> BTreeSet<Arc<str>> {
            let paths = tree.get(ROOT, "paths").and_then(|paths| tree.object(paths));
            let paths = paths.into_iter().flatten();
            let others = paths.filter(|(path, at)| {
                path.starts_with("x-")
                    || resolve(tree, **at).is_err()
                    || tree.object(**at).is_none()
            });
            others.map(|(path, _)| Arc::clone(path)).collect()
        };
        for name in of(self.old.tree).union(&of(self.new.tree)) {
            let of = |tree: &Tree| tree.get(tree.get(ROOT, "paths")?, name);
            let (old, new) = (of(self.old.tree), of(self.new.tree));
            if self.is_same(old, new) {
                continue;
            }
            let (rule, reason) = if name.starts_with("x-") {
                (&rules::EXTENSION_CHANGED, format!("`{name}` changed"))
            } else {
                let reason = format!("{name} is not a path item in one of the documents");
                (&rules::NOT_COMPARED, reason)
            };
            let at = (
                old.map_or_else(|| missing_path(self.old.tree), NodeRef::at),
                new.map_or_else(|| missing_path(self.new.tree), NodeRef::at),
            );
            self.found(rule, at, None, reason, None);
        }
    }

    /// A request to an old path, with its first method.
    fn request_to(&self, item: &Item) -> serde_json::Value {
        let operations = item.operations(self.old.tree);
        let method = operations.keys().next().map_or("get", |method| *method);
        let operation = operation_of(method, item);
        json!({"method": operation.method, "path": operation.path, "request": {}})
    }

    fn path(&mut self, old: &Item, new: &Item, is_moved: bool) {
        let mut known: Vec<&str> = METHODS.to_vec();
        known.extend(["parameters", "servers", "$ref"]);
        self.members(old.id, new.id, &known, None);
        if old.path != new.path && without_names(&old.path) == without_names(&new.path) {
            let reason = format!("the path {} is written {}", old.path, new.path);
            let at = (NodeRef::at(old.at), NodeRef::at(new.at));
            self.found(&rules::PATH_PARAMETER_RENAMED, at, None, reason, None);
        }
        for method in METHODS {
            let before = self.old.tree.get(old.id, method);
            let after = self.new.tree.get(new.id, method);
            let is_odd =
                |tree: &Tree, id: Option<Id>| id.is_some_and(|id| tree.object(id).is_none());
            let is_any_odd = is_odd(self.old.tree, before) || is_odd(self.new.tree, after);
            if is_any_odd && !self.is_same(before, after) {
                let reason = format!("`{method}` is not an operation");
                let at = (NodeRef::of(before, old.id), NodeRef::of(after, new.id));
                self.found(&rules::NOT_COMPARED, at, None, reason, None);
            }
        }
        let pair = |method: &str, id: Id, other: Id| Pair {
            operation: operation_of(method, old),
            new_path: new.path.to_string(),
            old: id,
            new: other,
            old_item: old.id,
            new_item: new.id,
            is_moved,
        };
        let before = old.operations(self.old.tree);
        let mut after = new.operations(self.new.tree);
        let mut gone: Vec<(&str, Id)> = Vec::new();
        for (method, id) in before {
            match after.remove(method) {
                Some(other) => self.operation(&pair(method, id, other)),
                None => gone.push((method, id)),
            }
        }
        for (method, id) in gone {
            let operation = operation_of(method, old);
            let exchange =
                json!({"method": operation.method, "path": operation.path, "request": {}});
            match self.successor_method(id, &after) {
                Some((other, other_id)) => {
                    after.remove(other);
                    let upper = other.to_ascii_uppercase();
                    let reason = format!("{operation} became {upper}");
                    let at = (NodeRef::at(id), NodeRef::at(other_id));
                    let rule = &rules::METHOD_CHANGED;
                    self.found(rule, at, Some(&operation), reason, Some(exchange));
                    self.operation(&pair(method, id, other_id));
                }
                None => {
                    let reason = format!("{operation} was removed");
                    let at = (NodeRef::at(id), NodeRef::missing_in(new.at));
                    let rule = &rules::METHOD_REMOVED;
                    self.found(rule, at, Some(&operation), reason, Some(exchange));
                }
            }
        }
        for (method, id) in after {
            let operation = operation_of(method, new);
            let reason = format!("{operation} was added");
            let at = (NodeRef::missing_in(old.at), NodeRef::at(id));
            self.found(&rules::METHOD_ADDED, at, Some(&operation), reason, None);
        }
    }

    fn successor_method(
        &self,
        id: Id,
        came: &BTreeMap<&'static str, Id>,
    ) -> Option<(&'static str, Id)> {
        if came.is_empty() {
            return None;
        }
        let wanted = resolved_text(self.old.tree, id, true);
        let name_of =
            |tree: &Tree, id: Id| Some(tree.string(tree.get(id, "operationId")?)?.to_owned());
        let name = name_of(self.old.tree, id);
        let tree = self.new.tree;
        let found = came.iter().find(|(_, other)| {
            resolved_text(tree, **other, true) == wanted
                || (name.is_some() && name == name_of(tree, **other))
        });
        found.map(|(method, id)| (*method, *id))
    }
}

fn missing_path(tree: &Tree) -> NodeRef {
    NodeRef::missing_in(tree.get(ROOT, "paths").unwrap_or(ROOT))
}

/// The paths of a document, by template without parameter names.
fn items(tree: &Tree) -> BTreeMap<String, Item> {
    let paths = tree.get(ROOT, "paths").and_then(|paths| tree.object(paths));
    let mut items = BTreeMap::new();
    for (path, at) in paths.into_iter().flatten() {
        let item = Item {
            path: Arc::clone(path),
            at: *at,
            id: resolve(tree, *at).unwrap_or(*at),
        };
        // Not callable; compared elsewhere, if at all.
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
            // Templates that differ only in parameter names: keep both.
            key.push_str(path);
        }
        items.insert(key, item);
    }
    items
}

/// What identifies the operations of a path.
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

/// Maps removed paths to added ones with the same operations: the same operation ids
/// or else the same content, if the match is unique on both sides.
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

/// A path template without its parameter names, which are not sent.
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
