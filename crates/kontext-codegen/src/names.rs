//! Names of generated items, each derived only from the item itself.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use serde_json::Value;

use crate::json::items;

/// The name of an operation in kebab case, as used for the folders of recordings:
/// `generateImage` becomes `generate-image`.
#[must_use]
pub(crate) fn kebab(operation_id: &str) -> String {
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

/// The extension that names enum values: `{"16:9": "Landscape16x9"}`.
pub(crate) const ENUM_NAMES: &str = "x-enum-names";

/// The enum variant for unknown values.
pub(crate) const UNKNOWN: &str = "Unknown";

/// The Rust name of an enum value, in upper camel case.
///
/// It depends on the value alone, so adding a value renames nothing. If two values get the
/// same name, codegen asks for an overlay with better ones.
///
/// | value | name |
/// |---|---|
/// | `jpeg`, `JPEG` | `Jpeg` |
/// | `square_hd` | `SquareHd` |
/// | `flux/kontext-pro` | `FluxKontextPro` |
/// | `16:9`, `portrait_16_9` | `X16x9`, `Portrait16x9` |
/// | `-1`, `+1` | `Minus1`, `Plus1` |
/// | the empty string | `Empty` |
#[must_use]
pub(crate) fn variant(value: &str) -> String {
    let mut name = String::new();
    let mut separator = None;
    let mut word = String::new();
    // Characters that are not ASCII letters, digits or separators are spelt out.
    for c in value.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        append(&mut name, separator, &word);
        if !word.is_empty() {
            separator = None;
        }
        word.clear();
        match c {
            '\0' => {}
            '-' if name.is_empty() && separator.is_none() => separator = Some('-'),
            '+' | '%' | '&' => {
                let spelt = match c {
                    '+' => "Plus",
                    '%' => "Percent",
                    _ => "And",
                };
                append(&mut name, None, spelt);
                separator = None;
            }
            _ if c.is_ascii() => {
                // Spaces around one of these separators are ignored.
                if !matches!(separator, Some(':' | '*' | '/')) {
                    separator = Some(c);
                }
            }
            _ => {
                append(&mut name, None, &format!("U{:x}", u32::from(c)));
                separator = None;
            }
        }
    }
    if name.is_empty() {
        name = value
            .chars()
            .map(|c| format!("U{:x}", u32::from(c)))
            .collect();
    }
    match name.as_str() {
        "" => "Empty".to_owned(),
        "Self" => "SelfValue".to_owned(),
        _ if name.starts_with(|c: char| c.is_ascii_digit()) => format!("X{name}"),
        _ => name,
    }
}

/// Appends a word to a name in upper camel case. Between two numbers, the separator of a
/// ratio or size becomes an `x`; a leading minus before a number becomes `Minus`.
fn append(name: &mut String, separator: Option<char>, word: &str) {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    if is_digit(word.chars().next()) {
        match separator {
            Some(':' | '_' | '*' | '/') if is_digit(name.chars().last()) => name.push('x'),
            Some('-') if name.is_empty() => name.push_str("Minus"),
            _ => {}
        }
    }
    name.push_str(&word.to_upper_camel_case());
}

/// Whether a name is valid for a variant.
#[must_use]
pub(crate) fn is_variant_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && name == name.to_upper_camel_case()
        && name != "Self"
}

/// The variant name of each value of a schema's enum: from the overlay, or else derived.
pub(crate) fn variants(schema: &Value) -> Vec<(String, String)> {
    let ours = &schema[ENUM_NAMES];
    items(&schema["enum"])
        .iter()
        .filter_map(Value::as_str)
        .map(|value| {
            let name = match ours[value].as_str() {
                Some(name) => name.to_owned(),
                None => variant(value),
            };
            (value.to_owned(), name)
        })
        .collect()
}

/// The name that progenitor and typify give a method or field.
#[must_use]
pub(crate) fn snake(name: &str) -> String {
    let name = match name {
        "+1" => "plus1".to_owned(),
        "-1" => "minus1".to_owned(),
        _ => name
            .replace('\'', "")
            .replace(|c| !unicode_ident::is_xid_continue(c), "-")
            .to_snake_case(),
    };
    match name.chars().next() {
        None => "x".to_owned(),
        Some(first) if unicode_ident::is_xid_start(first) => name,
        Some(_) => format!("x{name}"),
    }
}

/// The upper camel case of a name in camel case or with separators.
#[must_use]
pub(crate) fn type_name(text: &str) -> String {
    let camel: String = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(capitalised)
        .collect();
    // Same as typify: `HTTPError` becomes `HttpError`.
    camel.to_upper_camel_case()
}

/// Whether a name is valid for a type: an upper camel case identifier that the generated
/// code does not use for something else.
#[must_use]
pub(crate) fn is_type_name(name: &str) -> bool {
    // All but the last are used unqualified in the generated code; `Error` is typify's.
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
    use super::*;

    #[test]
    fn operation_names_are_kebab_case() {
        assert_eq!(kebab("generateImage"), "generate-image");
        assert_eq!(kebab("_v1_images_generations"), "v1-images-generations");
        assert_eq!(kebab("HTTPGet2"), "httpget2");
    }

    #[test]
    fn type_names_match_typify() {
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
    fn enum_variants_are_camel_case() {
        for (value, name) in [
            ("jpeg", "Jpeg"),
            ("JPEG", "Jpeg"),
            ("imageToImage", "ImageToImage"),
            ("square_hd", "SquareHd"),
            ("portrait_16_9", "Portrait16x9"),
            ("image-to-image", "ImageToImage"),
            (
                "flux/kontext-pro/image-to-image",
                "FluxKontextProImageToImage",
            ),
            ("1", "X1"),
            ("-1", "Minus1"),
            ("+1", "Plus1"),
            ("21:9", "X21x9"),
            ("1024x1024", "X1024x1024"),
            ("1024*1024", "X1024x1024"),
            ("1024 * 1024", "X1024x1024"),
            ("wan2.1", "Wan21"),
            ("Photorealistic (8K)", "Photorealistic8k"),
            ("black & white", "BlackAndWhite"),
            ("c++", "CPlusPlus"),
            ("self", "SelfValue"),
            ("", "Empty"),
            ("-", "U2d"),
            ("é", "Ue9"),
            ("a\u{202e}b", "AU202eB"),
        ] {
            assert_eq!(variant(value), name, "{value}");
        }
    }

    #[test]
    fn every_enum_value_gives_valid_variant_name() {
        // All texts of up to four characters over an alphabet with every kind of character
        // that the rules handle: about 50,000 values.
        let alphabet = [
            "a", "b", "x", "2", "9", ":", "/", "-", "_", "A", "X", "é", " ", "+",
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
        for value in values {
            let name = variant(&value);
            assert!(
                syn::parse_str::<syn::Ident>(&name).is_ok()
                    && name.starts_with(|c: char| c.is_ascii_uppercase())
                    && name.chars().all(|c| c.is_ascii_alphanumeric()),
                "{value:?}: {name}"
            );
        }
    }

    #[test]
    fn field_names_match_typify() {
        for (name, field) in [
            ("a'b", "ab"),
            ("+1", "plus1"),
            ("plus1", "plus1"),
            ("numImages", "num_images"),
            ("a-b", "a_b"),
            ("2d", "x2d"),
            ("", "x"),
            ("é", "é"),
        ] {
            assert_eq!(snake(name), field, "{name}");
        }
    }
}
