//! The Rust types of schemas.

use super::Client;
use crate::{
    document::{Decimal, Id},
    rust::shape::{Place, Shape},
};

/// How deep schemas that stand in one another are followed.
const DEEPEST: usize = 64;

impl Client<'_> {
    /// A schema where it is used: what is around it decides whether it may be
    /// left out.
    pub(in crate::rust) fn place(&self, node: Id) -> Place {
        let shape = self.shape(node);
        let is_nullable = self.is_nullable(node);
        let name = crate::rust::property_name(self.tree, node);
        let is_sent = self.is_sent(node);
        let (Some(name), false) = (name, self.is_component(node)) else {
            let is_nullable = is_nullable && !(self.is_component(node) && shape.is_ours());
            return Place {
                name: None,
                is_required: true,
                is_nullable,
                shape,
            };
        };
        let is_required = self.is_required(self.owner(node), &name);
        // What may be left out is an `Option` already, except where it is sent
        // and can be empty instead.
        let is_empty_instead = is_sent && shape.can_be_empty();
        let is_option = !is_required && !is_empty_instead;
        Place {
            name: Some(name),
            is_required,
            is_nullable: is_nullable || is_option,
            shape,
        }
    }

    /// A schema as the type that its name is for: whether null is allowed belongs
    /// to the place, except for a component and a body.
    pub(super) fn whole(&self, node: Id) -> Place {
        let shape = self.shape(node);
        let is_named = self.used(node).is_some_and(|used| used.is_named);
        Place {
            name: None,
            is_required: true,
            is_nullable: is_named && self.is_nullable(node) && !shape.is_ours(),
            shape,
        }
    }

    /// The Rust type of a schema.
    pub(in crate::rust) fn shape(&self, node: Id) -> Shape {
        self.shape_within(node, 0)
    }

    fn shape_within(&self, node: Id, depth: usize) -> Shape {
        let tree = self.tree;
        // References have names, so only what stands inline is followed.
        if depth > DEEPEST {
            return Shape::Unknown(self.essence(node, 0));
        }
        if let Some((name, _)) = self.alias(node).and_then(|alias| self.reference(alias)) {
            return Shape::Named(name);
        }
        if let Some((name, _)) = self.reference(node) {
            return Shape::Named(name);
        }
        let used = self.used(node).cloned().unwrap_or_default();
        if tree.get(node, "allOf").is_some() {
            return Shape::Unknown(self.essence(node, 0));
        }
        let inner = |node: Id| {
            let shape = self.shape_within(node, depth + 1);
            (shape, self.is_nullable(node))
        };
        let branches = self.branches(node);
        let is_union = !branches.is_empty()
            && (used.is_sent
                || !branches
                    .iter()
                    .all(|branch| self.says_required_only(*branch)));
        if is_union {
            if tree.get(node, "properties").is_some() {
                return Shape::Unknown(self.essence(node, 0));
            }
            return Shape::Union {
                name: used.name,
                is_any: tree.get(node, "anyOf").is_some(),
                branches: branches.into_iter().map(inner).collect(),
            };
        }
        let values = self.strings(node).filter(|_| used.is_sent);
        if let Some(values) = values {
            return Shape::Enum {
                name: used.name,
                values,
            };
        }
        let rest = tree.get(node, "additionalProperties");
        let others = rest
            .filter(|rest| tree.object(*rest).is_some())
            .map(|rest| Box::new(inner(rest)));
        if tree.get(node, "properties").is_some() {
            let others =
                others.or_else(|| used.is_received.then(|| Box::new((Shape::Anything, false))));
            return Shape::Struct {
                name: used.name,
                others,
            };
        }
        match self.type_of(node) {
            Some("string") => {
                let format = tree
                    .get(node, "format")
                    .and_then(|format| tree.string(format));
                if used.is_sent && format == Some("uri") {
                    Shape::Uri
                } else {
                    Shape::Text
                }
            }
            Some("integer") => {
                let minimum = tree
                    .get(node, "minimum")
                    .and_then(|minimum| tree.number(minimum));
                let is_unsigned = minimum.is_some_and(|minimum| *minimum >= Decimal::from_i128(0));
                Shape::Integer { is_unsigned }
            }
            Some("number") => Shape::Number,
            Some("boolean") => Shape::Boolean,
            Some("array") => match tree.get(node, "items") {
                Some(items) => Shape::List(Box::new(inner(items))),
                None => Shape::List(Box::new((Shape::Anything, false))),
            },
            Some("object") => match others {
                Some(others) if *others == (Shape::Anything, false) => Shape::Free,
                Some(others) => Shape::Map(others),
                None if rest.is_some_and(|rest| tree.boolean(rest) == Some(false)) => {
                    Shape::Nothing
                }
                None => Shape::Free,
            },
            _ => {
                let says = [
                    "format",
                    "enum",
                    "items",
                    "required",
                    "additionalProperties",
                ];
                if says.iter().any(|keyword| tree.get(node, keyword).is_some()) {
                    Shape::Unknown(self.essence(node, 0))
                } else {
                    Shape::Anything
                }
            }
        }
    }

    /// A schema as text, without what makes no difference to its type.
    fn essence(&self, node: Id, depth: usize) -> String {
        let tree = self.tree;
        let Some(members) = tree.object(node).filter(|_| depth <= DEEPEST) else {
            return tree.canonical_text(node);
        };
        let is_sent = self.is_sent(node);
        let inner = |node: Id| self.essence(node, depth + 1);
        let mut text = String::from("{");
        for (name, value) in members {
            let said = match &**name {
                "type" | "nullable" | "required" | "$ref" => tree.canonical_text(*value),
                "enum" if is_sent => tree.canonical_text(*value),
                "format" if is_sent && tree.string(*value) == Some("uri") => "uri".to_owned(),
                "minimum" if self.type_of(node) == Some("integer") => {
                    let minimum = tree.number(*value);
                    let is_unsigned =
                        minimum.is_some_and(|minimum| *minimum >= Decimal::from_i128(0));
                    is_unsigned.to_string()
                }
                "items" | "additionalProperties" => inner(*value),
                "allOf" | "anyOf" | "oneOf" => {
                    let parts = tree.array(*value).unwrap_or_default();
                    parts.iter().map(|part| inner(*part)).collect()
                }
                "properties" => {
                    let properties = tree.object(*value).into_iter().flatten();
                    properties
                        .map(|(name, property)| format!("{name:?}{}", inner(*property)))
                        .collect()
                }
                _ => continue,
            };
            text.push_str(&format!("{name}:{said};"));
        }
        text.push('}');
        text
    }
}
