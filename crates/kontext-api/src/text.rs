//! Text from outside, made fit for one line of a message.

/// `text` on one line, at most `limit` characters of it.
///
/// Control characters, line separators and marks that change the direction of
/// writing are escaped, so that nothing a server sends can forge a log line.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        match character {
            '\n' | '\r' | '\t' => line.extend(character.escape_default()),
            '\u{2028}'
            | '\u{2029}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                line.extend(character.escape_unicode());
            }
            other if other.is_control() => line.extend(other.escape_unicode()),
            other => line.push(other),
        }
    }
    line
}

/// `text` in quotes, as [`one_line`] writes it.
pub(crate) fn quoted(text: &str, limit: usize) -> String {
    format!("\"{}\"", one_line(text, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_on_a_character_boundary_and_escapes_what_could_forge_a_line() {
        assert_eq!(one_line("äöü", 2), "äö…");
        assert_eq!(one_line("äöü", 3), "äöü");
        assert_eq!(
            one_line("a\nb\u{1b}[0m\u{202e}", 99),
            "a\\nb\\u{1b}[0m\\u{202e}"
        );
        assert_eq!(quoted("a\"b", 9), "\"a\"b\"");
    }
}
