//! A difference, before it becomes a finding.

use std::{rc::Rc, sync::Arc};

use serde_json::Value;

use super::{Comparison, Operation, Place, Task};
use crate::{
    document::{Id, Tree, resolve},
    rules::{self, Effect, Pair, Rule},
    schema::{Alternative, Schema},
};

/// A location in one of the documents.
#[derive(Clone, Copy)]
pub(crate) struct NodeRef {
    pub(crate) id: Id,
    /// False if the node does not exist; `id` is then the node that would contain it.
    pub(crate) exists: bool,
}

impl NodeRef {
    pub(crate) fn at(id: Id) -> Self {
        Self { id, exists: true }
    }

    pub(crate) fn missing_in(id: Id) -> Self {
        Self { id, exists: false }
    }

    /// The node, or its absence from the node `around`.
    pub(crate) fn of(node: Option<Id>, around: Id) -> Self {
        node.map_or_else(|| Self::missing_in(around), Self::at)
    }

    /// The absence of a new entry from a member of `owner`, or from `owner` itself.
    pub(crate) fn missing_from(tree: &Tree, owner: Id, name: &str) -> Self {
        Self::missing_in(tree.get(owner, name).unwrap_or(owner))
    }

    /// The value of the node, if it exists.
    pub(crate) fn value(self, tree: &Tree) -> Option<Value> {
        self.exists.then(|| tree.value(self.id))
    }
}

/// A location in each document, the old one first.
pub(crate) type Places = (NodeRef, NodeRef);

/// Which values show a difference between two schemas.
#[derive(Clone)]
pub(crate) enum SampleHint {
    /// One of these.
    Values(Vec<Value>),
    /// A string, array or object of one of these lengths.
    Lengths(Vec<i128>),
    /// An object with these members and without those.
    Object {
        with: Vec<Arc<str>>,
        without: Vec<Arc<str>>,
    },
    /// An array with equal items.
    Twice,
    /// A member that no schema names.
    Unnamed,
    /// The same, if unnamed members are allowed unless something forbids them.
    Undocumented,
    /// Any value of the accepting side's alternatives.
    Any,
}

/// Where in an exchange a difference is visible.
#[derive(Clone)]
pub(crate) struct ValueContext {
    pub(crate) place: Place,
    /// The schemas at this place, old and new.
    pub(crate) schemas: (Schema, Schema),
    pub(crate) old: Rc<[Alternative]>,
    pub(crate) new: Rc<[Alternative]>,
    pub(crate) hint: SampleHint,
}

/// One difference.
pub(crate) struct Difference {
    pub(crate) rule: &'static Rule,
    pub(crate) old: NodeRef,
    pub(crate) new: NodeRef,
    pub(crate) reason: String,
    /// The affected operations.
    pub(crate) operations: Vec<Rc<Operation>>,
    /// The task that found it.
    pub(crate) task: Option<usize>,
    /// Where it is visible, for a difference in values.
    pub(crate) context: Option<ValueContext>,
    /// An exchange that shows it, for other differences: it follows directly from the
    /// documents.
    pub(crate) exchange: Option<Value>,
    /// Whether it breaks even if no exchange shows it.
    pub(crate) is_certain: bool,
}

impl Difference {
    /// Whether it means that the new side no longer allows some old values or, if
    /// `is_old` is false, the other way round.
    pub(crate) fn is_outside(&self, is_old: bool) -> bool {
        match self.rule.effect {
            Effect::Changed | Effect::Unknown => true,
            Effect::Narrowed | Effect::Removed => is_old,
            Effect::Widened | Effect::Added => !is_old,
            Effect::Notice | Effect::Docs => false,
        }
    }
}

impl Comparison<'_> {
    /// A member of two objects, or where it would be.
    pub(crate) fn member_at(&self, (old, new): (Id, Id), name: &str) -> Places {
        (
            NodeRef::of(self.old.tree.get(old, name), old),
            NodeRef::of(self.new.tree.get(new, name), new),
        )
    }

    /// Whether a flag of two objects is set now, and where it is. `None` if it did not
    /// change; flags default to false.
    pub(crate) fn flag_change(&self, nodes: (Id, Id), name: &str) -> Option<(bool, Places)> {
        let was = self.old.tree.has_flag(nodes.0, name);
        let is = self.new.tree.has_flag(nodes.1, name);
        (was != is).then(|| (is, self.member_at(nodes, name)))
    }

    /// Adds a difference that is not about allowed values.
    pub(crate) fn found(
        &mut self,
        rule: &'static Rule,
        at: Places,
        operation: Option<&Rc<Operation>>,
        reason: impl Into<String>,
        exchange: Option<Value>,
    ) {
        let (old, new) = self.around(at);
        self.differences.push(Difference {
            rule,
            old,
            new,
            reason: reason.into(),
            operations: operation.into_iter().cloned().collect(),
            task: self.current,
            context: None,
            exchange,
            is_certain: false,
        });
    }

    /// Adds a difference between two schemas.
    pub(crate) fn differ(
        &mut self,
        pair: &'static Pair,
        task: &Task,
        at: Places,
        alternatives: (&[Alternative], &[Alternative]),
        hint: SampleHint,
        reason: impl Into<String>,
    ) -> &mut Difference {
        let (old, new) = self.around(at);
        let index = self.differences.len();
        self.differences.push(Difference {
            rule: rules::of(pair, task.place.body.direction),
            old,
            new,
            reason: reason.into(),
            operations: vec![Rc::clone(&task.place.body.operation)],
            task: self.current,
            context: Some(ValueContext {
                place: task.place.clone(),
                schemas: (Rc::clone(&task.old), Rc::clone(&task.new)),
                old: alternatives.0.into(),
                new: alternatives.1.into(),
                hint,
            }),
            exchange: None,
            is_certain: task.place.is_tagged && !task.place.is_inexact,
        });
        &mut self.differences[index]
    }

    /// For a missing node, resolves the reference that would contain it.
    fn around(&self, (old, new): Places) -> Places {
        let of = |tree: &Tree, spot: NodeRef| match resolve(tree, spot.id) {
            Ok(id) if !spot.exists => NodeRef::missing_in(id),
            _ => spot,
        };
        (of(self.old.tree, old), of(self.new.tree, new))
    }

    /// Adds a difference between two schemas that no value in particular shows.
    pub(crate) fn note(
        &mut self,
        pair: &'static Pair,
        task: &Task,
        at: Places,
        reason: impl Into<String>,
    ) -> &mut Difference {
        self.differ(pair, task, at, (&[], &[]), SampleHint::Any, reason)
    }

    /// Adds a difference between two alternatives.
    pub(crate) fn differ_in(
        &mut self,
        two: &Two<'_>,
        pair: &'static Pair,
        at: Places,
        hint: SampleHint,
        reason: impl Into<String>,
    ) -> &mut Difference {
        let sides = (std::slice::from_ref(two.old), std::slice::from_ref(two.new));
        self.differ(pair, two.task, at, sides, hint, reason)
    }
}

/// Two alternatives of the same type being compared.
#[derive(Clone, Copy)]
pub(crate) struct Two<'t> {
    pub(crate) old: &'t Alternative,
    pub(crate) new: &'t Alternative,
    pub(crate) task: &'t Task,
}

impl Two<'_> {
    /// The nodes, or where they would be.
    pub(crate) fn at(&self, old: Option<Id>, new: Option<Id>) -> Places {
        (
            NodeRef::of(old, self.old_around()),
            NodeRef::of(new, self.new_around()),
        )
    }

    /// The node to report for something that the old alternative lacks.
    pub(crate) fn old_around(&self) -> Id {
        let branch = self.old.branches.last();
        branch.copied().unwrap_or(self.task.at.0.id)
    }

    /// The same for the new alternative.
    pub(crate) fn new_around(&self) -> Id {
        let branch = self.new.branches.last();
        branch.copied().unwrap_or(self.task.at.1.id)
    }

    pub(crate) fn name(&self) -> String {
        self.task.place.name()
    }
}
