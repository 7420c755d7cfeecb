/// A whole number in groups of three: `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2,000 rows`.
pub fn plural(n: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A time as people say it: `0.24 s`, `9.5 s`, `1 min 05 s`, `2 h 03 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 1.0 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 3599.5 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Rows a second, whole; `None` where the time is too short to say.
pub fn rate(rows: u64, seconds: f64) -> Option<u64> {
    (seconds >= 0.001 && rows > 0).then(|| (rows as f64 / seconds).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (n, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345, "12,345"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(n), expected);
        }
        assert_eq!(plural(1, "row"), "1 row");
        assert_eq!(plural(0, "row"), "0 rows");
    }

    #[test]
    fn times_are_short() {
        for (seconds, expected) in [
            (0.0, "0.00 s"),
            (0.239, "0.24 s"),
            (9.46, "9.5 s"),
            (59.94, "59.9 s"),
            (59.96, "1 min 00 s"),
            (65.2, "1 min 05 s"),
            (3599.6, "1 h 00 min"),
            (7384.0, "2 h 03 min"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn no_rate_without_time() {
        assert_eq!(rate(2000, 0.5), Some(4000));
        assert_eq!(rate(2000, 0.0), None);
        assert_eq!(rate(0, 1.0), None);
    }
}
