//! What is imported: the page, its document and their name.

use std::path::Path;

use kontext_codegen::Input;

use super::{
    document::Document,
    exchange::{self, Exchange},
    page::{self, Block, Page},
};
use crate::drift::input::{self, Source};

/// A parsed page or document, with its name.
pub(super) struct Imported<'t> {
    /// The name, as in `openapi/pages/NAME.md`.
    pub(super) name: String,
    pub(super) page: Page<'t>,
    pub(super) document: Document,
    pub(super) exchanges: Vec<Exchange<'t>>,
}

impl Imported<'_> {
    /// Whether there is a page, not only a document.
    pub(super) fn has_page(&self) -> bool {
        !self.page.prose.is_empty()
    }

    pub(super) fn page_file(&self) -> String {
        format!("openapi/pages/{}.md", self.name)
    }

    pub(super) fn document_file(&self) -> String {
        format!("openapi/published/{}.json", self.name)
    }

    /// The handwritten document that a published one replaces.
    pub(super) fn described_file(&self) -> String {
        format!("openapi/described/{}.json", self.name)
    }
}

/// Reads a page with its document, or only a document; `known` are the existing documents.
///
/// # Errors
///
/// The document is missing or belongs to another page; the message has file and place.
pub(super) fn read<'t>(
    source: &'t Source,
    spec: Option<&Path>,
    known: &[Input],
) -> Result<Imported<'t>, String> {
    let file = &source.name;
    let is_document = source.text.trim_start().starts_with('{');
    let (page, document) = match (is_document, spec) {
        (true, None) => (Page::default(), Document::read(file, 1, &source.text)?),
        (true, Some(_)) => return Err(format!("{file}: expected a page, found a document")),
        (false, spec) => {
            let page = page::read(&source.text);
            let document = document(file, &page, spec)?;
            (page, document)
        }
    };
    let exchanges = exchange::exchanges(&page, &document);
    if spec.is_some() {
        is_of_page(file, &page, &exchanges, &document)?;
    }
    Ok(Imported {
        name: name(file, &page, &document, known)?,
        page,
        document,
        exchanges,
    })
}

/// The document of a page: in the page itself, or in the file that it names.
fn document(file: &str, page: &Page<'_>, spec: Option<&Path>) -> Result<Document, String> {
    let is_document = |block: &&Block<'_>| {
        let text = block.text.trim_start();
        text.starts_with('{') && text.contains("\"openapi\"")
    };
    let blocks: Vec<&Block<'_>> = page.blocks.iter().filter(is_document).collect();
    if let [_, second, ..] = &*blocks {
        return Err(format!(
            "{file}:{}: expected one OpenAPI document, found a second one\n  help: make a page of \
             each",
            second.line
        ));
    }
    let own = blocks
        .first()
        .map(|block| Document::read(file, block.line, block.text));
    let own = own.transpose()?;
    let named = spec.map(input::read).transpose()?;
    let named = named
        .map(|spec| Document::read(&spec.name, 1, &spec.text))
        .transpose()?;
    match (own, named, &page.elsewhere) {
        (Some(own), None, _) => Ok(own),
        (Some(own), Some(named), _) if own.value == named.value => Ok(own),
        (Some(own), Some(named), _) => Err(format!(
            "{file}:{}: the page has a document of its own, which differs from {}\n  help: leave \
             the file away",
            own.first_line, named.file
        )),
        (None, Some(named), Some(tag)) if !named.has(&tag.method, &tag.path) => Err(format!(
            "{}: expected the operation that {file}:{} names, {} {}, found none\n  help: look for {}",
            named.file, tag.line, tag.method, tag.path, tag.file
        )),
        (None, Some(named), _) => Ok(named),
        (None, None, Some(tag)) => Err(format!(
            "{file}:{}: the page names its document with an openapi-operation tag: {}\n  help: \
             save that file of the provider, and name it behind the page",
            tag.line, tag.file
        )),
        (None, None, None) => Err(format!(
            "{file}: expected a block of code with an OpenAPI document, found none\n  help: name \
             the document behind the page"
        )),
    }
}

/// Rejects a document that has none of the models of its page: it belongs to another page.
fn is_of_page(
    file: &str,
    page: &Page<'_>,
    exchanges: &[Exchange<'_>],
    document: &Document,
) -> Result<(), String> {
    let models: Vec<String> = document
        .all_models()
        .into_iter()
        .map(|(_, model)| model)
        .collect();
    let samples = exchanges.iter().flat_map(|exchange| &exchange.samples);
    let sent = samples.filter_map(|sample| sample.body.value()?.get("model")?.as_str());
    let listed = page.models.iter().map(|(_, model)| model.as_str());
    let named: Vec<&str> = listed.chain(sent).collect();
    if models.is_empty() || named.is_empty() || models.iter().any(|one| named.contains(&&**one)) {
        return Ok(());
    }
    Err(format!(
        "{}: the models of {file} are {}, and the document takes {}\n  help: give the document of \
         this page",
        document.file,
        named.join(", "),
        models.join(", ")
    ))
}

/// The name of a page: that of an existing document with one of its models, or else that of
/// its file, or its title.
fn name(
    file: &str,
    page: &Page<'_>,
    document: &Document,
    known: &[Input],
) -> Result<String, String> {
    let stem = |file: &str| {
        let stem = Path::new(file).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    };
    let models = document.all_models();
    let shares = |input: &&Input| {
        let other = Document::read(&input.file, 1, &input.text);
        other.is_ok_and(|other| {
            other
                .all_models()
                .iter()
                .any(|model| models.contains(model))
        })
    };
    let sharing: Vec<String> = known
        .iter()
        .filter(shares)
        .map(|input| stem(&input.file))
        .collect();
    let own = if file == "<stdin>" {
        page.title.clone()
    } else {
        stem(file)
    };
    let words = own.split(|one: char| !one.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let own = words.join("-").to_lowercase();
    match sharing.first() {
        Some(first) if !sharing.contains(&own) => Ok(first.clone()),
        _ if own.is_empty() => Err(format!(
            "{file}: expected a title to name the page after, found none\n  help: save it as a file"
        )),
        _ => Ok(own),
    }
}
