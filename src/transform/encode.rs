//! A value takes the target field's type when nothing is lost by it.

use std::str::FromStr;

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use crate::record::{Number, Value, id18};

/// What a target field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its type.
    pub kind: ShapeKind,
    /// Digits behind the point, for [`ShapeKind::Decimal`].
    pub scale: u32,
}

/// The types of target fields, as far as they take different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeKind {
    /// Text of any kind, picklists too.
    Text,
    /// Several picklist values, `a;b`.
    MultiPicklist,
    /// A checkbox.
    Bool,
    /// A whole number.
    Int,
    /// A number with `scale` digits behind the point.
    Decimal,
    /// `2026-01-31`.
    Date,
    /// `2026-01-31T09:05:07.000Z`.
    DateTime,
    /// `09:05:07.000Z`.
    Time,
    /// A record's Id.
    Reference,
}

/// Why a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It is of another type.
    #[error("`{value}` is no {expected}")]
    Not {
        /// The value.
        value: String,
        /// What the field takes.
        expected: &'static str,
    },
    /// It would lose something.
    #[error("`{value}` as {expected} would lose {lost}")]
    Lossy {
        /// The value.
        value: String,
        /// What the field takes.
        expected: String,
        /// What would be lost.
        lost: &'static str,
    },
}

/// The value in the form that the target takes, exactly the same for REST and Bulk.
///
/// # Errors
/// When the value is of another type, or something would be lost.
pub fn encode(value: Value, shape: &Shape) -> Result<Value, EncodeError> {
    if value.is_null() {
        return Ok(value);
    }
    if let Value::Json(json) = &value {
        return match (shape.kind, json.as_array()) {
            (ShapeKind::MultiPicklist, Some(entries)) => {
                let mut texts = Vec::with_capacity(entries.len());
                for entry in entries.iter().map(Value::from_json).filter(|e| !e.is_null()) {
                    match entry.as_text() {
                        Some(text) => texts.push(text.to_owned()),
                        None => {
                            return Err(EncodeError::Not {
                                value: shorten(&json.to_string()),
                                expected: shape.kind.noun(),
                            });
                        }
                    }
                }
                Ok(Value::text(texts.join(";")))
            }
            _ => Err(EncodeError::Not {
                value: shorten(&json.to_string()),
                expected: shape.kind.noun(),
            }),
        };
    }
    match shape.kind {
        ShapeKind::Text | ShapeKind::MultiPicklist => match value {
            Value::Text(_) => Ok(value),
            other => Ok(Value::text(other.as_text().unwrap_or_default())),
        },
        ShapeKind::Reference => match value {
            Value::Text(text) => Ok(Value::Text(id18(&text))),
            other => Err(not(&other, shape.kind)),
        },
        ShapeKind::Bool => match &value {
            Value::Bool(_) => Ok(value),
            other => match other.as_text().unwrap_or_default() {
                t if t.eq_ignore_ascii_case("true") || t == "1" => Ok(Value::Bool(true)),
                t if t.eq_ignore_ascii_case("false") || t == "0" => Ok(Value::Bool(false)),
                _ => Err(not(other, shape.kind)),
            },
        },
        ShapeKind::Int => number(&value, shape.kind, 0),
        ShapeKind::Decimal => number(&value, shape.kind, shape.scale),
        ShapeKind::Date => date(&value),
        ShapeKind::DateTime => datetime(&value),
        ShapeKind::Time => {
            let text = value.as_text().unwrap_or_default();
            match Time::from_str(text.trim_end_matches('Z')) {
                Ok(time) => Ok(Value::text(format!("{}Z", time.strftime("%H:%M:%S.%3f")))),
                Err(_) => Err(not(&value, shape.kind)),
            }
        }
    }
}

impl ShapeKind {
    /// The word for messages.
    pub fn noun(self) -> &'static str {
        match self {
            ShapeKind::Text => "text",
            ShapeKind::MultiPicklist => "list of picklist values",
            ShapeKind::Bool => "checkbox value (true or false)",
            ShapeKind::Int => "whole number",
            ShapeKind::Decimal => "number",
            ShapeKind::Date => "date",
            ShapeKind::DateTime => "date and time",
            ShapeKind::Time => "time",
            ShapeKind::Reference => "record Id",
        }
    }
}

fn number(value: &Value, kind: ShapeKind, scale: u32) -> Result<Value, EncodeError> {
    let text = match value {
        Value::Number(n) => n.as_str(),
        Value::Text(t) => t.trim(),
        other => return Err(not(other, kind)),
    };
    let number = Number::canonical(text).map_err(|_| not(value, kind))?;
    let decimals = number
        .as_str()
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    if decimals > scale as usize {
        let expected = match scale {
            0 => "a whole number".to_owned(),
            n => format!("a number with {n} decimals"),
        };
        return Err(EncodeError::Lossy {
            value: shorten(text),
            expected,
            lost: "digits",
        });
    }
    Ok(Value::Number(number))
}

fn date(value: &Value) -> Result<Value, EncodeError> {
    let text = value.as_text().unwrap_or_default().trim();
    if text.len() == 10
        && let Ok(date) = Date::from_str(text)
    {
        return Ok(Value::text(date.to_string()));
    }
    let instant = instant(text).ok_or_else(|| not(value, ShapeKind::Date))?;
    let utc = instant.to_zoned_datetime(TimeZone::UTC).datetime();
    if utc.time() == Time::midnight() {
        Ok(Value::text(utc.date().to_string()))
    } else {
        Err(EncodeError::Lossy {
            value: shorten(text),
            expected: "a date".into(),
            lost: "its time of day",
        })
    }
}

fn datetime(value: &Value) -> Result<Value, EncodeError> {
    let text = value.as_text().unwrap_or_default().trim();
    let instant = match Date::from_str(text) {
        Ok(date) if text.len() == 10 => date
            .to_datetime(Time::midnight())
            .to_zoned_datetime(TimeZone::UTC)
            .ok()
            .map(|z| z.timestamp()),
        _ => instant(text),
    };
    let instant = instant.ok_or_else(|| not(value, ShapeKind::DateTime))?;
    Ok(Value::text(
        instant
            .to_zoned_datetime(TimeZone::UTC)
            .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
            .to_string(),
    ))
}

/// A moment, in any of the forms that orgs and JSON APIs use; without an offset it is UTC.
fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = Timestamp::from_str(text) {
        return Some(instant);
    }
    // REST writes the offset without a colon, `+0000`, which is not RFC 3339.
    if let Some((head, tail)) = text.len().checked_sub(5).and_then(|at| text.split_at_checked(at))
        && tail.starts_with(['+', '-'])
        && tail[1..].bytes().all(|b| b.is_ascii_digit())
    {
        return Timestamp::from_str(&format!("{head}{}:{}", &tail[..3], &tail[3..])).ok();
    }
    let civil = DateTime::from_str(text).ok().filter(|_| text.len() > 10)?;
    civil
        .to_zoned_datetime(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

fn not(value: &Value, kind: ShapeKind) -> EncodeError {
    EncodeError::Not {
        value: shorten(value.as_text().unwrap_or_default()),
        expected: kind.noun(),
    }
}

pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value, kind: ShapeKind, scale: u32, expected: Result<&str, &str>) {
        let found = encode(value.clone(), &Shape { kind, scale });
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found.as_text(), Some(expected), "{value:?} as {kind:?}");
            }
            (Err(found), Err(expected)) => assert_eq!(found.to_string(), expected, "{value:?} as {kind:?}"),
            (found, expected) => panic!("{value:?} as {kind:?}: {found:?}, expected {expected:?}"),
        }
    }

    fn num(text: &str) -> Value {
        Value::Number(Number::exact(text).expect("a number"))
    }

    #[test]
    fn values_take_the_type_of_the_target() {
        use ShapeKind::*;
        check(num("1500.00"), Decimal, 2, Ok("1500"));
        check("12.5".into(), Decimal, 2, Ok("12.5"));
        check(
            num("1.005"),
            Decimal,
            2,
            Err("`1.005` as a number with 2 decimals would lose digits"),
        );
        check(num("2.0"), Int, 0, Ok("2"));
        check(
            num("2.5"),
            Int,
            0,
            Err("`2.5` as a whole number would lose digits"),
        );
        check("abc".into(), Decimal, 2, Err("`abc` is no number"));
        check(Value::Bool(true), Decimal, 2, Err("`true` is no number"));
        check("TRUE".into(), Bool, 0, Ok("true"));
        check("0".into(), Bool, 0, Ok("false"));
        check(
            "yes".into(),
            Bool,
            0,
            Err("`yes` is no checkbox value (true or false)"),
        );
        check(num("7"), Text, 0, Ok("7"));
        check(Value::Bool(false), Text, 0, Ok("false"));
        check("2026-01-31".into(), Date, 0, Ok("2026-01-31"));
        check("2026-01-31T00:00:00.000Z".into(), Date, 0, Ok("2026-01-31"));
        check(
            "2026-01-31T10:00:00.000Z".into(),
            Date,
            0,
            Err("`2026-01-31T10:00:00.000Z` as a date would lose its time of day"),
        );
        check("2026-02-30".into(), Date, 0, Err("`2026-02-30` is no date"));
        check("2026-01-31".into(), DateTime, 0, Ok("2026-01-31T00:00:00.000Z"));
        check(
            "2026-01-31T10:00:00.000+0200".into(),
            DateTime,
            0,
            Ok("2026-01-31T08:00:00.000Z"),
        );
        check(
            "2026-01-31T10:00:00+02:00".into(),
            DateTime,
            0,
            Ok("2026-01-31T08:00:00.000Z"),
        );
        check(
            "2026-01-31T10:00:00".into(),
            DateTime,
            0,
            Ok("2026-01-31T10:00:00.000Z"),
        );
        check(
            "tomorrow".into(),
            DateTime,
            0,
            Err("`tomorrow` is no date and time"),
        );
        check("09:05:07".into(), Time, 0, Ok("09:05:07.000Z"));
        check("001D000000K0fXO".into(), Reference, 0, Ok("001D000000K0fXOIAZ"));
        check(
            Value::from_json(&serde_json::json!(["a", "b"])),
            MultiPicklist,
            0,
            Ok("a;b"),
        );
        check(
            Value::from_json(&serde_json::json!(["a"])),
            Text,
            0,
            Err("`[\"a\"]` is no text"),
        );
    }
}
