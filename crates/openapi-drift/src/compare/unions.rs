//! Which branch of a union belongs to which.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Comparison, Difference, SampleHint, NodeRef, Task,
    texts::{own_text, resolved_text},
};
use crate::{
    document::Tree,
    rules::{self, Direction, Effect, Pair},
    schema::{self, Alternative, Expanded, Type},
};

/// Alternatives that allow the same.
type Equal = Vec<(Alternative, Alternative)>;

/// The most pairs that are looked at one by one.
const PAIRS: usize = 1024;

impl Comparison<'_> {
    /// Compares the alternatives of one type.
    pub(crate) fn pair(&mut self, old: &[Alternative], new: &[Alternative], task: &Task) {
        match (old, new) {
            ([old], [new]) => self.alternatives(old, new, task),
            ([], _) | (_, []) => {} // A type that came or went, which is said already.
            _ if self.are_lists(old, new) => self.lists(old, new, task),
            _ => self.pair_many(old, new, task),
        }
    }

    fn pair_many(&mut self, old: &[Alternative], new: &[Alternative], task: &Task) {
        let (equal, old_left, new_left) = self.unequal(old, new);
        for (one, other) in equal {
            // They allow the same; what else they say may be something else.
            self.alternatives(&one, &other, task);
        }
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
                    && !schema::are_disjoint(self.old, &one, self.new, other)
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

    /// Those that say the same, and what is left.
    fn unequal(
        &mut self,
        old: &[Alternative],
        new: &[Alternative],
    ) -> (Equal, Vec<Alternative>, Vec<Alternative>) {
        let texts = |tree: &Tree, all: &[Alternative]| -> Vec<String> {
            all.iter().map(|one| text(tree, one)).collect()
        };
        let before = texts(self.old.tree, old);
        let after = texts(self.new.tree, new);
        // A form that stands twice says nothing more the second time.
        let left = |all: &[Alternative], own: &[String], others: &[String]| -> Vec<Alternative> {
            let others: HashSet<&String> = others.iter().collect();
            let left = all
                .iter()
                .zip(own)
                .filter(|(_, text)| !others.contains(text));
            left.map(|(one, _)| one.clone()).collect()
        };
        let mut known: HashMap<&String, Vec<&Alternative>> = HashMap::new();
        for (one, text) in new.iter().zip(&after).rev() {
            known.entry(text).or_default().push(one);
        }
        let mut equal = Vec::new();
        for (one, text) in old.iter().zip(&before) {
            if let Some(other) = known.get_mut(text).and_then(Vec::pop) {
                equal.push((one.clone(), other.clone()));
            }
        }
        let old_left = left(old, &before, &after);
        (equal, old_left, left(new, &after, &before))
    }

    /// Whether all alternatives list their values and say nothing more of them.
    fn are_lists(&self, old: &[Alternative], new: &[Alternative]) -> bool {
        let is_list = |tree: &Tree, one: &Alternative| {
            schema::enumerated(tree, one).is_some()
                && one.parts.iter().all(|part| {
                    let mut names = tree.object(*part).into_iter().flat_map(BTreeMap::keys);
                    names.all(|name| {
                        schema::is_annotation(name)
                            || matches!(
                                &**name,
                                "type" | "enum" | "nullable" | "anyOf" | "oneOf" | "allOf"
                            )
                    })
                })
        };
        old.iter().all(|one| is_list(self.old.tree, one))
            && new.iter().all(|one| is_list(self.new.tree, one))
    }

    /// Compares values that are listed in several branches.
    fn lists(&mut self, old: &[Alternative], new: &[Alternative], task: &Task) {
        let values = |tree: &Tree, all: &[Alternative]| -> Vec<(String, crate::document::Id)> {
            let lists = all.iter().filter_map(|one| schema::enumerated(tree, one));
            lists.flat_map(|list| list.values).collect()
        };
        let (before, after) = (values(self.old.tree, old), values(self.new.tree, new));
        for (one, other) in old.iter().zip(new) {
            self.annotations(&one.parts, &other.parts, task);
        }
        let only = |these: &[(String, crate::document::Id)], those: &[(String, crate::document::Id)]| {
            let those: HashSet<&String> = those.iter().map(|(text, _)| text).collect();
            let only = these.iter().filter(|(text, _)| !those.contains(text));
            only.cloned().collect::<Vec<_>>()
        };
        let spots = (
            union_spot(self.old.tree, old, task.old_at),
            union_spot(self.new.tree, new, task.new_at),
        );
        let (gone, came) = (only(&before, &after), only(&after, &before));
        self.values_differ(&gone, &came, spots, (old, new), task);
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
            .all(|new| schema::are_disjoint(self.old, one, self.new, new))
            && old
                .iter()
                .filter(|old| *old != one)
                .all(|old| schema::are_disjoint(self.old, old, self.new, other))
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
        if self.is_covered(one, new, task, true) {
            return; // Said as a union that was rewritten.
        }
        let branch = one.branches.last().map_or(task.old_at, |id| NodeRef::at(*id));
        let at = NodeRef::at(self.old.tree.parent(branch.id));
        let new_at = union_spot(self.new.tree, new, task.new_at);
        let reason = format!("a form of {} is no longer allowed", task.place.name());
        self.differ(
            &rules::UNION_NARROWED,
            task,
            (
                if one.branches.is_empty() {
                    task.old_at
                } else {
                    at
                },
                new_at,
            ),
            (std::slice::from_ref(one), new),
            SampleHint::Any,
            reason,
        );
    }

    fn branch_came(&mut self, one: &Alternative, old: &[Alternative], task: &Task) {
        if self.is_covered(one, old, task, false) {
            return;
        }
        let branch = one.branches.last().map_or(task.new_at, |id| NodeRef::at(*id));
        let at = NodeRef::at(self.new.tree.parent(branch.id));
        let old_at = union_spot(self.old.tree, old, task.old_at);
        let reason = format!("{} has another form", task.place.name());
        self.differ(
            &rules::UNION_WIDENED,
            task,
            (
                old_at,
                if one.branches.is_empty() {
                    task.new_at
                } else {
                    at
                },
            ),
            (old, std::slice::from_ref(one)),
            SampleHint::Any,
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
                self.includes(old, new, task, is_old)
            })
    }

    /// Whether the one of two alternatives of one type allows all that the other
    /// allows: the new one what the old one does, or the other way round.
    fn includes(&self, old: &Alternative, new: &Alternative, task: &Task, is_old: bool) -> bool {
        let found = self.asked(|inner| inner.alternatives(old, new, task));
        found.is_some_and(|found| !found.iter().any(|one| is_outside(one, is_old)))
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
        self.differ(pair, task, spots, sides, SampleHint::Any, reason);
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

/// Whether a difference leaves values of the old side outside of the new one, or,
/// where `is_old` is false, the other way round.
fn is_outside(difference: &Difference, is_old: bool) -> bool {
    match difference.rule.effect {
        Effect::Changed | Effect::Unknown => true,
        Effect::Narrowed | Effect::Removed => is_old,
        Effect::Widened | Effect::Added => !is_old,
        Effect::Notice | Effect::Docs => false,
    }
}

fn union_spot(tree: &Tree, alternatives: &[Alternative], at: NodeRef) -> NodeRef {
    let branch = alternatives.iter().find_map(|one| one.branches.last());
    branch.map_or(at, |branch| NodeRef::at(tree.parent(*branch)))
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
