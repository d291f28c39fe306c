//! Text from outside, made fit for one line of a message.

use std::fmt;

/// How many entries of a list a Debug print shows.
const SHOWN_ENTRIES: usize = 20;

/// `text` on one line, at most `limit` characters of it.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    line(text.chars(), limit)
}

/// These characters on one line, at most `limit` of them.
///
/// Control characters, line separators and marks that change the direction of
/// writing are escaped, so that nothing a server sends can forge a log line.
pub(crate) fn line(characters: impl Iterator<Item = char>, limit: usize) -> String {
    let mut line = String::new();
    for (count, character) in characters.enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        match character {
            '\n' | '\r' | '\t' => line.extend(character.escape_default()),
            '\u{61c}'
            | '\u{2028}'
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

/// Prints the first entries of a list, and how many more there are.
pub(crate) struct First<I>(pub(crate) I);

impl<I: Clone + Iterator<Item: fmt::Debug>> fmt::Debug for First<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        list.entries(self.0.clone().take(SHOWN_ENTRIES));
        match self.0.clone().skip(SHOWN_ENTRIES).count() {
            0 => list.finish(),
            more => list.entry(&format_args!("and {more} more")).finish(),
        }
    }
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
            one_line("a\nb\u{1b}[0m\u{202e}\u{61c}", 99),
            "a\\nb\\u{1b}[0m\\u{202e}\\u{61c}"
        );
        assert_eq!(quoted("a\"b", 9), "\"a\"b\"");
    }

    #[test]
    fn a_long_list_is_counted() {
        assert_eq!(format!("{:?}", First([1, 2].iter())), "[1, 2]");
        let print = format!("{:?}", First(0..1_000));
        assert!(print.ends_with("19, and 980 more]"), "{print}");
    }
}
