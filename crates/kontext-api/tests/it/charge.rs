//! Paid responses are never lost, even if they can't be used.

use kontext_api::Error;

use crate::server::{Answer, ONE_IMAGE, Server, assert_discreet, request, response};

const HEADERS: &str = "x-inference-id: inf-7\r\nx-client-request-id: mine-1\r\n\
    x-aimlapi-credits-used: 91000\r\nx-aimlapi-usd-spent: 0.0455\r\n";

async fn outcome(answer: Answer) -> Result<kontext_api::GeneratedImages, Error> {
    let server = Server::start(answer).await;
    let outcome = server
        .builder()
        .max_response_size(1_000)
        .build()
        .unwrap()
        .generate(request())
        .await;
    assert_eq!(server.requests().len(), 1);
    if let Err(error) = &outcome {
        assert_discreet(error);
        assert!(
            error.may_have_been_charged() && !error.is_retryable(),
            "{error:?}"
        );
    }
    outcome
}

#[tokio::test]
async fn success_exposes_ids_and_cost() {
    let answer = outcome(Answer::Bytes(response("200 OK", HEADERS, ONE_IMAGE)))
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.request_id(), Some("inf-7"));
    assert_eq!(answer.headers()["x-client-request-id"], "mine-1");
    assert_eq!(answer.credits_used(), Some(91_000));
    assert_eq!(answer.usd_spent(), Some("0.0455"));
    assert_eq!(answer.headers()["x-inference-id"], "inf-7");
    assert_eq!(answer.raw().as_bytes(), ONE_IMAGE);
    assert_eq!(
        answer.images()[0].url(),
        Some("https://cdn.example.com/1.jpg")
    );
}

#[tokio::test]
async fn accepts_other_2xx_status() {
    let answer = outcome(Answer::Bytes(response("201 Created", "", ONE_IMAGE)))
        .await
        .unwrap();
    assert_eq!((answer.status().as_u16(), answer.images().len()), (201, 1));
}

#[tokio::test]
async fn no_images_error_keeps_whole_answer() {
    for body in [
        "{}",
        "{\"images\": []}",
        "{\"data\": null}",
        "{\"images\": [{\"url\": \"\", \"width\": 5}, null]}",
    ] {
        let error = outcome(Answer::Bytes(response("200 OK", HEADERS, body.as_bytes())))
            .await
            .unwrap_err();
        let Error::NoImages(answer) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(answer.raw(), body);
        assert_eq!(answer.credits_used(), Some(91_000));
        assert_eq!(error.request_id(), Some("inf-7"));
        assert_eq!(error.body(), Some(body.as_bytes()));
        assert_eq!(error.status().unwrap().as_u16(), 200);
    }
}

#[tokio::test]
async fn no_images_error_shows_provider_message() {
    let body = b"{\"statusCode\": 403, \"message\": \"You've run\\nout of credits.\"}";
    let error = outcome(Answer::Bytes(response("200 OK", HEADERS, body)))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the response with status 200 has no image: You've run\\nout of credits. (request \
             id inf-7) (client request id {})",
            error.client_request_id().unwrap()
        )
    );
}

#[tokio::test]
async fn no_images_error_gives_reason() {
    for (body, reason) in [
        (
            r#"{"images": [], "has_nsfw_concepts": [false, true]}"#,
            "flagged as not safe for work",
        ),
        (
            r#"{"status": "queued", "id": "job-7"}"#,
            "its `status` is \"queued\"",
        ),
        (
            r#"{"detail": "the prompt was moderated"}"#,
            ": the prompt was moderated (",
        ),
        (r#"{"errors": [{"message": "moderated"}]}"#, ": moderated ("),
        (
            r#"{"images": [], "seed": 7}"#,
            "; it begins with \"{\"images\": [], \"seed\": 7}\"",
        ),
    ] {
        let error = outcome(Answer::Bytes(response("200 OK", HEADERS, body.as_bytes())))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), "no_images");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn cost_is_read_in_every_notation() {
    let one = |usage: &str| {
        let image = "{\"url\": \"https://e.com/1\"}";
        format!("{{\"images\": [{image}], \"meta\": {{\"usage\": {{{usage}}}}}}}")
    };
    for (headers, usage, credits) in [
        ("x-aimlapi-credits-used: 91000.0\r\n", "", Some(91_000)),
        ("x-aimlapi-credits-used: 91000.2\r\n", "", Some(91_001)),
        ("x-aimlapi-usd-spent: 0.0455\r\n", "", Some(91_000)),
        (
            "x-aimlapi-credits-used: 7\r\n",
            "\"credits_used\": 8",
            Some(7),
        ),
        (
            "x-aimlapi-credits-used: many\r\n",
            "\"credits_used\": 8",
            Some(8),
        ),
        ("", "\"credits_used\": \"91000\"", Some(91_000)),
        ("", "\"credits_used\": 0.5", Some(1)),
        ("", "\"tokens_used\": 91000", Some(91_000)),
        ("", "\"usd_spent\": 0.0455", Some(91_000)),
        ("", "\"usd_spent\": \"0.07\"", Some(140_000)),
        (
            "",
            "\"credits_used\": true, \"usd_spent\": 1",
            Some(2_000_000),
        ),
        ("", "\"credits_used\": -5", None),
        ("", "", None),
    ] {
        let answer = Answer::Bytes(response("200 OK", headers, one(usage).as_bytes()));
        let server = Server::start(answer).await;
        let client = server.builder().credits_per_image(3).build().unwrap();
        let mut batch = client.batch([request()]).start();
        let answer = batch.next().await.unwrap().result.unwrap();
        assert_eq!(answer.credits_used(), credits, "{headers}{usage}");
        let counted = batch.progress().credits_spent;
        assert_eq!(counted, credits.unwrap_or(3), "{headers}{usage}");
        // The same for an error.
        let answer = Answer::Bytes(response(
            "200 OK",
            headers,
            one(usage).replace("url", "x").as_bytes(),
        ));
        let server = Server::start(answer).await;
        let error = server.client().generate(request()).await.unwrap_err();
        assert_eq!(error.credits_used(), credits, "{headers}{usage}");
    }
    let refused = response("400 X", "x-aimlapi-credits-used: 91000.0\r\n", b"{}");
    let server = Server::start(Answer::Bytes(refused)).await;
    let error = server.client().generate(request()).await.unwrap_err();
    assert_eq!(error.credits_used(), Some(91_000));
    assert!(error.may_have_been_charged());
}

#[tokio::test]
async fn invalid_utf_8_hides_no_image() {
    let body = b"{\"prompt\": \"caf\xe9\", \"images\": [{\"url\": \"https://e.com/1\"}]}";
    let answer = outcome(Answer::Bytes(response("200 OK", HEADERS, body)))
        .await
        .unwrap();
    assert_eq!(answer.images()[0].url(), Some("https://e.com/1"));
    assert_eq!(answer.prompt(), Some("caf\u{fffd}"));
    assert_eq!(answer.body(), body);
    assert_eq!(
        answer.unknown_fields().collect::<Vec<_>>(),
        [("/prompt", "\"caf\u{fffd}\"")]
    );
    // Without an image, the error has the whole body.
    let body = b"{\"prompt\": \"caf\xe9\"}";
    let error = outcome(Answer::Bytes(response("200 OK", HEADERS, body)))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.body()), ("no_images", Some(&body[..])));
}

#[tokio::test]
async fn place_of_invalid_json_is_named() {
    let whole = String::from_utf8(ONE_IMAGE.to_vec()).unwrap();
    let cut = &whole[..whole.len() - 1];
    for body in [format!("{whole} and more"), cut.to_owned()] {
        let error = outcome(Answer::Bytes(response("200 OK", "", body.as_bytes())))
            .await
            .unwrap_err();
        let column = whole.len() - 1;
        let is_named = (column..=column + 3).any(|column| {
            error
                .to_string()
                .contains(&format!("is not JSON at line 1, column {column}, "))
        });
        assert!(is_named, "{error}");
    }
}

#[tokio::test]
async fn malformed_header_does_not_lose_images() {
    for header in ["x-note: a\u{1}b\r\n", "x note: a\r\n", "x-note : a\r\n"] {
        let headers = format!("{HEADERS}{header}");
        let answer = outcome(Answer::Bytes(response("200 OK", &headers, ONE_IMAGE)))
            .await
            .unwrap();
        assert_eq!(answer.request_id(), Some("inf-7"));
    }
}

#[tokio::test]
async fn huge_content_length_reserves_no_memory() {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\n{HEADERS}content-length: {}\r\n\r\n",
        1u64 << 52
    )
    .into_bytes();
    bytes.extend_from_slice(ONE_IMAGE);
    let server = Server::start(Answer::Bytes(bytes)).await;
    let client = server
        .builder()
        .max_response_size(usize::MAX)
        .build()
        .unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.body(), Some(ONE_IMAGE));
}

#[tokio::test]
async fn decode_error_keeps_body_and_headers() {
    let deep = "[".repeat(900);
    let cases: [(&[u8], &str, &str); 6] = [
        (b"", "", "is empty"),
        (
            b"<html>",
            "",
            "is not JSON at line 1, column 1, it begins with \"<html>\"",
        ),
        (b"{\"images\": \xff}", "", "is not UTF-8 at byte 11"),
        (
            b"{\"images\": [{\"url\": 7}]}",
            "/images/0/url",
            "expected a string, found 7",
        ),
        (deep.as_bytes(), "", "is not JSON"),
        (
            b"[]",
            "top",
            "has a wrong type at its top level: expected an object, found []",
        ),
    ];
    for (body, pointer, problem) in cases {
        let error = outcome(Answer::Bytes(response("200 OK", HEADERS, body)))
            .await
            .unwrap_err();
        let Error::Decode(decode) = &error else {
            panic!("{error:?}")
        };
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!(
            decode.pointer(),
            match pointer {
                "" => None,
                "top" => Some(""),
                other => Some(other),
            }
        );
        assert_eq!(error.body(), Some(body));
        assert_eq!(error.request_id(), Some("inf-7"));
        assert_eq!(decode.reply().usd_spent(), Some("0.0455"));
        assert_eq!(decode.reply().headers()["x-client-request-id"], "mine-1");
        assert!(!decode.reply().is_cut());
    }
}

#[tokio::test]
async fn unrequested_content_encoding_is_named() {
    let headers = format!("{HEADERS}content-encoding: gzip\r\n");
    let error = outcome(Answer::Bytes(response("200 OK", &headers, b"\x1f\x8b")))
        .await
        .unwrap_err();
    let expected = "is not UTF-8 at byte 1; its content-encoding is gzip, which the client did \
        not request";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(error.body(), Some(&b"\x1f\x8b"[..]));

    // A readable body is decoded, whatever the header says.
    for coding in ["identity", "identity, identity", "utf-8", "gzip"] {
        let headers = format!("content-encoding: {coding}\r\n");
        outcome(Answer::Bytes(response("200 OK", &headers, ONE_IMAGE)))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn oversized_answer_is_kept_up_to_the_limit() {
    let exact = format!(
        "{{\"images\": [{{\"url\": \"{}\"}}]}}",
        "u".repeat(1_000 - 25)
    );
    assert_eq!(exact.len(), 1_000);
    outcome(Answer::Bytes(response("200 OK", "", exact.as_bytes())))
        .await
        .unwrap();

    let longer = format!("{exact} ");
    // With and without `content-length`.
    for bytes in [
        response("200 OK", HEADERS, longer.as_bytes()),
        format!("HTTP/1.1 200 OK\r\n{HEADERS}\r\n{longer}").into_bytes(),
    ] {
        let error = outcome(Answer::Bytes(bytes)).await.unwrap_err();
        let Error::Decode(decode) = &error else {
            panic!("{error:?}")
        };
        assert!(
            error.to_string().contains("is larger than 1000 bytes"),
            "{error}"
        );
        assert!(decode.reply().is_cut());
        assert_eq!(error.body(), Some(exact.as_bytes()));
        assert_eq!(error.request_id(), Some("inf-7"));
    }
}

#[tokio::test]
async fn truncated_answer_is_an_unknown_outcome() {
    let mut bytes = response("200 OK", HEADERS, ONE_IMAGE);
    bytes.truncate(bytes.len() - 10);
    let error = outcome(Answer::Bytes(bytes)).await.unwrap_err();
    let Error::OutcomeUnknown {
        reply: Some(reply), ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(reply.is_cut());
    assert_eq!(reply.body(), &ONE_IMAGE[..ONE_IMAGE.len() - 10]);
    assert_eq!(reply.credits_used(), Some(91_000));
    assert_eq!(
        (error.request_id(), error.status().unwrap().as_u16()),
        (Some("inf-7"), 200)
    );
    assert!(std::error::Error::source(&error).is_some());
}
