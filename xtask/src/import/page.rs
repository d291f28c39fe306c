//! Parses a page of the provider: code blocks with their section and label, and the prose
//! between them.
//!
//! Pages are Markdown with GitBook tags. A Markdown parser does not work: CommonMark treats
//! code right after a tag such as `<details>` as HTML, GitBook treats it as code.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use regex::Regex;

/// A parsed page.
#[derive(Debug, Default)]
pub(super) struct Page<'t> {
    /// The first heading.
    pub(super) title: String,
    pub(super) blocks: Vec<Block<'t>>,
    /// The models that the page lists, with their lines.
    pub(super) models: Vec<(usize, String)>,
    /// Sentences and table cells without markup, with their lines.
    pub(super) prose: Vec<(usize, String)>,
    /// The reference to an operation in a separate document.
    pub(super) elsewhere: Option<Elsewhere>,
}

/// A code block.
#[derive(Clone, Debug, Default)]
pub(super) struct Block<'t> {
    /// The line number of the first line of code, from 1.
    pub(super) line: usize,
    /// The closest heading of level 1 or 2 above it.
    pub(super) section: String,
    /// The title of its tab or `<summary>`, or a smaller heading above it, in lower case.
    pub(super) label: String,
    /// The language of the fence, in lower case.
    pub(super) language: String,
    /// The code, byte for byte, without the newline before the closing fence.
    pub(super) text: &'t str,
}

/// The tag `{% openapi-operation spec="…" path="…" method="…" %}`.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) line: usize,
    /// The file name of the document.
    pub(super) file: String,
    pub(super) path: String,
    pub(super) method: String,
}

/// A regular expression from this program, compiled once and cached.
#[allow(clippy::expect_used, reason = "tests compile every pattern")]
pub(super) fn regex(pattern: &str) -> Regex {
    static KNOWN: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = known.entry(pattern.to_owned());
    compiled
        .or_insert_with(|| Regex::new(pattern).expect("a valid pattern"))
        .clone()
}

/// Parses a page.
pub(super) fn read(text: &str) -> Page<'_> {
    let heading = regex(r"^(#{1,6})\s+(.*?)\s*#*$");
    let label = regex(r#"\{%\s*tab\s+title="([^"]*)"|<summary>(.*?)</summary>|^\*\*(.+?)\*\*:?$"#);
    let label_end = regex(r"\{%\s*endtabs?\b|</details>");
    let model = regex(r"^\s*[*-]\s+`([^`]+)`");
    let operation = regex(r"\{%\s*openapi-operation\s+(.*?)%\}");
    let mut page = Page::default();
    let mut block = Block::default();
    let mut fence: Option<(&str, usize)> = None;
    let (mut offset, mut in_comment, mut in_models) = (0, false, false);
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        let (number, start) = (index + 1, offset);
        offset += whole.len();
        let line = whole.trim().trim_start_matches('\u{feff}');
        if let Some((mark, code)) = fence {
            if line.starts_with(mark) && line.trim_start_matches(&mark[..1]).is_empty() {
                block.text = without_line_end(&text[code..start]);
                page.blocks.push(block.clone());
                fence = None;
            }
            continue;
        }
        in_comment = (in_comment || line.contains("<!--")) && !line.contains("-->");
        if in_comment {
            continue;
        }
        if let Some(mark) = fence_of(line) {
            let language = line[mark.len()..].split_whitespace().next();
            block.language = language.unwrap_or_default().to_lowercase();
            block.line = number + 1;
            fence = Some((mark, offset));
            continue;
        }
        if let Some(found) = heading.captures(line) {
            let words = plain(&found[2]).join(" ");
            if page.title.is_empty() {
                page.title.clone_from(&words);
            }
            block.label = words.to_lowercase();
            if found[1].len() <= 2 {
                block.section = words;
            }
        } else if label_end.is_match(line) {
            block.label.clear();
        } else if let Some(found) = label.captures(line) {
            let words = found.iter().skip(1).flatten().next();
            block.label = words.map_or_else(String::new, |one| one.as_str().to_lowercase());
        } else if let Some(found) = operation.captures(line) {
            let link = text[offset..].lines().next().unwrap_or_default();
            page.elsewhere = Some(elsewhere(number, &found[1], link));
        }
        match model.captures(line) {
            Some(found) if in_models => page.models.push((number, found[1].to_owned())),
            _ if line.is_empty() => {}
            _ => in_models = line.contains("following") && line.contains("models"),
        }
        let sentences = plain(line).into_iter();
        page.prose.extend(sentences.map(|words| (number, words)));
    }
    if let Some((_, code)) = fence {
        block.text = without_line_end(&text[code..]);
        page.blocks.push(block);
    }
    page
}

/// The backticks or tildes that open a fenced code block.
fn fence_of(line: &str) -> Option<&str> {
    let mark = line.chars().next().filter(|mark| "`~".contains(*mark))?;
    let length = line.len() - line.trim_start_matches(mark).len();
    let (fence, rest) = line.split_at(length);
    // A fence that is closed on the same line is inline code.
    (length >= 3 && !(mark == '`' && rest.contains('`'))).then_some(fence)
}

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// The texts of a line between tags, without bold, italic or code markup.
fn plain(line: &str) -> Vec<String> {
    let marks = regex(r"</?(?:strong|b|em|i|code|a)(?:\s[^>]*)?>|\*+|`");
    let tags = regex(r"<[^>]*>|\{%.*?%\}|\s\|\s");
    let bare = marks.replace_all(line, "");
    let texts = tags.split(&bare).map(str::trim);
    texts
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

fn elsewhere(line: usize, attributes: &str, link: &str) -> Elsewhere {
    let attribute = |name: &str| {
        let found = regex(&format!(r#"\b{name}="([^"]*)""#))
            .captures(attributes)
            .map(|found| found[1].to_owned());
        found.unwrap_or_default()
    };
    let linked = regex(r"([^/()\s]+\.(?:json|ya?ml))\)").captures(link);
    Elsewhere {
        line,
        file: linked.map_or_else(
            || format!("{}.json", attribute("spec")),
            |found| found[1].to_owned(),
        ),
        path: attribute("path"),
        method: attribute("method").to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_section_label_and_exact_text() {
        let text = "\u{feff}# A *page*\r\nvalid for the following models:\n* `a/b`\n  {% endhint %}\n* `no`\n\
            ## One\n{% tab title=\"JS\" %}\n```js title=\"x\"\n# not a heading\n```\n{% endtab %}\n\
            <details><summary>Response</summary>\n~~~~json5\n{\r\n```\r\n}\r\n~~~~\n</details>\n\
            <!--\n```\nhidden\n```\n-->\n### Two `x`\n   ```\nlast ```x``` \n";
        let page = read(text);
        assert_eq!(page.title, "A page");
        assert_eq!(page.models, [(3, "a/b".to_owned())]);
        let blocks: Vec<_> = page
            .blocks
            .iter()
            .map(|one| {
                (
                    one.line,
                    &*one.section,
                    &*one.label,
                    &*one.language,
                    one.text,
                )
            })
            .collect();
        assert_eq!(
            blocks,
            [
                (9, "One", "js", "js", "# not a heading"),
                (14, "One", "response", "json5", "{\r\n```\r\n}"),
                (26, "One", "two x", "", "last ```x``` "),
            ]
        );
    }

    #[test]
    fn openapi_tag_names_document_file() {
        let of = |text: &str| {
            read(text)
                .elsewhere
                .map(|one| (one.file, one.path, one.method))
        };
        let tag = "{% openapi-operation spec=\"name\" path=\"/a\" method=\"post\" %}\n";
        let expected = |file: &str| Some((file.to_owned(), "/a".to_owned(), "POST".to_owned()));
        assert_eq!(
            of(&format!("{tag}[x](https://x.example/docs/other.json)")),
            expected("other.json")
        );
        assert_eq!(
            of(&format!("{tag}[Broken link](/broken/openapi/name)")),
            expected("name.json")
        );
    }
}
