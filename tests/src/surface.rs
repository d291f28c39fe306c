//! The public API of `kontext-api`, as text: what a release promises.
//!
//! Parsed from the sources with syn: what `lib.rs` re-exports, with fields, variants,
//! derives, methods and traits.

use std::collections::{BTreeMap, BTreeSet};

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, ItemUse, Type, UseTree, Visibility};

/// The public API of these sources, which are keyed by path below `src`.
///
/// # Errors
///
/// A file is not valid Rust, or `lib.rs` exports what no file defines; the message names it.
pub fn surface(sources: &BTreeMap<String, String>) -> Result<String, String> {
    let mut modules = Modules::default();
    for (path, text) in sources {
        let file = syn::parse_file(text).map_err(|error| format!("{path}: {error}"))?;
        modules.add(&module_name(path), file.items);
    }
    let mut lines = Vec::new();
    for (module, name, alias) in modules.exports() {
        if module.is_empty() {
            lines.push(format!("crate {alias}"));
            continue;
        }
        let inner = format!("{module}::{name}");
        if let Some(items) = modules.items.get(&inner) {
            lines.push(format!("mod {alias}"));
            for item in items.iter().filter(|item| is_public(item)) {
                modules.describe(&inner, item, "  ", &mut lines);
            }
        } else {
            let Some((module, item)) = modules.defined(&module, &name) else {
                return Err(format!(
                    "lib.rs exports {module}::{name}, which no file defines"
                ));
            };
            modules.describe(&module, item, "", &mut lines);
        }
    }
    // Macros are not expanded; their calls are listed with their arguments.
    for (module, items) in &modules.items {
        for item in items {
            if let Item::Macro(call) = item
                && call.ident.is_none()
            {
                lines.push(format!("in {module}: {}", text(&call.mac)));
            }
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// `client/retry.rs` is the module `client::retry`, `lib.rs` the crate root.
fn module_name(path: &str) -> String {
    let name = path.trim_end_matches(".rs").trim_end_matches("/mod");
    if name == "lib" {
        String::new()
    } else {
        name.replace('/', "::")
    }
}

/// The items of all modules except test modules.
#[derive(Default)]
struct Modules {
    items: BTreeMap<String, Vec<Item>>,
}

impl Modules {
    fn add(&mut self, module: &str, items: Vec<Item>) {
        for item in items {
            if let Item::Mod(inner) = &item
                && !is_test(&inner.attrs)
                && let Some((_, inner_items)) = &inner.content
            {
                let name = if module.is_empty() {
                    inner.ident.to_string()
                } else {
                    format!("{module}::{}", inner.ident)
                };
                self.add(&name, inner_items.clone());
            }
            self.items.entry(module.to_owned()).or_default().push(item);
        }
    }

    /// What `lib.rs` exports: module, name there, exported name; sorted.
    fn exports(&self) -> BTreeSet<(String, String, String)> {
        self.uses("", |item| matches!(item.vis, Visibility::Public(_)))
    }

    /// What a module imports: module, name there, name here.
    fn uses(
        &self,
        module: &str,
        is_meant: impl Fn(&ItemUse) -> bool,
    ) -> BTreeSet<(String, String, String)> {
        let mut uses = BTreeSet::new();
        for item in self.items.get(module).into_iter().flatten() {
            if let Item::Use(item) = item
                && is_meant(item)
            {
                leaves(&item.tree, &mut Vec::new(), &mut uses);
            }
        }
        uses
    }

    /// The item of that name in a module or in a child module that it re-exports.
    fn defined(&self, module: &str, name: &str) -> Option<(String, &Item)> {
        let mut items = self.items.get(module).into_iter().flatten();
        if let Some(item) = items.find(|item| ident(item).as_deref() == Some(name)) {
            return Some((module.to_owned(), item));
        }
        let uses = self.uses(module, |item| matches!(item.vis, Visibility::Public(_)));
        let (below, name, _) = uses.into_iter().find(|(_, _, alias)| alias == name)?;
        self.defined(&format!("{module}::{below}"), &name)
    }

    /// Whether a type's name in `module` refers to the type defined in `types`. Two modules
    /// define a `Usage`, and the private generated client shares its name with the public one.
    fn means(&self, module: &str, types: &str, name: &str) -> bool {
        let is_generated = |module: &str| module.starts_with("generated::");
        module == types
            || module.starts_with(&format!("{types}::"))
            || (is_generated(module) && is_generated(types))
            || self.uses(module, |_| true).iter().any(|(from, _, alias)| {
                let from = match from.strip_prefix("crate::") {
                    // `lib.rs` re-exports them from there.
                    Some("types") => "generated::types",
                    Some(from) => from,
                    None => return false,
                };
                alias == name
                    && self
                        .defined(from, name)
                        .is_some_and(|(from, _)| from == types)
            })
    }

    /// The inherent and trait impls of a module's type.
    fn implementations<'a>(
        &'a self,
        module: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a ItemImpl> {
        self.items
            .iter()
            .filter(move |(other, _)| self.means(other, module, name))
            .flat_map(|(_, items)| items)
            .filter_map(move |item| match item {
                Item::Impl(block) if type_name(&block.self_ty).as_deref() == Some(name) => {
                    Some(block)
                }
                _ => None,
            })
    }

    fn describe(&self, module: &str, item: &Item, indent: &str, lines: &mut Vec<String>) {
        match item {
            Item::Struct(item) => {
                lines.push(format!(
                    "{indent}struct {}{}",
                    item.ident,
                    marks(&item.attrs)
                ));
                fields(&item.fields, indent, lines);
                self.methods(module, &item.ident.to_string(), indent, lines);
            }
            Item::Enum(item) => {
                lines.push(format!("{indent}enum {}{}", item.ident, marks(&item.attrs)));
                for variant in &item.variants {
                    let payload = match &variant.fields {
                        Fields::Unit => String::new(),
                        Fields::Unnamed(fields) => {
                            let types: Vec<_> =
                                fields.unnamed.iter().map(|field| text(&field.ty)).collect();
                            format!("({})", types.join(", "))
                        }
                        Fields::Named(fields) => {
                            let names: Vec<_> = fields
                                .named
                                .iter()
                                .map(|field| {
                                    let name = field.ident.as_ref().map(ToString::to_string);
                                    format!("{}: {}", name.unwrap_or_default(), text(&field.ty))
                                })
                                .collect();
                            format!(" {{ {} }}", names.join(", "))
                        }
                    };
                    lines.push(format!("{indent}  {}{payload}", variant.ident));
                }
                self.methods(module, &item.ident.to_string(), indent, lines);
            }
            Item::Fn(item) => lines.push(format!("{indent}{}", text(&item.sig))),
            Item::Const(item) => {
                lines.push(format!("{indent}const {}: {}", item.ident, text(&item.ty)));
            }
            Item::Type(item) => {
                lines.push(format!("{indent}type {} = {}", item.ident, text(&item.ty)));
            }
            Item::Mod(item) => {
                lines.push(format!("{indent}mod {}", item.ident));
                let inner = format!("{module}::{}", item.ident);
                let items = self.items.get(&inner).into_iter().flatten();
                for item in items.filter(|item| is_public(item)) {
                    self.describe(&inner, item, &format!("{indent}  "), lines);
                }
            }
            _ => {}
        }
    }

    fn methods(&self, module: &str, name: &str, indent: &str, lines: &mut Vec<String>) {
        let mut methods = Vec::new();
        let mut traits = BTreeSet::new();
        for block in self.implementations(module, name) {
            if let Some((_, path, _)) = &block.trait_ {
                traits.insert(short(path));
                continue;
            }
            for item in &block.items {
                match item {
                    ImplItem::Fn(function) if matches!(function.vis, Visibility::Public(_)) => {
                        methods.push(text(&function.sig));
                    }
                    ImplItem::Const(item) if matches!(item.vis, Visibility::Public(_)) => {
                        methods.push(format!("const {}: {}", item.ident, text(&item.ty)));
                    }
                    _ => {}
                }
            }
        }
        methods.sort();
        lines.extend(methods.iter().map(|method| format!("{indent}  {method}")));
        if !traits.is_empty() {
            let traits: Vec<String> = traits.into_iter().collect();
            lines.push(format!("{indent}  impl {}", traits.join(", ")));
        }
    }
}

fn leaves(
    tree: &UseTree,
    path: &mut Vec<String>,
    exports: &mut BTreeSet<(String, String, String)>,
) {
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            leaves(&inner.tree, path, exports);
            path.pop();
        }
        UseTree::Group(group) => {
            for inner in &group.items {
                leaves(inner, path, exports);
            }
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            exports.insert((path.join("::"), name.clone(), name));
        }
        UseTree::Rename(rename) => {
            let (name, alias) = (rename.ident.to_string(), rename.rename.to_string());
            exports.insert((path.join("::"), name, alias));
        }
        UseTree::Glob(_) => {
            exports.insert((path.join("::"), "*".to_owned(), "*".to_owned()));
        }
    }
}

fn fields(fields: &Fields, indent: &str, lines: &mut Vec<String>) {
    for field in fields {
        if matches!(field.vis, Visibility::Public(_)) {
            let name = field
                .ident
                .as_ref()
                .map_or("0".to_owned(), ToString::to_string);
            lines.push(format!("{indent}  {name}: {}", text(&field.ty)));
        }
    }
}

/// The derives and the attributes that affect users.
fn marks(attributes: &[Attribute]) -> String {
    let mut derives = BTreeSet::new();
    let mut others = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("derive") {
            let _ = attribute.parse_nested_meta(|meta| {
                derives.extend(meta.path.segments.last().map(|last| last.ident.to_string()));
                Ok(())
            });
        } else if attribute.path().is_ident("non_exhaustive") {
            others.push("non_exhaustive".to_owned());
        } else if attribute.path().is_ident("cfg_attr") {
            others.push(text(&attribute.meta).replace(
                "cfg_attr(feature = \"schemars\", derive(JsonSchema))",
                "[schemars: JsonSchema]",
            ));
        }
    }
    let derives: Vec<String> = derives.into_iter().collect();
    let mut marks = String::new();
    if !derives.is_empty() {
        marks.push_str(&format!(" [{}]", derives.join(" ")));
    }
    for other in others {
        marks.push_str(&format!(" {other}"));
    }
    marks
}

fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Struct(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Const(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("cfg") && text(&attribute.meta).contains("test"))
}

fn ident(item: &Item) -> Option<String> {
    Some(match item {
        Item::Struct(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Const(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        _ => return None,
    })
}

fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

/// The last segment of a path.
fn short(path: &syn::Path) -> String {
    path.segments.last().map_or_else(String::new, text)
}

/// Tokens in ordinary formatting, with known path prefixes removed.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    // The token printer puts a space between any two tokens. Remove the spaces that Rust
    // code doesn't have, then restore the others.
    for close in [
        "::", "<", ">", "(", ")", "[", "]", ",", ";", ":", "&", "'", "=", "-",
    ] {
        for spaced in [
            format!(" {close} "),
            format!(" {close}"),
            format!("{close} "),
        ] {
            text = text.replace(&spaced, close);
        }
    }
    for prefix in [
        "::std::option::",
        "::std::string::",
        "::std::vec::",
        "::std::result::",
        "::std::fmt::",
        "::serde_json::",
        "::schemars::",
        "crate::",
        "std::time::",
        "std::borrow::",
        "self::error::",
    ] {
        text = text.replace(prefix, "");
    }
    // A single colon that is not half of `::`.
    let text = text
        .replace("::", "\u{0}")
        .replace(':', ": ")
        .replace('\u{0}', "::");
    [
        (",", ", "),
        (", )", ")"),
        (", >", ">"),
        ("->", " -> "),
        ("&mut", "&mut "),
        ("=", " = "),
        (";", "; "),
        ("> +", "> +"),
        ("&'static", "&'static "),
        ("'_ ", "'_"),
        ("fn(", "fn ("),
    ]
    .iter()
    .fold(text, |text, (from, to)| text.replace(from, to))
    .replace("  ", " ")
}
