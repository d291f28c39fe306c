//! Which answer a request gets that is in order.

use axum::http::StatusCode;
use serde_json::Value;

use super::Answer;
use crate::{
    billing::Billed,
    contract::Operation,
    generate, headers,
    judge::EvaluatedBody,
    loaded::Set,
    log,
    matching::{self, Match, MatchMode},
    mock::{Exchange, Mock},
    prefer::Preference,
    prepared::Origin,
    problem,
    refusal::{Reason, Refusal},
    reply::Reply,
    shorten,
};

/// What an answer is chosen by.
pub(super) struct Choice<'a> {
    pub(super) mock: &'a Mock,
    pub(super) exchange: &'a Exchange,
    pub(super) operation: &'a Operation,
    pub(super) body: &'a EvaluatedBody,
}

impl Choice<'_> {
    /// By what the request asks for, or by its recording.
    pub(super) fn make(&self) -> Result<Answer, Refusal> {
        if let Some(preference) = Preference::of(&self.exchange.parts.headers)? {
            let mut answer = self.preferred(&preference)?;
            answer
                .reply
                .set("preference-applied", &preference.applied());
            return Ok(answer);
        }
        Ok(self.matched())
    }

    /// The recording of the request, or what the mode has in place of it.
    fn matched(&self) -> Answer {
        if let Some(index) = matching::exact(self.body, self.query()) {
            return self.replay(index, Match::Exact);
        }
        let set = self.set();
        match self.mock.settings.match_mode {
            MatchMode::Generate => self.generated(),
            MatchMode::Fallback => match set.of_operation(self.operation.name()).next() {
                Some((index, _)) => self.replay(index, Match::Fallback),
                None => self.miss(),
            },
            MatchMode::Nearest => match matching::nearest(set, self.operation.name(), self.body) {
                Some(index) => self.replay(index, Match::Nearest),
                None => self.miss(),
            },
            MatchMode::Strict => self.miss(),
        }
    }

    fn preferred(&self, preference: &Preference) -> Result<Answer, Refusal> {
        let Some(name) = &preference.example else {
            return match preference.code {
                Some(code) => self.of_status(code),
                None => Ok(self.matched()),
            };
        };
        let answer = self.named(name)?;
        match preference.code {
            Some(code) if answer.reply.status.as_u16() != code => Err(Refusal::new(
                Reason::Prefer,
                format!(
                    "Prefer: the recording {name} has the status {}, not {code}",
                    answer.reply.status.as_u16()
                ),
            )),
            _ => Ok(answer),
        }
    }

    /// A recording by its case or name.
    fn named(&self, name: &str) -> Result<Answer, Refusal> {
        let set = self.set();
        let Some(index) = set.named(self.operation.name(), name) else {
            let names = set.of_operation(self.operation.name());
            let names: Vec<_> = names.take(20).map(|(_, one)| &*one.name).collect();
            return Err(Refusal::new(
                Reason::Prefer,
                format!(
                    "No recording of {} is called {:?}. It has: {}",
                    self.operation.name(),
                    shorten::text(name, 100),
                    names.join(", ")
                ),
            ));
        };
        Ok(self.replay_other(index))
    }

    /// An answer of a status: the request's own recording, another one, one
    /// that is made up, or the documented error.
    fn of_status(&self, status: u16) -> Result<Answer, Refusal> {
        let set = self.set();
        let has_status = |index: &usize| {
            let recording = set.recordings.iter().nth(*index);
            recording.is_some_and(|recording| recording.status() == status)
        };
        let own = matching::exact(self.body, self.query()).filter(has_status);
        let of_operation = set.of_operation(self.operation.name());
        let found = own.or_else(|| of_operation.map(|(index, _)| index).find(has_status));
        if let Some(index) = found {
            return Ok(self.replay_other(index));
        }
        let Ok(code) = StatusCode::from_u16(status) else {
            return Err(Refusal::new(
                Reason::Prefer,
                format!("{status} is no status"),
            ));
        };
        if code == StatusCode::OK {
            return Ok(self.generated());
        }
        if self.operation.response(status).is_none() || !(400..600).contains(&status) {
            return Err(Refusal::new(
                Reason::Prefer,
                format!(
                    "The contract of {} declares no status {status} that could be made up; it \
                     declares {}",
                    self.operation.name(),
                    self.operation.statuses()
                ),
            ));
        }
        let path = self.exchange.parts.uri.path();
        let mut answer = Answer::refusal(&Refusal::simulated(code), path, self.exchange.number);
        answer.found = Some(Match::Generated);
        headers::set_match(&mut answer.reply.headers, Match::Generated);
        Ok(answer)
    }

    /// Replays a recording that was asked for by name or status, which need not
    /// be the request's own.
    fn replay_other(&self, index: usize) -> Answer {
        let own = matching::exact(self.body, self.query()) == Some(index);
        let how = if own { Match::Exact } else { Match::Fallback };
        self.replay(index, how)
    }

    fn replay(&self, index: usize, how: Match) -> Answer {
        let set = self.set();
        self.exchange.loaded.mark_used(index);
        let Some(prepared) = set.prepared.get(index) else {
            return self.miss();
        };
        let origin = if self.mock.settings.rewrite_urls {
            self.origin()
        } else {
            None
        };
        let mut reply = prepared.reply(origin.as_ref());
        headers::set_match(&mut reply.headers, how);
        let mut answer = Answer {
            reply,
            found: Some(how),
            recording: Some(prepared.name.clone()),
            billed: prepared.billed,
            made_up: prepared.made_up,
            ..Answer::default()
        };
        if how != Match::Exact {
            self.add_differences(&mut answer, index);
        }
        answer
    }

    fn add_differences(&self, answer: &mut Answer, index: usize) -> Vec<String> {
        // It is shown, logged and kept.
        let query = self.query().map(|query| self.mock.redacted_query(query));
        let differences = matching::differences(self.set(), index, self.body, query.as_deref());
        let lines = differences.lines();
        if !lines.is_empty() {
            answer.note.push_str(" differs: ");
            answer
                .note
                .push_str(&shorten::text(&lines.join("; "), 1000));
        }
        answer.differences = differences.into_list();
        lines
    }

    /// Refuses a request that no recording answers, with the nearest one, what
    /// differs, and how to record it.
    fn miss(&self) -> Answer {
        let set = self.set();
        let mut facts = Answer::default();
        let nearest = matching::nearest(set, self.operation.name(), self.body).and_then(|index| {
            let prepared = set.prepared.get(index)?;
            facts.recording = Some(prepared.name.clone());
            let lines = self.add_differences(&mut facts, index);
            Some((prepared, lines))
        });
        let command = log::record_command(self.mock.settings.folder.as_deref());
        let (hint, record) = if self.query().is_some() {
            (
                "It cannot be recorded, because it has a query.".to_owned(),
                "it cannot be recorded, because it has a query".to_owned(),
            )
        } else {
            (
                format!("To record it, send it to: {command}"),
                format!("to record it: {command}"),
            )
        };
        let message = match nearest {
            Some((prepared, lines)) => {
                let heading = format!(
                    "No recording matches this request. The nearest is {} ({}), which differs \
                     here:",
                    prepared.name,
                    shorten::text(&prepared.title, 200)
                );
                problem::list(&heading, lines.into_iter())
            }
            None => format!("No recording of {} is there.", self.operation.name()),
        };
        let refusal = Refusal::new(Reason::Miss, format!("{message}\n{hint}"));
        let path = self.exchange.parts.uri.path();
        let mut answer = Answer::refusal(&refusal, path, self.exchange.number);
        headers::set_match(&mut answer.reply.headers, Match::Miss);
        Answer {
            found: Some(Match::Miss),
            recording: facts.recording,
            differences: facts.differences,
            note: format!("{}; {record}", facts.note),
            ..answer
        }
    }

    /// Makes an answer up from the request.
    fn generated(&self) -> Answer {
        let body: Value = serde_json::from_slice(&self.exchange.body).unwrap_or_default();
        let compared = self.body.canonical();
        let spelt = compared.map_or_else(String::new, |body| {
            kontext_recording::readable(body.marked())
        });
        let origin = self.origin().map(|origin| origin.url());
        let base_url = origin.unwrap_or_default();
        let settings = &self.mock.settings.generate;
        let made = generate::answer(&body, settings, &spelt, &base_url);
        let Ok(made) = made else {
            return self.miss();
        };
        let billed = Billed::of_answer(&made, None);
        let mut reply = Reply::new(StatusCode::OK, "application/json", made);
        let made_up = headers::add_cost(&mut reply.headers, billed);
        headers::set_match(&mut reply.headers, Match::Generated);
        Answer {
            reply,
            found: Some(Match::Generated),
            billed,
            made_up,
            ..Answer::default()
        }
    }

    fn origin(&self) -> Option<Origin<'_>> {
        Origin::of(&self.exchange.parts, self.exchange.address)
    }

    fn set(&self) -> &Set {
        &self.exchange.loaded.set
    }

    /// The query, where there is one that is not empty.
    fn query(&self) -> Option<&str> {
        let query = self.exchange.parts.uri.query();
        query.filter(|query| !query.is_empty())
    }
}
