//! Which recording answers a request, in each mode.

use kontext_mock::{MatchMode, MockServer};
use serde_json::json;

use crate::{
    folders::Folder,
    http::{Answer, HEADERS, PATH, add_bird_with, post, send},
};

async fn ask(mode: MatchMode, body: &str) -> Answer {
    let server = MockServer::builder()
        .match_mode(mode)
        .start()
        .await
        .unwrap();
    post(server.address(), body)
}

#[tokio::test]
async fn exact_match_wins_in_every_mode() {
    let mug = json!({
        "image_url": [
            "https://zovi0.github.io/public_misc/flux-dev-t-rex.png",
            "https://zovi0.github.io/public_misc/blue-mug.jpg"
        ],
        "model": "flux/kontext-pro/image-to-image",
        "prompt": "Place this image with the t-rex on this mug from the second image as a print. Make it look fit and natural."
    });
    let spelled = format!(" {} ", mug.to_string().replace("mug", "\\u006dug"));
    for mode in MatchMode::ALL {
        let answer = ask(mode, &spelled).await;
        assert_eq!(answer.status, 200, "{mode}");
        assert_eq!(
            answer.found(),
            (Some("exact"), Some("generate-image/combine-two-images"))
        );
    }
}

#[tokio::test]
async fn strict_miss_lists_differences() {
    let answer = ask(
        MatchMode::Strict,
        &add_bird_with(json!({"prompt": "Add a cat.", "num_images": 2.0, "image_url": ["https://a.example/1"]})),
    )
    .await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.found(), (Some("miss"), None));
    assert_eq!(answer.header("x-kontext-error"), Some("miss"));
    assert_eq!(
        answer.message(),
        "No recording matches this request. The nearest is generate-image/add-bird \
         (Add a bird to the foreground of a photo.), which differs here:\n\
         /image_url: expected \"https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.p…, \
         received [\"https://a.example/1\"]\n\
         /num_images: expected nothing, received 2\n\
         /prompt: expected \"Add a bird to the foreground of the photo.\", received \"Add a cat.\"\n\
         To record it, send it to: kontext-mock record --upstream https://api.aimlapi.com \
         --recordings RECORDINGS"
    );
}

#[tokio::test]
async fn strict_ignores_no_difference() {
    for changes in [
        json!({"num_images": 1}),
        json!({"seed": 1}),
        json!({"x": null}),
    ] {
        let answer = ask(MatchMode::Strict, &add_bird_with(changes)).await;
        assert_eq!(answer.found(), (Some("miss"), None));
    }
    let server = MockServer::start().await.unwrap();
    let body = add_bird_with(json!({}));
    let answer = send(
        server.address(),
        "POST",
        &format!("{PATH}?a=1"),
        HEADERS,
        body.as_bytes(),
    );
    assert!(
        answer
            .message()
            .contains("\nquery: expected nothing, received a=1\n")
    );
    let answer = send(
        server.address(),
        "POST",
        &format!("{PATH}?"),
        HEADERS,
        body.as_bytes(),
    );
    assert_eq!(answer.found().0, Some("exact"));
}

#[tokio::test]
async fn nearest_picks_fewest_differences() {
    let answer = ask(
        MatchMode::Nearest,
        &add_bird_with(json!({"prompt": "Add a cat."})),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.found(),
        (Some("nearest"), Some("generate-image/add-bird"))
    );
    let two = json!([
        "https://a.example/1",
        "https://zovi0.github.io/public_misc/blue-mug.jpg"
    ]);
    let answer = ask(
        MatchMode::Nearest,
        &add_bird_with(json!({"prompt": "x", "image_url": two})),
    )
    .await;
    assert_eq!(
        answer.found(),
        (Some("nearest"), Some("generate-image/combine-two-images"))
    );
}

#[tokio::test]
async fn ties_are_resolved_by_name() {
    let folder = Folder::with_add_bird();
    for (case, prompt) in [("a-case", "a"), ("z-case", "z")] {
        folder.copy_add_bird_to(&format!("generate-image/{case}"));
        folder.edit(&format!("generate-image/{case}/request.json"), |body| {
            body["prompt"] = prompt.into();
        });
    }
    for (mode, how) in [
        (MatchMode::Nearest, "nearest"),
        (MatchMode::Fallback, "fallback"),
    ] {
        let server = MockServer::builder()
            .recordings(folder.path())
            .match_mode(mode)
            .start()
            .await
            .unwrap();
        let answer = post(server.address(), add_bird_with(json!({"prompt": "other"})));
        assert_eq!(answer.found(), (Some(how), Some("generate-image/a-case")));
        let answer = post(server.address(), add_bird_with(json!({"prompt": "z"})));
        assert_eq!(
            answer.found(),
            (Some("exact"), Some("generate-image/z-case"))
        );
    }
}

#[tokio::test]
async fn fallback_picks_first_recording() {
    let two = json!([
        "https://zovi0.github.io/public_misc/flux-dev-t-rex.png",
        "https://zovi0.github.io/public_misc/blue-mug.jpg"
    ]);
    let answer = ask(
        MatchMode::Fallback,
        &add_bird_with(json!({"prompt": "x", "image_url": two})),
    )
    .await;
    assert_eq!(
        answer.found(),
        (Some("fallback"), Some("generate-image/add-bird"))
    );
}

#[test]
fn mode_name_round_trips() {
    for mode in MatchMode::ALL {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    assert!("Strict".parse::<MatchMode>().is_err());
}

#[tokio::test]
async fn ignored_fields_are_named_and_exact_match_wins() {
    let folder = Folder::with_add_bird();
    folder.copy_add_bird_to("generate-image/seeded");
    folder.edit("generate-image/seeded/request.json", |request| {
        request["seed"] = 7.into();
    });
    let ask = async |server: &MockServer, changes| {
        let answer = post(server.address(), add_bird_with(changes));
        let ignored = answer.header("x-kontext-ignored").map(str::to_owned);
        let (found, recording) = answer.found();
        let found = format!("{} {}", found.unwrap_or("-"), recording.unwrap_or("-"));
        (found, ignored)
    };
    let strict = || MockServer::builder().recordings(folder.path());
    let server = strict().start().await.unwrap();
    assert_eq!(ask(&server, json!({"seed": 8})).await.0, "miss -");
    for server in [strict().ignore("/seed").start().await.unwrap(), {
        folder.write("matching.json", r#"{"format": 1, "ignore": ["/seed"]}"#);
        strict().start().await.unwrap()
    }] {
        let add_bird = "exact generate-image/add-bird".to_owned();
        let ignored = Some("/seed".to_owned());
        assert_eq!(
            ask(&server, json!({"seed": 8})).await,
            (add_bird.clone(), ignored)
        );
        assert_eq!(ask(&server, json!({})).await, (add_bird, None));
        let seeded = "exact generate-image/seeded".to_owned();
        assert_eq!(ask(&server, json!({"seed": 7.0})).await, (seeded, None));
        // Other differences are a miss, and the seed is not among them.
        assert_eq!(
            ask(&server, json!({"seed": 8, "prompt": "x"})).await.0,
            "miss -"
        );
        let received = server.received();
        let differences = received.last().unwrap().differences();
        let places: Vec<_> = differences.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["/prompt"]);
    }
    folder.write(
        "matching.json",
        r#"{"format": 1, "ignore": ["/seed", "seed"]}"#,
    );
    let error = strict().start().await.unwrap_err().to_string();
    assert!(
        error.contains("matching.json, /ignore/1: \"seed\" is not a JSON pointer; write {"),
        "{error}"
    );
    let error = MockServer::builder()
        .ignore("seed")
        .start()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot ignore \"seed\": expected a JSON pointer such as /seed"
    );
}

#[tokio::test]
async fn recordings_of_another_model_never_match() {
    for mode in [MatchMode::Nearest, MatchMode::Fallback] {
        let server = MockServer::builder()
            .match_mode(mode)
            .start()
            .await
            .unwrap();
        let other = add_bird_with(json!({"model": "flux/kontext-max/image-to-image"}));
        let answer = post(server.address(), other);
        assert_eq!(
            (answer.status, answer.found()),
            (404, (Some("miss"), None)),
            "{mode}"
        );
        let message = answer.message();
        let start = "There is no recording of generate-image for flux/kontext-max/image-to-image;";
        assert!(message.starts_with(start), "{message}");
        let same = post(server.address(), add_bird_with(json!({"seed": 7})));
        assert_eq!(same.status, 200, "{mode}");
    }
}

#[tokio::test]
async fn preferred_status_skips_recordings_of_another_model() {
    let server = MockServer::start().await.unwrap();
    let other = add_bird_with(json!({"model": "flux/kontext-max/image-to-image"}));
    let headers = [HEADERS, &[("prefer", "code=200")]].concat();
    let answer = send(server.address(), "POST", PATH, &headers, other.as_bytes());
    assert_eq!(
        (answer.status, answer.found()),
        (200, (Some("generated"), None))
    );
}
