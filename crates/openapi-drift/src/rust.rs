//! What a change does to the Rust client that is generated from a document.
//!
//! Meant are the public items of the client that `kontext-codegen` makes of a
//! document as it is given, without overlays: types with their fields and names
//! on the wire, builders, methods. They are told from the documents alone:
//!
//! - [`refused`] says whether codegen takes a document at all. Where it takes one
//!   of the two not, there is no client to compare, and everything is undecided.
//! - [`client`] names each type and says whether it is sent, received, or both.
//! - [`shape`] is the Rust type of a schema, as far as a program can see it.
//!
//! What stands in the client's private code (paths, methods, statuses, servers,
//! security) and in its data (limits, patterns) changes none of its items: code
//! compiles as before and means the same. That it may not work any more is what
//! the wire is about. Whatever is not understood is undecided, never nothing.

mod client;
mod conforms;
mod names;
mod refused;
mod shape;

use crate::{
    compare::NodeRef,
    document::{Id, Tree},
    report::RustEffect,
    rules::Rule,
};

use client::Client;

/// The clients of two documents.
#[derive(Debug)]
pub(crate) struct Clients<'a> {
    old: Client<'a>,
    new: Client<'a>,
}

/// What decides about a rule.
enum Decided {
    /// The rule alone.
    By(RustEffect),
    /// The types on both sides of the place.
    ByType,
    /// The types of the object, where the place is that of its other members.
    ByOthers,
    ByName,
    ByExtension,
    Added {
        is_required: bool,
    },
    Removed,
    Renamed,
    Required,
}

impl<'a> Clients<'a> {
    pub(crate) fn new(old: &'a Tree, new: &'a Tree) -> Self {
        Self {
            old: Client::new(old),
            new: Client::new(new),
        }
    }

    /// Whether codegen makes nothing of one of the documents.
    fn is_refused(&self) -> bool {
        self.old.refused.is_some() || self.new.refused.is_some()
    }

    /// What a difference of a rule does, at its places in both documents.
    pub(crate) fn effect(&self, rule: &Rule, old: NodeRef, new: NodeRef) -> RustEffect {
        let decided = decided(rule.id);
        if self.is_refused() {
            // What is not in a client's items changes nothing of one that there is
            // not, before and after.
            let is_both = self.old.refused.is_some() && self.new.refused.is_some();
            let is_none = matches!(
                decided,
                Decided::By(RustEffect::None) | Decided::ByExtension
            );
            return if is_both && is_none {
                RustEffect::None
            } else {
                RustEffect::Undecided
            };
        }
        match decided {
            Decided::By(effect) => return effect,
            Decided::ByName => return self.operation_id(old, new),
            Decided::ByExtension => {
                let marks = |tree: &Tree, spot: NodeRef| {
                    spot.exists && tree.pointer(spot.id).ends_with("/x-component")
                };
                let is_name = marks(self.old.tree, old) || marks(self.new.tree, new);
                return if is_name {
                    RustEffect::Major
                } else {
                    RustEffect::None
                };
            }
            _ => {}
        }
        let is_of_others = matches!(decided, Decided::ByOthers);
        let (before, after) = match (
            self.old.node(around(self.old.tree, old, is_of_others)),
            self.new.node(around(self.new.tree, new, is_of_others)),
        ) {
            (Some(before), Some(after)) => (before, after),
            // No type is made of what stands in an error, or in a header.
            (Some(_), None) if in_response(self.new.tree, new) => return RustEffect::None,
            (None, Some(_)) if in_response(self.old.tree, old) => return RustEffect::None,
            (None, None) => return RustEffect::None,
            _ => return RustEffect::Undecided,
        };
        let effect = match decided {
            Decided::Added { is_required } => self.added(before, after, new, is_required),
            Decided::Removed => self.removed(before, after, old),
            Decided::Renamed => RustEffect::Major,
            Decided::Required => self.required(before, after),
            _ => self.changed(before, after),
        };
        // What several parts become together is not told part by part.
        let is_part = self.old.is_part(before) || self.new.is_part(after);
        if is_part && effect == RustEffect::Minor {
            RustEffect::Undecided
        } else {
            effect
        }
    }

    /// What became of the types, whatever the findings say: a schema that got a
    /// name, or another one, is no difference on the wire.
    pub(crate) fn types(&self) -> RustEffect {
        match (self.old.refused, self.new.refused) {
            (Option::None, Option::None) => {}
            // There was no client, and there is none: nothing to say of itself.
            (Some(_), Some(_)) => return RustEffect::None,
            _ => return RustEffect::Undecided,
        }
        let (before, after) = (&self.old.types, &self.new.types);
        let kept = before.iter().map(|(name, old)| {
            let new = after.get(name);
            new.map_or(RustEffect::Major, |new| shape::compare_named(old, new))
        });
        let effect = kept.min().unwrap_or(RustEffect::None);
        let is_more = after.keys().any(|name| !before.contains_key(name));
        if is_more {
            effect.min(RustEffect::Minor)
        } else {
            effect
        }
    }

    fn operation_id(&self, old: NodeRef, new: NodeRef) -> RustEffect {
        let names = |tree: &Tree, spot: NodeRef| {
            let id = tree.string(spot.id).filter(|_| spot.exists)?;
            Some((
                names::snake_case(id),
                names::type_name(&names::type_name(id)),
            ))
        };
        match (names(self.old.tree, old), names(self.new.tree, new)) {
            (Some(before), Some(after)) if before == after => RustEffect::None,
            (Some(_), Some(_)) => RustEffect::Major,
            _ => RustEffect::Undecided,
        }
    }

    /// A property that came; `new` is where it is, `before` what it came into.
    fn added(&self, before: Id, after: Id, new: NodeRef, is_required: bool) -> RustEffect {
        let Some(name) = property_name(self.new.tree, new.id) else {
            return RustEffect::Undecided;
        };
        let owner = self.new.owner(after);
        // It may be there already, and be said to travel the other way.
        if let Some(known) = self.old.property(before, &name) {
            return self.changed(known, after);
        }
        let around = if self.old.is_part(before) || self.new.is_part(owner) {
            RustEffect::Minor
        } else {
            shape::compare(&self.old.shape(before), &self.new.shape(owner))
        };
        if !is_required || !self.new.is_sent(owner) {
            return around.min(RustEffect::Minor);
        }
        let is_set = self.new.is_preset(after) && self.old.has_required(before);
        if is_set {
            around.min(RustEffect::Minor)
        } else {
            RustEffect::Major
        }
    }

    fn removed(&self, before: Id, after: Id, old: NodeRef) -> RustEffect {
        let name = property_name(self.old.tree, old.id);
        let kept = name.and_then(|name| self.new.property(after, &name));
        kept.map_or(RustEffect::Major, |kept| self.changed(before, kept))
    }

    /// A property that is required now, or not any more.
    fn required(&self, before: Id, after: Id) -> RustEffect {
        let says_only = |client: &Client<'_>, node: Id| {
            !client.is_sent(node) && client.says_required_only(node)
        };
        if says_only(&self.old, before) || says_only(&self.new, after) {
            RustEffect::None
        } else {
            RustEffect::Major
        }
    }

    /// The types on both sides of a place.
    fn changed(&self, before: Id, after: Id) -> RustEffect {
        // What a reference leads to is compared with its like.
        let (mut before, mut after) = (before, after);
        if self.old.is_component(before) && !self.new.is_component(after) {
            after = self.new.target(after);
        } else if self.new.is_component(after) && !self.old.is_component(before) {
            before = self.old.target(before);
        }
        let effect = shape::compare_places(&self.old.place(before), &self.new.place(after));
        let was_set = self.old.is_preset(before) && !self.new.is_preset(after);
        if was_set { RustEffect::Major } else { effect }
    }
}

/// The node that a place is about.
fn around(tree: &Tree, spot: NodeRef, is_of_others: bool) -> Id {
    if is_of_others && spot.exists {
        tree.parent(spot.id)
    } else {
        spot.id
    }
}

/// Whether a place is in a response as it stands in the paths.
fn in_response(tree: &Tree, spot: NodeRef) -> bool {
    let pointer = tree.pointer(spot.id);
    pointer.starts_with("/paths/") && pointer.split('/').nth(4) == Some("responses")
}

/// The name of a property, if a node is one.
fn property_name(tree: &Tree, node: Id) -> Option<String> {
    let pointer = tree.pointer(node);
    let (around, name) = pointer.rsplit_once('/')?;
    around
        .ends_with("/properties")
        .then(|| name.replace("~1", "/").replace("~0", "~"))
}

/// What decides about a rule. One that is not named here is undecided.
fn decided(id: &str) -> Decided {
    use RustEffect::{Major, Minor, None, Undecided};
    match id {
        "path-added" | "method-added" => Decided::By(Minor),
        "path-removed" | "method-removed" => Decided::By(Major),
        // The operation has its name still, which is what code calls it by.
        "path-changed" | "method-changed" => Decided::By(None),
        "operation-id-changed" => Decided::ByName,
        "extension-changed" => Decided::ByExtension,
        // The generated method has an argument more, or less.
        "request-body-added" | "required-request-body-added" | "request-body-removed" => {
            Decided::By(Major)
        }
        // In private code, or in nothing that is generated. Of media types, only
        // those of errors get here: codegen refuses all others but one.
        "operation-deprecated"
        | "operation-undeprecated"
        | "server-added"
        | "server-changed"
        | "server-removed"
        | "security-added"
        | "security-removed"
        | "request-body-became-required"
        | "request-body-became-optional"
        | "response-media-type-added"
        | "response-media-type-removed"
        | "error-media-type-added"
        | "error-body-added"
        | "error-body-removed"
        | "success-status-changed"
        | "error-status-added"
        | "error-status-removed"
        | "response-header-added"
        | "response-header-removed"
        | "response-header-became-required"
        | "response-header-became-optional"
        | "documentation-changed"
        | "title-changed"
        | "example-changed"
        | "links-changed" => Decided::By(None),
        _ => match id.split_once('-').map_or("", |(_, rest)| rest) {
            "property-added" => Decided::Added { is_required: false },
            "required-property-added" => Decided::Added { is_required: true },
            "property-removed" => Decided::Removed,
            "property-renamed" => Decided::Renamed,
            "required-added" | "required-removed" => Decided::Required,
            "pattern-added"
            | "pattern-removed"
            | "pattern-changed"
            | "discriminator-changed"
            | "access-changed"
            | "default-changed"
            | "deprecated"
            | "undeprecated" => Decided::By(None),
            "nullable-added"
            | "nullable-removed"
            | "type-narrowed"
            | "type-widened"
            | "type-changed"
            | "enum-narrowed"
            | "enum-widened"
            | "bound-narrowed"
            | "bound-widened"
            | "bound-changed"
            | "format-added"
            | "format-removed"
            | "format-changed"
            | "format-noted"
            | "format-unknown"
            | "union-narrowed"
            | "union-widened"
            | "union-rewritten"
            | "union-overlapping"
            | "limit-without-effect" => Decided::ByType,
            "additional-properties-narrowed"
            | "additional-properties-widened"
            | "additional-properties-removed"
            | "additional-properties-added"
            | "additional-properties-noted" => Decided::ByOthers,
            _ => Decided::By(Undecided),
        },
    }
}

#[cfg(test)]
mod tests;
