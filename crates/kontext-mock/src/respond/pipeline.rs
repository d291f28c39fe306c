//! Handles a request: admission, validation, response, logging and journal.

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header::CONTENT_ENCODING},
    response::Response,
};
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Instant, SystemTime},
};

use crate::{
    ADMIN_PATH, ERROR_HEADER, FAULT_HEADER, admin,
    contract::Operation,
    http::{
        body,
        connection::{CloseMode, ConnectionHandle},
        error_response::{Reason, Refusal, Reply},
        headers,
        listener::{Service, close_if_unread, unblock},
    },
    log,
    matching::MatchMode,
    redaction::Secret,
    respond::{
        answer::{Answer, Exchange, Line},
        apply_fault,
        picture::Random,
        select::Choice,
        synthetic::Shape,
        validate::{EvaluatedBody, Validation},
    },
    state::{
        Mock,
        faults::{BeforeHandler, Fault, Plan},
        journal::{Entry, Headers, JOURNAL_BODY, JOURNAL_TARGET},
    },
    truncate,
};

/// Bodies of at least this many bytes are evaluated on a blocking thread: parsing
/// megabytes would hold up other requests.
const LARGE: usize = 64 * 1024;

/// With at least this many recordings, requests are answered on a blocking thread:
/// finding the nearest recording takes long.
const MANY: usize = 200;

/// What a request is for.
enum Route {
    /// The operation with this index in the contract.
    Operation(usize),
    /// An OPTIONS request; the methods that its path supports.
    Options(Vec<String>),
    /// Reset before the body is read, because of a fault.
    Nothing,
}

/// The response header that names violations which validation would have rejected.
const VALIDATION_HEADER: &str = "x-kontext-validation";

/// The response header that names the request members which the contract does not know;
/// the service ignores them silently.
const UNKNOWN_HEADER: &str = "x-kontext-unknown";

/// A gateway's error page.
const HTML_502: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";

/// Answers a request to an operation.
pub(crate) fn answer(
    mock: &Mock,
    exchange: &mut Exchange,
    operation: &Operation,
) -> Result<Answer, Refusal> {
    if let Some(answer) = early(exchange) {
        return Ok(answer);
    }
    let bytes = exchange.body.clone();
    let secrets = Secret::from_headers(&exchange.parts.headers);
    let validation = mock.settings.validation;
    let set = &exchange.loaded.set;
    let mut body = EvaluatedBody::new(set, operation, validation, &bytes, &secrets);
    exchange.data_uris = mem::take(&mut body.data_uris);
    let warning = validate(mock, exchange, operation, &body)?;
    if exchange.session.state().run_out(&mut exchange.plan) {
        return Err(Refusal::simulated(StatusCode::FORBIDDEN));
    }
    let mut plan = mem::take(&mut exchange.plan);
    let choice = Choice {
        mock,
        exchange: &*exchange,
        operation,
        body: &body,
        plan: &mut plan,
    };
    let made = choice.make();
    exchange.plan = plan;
    let mut answer = made?;
    if !body.unknown.is_empty() {
        let names: Vec<_> = body.unknown.iter().map(|name| plain(name)).collect();
        answer.unknown = truncate::text(&names.join(", "), 500).replace('…', "...");
        answer.reply.set(UNKNOWN_HEADER, &answer.unknown);
    }
    if let Some(warning) = warning {
        answer.note.push_str(" validation: ");
        let redaction = &exchange.loaded.set.redaction;
        answer.note.push_str(&redaction.text(&warning, &secrets).0);
        // The header value must be ASCII.
        let ascii: String = warning.escape_default().collect();
        answer.reply.set(VALIDATION_HEADER, &ascii);
    }
    Ok(answer)
}

/// A member's name in header form: quoted and escaped unless it is a plain name.
fn plain(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_plain) {
        return name.into();
    }
    format!("\"{}\"", truncate::text(name, 100).escape_default()).into()
}

/// The response of a fault that replaces carrying the request out.
fn early(exchange: &Exchange) -> Option<Answer> {
    Some(match exchange.plan.before_handler? {
        BeforeHandler::Reset => Answer::reset(),
        BeforeHandler::Html502 => {
            let mut reply = Reply::new(StatusCode::BAD_GATEWAY, "text/html", HTML_502);
            reply.set(ERROR_HEADER, Reason::Simulated.name());
            Answer {
                reply,
                error: Some(Reason::Simulated.name()),
                ..Answer::default()
            }
        }
        BeforeHandler::Status(status, retry_after) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
            let path = exchange.parts.uri.path();
            let mut answer = Answer::refusal(&Refusal::simulated(status), path, exchange.number);
            if let Some(seconds) = retry_after {
                answer.reply.set("retry-after", &seconds.to_string());
            }
            answer
        }
    })
}

/// Rejects a request that violates the contract, or returns the violations if validation
/// only warns.
fn validate(
    mock: &Mock,
    exchange: &Exchange,
    operation: &Operation,
    body: &EvaluatedBody<'_>,
) -> Result<Option<String>, Refusal> {
    let has_body = !exchange.body.is_empty();
    let contract = operation.request();
    let takes_body = contract.is_some_and(|contract| contract.required || has_body);
    let media_type = takes_body.then(|| body::media_type(&exchange.parts.headers).err());
    let Some(mut refusal) = media_type.flatten().or_else(|| body.refusal.clone()) else {
        return Ok(None);
    };
    match mock.settings.validation {
        Validation::Error => {
            // The fields are logged, and a key may contain a secret.
            let redaction = &exchange.loaded.set.redaction;
            let secrets = Secret::from_headers(&exchange.parts.headers);
            for field in &mut refusal.fields {
                *field = redaction.text(field, &secrets).0.into_owned();
            }
            Err(refusal)
        }
        Validation::Off => Ok(None),
        Validation::Warn => {
            let line = refusal.message.replace('\n', "; ");
            Ok(Some(truncate::text(&line, 1000)))
        }
    }
}

impl Mock {
    /// Handles a request. With a socket, `wire` is the connection, which faults can take
    /// over.
    async fn respond(
        self: &Arc<Self>,
        request: Request<Body>,
        wire: Option<&ConnectionHandle>,
    ) -> Response {
        let (parts, body) = request.into_parts();
        if parts.uri.path().starts_with(ADMIN_PATH) {
            return admin::serve(self, parts, body).await;
        }
        if let Some(redirect) = admin::redirect_browser(&parts) {
            return redirect;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let session = self.sessions.of(&parts.headers);
        let bad_session = session.is_none();
        let mut exchange = Exchange {
            number,
            parts,
            body: Bytes::new(),
            loaded: self.loaded(),
            session: session.unwrap_or_else(|| self.sessions.unnamed()),
            plan: Plan::new(wire.is_some()),
            address: wire.and_then(|wire| wire.address),
            started: Instant::now(),
            body_sha256: None,
            data_uris: Vec::new(),
        };
        let asked = if bad_session {
            let limit = self.settings.body_limit;
            body::discard_body(&exchange.parts.headers, body, limit).await;
            Err(Refusal::new(
                Reason::Session,
                "x-kontext-session: expected one name of 1 to 64 characters of A-Z a-z 0-9 . _ -",
            ))
        } else {
            self.admit(&mut exchange, body).await
        };
        if let Some(wire) = wire {
            wire.set_received();
        }
        let answer = match asked {
            Ok(Route::Operation(operation)) => {
                let (back, answer) = self.answer(exchange, operation).await;
                exchange = back;
                answer
            }
            Ok(Route::Options(methods)) => {
                let mut answer = Answer::default();
                answer.reply.status = StatusCode::NO_CONTENT;
                let headers = &mut answer.reply.headers;
                headers::add_preflight(headers, &exchange.parts.headers, &methods);
                Ok(answer)
            }
            Ok(Route::Nothing) => Ok(Answer::reset()),
            Err(refusal) => Err(refusal),
        };
        let answer = answer
            .unwrap_or_else(|refusal| Answer::refusal(&refusal, exchange.parts.uri.path(), number));
        let (delay, late) = (exchange.plan.delay, exchange.plan.on_response);
        let is_reset = exchange.plan.before_handler == Some(BeforeHandler::Reset);
        let reply = self.finish(exchange, answer);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match late {
            _ if is_reset => reset(wire),
            Some(late) => apply_fault::apply(late, reply, wire),
            None => reply.into_response(),
        }
    }

    /// Determines what the request is for, by checks in a fixed order, and reads the
    /// body.
    async fn admit(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        body: Body,
    ) -> Result<Route, Refusal> {
        let limit = self.settings.body_limit;
        let parts = &exchange.parts;
        if parts.method == Method::OPTIONS {
            let methods = self.contract.methods(parts.uri.path());
            if !methods.is_empty() {
                let methods = methods.into_iter().map(str::to_owned).collect();
                body::discard_body(&parts.headers, body, limit).await;
                return Ok(Route::Options(methods));
            }
        }
        match self.check_head(exchange) {
            Ok(_) if exchange.plan.before_handler == Some(BeforeHandler::Reset) => {
                Ok(Route::Nothing)
            }
            Ok(operation) => {
                exchange.body = body::read_body(body, limit).await?;
                Ok(Route::Operation(operation))
            }
            Err(refusal) => {
                body::discard_body(&exchange.parts.headers, body, limit).await;
                Err(refusal)
            }
        }
    }

    /// Performs the checks that do not need the body.
    fn check_head(&self, exchange: &mut Exchange) -> Result<usize, Refusal> {
        let parts = &exchange.parts;
        let index = body::find_operation(&self.contract, &parts.method, parts.uri.path())?;
        if let Some(operation) = self.contract.operations().nth(index) {
            body::authorize(operation, &parts.headers, self.settings.key.as_ref())?;
        }
        let random = Random(exchange.number).fraction();
        for faults in parts.headers.get_all(FAULT_HEADER) {
            let faults = String::from_utf8_lossy(faults.as_bytes());
            for text in faults.split(';').filter(|text| !text.trim().is_empty()) {
                let fault: Fault = text.trim().parse().map_err(|error| {
                    Refusal::new(Reason::Fault, format!("{FAULT_HEADER}: {error}"))
                })?;
                let mut state = exchange.session.state();
                state.plan_own(&mut exchange.plan, fault, random);
            }
        }
        exchange.session.state().plan(&mut exchange.plan, random);
        Ok(index)
    }

    /// Answers a request whose body has been read.
    async fn answer(
        self: &Arc<Self>,
        mut exchange: Exchange,
        operation: usize,
    ) -> (Exchange, Result<Answer, Refusal>) {
        let is_long =
            exchange.body.len() >= LARGE || exchange.parts.headers.contains_key(CONTENT_ENCODING);
        let draws = self.settings.match_mode == MatchMode::Generate
            && self.settings.generate.shape == Shape::B64;
        if !is_long && !draws && exchange.loaded.set.prepared.len() < MANY {
            let answer = self.answer_now(&mut exchange, operation);
            return (exchange, answer);
        }
        let mock = self.clone();
        unblock(move || {
            let answer = mock.answer_now(&mut exchange, operation);
            (exchange, answer)
        })
        .await
    }

    fn answer_now(&self, exchange: &mut Exchange, operation: usize) -> Result<Answer, Refusal> {
        let limit = self.settings.body_limit;
        if let Some(decoded) = body::decode(&exchange.parts.headers, &exchange.body, limit)? {
            exchange.body = decoded;
        }
        if exchange.body.len() > self.settings.journal_body {
            let sha256 = Sha256::digest(&exchange.body);
            exchange.body_sha256 = Some(format!("{sha256:x}"));
        }
        match self.contract.operations().nth(operation) {
            Some(operation) => answer(self, exchange, operation),
            // The index comes from the same contract.
            None => Err(Refusal::new(Reason::NotFound, "Not found")),
        }
    }

    /// Adds the common headers to a response and records it in the journal, the counters
    /// and the log.
    fn finish(&self, exchange: Exchange, mut answer: Answer) -> Reply {
        let reply = &mut answer.reply;
        headers::add_inference_id(&mut reply.headers, exchange.number);
        headers::add_client_request_id(&mut reply.headers, &exchange.parts.headers);
        headers::add_cors(&mut reply.headers, &exchange.parts.headers);
        if !exchange.plan.names.is_empty() {
            reply.set(FAULT_HEADER, &exchange.plan.names.join("; "));
        }
        let is_error = answer.error.is_some();
        exchange.session.state().count(answer.found, is_error);
        if answer.is_miss() {
            self.misses.fetch_add(1, Ordering::Relaxed);
        }
        if self.settings.log_requests {
            let line = Line {
                exchange: &exchange,
                answer: &answer,
            };
            log::write(format_args!("{line}"));
        }
        let reply = answer.reply;
        self.journal.add(Entry {
            number: exchange.number,
            session: exchange.session.name.clone(),
            headers: Headers::of(&exchange.parts.headers),
            path: truncate::text(exchange.parts.uri.path(), JOURNAL_TARGET),
            query: exchange.parts.uri.query().map(|query| {
                let query = self.redacted_query(query);
                truncate::text(&query, JOURNAL_TARGET)
            }),
            method: exchange.parts.method,
            body: match exchange.body_sha256 {
                None => exchange.body[..].into(),
                Some(_) => exchange.body[..exchange.body.len().min(JOURNAL_BODY)].into(),
            },
            body_length: exchange.body.len(),
            body_sha256: exchange.body_sha256,
            data_uris: exchange.data_uris,
            at: SystemTime::now(),
            status: reply.status,
            found: answer.found,
            recording: answer.recording,
            error: answer.error,
            fields: answer.fields,
            differences: answer.differences,
            faults: exchange.plan.names,
            billed: answer.billed,
        });
        reply
    }
}

impl Service for Mock {
    fn note(&self, event: &str) {
        if self.settings.log_requests {
            log::write(format_args!("{} {event}", log::now()));
        }
    }

    async fn serve(self: &Arc<Self>, request: Request<Body>, wire: &ConnectionHandle) -> Response {
        self.respond(request, Some(wire)).await
    }
}

/// Builds a router that contains the whole mock.
pub(crate) fn router(mock: Arc<Mock>) -> Router {
    Router::new().fallback(async move |request: Request<Body>| {
        close_if_unread(request, |request| mock.respond(request, None)).await
    })
}

/// Resets the connection instead of sending a response.
fn reset(wire: Option<&ConnectionHandle>) -> Response {
    let mut response = Response::new(Body::empty());
    match wire {
        Some(wire) => wire.take_over(Bytes::new(), CloseMode::Reset),
        None => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}
