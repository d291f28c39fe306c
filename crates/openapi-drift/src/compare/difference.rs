//! A difference, before it is a finding.

use std::{rc::Rc, sync::Arc};

use serde_json::Value;

use super::{Comparison, Operation, Place, Task};
use crate::{
    document::resolve,
    document::{Id, Tree},
    rules::{self, Pair, Rule},
    schema::{Alternative, Schema},
};

/// A place in one of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeRef {
    pub(crate) id: Id,
    /// False where what is meant is not there, and `id` is what is around it.
    pub(crate) exists: bool,
}

impl NodeRef {
    pub(crate) fn at(id: Id) -> Self {
        Self { id, exists: true }
    }

    pub(crate) fn missing_in(id: Id) -> Self {
        Self { id, exists: false }
    }

    /// The node, or the lack of it in another.
    pub(crate) fn of(node: Option<Id>, around: Id) -> Self {
        node.map_or_else(|| Self::missing_in(around), Self::at)
    }

    /// What stands there.
    pub(crate) fn value(self, tree: &Tree) -> Option<Value> {
        self.exists.then(|| tree.value(self.id))
    }
}

/// Which values show a difference of two schemas.
#[derive(Clone, Debug)]
pub(crate) enum SampleHint {
    /// One of these.
    Values(Vec<Value>),
    /// A text, list or object of one of these lengths.
    Lengths(Vec<i128>),
    /// An object with these members and without those.
    Object {
        with: Vec<Arc<str>>,
        without: Vec<Arc<str>>,
    },
    /// A list with equal items.
    Twice,
    /// A member whose name is not given.
    Unnamed,
    /// Any value of the accepting side's alternatives.
    Any,
}

/// Where in an exchange a difference can be seen.
#[derive(Clone, Debug)]
pub(crate) struct ValueContext {
    pub(crate) place: Place,
    /// The schemas at this place, old and new.
    pub(crate) schemas: (Schema, Schema),
    pub(crate) old: Vec<Alternative>,
    pub(crate) new: Vec<Alternative>,
    pub(crate) show: SampleHint,
}

/// One difference.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) rule: &'static Rule,
    pub(crate) old: NodeRef,
    pub(crate) new: NodeRef,
    pub(crate) reason: String,
    pub(crate) operation: Option<Rc<Operation>>,
    /// Where it can be seen, if it is about values.
    pub(crate) sight: Option<ValueContext>,
    /// What shows it, if it is not: it follows from the documents by itself.
    pub(crate) exchange: Option<Value>,
}

impl Comparison<'_> {
    /// Adds a difference that is not about values.
    pub(crate) fn found(
        &mut self,
        rule: &'static Rule,
        old: NodeRef,
        new: NodeRef,
        operation: Option<&Rc<Operation>>,
        reason: String,
        exchange: Option<Value>,
    ) {
        let (old, new) = self.around(old, new);
        self.differences.push(Difference {
            rule,
            old,
            new,
            reason,
            operation: operation.cloned(),
            sight: None,
            exchange,
        });
    }

    /// Adds a difference of two schemas.
    pub(crate) fn differ(
        &mut self,
        pair: &'static Pair,
        task: &Task,
        spots: (NodeRef, NodeRef),
        alternatives: (&[Alternative], &[Alternative]),
        show: SampleHint,
        reason: String,
    ) {
        let spots = self.around(spots.0, spots.1);
        self.differences.push(Difference {
            rule: rules::of(pair, task.place.body.direction),
            old: spots.0,
            new: spots.1,
            reason,
            operation: Some(Rc::clone(&task.place.body.operation)),
            sight: Some(ValueContext {
                place: task.place.clone(),
                schemas: (Rc::clone(&task.old), Rc::clone(&task.new)),
                old: alternatives.0.to_vec(),
                new: alternatives.1.to_vec(),
                show,
            }),
            exchange: None,
        });
    }

    /// Where something is missing, what a reference leads to is around it.
    fn around(&self, old: NodeRef, new: NodeRef) -> (NodeRef, NodeRef) {
        let of = |tree: &Tree, spot: NodeRef| match resolve(tree, spot.id) {
            Ok(id) if !spot.exists => NodeRef::missing_in(id),
            _ => spot,
        };
        (of(self.old.tree, old), of(self.new.tree, new))
    }

    /// What is left is not compared.
    pub(crate) fn beyond(&mut self, task: &Task) {
        self.differ(
            &rules::NOT_UNDERSTOOD,
            task,
            (task.old_at, task.new_at),
            (&[], &[]),
            SampleHint::Any,
            "there are more schemas than are compared: what is not compared yet stays undecided"
                .to_owned(),
        );
    }
}
