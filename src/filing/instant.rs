//! Reading and showing instants: RFC 3339 with a UTC offset that must be told.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::blanks;
use super::facts::Instant;

/// Why a text is not an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstantFault {
    /// A date and time without UTC offset, or a date alone; holds what to write if Beijing time
    /// was meant.
    #[error("the time has no UTC offset, so it could be any of 27 hours")]
    NoOffset {
        /// The same in RFC 3339, at +08:00.
        at_beijing: String,
    },
    /// Anything else.
    #[error("this is not a time")]
    NotATime,
}

impl InstantFault {
    /// What to write instead.
    pub fn remedy(&self) -> String {
        match self {
            InstantFault::NoOffset { at_beijing } => {
                format!("if Beijing time is meant, write {at_beijing}")
            }
            InstantFault::NotATime => {
                "write date, time and UTC offset, such as 2026-01-31T09:30:00+08:00".into()
            }
        }
    }
}

impl Instant {
    /// Reads RFC 3339 with offset or `Z`; a fraction of a second is cut off, a blank may stand
    /// for the `T`.
    pub fn parse(text: &str) -> Result<Instant, InstantFault> {
        let text = blanks::trim(text);
        if let Some(seconds) = parse_plain(text.as_bytes()) {
            return Ok(Instant(seconds));
        }
        match text.parse::<Timestamp>() {
            // `as_second` rounds towards zero, which before 1970 is not down.
            Ok(read) => Ok(Instant(read.as_second() - i64::from(read.subsec_nanosecond() < 0))),
            Err(_) => Err(fault_of(text)),
        }
    }

    /// The instant as RFC 3339 in UTC and in Beijing time, such as
    /// `2026-01-31T01:30:00Z (2026-01-31T09:30:00+08:00)`.
    pub fn in_both_zones(self) -> String {
        format!("{self} ({})", self.in_beijing())
    }

    /// RFC 3339 at +08:00, such as `2026-01-31T09:30:00+08:00`.
    pub fn in_beijing(self) -> String {
        match Timestamp::from_second(self.0) {
            Ok(instant) => {
                let local = TimeZone::fixed(tz::offset(8)).to_datetime(instant);
                format!("{}+08:00", local.strftime("%Y-%m-%dT%H:%M:%S"))
            }
            Err(_) => beyond(self.0),
        }
    }
}

/// RFC 3339 in UTC, such as `2026-01-31T01:30:00Z`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => f.write_str(&beyond(self.0)),
        }
    }
}

/// As RFC 3339 in UTC.
impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Instant::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The one form that files are full of, `2026-01-31T09:30:00+08:00` (or `Z`), read at a fifth of
/// the cost; `None` for any other form and for whatever is wrong.
fn parse_plain(text: &[u8]) -> Option<i64> {
    let (date_time, offset) = text.split_first_chunk()?;
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] =
        date_time
    else {
        return None;
    };
    let two = |a: u8, b: u8| {
        let are_digits = a.is_ascii_digit() && b.is_ascii_digit();
        are_digits.then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
    };
    let (year, month, day) = (two(y1, y2)? * 100 + two(y3, y4)?, two(m1, m2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(n1, n2)?, two(s1, s2)?);
    let offset = match offset {
        b"Z" => 0,
        b"+08:00" => 8 * 3_600,
        _ => return None,
    };
    // Days 29 to 31, seconds of 60 and the first year are left to the calendar of `jiff`.
    let plain = year > 0 && (1..=12).contains(&month) && (1..=28).contains(&day);
    if !plain || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Years that begin in March have the leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    const DAYS_TO_1970: i64 = 719_469;
    Some((days - DAYS_TO_1970) * 86_400 + hour * 3_600 + minute * 60 + second - offset)
}

/// Years that no calendar text can hold: nothing that was read, only what was computed.
fn beyond(seconds: i64) -> String {
    format!("{seconds} seconds from 1970")
}

fn fault_of(text: &str) -> InstantFault {
    let without_offset = text
        .parse::<jiff::civil::DateTime>()
        .or_else(|_| text.replace('/', "-").parse::<jiff::civil::DateTime>());
    match without_offset {
        Ok(local) => InstantFault::NoOffset {
            at_beijing: format!("{}+08:00", local.strftime("%Y-%m-%dT%H:%M:%S")),
        },
        Err(_) => InstantFault::NotATime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_is_read_and_shown_in_both_zones() {
        let instant = Instant::parse("2026-01-31T09:30:00+08:00").expect("RFC 3339");
        assert_eq!(instant, Instant::parse(" 2026-01-31T01:30:00.999Z ").expect("RFC 3339"));
        assert_eq!(instant.in_both_zones(), "2026-01-31T01:30:00Z (2026-01-31T09:30:00+08:00)");
        assert_eq!(Instant::parse("1969-12-31T23:59:59.5Z"), Ok(Instant(-1)));
        assert_eq!(Instant(i64::MAX).to_string(), "9223372036854775807 seconds from 1970");
        assert_eq!(Instant(i64::MIN).in_beijing(), "-9223372036854775808 seconds from 1970");
    }

    #[test]
    fn a_missing_offset_is_told_with_what_to_write() {
        for text in ["2025-10-09 16:00:40", "2025-10-09T16:00:40", "2025/10/09 16:00:40"] {
            let fault = Instant::parse(text).expect_err(text);
            assert!(
                fault.remedy().contains("write 2025-10-09T16:00:40+08:00"),
                "{text}: {fault:?}"
            );
        }
        let fault = Instant::parse("2025-10-09").expect_err("a date");
        assert!(fault.remedy().contains("2025-10-09T00:00:00+08:00"));
    }

    proptest::proptest! {
        #[test]
        fn the_quick_way_and_the_calendar_agree(
            year in 1i16..=9_999, month in 0u8..=13, day in 0u8..=32,
            hour in 0u8..=24, minute in 0u8..=60, second in 0u8..=59, beijing in proptest::bool::ANY,
        ) {
            let offset = if beijing { "+08:00" } else { "Z" };
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{offset}");
            let by_calendar = text.parse::<Timestamp>().ok().map(|read| read.as_second());
            if let Some(quick) = parse_plain(text.as_bytes()) {
                proptest::prop_assert_eq!(Some(quick), by_calendar, "{}", text);
            } else {
                proptest::prop_assert!(by_calendar.is_none() || day > 28, "{}", text);
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "soon", "2025-13-01T00:00:00Z", "2025-02-30T00:00:00+08:00", "1700000000"]
        {
            assert_eq!(Instant::parse(text), Err(InstantFault::NotATime), "{text}");
        }
    }
}
