//! Pairs the forms of unions.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use super::{
    Comparison, Key, NodeRef, SampleHint, Task,
    difference::{Places, Two},
    discriminators::{BothTags, Tag},
    text::{own_text, resolved_text},
};
use crate::{
    document::{Id, Members, Tree, resolve},
    findings::Side,
    rules::{self, Direction, Effect, Pair},
    schema::{self, Alternative, Expanded, Listed, Schemas, Type},
};

/// Pairs of alternatives that allow the same values.
type Equal = Vec<(Alternative, Alternative)>;

/// The maximum number of pairs to examine individually.
const PAIRS: usize = 1024;

impl Comparison<'_> {
    /// Compares the alternatives of one type.
    pub(crate) fn pair(
        &mut self,
        old: &[Alternative],
        new: &[Alternative],
        tags: BothTags<'_>,
        task: &Task,
    ) {
        match (old, new) {
            ([old], [new]) => self.alternatives(old, new, task),
            ([], _) | (_, []) => {} // Already reported as an added or removed type.
            _ if self.are_lists(old, new) => self.lists(old, new, task),
            _ => self.pair_many(old, new, tags, task),
        }
    }

    fn pair_many(
        &mut self,
        old: &[Alternative],
        new: &[Alternative],
        tags: BothTags<'_>,
        task: &Task,
    ) {
        let is_small = old.len().saturating_mul(new.len()) <= PAIRS;
        let tag = self.tag(old, new, tags);
        let (equal, mut old_left, mut new_left) = self.unequal(old, new);
        for (one, other) in equal {
            // They allow the same values, but their annotations may differ.
            self.form((&one, &other), &tag, (old, new), task, true);
        }
        if let Some(tag) = &tag {
            self.by_tag(tag, (old, new), (&mut old_left, &mut new_left), task);
        } else {
            // It breaks if the union of one side is not contained in the other side. If the
            // containing side is a single form, every form of the union must be in it.
            let (whole, whole_left) = match task.place.body.direction {
                Direction::Request => (new, &new_left),
                Direction::Response => (old, &old_left),
            };
            if let ([_], [_]) = (whole, &whole_left[..]) {
                for one in old {
                    for other in new {
                        self.form((one, other), &tag, (old, new), task, true);
                    }
                }
                return;
            }
        }
        if let ([one], [other]) = (&old_left[..], &new_left[..])
            && (tag.is_none() || self.is_alike(one, other))
        {
            let is_alone = is_small && self.is_alone(one, other, old, new);
            self.form((one, other), &tag, (old, new), task, is_alone);
            return;
        }
        for one in old_left {
            let found = new_left.iter().position(|other| {
                is_small
                    && tag.is_none()
                    && !schema::are_disjoint(self.old, &one, self.new, other)
                    && self.is_alone(&one, other, old, new)
            });
            let found = found.or_else(|| {
                // Not certain, but probably an edited version.
                new_left.iter().position(|other| self.is_alike(&one, other))
            });
            match found {
                Some(index) => {
                    let other = new_left.remove(index);
                    let is_alone = is_small && self.is_alone(&one, &other, old, new);
                    self.form((&one, &other), &tag, (old, new), task, is_alone);
                }
                None => self.lone_form(&one, Side::Old, &tag, (old, new), task),
            }
        }
        for other in new_left {
            self.lone_form(&other, Side::New, &tag, (old, new), task);
        }
    }

    /// Compares two forms that correspond.
    fn form(
        &mut self,
        (one, other): (&Alternative, &Alternative),
        tag: &Option<Tag>,
        (old, new): (&[Alternative], &[Alternative]),
        task: &Task,
        is_alone: bool,
    ) {
        // The discriminator's value identifies the form.
        let is_tagged = self.old.tag_of(one).is_some() && self.new.tag_of(other).is_some();
        if !is_alone && !is_tagged && !task.place.is_inexact {
            let (one, other) = (std::slice::from_ref(one), std::slice::from_ref(other));
            let is_covered = match task.place.body.direction {
                Direction::Request => self.is_covered(&one[0], new, task, true),
                Direction::Response => self.is_covered(&other[0], old, task, false),
            };
            if is_covered {
                return self.annotations(&one[0].parts, &other[0].parts, task);
            }
        }
        let mut place = task.place.inexact(!is_alone && !is_tagged);
        place.is_tagged |= is_tagged;
        place.is_discriminated |= kind(self.old, one).is_some() && kind(self.new, other).is_some();
        let label = self.label(one, true, tag, old);
        let label = label.or_else(|| self.label(other, false, tag, new));
        let place = match label {
            Some(label) => place.step(Key::Form {
                label: label.into(),
                old: Rc::clone(&one.branches),
                new: Rc::clone(&other.branches),
            }),
            None => place,
        };
        let inner = Task {
            place,
            ..task.clone()
        };
        self.alternatives(one, other, &inner);
    }

    /// Pairs the remaining forms by tag value and removes them from the lists.
    fn by_tag(
        &mut self,
        tag: &Tag,
        (old, new): (&[Alternative], &[Alternative]),
        (old_left, new_left): (&mut Vec<Alternative>, &mut Vec<Alternative>),
        task: &Task,
    ) {
        let mut owners: HashMap<&Listed, usize> = HashMap::new();
        for (index, values) in tag.new.iter().enumerate() {
            owners.extend(values.iter().map(|value| (value, index)));
        }
        // Which forms share a value.
        let mut partners: Vec<BTreeSet<usize>> = Vec::new();
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for values in &tag.old {
            let found: BTreeSet<usize> = values
                .iter()
                .filter_map(|value| owners.get(value).copied())
                .collect();
            for index in &found {
                *counts.entry(*index).or_default() += 1;
            }
            partners.push(found);
        }
        let is_required = |schemas: &Schemas<'_>, all: &[Alternative]| {
            all.iter().all(|one| {
                schemas
                    .named(&one.parts)
                    .required
                    .contains_key(&tag.property)
            })
        };
        // If every form requires the tag, no value matches two forms.
        let is_exact = is_required(self.old, old)
            && is_required(self.new, new)
            && tag
                .old
                .iter()
                .chain(&tag.new)
                .all(|values| !values.is_empty());
        let some_tag = Some(Tag {
            property: Arc::clone(&tag.property),
            old: tag.old.clone(),
            new: tag.new.clone(),
        });
        let mut taken = HashSet::new();
        let pairs: Vec<(usize, usize)> = partners
            .iter()
            .enumerate()
            .flat_map(|(from, to)| to.iter().map(move |to| (from, *to)))
            .collect();
        for (from, to) in pairs {
            let (Some(one), Some(other)) = (old.get(from), new.get(to)) else {
                continue;
            };
            if !old_left.contains(one) && !new_left.contains(other) {
                continue; // Both have equal counterparts.
            }
            taken.insert((from, to));
            let is_single =
                partners.get(from).is_some_and(|all| all.len() == 1) && counts.get(&to) == Some(&1);
            if is_single {
                self.form((one, other), &some_tag, (old, new), task, is_exact);
                continue;
            }
            // A form was split, or several were merged: the tag no longer identifies each one.
            let place = task.place.inexact(!is_exact);
            let (values, others) = (tag.old.get(from), tag.new.get(to));
            let common = values.into_iter().flatten();
            let common = common.filter(|value| others.is_some_and(|to| to.contains(value)));
            let inner = Task {
                place: place.step(Key::Form {
                    label: tag.label(common).into(),
                    old: Rc::clone(&one.branches),
                    new: Rc::clone(&other.branches),
                }),
                ..task.clone()
            };
            let two = Two {
                old: one,
                new: other,
                task: &inner,
            };
            self.objects(&two, Some(&tag.property));
        }
        old_left.retain(|one| !taken.iter().any(|(from, _)| old.get(*from) == Some(one)));
        new_left.retain(|one| !taken.iter().any(|(_, to)| new.get(*to) == Some(one)));
    }

    /// A display name for a form: its tag, title or component.
    fn label(
        &self,
        one: &Alternative,
        is_old: bool,
        tag: &Option<Tag>,
        all: &[Alternative],
    ) -> Option<String> {
        if let Some(tag) = tag {
            let values = if is_old { &tag.old } else { &tag.new };
            let index = all.iter().position(|known| known == one);
            let values = index.and_then(|index| values.get(index));
            if let Some(values) = values.filter(|values| !values.is_empty()) {
                return Some(tag.label(values));
            }
        }
        let schemas = if is_old { self.old } else { self.new };
        if let Some((property, value)) = schemas.tag_of(one) {
            return Some(format!("{property}: {value:?}"));
        }
        let tree = schemas.tree;
        one.branches.iter().rev().find_map(|branch| {
            let target = resolve(tree, *branch).ok()?;
            let title = tree.get(target, "title").and_then(|id| tree.string(id));
            let named = tree.get(*branch, "$ref").and_then(|id| tree.string(id));
            let named = named
                .and_then(|text| text.rsplit_once('/'))
                .map(|(_, name)| name);
            title.or(named).map(|name| format!("form {name}"))
        })
    }

    /// Separates the forms with equal text from the rest.
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
        // A duplicate form adds nothing.
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

    /// Whether all alternatives list their values and have no other constraints.
    fn are_lists(&self, old: &[Alternative], new: &[Alternative]) -> bool {
        let is_list = |schemas: &Schemas<'_>, one: &Alternative| {
            let tree = schemas.tree;
            schemas.enumerated(one).is_some()
                && one.parts.iter().all(|part| {
                    let mut names = tree.object(*part).into_iter().flat_map(Members::keys);
                    names.all(|name| {
                        schema::is_annotation(name)
                            || matches!(
                                &**name,
                                "type"
                                    | "enum"
                                    | "const"
                                    | "nullable"
                                    | "anyOf"
                                    | "oneOf"
                                    | "allOf"
                            )
                    })
                })
        };
        old.iter().all(|one| is_list(self.old, one)) && new.iter().all(|one| is_list(self.new, one))
    }

    /// Compares values that are listed in several branches.
    fn lists(&mut self, old: &[Alternative], new: &[Alternative], task: &Task) {
        let values = |schemas: &Schemas<'_>, all: &[Alternative]| -> Vec<(Listed, Id)> {
            let lists = all.iter().filter_map(|one| schemas.enumerated(one));
            lists.flat_map(|list| list.values.clone()).collect()
        };
        let (before, after) = (values(self.old, old), values(self.new, new));
        for (one, other) in old.iter().zip(new) {
            self.annotations(&one.parts, &other.parts, task);
        }
        let only = |these: &[(Listed, Id)], those: &[(Listed, Id)]| {
            let those: HashSet<&Listed> = those.iter().map(|(one, _)| one).collect();
            let only = these.iter().filter(|(one, _)| !those.contains(one));
            only.cloned().collect::<Vec<_>>()
        };
        let at = (
            union_at(self.old.tree, old, task.old_at),
            union_at(self.new.tree, new, task.new_at),
        );
        let (gone, came) = (only(&before, &after), only(&after, &before));
        self.values_differ(&gone, &came, at, (old, new), task);
    }

    /// Whether two alternatives overlap with no other one.
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

    /// Whether two branches look like versions of the same form: the same component,
    /// title or position, or mostly the same properties.
    fn is_alike(&self, one: &Alternative, other: &Alternative) -> bool {
        let (old, new) = (self.old.tree, self.new.tree);
        if one.branches.is_empty() && other.branches.is_empty() {
            return true; // What others extend, by itself.
        }
        if let (Some(left), Some(right)) = (one.branches.last(), other.branches.last()) {
            for name in ["$ref", "title"] {
                let left = old.get(*left, name).and_then(|id| old.string(id));
                let right = new.get(*right, name).and_then(|id| new.string(id));
                if left.is_some() && left == right {
                    return true;
                }
            }
        }
        if let (Some(left), Some(right)) = (kind(self.old, one), kind(self.new, other)) {
            return old.key(left) == new.key(right);
        }
        if one.kind != Type::Object {
            return true;
        }
        let left = &self.old.named(&one.parts).properties;
        let right = &self.new.named(&other.parts).properties;
        let common = left.keys().filter(|name| right.contains_key(*name)).count();
        common * 2 > left.len().max(right.len())
    }

    /// Reports a form that only one side has.
    fn lone_form(
        &mut self,
        one: &Alternative,
        side: Side,
        tag: &Option<Tag>,
        (old, new): (&[Alternative], &[Alternative]),
        task: &Task,
    ) {
        let is_old = side == Side::Old;
        let is_tagged = self.schemas_of(side).tag_of(one).is_some();
        let (own, others) = if is_old { (old, new) } else { (new, old) };
        if !is_tagged && self.is_covered(one, others, task, is_old) {
            return; // Said as a union that was rewritten.
        }
        let label = self.label(one, is_old, tag, own);
        let name = task.place.name();
        let alone = std::slice::from_ref(one);
        let (pair, at, sides, reason): (&'static Pair, Places, _, String) = if is_old {
            let form = label.unwrap_or_else(|| "one of its forms".to_owned());
            let at = (
                branch_at(self.old.tree, one, task.old_at),
                union_at(self.new.tree, new, task.new_at),
            );
            let reason = format!("{name} no longer allows {form}");
            (&rules::UNION_NARROWED, at, (alone, new), reason)
        } else {
            let form = label.unwrap_or_else(|| "another form".to_owned());
            let at = (
                union_at(self.old.tree, old, task.old_at),
                branch_at(self.new.tree, one, task.new_at),
            );
            let reason = format!("{name} allows {form} now");
            (&rules::UNION_WIDENED, at, (old, alone), reason)
        };
        let difference = self.differ(pair, task, at, sides, SampleHint::Any, reason);
        difference.is_certain |= is_tagged && !task.place.is_inexact;
    }

    /// Whether one of `others` allows everything that a form allows.
    fn is_covered(
        &mut self,
        one: &Alternative,
        others: &[Alternative],
        task: &Task,
        is_old: bool,
    ) -> bool {
        let is_covered = others.len() <= 64
            && others.iter().any(|other| {
                let (old, new) = if is_old { (one, other) } else { (other, one) };
                self.includes(old, new, task, is_old)
            });
        self.is_covered |= is_covered;
        is_covered
    }

    /// Whether the new alternative allows everything that the old one does or, if
    /// `is_old` is false, the other way round.
    fn includes(&self, old: &Alternative, new: &Alternative, task: &Task, is_old: bool) -> bool {
        let found = self.asked(|inner| inner.alternatives(old, new, task));
        found.is_some_and(|found| !found.iter().any(|one| one.is_outside(is_old)))
    }

    /// Reports a union that is written differently: it may be equivalent, or its forms
    /// overlap and it may not be.
    pub(crate) fn rewritten(
        &mut self,
        (old, new): (&Expanded, &Expanded),
        (task, inner): (&Task, &Task),
        found: usize,
    ) {
        let form = |tree: &Tree, expanded: &Expanded| {
            let mut form: Vec<(String, usize)> = expanded
                .unions
                .iter()
                .map(|union| (tree.key(*union), tree.array(*union).map_or(0, <[_]>::len)))
                .collect();
            form.sort();
            form
        };
        let is_overlapping = old.is_inexact || new.is_inexact;
        // Changes inside paired forms are reported there.
        let is_paired = !std::mem::take(&mut self.is_covered)
            && form(self.old.tree, old) == form(self.new.tree, new);
        if is_paired
            || is_overlapping
                && branch_texts(self.old.tree, old) == branch_texts(self.new.tree, new)
        {
            return;
        }
        let keys = |tree: &Tree, expanded: &Expanded| -> Vec<String> {
            let unions = expanded.unions.iter();
            unions.map(|union| tree.key(*union)).collect()
        };
        let (was, is) = (keys(self.old.tree, old), keys(self.new.tree, new));
        let mut texts = [
            branch_texts(self.old.tree, old),
            branch_texts(self.new.tree, new),
        ];
        texts
            .iter_mut()
            .flatten()
            .for_each(|texts| drop(texts.pop()));
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
        let is_same = is_overlapping && texts[0] == texts[1] && was.len() == 1;
        let (task, (pair, reason)): (_, (&'static Pair, String)) = if is_same && was == ["oneOf"] {
            let reason = format!("a value of {name} may match several forms of the union now");
            (task, (&rules::UNION_WIDENED, reason))
        } else if is_same && is == ["oneOf"] {
            let reason = format!("a value of {name} must match exactly one form of the union now");
            (task, (&rules::UNION_NARROWED, reason))
        } else if is_overlapping {
            let reason = format!("the union of {name} changed; a value may match two of its forms");
            (inner, (&rules::UNION_OVERLAPPING, reason))
        } else {
            let reason = format!("the union of {name} is written in another way");
            (inner, (&rules::UNION_REWRITTEN, reason))
        };
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        let at = (task.old_at, task.new_at);
        self.differ(pair, task, at, sides, SampleHint::Any, reason);
    }
}

/// The component of a form that only a discriminator leads to, if any.
fn kind(schemas: &Schemas<'_>, one: &Alternative) -> Option<Id> {
    let mut branches = one.branches.iter().copied();
    branches.find(|branch| schemas.is_named(*branch))
}

/// The texts of the forms of all unions, sorted; equal for equal forms.
fn branch_texts(tree: &Tree, expanded: &Expanded) -> Vec<Vec<String>> {
    let unions = expanded.unions.iter().map(|union| {
        let branches = tree.array(*union).unwrap_or_default().iter();
        let mut texts: Vec<String> = branches
            .map(|branch| resolved_text(tree, *branch, true))
            .collect();
        texts.sort();
        texts.push(tree.key(*union));
        texts
    });
    let mut texts: Vec<Vec<String>> = unions.collect();
    texts.sort();
    texts
}

/// The union that contains a form, or `at`.
fn branch_at(tree: &Tree, one: &Alternative, at: NodeRef) -> NodeRef {
    let around = one.branches.last().map(|branch| tree.parent(*branch));
    let union = around.filter(|around| tree.array(*around).is_some());
    union.map_or(at, NodeRef::at)
}

fn union_at(tree: &Tree, alternatives: &[Alternative], at: NodeRef) -> NodeRef {
    let one = alternatives.iter().find(|one| !one.branches.is_empty());
    one.map_or(at, |one| branch_at(tree, one, at))
}

/// A text that is equal for alternatives with equal constraints.
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
