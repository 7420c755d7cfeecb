//! What became of rows is written down.

use std::collections::HashMap;

use compact_str::CompactString;
use rusqlite::{Error, Result, Transaction, params};

use super::{
    newest,
    packed::Link,
    packs::{LINKS, OUTCOMES},
};
use crate::{
    record::{Outcome, RowResult, id18},
    state::{Ended, LinkSet, ParkedRow, StateError, StepRun},
};

/// Rows of one transaction. Between two of them others come to the state: a unit that waits for its place in the journal
/// is not sent meanwhile.
const PIECE: usize = 4_000;

/// Source values of parked rows by their source ids.
type Values<'r> = HashMap<CompactString, &'r ParkedRow>;

/// Rows that have ended, in the order of their ids.
#[derive(Clone, Copy)]
pub(super) struct Piece<'r> {
    /// In the form in which state names them.
    ids: &'r [CompactString],
    /// One for each id.
    results: &'r [&'r RowResult],
    values: &'r Values<'r>,
}

/// Hands results over in pieces, in the order of the tables, where neighbours lie together.
pub(super) fn in_pieces(
    results: &[RowResult],
    parked: &[ParkedRow],
    mut write: impl FnMut(Piece<'_>) -> std::result::Result<(), StateError>,
) -> std::result::Result<(), StateError> {
    let values: Values<'_> = parked.iter().map(|row| (id18(&row.source_id), row)).collect();
    let mut ended: Vec<(CompactString, &RowResult)> = results
        .iter()
        .map(|result| (id18(&result.source_id), result))
        .collect();
    // Sources mostly have that order already. Of results of one row the last one counts.
    if !ended.is_sorted_by(|a, b| a.0 <= b.0) {
        ended.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let (ids, results): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    ids.chunks(PIECE)
        .zip(results.chunks(PIECE))
        .try_for_each(|(ids, results)| {
            write(Piece {
                ids,
                results,
                values: &values,
            })
        })
}

/// Writes down the ends of rows, with the links and the parked rows that come of them.
pub(super) fn record(tx: &Transaction<'_>, step: StepRun, links: LinkSet, piece: Piece<'_>) -> Result<()> {
    let Piece { ids, results, .. } = piece;
    OUTCOMES.change(tx, step.0, ids, |at, _| {
        Some(Ended {
            outcome: results[at].outcome,
            target_id: results[at].target_id.clone(),
        })
    })?;
    LINKS.change(tx, links.0, ids, |at, link| link_of(results[at], link))?;
    let linked = ids.iter().zip(results);
    newest::learn(
        tx,
        links,
        linked.filter_map(|(id, result)| Some((result.link()?, id))),
    )?;
    park(tx, step, piece)
}

/// What a row leads to from now on.
fn link_of(result: &RowResult, link: Option<Link>) -> Option<Link> {
    let leads_to = |sent| {
        Some(Link {
            target_id: result.target_id.clone()?,
            sent,
        })
    };
    let mark = link.as_ref().and_then(|link| link.sent);
    match result.outcome {
        // What was written is another than what was sent before; who keeps marks sets a new one.
        Outcome::Created | Outcome::Updated => leads_to(None).or(link),
        Outcome::Unchanged => leads_to(mark).or(link),
        Outcome::Deleted => None,
        // A row that failed has to be sent again, whatever it was last sent.
        Outcome::Parked => link.map(|link| Link { sent: None, ..link }),
        Outcome::Filtered => link,
    }
}

/// Writes down the reasons and values of parked rows, and forgets those of rows that are parked no more.
fn park(tx: &Transaction<'_>, step: StepRun, piece: Piece<'_>) -> Result<()> {
    let mut park = tx.prepare_cached(
        "INSERT OR REPLACE INTO parked_rows (step_run, source_id, code, message, field, help, row) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut unpark = tx.prepare_cached("DELETE FROM parked_rows WHERE step_run = ?1 AND source_id = ?2")?;
    // Most steps have parked nothing: then no row needs a look.
    let mut may_unpark: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM parked_rows WHERE step_run = ?1)")?
        .query_row([step.0], |row| row.get(0))?;
    for (id, result) in piece.ids.iter().zip(piece.results) {
        if result.outcome == Outcome::Parked {
            let reason = result.reason.as_ref();
            let row = match piece.values.get(id) {
                Some(row) => to_json(row)?,
                None => "[]".to_owned(),
            };
            park.execute(params![
                step.0,
                id.as_str(),
                reason.map_or("unknown", |r| r.code.as_str()),
                reason.map_or("", |r| r.message.as_str()),
                reason.and_then(|r| r.field.as_deref()),
                reason.map_or("", |r| r.help.as_str()),
                row,
            ])?;
            may_unpark = true;
        } else if may_unpark {
            unpark.execute(params![step.0, id.as_str()])?;
        }
    }
    Ok(())
}

fn to_json(row: &ParkedRow) -> Result<String> {
    serde_json::to_string(&row.values).map_err(|e| Error::ToSqlConversionFailure(Box::new(e)))
}
