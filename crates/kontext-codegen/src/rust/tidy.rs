//! Removes unneeded parts of the generated code, and adds attributes to its types.

use quote::quote;
use syn::{
    Attribute, Expr, ImplItem, Item, Lit, Local, Meta, Pat, Stmt, parse_quote,
    visit_mut::{self, VisitMut},
};

/// Tidies a whole generated file.
pub(super) fn tidy(file: &mut syn::File) {
    // The constructor unwraps and sets timeouts that are too short; ours passes in the
    // reqwest client. The prelude only re-exports the client.
    file.items
        .retain(|item| !matches!(item, Item::Mod(module) if module.ident == "prelude"));
    for item in &mut file.items {
        match item {
            Item::Impl(block) => block.items.retain(
                |item| !matches!(item, ImplItem::Fn(function) if function.sig.ident == "new"),
            ),
            Item::Mod(types) if types.ident == "types" => {
                let items = types.content.iter_mut().flat_map(|(_, items)| items);
                items.for_each(mark);
                types.attrs.retain(|attribute| doc(attribute).is_none());
                types
                    .attrs
                    .push(doc_attribute(" The types of requests and their fields."));
            }
            _ => {}
        }
    }
    NoVersionHeader.visit_file_mut(file);
}

/// Normalises all doc comments.
pub(super) fn docs(file: &mut syn::File) {
    Docs.visit_file_mut(file);
}

/// The items of the `types` module.
pub(super) fn types_of(file: &mut syn::File) -> Option<&mut Vec<Item>> {
    file.items.iter_mut().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => Some(&mut module.content.as_mut()?.1),
        _ => None,
    })
}

/// Marks a type as `non_exhaustive`, so that a property added by the provider is not a
/// breaking change, and derives `JsonSchema` behind a feature.
fn mark(item: &mut Item) {
    let attributes = match item {
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        _ => return,
    };
    // typify's own error type is not serializable.
    let travels = attributes.iter().any(|attribute| {
        attribute.path().is_ident("derive") && quote!(#attribute).to_string().contains("Serialize")
    });
    if travels {
        attributes.push(parse_quote!(
            #[cfg_attr(feature = "schemars", derive(::schemars::JsonSchema))]
        ));
        attributes.push(parse_quote!(#[non_exhaustive]));
    }
}

/// Removes the `api-version` header that progenitor adds to every request and that the API
/// does not have. The header map holds no others, because parameters are not supported.
struct NoVersionHeader;

impl VisitMut for NoVersionHeader {
    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|statement| match statement {
            Stmt::Local(Local {
                pat: Pat::Ident(name),
                ..
            }) => name.ident != HEADER_MAP,
            Stmt::Expr(Expr::MethodCall(call), _) => !is_header_map(&call.receiver),
            _ => true,
        });
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        if let Expr::MethodCall(call) = expression
            && call.method == "headers"
            && call.args.first().is_some_and(is_header_map)
        {
            *expression = (*call.receiver).clone();
        }
        visit_mut::visit_expr_mut(self, expression);
    }
}

/// progenitor's name for the map of headers.
const HEADER_MAP: &str = "header_map";

fn is_header_map(expression: &Expr) -> bool {
    matches!(expression, Expr::Path(path) if path.path.is_ident(HEADER_MAP))
}

/// The start of the JSON schema that typify repeats in the docs.
const SCHEMA: &str = "<details><summary>JSON schema</summary>";

/// Normalises docs to one attribute per line of text, without the JSON schema that typify
/// repeats in them: it is in openapi/effective.json.
struct Docs;

impl VisitMut for Docs {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let Some(first) = attributes.iter().position(|one| doc(one).is_some()) else {
            return;
        };
        let mut text = String::new();
        attributes.retain(|attribute| {
            let line = doc(attribute);
            text.extend(line.iter().flat_map(|line| [line, "\n"]));
            line.is_none()
        });
        if let (Some(start), Some(end)) = (text.find(SCHEMA), text.rfind("</details>"))
            && start < end
        {
            text.replace_range(start..end + "</details>".len(), "");
        }
        let text = crate::docs::printable(&text);
        let docs = text.trim().lines().map(|line| match line.trim() {
            "" => doc_attribute(""),
            line => doc_attribute(&format!(" {line}")),
        });
        attributes.splice(first..first, docs);
    }
}

/// Builds a doc attribute directly: parsing all of them would dominate the run time.
fn doc_attribute(text: &str) -> Attribute {
    let literal = syn::LitStr::new(text, proc_macro2::Span::call_site());
    Attribute {
        pound_token: Default::default(),
        style: syn::AttrStyle::Outer,
        bracket_token: Default::default(),
        meta: Meta::NameValue(syn::MetaNameValue {
            path: syn::Ident::new("doc", proc_macro2::Span::call_site()).into(),
            eq_token: Default::default(),
            value: Expr::Lit(syn::ExprLit {
                attrs: Vec::new(),
                lit: Lit::Str(literal),
            }),
        }),
    }
}

/// The text of a doc attribute.
fn doc(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(syn::MetaNameValue {
            path,
            value:
                Expr::Lit(syn::ExprLit {
                    lit: Lit::Str(text),
                    ..
                }),
            ..
        }) if path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}
