//! Errors of calls, and what to do about them.

use std::error::Error as StdError;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error as ThisError;

use crate::client::call::{Call, ClientRequestId};
use crate::client::retry::{Cause, is_permanent};
use crate::request::InvalidRequestError;
use crate::response::answer::GeneratedImages;
use crate::response::decode_error::DecodeError;
use crate::response::error_body::{ErrorBody, Reply};

/// The error of a call, with one variant per outcome that a caller handles differently.
/// [What to do](crate::errors) about each.
///
/// Display is one line without the cause, which `source()` returns. If money may have been
/// spent, it includes the client request id, which the provider's support can use to look up
/// the charge.
///
/// Display and Debug show the status of a response, the provider's message and the request id;
/// for a response that cannot be decoded, they show where and how the invalid part begins.
/// Display also shows the target of a redirect. All of it is truncated, and without the API
/// key if a server echoes it (verbatim, or escaped as in JSON or in a URL). Debug also shows
/// the names of headers, or for [`NoImages`](Self::NoImages) what was parsed from the body.
/// [`body`](Self::body) and [`Reply::headers`] return everything as received.
///
/// ```
/// use kontext_api::Error;
///
/// fn advice(error: &Error) -> &'static str {
///     match error {
///         Error::OutOfCredits(_) => "top up",
///         _ if error.may_have_been_charged() => "ask the provider's support, don't send it again",
///         _ if error.is_retryable() => "send it again later",
///         _ => "fix the request or the settings",
///     }
/// }
/// ```
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The request violates limits of the API. Nothing was sent.
    #[error(transparent)]
    InvalidRequest(#[from] InvalidRequestError),
    /// The call could exceed the client's [spend limit](crate::ClientBuilder::spend_limit).
    /// Nothing was sent.
    #[error(
        "the request was not sent: its estimated cost is {estimate} credits, and {left} credits \
         of the spend limit are left"
    )]
    #[non_exhaustive]
    SpendLimit {
        /// The estimated cost of the call, in credits.
        estimate: u64,
        /// What is left of the limit, in credits.
        left: u64,
        /// The call.
        call: Option<Call>,
    },
    /// The provider rejected the request as invalid: status 400, 413, 415 or 422.
    #[error("the provider rejected the request: {0}{id}", id = named_if_charged(.0))]
    BadRequest(Box<Reply>),
    /// The provider rejected the API key: status 401.
    #[error("the provider rejected the API key: {0}{id}", id = named_if_charged(.0))]
    Authentication(Box<Reply>),
    /// The account has no credits left: status 402, or a 403 whose message says so.
    #[error("the account is out of credits: {0}{id}", id = named_if_charged(.0))]
    OutOfCredits(Box<Reply>),
    /// Access denied: any other 403.
    #[error("access denied: {0}{id}", id = named_if_charged(.0))]
    Forbidden(Box<Reply>),
    /// Status 404, usually because of a wrong base URL.
    #[error("not found: {0}{id}", id = named_if_charged(.0))]
    NotFound(Box<Reply>),
    /// Too many requests, or a quota is used up: status 429.
    #[error("rate limited: {0}{id}", id = named_if_charged(.0))]
    RateLimited(Box<Reply>),
    /// The provider or a gateway failed: any 5xx except a 503 that is not from the provider
    /// itself.
    #[error("server error: {0}{id}", id = named_if_charged(.0))]
    Server(Box<Reply>),
    /// Any other status. This includes redirects, which are not followed; the message shows
    /// the target.
    #[error("unexpected response: {0}{id}", id = named_if_charged(.0))]
    UnexpectedStatus(Box<Reply>),
    /// The request was not sent: no connection was made. Nothing was charged, except possibly
    /// for an earlier attempt of the call.
    #[error("the request was not sent{}", named_if_earlier(.call))]
    #[non_exhaustive]
    NotSent {
        /// The cause: a `reqwest::Error` without its URL.
        source: Box<dyn StdError + Send + Sync>,
        /// The call.
        call: Option<Call>,
    },
    /// The request may have been processed: the response did not arrive completely (a timeout,
    /// a reset, a truncated body), or a gateway answered 503. Whether an image was generated
    /// and charged is unknown. Sending the request again may pay twice.
    ///
    /// A 503 from the provider itself is [`Server`](Self::Server), and such a request was not
    /// processed. Its body is a complete JSON object with a `requestId`, a `message` and the
    /// `statusCode` 503.
    #[error("unknown outcome: the request may have been carried out and charged{}{}", named(.call), beginning(.reply))]
    #[non_exhaustive]
    OutcomeUnknown {
        /// The beginning of a successful response with a truncated body, or the 503.
        reply: Option<Box<Reply>>,
        /// The cause: a `reqwest::Error` without its URL, or that a gateway answered.
        source: Box<dyn StdError + Send + Sync>,
        /// The call.
        call: Option<Call>,
    },
    /// A successful response that cannot be decoded. The error contains the response as
    /// received.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A successful response without an image. The error contains the response as received.
    #[error("the response with status {} has no image{}", .0.status().as_u16(), no_images_because(.0))]
    NoImages(Box<GeneratedImages>),
}

/// The client request id, for looking up a charge.
fn named(call: &Option<Call>) -> String {
    match call {
        Some(call) => format!(" (client request id {})", call.client_request_id),
        None => String::new(),
    }
}

fn named_if_charged(reply: &Reply) -> String {
    match may_be_charged(reply) {
        true => named(&reply.call),
        false => named_if_earlier(&reply.call),
    }
}

fn named_if_earlier(call: &Option<Call>) -> String {
    match call {
        Some(of) if of.earlier_may_be_charged => named(call),
        _ => String::new(),
    }
}

/// The response of an unknown outcome.
fn beginning(reply: &Option<Box<Reply>>) -> String {
    match reply {
        Some(reply) if reply.status().is_success() => format!(
            ": the response broke off after {} bytes, {reply}",
            reply.body().len()
        ),
        Some(reply) => format!(": {reply}"),
        None => String::new(),
    }
}

/// Why a response has no images: the reasons it gives, or else its beginning.
fn no_images_because(answer: &GeneratedImages) -> String {
    let ErrorBody { message, state, .. } = answer.read_as_error();
    let mut reasons = String::new();
    if let Some(message) = message {
        reasons.push_str(&format!(": {}", answer.shown(&message, 300)));
    }
    let flags = answer.has_nsfw_concepts().unwrap_or_default();
    if flags.contains(&Some(true)) {
        reasons.push_str("; it was flagged as not safe for work (`has_nsfw_concepts`)");
    }
    if let Some(state) = state {
        reasons.push_str(&format!(
            "; its `status` is \"{}\"",
            answer.shown(&state, 100)
        ));
    }
    if reasons.is_empty() {
        reasons = format!("; it begins with \"{}\"", answer.shown(answer.raw(), 100));
    }
    if let Some(id) = answer.request_id() {
        reasons.push_str(&format!(" (request id {})", answer.shown(id, 128)));
    }
    reasons.push_str(&named(&answer.call));
    reasons
}

impl Error {
    /// The error for a response outside 2xx.
    pub(crate) fn from_reply(reply: Reply) -> Self {
        if reply.status() == StatusCode::SERVICE_UNAVAILABLE && !reply.is_providers_word() {
            return Self::OutcomeUnknown {
                reply: Some(Box::new(reply)),
                source: "a gateway answered 503, and the provider may have carried out the request"
                    .into(),
                call: None,
            };
        }
        let variant = match reply.status().as_u16() {
            400 | 413 | 415 | 422 => Self::BadRequest,
            401 => Self::Authentication,
            402 => Self::OutOfCredits,
            403 if reply.message().is_some_and(says_out_of_credits) => Self::OutOfCredits,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::RateLimited,
            500..=599 => Self::Server,
            _ => Self::UnexpectedStatus,
        };
        variant(Box::new(reply))
    }

    /// The error for a failed request.
    ///
    /// Only builder and connect errors of reqwest certainly happened before sending; any other
    /// may have happened after it.
    pub(crate) fn from_transport(error: reqwest::Error) -> Self {
        let was_not_sent = error.is_builder() || error.is_connect();
        let source = Box::new(error.without_url());
        match was_not_sent {
            true => Self::NotSent { source, call: None },
            false => Self::OutcomeUnknown {
                reply: None,
                source,
                call: None,
            },
        }
    }

    /// Adds the call to the error.
    pub(crate) fn in_call(mut self, of: &Call) -> Self {
        match &mut self {
            Self::NotSent { call, .. } | Self::SpendLimit { call, .. } => *call = Some(of.clone()),
            Self::OutcomeUnknown { reply, call, .. } => {
                if let Some(reply) = reply {
                    reply.call = Some(of.clone());
                }
                *call = Some(of.clone());
            }
            Self::InvalidRequest(invalid) => invalid.call = Some(Box::new(of.clone())),
            Self::Decode(error) => error.reply_mut().call = Some(of.clone()),
            Self::NoImages(answer) => answer.call = Some(of.clone()),
            Self::BadRequest(reply)
            | Self::Authentication(reply)
            | Self::OutOfCredits(reply)
            | Self::Forbidden(reply)
            | Self::NotFound(reply)
            | Self::RateLimited(reply)
            | Self::Server(reply)
            | Self::UnexpectedStatus(reply) => reply.call = Some(of.clone()),
        }
        self
    }

    /// The call that failed: its client request id and its number of attempts. `None` only for
    /// an [`InvalidRequestError`] from a request builder.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Self::InvalidRequest(invalid) => invalid.call.as_deref(),
            Self::NotSent { call, .. }
            | Self::OutcomeUnknown { call, .. }
            | Self::SpendLimit { call, .. } => call.as_ref(),
            Self::NoImages(answer) => answer.call(),
            other => other.reply().and_then(Reply::call),
        }
    }

    /// The `X-Client-Request-Id` that the request was sent with.
    pub fn client_request_id(&self) -> Option<&ClientRequestId> {
        self.call().map(Call::client_request_id)
    }

    /// The name of the variant, for logs and metrics, such as `outcome_unknown`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::SpendLimit { .. } => "spend_limit",
            Self::BadRequest(_) => "bad_request",
            Self::Authentication(_) => "authentication",
            Self::OutOfCredits(_) => "out_of_credits",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::RateLimited(_) => "rate_limited",
            Self::Server(_) => "server",
            Self::UnexpectedStatus(_) => "unexpected_status",
            Self::NotSent { .. } => "not_sent",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::Decode(_) => "decode",
            Self::NoImages(_) => "no_images",
        }
    }

    /// The response, if one arrived and the error is not [`NoImages`](Self::NoImages).
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::BadRequest(reply)
            | Self::Authentication(reply)
            | Self::OutOfCredits(reply)
            | Self::Forbidden(reply)
            | Self::NotFound(reply)
            | Self::RateLimited(reply)
            | Self::Server(reply)
            | Self::UnexpectedStatus(reply) => Some(reply),
            Self::OutcomeUnknown { reply, .. } => reply.as_deref(),
            Self::Decode(error) => Some(error.reply()),
            Self::InvalidRequest(_)
            | Self::SpendLimit { .. }
            | Self::NotSent { .. }
            | Self::NoImages(_) => None,
        }
    }

    /// The HTTP status, if a response arrived.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::NoImages(answer) => Some(answer.status()),
            other => other.reply().map(Reply::status),
        }
    }

    /// The provider's id for the request, for its support: `requestId` of an error's body, or
    /// else the header `x-inference-id`.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::NoImages(answer) => answer.request_id(),
            other => other.reply().and_then(Reply::request_id),
        }
    }

    /// The response body, or the part of it that was received, if a response arrived.
    pub fn body(&self) -> Option<&[u8]> {
        match self {
            Self::NoImages(answer) => Some(answer.body()),
            other => other.reply().map(Reply::body),
        }
    }

    /// The cost in whole credits, rounded up, if the response contains it; 2,000,000 credits
    /// are 1 US dollar. A [`Batch`](crate::Batch) counts the same number.
    pub fn credits_used(&self) -> Option<u64> {
        match self {
            Self::NoImages(answer) => answer.credits_used(),
            other => other.reply().and_then(Reply::credits_used),
        }
    }

    /// The cost in US dollars, as written: the header `x-aimlapi-usd-spent`, or else what the
    /// body of a [`NoImages`](Self::NoImages) says.
    pub fn usd_spent(&self) -> Option<&str> {
        match self {
            Self::NoImages(answer) => answer.usd_spent(),
            other => other.reply().and_then(Reply::usd_spent),
        }
    }

    /// The `Retry-After` header as a delay from when the response arrived, at most 24 hours.
    /// The provider sends seconds or a date.
    pub fn retry_after(&self) -> Option<Duration> {
        self.reply().and_then(Reply::retry_after)
    }

    /// Whether sending the same request again cannot pay twice, and may succeed.
    ///
    /// True for a 429 whose message is not about a quota or billing, for a 503 from the
    /// provider itself that is not about maintenance, and for a failed connection, unless it
    /// can never be made: an untrusted certificate, a proxy that requires a password. The
    /// client has already retried these according to its [`RetryPolicy`](crate::RetryPolicy).
    ///
    /// False for everything else: for a 502 or 504, because the request may have been
    /// processed, and for a 500, which is not charged but usually lasts. Also false if an
    /// earlier attempt of the call may have been charged, which only an opt-in of the policy
    /// makes possible, or if the response names a cost.
    pub fn is_retryable(&self) -> bool {
        let is_safe = matches!(
            self.cause(),
            Some(Cause::NotSent | Cause::RateLimited | Cause::Unavailable)
        );
        is_safe && !self.earlier_may_be_charged()
    }

    /// Why a retry may succeed, if the policy allows one. `None` if the response names a cost.
    pub(crate) fn cause(&self) -> Option<Cause> {
        if self.credits_used().is_some_and(|credits| credits > 0) {
            return None;
        }
        match self {
            Self::NotSent { source, .. } => {
                let error = source.downcast_ref();
                let is_connect = error.is_some_and(reqwest::Error::is_connect);
                (is_connect && !is_permanent(&**source)).then_some(Cause::NotSent)
            }
            Self::RateLimited(reply) => match reply.message() {
                Some(message) if is_about_quota(message) => None,
                _ => Some(Cause::RateLimited),
            },
            Self::Server(reply) => match (reply.status().as_u16(), reply.message()) {
                (_, Some(message)) if is_about_maintenance(message) => None,
                (500, _) => Some(Cause::InternalError),
                (502, _) => Some(Cause::BadGateway),
                (503, _) => Some(Cause::Unavailable),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether money may have been spent, by this attempt or an earlier one of the call.
    ///
    /// True if
    ///
    /// - the outcome is unknown,
    /// - a successful response cannot be decoded or has no image,
    /// - a gateway answered, which does not know what the service behind it did: 408, 499, and
    ///   every 5xx except a 500 and a 503 from the provider itself (a complete JSON object
    ///   with a `requestId`, a `message` and a `statusCode` equal to the HTTP status),
    /// - the response is a redirect other than 307 and 308, or its status is neither success
    ///   nor failure,
    /// - the response's headers contain a cost other than 0, whatever the status.
    ///
    /// False if nothing was sent, and for all other responses: the provider documents that
    /// failed requests are never charged.
    pub fn may_have_been_charged(&self) -> bool {
        self.this_may_be_charged() || self.earlier_may_be_charged()
    }

    /// Whether the last attempt may have been charged.
    pub(crate) fn this_may_be_charged(&self) -> bool {
        match self {
            Self::OutcomeUnknown { .. } | Self::Decode(_) | Self::NoImages(_) => true,
            other => other.reply().is_some_and(may_be_charged),
        }
    }

    fn earlier_may_be_charged(&self) -> bool {
        self.call().is_some_and(|call| call.earlier_may_be_charged)
    }
}

/// Whether an unsuccessful response may be to a request that was processed and charged.
fn may_be_charged(reply: &Reply) -> bool {
    if reply.credits_used().is_some_and(|credits| credits > 0) {
        return true;
    }
    match reply.status().as_u16() {
        // A server or client timeout.
        408 | 499 => true,
        // The request was not processed here and should be sent elsewhere.
        307 | 308 => false,
        // Other redirects may follow a processed request.
        300..=399 => true,
        400..=499 => false,
        // The provider's own error format is certain.
        500 | 503 => !reply.is_providers_word(),
        // A gateway does not know what the service behind it did, and any other status is
        // neither success nor failure.
        _ => true,
    }
}

/// Whether the message of a 403 says that the account has no credits left. A message about
/// billing in general does not count, such as that a team member has no access to it.
fn says_out_of_credits(message: &str) -> bool {
    has_any(
        message,
        "out of credit, out of balance, out of funds, top up, payment required, \
         insufficient credit, insufficient balance, insufficient account balance, \
         insufficient fund, enough credit, enough balance, enough fund, no credit, \
         no more credit, no remaining credit, credits exhausted, credits are exhausted, \
         credits have been exhausted, credits are used up, credits have run out, \
         credits ran out, negative balance, zero balance, low balance, balance too low, \
         balance is too low, balance is empty, balance is exhausted, credit limit",
    )
}

/// Whether the message of a 429 is about a quota or money, so that a short wait does not help.
fn is_about_quota(message: &str) -> bool {
    // "Load balancer" is not about money.
    let message = message.to_lowercase().replace("balancer", "");
    has_any(
        &message,
        "quota, free-tier, free tier, free limit, upgrade, credit, balance, top up, \
         billing, insufficient funds, payment",
    )
}

/// Whether the message of a 5xx is about maintenance, which lasts longer than a caller waits.
fn is_about_maintenance(message: &str) -> bool {
    has_any(message, "maintenance")
}

/// Whether a message contains any of these comma-separated phrases.
fn has_any(message: &str, phrases: &str) -> bool {
    let message = message.to_lowercase();
    phrases.split(", ").any(|phrase| message.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_small() {
        assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
    }
}
