//! The sixth step: the Rust of `kontext-api`, from the generator's view.
//!
//! progenitor and typify make the client and the types; `tidy` removes what
//! nobody needs of it, and four parts are ours: string `enums` whose names
//! depend on the value alone, `unions` of the pages of an operation, `builder`s that take
//! plain literals, and the `check` of every limit, so that what is checked before sending
//! can't fall behind.

mod bounds;
mod builder;
mod check;
mod enums;
mod tidy;
mod unions;
mod verify;

use std::{
    cell::Cell,
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use check::Checks;
use openapiv3::OpenAPI;
use proc_macro2::TokenStream;
use progenitor_impl::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};
use quote::quote;
use serde_json::{Map, Value, json};

use crate::{
    effective::Effective,
    problem::{Problem, Problems},
    view::{View, reach},
};

/// The generated Rust, without its header.
#[derive(Clone, Debug)]
pub(crate) struct Rust {
    /// The text of the file.
    pub(crate) text: String,
    /// What the provider limits and the client does not check, in words with
    /// the JSON pointer inside the request.
    pub(crate) unchecked: Vec<String>,
}

/// Generates the Rust of a view.
///
/// # Errors
///
/// The generators refuse the view, or panic: whatever [`crate::supported`] did
/// not find first. The message says so, in their words.
pub(crate) fn rust(effective: &Effective, view: &mut View) -> Result<Rust, Problems> {
    // It is large, and nothing after this needs it.
    let mut document = view.document.take();
    // The client reads answers itself, so nothing would return their types.
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        let is_sent = |name: &String| {
            view.sent.contains_key(name)
                || view.enums.contains_key(name)
                || view.unions.contains_key(name)
        };
        schemas.retain(|name, _| is_sent(name));
    }
    let mut file = progenitor(document, view)?;
    let view = &*view;
    tidy::tidy(&mut file);
    let (ours, unchecked) = {
        let types = tidy::types_of(&file)?;
        let checks = Checks::new(&effective.document, view, types);
        let mut ours = builder::builders(types, view, &checks);
        ours.checks.extend(checks.of_other_types());
        ours.checks.extend(unions::unions(&view.unions, types));
        (ours, checks.into_unchecked())
    };
    let (builders, checks) = (ours.builders, ours.checks);
    let enums = enums::enums(&view.enums);
    tidy::add_to_types(&mut file, quote!(#enums #checks))?;
    let ours = quote! {
        /// Builders of the requests.
        pub mod builder {
            use super::types::*;

            #builders
        }
    };
    file.items.extend(parsed(ours)?.items);
    tidy::docs(&mut file);
    let problems = verify::problems(&file);
    Problems::none_or(problems.into_iter().map(|one| refused(view, one)).collect())?;
    Ok(Rust {
        text: prettyplease::unparse(&file),
        unchecked,
    })
}

/// Runs progenitor on the view.
fn progenitor(document: Value, view: &View) -> Result<syn::File, Problems> {
    let document: OpenAPI = serde_json::from_value(document)
        .map_err(|error| gap(format!("the generator cannot read the document: {error}")))?;
    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_hooks(HooksMode::Expected)
        // What the hooks add to a request is known for each attempt alone.
        .with_inner_type(quote!(crate::client::hooks::AttemptHooks))
        .with_derive("PartialEq")
        .with_map_type("::std::collections::BTreeMap")
        // It promises no traits: what typify would make of them, the client's
        // own conversions do.
        .with_conversion(uri_schema()?, "crate::Uri", std::iter::empty());
    for name in view.enums.keys() {
        let traits = [TypeImpl::Display, TypeImpl::FromStr];
        settings.with_replacement(name, name, traits.into_iter());
    }
    for name in view.unions.keys() {
        // The client names it outside of the module of types.
        let path = format!("crate::types::{name}");
        settings.with_replacement(name, path, std::iter::empty());
    }
    attempt(&settings, &document).map_err(|message| {
        let at_fault = at_fault(&settings, &document);
        let (file, at) = at_fault
            .and_then(|name| view.places.get(&name).cloned())
            .unwrap_or_else(unknown_place);
        Problem::new(file, at, message, NOT_FOUND_FIRST).into()
    })
}

fn attempt(settings: &GenerationSettings, document: &OpenAPI) -> Result<syn::File, String> {
    match quietly(|| Generator::new(settings).generate_tokens(document)) {
        Ok(Ok(tokens)) => syn::parse2(tokens)
            .map_err(|error| format!("the generated code is not valid Rust: {error}")),
        Ok(Err(error)) => Err(format!("the generator refuses it: {error}")),
        Err(panic) => Err(format!("the generator panicked: {panic}")),
    }
}

/// The component that the generator fails on with nothing but what it refers to; the
/// smallest of several.
fn at_fault(settings: &GenerationSettings, document: &OpenAPI) -> Option<String> {
    let mut document = serde_json::to_value(document).ok()?;
    document["paths"] = json!({});
    let all = document["components"]["schemas"].take();
    let all = all.as_object()?;
    let parts = all
        .keys()
        .map(|name| (name, reach(all, std::slice::from_ref(name))));
    let mut parts: Vec<_> = parts.collect();
    parts.sort_by_key(|(_, names)| names.len());
    let fails = |(_, names): &(&String, BTreeSet<String>)| {
        let part = all.iter().filter(|(name, _)| names.contains(*name));
        let part: Map<String, Value> = part
            .map(|(name, one)| (name.clone(), one.clone()))
            .collect();
        document["components"]["schemas"] = part.into();
        let part = serde_json::from_value(document.clone());
        part.is_ok_and(|part| attempt(settings, &part).is_err())
    };
    parts.into_iter().find(fails).map(|(name, _)| name.clone())
}

/// The last resort: runs a generator, and turns its panic into a message.
///
/// Nothing is printed meanwhile, by this thread alone: other threads may panic
/// for reasons of their own, and theirs must be seen.
pub(crate) fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        text.unwrap_or("without a message").to_owned()
    })
}

/// The schema that becomes the client's own type for URLs.
fn uri_schema() -> Result<schemars08::schema::SchemaObject, Problems> {
    let schema: Value = json!({"type": "string", "format": "uri"});
    serde_json::from_value(schema).map_err(|error| gap(error.to_string()))
}

fn parsed(tokens: TokenStream) -> Result<syn::File, Problems> {
    syn::parse2(tokens)
        .map_err(|error| gap(format!("the generated code is not valid Rust: {error}")))
}

const NOT_FOUND_FIRST: &str = "no check of crates/kontext-codegen/src/supported found this \
     first: add one that names the place, and correct the document with an overlay";

/// A problem that the checks before this step should have found.
fn gap(message: String) -> Problems {
    let (file, at) = unknown_place();
    Problem::new(file, at, message, NOT_FOUND_FIRST).into()
}

fn unknown_place() -> (String, String) {
    ("openapi/published".to_owned(), String::new())
}

/// The same, of a generated item.
fn refused(view: &View, (item, message): (String, String)) -> Problem {
    let message = format!("the generated {item} would have {message}");
    let place = view.places.get(&item).cloned();
    let (file, place) = place.unwrap_or_else(unknown_place);
    Problem::new(file, place, message, NOT_FOUND_FIRST)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_generator_fails_on_is_named() {
        let part = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        let document = json!({
            "openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {},
            "components": {"schemas": {
                "Good": {"type": "string"},
                "Around": {"type": "array", "items": part("Bad")},
                "Bad": {"type": "boolean", "format": "odd"}
            }}
        });
        let at = |name: &str| {
            (
                name.to_owned(),
                ("p.json".to_owned(), format!("/of/{name}")),
            )
        };
        let view = View {
            document: Value::Null,
            enums: BTreeMap::new(),
            unions: BTreeMap::new(),
            sent: BTreeMap::new(),
            places: ["Good", "Around", "Bad"].map(at).into(),
            unnamed: Vec::new(),
        };
        let problem = progenitor(document, &view).unwrap_err().to_string();
        let start = "p.json: /of/Bad: the generator panicked: not yet implemented";
        assert!(problem.starts_with(start), "{problem}");
    }

    #[test]
    fn a_panic_becomes_a_message() {
        assert_eq!(quietly(|| 1), Ok(1));
        let panic = quietly(|| panic!("no {}", "way")).map(|(): ()| ());
        assert_eq!(panic, Err("no way".to_owned()));
    }
}
