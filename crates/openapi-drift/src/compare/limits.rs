//! Numbers, lengths and counts: intervals and steps.

use std::cmp::Ordering;

use serde_json::Value;

use super::{
    Comparison, SampleHint, NodeRef, Task,
    schemas::{new_spot, old_spot},
};
use crate::{
    document::{Decimal, Id, Tree, value_of},
    rules::{self, Pair},
    schema::{Alternative, Bound, lower, numbers, tightest, upper},
};

/// A `multipleOf`, and where it stands.
type Step = (Decimal, Id);

/// What a limit's change does to the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    In,
    Out,
}

impl Comparison<'_> {
    /// Compares two sets of numbers.
    pub(crate) fn numbers(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        let (old_integer, old_steps) = numbers(self.old.tree, &old.parts);
        let (new_integer, new_steps) = numbers(self.new.tree, &new.parts);
        if old_integer.is_some() != new_integer.is_some() {
            let type_of = |tree: &Tree, alternative: &Alternative, integer: Option<Id>| {
                integer.or_else(|| tightest(tree, &alternative.parts, "type").next())
            };
            let spots = (
                NodeRef::of(
                    type_of(self.old.tree, old, old_integer),
                    old_spot(old, task),
                ),
                NodeRef::of(
                    type_of(self.new.tree, new, new_integer),
                    new_spot(new, task),
                ),
            );
            let name = task.place.name();
            let (pair, reason): (&'static Pair, _) = if new_integer.is_some() {
                (
                    &rules::TYPE_NARROWED,
                    format!("{name} has to be a whole number now"),
                )
            } else {
                (
                    &rules::TYPE_WIDENED,
                    format!("{name} need not be a whole number any more"),
                )
            };
            let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
            self.differ(pair, task, spots, sides, SampleHint::Any, reason);
        }
        let is_whole = old_integer.is_some() && new_integer.is_some();
        self.interval(old, new, task, ("minimum", "maximum"), is_whole);
        self.steps(old, new, task, (&old_steps, &new_steps), is_whole);
        self.number_formats(old, new, task);
    }

    /// Compares a length or count.
    pub(crate) fn limit(
        &mut self,
        old: &Alternative,
        new: &Alternative,
        task: &Task,
        low: &str,
        high: &str,
    ) {
        self.interval(old, new, task, (low, high), true);
    }

    fn interval(
        &mut self,
        old: &Alternative,
        new: &Alternative,
        task: &Task,
        keywords: (&str, &str),
        is_whole: bool,
    ) {
        let (old_tree, new_tree) = (self.old.tree, self.new.tree);
        let whole = |bound: Option<Bound>, is_lower: bool| {
            bound.map(|bound| {
                if is_whole {
                    bound.whole(is_lower)
                } else {
                    bound
                }
            })
        };
        let (mut before, mut after) = (
            whole(lower(old_tree, &old.parts, keywords.0), true),
            whole(lower(new_tree, &new.parts, keywords.0), true),
        );
        if keywords.0 != "minimum" {
            // No length or count is below zero.
            let zero = Decimal::from_i128(0);
            before = before.filter(|bound| bound.value > zero);
            after = after.filter(|bound| bound.value > zero);
        }
        self.bound(
            old,
            new,
            task,
            keywords.0,
            (before, after),
            Ordering::Greater,
        );
        let (before, after) = (
            whole(upper(old_tree, &old.parts, keywords.1), false),
            whole(upper(new_tree, &new.parts, keywords.1), false),
        );
        self.bound(old, new, task, keywords.1, (before, after), Ordering::Less);
    }

    /// Compares one end; `tighter` is how a tighter limit compares to another.
    fn bound(
        &mut self,
        old: &Alternative,
        new: &Alternative,
        task: &Task,
        keyword: &str,
        (before, after): (Option<Bound>, Option<Bound>),
        tighter: Ordering,
    ) {
        let moved = match (&before, &after) {
            (None, None) => return,
            (None, Some(_)) => Moved::In,
            (Some(_), None) => Moved::Out,
            (Some(before), Some(after)) => {
                let by_value = after.value.cmp(&before.value);
                let by_exclusion = after.is_exclusive.cmp(&before.is_exclusive);
                match (by_value, by_exclusion) {
                    (Ordering::Equal, Ordering::Equal) => return,
                    (Ordering::Equal, Ordering::Greater) => Moved::In,
                    (Ordering::Equal, Ordering::Less) => Moved::Out,
                    (order, _) if order == tighter => Moved::In,
                    _ => Moved::Out,
                }
            }
        };
        let is_format = |tree: &Tree, bound: &Option<Bound>| {
            let node = bound.as_ref().map(|bound| bound.node);
            node.is_some_and(|node| tree.string(node).is_some())
        };
        let of_format = is_format(self.old.tree, &before) || is_format(self.new.tree, &after);
        let (pair, verb): (&'static Pair, _) = match (moved, of_format) {
            (Moved::In, false) => (&rules::BOUND_NARROWED, "is tighter"),
            (Moved::Out, false) => (&rules::BOUND_WIDENED, "is wider"),
            (Moved::In, true) => (&rules::FORMAT_ADDED, "is tighter by its format"),
            (Moved::Out, true) => (&rules::FORMAT_REMOVED, "is wider by its format"),
        };
        let (old_node, new_node) = self.bound_nodes(&before, &after);
        let spots = (
            NodeRef::of(old_node, old_spot(old, task)),
            NodeRef::of(new_node, new_spot(new, task)),
        );
        let said = |bound: &Option<Bound>| {
            bound.as_ref().map_or_else(
                || "none".to_owned(),
                |bound| {
                    let exclusive = if bound.is_exclusive {
                        ", itself excluded"
                    } else {
                        ""
                    };
                    format!("{}{exclusive}", bound.value)
                },
            )
        };
        let reason = format!(
            "the {keyword} of {} {verb}: it was {} and is {} now",
            task.place.name(),
            said(&before),
            said(&after)
        );
        let is_number = matches!(keyword, "minimum" | "maximum");
        let show = if is_number {
            SampleHint::Values(numbers_about(&before, &after))
        } else {
            SampleHint::Lengths(lengths_about(&before, &after))
        };
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        self.differ(pair, task, spots, sides, show, reason);
    }

    /// The nodes to point at: where the values are the same and one excludes
    /// itself, at what says so.
    fn bound_nodes(
        &self,
        before: &Option<Bound>,
        after: &Option<Bound>,
    ) -> (Option<Id>, Option<Id>) {
        let (old, new) = (self.old.tree, self.new.tree);
        if let (Some(before), Some(after)) = (before, after)
            && before.value == after.value
        {
            let flag = |tree: &Tree, node: Id| {
                let pointer = tree.pointer(node);
                let name = match pointer.rsplit('/').next() {
                    Some("minimum") => "exclusiveMinimum",
                    Some("maximum") => "exclusiveMaximum",
                    _ => return Some(node),
                };
                tree.get(tree.parent(node), name).or(Some(node))
            };
            return (flag(old, before.node), flag(new, after.node));
        }
        (
            before.as_ref().map(|bound| bound.node),
            after.as_ref().map(|bound| bound.node),
        )
    }

    /// Compares `multipleOf`.
    fn steps(
        &mut self,
        old: &Alternative,
        new: &Alternative,
        task: &Task,
        (before, after): (&[Step], &[Step]),
        is_whole: bool,
    ) {
        let one = (Decimal::from_i128(1), task.old_at.id);
        let with_one = |steps: &[(Decimal, Id)]| {
            let mut steps = steps.to_vec();
            if is_whole {
                steps.push(one.clone());
            }
            steps
        };
        let (all_before, all_after) = (with_one(before), with_one(after));
        // A step holds for all values of a side if one of the side's steps is a
        // multiple of it.
        let holds = |step: &Decimal, side: &[(Decimal, Id)]| {
            side.iter().any(|(other, _)| other.is_multiple_of(step))
        };
        let is_narrower = after.iter().any(|(step, _)| !holds(step, &all_before));
        let is_wider = before.iter().any(|(step, _)| !holds(step, &all_after));
        let (pair, verb): (&'static Pair, _) = match (is_narrower, is_wider) {
            (false, false) => return,
            (true, false) => (&rules::BOUND_NARROWED, "are wider apart"),
            (false, true) => (&rules::BOUND_WIDENED, "are closer"),
            (true, true) => (&rules::BOUND_CHANGED, "changed"),
        };
        let spots = (
            NodeRef::of(before.first().map(|(_, id)| *id), old_spot(old, task)),
            NodeRef::of(after.first().map(|(_, id)| *id), new_spot(new, task)),
        );
        let reason = format!(
            "the steps (multipleOf) between values of {} {verb}",
            task.place.name()
        );
        let show = SampleHint::Values(
            before
                .iter()
                .chain(after)
                .flat_map(|(step, _)| {
                    let step = step.to_f64();
                    [1.0, 2.0, 3.0, 5.0, 7.0, -1.0, 101.0].map(|times| number(step * times))
                })
                .chain([number(1.0), number(2.0), number(0.5), number(7.0)])
                .collect(),
        );
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        self.differ(pair, task, spots, sides, show, reason);
    }

    /// Compares formats of numbers that are not intervals.
    fn number_formats(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        let formats = |tree: &Tree, alternative: &Alternative| -> Vec<(String, Id)> {
            tightest(tree, &alternative.parts, "format")
                .filter_map(|id| Some((tree.string(id)?.to_owned(), id)))
                .filter(|(name, _)| crate::schema::integer_format(name).is_none())
                .collect()
        };
        let before = formats(self.old.tree, old);
        let after = formats(self.new.tree, new);
        self.formats(&before, &after, old, new, task, |name| {
            matches!(name, "float" | "double").then_some(())
        });
    }

    /// Formats that nothing is known of, or that allow every value.
    pub(crate) fn formats(
        &mut self,
        before: &[(String, Id)],
        after: &[(String, Id)],
        old: &Alternative,
        new: &Alternative,
        task: &Task,
        allows_all: impl Fn(&str) -> Option<()>,
    ) {
        let texts = |formats: &[(String, Id)]| {
            let mut names: Vec<String> = formats.iter().map(|(name, _)| name.clone()).collect();
            names.sort();
            names.dedup();
            names
        };
        let (old_names, new_names) = (texts(before), texts(after));
        if old_names == new_names {
            return;
        }
        let is_known = old_names
            .iter()
            .chain(&new_names)
            .all(|name| allows_all(name).is_some());
        let pair = if is_known {
            &rules::FORMAT_NOTED
        } else {
            &rules::FORMAT_UNKNOWN
        };
        let spots = (
            NodeRef::of(before.first().map(|(_, id)| *id), old_spot(old, task)),
            NodeRef::of(after.first().map(|(_, id)| *id), new_spot(new, task)),
        );
        let said = |names: &[String]| {
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        let reason = format!(
            "the format of {} was {} and is {} now",
            task.place.name(),
            said(&old_names),
            said(&new_names)
        );
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        self.differ(pair, task, spots, sides, SampleHint::Any, reason);
    }

    /// Compares whether items may be equal.
    pub(crate) fn unique_items(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        let unique = |tree: &Tree, alternative: &Alternative| {
            let mut nodes: Vec<Id> = tightest(tree, &alternative.parts, "uniqueItems").collect();
            nodes.sort_by_key(|id| tree.boolean(*id) != Some(true));
            let is_unique = nodes
                .first()
                .is_some_and(|id| tree.boolean(*id) == Some(true));
            (is_unique, nodes.first().copied())
        };
        let (was, before) = unique(self.old.tree, old);
        let (is, after) = unique(self.new.tree, new);
        if was == is {
            return;
        }
        let name = task.place.name();
        let (pair, reason): (&'static Pair, _) = if is {
            (
                &rules::BOUND_NARROWED,
                format!("no two items of {name} may be equal now"),
            )
        } else {
            (
                &rules::BOUND_WIDENED,
                format!("items of {name} may be equal now"),
            )
        };
        let spots = (
            NodeRef::of(before, old_spot(old, task)),
            NodeRef::of(after, new_spot(new, task)),
        );
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        self.differ(pair, task, spots, sides, SampleHint::Twice, reason);
    }
}

impl Bound {
    /// The same limit for whole numbers, with itself included.
    fn whole(self, is_lower: bool) -> Self {
        let Some(below) = self.value.floor() else {
            return self;
        };
        let is_at = self.value.is_integer();
        let value = match (is_lower, self.is_exclusive) {
            (true, false) if is_at => below,
            (true, _) => below + 1,
            (false, true) if is_at => below - 1,
            (false, _) => below,
        };
        Self {
            value: Decimal::from_i128(value),
            is_exclusive: false,
            node: self.node,
        }
    }
}

fn number(value: f64) -> Value {
    Decimal::parse(&format!("{value}")).map_or(Value::Null, |value| value_of(&value))
}

/// Numbers at both limits, between and beyond them.
fn numbers_about(before: &Option<Bound>, after: &Option<Bound>) -> Vec<Value> {
    let bounds: Vec<&Decimal> = [before, after]
        .into_iter()
        .flatten()
        .map(|bound| &bound.value)
        .collect();
    let mut values = Vec::new();
    for bound in &bounds {
        if let Some(whole) = bound.floor() {
            for by in [0, 1, -1, 2, -2, 10, -10] {
                if let Some(near) = whole.checked_add(by) {
                    values.push(value_of(&Decimal::from_i128(near)));
                }
            }
        }
        values.push(value_of(bound));
        let double = bound.to_f64();
        for by in [0.5, -0.5, 0.25, 0.001] {
            values.push(number(double + by));
        }
        for times in [2.0, 0.5, 1.000_001, 0.999_999] {
            values.push(number(double * times));
        }
    }
    if let [low, high] = &bounds[..] {
        values.push(number(f64::midpoint(low.to_f64(), high.to_f64())));
        if let (Some(low), Some(high)) = (low.floor(), high.floor()) {
            values.push(value_of(&Decimal::from_i128(low / 2 + high / 2)));
        }
    }
    values
}

/// Lengths at both limits and one beyond.
fn lengths_about(before: &Option<Bound>, after: &Option<Bound>) -> Vec<i128> {
    let mut lengths: Vec<i128> = [before, after]
        .into_iter()
        .flatten()
        .filter_map(|bound| bound.value.to_i128())
        .flat_map(|length| [length, length.saturating_add(1), length.saturating_sub(1)])
        .chain([0])
        .filter(|length| *length >= 0)
        .collect();
    lengths.sort();
    lengths.dedup();
    lengths
}
