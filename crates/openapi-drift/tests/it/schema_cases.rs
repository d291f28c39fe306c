//! Pairs of schemas at every place where a schema can be, for requests and
//! responses, in both orders.

use openapi_drift::Wire;
use serde_json::{Value, json};

use crate::{
    cases::{Expected, judge, settle},
    documents::{REQUEST, RESPONSE, compare_values, document, read_json},
    edit::escaped,
};

/// Cases that deviate from the expectation, each with the reason why the expectation
/// stands.
const DISPUTED: &[(&str, &str)] = &[
    (
        "read-only-marked in a Request as Reference",
        "the validator of these tests reads `readOnly` and `writeOnly` in no component",
    ),
    (
        "write-only-marked in a Response as Reference",
        "the validator of these tests reads `readOnly` and `writeOnly` in no component",
    ),
];

/// The same for components that requests and responses share.
const DISPUTED_SHARED: &[(&str, &str)] = &[
    (
        "read-only-marked",
        "the validator of these tests reads `readOnly` and `writeOnly` in no component",
    ),
    (
        "write-only-marked",
        "the validator of these tests reads `readOnly` and `writeOnly` in no component",
    ),
];

/// The same for parameters and headers.
const DISPUTED_TEXTS: &[(&str, &str)] = &[];

/// The direction in which a value is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Request,
    Response,
}

/// The change from one schema to the other, in the terms of the data.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) effect: String,
    pub(crate) rule: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct SchemaCase {
    pub(crate) name: String,
    pub(crate) old: Value,
    pub(crate) new: Value,
    pub(crate) there: Change,
    pub(crate) back: Change,
    at: Option<String>,
}

impl Change {
    fn of(value: &Value) -> Self {
        Self {
            effect: value[0].as_str().unwrap().to_owned(),
            rule: value[1].as_str().map(str::to_owned),
        }
    }

    /// The expected verdict.
    fn meaning(&self, way: Way) -> &'static str {
        match (self.effect.as_str(), way) {
            ("narrows", Way::Request) | ("changes" | "removes", _) => "breaking",
            ("narrows", Way::Response) => "non-breaking",
            ("widens", Way::Request) | ("adds" | "notices", _) => "non-breaking",
            ("widens", Way::Response) => "breaking",
            ("docs", _) => "docs-only",
            ("same", _) => "none",
            ("undecided", _) => "undecided",
            ("gates", _) => "gates",
            ("harmless", _) => "harmless",
            // A tighter pattern, which only a person recognizes.
            ("tightens", Way::Request) => "breaking",
            ("tightens", Way::Response) => "undecided",
            ("loosens", Way::Request) => "undecided",
            ("loosens", Way::Response) => "breaking",
            ("narrowing-gates", Way::Request) | ("widening-gates", Way::Response) => "gates",
            ("narrowing-gates", Way::Response) | ("widening-gates", Way::Request) => "not-breaking",
            // Unnamed members: if unspecified, requests refuse and responses allow them.
            ("adds-quietly", Way::Request) => "non-breaking",
            ("adds-quietly", Way::Response) => "harmless",
            ("removes-quietly", Way::Request) => "breaking",
            ("removes-quietly", Way::Response) => "any",
            // Additional members that were unspecified and are specified now.
            ("closes", Way::Request) => "breaking",
            ("closes", Way::Response) => "not-breaking",
            // Properties that are only sent in one direction.
            ("read-only", Way::Request) | ("write-only", Way::Response) => "gates",
            ("read-only", Way::Response) | ("write-only", Way::Request) => "not-breaking",
            ("any", _) => "not-clean",
            (other, _) => panic!("no effect {other:?}"),
        }
    }

    fn rule(&self, way: Way) -> Option<String> {
        let rule = self.rule.as_deref()?;
        Some(match (self.effect.as_str(), way) {
            ("docs", _) => rule.to_owned(),
            (_, Way::Request) => format!("request-{rule}"),
            (_, Way::Response) => format!("response-{rule}"),
        })
    }

    fn expected(&self, way: Way, at: Option<&str>) -> Expected {
        let verdict = self.meaning(way);
        let (rules, docs) = match (verdict, self.rule(way)) {
            ("none", _) => (Some(Vec::new()), None),
            ("docs-only", rule) => (Some(Vec::new()), rule),
            (_, rule) => (rule.map(|rule| vec![rule]), None),
        };
        Expected {
            verdict: verdict.to_owned(),
            rules,
            docs,
            at: at.map(str::to_owned),
            says: None,
        }
    }
}

impl SchemaCase {
    pub(crate) fn rules(&self) -> Vec<String> {
        [&self.there, &self.back]
            .into_iter()
            .flat_map(|change| [change.rule(Way::Request), change.rule(Way::Response)])
            .flatten()
            .collect()
    }

    /// Whether any variant of the case is disputed.
    pub(crate) fn is_disputed(&self) -> bool {
        DISPUTED.iter().any(|(name, _)| {
            let rest = name.strip_prefix(self.name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    }

    fn kinds(&self) -> [&Value; 2] {
        [&self.old["type"], &self.new["type"]]
    }

    fn is_scalar(&self) -> bool {
        let [old, new] = self.kinds();
        old == new
            && matches!(old.as_str(), Some("string" | "integer" | "number"))
            && !self.old.to_string().contains("nul")
            && !self.new.to_string().contains("nul")
            // Deprecation and documentation are keywords of the parameter itself.
            && !matches!(self.there.effect.as_str(), "docs" | "notices")
    }
}

pub(crate) fn all() -> Vec<SchemaCase> {
    let cases = read_json("cases/schemas.json");
    let cases = cases.as_array().unwrap().iter();
    cases
        .map(|case| SchemaCase {
            name: case["name"].as_str().unwrap().to_owned(),
            old: case["old"].clone(),
            new: case["new"].clone(),
            there: Change::of(&case["there"]),
            back: Change::of(&case["back"]),
            at: case["at"].as_str().map(str::to_owned),
        })
        .collect()
}

/// Where a schema is within a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Body,
    Property,
    RequiredProperty,
    Items,
    Map,
    Branch,
    AllOf,
    Reference,
    Nested,
}

impl Place {
    pub(crate) const ALL: [Self; 9] = [
        Self::Body,
        Self::Property,
        Self::RequiredProperty,
        Self::Items,
        Self::Map,
        Self::Branch,
        Self::AllOf,
        Self::Reference,
        Self::Nested,
    ];

    /// The surrounding schema, the pointer of the schema in it, and components.
    pub(crate) fn around(self, schema: &Value) -> (Value, &'static str, Value) {
        let none = json!({});
        match self {
            Self::Body => (schema.clone(), "", none),
            Self::Property => (
                json!({"type": "object", "properties": {"other": {"type": "integer"}, "it": schema}}),
                "/properties/it",
                none,
            ),
            Self::RequiredProperty => (
                json!({"type": "object", "required": ["it"], "properties": {"it": schema}}),
                "/properties/it",
                none,
            ),
            Self::Items => (json!({"type": "array", "items": schema}), "/items", none),
            Self::Map => (
                json!({"type": "object", "additionalProperties": schema}),
                "/additionalProperties",
                none,
            ),
            Self::Branch => (
                json!({"anyOf": [{"type": "boolean"}, schema]}),
                "/anyOf/1",
                none,
            ),
            Self::AllOf => (json!({"allOf": [schema]}), "/allOf/0", none),
            Self::Reference => (
                json!({"type": "object", "properties": {"it": {"$ref": "#/components/schemas/It"}}}),
                "",
                json!({"It": schema}),
            ),
            Self::Nested => (
                json!({"type": "object", "properties": {"list": {"type": "array", "items": {"oneOf": [
                    {"type": "boolean"},
                    {"type": "object", "required": ["it"], "properties": {"it": schema}}
                ]}}}}),
                "/properties/list/items/oneOf/1/properties/it",
                none,
            ),
        }
    }

    /// Whether a pair means the same at this place as alone.
    pub(crate) fn suits(self, old: &Value, new: &Value) -> bool {
        self != Self::Branch
            || [old, new].iter().all(|schema| {
                let is_typed = |schema: &Value| {
                    schema["type"].is_string() && schema["type"] != json!("boolean")
                };
                is_typed(schema)
                    || ["anyOf", "oneOf"].iter().any(|name| {
                        schema[*name]
                            .as_array()
                            .is_some_and(|branches| branches.iter().all(is_typed))
                    })
            })
    }
}

fn in_a_document(way: Way, body: &Value, components: &Value) -> Value {
    let other = json!({"type": "object"});
    match way {
        Way::Request => document(body, &other, components),
        Way::Response => document(&other, body, components),
    }
}

#[test]
fn schema_cases_have_expected_verdicts_at_every_place() {
    let mut results = Vec::new();
    for case in all() {
        for place in Place::ALL {
            if !place.suits(&case.old, &case.new) {
                continue;
            }
            for way in [Way::Request, Way::Response] {
                let (old, inner, components) = place.around(&case.old);
                let old = in_a_document(way, &old, &components);
                let (new, _, components) = place.around(&case.new);
                let new = in_a_document(way, &new, &components);
                let position = match (place, way) {
                    (Place::Reference, _) => "/components/schemas/It",
                    (_, Way::Request) => REQUEST,
                    (_, Way::Response) => RESPONSE,
                };
                let at = case.at.as_ref().map(|at| format!("{position}{inner}{at}"));
                for (time, old, new, change) in [
                    ("", &old, &new, &case.there),
                    (" backwards", &new, &old, &case.back),
                ] {
                    let name = format!("{}{time} in a {way:?} as {place:?}", case.name);
                    let mut expected = change.expected(way, at.as_deref());
                    let is_of_types = change.rule.as_ref().is_some_and(|rule| {
                        rule.starts_with("type-") || rule.starts_with("union-")
                    });
                    if matches!(place, Place::Branch | Place::AllOf) && is_of_types {
                        // The finding may be about the union instead.
                        expected.rules = None;
                    }
                    let report = compare_values(old, new);
                    let mut difference = judge(&name, old, new, &report, &expected);
                    // A difference in a whole component may be reported at the reference.
                    let is_inside = |pointer: &str| {
                        pointer.starts_with(position)
                            || (place == Place::Reference && pointer.ends_with("/properties/it"))
                    };
                    let outside = report.findings.iter().find(|finding| {
                        !is_inside(&finding.old_pointer) && !is_inside(&finding.new_pointer)
                    });
                    if let (None, Some(outside)) = (&difference, outside) {
                        difference = Some(format!("{name}: a finding at {}", outside.old_pointer));
                    }
                    results.push((name, difference));
                }
            }
        }
    }
    settle(DISPUTED, &results);
}

#[test]
fn schema_cases_have_expected_verdicts_in_shared_schemas() {
    let mut results = Vec::new();
    for case in all() {
        let reference = json!({"$ref": "#/components/schemas/It"});
        let old = document(&reference, &reference, &json!({"It": case.old}));
        let new = document(&reference, &reference, &json!({"It": case.new}));
        for (time, old, new, change) in [
            ("", &old, &new, &case.there),
            (" backwards", &new, &old, &case.back),
        ] {
            let name = format!("{}{time}", case.name);
            let report = compare_values(old, new);
            let mut wanted: Vec<String> = Vec::new();
            let mut expected = change.expected(Way::Request, None);
            let other = change.expected(Way::Response, None);
            for one in [&expected, &other] {
                wanted.extend(one.rules.iter().flatten().cloned());
            }
            wanted.sort();
            expected.rules = (change.rule.is_some()).then_some(wanted);
            expected.verdict = worse(&expected.verdict, &other.verdict);
            results.push((name.clone(), judge(&name, old, new, &report, &expected)));
        }
    }
    settle(DISPUTED_SHARED, &results);
}

/// The worse of two verdicts; `any` if one of them is not a verdict.
fn worse(left: &str, right: &str) -> String {
    let order = ["breaking", "undecided", "non-breaking", "docs-only", "none"];
    let rank = |verdict: &str| order.iter().position(|known| *known == verdict);
    match (rank(left), rank(right)) {
        (Some(left), Some(right)) => order[left.min(right)].to_owned(),
        _ => "any".to_owned(),
    }
}

/// Values that are serialized as text in a request line or a header.
#[test]
fn schema_cases_have_expected_verdicts_in_parameters() {
    let mut results = Vec::new();
    for case in all().into_iter().filter(SchemaCase::is_scalar) {
        for (kind, way) in [
            ("query", Way::Request),
            ("path", Way::Request),
            ("header", Way::Request),
            ("cookie", Way::Request),
            ("response header", Way::Response),
        ] {
            let of = |schema: &Value| {
                let mut document = document(
                    &json!({"type": "object"}),
                    &json!({"type": "object"}),
                    &json!({}),
                );
                if way == Way::Response {
                    document["paths"]["/a"]["post"]["responses"]["200"]["headers"] =
                        json!({"X-It": {"schema": schema}});
                    return document;
                }
                let item = document["paths"]["/a"].take();
                let path = if kind == "path" { "/b/{it}" } else { "/b" };
                document["paths"] = json!({path: item});
                document["paths"][path]["post"]["parameters"] = json!([{"name": "it", "in": kind, "required": kind == "path", "schema": schema}]);
                document
            };
            let (old, new) = (of(&case.old), of(&case.new));
            let path = old["paths"].as_object().unwrap().keys().next().unwrap();
            let inner = match way {
                Way::Request => "parameters/0/schema",
                Way::Response => "responses/200/headers/X-It/schema",
            };
            let at = case
                .at
                .as_ref()
                .map(|at| format!("/paths/{}/post/{inner}{at}", escaped(path)));
            for (time, old, new, change) in [
                ("", &old, &new, &case.there),
                (" backwards", &new, &old, &case.back),
            ] {
                let name = format!("{}{time} in a {kind}", case.name);
                let expected = change.expected(way, at.as_deref());
                let report = compare_values(old, new);
                results.push((name.clone(), judge(&name, old, new, &report, &expected)));
            }
        }
    }
    assert!(results.len() > 300, "{}", results.len());
    settle(DISPUTED_TEXTS, &results);
}

/// Sanity checks of the data.
#[test]
fn schema_cases_are_many_and_differ() {
    let all = all();
    assert!(all.len() > 100);
    for case in &all {
        assert_ne!(case.old, case.new, "{}", case.name);
    }
    let report = compare_values(
        &document(&json!({}), &json!({}), &json!({})),
        &document(&json!({}), &json!({}), &json!({})),
    );
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.wire == Wire::Docs)
    );
}
