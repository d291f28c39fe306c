//! Builders of requests: plain literals work, nothing is sent that was not
//! set, and every violation is reported at once.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Value, json};
use syn::{Field, Fields, Item, ItemStruct, Type};

use super::check::{Checks, StructCheck, argument_of, is_object, last_ident};
use crate::{json::array, view::View};

/// What is written of the structs that are sent, or part of what is sent.
#[derive(Default)]
pub(super) struct Builders {
    /// The builders.
    pub(super) builders: TokenStream,
    /// The checks, which stand beside the types.
    pub(super) checks: TokenStream,
}

/// One builder per struct that is sent, or is part of what is sent: none can be
/// written as a literal, as fields may be added.
pub(super) fn builders(types: &[Item], view: &View, checks: &Checks<'_>) -> Builders {
    let mut all = Builders::default();
    for item in types {
        if let Item::Struct(item) = item
            && let Some(schema) = view.sent.get(&item.ident.to_string())
            && is_object(schema)
        {
            let (builder, check) = builder(item, schema, view, checks);
            all.builders.extend(builder);
            all.checks.extend(check);
        }
    }
    all
}

/// What a builder needs of one field.
struct Property<'a> {
    field: &'a Field,
    ident: syn::Ident,
    /// The name on the wire.
    name: String,
    /// The type without its `Option`.
    inner: Type,
    is_required: bool,
    /// What the request's field is made of: `self.x`, in an `Option` or not.
    value: TokenStream,
    docs: Vec<String>,
    /// The one value that a required enum has, if it has one.
    preset: Option<TokenStream>,
}

fn builder(
    item: &ItemStruct,
    schema: &Value,
    view: &View,
    checks: &Checks<'_>,
) -> (TokenStream, TokenStream) {
    let request = &item.ident;
    let name = format_ident!("{request}Builder");
    let properties: Vec<Property<'_>> = match &item.fields {
        Fields::Named(fields) => fields
            .named
            .iter()
            .filter_map(|field| property(field, schema, view, checks))
            .collect(),
        _ => Vec::new(),
    };
    let idents: Vec<_> = properties.iter().map(|property| &property.ident).collect();
    let fields = properties.iter().map(|property| {
        let Property { ident, inner, .. } = property;
        quote!(#ident: Option<#inner>)
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
    let fields_to_check: Vec<_> = properties
        .iter()
        .map(|one| (one.field, one.name.as_str(), &one.inner, one.is_required))
        .collect();
    let StructCheck {
        fields: checked,
        methods,
    } = checks.of_struct(&request.to_string(), schema, &fields_to_check);
    let check = (!checked.is_empty()).then(|| {
        quote! {
            crate::limits::check(|check| {
                #request::check_fields(check, #(self.#checked.as_ref()),*);
            })?;
        }
    });
    let doc = format!(" Builds a [`{request}`] step by step; see [`{request}::builder`].");
    let builder = quote! {
        #[doc = #doc]
        #[derive(Clone, Debug)]
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
                #check
                #finish
            }
        }
    };
    (builder, methods)
}

fn property<'a>(
    field: &'a Field,
    schema: &Value,
    view: &View,
    checks: &Checks<'_>,
) -> Option<Property<'a>> {
    let ident = field.ident.clone()?;
    let name = wire_name(field);
    // The field that keeps what is not known has no property.
    let part = schema["properties"].get(&name)?;
    let is_required = array(schema.as_object()?, "required").contains(&json!(name));
    let argument = argument_of(&field.ty, "Option");
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
    let meant = checks.follow(part);
    let mut docs = vec![match meant["description"].as_str() {
        Some(description) => format!(" {}", crate::docs::text(description)),
        None => format!(" Sets `{name}`."),
    }];
    if let Some(default) = part.get("default").or_else(|| meant.get("default")) {
        docs.push(String::new());
        docs.push(format!(" Server default: `{default}`, which is not sent."));
    }
    let words = checks.in_words(part);
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
        field,
        ident,
        name,
        inner,
        is_required,
        value,
        docs,
        preset,
    })
}

/// The name on the wire: what serde renames the field to, or its own.
fn wire_name(field: &Field) -> String {
    let ident = field.ident.as_ref().map(ToString::to_string);
    let mut name = ident
        .unwrap_or_default()
        .trim_start_matches("r#")
        .to_owned();
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

fn preset(inner: &Type, view: &View) -> Option<TokenStream> {
    let string_enum = view.enums.get(&last_ident(inner)?)?;
    match &string_enum.values[..] {
        [(_, name)] => {
            let variant = format_ident!("{name}");
            Some(quote!(#inner::#variant))
        }
        _ => None,
    }
}

/// Scalars that literals have a type for are taken as they are; the rest is
/// taken as whatever converts into it.
fn setter(property: &Property<'_>) -> TokenStream {
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
