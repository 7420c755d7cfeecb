//! The statements behind checks of whole steps, cursors, and what was last sent.

use compact_str::CompactString;
use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

use super::{packed::Link, packs::LINKS, store::text};
use crate::{
    record::id18,
    state::{ClaimedValue, CursorMove, CursorRecord, Expected, LinkSet, SentMark, StepRun, WaitingRow},
};

pub(super) fn claim_values(
    tx: &Transaction<'_>,
    step: StepRun,
    check: usize,
    values: &[ClaimedValue],
) -> Result<Vec<Option<CompactString>>> {
    let check = i64::try_from(check).unwrap_or(i64::MAX);
    let mut claim = tx.prepare_cached(
        "INSERT OR IGNORE INTO claimed_values (step_run, check_no, value, source_id) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut holder = tx.prepare_cached(
        "SELECT source_id FROM claimed_values WHERE step_run = ?1 AND check_no = ?2 AND value = ?3",
    )?;
    values
        .iter()
        .map(|claimed| {
            let value = claimed.value.as_str();
            if claim.execute(params![step.0, check, value, claimed.source_id.as_str()])? == 1 {
                return Ok(None);
            }
            // A row that a later sitting reads again has its value still.
            holder
                .query_row(params![step.0, check, value], |row| text(row, 0))
                .map(|held| Some(held).filter(|held| *held != claimed.source_id))
        })
        .collect()
}

pub(super) fn expect(tx: &Transaction<'_>, step: StepRun, rows: &[Expected]) -> Result<()> {
    let mut put = tx.prepare_cached(
        "INSERT OR REPLACE INTO expected (step_run, target_id, source_id, payload) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for row in rows {
        put.execute(params![
            step.0,
            id18(&row.target_id).as_str(),
            id18(&row.source_id).as_str(),
            row.payload
        ])?;
    }
    Ok(())
}

pub(super) fn expected(
    db: &Connection,
    step: StepRun,
    after: Option<(&str, &str)>,
    limit: i64,
) -> Result<Vec<Expected>> {
    let (target, source) = after.unwrap_or_default();
    db.prepare_cached(
        "SELECT target_id, source_id, payload FROM expected WHERE step_run = ?1 AND (target_id, source_id) > \
         (?2, ?3) ORDER BY target_id, source_id LIMIT ?4",
    )?
    .query_map(params![step.0, target, source, limit], |row| {
        Ok(Expected {
            target_id: text(row, 0)?,
            source_id: text(row, 1)?,
            payload: row.get(2)?,
        })
    })?
    .collect()
}

pub(super) fn expected_of(
    db: &Connection,
    step: StepRun,
    rows: &[(CompactString, CompactString)],
) -> Result<Vec<Option<String>>> {
    let mut find = db.prepare_cached(
        "SELECT payload FROM expected WHERE step_run = ?1 AND target_id = ?2 AND source_id = ?3",
    )?;
    rows.iter()
        .map(|(target, source)| {
            let (target, source) = (id18(target), id18(source));
            find.query_row(params![step.0, target.as_str(), source.as_str()], |row| {
                row.get(0)
            })
            .optional()
        })
        .collect()
}

pub(super) fn cursor(db: &Connection, links: LinkSet, scope: &str) -> Result<Option<CursorRecord>> {
    db.prepare_cached("SELECT value, begun_at FROM cursors WHERE link_set = ?1 AND scope = ?2")?
        .query_row(params![links.0, scope], |row| {
            Ok(CursorRecord {
                value: row.get(0)?,
                begun_at: row.get(1)?,
            })
        })
        .optional()
}

pub(super) fn move_cursors(tx: &Transaction<'_>, run: &str, moves: &[CursorMove]) -> Result<()> {
    let mut put = tx.prepare_cached(
        "INSERT OR REPLACE INTO cursors (link_set, scope, value, begun_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    // What waited was read again, and is either parked once more by this run or out of the source's scope.
    let mut forget =
        tx.prepare_cached("DELETE FROM waiting WHERE link_set = ?1 AND scope = ?2 AND run <> ?3")?;
    for step in moves {
        if let Some(to) = &step.to {
            put.execute(params![step.links.0, step.scope, to.value, to.begun_at])?;
        }
        forget.execute(params![step.links.0, step.scope, run])?;
    }
    Ok(())
}

pub(super) fn waiting(db: &Connection, links: LinkSet, scope: &str, limit: i64) -> Result<Vec<WaitingRow>> {
    db.prepare_cached(
        "SELECT source_id, record_id, at FROM waiting WHERE link_set = ?1 AND scope = ?2 ORDER BY source_id LIMIT ?3",
    )?
    .query_map(params![links.0, scope, limit], |row| {
        Ok(WaitingRow {
            source_id: text(row, 0)?,
            record_id: text(row, 1)?,
            at: row.get(2)?,
        })
    })?
    .collect()
}

pub(super) fn wait(
    tx: &Transaction<'_>,
    links: LinkSet,
    scope: &str,
    run: &str,
    parked: &[WaitingRow],
    ended: &[CompactString],
) -> Result<()> {
    // Most steps have nothing that waits: then no row needs a look.
    let any: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM waiting WHERE link_set = ?1 AND scope = ?2)")?
        .query_row(params![links.0, scope], |row| row.get(0))?;
    if any {
        let mut forget =
            tx.prepare_cached("DELETE FROM waiting WHERE link_set = ?1 AND scope = ?2 AND source_id = ?3")?;
        for id in ended {
            forget.execute(params![links.0, scope, id18(id).as_str()])?;
        }
    }
    let mut put = tx.prepare_cached(
        "INSERT OR REPLACE INTO waiting (link_set, scope, source_id, record_id, at, run) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for row in parked {
        put.execute(params![
            links.0,
            scope,
            id18(&row.source_id).as_str(),
            row.record_id.as_str(),
            row.at,
            run
        ])?;
    }
    Ok(())
}

pub(super) fn sent(
    db: &Connection,
    links: LinkSet,
    ids: &[CompactString],
) -> Result<Vec<Option<(CompactString, SentMark)>>> {
    let ids: Vec<_> = ids.iter().map(|id| id18(id)).collect();
    let found = LINKS.find(db, links.0, &ids)?.into_iter();
    Ok(found
        .map(|link| link.and_then(|link| Some((link.target_id, link.sent?))))
        .collect())
}

pub(super) fn mark_sent(
    tx: &Transaction<'_>,
    links: LinkSet,
    marks: &[(CompactString, Option<SentMark>)],
) -> Result<()> {
    let mut marks: Vec<_> = marks.iter().map(|(id, mark)| (id18(id), *mark)).collect();
    marks.sort_by(|a, b| a.0.cmp(&b.0));
    let (ids, marks): (Vec<_>, Vec<_>) = marks.into_iter().unzip();
    LINKS.change(tx, links.0, &ids, |at, link| {
        link.map(|link| Link {
            sent: marks[at],
            ..link
        })
    })
}
