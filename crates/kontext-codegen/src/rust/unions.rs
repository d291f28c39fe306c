//! The request of an operation with several pages: an enum of their structs, decoded by the
//! discriminating property.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Fields, Item};

use super::{
    builder::wire_name,
    check::{argument_of, last_ident},
};
use crate::fold::Union;

/// The names that pages use for the number of images.
const COUNTS: [&str; 2] = ["num_images", "n"];

/// The items of all unions; `types` includes the structs in them.
pub(super) fn unions(unions: &BTreeMap<String, Union>, types: &[Item]) -> TokenStream {
    let all = unions.iter();
    all.map(|(name, union)| one(name, union, types)).collect()
}

fn one(name: &str, union: &Union, types: &[Item]) -> TokenStream {
    let ident = format_ident!("{name}");
    let property = &union.property;
    let variants: Vec<_> = union
        .variants
        .iter()
        .map(|one| format_ident!("{}", one.name))
        .collect();
    let structs: Vec<_> = union
        .variants
        .iter()
        .map(|one| format_ident!("{}", one.of))
        .collect();
    let docs = union
        .variants
        .iter()
        .map(|one| format!(" A request for one of [`{}`].", one.models()));
    let models = union.variants.iter().map(|one| {
        let models = one.pages.iter().flat_map(|(models, _)| models);
        quote!(#(#models)|*)
    });
    let known = union
        .variants
        .iter()
        .flat_map(|one| one.pages.iter().flat_map(|(models, _)| models));
    let fields = union
        .variants
        .iter()
        .map(|one| struct_fields(&one.of, types));
    let (fields, counts): (Vec<_>, Vec<_>) = fields
        .map(|fields| {
            let field = fields.iter().find(|(name, ..)| name == property);
            let field = field.map(|(_, ident, _)| quote!(request.#ident.as_str()));
            let mut counts = fields
                .iter()
                .filter(|(name, ..)| COUNTS.contains(&name.as_str()));
            let count = counts.find_map(|(_, ident, ty)| {
                let inner = argument_of(ty, "Option");
                let value = match inner {
                    Some(_) => quote!(request.#ident),
                    None => quote!(Some(request.#ident)),
                };
                match last_ident(inner.as_ref().unwrap_or(ty))?.as_str() {
                    "u64" => Some(value),
                    "f64" => Some(quote!(#value.map(|count| count.ceil() as u64))),
                    _ => None,
                }
            });
            (field, count)
        })
        .unzip();
    let counts = variants
        .iter()
        .zip(counts)
        .map(|(variant, count)| match count {
            Some(count) => quote!(Self::#variant(request) => #count,),
            None => quote!(Self::#variant(_) => None,),
        });
    let doc = format!(" A request of any type. `{property}` tells which; each type has a builder.");
    quote! {
        #[doc = #doc]
        #[derive(::serde::Serialize, Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "schemars", derive(::schemars::JsonSchema))]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum #ident {
            #(
                #[doc = #docs]
                #variants(#structs),
            )*
        }

        impl #ident {
            /// Checks every limit of the API, as sending does first: for a request that
            /// was read from a file, or changed since it was built.
            ///
            /// # Errors
            ///
            /// Every field that is outside its limits, at once.
            pub fn check(&self) -> Result<(), crate::InvalidRequestError> {
                match self {
                    #(Self::#variants(request) => request.check(),)*
                }
            }

            /// The model that the request is for, as it is sent.
            #[must_use]
            pub fn model(&self) -> &str {
                match self {
                    #(Self::#variants(request) => #fields,)*
                }
            }

            /// How many images it asks for, if it says so.
            pub(crate) fn images(&self) -> Option<u64> {
                match self {
                    #(#counts)*
                }
            }
        }

        #(
            impl From<#structs> for #ident {
                fn from(request: #structs) -> Self {
                    Self::#variants(request)
                }
            }
        )*

        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                let request: ::serde_json::Value = ::serde::Deserialize::deserialize(deserializer)?;
                let outcome = match request.get(#property).and_then(::serde_json::Value::as_str) {
                    #(Some(#models) => ::serde_json::from_value(request).map(Self::#variants),)*
                    _ => Err(crate::request::unknown_model(&request, #property, &[#(#known),*])),
                };
                outcome.map_err(::serde::de::Error::custom)
            }
        }
    }
}

/// The fields of a struct: serialized names, identifiers and types.
fn struct_fields(name: &str, types: &[Item]) -> Vec<(String, syn::Ident, syn::Type)> {
    let named = types.iter().find_map(|item| match item {
        Item::Struct(item) if item.ident == name => Some(&item.fields),
        _ => None,
    });
    let Some(Fields::Named(fields)) = named else {
        return Vec::new();
    };
    let fields = fields.named.iter();
    fields
        .filter_map(|field| Some((wire_name(field), field.ident.clone()?, field.ty.clone())))
        .collect()
}
