use jiff::{ToSpan, civil::Date};

/// The days that a date literal stands for: from the first, up to but not with the second.
pub(super) fn date_range(word: &str, n: Option<i64>, today: Date) -> Option<(Date, Date)> {
    // Farther than any date that a field can hold.
    if n.is_some_and(|n| n > 100_000) {
        return None;
    }
    let day = |offset: i64| today.checked_add(offset.days()).ok();
    let month = today.first_of_month();
    let quarter = {
        let first = (month.month() - 1) / 3 * 3 + 1;
        Date::new(month.year(), first, 1).ok()?
    };
    let year = today.first_of_year();
    // Weeks start on Sunday, as in an English locale.
    let week = today
        .checked_sub(i64::from(today.weekday().to_sunday_zero_offset()).days())
        .ok()?;
    let months = |from: Date, a: i64, b: i64| {
        Some((
            from.checked_add(a.months()).ok()?,
            from.checked_add(b.months()).ok()?,
        ))
    };
    let weeks = |a: i64, b: i64| {
        Some((
            week.checked_add(a.weeks()).ok()?,
            week.checked_add(b.weeks()).ok()?,
        ))
    };
    // Fiscal years are calendar years, but for weeks and months there are none.
    let word = word
        .replace("FISCAL_QUARTER", "QUARTER")
        .replace("FISCAL_YEAR", "YEAR");
    match (word.as_str(), n) {
        ("YESTERDAY", None) => Some((day(-1)?, today)),
        ("TODAY", None) => Some((today, day(1)?)),
        ("TOMORROW", None) => Some((day(1)?, day(2)?)),
        ("LAST_WEEK", None) => weeks(-1, 0),
        ("THIS_WEEK", None) => weeks(0, 1),
        ("NEXT_WEEK", None) => weeks(1, 2),
        ("LAST_MONTH", None) => months(month, -1, 0),
        ("THIS_MONTH", None) => months(month, 0, 1),
        ("NEXT_MONTH", None) => months(month, 1, 2),
        ("LAST_90_DAYS", None) => Some((day(-90)?, day(1)?)),
        ("NEXT_90_DAYS", None) => Some((day(1)?, day(91)?)),
        ("LAST_QUARTER", None) => months(quarter, -3, 0),
        ("THIS_QUARTER", None) => months(quarter, 0, 3),
        ("NEXT_QUARTER", None) => months(quarter, 3, 6),
        ("LAST_YEAR", None) => months(year, -12, 0),
        ("THIS_YEAR", None) => months(year, 0, 12),
        ("NEXT_YEAR", None) => months(year, 12, 24),
        ("LAST_N_DAYS", Some(n)) => Some((day(-n)?, day(1)?)),
        ("NEXT_N_DAYS", Some(n)) => Some((day(1)?, day(n + 1)?)),
        ("N_DAYS_AGO", Some(n)) => Some((day(-n)?, day(1 - n)?)),
        ("N_WEEKS_AGO", Some(n)) => weeks(-n, 1 - n),
        ("N_MONTHS_AGO", Some(n)) => months(month, -n, 1 - n),
        ("N_QUARTERS_AGO", Some(n)) => months(quarter, -3 * n, 3 - 3 * n),
        ("N_YEARS_AGO", Some(n)) => months(year, -12 * n, 12 - 12 * n),
        ("LAST_N_WEEKS", Some(n)) => weeks(-n, 0),
        ("NEXT_N_WEEKS", Some(n)) => weeks(1, n + 1),
        ("LAST_N_MONTHS", Some(n)) => months(month, -n, 0),
        ("NEXT_N_MONTHS", Some(n)) => months(month, 1, n + 1),
        ("LAST_N_QUARTERS", Some(n)) => months(quarter, -3 * n, 0),
        ("NEXT_N_QUARTERS", Some(n)) => months(quarter, 3, 3 * n + 3),
        ("LAST_N_YEARS", Some(n)) => months(year, -12 * n, 0),
        ("NEXT_N_YEARS", Some(n)) => months(year, 12, 12 * n + 12),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_ranges_of_days() {
        let today = Date::constant(2026, 5, 20);
        for (word, n, from, to) in [
            ("TODAY", None, "2026-05-20", "2026-05-21"),
            ("LAST_N_DAYS", Some(30), "2026-04-20", "2026-05-21"),
            ("THIS_WEEK", None, "2026-05-17", "2026-05-24"),
            ("LAST_MONTH", None, "2026-04-01", "2026-05-01"),
            ("THIS_QUARTER", None, "2026-04-01", "2026-07-01"),
            ("LAST_FISCAL_YEAR", None, "2025-01-01", "2026-01-01"),
            ("N_DAYS_AGO", Some(3), "2026-05-17", "2026-05-18"),
            ("N_FISCAL_YEARS_AGO", Some(1), "2025-01-01", "2026-01-01"),
            ("NEXT_N_WEEKS", Some(2), "2026-05-24", "2026-06-07"),
        ] {
            let (a, b) = date_range(word, n, today).expect(word);
            assert_eq!(
                (a.to_string().as_str(), b.to_string().as_str()),
                (from, to),
                "{word}"
            );
        }
        assert!(date_range("SOMEDAY", None, today).is_none());
        assert!(date_range("TODAY", Some(1), today).is_none());
    }
}
