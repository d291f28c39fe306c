//! Names of generated things, as `kontext-codegen` gives them.

/// The words of a name: they end at what is no letter and no digit, before a
/// capital behind a small letter, and before the last of several capitals.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in text.split(|c: char| !c.is_alphanumeric()) {
        let characters: Vec<char> = part.chars().collect();
        let mut word = String::new();
        let mut last_case = None;
        for (index, character) in characters.iter().enumerate() {
            let is_upper = character.is_uppercase();
            let next_is_lower = characters
                .get(index + 1)
                .is_some_and(|next| next.is_lowercase());
            let begins = match last_case {
                Some(false) => is_upper,
                Some(true) => is_upper && next_is_lower,
                None => false,
            };
            if begins && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.push(*character);
            // A digit belongs to what is before it.
            if is_upper || character.is_lowercase() {
                last_case = Some(is_upper);
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

/// The name of a method or field.
pub(super) fn snake_case(text: &str) -> String {
    let words: Vec<String> = words(text).iter().map(|word| word.to_lowercase()).collect();
    words.join("_")
}

/// The name of a type.
pub(super) fn type_name(text: &str) -> String {
    let spelled: String = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(capitalised)
        .collect();
    words(&spelled)
        .iter()
        .map(|word| capitalised(&word.to_lowercase()))
        .collect()
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + characters.as_str()
}

/// Whether a type may have a name.
pub(super) fn is_type_name(name: &str) -> bool {
    const RESERVED: [&str; 21] = [
        "Array", "Box", "Clone", "Copy", "Debug", "Default", "Err", "From", "Into", "Iterator",
        "None", "Ok", "Option", "Result", "Self", "Send", "Some", "String", "Sync", "Vec", "Error",
    ];
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && name == type_name(name)
        && !name.ends_with("Builder")
        && !RESERVED.contains(&name)
}

/// Whether the method of an operation may have a name.
pub(super) fn is_method_name(name: &str) -> bool {
    // What the generated client has already, and words of the language.
    const TAKEN: [&str; 61] = [
        "api_version",
        "baseurl",
        "client",
        "exec",
        "inner",
        "new",
        "new_with_client",
        "post",
        "pre",
        "clone",
        "as",
        "break",
        "const",
        "continue",
        "crate",
        "else",
        "enum",
        "extern",
        "false",
        "fn",
        "for",
        "if",
        "impl",
        "in",
        "let",
        "loop",
        "match",
        "mod",
        "move",
        "mut",
        "pub",
        "ref",
        "return",
        "self",
        "static",
        "struct",
        "super",
        "trait",
        "true",
        "type",
        "unsafe",
        "use",
        "where",
        "while",
        "async",
        "await",
        "dyn",
        "abstract",
        "become",
        "box",
        "do",
        "final",
        "macro",
        "override",
        "priv",
        "typeof",
        "unsized",
        "virtual",
        "yield",
        "try",
        "_",
    ];
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !TAKEN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_codegen_has_them() {
        for (text, snake, camel) in [
            ("generateImage", "generate_image", "GenerateImage"),
            (
                "_v1_images_generations",
                "v1_images_generations",
                "V1ImagesGenerations",
            ),
            ("HTTPError", "http_error", "HttpError"),
            ("image-file", "image_file", "ImageFile"),
            ("get2Things", "get2_things", "Get2Things"),
            ("ABC", "abc", "Abc"),
            ("aB1C", "a_b1c", "Ab1c"),
        ] {
            assert_eq!(snake_case(text), snake, "{text}");
            assert_eq!(type_name(text), camel, "{text}");
        }
        assert!(is_type_name("ImageFile") && is_method_name("make_it"));
        for name in ["Option", "EditBuilder", "2D", "", "imageFile"] {
            assert!(!is_type_name(name), "{name}");
        }
        for name in ["", "2d", "type", "exec"] {
            assert!(!is_method_name(name), "{name}");
        }
    }
}
