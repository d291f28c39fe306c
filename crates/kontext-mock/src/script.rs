//! Scripts: rules that say which answer which request gets, and in which order.

use std::{collections::BTreeMap, fmt};

use axum::http::HeaderMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::{
    canonical::Canonical,
    contract::{Contract, Operation},
    fault::Fault,
    members::Members,
    redact::Redaction,
    shorten,
};

/// A rule: requests that it fits are answered by its answers, one after the
/// other.
///
/// As JSON: `{"request": {"num_images": 2}, "answers": ["status=503", "match"]}`.
/// Every member but `answers` may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// Names the rule in the admin API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The operation that it is for, in kebab case; without it every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// What the request's body must have: these members with these values, in
    /// objects at every depth; lists must be equal. Without it any body fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Members>,
    /// Headers that the request must have, names in lower case, values equal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Of several rules that fit, the one with the highest priority answers; of
    /// equal ones, the first. By default 0.
    #[serde(default)]
    pub priority: i64,
    /// How many requests it answers; by default as many as it has answers. Where
    /// it is more, the last answer is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The answers, in their order; at least one.
    pub answers: Vec<RuleAnswer>,
}

/// One answer of a [`Rule`], and the faults that happen to it.
///
/// As JSON it is its text alone where there are no faults.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RuleAnswer {
    /// Which answer.
    pub answer: AnswerKind,
    /// What goes wrong with it.
    pub faults: Vec<Fault>,
}

/// Which answer a request gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum AnswerKind {
    /// `match`: the one it would have got without the rule.
    Match,
    /// `recording=add-bird`: a recording by its case, or by its whole name.
    Recording(String),
    /// `status=503`: a recording of the operation with this status, otherwise
    /// the documented error.
    Status(u16),
    /// `generate`: one that is made up from the request.
    Generate,
}

/// Says why a text is no answer of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no answer, expected match, generate, recording=CASE or status=503; faults stand \
     in {{\"answer\": …, \"faults\": [\"delay=1s\"]}}"
)]
pub struct ParseAnswerError(String);

/// The long way to write an answer in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WithFaults {
    answer: AnswerKind,
    #[serde(default)]
    faults: Vec<Fault>,
}

/// The file of a script: `{"format": 1, "rules": […]}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u64,
    rules: Vec<Rule>,
}

/// Says why a script cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The text is no JSON, or not of a script's form.
    #[error("the script cannot be read, expected {{\"format\": 1, \"rules\": […]}}")]
    Read(#[source] serde_json::Error),
    /// The script has another format than this version reads.
    #[error("/format: the script has format {0}, this version reads format 1")]
    Format(u64),
    /// A rule can never answer.
    #[error("/rules/{rule}/{member}: {problem}")]
    Rule {
        /// The rule, counted from 0.
        rule: usize,
        /// The member of the rule.
        member: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a script.
///
/// # Errors
///
/// Fails where the text is no JSON of a script's form, and where a rule could
/// never answer.
pub fn parse_script(text: &str) -> Result<Vec<Rule>, ScriptError> {
    let file: File = serde_json::from_str(text).map_err(ScriptError::Read)?;
    if file.format != 1 {
        return Err(ScriptError::Format(file.format));
    }
    judge(&file.rules)?;
    Ok(file.rules)
}

/// Judges what the types alone do not say.
pub(crate) fn judge(rules: &[Rule]) -> Result<(), ScriptError> {
    for (
        rule,
        Rule {
            answers,
            times,
            headers,
            ..
        },
    ) in rules.iter().enumerate()
    {
        let wrong = |member, problem: &str| {
            Err(ScriptError::Rule {
                rule,
                member,
                problem: problem.to_owned(),
            })
        };
        if answers.is_empty() {
            return wrong("answers", "expected at least one answer");
        }
        if *times == Some(0) {
            return wrong("times", "expected at least 1; leave the rule out instead");
        }
        if headers
            .keys()
            .any(|name| *name != name.to_ascii_lowercase())
        {
            return wrong("headers", "expected names in lower case");
        }
    }
    Ok(())
}

/// Judges whether every rule is for an operation that there is.
pub(crate) fn judge_operations(rules: &[Rule], contract: &Contract) -> Result<(), ScriptError> {
    for (rule, Rule { operation, .. }) in rules.iter().enumerate() {
        let Some(name) = operation else {
            continue;
        };
        let mut names = contract.operations().map(Operation::name);
        if !names.any(|other| other == name) {
            let names: Vec<_> = contract.operations().map(Operation::name).collect();
            return Err(ScriptError::Rule {
                rule,
                member: "operation",
                problem: format!(
                    "the contract has no operation {:?}; it has: {}",
                    shorten::text(name, 100),
                    shorten::text(&names.join(", "), 500)
                ),
            });
        }
    }
    Ok(())
}

/// A rule with what it remembers.
#[derive(Clone, Debug)]
pub(crate) struct ActiveRule {
    rule: Rule,
    answered: u64,
}

impl Rule {
    /// A rule that gives these answers, one after the other, to any request.
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = impl Into<RuleAnswer>>) -> Self {
        Self {
            name: None,
            operation: None,
            request: None,
            headers: BTreeMap::new(),
            priority: 0,
            times: None,
            answers: answers.into_iter().map(Into::into).collect(),
        }
    }

    /// Fits only requests whose body has these members; see
    /// [`request`](Self::request).
    #[must_use]
    pub fn request(mut self, members: Value) -> Self {
        self.request = Some(members.into());
        self
    }

    /// Fits only requests with this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// Sets the [`priority`](Self::priority).
    #[must_use]
    pub fn priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// Sets how many requests it answers.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }
}

impl ActiveRule {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, answered: 0 }
    }

    /// The rule, and how many requests it has answered.
    pub(crate) fn state(&self) -> (&Rule, u64) {
        (&self.rule, self.answered)
    }

    pub(crate) fn priority(&self) -> i64 {
        self.rule.priority
    }

    /// Whether it answers a request.
    pub(crate) fn fits(
        &self,
        operation: &str,
        headers: &HeaderMap,
        body: Option<&Canonical>,
        redaction: &Redaction,
    ) -> bool {
        let rule = &self.rule;
        self.answered < self.times()
            && rule
                .operation
                .as_deref()
                .is_none_or(|name| name == operation)
            && rule.headers.iter().all(|(name, value)| {
                headers
                    .get_all(name)
                    .iter()
                    .any(|other| other.as_bytes() == value.as_bytes())
            })
            && match (&rule.request, body) {
                (None, _) => true,
                (Some(members), Some(body)) => members.are_in(body, redaction),
                (Some(_), None) => false,
            }
    }

    /// The next answer; asked only where it [fits](Self::fits).
    pub(crate) fn next(&mut self) -> Option<RuleAnswer> {
        let last = self.rule.answers.len().checked_sub(1)?;
        let index = usize::try_from(self.answered)
            .unwrap_or(usize::MAX)
            .min(last);
        self.answered += 1;
        self.rule.answers.get(index).cloned()
    }

    fn times(&self) -> u64 {
        self.rule.times.unwrap_or(self.rule.answers.len() as u64)
    }
}

impl From<AnswerKind> for RuleAnswer {
    fn from(answer: AnswerKind) -> Self {
        Self {
            answer,
            faults: Vec::new(),
        }
    }
}

impl Serialize for RuleAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.faults.is_empty() {
            return self.answer.serialize(serializer);
        }
        WithFaults {
            answer: self.answer.clone(),
            faults: self.faults.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RuleAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnswerVisitor)
    }
}

/// Reads an answer in either way; that is not left to `untagged`, which would
/// not say what is wrong.
struct AnswerVisitor;

impl<'de> Visitor<'de> for AnswerVisitor {
    type Value = RuleAnswer;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("an answer such as \"match\" or {\"answer\": \"match\", \"faults\": []}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RuleAnswer, E> {
        AnswerKind::try_from(text.to_owned())
            .map(RuleAnswer::from)
            .map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RuleAnswer, A::Error> {
        let WithFaults { answer, faults } =
            WithFaults::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RuleAnswer { answer, faults })
    }
}

impl TryFrom<String> for AnswerKind {
    type Error = ParseAnswerError;

    fn try_from(text: String) -> Result<Self, ParseAnswerError> {
        match text.split_once('=') {
            None if text == "match" => Ok(Self::Match),
            None if text == "generate" => Ok(Self::Generate),
            Some(("recording", name)) if !name.is_empty() => Ok(Self::Recording(name.to_owned())),
            Some(("status", status)) => match status.parse() {
                Ok(status @ 200..=599) => Ok(Self::Status(status)),
                _ => Err(ParseAnswerError(text)),
            },
            _ => Err(ParseAnswerError(text)),
        }
    }
}

impl From<AnswerKind> for String {
    fn from(answer: AnswerKind) -> Self {
        match answer {
            AnswerKind::Match => "match".to_owned(),
            AnswerKind::Generate => "generate".to_owned(),
            AnswerKind::Recording(name) => format!("recording={name}"),
            AnswerKind::Status(status) => format!("status={status}"),
        }
    }
}
