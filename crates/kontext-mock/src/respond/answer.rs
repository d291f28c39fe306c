//! A request that is being handled, its response, and their line in the log.

use axum::{
    body::Bytes,
    http::{StatusCode, request::Parts},
};
use std::{fmt, net::SocketAddr, sync::Arc, time::Instant};

use crate::{
    http::error_response::{Reason, Refusal, Reply},
    log,
    matching::{Match, diff::Difference, index::Loaded},
    state::{billing::Billed, faults::Plan, journal::DataUri, session::Session},
    truncate,
};

/// A request that is being handled.
pub(crate) struct Exchange {
    pub(crate) number: u64,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) session: Arc<Session>,
    pub(crate) plan: Plan,
    /// The local address of the client's connection.
    pub(crate) address: Option<SocketAddr>,
    /// When the request head was received.
    pub(crate) started: Instant,
    /// Only for a body that the journal does not keep in full.
    pub(crate) body_sha256: Option<String>,
    pub(crate) data_uris: Vec<DataUri>,
}

/// A response, and what is logged about it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) found: Option<Match>,
    pub(crate) recording: Option<Arc<str>>,
    pub(crate) error: Option<&'static str>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) billed: Billed,
    /// The fields that violate the contract.
    pub(crate) fields: Vec<String>,
    /// The members that the contract does not know, as in the response header.
    pub(crate) unknown: String,
    /// Additional text for the log.
    pub(crate) note: String,
}

impl Answer {
    /// The error response for a rejected request.
    pub(crate) fn refusal(refusal: &Refusal, path: &str, number: u64) -> Self {
        Self {
            reply: refusal.reply(path, number),
            error: Some(refusal.reason.name()),
            fields: refusal.fields.clone(),
            ..Self::default()
        }
    }

    /// The record of a request whose connection was reset before it was carried out; no
    /// response is sent.
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

    pub(crate) fn is_miss(&self) -> bool {
        self.found == Some(Match::Miss)
    }
}

/// The log line of a request.
pub(crate) struct Line<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) answer: &'a Answer,
}

/// Never contains a header. The note can quote values of the query and body that differ
/// from the recording, with secrets redacted.
impl fmt::Display for Line<'_> {
    fn fmt(&self, line: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exchange, answer } = self;
        let (parts, plan) = (&exchange.parts, &exchange.plan);
        let took = exchange.started.elapsed() + plan.delay;
        let tenths = took.as_micros().div_ceil(100);
        write!(
            line,
            "{} {} {} {} {}.{}ms",
            log::now(),
            truncate::text(parts.method.as_str(), 50),
            truncate::text(parts.uri.path(), 200),
            answer.reply.status.as_u16(),
            tenths / 10,
            tenths % 10
        )?;
        if let Some(session) = &exchange.session.name {
            write!(line, " session={session}")?;
        }
        if let Some(error) = answer.error {
            write!(line, " error={error}")?;
        }
        if !answer.fields.is_empty() {
            let fields = answer.fields.join(",");
            write!(line, " fields={}", truncate::text(&fields, 500))?;
        }
        if !answer.unknown.is_empty() {
            write!(line, " unknown={}", answer.unknown)?;
        }
        if let Some(found) = answer.found.filter(|_| !answer.is_miss()) {
            write!(line, " match={}", found.name())?;
        }
        if let Some(recording) = &answer.recording {
            let label = if answer.is_miss() {
                "nearest"
            } else {
                "recording"
            };
            write!(line, " {label}={recording}")?;
        }
        line.write_str(&answer.note)?;
        if !plan.names.is_empty() {
            write!(line, " faults={}", plan.names.join(";"))?;
        }
        Ok(())
    }
}
