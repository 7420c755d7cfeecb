//! The statements behind checks of whole steps, cursors, and what was last sent.

use compact_str::CompactString;
use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

use super::store::text;
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
    let mut find = db.prepare_cached(
        "SELECT target_id, sent FROM links WHERE link_set = ?1 AND source_id = ?2 AND sent IS NOT NULL",
    )?;
    ids.iter()
        .map(|id| {
            find.query_row(params![links.0, id18(id).as_str()], |row| {
                Ok((text(row, 0)?, SentMark(u128::from_be_bytes(row.get(1)?))))
            })
            .optional()
        })
        .collect()
}

pub(super) fn mark_sent(
    tx: &Transaction<'_>,
    links: LinkSet,
    marks: &[(CompactString, Option<SentMark>)],
) -> Result<()> {
    let mut put = tx.prepare_cached("UPDATE links SET sent = ?3 WHERE link_set = ?1 AND source_id = ?2")?;
    for (id, mark) in marks {
        let bytes = mark.map(|mark| mark.0.to_be_bytes());
        put.execute(params![links.0, id18(id).as_str(), bytes])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{
        record::{Outcome, RowResult},
        state::{
            ClaimedValue, CursorMove, CursorRecord, Expected, LinkSet, SentMark, Sqlite, StepRun, Store,
            WaitingRow,
        },
    };

    fn stage() -> (Sqlite, StepRun, LinkSet) {
        let store = Sqlite::memory().expect("a store");
        let step = store.begin_step("r1", "accounts").expect("a step");
        let links = store
            .link_set("customers", "accounts", "00DA", "00DB")
            .expect("an id map");
        (store, step, links)
    }

    fn result(id: &str, outcome: Outcome, target: Option<&str>) -> RowResult {
        RowResult {
            source_id: id.into(),
            target_id: target.map(Into::into),
            outcome,
            reason: None,
        }
    }

    #[test]
    fn a_value_belongs_to_the_first_row_of_each_check() {
        let (store, step, _) = stage();
        let claim = |check: usize, pairs: &[(&str, &str)]| -> Vec<Option<String>> {
            let values: Vec<_> = pairs
                .iter()
                .map(|(value, id)| ClaimedValue {
                    value: (*value).into(),
                    source_id: (*id).into(),
                })
                .collect();
            let held = store.claim_values(step, check, &values).expect("answers");
            held.into_iter().map(|id| id.map(|id| id.to_string())).collect()
        };
        assert_eq!(
            claim(0, &[("a", "1"), ("b", "2"), ("a", "3")]),
            [None, None, Some("1".into())]
        );
        assert_eq!(claim(0, &[("b", "4")]), [Some("2".into())]);
        assert_eq!(claim(1, &[("a", "1")]), [None]);
        store.end_step(step).expect("the end");
        assert_eq!(claim(0, &[("a", "9")]), [None]);
    }

    #[test]
    fn expectations_come_by_target_record() {
        let (store, step, _) = stage();
        let row = |source: &str, target: &str, payload: &str| Expected {
            source_id: source.into(),
            target_id: target.into(),
            payload: payload.into(),
        };
        store
            .expect(
                step,
                &[row("s2", "t1", "b"), row("s1", "t2", "c"), row("s1", "t1", "x")],
            )
            .expect("noted");
        store.expect(step, &[row("s1", "t1", "a")]).expect("noted");
        let first = store.expected(step, None, 2).expect("a page");
        assert_eq!(first, [row("s1", "t1", "a"), row("s2", "t1", "b")]);
        let rest = store.expected(step, Some(("t1", "s2")), 2).expect("a page");
        assert_eq!(rest, [row("s1", "t2", "c")]);
        store.end_step(step).expect("the end");
        assert!(store.expected(step, None, 2).expect("a page").is_empty());
    }

    #[test]
    fn a_cursor_moves_with_what_waits_beside_it() {
        let (store, _, links) = stage();
        let wait = |id: &str, at: &str| WaitingRow {
            source_id: id.into(),
            record_id: format!("rec-{id}").into(),
            at: Some(at.into()),
        };
        assert_eq!(store.cursor(links, "all").expect("an answer"), None);
        store
            .wait(
                links,
                "all",
                "r1",
                &[wait("a", "1"), wait("b", "2"), wait("c", "3")],
                &[],
            )
            .expect("noted");
        store
            .wait(links, "other", "r1", &[wait("a", "1")], &[])
            .expect("noted");
        let to = |value: &str| CursorRecord {
            value: value.into(),
            begun_at: "2026-01-01T00:00:00Z".into(),
        };
        let step = |value: Option<&str>| CursorMove {
            links,
            scope: "all".into(),
            to: value.map(to),
        };
        store.move_cursors("r1", &[step(Some("3"))]).expect("moved");
        assert_eq!(store.cursor(links, "all").expect("an answer"), Some(to("3")));
        assert_eq!(store.waiting(links, "all", 9).expect("rows").len(), 3);
        // The next run ends one well, parks one again, and the third is not read any more.
        store
            .wait(links, "all", "r2", &[wait("b", "2")], &["a".into()])
            .expect("noted");
        store.move_cursors("r2", &[step(None)]).expect("moved");
        assert_eq!(store.cursor(links, "all").expect("an answer"), Some(to("3")));
        assert_eq!(store.waiting(links, "all", 9).expect("rows"), [wait("b", "2")]);
        assert_eq!(store.waiting(links, "other", 9).expect("rows").len(), 1);
        assert_eq!(store.cursor(links, "other").expect("an answer"), None);
    }

    #[test]
    fn a_mark_lasts_until_the_row_is_written_without_one_or_fails() {
        let (store, step, links) = stage();
        let mark = Some(SentMark(u128::MAX - 7));
        let of = |id: &str| {
            let found = store.sent(links, &[id.into()]).expect("an answer");
            found[0]
                .as_ref()
                .map(|(target, mark)| (target.to_string(), *mark))
        };
        let record = |outcome: Outcome| {
            let rows = [result("a", outcome, Some("t1"))];
            store.record(step, links, &rows, &[]).expect("recorded");
        };
        let set = || store.mark_sent(links, &[("a".into(), mark)]).expect("marked");
        set();
        assert_eq!(of("a"), None, "no record, no mark");
        record(Outcome::Created);
        assert_eq!(of("a"), None);
        set();
        assert_eq!(of("a"), Some(("t1".into(), SentMark(u128::MAX - 7))));
        record(Outcome::Unchanged);
        assert!(of("a").is_some());
        for outcome in [Outcome::Updated, Outcome::Parked, Outcome::Deleted] {
            record(Outcome::Created);
            set();
            record(outcome);
            assert_eq!(of("a"), None, "{outcome:?}");
        }
        record(Outcome::Created);
        set();
        store.mark_sent(links, &[("a".into(), None)]).expect("forgotten");
        assert_eq!(of("a"), None);
    }
}
