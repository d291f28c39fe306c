//! Contracts other than the built-in one.

use kontext_mock::{Contract, MockServer, Recordings, check};
use serde_json::{Value, json};

use crate::{
    folders::Folder,
    http::{post, send},
};

/// The built-in contract, changed.
pub(crate) fn changed(change: impl FnOnce(&mut Value)) -> Contract {
    let mut contract = embedded();
    change(&mut contract);
    Contract::parse(&contract.to_string()).unwrap()
}

pub(crate) fn embedded() -> Value {
    serde_json::from_str(include_str!("../../contract.json")).unwrap()
}

fn refused(text: &str) -> String {
    let error = Contract::parse(text).unwrap_err();
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[test]
fn unusable_contract_error_gives_reason() {
    let again = "write it again with `cargo xtask codegen`";
    assert_eq!(
        refused("{"),
        format!(
            "the contract cannot be read; {again}: EOF while parsing an object at line 1 column 1"
        )
    );
    assert_eq!(
        refused(r#"{"format":1}"#),
        format!(
            "the contract cannot be read; {again}: missing field `operations` at line 1 column 12"
        )
    );
    assert_eq!(
        refused(r#"{"format":2}"#),
        format!("the contract has format 2, this version reads format 1; {again}")
    );
    let mut twice = embedded();
    let operation = twice["operations"][0].clone();
    twice["operations"].as_array_mut().unwrap().push(operation);
    assert_eq!(
        refused(&twice.to_string()),
        "the contract has two operations for POST /v1/images/generations: \
         generate-image and generate-image"
    );
    let mut multipart = embedded();
    multipart["operations"][0]["request"]["content"] = json!({"multipart/form-data": {}});
    assert_eq!(
        refused(&multipart.to_string()),
        "the contract's operation generate-image takes a body of multipart/form-data; \
         the mock knows only application/json"
    );
    let mut dangling = embedded();
    dangling["operations"][0]["responses"]["200"]["content"]["application/json"] =
        json!({"$ref": "#/$defs/Gone"});
    let message = refused(&dangling.to_string());
    assert!(
        message.starts_with(
            "the contract's operation generate-image has a schema that does not compile, \
             of the response 200 application/json: "
        ),
        "{message}"
    );
}

#[tokio::test]
async fn operation_without_security_needs_no_key() {
    let contract = changed(|contract| contract["operations"][0]["security"] = json!([]));
    assert!(
        !contract
            .operation("POST", crate::http::PATH)
            .unwrap()
            .needs_key()
    );
    let server = MockServer::builder()
        .contract(contract)
        .start()
        .await
        .unwrap();
    let headers = [("content-type", "application/json")];
    let answer = send(server.address(), "POST", crate::http::PATH, &headers, b"{}");
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn bodyless_operation_has_its_own_recordings() {
    let contract = || {
        changed(|contract| {
            contract["operations"].as_array_mut().unwrap().push(json!({
                "name": "list-models", "operation_id": "listModels", "method": "GET", "path": "/v1/models",
                "responses": {"default": {"content": {"application/json": {"type": "array", "items": {"type": "string"}}}}},
                "sha256": "0".repeat(64),
            }));
        })
    };
    let folder = Folder::with_add_bird();
    folder.write("list-models/all/response.json", "[\"a\"]\n");
    folder.write(
        "list-models/all/recording.json",
        json!({
            "format": 1, "title": "All models.", "method": "GET", "path": "/v1/models", "status": 200,
            "headers": {"content-type": "application/json"}, "origin": "synthetic",
            "source": {"document": "a test"}, "date": "2026-11-22", "contract_sha256": "0".repeat(64)
        })
        .to_string(),
    );
    let recordings = Recordings::load(folder.path()).unwrap();
    assert!(check(&contract(), &recordings).is_clean());
    let server = MockServer::builder()
        .contract(contract())
        .recordings(folder.path())
        .start()
        .await
        .unwrap();
    let answer = send(server.address(), "GET", "/v1/models", &[], b"");
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"[\"a\"]\n".as_slice())
    );
    assert_eq!(answer.found(), (Some("exact"), Some("list-models/all")));
    let answer = send(server.address(), "GET", "/v1/models", &[], b"{}");
    assert_eq!(
        answer.message(),
        "Body validation error\nbody: expected no body, received 2 bytes"
    );
    let answer = send(server.address(), "GET", "/v1/images", &[], b"");
    assert_eq!(
        answer.message(),
        "Cannot GET /v1/images: the contract has no such operation. \
         It has: POST /v1/images/generations, GET /v1/models"
    );
}

#[tokio::test]
async fn operation_without_recordings_is_a_miss() {
    let folder = Folder::with_add_bird();
    let contract = changed(|contract| {
        let mut other = contract["operations"][0].clone();
        other["name"] = "other".into();
        other["path"] = "/v1/other".into();
        contract["operations"].as_array_mut().unwrap().push(other);
    });
    let server = MockServer::builder()
        .contract(contract)
        .recordings(folder.path())
        .match_mode(kontext_mock::MatchMode::Nearest)
        .start()
        .await
        .unwrap();
    let body = folder.read("generate-image/add-bird/request.json");
    let answer = send(
        server.address(),
        "POST",
        "/v1/other",
        crate::http::HEADERS,
        &body,
    );
    assert_eq!(answer.found(), (Some("miss"), None));
    assert_eq!(
        answer.message(),
        format!(
            "There is no recording of other for flux/kontext-pro/image-to-image; --match generate \
             needs none.\nTo record it, send it to: kontext-mock record --upstream https://api.aimlapi.com --recordings {}",
            folder.path().display()
        )
    );
    assert_eq!(post(server.address(), &body).status, 200);
}

#[tokio::test]
async fn union_error_explains_branch_with_matching_constants() {
    let contract = changed(|contract| {
        let schema = json!({"oneOf": [
            {"type": "object", "required": ["kind", "one"], "properties": {"kind": {"const": "a"}, "one": {"type": "integer"}}},
            {"type": "object", "required": ["kind", "two"], "properties": {"kind": {"enum": ["b"]}, "two": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}
        ]});
        contract["operations"][0]["request"]["content"]["application/json"] = schema;
        contract["operations"][0]["name"] = "union".into();
    });
    let folder = Folder::with_add_bird();
    folder.copy_add_bird_to("union/one");
    std::fs::remove_dir_all(folder.path().join("generate-image")).unwrap();
    folder.write("union/one/request.json", r#"{"kind":"a","one":1}"#);
    let server = MockServer::builder()
        .contract(contract)
        .recordings(folder.path())
        .start()
        .await
        .unwrap();
    let message = |body: &str| post(server.address(), body).message();
    assert_eq!(
        message(r#"{"kind":"b","two":["x",null,{"y":[1]}],"one":"s"}"#),
        "Body validation error\ntwo[2]: expected a string or null, received {\"y\":[1]}"
    );
    assert_eq!(
        message(r#"{"kind":"a","one":"s"}"#),
        "Body validation error\none: expected an integer, received \"s\""
    );
    assert_eq!(
        message("7"),
        "Body validation error\nbody: expected an object, received 7"
    );
}
