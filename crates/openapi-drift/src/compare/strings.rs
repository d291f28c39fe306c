//! Texts: patterns and formats.

use serde_json::Value;

use super::{
    Comparison, SampleHint, NodeRef, Task,
    schemas::{new_spot, old_spot},
};
use crate::{
    document::{Id, Tree},
    rules::{self, Pair},
    schema::{Alternative, tightest},
    witness::{formats, patterns},
};

impl Comparison<'_> {
    /// Compares two sets of texts.
    pub(crate) fn strings(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        self.limit(old, new, task, "minLength", "maxLength");
        self.patterns(old, new, task);
        self.string_formats(old, new, task);
    }

    fn patterns(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        let of = |tree: &Tree, alternative: &Alternative, matches_all: bool| {
            let mut found: Vec<(String, Id)> = tightest(tree, &alternative.parts, "pattern")
                .filter_map(|id| Some((tree.string(id)?.to_owned(), id)))
                .filter(|(pattern, _)| patterns::matches_all(pattern) == matches_all)
                .collect();
            found.sort();
            found.dedup_by(|left, right| left.0 == right.0);
            found
        };
        let only = |these: &[(String, Id)], those: &[(String, Id)]| -> Vec<(String, Id)> {
            let is_there = |pattern: &String| those.iter().any(|(other, _)| other == pattern);
            these
                .iter()
                .filter(|(pattern, _)| !is_there(pattern))
                .cloned()
                .collect()
        };
        let differ = |matches_all: bool| {
            let before = of(self.old.tree, old, matches_all);
            let after = of(self.new.tree, new, matches_all);
            (only(&before, &after), only(&after, &before))
        };
        let name = task.place.name();
        let spots = |gone: &[(String, Id)], came: &[(String, Id)]| {
            (
                NodeRef::of(gone.first().map(|(_, id)| *id), old_spot(old, task)),
                NodeRef::of(came.first().map(|(_, id)| *id), new_spot(new, task)),
            )
        };
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        let (gone, came) = differ(true);
        if !gone.is_empty() || !came.is_empty() {
            let reason = format!("a pattern of {name} changed, which every text matches");
            let pair = &rules::WITHOUT_EFFECT;
            self.differ(pair, task, spots(&gone, &came), sides, SampleHint::Any, reason);
        }
        let (gone, came) = differ(false);
        let (pair, reason): (&'static Pair, _) = match (gone.first(), came.first()) {
            (None, None) => return,
            (None, Some((new, _))) => (
                &rules::PATTERN_ADDED,
                format!("{name} has to match {new:?} now"),
            ),
            (Some((old, _)), None) => (
                &rules::PATTERN_REMOVED,
                format!("{name} need not match {old:?} any more"),
            ),
            (Some((old, _)), Some((new, _))) => (
                &rules::PATTERN_CHANGED,
                format!("{name} had to match {old:?}, and has to match {new:?} now"),
            ),
        };
        self.differ(pair, task, spots(&gone, &came), sides, SampleHint::Any, reason);
    }

    fn string_formats(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        let of = |tree: &Tree, alternative: &Alternative, is_checked: bool| -> Vec<(String, Id)> {
            let mut found: Vec<(String, Id)> = tightest(tree, &alternative.parts, "format")
                .filter_map(|id| Some((tree.string(id)?.to_owned(), id)))
                .filter(|(name, _)| formats::is_checked(name) == is_checked)
                .collect();
            found.sort();
            found.dedup_by(|left, right| left.0 == right.0);
            found
        };
        let before = of(self.old.tree, old, true);
        let after = of(self.new.tree, new, true);
        // A format holds for all values of a side if one of the side's formats
        // implies it.
        let holds = |name: &str, side: &[(String, Id)]| {
            side.iter().any(|(other, _)| formats::implies(other, name))
        };
        let is_narrower = after.iter().any(|(name, _)| !holds(name, &before));
        let is_wider = before.iter().any(|(name, _)| !holds(name, &after));
        let name = task.place.name();
        let said = |formats: &[(String, Id)]| {
            formats
                .first()
                .map_or_else(|| "none".to_owned(), |(name, _)| name.clone())
        };
        let reason = format!(
            "the format of {name} was {} and is {} now",
            said(&before),
            said(&after)
        );
        let pair: Option<&'static Pair> = match (is_narrower, is_wider) {
            (false, false) => None,
            (true, false) => Some(&rules::FORMAT_ADDED),
            (false, true) => Some(&rules::FORMAT_REMOVED),
            (true, true) => Some(&rules::FORMAT_CHANGED),
        };
        if let Some(pair) = pair {
            let spots = (
                NodeRef::of(before.first().map(|(_, id)| *id), old_spot(old, task)),
                NodeRef::of(after.first().map(|(_, id)| *id), new_spot(new, task)),
            );
            let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
            let pool = formats::odd_texts().map(Value::from).collect();
            self.differ(pair, task, spots, sides, SampleHint::Values(pool), reason);
        }
        let before = of(self.old.tree, old, false);
        let after = of(self.new.tree, new, false);
        self.formats(&before, &after, old, new, task, |name| {
            matches!(name, "password" | "binary").then_some(())
        });
    }
}
