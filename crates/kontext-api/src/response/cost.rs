//! The cost of a call, as reported by a response.

use http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::response::number::Number;
use crate::response::{headers, json};

/// The cost of a generation, as reported in the body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// The cost in credits; 2,000,000 credits are 1 US dollar.
    pub credits_used: Option<Number>,
    /// The cost in credits, under the name that the provider used until December 2025.
    pub tokens_used: Option<Number>,
    /// The cost in US dollars.
    pub usd_spent: Option<Number>,
}

/// Credits per US dollar.
const CREDITS_PER_USD: f64 = 2_000_000.0;

/// The cost in the headers, or else in the body's usage. Each is read in credits, then (body
/// only) under its former name, then in US dollars. Rounded up.
pub(crate) fn named_cost(headers: &HeaderMap, usage: Option<&Usage>) -> Option<u64> {
    let header = |name| {
        let raw: &RawValue = serde_json::from_str(headers::text(headers, name)?.trim()).ok()?;
        json::number(raw)
    };
    let credits = header(headers::CREDITS_USED).as_ref().and_then(up);
    credits
        .or_else(|| dollars(&header(headers::USD_SPENT)?))
        .or_else(|| up(usage?.credits_used.as_ref()?))
        .or_else(|| up(usage?.tokens_used.as_ref()?))
        .or_else(|| dollars(usage?.usd_spent.as_ref()?))
}

/// Rounds credits up.
fn up(credits: &Number) -> Option<u64> {
    credits
        .as_u64()
        .or_else(|| positive(credits.as_f64()?.ceil()))
}

fn dollars(dollars: &Number) -> Option<u64> {
    let credits = dollars.as_f64()? * CREDITS_PER_USD;
    // Rounding errors of doubles must not turn 0.07 US dollars into 140,001 credits.
    let nearest = credits.round();
    match (credits - nearest).abs() < 0.001 {
        true => positive(nearest),
        false => positive(credits.ceil()),
    }
}

fn positive(number: f64) -> Option<u64> {
    // The cast saturates.
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
        named_cost(&HeaderMap::from_iter(header), Some(&usage))
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
    fn cost_prefers_headers_and_rounds_up() {
        let credits = Some(("x-aimlapi-credits-used", "300000.5"));
        assert_eq!(cost(credits, usage("credits", "7")), Some(300_001));
        let dollars = Some(("x-aimlapi-usd-spent", "1.0"));
        assert_eq!(cost(dollars, usage("credits", "7")), Some(2_000_000));
        assert_eq!(cost(None, usage("credits", "91000")), Some(91_000));
        assert_eq!(cost(None, usage("credits", "0.5")), Some(1));
        assert_eq!(cost(None, usage("credits", "1e30")), Some(u64::MAX));
        assert_eq!(cost(None, usage("tokens", "300000")), Some(300_000));
        assert_eq!(cost(None, usage("dollars", "0.0455")), Some(91_000));
        assert_eq!(cost(None, usage("dollars", "0.07")), Some(140_000));
        assert_eq!(cost(None, usage("dollars", "0.00000025")), Some(1));
        assert_eq!(cost(None, usage("dollars", "-1")), None);
        assert_eq!(cost(None, usage("credits", "-5")), None);
        let odd = Some(("x-aimlapi-credits-used", "many"));
        assert_eq!(cost(odd, Usage::default()), None);
    }
}
