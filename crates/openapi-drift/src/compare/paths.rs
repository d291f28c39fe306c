//! Pairs the paths and operations of both documents.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use serde_json::{Value, json};

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
        let operations = METHODS.map(|method| Some((method, tree.get(self.id, method)?)));
        let operations = operations.into_iter().flatten();
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
        self.members((ROOT, ROOT), &known, None);
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
        let like = |tree: &Tree, items: &[Item]| -> Vec<Likeness> {
            items.iter().map(|item| likeness(tree, item)).collect()
        };
        let successors = successors(&like(self.old.tree, &gone), &like(self.new.tree, &came));
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
                    let missing = NodeRef::missing_from(self.new.tree, ROOT, "paths");
                    let at = (NodeRef::at(item.at), missing);
                    let reason = format!("the path {} was removed", item.path);
                    self.found(&rules::PATH_REMOVED, at, None, reason, exchange);
                }
            }
        }
        let taken: HashSet<usize> = successors.into_values().collect();
        let others = came.iter().enumerate();
        for (_, item) in others.filter(|(index, _)| !taken.contains(index)) {
            let missing = NodeRef::missing_from(self.old.tree, ROOT, "paths");
            let at = (missing, NodeRef::at(item.at));
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
        let mut known: HashMap<String, &Item> = HashMap::new();
        for item in came.iter() {
            let addresses = item.addresses(self.new.tree).into_iter();
            known.extend(addresses.map(|address| (address, item)));
        }
        let mut pairs = Vec::new();
        let mut taken = HashSet::new();
        gone.retain(|item| {
            let addresses = item.addresses(self.old.tree);
            let found = addresses.iter().find_map(|address| known.get(address));
            let Some(other) = found.filter(|other| taken.insert(other.at)) else {
                return true;
            };
            pairs.push((item.clone(), Item::clone(other)));
            false
        });
        came.retain(|item| !taken.contains(&item.at));
        pairs
    }

    /// Compares entries of `paths` that are extensions, not objects or unresolvable.
    fn other_paths(&mut self) {
        let paths = |tree: &Tree| tree.get(ROOT, "paths").unwrap_or(ROOT);
        let nodes = (paths(self.old.tree), paths(self.new.tree));
        let names = others(self.old.tree, nodes.0);
        for name in names.union(&others(self.new.tree, nodes.1)) {
            if self.is_same(nodes, name) {
                continue;
            }
            let (rule, reason) = if name.starts_with("x-") {
                (&rules::EXTENSION_CHANGED, format!("`{name}` changed"))
            } else {
                let reason = format!("{name} is not a path item in one of the documents");
                (&rules::NOT_COMPARED, reason)
            };
            self.found(rule, self.member_at(nodes, name), None, reason, None);
        }
    }

    /// A request to an old path, with its first method.
    fn request_to(&self, item: &Item) -> Value {
        let operations = item.operations(self.old.tree);
        let method = operations.keys().next().map_or("get", |method| *method);
        operation_of(method, item).exchange("request", json!({}))
    }

    fn path(&mut self, old: &Item, new: &Item, is_moved: bool) {
        let mut known: Vec<&str> = METHODS.to_vec();
        known.extend(["parameters", "servers", "$ref"]);
        self.members((old.id, new.id), &known, None);
        if old.path != new.path && without_names(&old.path) == without_names(&new.path) {
            let reason = format!("the path {} is written {}", old.path, new.path);
            let at = (NodeRef::at(old.at), NodeRef::at(new.at));
            self.found(&rules::PATH_PARAMETER_RENAMED, at, None, reason, None);
        }
        for method in METHODS {
            let nodes = (old.id, new.id);
            let at = self.member_at(nodes, method);
            let is_odd = |tree: &Tree, at: NodeRef| at.exists && tree.object(at.id).is_none();
            let is_any_odd = is_odd(self.old.tree, at.0) || is_odd(self.new.tree, at.1);
            if is_any_odd && !self.is_same(nodes, method) {
                let reason = format!("`{method}` is not an operation");
                self.found(&rules::NOT_COMPARED, at, None, reason, None);
            }
        }
        let pair = |method: &str, id: Id, other: Id| Pair {
            operation: operation_of(method, old),
            new_path: new.path.to_string(),
            nodes: (id, other),
            items: (old.id, new.id),
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
            let exchange = operation.exchange("request", json!({}));
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
        let (old, new) = (self.old.tree, self.new.tree);
        let wanted = resolved_text(old, id, true);
        let name = old.text(id, "operationId");
        let found = came.iter().find(|(_, other)| {
            resolved_text(new, **other, true) == wanted
                || (name.is_some() && name == new.text(**other, "operationId"))
        });
        found.map(|(method, id)| (*method, *id))
    }
}

/// The paths of a document, by template without parameter names.
fn items(tree: &Tree) -> BTreeMap<String, Item> {
    let mut items = BTreeMap::new();
    for (path, at) in tree.members_of(ROOT, "paths") {
        let Ok(id) = resolve(tree, *at) else {
            continue; // Compared elsewhere.
        };
        let is_callable = METHODS.iter().any(|name| tree.get(id, name).is_some());
        if path.starts_with("x-") || !is_callable {
            continue;
        }
        let mut key = without_names(path);
        while items.contains_key(&key) {
            // Templates that differ only in parameter names: keep both.
            key.push_str(path);
        }
        let (path, at) = (Arc::clone(path), *at);
        items.insert(key, Item { path, at, id });
    }
    items
}

/// The entries of `paths` that are extensions, not objects or unresolvable.
fn others(tree: &Tree, paths: Id) -> BTreeSet<&str> {
    let others = tree.members(paths).filter(|(path, at)| {
        path.starts_with("x-") || resolve(tree, **at).is_err() || tree.object(**at).is_none()
    });
    others.map(|(path, _)| &**path).collect()
}

/// What identifies the operations of a path: their ids, if they have any, and their text.
type Likeness = [Option<String>; 2];

fn likeness(tree: &Tree, item: &Item) -> Likeness {
    let operations = item.operations(tree);
    let ids = operations.values();
    let ids: Vec<&str> = ids.filter_map(|id| tree.text(*id, "operationId")).collect();
    let text = resolved_text(tree, item.id, true);
    [(!ids.is_empty()).then(|| ids.join("\n")), Some(text)]
}

/// Maps removed paths to added ones with the same operations: the same operation ids
/// or else the same content, if the match is unique on both sides.
fn successors(gone: &[Likeness], came: &[Likeness]) -> HashMap<usize, usize> {
    let mut pairs = HashMap::new();
    let mut taken = HashSet::new();
    for kind in 0..2 {
        let by_key = |all: &[Likeness], is_paired: &dyn Fn(&usize) -> bool| {
            let mut indexes: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, one) in all.iter().enumerate() {
                if let Some(key) = one[kind].clone().filter(|_| !is_paired(&index)) {
                    indexes.entry(key).or_default().push(index);
                }
            }
            indexes
        };
        let before = by_key(gone, &|index| pairs.contains_key(index));
        let after = by_key(came, &|index| taken.contains(index));
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
