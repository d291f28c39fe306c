//! A number of an answer, with the spelling that the provider chose.

use std::fmt;

use http::HeaderMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::response::answer::Usage;
use crate::response::{headers, json};

/// A JSON number as it was written: no digit is lost to a double.
///
/// Two numbers are equal when they are written alike: `1` and `1.0` differ.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// Takes the text of a number that a JSON parser has accepted.
    pub(crate) fn from_json(text: &str) -> Self {
        Self(text.into())
    }

    /// The number as it stands in the answer.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if it is whole and fits: `7`, `7.0` and `70e-1` are all 7.
    pub fn as_u64(&self) -> Option<u64> {
        whole(&self.0)
    }

    /// The nearest double, or `None` if the number is beyond its range.
    pub fn as_f64(&self) -> Option<f64> {
        self.0
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As a number where an integer of 64 bits or a double can hold it, else as text.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0.parse::<u64>(), self.as_f64()) {
            (Ok(whole), _) => serializer.serialize_u64(whole),
            (_, Some(number)) => serializer.serialize_f64(number),
            _ => serializer.serialize_str(&self.0),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::redact::one_line(&self.0, 64))
    }
}

/// Reads a JSON number as a whole number that is not negative, exactly, without a double
/// between.
pub(crate) fn whole(text: &str) -> Option<u64> {
    // Nearly all numbers are written plainly.
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{}{fraction}", integer.trim_start_matches('-'));
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    if integer.starts_with('-') {
        return None;
    }
    // One beyond an i64 is beyond any u64.
    let exponent: i64 = exponent.parse().ok()?;
    let shift = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let zeros = usize::try_from(shift.unsigned_abs()).ok()?;
    if shift < 0 {
        let (kept, dropped) = digits.split_at_checked(digits.len().checked_sub(zeros)?)?;
        let is_whole = dropped.bytes().all(|digit| digit == b'0');
        return kept.parse().ok().filter(|_| is_whole);
    }
    // The largest u64 has 20 digits.
    match digits.len().checked_add(zeros)? {
        ..=20 => format!("{digits}{}", "0".repeat(zeros)).parse().ok(),
        _ => None,
    }
}

/// How many credits a US dollar is.
const CREDITS_PER_USD: f64 = 2_000_000.0;

/// The cost that headers name, else the one that the body's usage names: in credits,
/// else in what they were called before, else in US dollars. Rounded up.
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

/// Whole credits.
fn up(credits: &Number) -> Option<u64> {
    credits
        .as_u64()
        .or_else(|| positive(credits.as_f64()?.ceil()))
}

fn dollars(dollars: &Number) -> Option<u64> {
    let credits = dollars.as_f64()? * CREDITS_PER_USD;
    // A double is not exact, and 0.07 US dollars are not 140,001 credits.
    let nearest = credits.round();
    match (credits - nearest).abs() < 0.001 {
        true => positive(nearest),
        false => positive(credits.ceil()),
    }
}

fn positive(number: f64) -> Option<u64> {
    // A cast stays within the type's range.
    (number >= 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn whole_numbers_are_read_in_every_spelling() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-0.0e5", Some(0)),
            ("7", Some(7)),
            ("-7", None),
            ("1184.0", Some(1184)),
            ("1184.5", None),
            ("1.184e3", Some(1184)),
            ("1.184E+3", Some(1184)),
            ("70e-1", Some(7)),
            ("75e-1", None),
            ("5e-1", None),
            ("3959063143", Some(3_959_063_143)),
            ("9007199254740992.0", Some(1 << 53)),
            ("18446744073709551615", Some(u64::MAX)),
            ("9007199254740993.0E-00", Some((1 << 53) + 1)),
            ("18446744073709551615.0", Some(u64::MAX)),
            ("20000000000000000000.5", None),
            ("2e20", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
            ("18446744073709551616", None),
            ("1e400", None),
            ("0e99999999999999999999", Some(0)),
        ] {
            assert_eq!(Number::from_json(text).as_u64(), expected, "{text}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod cost_tests {
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
        assert_eq!(cost(None, usage("dollars", "0.07")), Some(140_000));
        assert_eq!(cost(None, usage("dollars", "0.00000025")), Some(1));
        assert_eq!(cost(None, usage("dollars", "-1")), None);
        assert_eq!(cost(None, usage("credits", "-5")), None);
        let odd = Some(("x-aimlapi-credits-used", "many"));
        assert_eq!(cost(odd, Usage::default()), None);
    }
}
