//! One exchange with the upstream: its response is streamed to the client and saved as
//! a recording.

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, Method, StatusCode,
        header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST},
    },
    response::Response,
};
use std::sync::{Arc, atomic::Ordering};
use tokio::{sync::oneshot, task::spawn_blocking};

use crate::{
    contract::violations::count,
    http::{
        body,
        error_response::{Reason, Refusal},
    },
    log::{self, with_causes},
    recorder::{
        exchange::{Exchange, Unsaved},
        proxy::{Proxy, ProxyRequest},
        staging::Shelf,
        store::Saved,
        tee_body::{BrokeOff, LONGEST, TeeBody},
    },
    redaction::Secret,
};

/// The hop-by-hop headers (RFC 9110, section 7.6.1).
const OF_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The request headers to forward upstream: all except hop-by-hop headers, those that
/// are set anew, and those for the mock.
fn forwarded_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = end_to_end(headers);
    for name in headers.keys() {
        let is_set_anew = [HOST, CONTENT_LENGTH, EXPECT, ACCEPT_ENCODING].contains(name);
        if is_set_anew || name.as_str().starts_with("x-kontext-") {
            kept.remove(name);
        }
    }
    kept
}

/// The headers without those of the connection; a response has no others to drop.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        if !OF_CONNECTION.contains(&text) && !named.iter().any(|other| other == text) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// A response whose body has been read.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    /// `None` if it is too long to be saved.
    body: Option<Bytes>,
    /// Whether the response was cut off.
    broke_off: bool,
}

/// Forwards a request, sends the response to `head`, and saves the exchange.
pub(crate) async fn run(proxy: Arc<Proxy>, asked: ProxyRequest, head: oneshot::Sender<Response>) {
    let asked = Arc::new(asked);
    let parts = &asked.parts;
    let target = parts
        .uri
        .path_and_query()
        .map_or_else(|| parts.uri.path(), |target| target.as_str());
    let headers = forwarded_headers(&parts.headers);
    let sent = proxy
        .upstream
        .send(parts.method.clone(), target, headers, asked.body.clone())
        .await;
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => {
            let reason = format!("{} did not answer, {error}", proxy.upstream.origin);
            if error.was_sent && proxy.is_to_be_saved(&asked) {
                proxy.lost.fetch_add(1, Ordering::Relaxed);
            }
            proxy.problem(&asked, &format!(": not saved: {reason}"));
            let refusal = Refusal::new(Reason::Upstream, reason);
            let reply = refusal.reply(parts.uri.path(), asked.number);
            let _ = head.send(reply.into_response());
            return;
        }
    };
    let status = response.status();
    let mut answered = Answered {
        status,
        headers: end_to_end(response.headers()),
        body: None,
        broke_off: false,
    };
    let is_bodiless = parts.method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || response.content_length() == Some(0);
    if is_bodiless {
        // There is no last part to hold back, so hold back the head.
        answered.body = Some(Bytes::new());
        let client = answered.response(Body::empty());
        save(&proxy, &asked, answered, || {
            let _ = head.send(client);
        })
        .await;
        return;
    }
    let (mut rest, body) = TeeBody::new();
    let _ = head.send(answered.response(Body::new(body)));
    match rest.read(&mut response).await {
        Ok(body) => {
            answered.body = body;
            let (saved, is_saved) = oneshot::channel();
            let saving = save(&proxy, &asked, answered, || {
                let _ = saved.send(());
            });
            tokio::join!(saving, rest.finish(is_saved));
        }
        Err(BrokeOff { error, read }) => {
            answered.body = read.filter(|read| !read.is_empty());
            answered.broke_off = true;
            if proxy.is_to_be_saved(&asked) {
                proxy.lost.fetch_add(1, Ordering::Relaxed);
            }
            let (of_proxy, of_asked) = (proxy.clone(), asked.clone());
            let tried = match answered.body {
                Some(_) => spawn_blocking(move || save_now(&of_proxy, &of_asked, &answered))
                    .await
                    .ok(),
                None => None,
            };
            let kept = match tried {
                Some(Ok((saved, _))) => format!("it is kept as {}", saved.place),
                Some(Err(Unsaved::Unwanted(reason) | Unsaved::Failed(reason))) => {
                    format!("it is not kept: {reason}")
                }
                None => "that is nothing".to_owned(),
            };
            let reason = format!(
                " {}: not saved: the answer broke off, the client has what came of it, and it may \
                 have been charged; {kept}: {}",
                status.as_u16(),
                with_causes(&error.without_url())
            );
            proxy.problem(&asked, &reason);
            rest.break_off().await;
        }
    }
}

impl Answered {
    /// The head of the response, with the given body.
    fn response(&self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// Saves an exchange, logs the result, calls `saved`, and then fetches the pictures.
async fn save(
    proxy: &Arc<Proxy>,
    asked: &Arc<ProxyRequest>,
    answered: Answered,
    saved: impl FnOnce(),
) {
    let status = answered.status;
    let (of_proxy, of_asked) = (proxy.clone(), asked.clone());
    let tried = spawn_blocking(move || save_now(&of_proxy, &of_asked, &answered)).await;
    let failed = |reason: String| {
        proxy.lost.fetch_add(1, Ordering::Relaxed);
        proxy.problem(asked, &format!(" {}: NOT SAVED: {reason}", status.as_u16()));
    };
    match tried {
        Ok(Ok((done, original))) => {
            proxy.saved.fetch_add(1, Ordering::Relaxed);
            report(proxy, asked, status, &done);
            saved();
            return keep_pictures(proxy, asked, status, done, original).await;
        }
        Ok(Err(Unsaved::Unwanted(reason))) => {
            proxy.note(asked, &format!(" {}: not saved: {reason}", status.as_u16()));
        }
        Ok(Err(Unsaved::Failed(reason))) => failed(reason),
        Err(error) => failed(format!("a defect of kontext-mock: {error}")),
    }
    saved();
}

/// Saves an exchange; also returns the decoded response body.
fn save_now(
    proxy: &Proxy,
    asked: &ProxyRequest,
    answered: &Answered,
) -> Result<(Saved, Bytes), Unsaved> {
    let Some(operation) = proxy.operation(asked) else {
        return Err(Unsaved::Unwanted(
            "the contract has no such operation".to_owned(),
        ));
    };
    if asked.has_query() {
        return Err(Unsaved::Unwanted(
            "it has a query, and a recording has none".to_owned(),
        ));
    }
    let request = asked.decoded.as_ref().map_err(Clone::clone)?;
    let body = answered.body.as_ref().ok_or_else(|| {
        format!("the answer is longer than {LONGEST} bytes, the client has all of it")
    })?;
    let mut headers = answered.headers.clone();
    let decoded = body::decode(&headers, body, LONGEST)
        .map_err(|refusal| format!("the answer cannot be decoded: {}", refusal.message))?;
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    let response = decoded.unwrap_or_else(|| body.clone());
    let mut secrets = asked.secrets.clone();
    secrets.extend(Secret::from_headers(&headers));
    let exchange = Exchange {
        operation,
        request,
        status: answered.status,
        broke_off: answered.broke_off,
        headers: &headers,
        response: &response,
        secrets: &secrets,
        upstream: &proxy.upstream.origin,
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
    };
    Ok((proxy.store.save(&exchange, proxy.settings.mode)?, response))
}

/// Logs that an exchange was saved, and where it disagrees with the contract.
fn report(proxy: &Proxy, asked: &ProxyRequest, status: StatusCode, saved: &Saved) {
    let (place, report) = (&saved.place, &saved.report);
    let how = match saved.answers {
        answers @ 2.. => format!("saved as answer {answers} of"),
        _ if saved.again => "saved again as".to_owned(),
        _ => "saved as".to_owned(),
    };
    let line = format!(" {} {how} {place}", status.as_u16());
    if place.shelf == Shelf::Served {
        return proxy.note(asked, &line);
    }
    let (operation, case) = (&place.operation, &place.case);
    let folder = &proxy.settings.folder;
    let to = log::quoted(&folder.join(operation));
    let from = log::quoted(&folder.join(place.to_string()));
    let whole = log::quoted(&folder.join(operation).join(case));
    proxy.problem(
        asked,
        &format!(
            "{line}, which is not served: IT DISAGREES WITH THE CONTRACT\n{report}\n  next: if \
             the service does answer this, correct the contract (an overlay in openapi/ and cargo \
             xtask codegen), and have it served: mkdir -p {to} && mv {from} {whole}"
        ),
    );
}

/// Fetches the pictures of a response, and adds them to its recording.
async fn keep_pictures(
    proxy: &Arc<Proxy>,
    asked: &Arc<ProxyRequest>,
    status: StatusCode,
    saved: Saved,
    original: Bytes,
) {
    let Some(fetcher) = proxy.fetcher.as_ref().filter(|_| status.is_success()) else {
        return;
    };
    let (pictures, mut failures) = fetcher.fetch_all(&original, &saved.response).await;
    if pictures.is_empty() && failures.is_empty() {
        return;
    }
    let place = saved.place.clone();
    let kept = pictures.len() as u64;
    let (of_proxy, listed) = (proxy.clone(), failures.clone());
    let added = spawn_blocking(move || {
        let store = &of_proxy.store;
        store.add_pictures(&saved.place, &saved.response, &pictures, &listed)
    });
    match added.await {
        Ok(Ok(())) if kept > 0 => {
            proxy.note(
                asked,
                &format!(": {} kept with {place}", count(kept, "picture", "pictures")),
            );
        }
        Ok(Ok(())) => {}
        Ok(Err(problem)) => failures.push(problem),
        Err(error) => failures.push(format!("a defect of kontext-mock: {error}")),
    }
    for problem in failures {
        proxy.problem(asked, &format!(": {place}: NOT KEPT: {problem}"));
    }
}
