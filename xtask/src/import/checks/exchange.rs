//! Checks the samples and answers of the page against the document and each other.

use std::collections::BTreeSet;

use jsonschema::{Validator, error::ValidationErrorKind};
use kontext_codegen::{child, same};
use serde_json::Value;

use super::{
    Checks, DOCUMENT,
    words::{bare, path, short, wrong_size},
};
use crate::import::{
    document::{Operation, Schema},
    exchange::{Body, Exchange},
};

impl Checks<'_> {
    pub(super) fn exchanges(&mut self, operation: &Operation, exchanges: &[&Exchange<'_>]) {
        self.security(operation, exchanges);
        if let Some(schema) = self.document.schema(&operation.request) {
            let validator = self.validator(operation, "request");
            for exchange in exchanges {
                self.samples(exchange, &schema, validator.as_ref());
                self.languages(exchange);
                self.sizes(exchange, &schema);
            }
        }
        if let Some(schema) = self.document.schema(&operation.response) {
            let status = operation.status;
            let validator = self.validator(operation, &format!("responses/{status}"));
            for exchange in exchanges {
                self.answer(exchange, &schema, validator.as_ref());
            }
            self.unknown_in_answers(exchanges, &schema);
        }
    }

    fn security(&mut self, operation: &Operation, exchanges: &[&Exchange<'_>]) {
        let pointer = format!("{}/security", operation.at);
        let named = self.at(&pointer).or_else(|| self.at("/security"));
        if named
            .and_then(Value::as_array)
            .is_some_and(|named| !named.is_empty())
        {
            return;
        }
        let samples = exchanges.iter().flat_map(|exchange| &exchange.samples);
        for line in samples.filter_map(|sample| sample.authorization) {
            let text = "security: the samples send an Authorization header; the document names no \
                        security";
            self.page(line, text.to_owned(), DOCUMENT, vec![pointer.clone()]);
        }
    }

    /// Samples that can't be parsed, or violate the schema.
    fn samples(
        &mut self,
        exchange: &Exchange<'_>,
        schema: &Schema<'_>,
        validator: Option<&Validator>,
    ) {
        let samples = exchange.samples.iter();
        let readable = samples.clone().find(|sample| sample.body.read.is_ok());
        for sample in samples {
            let body = &sample.body;
            match (&body.read, readable) {
                (Ok((_, value)), _) => {
                    self.invalid(body, value, schema, validator, "a sample");
                    for (path, pointer) in schema.unknown(value) {
                        let text = format!(
                            "property: a sample has {path}; the schema has no such property"
                        );
                        self.page(body.line_of(&path), text, DOCUMENT, vec![pointer]);
                    }
                }
                (Err(error), readable) => {
                    let (other, used) = match readable {
                        Some(one) => (
                            format!("the {} sample can", one.language),
                            format!("the {} sample is used", one.language),
                        ),
                        None => ("no other can".to_owned(), "nothing is recorded".to_owned()),
                    };
                    let text = format!(
                        "unreadable: the {} sample cannot be read: {}; {other}",
                        sample.language, error.why
                    );
                    self.page(body.line + error.line - 1, text, &used, Vec::new());
                }
            }
        }
    }

    /// The validation errors of a body.
    fn invalid(
        &mut self,
        body: &Body<'_>,
        value: &Value,
        schema: &Schema<'_>,
        validator: Option<&Validator>,
        what: &str,
    ) {
        let errors = validator.into_iter().flat_map(|one| one.iter_errors(value));
        for error in errors {
            let instance = error.instance_path().as_str();
            let keyword = error.kind().keyword();
            let pointer = child(&schema.place(instance), keyword);
            let text = match error.kind() {
                ValidationErrorKind::Required { property } => {
                    let path = path(&child(instance, &bare(property)));
                    format!("required: {what} has no {path}; the schema requires it")
                }
                _ => {
                    let kind = if instance == "/model" {
                        "model"
                    } else {
                        keyword
                    };
                    let says = self.at(&pointer).map(short).unwrap_or_default();
                    format!(
                        "{kind}: {what} has {} {}; the schema has {keyword} {says}",
                        path(instance),
                        short(error.instance())
                    )
                }
            };
            self.page(body.line_of(instance), text, DOCUMENT, vec![pointer]);
        }
    }

    /// The samples of one request against each other.
    fn languages(&mut self, exchange: &Exchange<'_>) {
        let samples = exchange.samples.iter();
        let mut readable = samples.filter_map(|sample| Some((sample, sample.body.value()?)));
        let Some((first, expected)) = readable.next() else {
            return;
        };
        let models = self.document.models(&exchange.operation);
        let is_wrong_model = |value: Option<&Value>| {
            let model = value.and_then(Value::as_str);
            model.is_some_and(|model| !models.iter().any(|one| one == model))
        };
        let used = format!("the {} sample is used", first.language);
        for (sample, value) in readable {
            let objects = [expected, value].into_iter().filter_map(Value::as_object);
            let keys: BTreeSet<&String> = objects.flat_map(|object| object.keys()).collect();
            for key in keys {
                let (left, right) = (expected.get(key), value.get(key));
                let is_told = key == "model" && (is_wrong_model(left) || is_wrong_model(right));
                if is_told
                    || left
                        .zip(right)
                        .is_some_and(|(left, right)| same(left, right))
                {
                    continue;
                }
                let side = |value: Option<&Value>| match value {
                    Some(value) => format!("has {key} {}", short(value)),
                    None => format!("has no {key}"),
                };
                let text = format!(
                    "languages: the {} sample {}; the {} sample {}",
                    sample.language,
                    side(right),
                    first.language,
                    side(left)
                );
                self.page(sample.body.line_of(key), text, &used, Vec::new());
            }
        }
    }

    /// The sizes of images against the requested ratio or size.
    fn sizes(&mut self, exchange: &Exchange<'_>, schema: &Schema<'_>) {
        let Some((answer, value, requests)) = exchange.answered() else {
            return;
        };
        for (name, property) in schema.properties() {
            let sent = requests.iter().find_map(|request| request.get(name));
            let default = property
                .value
                .get("default")
                .filter(|_| property.has_ratios());
            let Some(asked) = sent.or(default).map(bare) else {
                continue;
            };
            let member = if sent.is_some() { "enum" } else { "default" };
            let lists = value.as_object().into_iter().flatten();
            for picture in lists.filter_map(|(_, list)| list.as_array()).flatten() {
                let side = |name| picture.get(name).and_then(Value::as_f64);
                if let Some(text) = wrong_size(&asked, side("width"), side("height")) {
                    let pointer = format!("{}/{member}", property.at);
                    self.page(answer.line, text, DOCUMENT, vec![pointer]);
                }
            }
        }
    }

    /// An answer against the schema and against its request.
    fn answer(
        &mut self,
        exchange: &Exchange<'_>,
        schema: &Schema<'_>,
        validator: Option<&Validator>,
    ) {
        if let Some(Err(error)) = exchange.response.as_ref().map(|answer| &answer.read) {
            let line = exchange.response.as_ref().map_or(0, |answer| answer.line);
            let text = format!(
                "unreadable: an answer cannot be read: {}; it is JSON",
                error.why
            );
            self.page(
                line + error.line - 1,
                text,
                "nothing is recorded",
                Vec::new(),
            );
        }
        let Some((answer, value, requests)) = exchange.answered() else {
            return;
        };
        self.invalid(answer, value, schema, validator, "an answer");
        for (name, member) in value.as_object().into_iter().flatten() {
            let sent: Vec<&Value> = requests.iter().filter_map(|one| one.get(name)).collect();
            let is_plain = member.is_string() || member.is_number();
            if is_plain && !sent.is_empty() && !sent.iter().any(|sent| same(sent, member)) {
                let text = format!(
                    "answer: an answer has {name} {}; its request has {}",
                    short(member),
                    short(sent[0])
                );
                let used = "both are recorded as they are";
                self.page(answer.line_of(name), text, used, Vec::new());
            }
        }
    }

    /// Members of the page's answers that the schema doesn't define, as one contradiction:
    /// the schema is wrong, not each answer.
    fn unknown_in_answers(&mut self, exchanges: &[&Exchange<'_>], schema: &Schema<'_>) {
        let mut members = BTreeSet::new();
        let mut lines = Vec::new();
        for (answer, value, _) in exchanges.iter().filter_map(|exchange| exchange.answered()) {
            let unknown = schema.unknown(value);
            lines.extend((!unknown.is_empty()).then_some(answer.line));
            members.extend(unknown);
        }
        let (names, pointers): (Vec<String>, Vec<String>) = members.into_iter().unzip();
        let forms = schema.forms();
        let known = forms.iter().flat_map(Schema::properties);
        let known: Vec<&str> = known.map(|(name, _)| name).collect();
        let text = format!(
            "response: the answers have {}; the schema has only {} and what is in them",
            names.join(", "),
            known.join(", ")
        );
        for line in lines {
            self.page(line, text.clone(), DOCUMENT, pointers.clone());
        }
    }
}
