//! Validation: where recordings disagree with a contract.

use kontext_mock::{CheckReport, Contract, MockServer, Recordings, StartError, check};
use serde_json::{Value, json};

use crate::{contracts::changed, folders::Folder};

const STORY: &str = "generate-image/add-bird/recording.json";
const REQUEST: &str = "generate-image/add-bird/request.json";
const RESPONSE: &str = "generate-image/add-bird/response.json";

fn judge(folder: &Folder) -> CheckReport {
    let recordings = Recordings::load(folder.path()).unwrap();
    check(&Contract::embedded().unwrap(), &recordings)
}

/// Corrupts a file, and checks the only disagreement: its file, pointer and problem.
fn disagrees(file: &str, change: impl FnOnce(&mut Value), expected: (&str, &str, &str)) {
    let folder = Folder::with_add_bird();
    folder.edit(file, change);
    let report = judge(&folder);
    let found: Vec<_> = report
        .disagreements
        .iter()
        .map(|found| {
            let file = found
                .file
                .strip_prefix(&format!("{}/", folder.path().display()));
            (
                file.unwrap(),
                found.pointer.as_str(),
                found.problem.as_str(),
            )
        })
        .collect();
    assert_eq!(found, [expected]);
    assert!(
        report
            .disagreements
            .iter()
            .all(|found| !found.next.is_empty())
    );
}

#[test]
fn embedded_recordings_are_valid() {
    let report = check(
        &Contract::embedded().unwrap(),
        &Recordings::embedded().unwrap(),
    );
    assert!(report.is_clean(), "{report}");
    let text = report.to_string();
    assert!(
        text.ends_with("2 recordings checked against the contract: no disagreement"),
        "{text}"
    );
}

#[test]
fn recordings_violate_uncorrected_contract() {
    let contract = changed(|contract| {
        let operation = &mut contract["operations"][0];
        operation["name"] = "v1-images-generations".into();
        operation["$defs"]["GenerateImageResponse"] = json!({
            "type": "object",
            "properties": {
                "data": {"type": ["array", "null"], "items": {"$ref": "#/$defs/ImageData"}},
                "meta": {"anyOf": [{"$ref": "#/$defs/Meta"}, {"type": "null"}]}
            }
        });
    });
    let report = check(&contract, &Recordings::embedded().unwrap());
    for name in ["add-bird", "combine-two-images"] {
        let of_case: Vec<_> = report
            .disagreements
            .iter()
            .filter(|found| found.recording == format!("generate-image/{name}"))
            .map(|found| {
                (
                    found.file.rsplit('/').next().unwrap(),
                    found.pointer.as_str(),
                )
            })
            .collect();
        assert_eq!(
            of_case,
            [
                ("recording.json", "/path"),
                ("response.json", "/has_nsfw_concepts"),
                ("response.json", "/images"),
                ("response.json", "/prompt"),
                ("response.json", "/seed"),
                ("response.json", "/timings"),
            ]
        );
    }
    let images = &report.disagreements[2];
    assert_eq!(
        images.file,
        "recordings/generate-image/add-bird/response.json"
    );
    assert!(
        images.problem.starts_with(
            "the contract of the response 200 of v1-images-generations expects no such key \
             (it is unknown to the contract); recorded is [{\""
        ),
        "{}",
        images.problem
    );
}

#[test]
fn method_and_path_must_be_in_contract() {
    let has = "it has POST /v1/images/generations";
    disagrees(
        STORY,
        |story| story["path"] = "/v2".into(),
        (
            STORY,
            "/path",
            &format!("the contract has no operation POST /v2; {has}"),
        ),
    );
    disagrees(
        STORY,
        |story| story["method"] = "PUT".into(),
        (
            STORY,
            "/path",
            &format!("the contract has no operation PUT /v1/images/generations; {has}"),
        ),
    );
}

#[test]
fn folder_must_be_named_after_operation() {
    let folder = Folder::with_add_bird();
    folder.copy_add_bird_to("generate-picture/add-bird");
    let report = judge(&folder);
    assert_eq!(report.disagreements.len(), 1);
    assert_eq!(
        report.disagreements[0].problem,
        "the contract calls POST /v1/images/generations generate-image, \
         the folder is called generate-picture"
    );
    assert_eq!(
        report.disagreements[0].next,
        "move the recording to the folder generate-image"
    );
}

#[test]
fn unknown_request_keys_are_violations() {
    disagrees(
        REQUEST,
        |body| body["sede"] = 7.into(),
        (
            REQUEST,
            "/sede",
            "the contract of the request of generate-image expects no such key \
             (it is unknown to the contract); recorded is 7",
        ),
    );
    disagrees(
        REQUEST,
        |body| body["num_images"] = 9.into(),
        (
            REQUEST,
            "/num_images",
            "the contract of the request of generate-image expects at most 4; recorded is 9",
        ),
    );
    let folder = Folder::with_add_bird();
    folder.remove(REQUEST);
    assert_eq!(
        judge(&folder).disagreements[0].problem,
        "the contract of generate-image asks for a request body"
    );
}

#[test]
fn status_and_media_type_must_be_declared() {
    disagrees(
        STORY,
        |story| story["status"] = 201.into(),
        (
            STORY,
            "/status",
            "the contract of generate-image declares no status 201; \
             it declares 200, 400, 401, 403, 404, 429, 500, 502, 503, 504",
        ),
    );
    disagrees(
        STORY,
        |story| story["headers"]["content-type"] = "image/png".into(),
        (
            STORY,
            "/headers/content-type",
            "the contract of generate-image declares for the status 200 application/json; \
             recorded is \"image/png\"",
        ),
    );
    disagrees(
        STORY,
        |story| story["headers"] = json!({}),
        (
            STORY,
            "/headers/content-type",
            "the contract of generate-image declares for the status 200 application/json; \
             recorded is \"\"",
        ),
    );
}

#[test]
fn unknown_response_keys_are_violations_at_any_depth() {
    let says = "the contract of the response 200 of generate-image expects";
    let unnamed = format!("{says} no such key (it is unknown to the contract); recorded is 1");
    for (pointer, expected) in [
        ("/new", "/new"),
        ("/images/0/depth~1m", "/images/0/depth~1m"),
    ] {
        disagrees(
            RESPONSE,
            |body| {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                body.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = 1.into();
            },
            (RESPONSE, expected, &unnamed),
        );
    }
    // Below two unions and three references.
    disagrees(
        RESPONSE,
        |body| body["meta"] = json!({"usage": {"credits_used": 2, "credits": 1}}),
        (RESPONSE, "/meta/usage/credits", &unnamed),
    );
    disagrees(
        RESPONSE,
        |body| body["images"][0]["width"] = "wide".into(),
        (
            RESPONSE,
            "/images/0/width",
            &format!("{says} null or an integer; recorded is \"wide\""),
        ),
    );
    disagrees(
        RESPONSE,
        |body| {
            body.as_object_mut().unwrap().remove("images");
        },
        (
            RESPONSE,
            "",
            &format!(
                "{says} at least one of the keys images, data; recorded is \
                 {{\"has_nsfw_concepts\":[false],\"prompt\":\"Add a bird to the foreground of the photo…"
            ),
        ),
    );
}

#[test]
fn only_marked_maps_are_open() {
    let folder = Folder::with_add_bird();
    folder.edit(RESPONSE, |body| {
        body["timings"] = json!({"inference": {"a": 1.5}})
    });
    assert!(judge(&folder).is_clean());
    let unmarked = changed(|contract| {
        let timings = &mut contract["operations"][0]["$defs"]["GenerateImageResponse"]["properties"]
            ["timings"];
        *timings = json!({"type": "object", "additionalProperties": true});
    });
    let report = check(&unmarked, &Recordings::load(folder.path()).unwrap());
    assert_eq!(report.disagreements.len(), 1);
    assert_eq!(report.disagreements[0].pointer, "/timings/inference");
}

#[test]
fn keys_from_combined_schemas_are_known() {
    let contract = changed(|contract| {
        contract["operations"][0]["$defs"]["GenerateImageResponse"] = json!({
            "properties": {"seed": {}, "prompt": {}, "has_nsfw_concepts": {}},
            "allOf": [{"$ref": "#/$defs/WithImages"}, {"properties": {"timings": {"x-open-map": true}}}],
            "oneOf": [{"required": ["images"]}, {"required": ["error"], "properties": {"error": {"type": "string"}}}]
        });
        contract["operations"][0]["$defs"]["WithImages"] = json!({
            "properties": {"images": {"type": "array", "items": {"$ref": "#/$defs/ImageFile"}}}
        });
    });
    let folder = Folder::with_add_bird();
    let found = |folder: &Folder| {
        let report = check(&contract, &Recordings::load(folder.path()).unwrap());
        report
            .disagreements
            .into_iter()
            .map(|found| found.pointer)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&folder), [""; 0]);
    folder.edit(RESPONSE, |body| body["images"][0]["new"] = 1.into());
    assert_eq!(
        found(&folder),
        ["/images/0/new"],
        "and not every key beside it"
    );
    folder.edit(RESPONSE, |body| {
        body["images"][0].as_object_mut().unwrap().remove("new");
        body["error"] = "named only where there are no images".into();
    });
    assert_eq!(found(&folder), [""; 1], "both alternatives fit");
}

#[test]
fn non_json_response_is_reported() {
    let folder = Folder::with_add_bird();
    folder.write(RESPONSE, "<html>");
    assert_eq!(
        judge(&folder).disagreements[0].problem,
        "the contract of the response 200 of generate-image asks for application/json; \
         the body is no JSON: expected value at line 1 column 1"
    );
}

#[test]
fn duplicate_requests_are_rejected() {
    let folder = Folder::with_add_bird();
    folder.copy_add_bird_to("generate-image/same");
    folder.edit("generate-image/same/request.json", |body| {
        *body = body.clone()
    });
    let report = judge(&folder);
    assert_eq!(report.disagreements.len(), 1);
    assert_eq!(
        report.disagreements[0].problem,
        "this is the same request as that of generate-image/add-bird"
    );
    assert!(
        report.disagreements[0]
            .file
            .ends_with("generate-image/same/request.json")
    );
}

#[test]
fn older_contract_is_only_a_note() {
    let folder = Folder::with_add_bird();
    folder.edit(STORY, |story| {
        story["contract_sha256"] = "0".repeat(64).into()
    });
    let report = judge(&folder);
    assert!(report.is_clean());
    // The hash of the model's own page: changes to other pages don't make the recording
    // stale.
    let contract: serde_json::Value =
        serde_json::from_str(include_str!("../../contract.json")).unwrap();
    let hashes = &contract["operations"][0]["request"]["sha256"];
    let today = hashes["flux/kontext-pro/image-to-image"].as_str().unwrap();
    assert_eq!(
        report.notes[0].message,
        format!("recorded under an older contract; that of today has the SHA-256 {today}")
    );
    assert_eq!(report.notes[0].pointer, "/contract_sha256");
}

#[tokio::test]
async fn server_does_not_start_with_invalid_recordings() {
    let folder = Folder::with_add_bird();
    folder.edit(RESPONSE, |body| body["new"] = 1.into());
    let error = MockServer::builder()
        .recordings(folder.path())
        .start()
        .await
        .unwrap_err();
    let StartError::Disagreement(report) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(report.disagreements[0].pointer, "/new");
    assert!(
        error.to_string().contains("response.json /new\n"),
        "{error}"
    );
}

/// The pointers of the disagreements if the values at `redacted` in the request were
/// redacted.
fn disagree_with(redacted: &[&str], change: impl FnOnce(&mut Value)) -> Vec<String> {
    let folder = Folder::with_add_bird();
    folder.edit(REQUEST, change);
    folder.edit(STORY, |story| {
        story["redacted"] = redacted
            .iter()
            .map(|pointer| json!({"file": "request.json", "pointer": pointer, "what": "a value"}))
            .collect();
    });
    judge(&folder)
        .disagreements
        .into_iter()
        .map(|found| found.pointer)
        .collect()
}

#[test]
fn redaction_marker_satisfies_any_schema() {
    let marker = "[redacted:00000000000000000000000000000000]";
    let spoil = |request: &mut Value| {
        request["seed"] = marker.into();
        request["image_url"] = json!([marker]);
    };
    assert_eq!(disagree_with(&["/seed", "/image_url/0"], spoil), [""; 0]);
    assert_eq!(disagree_with(&["/image_url/0"], spoil), ["/seed"]);
    assert_eq!(disagree_with(&["/seed"], spoil), ["/image_url/0"]);
    // The pointer refers to another file.
    let folder = Folder::with_add_bird();
    folder.edit(RESPONSE, |response| response["seed"] = marker.into());
    folder.edit(STORY, |story| {
        story["redacted"] = json!([{"file": "request.json", "pointer": "/seed", "what": "x"}]);
    });
    assert_eq!(judge(&folder).disagreements.len(), 1);
}

#[test]
fn redaction_does_not_excuse_unknown_key() {
    let spoil = |request: &mut Value| request["token"] = "[redacted:00]".into();
    assert_eq!(disagree_with(&["/token"], spoil), ["/token"]);
}
