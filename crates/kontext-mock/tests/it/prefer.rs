//! `Prefer`: requests that ask for a particular response, also in combination with
//! faults.

use kontext_mock::{FAULT_HEADER, Fault, FaultKind, MockServer};
use serde_json::json;

use crate::{
    folders::Folder,
    http::{add_bird_with, post},
    wire::{Ended, Seen, last_request, post_with},
};

const ADD_BIRD: &str = "generate-image/add-bird";
const COMBINE: &str = "generate-image/combine-two-images";

fn body() -> String {
    add_bird_with(json!({}))
}

#[tokio::test]
async fn prefer_selects_status_or_recording() {
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
async fn fault_precedes_prefer_and_is_used_up() {
    let server = MockServer::start().await.unwrap();
    server.set_faults([Fault::from(FaultKind::Status { status: 500 }).times(1)]);
    let prefer = || post_with(server.address(), &[("Prefer", "code=429")], body()).status;
    assert_eq!([prefer(), prefer()], [500, 429]);
    assert_eq!(post(server.address(), body()).status, 200);
}

#[tokio::test]
async fn preferred_answer_can_have_faults_and_is_billed() {
    let server = MockServer::start().await.unwrap();
    let ask = |prefer: &str, faults: &str| {
        let headers = [("Prefer", prefer), (FAULT_HEADER, faults)];
        Seen::of(server.address(), &last_request(&headers, &body()))
    };
    let empty = ask("code=200", "empty-reply");
    assert_eq!((empty.bytes.len(), empty.ended), (0, Ended::InOrder));
    let cut = ask("code=503", "delay=30ms; cut-body=5");
    assert!(cut.took.as_millis() >= 30);
    let cut = cut.answer();
    assert_eq!((cut.status, cut.body.as_slice()), (503, &b"{\"req"[..]));
    assert_eq!(cut.header(FAULT_HEADER), Some("delay=30ms; cut-body=5"));
    assert_eq!(server.billed().generations, 1);
    // A request that violates the contract is refused, whatever it prefers.
    let bad = add_bird_with(json!({"seed": 0}));
    let answer = post_with(server.address(), &[("Prefer", "code=429")], bad);
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn preferred_status_without_recording_is_generated() {
    let server = MockServer::start().await.unwrap();
    let answer = post_with(server.address(), &[("Prefer", "code=404")], body());
    assert_eq!(answer.found(), (Some("generated"), None));
    assert_eq!(
        (answer.status, answer.message().as_str()),
        (404, "Not Found")
    );
    let example = format!("example={COMBINE}");
    let answer = post_with(server.address(), &[("Prefer", &example)], body());
    assert_eq!(answer.found(), (Some("fallback"), Some(COMBINE)));
    assert_eq!(server.received()[1].differences().len(), 2);
    assert_eq!(server.billed().images, 1);
}

#[tokio::test]
async fn recorded_error_takes_precedence_over_generated_one() {
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
