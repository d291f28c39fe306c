//! Where references lead.

use std::collections::{HashMap, HashSet};

use super::{Id, Tree};

/// Follows all references of a tree, each link once.
pub(super) fn follow(tree: &Tree) -> HashMap<Id, Result<Id, String>> {
    let mut known: HashMap<Id, Result<Id, String>> = HashMap::new();
    for start in tree.ids() {
        let mut chain = Vec::new();
        let mut open = HashSet::new();
        let mut at = start;
        let end = loop {
            if let Some(end) = known.get(&at) {
                break end.clone();
            }
            let Some(reference) = tree.get(at, "$ref") else {
                break Ok(at);
            };
            if !open.insert(at) {
                break Err("references that lead back to themselves".to_owned());
            }
            chain.push(at);
            match target(tree, reference) {
                Ok(target) => at = target,
                Err(why) => break Err(why),
            }
        };
        for link in chain {
            known.insert(link, end.clone());
        }
    }
    known
}

/// What the value of a `$ref` names.
fn target(tree: &Tree, reference: Id) -> Result<Id, String> {
    let Some(text) = tree.string(reference) else {
        return Err("a \"$ref\" that is no text".to_owned());
    };
    let Some(pointer) = text.strip_prefix('#') else {
        return Err(format!("{text:?} is outside of the document"));
    };
    let target = tree.at(pointer);
    target.ok_or_else(|| format!("{text:?} does not exist"))
}
