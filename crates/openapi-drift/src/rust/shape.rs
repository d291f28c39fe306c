//! The Rust type of a schema, as far as a program can see it.

use std::collections::{BTreeMap, BTreeSet};

use super::names::words;
use crate::report::RustEffect;

/// A type, and whether it is in an `Option`.
pub(super) type Inner = (Shape, bool);

/// The Rust type of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Uri,
    Integer {
        is_unsigned: bool,
    },
    Number,
    Boolean,
    Anything,
    /// An object of which nothing is said.
    Free,
    /// An object that has no members.
    Nothing,
    List(Box<Inner>),
    Map(Box<Inner>),
    /// A type that has a name in the document.
    Named(String),
    /// A struct, by its name, and what keeps the members that it does not name.
    /// Its fields have places of their own.
    Struct {
        name: String,
        others: Option<Box<Inner>>,
    },
    Enum {
        name: String,
        values: BTreeSet<String>,
    },
    Union {
        name: String,
        is_any: bool,
        branches: Vec<Inner>,
    },
    /// Not understood: its canonical text.
    Unknown(String),
}

/// A type where it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The name of the property, if it is one.
    pub(super) name: Option<String>,
    pub(super) is_required: bool,
    /// Whether it is an `Option`.
    pub(super) is_nullable: bool,
    pub(super) shape: Shape,
}

/// A type that has a name, with all that a program can see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// What it is, where nothing is around it.
    pub(super) whole: Place,
    pub(super) fields: BTreeMap<String, Place>,
    /// Whether it is made by a builder, which asks for what is required.
    pub(super) is_sent: bool,
    /// Fields that the builder sets by itself.
    pub(super) preset: BTreeSet<String>,
}

impl Named {
    /// Whether it can be made of nothing: no field is required, and none keeps
    /// what is not known.
    fn has_default(&self) -> bool {
        matches!(&self.whole.shape, Shape::Struct { others: None, .. })
            && !self.fields.values().any(|field| field.is_required)
    }
}

/// What a change of a type that has a name does.
pub(super) fn compare_named(old: &Named, new: &Named) -> RustEffect {
    let whole = compare_places(&old.whole, &new.whole);
    let kept = old.fields.iter().map(|(name, field)| {
        new.fields
            .get(name)
            .map_or(RustEffect::Major, |other| compare_places(field, other))
    });
    let came = new
        .fields
        .iter()
        .filter(|(name, _)| !old.fields.contains_key(*name));
    let came = came.map(|(name, field)| {
        let is_asked = new.is_sent && field.is_required && !new.preset.contains(name);
        if is_asked {
            RustEffect::Major
        } else {
            RustEffect::Minor
        }
    });
    let is_unset = old.preset.iter().any(|name| !new.preset.contains(name));
    let is_less = is_unset || (old.has_default() && !new.has_default());
    let less = if is_less {
        RustEffect::Major
    } else {
        RustEffect::None
    };
    kept.chain(came)
        .chain([whole, less])
        .min()
        .unwrap_or(RustEffect::None)
}

impl Shape {
    /// Whether it is left out of a request by being empty.
    pub(super) fn can_be_empty(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_) | Self::Free)
    }

    /// The name of the type that is made of it.
    fn name(&self) -> Option<&String> {
        match self {
            Self::Named(name)
            | Self::Struct { name, .. }
            | Self::Enum { name, .. }
            | Self::Union { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether it is written by codegen itself, which forgets that null is allowed.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Enum { .. })
    }

    /// What kind of value it is.
    fn kind(&self) -> &'static str {
        match self {
            Self::Text | Self::Uri | Self::Enum { .. } => "text",
            Self::Integer { .. } | Self::Number => "number",
            Self::Boolean => "boolean",
            Self::List(_) => "list",
            Self::Struct { .. } | Self::Map(_) | Self::Free | Self::Nothing => "object",
            Self::Union { .. } | Self::Named(_) | Self::Anything | Self::Unknown(_) => "any",
        }
    }
}

/// What a change of a type where it is used does.
pub(super) fn compare_places(old: &Place, new: &Place) -> RustEffect {
    let is_same = old.name == new.name
        && old.is_required == new.is_required
        && old.is_nullable == new.is_nullable;
    if is_same {
        compare(&old.shape, &new.shape)
    } else {
        RustEffect::Major
    }
}

/// What a change of a type does.
pub(super) fn compare(old: &Shape, new: &Shape) -> RustEffect {
    use RustEffect::{Major, Minor, None, Undecided};
    use Shape::{Enum, List, Map, Named, Struct, Union, Unknown};
    if old == new {
        return None;
    }
    match (old, new) {
        (Unknown(_), _) | (_, Unknown(_)) => Undecided,
        // A name of a place is as good as one of the document.
        (Named(name), other) | (other, Named(name)) if other.name() == Some(name) => None,
        (List(before), List(after)) | (Map(before), Map(after)) => inner(before, after),
        (
            Enum { name, values },
            Enum {
                name: other,
                values: wanted,
            },
        ) if name == other => {
            if values.is_subset(wanted) {
                Minor
            } else {
                Major
            }
        }
        (
            Struct { name, others },
            Struct {
                name: other,
                others: wanted,
            },
        ) if name == other => match (others, wanted) {
            (Some(before), Some(after)) => inner(before, after),
            (Option::None, Some(_)) => Minor,
            _ => Major,
        },
        (
            Union {
                name,
                is_any,
                branches,
            },
            Union {
                name: other,
                is_any: is_any_now,
                branches: wanted,
            },
        ) if name == other => {
            // An `anyOf` whose branches overlap becomes a struct of all of them.
            let is_clear = are_apart(branches) && are_apart(wanted);
            let effect = unions(branches, wanted);
            if is_clear || !(*is_any || *is_any_now) {
                effect
            } else {
                effect.min(Undecided)
            }
        }
        _ => Major,
    }
}

fn inner(old: &Inner, new: &Inner) -> RustEffect {
    if old.1 == new.1 {
        compare(&old.0, &new.0)
    } else {
        RustEffect::Major
    }
}

/// Unions of the same variants are the same, whatever their order.
fn unions(old: &[Inner], new: &[Inner]) -> RustEffect {
    if old == new {
        return RustEffect::None;
    }
    // Of one branch alone, no union is made.
    if old.len() < 2 || new.len() < 2 {
        return RustEffect::Major;
    }
    let (before, after) = (variants(old), variants(new));
    let kept = before.iter().map(|(name, branch)| {
        after
            .get(name)
            .map_or(RustEffect::Major, |other| inner(branch, other))
    });
    let effect = kept.min().unwrap_or(RustEffect::None);
    if after.len() > before.len() {
        effect.min(RustEffect::Minor)
    } else {
        effect
    }
}

/// The branches of a union by the names of their variants: those of their types,
/// without what all of them begin with. Where these do not tell the branches
/// apart, their positions do.
fn variants(branches: &[Inner]) -> BTreeMap<String, &Inner> {
    let names: Option<Vec<Vec<String>>> = branches.iter().map(variant).collect();
    let names = names.unwrap_or_default();
    let common = names
        .iter()
        .skip(1)
        .fold(names.first().map_or(0, Vec::len), |common, name| {
            let both = names.first().into_iter().flatten().zip(name);
            common.min(both.take_while(|(left, right)| left == right).count())
        });
    let short: BTreeSet<String> = names
        .iter()
        .filter_map(|name| name.get(common..))
        .filter(|words| !words.is_empty())
        .map(<[String]>::concat)
        .collect();
    let is_clear = short.len() == branches.len();
    let named = names
        .iter()
        .map(|name| name.get(common..).unwrap_or_default().concat());
    let positions = (0..branches.len()).map(|index| format!("Variant{index}"));
    let names: Vec<String> = if is_clear {
        named.collect()
    } else {
        positions.collect()
    };
    names.into_iter().zip(branches).collect()
}

/// The words of the name that a branch gives its variant, if it has one.
fn variant((shape, is_nullable): &Inner) -> Option<Vec<String>> {
    let name = match shape {
        Shape::Named(name) | Shape::Struct { name, .. } | Shape::Enum { name, .. } => name.as_str(),
        Shape::Text => "String",
        Shape::Uri => "Uri",
        Shape::Integer { is_unsigned: true } => "Uint64",
        Shape::Integer { is_unsigned: false } => "Int64",
        Shape::Number => "Number",
        Shape::Boolean => "Boolean",
        Shape::List(_) => "Array",
        Shape::Map(_) | Shape::Free | Shape::Nothing => "Object",
        _ => return None,
    };
    (!is_nullable).then(|| words(name))
}

/// Whether no value can be of two branches, so that `anyOf` and `oneOf` mean one.
fn are_apart(branches: &[Inner]) -> bool {
    let mut seen = BTreeSet::new();
    branches
        .iter()
        .all(|(shape, _)| shape.kind() != "any" && seen.insert(shape.kind()))
}
