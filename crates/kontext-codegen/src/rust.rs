//! The sixth step: generates the Rust of `kontext-api` from the generator's view.
//!
//! progenitor and typify generate the client and the types; `tidy` removes unneeded code.
//! Four parts are our own: string `enums` whose variant names depend only on the value,
//! `unions` of an operation's pages, `builder`s that accept plain literals, and the `check`
//! of every limit, so that the checks before sending always match the spec.

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
    surface::Surface,
    view::{View, reach},
};

/// The generated Rust, without its header.
#[derive(Clone, Debug)]
pub(crate) struct Rust {
    /// The text of the file.
    pub(crate) text: String,
    /// Its public items.
    pub(crate) surface: Surface,
    /// Limits in the spec that the client does not check, described with the JSON pointer
    /// inside the request.
    pub(crate) unchecked: Vec<String>,
}

/// Generates the Rust of a view.
///
/// # Errors
///
/// The generators reject the view or panic, because [`crate::supported`] missed something.
/// The message is theirs.
pub(crate) fn rust(effective: &Effective, view: &mut View) -> Result<Rust, Problems> {
    // Taken instead of cloned: it is large and no longer needed.
    let mut file = progenitor(view.document.take(), view)?;
    let view = &*view;
    tidy::tidy(&mut file);
    let types = tidy::types_of(&mut file)
        .ok_or_else(|| gap("the generated code has no module of types".to_owned()))?;
    let checks = Checks::new(&effective.document, view, types);
    let (builders, mut methods) = builder::builders(types, view, &checks);
    methods.extend(checks.of_other_types());
    methods.extend(unions::unions(&view.unions, types));
    let unchecked = checks.into_unchecked();
    let enums = enums::enums(&view.enums);
    types.extend(parsed(quote!(#enums #methods))?.items);
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
        surface: Surface::of(&file),
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
        // The data that the hooks use is per attempt.
        .with_inner_type(quote!(crate::client::hooks::AttemptHooks))
        .with_derive("PartialEq")
        .with_map_type("::std::collections::BTreeMap")
        // No traits are declared: the client's own conversions replace typify's.
        .with_conversion(uri_schema()?, "crate::Uri", std::iter::empty());
    for name in view.enums.keys() {
        let traits = [TypeImpl::Display, TypeImpl::FromStr];
        settings.with_replacement(name, name, traits.into_iter());
    }
    for name in view.unions.keys() {
        // The client refers to it from outside the `types` module.
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

/// The component that fails to generate on its own, together with what it refers to; the
/// smallest if there are several.
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

/// Runs a generator and turns a panic into an error message, as a last resort.
///
/// Suppresses panic output on this thread only, so that panics of other threads are still
/// printed.
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

/// The schema that is mapped to the client's own URL type.
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

/// A problem that an earlier check should have found.
fn gap(message: String) -> Problems {
    let (file, at) = unknown_place();
    Problem::new(file, at, message, NOT_FOUND_FIRST).into()
}

fn unknown_place() -> (String, String) {
    ("openapi/published".to_owned(), String::new())
}

/// Like [`gap`], for a generated item.
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
    fn quietly_turns_panic_into_message() {
        assert_eq!(quietly(|| 1), Ok(1));
        let panic = quietly(|| panic!("no {}", "way")).map(|(): ()| ());
        assert_eq!(panic, Err("no way".to_owned()));
    }
}
