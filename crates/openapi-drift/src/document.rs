//! An OpenAPI document as published, defects included.

mod decimal;
mod equality;
mod tree;

pub(crate) use decimal::{Decimal, value_of};
pub(crate) use equality::{equal_references, same, same_here};
pub use tree::Position;
pub(crate) use tree::{Id, Kind, Members, NoTree, ROOT, Tree, resolve};

/// An OpenAPI 3.0 document in JSON.
///
/// Documents are read leniently: members that the specification requires but a
/// comparison does not need (a response's description, say) may be missing.
#[derive(Clone, Debug)]
pub struct Document {
    name: String,
    tree: Tree,
}

/// Why a text can't be compared: invalid JSON, or not an OpenAPI 3.0 document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{position}: {message}{}\n  help: {help}", at(pointer))]
#[non_exhaustive]
pub struct Unreadable {
    /// The name passed to [`Document::parse`].
    pub file: String,
    /// Where in the document, as a JSON pointer; empty for the root.
    pub pointer: String,
    /// Where in the text.
    pub position: Position,
    /// What is wrong there.
    pub message: String,
    /// What to do.
    pub help: String,
}

fn at(pointer: &str) -> String {
    if pointer.is_empty() {
        String::new()
    } else {
        format!(" (at {pointer})")
    }
}

impl Document {
    /// Parses a document. Messages refer to it by `name`, usually its path.
    ///
    /// # Errors
    ///
    /// The text is not valid JSON (RFC 8259, with unique names in each object and at
    /// most 512 levels deep), or not an OpenAPI 3.0 document with paths.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, Unreadable> {
        let name = name.into();
        let tree = Tree::parse(text).map_err(|NoTree { position, message }| {
            let is_yaml = text.trim_start().starts_with(|first| first != '{');
            let help = if is_yaml {
                "documents are read as JSON; convert YAML first, and take the JSON out of a page"
            } else {
                "repair the text there, or fetch it again: it may have been cut"
            };
            Unreadable {
                file: name.clone(),
                pointer: String::new(),
                position,
                message,
                help: help.to_owned(),
            }
        })?;
        let document = Self { name, tree };
        document.check()?;
        Ok(document)
    }

    fn check(&self) -> Result<(), Unreadable> {
        let tree = &self.tree;
        let is_3_0 = |text: &str| text == "3.0" || text.starts_with("3.0.");
        let paths = tree.get(ROOT, "paths");
        let (at, message, help) = match tree.get(ROOT, "openapi") {
            _ if tree.object(ROOT).is_none() => (
                ROOT,
                "no OpenAPI document: not an object".to_owned(),
                "give the whole document",
            ),
            None => {
                let message = match tree.get(ROOT, "swagger") {
                    Some(_) => "a Swagger 2.0 document",
                    None => "no OpenAPI document: it has no member \"openapi\"",
                };
                (
                    ROOT,
                    message.to_owned(),
                    "OpenAPI 3.0 documents are compared",
                )
            }
            Some(version) if !tree.string(version).is_some_and(is_3_0) => (
                version,
                format!("OpenAPI {} is not compared", tree.canonical_text(version)),
                "give a document of OpenAPI 3.0; 3.1 has other schemas",
            ),
            _ if paths.and_then(|paths| tree.object(paths)).is_none() => (
                paths.unwrap_or(ROOT),
                "no paths: \"paths\" has to be an object".to_owned(),
                "give the whole document",
            ),
            _ => return Ok(()),
        };
        Err(Unreadable {
            file: self.name.clone(),
            pointer: tree.pointer(at),
            position: tree.position(at),
            message,
            help: help.to_owned(),
        })
    }

    /// The name that messages refer to it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_document_error_names_position() {
        let mut text = String::new();
        for document in [
            "",
            "openapi: 3.0.0\npaths: {}",
            "{\"openapi\": \"3.0.0\",\n \"paths\": }",
            "[]",
            "{\"swagger\": \"2.0\", \"paths\": {}}",
            "{}",
            "{\"openapi\": \"3.1.0\", \"paths\": {}}",
            "{\"openapi\": 3, \"paths\": {}}",
            "{\"openapi\": \"3.0.3\"}",
            "{\n  \"openapi\": \"3.0.3\",\n  \"paths\": []\n}",
            "{\"openapi\": \"3.0.3\", \"openapi\": \"3.0.3\", \"paths\": {}}",
        ] {
            let error = Document::parse("new.json", document).unwrap_err();
            text.push_str(&format!("{document}\n=> {error}\n\n"));
        }
        insta::assert_snapshot!("unreadable", text);
    }

    #[test]
    fn info_and_title_are_optional() {
        assert!(Document::parse("a", "{\"openapi\": \"3.0.0\", \"paths\": {}}").is_ok());
    }

    #[test]
    fn references_are_resolved_transitively() {
        let text = "{\"a\": {\"$ref\": \"#/b\"}, \"b\": {\"$ref\": \"#/c\"}, \"c\": {\"x\": 1},
            \"loop\": {\"$ref\": \"#/loop\"}, \"out\": {\"$ref\": \"a.json\"}, \"gone\": {\"$ref\": \"#/z\"}}";
        let tree = Tree::parse(text).unwrap();
        let of = |name: &str| resolve(&tree, tree.at(name).unwrap());
        assert_eq!(of("/a"), Ok(tree.at("/c").unwrap()));
        assert!(of("/loop").is_err() && of("/out").is_err() && of("/gone").is_err());
    }
}
