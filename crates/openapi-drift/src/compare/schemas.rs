//! Compares two schemas.

use std::rc::Rc;

use super::{Comparison, Key, Place, Places, SampleHint, Task, difference::Two, types::names};
use crate::{
    document::{Id, Tree, resolve},
    rules::{self, Pair},
    schema::{Alternative, Expanded, Schema, Type, is_annotation, schema, tightest},
};

impl Comparison<'_> {
    /// Compares two schemas. Nested schemas are queued.
    pub(crate) fn schemas(&mut self, task: &Task) {
        let (old, new) = (self.old.expand(&task.old), self.new.expand(&task.new));
        self.annotations(&old.always, &new.always, task);
        if self.everything(&old, &new, task) {
            return;
        }
        let Some(is_clear) = self.unclear(&old, &new, task) else {
            return; // Old or new schema is unknown.
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
                self.pair(&of(&old), &of(&new), (&old.tags, &new.tags), &inner);
            }
        }
        // An added or removed discriminator is reported as an annotation.
        for (old, new) in old.tags.iter().zip(&new.tags) {
            self.discriminator(old, new, task);
        }
        self.rewritten((&old, &new), (task, &inner), found);
        self.forget(found, &odd);
    }

    /// Whether one of the schemas allows everything: then only that is reported.
    fn everything(&mut self, old: &Expanded, new: &Expanded, task: &Task) -> bool {
        let was = allows_all(self.old.tree, &task.old);
        let is = allows_all(self.new.tree, &task.new);
        let name = task.place.name();
        let (pair, reason): (&'static Pair, String) = match (was, is) {
            (false, false) => return false,
            (true, true) => return true,
            (true, false) => {
                let types = names(self.new, new, &Type::ALL);
                let reason = format!("{name} had no type and must be {types} now");
                (&rules::TYPE_NARROWED, reason)
            }
            (false, true) => {
                let types = names(self.old, old, &Type::ALL);
                let reason = format!("{name} was {types} and has no type now");
                (&rules::TYPE_WIDENED, reason)
            }
        };
        let at = self.keyword_places(&old.always, &new.always, "type", task);
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        self.differ(pair, task, at, sides, SampleHint::Any, reason);
        true
    }

    /// Compares two alternatives of the same type.
    pub(crate) fn alternatives(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        self.annotations(branch_parts(old), branch_parts(new), task);
        let two = Two { old, new, task };
        match old.kind {
            Type::Null => return,
            Type::Boolean | Type::Number | Type::String => return self.scalars(&two),
            Type::Array => self.arrays(&two),
            Type::Object => self.objects(&two, None),
        }
        let lists = (self.old.enumerated(old), self.new.enumerated(new));
        self.enums(&two, lists);
    }

    /// Compares array items and their number.
    fn arrays(&mut self, two: &Two<'_>) {
        self.limit(two, "minItems", "maxItems");
        self.unique_items(two);
        let old: Vec<Id> = tightest(self.old.tree, &two.old.parts, "items").collect();
        let new: Vec<Id> = tightest(self.new.tree, &two.new.parts, "items").collect();
        if old.is_empty() && new.is_empty() {
            return;
        }
        let at = two.at(old.first().copied(), new.first().copied());
        let place = two.task.place.step(Key::Item);
        self.inner((&schema(old), &schema(new)), at, place);
    }

    /// Queues a comparison of two schemas inside.
    pub(crate) fn inner(&mut self, (old, new): (&Schema, &Schema), at: Places, place: Place) {
        let (old, new) = (Rc::clone(old), Rc::clone(new));
        self.later(Task {
            old,
            new,
            at,
            place,
        });
    }
}

/// The schema objects that belong to a branch rather than to the whole schema.
fn branch_parts(alternative: &Alternative) -> &[Id] {
    if alternative.branches.is_empty() {
        &[]
    } else {
        &alternative.parts
    }
}

/// Whether a schema certainly has no constraints. Without a type, `nullable` has no
/// effect.
pub(crate) fn allows_all(tree: &Tree, nodes: &Schema) -> bool {
    nodes.iter().all(|node| {
        let members = resolve(tree, *node).ok().and_then(|id| tree.object(id));
        members.is_some_and(|members| {
            let mut names = members.keys();
            names.all(|name| is_annotation(name) || &**name == "nullable")
        })
    })
}
