//! JSON numbers as exact decimals of any size.

use std::cmp::Ordering;

/// A decimal number, exactly as written.
///
/// `1`, `1.0` and `10e-1` are equal; 2^64 and 2^64 + 1 are not. The value is
/// `0.DIGITS` times ten to the power of `exponent`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Decimal {
    negative: bool,
    /// Without leading or trailing zeros; empty for zero.
    digits: Box<[u8]>,
    exponent: i64,
}

impl Decimal {
    /// Parses a JSON number. `None` if it is invalid, or its exponent has more than 15
    /// digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, small_integer(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        let trailing = digits
            .iter()
            .rev()
            .take_while(|digit| **digit == b'0')
            .count();
        if leading == digits.len() {
            return Some(Self::default());
        }
        let significant = &digits[leading..digits.len() - trailing];
        let whole = i64::try_from(whole.len()).ok()?;
        let leading = i64::try_from(leading).ok()?;
        Some(Self {
            negative,
            digits: significant.into(),
            exponent: exponent.checked_add(whole)?.checked_sub(leading)?,
        })
    }

    /// The decimal for an integer.
    pub(crate) fn from_i128(value: i128) -> Self {
        // An integer is a valid JSON number.
        Self::parse(&value.to_string()).unwrap_or_default()
    }

    /// Whether it has no fraction.
    pub(crate) fn is_integer(&self) -> bool {
        i64::try_from(self.digits.len()).is_ok_and(|digits| digits <= self.exponent.max(0))
    }

    /// The value, if it is an integer of at most 128 bits.
    pub(crate) fn to_i128(&self) -> Option<i128> {
        if !self.is_integer() || self.exponent > 39 {
            return None;
        }
        let value = self.whole()?;
        Some(if self.negative { -value } else { value })
    }

    /// The digits before the point as an integer. `None` beyond 128 bits.
    fn whole(&self) -> Option<i128> {
        let mut value: i128 = 0;
        for index in 0..usize::try_from(self.exponent).unwrap_or(0) {
            let digit = self.digits.get(index).map_or(0, |digit| digit - b'0');
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        }
        Some(value)
    }

    /// The largest integer that is not greater. `None` beyond 128 bits.
    pub(crate) fn floor(&self) -> Option<i128> {
        if self.is_integer() {
            return self.to_i128();
        }
        if self.exponent > 38 {
            return None;
        }
        let whole = self.whole()?;
        Some(if self.negative { -whole - 1 } else { whole })
    }

    /// Whether it is an integer multiple of `step`. Also false if that would take more
    /// than 128 bits.
    pub(crate) fn is_multiple_of(&self, step: &Self) -> bool {
        if self == step || self.digits.is_empty() {
            return true;
        }
        let scale = |number: &Self| {
            let length = i64::try_from(number.digits.len()).ok()?;
            number.exponent.checked_sub(length)
        };
        let (Some(own), Some(other)) = (scale(self), scale(step)) else {
            return false;
        };
        let least = own.min(other);
        let shifted = |number: &Self| {
            let mut number = number.clone();
            number.exponent = number.exponent.checked_sub(least)?;
            number.to_i128()
        };
        match (shifted(self), shifted(step)) {
            (Some(own), Some(step)) if step != 0 => own % step == 0,
            _ => false,
        }
    }

    /// The nearest double.
    pub(crate) fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// What orders absolute values.
    fn magnitude(&self) -> (bool, i64, &[u8]) {
        (!self.digits.is_empty(), self.exponent, &self.digits)
    }
}

/// An exponent; a plus sign and leading zeros are allowed.
fn small_integer(text: &str) -> Option<i64> {
    let value: i64 = text.strip_prefix('+').unwrap_or(text).parse().ok()?;
    (value.abs() < 1_000_000_000_000_000).then_some(value)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude().cmp(&other.magnitude()),
            (true, true) => other.magnitude().cmp(&self.magnitude()),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The canonical notation of the value.
impl std::fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = std::str::from_utf8(&self.digits).unwrap_or_default();
        let sign = if self.negative { "-" } else { "" };
        if digits.is_empty() {
            return formatter.write_str("0");
        }
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let (exponent, point) = (self.exponent, usize::try_from(self.exponent).unwrap_or(0));
        if exponent >= length && exponent <= 21 {
            let zeros = "0".repeat(point.saturating_sub(digits.len()));
            write!(formatter, "{sign}{digits}{zeros}")
        } else if exponent > 0 && exponent < length {
            let (whole, fraction) = digits.split_at(point);
            write!(formatter, "{sign}{whole}.{fraction}")
        } else if exponent <= 0 && exponent > -6 {
            let zeros = "0".repeat(usize::try_from(-exponent).unwrap_or(0));
            write!(formatter, "{sign}0.{zeros}{digits}")
        } else {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            write!(formatter, "{sign}{first}{point}{rest}e{}", exponent - 1)
        }
    }
}

/// A number as serde_json has it: exact if it fits 64 bits, otherwise the nearest
/// double.
pub(crate) fn value_of(number: &Decimal) -> serde_json::Value {
    if let Some(whole) = number.to_i128() {
        if let Ok(small) = i64::try_from(whole) {
            return small.into();
        }
        if let Ok(small) = u64::try_from(whole) {
            return small.into();
        }
    }
    let double = number.to_f64();
    serde_json::Number::from_f64(double).map_or_else(
        || serde_json::Value::String(number.to_string()),
        serde_json::Value::Number,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn notations_of_one_value_are_equal() {
        for spellings in [
            &["1", "1.0", "10e-1", "0.1e1", "1E+0", "1.000"][..],
            &["0", "-0", "0.0", "0e5", "-0.00"],
            &["100", "1e2", "100.0"],
            &["-2.5", "-25e-1"],
        ] {
            for spelling in spellings {
                assert_eq!(decimal(spelling), decimal(spellings[0]), "{spelling}");
                let again = decimal(spelling).to_string();
                assert_eq!(decimal(&again), decimal(spelling), "{spelling} as {again}");
            }
        }
        assert_ne!(
            decimal("18446744073709551616"),
            decimal("18446744073709551617")
        );
    }

    #[test]
    fn decimals_are_ordered() {
        let ordered = [
            "-1e300", "-20", "-3", "-2.5", "-0.1", "0", "1e-300", "0.09", "0.1", "1", "1.5", "2",
            "10", "99", "100", "1e300",
        ];
        for pair in ordered.windows(2) {
            assert!(decimal(pair[0]) < decimal(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn integers_are_recognized() {
        for (text, whole) in [
            ("4000", Some(4000)),
            ("4e3", Some(4000)),
            ("-7.0", Some(-7)),
            ("0", Some(0)),
            ("1.5", None),
            ("0.5", None),
            ("1e400", None),
        ] {
            assert_eq!(decimal(text).to_i128(), whole, "{text}");
        }
        assert!(decimal("1e400").is_integer() && !decimal("1e-400").is_integer());
    }

    #[test]
    fn computes_floor_and_multiples() {
        for (text, floor) in [("1.5", 1), ("-1.5", -2), ("0.2", 0), ("-0.2", -1), ("7", 7)] {
            assert_eq!(decimal(text).floor(), Some(floor), "{text}");
        }
        for (text, step, is_multiple) in [
            ("4", "2", true),
            ("2", "4", false),
            ("0.3", "0.1", true),
            ("0.25", "0.1", false),
            ("1e2", "0.5", true),
            ("0", "7", true),
        ] {
            let found = decimal(text).is_multiple_of(&decimal(step));
            assert_eq!(found, is_multiple, "{text} of {step}");
        }
    }

    #[test]
    fn non_numbers_are_rejected() {
        for text in ["", "-", "1e", "1e99999999999999999999", "x", "+", "."] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
