//! Days.

use std::{
    fmt,
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// A day of the Gregorian calendar, such as 2026-12-31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    year: i64,
    month: u8,
    day: u8,
}

/// A text that is no day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no day: {why}")]
pub struct InvalidDate {
    text: String,
    why: String,
}

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

impl Date {
    /// The day that it is at a time, in UTC.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let days = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (after.as_secs() / SECONDS_PER_DAY).cast_signed(),
            Err(error) => {
                let before = error.duration();
                let begun = u64::from(before.subsec_nanos() > 0);
                let seconds = before.as_secs().saturating_add(begun);
                -(seconds.div_ceil(SECONDS_PER_DAY).cast_signed())
            }
        };
        Self::of_days(days)
    }

    /// The day that is so many days after 1970-01-01.
    ///
    /// Years are counted from March here, so that the day that not every year has
    /// is the last of its year, and in cycles of 400 years, which are all alike.
    const fn of_days(days: i64) -> Self {
        const CYCLE: i64 = 146_097;
        /// From 0000-03-01 to 1970-01-01.
        const EPOCH: i64 = 719_468;
        let days = days + EPOCH;
        let day_of_cycle = days.rem_euclid(CYCLE);
        let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
            - day_of_cycle / 146_096)
            / 365;
        let day_of_year =
            day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        // Of five months from March on, the lengths are 31, 30, 31, 30, 31.
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let year = year_of_cycle + 400 * days.div_euclid(CYCLE);
        let (month, year) = if month < 10 {
            (month + 3, year)
        } else {
            (month - 9, year + 1)
        };
        Self {
            year,
            // A month is at most 12, a day at most 31.
            month: month as u8,
            day: day as u8,
        }
    }
}

fn days_of(year: i64, month: u8) -> u8 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let invalid = |why: &str| InvalidDate {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        let form = "expected year, month and day as in 2026-12-31";
        let is_of_form = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let mut numbers = text.split('-').map(str::parse::<u16>);
        let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day)), true) =
            (numbers.next(), numbers.next(), numbers.next(), is_of_form)
        else {
            return Err(invalid(form));
        };
        let year = i64::from(year);
        let month = match u8::try_from(month) {
            Ok(month @ 1..=12) => month,
            _ => return Err(invalid(&format!("there is no month {month}"))),
        };
        let last = days_of(year, month);
        match u8::try_from(day) {
            Ok(day) if (1..=last).contains(&day) => Ok(Self { year, month, day }),
            _ => Err(invalid(&format!("that month has the days 1 to {last}"))),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:04}-{:02}-{:02}",
            self.year, self.month, self.day
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_that_there_are_not_are_refused() {
        for text in [
            "",
            "2026",
            "2026-1-1",
            "2026-01-1",
            "26-01-01",
            "2026/01/01",
            "2026-01-01T",
            " 2026-01-01",
            "+026-01-01",
            "2026-+1-01",
            "２026-01-1",
            "2026-00-01",
            "2026-13-01",
            "2026-01-00",
            "2026-01-32",
            "2026-04-31",
            "2026-02-29",
            "1900-02-29",
            "2100-02-29",
            "soon",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        for text in ["2024-02-29", "2000-02-29", "0000-01-01", "9999-12-31"] {
            assert_eq!(date(text).to_string(), text);
        }
        assert_eq!(
            "2026-02-30".parse::<Date>().unwrap_err().to_string(),
            "\"2026-02-30\" is no day: that month has the days 1 to 28"
        );
    }

    #[test]
    fn a_time_has_a_day() {
        let second = Duration::from_secs(1);
        let day = Duration::from_secs(SECONDS_PER_DAY);
        for (time, expected) in [
            (UNIX_EPOCH, "1970-01-01"),
            (UNIX_EPOCH + day - second, "1970-01-01"),
            (UNIX_EPOCH + day, "1970-01-02"),
            (UNIX_EPOCH - Duration::from_nanos(1), "1969-12-31"),
            (UNIX_EPOCH - day, "1969-12-31"),
            (UNIX_EPOCH - day - second, "1969-12-30"),
            (
                UNIX_EPOCH + Duration::from_secs(1_798_675_199),
                "2026-12-30",
            ),
            (UNIX_EPOCH + Duration::from_secs(951_782_400), "2000-02-29"),
        ] {
            assert_eq!(Date::of(time).to_string(), expected, "{time:?}");
        }
    }

    #[test]
    fn days_follow_one_another() {
        // Every day from 1600 to 2400, counted by the lengths of the months.
        let (mut year, mut month, mut day) = (1600, 1_u8, 1_u8);
        for days in -135_140..157_054 {
            let expected = Date { year, month, day };
            assert_eq!(Date::of_days(days), expected);
            day += 1;
            if day > days_of(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (2400, 1, 1));
    }

    proptest! {
        #[test]
        fn dates_are_ordered_as_their_texts(left in 0_i64..2_932_896, right in 0_i64..2_932_896) {
            let (left, right) = (Date::of_days(left), Date::of_days(right));
            prop_assert_eq!(left.cmp(&right), left.to_string().cmp(&right.to_string()));
            prop_assert_eq!(date(&left.to_string()), left);
        }

        #[test]
        fn any_text_is_a_day_or_an_error(text in any::<String>()) {
            let _ = text.parse::<Date>();
        }
    }
}
