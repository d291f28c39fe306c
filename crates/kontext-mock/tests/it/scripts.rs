//! Scripts and `Prefer`: which answer a request gets that asks for one, or that
//! a rule has one for.

use std::net::SocketAddr;

use kontext_mock::{AnswerKind, FAULT_HEADER, MockServer, Rule, ScriptError, parse_script};
use serde_json::{Value, json};

use crate::{
    binary::{Serving, command, run},
    folders::Folder,
    http::{Answer, add_bird_with, post},
    wire::{Ended, Seen, admin, admin_json, last_request, post_with},
};

const ADD_BIRD: &str = "generate-image/add-bird";
const COMBINE: &str = "generate-image/combine-two-images";

fn body() -> String {
    add_bird_with(json!({}))
}

fn rules(rules: Value) -> Vec<Rule> {
    serde_json::from_value(rules).unwrap()
}

async fn server_with(script: Value) -> MockServer {
    let mut builder = MockServer::builder();
    for rule in rules(script) {
        builder = builder.rule(rule);
    }
    builder.start().await.unwrap()
}

/// Status and recording, as in `200 generate-image/add-bird`.
fn told(answer: &Answer) -> String {
    let recording = answer.header("x-kontext-recording").unwrap_or("-");
    format!("{} {recording}", answer.status)
}

/// What the next requests get.
fn posted(address: SocketAddr, count: usize) -> Vec<String> {
    (0..count).map(|_| told(&post(address, body()))).collect()
}

#[tokio::test]
async fn a_sequence_answers_in_its_order_and_ends() {
    let server = server_with(json!([{"answers": ["status=503", "match", "status=429"]}])).await;
    let expected = [
        "503 -",
        "200 generate-image/add-bird",
        "429 -",
        "200 generate-image/add-bird",
    ];
    assert_eq!(posted(server.address(), 4), expected);
    let billed = server.billed();
    assert_eq!((billed.generations, server.counts().requests), (2, 4));
    server.reset();
    assert_eq!(
        posted(server.address(), 4),
        expected,
        "a reset starts it again"
    );
}

#[tokio::test]
async fn of_more_times_than_answers_the_last_goes_on_and_of_fewer_it_stops() {
    let server = server_with(json!([{"times": 3, "answers": ["status=500", "status=503"]}])).await;
    let expected = ["500 -", "503 -", "503 -", "200 generate-image/add-bird"];
    assert_eq!(posted(server.address(), 4), expected);
    let rule = Rule::new([AnswerKind::Status(500), AnswerKind::Status(503)]).times(1);
    server.set_rules([rule]).unwrap();
    assert_eq!(
        posted(server.address(), 2),
        ["500 -", "200 generate-image/add-bird"]
    );
}

#[tokio::test]
async fn the_highest_priority_answers_and_of_equal_ones_the_first() {
    let server = server_with(json!([
        {"name": "first of two", "answers": ["status=500"]},
        {"name": "second of two", "answers": ["status=502"]},
        {"name": "low", "priority": -5, "answers": ["status=504"]},
        {"name": "high", "priority": 7, "times": 2, "answers": ["status=503"]}
    ]))
    .await;
    let expected = [
        "503 -",
        "503 -",
        "500 -",
        "502 -",
        "504 -",
        "200 generate-image/add-bird",
    ];
    assert_eq!(posted(server.address(), 6), expected);
    let listed = admin_json(server.address(), "rules");
    let answered: Vec<_> = listed["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["rule"]["name"].as_str().unwrap(),
                one["answered"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        answered,
        [
            ("first of two", 1),
            ("second of two", 1),
            ("low", 1),
            ("high", 2)
        ]
    );
}

#[tokio::test]
async fn a_rule_fits_by_members_headers_and_operation() {
    let server = server_with(json!([
        {"times": 100, "request": {"num_images": 2}, "answers": ["status=500"]},
        {"times": 100, "request": {"image_url": ["https://a.example/1"]}, "answers": ["status=502"]},
        {"times": 100, "headers": {"x-test": "one"}, "answers": ["status=503"]},
        {"times": 100, "operation": "generate-image", "headers": {"x-test": "two"},
         "request": {"prompt": "both"}, "answers": ["status=504"]}
    ]))
    .await;
    let told = |changes: Value, headers: &[(&str, &str)]| {
        post_with(server.address(), headers, add_bird_with(changes)).status
    };
    assert_eq!(told(json!({"num_images": 2}), &[]), 500);
    // Numbers are equal as decimals, whatever else the body has.
    assert_eq!(told(json!({"num_images": 2.0, "seed": 4}), &[]), 500);
    assert_eq!(told(json!({"num_images": 3}), &[]), 404);
    assert_eq!(
        told(json!({"image_url": ["https://a.example/1"]}), &[]),
        502
    );
    let longer = json!({"image_url": ["https://a.example/1", "https://a.example/2"]});
    assert_eq!(told(longer, &[]), 404);
    assert_eq!(told(json!({}), &[("x-test", "one")]), 503);
    assert_eq!(
        told(json!({}), &[("X-Test", "zero"), ("X-Test", "one")]),
        503
    );
    assert_eq!(told(json!({}), &[("x-test", "One")]), 200);
    assert_eq!(told(json!({"prompt": "both"}), &[("x-test", "two")]), 504);
    assert_eq!(told(json!({"prompt": "one"}), &[("x-test", "two")]), 404);
    assert_eq!(told(json!({"prompt": "both"}), &[]), 404);
    // What the contract refuses reaches no rule.
    assert_eq!(told(json!({"num_images": 2, "seed": 0}), &[]), 400);
}

#[tokio::test]
async fn an_answer_can_be_a_recording_a_status_or_made_up() {
    let server = server_with(json!([{"answers": [
        "recording=combine-two-images", format!("recording={COMBINE}"), "recording=add-bird",
        "status=200", "status=404", "generate"
    ]}]))
    .await;
    let answers: Vec<_> = (0..6).map(|_| post(server.address(), body())).collect();
    assert_eq!(answers[0].found(), (Some("fallback"), Some(COMBINE)));
    assert_eq!(answers[1].found(), (Some("fallback"), Some(COMBINE)));
    assert_eq!(answers[2].found(), (Some("exact"), Some(ADD_BIRD)));
    assert_eq!(answers[3].found(), (Some("exact"), Some(ADD_BIRD)));
    assert_eq!(answers[4].found(), (Some("generated"), None));
    assert_eq!(
        (answers[4].status, answers[4].message().as_str()),
        (404, "Not Found")
    );
    assert_eq!(answers[5].found(), (Some("generated"), None));
    assert_eq!(answers[5].json()["images"].as_array().unwrap().len(), 1);
    let received = server.received();
    assert_eq!(
        received[0].differences().len(),
        2,
        "that it is another one is said"
    );
    assert_eq!(server.billed().images, 5);
}

#[tokio::test]
async fn what_a_rule_asks_for_and_is_not_there_is_named() {
    let script = json!([{"answers": ["recording=nothing", "status=418", "status=204"]}]);
    let server = server_with(script).await;
    for expected in [
        "A rule of the script: No recording of generate-image is called \"nothing\". It has: \
         generate-image/add-bird, generate-image/combine-two-images",
        "A rule of the script: The contract of generate-image declares no status 418 that could \
         be made up; it declares 200, 400, 401, 403, 404, 429, 500, 502, 503, 504",
        "A rule of the script: The contract of generate-image declares no status 204 that could \
         be made up; it declares 200, 400, 401, 403, 404, 429, 500, 502, 503, 504",
    ] {
        let answer = post(server.address(), body());
        assert_eq!((answer.status, answer.message().as_str()), (400, expected));
        assert_eq!(answer.header("x-kontext-error"), Some("script"));
    }
}

#[tokio::test]
async fn an_answer_can_have_faults() {
    let server = server_with(json!([{"answers": [
        {"answer": "match", "faults": ["empty-reply"]},
        {"answer": "status=503", "faults": ["delay=30ms", "cut-body=5"]},
        {"answer": "match"}
    ]}]))
    .await;
    let seen: Vec<_> = (0..3)
        .map(|_| Seen::of(server.address(), &last_request(&[], &body())))
        .collect();
    assert_eq!((seen[0].bytes.len(), seen[0].ended), (0, Ended::InOrder));
    let cut = seen[1].answer();
    assert_eq!((cut.status, cut.body.as_slice()), (503, &b"{\"req"[..]));
    assert_eq!(cut.header(FAULT_HEADER), Some("delay=30ms; cut-body=5"));
    assert!(seen[1].took.as_millis() >= 30);
    assert_eq!(told(&seen[2].answer()), "200 generate-image/add-bird");
    assert_eq!(server.billed().generations, 2);
}

#[tokio::test]
async fn the_admin_api_replaces_rules_and_names_what_is_wrong() {
    let server = MockServer::start().await.unwrap();
    let address = server.address();
    let put = |rules: Value| {
        let answer = admin(
            address,
            "PUT",
            "rules",
            &json!({ "rules": rules }).to_string(),
        );
        let error = answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (answer.status, error)
    };
    let (status, _) = put(json!([{"answers": ["status=503"]}]));
    assert_eq!(
        (status, posted(address, 1)),
        (200, vec!["503 -".to_owned()])
    );
    assert_eq!(admin_json(address, "rules")["rules"][0]["answered"], 1);
    for (rules, expected) in [
        (
            json!([{"answers": []}]),
            "/rules/0/answers: expected at least one answer",
        ),
        (
            json!([{"answers": ["match"]}, {"answers": ["match"], "times": 0}]),
            "/rules/1/times: expected at least 1; leave the rule out instead",
        ),
        (
            json!([{"answers": ["match"], "headers": {"X-Test": "a"}}]),
            "/rules/0/headers: expected names in lower case",
        ),
        (
            json!([{"answers": ["match"], "operation": "generateImage"}]),
            "/rules/0/operation: the contract has no operation \"generateImage\"; it has: generate-image",
        ),
        (
            json!([{"answer": ["match"]}]),
            "the body: unknown field `answer`, expected one of `name`",
        ),
        (
            json!([{"answers": ["mtach"]}]),
            "the body: \"mtach\" is no answer, expected match, generate",
        ),
        (
            json!([{"answers": ["status=99"]}]),
            "the body: \"status=99\" is no answer",
        ),
        (
            json!([{"answers": [{"answer": "match", "faults": ["sleep"]}]}]),
            "the body: \"sleep\" is no fault",
        ),
        (
            json!([{"answers": [{"answer": "match", "fault": []}]}]),
            "the body: unknown field `fault`",
        ),
        (
            json!([{"answers": [7]}]),
            "the body: invalid type: integer `7`, expected an answer such as",
        ),
    ] {
        let (status, error) = put(rules);
        assert_eq!(status, 400, "{error}");
        assert!(error.starts_with(expected), "{error}");
    }
    // What was wrong has replaced nothing.
    assert_eq!(admin_json(address, "rules")["rules"][0]["answered"], 1);
    assert_eq!(admin(address, "DELETE", "rules", "").status, 204);
    assert_eq!(admin_json(address, "rules"), json!({"rules": []}));
}

#[tokio::test]
async fn the_library_refuses_rules_that_can_never_answer() {
    let unknown = rules(json!([{"operation": "other", "answers": ["match"]}]));
    let error = MockServer::builder().rule(unknown[0].clone()).start().await;
    assert_eq!(error.unwrap_err().to_string(), "the script cannot be used");
    let server = MockServer::start().await.unwrap();
    let session = server.session("one").unwrap();
    let none = Rule::new(Vec::<AnswerKind>::new());
    for rule in [unknown[0].clone(), none] {
        let error = server.set_rules([rule.clone()]).unwrap_err();
        assert!(
            matches!(error, ScriptError::Rule { rule: 0, .. }),
            "{error}"
        );
        assert!(session.set_rules([rule]).is_err());
    }
}

#[test]
fn a_script_is_read_from_a_file_and_errors_name_file_and_place() {
    let folder = Folder::empty();
    let file = folder.path().join("script.json");
    let name = file.to_str().unwrap();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--quiet",
        "--script",
        name,
    ];
    for (text, expected) in [
        (
            "{",
            "the script cannot be read, expected {\"format\": 1, \"rules\": […]}: EOF while parsing an object at line 1 column 1",
        ),
        (
            "{\"format\":1,\n\"rules\":[{\"answers\":[\"x\"]}]}",
            "the script cannot be read, expected {\"format\": 1, \"rules\": […]}: \"x\" is no answer",
        ),
        (
            "{\"format\":2,\"rules\":[]}",
            "/format: the script has format 2, this version reads format 1",
        ),
        (
            "{\"format\":1,\"rules\":[{\"answers\":[]}]}",
            "/rules/0/answers: expected at least one answer",
        ),
        (
            "{\"format\":1,\"rules\":[{\"answers\":[\"match\"],\"operation\":\"x\"}]}",
            "/rules/0/operation: the contract has no operation \"x\"; it has: generate-image",
        ),
    ] {
        folder.write("script.json", text);
        let (code, output, errors) = run(&arguments);
        assert_eq!((code, output.as_str()), (Some(2), ""));
        assert!(
            errors.starts_with(&format!("error: {name}: {expected}")),
            "{errors}"
        );
    }
    folder.remove("script.json");
    let (code, _, errors) = run(&arguments);
    assert_eq!(code, Some(2));
    assert!(
        errors.starts_with(&format!("error: {name} cannot be read: ")),
        "{errors}"
    );
    let script = json!({"format": 1, "rules": [{"answers": ["status=503", "match"]}]});
    assert_eq!(parse_script(&script.to_string()).unwrap().len(), 1);
    folder.write("script.json", script.to_string());
    let serving = Serving::start(&mut command(&arguments));
    assert_eq!(
        posted(serving.address, 2),
        ["503 -", "200 generate-image/add-bird"]
    );
}
