//! A key echoed by the server is never printed.

use kontext_api::Error;
use tokio::task::JoinSet;

use crate::server::{KEY, Server, prints, request};

/// Everything printed for a result, success or error.
async fn printed(status: &str, headers: &str, body: &str) -> String {
    let server = Server::answering(status, headers, body.as_bytes()).await;
    match server.client().generate(request()).await {
        Ok(answer) => format!("{answer:?} {:?} {:?}", answer.images(), answer.timings()),
        Err(error) => {
            let also = match &error {
                Error::NoImages(answer) => format!("{answer:?} {:?}", answer.timings()),
                other => format!("{:?}", other.reply().map(|reply| reply.redirect_target())),
            };
            format!("{} {also}", prints(&error))
        }
    }
}

/// The length of the longest substring of the key in `text`, ignoring case.
fn longest_part(text: &str) -> usize {
    let text = text.to_lowercase();
    let parts = (0..KEY.len()).flat_map(|start| (start + 1..=KEY.len()).map(move |end| start..end));
    let shown = parts.filter(|part| text.contains(&KEY[part.clone()]));
    shown.map(|part| part.len()).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn key_is_never_printed() {
    let escaped = KEY.replace("p", "\\u0070").replace('-', "\\u002D");
    let percent = KEY.replace('-', "%2d");
    let image = "{\"images\": [{\"url\": \"https://a/1\"}]}";
    let inside = |text: &str| image.replace("https://a/1", text);
    let beside = |member: &str| image.replacen('{', &format!("{{{member}, "), 1);
    let id = format!("x-inference-id: {KEY}\r\n");
    let bodies = [
        // Truncation cuts the printed text at every position of the key.
        (20..70)
            .map(|count| format!("{{\"seed\": \"{}{KEY}\"}}", "x".repeat(count)))
            .collect::<Vec<_>>(),
        (20..50)
            .map(|count| format!("{}{KEY}", "x".repeat(count)))
            .collect(),
        vec![
            format!("{{\"seed\": \"{escaped}\"}}"),
            format!("{{\"model\": \"{KEY}\"}}"),
            format!("{{\"message\": \"{KEY}\"}}"),
            format!("{{\"{KEY}\": 1}}"),
            format!("{{\"timings\": {{\"{KEY}\": \"{KEY}\"}}}}"),
            format!("{{\"images\": [{{\"{KEY}\": {{}}, \"url\": 7}}]}}"),
            inside(&format!("https://a/{KEY}")),
            inside(&format!("https://a/{percent}")),
            inside("u\", \"file_name\": \"KEY\", \"content_type\": \"KEY").replace("KEY", KEY),
            beside(&format!("\"model\": \"{KEY}\", \"prompt\": \"{KEY}\"")),
            beside(&format!("\"timings\": {{\"{KEY}\": \"{escaped}\"}}")),
            beside(&format!("\"{KEY}\": 1")),
        ],
    ];
    let mut cases: Vec<_> = bodies
        .into_iter()
        .flatten()
        .map(|body| ("200 OK", String::new(), body))
        .collect();
    for body in ["", "[]", "{}", image] {
        cases.push(("200 OK", id.clone(), body.to_owned()));
    }
    for body in [KEY, &escaped, &percent] {
        cases.push(("400 X", id.clone(), format!("{{\"message\": \"{body}\"}}")));
        cases.push((
            "400 X",
            id.clone(),
            format!("{{\"message\": [\"{body}\"]}}"),
        ));
        cases.push((
            "400 X",
            id.clone(),
            format!("{{\"requestId\": \"{body}\"}}"),
        ));
    }
    let headers = [
        format!("{KEY}: 1\r\n"),
        format!("location: /x/{KEY}\r\n"),
        format!("location: https://example.com/{percent}\r\n"),
        format!("location: https://{KEY}/\r\n"),
        format!("location: https://me:{KEY}@exa mple.com/\r\n"),
        format!("content-encoding: {KEY}\r\n"),
    ];
    for headers in headers {
        cases.push(("307 X", headers.clone(), String::new()));
        cases.push(("200 OK", headers, "x".to_owned()));
    }
    // Concurrent, because building a client takes longer than a call.
    let mut printing = JoinSet::new();
    for (status, headers, body) in cases {
        printing.spawn(async move {
            let text = printed(status, &headers, &body).await;
            assert!(longest_part(&text) < 6, "{status} {headers} {body}: {text}");
        });
    }
    while let Some(printed) = printing.join_next().await {
        printed.unwrap();
    }
}

#[tokio::test]
async fn body_and_headers_are_returned_as_received() {
    let headers = format!("x-inference-id: {KEY}\r\n");
    let body = format!("{{\"message\": \"no {KEY}\"}}");
    let server = Server::answering("400 X", &headers, body.as_bytes()).await;
    let error = server.client().generate(request()).await.unwrap_err();
    let reply = error.reply().unwrap();
    assert_eq!(reply.body(), body.as_bytes());
    assert_eq!(reply.headers()["x-inference-id"], KEY);
    assert_eq!(reply.message(), Some("no [api key]"));
}
