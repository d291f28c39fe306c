//! Rules for every row. Each returns its violations.

use contract_tests::faults::{Request, Response, Seen};
use kontext_api::reqwest::header::HeaderMap;
use kontext_api::{Call, Error, GeneratedImages};

use super::bodies::PNG;
use super::rows::SENT_AGAIN;
use super::run::{Downloaded, Generated, prints};

/// Whether a response proves that its request was not processed: a 429, or a 503 written by
/// the provider itself.
fn is_refusal(answer: &Response) -> bool {
    let is_providers_word = || {
        let body: serde_json::Value = serde_json::from_slice(answer.body()).ok()?;
        let text = |name: &str| body[name].as_str().map(str::trim);
        let code = &body["statusCode"];
        let status = answer.status().to_string();
        let names_status = *code == answer.status() || code.as_str() == Some(&status);
        let has_both = !text("requestId")?.is_empty() && !text("message")?.is_empty();
        Some(has_both && names_status)
    };
    match answer.status() {
        429 => true,
        503 => is_providers_word() == Some(true),
        _ => false,
    }
}

/// Nothing is paid for twice: a second POST is sent only in the rows where that is correct,
/// and only after a refusal.
pub(super) fn paid_twice(name: &str, seen: &Seen) -> Vec<String> {
    let posts: Vec<&Request> = seen.with_method("POST").collect();
    let mut problems = Vec::new();
    if posts.len() > 1 && !SENT_AGAIN.contains(&name) {
        problems.push(format!("{name}: {} POSTs", posts.len()));
    }
    let earlier = &posts[..posts.len().saturating_sub(1)];
    for post in earlier {
        if !post.answered.as_ref().is_some_and(is_refusal) {
            let status = status(post);
            problems.push(format!("{name}: another POST after {status:?}"));
        }
    }
    problems
}

fn status(request: &Request) -> Option<u16> {
    request.answered.as_ref().map(Response::status)
}

/// Nothing that was paid for is lost: the outcome has the response's status, headers,
/// request id, cost, and all of the body that was sent.
pub(super) fn lost(run: &Generated) -> Vec<String> {
    let last = run.seen.with_method("POST").last();
    let Some(sent) = last.and_then(|post| post.answered.as_ref()) else {
        return Vec::new();
    };
    let name = run.row.name;
    let Some(kept) = Kept::of(&run.outcome) else {
        return vec![format!("{name}: the answer is lost")];
    };
    let mut problems = Vec::new();
    if kept.status != sent.status() {
        problems.push(format!("{name}: the status is {}", kept.status));
    }
    if kept.body != sent.body() {
        problems.push(format!("{name}: the body is {:?}", kept.body));
    }
    for (header, value) in sent.headers() {
        let kept = kept.headers.get(header);
        if kept.is_none_or(|kept| kept != value) {
            problems.push(format!("{name}: the header {header} is {kept:?}"));
        }
    }
    let cost = sent.headers().iter().find_map(|(header, value)| {
        let is_cost = header == "x-aimlapi-credits-used";
        is_cost.then(|| value.parse().ok())?
    });
    // All responses in these rows but one have the provider's request id.
    let has_id = sent
        .headers()
        .iter()
        .any(|(header, _)| header == "x-inference-id");
    if (has_id && kept.id.is_none()) || kept.cost != cost {
        problems.push(format!(
            "{name}: id and cost: {:?} {:?}",
            kept.id, kept.cost
        ));
    }
    problems
}

/// What an outcome has kept of the response.
struct Kept<'a> {
    status: u16,
    headers: &'a HeaderMap,
    body: &'a [u8],
    id: Option<&'a str>,
    cost: Option<u64>,
}

impl<'a> Kept<'a> {
    fn of(outcome: &'a Result<GeneratedImages, Error>) -> Option<Self> {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(Error::NoImages(answer)) => answer,
            Err(error) => {
                let reply = error.reply()?;
                return Some(Self {
                    status: error.status()?.as_u16(),
                    headers: reply.headers(),
                    body: error.body()?,
                    id: error.request_id(),
                    cost: reply.credits_used(),
                });
            }
        };
        Some(Self {
            status: answer.status().as_u16(),
            headers: answer.headers(),
            body: answer.body(),
            id: answer.request_id(),
            cost: answer.credits_used(),
        })
    }
}

/// Every outcome can be looked up: it has the client request id, which all of its attempts
/// sent.
pub(super) fn nameless(run: &Generated) -> Vec<String> {
    let name = run.row.name;
    let call = match &run.outcome {
        Ok(answer) => answer.call(),
        Err(error) => error.call(),
    };
    let Some(id) = call.map(Call::client_request_id) else {
        return vec![format!("{name}: no client request id")];
    };
    let header = format!("\r\nx-client-request-id: {id}\r\n");
    let posts = run.seen.with_method("POST").filter(|post| is_http1(post));
    posts
        .filter(|post| {
            String::from_utf8_lossy(&post.bytes)
                .matches(&header)
                .count()
                != 1
        })
        .map(|_| format!("{name}: a request without the id {id}"))
        .collect()
}

/// No outcome invites the caller to pay twice.
pub(super) fn misjudged(run: &Generated) -> Vec<String> {
    let Err(error) = &run.outcome else {
        return Vec::new();
    };
    let name = run.row.name;
    let last = run.seen.with_method("POST").last();
    let is_proved = match last {
        None => true,
        Some(last) => last.answered.as_ref().is_some_and(is_refusal),
    };
    let mut problems = Vec::new();
    if error.is_retryable() && (error.may_have_been_charged() || !is_proved) {
        problems.push(format!("{name}: said to be retryable"));
    }
    // The request was read, and the response was missing, a success, or possibly a gateway's.
    let heard = last.and_then(status);
    let is_open = last.is_some()
        && !is_proved
        && heard.is_none_or(|status| (200..300).contains(&status) || status == 503);
    if is_open && !error.may_have_been_charged() {
        problems.push(format!("{name}: said to cost nothing"));
    }
    problems
}

/// A downloaded picture is complete, or there is an error.
pub(super) fn spoilt(run: &Downloaded) -> Vec<String> {
    match &run.outcome {
        Ok(image) if image.bytes != PNG => {
            vec![format!(
                "{}: not the picture: {:?}",
                run.row.name, image.bytes
            )]
        }
        _ => Vec::new(),
    }
}

/// The key is not in an outcome's `Display` or `Debug` output.
pub(super) fn key_printed(key: &str, run: &Generated) -> Vec<String> {
    let text = match &run.outcome {
        Ok(answer) => format!("{answer:?}{answer:#?}"),
        Err(error) => prints(error),
    };
    found(key, run.row.name, "a print", &[text.as_bytes()])
}

/// The key was sent once per request, in its header, and nowhere else.
pub(super) fn key_sent(key: &str, name: &str, seen: &Seen) -> Vec<String> {
    let header = format!("\r\nauthorization: Bearer {key}\r\n");
    let mut problems = found(key, name, "stray bytes", &[&seen.stray]);
    for request in &seen.requests {
        let text = String::from_utf8_lossy(&request.bytes);
        if is_http1(request) && text.matches(&header).count() != 1 {
            problems.push(format!("{name}: no header with the key, or two"));
        }
        let rest = text.replacen(&header, "\r\n", 1);
        problems.extend(found(key, name, "a request", &[rest.as_bytes()]));
    }
    problems
}

/// Whether a request is readable: HTTP/2 compresses headers.
fn is_http1(request: &Request) -> bool {
    request.bytes.starts_with(request.method.as_bytes())
}

/// The key is in nothing that this server received.
pub(super) fn key_leaked(key: &str, name: &str, seen: &Seen) -> Vec<String> {
    let requests = seen.requests.iter().map(|request| &request.bytes[..]);
    let places: Vec<&[u8]> = requests.chain([&seen.stray[..]]).collect();
    found(key, name, "what a stranger was sent", &places)
}

pub(super) fn found(key: &str, name: &str, place: &str, texts: &[&[u8]]) -> Vec<String> {
    let is_in = |text: &[u8]| {
        let mut windows = text.windows(key.len());
        windows.any(|window| window.eq_ignore_ascii_case(key.as_bytes()))
    };
    match texts.iter().any(|text| is_in(text)) {
        true => vec![format!("{name}: the key is in {place}")],
        false => Vec::new(),
    }
}
