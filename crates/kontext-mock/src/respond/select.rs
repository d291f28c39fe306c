//! Chooses the response to a valid request.

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{
    contract::{Operation, violations},
    http::{
        error_response::{Reason, Refusal, Reply},
        headers::{self, header_list},
    },
    log,
    matching::{Match, MatchMode, diff::Differences, index::RecordingIndex},
    respond::{
        answer::{Answer, Exchange},
        replay::{Replay, base_url},
        synthetic,
        validate::{Compared, EvaluatedBody},
    },
    state::{Mock, billing::Billed, faults::Plan},
    truncate,
};

/// The response header that names the request values ignored to find the recording.
const IGNORED_HEADER: &str = "x-kontext-ignored";

/// What the response is chosen from.
pub(crate) struct Choice<'a> {
    pub(crate) mock: &'a Mock,
    pub(crate) exchange: &'a Exchange,
    pub(crate) operation: &'a Operation,
    pub(crate) body: &'a EvaluatedBody<'a>,
    /// The effects of the faults on the request.
    pub(crate) plan: &'a mut Plan,
}

impl<'a> Choice<'a> {
    /// Chooses the response by the `Prefer` header or by matching, and charges for it.
    pub(crate) fn make(mut self) -> Result<Answer, Refusal> {
        let preference = Preference::of(&self.exchange.parts.headers)?;
        let mut answer = match (&preference.example, preference.code) {
            (Some(name), code) => self.named(name, code)?,
            (None, Some(code)) => self.of_status(code)?,
            (None, None) => return self.matched(),
        };
        let applied = preference.applied();
        answer.reply.set("preference-applied", &applied);
        Ok(answer)
    }

    /// The matching recording, or what the match mode does without one.
    fn matched(&mut self) -> Result<Answer, Refusal> {
        if let Some(index) = self.exact() {
            return self.replay(index, Match::Exact, None);
        }
        let (found, how) = match self.mock.settings.match_mode {
            MatchMode::Generate => return self.generated(),
            MatchMode::Fallback => {
                let first = self.of_model().next();
                (first.map(|(index, _)| index), Match::Fallback)
            }
            MatchMode::Nearest => (self.nearest(), Match::Nearest),
            MatchMode::Strict => (None, Match::Miss),
        };
        match found {
            Some(index) => self.replay(index, how, None),
            None => Ok(self.miss()),
        }
    }

    /// Replays a recording by case or name; with a status, its first answer that has it.
    fn named(&mut self, name: &str, status: Option<u16>) -> Result<Answer, Refusal> {
        let set = self.set();
        let Some((index, recording)) = set.named(self.operation.name(), name) else {
            let names = set.of_operation(self.operation.name());
            let names: Vec<_> = names.take(20).map(|(_, one)| &*one.name).collect();
            return refuse(format!(
                "No recording of {} is called {:?}. It has: {}",
                self.operation.name(),
                truncate::text(name, 100),
                names.join(", ")
            ));
        };
        let Some(status) = status else {
            return self.replay_other(index, None);
        };
        let Some(answer) = recording.answer_of_status(status) else {
            let statuses = recording.answers.iter();
            let statuses: Vec<_> = statuses.map(|one| one.status().to_string()).collect();
            let statuses = statuses.join(", ");
            return refuse(format!(
                "Prefer: the recording {name} has the status {statuses}, not {status}"
            ));
        };
        self.replay_other(index, Some(answer))
    }

    /// A response with a status: from the request's own recording or another one,
    /// otherwise generated, otherwise the documented error.
    fn of_status(&mut self, status: u16) -> Result<Answer, Refusal> {
        let set = self.set();
        let with_status = |index: usize| {
            let recording = set.prepared.get(index)?;
            Some((index, recording.answer_of_status(status)?))
        };
        let own = self.exact().and_then(with_status);
        let mut others = self.of_model();
        let found = own.or_else(|| others.find_map(|(index, _)| with_status(index)));
        if let Some((index, answer)) = found {
            return self.replay_other(index, Some(answer));
        }
        let Ok(code) = StatusCode::from_u16(status) else {
            return refuse(format!("{status} is not a status"));
        };
        if code == StatusCode::OK {
            return self.generated();
        }
        if self.operation.response(status).is_none() || !(400..600).contains(&status) {
            return refuse(format!(
                "The contract of {} declares no status {status} that could be made up; it \
                 declares {}",
                self.operation.name(),
                self.operation.statuses()
            ));
        }
        let path = self.exchange.parts.uri.path();
        let mut answer = Answer::refusal(&Refusal::simulated(code), path, self.exchange.number);
        answer.found = Some(Match::Generated);
        headers::set_match(&mut answer.reply.headers, Match::Generated);
        Ok(answer)
    }

    /// Replays a recording selected by name or status, which may not be the request's
    /// own.
    fn replay_other(&mut self, index: usize, answer: Option<usize>) -> Result<Answer, Refusal> {
        let own = self.exact() == Some(index);
        let how = if own { Match::Exact } else { Match::Fallback };
        self.replay(index, how, answer)
    }

    /// Replays a recording: the requested answer or, if `None`, the session's next one.
    fn replay(
        &mut self,
        index: usize,
        how: Match,
        wanted: Option<usize>,
    ) -> Result<Answer, Refusal> {
        let set = self.set();
        let Some(recording) = set.prepared.get(index) else {
            return Ok(self.miss());
        };
        let mut state = self.exchange.session.state();
        let turn = wanted.unwrap_or_else(|| state.turn(recording));
        let Some(served) = recording.answers.get(turn) else {
            drop(state);
            return Ok(self.miss());
        };
        state.charge(self.plan, served.billed)?;
        if wanted.is_none() {
            state.end_turn(recording, turn);
        }
        drop(state);
        self.exchange.loaded.mark_used(index);
        let rewrites = self.mock.settings.rewrite_urls;
        let mut reply = served.reply(|| self.base_url().filter(|_| rewrites));
        if how == Match::Exact && !self.body.ignored.is_empty() {
            reply.set(IGNORED_HEADER, &self.body.ignored.join(", "));
        }
        headers::set_match(&mut reply.headers, how);
        let mut answer = Answer {
            reply,
            found: Some(how),
            recording: Some(recording.name.clone()),
            billed: served.billed,
            ..Answer::default()
        };
        if how != Match::Exact {
            answer.differences = self.add_differences(&mut answer, index).into_list();
        }
        Ok(answer)
    }

    /// Adds the differences from a recorded request to the log note.
    fn add_differences(&self, answer: &mut Answer, index: usize) -> Differences {
        let set = self.set();
        let recorded = set.canonical(index).map(|recorded| set.stripped(recorded));
        let recorded = recorded.as_deref();
        let mut differences = if matches!(self.body.compared, Compared::Opaque) {
            Differences::opaque(recorded)
        } else {
            let body = self.body.canonical().map(|body| set.stripped(body));
            Differences::between(recorded, body.as_deref())
        };
        if let Some(query) = self.query() {
            // The differences are shown, logged and kept.
            differences.add_query(&self.mock.redacted_query(query));
        }
        differences.add_to(&mut answer.note);
        differences
    }

    /// Rejects a request that no recording matches, with the nearest recording, the
    /// differences, and how to record the request.
    fn miss(&self) -> Answer {
        let set = self.set();
        let mut facts = Answer::default();
        let nearest = self.nearest().and_then(|index| {
            let prepared = set.prepared.get(index)?;
            facts.recording = Some(prepared.name.clone());
            let differences = self.add_differences(&mut facts, index);
            let lines = differences.lines();
            facts.differences = differences.into_list();
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
                    truncate::text(&prepared.title, 200)
                );
                violations::list(&heading, lines.into_iter())
            }
            None => {
                let model = self.body.model.as_deref();
                format!(
                    "There is no recording of {}{}; --match generate needs none.",
                    self.operation.name(),
                    model.map_or_else(String::new, |model| format!(" for {model}")),
                )
            }
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

    /// Generates a response from the request.
    fn generated(&mut self) -> Result<Answer, Refusal> {
        let body: Value = serde_json::from_slice(&self.exchange.body).unwrap_or_default();
        let compared = self.body.canonical();
        let spelt = compared.map_or_else(String::new, |body| {
            kontext_recording::readable(body.marked())
        });
        let base_url = self.base_url().unwrap_or_default();
        let settings = &self.mock.settings.generate;
        let page = self.operation.page_of(Some(&body));
        let takes_images = page.is_none_or(|page| page.knows("image_url"));
        let made = synthetic::answer(&body, takes_images, settings, &spelt, &base_url);
        let Ok(made) = made else {
            return Ok(self.miss());
        };
        let billed = Billed::of_answer(&made, None);
        self.exchange.session.state().charge(self.plan, billed)?;
        let mut reply = Reply::new(StatusCode::OK, "application/json", made);
        headers::complete(&mut reply.headers, billed, None, Match::Generated);
        Ok(Answer {
            reply,
            found: Some(Match::Generated),
            billed,
            ..Answer::default()
        })
    }

    /// The URL at which clients reach the mock.
    fn base_url(&self) -> Option<String> {
        let public = self.mock.settings.public_url.clone();
        public.or_else(|| base_url(&self.exchange.parts, self.exchange.address))
    }

    /// The recording that matches exactly; a request with a query string matches none.
    fn exact(&self) -> Option<usize> {
        self.body.exact.filter(|_| self.query().is_none())
    }

    /// The recording of the same model whose request differs in the fewest values; on a
    /// tie, the first by name.
    fn nearest(&self) -> Option<usize> {
        let set = self.set();
        let body = self.body.canonical().map(|body| set.stripped(body));
        // On a tie, min_by_key takes the first, and names are sorted.
        let nearest = self.of_model().min_by_key(|(_, prepared)| {
            let recorded = prepared.canonical.as_ref();
            let recorded = recorded.map(|recorded| set.stripped(recorded));
            Differences::distance(recorded.as_deref(), body.as_deref())
        });
        nearest.map(|(index, _)| index)
    }

    /// The recordings for the request's model, each with its index.
    fn of_model(&self) -> impl Iterator<Item = (usize, &'a Replay)> + use<'a> {
        let model = self.body.model.as_deref();
        self.set().of_model(self.operation.name(), model)
    }

    fn set(&self) -> &'a RecordingIndex {
        &self.exchange.loaded.set
    }

    /// The query string, if there is a non-empty one.
    fn query(&self) -> Option<&'a str> {
        let query = self.exchange.parts.uri.query();
        query.filter(|query| !query.is_empty())
    }
}

/// The response that a client asks for with `Prefer`.
#[derive(Default)]
struct Preference {
    /// `code=429`: a response with this status.
    code: Option<u16>,
    /// `example=add-bird`: the recording with this case or name.
    example: Option<String>,
}

impl Preference {
    /// Parses all `Prefer` headers of a request. As RFC 7240 requires, unknown
    /// preferences are ignored, and the first of several counts.
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut preference = Self::default();
        for value in headers.get_all("prefer") {
            let value = String::from_utf8_lossy(value.as_bytes());
            for part in header_list(&value, &[',', ';']) {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "code" if preference.code.is_none() => preference.code = Some(code(value)?),
                    "example" if preference.example.is_none() => {
                        preference.example = Some(value.to_owned());
                    }
                    _ => {}
                }
            }
        }
        Ok(preference)
    }

    /// The value of the `Preference-Applied` header.
    fn applied(&self) -> String {
        let code = self.code.map(|code| format!("code={code}"));
        let example = self.example.as_ref().map(|name| format!("example={name}"));
        let both: Vec<_> = code.into_iter().chain(example).collect();
        both.join(", ")
    }
}

fn code(text: &str) -> Result<u16, Refusal> {
    match text.parse() {
        Ok(code @ 200..=599) => Ok(code),
        _ => refuse(format!(
            "Prefer: expected code= with a status from 200 to 599, received {:?}",
            truncate::text(text, 50)
        )),
    }
}

fn refuse<T>(message: String) -> Result<T, Refusal> {
    Err(Refusal::new(Reason::Prefer, message))
}
