//! Lists of allowed values.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    Comparison, SampleHint, NodeRef, Task,
    schemas::{new_spot, old_spot},
};
use crate::{
    document::Tree,
    rules,
    schema::{Alternative, Type, enumerated},
};

impl Comparison<'_> {
    /// Compares the values that two alternatives list.
    pub(crate) fn enums(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        let before = enumerated(self.old.tree, old);
        let after = enumerated(self.new.tree, new);
        let spots = (
            NodeRef::of(before.as_ref().map(|list| list.node), old_spot(old, task)),
            NodeRef::of(after.as_ref().map(|list| list.node), new_spot(new, task)),
        );
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        let name = task.place.name();
        let is_all =
            |list: &crate::schema::Enumerated| old.kind == Type::Boolean && list.values.len() == 2;
        match (before, after) {
            (None, None) => {}
            (None, Some(list)) => {
                if !is_all(&list) {
                    let reason = format!(
                        "{name} could be any {}, and has to be one of {} now",
                        old.kind.name(),
                        listed(&values(self.new.tree, &list.values))
                    );
                    let show = SampleHint::Any;
                    self.differ(&rules::ENUM_NARROWED, task, spots, sides, show, reason);
                }
            }
            (Some(list), None) => {
                if !is_all(&list) {
                    let reason = format!(
                        "{name} had to be one of {}, and can be any {} now",
                        listed(&values(self.old.tree, &list.values)),
                        old.kind.name(),
                    );
                    let show = SampleHint::Any;
                    self.differ(&rules::ENUM_WIDENED, task, spots, sides, show, reason);
                }
            }
            (Some(before), Some(after)) => {
                let texts = |list: &crate::schema::Enumerated| -> HashSet<String> {
                    list.values.iter().map(|(text, _)| text.clone()).collect()
                };
                let (known, wanted) = (texts(&before), texts(&after));
                let mut gone = before.values;
                gone.retain(|(text, _)| !wanted.contains(text));
                let mut came = after.values;
                came.retain(|(text, _)| !known.contains(text));
                self.values_differ(&gone, &came, spots, sides, task);
            }
        }
    }

    /// Values that are no longer listed, and values that are now.
    pub(crate) fn values_differ(
        &mut self,
        gone: &[(String, crate::document::Id)],
        came: &[(String, crate::document::Id)],
        spots: (NodeRef, NodeRef),
        sides: (&[Alternative], &[Alternative]),
        task: &Task,
    ) {
        let name = task.place.name();
        if !gone.is_empty() {
            let gone = values(self.old.tree, gone);
            let reason = format!("{name} can no longer be {}", listed(&gone));
            let show = SampleHint::Values(gone.into_iter().take(SHOWN).collect());
            self.differ(&rules::ENUM_NARROWED, task, spots, sides, show, reason);
        }
        if !came.is_empty() {
            let came = values(self.new.tree, came);
            let reason = format!("{name} can be {} now", listed(&came));
            let show = SampleHint::Values(came.into_iter().take(SHOWN).collect());
            self.differ(&rules::ENUM_WIDENED, task, spots, sides, show, reason);
        }
    }
}

/// How many values are tried as a witness.
const SHOWN: usize = 64;

fn values(tree: &Tree, list: &[(String, crate::document::Id)]) -> Vec<Value> {
    list.iter().map(|(_, id)| tree.value(*id)).collect()
}

/// The first values, for a sentence.
fn listed(values: &[Value]) -> String {
    const SAID: usize = 5;
    let said: Vec<String> = values
        .iter()
        .take(SAID)
        .map(|value| match value {
            // Only what is shown of it is spelled.
            Value::String(text) => json!(crate::text::short(text, 60)).to_string(),
            other => crate::text::short(&other.to_string(), 60),
        })
        .collect();
    let more = values.len().saturating_sub(SAID);
    if more > 0 {
        format!("{} and {more} more", said.join(", "))
    } else {
        said.join(", ")
    }
}
