//! One form for every value, whichever API it came through.
//!
//! REST answers JSON (`1500.0`, `2026-01-31T09:05:07.000+0000`), Bulk answers CSV (`9.12260031E8`,
//! `2026-01-31T09:05:07.000Z`, no difference between empty and null). Both go through this file and come out alike
//! (protocol reference: conventions of every API, data semantics).

use std::fmt::Write;

use compact_str::{CompactString, ToCompactString};

use super::FieldType;
use crate::record::{Number, Value, id18};

/// A CSV cell's value.
pub fn cell(text: &str, kind: FieldType) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    match kind {
        FieldType::Boolean => match text {
            "1" => Value::Bool(true),
            "0" => Value::Bool(false),
            _ if text.eq_ignore_ascii_case("true") => Value::Bool(true),
            _ if text.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => Value::text(text),
        },
        // What a number field holds and is no number is passed on as it is: a strange value must not vanish.
        kind if kind.is_number() => Number::canonical(text).map_or_else(|_| Value::text(text), Value::Number),
        kind if kind.is_id() => Value::Text(id18(text)),
        FieldType::DateTime => Value::Text(datetime(text)),
        FieldType::Time => Value::Text(time(text)),
        _ => Value::text(text),
    }
}

/// A JSON value's value.
pub fn json(value: &serde_json::Value, kind: FieldType) -> Value {
    match value {
        serde_json::Value::String(text) => cell(text, kind),
        serde_json::Value::Number(number) if kind.is_number() || !kind.is_text() => {
            Number::canonical(number.as_str()).map_or_else(|_| Value::from_json(value), Value::Number)
        }
        // A number where text belongs (an aggregate's alias, a formula): as Bulk would write it down.
        serde_json::Value::Number(number) => Value::text(number.as_str()),
        other => Value::from_json(other),
    }
}

/// `2026-01-31T09:05:07.000Z` from every form of a moment. What is none stays as it is.
fn datetime(text: &str) -> CompactString {
    let plain = text.is_ascii() && text.len() >= 20;
    // The two forms that the APIs use, without a parser.
    if plain && text.len() == 28 && text.as_bytes()[19] == b'.' && text.ends_with("+0000") {
        let mut out = CompactString::with_capacity(24);
        out.push_str(&text[..23]);
        out.push('Z');
        return out;
    }
    if plain && text.len() == 24 && text.as_bytes()[19] == b'.' && text.ends_with('Z') {
        return CompactString::new(text);
    }
    let Ok(moment) = text.parse::<jiff::Timestamp>() else {
        return CompactString::new(text);
    };
    let civil = moment.to_zoned_datetime(jiff::tz::TimeZone::UTC).datetime();
    let mut out = CompactString::with_capacity(24);
    let written = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second(),
        civil.millisecond()
    );
    if written.is_err() {
        return CompactString::new(text);
    }
    out
}

/// `09:05:07.000Z` from every form of a time of day.
fn time(text: &str) -> CompactString {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let Ok(civil) = bare.parse::<jiff::civil::Time>() else {
        return CompactString::new(text);
    };
    format_args!(
        "{:02}:{:02}:{:02}.{:03}Z",
        civil.hour(),
        civil.minute(),
        civil.second(),
        civil.millisecond()
    )
    .to_compact_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type, as REST writes it in JSON, as Bulk writes it in CSV, the one value.
    const BOTH_ROADS: &[(FieldType, &str, &str, &str)] = &[
        (FieldType::Currency, "912260031.0", "9.12260031E8", "912260031"),
        (FieldType::Currency, "912260031", "912260031.0", "912260031"),
        (FieldType::Currency, "9.12260031E8", "912260031", "912260031"),
        (FieldType::Currency, "1500.50", "1500.5", "1500.5"),
        (FieldType::Double, "-0.25", "-0.25", "-0.25"),
        (FieldType::Double, "0.0", "0.0", "0"),
        (
            FieldType::Double,
            "12345678901234.5678",
            "12345678901234.5678",
            "12345678901234.5678",
        ),
        (FieldType::Percent, "12.0", "12.0", "12"),
        (FieldType::Int, "2676", "2676", "2676"),
        (FieldType::Long, "10737418240", "10737418240", "10737418240"),
        (
            FieldType::DateTime,
            r#""2026-01-31T09:05:07.000+0000""#,
            "2026-01-31T09:05:07.000Z",
            "2026-01-31T09:05:07.000Z",
        ),
        (
            FieldType::DateTime,
            r#""2026-01-31T10:05:07.5+01:00""#,
            "2026-01-31T09:05:07.500Z",
            "2026-01-31T09:05:07.500Z",
        ),
        (
            FieldType::DateTime,
            r#""2026-01-31T09:05:07Z""#,
            "2026-01-31T09:05:07+0000",
            "2026-01-31T09:05:07.000Z",
        ),
        (FieldType::Date, r#""2026-01-31""#, "2026-01-31", "2026-01-31"),
        (
            FieldType::Time,
            r#""09:05:07.000Z""#,
            "09:05:07Z",
            "09:05:07.000Z",
        ),
        (FieldType::Boolean, "true", "true", "true"),
        (FieldType::Boolean, "false", "false", "false"),
        (
            FieldType::Id,
            r#""001D000000K0fXOIAZ""#,
            "001D000000K0fXO",
            "001D000000K0fXOIAZ",
        ),
        (FieldType::String, r#""007""#, "007", "007"),
        (FieldType::String, r##""#N/A""##, "#N/A", "#N/A"),
        (FieldType::String, r#""  padded ""#, "  padded ", "  padded "),
        (FieldType::String, "7", "7", "7"),
        (
            FieldType::TextArea,
            r#""a\nb \"c\" 😀""#,
            "a\nb \"c\" 😀",
            "a\nb \"c\" 😀",
        ),
        (FieldType::MultiPicklist, r#""a;b""#, "a;b", "a;b"),
    ];

    #[test]
    fn both_roads_end_in_one_value() {
        for (kind, rest, bulk, expected) in BOTH_ROADS {
            let rest: serde_json::Value = serde_json::from_str(rest).unwrap();
            let from_rest = json(&rest, *kind);
            let from_bulk = cell(bulk, *kind);
            assert_eq!(from_rest, from_bulk, "{kind} {bulk}");
            assert_eq!(from_bulk.as_text(), Some(*expected), "{kind}");
        }
    }

    #[test]
    fn emptiness_is_null_on_both_roads() {
        for kind in [
            FieldType::String,
            FieldType::Double,
            FieldType::DateTime,
            FieldType::Id,
        ] {
            assert_eq!(cell("", kind), Value::Null);
            assert_eq!(json(&serde_json::json!(""), kind), Value::Null);
            assert_eq!(json(&serde_json::Value::Null, kind), Value::Null);
        }
    }

    #[test]
    fn kinds_of_values() {
        assert!(matches!(cell("1.0", FieldType::Int), Value::Number(_)));
        assert!(matches!(cell("true", FieldType::Boolean), Value::Bool(true)));
        assert!(matches!(cell("true", FieldType::String), Value::Text(_)));
        assert!(matches!(cell("1.50", FieldType::String), Value::Text(_)));
    }

    #[test]
    fn strange_values_pass_unchanged() {
        for (kind, text) in [
            (FieldType::Double, "about ten"),
            (FieldType::DateTime, "yesterday"),
            (FieldType::Time, "noon"),
            (FieldType::Boolean, "maybe"),
        ] {
            assert_eq!(cell(text, kind), Value::text(text));
        }
    }

    #[test]
    fn compound_values_stay_json() {
        let address = serde_json::json!({ "city": "Bonn", "latitude": null });
        assert!(matches!(json(&address, FieldType::Address), Value::Json(_)));
    }
}
