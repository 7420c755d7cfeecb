//! `/sobjects/X/updated` and `/sobjects/X/deleted`: what changed in a span of time.

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::{Api, Reply};
use crate::emulator::{
    schema::describe_global_entry,
    store::{State, parse_datetime},
};

/// How far back each list reaches, in days.
const UPDATED_DAYS: i64 = 30;
const DELETED_DAYS: i64 = 15;
const MOST_IDS: usize = 600_000;

/// The span that a request names, in canonical form, whole minutes.
struct Span {
    start: String,
    end: String,
    /// Up to when the answer is complete.
    covered: String,
    /// How far back one may ask.
    earliest: String,
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:00.000Z").to_string()
}

fn span(api: &Api<'_>, days: i64) -> Result<Span, Reply> {
    let refuse = |message: &str| Reply::error(400, "INVALID_REPLICATION_DATE", message);
    let time = |name: &str| -> Result<Timestamp, Reply> {
        let text = api
            .call
            .param(name)
            .ok_or_else(|| Reply::error(400, "MISSING_ARGUMENT", &format!("{name} is required")))?;
        // A plus that was not escaped arrives as a space.
        parse_datetime(&text.replace(' ', "+"))
            .and_then(|cell| cell.parse().ok())
            .ok_or_else(|| {
                Reply::error(
                    400,
                    "INVALID_REPLICATION_DATE",
                    &format!("{name}: invalid date: {text}"),
                )
            })
    };
    let (start, end) = (minute(time("start")?), minute(time("end")?));
    let now = api.org.time();
    let earliest = now.saturating_sub((days * 24).hours()).unwrap_or(now);
    if start >= end {
        return Err(refuse("startDate must be at least one minute before endDate"));
    }
    if start < minute(earliest) {
        return Err(refuse(&format!("startDate cannot be more than {days} days ago")));
    }
    Ok(Span {
        covered: end.clone().min(minute(now)),
        start,
        end,
        earliest: minute(earliest),
    })
}

fn shown(time: &str) -> String {
    time.replace('Z', "+0000")
}

/// The rows of a state that changed in the span, with the time when they did.
fn changed(api: &Api<'_>, object: usize, state: State, span: &Span) -> Result<Vec<(String, String)>, Reply> {
    let store = api.read();
    let entry = describe_global_entry(&store.schema, &api.session.access, object, api.version);
    let spec = &store.schema.objects[object];
    let stamp = spec
        .field("SystemModstamp")
        .or_else(|| spec.field("LastModifiedDate"));
    let Some(stamp) = stamp.filter(|_| entry["replicateable"] == true) else {
        return Err(Reply::error(
            400,
            "INVALID_TYPE_FOR_OPERATION",
            &format!("entity type {} is not replicateable", spec.name),
        ));
    };
    let table = &store.tables[object];
    let rows: Vec<(String, String)> = (0..table.len())
        .filter(|row| table.state(*row) == state)
        .map(|row| (row, table.get(row, stamp)))
        .filter(|(_, time)| span.start.as_str() <= *time && *time < span.end.as_str())
        .filter(|(row, _)| store.shown(&api.session.access, object, *row))
        .map(|(row, time)| (table.get(row, 0).to_owned(), shown(time)))
        .collect();
    if rows.len() > MOST_IDS {
        return Err(Reply::error(
            400,
            "EXCEEDED_ID_LIMIT",
            &format!("More than {MOST_IDS} records changed in this span: ask for a shorter one"),
        ));
    }
    Ok(rows)
}

pub(super) fn updated(api: &Api<'_>, object: usize) -> Reply {
    let found = span(api, UPDATED_DAYS)
        .and_then(|span| changed(api, object, State::Live, &span).map(|rows| (span, rows)));
    match found {
        Ok((span, rows)) => {
            let ids: Vec<String> = rows.into_iter().map(|(id, _)| id).collect();
            Reply::json(
                200,
                &json!({"ids": ids, "latestDateCovered": shown(&span.covered)}),
            )
        }
        Err(reply) => reply,
    }
}

pub(super) fn deleted(api: &Api<'_>, object: usize) -> Reply {
    let found = span(api, DELETED_DAYS)
        .and_then(|span| changed(api, object, State::Deleted, &span).map(|rows| (span, rows)));
    match found {
        Ok((span, rows)) => {
            let records: Vec<Value> = rows
                .into_iter()
                .map(|(id, time)| json!({"deletedDate": time, "id": id}))
                .collect();
            Reply::json(
                200,
                &json!({
                    "deletedRecords": records,
                    "earliestDateAvailable": shown(&span.earliest),
                    "latestDateCovered": shown(&span.covered),
                }),
            )
        }
        Err(reply) => reply,
    }
}
