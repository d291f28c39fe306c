//! The sample exchanges of a page: requests in several languages, and their answer.

use serde_json::Value;

use super::{
    document::{Document, Operation},
    page::{Block, Page, regex},
    sample::{self, Language, Literal, Unreadable},
};

/// Samples of one request, and the answer that the page shows for them.
#[derive(Debug)]
pub(super) struct Exchange<'t> {
    pub(super) section: String,
    pub(super) operation: Operation,
    /// The samples, in order of preference.
    pub(super) samples: Vec<Sample<'t>>,
    pub(super) response: Option<Body<'t>>,
}

/// A sample of a request.
#[derive(Debug)]
pub(super) struct Sample<'t> {
    pub(super) language: Language,
    /// The line that sends the API key.
    pub(super) authorization: Option<usize>,
    pub(super) body: Body<'t>,
}

/// A body as shown on a page.
#[derive(Debug)]
pub(super) struct Body<'t> {
    pub(super) line: usize,
    text: &'t str,
    pub(super) read: Result<(Literal, Value), Unreadable>,
}

impl<'t> Body<'t> {
    fn new(block: &Block<'t>, read: Result<Literal, Unreadable>) -> Self {
        let read = read.map(|literal| {
            let value = literal.value();
            (literal, value)
        });
        Self {
            line: block.line,
            text: block.text,
            read,
        }
    }

    pub(super) fn value(&self) -> Option<&Value> {
        self.read.as_ref().ok().map(|(_, value)| value)
    }

    /// The line with the last key of a path or pointer, or else the first line.
    pub(super) fn line_of(&self, path: &str) -> usize {
        let names = path.split(['/', '.', '[', ']']);
        let mut names = names.filter(|name| !name.is_empty() && name.parse::<usize>().is_err());
        let line = names.next_back().and_then(|name| {
            let key = regex(&format!(r#"\b{}["']?\s*:"#, regex::escape(name)));
            self.text.lines().position(|line| key.is_match(line))
        });
        self.line + line.unwrap_or(0)
    }
}

impl<'t> Exchange<'t> {
    /// The answer, its value, and the values of the readable requests, if the answer is
    /// readable.
    pub(super) fn answered(&self) -> Option<(&Body<'t>, &Value, Vec<&Value>)> {
        let answer = self.response.as_ref()?;
        let requests = self.samples.iter().filter_map(|sample| sample.body.value());
        Some((answer, answer.value()?, requests.collect()))
    }
}

/// Pairs the samples of each section with the next answer in it.
pub(super) fn exchanges<'t>(page: &Page<'t>, document: &Document) -> Vec<Exchange<'t>> {
    let mut exchanges: Vec<Exchange<'t>> = Vec::new();
    for block in &page.blocks {
        let is_open = |last: &Exchange<'_>| last.response.is_none();
        if let Some((language, operation)) = request(block, document) {
            let body = Body::new(block, sample::request(language, block.text));
            let line = block
                .text
                .lines()
                .position(|line| line.contains("Authorization"));
            let sample = Sample {
                language,
                authorization: line.map(|line| block.line + line),
                body,
            };
            let last = exchanges.last_mut().filter(|last| {
                is_open(last) && last.section == block.section && last.operation.at == operation.at
            });
            match last {
                Some(last) => last.samples.push(sample),
                None => exchanges.push(Exchange {
                    section: block.section.clone(),
                    operation: operation.clone(),
                    samples: vec![sample],
                    response: None,
                }),
            }
        } else if is_response(block)
            && let Some(last) = exchanges.last_mut().filter(|last| is_open(last))
            // The answer may have its own heading.
            && (last.section == block.section || block.label == block.section.to_lowercase())
        {
            last.response = Some(Body::new(block, sample::first_value(block.text)));
        }
    }
    for exchange in &mut exchanges {
        exchange.samples.sort_by_key(|sample| sample.language);
    }
    exchanges
}

/// The language of a sample, and the operation that it calls.
fn request<'d>(block: &Block<'_>, document: &'d Document) -> Option<(Language, &'d Operation)> {
    let language = Language::of(&block.language, &block.label)?;
    if language == Language::Json {
        let [operation] = &*document.operations else {
            return None;
        };
        return block
            .label
            .contains("request")
            .then_some((language, operation));
    }
    let calls = |operation: &&Operation| {
        let fixed = operation.path.split('{').next().unwrap_or_default();
        block.text.contains(fixed)
    };
    let called = document.operations.iter().filter(calls);
    let operation = called.max_by_key(|operation| operation.path.len())?;
    Some((language, operation))
}

fn is_response(block: &Block<'_>) -> bool {
    let is_data = match Language::of(&block.language, "") {
        Some(Language::Json) => true,
        // The value may be surrounded by text.
        None => block.text.contains('{'),
        Some(_) => block.text.trim_start().starts_with(['{', '[']),
    };
    let words = ["response", "output", "answer"];
    let has = |word: &str| block.label.contains(word);
    is_data && words.into_iter().any(has) && !has("error")
}
