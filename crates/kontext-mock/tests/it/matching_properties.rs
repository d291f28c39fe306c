//! Properties of matching, as seen by a client: any spelling of a recorded request
//! matches it, and a request with another meaning does not.

use std::{collections::BTreeMap, sync::OnceLock};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use kontext_mock::{Contract, MockServer};
use proptest::{prelude::*, sample::Index};
use serde_json::json;
use tower::ServiceExt as _;

use crate::{contracts, folders::Folder, http::PATH};

const REQUEST: &str = "generate-image/add-bird/request.json";

/// A JSON value. Values are equal if they have the same meaning.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    /// Mantissa and decimal exponent. The mantissa has no trailing zero, unless it is
    /// 0; then the exponent is 0 too.
    Number(i64, i32),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

/// A change to one place in a value.
#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    /// Replaces a value with a similar one; the number selects which.
    Nudge(u8),
    /// Adds a key, or an entry at the end of a list.
    Add(String, Value),
    Remove(Index),
    Rename(Index, String),
    Swap(Index, Index),
}

fn number(mut mantissa: i64, mut exponent: i32) -> Value {
    while mantissa != 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    Value::Number(mantissa, if mantissa == 0 { 0 } else { exponent })
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (any::<i64>(), -200_i32..200).prop_map(|(mantissa, exponent)| number(mantissa, exponent)),
        (-3_i64..3, -1_i32..2).prop_map(|(mantissa, exponent)| number(mantissa, exponent)),
        "[a1 ]{0,2}".prop_map(Value::Text),
        any::<String>().prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(".{0,3}", inner, 0..4).prop_map(Value::Map),
        ]
    })
}

/// A request body: an object, as the contract of these tests requires.
fn any_body() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-d]{1,2}", any_value(), 0..5).prop_map(Value::Map)
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any_value().prop_map(Change::Replace),
        any::<u8>().prop_map(Change::Nudge),
        (".{0,2}", prop_oneof![Just(Value::Null), any_value()])
            .prop_map(|(key, value)| Change::Add(key, value)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), ".{0,2}").prop_map(|(index, key)| Change::Rename(index, key)),
        any::<(Index, Index)>().prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

impl Value {
    /// Number of values it consists of, including itself.
    fn count(&self) -> usize {
        1 + match self {
            Self::List(entries) => entries.iter().map(Self::count).sum(),
            Self::Map(members) => members.values().map(Self::count).sum(),
            _ => 0,
        }
    }

    /// The part with this number.
    fn part(&mut self, mut number: usize) -> Option<&mut Self> {
        if number == 0 {
            return Some(self);
        }
        number -= 1;
        let parts: Vec<&mut Self> = match self {
            Self::List(entries) => entries.iter_mut().collect(),
            Self::Map(members) => members.values_mut().collect(),
            _ => Vec::new(),
        };
        for part in parts {
            let count = part.count();
            if number < count {
                return part.part(number);
            }
            number -= count;
        }
        None
    }

    fn nudge(&mut self, which: u8) {
        *self = match &*self {
            Self::Null => Self::Bool(false),
            Self::Bool(value) => Self::Bool(!value),
            Self::Number(mantissa, exponent) => match which % 4 {
                0 => number(mantissa.wrapping_neg(), *exponent),
                1 => number(mantissa.wrapping_add(1), *exponent),
                2 => number(*mantissa, exponent + 1),
                _ => Self::Text(format!("{mantissa}e{exponent}")),
            },
            Self::Text(text) => Self::Text(match which % 4 {
                0 => format!("{text} "),
                1 => format!("{text}\0"),
                2 => text.to_uppercase(),
                _ => text.chars().skip(1).collect(),
            }),
            Self::List(entries) if entries.len() == 1 => entries[0].clone(),
            other => Self::List(vec![other.clone()]),
        };
    }

    /// Applies a change, if it is applicable here.
    fn change(&mut self, change: Change) {
        match (self, change) {
            (here, Change::Replace(value)) => *here = value,
            (here, Change::Nudge(which)) => here.nudge(which),
            (Self::List(entries), Change::Add(_, value)) => entries.push(value),
            (Self::Map(members), Change::Add(key, value)) => drop(members.insert(key, value)),
            (Self::List(entries), Change::Remove(index)) if !entries.is_empty() => {
                entries.remove(index.index(entries.len()));
            }
            (Self::Map(members), Change::Remove(index)) if !members.is_empty() => {
                let key = index
                    .get(&members.keys().cloned().collect::<Vec<_>>())
                    .clone();
                members.remove(&key);
            }
            (Self::Map(members), Change::Rename(index, to)) if !members.is_empty() => {
                let key = index
                    .get(&members.keys().cloned().collect::<Vec<_>>())
                    .clone();
                let value = members.remove(&key).unwrap();
                members.insert(to, value);
            }
            (Self::List(entries), Change::Swap(one, other)) if !entries.is_empty() => {
                let (one, other) = (one.index(entries.len()), other.index(entries.len()));
                entries.swap(one, other);
            }
            _ => {}
        }
    }

    /// Serializes it as JSON; the choices affect the spelling, never the value.
    fn spell(&self, choices: &mut impl Iterator<Item = u8>) -> String {
        let choice = choices.next().unwrap_or_default();
        let space = ["", " ", "\r\n\t", "  "][usize::from(choice % 4)];
        let text = match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(mantissa, exponent) => spell_number(*mantissa, *exponent, choice),
            Self::Text(text) => spell_text(text, choice),
            Self::List(entries) => {
                let entries: Vec<_> = entries.iter().map(|entry| entry.spell(choices)).collect();
                format!("[{space}{}]", entries.join(","))
            }
            Self::Map(members) => {
                let mut spelt: Vec<_> = members
                    .iter()
                    .map(|(key, member)| {
                        let key = spell_text(key, choices.next().unwrap_or_default());
                        format!("{key}{space}:{}", member.spell(choices))
                    })
                    .collect();
                // Any order of four is a rotation, possibly reversed.
                spelt.rotate_left(usize::from(choice / 16) % members.len().max(1));
                if choice.is_multiple_of(2) {
                    spelt.reverse();
                }
                format!("{{{}{space}}}", spelt.join(","))
            }
        };
        format!("{space}{text}{space}")
    }
}

fn spell_number(mantissa: i64, exponent: i32, choice: u8) -> String {
    match choice % 5 {
        0 => format!("{mantissa}e{exponent}"),
        1 => format!("{mantissa}.0E{exponent:+}"),
        2 if mantissa != 0 => format!("{mantissa}00e{}", exponent - 2),
        3 if exponent == 0 => mantissa.to_string(),
        4 if exponent == 0 => format!("{mantissa}.000"),
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
    match choice % 3 {
        0 => {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
            format!("\"{}\"", units.collect::<String>())
        }
        1 => serde_json::to_string(text).unwrap().replace('/', "\\/"),
        _ => serde_json::to_string(text).unwrap(),
    }
}

/// A contract that accepts any object.
fn open_contract() -> Contract {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let mut contract = contracts::embedded();
        contract["operations"][0]["request"]["content"]["application/json"] =
            json!({"type": "object", "x-open-map": true});
        contract.to_string()
    });
    Contract::parse(text).unwrap()
}

/// A mock with one recording of this request.
fn mock_of(recorded: &str) -> Router {
    let folder = Folder::with_add_bird();
    folder.write(REQUEST, recorded);
    let builder = MockServer::builder().contract(open_contract());
    builder.recordings(folder.path()).router().unwrap()
}

/// The response status, how the recording matched, and the body.
fn ask(router: &Router, target: &str, body: &str) -> (u16, String, String) {
    let request = Request::post(target)
        .header("authorization", "Bearer any")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let found = response.headers().get("x-kontext-match");
        let found = found.map_or("", |found| found.to_str().unwrap()).to_owned();
        let body = to_bytes(response.into_body(), 1_000_000).await.unwrap();
        (status, found, String::from_utf8(body.to_vec()).unwrap())
    })
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 60)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        // Each case starts a mock and sends it many requests.
        cases: 24,
        // Write no files next to the sources.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_notation_of_recorded_request_matches_exactly(
        body in any_body(),
        recorded in choices(),
        sent in prop::collection::vec(choices(), 10),
    ) {
        let recorded = body.spell(&mut recorded.into_iter());
        let router = mock_of(&recorded);
        for choices in sent {
            let sent = body.spell(&mut choices.into_iter());
            let (status, found, _) = ask(&router, PATH, &sent);
            prop_assert_eq!((status, &*found), (200, "exact"), "{} {}", recorded, sent);
        }
        let (status, found, message) = ask(&router, &format!("{PATH}?a"), &recorded);
        prop_assert_eq!((status, &*found), (404, "miss"), "{}", message);
    }

    #[test]
    fn any_changed_request_misses(
        body in any_body(),
        changes in prop::collection::vec((any::<Index>(), any_change(), choices()), 20),
        recorded in choices(),
    ) {
        let recorded = body.spell(&mut recorded.into_iter());
        let router = mock_of(&recorded);
        for (place, change, choices) in changes {
            let mut other = body.clone();
            let place = place.index(other.count());
            other.part(place).unwrap().change(change);
            // Some changes have no effect, and the contract requires an object.
            if other == body || !matches!(other, Value::Map(_)) {
                continue;
            }
            let sent = other.spell(&mut choices.into_iter());
            let (status, found, message) = ask(&router, PATH, &sent);
            prop_assert_eq!((status, &*found), (404, "miss"), "{} {}", recorded, sent);
            prop_assert!(message.contains("differs here:\\n"), "{}", message);
        }
    }
}

/// Checks that all these bodies match the first, or that none of the others does.
fn check(bodies: &[&str], expected: &str) {
    let router = mock_of(bodies[0]);
    assert_eq!(ask(&router, PATH, bodies[0]).1, "exact");
    for body in &bodies[1..] {
        assert_eq!(ask(&router, PATH, body).1, expected, "{body}");
    }
}

#[test]
fn handpicked_requests_match_or_miss() {
    check(
        &[
            r#"{"a":1,"b":["x",{"c":null}]}"#,
            r#"{"b":["x",{"c":null}],"a":1}"#,
            r#" { "a" : 1.0 , "b" : [ "\u0078" , { "\u0063" : null } ] } "#,
            r#"{"a":10e-1,"b":["x",{"c":null}]}"#,
            r#"{"a":2,"b":["x",{"c":null}],"a":1}"#,
        ],
        "exact",
    );
    check(
        &[
            r#"{"a":1,"b":["x",{"c":null}]}"#,
            r#"{"a":1,"b":["x",{}]}"#,
            r#"{"a":1,"b":["x",{"c":false}]}"#,
            r#"{"a":1,"b":[{"c":null},"x"]}"#,
            r#"{"a":1,"b":["x",{"c":null}],"d":null}"#,
            r#"{"a":1,"b":["x",{"c":null},null]}"#,
            r#"{"a":"1","b":["x",{"c":null}]}"#,
            r#"{"a":1.0000000000000000001,"b":["x",{"c":null}]}"#,
            r#"{"A":1,"b":["x",{"c":null}]}"#,
            r#"{"a":1,"b":["x ",{"c":null}]}"#,
            r#"{"b":["x",{"c":null}]}"#,
        ],
        "miss",
    );
    // Two Unicode forms of the same letter are different texts.
    check(&[r#"{"a":"é"}"#, r#"{"a":"e\u0301"}"#], "miss");
}

#[test]
fn invalid_bodies_are_rejected() {
    // Otherwise the properties above might hold because nothing is validated.
    let router = mock_of("{}");
    assert_eq!(ask(&router, PATH, "[]").0, 400);
    assert_eq!(ask(&router, PATH, "{").0, 400);
}
