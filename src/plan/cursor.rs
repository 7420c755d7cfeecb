//! Where an incremental step begins to read.

use std::time::Duration;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Read, ReadFrom, Schemas, schemas::Resolved};
use crate::{
    diag::Finding,
    pipeline::{
        expr::Vars,
        model::{HttpParameter, HttpSource, Step},
        soql::{Query, parse_query, quote},
    },
    record::{FieldPath, Number, Value},
    salesforce::FieldType,
};

/// The field that tells when a row last changed.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// The field.
    pub field: FieldPath,
    /// Its column.
    pub column: usize,
    /// How its values follow each other.
    pub kind: CursorKind,
    /// How far behind the newest value of the last run this one begins.
    pub overlap: Duration,
    /// What is read, but for the cursor: another filter has another cursor, since its rows were not read before.
    pub scope: String,
    /// Rows from here on are read; `None`: all.
    pub since: Option<String>,
}

/// How the values of a cursor follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorKind {
    /// Dates and times.
    DateTime,
    /// Dates.
    Date,
    /// Numbers.
    Number,
    /// A JSON API's own: dates and times where they are some, else texts.
    Json,
}

/// The cursor of a step, what the describe says against it being a finding.
pub(super) fn cursor(step: &Step, schemas: &Schemas, findings: &mut Vec<Finding>) -> Option<Cursor> {
    let cursor = step.cursor.as_ref()?;
    let mut out = Cursor {
        field: cursor.field.clone(),
        column: cursor.column,
        kind: CursorKind::Json,
        overlap: step.policy.overlap,
        scope: String::new(),
        since: None,
    };
    let Some(object) = step.source.object() else {
        return Some(out);
    };
    // An unknown field is complained about with the other columns.
    let Resolved::Field(field) = schemas.resolve(&step.source_connection, object, &cursor.field) else {
        return None;
    };
    out.kind = match field.kind {
        FieldType::DateTime => CursorKind::DateTime,
        FieldType::Date => CursorKind::Date,
        kind if kind.is_number() => CursorKind::Number,
        kind => {
            findings.push(
                Finding::error(
                    "bad-cursor",
                    cursor.span.clone(),
                    format!("`{object}.{}` cannot be a cursor", field.name),
                )
                .label(format!("a {}", kind.as_str()))
                .help("name a field that grows with every change: `cursor: SystemModstamp`"),
            );
            return None;
        }
    };
    if !field.filterable {
        findings.push(
            Finding::error(
                "bad-cursor",
                cursor.span.clone(),
                format!("`{object}.{}` cannot be a cursor", field.name),
            )
            .label("the org cannot filter by it")
            .help("name a field that grows with every change: `cursor: SystemModstamp`"),
        );
        return None;
    }
    Some(out)
}

/// What a step reads, but for its columns and its cursor.
pub(super) fn scope(step: &Step, from: &ReadFrom, vars: &Vars) -> String {
    let cursor = step
        .cursor
        .as_ref()
        .map_or("", |c| c.field.as_str())
        .to_ascii_lowercase();
    match from {
        ReadFrom::Query { soql, all, .. } => match parse_query(soql) {
            Ok(query) => format!("{cursor} {all} {}", query.scope()),
            Err(_) => format!("{cursor} {all} {soql}"),
        },
        ReadFrom::Http { source, .. } => format!("{cursor} {}", http_scope(source, vars)),
        ReadFrom::File { .. } => cursor,
    }
}

fn http_scope(source: &HttpSource, vars: &Vars) -> String {
    let parameters: Vec<String> = source
        .query
        .iter()
        .filter_map(|(name, parameter)| {
            let value = match parameter {
                HttpParameter::Value(value) => value.clone(),
                HttpParameter::Var(var) => vars.get(var).cloned().unwrap_or(Value::Null),
                HttpParameter::Cursor(_) => return None,
            };
            Some(format!("{name}={}", value.to_json()))
        })
        .collect();
    format!("{} {}", source.path, parameters.join("&"))
}

impl Cursor {
    /// The place from which rows are read again when the last run came to `value`: the overlap less.
    pub fn start(&self, value: &str) -> String {
        match self.kind {
            CursorKind::Number => value.to_owned(),
            CursorKind::Date => back_by_days(value, self.overlap).unwrap_or_else(|| value.to_owned()),
            CursorKind::DateTime | CursorKind::Json => {
                back(value, self.overlap).unwrap_or_else(|| value.to_owned())
            }
        }
    }

    /// The later one of two values.
    pub fn later(&self, a: Option<String>, b: &Value) -> Option<String> {
        let Some(b) = b.as_text() else { return a };
        match a {
            Some(a) if !self.less(&a, b) => Some(a),
            _ => Some(b.to_owned()),
        }
    }

    /// A time in seconds since 1970, as the field writes it; `None` for fields that do not tell time.
    pub fn at(&self, seconds: i64) -> Option<String> {
        let instant = Timestamp::from_second(seconds)
            .ok()?
            .to_zoned_datetime(TimeZone::UTC);
        match self.kind {
            CursorKind::DateTime | CursorKind::Json => {
                Some(instant.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string())
            }
            CursorKind::Date => Some(instant.strftime("%Y-%m-%d").to_string()),
            CursorKind::Number => None,
        }
    }

    /// Whether a value is a time, and later than another one.
    pub fn is_past(&self, value: &str, time: &str) -> bool {
        let tells_time = match self.kind {
            CursorKind::DateTime | CursorKind::Date => true,
            CursorKind::Number => false,
            CursorKind::Json => Number::canonical(value).is_err() && instant(value).is_some(),
        };
        tells_time && self.less(time, value)
    }

    /// Whether a value comes before another.
    pub fn less(&self, a: &str, b: &str) -> bool {
        match self.kind {
            CursorKind::Number => {
                let decimal = |text: &str| Number::canonical(text).ok().and_then(|n| n.to_decimal());
                decimal(a) < decimal(b)
            }
            // Canonical dates and times follow each other as texts do.
            CursorKind::DateTime | CursorKind::Date => a < b,
            CursorKind::Json => match (instant(a), instant(b), numbers(a, b)) {
                (Some(a), Some(b), _) => a < b,
                (_, _, Some((a, b))) => a < b,
                _ => a < b,
            },
        }
    }
}

impl Read {
    /// Reads only rows from `start` on.
    pub(crate) fn begin_at(&mut self, start: String) {
        let Some(cursor) = &mut self.cursor else { return };
        let condition = format!("{} >= {start}", cursor.field);
        cursor.since = Some(start);
        self.narrow(&condition);
    }

    /// The rows of some records, as far as the main query leaves them out.
    pub(crate) fn of_records(&self, ids: &[compact_str::CompactString]) -> Option<Read> {
        let cursor = self.cursor.as_ref()?;
        let since = cursor.since.as_ref()?;
        let ReadFrom::Query { whole, .. } = &self.from else {
            return None;
        };
        let list: Vec<String> = ids.iter().map(|id| quote(id)).collect();
        let mut read = self.clone();
        if let ReadFrom::Query {
            soql,
            api,
            road,
            chunk,
            ..
        } = &mut read.from
        {
            *soql = whole.clone();
            *api = crate::pipeline::model::Api::Rest;
            *road = super::Road::Rest;
            *chunk = crate::pipeline::model::Chunk::Auto;
        }
        let field = &cursor.field;
        read.narrow(&format!(
            "({field} < {since} OR {field} = null) AND Id IN ({})",
            list.join(", ")
        ));
        Some(read)
    }

    fn narrow(&mut self, condition: &str) {
        let ReadFrom::Query {
            soql, ordered, count, ..
        } = &mut self.from
        else {
            return;
        };
        let narrowed = |text: &str| -> Option<Query> {
            let query = parse_query(text).ok()?;
            parse_query(&query.with_extra_condition(condition)).ok()
        };
        if let Some(query) = narrowed(soql) {
            *ordered = ordered.as_ref().and_then(|_| query.ordered_by_id());
            *count = query.count_query();
            *soql = query.text;
        }
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let value = crate::transform::encode(
        Value::text(text),
        &crate::transform::Shape {
            kind: crate::transform::ShapeKind::DateTime,
            scale: 0,
        },
    )
    .ok()?;
    value.as_text()?.parse().ok()
}

fn numbers(a: &str, b: &str) -> Option<(rust_decimal::Decimal, rust_decimal::Decimal)> {
    let decimal = |text: &str| Number::canonical(text).ok()?.to_decimal();
    Some((decimal(a)?, decimal(b)?))
}

fn back(value: &str, overlap: Duration) -> Option<String> {
    // A bare number is no date, though some parsers take it for a year.
    if Number::canonical(value).is_ok() {
        return None;
    }
    let earlier = instant(value)?
        .checked_sub(jiff::SignedDuration::try_from(overlap).ok()?)
        .ok()?;
    Some(
        earlier
            .to_zoned_datetime(TimeZone::UTC)
            .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
            .to_string(),
    )
}

/// A date is a whole day: any overlap at all goes back to the day before.
fn back_by_days(value: &str, overlap: Duration) -> Option<String> {
    let days = overlap.as_secs().div_ceil(24 * 60 * 60);
    let days = if overlap.is_zero() { 0 } else { days.max(1) };
    let date: Date = value.parse().ok()?;
    let span = jiff::Span::new().try_days(i64::try_from(days).ok()?).ok()?;
    Some(date.checked_sub(span).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(kind: CursorKind, overlap: u64) -> Cursor {
        Cursor {
            field: "SystemModstamp".into(),
            column: 0,
            kind,
            overlap: Duration::from_secs(overlap),
            scope: String::new(),
            since: None,
        }
    }

    #[test]
    fn a_run_begins_the_overlap_before_the_last_one_ended() {
        use CursorKind::*;
        for (kind, overlap, value, expected) in [
            (
                DateTime,
                300,
                "2026-01-31T09:05:07.000Z",
                "2026-01-31T09:00:07.000Z",
            ),
            (
                DateTime,
                0,
                "2026-01-31T09:05:07.000Z",
                "2026-01-31T09:05:07.000Z",
            ),
            (Date, 300, "2026-03-01", "2026-02-28"),
            (Date, 0, "2026-03-01", "2026-03-01"),
            (Date, 90_000, "2026-03-01", "2026-02-27"),
            (Number, 300, "17", "17"),
            (Json, 60, "2026-01-31T09:05:07+02:00", "2026-01-31T07:04:07.000Z"),
            (Json, 60, "2026-01-31", "2026-01-30T23:59:00.000Z"),
            (Json, 60, "20260131", "20260131"),
            (Json, 60, "v17", "v17"),
        ] {
            assert_eq!(cursor(kind, overlap).start(value), expected, "{kind:?} {value}");
        }
    }

    #[test]
    fn the_newest_value_is_found_whatever_its_kind() {
        use CursorKind::*;
        for (kind, values, newest) in [
            (
                DateTime,
                &["2026-01-31T09:05:07.000Z", "2026-01-31T09:05:07.001Z", ""][..],
                "2026-01-31T09:05:07.001Z",
            ),
            (Number, &["9", "10", "2.5"], "10"),
            (Json, &["9", "10"], "10"),
            (
                Json,
                &["2026-01-31T10:00:00+02:00", "2026-01-31T09:00:00Z"],
                "2026-01-31T09:00:00Z",
            ),
            (Json, &["b", "a"], "b"),
        ] {
            let cursor = cursor(kind, 0);
            let found = values.iter().fold(None, |a, b| cursor.later(a, &Value::text(*b)));
            assert_eq!(found.as_deref(), Some(newest), "{kind:?}");
        }
    }
}
