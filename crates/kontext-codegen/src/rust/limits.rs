//! The limits of requests, as literals of the types in
//! `kontext-api/src/limits.rs`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Map, Value, json};

use crate::{
    json::{array, child},
    view::follow,
};

/// Collects what the provider limits and the client does not check.
pub(super) struct Limits<'a> {
    effective: &'a Value,
    /// In words, with the pointer inside the request.
    pub(super) unchecked: Vec<String>,
}

impl<'a> Limits<'a> {
    /// Limits of the requests of a document.
    pub(super) fn new(effective: &'a Value) -> Self {
        Self {
            effective,
            unchecked: Vec::new(),
        }
    }

    /// The static of a request type.
    pub(super) fn of_request(&mut self, name: &str, schema: &Value) -> TokenStream {
        let ident = static_name(name);
        let limits = self.of(schema, name);
        let doc = format!(" What a `{name}` may hold.");
        quote! {
            #[doc = #doc]
            pub(crate) static #ident: Limits = #limits;
        }
    }

    /// The schema that a reference means.
    pub(super) fn follow<'s>(&self, schema: &'s Value) -> &'s Value
    where
        'a: 's,
    {
        follow(self.effective, schema)
    }

    /// The limits of the schema, in words for the docs of a setter.
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
            if let Some(limit) = schema.get(keyword) {
                let text = text.replace("{}", &limit.to_string());
                let is_one = limit == &json!(1);
                words.push(if is_one {
                    text.trim_end_matches('s').to_owned()
                } else {
                    text
                });
            }
        }
        for union in ["anyOf", "oneOf"] {
            for branch in schema[union].as_array().into_iter().flatten() {
                words.extend(self.in_words(branch));
            }
        }
        words
    }

    /// The limits of a schema; `at` is its place for messages.
    fn of(&mut self, schema: &Value, at: &str) -> TokenStream {
        let schema = follow(self.effective, schema);
        let empty = Map::new();
        let members = schema.as_object().unwrap_or(&empty);
        self.note_unchecked(members, at);
        for union in ["anyOf", "oneOf"] {
            if members.contains_key(union) {
                let branches: Vec<_> = array(members, union)
                    .iter()
                    .map(|branch| self.of(branch, at))
                    .collect();
                return quote!(Limits::AnyOf(&[#(#branches),*]));
            }
        }
        match members.get("type").and_then(Value::as_str) {
            Some("string") => string(members),
            Some("integer") => integer(members),
            Some("number") => number(members),
            Some("boolean") => quote!(Limits::Boolean),
            Some("array") => {
                let min_items = unsigned(members, "minItems");
                let max_items = unsigned(members, "maxItems");
                let items = self.of(
                    members.get("items").unwrap_or(&Value::Null),
                    &child(at, "*"),
                );
                quote!(Limits::Array(ArrayLimits {
                    min_items: #min_items,
                    max_items: #max_items,
                    items: &#items,
                }))
            }
            Some("object") if members.contains_key("properties") => self.object(members, at),
            _ => quote!(Limits::Any),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, at: &str) -> TokenStream {
        let required = array(members, "required");
        let properties = members.get("properties").and_then(Value::as_object);
        let fields: Vec<_> = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| {
                let is_required = required.contains(&json!(name));
                let limits = self.of(schema, &child(at, name));
                quote!(Field { name: #name, required: #is_required, limits: #limits })
            })
            .collect();
        quote!(Limits::Object(&[#(#fields),*]))
    }

    /// Says what stands in the schema and is not checked before sending.
    fn note_unchecked(&mut self, members: &Map<String, Value>, at: &str) {
        for keyword in [
            "pattern",
            "multipleOf",
            "uniqueItems",
            "minProperties",
            "maxProperties",
        ] {
            if let Some(value) = members.get(keyword) {
                self.unchecked.push(format!("{at}: {keyword} {value}"));
            }
        }
        if let Some(format) = members.get("format").and_then(Value::as_str)
            && members.get("type") == Some(&json!("string"))
            && format != "uri"
        {
            self.unchecked.push(format!("{at}: format {format}"));
        }
        if members
            .get("additionalProperties")
            .is_some_and(Value::is_object)
        {
            self.unchecked.push(format!("{at}: the values of a map"));
        }
    }
}

/// `GenerateImageRequest` becomes `GENERATE_IMAGE_REQUEST`.
pub(super) fn static_name(type_name: &str) -> syn::Ident {
    use heck::ToShoutySnakeCase as _;
    format_ident!("{}", type_name.to_shouty_snake_case())
}

fn string(members: &Map<String, Value>) -> TokenStream {
    let min_length = unsigned(members, "minLength");
    let max_length = unsigned(members, "maxLength");
    let is_uri = members.get("format") == Some(&json!("uri"));
    let format = option(is_uri.then(|| quote!(Format::Uri)));
    let values = array(members, "enum").iter().filter_map(Value::as_str);
    quote!(Limits::String(StringLimits {
        min_length: #min_length,
        max_length: #max_length,
        format: #format,
        values: &[#(#values),*],
    }))
}

/// Bounds of whole numbers, inclusive and whole: above 1.5 means from 2.
fn integer(members: &Map<String, Value>) -> TokenStream {
    let bound = |name: &str, exclusive: &str, step: i128| {
        let value = members.get(name)?;
        let whole = value
            .as_i64()
            .map(i128::from)
            .or_else(|| value.as_u64().map(i128::from));
        let is_exclusive = members.get(exclusive) == Some(&json!(true));
        let bound = match whole {
            Some(whole) if is_exclusive => whole + step,
            Some(whole) => whole,
            None => {
                let value = value.as_f64()?;
                let rounded = if step > 0 {
                    value.ceil()
                } else {
                    value.floor()
                };
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the cast saturates, as it should"
                )]
                let rounded_whole = rounded as i128;
                if is_exclusive && rounded == value {
                    rounded_whole + step
                } else {
                    rounded_whole
                }
            }
        };
        let bound = proc_macro2::Literal::i128_unsuffixed(bound);
        Some(quote!(#bound))
    };
    let minimum = option(bound("minimum", "exclusiveMinimum", 1));
    let maximum = option(bound("maximum", "exclusiveMaximum", -1));
    quote!(Limits::Integer(IntegerLimits { minimum: #minimum, maximum: #maximum }))
}

fn number(members: &Map<String, Value>) -> TokenStream {
    let bound = |name: &str| {
        let value = proc_macro2::Literal::f64_unsuffixed(members.get(name)?.as_f64()?);
        Some(quote!(#value))
    };
    let flag = |name: &str| members.get(name) == Some(&json!(true));
    let minimum = option(bound("minimum"));
    let maximum = option(bound("maximum"));
    let exclusive_minimum = flag("exclusiveMinimum");
    let exclusive_maximum = flag("exclusiveMaximum");
    quote!(Limits::Number(NumberLimits {
        minimum: #minimum,
        maximum: #maximum,
        exclusive_minimum: #exclusive_minimum,
        exclusive_maximum: #exclusive_maximum,
    }))
}

fn unsigned(members: &Map<String, Value>, name: &str) -> TokenStream {
    option(members.get(name).and_then(Value::as_u64).map(|limit| {
        let limit = proc_macro2::Literal::u64_unsuffixed(limit);
        quote!(#limit)
    }))
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(Some(#value)),
        None => quote!(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limits of a schema as Rust, without spaces.
    fn rust(schema: &Value) -> (String, Vec<String>) {
        let effective = json!({});
        let mut limits = Limits::new(&effective);
        let tokens = limits.of(schema, "p").to_string().replace(' ', "");
        (tokens, limits.unchecked)
    }

    #[test]
    fn bounds_of_whole_numbers_are_whole_and_inclusive() {
        for (schema, minimum, maximum) in [
            (json!({"minimum": 1, "maximum": 4}), "Some(1)", "Some(4)"),
            (
                json!({"minimum": 1.5, "maximum": 3.5}),
                "Some(2)",
                "Some(3)",
            ),
            (
                json!({"minimum": 1, "exclusiveMinimum": true, "maximum": 4.0, "exclusiveMaximum": true}),
                "Some(2)",
                "Some(3)",
            ),
            (
                json!({"maximum": u64::MAX}),
                "None",
                "Some(18446744073709551615)",
            ),
        ] {
            let mut schema = schema;
            schema["type"] = json!("integer");
            assert_eq!(
                rust(&schema).0,
                format!("Limits::Integer(IntegerLimits{{minimum:{minimum},maximum:{maximum}}})")
            );
        }
    }

    #[test]
    fn what_is_not_checked_is_said() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "string", "pattern": "^a", "format": "date"},
            "b": {"type": "array", "uniqueItems": true, "items": {"type": "integer", "multipleOf": 2}}
        }});
        assert_eq!(
            rust(&schema).1,
            [
                "p/a: pattern \"^a\"",
                "p/a: format date",
                "p/b: uniqueItems true",
                "p/b/*: multipleOf 2",
            ]
        );
    }
}
