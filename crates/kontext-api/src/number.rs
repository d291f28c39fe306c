//! A number of an answer, with the spelling that the provider chose.

use std::fmt;

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
        f.write_str(&crate::text::one_line(&self.0, 64))
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
