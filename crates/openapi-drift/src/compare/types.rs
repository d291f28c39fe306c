//! Which value types are allowed.

use serde_json::Value;

use super::{
    Comparison, NodeRef, Places, SampleHint, Task, place::wire_text, unsupported::all_parts,
    values::keyword_at,
};
use crate::{
    document::{Id, Tree, same},
    findings::Side,
    rules::{self, Pair},
    schema::{Alternative, Expanded, Schemas, Type, is_annotation, numbers},
};

impl Comparison<'_> {
    /// Compares the types. False if nothing is left to compare.
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
        if task.place.is_text() && (!gone.is_empty() || !came.is_empty()) {
            let is_scalar =
                |kind: &Type| matches!(kind, Type::Number | Type::Boolean | Type::String);
            let all = with((true, true));
            if gone.iter().chain(&came).chain(&all).all(is_scalar) {
                self.texts(old, new, task);
                return false;
            }
        }
        let is_common = !with((true, true)).is_empty();
        let is_changed = !gone.is_empty() && !came.is_empty() && !is_common;
        let null = self.null(old, new, task, of(Type::Null));
        let name = task.place.name();
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        // Null that was added or removed along with a type is one change.
        match (of(Type::Null), &null) {
            ((true, false), Some((keyword, _))) if !gone.is_empty() && *keyword != "nullable" => {
                gone.push(Type::Null);
            }
            ((false, true), Some((keyword, _))) if !came.is_empty() && *keyword != "nullable" => {
                came.push(Type::Null);
            }
            (_, None) => {}
            (was, Some((_, at))) => {
                let (pair, reason) = if was.0 {
                    let reason = format!("{name} can no longer be null");
                    (&rules::NULLABLE_REMOVED, reason)
                } else {
                    (&rules::NULLABLE_ADDED, format!("{name} can be null now"))
                };
                let hint = SampleHint::Values(vec![Value::Null]);
                self.differ(pair, task, *at, sides, hint, reason);
            }
        }
        if is_changed {
            let (was, is) = (names(self.old, old, &gone), names(self.new, new, &came));
            let reason = format!("{name} was {was} and is {is}");
            let pair = &rules::TYPE_CHANGED;
            let difference = self.differ(pair, task, task.at, sides, SampleHint::Any, reason);
            difference.is_certain |= !task.place.is_inexact;
            return false;
        }
        let is_union = !old.unions.is_empty() || !new.unions.is_empty();
        let at = if is_union {
            let first = |of: &Expanded, at| of.unions.first().map_or(at, |id| NodeRef::at(*id));
            (first(old, task.at.0), first(new, task.at.1))
        } else {
            self.keyword_places(&old.always, &new.always, "type", task)
        };
        let only = |alternatives: &[Alternative], kinds: &[Type]| -> Vec<Alternative> {
            let only = alternatives.iter().filter(|one| kinds.contains(&one.kind));
            only.cloned().collect()
        };
        if !gone.is_empty() {
            let pair = [&rules::TYPE_NARROWED, &rules::UNION_NARROWED][usize::from(is_union)];
            let reason = format!("{name} can no longer be {}", names(self.old, old, &gone));
            let shown = only(sides.0, &gone);
            self.differ(pair, task, at, (&shown, sides.1), SampleHint::Any, reason);
        }
        if !came.is_empty() {
            let pair = [&rules::TYPE_WIDENED, &rules::UNION_WIDENED][usize::from(is_union)];
            let reason = format!("{name} can be {} now", names(self.new, new, &came));
            let shown = only(sides.1, &came);
            self.differ(pair, task, at, (sides.0, &shown), SampleHint::Any, reason);
        }
        true
    }

    /// Compares scalars of different types that are serialized as text: only the text
    /// matters.
    fn texts(&mut self, old: &Expanded, new: &Expanded, task: &Task) {
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        let direction = task.place.body.direction;
        // Whether a side accepts every text.
        let takes_all = |expanded: &Expanded, side: Side| {
            let tree = self.schemas_of(side).tree;
            let known = ["type", "nullable", "anyOf", "oneOf", "allOf"];
            let mut alternatives = expanded.alternatives.iter();
            alternatives.any(|one| one.kind == Type::String && has_only(tree, one, &known))
        };
        let refused = |by: Side, schema, of: Side, alternatives: &[Alternative]| -> Vec<Value> {
            let values = self.values.samples(of, direction, alternatives);
            let texts = values.iter().filter_map(wire_text).map(Value::String);
            texts
                .filter(|text| self.values.allows_text(by, schema, direction, text) == Some(false))
                .take(64)
                .collect()
        };
        let gone = refused(Side::New, &task.new, Side::Old, sides.0);
        let came = refused(Side::Old, &task.old, Side::New, sides.1);
        // Whether all values of a side were tried.
        let is_finite = |side: Side, alternatives: &[Alternative]| {
            let schemas = self.schemas_of(side);
            alternatives.iter().all(|one| {
                matches!(one.kind, Type::Boolean | Type::Null)
                    || schemas
                        .enumerated(one)
                        .is_some_and(|list| list.values.len() <= 64)
            })
        };
        let is_narrower =
            !(takes_all(new, Side::New) || gone.is_empty() && is_finite(Side::Old, sides.0));
        let is_wider =
            !(takes_all(old, Side::Old) || came.is_empty() && is_finite(Side::New, sides.1));
        let kinds = Type::ALL.into_iter().filter(|kind| *kind != Type::Null);
        let kinds: Vec<Type> = kinds.collect();
        let name = task.place.name();
        let at = self.keyword_places(&old.always, &new.always, "type", task);
        let more = if is_narrower && is_wider {
            ""
        } else {
            ", both written as text"
        };
        let (was, is) = (names(self.old, old, &kinds), names(self.new, new, &kinds));
        let reason = format!("{name} was {was} and is {is}{more}");
        let (pair, shown): (&'static Pair, Vec<Value>) = match (is_narrower, is_wider) {
            (false, false) => (&rules::WITHOUT_EFFECT, Vec::new()),
            (true, false) => (&rules::TYPE_NARROWED, gone),
            (false, true) => (&rules::TYPE_WIDENED, came),
            (true, true) => (&rules::TYPE_CHANGED, [gone, came].concat()),
        };
        self.differ(pair, task, at, sides, SampleHint::Values(shown), reason);
    }

    /// The keyword that adds or removes null, and where it is. `None` if there is none,
    /// or if it is reported as a change of listed values.
    fn null(
        &self,
        old: &Expanded,
        new: &Expanded,
        task: &Task,
        (was, is): (bool, bool),
    ) -> Option<(&'static str, Places)> {
        if was == is {
            return None;
        }
        let mut found = ("type", task.at);
        for keyword in ["type", "enum", "nullable"] {
            // Only `nullable` also counts in branches.
            let parts = |expanded: &Expanded| match keyword {
                "nullable" => all_parts(expanded).to_vec(),
                _ => expanded.always.clone(),
            };
            let at = self.keyword_places(&parts(old), &parts(new), keyword, task);
            let is_other = match (at.0.exists, at.1.exists) {
                (true, true) => !same(self.old.tree, at.0.id, self.new.tree, at.1.id),
                (false, false) => false,
                // An added or removed list is reported elsewhere.
                _ if keyword == "enum" => return None,
                _ => true,
            };
            if is_other {
                found = (keyword, at);
            }
        }
        Some(found)
    }

    /// Where a keyword appears in some parts of both schemas.
    pub(crate) fn keyword_places(
        &self,
        old: &[Id],
        new: &[Id],
        keyword: &str,
        task: &Task,
    ) -> Places {
        (
            keyword_at(self.old.tree, old, keyword, task.at.0),
            keyword_at(self.new.tree, new, keyword, task.at.1),
        )
    }
}

/// Whether an alternative has only annotations and some keywords.
pub(crate) fn has_only(tree: &Tree, one: &Alternative, keywords: &[&str]) -> bool {
    let mut members = one.parts.iter().flat_map(|part| tree.members(*part));
    members.all(|(name, _)| is_annotation(name) || keywords.contains(&&**name))
}

/// The allowed types among some: "a string", "a string, integer or object".
pub(crate) fn names(schemas: &Schemas<'_>, of: &Expanded, kinds: &[Type]) -> String {
    let name = |kind: &Type| {
        let mut all = of.alternatives.iter().filter(|one| one.kind == *kind);
        let first = all.next()?;
        let is_whole = |one: &Alternative| numbers(schemas.tree, &one.parts).0.is_some();
        let is_integer = *kind == Type::Number && is_whole(first) && all.all(is_whole);
        Some(if is_integer { "integer" } else { kind.name() })
    };
    let names: Vec<&str> = kinds.iter().filter_map(name).collect();
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
