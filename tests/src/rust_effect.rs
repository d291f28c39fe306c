//! What a change of a document does to the Rust that codegen makes of it, found
//! by making it: the truth that `openapi-drift` has to tell without codegen.

use std::collections::{BTreeMap, BTreeSet};

use kontext_codegen::{Input, Inputs, generate};
use openapi_drift::RustEffect;
use quote::ToTokens;
use syn::{
    Attribute, Block, Expr, Fields, ImplItem, Item, ItemImpl, Member, Visibility,
    punctuated::Punctuated,
    visit::{self, Visit},
};

/// The public items of generated Rust, each under its path with all that a
/// program can see of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicItems {
    /// Fields with their types and names on the wire, methods with their
    /// signatures, variants, traits.
    items: BTreeMap<String, String>,
    /// The fields that a builder does not build without: `Type.field`.
    required: BTreeSet<String>,
    /// Those of them that it sets by itself.
    preset: BTreeSet<String>,
}

impl PublicItems {
    /// Generates the client of a document as it is given, without overlays, and
    /// reads it.
    ///
    /// # Errors
    ///
    /// What codegen says when it refuses the document.
    pub fn of_document(text: &str) -> Result<Self, String> {
        let inputs = Inputs {
            published: vec![Input {
                file: "openapi/published/document.json".to_owned(),
                text: text.to_owned(),
            }],
            overlays: Vec::new(),
        };
        let outputs = generate(&inputs).map_err(|problems| problems.to_string())?;
        let rust = outputs
            .files
            .iter()
            .find(|output| output.file.ends_with(".rs"));
        Self::of_rust(rust.map_or("", |output| output.text.as_str()))
    }

    /// Reads the text of a generated file.
    ///
    /// # Errors
    ///
    /// The text is not Rust.
    pub fn of_rust(text: &str) -> Result<Self, String> {
        let file = syn::parse_file(text).map_err(|error| format!("not Rust: {error}"))?;
        let mut items = Self::default();
        items.module("", &file.items);
        Ok(items)
    }

    fn add(&mut self, path: String, what: String) {
        // Two methods of one name stand in two implementations.
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
                    let inner = item.content.iter().flat_map(|(_, items)| items);
                    let inner: Vec<Item> = inner.cloned().collect();
                    self.module(&format!("{at}{}::", item.ident), &inner);
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
        let owner = text(&block.self_ty);
        if let Some((_, path, _)) = &block.trait_ {
            self.add(format!("{at}{owner} as {}", text(path)), String::new());
            return;
        }
        for item in &block.items {
            match item {
                ImplItem::Fn(function) if is_public(&function.vis) => {
                    let path = format!("{at}{owner}::{}()", function.sig.ident);
                    self.add(path, text(&function.sig));
                    if function.sig.ident == "build" {
                        self.required(&owner, &function.block);
                    } else if function.sig.ident == "builder" {
                        self.preset(&owner, &function.block);
                    }
                }
                ImplItem::Const(item) if is_public(&item.vis) => {
                    self.add(format!("{at}{owner}::{}", item.ident), text(&item.ty));
                }
                _ => {}
            }
        }
    }

    /// `build` matches on all the fields that it can't do without.
    fn required(&mut self, builder: &str, block: &Block) {
        let owner = builder.trim_end_matches("Builder");
        for field in Matched::of(block).fields {
            self.required.insert(format!("{owner}.{field}"));
        }
    }

    /// `builder` sets those that can have one value only; nobody has to.
    fn preset(&mut self, owner: &str, block: &Block) {
        for field in Matched::of(block).preset {
            self.preset.insert(format!("{owner}.{field}"));
        }
    }

    /// What became of these items: the effect, and each item that it comes from.
    #[must_use]
    pub fn effect_of(&self, new: &Self) -> (RustEffect, Vec<String>) {
        let mut effect = RustEffect::None;
        let mut why = Vec::new();
        let mut say = |one: RustEffect, text: String| {
            effect = effect.min(one);
            why.push(text);
        };
        for (path, what) in &self.items {
            match new.items.get(path) {
                None => say(RustEffect::Major, format!("- {path}: {what}")),
                Some(other) if other != what => {
                    say(RustEffect::Major, format!("! {path}: {what} => {other}"));
                }
                Some(_) => {}
            }
        }
        for (path, what) in &new.items {
            if !self.items.contains_key(path) {
                say(RustEffect::Minor, format!("+ {path}: {what}"));
            }
        }
        let asked: BTreeSet<&String> = self.required.difference(&self.preset).collect();
        for path in new.required.difference(&new.preset) {
            if asked.contains(path) {
                continue;
            }
            let owner = path.split('.').next().unwrap_or_default();
            // A new type asks nothing of a program that does not know it.
            if self.items.contains_key(&format!("types::{owner}")) {
                say(RustEffect::Major, format!("+ {path} is required"));
            }
        }
        (effect, why)
    }
}

/// What a change from one document to another does to their generated clients.
///
/// Undecided where codegen refuses one of them: then there is no client.
#[must_use]
pub fn rust_effect(
    old: &Result<PublicItems, String>,
    new: &Result<PublicItems, String>,
) -> (RustEffect, Vec<String>) {
    match (old, new) {
        (Ok(old), Ok(new)) => old.effect_of(new),
        (Err(problem), _) => (RustEffect::Undecided, vec![format!("old: {problem}")]),
        (_, Err(problem)) => (RustEffect::Undecided, vec![format!("new: {problem}")]),
    }
}

/// The fields of `match (self.a, self.b)`, and those that a struct literal gives
/// a value that is not `None`.
#[derive(Default)]
struct Matched {
    fields: Vec<String>,
    preset: Vec<String>,
}

impl Matched {
    fn of(block: &Block) -> Self {
        let mut matched = Self::default();
        matched.visit_block(block);
        matched
    }
}

impl<'ast> Visit<'ast> for Matched {
    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        if let Expr::Tuple(tuple) = &*expression.expr {
            self.fields
                .extend(tuple.elems.iter().filter_map(|element| match element {
                    Expr::Field(field) => match &field.member {
                        Member::Named(name) => Some(name.to_string()),
                        Member::Unnamed(_) => None,
                    },
                    _ => None,
                }));
        }
        visit::visit_expr_match(self, expression);
    }

    fn visit_expr_struct(&mut self, expression: &'ast syn::ExprStruct) {
        for field in &expression.fields {
            let is_set = matches!(&field.expr, Expr::Call(call) if text(&call.func) == "Some");
            if let (true, Member::Named(name)) = (is_set, &field.member) {
                self.preset.push(name.to_string());
            }
        }
        visit::visit_expr_struct(self, expression);
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn text(tokens: &impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    text.replace(" :: ", "::").replace(":: ", "::")
}

/// The derives, `non_exhaustive`, and what serde is told of the whole type.
fn marks(attributes: &[Attribute]) -> String {
    let mut derives = BTreeSet::new();
    let mut marks = BTreeSet::new();
    for attribute in attributes {
        if attribute.path().is_ident("derive") {
            // What cannot be parsed is no derive.
            let _ = attribute.parse_nested_meta(|meta| {
                derives.extend(meta.path.segments.last().map(|last| last.ident.to_string()));
                Ok(())
            });
        } else if attribute.path().is_ident("non_exhaustive") {
            marks.insert("non_exhaustive".to_owned());
        }
    }
    // Unknown members are denied where no field keeps them, and that field is an
    // item already.
    let serde = serde(attributes).replace(" deny_unknown_fields", "");
    let words: Vec<String> = derives.into_iter().chain(marks).collect();
    format!(" {}{serde}", words.join(" "))
}

/// What serde is told, which is part of what travels: names, defaults, and what
/// is left out.
fn serde(attributes: &[Attribute]) -> String {
    let mut told = BTreeSet::new();
    for attribute in attributes {
        if attribute.path().is_ident("serde") {
            let list = attribute
                .parse_args_with(Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated);
            told.extend(list.into_iter().flatten().map(|meta| text(&meta)));
        }
    }
    told.into_iter().map(|one| format!(" {one}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(old: &str, new: &str) -> (RustEffect, Vec<String>) {
        let read = |text: &str| PublicItems::of_rust(&format!("pub mod types {{ {text} }}"));
        rust_effect(&read(old), &read(new))
    }

    #[test]
    fn what_goes_or_changes_is_major_and_what_comes_is_minor() {
        let old = "pub struct A { pub a: u64, b: u8 } impl A { pub fn f(&self) {} fn g() {} } impl Clone for A {}";
        for (new, expected) in [
            (old.to_owned(), RustEffect::None),
            (old.replace("b: u8", "c: u16"), RustEffect::None),
            (old.replace("fn g()", "fn h()"), RustEffect::None),
            (
                old.replace("pub a: u64", "pub a: u64, pub c: u64"),
                RustEffect::Minor,
            ),
            (format!("{old} pub enum B {{ C }}"), RustEffect::Minor),
            (old.replace("u64", "i64"), RustEffect::Major),
            (
                old.replace("pub a", "#[serde(rename = \"A\")] pub a"),
                RustEffect::Major,
            ),
            (old.replace("&self", "self"), RustEffect::Major),
            (old.replace("pub fn f", "fn f"), RustEffect::Major),
            (old.replace("impl Clone for A {}", ""), RustEffect::Major),
            (old.replace('A', "B"), RustEffect::Major),
            ("struct {".to_owned(), RustEffect::Undecided),
        ] {
            assert_eq!(effect(old, &new).0, expected, "{new}");
        }
    }

    #[test]
    fn what_a_builder_asks_for_is_seen() {
        let of = |preset: &str, required: &str| {
            format!(
                "pub struct R {{ pub a: u64, pub b: u64 }}
                impl R {{ pub fn builder() -> RBuilder {{ RBuilder {{ a: {preset}, b: None }} }} }}
                impl RBuilder {{ pub fn build(self) -> R {{ match ({required}) {{ _ => R {{ a, b }} }} }} }}"
            )
        };
        let one = of("None", "self.a,");
        let both = of("None", "self.a, self.b,");
        assert_eq!(effect(&one, &both).0, RustEffect::Major);
        assert_eq!(effect(&both, &one).0, RustEffect::None);
        assert_eq!(effect(&of("Some(1)", "self.a,"), &one).0, RustEffect::Major);
    }
}
