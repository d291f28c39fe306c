//! A number of a response, in its original notation.

use std::fmt;

use serde::{Serialize, Serializer};

/// A JSON number as it was written, without the loss of precision of a double.
///
/// Two numbers are equal if they are written the same: `1` and `1.0` differ.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// Wraps a number that a JSON parser has accepted.
    pub(crate) fn from_json(text: &str) -> Self {
        Self(text.into())
    }

    /// The number as written in the response.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if it is an integer and fits: `7`, `7.0` and `70e-1` are all 7.
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

/// Serializes as an integer if it is a u64, as the nearest double if that is in range, or else
/// as text.
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

/// Parses a JSON number as a non-negative integer, exactly, without going through a double.
pub(crate) fn whole(text: &str) -> Option<u64> {
    // Nearly all numbers are plain digits.
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
    // An exponent beyond an i64 is out of range anyway.
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

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn reads_integers_in_every_json_notation() {
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
