//! Timestamps and durations (cel-go common/types/timestamp.go, duration.go).

use jiff::Span;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;

use super::super::evaluate::{Outcome, Stop};
use super::super::value::Value;

/// 0001-01-01T00:00:00Z.
pub(super) const MIN_SECONDS: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const MAX_SECONDS: i64 = 253_402_300_799;

/// A point in time, with the offset that it was written with: Go prints it with that.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Since 1970.
    pub nanoseconds: i128,
    offset: i32,
}

impl Time {
    /// RFC 3339 with as many digits as needed.
    pub fn shown(&self) -> String {
        let zone = match self.offset / 60 {
            0 => "Z".to_owned(),
            minutes => {
                format!("{}{:02}:{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60)
            }
        };
        match self.civil(self.offset) {
            Some(civil) => format!("{civil}{zone}"),
            None => format!("{}ns", self.nanoseconds),
        }
    }

    /// The same point in time, written in UTC.
    #[cfg(test)]
    pub(in super::super) fn in_utc(self) -> Self {
        Self { offset: 0, ..self }
    }

    pub(super) fn plus(self, nanoseconds: i128) -> Outcome {
        Self { nanoseconds: self.nanoseconds + nanoseconds, ..self }.checked()
    }

    fn checked(self) -> Outcome {
        let seconds = self.nanoseconds.div_euclid(SECOND);
        if (i128::from(MIN_SECONDS)..=i128::from(MAX_SECONDS)).contains(&seconds) {
            Ok(Value::Timestamp(self))
        } else {
            Err("timestamp overflow".into())
        }
    }

    /// Date and time at an offset. (jiff's own timestamps end some hours before Go's.)
    fn civil(self, offset: i32) -> Option<DateTime> {
        let local = self.nanoseconds + i128::from(offset) * SECOND;
        let days = i64::try_from(local.div_euclid(86_400 * SECOND)).ok()?;
        let date = date(1970, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()?;
        let time = date.at(0, 0, 0, 0).checked_add(Span::new().nanoseconds(local.rem_euclid(86_400 * SECOND) as i64));
        time.ok()
    }
}

const SECOND: i128 = 1_000_000_000;

pub(super) fn from_seconds(seconds: i64) -> Outcome {
    Time { nanoseconds: i128::from(seconds) * SECOND, offset: 0 }.checked()
}

/// RFC 3339 as Go's time.Parse reads it; `None` is a text that is no time.
pub(super) fn parse_timestamp(text: &str) -> Option<Outcome> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i32> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() < 20 || marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let mut rest = &text[19..];
    let mut nanosecond = 0;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        nanosecond = format!("{:0<9}", &fraction[..length.min(9)]).parse().ok()?;
        rest = &fraction[length..];
    }
    let offset = match rest {
        "Z" => 0,
        zone => {
            let bytes = zone.as_bytes();
            if bytes.len() != 6 || bytes[3] != b':' {
                return None;
            }
            let sign = match bytes[0] {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let hours: i32 = zone[1..3].parse().ok()?;
            let minutes: i32 = zone[4..6].parse().ok()?;
            if hours > 24 || minutes > 60 {
                return None;
            }
            sign * (hours * 3600 + minutes * 60)
        }
    };
    let small = |value: i32| i8::try_from(value).ok();
    let year = i16::try_from(year).ok()?;
    let civil =
        DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, nanosecond)
            .ok()?;
    let days = i128::from(date(1970, 1, 1).until(civil.date()).ok()?.get_days());
    let of_day = civil.time() - jiff::civil::Time::midnight();
    let of_day = of_day.total(jiff::Unit::Nanosecond).ok()? as i128;
    let nanoseconds = days * 86_400 * SECOND + of_day - i128::from(offset) * SECOND;
    Some(Time { nanoseconds, offset }.checked())
}

pub(super) fn call(id: &str, values: &[Value]) -> Option<Outcome> {
    match values {
        [Value::Duration(span)] => {
            let unit = match id {
                "duration_to_hours" => 3_600_000_000_000,
                "duration_to_minutes" => 60_000_000_000,
                "duration_to_seconds" => 1_000_000_000,
                "duration_to_milliseconds" => 1_000_000,
                _ => return None,
            };
            Some(Ok(Value::Int(span / unit)))
        }
        [Value::Timestamp(time)] if id.starts_with("timestamp_to_") => part(id, *time, 0),
        [Value::Timestamp(time), Value::String(zone)] if id.starts_with("timestamp_to_") => {
            let of = id.trim_end_matches("_with_tz").trim_end_matches("_tz");
            match offset_of(zone, *time) {
                Ok(offset) => part(of, *time, offset),
                Err(stop) => Some(Err(stop)),
            }
        }
        _ => None,
    }
}

/// The offset in seconds of `Europe/Berlin` or `+02:00` (types/timestamp.go: timeZone).
fn offset_of(zone: &str, time: Time) -> Result<i32, Stop> {
    if let Some((hours, minutes)) = zone.split_once(':') {
        let number = |text: &str| text.parse::<i32>().map_err(|_| Stop::Unknown("an odd time zone".to_owned()));
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        return Ok(60 * if zone.starts_with('-') { hours * 60 - minutes } else { hours * 60 + minutes });
    }
    if matches!(zone, "" | "UTC") {
        return Ok(0);
    }
    // The server's own zone database decides.
    let found = TimeZone::get(zone).map_err(|_| Stop::Error(format!("unknown time zone {zone}")))?;
    let at = jiff::Timestamp::from_nanosecond(time.nanoseconds);
    let at = at.map_err(|_| Stop::Unknown("a time at the end of 9999".to_owned()))?;
    Ok(found.to_offset(at).seconds())
}

fn part(id: &str, time: Time, offset: i32) -> Option<Outcome> {
    let Some(time) = time.civil(offset) else { return Some(Err(Stop::Unknown("a time beyond 9999".to_owned()))) };
    Some(Ok(Value::Int(match id {
        "timestamp_to_year" => i64::from(time.year()),
        "timestamp_to_month" => i64::from(time.month()) - 1,
        "timestamp_to_day_of_year" => i64::from(time.date().day_of_year()) - 1,
        "timestamp_to_day_of_month" => i64::from(time.day()) - 1,
        "timestamp_to_day_of_month_1_based" => i64::from(time.day()),
        "timestamp_to_day_of_week" => i64::from(time.date().weekday().to_sunday_zero_offset()),
        "timestamp_to_hours" => i64::from(time.hour()),
        "timestamp_to_minutes" => i64::from(time.minute()),
        "timestamp_to_seconds" => i64::from(time.second()),
        "timestamp_to_milliseconds" => i64::from(time.millisecond()),
        _ => return None,
    })))
}
