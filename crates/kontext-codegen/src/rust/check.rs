//! Generates the check of each request: the spec's limits as plain Rust beside the types.
//!
//! The schema provides the limits, the generated type the access to the values. Each named
//! type has its own check, so a type used twice is checked by one function.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Map, Value, json};
use syn::{Fields, GenericArgument, Item, PathArguments, Type, TypePath};

use super::bounds::{bounds, lengths, whole_bounds};
use crate::{
    json::{array, child, follow, has_properties, items, members},
    view::View,
};

/// Generates checks, and collects the limits in the spec that they don't cover.
pub(super) struct Checks<'a> {
    effective: &'a Value,
    view: &'a View,
    types: HashMap<String, &'a Item>,
    /// The body of the check of each named type; none if it has no limits.
    bodies: RefCell<BTreeMap<String, Option<TokenStream>>>,
    /// Descriptions with the pointer inside the request.
    unchecked: RefCell<BTreeSet<String>>,
}

impl<'a> Checks<'a> {
    /// Prepares the checks for the types of a generated file.
    pub(super) fn new(effective: &'a Value, view: &'a View, types: &'a [Item]) -> Self {
        let types = types.iter().filter_map(|item| match item {
            Item::Struct(named) => Some((named.ident.to_string(), item)),
            Item::Enum(named) => Some((named.ident.to_string(), item)),
            _ => None,
        });
        Self {
            effective,
            view,
            types: types.collect(),
            bodies: RefCell::default(),
            unchecked: RefCell::default(),
        }
    }

    /// Descriptions of the limits in the spec that are not checked before sending.
    pub(super) fn into_unchecked(self) -> Vec<String> {
        self.unchecked.into_inner().into_iter().collect()
    }

    /// Follows a schema that is a reference.
    pub(super) fn follow<'s>(&self, schema: &'s Value) -> &'s Value
    where
        'a: 's,
    {
        follow(self.effective, schema)
    }

    /// The checks of types that are neither structs with fields nor string enums: unions,
    /// named scalars and lists.
    pub(super) fn of_other_types(&self) -> TokenStream {
        let others = self
            .view
            .sent
            .iter()
            .filter(|(_, schema)| !is_object(schema));
        others
            .filter_map(|(name, _)| {
                let body = self.body_of(name)?;
                let ident = format_ident!("{name}");
                Some(quote! {
                    impl #ident {
                        /// Compares the value with its limits.
                        pub(crate) fn check_in(&self, check: &mut crate::limits::Check<'_>) {
                            #body
                        }
                    }
                })
            })
            .collect()
    }

    /// The check of a struct. `fields` are its fields, each with its serialized name, its
    /// type in the builder and whether it is required. Returns the fields that are required
    /// or limited, and the methods: `check`, and the function that the builder calls.
    pub(super) fn of_struct(
        &self,
        name: &str,
        schema: &Value,
        fields: &[(&syn::Field, &str, &Type, bool)],
        has_extra: bool,
    ) -> (Vec<syn::Ident>, TokenStream) {
        self.note_unchecked(schema, name);
        let variant = self.view.variant(name);
        let pages = variant.map_or(&[][..], |(_, variant)| &variant.pages);
        let own = [(Vec::new(), schema.clone())];
        let pages = if pages.is_empty() { &own } else { pages };
        // Avoids a clash with the `check` argument.
        let argument_of_field = |ident: &syn::Ident| match ident == "check" {
            true => format_ident!("check_"),
            false => ident.clone(),
        };
        let property = variant.map(|(union, _)| union.property.as_str());
        let model = fields
            .iter()
            .find(|(_, wire_name, ..)| Some(*wire_name) == property);
        let model = model
            .and_then(|(field, ..)| field.ident.as_ref())
            .map(argument_of_field);
        let model = match &model {
            Some(argument) => quote!(#argument.map(|model| model.as_str())),
            None => quote!(None),
        };
        // The models of other structs are rejected: their pages have other properties.
        let foreign = variant.into_iter().flat_map(|(union, variant)| {
            let others = union.variants.iter().filter(|other| other.of != variant.of);
            others.flat_map(|other| other.pages.iter().flat_map(|(models, _)| models))
        });
        let foreign: Vec<_> = foreign.collect();
        let mut checked = Vec::new();
        let mut arguments = Vec::new();
        let mut values = Vec::new();
        let mut lines = Vec::new();
        for (field, wire_name, inner, is_required) in fields {
            let Some(ident) = &field.ident else { continue };
            let argument = argument_of_field(ident);
            // The rule of each page for this field, with the models that share the rule.
            let mut rules: Vec<(TokenStream, Vec<&String>)> = Vec::new();
            for (models, page) in pages {
                let rule = self.rule(page, wire_name, inner, &argument, &child(name, wire_name));
                let rule =
                    rule.unwrap_or_else(|| quote!(check.not_taken(#wire_name, #argument, #model);));
                match rules
                    .iter_mut()
                    .find(|(other, _)| other.to_string() == rule.to_string())
                {
                    Some((_, all)) => all.extend(models),
                    None => rules.push((rule, models.iter().collect())),
                }
            }
            if Some(*wire_name) == property && !foreign.is_empty() {
                let closure = quote!(|value, check| check.not_of(value.as_str(), &[#(#foreign),*]));
                rules = vec![(
                    quote!(check.required(#wire_name, #argument, #closure);),
                    Vec::new(),
                )];
            }
            let line = match &rules[..] {
                [(rule, _)] if rule.is_empty() => continue,
                [(rule, _)] => rule.clone(),
                rules => {
                    let arms = rules
                        .iter()
                        .map(|(rule, models)| quote!(Some(#(#models)|*) => { #rule }));
                    // The limits of an unknown model are unknown.
                    quote!(match #model { #(#arms)* _ => {} })
                }
            };
            lines.push(line);
            // An optional field is an `Option`, or a list or map that is skipped if empty.
            values.push(if *is_required {
                quote!(Some(&self.#ident))
            } else if argument_of(&field.ty, "Option").is_some() {
                quote!(self.#ident.as_ref())
            } else {
                quote!((!self.#ident.is_empty()).then_some(&self.#ident))
            });
            arguments.push(quote!(#argument: Option<&#inner>));
            checked.push(ident.clone());
        }
        if has_extra {
            let own = fields.iter().map(|(_, wire_name, ..)| *wire_name);
            lines.push(quote!(check.extra(extra, &[#(#own),*]);));
            let is_own = |name: &&String| fields.iter().any(|(_, own, ..)| own == *name);
            let others = variant.into_iter().flat_map(|(union, _)| &union.variants);
            let others: BTreeSet<_> = others
                .flat_map(|variant| &variant.pages)
                .flat_map(|(_, page)| members(&page["properties"]))
                .map(|(name, _)| name)
                .filter(|name| !is_own(name))
                .collect();
            for name in others {
                lines.push(quote!(check.not_taken(#name, extra.get(#name), #model);));
            }
            arguments.insert(
                0,
                quote!(
                    extra: &::serde_json::Map<::std::string::String, ::serde_json::Value>
                ),
            );
            values.insert(0, quote!(&self.extra));
        }
        let ident = format_ident!("{name}");
        // Without checks, the arguments would be unused.
        let check_fields = (!lines.is_empty()).then(|| {
            quote! {
                /// The limits of each field.
                pub(crate) fn check_fields(
                    check: &mut crate::limits::Check<'_>,
                    #(#arguments),*
                ) {
                    #(#lines)*
                }
            }
        });
        let check_in = match &check_fields {
            Some(_) => quote! {
                pub(crate) fn check_in(&self, check: &mut crate::limits::Check<'_>) {
                    Self::check_fields(check, #(#values),*);
                }
            },
            None => quote!(
                pub(crate) fn check_in(&self, _check: &mut crate::limits::Check<'_>) {}
            ),
        };
        let methods = quote! {
            impl #ident {
                /// Checks every limit of the API, as sending does first: for a request that
                /// was read from a file, or changed since it was built.
                ///
                /// # Errors
                ///
                /// Every field that is outside its limits, at once.
                pub fn check(&self) -> Result<(), crate::InvalidRequestError> {
                    crate::limits::check(|check| self.check_in(check))
                }

                /// Compares every field with its limits.
                #check_in

                #check_fields
            }
        };
        (checked, methods)
    }

    /// The rule of one page for a field; none if the page does not have the field.
    fn rule(
        &self,
        page: &Value,
        wire_name: &str,
        ty: &Type,
        argument: &syn::Ident,
        at: &str,
    ) -> Option<TokenStream> {
        let members = page.as_object()?;
        let part = members.get("properties")?.get(wire_name)?;
        let is_required = array(members, "required").contains(&json!(wire_name));
        let limits = self.value(ty, part, &quote!(value), at);
        let closure = match &limits {
            Some(limits) => quote!(|value, check| { #limits }),
            None => quote!(|_, _| {}),
        };
        Some(match (is_required, limits) {
            (true, _) => quote!(check.required(#wire_name, #argument, #closure);),
            (false, Some(_)) => quote!(check.optional(#wire_name, #argument, #closure);),
            (false, None) => quote!(),
        })
    }

    /// The body of the check of a named type; empty for a struct with fields.
    fn body_of(&self, name: &str) -> Option<TokenStream> {
        if let Some(body) = self.bodies.borrow().get(name) {
            return body.clone();
        }
        let schema = self.view.sent.get(name)?;
        let body = match self.types.get(name) {
            Some(Item::Struct(item)) => match &item.fields {
                Fields::Unnamed(fields) => {
                    let inner = fields.unnamed.first().map(|field| &field.ty);
                    inner.and_then(|ty| self.value(ty, schema, &quote!(&self.0), name))
                }
                // Its check is generated with its builder.
                _ => Some(quote!()),
            },
            Some(Item::Enum(item)) => self.union(name, schema, item),
            _ => None,
        };
        self.bodies
            .borrow_mut()
            .insert(name.to_owned(), body.clone());
        body
    }

    /// The check of a union: each variant has its own limits.
    fn union(&self, name: &str, schema: &Value, item: &syn::ItemEnum) -> Option<TokenStream> {
        let members = schema.as_object()?;
        let branches = match array(members, "anyOf") {
            [] => array(members, "oneOf"),
            branches => branches,
        };
        if branches.len() != item.variants.len() {
            let message = format!("{name}: the limits of its types");
            self.unchecked.borrow_mut().insert(message);
            return None;
        }
        let mut is_limited = false;
        let arms = item.variants.iter().zip(branches).map(|(variant, branch)| {
            let ident = &variant.ident;
            let ty = variant.fields.iter().next().map(|field| &field.ty);
            let limits = ty.and_then(|ty| self.value(ty, branch, &quote!(value), name));
            is_limited |= limits.is_some();
            match limits {
                Some(limits) => quote!(Self::#ident(value) => { #limits }),
                None => quote!(Self::#ident { .. } => {}),
            }
        });
        let arms: Vec<_> = arms.collect();
        is_limited.then(|| quote!(match self { #(#arms)* }))
    }

    /// The check of `value`, a reference to a value of type `ty`; none if it has no limits.
    /// `at` is its place, for messages.
    fn value(
        &self,
        ty: &Type,
        schema: &Value,
        value: &TokenStream,
        at: &str,
    ) -> Option<TokenStream> {
        if let Some(inner) = argument_of(ty, "Option") {
            let limits = self.value(&inner, schema, &quote!(value), at)?;
            return Some(quote!(if let Some(value) = #value { #limits }));
        }
        // Types of this module have no path prefix. Each has its own check.
        if let Type::Path(TypePath { path, .. }) = ty
            && let Some(name) = path.get_ident().map(ToString::to_string)
            && self.types.contains_key(&name)
        {
            return self.body_of(&name).map(|_| quote!(#value.check_in(check);));
        }
        let name = last_ident(ty)?;
        let schema = follow(self.effective, schema);
        self.note_unchecked(schema, at);
        let empty = Map::new();
        let members = schema.as_object().unwrap_or(&empty);
        match name.as_str() {
            "Uri" => {
                let length = lengths(members, "minLength", "maxLength");
                let length = length.map(|bounds| quote!(check.length(#value.as_str())#bounds;));
                Some(quote!(#length check.uri(#value);))
            }
            "String" => {
                let bounds = lengths(members, "minLength", "maxLength")?;
                Some(quote!(check.length(#value)#bounds;))
            }
            "u64" | "i64" => {
                let bounds = whole_bounds(members)?;
                Some(quote!(check.whole_number(*#value)#bounds;))
            }
            "f64" => {
                let bounds = bounds(members);
                Some(quote!(check.number(*#value)#bounds;))
            }
            "Vec" => {
                let count = lengths(members, "minItems", "maxItems");
                let count = count.map(|bounds| quote!(check.items(#value)#bounds;));
                let items = members.get("items").unwrap_or(&Value::Null);
                let item = argument_of(ty, "Vec")
                    .and_then(|ty| self.value(&ty, items, &quote!(value), &child(at, "*")));
                let each = item.map(|item| quote!(check.each(#value, |value, check| { #item });));
                (count.is_some() || each.is_some()).then(|| quote!(#count #each))
            }
            _ => None,
        }
    }

    /// Records what the schema limits that is not checked before sending.
    fn note_unchecked(&self, schema: &Value, at: &str) {
        let Some(members) = schema.as_object() else {
            return;
        };
        let mut unchecked = self.unchecked.borrow_mut();
        for keyword in [
            "pattern",
            "multipleOf",
            "uniqueItems",
            "minProperties",
            "maxProperties",
        ] {
            if let Some(value) = members.get(keyword) {
                unchecked.insert(format!("{at}: {keyword} {value}"));
            }
        }
        if let Some(format) = members.get("format").and_then(Value::as_str)
            && members.get("type") == Some(&json!("string"))
            && format != "uri"
        {
            unchecked.insert(format!("{at}: format {format}"));
        }
        if members
            .get("additionalProperties")
            .is_some_and(|values| values.as_object().is_some_and(|values| !values.is_empty()))
        {
            unchecked.insert(format!("{at}: the values of a map"));
        }
    }

    /// Descriptions of the schema's limits, for the docs of a setter.
    pub(super) fn in_words(&self, schema: &Value) -> Vec<String> {
        let schema = follow(self.effective, schema);
        let mut words = Vec::new();
        for (keyword, text) in [
            ("minLength", "at least {} characters"),
            ("maxLength", "at most {} characters"),
            ("minItems", "at least {} items"),
            ("maxItems", "at most {} items"),
            ("minimum", "at least {}"),
            ("maximum", "at most {}"),
        ] {
            let Some(limit) = schema.get(keyword) else {
                continue;
            };
            let text = match keyword {
                "minimum" if schema["exclusiveMinimum"] == json!(true) => "more than {}",
                "maximum" if schema["exclusiveMaximum"] == json!(true) => "less than {}",
                _ => text,
            };
            let mut text = text.replace("{}", &limit.to_string());
            if limit == &json!(1) {
                text = text.trim_end_matches('s').to_owned();
            }
            words.push(text);
        }
        for union in ["anyOf", "oneOf"] {
            for branch in items(&schema[union]) {
                words.extend(self.in_words(branch));
            }
        }
        words
    }
}

/// Whether a type used in requests is a struct with fields, which has a builder.
pub(super) fn is_object(schema: &Value) -> bool {
    schema["type"] == json!("object") && has_properties(schema)
}

/// The type argument `T` of a generic type such as `Option<T>` or `Vec<T>`.
pub(super) fn argument_of(ty: &Type, generic: &str) -> Option<Type> {
    let Type::Path(TypePath { path, .. }) = ty else {
        return None;
    };
    let last = path.segments.last().filter(|last| last.ident == generic)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner.clone()),
        _ => None,
    }
}

/// The last segment of a type's path.
pub(super) fn last_ident(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(TypePath { path, .. }) => Some(path.segments.last()?.ident.to_string()),
        _ => None,
    }
}
