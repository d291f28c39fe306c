//! What the endpoints show.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::query::Query;
use crate::{JOURNAL_ENTRIES, fault::ActiveFault, mock::Mock, reply::Reply, session::Session};

pub(super) fn health(mock: &Mock) -> Reply {
    let loaded = mock.loaded();
    let contract: Vec<_> = mock
        .contract
        .operations()
        .map(|one| json!({"operation": one.name(), "sha256": one.sha256()}))
        .collect();
    ok(&json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "match": mock.settings.match_mode.to_string(),
        "validation": mock.settings.validation.to_string(),
        "recordings": loaded.set.prepared.len(),
        "stale": loaded.set.notes.len(),
        "misses": mock.misses_since_reset(),
        "reload_error": mock.reload_error(),
        "contract": contract,
    }))
}

pub(super) fn requests(mock: &Mock, query: &Query) -> Reply {
    let received = mock.journal.received(query.session.as_deref());
    let requests: Vec<_> = received
        .into_iter()
        .filter(|one| one.number() > query.since && (!query.misses || one.is_miss()))
        .collect();
    ok(&json!({ "requests": requests, "kept": JOURNAL_ENTRIES }))
}

pub(super) fn billed(session: &Session) -> Reply {
    let state = session.state();
    let (billed, counts) = (state.billed, state.counts);
    drop(state);
    ok(&json!({ "billed": billed, "usd": billed.usd(), "counts": counts }))
}

pub(super) fn faults(session: &Session) -> Reply {
    let state = session.state();
    let faults = state.faults.iter().map(ActiveFault::remaining);
    // What happens no more cannot be set again either.
    let faults: Vec<_> = faults.filter(|fault| fault.times != Some(0)).collect();
    drop(state);
    ok(&json!({ "faults": faults }))
}

pub(super) fn recordings(mock: &Mock) -> Reply {
    let loaded = mock.loaded();
    let recordings: Vec<_> = loaded
        .set
        .recordings
        .iter()
        .enumerate()
        .map(|(index, recording)| {
            json!({
                "name": recording.name(),
                "title": recording.title(),
                "status": recording.status(),
                "origin": recording.origin().to_string(),
                "date": recording.date(),
                "used": loaded.is_used(index),
                "stale": loaded.set.is_stale(recording.name()),
            })
        })
        .collect();
    ok(&json!({ "recordings": recordings, "reload_error": mock.reload_error() }))
}

pub(super) fn reloaded(recordings: usize) -> Reply {
    ok(&json!({ "recordings": recordings }))
}

pub(super) fn done() -> Reply {
    Reply {
        status: StatusCode::NO_CONTENT,
        ..Reply::default()
    }
}

fn ok(value: &Value) -> Reply {
    let mut text = value.to_string();
    text.push('\n');
    Reply::new(StatusCode::OK, "application/json", text)
}
