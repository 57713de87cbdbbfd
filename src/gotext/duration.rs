//! Go's spans of time: `300ms`, `1m30s`, `-1.5h`, `0`.

/// `time.ParseDuration`: nanoseconds; none where Go refuses the text.
pub fn parse(text: &str) -> Option<i64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("15m", Some(900_000_000_000)),
            ("1h2m3.5s", Some(3_723_500_000_000)),
            (".5us", Some(500)),
            ("1µs1ns", Some(1_001)),
            ("-1.5h", Some(-5_400_000_000_000)),
            ("9223372036854775807ns", Some(i64::MAX)),
            ("9223372036854775808ns", None),
            ("2562048h", None),
            ("", None),
            ("-", None),
            ("1", None),
            ("1m30", None),
            (".s", None),
            ("1.5.2s", None),
            ("1 s", None),
            ("1d", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
