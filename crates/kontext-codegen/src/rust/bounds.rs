//! Bounds of lengths and numbers, as generated code.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use serde_json::{Map, Value, json};

use crate::limits::{whole_maximum, whole_minimum};

/// Bounds of a length or count, as method calls on a check.
pub(super) fn lengths(
    members: &Map<String, Value>,
    minimum: &str,
    maximum: &str,
) -> Option<TokenStream> {
    let bound = |name: &str, method: TokenStream| {
        let bound = Literal::u64_unsuffixed(members.get(name)?.as_u64()?);
        Some(quote!(.#method(#bound)))
    };
    let at_least =
        bound(minimum, quote!(at_least)).filter(|_| members.get(minimum) != Some(&json!(0)));
    let at_most = bound(maximum, quote!(at_most));
    (at_least.is_some() || at_most.is_some()).then(|| quote!(#at_least #at_most))
}

/// Inclusive integer bounds: more than 1.5 means at least 2.
pub(super) fn whole_bounds(members: &Map<String, Value>) -> Option<TokenStream> {
    let literal = |bound: i128| {
        let number = Literal::u128_unsuffixed(bound.unsigned_abs());
        negated(bound < 0, number)
    };
    let at_least = whole_minimum(members).map(literal);
    let at_least = at_least.map(|bound| quote!(.at_least(#bound)));
    let at_most = whole_maximum(members).map(literal);
    let at_most = at_most.map(|bound| quote!(.at_most(#bound)));
    (at_least.is_some() || at_most.is_some()).then(|| quote!(#at_least #at_most))
}

/// A number literal with an optional sign, which is a separate token in Rust.
fn negated(is_negative: bool, number: Literal) -> TokenStream {
    match is_negative {
        true => quote!(-#number),
        false => quote!(#number),
    }
}

/// Bounds of floating-point numbers.
pub(super) fn bounds(members: &Map<String, Value>) -> TokenStream {
    let bound = |name: &str, exclusive: &str, inside: TokenStream, outside: TokenStream| {
        let bound = members.get(name)?.as_f64()?;
        let bound = negated(bound < 0.0, Literal::f64_unsuffixed(bound.abs()));
        let method = match members.get(exclusive) == Some(&json!(true)) {
            true => outside,
            false => inside,
        };
        Some(quote!(.#method(#bound)))
    };
    let minimum = bound(
        "minimum",
        "exclusiveMinimum",
        quote!(at_least),
        quote!(more_than),
    );
    let maximum = bound(
        "maximum",
        "exclusiveMaximum",
        quote!(at_most),
        quote!(less_than),
    );
    quote!(#minimum #maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_bounds_are_integral_and_inclusive() {
        for (schema, expected) in [
            (
                json!({"minimum": 1, "maximum": 4}),
                ".at_least(1).at_most(4)",
            ),
            (
                json!({"minimum": 1.5, "maximum": 3.5}),
                ".at_least(2).at_most(3)",
            ),
            (
                json!({"minimum": 1, "exclusiveMinimum": true, "maximum": 4.0, "exclusiveMaximum": true}),
                ".at_least(2).at_most(3)",
            ),
            (json!({"minimum": -1.5}), ".at_least(-1)"),
            (
                json!({"maximum": u64::MAX}),
                ".at_most(18446744073709551615)",
            ),
        ] {
            let bounds = whole_bounds(schema.as_object().unwrap()).unwrap();
            assert_eq!(bounds.to_string().replace(' ', ""), expected);
        }
    }

    #[test]
    fn number_bounds_distinguish_exclusive_and_inclusive() {
        let schema = json!({"minimum": 0, "exclusiveMinimum": true, "maximum": 1.5});
        assert_eq!(
            bounds(schema.as_object().unwrap())
                .to_string()
                .replace(' ', ""),
            ".more_than(0.0).at_most(1.5)"
        );
    }
}
