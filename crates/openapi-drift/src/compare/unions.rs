//! Which branch of a union belongs to which.

use std::collections::HashSet;

use super::{
    Comparison, Difference, Show, Spot, Task,
    members::{own_text, resolved_text},
};
use crate::{
    json::Tree,
    rules::{self, Direction, Effect, Pair},
    schema::{self, Alternative, Expanded, Type},
};

/// The most pairs that are looked at one by one.
const PAIRS: usize = 1024;

impl Comparison<'_> {
    /// Compares the alternatives of one type.
    pub(crate) fn pair(&mut self, old: &[Alternative], new: &[Alternative], task: &Task) {
        match (old, new) {
            ([old], [new]) => self.alternatives(old, new, task),
            ([], _) | (_, []) => {} // A type that came or went, which is said already.
            _ => self.pair_many(old, new, task),
        }
    }

    fn pair_many(&mut self, old: &[Alternative], new: &[Alternative], task: &Task) {
        let (old_left, new_left) = self.unequal(old, new);
        // What may break is that the union of the one side is not in the other
        // side; where that is one form, each of the union's has to be in it.
        let (whole, whole_left) = match task.place.body.direction {
            Direction::Request => (new, &new_left),
            Direction::Response => (old, &old_left),
        };
        if let ([_], [_]) = (whole, &whole_left[..]) {
            for one in old {
                for other in new {
                    self.alternatives(one, other, task);
                }
            }
            return;
        }
        let is_small = old.len().saturating_mul(new.len()) <= PAIRS;
        if let ([one], [other]) = (&old_left[..], &new_left[..]) {
            let is_alone = is_small && self.is_alone(one, other, old, new);
            let inner = Task {
                place: task.place.inexact(!is_alone),
                ..task.clone()
            };
            self.alternatives(one, other, &inner);
            return;
        }
        let mut new_left = new_left;
        for one in old_left {
            let found = new_left.iter().position(|other| {
                is_small
                    && !schema::apart(self.old, &one, self.new, other)
                    && self.is_alone(&one, other, old, new)
            });
            let found = found.or_else(|| {
                // Not certain, but likely what somebody edited.
                new_left.iter().position(|other| self.is_alike(&one, other))
            });
            match found {
                Some(index) => {
                    let other = new_left.remove(index);
                    let is_alone = is_small && self.is_alone(&one, &other, old, new);
                    let inner = Task {
                        place: task.place.inexact(!is_alone),
                        ..task.clone()
                    };
                    self.alternatives(&one, &other, &inner);
                }
                None => self.branch_gone(&one, new, task),
            }
        }
        for other in new_left {
            self.branch_came(&other, old, task);
        }
    }

    /// What is left when those that say the same are taken out.
    fn unequal(
        &mut self,
        old: &[Alternative],
        new: &[Alternative],
    ) -> (Vec<Alternative>, Vec<Alternative>) {
        let texts = |tree: &Tree, all: &[Alternative]| -> Vec<String> {
            all.iter().map(|one| text(tree, one)).collect()
        };
        let before = texts(self.old.tree, old);
        let after = texts(self.new.tree, new);
        // A form that stands twice says nothing more the second time.
        let left = |all: &[Alternative], own: &[String], others: &[String]| {
            let others: HashSet<&String> = others.iter().collect();
            let left = all
                .iter()
                .zip(own)
                .filter(|(_, text)| !others.contains(text));
            left.map(|(one, _)| one.clone()).collect()
        };
        (left(old, &before, &after), left(new, &after, &before))
    }

    /// Whether two alternatives have nothing in common with any other one.
    fn is_alone(
        &self,
        one: &Alternative,
        other: &Alternative,
        old: &[Alternative],
        new: &[Alternative],
    ) -> bool {
        new.iter()
            .filter(|new| *new != other)
            .all(|new| schema::apart(self.old, one, self.new, new))
            && old
                .iter()
                .filter(|old| *old != one)
                .all(|old| schema::apart(self.old, old, self.new, other))
    }

    /// Whether two branches look like versions of one: the same component, title
    /// or place, or mostly the same properties.
    fn is_alike(&self, one: &Alternative, other: &Alternative) -> bool {
        let (old, new) = (self.old.tree, self.new.tree);
        if let (Some(left), Some(right)) = (one.branches.last(), other.branches.last()) {
            if old.pointer(*left) == new.pointer(*right) {
                return true;
            }
            for name in ["$ref", "title"] {
                let left = old.get(*left, name).and_then(|id| old.string(id));
                let right = new.get(*right, name).and_then(|id| new.string(id));
                if left.is_some() && left == right {
                    return true;
                }
            }
        }
        if one.kind != Type::Object {
            return true;
        }
        let left = schema::properties(old, &one.parts);
        let right = schema::properties(new, &other.parts);
        let common = left.keys().filter(|name| right.contains_key(*name)).count();
        common * 2 > left.len().max(right.len())
    }

    fn branch_gone(&mut self, one: &Alternative, new: &[Alternative], task: &Task) {
        let is_covered = task.place.body.direction == Direction::Request
            && self.is_covered(one, new, task, true);
        if is_covered {
            return; // Said as a union that was rewritten.
        }
        let branch = one.branches.last().map_or(task.old_at, |id| Spot::at(*id));
        let at = Spot::at(self.old.tree.parent(branch.id));
        let new_at = union_spot(self.new.tree, new, task.new_at);
        let reason = format!("a form of {} is no longer allowed", task.place.name());
        self.differ(
            &rules::UNION_NARROWED,
            &inexact(task),
            (
                if one.branches.is_empty() {
                    task.old_at
                } else {
                    at
                },
                new_at,
            ),
            (std::slice::from_ref(one), new),
            Show::Any,
            reason,
        );
    }

    fn branch_came(&mut self, one: &Alternative, old: &[Alternative], task: &Task) {
        let is_covered = task.place.body.direction == Direction::Response
            && self.is_covered(one, old, task, false);
        if is_covered {
            return;
        }
        let branch = one.branches.last().map_or(task.new_at, |id| Spot::at(*id));
        let at = Spot::at(self.new.tree.parent(branch.id));
        let old_at = union_spot(self.old.tree, old, task.old_at);
        let reason = format!("{} has another form", task.place.name());
        self.differ(
            &rules::UNION_WIDENED,
            &inexact(task),
            (
                old_at,
                if one.branches.is_empty() {
                    task.new_at
                } else {
                    at
                },
            ),
            (old, std::slice::from_ref(one)),
            Show::Any,
            reason,
        );
    }

    /// Whether one of the others allows all that a branch allows.
    fn is_covered(
        &self,
        one: &Alternative,
        others: &[Alternative],
        task: &Task,
        is_old: bool,
    ) -> bool {
        others.len() <= 64
            && others.iter().any(|other| {
                let (old, new) = if is_old { (one, other) } else { (other, one) };
                self.includes(old, new, task)
            })
    }

    /// Whether nothing breaks between two alternatives of one type.
    fn includes(&self, old: &Alternative, new: &Alternative, task: &Task) -> bool {
        let found = self.asked(|inner| inner.alternatives(old, new, task));
        found.is_some_and(|found| !found.iter().any(is_break))
    }

    /// A union that is written in another way: one that says the same, or one whose
    /// forms overlap, so that it need not.
    pub(crate) fn rewritten(&mut self, old: &Expanded, new: &Expanded, task: &Task, found: usize) {
        let form = |tree: &Tree, expanded: &Expanded| {
            let mut form: Vec<(String, usize)> = expanded
                .unions
                .iter()
                .map(|union| {
                    let pointer = tree.pointer(*union);
                    let keyword = pointer.rsplit('/').next().unwrap_or_default().to_owned();
                    (keyword, tree.array(*union).map_or(0, <[_]>::len))
                })
                .collect();
            form.sort();
            form
        };
        let is_overlapping = old.is_inexact || new.is_inexact;
        let is_same = if is_overlapping {
            branch_texts(self.old.tree, old) == branch_texts(self.new.tree, new)
        } else {
            form(self.old.tree, old) == form(self.new.tree, new)
        };
        if is_same {
            return;
        }
        let is_said = self
            .differences
            .get(found..)
            .unwrap_or_default()
            .iter()
            .any(|one| one.rule.effect != Effect::Docs && one.rule.effect != Effect::Notice);
        if is_said {
            return;
        }
        let name = task.place.name();
        let (pair, reason): (&'static Pair, String) = if is_overlapping {
            let reason = format!("the union of {name} changed, and its forms overlap");
            (&rules::UNION_OVERLAPPING, reason)
        } else {
            let reason = format!("the union of {name} is written in another way");
            (&rules::UNION_REWRITTEN, reason)
        };
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        let spots = (task.old_at, task.new_at);
        self.differ(pair, task, spots, sides, Show::Any, reason);
    }
}

/// The forms of all unions, each as a text that is equal for equals, in one order.
fn branch_texts(tree: &Tree, expanded: &Expanded) -> Vec<Vec<String>> {
    let unions = expanded.unions.iter().map(|union| {
        let branches = tree.array(*union).unwrap_or_default().iter();
        let mut texts: Vec<String> = branches
            .map(|branch| resolved_text(tree, *branch, true))
            .collect();
        texts.sort();
        texts.push(
            tree.pointer(*union)
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
        );
        texts
    });
    let mut texts: Vec<Vec<String>> = unions.collect();
    texts.sort();
    texts
}

/// Whether a difference may break somebody.
fn is_break(difference: &Difference) -> bool {
    use crate::report::Wire;
    matches!(difference.rule.wire, Wire::Breaking | Wire::Undecided)
}

/// A branch that came or went may overlap with one that is there.
fn inexact(task: &Task) -> Task {
    Task {
        place: task.place.inexact(true),
        ..task.clone()
    }
}

fn union_spot(tree: &Tree, alternatives: &[Alternative], at: Spot) -> Spot {
    let branch = alternatives.iter().find_map(|one| one.branches.last());
    branch.map_or(at, |branch| Spot::at(tree.parent(*branch)))
}

/// A text that is equal for alternatives that say the same.
fn text(tree: &Tree, alternative: &Alternative) -> String {
    let mut texts: Vec<String> = alternative
        .parts
        .iter()
        .map(|part| own_text(tree, *part))
        .collect();
    texts.sort();
    texts.dedup();
    texts.join(" ")
}
