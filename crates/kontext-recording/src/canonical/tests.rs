#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Canonical, OutOfRange, readable, readable_start, write_normalised};

fn canonical(json: &str) -> Canonical {
    serde_json::from_str::<serde_json::Value>(json).expect(json);
    Canonical::of(json).expect(json)
}

fn normalised(number: &str) -> Result<String, OutOfRange> {
    let mut text = String::new();
    write_normalised(number, &mut text).map(|()| text)
}

fn shown(json: &str) -> String {
    readable(canonical(json).marked())
}

#[test]
fn number_notations_are_equal() {
    for (one, other) in [
        ("1", "1.0"),
        ("1", "1e0"),
        ("100", "1E+2"),
        ("0.001", "1e-3"),
        ("0", "-0.000e99"),
        ("0", "0e99999999999999999999999"),
        ("-12.50", "-125e-1"),
        ("18446744073709551616", "1.8446744073709551616e19"),
    ] {
        assert_eq!(canonical(one), canonical(other), "{one} {other}");
    }
}

#[test]
fn close_but_different_values_differ() {
    for (one, other) in [
        ("18446744073709551616", "18446744073709551617"),
        ("0.1", "0.10000000000000000001"),
        ("1e-400", "0"),
        ("1e-400", "1e-401"),
        ("1", "-1"),
        ("1", "\"1\""),
        ("\"n1e0\"", "1"),
        ("\"1.0\"", "\"1\""),
        ("null", "\"null\""),
        ("[1,2]", "[2,1]"),
        ("[]", "{}"),
        ("{}", "{\"a\":null}"),
        ("{\"a\":1}", "{\"A\":1}"),
        ("\"a\"", "\"a \""),
    ] {
        assert_ne!(canonical(one), canonical(other), "{one} {other}");
    }
}

#[test]
fn key_order_is_irrelevant_and_last_duplicate_wins() {
    assert_eq!(
        canonical(r#"{"a":1,"b":{"c":2,"d":3}}"#),
        canonical(r#" { "b" : {"d":3.0,"c":2}, "\u0061" : 10e-1 } "#)
    );
    assert_eq!(canonical(r#"{"a":1,"a":2}"#), canonical(r#"{"a":2}"#));
}

#[test]
fn strings_may_contain_json_syntax() {
    let tricky = r#"{"a\"1":"\\","b":"\\\" 1.0 \u0022,[2]","é":"ünï 🦜 -1"}"#;
    assert_eq!(
        shown(tricky),
        r#"{"a\"1":"\\","b":"\\\" 1.0 \",[2]","é":"ünï 🦜 -1"}"#
    );
}

#[test]
fn huge_exponents_are_cheap_and_bounded() {
    assert_eq!(normalised("1e999999999"), Ok("1e999999999".to_owned()));
    assert_eq!(normalised("1e-99999999999999999999"), Err(OutOfRange));
    assert_eq!(normalised("0.1e-9223372036854775808"), Err(OutOfRange));
    assert_eq!(normalised("10e9223372036854775807"), Err(OutOfRange));
    assert!(shown("1e-999999999").len() < 20);
}

#[test]
fn pointers_select_and_exclude_values() {
    let pointer = |text| crate::Pointer::parse(text).unwrap();
    let body = canonical(r#"{"a":{"b~/":1,"c":[1,2]},"seed":7.0}"#);
    assert_eq!(
        body.at(&pointer("/seed")),
        canonical("{\"x\":7}").at(&pointer("/x"))
    );
    assert_eq!(body.at(&pointer("/a/c/9")), None);
    for (pointers, left) in [
        (&["/seed"][..], r#"{"a":{"b~/":1,"c":[1,2]}}"#),
        (&["/a/b~0~1", "/nothing"], r#"{"a":{"c":[1,2]},"seed":7}"#),
        (
            &["/a/c/0", "/seed/x"],
            r#"{"a":{"b~/":1,"c":[null,2]},"seed":7}"#,
        ),
        (&["/a", "/a/c"], r#"{"seed":7}"#),
    ] {
        let pointers: Vec<_> = pointers.iter().map(|one| pointer(one)).collect();
        assert_eq!(body.without(&pointers), canonical(left), "{left}");
    }
    for text in ["", "seed", "/~", "/a~2"] {
        assert_eq!(crate::Pointer::parse(text), None, "{text}");
    }
}

#[test]
fn numbers_display_in_plain_notation() {
    for (json, expected) in [
        ("3959063143", "3959063143"),
        ("1000", "1000"),
        ("1.50", "1.5"),
        ("-0.025", "-0.025"),
        ("1e30", "1e30"),
        ("0.0", "0"),
    ] {
        assert_eq!(shown(json), expected);
    }
}

/// A JSON value with the intended equality.
#[derive(Clone, Debug, PartialEq)]
enum Model {
    Null,
    Bool(bool),
    /// The mantissa has no trailing zeros; 0 has the exponent 0.
    Number(i64, i32),
    Text(String),
    List(Vec<Model>),
    Map(BTreeMap<String, Model>),
}

fn number(mut mantissa: i64, mut exponent: i32) -> Model {
    while mantissa != 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    Model::Number(mantissa, if mantissa == 0 { 0 } else { exponent })
}

/// Values from a small set, so that two of them are often equal.
fn few() -> impl Strategy<Value = Model> {
    values(
        prop_oneof![
            Just(Model::Null),
            any::<bool>().prop_map(Model::Bool),
            (-2_i64..3, -1_i32..2).prop_map(|(mantissa, exponent)| number(mantissa, exponent)),
            "[1-2n]?".prop_map(Model::Text),
        ]
        .boxed(),
        "[ab]",
    )
}

/// Arbitrary values.
fn any_value() -> impl Strategy<Value = Model> {
    values(
        prop_oneof![
            Just(Model::Null),
            any::<bool>().prop_map(Model::Bool),
            (any::<i64>(), -200_i32..200)
                .prop_map(|(mantissa, exponent)| number(mantissa, exponent)),
            any::<String>().prop_map(Model::Text),
        ]
        .boxed(),
        ".{0,4}",
    )
}

fn values(leaf: BoxedStrategy<Model>, key: &'static str) -> impl Strategy<Value = Model> {
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Model::List),
            prop::collection::btree_map(key, inner, 0..3).prop_map(Model::Map),
        ]
    })
}

/// Writes a value as JSON; the choices affect only the notation.
fn spell(model: &Model, choices: &mut impl Iterator<Item = u8>) -> String {
    let choice = choices.next().unwrap_or_default();
    let space = ["", " ", "\n\t", "  "][usize::from(choice % 4)];
    let text = match model {
        Model::Null => "null".to_owned(),
        Model::Bool(value) => value.to_string(),
        Model::Number(mantissa, exponent) => spell_number(*mantissa, *exponent, choice),
        Model::Text(text) => spell_text(text, choice),
        Model::List(entries) => {
            let entries: Vec<_> = entries.iter().map(|entry| spell(entry, choices)).collect();
            format!("[{space}{}]", entries.join(","))
        }
        Model::Map(members) => {
            let mut members: Vec<_> = members
                .iter()
                .map(|(key, member)| {
                    format!(
                        "{}:{space}{}",
                        spell_text(key, choice),
                        spell(member, choices)
                    )
                })
                .collect();
            let count = members.len().max(1);
            members.rotate_left(usize::from(choice / 16) % count);
            format!("{{{}{space}}}", members.join(","))
        }
    };
    format!("{space}{text}{space}")
}

fn spell_number(mantissa: i64, exponent: i32, choice: u8) -> String {
    match choice % 5 {
        0 => format!("{mantissa}e{exponent}"),
        1 => format!("{mantissa}.000E{exponent}"),
        2 if mantissa != 0 => format!("{mantissa}000e{:+}", exponent - 3),
        2 | 3 if exponent == 0 => mantissa.to_string(),
        _ => {
            let digits = mantissa.unsigned_abs().to_string();
            let (first, rest) = digits.split_at(1);
            let sign = if mantissa < 0 { "-" } else { "" };
            let places = i32::try_from(rest.len()).unwrap();
            format!("{sign}{first}.{rest}0e{:+04}", exponent + places)
        }
    }
}

fn spell_text(text: &str, choice: u8) -> String {
    if choice.is_multiple_of(3) {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        format!("\"{}\"", units.collect::<String>())
    } else {
        serde_json::to_string(text).unwrap()
    }
}

proptest! {
    #[test]
    fn notation_never_matters(
        value in any_value(),
        one in prop::collection::vec(any::<u8>(), 30),
        other in prop::collection::vec(any::<u8>(), 30),
    ) {
        let one = spell(&value, &mut one.into_iter());
        let other = spell(&value, &mut other.into_iter());
        prop_assert_eq!(canonical(&one), canonical(&other), "{} {}", one, other);
    }

    #[test]
    fn equality_is_semantic(
        one in few(),
        other in few(),
        choices in prop::collection::vec(any::<u8>(), 60),
    ) {
        let mut choices = choices.into_iter();
        let spelled = spell(&one, &mut choices);
        let other_spelled = spell(&other, &mut choices);
        prop_assert_eq!(
            canonical(&spelled) == canonical(&other_spelled),
            one == other,
            "{} {}", spelled, other_spelled
        );
    }

    #[test]
    fn display_preserves_meaning(
        value in any_value(),
        choices in prop::collection::vec(any::<u8>(), 30),
    ) {
        let spelled = spell(&value, &mut choices.into_iter());
        prop_assert_eq!(canonical(&shown(&spelled)), canonical(&spelled));
    }
}

proptest! {
    #[test]
    fn truncated_display_is_a_prefix(model in any_value(), bytes in 0_usize..60) {
        let canonical = canonical(&spell(&model, &mut std::iter::empty()));
        let whole = readable(canonical.marked());
        let start = readable_start(canonical.marked(), bytes);
        prop_assert!(start == whole || start.len() > bytes);
        // A truncated string still has a closing quote.
        let shown = &start[..start.floor_char_boundary(bytes)];
        prop_assert!(whole.starts_with(shown), "{whole} {start}");
    }
}
