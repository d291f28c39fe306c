//! An operation, outside of its schemas.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::json;

use super::{Comparison, Operation, NodeRef, texts::resolved_text};
use crate::{
    document::{Id, ROOT, Tree},
    rules,
};

/// One operation in both documents.
pub(crate) struct Pair {
    pub(crate) operation: Rc<Operation>,
    pub(crate) new_path: String,
    pub(crate) old: Id,
    pub(crate) new: Id,
    pub(crate) old_item: Id,
    pub(crate) new_item: Id,
}

impl Comparison<'_> {
    pub(crate) fn operation(&mut self, pair: &Pair) {
        let operation = Some(&pair.operation);
        let known = [
            "operationId",
            "deprecated",
            "servers",
            "security",
            "parameters",
            "requestBody",
            "responses",
            "callbacks",
        ];
        self.members(pair.old, pair.new, &known, operation);
        let id = |tree: &Tree, at: Id| NodeRef::of(tree.get(at, "operationId"), at);
        let spots = (id(self.old.tree, pair.old), id(self.new.tree, pair.new));
        let names = (spots.0.value(self.old.tree), spots.1.value(self.new.tree));
        if names.0 != names.1 {
            let said = |name: &Option<serde_json::Value>| {
                name.as_ref()
                    .map_or_else(|| "nothing".to_owned(), ToString::to_string)
            };
            let reason = format!(
                "the operation was named {} and is {} now",
                said(&names.0),
                said(&names.1)
            );
            let rule = &rules::OPERATION_ID_CHANGED;
            self.found(rule, spots.0, spots.1, operation, reason, None);
        }
        self.deprecated(pair);
        let has_servers = |tree: &Tree, at: Id, item: Id| {
            tree.get(at, "servers").is_some() || tree.get(item, "servers").is_some()
        };
        if has_servers(self.old.tree, pair.old, pair.old_item)
            || has_servers(self.new.tree, pair.new, pair.new_item)
        {
            let of = |tree: &Tree, at: Id, item: Id| {
                [at, item]
                    .into_iter()
                    .find(|owner| tree.get(*owner, "servers").is_some())
                    .unwrap_or(ROOT)
            };
            let old = of(self.old.tree, pair.old, pair.old_item);
            let new = of(self.new.tree, pair.new, pair.new_item);
            self.servers(old, new, operation);
        }
        self.security(pair);
        self.parameters(pair);
        self.request_body(pair);
        self.responses(pair);
        let callbacks = (
            self.old.tree.get(pair.old, "callbacks"),
            self.new.tree.get(pair.new, "callbacks"),
        );
        let text = |tree: &Tree, id: Option<Id>| id.map(|id| resolved_text(tree, id, false));
        if text(self.old.tree, callbacks.0) != text(self.new.tree, callbacks.1) {
            let spots = (
                NodeRef::of(callbacks.0, pair.old),
                NodeRef::of(callbacks.1, pair.new),
            );
            let reason = "the callbacks changed, which are not compared".to_owned();
            let rule = &rules::CALLBACKS_CHANGED;
            self.found(rule, spots.0, spots.1, operation, reason, None);
        }
    }

    fn deprecated(&mut self, pair: &Pair) {
        let flag = |tree: &Tree, at: Id| {
            let id = tree.get(at, "deprecated");
            (
                id.is_some_and(|id| tree.boolean(id) == Some(true)),
                NodeRef::of(id, at),
            )
        };
        let (was, before) = flag(self.old.tree, pair.old);
        let (is, after) = flag(self.new.tree, pair.new);
        let (rule, reason) = match (was, is) {
            (false, true) => (
                &rules::OPERATION_DEPRECATED,
                "the operation is deprecated now",
            ),
            (true, false) => (
                &rules::OPERATION_UNDEPRECATED,
                "the operation is no longer deprecated",
            ),
            _ => return,
        };
        self.found(
            rule,
            before,
            after,
            Some(&pair.operation),
            reason.to_owned(),
            None,
        );
    }

    /// Compares the servers that two objects name.
    pub(crate) fn servers(&mut self, old: Id, new: Id, operation: Option<&Rc<Operation>>) {
        let (before, old_list) = servers(self.old.tree, old);
        let (after, new_list) = servers(self.new.tree, new);
        let only = |these: &Servers, those: &Servers| -> Vec<((String, String), Id)> {
            let only = these.iter().filter(|(key, _)| !those.contains_key(*key));
            only.map(|(key, id)| (key.clone(), *id)).collect()
        };
        let (mut gone, mut came) = (only(&before, &after), only(&after, &before));
        // None is the server `/`, as the specification has it.
        let is_default = |key: &(String, String)| key.0 == "/" && key.1.is_empty();
        if before.is_empty() {
            came.retain(|(key, _)| !is_default(key));
        }
        if after.is_empty() {
            gone.retain(|(key, _)| !is_default(key));
        }
        for (key, server) in &before {
            if let Some(other) = after.get(key) {
                self.members(*server, *other, &["url", "variables"], operation);
            }
        }
        if let ([(from, server)], [(to, other)]) = (&gone[..], &came[..]) {
            let reason = format!("the server {} is {} now", from.0, to.0);
            let exchange = Some(json!({"server": from.0, "request": {}}));
            let spots = (NodeRef::at(*server), NodeRef::at(*other));
            let rule = &rules::SERVER_CHANGED;
            self.found(rule, spots.0, spots.1, operation, reason, exchange);
            return;
        }
        for (key, server) in &gone {
            let reason = format!("the server {} is gone", key.0);
            let spots = (NodeRef::at(*server), NodeRef::missing_in(new_list));
            let exchange = Some(json!({"server": key.0, "request": {}}));
            let rule = &rules::SERVER_REMOVED;
            self.found(rule, spots.0, spots.1, operation, reason, exchange);
        }
        for (key, server) in &came {
            let reason = format!("the server {} is new", key.0);
            let spots = (NodeRef::missing_in(old_list), NodeRef::at(*server));
            let rule = &rules::SERVER_ADDED;
            self.found(rule, spots.0, spots.1, operation, reason, None);
        }
    }
}

/// Servers by address and variables.
type Servers = BTreeMap<(String, String), Id>;

/// The servers that an object names, by address and variables, and where they
/// are listed. Where none is named there is none: clients have to know better.
fn servers(tree: &Tree, owner: Id) -> (Servers, Id) {
    let list = tree.get(owner, "servers");
    let servers = list.and_then(|list| tree.array(list)).unwrap_or_default();
    let named = servers.iter().map(|server| {
        let url = tree.get(*server, "url").and_then(|url| tree.string(url));
        // A slash at the end says nothing: paths begin with one.
        let url = url.unwrap_or_default().trim_end_matches('/');
        let url = if url.is_empty() { "/" } else { url };
        let variables = tree.get(*server, "variables");
        let variables = variables.map(|id| resolved_text(tree, id, true));
        ((url.to_owned(), variables.unwrap_or_default()), *server)
    });
    (named.collect(), list.unwrap_or(owner))
}
