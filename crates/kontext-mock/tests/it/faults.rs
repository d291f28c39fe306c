//! Every fault as seen on a raw socket, byte for byte, set in each of the four ways,
//! and its charge.

use std::net::SocketAddr;

use kontext_mock::{FAULT_HEADER, Fault, MockServer};
use serde_json::json;

use crate::{
    http::{Answer, add_bird_with, post},
    process::{Process, command},
    wire::{Ended, Seen, admin, admin_json, charged, last_request, post_with},
};

/// Bytes that no HTTP client accepts as a response.
const GARBAGE: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\x00\xff\xfe\r\n\r\n";

/// The error page of a gateway.
const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
                    <center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";

/// Faults that respond without carrying out the request.
const EARLY: &[&str] = &["reset-before", "html-502", "status=503", "429", "429=7"];

/// Faults that affect the response to a request that was carried out.
const LATE: &[&str] = &[
    "slow-body=100ms",
    "reset-after",
    "empty-reply",
    "garbage",
    "malformed-chunk",
    "cut-body",
    "cut-body=10",
    "cut-body=0",
    "cut-body=99999",
    "wrong-content-length",
    "wrong-content-length=10",
    "wrong-content-length=99999",
];

/// The expected effect of a fault on a connection.
#[derive(Debug, PartialEq)]
struct Expected {
    ended: Ended,
    /// The complete response, or the bytes sent instead.
    bytes: Bytes,
    charges: u64,
}

#[derive(Debug, PartialEq)]
enum Bytes {
    Exactly(Vec<u8>),
    Answer {
        status: u16,
        /// The value of `content-length`.
        length: Option<usize>,
        retry_after: Option<&'static str>,
        body: Vec<u8>,
    },
}

/// The effect of a fault on the response of a recording with this body.
fn expected(fault: &str, body: &[u8]) -> Expected {
    let half = body.len() / 2;
    let carried_out = |length: Option<usize>, body: &[u8]| Expected {
        ended: Ended::InOrder,
        bytes: Bytes::Answer {
            status: 200,
            length,
            retry_after: None,
            body: body.to_vec(),
        },
        charges: 1,
    };
    let whole = Some(body.len());
    let nothing = |ended, charges| Expected {
        ended,
        bytes: Bytes::Exactly(Vec::new()),
        charges,
    };
    let refused = |status, body: Vec<u8>, retry_after| Expected {
        ended: Ended::InOrder,
        bytes: Bytes::Answer {
            status,
            length: Some(body.len()),
            retry_after,
            body,
        },
        charges: 0,
    };
    match fault {
        "reset-before" => nothing(Ended::Reset, 0),
        "reset-after" => nothing(Ended::Reset, 1),
        "empty-reply" => nothing(Ended::InOrder, 1),
        "garbage" => Expected {
            bytes: Bytes::Exactly(GARBAGE.to_vec()),
            ..nothing(Ended::InOrder, 1)
        },
        "html-502" => refused(502, HTML.into(), None),
        "status=503" => refused(503, error(503, "Service unavailable"), None),
        "429" => refused(429, error(429, "Too Many Requests"), None),
        "429=7" => refused(429, error(429, "Too Many Requests"), Some("7")),
        "malformed-chunk" => {
            let mut chunks = format!("{half:x}\r\n").into_bytes();
            chunks.extend_from_slice(&body[..half]);
            chunks.extend_from_slice(b"\r\nno length\r\n");
            carried_out(None, &chunks)
        }
        "cut-body" => carried_out(whole, &body[..half]),
        "cut-body=10" => carried_out(whole, &body[..10]),
        "cut-body=0" => carried_out(whole, b""),
        "cut-body=99999" => carried_out(whole, &body[..body.len() - 1]),
        "wrong-content-length" => carried_out(Some(half), body),
        "wrong-content-length=10" => carried_out(Some(10), body),
        "wrong-content-length=99999" => carried_out(Some(99999), body),
        _ => carried_out(whole, body),
    }
}

/// The mock's synthetic error, with `N` as its number.
fn error(status: u16, message: &str) -> Vec<u8> {
    format!(
        "{{\"requestId\":\"00000000-0000-4000-8000-N\",\"statusCode\":{status},\
         \"timestamp\":\"2025-01-01T00:00:00.000Z\",\"path\":\"/v1/images/generations\",\
         \"message\":\"{message}\"}}"
    )
    .into()
}

/// The observed effect, in the same form.
fn seen_as(seen: &Seen, fault: &str, charges: u64) -> Expected {
    let bytes = if seen.bytes.starts_with(b"HTTP/1.1 ") {
        let answer = seen.answer();
        assert_eq!(answer.header(FAULT_HEADER), Some(fault));
        let chunked = fault == "malformed-chunk";
        let coding = answer.header("transfer-encoding");
        assert_eq!(coding, chunked.then_some("chunked"), "{answer:?}");
        Bytes::Answer {
            status: answer.status,
            length: answer
                .header("content-length")
                .map(|it| it.parse().unwrap()),
            retry_after: answer.header("retry-after").map(|it| match it {
                "7" => "7",
                other => panic!("{other}"),
            }),
            body: without_number(&answer),
        }
    } else {
        Bytes::Exactly(seen.bytes.clone())
    };
    Expected {
        ended: seen.ended,
        bytes,
        charges,
    }
}

/// The body of a response, without the number of a synthetic error.
fn without_number(answer: &Answer) -> Vec<u8> {
    let id = answer.header("x-inference-id").unwrap();
    let number = &id[id.len() - 12..];
    let text = String::from_utf8(answer.body.clone()).unwrap();
    text.replace(&format!("-8000-{number}\""), "-8000-N\"")
        .into()
}

/// Checks that the head of a carried-out request's response is the same as without the
/// fault.
fn assert_same_head(seen: &Seen, healthy: &Answer) {
    if !seen.bytes.starts_with(b"HTTP/1.1 200") {
        return;
    }
    let own = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| {
            ![
                "connection",
                "content-length",
                "date",
                "transfer-encoding",
                "x-inference-id",
                FAULT_HEADER,
            ]
            .contains(&name.as_str())
        });
        headers.sort();
        headers
    };
    assert_eq!(own(&seen.answer()), own(healthy));
}

/// Posts the recorded request with the fault, and then without it.
fn check(address: SocketAddr, fault: &str, headers: &[(&str, &str)]) {
    let body = add_bird_with(json!({}));
    let before = charged(address);
    let seen = Seen::of(address, &last_request(headers, &body));
    let charges = charged(address) - before;
    let healthy = post(address, &body);
    assert_eq!(healthy.header(FAULT_HEADER), None, "{fault} goes on");
    let mut expected = expected(fault, &healthy.body);
    if let Bytes::Answer {
        status,
        length: Some(length),
        body,
        ..
    } = &mut expected.bytes
        && *status != 200
    {
        // The number has twelve digits.
        *length += body.windows(8).filter(|it| it == b"-8000-N\"").count() * 11;
    }
    assert_eq!(seen_as(&seen, fault, charges), expected, "{fault}");
    assert_same_head(&seen, &healthy);
    if let Some(time) = fault.strip_prefix("slow-body=") {
        assert_eq!(time, "100ms");
        assert!(seen.took.as_millis() >= 95, "{:?}", seen.took);
        assert!(seen.pieces > 2, "{} pieces", seen.pieces);
    }
}

#[tokio::test]
async fn request_header_injects_fault() {
    let server = MockServer::start().await.unwrap();
    for fault in EARLY.iter().chain(LATE) {
        check(server.address(), fault, &[(FAULT_HEADER, fault)]);
    }
}

#[tokio::test]
async fn admin_api_injects_fault() {
    let server = MockServer::start().await.unwrap();
    for fault in EARLY.iter().chain(LATE) {
        let faults = json!({ "faults": [format!("{fault},times=1")] });
        let put = admin(server.address(), "PUT", "faults", &faults.to_string());
        assert_eq!((put.status, put.json()), (200, faults));
        check(server.address(), fault, &[]);
        let left = admin_json(server.address(), "faults");
        assert_eq!(left, json!({ "faults": [] }));
    }
}

/// Mutually exclusive faults take turns: all of them are set, and each request triggers
/// one.
fn check_one_after_the_other(address: SocketAddr) {
    for fault in EARLY.iter().chain(LATE) {
        let seen = Seen::of(address, &last_request(&[], &add_bird_with(json!({}))));
        assert_eq!(seen_status(&seen), expected_status(fault), "{fault}");
    }
    assert_eq!(charged(address), LATE.len() as u64);
    assert_eq!(
        post(address, add_bird_with(json!({}))).header(FAULT_HEADER),
        None
    );
}

fn expected_status(fault: &str) -> Option<(u16, String)> {
    let Bytes::Answer { status, .. } = expected(fault, &[0; 100]).bytes else {
        return None;
    };
    Some((status, fault.to_owned()))
}

fn seen_status(seen: &Seen) -> Option<(u16, String)> {
    if !seen.bytes.starts_with(b"HTTP") {
        return None;
    }
    let answer = seen.answer();
    Some((answer.status, answer.header(FAULT_HEADER)?.to_owned()))
}

#[tokio::test]
async fn builder_injects_fault() {
    let mut builder = MockServer::builder();
    for fault in EARLY.iter().chain(LATE) {
        builder = builder.fault(fault.parse::<Fault>().unwrap().times(1));
    }
    let server = builder.start().await.unwrap();
    check_one_after_the_other(server.address());
}

#[test]
fn command_line_injects_fault() {
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--quiet"]);
    for fault in EARLY.iter().chain(LATE) {
        command.args(["--fault", &format!("{fault},times=1")]);
    }
    let serving = Process::serve(&mut command);
    check_one_after_the_other(serving.address);
}

#[test]
fn unknown_fault_error_lists_known_faults() {
    let output = command(&["serve", "--fault", "dealy=1s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("unknown fault \"dealy=1s\": expected one of: delay=200ms"),
        "{errors}"
    );
}

#[tokio::test]
async fn expected_effects_of_faults_are_distinct() {
    let server = MockServer::start().await.unwrap();
    let body = add_bird_with(json!({}));
    let healthy = post(server.address(), &body);
    let all: Vec<_> = EARLY
        .iter()
        .chain(LATE)
        .map(|fault| (fault, expected(fault, &healthy.body)))
        .collect();
    for (fault, one) in &all {
        let same: Vec<_> = all.iter().filter(|(_, other)| one == other).collect();
        assert_eq!(same.len(), 1, "{fault} is expected as {same:?}");
    }
}

#[tokio::test]
async fn limited_faults_act_in_turn_and_reset() {
    let faults = ["status=503,times=1", "status=429,times=2"].map(|one| one.parse::<Fault>());
    let mut builder = MockServer::builder();
    for fault in faults {
        builder = builder.fault(fault.unwrap());
    }
    let server = builder.start().await.unwrap();
    let statuses = || [(); 4].map(|()| post(server.address(), add_bird_with(json!({}))).status);
    assert_eq!(statuses(), [503, 429, 429, 200]);
    assert_eq!(
        (server.billed().generations, server.counts().requests),
        (1, 4)
    );
    server.reset();
    assert_eq!(statuses(), [503, 429, 429, 200]);
}

#[tokio::test]
async fn failing_share_is_chosen_by_seed() {
    let failing = async |seed: u64| {
        let fault: Fault = "503,p=0.2".parse().unwrap();
        let settings = kontext_mock::Generate::default().with_seed(seed);
        let builder = MockServer::builder().fault(fault).generate(settings);
        let server = builder.start().await.unwrap();
        let ask = |session: &str| {
            let headers = [("x-kontext-session", session)];
            let asked = (0..100)
                .map(|_| post_with(server.address(), &headers, add_bird_with(json!({}))).status);
            asked.collect::<Vec<_>>()
        };
        let statuses = ask("a");
        // The sequence is the same in every session.
        assert_eq!(ask("b"), statuses);
        statuses
    };
    let first = failing(0).await;
    let count = first.iter().filter(|status| **status == 503).count();
    assert!((8..35).contains(&count), "{count}");
    assert_eq!(failing(0).await, first);
    assert_ne!(failing(1).await, first);
}

#[tokio::test]
async fn fault_header_can_ask_for_a_share() {
    let server = MockServer::start().await.unwrap();
    let headers = [(FAULT_HEADER, "503,p=0.5")];
    let asked =
        (0..100).map(|_| post_with(server.address(), &headers, add_bird_with(json!({}))).status);
    let failed = asked.filter(|status| *status == 503).count();
    assert!((30..70).contains(&failed), "{failed}");
}
