//! Request builders: they accept plain literals, send only what was set, and report all
//! violations at once.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Value, json};
use syn::{Field, Fields, Item, ItemStruct, Type};

use super::check::{Checks, argument_of, is_object, last_ident};
use crate::{json::array, view::View};

/// Generates a builder for each struct used in requests: users can't write these as
/// literals, because fields may be added. Returns the builders, and the checks, which go
/// into the module of the types.
pub(super) fn builders(
    types: &[Item],
    view: &View,
    checks: &Checks<'_>,
) -> (TokenStream, TokenStream) {
    let structs = types.iter().filter_map(|item| match item {
        Item::Struct(item) => {
            let schema = view.sent.get(&item.ident.to_string())?;
            is_object(schema).then(|| builder(item, schema, view, checks))
        }
        _ => None,
    });
    structs.unzip()
}

/// The parts of a builder for one field.
struct Property<'a> {
    field: &'a Field,
    ident: syn::Ident,
    /// The serialized name.
    name: String,
    /// The type without its `Option`.
    inner: Type,
    is_required: bool,
    /// The expression for the request's field: `self.x`, with or without its `Option`.
    value: TokenStream,
    docs: Vec<String>,
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
            .filter_map(|field| property(field, &request.to_string(), schema, view, checks))
            .collect(),
        _ => Vec::new(),
    };
    let idents: Vec<_> = properties.iter().map(|property| &property.ident).collect();
    let fields = properties.iter().map(|property| {
        let Property {
            ident, inner, name, ..
        } = property;
        let rename = (ident != name).then(|| quote!(#[serde(rename = #name)]));
        quote! {
            #rename
            #[serde(skip_serializing_if = "Option::is_none")]
            #ident: Option<#inner>
        }
    });
    let setters = properties.iter().map(|property| setter(property, view));
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
    // The field for unknown members.
    let has_extra = item.fields.iter().any(|field| {
        field.ident.as_ref().is_some_and(|ident| ident == "extra")
            && last_ident(&field.ty).as_deref() == Some("Map")
    });
    // A field for the values of a map has no setter; it is public.
    let others = item.fields.iter().filter_map(|field| field.ident.as_ref());
    let others = others.filter(|ident| !(idents.contains(ident) || has_extra && *ident == "extra"));
    let (extra_field, extra_none, extra_value, extra_check, extra_setter) = if has_extra {
        (
            quote!(#[serde(flatten)] extra: ::serde_json::Map<::std::string::String, ::serde_json::Value>,),
            quote!(extra: ::std::default::Default::default(),),
            quote!(extra: self.extra,),
            quote!(&self.extra,),
            quote! {
                /// Sets a field that this version does not know, by its name on the wire.
                pub fn extra(
                    mut self,
                    name: impl Into<::std::string::String>,
                    value: impl Into<::serde_json::Value>,
                ) -> Self {
                    self.extra.insert(name.into(), value.into());
                    self
                }
            },
        )
    } else {
        Default::default()
    };
    let finished = quote! {
        #request {
            #(#required,)*
            #(#optional: #values,)*
            #(#others: ::std::default::Default::default(),)*
            #extra_value
        }
    };
    let finish = if required.is_empty() {
        quote!(Ok(#finished))
    } else {
        quote! {
            match (#(self.#required,)*) {
                (#(Some(#required),)*) => Ok(#finished),
                _ => Err(crate::InvalidRequestError::incomplete()),
            }
        }
    };
    let fields_to_check: Vec<_> = properties
        .iter()
        .map(|one| (one.field, one.name.as_str(), &one.inner, one.is_required))
        .collect();
    let (checked, methods) =
        checks.of_struct(&request.to_string(), schema, &fields_to_check, has_extra);
    let check = (has_extra || !checked.is_empty()).then(|| {
        quote! {
            crate::limits::check(|check| {
                #request::check_fields(check, #extra_check #(self.#checked.as_ref()),*);
            })?;
        }
    });
    let doc = format!(" Builds a [`{request}`] step by step; see [`{request}::builder`].");
    let builder = quote! {
        #[doc = #doc]
        #[derive(Clone, Debug, ::serde::Serialize)]
        #[must_use = "a builder does nothing before it is built"]
        pub struct #name {
            #(#fields,)*
            #extra_field
        }

        impl #request {
            /// Starts a request with nothing set.
            pub fn builder() -> #name {
                #name { #(#idents: None,)* #extra_none }
            }
        }

        impl #name {
            #(#setters)*

            #extra_setter

            /// Checks every limit and returns the request.
            ///
            /// # Errors
            ///
            /// Every field that is missing or outside its limits, at once.
            pub fn build(self) -> Result<#request, crate::InvalidRequestError> {
                #check
                #finish
            }
        }
    };
    (builder, methods)
}

fn property<'a>(
    field: &'a Field,
    owner: &str,
    schema: &Value,
    view: &View,
    checks: &Checks<'_>,
) -> Option<Property<'a>> {
    let ident = field.ident.clone()?;
    let name = wire_name(field);
    // The field for unknown members has no property.
    let part = schema["properties"].get(&name)?;
    let is_required = array(schema.as_object()?, "required").contains(&json!(name));
    let argument = argument_of(&field.ty, "Option");
    // An optional list or map is not an `Option`: it is skipped if empty.
    let value = match &argument {
        Some(_) => quote!(self.#ident),
        None => quote!(self.#ident.unwrap_or_default()),
    };
    // A required nullable field is an `Option`, too.
    let inner = argument
        .filter(|_| !is_required)
        .unwrap_or_else(|| field.ty.clone());
    let meant = checks.follow(part);
    let mut docs = vec![match meant["description"].as_str() {
        Some(description) => format!(" {}", crate::docs::text(description)),
        None => format!(" Sets `{name}`."),
    }];
    let per_page =
        |what: &dyn Fn(&Value) -> Option<String>| per_page(view, owner, &name, part, what);
    let default = |part: &Value| {
        let default = part
            .get("default")
            .or_else(|| checks.follow(part).get("default"))?;
        Some(format!("`{default}`"))
    };
    if let Some(default) = per_page(&default) {
        docs.push(String::new());
        docs.push(format!(" Server default: {default}, which is not sent."));
    }
    let limits =
        |part: &Value| Some(checks.in_words(part).join(", ")).filter(|words| !words.is_empty());
    if let Some(words) = per_page(&limits) {
        docs.push(String::new());
        docs.push(format!(" Limits: {words}."));
    }
    if is_required {
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
    })
}

/// What the pages of a struct say about a property: one text, or one per model if they
/// differ.
fn per_page(
    view: &View,
    owner: &str,
    name: &str,
    part: &Value,
    what: &dyn Fn(&Value) -> Option<String>,
) -> Option<String> {
    let pages = view
        .variant(owner)
        .map_or(&[][..], |(_, variant)| &variant.pages);
    let said = pages.iter().map(|(models, page)| {
        let part = page["properties"].get(name);
        (models.join(", "), part.and_then(what))
    });
    let said: Vec<_> = said.collect();
    if said.windows(2).all(|pair| pair[0].1 == pair[1].1) {
        return what(part);
    }
    let said = said
        .into_iter()
        .filter_map(|(models, words)| Some(format!("{} ({models})", words?)));
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// The serialized name: from serde's `rename`, or the field's own name.
pub(super) fn wire_name(field: &Field) -> String {
    let ident = field.ident.as_ref().map(ToString::to_string);
    let mut name = ident
        .unwrap_or_default()
        .trim_start_matches("r#")
        .to_owned();
    for attribute in &field.attrs {
        if attribute.path().is_ident("serde") {
            // An attribute that doesn't parse is not a rename.
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

/// Generates a setter. It takes integers, booleans and enums by value (so that
/// `"16:9".parse()?` infers its type), and `impl Into` for everything else.
fn setter(property: &Property<'_>, view: &View) -> TokenStream {
    let Property {
        ident, inner, docs, ..
    } = property;
    let is_plain = last_ident(inner).is_some_and(|name| {
        ["u64", "i64", "bool"].contains(&name.as_str()) || view.enums.contains_key(&name)
    });
    let (argument, value) = if is_plain {
        (quote!(#inner), quote!(value))
    } else {
        (quote!(impl Into<#inner>), quote!(value.into()))
    };
    // `build` is the builder's own last method.
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
