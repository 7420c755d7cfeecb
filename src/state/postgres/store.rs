use std::{
    collections::HashMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use compact_str::CompactString;
use tokio_postgres::{Error, Row};

use super::{
    Postgres, ServerError, flow, journal, links, outcomes, place,
    session::Session,
    text::{all, freed, kept, optional, text},
};
use crate::{
    record::{Outcome, ParkReason, RefAnswer, RowResult, id18},
    state::{
        ClaimedKey, ClaimedValue, CursorMove, CursorRecord, Deferred, Ended, Expected, LinkSet, NewUnit,
        ParkedRow, RunLock, RunRecord, RunStatus, SentMark, StateError, StepCounts, StepPlace, StepRun,
        Store, UnitId, UnitRecord, WaitingRow,
    },
};

/// The columns of a `RunRecord`, and what is asked of them.
macro_rules! select_runs {
    ($rest:literal) => {
        concat!(
            "SELECT id, pipeline, file, env, from_name, to_name, started_at, ended_at, status, exit_code, report, \
             started_with, sittings, EXISTS (SELECT 1 FROM step_runs WHERE run = runs.id) FROM runs ",
            $rest
        )
    };
}

impl Store for Postgres {
    fn hold(&self, run: &RunRecord) -> Result<RunLock, StateError> {
        place::hold(&self.server, run)
    }

    fn begin_run(&self, run: &RunRecord) -> Result<(), StateError> {
        let file = run.file.to_string_lossy();
        let started_with = run.started_with.as_ref().map(journal::to_json);
        let (exit_code, sittings) = (run.exit_code.map(i16::from), i64::from(run.sittings));
        let again = AtomicBool::new(false);
        let begun = self.write(async |session| {
            let wrote = session
                .execute(
                    "INSERT INTO runs (id, pipeline, file, env, from_name, to_name, started_at, ended_at, status, \
                     exit_code, report, started_with, sittings) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
                    &[
                        &run.id,
                        &run.pipeline,
                        &kept(&file),
                        &run.env,
                        &run.from,
                        &run.to,
                        &run.started_at,
                        &run.ended_at,
                        &run.status.as_str(),
                        &exit_code,
                        &run.report,
                        &started_with,
                        &sittings,
                    ],
                )
                .await;
            // Where the first try's answer was lost, the run that is there is this one.
            let again = again.swap(true, Ordering::Relaxed);
            wrote.map(|rows| rows == 1 || again)
        })?;
        self.must(begun, || format!("there is a run `{}` already", run.id))
    }

    fn end_run(&self, id: &str, status: RunStatus, exit_code: u8, report: &str) -> Result<(), StateError> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (exit_code, report) = (i16::from(exit_code), kept(report));
        let changed = self.write(async |session| {
            session
                .execute(
                    "UPDATE runs SET status = $2, exit_code = $3, report = $4, ended_at = $5 WHERE id = $1",
                    &[&id, &status.as_str(), &exit_code, &report, &now],
                )
                .await
        })?;
        self.must(changed == 1, || format!("there is no run `{id}`"))
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, StateError> {
        let limit = as_limit(limit);
        self.runs_as_they_are(async |session| {
            // Ids begin with the time; the start itself settles those of one second.
            session
                .rows(
                    select_runs!("ORDER BY started_at DESC, id DESC LIMIT $1"),
                    &[&limit],
                )
                .await
        })
    }

    fn run(&self, id: &str) -> Result<Option<RunRecord>, StateError> {
        let asked = kept(id);
        let found = self.runs_as_they_are(async |session| {
            session
                .rows(
                    select_runs!("WHERE starts_with(id, $1) ORDER BY id DESC LIMIT 6"),
                    &[&asked],
                )
                .await
        })?;
        // A whole id is meant, though another may begin with it: then it sorts last.
        match found.iter().position(|run| run.id == id) {
            Some(exact) => Ok(found.into_iter().nth(exact)),
            None if found.len() > 1 => Err(StateError::Ambiguous {
                beginning: id.to_owned(),
                runs: found.into_iter().map(|run| run.id).collect(),
            }),
            None => Ok(found.into_iter().next()),
        }
    }

    fn resume_run(&self, id: &str) -> Result<u32, StateError> {
        let sitting = self.write(async |session| journal::resume_run(session, id).await)?;
        sitting.ok_or_else(|| self.complaint(format!("there is no run `{id}`")))
    }

    fn last_run(&self, pipeline: &str, env: Option<&str>) -> Result<Option<RunRecord>, StateError> {
        let found = self.runs_as_they_are(async |session| {
            session
                .rows(
                    select_runs!(
                        "WHERE pipeline = $1 AND env IS NOT DISTINCT FROM $2 \
                         AND EXISTS (SELECT 1 FROM step_runs WHERE run = runs.id) \
                         ORDER BY started_at DESC, id DESC LIMIT 1"
                    ),
                    &[&pipeline, &env],
                )
                .await
        })?;
        Ok(found.into_iter().next())
    }

    fn begin_step(&self, run: &str, step: &str) -> Result<StepRun, StateError> {
        let id = self.write(async |session| {
            let new = session
                .row(
                    "INSERT INTO step_runs (run, step) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
                    &[&run, &step],
                )
                .await?;
            match new {
                Some(row) => Ok(Some(row)),
                None => {
                    session
                        .row(
                            "SELECT id FROM step_runs WHERE run = $1 AND step = $2",
                            &[&run, &step],
                        )
                        .await
                }
            }
        })?;
        self.id_of(id).map(StepRun)
    }

    fn step_place(&self, step: StepRun) -> Result<StepPlace, StateError> {
        let place = self.read(async |session| journal::step_place(session, step).await)?;
        place.ok_or_else(|| self.complaint("a step's place is missing".to_owned()))
    }

    fn set_step_place(&self, step: StepRun, place: &StepPlace) -> Result<(), StateError> {
        self.write(async |session| journal::set_step_place(session, step, place).await)
    }

    fn restart_step(&self, step: StepRun) -> Result<(), StateError> {
        self.write(async |session| journal::restart_step(session, step).await)
    }

    fn ended(&self, step: StepRun, ids: &[CompactString]) -> Result<Vec<Option<Ended>>, StateError> {
        let ids = ids18(ids);
        let rows = self.read(async |session| journal::ended(session, step, &ids).await)?;
        rows.iter()
            .map(|row| {
                let ended: Option<i16> = row.get(0);
                ended
                    .map(|ended| {
                        Ok(Ended {
                            outcome: self.outcome_of(ended)?,
                            target_id: optional(row, 1),
                        })
                    })
                    .transpose()
            })
            .collect()
    }

    fn begin_unit(&self, step: StepRun, unit: &NewUnit) -> Result<UnitId, StateError> {
        let claim = fastrand::i64(..);
        let id = self.write(async |session| journal::begin_unit(session, step, unit, claim).await)?;
        self.id_of(id).map(UnitId)
    }

    fn unit_job(&self, unit: UnitId, job: &str) -> Result<(), StateError> {
        self.write(async |session| journal::unit_job(session, unit, job).await)
    }

    fn end_units(&self, units: &[UnitId]) -> Result<(), StateError> {
        self.write(async |session| journal::end_units(session, units).await)
    }

    fn units(&self, run: &str) -> Result<Vec<UnitRecord>, StateError> {
        self.read(async |session| journal::units(session, run).await)
    }

    fn link_set(
        &self,
        pipeline: &str,
        step: &str,
        source: &str,
        target: &str,
    ) -> Result<LinkSet, StateError> {
        links::link_set(self, pipeline, step, source, target)
    }

    fn refs(
        &self,
        links: LinkSet,
        step: StepRun,
        ids: &[CompactString],
    ) -> Result<Vec<RefAnswer>, StateError> {
        links::refs(self, links, step, ids)
    }

    fn linked(&self, links: LinkSet) -> Result<u64, StateError> {
        links::linked(self, links)
    }

    fn sources(
        &self,
        links: LinkSet,
        targets: &[CompactString],
    ) -> Result<Vec<(CompactString, CompactString)>, StateError> {
        links::sources(self, links, targets)
    }

    fn newest_links(
        &self,
        links: LinkSet,
        before: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(CompactString, CompactString)>, StateError> {
        links::newest_links(self, links, before, limit)
    }

    fn links(
        &self,
        links: LinkSet,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(CompactString, CompactString)>, StateError> {
        links::links(self, links, after, limit)
    }

    fn unlink_all(&self, links: LinkSet) -> Result<(), StateError> {
        links::unlink_all(self, links)
    }

    fn unlink(&self, links: LinkSet, ids: &[CompactString]) -> Result<(), StateError> {
        links::unlink(self, links, ids)
    }

    fn record(
        &self,
        step: StepRun,
        links: LinkSet,
        results: &[RowResult],
        parked: &[ParkedRow],
    ) -> Result<(), StateError> {
        outcomes::record(self, step, links, results, parked)
    }

    fn claim_keys(&self, step: StepRun, sitting: u32, keys: &[ClaimedKey]) -> Result<Vec<bool>, StateError> {
        journal::claim_keys(self, step, sitting, keys, fastrand::i64(..))
    }

    fn defer(&self, step: StepRun, rows: &[Deferred]) -> Result<(), StateError> {
        let rows = last_of_each(rows, |row| id18(&row.source_id));
        let ids = all(rows.iter().map(|(id, _)| id.as_str()));
        let targets = all(rows.iter().map(|(_, row)| row.target_id.as_str()));
        let outcomes: Vec<i16> = rows.iter().map(|(_, row)| row.outcome as i16).collect();
        let payloads = all(rows.iter().map(|(_, row)| row.payload.as_str()));
        self.write(async |session| {
            session
                .execute(
                    "INSERT INTO deferred (step_run, source_id, target_id, outcome, payload) \
                     SELECT $1::bigint, * FROM unnest($2::text[], $3::text[], $4::smallint[], $5::text[]) \
                     ON CONFLICT (step_run, source_id) DO UPDATE SET target_id = excluded.target_id, \
                     outcome = excluded.outcome, payload = excluded.payload",
                    &[&step.0, &ids, &targets, &outcomes, &payloads],
                )
                .await
                .map(drop)
        })
    }

    fn deferred(
        &self,
        step: StepRun,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Deferred>, StateError> {
        let after = after.map(id18).unwrap_or_default();
        let (after, limit) = (kept(&after), as_limit(limit));
        let rows = self.read(async |session| {
            session
                .rows(
                    "SELECT source_id, target_id, outcome, payload FROM deferred \
                     WHERE step_run = $1 AND source_id > $2 ORDER BY source_id LIMIT $3",
                    &[&step.0, &after, &limit],
                )
                .await
        })?;
        rows.iter()
            .map(|row| {
                Ok(Deferred {
                    source_id: text(row, 0),
                    target_id: text(row, 1),
                    outcome: self.outcome_of(row.get(2))?,
                    payload: freed(row.get(3)).into_owned(),
                })
            })
            .collect()
    }

    fn undefer(&self, step: StepRun, ids: &[CompactString]) -> Result<(), StateError> {
        self.delete_rows(
            "DELETE FROM deferred WHERE step_run = $1 AND source_id = ANY ($2)",
            step.0,
            ids,
        )
    }

    fn deferred_count(&self, step: StepRun) -> Result<u64, StateError> {
        self.read(async |session| {
            let row = session
                .row("SELECT count(*) FROM deferred WHERE step_run = $1", &[&step.0])
                .await?;
            Ok(row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
        })
    }

    fn claim_values(
        &self,
        step: StepRun,
        check: usize,
        values: &[ClaimedValue],
    ) -> Result<Vec<Option<CompactString>>, StateError> {
        flow::claim_values(self, step, as_limit(check), values)
    }

    fn expect(&self, step: StepRun, rows: &[Expected]) -> Result<(), StateError> {
        self.write(async |session| flow::expect(session, step, rows).await)
    }

    fn expected(
        &self,
        step: StepRun,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<Expected>, StateError> {
        self.read(async |session| flow::expected(session, step, after, as_limit(limit)).await)
    }

    fn expected_of(
        &self,
        step: StepRun,
        rows: &[(CompactString, CompactString)],
    ) -> Result<Vec<Option<String>>, StateError> {
        self.read(async |session| flow::expected_of(session, step, rows).await)
    }

    fn cursor(&self, links: LinkSet, scope: &str) -> Result<Option<CursorRecord>, StateError> {
        self.read(async |session| flow::cursor(session, links, scope).await)
    }

    fn move_cursors(&self, run: &str, moves: &[CursorMove]) -> Result<(), StateError> {
        self.write(async |session| flow::move_cursors(session, run, moves).await)
    }

    fn waiting(&self, links: LinkSet, scope: &str, limit: usize) -> Result<Vec<WaitingRow>, StateError> {
        self.read(async |session| flow::waiting(session, links, scope, as_limit(limit)).await)
    }

    fn wait(
        &self,
        links: LinkSet,
        scope: &str,
        run: &str,
        parked: &[WaitingRow],
        ended: &[CompactString],
    ) -> Result<(), StateError> {
        self.write(async |session| flow::wait(session, links, scope, run, parked, ended).await)
    }

    fn sent(
        &self,
        links: LinkSet,
        ids: &[CompactString],
    ) -> Result<Vec<Option<(CompactString, SentMark)>>, StateError> {
        self.read(async |session| flow::sent(session, links, ids).await)
    }

    fn mark_sent(
        &self,
        links: LinkSet,
        marks: &[(CompactString, Option<SentMark>)],
    ) -> Result<(), StateError> {
        self.write(async |session| flow::mark_sent(session, links, marks).await)
    }

    fn end_step(&self, step: StepRun) -> Result<(), StateError> {
        self.write(async |session| journal::end_step(session, step).await)
    }

    fn counts(&self, run: &str) -> Result<Vec<StepCounts>, StateError> {
        let rows = self.read(async |session| {
            session
                .rows(
                    "SELECT s.step, o.outcome, count(o.outcome) FROM step_runs s \
                     LEFT JOIN outcomes o ON o.step_run = s.id \
                     WHERE s.run = $1 GROUP BY s.id, s.step, o.outcome ORDER BY s.id",
                    &[&run],
                )
                .await
        })?;
        let mut counts: Vec<StepCounts> = Vec::new();
        for row in &rows {
            let step: &str = row.get(0);
            if counts.last().is_none_or(|last| last.step != step) {
                counts.push(StepCounts {
                    step: step.to_owned(),
                    ended: [0; 6],
                });
            }
            if let (Some(last), Some(ended)) = (counts.last_mut(), row.get::<_, Option<i16>>(1)) {
                last.ended[self.outcome_of(ended)? as usize] = row.get::<_, i64>(2).unsigned_abs();
            }
        }
        Ok(counts)
    }

    fn parked(
        &self,
        run: &str,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(String, ParkedRow, ParkReason)>, StateError> {
        let (after_step, after_id) = after.unwrap_or_default();
        let after_id = id18(after_id);
        let after_id = kept(&after_id);
        let pages = self.read(async |session| {
            let steps = session
                .rows(
                    "SELECT id, step FROM step_runs WHERE run = $1 AND step >= $2 ORDER BY step",
                    &[&run, &after_step],
                )
                .await?;
            let (mut pages, mut room) = (Vec::new(), limit);
            for row in steps {
                let (id, step): (i64, String) = (row.get(0), row.get(1));
                let from = if step == after_step { &*after_id } else { "" };
                let page = session
                    .rows(
                        "SELECT source_id, row, code, message, field, help FROM parked_rows \
                         WHERE step_run = $1 AND source_id > $2 ORDER BY source_id LIMIT $3",
                        &[&id, &from, &as_limit(room)],
                    )
                    .await?;
                room = room.saturating_sub(page.len());
                pages.push((step, page));
                if room == 0 {
                    break;
                }
            }
            Ok(pages)
        })?;
        let mut found = Vec::new();
        for (step, page) in &pages {
            for row in page {
                let parked = ParkedRow {
                    source_id: text(row, 0),
                    values: self.kept_json(row.get(1))?,
                };
                found.push((step.clone(), parked, reason_at(row, 2)));
            }
        }
        Ok(found)
    }

    fn outcome(&self, run: &str, step: &str, source_id: &str) -> Result<Option<RowResult>, StateError> {
        let id = id18(source_id);
        let asked = kept(&id);
        let row = self.read(async |session| {
            session
                .row(
                    "SELECT o.outcome, o.target_id, p.code, p.message, p.field, p.help \
                     FROM step_runs s JOIN outcomes o ON o.step_run = s.id \
                     LEFT JOIN parked_rows p ON p.step_run = s.id AND p.source_id = o.source_id \
                     WHERE s.run = $1 AND s.step = $2 AND o.source_id = $3",
                    &[&run, &step, &asked],
                )
                .await
        })?;
        row.map(|row| {
            let outcome = self.outcome_of(row.get(0))?;
            Ok(RowResult {
                source_id: id.clone(),
                target_id: optional(&row, 1),
                outcome,
                reason: (outcome == Outcome::Parked).then(|| reason_at(&row, 2)),
            })
        })
        .transpose()
    }
}

impl Postgres {
    /// Deletes rows of one owner by their ids.
    pub(super) fn delete_rows(
        &self,
        statement: &'static str,
        owner: i64,
        ids: &[CompactString],
    ) -> Result<(), StateError> {
        let ids = ids18(ids);
        let ids = all(ids.iter().map(CompactString::as_str));
        self.write(async |session| session.execute(statement, &[&owner, &ids]).await.map(drop))
    }

    /// Runs; those that have not ended although their process is gone have died.
    fn runs_as_they_are(
        &self,
        ask: impl AsyncFn(&mut Session) -> Result<Vec<Row>, Error> + Sync,
    ) -> Result<Vec<RunRecord>, StateError> {
        let rows = self.read(ask)?;
        let mut runs = rows
            .iter()
            .map(|row| self.run_record(row))
            .collect::<Result<Vec<_>, _>>()?;
        let running: Vec<&RunRecord> = runs
            .iter()
            .filter(|run| run.status == RunStatus::Running)
            .collect();
        if running.is_empty() {
            return Ok(runs);
        }
        let living = self.read(async |session| place::living(session, &self.server, &running).await)?;
        for run in &mut runs {
            if run.status == RunStatus::Running && !living.contains(&run.id) {
                run.status = RunStatus::Died;
            }
        }
        Ok(runs)
    }

    fn run_record(&self, row: &Row) -> Result<RunRecord, StateError> {
        let status: &str = row.get(8);
        let number = |column: usize| {
            row.get::<_, Option<i16>>(column)
                .and_then(|n| u8::try_from(n).ok())
        };
        Ok(RunRecord {
            id: row.get(0),
            pipeline: row.get(1),
            file: PathBuf::from(&*freed(row.get(2))),
            env: row.get(3),
            from: row.get(4),
            to: row.get(5),
            started_at: row.get(6),
            ended_at: row.get(7),
            status: RunStatus::parse(status)
                .ok_or_else(|| self.complaint(format!("`{status}` is no status of a run")))?,
            exit_code: number(9),
            report: row
                .get::<_, Option<&str>>(10)
                .map(|kept| freed(kept).into_owned()),
            started_with: row
                .get::<_, Option<&str>>(11)
                .map(|kept| self.kept_json(kept))
                .transpose()?,
            sittings: u32::try_from(row.get::<_, i64>(12)).unwrap_or(u32::MAX),
            begun: row.get(13),
        })
    }

    pub(super) fn outcome_of(&self, number: i16) -> Result<Outcome, StateError> {
        usize::try_from(number)
            .ok()
            .and_then(|n| Outcome::ALL.get(n).copied())
            .ok_or_else(|| self.complaint(format!("{number} is no outcome of a row")))
    }

    pub(super) fn id_of(&self, row: Option<Row>) -> Result<i64, StateError> {
        row.map(|row| row.get(0))
            .ok_or_else(|| self.complaint("what was just written is not there".to_owned()))
    }

    fn kept_json<T: serde::de::DeserializeOwned>(&self, kept: &str) -> Result<T, StateError> {
        serde_json::from_str(&freed(kept)).map_err(|e| self.complaint(e.to_string()))
    }

    fn must(&self, holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), StateError> {
        if holds {
            Ok(())
        } else {
            Err(self.complaint(otherwise()))
        }
    }

    pub(super) fn complaint(&self, message: String) -> StateError {
        StateError::Server(ServerError::Other {
            at: self.server.address.shown.clone(),
            message,
        })
    }
}

/// Four columns from `first`: code, message, field, help.
fn reason_at(row: &Row, first: usize) -> ParkReason {
    ParkReason {
        code: text(row, first),
        message: freed(row.get(first + 1)).into_owned(),
        field: optional(row, first + 2),
        help: freed(row.get(first + 3)).into_owned(),
    }
}

/// Ids of 18 characters.
pub(super) fn ids18(ids: &[CompactString]) -> Vec<CompactString> {
    ids.iter().map(|id| id18(id)).collect()
}

/// Of several rows with one id, the last one; in the order of their first.
pub(super) fn last_of_each<T>(rows: &[T], id: impl Fn(&T) -> CompactString) -> Vec<(CompactString, &T)> {
    let mut at: HashMap<CompactString, usize> = HashMap::with_capacity(rows.len());
    let mut found: Vec<(CompactString, &T)> = Vec::with_capacity(rows.len());
    for row in rows {
        let id = id(row);
        match at.get(&id) {
            Some(&at) => found[at].1 = row,
            None => {
                at.insert(id.clone(), found.len());
                found.push((id, row));
            }
        }
    }
    found
}

/// Rows in rounds, so that none has an id twice, and later ones of an id come in later rounds: a statement may touch
/// a row only once.
pub(super) fn rounds<T>(rows: &[T], id: impl Fn(&T) -> CompactString) -> Vec<Vec<(CompactString, &T)>> {
    let mut next: HashMap<CompactString, usize> = HashMap::with_capacity(rows.len());
    let mut rounds: Vec<Vec<(CompactString, &T)>> = Vec::new();
    for row in rows {
        let id = id(row);
        let round = next.entry(id.clone()).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push((id, row));
        *round += 1;
    }
    rounds
}

/// The server counts in signed numbers; more rows than that there are not.
pub(super) fn as_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
