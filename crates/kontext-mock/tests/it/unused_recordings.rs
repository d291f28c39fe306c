//! Unused recordings, and recordings made under an older contract.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kontext_mock::{MockServer, Recordings};
use serde_json::json;

use crate::{
    folders::Folder,
    http::{add_bird_with, post},
    wire::admin_json,
};

#[tokio::test]
async fn unused_recordings_are_listed() {
    let server = MockServer::start().await.unwrap();
    let names = || -> Vec<_> { server.unused() };
    assert_eq!(
        names(),
        [
            "generate-image/add-bird",
            "generate-image/combine-two-images"
        ]
    );
    post(server.address(), add_bird_with(json!({})));
    // A miss does not use a recording, although it names the nearest.
    post(server.address(), add_bird_with(json!({"prompt": "x"})));
    assert_eq!(names(), ["generate-image/combine-two-images"]);
    let panic = catch_unwind(AssertUnwindSafe(|| server.assert_all_used())).unwrap_err();
    assert_eq!(
        panic.downcast_ref::<String>().unwrap(),
        "no request was answered by these recordings, delete them or test them: \
         generate-image/combine-two-images"
    );
    let listed = admin_json(server.address(), "recordings");
    assert_eq!(
        (
            &listed["recordings"][0]["used"],
            &listed["recordings"][1]["used"]
        ),
        (&json!(true), &json!(false))
    );
    let recordings = Recordings::embedded().unwrap();
    let combine = recordings.get("generate-image/combine-two-images").unwrap();
    post(server.address(), combine.request().unwrap());
    server.assert_all_used();
    // Resetting a session does not affect this; resetting the server does.
    server.session("one").unwrap().reset();
    server.assert_all_used();
    server.reset();
    assert_eq!(names().len(), 2);
}

#[tokio::test]
async fn stale_recordings_are_listed() {
    let folder = Folder::with_add_bird();
    folder.copy_add_bird_to("generate-image/old");
    folder.edit("generate-image/old/request.json", |request| {
        request["seed"] = 1.into()
    });
    folder.edit("generate-image/old/recording.json", |story| {
        story["contract_sha256"] = "0".repeat(64).into();
    });
    let server = MockServer::builder()
        .recordings(folder.path())
        .start()
        .await
        .unwrap();
    assert_eq!(server.stale(), ["generate-image/old"]);
    assert_eq!(admin_json(server.address(), "health")["stale"], 1);
    let listed = admin_json(server.address(), "recordings");
    assert_eq!(
        (
            &listed["recordings"][0]["stale"],
            &listed["recordings"][1]["stale"]
        ),
        (&json!(false), &json!(true))
    );
    assert_eq!(MockServer::start().await.unwrap().stale(), [""; 0]);
}
