//! What an answer says that it cost, in credits.

use http::HeaderMap;
use serde_json::value::RawValue;

use crate::answer::Usage;
use crate::headers;
use crate::json;
use crate::number::Number;

/// How many credits a US dollar is.
const CREDITS_PER_USD: f64 = 2_000_000.0;

/// The cost that headers name, else the one that the body's usage names: in credits,
/// else in what they were called before, else in US dollars. Rounded up.
pub(crate) fn named(headers: &HeaderMap, usage: Option<&Usage>) -> Option<u64> {
    let header = |name| number(headers::text(headers, name)?);
    let credits = header(headers::CREDITS_USED).as_ref().and_then(up);
    credits
        .or_else(|| dollars(&header(headers::USD_SPENT)?))
        .or_else(|| up(usage?.credits_used.as_ref()?))
        .or_else(|| up(usage?.tokens_used.as_ref()?))
        .or_else(|| dollars(usage?.usd_spent.as_ref()?))
}

/// A number as JSON writes one.
fn number(text: &str) -> Option<Number> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    json::is_number(raw).then(|| Number::from_json(raw.get()))
}

fn up(number: &Number) -> Option<u64> {
    number
        .as_u64()
        .or_else(|| positive(number.as_f64()?.ceil()))
}

fn dollars(number: &Number) -> Option<u64> {
    positive((number.as_f64()? * CREDITS_PER_USD).ceil())
}

fn positive(number: f64) -> Option<u64> {
    // A cast stays within the type's range.
    (number >= 0.0).then_some(number as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn cost(header: Option<(&'static str, &'static str)>, usage: Usage) -> Option<u64> {
        let header = header.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        named(&HeaderMap::from_iter(header), Some(&usage))
    }

    fn usage(field: &str, number: &str) -> Usage {
        let mut usage = Usage::default();
        let number = Some(Number::from_json(number));
        match field {
            "credits" => usage.credits_used = number,
            "tokens" => usage.tokens_used = number,
            _ => usage.usd_spent = number,
        }
        usage
    }

    #[test]
    fn headers_come_first_and_fractions_are_rounded_up() {
        let credits = Some(("x-aimlapi-credits-used", "300000.5"));
        assert_eq!(cost(credits, usage("credits", "7")), Some(300_001));
        let dollars = Some(("x-aimlapi-usd-spent", "1.0"));
        assert_eq!(cost(dollars, usage("credits", "7")), Some(2_000_000));
        assert_eq!(cost(None, usage("credits", "91000")), Some(91_000));
        assert_eq!(cost(None, usage("credits", "0.5")), Some(1));
        assert_eq!(cost(None, usage("credits", "1e30")), Some(u64::MAX));
        assert_eq!(cost(None, usage("tokens", "300000")), Some(300_000));
        assert_eq!(cost(None, usage("dollars", "0.0455")), Some(91_000));
        assert_eq!(cost(None, usage("credits", "-5")), None);
        let odd = Some(("x-aimlapi-credits-used", "many"));
        assert_eq!(cost(odd, Usage::default()), None);
    }
}
