//! An operation, except for its parameters, bodies and schemas.

use std::rc::Rc;

use super::{Comparison, NodeRef, Operation, text::resolved_text};
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
    /// Whether a part of the path moved to the server URL, or back.
    pub(crate) is_moved: bool,
}

/// A flag that defaults to false, and where it is.
pub(crate) fn flag(tree: &Tree, owner: Id, name: &str) -> (bool, NodeRef) {
    let id = tree.get(owner, name);
    let is_set = id.is_some_and(|id| tree.boolean(id) == Some(true));
    (is_set, NodeRef::of(id, owner))
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
        let at = (id(self.old.tree, pair.old), id(self.new.tree, pair.new));
        let names = (at.0.value(self.old.tree), at.1.value(self.new.tree));
        if names.0 != names.1 {
            let said = |name: &Option<serde_json::Value>| {
                name.as_ref()
                    .map_or_else(|| "none".to_owned(), ToString::to_string)
            };
            let reason = format!(
                "the operationId was {} and is {}",
                said(&names.0),
                said(&names.1)
            );
            self.found(&rules::OPERATION_ID_CHANGED, at, operation, reason, None);
        }
        let (was, before) = flag(self.old.tree, pair.old, "deprecated");
        let (is, after) = flag(self.new.tree, pair.new, "deprecated");
        if was != is {
            let (rule, reason) = if is {
                (&rules::OPERATION_DEPRECATED, "the operation is deprecated")
            } else {
                (
                    &rules::OPERATION_UNDEPRECATED,
                    "the operation is no longer deprecated",
                )
            };
            self.found(rule, (before, after), operation, reason, None);
        }
        self.own_servers(pair);
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
            let at = (
                NodeRef::of(callbacks.0, pair.old),
                NodeRef::of(callbacks.1, pair.new),
            );
            let reason = "the callbacks changed; they are not compared";
            self.found(&rules::CALLBACKS_CHANGED, at, operation, reason, None);
        }
    }

    /// Compares the servers of an operation or path item, or any servers if the path moved.
    fn own_servers(&mut self, pair: &Pair) {
        let owner = |tree: &Tree, at: Id, item: Id| {
            let owners = [at, item].into_iter();
            let mut owners = owners.filter(|owner| tree.get(*owner, "servers").is_some());
            owners.next().unwrap_or(ROOT)
        };
        let old = owner(self.old.tree, pair.old, pair.old_item);
        let new = owner(self.new.tree, pair.new, pair.new_item);
        if pair.is_moved {
            let paths = (pair.operation.path.as_str(), pair.new_path.as_str());
            self.servers((old, new), Some(paths), Some(&pair.operation));
        } else if old != ROOT || new != ROOT {
            self.servers((old, new), None, Some(&pair.operation));
        }
    }
}
