//! Generates strings that match a pattern.

use regex_syntax::hir::{Class, Hir, HirKind, Literal};

/// The maximum length of a generated string.
const LONGEST: usize = 10_000;

fn parse(pattern: &str) -> Option<Hir> {
    if pattern.len() > super::validate::LONGEST_PATTERN {
        return None;
    }
    // Patterns are untrusted: limit the nesting.
    let mut parser = regex_syntax::ParserBuilder::new().nest_limit(50).build();
    parser.parse(pattern).ok()
}

/// Whether a pattern is supported.
pub(crate) fn is_matched(pattern: &str) -> bool {
    parse(pattern).is_some()
}

/// Whether every string matches: nothing is required, and there are no anchors.
pub(crate) fn matches_all(pattern: &str) -> bool {
    parse(pattern).is_some_and(|hir| {
        let properties = hir.properties();
        properties.minimum_len() == Some(0) && properties.look_set().is_empty()
    })
}

/// Strings that probably match, short ones first, some of about the given length.
pub(crate) fn texts(pattern: &str, length: usize) -> Vec<String> {
    let Some(hir) = parse(pattern) else {
        return Vec::new();
    };
    let mut texts = Vec::new();
    for repeat in [0, 1, 3, length.min(LONGEST)] {
        let mut text = String::new();
        if write(&hir, repeat, &mut text) {
            texts.push(text);
        }
    }
    texts.dedup();
    texts
}

/// Appends a matching string; false if it would be too long.
fn write(hir: &Hir, repeat: usize, text: &mut String) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(Literal(bytes)) => {
            text.push_str(&String::from_utf8_lossy(bytes));
            true
        }
        HirKind::Class(class) => {
            match class {
                Class::Unicode(class) => text.extend(class.ranges().iter().map(liked).next()),
                Class::Bytes(class) => {
                    text.extend(
                        class
                            .ranges()
                            .iter()
                            .map(|range| char::from(range.start()))
                            .next(),
                    );
                }
            }
            true
        }
        HirKind::Repetition(repetition) => {
            let least = repetition.min as usize;
            let most = repetition.max.map_or(usize::MAX, |most| most as usize);
            for _ in 0..repeat.clamp(least, most.max(least)) {
                let before = text.len();
                if !write(&repetition.sub, repeat.min(1), text) {
                    return false;
                }
                if text.len() == before {
                    break; // It matches the empty string.
                }
            }
            true
        }
        HirKind::Capture(capture) => write(&capture.sub, repeat, text),
        HirKind::Concat(parts) => parts.iter().all(|part| write(part, repeat, text)),
        HirKind::Alternation(parts) => parts.first().is_none_or(|part| write(part, repeat, text)),
    }
}

/// A readable character of a range, if it has one.
fn liked(range: &regex_syntax::hir::ClassUnicodeRange) -> char {
    ['a', 'A', '0', ' ']
        .into_iter()
        .find(|liked| (range.start()..=range.end()).contains(liked))
        .unwrap_or(range.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_texts_match_pattern() {
        for pattern in [
            "^[A-Za-z ]+$",
            "^[a-z]{2,4}-[0-9]{3}$",
            "^(foo|bar)x*$",
            "a",
            "^.{10,20}$",
        ] {
            let regex = jsonschema::options()
                .with_pattern_options(jsonschema::PatternOptions::regex())
                .build(&serde_json::json!({"pattern": pattern}))
                .unwrap();
            let texts = texts(pattern, 12);
            assert!(!texts.is_empty());
            for text in texts {
                assert!(
                    regex.is_valid(&text.as_str().into()),
                    "{pattern} and {text:?}"
                );
            }
        }
    }

    #[test]
    fn recognizes_patterns_that_match_everything() {
        for (pattern, all) in [
            ("", true),
            (".*", true),
            ("a*", true),
            ("^.*$", false),
            ("^a*", false),
            ("a+", false),
            ("(", false),
        ] {
            assert_eq!(matches_all(pattern), all, "{pattern}");
        }
    }

    #[test]
    fn hostile_patterns_terminate() {
        for pattern in [
            "(a{1000}){1000}",
            "((a{100}){100}){100}",
            "(a+)+$",
            &"(".repeat(10_000),
        ] {
            let _ = texts(pattern, 5000);
        }
    }
}
