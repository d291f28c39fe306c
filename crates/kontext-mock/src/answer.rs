//! Chooses the answer to a request that has been read.

use std::sync::{Arc, atomic::Ordering};

use axum::http::{StatusCode, request::Parts};
use serde_json::Value;

use crate::{
    ERROR_HEADER,
    billing::Billed,
    cache, canonical,
    contract::Operation,
    difference::Difference,
    fault::{self, Early},
    generate,
    headers::{self, MadeUp},
    judge::{Judged, Validation},
    loaded::Set,
    log,
    matching::{self, Match, MatchMode},
    mock::{Exchange, Mock},
    prefer::Preference,
    prepared::Origin,
    problem,
    redact::{self, Secret},
    refusal::{Reason, Refusal},
    reply::Reply,
    request,
    script::{AnswerKind, RuleAnswer},
    shorten,
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
    let judged = judged(mock, exchange, operation);
    let warning = validate(mock, exchange, operation, &judged)?;
    if exchange.session.state().run_out(&mut exchange.plan) {
        return Err(Refusal::simulated(StatusCode::FORBIDDEN));
    }
    let choice = Choice {
        mock,
        exchange: &*exchange,
        operation,
        judged: &judged,
    };
    let (mut answer, faults) = choice.make()?;
    if let Some(warning) = warning {
        answer.note.push_str(" validation: ");
        let redaction = &exchange.loaded.set.redaction;
        let secrets = Secret::from_headers(&exchange.parts.headers);
        answer.note.push_str(&redaction.text(&warning, &secrets).0);
        // A header takes ASCII alone.
        let ascii: String = warning.escape_default().collect();
        answer.reply.set(VALIDATION_HEADER, &ascii);
    }
    for fault in faults {
        let now = std::time::Instant::now();
        exchange.plan.add_own(fault, now, 0.5);
    }
    if let Some(failed) = early(exchange) {
        return failed;
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

/// What is made of a request's body, which is remembered for the next ones that
/// have the same.
pub(crate) fn judged(mock: &Mock, exchange: &Exchange, operation: &Operation) -> Arc<Judged> {
    let Exchange {
        loaded,
        body,
        parts,
        ..
    } = exchange;
    let judge = |secrets: &[Secret]| {
        let validation = mock.settings.validation;
        Arc::new(Judged::of(
            &loaded.set,
            operation,
            validation,
            body,
            secrets,
        ))
    };
    if body.len() > cache::LONGEST {
        // Nothing is remembered of it, so that it need not be searched for
        // secrets before it is known that it is compared at all.
        return judge(&Secret::from_headers(&parts.headers));
    }
    let known = loaded.judged.get(body);
    // Two operations can be sent the same body.
    let known = known.filter(|judged| judged.operation == operation.name());
    let fingerprint = Secret::fingerprint(&parts.headers, loaded.judged.hashes());
    if let Some(known) = &known
        && known.unmentioned.load(Ordering::Relaxed) == fingerprint
    {
        return known.clone();
    }
    let secrets = Secret::from_headers(&parts.headers);
    if redact::mentions(body, &secrets) {
        // What is made of it depends on more than the body.
        return judge(&secrets);
    }
    let judged = known.unwrap_or_else(|| {
        let judged = judge(&[]);
        loaded.judged.insert(body, &judged);
        judged
    });
    judged.unmentioned.store(fingerprint, Ordering::Relaxed);
    judged
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
    judged: &Judged,
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
    let Some(refusal) = media_type.or_else(|| judged.refusal.clone()) else {
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

/// What an answer is chosen by.
struct Choice<'a> {
    mock: &'a Mock,
    exchange: &'a Exchange,
    operation: &'a Operation,
    judged: &'a Judged,
}

impl Choice<'_> {
    /// By what the request asks for, by a script, or by its recording.
    fn make(&self) -> Result<(Answer, Vec<fault::Fault>), Refusal> {
        if let Some(preference) = Preference::of(&self.exchange.parts.headers)? {
            let mut answer = self.preferred(&preference)?;
            answer
                .reply
                .set("preference-applied", &preference.applied());
            return Ok((answer, Vec::new()));
        }
        let scripted = self.exchange.session.state().scripted(
            self.operation.name(),
            &self.exchange.parts.headers,
            self.judged.canonical(),
        );
        let Some(RuleAnswer { answer, faults }) = scripted else {
            return Ok((self.matched(), Vec::new()));
        };
        let answer = match answer {
            AnswerKind::Match => Ok(self.matched()),
            AnswerKind::Generate => Ok(self.generated()),
            AnswerKind::Status(status) => self.of_status(status),
            AnswerKind::Recording(name) => self.named(&name),
        };
        let answer = answer.map_err(|refusal| Refusal {
            reason: Reason::Script,
            message: format!("A rule of the script: {}", refusal.message),
            ..refusal
        })?;
        Ok((answer, faults))
    }

    /// The recording of the request, or what the mode has in place of it.
    fn matched(&self) -> Answer {
        if let Some(index) = matching::exact(self.judged, self.query()) {
            return self.replay(index, Match::Exact);
        }
        let set = self.set();
        match self.mock.settings.match_mode {
            MatchMode::Generate => self.generated(),
            MatchMode::Fallback => match set.of_operation(self.operation.name()).next() {
                Some((index, _)) => self.replay(index, Match::Fallback),
                None => self.miss(),
            },
            MatchMode::Nearest => match matching::nearest(set, self.judged) {
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
        let own = matching::exact(self.judged, self.query()).filter(has_status);
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
        let own = matching::exact(self.judged, self.query()) == Some(index);
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
        let differences = matching::differences(self.set(), index, self.judged, query.as_deref());
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
        let nearest = matching::nearest(set, self.judged).and_then(|index| {
            let prepared = set.prepared.get(index)?;
            facts.recording = Some(prepared.name.clone());
            let lines = self.add_differences(&mut facts, index);
            Some((prepared, lines))
        });
        let record = log::record_command(self.mock.settings.folder.as_deref());
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
        let refusal = Refusal::new(
            Reason::Miss,
            format!("{message}\nTo record it, send it to: {record}"),
        );
        let path = self.exchange.parts.uri.path();
        let mut answer = Answer::refusal(&refusal, path, self.exchange.number);
        headers::set_match(&mut answer.reply.headers, Match::Miss);
        Answer {
            found: Some(Match::Miss),
            recording: facts.recording,
            differences: facts.differences,
            note: format!("{}; to record it: {record}", facts.note),
            ..answer
        }
    }

    /// Makes an answer up from the request.
    fn generated(&self) -> Answer {
        let body: Value = serde_json::from_slice(&self.exchange.body).unwrap_or_default();
        let compared = self.judged.canonical();
        let spelt = compared.map_or_else(String::new, |body| canonical::readable(body.marked()));
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
