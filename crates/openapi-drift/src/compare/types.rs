//! Which types of value there are.

use serde_json::Value;

use super::{Comparison, SampleHint, NodeRef, Task, unsupported::all_parts};
use crate::{
    document::Id,
    rules::{self, Pair},
    schema::{Alternative, Expanded, Schemas, Type},
};

impl Comparison<'_> {
    /// What is missing, added or of another type. False if nothing is left to
    /// be compared.
    pub(crate) fn types(&mut self, old: &Expanded, new: &Expanded, task: &Task) -> bool {
        let has = |expanded: &Expanded, kind: Type| {
            expanded.alternatives.iter().any(|one| one.kind == kind)
        };
        let of = |kind: Type| (has(old, kind), has(new, kind));
        let values = Type::ALL.into_iter().filter(|kind| *kind != Type::Null);
        let with = |wanted: (bool, bool)| -> Vec<Type> {
            values.clone().filter(|kind| of(*kind) == wanted).collect()
        };
        let (mut gone, mut came) = (with((true, false)), with((false, true)));
        let is_common = !with((true, true)).is_empty();
        let is_changed = !gone.is_empty() && !came.is_empty() && !is_common;
        let null = self.null(old, new, task, of(Type::Null));
        // Null that came or went with a type is one change.
        match (of(Type::Null), &null) {
            ((true, false), Some((keyword, _))) if !gone.is_empty() && *keyword != "nullable" => {
                gone.push(Type::Null);
            }
            ((false, true), Some((keyword, _))) if !came.is_empty() && *keyword != "nullable" => {
                came.push(Type::Null);
            }
            (_, None) => {}
            (was, Some((_, spots))) => self.null_differs(was.0, *spots, (old, new), task),
        }
        let name = task.place.name();
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        if is_changed {
            let reason = format!("{name} was {} and is {} now", names(&gone), names(&came));
            let spots = (task.old_at, task.new_at);
            let pair = &rules::TYPE_CHANGED;
            self.differ(pair, task, spots, sides, SampleHint::Any, reason);
            return false;
        }
        let is_union = !old.unions.is_empty() || !new.unions.is_empty();
        let spots = if is_union {
            (
                old.unions.first().map_or(task.old_at, |id| NodeRef::at(*id)),
                new.unions.first().map_or(task.new_at, |id| NodeRef::at(*id)),
            )
        } else {
            (
                keyword_spot(self.old, &old.always, "type", task.old_at),
                keyword_spot(self.new, &new.always, "type", task.new_at),
            )
        };
        let only = |alternatives: &[Alternative], kinds: &[Type]| -> Vec<Alternative> {
            let all = alternatives.iter();
            all.filter(|one| kinds.contains(&one.kind))
                .cloned()
                .collect()
        };
        if !gone.is_empty() {
            let pair = if is_union {
                &rules::UNION_NARROWED
            } else {
                &rules::TYPE_NARROWED
            };
            let reason = format!("{name} can no longer be {}", names(&gone));
            let shown = only(sides.0, &gone);
            self.differ(pair, task, spots, (&shown, sides.1), SampleHint::Any, reason);
        }
        if !came.is_empty() {
            let pair = if is_union {
                &rules::UNION_WIDENED
            } else {
                &rules::TYPE_WIDENED
            };
            let reason = format!("{name} can be {} now", names(&came));
            let shown = only(sides.1, &came);
            self.differ(pair, task, spots, (sides.0, &shown), SampleHint::Any, reason);
        }
        true
    }

    /// Which keyword makes null come or go, and where it stands. None if nothing
    /// does, or if the values that are listed now, or were, say it.
    fn null(
        &self,
        old: &Expanded,
        new: &Expanded,
        task: &Task,
        (was, is): (bool, bool),
    ) -> Option<(&'static str, (NodeRef, NodeRef))> {
        if was == is {
            return None;
        }
        let mut found = ("type", (task.old_at, task.new_at));
        for keyword in ["type", "enum", "nullable"] {
            // In a branch, `nullable` is the only one that tells.
            let parts = |expanded: &Expanded| match keyword {
                "nullable" => all_parts(expanded),
                _ => expanded.always.clone(),
            };
            let old = keyword_spot(self.old, &parts(old), keyword, task.old_at);
            let new = keyword_spot(self.new, &parts(new), keyword, task.new_at);
            let is_other = match (old.exists, new.exists) {
                (true, true) => !crate::document::same(self.old.tree, old.id, self.new.tree, new.id),
                (false, false) => false,
                // Any value was or is allowed: that there is a list is said.
                _ if keyword == "enum" => return None,
                _ => true,
            };
            if is_other {
                found = (keyword, (old, new));
            }
        }
        Some(found)
    }

    fn null_differs(
        &mut self,
        was: bool,
        spots: (NodeRef, NodeRef),
        (old, new): (&Expanded, &Expanded),
        task: &Task,
    ) {
        let name = task.place.name();
        let (pair, reason): (&'static Pair, String) = if was {
            let reason = format!("{name} can no longer be null");
            (&rules::NULLABLE_REMOVED, reason)
        } else {
            (&rules::NULLABLE_ADDED, format!("{name} can be null now"))
        };
        let show = SampleHint::Values(vec![Value::Null]);
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        self.differ(pair, task, spots, sides, show, reason);
    }
}

/// Where a keyword of some parts stands.
pub(crate) fn keyword_spot(
    schemas: &Schemas<'_>,
    parts: &[Id],
    keyword: &str,
    around: NodeRef,
) -> NodeRef {
    let mut nodes = parts
        .iter()
        .filter_map(|part| schemas.tree.get(*part, keyword));
    NodeRef::of(nodes.next(), around.id)
}

/// "a string", "a string, number or object".
fn names(kinds: &[Type]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => article(last),
        Some((last, first)) => format!("{} or {last}", article(&first.join(", "))),
    }
}

fn article(name: &str) -> String {
    if name.starts_with(['a', 'o', 'i']) {
        format!("an {name}")
    } else {
        format!("a {name}")
    }
}
