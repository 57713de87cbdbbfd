//! Timestamps and durations (cel-go common/types/timestamp.go, duration.go).

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::super::evaluate::{Outcome, Stop};
use super::super::value::Value;

/// 0001-01-01T00:00:00Z.
pub(super) const MIN_SECONDS: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
pub(super) const MAX_SECONDS: i64 = 253_402_300_799;

pub(super) fn from_seconds(seconds: i64) -> Outcome {
    if !(MIN_SECONDS..=MAX_SECONDS).contains(&seconds) {
        return Err("timestamp overflow".into());
    }
    // jiff ends some hours before Go's last second.
    jiff::Timestamp::from_second(seconds).map(Value::Timestamp).map_err(|_| Stop::Unknown("a time at the end of 9999".into()))
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
    let civil = DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, nanosecond).ok()?;
    let utc = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond() - i128::from(offset) * 1_000_000_000;
    let seconds = utc.div_euclid(1_000_000_000);
    if !(i128::from(MIN_SECONDS)..=i128::from(MAX_SECONDS)).contains(&seconds) {
        return Some(Err("timestamp overflow".into()));
    }
    Some(match jiff::Timestamp::from_nanosecond(utc) {
        Ok(time) => Ok(Value::Timestamp(time)),
        Err(_) => Err(Stop::Unknown("a time at the end of 9999".to_owned())),
    })
}

/// RFC 3339 in UTC with as many digits as needed.
pub(super) fn shown(time: jiff::Timestamp) -> String {
    time.to_string()
}

/// Go's time.ParseDuration in nanoseconds.
pub(in super::super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let mut after = &rest[whole..];
        let mut fraction = "";
        if let Some(tail) = after.strip_prefix('.') {
            let length = tail.bytes().take_while(u8::is_ascii_digit).count();
            fraction = &tail[..length];
            after = &tail[length..];
        }
        if whole == 0 && fraction.is_empty() {
            return None;
        }
        let end = after.find(|character: char| character == '.' || character.is_ascii_digit()).unwrap_or(after.len());
        let unit: i128 = match &after[..end] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let number: i128 = if whole == 0 { 0 } else { rest[..whole].parse().ok()? };
        total = total.checked_add(number.checked_mul(unit)?)?;
        if !fraction.is_empty() {
            let digits = &fraction[..fraction.len().min(18)];
            let scale = 10_i128.pow(digits.len() as u32);
            total = total.checked_add(digits.parse::<i128>().ok()? * unit / scale)?;
        }
        rest = &after[end..];
    }
    i64::try_from(if negative { -total } else { total }).ok()
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
        [Value::Timestamp(time)] if id.starts_with("timestamp_to_") => part(id, *time, &TimeZone::UTC),
        [Value::Timestamp(time), Value::String(zone)] if id.starts_with("timestamp_to_") => {
            let of = id.trim_end_matches("_with_tz").trim_end_matches("_tz");
            Some(match zone_of(zone) {
                Ok(zone) => part(of, *time, &zone).unwrap_or_else(|| Err("no such overload".into())),
                Err(stop) => Err(stop),
            })
        }
        _ => None,
    }
}

/// `Europe/Berlin`, `+02:00` (types/timestamp.go: timeZone).
fn zone_of(text: &str) -> Result<TimeZone, Stop> {
    if let Some((hours, minutes)) = text.split_once(':') {
        let number = |text: &str| text.parse::<i32>().map_err(|_| Stop::Unknown("an odd time zone".to_owned()));
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let minutes = if text.starts_with('-') { hours * 60 - minutes } else { hours * 60 + minutes };
        return Offset::from_seconds(minutes * 60)
            .map(TimeZone::fixed)
            .map_err(|_| Stop::Unknown("an odd time zone".to_owned()));
    }
    match text {
        "" | "UTC" => Ok(TimeZone::UTC),
        // The server's own zone database decides.
        name => TimeZone::get(name).map_err(|_| Stop::Error(format!("unknown time zone {name}"))),
    }
}

fn part(id: &str, time: jiff::Timestamp, zone: &TimeZone) -> Option<Outcome> {
    let time = time.to_zoned(zone.clone());
    Some(Ok(Value::Int(match id {
        "timestamp_to_year" => i64::from(time.year()),
        "timestamp_to_month" => i64::from(time.month()) - 1,
        "timestamp_to_day_of_year" => i64::from(time.day_of_year()) - 1,
        "timestamp_to_day_of_month" => i64::from(time.day()) - 1,
        "timestamp_to_day_of_month_1_based" => i64::from(time.day()),
        "timestamp_to_day_of_week" => i64::from(time.weekday().to_sunday_zero_offset()),
        "timestamp_to_hours" => i64::from(time.hour()),
        "timestamp_to_minutes" => i64::from(time.minute()),
        "timestamp_to_seconds" => i64::from(time.second()),
        "timestamp_to_milliseconds" => i64::from(time.millisecond()),
        _ => return None,
    })))
}
