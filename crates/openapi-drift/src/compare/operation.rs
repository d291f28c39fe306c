//! An operation, except for its parameters, bodies and schemas.

use std::rc::Rc;

use super::{Comparison, Operation, text::resolved_text};
use crate::{
    document::{Id, ROOT, Tree},
    rules,
};

/// One operation in both documents.
pub(crate) struct Pair {
    pub(crate) operation: Rc<Operation>,
    pub(crate) new_path: String,
    /// The operation's nodes, old and new.
    pub(crate) nodes: (Id, Id),
    /// The path items that contain them.
    pub(crate) items: (Id, Id),
    /// Whether a part of the path moved to the server URL, or back.
    pub(crate) is_moved: bool,
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
        self.members(pair.nodes, &known, operation);
        let at = self.member_at(pair.nodes, "operationId");
        let (was, is) = (at.0.value(self.old.tree), at.1.value(self.new.tree));
        if was != is {
            let said = |name: Option<serde_json::Value>| {
                name.map_or_else(|| "none".to_owned(), |name| name.to_string())
            };
            let reason = format!("the operationId was {} and is {}", said(was), said(is));
            self.found(&rules::OPERATION_ID_CHANGED, at, operation, reason, None);
        }
        if let Some((is_deprecated, at)) = self.flag_change(pair.nodes, "deprecated") {
            let (rule, reason) = if is_deprecated {
                (&rules::OPERATION_DEPRECATED, "the operation is deprecated")
            } else {
                let reason = "the operation is no longer deprecated";
                (&rules::OPERATION_UNDEPRECATED, reason)
            };
            self.found(rule, at, operation, reason, None);
        }
        self.own_servers(pair);
        self.security(pair);
        self.parameters(pair);
        self.request_body(pair);
        self.responses(pair);
        let at = self.member_at(pair.nodes, "callbacks");
        let text = |tree: &Tree, operation: Id| {
            let callbacks = tree.get(operation, "callbacks");
            callbacks.map(|id| resolved_text(tree, id, false))
        };
        if text(self.old.tree, pair.nodes.0) != text(self.new.tree, pair.nodes.1) {
            let reason = "the callbacks changed; they are not compared";
            self.found(&rules::CALLBACKS_CHANGED, at, operation, reason, None);
        }
    }

    /// Compares the servers of an operation or path item, or any servers if the path moved.
    fn own_servers(&mut self, pair: &Pair) {
        let owner = |tree: &Tree, operation: Id, item: Id| {
            let owners = [operation, item].into_iter();
            let mut owners = owners.filter(|owner| tree.get(*owner, "servers").is_some());
            owners.next().unwrap_or(ROOT)
        };
        let old = owner(self.old.tree, pair.nodes.0, pair.items.0);
        let new = owner(self.new.tree, pair.nodes.1, pair.items.1);
        if pair.is_moved {
            let paths = (pair.operation.path.as_str(), pair.new_path.as_str());
            self.servers((old, new), Some(paths), Some(&pair.operation));
        } else if old != ROOT || new != ROOT {
            self.servers((old, new), None, Some(&pair.operation));
        }
    }
}
