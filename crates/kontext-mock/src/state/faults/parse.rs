//! The text form of faults, for the command line, headers and JSON.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr, time::Duration};

use crate::{
    state::faults::{Fault, FaultKind, LONGEST},
    truncate,
};

/// The error of parsing a [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown fault {text:?}: {problem}")]
pub struct ParseFaultError {
    text: String,
    problem: String,
}

/// The text form of every fault, for messages and help.
pub(crate) const FORMS: &str = "delay=200ms, delay=50ms..2s, slow-body=2s, reset-before, \
     reset-after, empty-reply, garbage, malformed-chunk, cut-body[=BYTES], \
     wrong-content-length[=BYTES], html-502, status=503, 429[=SECONDS], \
     rate-limit=5/s[,burst=N], out-of-credits=IMAGES; each with ,times=N or ,p=0.1";

impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| ParseFaultError {
            text: truncate::text(text, 100),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Fault, String> {
    let mut parts = text.split(',').map(str::trim);
    let first = parts.next().unwrap_or_default();
    let (name, value) = match first.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (first, None),
    };
    let mut fault = Fault::from(kind(name, value)?);
    let takes_no_share = fault.takes_no_share();
    let mut has_burst = false;
    for part in parts {
        match (part.split_once('='), &mut fault.kind) {
            (Some(("times", _)), _) if fault.times.is_some() => {
                return Err("times is given twice".to_owned());
            }
            (Some(("burst", _)), FaultKind::RateLimit { .. }) if has_burst => {
                return Err("burst is given twice".to_owned());
            }
            (Some(("times", value)), _) => {
                let value = number(value, "times", "2")?;
                if value == 0 {
                    return Err("times is at least 1; leave the fault out instead".to_owned());
                }
                fault.times = Some(value);
            }
            (Some(("p", _)), _) if fault.share.is_some() => {
                return Err("p is given twice".to_owned());
            }
            (Some(("p", _)), _) if takes_no_share => {
                return Err(format!("{name} takes no p"));
            }
            (Some(("p", value)), _) => {
                let share = value.trim().parse().ok();
                let share = share.filter(|share| *share > 0.0 && *share <= 1.0);
                let expected = "p is a share above 0 and up to 1, as in p=0.1";
                fault.share = Some(share.ok_or(expected)?);
            }
            (Some(("burst", value)), FaultKind::RateLimit { burst, .. }) => {
                has_burst = true;
                *burst = number(value, "burst", "10")?;
                if *burst == 0 {
                    return Err("burst is at least 1, or nothing would ever pass".to_owned());
                }
            }
            _ => {
                return Err(format!(
                    "it has no setting {part:?}, expected times=N or p=0.1"
                ));
            }
        }
    }
    Ok(fault)
}

fn kind(name: &str, value: Option<&str>) -> Result<FaultKind, String> {
    let needed = |example: &str| format!("expected a value, as in {name}={example}");
    Ok(match name {
        "delay" => {
            let value = value.ok_or_else(|| needed("200ms"))?;
            let (shortest, longest) = value.split_once("..").unwrap_or((value, value));
            let (shortest, longest) = (duration(shortest)?, duration(longest)?);
            if shortest > longest {
                return Err("the shortest delay comes first".to_owned());
            }
            FaultKind::Delay { shortest, longest }
        }
        "slow-body" => FaultKind::SlowBody {
            duration: duration(value.ok_or_else(|| needed("2s"))?)?,
        },
        "cut-body" => FaultKind::CutBody {
            after: value.map(|value| number(value, name, "10")).transpose()?,
        },
        "wrong-content-length" => FaultKind::WrongContentLength {
            announced: value.map(|value| number(value, name, "10")).transpose()?,
        },
        "status" => status(value.ok_or_else(|| needed("503"))?)?,
        "429" => FaultKind::TooManyRequests {
            retry_after: value.map(|value| number(value, name, "7")).transpose()?,
        },
        "rate-limit" => rate_limit(value.ok_or_else(|| needed("5/s"))?)?,
        "out-of-credits" => FaultKind::OutOfCredits {
            after_images: number(value.ok_or_else(|| needed("3"))?, name, "3")?,
        },
        _ if name.parse::<u16>().is_ok() && value.is_none() => status(name)?,
        _ => {
            let plain = match name {
                "reset-before" => FaultKind::ResetBefore,
                "reset-after" => FaultKind::ResetAfter,
                "empty-reply" => FaultKind::EmptyReply,
                "garbage" => FaultKind::Garbage,
                "malformed-chunk" => FaultKind::MalformedChunk,
                "html-502" => FaultKind::Html502,
                _ => return Err(format!("expected one of: {FORMS}")),
            };
            if value.is_some() {
                return Err(format!("{name} takes no value"));
            }
            plain
        }
    })
}

fn status(text: &str) -> Result<FaultKind, String> {
    let status = number(text, "status", "503")?;
    if !(400..600).contains(&status) {
        return Err("the status of an error is from 400 to 599".to_owned());
    }
    Ok(FaultKind::Status { status })
}

fn rate_limit(text: &str) -> Result<FaultKind, String> {
    let (count, unit) = text.split_once('/').unwrap_or((text, ""));
    let count: u32 = number(count, "rate-limit", "5/s")?;
    let per_minute = match unit {
        "s" => count.checked_mul(60),
        "m" => Some(count),
        _ => return Err("expected so many a second or a minute, as in 5/s or 60/m".to_owned()),
    };
    match per_minute {
        Some(per_minute) if count > 0 => Ok(FaultKind::RateLimit {
            per_minute,
            burst: count,
        }),
        _ => Err("expected a rate from 1/m on".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text.trim())
        .map_err(|_| "expected a time with its unit, as in 200ms or 2s".to_owned())?;
    if duration > LONGEST {
        return Err("the longest delay is 1h".to_owned());
    }
    Ok(duration)
}

fn number<T: FromStr>(text: &str, name: &str, example: &str) -> Result<T, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("expected a whole number, as in {name}={example}"))
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.kind, formatter)?;
        if let Some(times) = self.times {
            write!(formatter, ",times={times}")?;
        }
        match self.share {
            Some(share) => write!(formatter, ",p={share}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = humantime::format_duration;
        // humantime writes a minute and a half as "1m 30s".
        let time = |duration: Duration| time(duration).to_string().replace(' ', "");
        let (name, value) = match *self {
            Self::Delay { shortest, longest } if shortest == longest => {
                ("delay", Some(time(shortest)))
            }
            Self::Delay { shortest, longest } => (
                "delay",
                Some(format!("{}..{}", time(shortest), time(longest))),
            ),
            Self::SlowBody { duration } => ("slow-body", Some(time(duration))),
            Self::ResetBefore => ("reset-before", None),
            Self::ResetAfter => ("reset-after", None),
            Self::EmptyReply => ("empty-reply", None),
            Self::Garbage => ("garbage", None),
            Self::MalformedChunk => ("malformed-chunk", None),
            Self::CutBody { after } => ("cut-body", after.map(|bytes| bytes.to_string())),
            Self::WrongContentLength { announced } => (
                "wrong-content-length",
                announced.map(|bytes| bytes.to_string()),
            ),
            Self::Html502 => ("html-502", None),
            Self::Status { status } => ("status", Some(status.to_string())),
            Self::TooManyRequests { retry_after } => {
                ("429", retry_after.map(|seconds| seconds.to_string()))
            }
            Self::RateLimit { per_minute, burst } => {
                ("rate-limit", Some(format!("{per_minute}/m,burst={burst}")))
            }
            Self::OutOfCredits { after_images } => {
                ("out-of-credits", Some(after_images.to_string()))
            }
        };
        match value {
            Some(value) => write!(formatter, "{name}={value}"),
            None => formatter.write_str(name),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn fault_round_trips_through_text() {
        for text in [
            "delay=200ms",
            "delay=50ms..2s",
            "slow-body=1m30s",
            "reset-before",
            "reset-after,times=3",
            "empty-reply",
            "garbage",
            "malformed-chunk",
            "cut-body",
            "cut-body=10",
            "wrong-content-length",
            "wrong-content-length=0",
            "html-502",
            "status=503,times=1",
            "429",
            "429=7,times=2",
            "rate-limit=300/m,burst=5",
            "out-of-credits=3",
            "status=503,p=0.1",
            "reset-after,times=3,p=1",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
        assert_eq!(
            "rate-limit=5/s".parse::<Fault>().unwrap().to_string(),
            "rate-limit=300/m,burst=5"
        );
        let short: Fault = "503,p=0.10".parse().unwrap();
        assert_eq!(short.to_string(), "status=503,p=0.1");
    }

    #[test]
    fn invalid_fault_error_gives_reason() {
        for (text, problem) in [
            ("", "expected one of: delay=200ms"),
            ("dealy=1s", "expected one of: delay=200ms"),
            ("delay", "expected a value, as in delay=200ms"),
            ("delay=5", "expected a time with its unit"),
            ("delay=2s..1s", "the shortest delay comes first"),
            ("delay=2h", "the longest delay is 1h"),
            ("garbage=1", "garbage takes no value"),
            ("status=200", "the status of an error is from 400 to 599"),
            ("429=soon", "expected a whole number, as in 429=7"),
            ("429,times=0", "times is at least 1"),
            ("status=503,times=2,times=3", "times is given twice"),
            ("rate-limit=1/s,burst=2,burst=2", "burst is given twice"),
            ("429,often=2", "it has no setting \"often=2\""),
            ("200", "the status of an error is from 400 to 599"),
            ("503=7", "expected one of: delay=200ms"),
            ("503,p=0", "p is a share above 0 and up to 1"),
            ("503,p=1.5", "p is a share above 0 and up to 1"),
            ("503,p=NaN", "p is a share above 0 and up to 1"),
            ("503,p=0.1,p=0.2", "p is given twice"),
            ("rate-limit=1/s,p=0.5", "rate-limit takes no p"),
            ("out-of-credits=1,p=0.5", "out-of-credits takes no p"),
            ("rate-limit=0/s", "expected a rate from 1/m on"),
            ("rate-limit=5", "expected so many a second or a minute"),
            ("rate-limit=1/s,burst=0", "burst is at least 1"),
            ("out-of-credits=-1", "expected a whole number"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
