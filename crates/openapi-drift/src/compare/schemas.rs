//! Compares two schemas.

use super::{
    Comparison, Key, NodeRef, SampleHint, Task, difference::Two, types::names, values::keyword_at,
};
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
        self.discriminators(&old.tags, &new.tags, task);
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
                let reason = format!(
                    "{name} had no type and must be {} now",
                    names(self.new, new, &Type::ALL)
                );
                (&rules::TYPE_NARROWED, reason)
            }
            (false, true) => {
                let reason = format!(
                    "{name} was {} and has no type now",
                    names(self.old, old, &Type::ALL)
                );
                (&rules::TYPE_WIDENED, reason)
            }
        };
        let at = (
            keyword_at(self.old.tree, &old.always, "type", task.old_at),
            keyword_at(self.new.tree, &new.always, "type", task.new_at),
        );
        let sides = (&old.alternatives[..], &new.alternatives[..]);
        self.differ(pair, task, at, sides, SampleHint::Any, reason);
        true
    }

    /// Compares two alternatives of the same type.
    pub(crate) fn alternatives(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        self.annotations(branch_parts(old), branch_parts(new), task);
        let two = Two { old, new, task };
        match old.kind {
            Type::Null => {}
            Type::Boolean | Type::Number | Type::String => self.scalars(&two),
            Type::Array | Type::Object => {
                if old.kind == Type::Array {
                    self.arrays(&two);
                } else {
                    self.objects(&two, None);
                }
                let lists = (self.old.enumerated(old), self.new.enumerated(new));
                self.enums(&two, lists);
            }
        }
    }

    /// Compares array items and their number.
    fn arrays(&mut self, two: &Two<'_>) {
        self.limit(two, "minItems", "maxItems");
        self.unique_items(two);
        let items =
            |tree: &Tree, parts: &Schema| -> Vec<Id> { tightest(tree, parts, "items").collect() };
        let old = items(self.old.tree, &two.old.parts);
        let new = items(self.new.tree, &two.new.parts);
        if old.is_empty() && new.is_empty() {
            return;
        }
        let at = two.at(old.first().copied(), new.first().copied());
        self.later(Task {
            old_at: at.0,
            new_at: at.1,
            old: schema(old),
            new: schema(new),
            place: two.task.place.step(Key::Item),
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

/// The node, or `at` if there is none.
pub(crate) fn spot_or(node: Option<Id>, at: NodeRef) -> NodeRef {
    node.map_or(at, NodeRef::at)
}
