//! What a new recording is called.

use kontext_recording::RequestHash;
use serde_json::Value;

use crate::truncate;

/// How many bytes of a prompt the name of a case has.
const SLUG_BYTES: usize = 48;

/// How many bytes of a prompt a title has.
const TITLE_BYTES: usize = 120;

/// The case of a request that has no prompt.
const NAMELESS: &str = "exchange";

/// The name of the case of a redacted request: its prompt in kebab case, and
/// so many bytes of its hash in hexadecimal.
pub(crate) fn case(request: Option<&Value>, hash: &RequestHash, bytes: usize) -> String {
    let slug = prompt(request).map(slug).filter(|slug| !slug.is_empty());
    format!(
        "{}-{}",
        slug.as_deref().unwrap_or(NAMELESS),
        hash.digits(bytes)
    )
}

/// The title of a recording: the request in one line.
pub(crate) fn title(method: &str, path: &str, request: Option<&Value>) -> String {
    let words = prompt(request)
        .map(|prompt| prompt.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|words| !words.is_empty());
    match words {
        Some(words) => format!("{method} {path}: {}", truncate::text(&words, TITLE_BYTES)),
        None => format!("{method} {path}"),
    }
}

fn prompt(request: Option<&Value>) -> Option<&str> {
    request?.get("prompt")?.as_str()
}

/// Spells a text in kebab case, cut between two words where that leaves
/// enough.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    // Other scripts are written in Latin letters: "日本" is "ri-ben".
    let start = truncate::beginning(text, 4 * SLUG_BYTES);
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
    fn prompts_become_names() {
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
    fn a_request_without_a_prompt_has_a_name_too() {
        let hash = RequestHash::of("generate-image", None);
        for request in [
            None,
            Some(json!({})),
            Some(json!({"prompt": 1})),
            Some(json!([])),
        ] {
            let name = case(request.as_ref(), &hash, 4);
            assert!(name.starts_with("exchange-") && name.len() == 17, "{name}");
            assert_eq!(title("POST", "/x", request.as_ref()), "POST /x");
        }
    }

    #[test]
    fn a_title_is_one_line() {
        let request = json!({"prompt": format!("Add\n a bird {}", "x".repeat(200))});
        let title = title("POST", "/v1", Some(&request));
        assert!(title.starts_with("POST /v1: Add a bird xxx"), "{title}");
        assert!(title.ends_with('…') && title.len() < 140, "{title}");
    }

    proptest! {
        #[test]
        fn every_prompt_has_a_name_in_kebab_case(prompt in ".{0,200}") {
            let slug = slug(&prompt);
            prop_assert!(slug.len() <= SLUG_BYTES);
            prop_assert!(slug.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')));
            prop_assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"));
        }
    }
}
