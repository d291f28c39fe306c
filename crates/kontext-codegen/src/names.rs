//! Names of generated things, each from the thing itself and nothing beside it.

use heck::ToUpperCamelCase as _;
use sha2::{Digest as _, Sha256};

/// The name of an operation in kebab case, as the recordings' folders have
/// it: `generateImage` becomes `generate-image`.
#[must_use]
pub fn kebab(operation_id: &str) -> String {
    let mut name = String::new();
    let mut previous_is_lower = false;
    for c in operation_id.chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && previous_is_lower {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
            previous_is_lower = !c.is_ascii_uppercase();
        } else {
            if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
            previous_is_lower = false;
        }
    }
    name.trim_end_matches('-').to_owned()
}

/// The Rust name of an enum value.
///
/// It depends on the value alone, so that adding a value renames nothing, and
/// no two values share one. Values made of lower-case words and digits read
/// naturally; the rules below can be run backwards on their names. All other
/// values end in the first digits of their SHA-256.
///
/// | value | name |
/// |---|---|
/// | `jpeg` | `Jpeg` |
/// | `21:9` | `X21_9` |
/// | `1024x1024` | `X1024x1024` |
/// | `image-to-image` | `ImageToImage` |
/// | `flux/kontext-pro` | `Flux_KontextPro` |
/// | `JPEG` | `Jpeg_` and eight digits |
#[must_use]
pub fn variant(value: &str) -> String {
    if let Some(name) = natural(value) {
        return name;
    }
    let mut name = words(value);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, 'X');
    }
    let digest = Sha256::digest(value.as_bytes());
    let hash: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{name}_{hash}")
}

/// The name of a value from which the value can be read back.
fn natural(value: &str) -> Option<String> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let starts_with_letter = |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if let Some((left, right)) = value.split_once(':') {
        return (is_number(left) && is_number(right)).then(|| format!("X{left}_{right}"));
    }
    // `x21` would be taken for `21`, which needs an X in front.
    let mut characters = value.chars();
    if characters.next() == Some('x') && characters.next().is_some_and(|c| c.is_ascii_digit()) {
        return None;
    }
    let mut name = String::new();
    for (index, segment) in value.split('/').enumerate() {
        if index > 0 {
            name.push('_');
        }
        for (index, word) in segment.split('-').enumerate() {
            // Only a letter can show by its case that a word begins, and only
            // a letter behind a slash differs from the second half of `21:9`.
            let begins_value = name.is_empty();
            if !is_word(word) || !(starts_with_letter(word) || (begins_value && index == 0)) {
                return None;
            }
            if begins_value && !starts_with_letter(word) {
                name.push('X');
            }
            name.push_str(&capitalised(word));
        }
    }
    (name != "Self").then_some(name)
}

/// The letters and digits of any text as upper camel case.
fn words(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| capitalised(&word.to_ascii_lowercase()))
        .collect()
}

/// The upper camel case of a name that is one already or has separators.
#[must_use]
pub fn type_name(text: &str) -> String {
    let camel: String = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(capitalised)
        .collect();
    // As typify writes it: `HTTPError` is `HttpError`.
    camel.to_upper_camel_case()
}

/// Whether a type may have this name: an upper camel case identifier that the
/// generated code does not use for something else.
#[must_use]
pub fn is_type_name(name: &str) -> bool {
    // The first are used unqualified beside the types; the last is typify's.
    const RESERVED: [&str; 21] = [
        "Array", "Box", "Clone", "Copy", "Debug", "Default", "Err", "From", "Into", "Iterator",
        "None", "Ok", "Option", "Result", "Self", "Send", "Some", "String", "Sync", "Vec", "Error",
    ];
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && name == name.to_upper_camel_case()
        && !name.ends_with("Builder")
        && !RESERVED.contains(&name)
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    match characters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + characters.as_str(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn operations_are_kebab_case() {
        assert_eq!(kebab("generateImage"), "generate-image");
        assert_eq!(kebab("_v1_images_generations"), "v1-images-generations");
        assert_eq!(kebab("HTTPGet2"), "httpget2");
    }

    #[test]
    fn types_are_named_as_typify_writes_them() {
        assert_eq!(type_name("image-file"), "ImageFile");
        assert_eq!(type_name("HTTPError"), "HttpError");
        assert!(is_type_name("AspectRatio"));
        for name in [
            "aspectRatio",
            "HTTPError",
            "Option",
            "RequestBuilder",
            "É",
            "2D",
            "",
        ] {
            assert!(!is_type_name(name), "{name}");
        }
    }

    #[test]
    fn natural_values_have_natural_names() {
        for (value, name) in [
            ("jpeg", "Jpeg"),
            ("1", "X1"),
            ("21:9", "X21_9"),
            ("1024x1024", "X1024x1024"),
            ("image-to-image", "ImageToImage"),
            (
                "flux/kontext-pro/image-to-image",
                "Flux_KontextPro_ImageToImage",
            ),
            ("JPEG", "Jpeg_f4dc1c96"),
            ("", "X_e3b0c442"),
        ] {
            assert_eq!(variant(value), name, "{value}");
        }
    }

    #[test]
    fn no_two_values_share_a_name() {
        // All texts of up to four characters over an alphabet that holds every
        // kind of character the rules know: about 30,000 values.
        let alphabet = [
            "a", "b", "x", "2", "9", ":", "/", "-", "_", "A", "X", "é", " ",
        ];
        let mut values = vec![String::new()];
        let mut last = values.clone();
        for _ in 0..4 {
            last = last
                .iter()
                .flat_map(|start| alphabet.iter().map(move |c| format!("{start}{c}")))
                .collect();
            values.extend(last.iter().cloned());
        }
        let mut names = HashMap::new();
        for value in values {
            let name = variant(&value);
            assert!(
                syn::parse_str::<syn::Ident>(&name).is_ok(),
                "{value:?}: {name}"
            );
            if let Some(other) = names.insert(name.clone(), value.clone()) {
                panic!("{value:?} and {other:?} are both {name}");
            }
        }
    }
}
