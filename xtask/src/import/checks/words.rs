//! Extracts values, defaults, counts and sizes from texts.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::import::page::regex;

/// The relative tolerance for the ratio of an image: providers round its sides.
const TOLERANCE: f64 = 0.05;

/// The maximum length of a value in a report, in characters.
const SHOWN: usize = 100;

/// The start of a value, on one line.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A value as text: strings without quotes.
pub(super) fn bare(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Converts `/data/0/url` to `data[].url`.
pub(super) fn path(instance: &str) -> String {
    let indexes = regex(r"/\d+(?:/|$)").replace_all(instance, "[]/");
    indexes.replace('/', ".").trim_matches('.').to_owned()
}

/// Whether a property of type number is a count, by its name or description.
pub(super) fn is_count(name: &str, description: &str, property: &Value) -> bool {
    let says = regex(r"(?i)^(?:the )?number of\b").is_match(description)
        || regex(r"^(?:n|num_\w+|\w+_count)$").is_match(name);
    let is_whole = |limit: &str| {
        let limit = property.get(limit).and_then(Value::as_f64);
        limit.is_none_or(|limit| limit.fract() == 0.0)
    };
    says && property["type"] == "number"
        && ["minimum", "maximum", "default"]
            .iter()
            .all(|one| is_whole(one))
}

/// The range that a description names, if it is narrower than that of the values.
pub(super) fn range_named(description: &str, values: &[String]) -> Option<String> {
    let values: Vec<u32> = values
        .iter()
        .map(|value| value.parse().ok())
        .collect::<Option<_>>()?;
    let numbers = regex(r"\b\d+\b");
    let named = numbers
        .find_iter(description)
        .filter_map(|found| found.as_str().parse().ok());
    let named: BTreeSet<u32> = named.collect();
    let (least, most) = (named.first()?, named.last()?);
    let is_range = least < most && named.iter().all(|number| values.contains(number));
    let is_whole = (values.iter().min(), values.iter().max()) == (Some(least), Some(most));
    (is_range && !is_whole).then(|| format!("{least} to {most}"))
}

/// The quoted values that a description names together with enum values, but that are
/// neither in the enum nor property names.
pub(super) fn values_named(description: &str, values: &[String], names: &[&str]) -> Option<String> {
    let quotes = regex(r#"[`"“'‘]([\w./:-]+)[`"”'’]"#);
    let named = quotes
        .captures_iter(description)
        .map(|found| found[1].to_owned());
    let (known, others): (Vec<_>, Vec<_>) = named.partition(|one| values.contains(one));
    let others = others.into_iter().filter(|one| !names.contains(&&**one));
    let others: BTreeSet<String> = others.collect();
    let list = || others.iter().cloned().collect::<Vec<_>>().join(", ");
    (!known.is_empty() && !others.is_empty()).then(list)
}

/// The default that a description names: a quoted text, an enum value or a number.
pub(super) fn default_named(description: &str, values: &[String]) -> Option<String> {
    let says = regex(r"(?i)\bdefaults?(?: value)?(?: is| are| to|:|=)+\s*(.*)");
    let rest = says.captures(description)?.get(1)?.as_str();
    let is_next = |value: &&String| {
        let behind = rest.strip_prefix(&***value);
        let goes_on = |one: char| one.is_alphanumeric() || ":_-".contains(one);
        behind.is_some_and(|behind| !behind.starts_with(goes_on))
    };
    let text = regex(r#"^[`"“'‘]([^`"”'’]+)[`"”'’]"#).captures(rest);
    let number = regex(r"^-?\d+(?:\.\d+)?\b").find(rest);
    text.map(|found| found[1].to_owned())
        .or_else(|| values.iter().find(is_next).cloned())
        .or_else(|| number.map(|found| found.as_str().to_owned()))
}

/// A message if an image doesn't have the requested ratio, which is given as `16:9`,
/// `landscape_16_9`, `1024x768` or an object with width and height.
pub(super) fn wrong_size(asked: &str, width: Option<f64>, height: Option<f64>) -> Option<String> {
    let (width, height) = (width?, height.filter(|height| *height > 0.0)?);
    let (ratio, is) = (ratio(asked)?, width / height);
    ((is / ratio - 1.0).abs() > TOLERANCE).then(|| {
        let size = format!("{width}x{height}");
        format!("size: {size} for {asked}; {asked} is {ratio:.2} to 1, {size} is {is:.2} to 1")
    })
}

fn ratio(asked: &str) -> Option<f64> {
    if let Ok(Value::Object(size)) = serde_json::from_str(asked) {
        return Some(size.get("width")?.as_f64()? / size.get("height")?.as_f64()?);
    }
    if asked.starts_with("square") {
        return Some(1.0);
    }
    let form = regex(r"^(?:(landscape|portrait)_)?(\d+)[:_x×*](\d+)$").captures(asked)?;
    let side = |index: usize| form[index].parse::<f64>().ok().filter(|side| *side > 0.0);
    let ratio = side(2)? / side(3)?;
    match form.get(1).map(|word| word.as_str()) {
        Some("portrait") => Some(ratio.min(1.0 / ratio)),
        Some(_) => Some(ratio.max(1.0 / ratio)),
        None => Some(ratio),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_only_comparable_defaults() {
        let values = ["1:1".to_owned(), "auto".to_owned(), "low".to_owned()];
        for (description, expected) in [
            ("Defaults to `low`.", Some("low")),
            ("The quality. Default: auto", Some("auto")),
            ("The default value is 1:1, which is square.", Some("1:1")),
            ("Default is 0.5.", Some("0.5")),
            ("Defaults to the size of the first image.", None),
            ("By default, nothing happens.", None),
            ("Default: automatic", None),
        ] {
            assert_eq!(
                default_named(description, &values).as_deref(),
                expected,
                "{description}"
            );
        }
    }

    #[test]
    fn finds_contradicting_ranges_and_values() {
        let numbers: Vec<String> = (1..=6).map(|number: u8| number.to_string()).collect();
        let range = |description| range_named(description, &numbers);
        assert_eq!(
            range("1 being strict and 5 permissive"),
            Some("1 to 5".to_owned())
        );
        for harmless in [
            "1 being strict and 6 permissive",
            "Up to 100",
            "Level 2",
            "",
        ] {
            assert_eq!(range(harmless), None, "{harmless}");
        }
        let values = ["low".to_owned(), "high".to_owned()];
        let named = |description| values_named(description, &values, &["size"]);
        assert_eq!(named("`low` or `medium`"), Some("medium".to_owned()));
        for harmless in [
            "`low` or `high`",
            "Beside `size`: `low`",
            "Only for `medium`",
            "low",
        ] {
            assert_eq!(named(harmless), None, "{harmless}");
        }
    }

    #[test]
    fn compares_sizes_with_requested_ones() {
        let is_wrong =
            |asked: &str, width, height| wrong_size(asked, Some(width), Some(height)).is_some();
        let object = json!({"width": 1472, "height": 512}).to_string();
        for (asked, width, height) in [
            ("21:9", 1568.0, 672.0),
            ("4:3", 1184.0, 880.0),
            ("landscape_16_9", 1024.0, 576.0),
            ("portrait_16_9", 576.0, 1024.0),
            ("square_hd", 8.0, 8.0),
            ("1024x768", 1024.0, 768.0),
            (object.as_str(), 1472.0, 512.0),
            ("auto", 1.0, 9.0),
            ("0:1", 1.0, 9.0),
        ] {
            assert!(!is_wrong(asked, width, height), "{asked}");
        }
        for asked in [
            "16:9",
            "landscape_16_9",
            "portrait_4_3",
            "square",
            "1024x512",
            &object,
        ] {
            assert!(is_wrong(asked, 1184.0, 880.0), "{asked}");
        }
        assert!(wrong_size("16:9", None, Some(1.0)).is_none());
    }

    #[test]
    fn recognizes_counts_typed_as_number() {
        let is = |name, description, schema| is_count(name, description, &schema);
        assert!(is(
            "num_images",
            "",
            json!({"type": "number", "minimum": 1})
        ));
        assert!(is(
            "images",
            "The number of images.",
            json!({"type": "number"})
        ));
        assert!(!is("num_images", "", json!({"type": "integer"})));
        assert!(!is("scale", "How close", json!({"type": "number"})));
        assert!(!is("num_x", "", json!({"type": "number", "maximum": 1.5})));
        assert_eq!(path("/data/0/url"), "data[].url");
        assert_eq!(path("/a/1"), "a[]");
    }
}
