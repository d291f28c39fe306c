//! `Prefer`: a request that asks for an answer itself.

use kontext_mock::{AnswerKind, MockServer, Rule};
use serde_json::json;

use crate::{
    folders::Folder,
    http::{add_bird_with, post},
    wire::post_with,
};

const ADD_BIRD: &str = "generate-image/add-bird";
const COMBINE: &str = "generate-image/combine-two-images";

fn body() -> String {
    add_bird_with(json!({}))
}

#[tokio::test]
async fn prefer_asks_for_a_status_or_a_recording() {
    let server = MockServer::start().await.unwrap();
    let told = |prefer: &str| {
        let answer = post_with(server.address(), &[("Prefer", prefer)], body());
        let applied = answer.header("preference-applied").map(str::to_owned);
        (answer.status, applied, answer)
    };
    for (prefer, status, applied, recording) in [
        ("code=429", 429, Some("code=429"), None),
        ("code=200", 200, Some("code=200"), Some(ADD_BIRD)),
        (
            "example=combine-two-images",
            200,
            Some("example=combine-two-images"),
            Some(COMBINE),
        ),
        (
            "example=\"combine-two-images\"; code=200",
            200,
            Some("code=200, example=combine-two-images"),
            Some(COMBINE),
        ),
        (
            "wait=10, CODE=503, respond-async",
            503,
            Some("code=503"),
            None,
        ),
        ("respond-async", 200, None, Some(ADD_BIRD)),
        ("handling=strict", 200, None, Some(ADD_BIRD)),
    ] {
        let (found, was_applied, answer) = told(prefer);
        assert_eq!(found, status, "{prefer}");
        assert_eq!(was_applied.as_deref(), applied, "{prefer}");
        assert_eq!(answer.header("x-kontext-recording"), recording, "{prefer}");
    }
    let example = format!("example={COMBINE}");
    assert_eq!(told(&example).2.found(), (Some("fallback"), Some(COMBINE)));
    for (prefer, expected) in [
        (
            "code=soon",
            "Prefer: expected code= with a status from 200 to 599, received \"soon\"",
        ),
        (
            "code=199",
            "Prefer: expected code= with a status from 200 to 599, received \"199\"",
        ),
        (
            "example=nothing",
            "No recording of generate-image is called \"nothing\". It has: generate-image/add-bird, generate-image/combine-two-images",
        ),
        (
            "code=429, example=add-bird",
            "Prefer: the recording add-bird has the status 200, not 429",
        ),
        (
            "code=418",
            "The contract of generate-image declares no status 418 that could be made up; it declares 200, 400, 401, 403, 404, 429, 500, 502, 503, 504",
        ),
    ] {
        let (status, applied, answer) = told(prefer);
        assert_eq!((status, applied), (400, None), "{prefer}");
        assert_eq!(answer.header("x-kontext-error"), Some("prefer"));
        assert_eq!(answer.message(), expected);
    }
}

#[tokio::test]
async fn prefer_goes_before_a_script_and_uses_none_of_it_up() {
    let server = MockServer::start().await.unwrap();
    let rule = Rule::new([AnswerKind::Status(500)]);
    server.set_rules([rule]).unwrap();
    let answer = post_with(server.address(), &[("Prefer", "code=429")], body());
    assert_eq!(answer.status, 429);
    assert_eq!(post(server.address(), body()).status, 500);
    assert_eq!(post(server.address(), body()).status, 200);
}

#[tokio::test]
async fn a_recorded_error_goes_before_the_documented_one() {
    let folder = Folder::with_add_bird();
    folder.copy_add_bird_to("generate-image/too-many");
    folder.edit("generate-image/too-many/recording.json", |story| {
        story["status"] = 429.into();
        story["headers"]["retry-after"] = "9".into();
    });
    folder.edit("generate-image/too-many/request.json", |request| {
        request["prompt"] = "too many".into();
    });
    let recorded = "{\"statusCode\":429,\"message\":\"recorded\"}";
    folder.write("generate-image/too-many/response.json", recorded);
    let server = MockServer::builder()
        .recordings(folder.path())
        .start()
        .await
        .unwrap();
    let answer = post_with(server.address(), &[("Prefer", "code=429")], body());
    assert_eq!(answer.body, recorded.as_bytes());
    assert_eq!(answer.header("retry-after"), Some("9"));
    assert_eq!(answer.header("x-kontext-error"), None);
    assert_eq!(
        answer.found(),
        (Some("fallback"), Some("generate-image/too-many"))
    );
}
