use std::{path::PathBuf, slice};

use compact_str::CompactString;
use rusqlite::{
    Connection, OptionalExtension, Row, params,
    types::{FromSqlError, Type},
};

use super::{
    Sqlite, flow, journal, lock, newest, outcomes,
    packed::Link,
    packs::{LINKS, OUTCOMES},
};
use crate::{
    record::{Outcome, ParkReason, RefAnswer, RowResult, id18},
    state::{
        ClaimedKey, ClaimedValue, CursorMove, CursorRecord, Deferred, Ended, Expected, LinkSet, NewUnit,
        ParkedRow, RunLock, RunRecord, RunStatus, SentMark, StateError, StepCounts, StepPlace, StepRun,
        Store, UnitId, UnitRecord, WaitingRow,
    },
};

const RUN_COLUMNS: &str = "id, pipeline, file, env, from_name, to_name, started_at, ended_at, status, exit_code, report, started_with, \
     sittings, EXISTS (SELECT 1 FROM step_runs WHERE run = runs.id)";

/// Of runs that began in one second the one whose steps began later is newer.
const NEWEST_FIRST: &str =
    "started_at DESC, (SELECT max(id) FROM step_runs WHERE run = runs.id) DESC NULLS LAST, id DESC";

impl Store for Sqlite {
    fn hold(&self, run: &RunRecord) -> Result<RunLock, StateError> {
        lock::hold(self.file(), run)
    }

    fn begin_run(&self, run: &RunRecord) -> Result<(), StateError> {
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT INTO runs (id, pipeline, file, env, from_name, to_name, started_at, ended_at, status, \
                 exit_code, report, started_with, sittings) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                run.id,
                run.pipeline,
                run.file.to_string_lossy(),
                run.env,
                run.from,
                run.to,
                run.started_at,
                run.ended_at,
                run.status.as_str(),
                run.exit_code,
                run.report,
                run.started_with.as_ref().map(journal::to_json).transpose()?,
                run.sittings,
            ])?;
            Ok(())
        })
    }

    fn end_run(&self, id: &str, status: RunStatus, exit_code: u8, report: &str) -> Result<(), StateError> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.write(|tx| {
            let changed = tx
                .prepare_cached(
                    "UPDATE runs SET status = ?2, exit_code = ?3, report = ?4, ended_at = ?5 WHERE id = ?1",
                )?
                .execute(params![id, status.as_str(), exit_code, report, now])?;
            if changed == 0 {
                return Err(rusqlite::Error::QueryReturnedNoRows);
            }
            Ok(())
        })
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, StateError> {
        let runs: Vec<RunRecord> = self.read(|db| {
            let sql = format!("SELECT {RUN_COLUMNS} FROM runs ORDER BY {NEWEST_FIRST} LIMIT ?1");
            db.prepare_cached(&sql)?
                .query_map([as_limit(limit)], run_record)?
                .collect()
        })?;
        Ok(runs.into_iter().map(|run| self.as_it_is(run)).collect())
    }

    fn run(&self, id: &str) -> Result<Option<RunRecord>, StateError> {
        let found: Vec<RunRecord> = self.read(|db| {
            let sql = format!(
                "SELECT {RUN_COLUMNS} FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id DESC LIMIT 6"
            );
            db.prepare_cached(&sql)?.query_map([id], run_record)?.collect()
        })?;
        // A whole id is meant, though another may begin with it: then it sorts last.
        match found.iter().position(|run| run.id == id) {
            Some(exact) => Ok(found.into_iter().nth(exact).map(|run| self.as_it_is(run))),
            None if found.len() > 1 => Err(StateError::Ambiguous {
                beginning: id.to_owned(),
                runs: found.into_iter().map(|run| run.id).collect(),
            }),
            None => Ok(found.into_iter().next().map(|run| self.as_it_is(run))),
        }
    }

    fn resume_run(&self, id: &str) -> Result<u32, StateError> {
        self.write(|tx| journal::resume_run(tx, id))
    }

    fn last_run(&self, pipeline: &str, env: Option<&str>) -> Result<Option<RunRecord>, StateError> {
        let found = self.read(|db| {
            let sql = format!(
                "SELECT {RUN_COLUMNS} FROM runs WHERE pipeline = ?1 AND env IS ?2 \
                 AND EXISTS (SELECT 1 FROM step_runs WHERE run = runs.id) ORDER BY {NEWEST_FIRST} LIMIT 1"
            );
            db.prepare_cached(&sql)?
                .query_row(params![pipeline, env], run_record)
                .optional()
        })?;
        Ok(found.map(|run| self.as_it_is(run)))
    }

    fn begin_step(&self, run: &str, step: &str) -> Result<StepRun, StateError> {
        self.write(|tx| {
            tx.prepare_cached("INSERT OR IGNORE INTO step_runs (run, step) VALUES (?1, ?2)")?
                .execute([run, step])?;
            tx.prepare_cached("SELECT id FROM step_runs WHERE run = ?1 AND step = ?2")?
                .query_row([run, step], |row| row.get(0))
                .map(StepRun)
        })
    }

    fn step_place(&self, step: StepRun) -> Result<StepPlace, StateError> {
        self.read(|db| journal::step_place(db, step))
    }

    fn set_step_place(&self, step: StepRun, place: &StepPlace) -> Result<(), StateError> {
        self.write(|tx| journal::set_step_place(tx, step, place))
    }

    fn restart_step(&self, step: StepRun) -> Result<(), StateError> {
        self.write(|tx| journal::restart_step(tx, step))
    }

    fn ended(&self, step: StepRun, ids: &[CompactString]) -> Result<Vec<Option<Ended>>, StateError> {
        self.read(|db| OUTCOMES.find(db, step.0, &ids18(ids)))
    }

    fn begin_unit(&self, step: StepRun, unit: &NewUnit) -> Result<UnitId, StateError> {
        // Nothing is taken of a job before its id is written down, and that is on the disk with all before it.
        match unit.bulk {
            true => self.write(|tx| journal::begin_unit(tx, step, unit)),
            false => self.write_through(|tx| journal::begin_unit(tx, step, unit)),
        }
    }

    fn unit_job(&self, unit: UnitId, job: &str) -> Result<(), StateError> {
        self.write_through(|tx| journal::unit_job(tx, unit, job))
    }

    fn end_units(&self, units: &[UnitId]) -> Result<(), StateError> {
        self.write(|tx| journal::end_units(tx, units))
    }

    fn units(&self, run: &str) -> Result<Vec<UnitRecord>, StateError> {
        self.read(|db| journal::units(db, run))
    }

    fn link_set(
        &self,
        pipeline: &str,
        step: &str,
        source: &str,
        target: &str,
    ) -> Result<LinkSet, StateError> {
        let names = [pipeline, step, source, target];
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT OR IGNORE INTO link_sets (pipeline, step, source, target) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(names)?;
            tx.prepare_cached(
                "SELECT id FROM link_sets WHERE pipeline = ?1 AND step = ?2 AND source = ?3 AND target = ?4",
            )?
            .query_row(names, |row| row.get(0))
            .map(LinkSet)
        })
    }

    fn refs(
        &self,
        links: LinkSet,
        step: StepRun,
        ids: &[CompactString],
    ) -> Result<Vec<RefAnswer>, StateError> {
        let mut ids = ids18(ids);
        self.read(|db| {
            let found = LINKS.find(db, links.0, &ids)?;
            let mut linked = found.iter();
            ids.retain(|_| linked.next().is_some_and(Option::is_none));
            let mut ended = OUTCOMES.find(db, step.0, &ids)?.into_iter();
            let answer = |link: Option<Link>| match link {
                Some(link) => RefAnswer::Linked(link.target_id),
                None => match ended.next().flatten().map(|ended| ended.outcome) {
                    Some(Outcome::Parked) => RefAnswer::Parked,
                    Some(Outcome::Filtered) => RefAnswer::Filtered,
                    _ => RefAnswer::Unknown,
                },
            };
            Ok(found.into_iter().map(answer).collect())
        })
    }

    fn linked(&self, links: LinkSet) -> Result<u64, StateError> {
        self.read(|db| LINKS.count(db, links.0))
    }

    fn sources(
        &self,
        links: LinkSet,
        targets: &[CompactString],
    ) -> Result<Vec<(CompactString, CompactString)>, StateError> {
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: std::collections::HashSet<CompactString> = targets.iter().map(|id| id18(id)).collect();
        self.read(|db| {
            let mut found = Vec::new();
            LINKS.each(db, links.0, |row, link| {
                let target = id18(&link.target_id);
                if wanted.contains(&target) {
                    found.push((target, row));
                }
            })?;
            Ok(found)
        })
    }

    fn newest_links(
        &self,
        links: LinkSet,
        before: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(CompactString, CompactString)>, StateError> {
        self.read(|db| match before {
            None => match newest::of(db, links, limit)? {
                Some(found) => Ok(found),
                None => newest::of_all(db, links, None, limit),
            },
            before => newest::of_all(db, links, before, limit),
        })
    }

    fn links(
        &self,
        links: LinkSet,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(CompactString, CompactString)>, StateError> {
        self.read(|db| {
            let found = LINKS.after(db, links.0, after.unwrap_or_default(), limit)?;
            Ok(found
                .into_iter()
                .map(|(row, link)| (row, link.target_id))
                .collect())
        })
    }

    fn unlink_all(&self, links: LinkSet) -> Result<(), StateError> {
        self.write(|tx| {
            LINKS.forget(tx, links.0)?;
            newest::forget(tx, links)
        })
    }

    fn unlink(&self, links: LinkSet, ids: &[CompactString]) -> Result<(), StateError> {
        let mut ids = ids18(ids);
        ids.sort_unstable();
        self.write(|tx| LINKS.change(tx, links.0, &ids, |_, _| None))
    }

    fn record(
        &self,
        step: StepRun,
        links: LinkSet,
        results: &[RowResult],
        parked: &[ParkedRow],
    ) -> Result<(), StateError> {
        outcomes::in_pieces(results, parked, |piece| {
            self.write(|tx| outcomes::record(tx, step, links, piece))
        })
    }

    fn claim_keys(&self, step: StepRun, sitting: u32, keys: &[ClaimedKey]) -> Result<Vec<bool>, StateError> {
        self.write(|tx| journal::claim_keys(tx, step, sitting, keys))
    }

    fn defer(&self, step: StepRun, rows: &[Deferred]) -> Result<(), StateError> {
        self.write(|tx| {
            let mut put = tx.prepare_cached(
                "INSERT OR REPLACE INTO deferred (step_run, source_id, target_id, outcome, payload) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for row in rows {
                put.execute(params![
                    step.0,
                    id18(&row.source_id).as_str(),
                    row.target_id.as_str(),
                    row.outcome as i64,
                    row.payload,
                ])?;
            }
            Ok(())
        })
    }

    fn deferred(
        &self,
        step: StepRun,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Deferred>, StateError> {
        let after = after.map(id18).unwrap_or_default();
        self.read(|db| {
            db.prepare_cached(
                "SELECT source_id, target_id, outcome, payload FROM deferred \
                 WHERE step_run = ?1 AND source_id > ?2 ORDER BY source_id LIMIT ?3",
            )?
            .query_map(params![step.0, after.as_str(), as_limit(limit)], |row| {
                Ok(Deferred {
                    source_id: text(row, 0)?,
                    target_id: text(row, 1)?,
                    outcome: outcome_at(row, 2)?,
                    payload: row.get(3)?,
                })
            })?
            .collect()
        })
    }

    fn undefer(&self, step: StepRun, ids: &[CompactString]) -> Result<(), StateError> {
        self.write(|tx| journal::undefer(tx, step, ids))
    }

    fn deferred_count(&self, step: StepRun) -> Result<u64, StateError> {
        self.read(|db| {
            db.prepare_cached("SELECT count(*) FROM deferred WHERE step_run = ?1")?
                .query_row([step.0], |row| row.get::<_, i64>(0))
                .map(i64::unsigned_abs)
        })
    }

    fn claim_values(
        &self,
        step: StepRun,
        check: usize,
        values: &[ClaimedValue],
    ) -> Result<Vec<Option<CompactString>>, StateError> {
        self.write(|tx| flow::claim_values(tx, step, check, values))
    }

    fn expect(&self, step: StepRun, rows: &[Expected]) -> Result<(), StateError> {
        self.write(|tx| flow::expect(tx, step, rows))
    }

    fn expected(
        &self,
        step: StepRun,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<Expected>, StateError> {
        self.read(|db| flow::expected(db, step, after, as_limit(limit)))
    }

    fn expected_of(
        &self,
        step: StepRun,
        rows: &[(CompactString, CompactString)],
    ) -> Result<Vec<Option<String>>, StateError> {
        self.read(|db| flow::expected_of(db, step, rows))
    }

    fn cursor(&self, links: LinkSet, scope: &str) -> Result<Option<CursorRecord>, StateError> {
        self.read(|db| flow::cursor(db, links, scope))
    }

    fn move_cursors(&self, run: &str, moves: &[CursorMove]) -> Result<(), StateError> {
        self.write(|tx| flow::move_cursors(tx, run, moves))
    }

    fn waiting(&self, links: LinkSet, scope: &str, limit: usize) -> Result<Vec<WaitingRow>, StateError> {
        self.read(|db| flow::waiting(db, links, scope, as_limit(limit)))
    }

    fn wait(
        &self,
        links: LinkSet,
        scope: &str,
        run: &str,
        parked: &[WaitingRow],
        ended: &[CompactString],
    ) -> Result<(), StateError> {
        self.write(|tx| flow::wait(tx, links, scope, run, parked, ended))
    }

    fn sent(
        &self,
        links: LinkSet,
        ids: &[CompactString],
    ) -> Result<Vec<Option<(CompactString, SentMark)>>, StateError> {
        self.read(|db| flow::sent(db, links, ids))
    }

    fn mark_sent(
        &self,
        links: LinkSet,
        marks: &[(CompactString, Option<SentMark>)],
    ) -> Result<(), StateError> {
        self.write(|tx| flow::mark_sent(tx, links, marks))
    }

    fn end_step(&self, step: StepRun) -> Result<(), StateError> {
        self.write(|tx| journal::end_step(tx, step))
    }

    fn counts(&self, run: &str) -> Result<Vec<StepCounts>, StateError> {
        self.read(|db| {
            steps(
                db,
                "SELECT id, step FROM step_runs WHERE run = ?1 ORDER BY id",
                run,
            )?
            .into_iter()
            .map(|(id, step)| {
                let ended = OUTCOMES.outcomes(db, id)?;
                Ok(StepCounts { step, ended })
            })
            .collect()
        })
    }

    fn parked(
        &self,
        run: &str,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(String, ParkedRow, ParkReason)>, StateError> {
        let (after_step, after_id) = after.unwrap_or_default();
        let after_id = id18(after_id);
        self.read(|db| {
            let mut found = Vec::new();
            for (id, step) in steps(
                db,
                "SELECT id, step FROM step_runs WHERE run = ?1 ORDER BY step",
                run,
            )? {
                let room = limit - found.len();
                if room == 0 {
                    break;
                }
                let from = match step.as_str().cmp(after_step) {
                    std::cmp::Ordering::Less => continue,
                    std::cmp::Ordering::Equal => after_id.as_str(),
                    std::cmp::Ordering::Greater => "",
                };
                let mut page = db.prepare_cached(
                    "SELECT source_id, row, code, message, field, help FROM parked_rows \
                     WHERE step_run = ?1 AND source_id > ?2 ORDER BY source_id LIMIT ?3",
                )?;
                let mut rows = page.query(params![id, from, as_limit(room)])?;
                while let Some(row) = rows.next()? {
                    let parked = ParkedRow {
                        source_id: text(row, 0)?,
                        values: from_json(row, 1)?,
                    };
                    found.push((step.clone(), parked, reason_at(row, 2)?));
                }
            }
            Ok(found)
        })
    }

    fn outcome(&self, run: &str, step: &str, source_id: &str) -> Result<Option<RowResult>, StateError> {
        let id = id18(source_id);
        self.read(|db| {
            let step: Option<i64> = db
                .prepare_cached("SELECT id FROM step_runs WHERE run = ?1 AND step = ?2")?
                .query_row([run, step], |row| row.get(0))
                .optional()?;
            let Some(step) = step else { return Ok(None) };
            let Some(ended) = OUTCOMES.find(db, step, slice::from_ref(&id))?.remove(0) else {
                return Ok(None);
            };
            let reason = match ended.outcome {
                Outcome::Parked => db
                    .prepare_cached(
                        "SELECT code, message, field, help FROM parked_rows WHERE step_run = ?1 AND source_id = ?2",
                    )?
                    .query_row(params![step, id.as_str()], |row| reason_at(row, 0))
                    .map(Some)?,
                _ => None,
            };
            Ok(Some(RowResult {
                source_id: id,
                target_id: ended.target_id,
                outcome: ended.outcome,
                reason,
            }))
        })
    }
}

/// Ids in the form in which state names rows.
fn ids18(ids: &[CompactString]) -> Vec<CompactString> {
    ids.iter().map(|id| id18(id)).collect()
}

fn steps(db: &Connection, sql: &str, run: &str) -> rusqlite::Result<Vec<(i64, String)>> {
    db.prepare_cached(sql)?
        .query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let status: String = row.get(8)?;
    Ok(RunRecord {
        id: row.get(0)?,
        pipeline: row.get(1)?,
        file: PathBuf::from(row.get::<_, String>(2)?),
        env: row.get(3)?,
        from: row.get(4)?,
        to: row.get(5)?,
        started_at: row.get(6)?,
        ended_at: row.get(7)?,
        status: RunStatus::parse(&status).ok_or_else(|| wrong(8, Type::Text))?,
        exit_code: row.get(9)?,
        report: row.get(10)?,
        started_with: journal::started_with(row, 11)?,
        sittings: row.get(12)?,
        begun: row.get(13)?,
    })
}

pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<CompactString> {
    Ok(CompactString::new(row.get_ref(column)?.as_str()?))
}

pub(super) fn optional_text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CompactString>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(CompactString::new))
}

pub(super) fn outcome_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Outcome> {
    let number: i64 = row.get(column)?;
    usize::try_from(number)
        .ok()
        .and_then(|n| Outcome::ALL.get(n).copied())
        .ok_or_else(|| wrong(column, Type::Integer))
}

/// Four columns from `first`: code, message, field, help.
fn reason_at(row: &Row<'_>, first: usize) -> rusqlite::Result<ParkReason> {
    Ok(ParkReason {
        code: text(row, first)?,
        message: row.get(first + 1)?,
        field: optional_text(row, first + 2)?,
        help: row.get(first + 3)?,
    })
}

fn from_json(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

pub(super) fn wrong(column: usize, kind: Type) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(FromSqlError::InvalidType))
}

/// SQLite counts in signed numbers; more rows than that there are not.
fn as_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
