//! A number of an answer, with the spelling that the provider chose.

use std::fmt;

use http::HeaderMap;
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
        match whole(&self.0)? {
            Whole::Fits(number) => Some(number),
            Whole::TooLarge => None,
        }
    }

    /// The nearest double, or nothing where the number is beyond its range.
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

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::redact::one_line(&self.0, 64))
    }
}

/// A whole number that is not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    Fits(u64),
    /// It is 2^64 or more.
    TooLarge,
}

/// Reads a JSON number as a whole number that is not negative, exactly, without a
/// double between. Nothing if it is not one.
pub(crate) fn whole(text: &str) -> Option<Whole> {
    // Nearly all numbers are written plainly.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(parse(text));
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut digits = format!("{integer}{fraction}");
    digits.drain(..digits.len() - digits.trim_start_matches('0').len());
    if digits.is_empty() {
        return Some(Whole::Fits(0));
    }
    if negative {
        return None;
    }
    let shift =
        read_exponent(exponent.unwrap_or("0")).saturating_sub(i64::try_from(fraction.len()).ok()?);
    if shift < 0 {
        let zeros = usize::try_from(shift.unsigned_abs()).ok()?;
        let kept = digits.len().checked_sub(zeros)?;
        if digits[kept..].bytes().any(|digit| digit != b'0') {
            return None;
        }
        digits.truncate(kept);
    } else {
        // The largest u64 has 20 digits: more cannot fit, so none are written.
        let fitting = usize::try_from(shift)
            .ok()
            .filter(|zeros| digits.len().saturating_add(*zeros) <= 20);
        let Some(zeros) = fitting else {
            return Some(Whole::TooLarge);
        };
        digits.extend(std::iter::repeat_n('0', zeros));
    }
    Some(parse(&digits))
}

/// Reads digits, at least one.
fn parse(digits: &str) -> Whole {
    digits.parse().map_or(Whole::TooLarge, Whole::Fits)
}

/// An exponent; one too large for an i64 stays at its bound, far beyond any u64.
fn read_exponent(text: &str) -> i64 {
    match text.parse() {
        Ok(exponent) => exponent,
        Err(_) if text.starts_with('-') => i64::MIN,
        Err(_) => i64::MAX,
    }
}

/// How many credits a US dollar is.
const CREDITS_PER_USD: f64 = 2_000_000.0;

/// The cost that headers name, else the one that the body's usage names: in credits,
/// else in what they were called before, else in US dollars. Rounded up.
pub(crate) fn named_cost(headers: &HeaderMap, usage: Option<&Usage>) -> Option<u64> {
    let header = |name| parse_number(headers::text(headers, name)?);
    let credits = header(headers::CREDITS_USED).as_ref().and_then(up);
    credits
        .or_else(|| dollars(&header(headers::USD_SPENT)?))
        .or_else(|| up(usage?.credits_used.as_ref()?))
        .or_else(|| up(usage?.tokens_used.as_ref()?))
        .or_else(|| dollars(usage?.usd_spent.as_ref()?))
}

/// A number as JSON writes one.
fn parse_number(text: &str) -> Option<Number> {
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
mod tests {
    use super::Whole::{self, Fits, TooLarge};
    use super::whole;

    #[test]
    fn whole_numbers_in_every_spelling() {
        for (text, expected) in [
            ("0", Some(Fits(0))),
            ("-0", Some(Fits(0))),
            ("-0.0e5", Some(Fits(0))),
            ("7", Some(Fits(7))),
            ("-7", None),
            ("1184.0", Some(Fits(1184))),
            ("1184.5", None),
            ("1.184e3", Some(Fits(1184))),
            ("1.184E+3", Some(Fits(1184))),
            ("70e-1", Some(Fits(7))),
            ("75e-1", None),
            ("5e-1", None),
            ("3959063143", Some(Fits(3_959_063_143))),
            ("18446744073709551615", Some(Fits(u64::MAX))),
            ("18446744073709551616", Some(TooLarge)),
            ("1e400", Some(TooLarge)),
            ("2e20", Some(TooLarge)),
            ("20000000000000000000.5", None),
            ("0e99999999999999999999", Some(Fits(0))),
            ("1e99999999999999999999", Some(TooLarge)),
            ("1e-99999999999999999999", None),
        ] {
            let expected: Option<Whole> = expected;
            assert_eq!(whole(text), expected, "{text}");
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
        assert_eq!(cost(None, usage("credits", "-5")), None);
        let odd = Some(("x-aimlapi-credits-used", "many"));
        assert_eq!(cost(odd, Usage::default()), None);
    }
}
