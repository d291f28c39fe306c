//! Pairs the forms of unions.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use super::{
    Comparison, Key, NodeRef, Places, SampleHint, Task,
    difference::Two,
    discriminators::{BothTags, Tag},
    text::{own_text, resolved_text},
    types::has_only,
};
use crate::{
    document::{Id, Tree, resolve},
    findings::Side,
    rules::{self, Direction, Effect, Pair},
    schema::{self, Alternative, Expanded, Listed, Schemas, Type},
};

/// Pairs of alternatives that allow the same values.
type Equal = Vec<(Alternative, Alternative)>;

/// The maximum number of pairs to examine individually.
const PAIRS: usize = 1024;

/// The forms of a union in both documents.
struct Union<'u> {
    old: &'u [Alternative],
    new: &'u [Alternative],
    /// The property that distinguishes them, if there is one.
    tag: Option<Tag>,
    task: &'u Task,
}

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
        let union = &Union {
            old,
            new,
            tag,
            task,
        };
        let (equal, mut old_left, mut new_left) = self.unequal(old, new);
        for (one, other) in &equal {
            // They allow the same values, but their annotations may differ.
            self.form(one, other, union, true);
        }
        if let Some(tag) = &union.tag {
            self.by_tag(union, tag, &mut old_left, &mut new_left);
        } else {
            // It breaks if the union of one side is not contained in the other side. If the
            // containing side is a single form, every form of the union must be in it.
            let (whole, whole_left) = match task.place.body.direction {
                Direction::Request => (new, &new_left),
                Direction::Response => (old, &old_left),
            };
            if whole.len() == 1 && whole_left.len() == 1 {
                for one in old {
                    for other in new {
                        self.form(one, other, union, true);
                    }
                }
                return;
            }
        }
        if let ([one], [other]) = (&old_left[..], &new_left[..])
            && (union.tag.is_none() || self.is_alike(one, other))
        {
            let is_alone = is_small && self.is_alone(one, other, union);
            return self.form(one, other, union, is_alone);
        }
        for one in &old_left {
            let found = new_left.iter().position(|other| {
                is_small
                    && union.tag.is_none()
                    && !schema::are_disjoint(self.old, one, self.new, other)
                    && self.is_alone(one, other, union)
            });
            // Not certain, but probably an edited version.
            let edited = || new_left.iter().position(|other| self.is_alike(one, other));
            if let Some(index) = found.or_else(edited) {
                let other = new_left.remove(index);
                let is_alone = is_small && self.is_alone(one, &other, union);
                self.form(one, &other, union, is_alone);
            } else {
                self.lone_form(one, Side::Old, union);
            }
        }
        for other in &new_left {
            self.lone_form(other, Side::New, union);
        }
    }

    /// Compares two forms that correspond.
    fn form(&mut self, one: &Alternative, other: &Alternative, union: &Union<'_>, is_alone: bool) {
        let task = union.task;
        // The discriminator's value identifies the form.
        let is_tagged = self.old.tag_of(one).is_some() && self.new.tag_of(other).is_some();
        if !is_alone && !is_tagged && !task.place.is_inexact {
            let is_covered = match task.place.body.direction {
                Direction::Request => self.is_covered(one, union.new, task, true),
                Direction::Response => self.is_covered(other, union.old, task, false),
            };
            if is_covered {
                return self.annotations(&one.parts, &other.parts, task);
            }
        }
        let mut place = task.place.inexact(!is_alone && !is_tagged);
        place.is_tagged |= is_tagged;
        place.is_discriminated |= kind(self.old, one).is_some() && kind(self.new, other).is_some();
        let label = self.label(one, Side::Old, union);
        if let Some(label) = label.or_else(|| self.label(other, Side::New, union)) {
            place = place.step(key(label, one, other));
        }
        let inner = Task {
            place,
            ..task.clone()
        };
        self.alternatives(one, other, &inner);
    }

    /// Pairs the remaining forms by tag value and removes them from the lists.
    fn by_tag(
        &mut self,
        union: &Union<'_>,
        tag: &Tag,
        old_left: &mut Vec<Alternative>,
        new_left: &mut Vec<Alternative>,
    ) {
        let (old, new, task) = (union.old, union.new, union.task);
        let mut owners: HashMap<&Listed, usize> = HashMap::new();
        for (index, values) in tag.new.iter().enumerate() {
            owners.extend(values.iter().map(|value| (value, index)));
        }
        // Which forms share a value.
        let mut partners: Vec<BTreeSet<usize>> = Vec::new();
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for values in &tag.old {
            let found = values.iter().filter_map(|value| owners.get(value).copied());
            let found: BTreeSet<usize> = found.collect();
            for index in &found {
                *counts.entry(*index).or_default() += 1;
            }
            partners.push(found);
        }
        let is_required = |schemas: &Schemas<'_>, one: &Alternative| {
            let named = schemas.named(&one.parts);
            named.required.contains_key(&tag.property)
        };
        // If every form requires the tag, no value matches two forms.
        let is_exact = old.iter().all(|one| is_required(self.old, one))
            && new.iter().all(|one| is_required(self.new, one))
            && !tag.old.iter().chain(&tag.new).any(BTreeSet::is_empty);
        let mut taken = HashSet::new();
        let pairs = partners.iter().enumerate();
        for (from, to) in pairs.flat_map(|(from, to)| to.iter().map(move |to| (from, *to))) {
            let (one, other) = (&old[from], &new[to]);
            if !old_left.contains(one) && !new_left.contains(other) {
                continue; // Both have equal counterparts.
            }
            taken.insert((from, to));
            if partners[from].len() == 1 && counts.get(&to) == Some(&1) {
                self.form(one, other, union, is_exact);
                continue;
            }
            // A form was split, or several were merged: the tag no longer identifies each one.
            let common = tag.old[from].intersection(&tag.new[to]);
            let place = task.place.inexact(!is_exact);
            let inner = Task {
                place: place.step(key(tag.label(common), one, other)),
                ..task.clone()
            };
            let two = Two {
                old: one,
                new: other,
                task: &inner,
            };
            self.objects(&two, Some(&tag.property));
        }
        old_left.retain(|one| !taken.iter().any(|(from, _)| old[*from] == *one));
        new_left.retain(|one| !taken.iter().any(|(_, to)| new[*to] == *one));
    }

    /// A display name for a form: its tag, title or component.
    fn label(&self, one: &Alternative, side: Side, union: &Union<'_>) -> Option<String> {
        if let Some(tag) = &union.tag {
            let (forms, values) = match side {
                Side::Old => (union.old, &tag.old),
                Side::New => (union.new, &tag.new),
            };
            let index = forms.iter().position(|known| known == one);
            let values = index.and_then(|index| values.get(index));
            if let Some(values) = values.filter(|values| !values.is_empty()) {
                return Some(tag.label(values));
            }
        }
        let schemas = self.schemas_of(side);
        if let Some((property, value)) = schemas.tag_of(one) {
            return Some(format!("{property}: {value:?}"));
        }
        let tree = schemas.tree;
        one.branches.iter().rev().find_map(|branch| {
            let title = tree.text(resolve(tree, *branch).ok()?, "title");
            let component = || Some(tree.text(*branch, "$ref")?.rsplit_once('/')?.1);
            let name = title.or_else(component)?;
            Some(format!("form {name}"))
        })
    }

    /// Separates the forms with equal text from the rest.
    fn unequal(
        &self,
        old: &[Alternative],
        new: &[Alternative],
    ) -> (Equal, Vec<Alternative>, Vec<Alternative>) {
        let texts = |tree: &Tree, all: &[Alternative]| -> Vec<String> {
            all.iter().map(|one| text(tree, one)).collect()
        };
        let (before, after) = (texts(self.old.tree, old), texts(self.new.tree, new));
        // A duplicate form adds nothing.
        let left = |all: &[Alternative], own: &[String], others: &[String]| -> Vec<Alternative> {
            let others: HashSet<&String> = others.iter().collect();
            let all = all.iter().zip(own);
            let left = all.filter(|(_, text)| !others.contains(text));
            left.map(|(one, _)| one.clone()).collect()
        };
        let mut known: HashMap<&String, Vec<&Alternative>> = HashMap::new();
        for (one, text) in new.iter().zip(&after).rev() {
            known.entry(text).or_default().push(one);
        }
        let equal = old.iter().zip(&before).filter_map(|(one, text)| {
            let other = known.get_mut(text)?.pop()?;
            Some((one.clone(), other.clone()))
        });
        let equal = equal.collect();
        let old_left = left(old, &before, &after);
        (equal, old_left, left(new, &after, &before))
    }

    /// Whether all alternatives list their values and have no other constraints.
    fn are_lists(&self, old: &[Alternative], new: &[Alternative]) -> bool {
        let known = [
            "type", "enum", "const", "nullable", "anyOf", "oneOf", "allOf",
        ];
        let is_list = |schemas: &Schemas<'_>, one: &Alternative| {
            schemas.enumerated(one).is_some() && has_only(schemas.tree, one, &known)
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
        let only = |these: &[(Listed, Id)], those: &[(Listed, Id)]| -> Vec<(Listed, Id)> {
            let those: HashSet<&Listed> = those.iter().map(|(one, _)| one).collect();
            let only = these.iter().filter(|(one, _)| !those.contains(one));
            only.cloned().collect()
        };
        let at = self.unions_at((old, new), task);
        let (gone, came) = (only(&before, &after), only(&after, &before));
        self.values_differ(&gone, &came, at, (old, new), task);
    }

    /// The unions that contain the alternatives, or where the schemas are.
    fn unions_at(&self, (old, new): (&[Alternative], &[Alternative]), task: &Task) -> Places {
        (
            union_at(self.old.tree, old, task.at.0),
            union_at(self.new.tree, new, task.at.1),
        )
    }

    /// Whether two alternatives overlap with no other one.
    fn is_alone(&self, one: &Alternative, other: &Alternative, union: &Union<'_>) -> bool {
        let mut others = union.new.iter().filter(|new| *new != other);
        let mut ones = union.old.iter().filter(|old| *old != one);
        others.all(|new| schema::are_disjoint(self.old, one, self.new, new))
            && ones.all(|old| schema::are_disjoint(self.old, old, self.new, other))
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
                let left = old.text(*left, name);
                if left.is_some() && left == new.text(*right, name) {
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
    fn lone_form(&mut self, one: &Alternative, side: Side, union: &Union<'_>) {
        let task = union.task;
        let is_old = side == Side::Old;
        let is_tagged = self.schemas_of(side).tag_of(one).is_some();
        let others = if is_old { union.new } else { union.old };
        if !is_tagged && self.is_covered(one, others, task, is_old) {
            return; // Said as a union that was rewritten.
        }
        let label = self.label(one, side, union);
        let name = task.place.name();
        let alone = std::slice::from_ref(one);
        let (pair, sides, reason) = if is_old {
            let form = label.unwrap_or_else(|| "one of its forms".to_owned());
            let reason = format!("{name} no longer allows {form}");
            (&rules::UNION_NARROWED, (alone, union.new), reason)
        } else {
            let form = label.unwrap_or_else(|| "another form".to_owned());
            let reason = format!("{name} allows {form} now");
            (&rules::UNION_WIDENED, (union.old, alone), reason)
        };
        let at = self.unions_at(sides, task);
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
                let found = self.asked(|inner| inner.alternatives(old, new, task));
                found.is_some_and(|found| !found.iter().any(|one| one.is_outside(is_old)))
            });
        self.is_covered |= is_covered;
        is_covered
    }

    /// Reports a union that is written differently: it may be equivalent, or its forms
    /// overlap and it may not be.
    pub(crate) fn rewritten(
        &mut self,
        (old, new): (&Expanded, &Expanded),
        (task, inner): (&Task, &Task),
        found: usize,
    ) {
        let (old_tree, new_tree) = (self.old.tree, self.new.tree);
        let form = |tree: &Tree, expanded: &Expanded| {
            let count = |union: Id| tree.array(union).map_or(0, <[_]>::len);
            let unions = expanded.unions.iter();
            let mut form: Vec<(String, usize)> = unions
                .map(|union| (tree.key(*union), count(*union)))
                .collect();
            form.sort();
            form
        };
        // Changes inside paired forms are reported there.
        let is_covered = std::mem::take(&mut self.is_covered);
        if !is_covered && form(old_tree, old) == form(new_tree, new) {
            return;
        }
        let is_overlapping = old.is_inexact || new.is_inexact;
        let mut texts = [branch_texts(old_tree, old), branch_texts(new_tree, new)];
        if is_overlapping && texts[0] == texts[1] {
            return;
        }
        // Without the keyword.
        for texts in texts.iter_mut().flatten() {
            texts.pop();
        }
        let mut said = self.differences.iter().skip(found);
        if said.any(|one| !matches!(one.rule.effect, Effect::Docs | Effect::Notice)) {
            return;
        }
        let name = task.place.name();
        let is_same = is_overlapping && texts[0] == texts[1] && old.unions.len() == 1;
        let is_one_of = |tree: &Tree, expanded: &Expanded| match expanded.unions[..] {
            [union] => tree.key(union) == "oneOf",
            _ => false,
        };
        let (task, (pair, reason)): (_, (&'static Pair, String)) = if is_same
            && is_one_of(old_tree, old)
        {
            let reason = format!("a value of {name} may match several forms of the union now");
            (task, (&rules::UNION_WIDENED, reason))
        } else if is_same && is_one_of(new_tree, new) {
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
        self.differ(pair, task, task.at, sides, SampleHint::Any, reason);
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

/// The step into the form of two alternatives.
fn key(label: String, one: &Alternative, other: &Alternative) -> Key {
    Key::Form {
        label: label.into(),
        old: Rc::clone(&one.branches),
        new: Rc::clone(&other.branches),
    }
}

/// The union that contains some alternatives, or `at`.
fn union_at(tree: &Tree, alternatives: &[Alternative], at: NodeRef) -> NodeRef {
    let branch = alternatives.iter().find_map(|one| one.branches.last());
    let union = branch.map(|branch| tree.parent(*branch));
    let union = union.filter(|union| tree.array(*union).is_some());
    union.map_or(at, NodeRef::at)
}

/// A text that is equal for alternatives with equal constraints.
fn text(tree: &Tree, alternative: &Alternative) -> String {
    let parts = alternative.parts.iter();
    let texts: BTreeSet<String> = parts.map(|part| own_text(tree, *part)).collect();
    texts.into_iter().collect::<Vec<_>>().join(" ")
}
