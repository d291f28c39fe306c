//! Parses bodies in samples: JSON, JSON5, and Python and JavaScript literals, with comments
//! in them and text around them.
//!
//! One parser handles all of these, because pages mix them. Unlike the parsers of these
//! languages, it preserves the order of keys and the spelling of numbers.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};

use super::page::regex;

/// The maximum nesting depth of values.
const DEPTH: usize = 64;

/// The languages of samples, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Language {
    Python,
    JavaScript,
    Curl,
    Json,
}

/// A JSON value that preserves the order of keys and the spelling of numbers.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Literal {
    /// A number, `true`, `false` or `null`.
    Plain(Box<RawValue>),
    Text(String),
    List(Vec<Literal>),
    Object(#[serde(serialize_with = "in_order")] Vec<(String, Literal)>),
}

/// Why a text can't be parsed, and in which of its lines, from 1.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) line: usize,
    pub(super) why: String,
}

impl Language {
    /// The language of a block, from its fence or else the label above it.
    pub(super) fn of(fence: &str, label: &str) -> Option<Self> {
        // For a label such as "Node.js (fetch)", the first word.
        let words = [fence, label].map(|name| name.split(|one: char| !one.is_alphanumeric()));
        let mut first = words.into_iter().filter_map(|mut words| words.next());
        first.find_map(|name| match name {
            "python" | "py" | "python3" => Some(Self::Python),
            "javascript" | "js" | "typescript" | "ts" | "node" | "nodejs" => Some(Self::JavaScript),
            "bash" | "sh" | "shell" | "zsh" | "curl" | "console" => Some(Self::Curl),
            "json" | "json5" | "jsonc" => Some(Self::Json),
            _ => None,
        })
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::Curl => "curl",
            Self::Json => "JSON",
        })
    }
}

/// Parses the request body that a sample sends.
pub(super) fn request(language: Language, sample: &str) -> Result<Literal, Unreadable> {
    let starts: &[&str] = match language {
        Language::Json => return first_value(sample),
        Language::Curl => return curl(sample),
        Language::Python => &[
            r"\bjson\s*=\s*",
            r"\bjson\.dumps\(\s*",
            r"\b(?:data|payload)\s*=\s*",
        ],
        Language::JavaScript => &[
            r"\bJSON\.stringify\(\s*",
            r"\baxios\.post\([^,]+,\s*",
            r"\b(?:data|body|payload)\s*[:=]\s*",
        ],
    };
    let mut first = None;
    for start in starts {
        for found in regex(start).find_iter(sample) {
            match Reader::at(sample, found.end(), language).value() {
                Ok(object @ Literal::Object(_)) => return Ok(object),
                Ok(_) => {}
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
    }
    let why = "no JSON body found".to_owned();
    Err(first.unwrap_or(Unreadable { line: 1, why }))
}

/// Parses the first object in a text, or the list that the text starts with.
pub(super) fn first_value(text: &str) -> Result<Literal, Unreadable> {
    let start = match text.find(|character: char| !character.is_whitespace()) {
        Some(start) if text[start..].starts_with('[') => Some(start),
        _ => text.find('{'),
    };
    let why = "no JSON object found".to_owned();
    let start = start.ok_or(Unreadable { line: 1, why })?;
    Reader::at(text, start, Language::Json).value()
}

fn curl(sample: &str) -> Result<Literal, Unreadable> {
    let flag = regex(r"(?s)^(?:--(?:data(?:-raw|-binary|-ascii)?|json)(?:=|$)|-d)(.*)$");
    let unreadable = |why: &str| Unreadable {
        line: 1,
        why: why.to_owned(),
    };
    let words = shlex::split(sample).ok_or_else(|| unreadable("a quote is not closed"))?;
    let mut bodies = words.iter().enumerate().filter_map(|(index, word)| {
        let attached = flag.captures(word)?.get(1)?.as_str();
        let next = words.get(index + 1).map(String::as_str);
        Some(if attached.is_empty() { next? } else { attached })
    });
    let body = bodies.next().ok_or_else(|| unreadable("no --data"))?;
    first_value(body).map_err(|error| {
        // Convert the line in the body to a line in the sample.
        let before = sample.split('{').next().unwrap_or_default();
        let line = before.matches('\n').count() + error.line;
        Unreadable { line, ..error }
    })
}

impl Literal {
    /// Pretty-printed JSON with two-space indentation and a final newline, as in
    /// recordings.
    pub(super) fn to_json(&self) -> String {
        // Serialization can't fail: keys are strings, and numbers are checked.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    pub(super) fn value(&self) -> Value {
        serde_json::from_str(&self.to_json()).unwrap_or_default()
    }
}

fn in_order<S: Serializer>(
    members: &[(String, Literal)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(members.iter().map(|(name, member)| (name, member)))
}

/// Parses one literal in a sample.
struct Reader<'t> {
    sample: &'t str,
    at: usize,
    depth: usize,
    language: Language,
}

type Read<T> = Result<T, Unreadable>;

impl<'t> Reader<'t> {
    fn at(sample: &'t str, at: usize, language: Language) -> Self {
        Self {
            sample,
            at,
            depth: 0,
            language,
        }
    }

    fn rest(&self) -> &'t str {
        &self.sample[self.at..]
    }

    fn fail<T>(&self, why: &str) -> Read<T> {
        Err(Unreadable {
            line: self.sample[..self.at].matches('\n').count() + 1,
            why: why.to_owned(),
        })
    }

    fn expected<T>(&self, what: &str) -> Read<T> {
        let found = regex(r"^\S{1,24}").find(self.rest());
        let found = found.map_or("the end".to_owned(), |found| {
            format!("`{}`", found.as_str())
        });
        self.fail(&format!("expected {what}, found {found}"))
    }

    fn plain(&self, spelling: &str) -> Read<Literal> {
        let json = RawValue::from_string(spelling.to_owned());
        json.map(Literal::Plain)
            .or_else(|_| self.expected("a literal"))
    }

    /// Skips whitespace and comments.
    fn blanks(&mut self) {
        loop {
            let rest = self.rest().trim_start();
            let length = if rest.starts_with("//") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                0
            };
            self.at = self.sample.len() - rest.len() + length;
            if length == 0 {
                return;
            }
        }
    }

    /// Consumes a text if it comes next, after whitespace and comments.
    fn take(&mut self, text: &str) -> bool {
        self.blanks();
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    fn value(&mut self) -> Read<Literal> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.fail("too deeply nested");
        }
        self.blanks();
        let value = match self.rest().chars().next() {
            Some('{') => self.object()?,
            Some('[') => self.list("]")?,
            // Python parentheses: a tuple, or a string that spans lines.
            Some('(') => match self.list(")")? {
                Literal::List(mut items) if items.len() == 1 => items.remove(0),
                list => list,
            },
            Some('+' | '-' | '.' | '0'..='9') => self.number()?,
            _ if self.is_string() => Literal::Text(self.strings()?),
            _ => self.named()?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Read<Literal> {
        let mut members: Vec<(String, Literal)> = Vec::new();
        self.take("{");
        while !self.take("}") {
            let start = self.at;
            let is_name = !self.is_string();
            let key = if is_name { self.name() } else { self.string()? };
            let value = match self.take(":") {
                true if self.at > start + 1 => self.value()?,
                // In JavaScript, `{prompt}` is short for `{prompt: prompt}`.
                false if is_name && !key.is_empty() => {
                    self.at = start;
                    self.named()?
                }
                _ => return self.expected(if key.is_empty() { "a key" } else { "`:`" }),
            };
            members.retain(|(name, _)| *name != key);
            members.push((key, value));
            if !self.take(",") && !self.rest().starts_with('}') {
                return self.expected("`,` or `}`");
            }
        }
        Ok(Literal::Object(members))
    }

    fn list(&mut self, end: &str) -> Read<Literal> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.take(end) {
            items.push(self.value()?);
            if !self.take(",") && !self.rest().starts_with(end) {
                return self.expected(&format!("`,` or `{end}`"));
            }
        }
        Ok(Literal::List(items))
    }

    fn number(&mut self) -> Read<Literal> {
        let pattern = regex(r"^[-+]?(?:0[xX][0-9a-fA-F]+|[0-9_.]+(?:[eE][-+]?[0-9]+)?)\b\.?");
        let found = pattern.find(self.rest()).map_or("", |found| found.as_str());
        let number = found.trim_start_matches('+').replace('_', "");
        let digits = number.strip_prefix("0x").or(number.strip_prefix("0X"));
        let hexadecimal = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let spellings = [
            // `.5` and `5.` are not valid JSON.
            number.replacen('.', "0.", 1),
            number.replacen('.', ".0", 1),
            hexadecimal.map_or_else(String::new, |number| number.to_string()),
            number,
        ];
        let is_json = |text: &&String| serde_json::from_str::<serde_json::Number>(text).is_ok();
        match spellings.iter().rev().find(is_json) {
            Some(spelling) => {
                self.at += found.len();
                self.plain(spelling)
            }
            None => self.expected("a number"),
        }
    }

    /// `true`, `None` and the like, or a variable that the sample assigns a literal.
    fn named(&mut self) -> Read<Literal> {
        let start = self.at;
        let name = self.name();
        let plain = match name.as_str() {
            "true" | "True" => "true",
            "false" | "False" => "false",
            "null" | "None" => "null",
            _ => {
                let is_literal = !self.rest().starts_with(['(', '.', '[']);
                if let Some(at) = self.assigned(&name).filter(|_| is_literal) {
                    // Nested variables can expand exponentially, so allow only a few.
                    let depth = self.depth + DEPTH / 4;
                    return Reader { at, depth, ..*self }.value();
                }
                self.at = start;
                return self.expected("a literal");
            }
        };
        self.plain(plain)
    }

    /// The position of a variable's value.
    fn assigned(&self, name: &str) -> Option<usize> {
        let name = regex::escape(name);
        let pattern =
            format!(r"(?m)^[ \t]*(?:(?:const|let|var)[ \t]+)?{name}[ \t]*(?::[^=\n]*)?=[ \t]*");
        let found = regex(&pattern).find(self.sample)?;
        (!name.is_empty() && self.language != Language::Json).then_some(found.end())
    }

    fn name(&mut self) -> String {
        let is_part = |one: char| one.is_alphanumeric() || "_$".contains(one);
        let rest = self.rest();
        let name = &rest[..rest.find(|one| !is_part(one)).unwrap_or(rest.len())];
        self.at += name.len();
        name.to_owned()
    }

    fn is_string(&self) -> bool {
        let rest = self.rest();
        let rest = match rest.chars().next() {
            Some('r' | 'u' | 'f' | 'b') if self.language == Language::Python => &rest[1..],
            _ => rest,
        };
        rest.starts_with(['"', '\'', '`'])
    }

    /// A string, or several concatenated ones: with `+`, or in Python by adjacency.
    fn strings(&mut self) -> Read<String> {
        let mut text = self.string()?;
        loop {
            self.blanks();
            let is_added = self.language != Language::Json && self.take("+");
            self.blanks();
            if !self.is_string() || !(is_added || self.language == Language::Python) {
                return if is_added {
                    self.expected("a string")
                } else {
                    Ok(text)
                };
            }
            text.push_str(&self.string()?);
        }
    }

    fn string(&mut self) -> Read<String> {
        let prefix = self.name();
        let rest = self.rest();
        let quotes = ["\"\"\"", "'''", "\"", "'", "`"];
        let quote = quotes
            .into_iter()
            .find(|quote| rest.starts_with(quote))
            .unwrap_or_default();
        self.at += quote.len();
        // The string, escaped as JSON.
        let mut json = String::from("\"");
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                json.push('"');
                break;
            }
            let Some(character) = rest.chars().next() else {
                return self.fail("a string is not closed");
            };
            if (quote == "`" && rest.starts_with("${")) || (prefix == "f" && character == '{') {
                return self.fail("a string with an expression in it");
            }
            if character == '\n' && quote.len() == 1 && quote != "`" {
                return self.fail("a string is not closed on its line");
            }
            self.at += character.len_utf8();
            if character == '\\' && prefix != "r" {
                json += &self.escape();
            } else {
                json += &json_character(character);
            }
        }
        let text = serde_json::from_str(&json);
        text.or_else(|_| self.fail("an escape that is no character"))
    }

    /// Parses an escape after its backslash, and converts it to JSON.
    fn escape(&mut self) -> String {
        let pattern = regex(r"(?s)^(?:x(?<hex>..)|u\{(?<braced>[0-9a-fA-F]+)\}|U(?<long>.{8})|.)");
        let Some(found) = pattern.captures(self.rest()) else {
            return String::new();
        };
        self.at += found[0].len();
        let numbers = ["hex", "braced", "long"]
            .into_iter()
            .find_map(|name| found.name(name));
        if let Some(number) = numbers {
            let character = u32::from_str_radix(number.as_str(), 16)
                .ok()
                .and_then(char::from_u32);
            // An invalid code point becomes invalid JSON, which the caller reports.
            return character.map_or("\\x".to_owned(), json_character);
        }
        match &found[0] {
            // A line continuation.
            "\n" => String::new(),
            "0" => "\\u0000".to_owned(),
            "v" => "\\u000b".to_owned(),
            "n" | "t" | "r" | "b" | "f" | "u" | "\\" => format!("\\{}", &found[0]),
            other => other.chars().map(json_character).collect(),
        }
    }
}

/// A character escaped for a JSON string.
fn json_character(character: char) -> String {
    let text = Value::from(character.to_string()).to_string();
    text[1..text.len() - 1].to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// The body of a sample as one line of JSON.
    fn read(language: Language, sample: &str) -> Result<String, String> {
        let literal =
            request(language, sample).map_err(|error| format!("{}: {}", error.line, error.why))?;
        let lines = literal.to_json();
        Ok(lines.lines().map(str::trim).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn reads_request_from_every_sample_language() {
        use Language::{Curl, JavaScript, Json, Python};
        for (language, sample, expected) in [
            (
                Python,
                "requests.post(url, json={'a': True, 'b': None, \"c\": 1,  # why\n})",
                r#"{ "a": true, "b": null, "c": 1 }"#,
            ),
            (
                Python,
                "payload = {'z': 1, 'a': (1, 2), 'n': -.5}\nrequests.post(u, json=payload)",
                r#"{ "z": 1, "a": [ 1, 2 ], "n": -0.5 }"#,
            ),
            (
                Python,
                "urls = ['x', 'y']\ndef main():\n    post(json={'u': urls})",
                r#"{ "u": [ "x", "y" ] }"#,
            ),
            (
                Python,
                "data=json.dumps({'p': 'a ' 'b' + \"c\", 'r': r'\\d', 't': '''1\n2'''})",
                r#"{ "p": "a bc", "r": "\\d", "t": "1\n2" }"#,
            ),
            (
                Python,
                "json=data\ndata = response.json()\npayload = {'a': 1}",
                r#"{ "a": 1 }"#,
            ),
            (
                JavaScript,
                "fetch(u, {headers: {a: 'b'}, body: JSON.stringify({a: 'it\\'s', /* b */ b: [1,], // c\n})})",
                r#"{ "a": "it's", "b": [ 1 ] }"#,
            ),
            (
                JavaScript,
                "const prompt = `a\nb`;\naxios.post(url, { prompt, n: 0x1F, 'k-k': +1 })",
                r#"{ "prompt": "a\nb", "n": 31, "k-k": 1 }"#,
            ),
            (
                JavaScript,
                "JSON.stringify({a: 'x' + \"y\", $b: 5., c: '\\x41\\u{1F600}\\ud83d\\ude00'})",
                "{ \"a\": \"xy\", \"$b\": 5.0, \"c\": \"A😀😀\" }",
            ),
            (
                Curl,
                "curl -X POST https://x \\\n  -H 'a: b' \\\n  -d '{\"a\": \"it'\\''s\"}'",
                r#"{ "a": "it's" }"#,
            ),
            (
                Curl,
                "curl --data-raw=\"{\\\"a\\\": 1}\" u",
                r#"{ "a": 1 }"#,
            ),
            (
                Curl,
                "curl u --json '{\"b\": 12345678901234567890, \"a\": 1.50}'",
                r#"{ "b": 12345678901234567890, "a": 1.50 }"#,
            ),
            (
                Json,
                "The body:\n{a: 1, \"a\": {}, b: [], c: [false]} and more",
                r#"{ "a": {}, "b": [], "c": [ false ] }"#,
            ),
        ] {
            assert_eq!(read(language, sample), Ok(expected.to_owned()), "{sample}");
        }
    }

    #[test]
    fn non_literal_is_rejected_with_line() {
        use Language::{Curl, JavaScript, Json, Python};
        for (language, sample, expected) in [
            (
                Python,
                "json={\n'a': 'b'\n'c': 1}",
                "3: expected `,` or `}`, found `:`",
            ),
            (
                Python,
                "json={'a': open('x').read()}",
                "1: expected a literal, found `open('x').read()}`",
            ),
            (
                Python,
                "json={'a': f'{b}'}",
                "1: a string with an expression in it",
            ),
            (Python, "a = a\njson={'a': a}", "1: too deeply nested"),
            (Python, "print(1)", "1: no JSON body found"),
            (
                JavaScript,
                "JSON.stringify({a: `${b}`})",
                "1: a string with an expression in it",
            ),
            (
                JavaScript,
                "JSON.stringify({\n...rest})",
                "2: expected a key, found `...rest})`",
            ),
            (
                JavaScript,
                "JSON.stringify({a: NaN})",
                "1: expected a literal, found `NaN})`",
            ),
            (Curl, "curl -d @body.json", "1: no JSON object found"),
            (Curl, "curl -d '{\"a\": 1", "1: a quote is not closed"),
            (
                Curl,
                "curl u \\\n-d '{\n\"a\" 1}'",
                "3: expected `:`, found `1}`",
            ),
            (Json, "{\"a\": 1, ...}", "1: expected a key, found `...}`"),
            (
                Json,
                "{\"a\": 1e999}",
                "1: expected a number, found `1e999}`",
            ),
            (
                Json,
                "{\"a\": \"b\nc\"}",
                "1: a string is not closed on its line",
            ),
            (
                Json,
                "{\"a\": \"\\ud800\"}",
                "1: an escape that is no character",
            ),
            (Json, "[1, 2", "1: expected `,` or `]`, found the end"),
        ] {
            assert_eq!(read(language, sample), Err(expected.to_owned()), "{sample}");
        }
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(read(Json, &deep), Err("1: too deeply nested".to_owned()));
    }
}
