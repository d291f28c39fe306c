//! Compares two documents and collects their differences.
//!
//! The modules work from the outside in: [`paths`] pairs paths and operations,
//! [`operation`] compares the parts of an operation that are not schemas, and
//! [`schemas`] compares two schemas as sets of allowed values. [`crate::severity`]
//! turns each [`Difference`] into a finding.

mod annotations;
mod bodies;
mod difference;
mod discriminators;
mod objects;
mod operation;
mod parameters;
mod paths;
mod place;
mod responses;
mod schemas;
mod security;
mod servers;
mod text;
mod types;
mod unions;
mod unsupported;
mod values;

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    rc::Rc,
    sync::Arc,
};

pub(crate) use difference::{Difference, NodeRef, Places, SampleHint, ValueContext};
pub(crate) use place::{Body, Key, Operation, Part, Place, wire_text};

use crate::{
    document::same_here,
    findings::Side,
    rules::{self, Direction},
    schema::{Schema, Schemas},
    witness::Validators,
};

/// The number of schema pairs to compare before the rest is undecided.
const BUDGET: usize = 200_000;

/// A pair of schemas to compare, and where they are.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) old: Schema,
    pub(crate) new: Schema,
    /// The nodes to report if there are no more specific ones.
    pub(crate) at: Places,
    pub(crate) place: Place,
}

/// Two tasks with the same key are compared once.
type Seen = (Schema, Schema, Direction, bool, bool);

/// One comparison of two documents, or of two of their schemas.
pub(crate) struct Comparison<'a> {
    pub(crate) old: &'a Schemas<'a>,
    pub(crate) new: &'a Schemas<'a>,
    /// Validates single values.
    pub(crate) values: &'a Validators<'a>,
    /// The references whose targets are equal on both sides.
    equal: &'a HashSet<Arc<str>>,
    pub(crate) differences: Vec<Difference>,
    waiting: VecDeque<(Option<usize>, Task)>,
    seen: HashMap<Seen, usize>,
    /// For each compared task: the operations whose bodies start at it, and the tasks
    /// that lead to it.
    origins: Vec<(Vec<Rc<Operation>>, Vec<usize>)>,
    /// The task being compared.
    current: Option<usize>,
    /// Whether a form covered by other forms of the union was added, removed or changed.
    is_covered: bool,
    /// Shared with the nested comparisons that this one starts.
    budget: Rc<Cell<usize>>,
    depth: usize,
}

/// All differences between two documents.
pub(crate) fn differences<'a>(
    old: &'a Schemas<'a>,
    new: &'a Schemas<'a>,
    values: &'a Validators<'a>,
    equal: &'a HashSet<Arc<str>>,
) -> Vec<Difference> {
    let mut comparison = Comparison {
        old,
        new,
        values,
        equal,
        differences: Vec::new(),
        waiting: VecDeque::new(),
        seen: HashMap::new(),
        origins: Vec::new(),
        current: None,
        is_covered: false,
        budget: Rc::new(Cell::new(BUDGET)),
        depth: 0,
    };
    comparison.documents();
    comparison.drain();
    comparison.name_operations();
    comparison.differences
}

impl<'a> Comparison<'a> {
    /// Queues a comparison of two schemas: recursion could overflow the stack.
    pub(crate) fn later(&mut self, task: Task) {
        if let ([old], [new]) = (&task.old[..], &task.new[..])
            && same_here(self.old.tree, *old, self.new.tree, *new, self.equal)
        {
            return; // The usual case.
        }
        self.waiting.push_back((self.current, task));
    }

    fn drain(&mut self) {
        while let Some((parent, task)) = self.waiting.pop_front() {
            let key = (
                Rc::clone(&task.old),
                Rc::clone(&task.new),
                task.place.body.direction,
                task.place.is_inexact,
                task.place.is_text(),
            );
            let next = self.origins.len();
            let index = *self.seen.entry(key).or_insert(next);
            if index == next {
                self.origins.push((Vec::new(), Vec::new()));
            }
            let (operations, parents) = &mut self.origins[index];
            match parent {
                Some(parent) => parents.push(parent),
                None => operations.push(Rc::clone(&task.place.body.operation)),
            }
            if index != next {
                continue;
            }
            self.current = Some(index);
            let left = self.budget.get();
            if left == 0 {
                let reason =
                    "the documents have more schemas than are compared; the rest is undecided";
                self.note(&rules::NOT_UNDERSTOOD, &task, task.at, reason);
                self.waiting.clear();
                break;
            }
            self.budget.set(left - 1);
            self.schemas(&task);
        }
        self.current = None;
    }

    /// A component is compared once; its differences belong to every operation that
    /// reaches it.
    fn name_operations(&mut self) {
        let mut starts: BTreeMap<&Rc<Operation>, Vec<usize>> = BTreeMap::new();
        let mut inner: Vec<Vec<usize>> = vec![Vec::new(); self.origins.len()];
        for (index, (operations, parents)) in self.origins.iter().enumerate() {
            for operation in operations {
                starts.entry(operation).or_default().push(index);
            }
            for parent in parents {
                inner[*parent].push(index);
            }
        }
        let tasks = self.differences.iter().filter_map(|one| one.task);
        let found = tasks.map(|task| (task, Vec::new()));
        let mut found: HashMap<usize, Vec<Rc<Operation>>> = found.collect();
        let mut reached = vec![usize::MAX; self.origins.len()];
        for (number, (operation, mut waiting)) in starts.into_iter().enumerate() {
            while let Some(index) = waiting.pop() {
                if std::mem::replace(&mut reached[index], number) == number {
                    continue;
                }
                if let Some(operations) = found.get_mut(&index) {
                    operations.push(Rc::clone(operation));
                }
                waiting.extend(&inner[index]);
            }
        }
        for difference in &mut self.differences {
            if let Some(operations) = difference.task.and_then(|task| found.get(&task)) {
                difference.operations.clone_from(operations);
            }
        }
    }

    /// The differences that a nested comparison finds. `None` if these nest too deeply.
    pub(crate) fn asked(&self, compare: impl FnOnce(&mut Self)) -> Option<Vec<Difference>> {
        if self.depth >= 4 {
            return None;
        }
        let mut inner = Comparison {
            differences: Vec::new(),
            waiting: VecDeque::new(),
            seen: HashMap::new(),
            origins: Vec::new(),
            current: None,
            is_covered: false,
            budget: Rc::clone(&self.budget),
            depth: self.depth + 1,
            ..*self
        };
        compare(&mut inner);
        inner.drain();
        Some(inner.differences)
    }

    pub(crate) fn schemas_of(&self, side: Side) -> &'a Schemas<'a> {
        match side {
            Side::Old => self.old,
            Side::New => self.new,
        }
    }
}
