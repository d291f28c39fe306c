//! The comparison: from two documents to their differences.
//!
//! The modules go from the outside in: [`document`] pairs paths and operations,
//! [`operation`] compares what an operation says outside of schemas, [`schemas`]
//! two schemas as the sets of values that they allow. What they find are
//! [`Difference`]s; [`crate::finish`] makes findings of them.

mod bodies;
mod difference;
mod enums;
mod limits;
mod members;
mod objects;
mod operation;
mod parameters;
mod paths;
mod place;
mod responses;
mod schemas;
mod security;
mod strings;
mod texts;
mod types;
mod unsupported;
mod unions;

use std::{
    cell::Cell,
    collections::{HashSet, VecDeque},
    rc::Rc,
};

pub(crate) use difference::{Difference, SampleHint, ValueContext, NodeRef};
pub(crate) use place::{Body, Key, Operation, Part, Place};

use crate::{
    document::Document,
    document,
    rules::Direction,
    schema::{Schema, Schemas},
};

/// How many pairs of schemas are compared before the rest is undecided.
const BUDGET: usize = 200_000;

/// Two schemas that have to be compared, and where they stand.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) old: Schema,
    pub(crate) new: Schema,
    /// Where to point at where there is nothing more exact.
    pub(crate) old_at: NodeRef,
    pub(crate) new_at: NodeRef,
    pub(crate) place: Place,
}

/// One comparison of two documents, or of two schemas of theirs.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    pub(crate) old: &'a Schemas<'a>,
    pub(crate) new: &'a Schemas<'a>,
    pub(crate) differences: Vec<Difference>,
    waiting: VecDeque<Task>,
    seen: HashSet<(Schema, Schema, Direction, bool)>,
    /// Shared with the comparisons that this one makes to answer a question.
    budget: Rc<Cell<usize>>,
    depth: usize,
}

/// All differences of two documents.
pub(crate) fn differences<'a>(old: &'a Schemas<'a>, new: &'a Schemas<'a>) -> Vec<Difference> {
    let mut comparison = Comparison {
        old,
        new,
        differences: Vec::new(),
        waiting: VecDeque::new(),
        seen: HashSet::new(),
        budget: Rc::new(Cell::new(BUDGET)),
        depth: 0,
    };
    comparison.documents();
    comparison.drain();
    comparison.differences
}

impl<'a> Comparison<'a> {
    /// Compares two schemas, later: nesting may be deeper than a stack.
    pub(crate) fn later(&mut self, task: Task) {
        if let ([old], [new]) = (&task.old[..], &task.new[..])
            && document::same_here(self.old.tree, *old, self.new.tree, *new)
        {
            return; // Most of two documents.
        }
        self.waiting.push_back(task);
    }

    fn drain(&mut self) {
        while let Some(task) = self.waiting.pop_front() {
            let key = (
                Rc::clone(&task.old),
                Rc::clone(&task.new),
                task.place.body.direction,
                task.place.is_inexact,
            );
            if !self.seen.insert(key) {
                continue;
            }
            let left = self.budget.get();
            if left == 0 {
                self.beyond(&task);
                self.waiting.clear();
                return;
            }
            self.budget.set(left - 1);
            self.schemas(&task);
        }
    }

    /// The differences of a part, to answer a question about it. None where
    /// questions nest too deep.
    pub(crate) fn asked(&self, compare: impl FnOnce(&mut Self)) -> Option<Vec<Difference>> {
        if self.depth >= 4 {
            return None;
        }
        let mut inner = Comparison {
            old: self.old,
            new: self.new,
            differences: Vec::new(),
            waiting: VecDeque::new(),
            seen: HashSet::new(),
            budget: Rc::clone(&self.budget),
            depth: self.depth + 1,
        };
        compare(&mut inner);
        inner.drain();
        Some(inner.differences)
    }
}

/// Both documents' schemas.
pub(crate) fn schemas_of(document: &Document) -> Schemas<'_> {
    Schemas::new(document.tree())
}
