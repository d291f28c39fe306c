//! The public surface of generated Rust, and which version bump a change of it needs.
//!
//! The surface is what user code can see: types with their fields, variants and serde
//! attributes, methods with their signatures, traits, and the fields that a builder
//! requires. Function bodies, private items and documentation are not part of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use quote::ToTokens;
use serde::Serialize;
use syn::{
    Attribute, Block, Expr, Fields, ImplItem, Item, ItemImpl, Member, Stmt, Visibility,
    punctuated::Punctuated,
};

/// The version bump that a change of the surface needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// An item was removed or changed, or a builder requires a field that existing code
    /// doesn't set: existing code may fail to compile, or to build its requests.
    Major,
    /// Items were added, nothing else changed.
    Minor,
    /// The surface is unchanged.
    None,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Major => "major",
            Self::Minor => "minor",
            Self::None => "none",
        })
    }
}

/// The public items of a generated Rust file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    /// The visible declaration of each public item, by path.
    items: BTreeMap<String, String>,
    /// The fields that a builder requires, as `Type.field`.
    required: BTreeSet<String>,
}

/// The differences between two surfaces, each list sorted by path.
///
/// Items inside an added or removed item are not listed separately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Changes {
    /// The paths of new items, such as `types::GenerateImageRequest.seed`.
    pub added: Vec<String>,
    /// The paths of removed items.
    pub removed: Vec<String>,
    /// The items whose declaration changed.
    pub changed: Vec<Changed>,
}

/// An item that differs between two surfaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Changed {
    /// Its path.
    pub item: String,
    /// The old declaration, such as the type of a field.
    pub old: String,
    /// The new declaration.
    pub new: String,
}

impl Changes {
    /// The version bump that these changes need.
    #[must_use]
    pub fn step(&self) -> Step {
        if !self.removed.is_empty() || !self.changed.is_empty() {
            Step::Major
        } else if self.added.is_empty() {
            Step::None
        } else {
            Step::Minor
        }
    }
}

impl fmt::Display for Changes {
    /// One line per change, without a final newline: `- removed`, `! changed`, `+ added`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let removed = self.removed.iter().map(|item| format!("- {item}"));
        let changed = self.changed.iter();
        let changed = changed.map(|one| format!("! {}: {} -> {}", one.item, one.old, one.new));
        let added = self.added.iter().map(|item| format!("+ {item}"));
        let lines: Vec<String> = removed.chain(changed).chain(added).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl Surface {
    /// Parses a generated file.
    ///
    /// # Errors
    ///
    /// The text is not valid Rust; the error is syn's.
    pub fn parse(text: &str) -> Result<Self, syn::Error> {
        Ok(Self::of(&syn::parse_file(text)?))
    }

    pub(crate) fn of(file: &syn::File) -> Self {
        let mut surface = Self::default();
        surface.module("", &file.items);
        surface
    }

    /// The changes from this surface to `new`.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Changes {
        let mut changes = Changes {
            added: missing(&new.items, &self.items),
            removed: missing(&self.items, &new.items),
            changed: Vec::new(),
        };
        for (path, old) in &self.items {
            if let Some(new) = new.items.get(path)
                && old != new
            {
                changes.changed.push(Changed {
                    item: path.clone(),
                    old: old.clone(),
                    new: new.clone(),
                });
            }
        }
        for path in &new.required {
            let owner = path.split('.').next().unwrap_or_default();
            // Existing code can't use a new type, so its required fields break nothing.
            if !self.required.contains(path) && self.items.contains_key(&format!("types::{owner}"))
            {
                changes.changed.push(Changed {
                    item: format!("types::{path}"),
                    old: "optional in the builder".to_owned(),
                    new: "required by the builder".to_owned(),
                });
            }
        }
        changes
    }

    fn add(&mut self, path: String, what: String) {
        // An item can have the same path in two impl blocks; both count.
        let seen = self.items.entry(path).or_default();
        seen.push_str(&what);
    }

    fn module(&mut self, at: &str, items: &[Item]) {
        for item in items {
            match item {
                Item::Struct(item) if is_public(&item.vis) => {
                    let path = format!("{at}{}", item.ident);
                    self.add(path.clone(), format!("struct{}", marks(&item.attrs)));
                    self.fields(&path, &item.fields, false);
                }
                Item::Enum(item) if is_public(&item.vis) => {
                    let path = format!("{at}{}", item.ident);
                    self.add(path.clone(), format!("enum{}", marks(&item.attrs)));
                    for variant in &item.variants {
                        let path = format!("{path}::{}", variant.ident);
                        self.add(path.clone(), format!("variant{}", serde(&variant.attrs)));
                        self.fields(&path, &variant.fields, true);
                    }
                }
                Item::Type(item) if is_public(&item.vis) => {
                    self.add(format!("{at}{}", item.ident), text(&item.ty));
                }
                Item::Mod(item) if is_public(&item.vis) => {
                    let inner = item.content.as_ref().map_or(&[][..], |(_, items)| items);
                    self.module(&format!("{at}{}::", item.ident), inner);
                }
                Item::Impl(block) => self.implementation(at, block),
                _ => {}
            }
        }
    }

    fn fields(&mut self, owner: &str, fields: &Fields, all: bool) {
        for (index, field) in fields.iter().enumerate() {
            if all || is_public(&field.vis) {
                let name = field.ident.as_ref();
                let name = name.map_or_else(|| index.to_string(), ToString::to_string);
                let what = format!("{}{}", text(&field.ty), serde(&field.attrs));
                self.add(format!("{owner}.{name}"), what);
            }
        }
    }

    fn implementation(&mut self, at: &str, block: &ItemImpl) {
        // Only the operations of the client itself count: kontext-api wraps the client, so
        // its constructors and hooks are not public.
        let is_client = at.is_empty();
        let owner = text(&block.self_ty);
        if let Some((_, path, _)) = &block.trait_ {
            if !is_client {
                self.add(format!("{at}{owner} as {}", text(path)), String::new());
            }
            return;
        }
        for item in &block.items {
            match item {
                ImplItem::Fn(function)
                    if is_public(&function.vis)
                        && (!is_client || function.sig.asyncness.is_some()) =>
                {
                    let path = format!("{at}{owner}::{}()", function.sig.ident);
                    self.add(path, text(&function.sig));
                    if function.sig.ident == "build" {
                        self.required(&owner, &function.block);
                    }
                }
                ImplItem::Const(item) if is_public(&item.vis) => {
                    self.add(format!("{at}{owner}::{}", item.ident), text(&item.ty));
                }
                _ => {}
            }
        }
    }

    /// Adds the required fields, which are those that `build` matches on at its end:
    /// `match (self.a, self.b)`.
    fn required(&mut self, builder: &str, block: &Block) {
        let owner = builder.trim_end_matches("Builder");
        let Some(Stmt::Expr(Expr::Match(last), None)) = block.stmts.last() else {
            return;
        };
        let Expr::Tuple(tuple) = &*last.expr else {
            return;
        };
        for element in &tuple.elems {
            if let Expr::Field(field) = element
                && let Member::Named(field) = &field.member
            {
                self.required.insert(format!("{owner}.{field}"));
            }
        }
    }
}

/// The paths in `of` that are not in `from`, without those inside another such path.
fn missing(of: &BTreeMap<String, String>, from: &BTreeMap<String, String>) -> Vec<String> {
    let keys = of.keys().map(String::as_str);
    let paths: BTreeSet<&str> = keys.filter(|path| !from.contains_key(*path)).collect();
    let is_inside = |path: &str| {
        let mut ends = path.match_indices(['.', ':', ' ']);
        ends.any(|(end, _)| paths.contains(&path[..end]))
    };
    let outermost = paths.iter().filter(|path| !is_inside(path));
    outermost.map(ToString::to_string).collect()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Tokens with conventional spacing, without the paths of common std types.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" :", ":"),
        (" ;", ";"),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("->(", "-> ("),
        // Trailing commas depend on the line length.
        (",)", ")"),
        (",>", ">"),
        ("::std::option::Option", "Option"),
        ("::std::string::String", "String"),
        ("::std::vec::Vec", "Vec"),
        ("::std::result::Result", "Result"),
    ] {
        text = text.replace(from, to);
    }
    text
}

/// The derives, `non_exhaustive`, and the container's serde attributes.
fn marks(attributes: &[Attribute]) -> String {
    let mut derives = BTreeSet::new();
    let mut marks = BTreeSet::new();
    for attribute in attributes {
        if attribute.path().is_ident("derive") {
            // An attribute that doesn't parse adds no derives.
            let _ = attribute.parse_nested_meta(|meta| {
                derives.extend(meta.path.segments.last().map(|last| last.ident.to_string()));
                Ok(())
            });
        } else if attribute.path().is_ident("non_exhaustive") {
            marks.insert("non_exhaustive".to_owned());
        }
    }
    // `deny_unknown_fields` depends only on whether there is a field for unknown members,
    // which is an item already.
    let serde = serde(attributes).replace(" #[serde(deny_unknown_fields)]", "");
    let words: Vec<String> = derives.into_iter().chain(marks).collect();
    format!(" {}{serde}", words.join(" "))
}

/// The serde attributes, which affect the wire format: names, defaults and skipped fields.
fn serde(attributes: &[Attribute]) -> String {
    let mut told = BTreeSet::new();
    for attribute in attributes {
        if attribute.path().is_ident("serde") {
            let list = attribute
                .parse_args_with(Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated);
            told.extend(list.into_iter().flatten().map(|meta| text(&meta)));
        }
    }
    told.into_iter()
        .map(|one| format!(" #[serde({one})]"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(old: &str, new: &str) -> Changes {
        let read = |text: &str| Surface::parse(&format!("pub mod types {{ {text} }}")).unwrap();
        read(old).changes(&read(new))
    }

    #[test]
    fn removals_and_changes_are_major_additions_minor() {
        let old = "pub struct A { pub a: u64, b: u8 } impl A { pub fn f(&self) {} fn g() {} } impl Clone for A {}";
        for (new, expected) in [
            (old.to_owned(), Step::None),
            (old.replace("b: u8", "c: u16"), Step::None),
            (old.replace("fn g()", "fn h()"), Step::None),
            (
                old.replace("pub a: u64", "pub a: u64, pub c: u64"),
                Step::Minor,
            ),
            (format!("{old} pub enum B {{ C }}"), Step::Minor),
            (old.replace("u64", "i64"), Step::Major),
            (
                old.replace("pub a", "#[serde(rename = \"A\")] pub a"),
                Step::Major,
            ),
            (old.replace("&self", "self"), Step::Major),
            (old.replace("pub fn f", "fn f"), Step::Major),
            (old.replace("impl Clone for A {}", ""), Step::Major),
            (old.replace('A', "B"), Step::Major),
        ] {
            assert_eq!(changes(old, &new).step(), expected, "{new}");
        }
        assert!(Surface::parse("struct {").is_err());
    }

    #[test]
    fn newly_required_builder_field_is_a_change() {
        let of = |required: &str| {
            format!(
                "pub struct R {{ pub a: u64, pub b: u64 }}
                impl RBuilder {{ pub fn build(self) -> R {{ match ({required}) {{ _ => R {{ a, b }} }} }} }}"
            )
        };
        let one = of("self.a,");
        let both = of("self.a, self.b,");
        assert_eq!(
            changes(&one, &both).to_string(),
            "! types::R.b: optional in the builder -> required by the builder"
        );
        assert_eq!(changes(&both, &one).step(), Step::None);
    }

    #[test]
    fn changes_list_items_without_their_contents() {
        let old = "pub struct A { pub a: ::std::option::Option<u64> } pub enum Gone { X { y: u8 } }
            impl Clone for Gone {} pub struct Gonelike;";
        let new = "pub struct A { pub a: u64, pub b: &'static str } pub struct Gonelike;
            pub struct New { pub c: u8 }";
        assert_eq!(
            changes(old, new).to_string(),
            "- types::Gone\n! types::A.a: Option<u64> -> u64\n+ types::A.b\n+ types::New"
        );
    }
}
