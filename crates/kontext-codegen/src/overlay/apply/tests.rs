use serde_json::json;

use super::*;
use crate::{
    overlay::parse,
    table::{self, pairs},
};

fn overlay(file: &str, actions: Value) -> Overlay {
    let text = json!({
        "overlay": "1.0.0", "info": {"title": "t", "version": "1"},
        "x-reason": "r", "x-evidence": ["e"], "actions": actions
    });
    parse(file, &text.to_string()).unwrap()
}

fn run(document: Value, overlays: &[Overlay]) -> Result<Value, String> {
    let mut document = document;
    let overlays: Vec<(&Overlay, usize)> = overlays.iter().map(|one| (one, 1)).collect();
    let problems = apply("openapi/published/p.json", &mut document, &overlays, true);
    match &problems[..] {
        [] => Ok(document),
        problems => Err(problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")),
    }
}

fn update(target: &str, expect: Value, update: Value) -> Value {
    json!([{"target": target, "x-expect": expect, "update": update}])
}

#[test]
fn update_merges_and_remove_deletes() {
    let document = json!({"a": {"b": 1, "c": [1]}, "d": "x", "list": [1, 2, 1]});
    let actions = json!([
        {"target": "$.a", "x-expect": {"b": 1.0}, "update": {"b": 2, "e": {"f": 1}}},
        {"target": "$.a.c", "x-expect-exact": [1], "update": 2},
        {"target": "$.d", "x-expect-exact": "x", "remove": true},
        {"target": "$.list[?@ == 1]", "x-expect-exact": 1, "remove": true},
    ]);
    assert_eq!(
        run(document, &[overlay("o.json", actions)]).unwrap(),
        json!({"a": {"b": 2, "c": [1, 2], "e": {"f": 1}}, "list": [2]})
    );
}

#[test]
fn inapplicable_action_names_file_action_and_place() {
    let cases = r##"
{"m": 1} <- {"x-expect": {"type": "number"}, "update": {"type": "integer"}}
    nothing at $.n of p.json, look at what the provider changed in p.json, then adapt the target; delete o.json only if the defect is gone
{"n": {"type": "string"}} <- {"x-expect": {"type": "number"}, "update": {"type": "integer"}}
    expected "number" at /n/type of p.json, found "string", the provider has changed this: look at it, then adapt or delete o.json
{"n": {"type": "integer"}} <- {"x-expect": {"type": "number"}, "update": {"type": "integer"}}
    expected "number" at /n/type of p.json, found "integer", the provider has corrected this: delete o.json
{"n": {"type": "integer"}} <- {"x-expect": {"type": "integer"}, "update": {"type": "integer"}}
    writes what is at /n/type of p.json already, the provider has corrected this: delete o.json
{"n": {"maximum": 7}} <- {"x-expect-absent": ["x"], "update": {"maximum": 5}}
    would write over 7 at /n/maximum of p.json, which it does not expect, the provider has added this: look at it, then name it in x-expect, or delete o.json
{"n": ["a"]} <- {"x-expect-exact": ["a"], "update": "a"}
    changes nothing at $.n of p.json, the provider has corrected this: delete o.json
{"n": {"type": "number"}} <- {"x-expect-absent": ["type"], "update": {"x": 1}}
    expected nothing at /n/type of p.json, found "number", the provider has changed this: look at it, then adapt or delete o.json
{"n": {"type": "number"}} <- {"x-expect-exact": {"type": "string"}, "remove": true}
    expected exactly {"type":"string"} at /n of p.json, found {"type":"number"}, the provider has changed this: look at it, then adapt or delete o.json
{"m": 1} <- {"x-expect-exact": 1, "remove": true}
    nothing at $.n of p.json, the provider has corrected this: delete o.json
{"n": "number"} <- {"x-expect": "number", "update": "integer"}
    cannot merge "integer" into "number" at /n of p.json, an update needs an object into an object, or a target that is a list
"##;
    for (case, expected) in pairs(cases) {
        let (document, action) = case.split_once(" <- ").unwrap();
        let mut action = table::json(action);
        action["target"] = json!("$.n");
        let message = run(table::json(document), &[overlay("o.json", json!([action]))]);
        let message = message.unwrap_err().replace("openapi/published/", "");
        let message = message.replace("\n  help: ", ", ");
        assert_eq!(message, format!("o.json: /actions/0: {expected}"));
    }
}

#[test]
fn contradicting_overlays_are_reported_first() {
    let write = |file: &str, value: Value| {
        let actions = json!([{"target": "$", "x-expect-absent": ["z"], "update": value}]);
        overlay(file, actions)
    };
    let run =
        |one: Value, two: Value| run(json!({}), &[write("1.json", one), write("2.json", two)]);
    let message = run(json!({"a": {"b": 1}}), json!({"a": {"b": 2}})).unwrap_err();
    assert!(
        message.starts_with(
            "2.json: /actions/0: contradicts 1.json: both write /a/b of openapi/published/p.json"
        ),
        "{message}"
    );
    // One writes a value where the other writes an object.
    assert!(run(json!({"a": 1}), json!({"a": {"b": 2}})).is_err());
    assert!(run(json!({"a": {"b": 1}}), json!({"a": 2})).is_err());
    // Different places don't conflict.
    assert!(run(json!({"a": {"b": 1}}), json!({"a": {"bc": 2}})).is_ok());
}

/// The help for an overlay that removes the wrong default of `ratio`.
fn advice_on_default(document: Value) -> String {
    let remove = json!([
        {"target": "$.properties.ratio.default", "x-expect-exact": "16:9", "remove": true}
    ]);
    run(document, &[overlay("o.json", remove)]).unwrap_err()
}

#[test]
fn missing_target_is_corrected_only_if_parent_exists() {
    const DELETE: &str = "the provider has corrected this: delete o.json";
    let corrected = json!({"properties": {"ratio": {"type": "string"}}});
    assert!(advice_on_default(corrected).contains(DELETE));
    let cases = r##"
# Renamed: the wrong default stands under the new name.
{"properties": {"aspect": {"type": "string", "default": "16:9"}}}
    the same value is at /properties/aspect/default
# Renamed, and the default with it: nothing is known.
{"properties": {"aspect": {"type": "string"}}}
    its parent is gone, too
# Moved away from its parent.
{"properties": {}, "parts": [{"default": "16:9"}]}
    the same value is at /parts/0/default
# Moved into a branch, or behind a reference.
{"properties": {"ratio": {"anyOf": [{"default": "16:9"}]}}}
    the same value is at /properties/ratio/anyOf/0/default
{"properties": {"ratio": {"$ref": "#/components/schemas/Ratio"}}}
    /properties/ratio has another form
{"properties": {"ratio": {"allOf": [{"type": "string"}]}}}
    /properties/ratio has another form
{"properties": {"ratio": ["16:9"]}}
    /properties/ratio has another form
"##;
    for (document, hint) in pairs(cases) {
        let advice = advice_on_default(table::json(document));
        assert!(advice.contains(hint), "{document}: {advice}");
        assert!(
            !advice.contains("has corrected this"),
            "{document}: {advice}"
        );
    }
    // The old name stays beside the new one.
    let both = json!({"properties": {"ratio": {}, "aspect": {"default": "16:9"}}});
    let advice = advice_on_default(both);
    assert!(
        advice.contains("the same value is at /properties/aspect/default: look at it first"),
        "{advice}"
    );
}

#[test]
fn item_moved_within_list_is_not_corrected() {
    let remove = || {
        let action = json!([{"target": "$.enum[2]", "x-expect-exact": "c", "remove": true}]);
        overlay("o.json", action)
    };
    let moved = run(json!({"enum": ["c", "b"]}), &[remove()]).unwrap_err();
    assert!(moved.contains("/enum has another form"), "{moved}");
    let gone = run(json!({"enum": ["a", "b"]}), &[remove()]).unwrap_err();
    assert!(gone.contains("delete o.json"), "{gone}");
}

#[test]
fn partly_corrected_action_is_still_needed() {
    let actions = || {
        let change = json!({"type": "integer", "minimum": 1});
        overlay("o.json", update("$.n", json!({"format": "x"}), change))
    };
    let part = json!({"n": {"format": "x", "type": "integer"}});
    let message = run(part, &[actions()]).unwrap_err();
    assert!(
        message.contains("take /n/type out of the update; the rest of it is still needed"),
        "{message}"
    );
    let all = json!({"n": {"format": "x", "type": "integer", "minimum": 1}});
    let message = run(all, &[actions()]).unwrap_err();
    assert!(message.contains("delete o.json"), "{message}");

    // One of two targets.
    let both = |second: &str| json!({"l": [{"type": "integer"}, {"type": second}]});
    let fix = || {
        let change = json!({"type": "integer"});
        overlay(
            "o.json",
            update("$.l[*]", json!({"type": "number"}), change),
        )
    };
    let message = run(both("number"), &[fix()]).unwrap_err();
    assert!(
        message.contains("corrected this at 1 of 2 targets: narrow the target"),
        "{message}"
    );
    let message = run(both("integer"), &[fix()]).unwrap_err();
    assert!(message.contains("delete o.json"), "{message}");
}

#[test]
fn correction_in_one_of_several_documents_keeps_the_overlay() {
    let fix = overlay(
        "o.json",
        update("$.n", json!({"type": "number"}), json!({"type": "integer"})),
    );
    let mut document = json!({"n": {"type": "integer"}});
    let problems = apply("x/p.json", &mut document, &[(&fix, 2)], true);
    assert_eq!(
        problems[0].help,
        "the provider has corrected this in x/p.json: name the other documents in x-applies-to \
         of o.json, if nothing else in the overlay is for this one"
    );
}

#[test]
fn other_overlays_changes_are_not_provider_corrections() {
    let integer = |file: &str| {
        let change = json!({"type": "integer"});
        overlay(file, update("$.n", json!({"type": "number"}), change))
    };
    let number = || json!({"n": {"type": "number"}});
    let repeated = run(number(), &[integer("1.json"), integer("2.json")]).unwrap_err();
    assert!(
        repeated.starts_with("2.json: /actions/0: repeats 1.json: both write /n/type of"),
        "{repeated}"
    );
    let remove = |file: &str| {
        let action = json!([{"target": "$.n.type", "x-expect-exact": "number", "remove": true}]);
        overlay(file, action)
    };
    let removed = run(number(), &[remove("1.json"), remove("2.json")]).unwrap_err();
    assert!(removed.contains("1.json removes it"), "{removed}");
    let after = json!([{
        "target": "$.n", "x-expect": {"type": "number"}, "update": {"minimum": 1}
    }]);
    let after = overlay("2.json", after);
    let message = run(number(), &[integer("1.json"), after]).unwrap_err();
    assert!(
        message.contains("found \"integer\", which 1.json has written"),
        "{message}"
    );
    for message in [repeated, removed, message] {
        assert!(!message.contains("the provider has"), "{message}");
    }
}

#[test]
fn reports_all_problems_without_follow_ups() {
    // The first action fails but is still applied, because the second builds on it.
    let first = json!([
        {"target": "$.n", "x-expect": {"type": "number"}, "update": {"inner": {"a": 1}}},
        {"target": "$.n.inner", "x-expect": {"a": 1}, "update": {"b": 2}}
    ]);
    let second = json!([
        {"target": "$.gone", "x-expect-absent": ["a"], "update": {"a": 1}},
        {"target": "$.m", "x-expect-exact": 2, "remove": true}
    ]);
    let overlays = [overlay("1.json", first), overlay("2.json", second)];
    let message = run(json!({"n": {"type": "string"}, "m": 1}), &overlays).unwrap_err();
    let lines: Vec<&str> = message
        .lines()
        .filter(|line| !line.starts_with("  help"))
        .collect();
    assert_eq!(
        lines,
        [
            "1.json: /actions/0: expected \"number\" at /n/type of openapi/published/p.json, found \"string\"",
            "2.json: /actions/0: nothing at $.gone of openapi/published/p.json",
            "2.json: /actions/1: expected exactly 2 at /m of openapi/published/p.json, found 1",
        ]
    );
}

#[test]
fn splits_last_segment_off_json_path() {
    for (path, expected) in [
        ("$.a.b", Some(("$.a", "b"))),
        ("$['a']['b/c']", Some(("$['a']", "b/c"))),
        ("$[\"a.b\"].c", Some(("$[\"a.b\"]", "c"))),
        ("$.a[2]", Some(("$.a", "2"))),
        ("$.a[?@.b == 'x.y']", None),
        ("$..a", None),
        ("$.a.*", None),
        ("$.a[*]", None),
        ("$", None),
    ] {
        let split = missing::split(path);
        let split = split
            .as_ref()
            .map(|(parent, name)| (*parent, name.as_str()));
        assert_eq!(split, expected, "{path}");
    }
}
