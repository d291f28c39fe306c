//! The final check of the generated code: finds what the compiler would reject, and types
//! that compile but have no values.

use std::collections::HashSet;

use quote::ToTokens as _;
use syn::{Fields, ImplItem, Item, Type};

/// The problems of a generated file: the item, and what is wrong with it.
pub(super) fn problems(file: &syn::File) -> Vec<(String, String)> {
    let mut found = Vec::new();
    items(&file.items, "", &mut found);
    found
}

fn items(all: &[Item], module: &str, found: &mut Vec<(String, String)>) {
    let mut types = HashSet::new();
    for item in all {
        let ident = match item {
            Item::Struct(item) => {
                let name = item.ident.to_string();
                fields(&name, &item.fields, found);
                if matches!(&item.fields, Fields::Named(all) if all.named.is_empty()) {
                    found.push((
                        name,
                        "no fields: all that it holds would be lost".to_owned(),
                    ));
                }
                &item.ident
            }
            Item::Enum(item) => {
                let name = item.ident.to_string();
                let idents = item.variants.iter().map(|one| one.ident.to_string());
                repeated(&name, "variant", idents, found);
                if item.variants.is_empty() {
                    found.push((
                        name.clone(),
                        "no variants: no value could be read".to_owned(),
                    ));
                }
                for variant in &item.variants {
                    fields(&name, &variant.fields, found);
                }
                &item.ident
            }
            Item::Impl(block) => {
                let functions = block.items.iter().filter_map(|item| match item {
                    ImplItem::Fn(function) => Some(function.sig.ident.to_string()),
                    _ => None,
                });
                let name = block.self_ty.to_token_stream().to_string();
                repeated(&name, "method", functions, found);
                continue;
            }
            Item::Mod(inner) => {
                if let Some((_, content)) = &inner.content {
                    items(content, &inner.ident.to_string(), found);
                }
                continue;
            }
            _ => continue,
        };
        if !types.insert(ident.to_string()) {
            let message = format!("a namesake in the module {module}");
            found.push((ident.to_string(), message));
        }
    }
}

fn fields(owner: &str, fields: &Fields, found: &mut Vec<(String, String)>) {
    let idents = fields.iter().filter_map(|field| field.ident.as_ref());
    repeated(owner, "field", idents.map(ToString::to_string), found);
    for field in fields {
        if matches!(&field.ty, Type::Tuple(tuple) if tuple.elems.is_empty()) {
            let name = field.ident.as_ref().map(ToString::to_string);
            let name = name.unwrap_or_else(|| "a value".to_owned());
            let message = format!("a value without content: {name} has the type ()");
            found.push((owner.to_owned(), message));
        }
    }
}

fn repeated(
    owner: &str,
    what: &str,
    names: impl Iterator<Item = String>,
    found: &mut Vec<(String, String)>,
) {
    let mut seen = HashSet::new();
    for name in names {
        if seen.contains(&name) {
            found.push((owner.to_owned(), format!("two {what}s of the name {name}")));
        }
        seen.insert(name);
    }
}
