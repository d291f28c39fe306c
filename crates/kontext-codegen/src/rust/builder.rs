//! Builders of requests: plain literals work, nothing is sent that was not
//! set, and every violation is reported at once.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Value, json};
use syn::{Field, Fields, GenericArgument, Item, ItemStruct, PathArguments, Type, TypePath};

use super::{
    gap,
    limits::{Limits, static_name},
};
use crate::{json::array, names, problem::Problems, view::View};

/// One builder per struct that is sent, or is part of what is sent.
pub(super) fn builders(
    file: &syn::File,
    view: &View,
    limits: &Limits<'_>,
) -> Result<Vec<TokenStream>, Problems> {
    let types = file.items.iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => module.content.as_ref(),
        _ => None,
    });
    let Some((_, items)) = types else {
        return Err(gap("the generated code has no module of types".to_owned()));
    };
    let structs = items.iter().filter_map(|item| match item {
        Item::Struct(item) => Some(item),
        _ => None,
    });
    // Every object that is sent has one: none can be written as a literal, as
    // fields may be added.
    Ok(structs
        .filter_map(|item| {
            let schema = view.requests.get(&item.ident.to_string())?;
            Some(builder(item, schema, view, limits))
        })
        .collect())
}

/// What a builder needs of one field.
struct Property {
    ident: syn::Ident,
    /// The type without its `Option`.
    inner: Type,
    is_required: bool,
    /// What the request's field is made of: `self.x`, in an `Option` or not.
    value: TokenStream,
    /// The serde attribute with the name on the wire, if it differs.
    rename: Option<syn::Attribute>,
    docs: Vec<String>,
    /// The one value that a required enum has, if it has one.
    preset: Option<TokenStream>,
}

fn builder(item: &ItemStruct, schema: &Value, view: &View, limits: &Limits<'_>) -> TokenStream {
    let request = &item.ident;
    let name = format_ident!("{request}Builder");
    let properties: Vec<Property> = match &item.fields {
        Fields::Named(fields) => fields
            .named
            .iter()
            .filter_map(|field| property(field, schema, view, limits))
            .collect(),
        _ => Vec::new(),
    };
    let idents: Vec<_> = properties.iter().map(|property| &property.ident).collect();
    let fields = properties.iter().map(|property| {
        let Property {
            ident,
            inner,
            rename,
            ..
        } = property;
        quote! {
            #rename
            #[serde(skip_serializing_if = "Option::is_none")]
            #ident: Option<#inner>
        }
    });
    let presets = properties.iter().map(|property| match &property.preset {
        Some(value) => quote!(Some(#value)),
        None => quote!(None),
    });
    let setters = properties.iter().map(setter);
    let required: Vec<_> = properties
        .iter()
        .filter(|property| property.is_required)
        .map(|property| &property.ident)
        .collect();
    let (optional, values): (Vec<_>, Vec<_>) = properties
        .iter()
        .filter(|property| !property.is_required)
        .map(|property| (&property.ident, &property.value))
        .unzip();
    // The field that keeps what is not named has no setter; it is public.
    let others = match &item.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        _ => Vec::new(),
    };
    let others = others
        .into_iter()
        .filter_map(|field| field.ident.as_ref())
        .filter(|ident| !idents.contains(ident));
    let finished = quote! {
        #request {
            #(#required,)*
            #(#optional: #values,)*
            #(#others: ::std::default::Default::default(),)*
        }
    };
    let finish = if required.is_empty() {
        quote!(Ok(#finished))
    } else {
        quote! {
            match (#(self.#required,)*) {
                (#(Some(#required),)*) => Ok(#finished),
                _ => Err(crate::InvalidRequest::incomplete()),
            }
        }
    };
    let limits_static = static_name(&request.to_string());
    let doc = format!(" Builds a [`{request}`] step by step; see [`{request}::builder`].");
    quote! {
        #[doc = #doc]
        #[derive(Clone, Debug, ::serde::Serialize)]
        #[must_use = "a builder does nothing before it is built"]
        pub struct #name {
            #(#fields,)*
        }

        impl #request {
            /// Starts a request with nothing set but what has one value only.
            pub fn builder() -> #name {
                #name { #(#idents: #presets,)* }
            }
        }

        impl #name {
            #(#setters)*

            /// Checks every limit and returns the request.
            ///
            /// # Errors
            ///
            /// Every field that is missing or outside its limits, at once.
            pub fn build(self) -> Result<#request, crate::InvalidRequest> {
                crate::limits::check(&self, &super::limits::#limits_static)?;
                #finish
            }
        }
    }
}

fn property(field: &Field, schema: &Value, view: &View, limits: &Limits<'_>) -> Option<Property> {
    let ident = field.ident.clone()?;
    let name = wire_name(field, &ident);
    let rename = (ident != name.as_str()).then(|| syn::parse_quote!(#[serde(rename = #name)]));
    // The field that keeps what is not known has no property.
    let part = schema["properties"].get(&name)?;
    let is_required = array(schema.as_object()?, "required").contains(&json!(name));
    let argument = option_argument(&field.ty);
    // A list or map that may be left out is no `Option`: it is left out empty.
    let value = match &argument {
        Some(_) => quote!(self.#ident),
        None => quote!(self.#ident.unwrap_or_default()),
    };
    // One that is required and may be null is an `Option`, too.
    let inner = argument
        .filter(|_| !is_required)
        .unwrap_or_else(|| field.ty.clone());
    let preset = is_required.then(|| preset(&inner, view)).flatten();
    let meant = limits.follow(part);
    let mut docs = vec![match meant["description"].as_str() {
        Some(description) => format!(" {}", crate::docs::text(description)),
        None => format!(" Sets `{name}`."),
    }];
    if let Some(default) = part.get("default").or_else(|| meant.get("default")) {
        docs.push(String::new());
        docs.push(format!(
            " Left out, the provider takes {default}; nothing is sent."
        ));
    }
    let words = limits.in_words(part);
    if !words.is_empty() {
        docs.push(String::new());
        docs.push(format!(" Limits: {}.", words.join(", ")));
    }
    if preset.is_some() {
        docs.push(String::new());
        docs.push(" Set already, as there is one value only.".to_owned());
    } else if is_required {
        docs.push(String::new());
        docs.push(" Required.".to_owned());
    }
    Some(Property {
        ident,
        inner,
        is_required,
        value,
        rename,
        docs,
        preset,
    })
}

/// The name on the wire: what serde renames the field to, or its own.
fn wire_name(field: &Field, ident: &syn::Ident) -> String {
    let mut name = ident.to_string().trim_start_matches("r#").to_owned();
    for attribute in &field.attrs {
        if attribute.path().is_ident("serde") {
            // What cannot be parsed is no rename.
            let _ = attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    name = meta.value()?.parse::<syn::LitStr>()?.value();
                } else if meta.input.peek(syn::Token![=]) {
                    meta.value()?.parse::<syn::Lit>()?;
                }
                Ok(())
            });
        }
    }
    name
}

/// The `T` of an `Option<T>`.
fn option_argument(ty: &Type) -> Option<Type> {
    let Type::Path(TypePath { path, .. }) = ty else {
        return None;
    };
    let last = path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner.clone()),
        _ => None,
    }
}

fn last_ident(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(TypePath { path, .. }) => Some(path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

fn preset(inner: &Type, view: &View) -> Option<TokenStream> {
    let string_enum = view.enums.get(&last_ident(inner)?)?;
    match &string_enum.values[..] {
        [only] => {
            let variant = format_ident!("{}", names::variant(only));
            Some(quote!(#inner::#variant))
        }
        _ => None,
    }
}

/// Scalars that literals have a type for are taken as they are; the rest is
/// taken as whatever converts into it.
fn setter(property: &Property) -> TokenStream {
    let Property {
        ident, inner, docs, ..
    } = property;
    let is_plain =
        last_ident(inner).is_some_and(|name| ["u64", "i64", "bool"].contains(&name.as_str()));
    let (argument, value) = if is_plain {
        (quote!(#inner), quote!(value))
    } else {
        (quote!(impl Into<#inner>), quote!(value.into()))
    };
    // The last method of a builder has this name.
    let setter = if ident == "build" {
        format_ident!("build_")
    } else {
        ident.clone()
    };
    quote! {
        #(#[doc = #docs])*
        pub fn #setter(mut self, value: #argument) -> Self {
            self.#ident = Some(#value);
            self
        }
    }
}
