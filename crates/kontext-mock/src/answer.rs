//! Answers a request that has been read: by a fault, by a refusal, or by what is
//! chosen for it.

mod choice;

use std::sync::Arc;

use axum::http::{StatusCode, request::Parts};

use self::choice::Choice;
use crate::{
    ERROR_HEADER,
    billing::Billed,
    contract::Operation,
    difference::Difference,
    fault::Early,
    headers::{self, MadeUp},
    judge::{EvaluatedBody, Validation},
    matching::Match,
    mock::{Exchange, Mock},
    redaction::Secret,
    refusal::{Reason, Refusal},
    reply::Reply,
    request, shorten,
};

/// The header that says what validation would have refused.
const VALIDATION_HEADER: &str = "x-kontext-validation";

/// The page of a gateway that reached nobody.
const HTML_502: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";

/// An answer, and what is put down of it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) found: Option<Match>,
    pub(crate) recording: Option<Arc<str>>,
    pub(crate) error: Option<&'static str>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) billed: Billed,
    pub(crate) made_up: MadeUp,
    /// What the log says besides.
    pub(crate) note: String,
}

impl Answer {
    /// The error that refuses a request.
    pub(crate) fn refusal(refusal: &Refusal, path: &str, number: u64) -> Self {
        let mut reply = Reply::error(refusal.status, &refusal.message, path, number);
        reply.set(ERROR_HEADER, refusal.reason.name());
        Self {
            reply,
            error: Some(refusal.reason.name()),
            ..Self::default()
        }
    }

    /// What is put down of a request whose connection was reset before it was
    /// carried out: nobody gets an answer.
    pub(crate) fn reset() -> Self {
        Self {
            error: Some(Reason::Simulated.name()),
            reply: Reply {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..Reply::default()
            },
            ..Self::default()
        }
    }

    /// What is allowed at a path with these methods; to a browser that asks, who
    /// may send what.
    pub(crate) fn options(parts: &Parts, methods: &[String]) -> Self {
        let mut answer = Self::default();
        answer.reply.status = StatusCode::NO_CONTENT;
        headers::add_preflight(&mut answer.reply.headers, &parts.headers, methods);
        answer
    }

    pub(crate) fn is_miss(&self) -> bool {
        self.found == Some(Match::Miss)
    }
}

/// Answers a request to an operation.
pub(crate) fn answer(
    mock: &Mock,
    exchange: &mut Exchange,
    operation: &Operation,
) -> Result<Answer, Refusal> {
    if let Some(answer) = early(exchange) {
        return answer;
    }
    let body = evaluated(mock, exchange, operation);
    let warning = validate(mock, exchange, operation, &body)?;
    if exchange.session.state().run_out(&mut exchange.plan) {
        return Err(Refusal::simulated(StatusCode::FORBIDDEN));
    }
    let choice = Choice {
        mock,
        exchange: &*exchange,
        operation,
        body: &body,
    };
    let mut answer = choice.make()?;
    if let Some(warning) = warning {
        answer.note.push_str(" validation: ");
        let redaction = &exchange.loaded.set.redaction;
        let secrets = Secret::from_headers(&exchange.parts.headers);
        answer.note.push_str(&redaction.text(&warning, &secrets).0);
        // A header takes ASCII alone.
        let ascii: String = warning.escape_default().collect();
        answer.reply.set(VALIDATION_HEADER, &ascii);
    }
    charge(exchange, answer.billed)?;
    Ok(answer)
}

/// Charges for an answer, unless the credits have run out by then: two requests
/// at once must not both get the last image.
fn charge(exchange: &mut Exchange, billed: Billed) -> Result<(), Refusal> {
    let mut state = exchange.session.state();
    if billed.images > 0 && state.run_out(&mut exchange.plan) {
        return Err(Refusal::simulated(StatusCode::FORBIDDEN));
    }
    state.billed += billed;
    Ok(())
}

/// Evaluates a request's body.
fn evaluated(mock: &Mock, exchange: &Exchange, operation: &Operation) -> EvaluatedBody {
    EvaluatedBody::new(
        &exchange.loaded.set,
        operation,
        mock.settings.validation,
        &exchange.body,
        &Secret::from_headers(&exchange.parts.headers),
    )
}

/// What a fault answers in place of carrying a request out.
fn early(exchange: &Exchange) -> Option<Result<Answer, Refusal>> {
    match exchange.plan.early? {
        Early::Reset => Some(Ok(Answer::reset())),
        Early::Html502 => {
            let mut reply = Reply::new(StatusCode::BAD_GATEWAY, "text/html", HTML_502);
            reply.set(ERROR_HEADER, Reason::Simulated.name());
            Some(Ok(Answer {
                reply,
                error: Some(Reason::Simulated.name()),
                ..Answer::default()
            }))
        }
        Early::Status(status, retry_after) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
            let refusal = Refusal::simulated(status);
            let path = exchange.parts.uri.path();
            let mut answer = Answer::refusal(&refusal, path, exchange.number);
            if let Some(seconds) = retry_after {
                answer.reply.set("retry-after", &seconds.to_string());
            }
            Some(Ok(answer))
        }
    }
}

/// Refuses what the contract does not allow, or says what that is where
/// validation only warns.
fn validate(
    mock: &Mock,
    exchange: &Exchange,
    operation: &Operation,
    body: &EvaluatedBody,
) -> Result<Option<String>, Refusal> {
    let has_body = !exchange.body.is_empty();
    let takes_body = operation
        .request()
        .is_some_and(|contract| contract.required || has_body);
    let media_type = if takes_body {
        request::media_type(&exchange.parts.headers).err()
    } else {
        None
    };
    let Some(refusal) = media_type.or_else(|| body.refusal.clone()) else {
        return Ok(None);
    };
    match mock.settings.validation {
        Validation::Error => Err(refusal),
        Validation::Off => Ok(None),
        Validation::Warn => {
            let line = refusal.message.replace('\n', "; ");
            Ok(Some(shorten::text(&line, 1000)))
        }
    }
}
