//! Two schemas.

use serde_json::Value;

use super::{Comparison, Show, Spot, Task, place::Key};
use crate::{
    json::{Id, Tree},
    rules::{self, Effect, Pair},
    schema::{
        Alternative, Expanded, Schemas, Type, is_annotation, is_known, is_well_formed, schema,
    },
};

impl Comparison<'_> {
    /// Compares two schemas, except for what is inside of them, which waits.
    pub(crate) fn schemas(&mut self, task: &Task) {
        let (old, new) = (self.old.expand(&task.old), self.new.expand(&task.new));
        self.annotations(&old.always, &new.always, task);
        if self.everything(&old, &new, task) {
            return;
        }
        let Some(is_clear) = self.unclear(&old, &new, task) else {
            return; // What stood there, or stands there, is not known.
        };
        let is_inexact = !is_clear || old.is_inexact || new.is_inexact;
        let inner = Task {
            place: task.place.inexact(is_inexact),
            ..task.clone()
        };
        let odd = self.unknown_keywords(&old, &new, task);
        self.idle_keywords(&old, &new, task);
        let found = self.differences.len();
        if self.types(&old, &new, &inner) {
            for kind in Type::ALL {
                let of = |expanded: &Expanded| -> Vec<Alternative> {
                    let all = expanded.alternatives.iter();
                    all.filter(|one| one.kind == kind).cloned().collect()
                };
                self.pair(&of(&old), &of(&new), &inner);
            }
        }
        self.rewritten(&old, &new, &inner, found);
        self.forget(found, &odd);
    }

    /// Takes out what was found of keywords whose values are not understood: that
    /// they count for nothing is nothing to conclude from.
    fn forget(&mut self, from: usize, odd: &[String]) {
        if odd.is_empty() {
            return;
        }
        let is_odd = |tree: &Tree, spot: Spot| {
            let pointer = tree.pointer(spot.id);
            let name = pointer.rsplit('/').next().unwrap_or_default();
            spot.exists && odd.iter().any(|keyword| keyword == name)
        };
        let is_type = odd.iter().any(|keyword| keyword == "type");
        let (old, new) = (self.old.tree, self.new.tree);
        let rest = self.differences.split_off(from);
        self.differences.extend(rest.into_iter().filter(|one| {
            let id = one.rule.id;
            let kinds = ["-type-", "-nullable-", "-union-"];
            let is_of_type = is_type && kinds.iter().any(|kind| id.contains(kind));
            one.rule.effect == Effect::Unknown
                || !(is_of_type || is_odd(old, one.old) || is_odd(new, one.new))
        }));
    }

    /// Whether one of the schemas allows everything: then that is the one thing to
    /// say of the other.
    fn everything(&mut self, old: &Expanded, new: &Expanded, task: &Task) -> bool {
        let was = self.allows_all(&task.old, true);
        let is = self.allows_all(&task.new, false);
        let name = task.place.name();
        let (pair, reason): (&'static Pair, String) = match (was, is) {
            (false, false) => return false,
            (true, true) => return true,
            (true, false) => {
                let reason = format!("{name} could be anything, and can't any more");
                (&rules::TYPE_NARROWED, reason)
            }
            (false, true) => (&rules::TYPE_WIDENED, format!("{name} can be anything now")),
        };
        let spots = (
            keyword_spot(self.old, &old.always, "type", task.old_at),
            keyword_spot(self.new, &new.always, "type", task.new_at),
        );
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        self.differ(pair, task, spots, sides, Show::Any, reason);
        true
    }

    /// Compares two alternatives of one type.
    pub(crate) fn alternatives(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        self.annotations(&branch_parts(old), &branch_parts(new), task);
        match old.kind {
            Type::Null => return,
            Type::Boolean => {}
            Type::Number => self.numbers(old, new, task),
            Type::String => self.strings(old, new, task),
            Type::Array => self.arrays(old, new, task),
            Type::Object => self.objects(old, new, task),
        }
        self.enums(old, new, task);
    }

    /// Items of arrays, and their number.
    fn arrays(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        self.limit(old, new, task, "minItems", "maxItems");
        self.unique_items(old, new, task);
        let items = |tree: &Tree, parts| -> Vec<Id> {
            crate::schema::tightest(tree, parts, "items").collect()
        };
        let old_items = items(self.old.tree, &old.parts);
        let new_items = items(self.new.tree, &new.parts);
        if old_items.is_empty() && new_items.is_empty() {
            return;
        }
        self.later(Task {
            old_at: Spot::of(old_items.first().copied(), old_spot(old, task)),
            new_at: Spot::of(new_items.first().copied(), new_spot(new, task)),
            old: schema(old_items),
            new: schema(new_items),
            place: task.place.step(Key::Item),
        });
    }

    /// What is missing, added or of another type. False if nothing is left to
    /// be compared.
    fn types(&mut self, old: &Expanded, new: &Expanded, task: &Task) -> bool {
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
            self.differ(pair, task, spots, sides, Show::Any, reason);
            return false;
        }
        let is_union = !old.unions.is_empty() || !new.unions.is_empty();
        let spots = if is_union {
            (
                old.unions.first().map_or(task.old_at, |id| Spot::at(*id)),
                new.unions.first().map_or(task.new_at, |id| Spot::at(*id)),
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
            self.differ(pair, task, spots, (&shown, sides.1), Show::Any, reason);
        }
        if !came.is_empty() {
            let pair = if is_union {
                &rules::UNION_WIDENED
            } else {
                &rules::TYPE_WIDENED
            };
            let reason = format!("{name} can be {} now", names(&came));
            let shown = only(sides.1, &came);
            self.differ(pair, task, spots, (sides.0, &shown), Show::Any, reason);
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
    ) -> Option<(&'static str, (Spot, Spot))> {
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
                (true, true) => !crate::json::same(self.old.tree, old.id, self.new.tree, new.id),
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
        spots: (Spot, Spot),
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
        let show = Show::Values(vec![Value::Null]);
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        self.differ(pair, task, spots, sides, show, reason);
    }

    /// What can't be understood: whether there is nothing of that kind. None if it
    /// is not the same on both sides.
    fn unclear(&mut self, old: &Expanded, new: &Expanded, task: &Task) -> Option<bool> {
        if old.unclear.is_empty() && new.unclear.is_empty() {
            return Some(true);
        }
        let texts = |tree: &Tree, unclear: &[(Id, String)]| {
            let texts = unclear.iter().map(|(id, why)| {
                let text = super::members::resolved_text(tree, *id, false);
                (why.clone(), text)
            });
            let mut texts: Vec<_> = texts.collect();
            texts.sort();
            texts
        };
        if texts(self.old.tree, &old.unclear) == texts(self.new.tree, &new.unclear) {
            return Some(false);
        }
        let spot = |unclear: &[(Id, String)], at: Spot| {
            unclear.first().map_or(at, |(id, _)| Spot::at(*id))
        };
        let why = new.unclear.first().or(old.unclear.first());
        let why = why.map_or("", |(_, why)| why.as_str());
        self.differ(
            &rules::NOT_UNDERSTOOD,
            task,
            (
                spot(&old.unclear, task.old_at),
                spot(&new.unclear, task.new_at),
            ),
            (&[], &[]),
            Show::Any,
            format!("{} has {why}", task.place.name()),
        );
        None
    }

    /// Keywords that OpenAPI 3.0 does not have, or with values that they can't
    /// have: they are compared as text. Gives those that differ.
    fn unknown_keywords(&mut self, old: &Expanded, new: &Expanded, task: &Task) -> Vec<String> {
        let mut odd = Vec::new();
        let old_found = odd_keywords(self.old.tree, old);
        let new_found = odd_keywords(self.new.tree, new);
        for (text, (keyword, id)) in &old_found {
            if !new_found.contains_key(text) {
                let beside = new_found.values().find(|(other, _)| other == keyword);
                let new = beside.map_or(
                    Spot {
                        exists: false,
                        ..task.new_at
                    },
                    |(_, id)| Spot::at(*id),
                );
                self.odd(keyword, Spot::at(*id), new, task);
                odd.push(keyword.clone());
            }
        }
        for (text, (keyword, id)) in &new_found {
            let is_paired = old_found.values().any(|(other, _)| other == keyword);
            if !old_found.contains_key(text) && !is_paired {
                let old = Spot {
                    exists: false,
                    ..task.old_at
                };
                self.odd(keyword, old, Spot::at(*id), task);
                odd.push(keyword.clone());
            }
        }
        odd
    }

    fn odd(&mut self, keyword: &str, old: Spot, new: Spot, task: &Task) {
        let why = if is_known(keyword) {
            "has a value that it can't have"
        } else if keyword == "not" {
            "is not compared as a set"
        } else {
            "is no keyword of OpenAPI 3.0"
        };
        let reason = format!("of {}, `{keyword}` changed, which {why}", task.place.name());
        self.differ(
            &rules::NOT_UNDERSTOOD,
            task,
            (old, new),
            (&[], &[]),
            Show::Any,
            reason,
        );
    }

    /// Limits on types that the values do not have: nobody feels them.
    fn idle_keywords(&mut self, old: &Expanded, new: &Expanded, task: &Task) {
        for (keyword, kind) in TYPED {
            let is_felt =
                |expanded: &Expanded| expanded.alternatives.iter().any(|one| one.kind == kind);
            if is_felt(old) || is_felt(new) {
                continue;
            }
            let nodes = |schemas: &Schemas<'_>, expanded: &Expanded| -> Vec<(String, Id)> {
                let parts = all_parts(expanded);
                let parts = parts.iter();
                parts
                    .filter_map(|part| schemas.tree.get(*part, keyword))
                    .map(|id| (super::members::resolved_text(schemas.tree, id, false), id))
                    .collect()
            };
            let (before, after) = (nodes(self.old, old), nodes(self.new, new));
            let texts = |nodes: &[(String, Id)]| {
                let mut texts: Vec<String> = nodes.iter().map(|(text, _)| text.clone()).collect();
                texts.sort();
                texts.dedup();
                texts
            };
            if texts(&before) == texts(&after) {
                continue;
            }
            let spot = |nodes: &[(String, Id)], at: Spot| {
                Spot::of(nodes.first().map(|(_, id)| *id), at.id)
            };
            let reason = format!(
                "of {}, `{keyword}` changed, which is about values of type {} and never applies",
                task.place.name(),
                kind.name()
            );
            self.differ(
                &rules::WITHOUT_EFFECT,
                task,
                (spot(&before, task.old_at), spot(&after, task.new_at)),
                (&[], &[]),
                Show::Any,
                reason,
            );
        }
    }
}

/// Which type each limit is about.
const TYPED: [(&str, Type); 16] = [
    ("minimum", Type::Number),
    ("maximum", Type::Number),
    ("exclusiveMinimum", Type::Number),
    ("exclusiveMaximum", Type::Number),
    ("multipleOf", Type::Number),
    ("minLength", Type::String),
    ("maxLength", Type::String),
    ("pattern", Type::String),
    ("minItems", Type::Array),
    ("maxItems", Type::Array),
    ("uniqueItems", Type::Array),
    ("items", Type::Array),
    ("minProperties", Type::Object),
    ("maxProperties", Type::Object),
    ("properties", Type::Object),
    ("additionalProperties", Type::Object),
];

/// All schema objects of all alternatives.
fn all_parts(expanded: &Expanded) -> Vec<Id> {
    let parts = expanded
        .alternatives
        .iter()
        .flat_map(|one| one.parts.iter());
    let mut parts: Vec<Id> = parts.chain(&expanded.always).copied().collect();
    parts.sort();
    parts.dedup();
    parts
}

/// Keywords that are not compared as sets, by a text that is equal for equals.
fn odd_keywords(
    tree: &Tree,
    expanded: &Expanded,
) -> std::collections::BTreeMap<String, (String, Id)> {
    let mut found = std::collections::BTreeMap::new();
    for part in all_parts(expanded) {
        for (keyword, value) in tree.object(part).into_iter().flatten() {
            let is_odd = !is_annotation(keyword)
                && (!is_known(keyword) || !is_well_formed(tree, keyword, *value));
            if is_odd {
                let text = super::members::resolved_text(tree, *value, false);
                found.insert(format!("{keyword} {text}"), (keyword.to_string(), *value));
            }
        }
    }
    found
}

/// The schema objects that are an alternative's own, and not the whole schema's.
fn branch_parts(alternative: &Alternative) -> Vec<Id> {
    if alternative.branches.is_empty() {
        return Vec::new();
    }
    alternative.parts.to_vec()
}

/// Where to point at for what an alternative lacks.
pub(crate) fn old_spot(alternative: &Alternative, task: &Task) -> Id {
    alternative
        .branches
        .last()
        .copied()
        .unwrap_or(task.old_at.id)
}

/// As [`old_spot`], in the new document.
pub(crate) fn new_spot(alternative: &Alternative, task: &Task) -> Id {
    alternative
        .branches
        .last()
        .copied()
        .unwrap_or(task.new_at.id)
}

fn keyword_spot(schemas: &Schemas<'_>, parts: &[Id], keyword: &str, around: Spot) -> Spot {
    let mut nodes = parts
        .iter()
        .filter_map(|part| schemas.tree.get(*part, keyword));
    Spot::of(nodes.next(), around.id)
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
