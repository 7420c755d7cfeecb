//! What became of rows is written down.

use std::collections::HashMap;

use compact_str::CompactString;
use rusqlite::{Error, Result, Transaction, params, types::ValueRef};

use super::{many, newest};
use crate::{
    record::{Outcome, RowResult, id18},
    state::{LinkSet, ParkedRow, StateError, StepRun},
};

/// Rows of one transaction. Between two of them others come to the state: a unit that waits for its place in the journal
/// is not sent meanwhile.
const PIECE: usize = 4_000;

/// Results by their source ids.
type EndedRow<'r> = (CompactString, &'r RowResult);
/// Source values of parked rows by their source ids.
type Values<'r> = HashMap<CompactString, &'r ParkedRow>;

/// Hands results over in pieces, in the order of the tables, where neighbours lie on one page.
pub(super) fn in_pieces(
    results: &[RowResult],
    parked: &[ParkedRow],
    mut write: impl FnMut(&[EndedRow<'_>], &Values<'_>) -> std::result::Result<(), StateError>,
) -> std::result::Result<(), StateError> {
    let values: Values<'_> = parked.iter().map(|row| (id18(&row.source_id), row)).collect();
    let mut ended: Vec<EndedRow<'_>> = results
        .iter()
        .map(|result| (id18(&result.source_id), result))
        .collect();
    // Sources mostly have that order already.
    if !ended.is_sorted_by(|a, b| a.0 <= b.0) {
        ended.sort_by(|a, b| a.0.cmp(&b.0));
    }
    ended.chunks(PIECE).try_for_each(|piece| write(piece, &values))
}

/// Writes down the ends of rows, with the links and the parked rows that come of them.
pub(super) fn record(
    tx: &Transaction<'_>,
    step: StepRun,
    links: LinkSet,
    ended: &[EndedRow<'_>],
    values: &Values<'_>,
) -> Result<()> {
    let rows = Rows::new(ended);
    many::insert(
        tx,
        "INSERT INTO outcomes (step_run, source_id, outcome, target_id)",
        "ON CONFLICT DO UPDATE SET outcome = excluded.outcome, target_id = excluded.target_id",
        step.0,
        &rows.outcomes,
    )?;
    many::insert(
        tx,
        "INSERT INTO links (link_set, source_id, target_id)",
        "ON CONFLICT DO UPDATE SET target_id = excluded.target_id",
        links.0,
        &rows.found,
    )?;
    // What was written is another than what was sent before; who keeps marks sets a new one.
    many::insert(
        tx,
        "INSERT INTO links (link_set, source_id, target_id)",
        "ON CONFLICT DO UPDATE SET target_id = excluded.target_id, sent = NULL",
        links.0,
        &rows.written,
    )?;
    let linked = ended
        .iter()
        .filter_map(|(id, result)| Some((id.as_str(), result.link()?.as_str())));
    newest::learn(tx, links, linked)?;
    // A row that failed has to be sent again, whatever it was last sent.
    let mut unmark =
        tx.prepare_cached("UPDATE links SET sent = NULL WHERE link_set = ?1 AND source_id = ?2")?;
    let mut unlink = tx.prepare_cached("DELETE FROM links WHERE link_set = ?1 AND source_id = ?2")?;
    let mut park = tx.prepare_cached(
        "INSERT OR REPLACE INTO parked_rows (step_run, source_id, code, message, field, help, row) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut unpark = tx.prepare_cached("DELETE FROM parked_rows WHERE step_run = ?1 AND source_id = ?2")?;
    // Most steps have parked nothing: then no row needs a look.
    let may_unpark: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM parked_rows WHERE step_run = ?1)")?
        .query_row([step.0], |row| row.get(0))?;
    for (id, result) in ended {
        match result.outcome {
            Outcome::Deleted => {
                unlink.execute(params![links.0, id.as_str()])?;
            }
            Outcome::Parked => {
                unmark.execute(params![links.0, id.as_str()])?;
                let reason = result.reason.as_ref();
                let row = values
                    .get(id)
                    .map_or_else(|| Ok("[]".to_owned()), |row| to_json(row))?;
                park.execute(params![
                    step.0,
                    id.as_str(),
                    reason.map_or("unknown", |r| r.code.as_str()),
                    reason.map_or("", |r| r.message.as_str()),
                    reason.and_then(|r| r.field.as_deref()),
                    reason.map_or("", |r| r.help.as_str()),
                    row,
                ])?;
                continue;
            }
            _ => {}
        }
        if may_unpark {
            unpark.execute(params![step.0, id.as_str()])?;
        }
    }
    Ok(())
}

/// Ended rows for each of the tables.
struct Rows<'r> {
    outcomes: Vec<[ValueRef<'r>; 3]>,
    /// Links of rows that the target had already.
    found: Vec<[ValueRef<'r>; 2]>,
    /// Links of rows that were written.
    written: Vec<[ValueRef<'r>; 2]>,
}

impl<'r> Rows<'r> {
    fn new(ended: &'r [EndedRow<'r>]) -> Rows<'r> {
        let mut rows = Rows {
            outcomes: Vec::with_capacity(ended.len()),
            found: Vec::new(),
            written: Vec::new(),
        };
        let text = |text: &'r str| ValueRef::Text(text.as_bytes());
        for (id, result) in ended {
            let id = text(id);
            let target = result.target_id.as_deref().map(text);
            rows.outcomes.push([
                id,
                ValueRef::Integer(result.outcome as i64),
                target.unwrap_or(ValueRef::Null),
            ]);
            match (result.outcome, target) {
                (Outcome::Created | Outcome::Updated, Some(target)) => {
                    rows.written.push([id, target]);
                }
                (Outcome::Unchanged, Some(target)) => {
                    rows.found.push([id, target]);
                }
                _ => {}
            }
        }
        rows
    }
}

fn to_json(row: &ParkedRow) -> Result<String> {
    serde_json::to_string(&row.values).map_err(|e| Error::ToSqlConversionFailure(Box::new(e)))
}
