//! One exchange with the real server: its answer goes to the client as it
//! comes, and into a recording.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{
        HeaderMap, Method, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH},
    },
    response::Response,
};
use http_body::Frame;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};

use super::{
    day::today,
    exchange::Exchange,
    hops,
    proxy::{Asked, Proxy, refuse},
    recorder::RecordMode,
    shelf::Shelf,
    store::{Saved, Unsaved, words},
};
use crate::{
    redact::Secret,
    refusal::{Reason, Refusal},
    request,
};

/// How long an answer may be that is saved, in bytes. What is longer only
/// passes through.
const LONGEST: usize = 64 * 1024 * 1024;

/// An answer that has come whole.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    /// Nothing of one that is too long to be saved.
    body: Option<Bytes>,
}

/// The parts of an answer that the client has yet to get.
struct Rest {
    client: mpsc::Sender<io::Result<Bytes>>,
    waiting: VecDeque<Bytes>,
    /// The last part.
    held_back: Option<Bytes>,
}

/// Sends a request on, gives its answer to `head`, and saves the exchange.
pub(crate) async fn run(proxy: Arc<Proxy>, asked: Asked, head: oneshot::Sender<Response>) {
    let asked = Arc::new(asked);
    let parts = &asked.parts;
    let target = parts
        .uri
        .path_and_query()
        .map_or_else(|| parts.uri.path(), |target| target.as_str());
    let headers = hops::of_request(&parts.headers);
    let sent = proxy
        .upstream
        .send(parts.method.clone(), target, headers, asked.body.clone())
        .await;
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => {
            let charged = if error.was_sent {
                "the request was sent and may have been charged"
            } else {
                "nothing was sent"
            };
            let reason = format!(
                "{} did not answer, {charged}: {error}",
                proxy.upstream.origin()
            );
            proxy.problem(&asked, &format!(": not saved: {reason}"));
            let refusal = Refusal::new(Reason::Upstream, reason);
            let _ = head.send(refuse(&refusal, parts.uri.path(), asked.number));
            return;
        }
    };
    let status = response.status();
    let mut answered = Answered {
        status,
        headers: hops::of_response(response.headers()),
        body: None,
    };
    let is_bodiless = parts.method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || response.content_length() == Some(0);
    if is_bodiless {
        // There is no last part to hold back, so the head is.
        answered.body = Some(Bytes::new());
        let client = answered.response(Body::empty());
        save(&proxy, &asked, answered, || {
            let _ = head.send(client);
        })
        .await;
        return;
    }
    let (client, receiver) = mpsc::channel(1);
    let _ = head.send(answered.response(Body::new(Relayed(receiver))));
    let mut rest = Rest {
        client,
        waiting: VecDeque::new(),
        held_back: None,
    };
    match rest.read(&mut response).await {
        Ok(body) => {
            answered.body = body;
            let (saved, is_saved) = oneshot::channel();
            let saving = save(&proxy, &asked, answered, || {
                let _ = saved.send(());
            });
            tokio::join!(saving, rest.finish(is_saved));
        }
        Err(error) => {
            let reason = format!(
                " {}: not saved: the answer broke off, the client has what came of it, and it may \
                 have been charged: {}",
                status.as_u16(),
                words(&error.without_url())
            );
            proxy.problem(&asked, &reason);
            rest.break_off().await;
        }
    }
}

impl Answered {
    /// The head of the answer with a body for the client.
    fn response(&self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

impl Rest {
    /// Reads the answer to its end while the client gets all but its last
    /// part. A client that is slow, or has gone, does not hold it up.
    async fn read(&mut self, response: &mut reqwest::Response) -> reqwest::Result<Option<Bytes>> {
        let mut all = Some(Vec::new());
        let mut is_gone = false;
        loop {
            // What is not to be saved need not be in memory.
            let may_read = all.is_some() || is_gone || self.waiting.is_empty();
            tokio::select! {
                permit = self.client.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(part) = self.waiting.pop_front() {
                            permit.send(Ok(part));
                        }
                    }
                    Err(_) => {
                        is_gone = true;
                        self.waiting.clear();
                    }
                },
                part = response.chunk(), if may_read => {
                    let Some(part) = part? else {
                        return Ok(all.map(Bytes::from));
                    };
                    if part.is_empty() {
                        continue;
                    }
                    match &mut all {
                        Some(read) if read.len() + part.len() <= LONGEST => {
                            read.extend_from_slice(&part);
                        }
                        _ => all = None,
                    }
                    if let Some(previous) = self.held_back.replace(part).filter(|_| !is_gone) {
                        self.waiting.push_back(previous);
                    }
                    if is_gone && all.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Gives the client what it has not got yet, the last part when the
    /// exchange is saved or the reason why not has been said.
    async fn finish(self, is_saved: oneshot::Receiver<()>) {
        for part in self.waiting {
            if self.client.send(Ok(part)).await.is_err() {
                return;
            }
        }
        let _ = is_saved.await;
        if let Some(part) = self.held_back {
            let _ = self.client.send(Ok(part)).await;
        }
    }

    /// Gives the client what came, and breaks its answer off as well.
    async fn break_off(self) {
        for part in self.waiting.into_iter().chain(self.held_back) {
            if self.client.send(Ok(part)).await.is_err() {
                return;
            }
        }
        let error = io::Error::other("the answer of the server broke off");
        let _ = self.client.send(Err(error)).await;
    }
}

/// Saves an exchange, says what became of it, calls `saved`, and then fetches
/// the pictures.
async fn save(proxy: &Arc<Proxy>, asked: &Arc<Asked>, answered: Answered, saved: impl FnOnce()) {
    let status = answered.status;
    let (of_proxy, of_asked) = (proxy.clone(), asked.clone());
    let tried = spawn_blocking(move || save_now(&of_proxy, &of_asked, &answered)).await;
    let failed = |reason: String| {
        proxy.count_lost();
        proxy.problem(asked, &format!(" {}: NOT SAVED: {reason}", status.as_u16()));
    };
    match tried {
        Ok(Ok((done, original))) => {
            proxy.count_saved();
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

/// Saves an exchange; returns the decoded body of the response with it.
fn save_now(proxy: &Proxy, asked: &Asked, answered: &Answered) -> Result<(Saved, Bytes), Unsaved> {
    let Some(operation) = proxy.operation(asked) else {
        return Err(Unsaved::Unwanted(
            "the contract has no such operation".to_owned(),
        ));
    };
    let request = asked.decoded.as_ref().map_err(Clone::clone)?;
    let body = answered.body.as_ref().ok_or_else(|| {
        format!("the answer is longer than {LONGEST} bytes, the client has all of it")
    })?;
    let mut headers = answered.headers.clone();
    let decoded = request::decode(&headers, body, LONGEST)
        .map_err(|refusal| format!("the answer cannot be decoded: {}", refusal.message))?;
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    let response = decoded.unwrap_or_else(|| body.clone());
    let mut secrets = asked.secrets.clone();
    secrets.extend(Secret::from_headers(&headers));
    let exchange = Exchange {
        operation,
        request,
        has_query: asked.parts.uri.query().is_some(),
        status: answered.status,
        headers: &headers,
        response: &response,
        secrets: &secrets,
        upstream: proxy.upstream.origin(),
        date: today(),
    };
    let known = proxy.mode() == RecordMode::Update;
    Ok((proxy.store.save(&exchange, known)?, response))
}

/// Says that an exchange was saved, and where it disagrees with the contract.
fn report(proxy: &Proxy, asked: &Asked, status: StatusCode, saved: &Saved) {
    let Saved {
        place,
        replaced,
        report,
        ..
    } = saved;
    let again = if *replaced { " again" } else { "" };
    let line = format!(" {} saved{again} as {place}", status.as_u16());
    if place.shelf == Shelf::Served {
        return proxy.note(asked, &line);
    }
    let folder = proxy.settings.folder.display();
    let (operation, case) = (&place.operation, &place.case);
    proxy.problem(
        asked,
        &format!(
            "{line}, which is not served: IT DISAGREES WITH THE CONTRACT\n{report}\n  next: if \
             the service does answer this, correct the contract (an overlay in openapi/ and cargo \
             xtask codegen), and have it served: mkdir -p {folder}/{operation} && mv \
             {folder}/{place} {folder}/{operation}/{case}"
        ),
    );
}

/// Fetches the pictures of an answer, and keeps them with its recording.
async fn keep_pictures(
    proxy: &Arc<Proxy>,
    asked: &Arc<Asked>,
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
    let count = pictures.len();
    let (of_proxy, listed) = (proxy.clone(), failures.clone());
    let added = spawn_blocking(move || {
        let store = &of_proxy.store;
        store.add_pictures(&saved.place, &saved.response, &pictures, &listed)
    });
    match added.await {
        Ok(Ok(())) if count > 0 => {
            proxy.note(asked, &format!(": {count} pictures kept with {place}"));
        }
        Ok(Ok(())) => {}
        Ok(Err(problem)) => failures.push(problem),
        Err(error) => failures.push(format!("a defect of kontext-mock: {error}")),
    }
    for problem in failures {
        proxy.problem(asked, &format!(": {place}: NOT KEPT: {problem}"));
    }
}

/// The body of an answer that is relayed part by part.
struct Relayed(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Relayed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(context)
            .map(|part| part.map(|part| part.map(Frame::data)))
    }
}
