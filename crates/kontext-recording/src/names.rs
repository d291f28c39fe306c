//! What a new recording is called.

use serde_json::Value;

use crate::RequestHash;

/// How many bytes of a prompt the name of a case has.
const SLUG_BYTES: usize = 48;

/// How many bytes of a prompt a title has.
const TITLE_BYTES: usize = 120;

/// The name of the case of a request without secrets: its prompt in kebab case and Latin
/// letters, and so many bytes of its hash in hexadecimal, as `add-a-bird-1a2b3c4d`.
#[must_use]
pub fn case_name(request: Option<&Value>, hash: &RequestHash, bytes: usize) -> String {
    let slug = prompt(request).map(slug).filter(|slug| !slug.is_empty());
    let slug = slug.as_deref().unwrap_or("exchange");
    format!("{slug}-{}", hash.digits(bytes))
}

/// The prompt of a request in one line of at most about 120 bytes; nothing where it has none.
#[must_use]
pub fn prompt_line(request: Option<&Value>) -> Option<String> {
    let words: Vec<_> = prompt(request)?.split_whitespace().collect();
    let line = words.join(" ");
    match beginning(&line, TITLE_BYTES) {
        "" => None,
        start if start.len() < line.len() => Some(format!("{start}…")),
        _ => Some(line),
    }
}

fn prompt(request: Option<&Value>) -> Option<&str> {
    request?.get("prompt")?.as_str()
}

/// The beginning of a text, of at most so many bytes.
fn beginning(text: &str, bytes: usize) -> &str {
    let mut ends = (0..=bytes.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// Spells a text in kebab case, cut between two words where that leaves
/// enough.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    // Other scripts are written in Latin letters: "日本" is "ri-ben".
    let start = beginning(text, 4 * SLUG_BYTES);
    for character in deunicode::deunicode(start).chars() {
        if slug.len() > SLUG_BYTES {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if character != '\'' && !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    if slug.len() > SLUG_BYTES {
        slug.truncate(SLUG_BYTES + 1);
        match slug.rfind('-') {
            Some(end) if end > SLUG_BYTES / 2 => slug.truncate(end),
            _ => slug.truncate(SLUG_BYTES),
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn slug_is_derived_from_prompt() {
        for (prompt, expected) in [
            ("Add a bird.", "add-a-bird"),
            ("  Don't -- stop!  ", "dont-stop"),
            ("日本語", "ri-ben-yu"),
            ("日本 T-Rex", "ri-ben-t-rex"),
            ("Füge einen Vogel hinzu", "fuge-einen-vogel-hinzu"),
            ("Добавь птицу", "dobav-ptitsu"),
            ("…!", ""),
            (
                "Combine the two images so that the dinosaur stands behind",
                "combine-the-two-images-so-that-the-dinosaur",
            ),
            (&"a".repeat(60), &"a".repeat(48)),
            (&format!("{} b", "a".repeat(48)), &"a".repeat(48)),
        ] {
            assert_eq!(slug(prompt), expected, "{prompt}");
        }
    }

    #[test]
    fn request_without_a_prompt_has_a_name() {
        let hash = RequestHash::of("generate-image", None);
        for request in [
            None,
            Some(json!({})),
            Some(json!({"prompt": 1})),
            Some(json!([])),
        ] {
            let name = case_name(request.as_ref(), &hash, 4);
            assert!(name.starts_with("exchange-") && name.len() == 17, "{name}");
            assert_eq!(prompt_line(request.as_ref()), None);
        }
    }

    #[test]
    fn prompt_line_is_one_short_line() {
        let request = json!({"prompt": format!("Add\n a bird {}", "x".repeat(200))});
        let line = prompt_line(Some(&request)).unwrap_or_default();
        assert!(line.starts_with("Add a bird xxx"), "{line}");
        assert!(line.ends_with('…') && line.len() < 125, "{line}");
    }

    proptest! {
        #[test]
        fn slug_is_always_kebab_case(prompt in ".{0,200}") {
            let slug = slug(&prompt);
            prop_assert!(slug.len() <= SLUG_BYTES);
            prop_assert!(slug.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')));
            prop_assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"));
        }
    }
}
