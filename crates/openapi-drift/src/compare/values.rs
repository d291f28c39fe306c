//! Scalars, and the sizes of arrays and objects: enums, ranges, steps, patterns and
//! formats.

use std::{cmp::Ordering, collections::HashSet, rc::Rc};

use serde_json::{Value, json};

use super::{
    Comparison, NodeRef, SampleHint, Task,
    difference::{Places, Two},
};
use crate::{
    document::{Decimal, Id, Tree, value_of},
    findings::Side,
    rules::{self, Pair},
    schema::{
        Alternative, Bound, Enumerated, Listed, Type, integer_format, lower, numbers, tightest,
        truncate, upper,
    },
    witness::{Objects, formats, patterns},
};

/// The maximum number of values to try as a witness.
const SHOWN: usize = 64;

/// The values that each of two alternatives lists.
type Lists = (Option<Rc<Enumerated>>, Option<Rc<Enumerated>>);

/// A `multipleOf`, a pattern or a format, and where it is.
type Found<T> = (T, Id);

impl Comparison<'_> {
    /// Compares two sets of numbers, strings or booleans.
    pub(crate) fn scalars(&mut self, two: &Two<'_>) {
        let lists = (self.old.enumerated(two.old), self.new.enumerated(two.new));
        if lists.0.is_some() != lists.1.is_some() && self.against_list(two, &lists) {
            return;
        }
        match two.old.kind {
            Type::Number => self.numbers(two),
            Type::String => {
                self.limit(two, "minLength", "maxLength");
                self.patterns(two);
                self.string_formats(two);
            }
            _ => {}
        }
        self.enums(two, lists);
    }

    /// Compares listed values with constraints by trying each value. False if the
    /// constraints are not supported well enough.
    fn against_list(&mut self, two: &Two<'_>, lists: &Lists) -> bool {
        let (list, tree, side, other) = match lists {
            (Some(list), None) => (list, self.old.tree, Side::New, two.new),
            (None, Some(list)) => (list, self.new.tree, Side::Old, two.old),
            _ => return false,
        };
        let other_tree = if side == Side::New {
            self.new.tree
        } else {
            self.old.tree
        };
        if two.old.kind == Type::Boolean || !is_checked(other_tree, other) {
            return false;
        }
        let direction = two.task.place.body.direction;
        let allows = |side, of: &Alternative, value: &Value| {
            self.values
                .allows(side, &of.parts, direction, Objects::Open, value)
        };
        let mut refused = Vec::new();
        for (listed, id) in &list.values {
            let Some(value) = exact_value(tree, *id) else {
                return false;
            };
            match allows(side, other, &value) {
                Some(true) => {}
                Some(false) => refused.push((listed.clone(), *id)),
                None => return false,
            }
        }
        let (list_side, listing) = match side {
            Side::New => (Side::Old, two.old),
            Side::Old => (Side::New, two.new),
        };
        // Whether everything that the constraints allow is listed.
        let is_inside = whole_numbers(other_tree, other).is_some_and(|numbers| {
            let mut numbers = numbers.iter();
            numbers.all(|number| {
                allows(side, other, number) == Some(false)
                    || allows(list_side, listing, number) == Some(true)
            })
        });
        let at = two.at(
            lists.0.as_ref().map(|list| list.node),
            lists.1.as_ref().map(|list| list.node),
        );
        let sides = (std::slice::from_ref(two.old), std::slice::from_ref(two.new));
        let is_equal = is_inside && refused.is_empty();
        if side == Side::New {
            self.values_differ(&refused, &[], at, sides, two.task);
        } else {
            self.values_differ(&[], &refused, at, sides, two.task);
        }
        if is_equal {
            self.same_values(two, at);
        } else if !is_inside {
            self.list_came_or_went(two, at, lists);
        }
        true
    }

    /// Reports equal values that are written differently.
    fn same_values(&mut self, two: &Two<'_>, at: Places) {
        let reason = format!("{} lists the same values in another way", two.name());
        self.differ_in(two, &rules::WITHOUT_EFFECT, at, SampleHint::Any, reason);
    }

    /// Reports a list that only one side has.
    fn list_came_or_went(&mut self, two: &Two<'_>, at: Places, lists: &Lists) {
        let name = two.name();
        let (pair, reason): (&'static Pair, _) = match lists {
            (None, Some(list)) => {
                let listed = listed(&values(self.new.tree, &list.values));
                let reason = format!("{name} must be one of {listed} now");
                (&rules::ENUM_NARROWED, reason)
            }
            (Some(list), None) => {
                let listed = listed(&values(self.old.tree, &list.values));
                let reason = format!("{name} no longer has to be one of {listed}");
                (&rules::ENUM_WIDENED, reason)
            }
            _ => return,
        };
        self.differ_in(two, pair, at, SampleHint::Any, reason);
    }

    /// Compares the values that two alternatives list.
    pub(crate) fn enums(&mut self, two: &Two<'_>, lists: Lists) {
        let at = two.at(
            lists.0.as_ref().map(|list| list.node),
            lists.1.as_ref().map(|list| list.node),
        );
        // A list of both booleans is no constraint.
        let is_all = |list: &Enumerated| two.old.kind == Type::Boolean && list.values.len() == 2;
        match lists {
            (None, None) => {}
            (Some(list), None) | (None, Some(list)) if is_all(&list) => {}
            (Some(before), Some(after)) => {
                let known: HashSet<&Listed> = before.values.iter().map(|(one, _)| one).collect();
                let wanted: HashSet<&Listed> = after.values.iter().map(|(one, _)| one).collect();
                let only = |these: &[(Listed, Id)], those: &HashSet<&Listed>| {
                    let only = these.iter().filter(|(one, _)| !those.contains(one));
                    only.cloned().collect::<Vec<_>>()
                };
                let gone = only(&before.values, &wanted);
                let came = only(&after.values, &known);
                let is_array = |tree: &Tree, list: &Enumerated| tree.array(list.node).is_some();
                let is_rewritten =
                    is_array(self.old.tree, &before) != is_array(self.new.tree, &after);
                if gone.is_empty() && came.is_empty() && is_rewritten {
                    self.same_values(two, at);
                }
                let sides = (std::slice::from_ref(two.old), std::slice::from_ref(two.new));
                self.values_differ(&gone, &came, at, sides, two.task);
            }
            one_alone => self.list_came_or_went(two, at, &one_alone),
        }
    }

    /// Reports values that are no longer allowed, and values that are newly allowed.
    pub(crate) fn values_differ(
        &mut self,
        gone: &[(Listed, Id)],
        came: &[(Listed, Id)],
        at: Places,
        sides: (&[Alternative], &[Alternative]),
        task: &Task,
    ) {
        let name = task.place.name();
        if !gone.is_empty() {
            let gone = values(self.old.tree, gone);
            let reason = format!("{name} can no longer be {}", listed(&gone));
            let hint = SampleHint::Values(gone.into_iter().take(SHOWN).collect());
            self.differ(&rules::ENUM_NARROWED, task, at, sides, hint, reason);
        }
        if !came.is_empty() {
            let came = values(self.new.tree, came);
            let reason = format!("{name} can be {} now", listed(&came));
            let hint = SampleHint::Values(came.into_iter().take(SHOWN).collect());
            self.differ(&rules::ENUM_WIDENED, task, at, sides, hint, reason);
        }
    }

    fn numbers(&mut self, two: &Two<'_>) {
        let (old_integer, old_steps) = numbers(self.old.tree, &two.old.parts);
        let (new_integer, new_steps) = numbers(self.new.tree, &two.new.parts);
        if old_integer.is_some() != new_integer.is_some() {
            let type_of = |tree: &Tree, one: &Alternative, integer: Option<Id>| {
                integer.or_else(|| tightest(tree, &one.parts, "type").next())
            };
            let at = two.at(
                type_of(self.old.tree, two.old, old_integer),
                type_of(self.new.tree, two.new, new_integer),
            );
            let name = two.name();
            let (pair, reason): (&'static Pair, _) = if new_integer.is_some() {
                (
                    &rules::TYPE_NARROWED,
                    format!("{name} was a number and must be an integer now"),
                )
            } else {
                (
                    &rules::TYPE_WIDENED,
                    format!("{name} was an integer and can be any number now"),
                )
            };
            self.differ_in(two, pair, at, SampleHint::Any, reason);
        }
        let is_whole = old_integer.is_some() && new_integer.is_some();
        self.interval(two, ("minimum", "maximum"), is_whole);
        self.steps(two, (&old_steps, &new_steps), is_whole);
        let of = |tree: &Tree, one: &Alternative| {
            let mut found = texts(tree, one, "format");
            found.retain(|(name, _)| integer_format(name).is_none());
            found
        };
        let (before, after) = (of(self.old.tree, two.old), of(self.new.tree, two.new));
        self.unchecked_formats(two, &before, &after, |name| {
            matches!(name, "float" | "double")
        });
    }

    /// Compares a length or count.
    pub(crate) fn limit(&mut self, two: &Two<'_>, low: &str, high: &str) {
        self.interval(two, (low, high), true);
    }

    fn interval(&mut self, two: &Two<'_>, (low, high): (&str, &str), is_whole: bool) {
        let whole = |bound: Option<Bound>, is_lower: bool| {
            bound.map(|bound| {
                if is_whole {
                    bound.whole(is_lower)
                } else {
                    bound
                }
            })
        };
        let of = |tree: &Tree, one: &Alternative| {
            let mut least = whole(lower(tree, &one.parts, low), true);
            if low != "minimum" {
                // No length or count is negative.
                least = least.filter(|bound| bound.value > Decimal::from_i128(0));
            }
            (least, whole(upper(tree, &one.parts, high), false))
        };
        let (before, after) = (of(self.old.tree, two.old), of(self.new.tree, two.new));
        self.bound(two, low, (before.0, after.0), Ordering::Greater);
        self.bound(two, high, (before.1, after.1), Ordering::Less);
    }

    /// Compares one limit; `tighter` is how a tighter limit compares to another.
    fn bound(
        &mut self,
        two: &Two<'_>,
        keyword: &str,
        (before, after): (Option<Bound>, Option<Bound>),
        tighter: Ordering,
    ) {
        let is_tighter = match (&before, &after) {
            (None, None) => return,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (Some(before), Some(after)) => {
                let by_value = after.value.cmp(&before.value);
                match by_value.then(after.is_exclusive.cmp(&before.is_exclusive)) {
                    Ordering::Equal => return,
                    by_exclusion if by_value == Ordering::Equal => {
                        by_exclusion == Ordering::Greater
                    }
                    order => order == tighter,
                }
            }
        };
        let is_format = |tree: &Tree, bound: &Option<Bound>| {
            let node = bound.as_ref().map(|bound| bound.node);
            node.is_some_and(|node| tree.string(node).is_some())
        };
        let of_format = is_format(self.old.tree, &before) || is_format(self.new.tree, &after);
        let pair: &'static Pair = match (is_tighter, of_format) {
            (true, false) => &rules::BOUND_NARROWED,
            (false, false) => &rules::BOUND_WIDENED,
            (true, true) => &rules::FORMAT_ADDED,
            (false, true) => &rules::FORMAT_REMOVED,
        };
        let said = |bound: &Option<Bound>| {
            bound.as_ref().map_or_else(
                || "none".to_owned(),
                |bound| {
                    let exclusive = if bound.is_exclusive {
                        " (exclusive)"
                    } else {
                        ""
                    };
                    format!("{}{exclusive}", bound.value)
                },
            )
        };
        let by = if of_format { ", by its format" } else { "" };
        let reason = format!(
            "the {keyword} of {} was {} and is {}{by}",
            two.name(),
            said(&before),
            said(&after)
        );
        let hint = if matches!(keyword, "minimum" | "maximum") {
            SampleHint::Values(numbers_about(&before, &after))
        } else {
            SampleHint::Lengths(lengths_about(&before, &after))
        };
        let nodes = self.bound_nodes(&before, &after);
        self.differ_in(two, pair, two.at(nodes.0, nodes.1), hint, reason);
    }

    /// The nodes to report: the limits or, if these are equal, their exclusive keywords.
    fn bound_nodes(
        &self,
        before: &Option<Bound>,
        after: &Option<Bound>,
    ) -> (Option<Id>, Option<Id>) {
        if let (Some(before), Some(after)) = (before, after)
            && before.value == after.value
        {
            let flag = |tree: &Tree, node: Id| {
                let name = match tree.key(node).as_str() {
                    "minimum" => "exclusiveMinimum",
                    "maximum" => "exclusiveMaximum",
                    _ => return Some(node),
                };
                tree.get(tree.parent(node), name).or(Some(node))
            };
            return (
                flag(self.old.tree, before.node),
                flag(self.new.tree, after.node),
            );
        }
        (
            before.as_ref().map(|bound| bound.node),
            after.as_ref().map(|bound| bound.node),
        )
    }

    /// Compares `multipleOf`.
    fn steps(
        &mut self,
        two: &Two<'_>,
        (before, after): (&[Found<Decimal>], &[Found<Decimal>]),
        is_whole: bool,
    ) {
        // A step holds for all values of a side if one of that side's steps is a multiple of
        // it. Integers have an implied step of 1.
        let one = Decimal::from_i128(1);
        let holds = |step: &Decimal, side: &[Found<Decimal>]| {
            side.iter().any(|(other, _)| other.is_multiple_of(step))
                || (is_whole && one.is_multiple_of(step))
        };
        let is_narrower = after.iter().any(|(step, _)| !holds(step, before));
        let is_wider = before.iter().any(|(step, _)| !holds(step, after));
        let pair: &'static Pair = match (is_narrower, is_wider) {
            (false, false) => return,
            (true, false) => &rules::BOUND_NARROWED,
            (false, true) => &rules::BOUND_WIDENED,
            (true, true) => &rules::BOUND_CHANGED,
        };
        let at = two.at(
            before.first().map(|(_, id)| *id),
            after.first().map(|(_, id)| *id),
        );
        let said = |steps: &[Found<Decimal>]| {
            let first = steps.first();
            first.map_or_else(|| "none".to_owned(), |(step, _)| step.to_string())
        };
        let reason = format!(
            "the multipleOf of {} was {} and is {}",
            two.name(),
            said(before),
            said(after)
        );
        let multiples = before.iter().chain(after).flat_map(|(step, _)| {
            let step = step.to_f64();
            [1.0, 2.0, 3.0, 5.0, 7.0, -1.0, 101.0].map(|times| number(step * times))
        });
        let others = [1.0, 2.0, 0.5, 7.0].map(number);
        let hint = SampleHint::Values(multiples.chain(others).collect());
        self.differ_in(two, pair, at, hint, reason);
    }

    fn patterns(&mut self, two: &Two<'_>) {
        let of = |tree: &Tree, one: &Alternative, matches_all: bool| {
            let mut found = texts(tree, one, "pattern");
            found.retain(|(pattern, _)| patterns::matches_all(pattern) == matches_all);
            found
        };
        let only = |these: &[Found<String>], those: &[Found<String>]| -> Vec<Found<String>> {
            let is_there = |pattern: &String| those.iter().any(|(other, _)| other == pattern);
            let only = these.iter().filter(|(pattern, _)| !is_there(pattern));
            only.cloned().collect()
        };
        let name = two.name();
        for matches_all in [true, false] {
            let before = of(self.old.tree, two.old, matches_all);
            let after = of(self.new.tree, two.new, matches_all);
            let (gone, came) = (only(&before, &after), only(&after, &before));
            let (pair, reason): (&'static Pair, _) = match (gone.first(), came.first()) {
                (None, None) => continue,
                _ if matches_all => (
                    &rules::WITHOUT_EFFECT,
                    format!("a pattern of {name} that every string matches changed"),
                ),
                (None, Some((new, _))) => (
                    &rules::PATTERN_ADDED,
                    format!("{name} must match {new:?} now"),
                ),
                (Some((old, _)), None) => (
                    &rules::PATTERN_REMOVED,
                    format!("{name} no longer has to match {old:?}"),
                ),
                (Some((old, _)), Some((new, _))) => (
                    &rules::PATTERN_CHANGED,
                    format!("the pattern of {name} was {old:?} and is {new:?}"),
                ),
            };
            let at = two.at(
                gone.first().map(|(_, id)| *id),
                came.first().map(|(_, id)| *id),
            );
            self.differ_in(two, pair, at, SampleHint::Any, reason);
        }
    }

    fn string_formats(&mut self, two: &Two<'_>) {
        let of = |tree: &Tree, one: &Alternative, is_checked: bool| {
            let mut found = texts(tree, one, "format");
            found.retain(|(name, _)| formats::is_checked(name) == is_checked);
            found
        };
        let before = of(self.old.tree, two.old, true);
        let after = of(self.new.tree, two.new, true);
        // A format holds for all values of a side if one of that side's formats implies it.
        let holds = |name: &str, side: &[Found<String>]| {
            side.iter().any(|(other, _)| formats::implies(other, name))
        };
        let is_narrower = after.iter().any(|(name, _)| !holds(name, &before));
        let is_wider = before.iter().any(|(name, _)| !holds(name, &after));
        let pair: Option<&'static Pair> = match (is_narrower, is_wider) {
            (false, false) => None,
            (true, false) => Some(&rules::FORMAT_ADDED),
            (false, true) => Some(&rules::FORMAT_REMOVED),
            (true, true) => Some(&rules::FORMAT_CHANGED),
        };
        if let Some(pair) = pair {
            let said = |tree: &Tree, one: &Alternative| {
                let formats = texts(tree, one, "format");
                formats
                    .first()
                    .map_or_else(|| "none".to_owned(), |(name, _)| name.clone())
            };
            let reason = format!(
                "the format of {} was {} and is {}",
                two.name(),
                said(self.old.tree, two.old),
                said(self.new.tree, two.new)
            );
            let at = two.at(
                before.first().map(|(_, id)| *id),
                after.first().map(|(_, id)| *id),
            );
            let hint = SampleHint::Values(formats::odd_texts().map(Value::from).collect());
            self.differ_in(two, pair, at, hint, reason);
            return;
        }
        let before = of(self.old.tree, two.old, false);
        let after = of(self.new.tree, two.new, false);
        self.unchecked_formats(two, &before, &after, formats::allows_all);
    }

    /// Compares unknown formats, and formats that allow every value.
    fn unchecked_formats(
        &mut self,
        two: &Two<'_>,
        before: &[Found<String>],
        after: &[Found<String>],
        allows_all: impl Fn(&str) -> bool,
    ) {
        let names = |formats: &[Found<String>]| -> Vec<String> {
            formats.iter().map(|(name, _)| name.clone()).collect()
        };
        let (old_names, new_names) = (names(before), names(after));
        if old_names == new_names {
            return;
        }
        let is_known = old_names
            .iter()
            .chain(&new_names)
            .all(|name| allows_all(name));
        let pair = if is_known {
            &rules::FORMAT_NOTED
        } else {
            &rules::FORMAT_UNKNOWN
        };
        let at = two.at(
            before.first().map(|(_, id)| *id),
            after.first().map(|(_, id)| *id),
        );
        let said = |names: &[String]| {
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        let reason = format!(
            "the format of {} was {} and is {}",
            two.name(),
            said(&old_names),
            said(&new_names)
        );
        self.differ_in(two, pair, at, SampleHint::Any, reason);
    }

    /// Compares `uniqueItems`.
    pub(crate) fn unique_items(&mut self, two: &Two<'_>) {
        let unique = |tree: &Tree, one: &Alternative| {
            let mut nodes: Vec<Id> = tightest(tree, &one.parts, "uniqueItems").collect();
            nodes.sort_by_key(|id| tree.boolean(*id) != Some(true));
            let first = nodes.first().copied();
            (
                first.is_some_and(|id| tree.boolean(id) == Some(true)),
                first,
            )
        };
        let (was, before) = unique(self.old.tree, two.old);
        let (is, after) = unique(self.new.tree, two.new);
        if was == is {
            return;
        }
        let name = two.name();
        let (pair, reason): (&'static Pair, _) = if is {
            (
                &rules::BOUND_NARROWED,
                format!("the items of {name} must be unique now"),
            )
        } else {
            (
                &rules::BOUND_WIDENED,
                format!("the items of {name} need not be unique any more"),
            )
        };
        self.differ_in(two, pair, two.at(before, after), SampleHint::Twice, reason);
    }
}

impl Bound {
    /// The equivalent inclusive limit for integers.
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

/// The distinct string values of a keyword in all parts, sorted.
fn texts(tree: &Tree, one: &Alternative, keyword: &str) -> Vec<Found<String>> {
    let mut found: Vec<Found<String>> = tightest(tree, &one.parts, keyword)
        .filter_map(|id| Some((tree.string(id)?.to_owned(), id)))
        .collect();
    found.sort();
    found.dedup_by(|left, right| left.0 == right.0);
    found
}

/// Whether the validator supports all constraints of a scalar alternative.
fn is_checked(tree: &Tree, one: &Alternative) -> bool {
    let mut patterns = tightest(tree, &one.parts, "pattern").filter_map(|id| tree.string(id));
    let mut formats = tightest(tree, &one.parts, "format").filter_map(|id| tree.string(id));
    patterns.all(patterns::is_matched)
        && formats.all(|name| {
            formats::is_checked(name)
                || formats::allows_all(name)
                || integer_format(name).is_some()
                || matches!(name, "float" | "double")
        })
}

/// The integers within the limits of an alternative, if there are few.
fn whole_numbers(tree: &Tree, one: &Alternative) -> Option<Vec<Value>> {
    const FEW: i128 = 1000;
    numbers(tree, &one.parts).0?;
    let low = lower(tree, &one.parts, "minimum")?.whole(true);
    let high = upper(tree, &one.parts, "maximum")?.whole(false);
    let (low, high) = (low.value.to_i128()?, high.value.to_i128()?);
    let whole = |number| value_of(&Decimal::from_i128(number));
    (high.checked_sub(low)? < FEW).then(|| (low..=high).map(whole).collect())
}

/// A value as serde_json has it, if that is exact.
fn exact_value(tree: &Tree, id: Id) -> Option<Value> {
    let value = tree.value(id);
    let is_exact = tree
        .number(id)
        .is_none_or(|number| Decimal::parse(&value.to_string()).as_ref() == Some(number));
    is_exact.then_some(value)
}

fn values(tree: &Tree, list: &[(Listed, Id)]) -> Vec<Value> {
    list.iter().map(|(_, id)| tree.value(*id)).collect()
}

/// The first few values, for a message.
fn listed(values: &[Value]) -> String {
    const SAID: usize = 5;
    let said: Vec<String> = values
        .iter()
        .take(SAID)
        .map(|value| match value {
            // Only escape the part that is shown.
            Value::String(text) => json!(truncate(text, 60)).to_string(),
            other => truncate(&other.to_string(), 60),
        })
        .collect();
    let more = values.len().saturating_sub(SAID);
    if more > 0 {
        format!("{} and {more} more", said.join(", "))
    } else {
        said.join(", ")
    }
}

fn number(value: f64) -> Value {
    Decimal::parse(&format!("{value}")).map_or(Value::Null, |value| value_of(&value))
}

/// Numbers at, between and beyond both limits.
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
        values.extend([0.5, -0.5, 0.25, 0.001].map(|by| number(double + by)));
        values.extend([2.0, 0.5, 1.000_001, 0.999_999].map(|times| number(double * times)));
    }
    if let [low, high] = &bounds[..] {
        values.push(number(f64::midpoint(low.to_f64(), high.to_f64())));
        if let (Some(low), Some(high)) = (low.floor(), high.floor()) {
            values.push(value_of(&Decimal::from_i128(low / 2 + high / 2)));
        }
    }
    values
}

/// Lengths at both limits, one beyond and one below.
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

/// Where a keyword appears in some parts.
pub(crate) fn keyword_at(tree: &Tree, parts: &[Id], keyword: &str, around: NodeRef) -> NodeRef {
    let mut nodes = parts.iter().filter_map(|part| tree.get(*part, keyword));
    NodeRef::of(nodes.next(), around.id)
}
