//! The effective numeric limits of a schema, and contradictions between them.

use serde_json::{Map, Value, json};

/// The smallest integer that a schema allows.
pub(crate) fn whole_minimum(members: &Map<String, Value>) -> Option<i128> {
    whole_bound(members, "minimum", "exclusiveMinimum", 1)
}

/// The largest integer that a schema allows.
pub(crate) fn whole_maximum(members: &Map<String, Value>) -> Option<i128> {
    whole_bound(members, "maximum", "exclusiveMaximum", -1)
}

fn whole_bound(
    members: &Map<String, Value>,
    name: &str,
    exclusive: &str,
    step: i128,
) -> Option<i128> {
    let value = members.get(name)?;
    let is_exclusive = members.get(exclusive) == Some(&json!(true));
    let (bound, is_exact) = match value.as_number()?.as_i128() {
        Some(whole) => (whole, true),
        None => {
            let value = value.as_f64()?;
            let rounded = if step > 0 {
                value.ceil()
            } else {
                value.floor()
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the cast saturates, as it should"
            )]
            let bound = rounded as i128;
            (bound, rounded == value)
        }
    };
    Some(if is_exclusive && is_exact {
        bound.saturating_add(step)
    } else {
        bound
    })
}

/// Finds limits that contradict each other: the keyword at fault, and a message.
pub(crate) fn contradiction(members: &Map<String, Value>) -> Option<(&'static str, String)> {
    for (minimum, maximum) in [
        ("minLength", "maxLength"),
        ("minItems", "maxItems"),
        ("minProperties", "maxProperties"),
    ] {
        let bound = |name| members.get(name).and_then(Value::as_u64);
        if let (Some(low), Some(high)) = (bound(minimum), bound(maximum))
            && low > high
        {
            return Some((
                minimum,
                format!("{minimum} {low} is above {maximum} {high}"),
            ));
        }
    }
    let bound = |name| members.get(name).and_then(Value::as_f64);
    let is_exclusive = |name| members.get(name) == Some(&json!(true));
    let excludes_bounds = is_exclusive("exclusiveMinimum") || is_exclusive("exclusiveMaximum");
    if let (Some(low), Some(high)) = (bound("minimum"), bound("maximum")) {
        let (low_text, high_text) = (&members["minimum"], &members["maximum"]);
        if low > high {
            let message = format!("minimum {low_text} is above maximum {high_text}");
            return Some(("minimum", message));
        }
        if low == high && excludes_bounds {
            let message = format!("minimum and maximum are {low_text} and one excludes it");
            return Some(("minimum", message));
        }
    }
    if members.get("type") == Some(&json!("integer")) {
        let (low, high) = (whole_minimum(members), whole_maximum(members));
        if low.is_some_and(|low| low > i128::from(u64::MAX)) {
            return Some(("minimum", "the minimum is beyond 64 bits".to_owned()));
        }
        if high.is_some_and(|high| high < i128::from(i64::MIN)) {
            return Some(("maximum", "the maximum is beyond 64 bits".to_owned()));
        }
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            let message = "no whole number is between minimum and maximum".to_owned();
            return Some(("minimum", message));
        }
    }
    None
}
