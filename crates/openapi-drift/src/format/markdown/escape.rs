//! Text that is only text in GitHub's Markdown, in a table and out of one.

use std::fmt::Write as _;

/// What a name or a sentence can't begin a link, a mention or a reference with,
/// once nothing stands behind it: no width, and no part of a word.
const BREAK: &str = "&#8203;";

/// A text as prose. Of what has a meaning in Markdown or HTML nothing keeps it:
/// no table cell ends, nothing is a tag, a link or a formula, nobody is mentioned
/// and no issue referred to.
pub(super) fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ['\0'; 2];
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '@' | '#' => {
                escaped.push(character);
                escaped.push_str(BREAK);
            }
            // www.example.org is a link, and would be one with anything behind www.
            'w' | 'W' if is_pair(before, 'w', 'w') => {
                escaped.push_str(BREAK);
                escaped.push(character);
            }
            // gh-1 is an issue.
            '-' => {
                escaped.push(character);
                if is_pair(before, 'g', 'h') {
                    escaped.push_str(BREAK);
                }
            }
            // https://example.org is a link; what is followed by a blank is none.
            ':' => {
                escaped.push(':');
                if rest.peek().is_some_and(|next| *next != ' ') {
                    escaped.push_str(BREAK);
                }
            }
            ' ' | '.' | ',' | ';' | '\'' | '"' | '/' | '(' | ')' | '=' | '+' | '?' | '%' => {
                escaped.push(character);
            }
            other if other.is_ascii_punctuation() || other.is_control() => {
                entity(other, &mut escaped)
            }
            other => escaped.push(other),
        }
        before = [before[1], character];
    }
    escaped
}

fn is_pair(before: [char; 2], first: char, second: char) -> bool {
    before[0].eq_ignore_ascii_case(&first) && before[1].eq_ignore_ascii_case(&second)
}

/// A text as code: in backticks where they can hold it in a table, too, and in
/// HTML otherwise. In neither is anybody mentioned.
pub(super) fn code(text: &str) -> String {
    let is_hard = text.is_empty()
        || text.starts_with(' ')
        || text.ends_with(' ')
        || text.contains(['`', '|', '\\', '\n', '\r']);
    if !is_hard {
        return format!("`{text}`");
    }
    let mut escaped = String::from("<code>");
    for character in text.chars() {
        if character == '@' {
            // What looks like an address becomes a link, even in HTML's code; a
            // comment in the middle keeps it apart, and is not copied.
            escaped.push_str("&#64;<!-- -->");
        } else if character.is_ascii_punctuation() || character.is_control() {
            entity(character, &mut escaped);
        } else {
            escaped.push(character);
        }
    }
    escaped.push_str("</code>");
    escaped
}

/// A text in which names may stand in backticks, which they keep.
///
/// Whatever stands in backticks is made harmless, too; so it does not matter who
/// wrote them.
pub(super) fn sentence(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((name, behind)) = after.split_once('`') else {
            break;
        };
        escaped.push_str(&prose(before));
        escaped.push_str(&code(name));
        rest = behind;
    }
    escaped.push_str(&prose(rest));
    escaped
}

fn entity(character: char, text: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(text, "&#{};", u32::from(character));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prose_stays_readable() {
        assert_eq!(
            prose("png is refused (old clients send it), or 1.5 = 3/2?"),
            "png is refused (old clients send it), or 1.5 = 3/2?"
        );
    }

    #[test]
    fn nothing_has_a_meaning() {
        for (text, expected) in [
            ("@team #7", "@&#8203;team #&#8203;7"),
            ("GH-7 gh-7", "GH-&#8203;7 gh-&#8203;7"),
            ("https://a.b", "https:&#8203;//a.b"),
            ("www.a.b", "ww&#8203;w.a.b"),
            (
                "a|b`c`<b>*_~[x](y)",
                "a&#124;b&#96;c&#96;&#60;b&#62;&#42;&#95;&#126;&#91;x&#93;(y)",
            ),
            ("$x$ \\ &amp;\n", "&#36;x&#36; &#92; &#38;amp;&#10;"),
        ] {
            assert_eq!(prose(text), expected);
        }
    }

    #[test]
    fn code_that_backticks_cannot_hold_is_html() {
        assert_eq!(code("[\"png\",@a]"), "`[\"png\",@a]`");
        assert_eq!(code("a`|\\"), "<code>a&#96;&#124;&#92;</code>");
        assert_eq!(code("a@b.c|"), "<code>a&#64;<!-- -->b&#46;c&#124;</code>");
        assert_eq!(code("</code>|"), "<code>&#60;&#47;code&#62;&#124;</code>");
        assert_eq!(code(""), "<code></code>");
    }

    #[test]
    fn names_in_backticks_are_code() {
        assert_eq!(
            sentence("`a_b` was `c|d`, or `e"),
            "`a_b` was <code>c&#124;d</code>, or &#96;e"
        );
        assert_eq!(sentence("``"), "<code></code>");
    }

    proptest! {
        #[test]
        fn a_sentence_keeps_pairs_of_backticks_only(text in "[`|<@a-c \\n]{0,20}") {
            let escaped = sentence(&text);
            prop_assert!(!escaped.contains(['|', '\n']));
            prop_assert_eq!(escaped.matches('`').count() % 2, 0);
        }

        #[test]
        fn no_text_keeps_a_meaning(text in any::<String>()) {
            let escaped = prose(&text);
            prop_assert!(!escaped.contains(['|', '`', '<', '>', '*', '_', '[', ']', '\\', '~', '$', '\n', '\r']));
            for (at, _) in escaped.match_indices(['@', '#']) {
                let is_entity = at > 0 && escaped.as_bytes()[at - 1] == b'&';
                prop_assert!(is_entity || escaped[at + 1..].starts_with(BREAK), "{}", escaped);
            }
            let coded = code(&text);
            prop_assert!(!coded.contains(['|', '\n', '\r', '\\']));
            prop_assert!(matches!(coded.matches('`').count(), 0 | 2), "{}", coded);
        }
    }
}
