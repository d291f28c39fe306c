//! Two schemas.

use super::{Comparison, SampleHint, NodeRef, Task, place::Key, types::keyword_spot};
use crate::{
    document::{Id, Tree},
    rules::{self, Pair},
    schema::{Alternative, Expanded, Type, schema},
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
        self.differ(pair, task, spots, sides, SampleHint::Any, reason);
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
            old_at: NodeRef::of(old_items.first().copied(), old_spot(old, task)),
            new_at: NodeRef::of(new_items.first().copied(), new_spot(new, task)),
            old: schema(old_items),
            new: schema(new_items),
            place: task.place.step(Key::Item),
        });
    }
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
