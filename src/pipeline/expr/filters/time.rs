//! Filters of dates and times. What they give is ISO text as the rest of the engine writes it, times in UTC.

use jiff::{
    Timestamp, civil,
    fmt::{strtime::BrokenDownTime, temporal::Pieces},
    tz::{Offset, TimeZone},
};

use super::{Call, EvalError};
use crate::record::Value;

type Result = std::result::Result<Value, EvalError>;

/// `date`, `date('%d.%m.%Y')`, `date(zone='Europe/Berlin')`: a date as `2026-01-31`. Without a pattern ISO 8601 is
/// read; of a time with an offset, the day that it is in the zone is given, which is UTC when none is named.
///
/// `"31.01.2026" | date('%d.%m.%Y')` -> `2026-01-31`; `"2026-01-31T23:30:00-02:00" | date` -> `2026-02-01`.
pub(super) fn date(call: &mut Call<'_, '_>) -> Result {
    let unreadable = || call.unreadable("a date");
    let zone = zone(call)?;
    match read(call)?.ok_or_else(unreadable)? {
        (date, Some(time), Some(offset)) => {
            let moment = offset
                .to_timestamp(date.to_datetime(time))
                .map_err(|_| unreadable())?;
            Ok(Value::text(zone.to_datetime(moment).date().to_string()))
        }
        (date, _, _) => Ok(Value::text(date.to_string())),
    }
}

/// `datetime`, `datetime('%d.%m.%Y %H:%M')`, `datetime(zone='Europe/Berlin')`: a time as `2026-01-31T09:05:07.000Z`.
/// Without a pattern ISO 8601 is read. A time without an offset is one of the zone, or of UTC; a date is its midnight.
/// An hour that the zone skips is taken as if the clock had not been put forward, one that comes twice as the first.
///
/// `"31.01.2026 09:05" | datetime('%d.%m.%Y %H:%M')` -> `2026-01-31T09:05:00.000Z`;
/// `"2026-01-31T09:05:07+01:00" | datetime` -> `2026-01-31T08:05:07.000Z`.
pub(super) fn datetime(call: &mut Call<'_, '_>) -> Result {
    let unreadable = || call.unreadable("a date and time");
    let zone = zone(call)?;
    let (date, time, offset) = read(call)?.ok_or_else(unreadable)?;
    let civil = date.to_datetime(time.unwrap_or(civil::Time::midnight()));
    let moment = match offset {
        Some(offset) => offset.to_timestamp(civil),
        None => zone.to_ambiguous_timestamp(civil).compatible(),
    };
    let utc = Offset::UTC.to_datetime(moment.map_err(|_| unreadable())?);
    Ok(Value::text(utc.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()))
}

/// Whether there is a time zone of this name.
pub(super) fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

fn zone(call: &Call<'_, '_>) -> std::result::Result<TimeZone, EvalError> {
    match call.text_arg(1)? {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| call.wrong(1, "a time zone like `Europe/Berlin`")),
    }
}

/// Whether a text can be the pattern of a date or time.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let probe = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    pattern.contains('%') && BrokenDownTime::from(&probe).to_string(pattern).is_ok()
}

type Read = (civil::Date, Option<civil::Time>, Option<Offset>);

/// A date with what else was said; `None` when the text does not fit.
fn read(call: &Call<'_, '_>) -> std::result::Result<Option<Read>, EvalError> {
    let text = call.text()?.trim();
    Ok(match call.text_arg(0)? {
        Some(pattern) => by_pattern(text, pattern),
        None => iso(text),
    })
}

fn by_pattern(text: &str, pattern: &str) -> Option<Read> {
    let parts = BrokenDownTime::parse(pattern, text).ok()?;
    if let Some(timestamp) = parts.timestamp() {
        let utc = Offset::UTC.to_datetime(timestamp);
        return Some((utc.date(), Some(utc.time()), Some(Offset::UTC)));
    }
    let date = parts.to_date().ok()?;
    let time = match parts.hour() {
        Some(_) => Some(parts.to_time().ok()?),
        None => None,
    };
    Some((date, time, parts.offset()))
}

fn iso(text: &str) -> Option<Read> {
    let pieces = Pieces::parse(text).ok()?;
    Some((pieces.date(), pieces.time(), pieces.to_numeric_offset()))
}

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;

    #[test]
    fn dates_and_times_are_read() {
        for (name, input, pattern, expected) in [
            ("date", "2026-01-31", "", "2026-01-31"),
            ("date", "20260131", "", "2026-01-31"),
            ("date", "2026-01-31T23:30:00-02:00", "", "2026-02-01"),
            ("date", "31.01.2026", "%d.%m.%Y", "2026-01-31"),
            ("date", "1/31/26", "%m/%d/%y", "2026-01-31"),
            ("date", "31 Jan 2026", "%d %b %Y", "2026-01-31"),
            ("datetime", "2026-01-31", "", "2026-01-31T00:00:00.000Z"),
            (
                "datetime",
                "2026-01-31T09:05:07.123Z",
                "",
                "2026-01-31T09:05:07.123Z",
            ),
            (
                "datetime",
                "2026-01-31T09:05:07.000+0000",
                "",
                "2026-01-31T09:05:07.000Z",
            ),
            (
                "datetime",
                "2026-01-31T09:05:07+01:00",
                "",
                "2026-01-31T08:05:07.000Z",
            ),
            ("datetime", "2026-01-31 09:05", "", "2026-01-31T09:05:00.000Z"),
            (
                "datetime",
                "31.01.2026 09:05",
                "%d.%m.%Y %H:%M",
                "2026-01-31T09:05:00.000Z",
            ),
            (
                "datetime",
                "31.01.2026 09:05 +0100",
                "%d.%m.%Y %H:%M %z",
                "2026-01-31T08:05:00.000Z",
            ),
            (
                "datetime",
                "1/31/2026 9:05 PM",
                "%m/%d/%Y %I:%M %p",
                "2026-01-31T21:05:00.000Z",
            ),
            ("datetime", "1769850307", "%s", "2026-01-31T09:05:07.000Z"),
        ] {
            let args: Vec<Value> = [pattern]
                .into_iter()
                .filter(|p| !p.is_empty())
                .map(Value::from)
                .collect();
            assert_eq!(
                apply(name, input.into(), &args),
                Ok(expected.into()),
                "{name} of {input}"
            );
        }
    }

    #[test]
    fn what_is_no_date_is_quoted() {
        for (name, input, pattern) in [
            ("date", "31.01.2026", None),
            ("date", "2026-02-30", None),
            ("date", "2026-01-31 junk", Some("%Y-%m-%d")),
            ("datetime", "9:05", Some("%H:%M")),
            ("datetime", "9999-12-31T23:59:59-20:00", None),
        ] {
            let args: Vec<Value> = pattern.into_iter().map(Value::from).collect();
            let message = apply(name, input.into(), &args).map_err(|e| e.to_string());
            assert!(
                message
                    .as_ref()
                    .is_err_and(|m| m.contains(&format!("cannot read `{input}` as a date"))),
                "{input}: {message:?}"
            );
        }
    }

    #[test]
    fn patterns_are_known_beforehand() {
        assert!(is_pattern("%d.%m.%Y %H:%M:%S%.f %z"));
        assert!(!is_pattern("dd.mm.yyyy"));
        assert!(!is_pattern("%J"));
    }
}
