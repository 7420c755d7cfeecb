//! The statements behind a run's sittings: how far its steps are, which rows have ended, what is on its way.

use compact_str::CompactString;
use rusqlite::{
    Connection, Error, Result, Row, Transaction, params,
    types::{Type, ValueRef},
};

use super::{
    packs::OUTCOMES,
    store::{optional_text, text, wrong},
};
use crate::{
    record::id18,
    state::{
        ClaimedKey, LinkSet, NewUnit, RunStatus, StartedWith, StepPlace, StepRun, StepStage, UnitId,
        UnitRecord,
    },
};

/// What only a running step needs.
const OF_RUNNING_STEPS: [&str; 5] = ["keys", "deferred", "claimed_values", "expected", "units"];

pub(super) fn to_json(started_with: &StartedWith) -> Result<String> {
    serde_json::to_string(started_with).map_err(|e| Error::ToSqlConversionFailure(Box::new(e)))
}

pub(super) fn started_with(row: &Row<'_>, column: usize) -> Result<Option<StartedWith>> {
    row.get_ref(column)?
        .as_str_or_null()?
        .map(serde_json::from_str)
        .transpose()
        .map_err(|e| Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

pub(super) fn resume_run(tx: &Transaction<'_>, run: &str) -> Result<u32> {
    tx.prepare_cached(
        "UPDATE runs SET status = ?2, ended_at = NULL, exit_code = NULL, report = NULL, sittings = sittings + 1 \
         WHERE id = ?1 RETURNING sittings",
    )?
    .query_row([run, RunStatus::Running.as_str()], |row| row.get(0))
}

pub(super) fn step_place(db: &Connection, step: StepRun) -> Result<StepPlace> {
    db.prepare_cached("SELECT stage, link_set, note FROM step_runs WHERE id = ?1")?
        .query_row([step.0], |row| {
            let stage: i64 = row.get(0)?;
            let stage = usize::try_from(stage)
                .ok()
                .and_then(|stage| StepStage::ALL.get(stage).copied());
            Ok(StepPlace {
                stage: stage.ok_or_else(|| wrong(0, Type::Integer))?,
                links: row.get::<_, Option<i64>>(1)?.map(LinkSet),
                note: row.get(2)?,
            })
        })
}

pub(super) fn set_step_place(tx: &Transaction<'_>, step: StepRun, place: &StepPlace) -> Result<()> {
    tx.prepare_cached("UPDATE step_runs SET stage = ?2, link_set = ?3, note = ?4 WHERE id = ?1")?
        .execute(params![
            step.0,
            place.stage as i64,
            place.links.map(|links| links.0),
            place.note
        ])?;
    Ok(())
}

pub(super) fn end_step(tx: &Transaction<'_>, step: StepRun) -> Result<()> {
    forget(tx, step, &OF_RUNNING_STEPS)?;
    tx.prepare_cached("UPDATE step_runs SET stage = ?2 WHERE id = ?1")?
        .execute(params![step.0, StepStage::Ended as i64])?;
    Ok(())
}

pub(super) fn restart_step(tx: &Transaction<'_>, step: StepRun) -> Result<()> {
    forget(tx, step, &OF_RUNNING_STEPS)?;
    forget(tx, step, &["parked_rows"])?;
    OUTCOMES.forget(tx, step.0)?;
    tx.prepare_cached("UPDATE step_runs SET stage = 0, note = NULL WHERE id = ?1")?
        .execute([step.0])?;
    Ok(())
}

fn forget(tx: &Transaction<'_>, step: StepRun, tables: &[&str]) -> Result<()> {
    for table in tables {
        tx.prepare_cached(&format!("DELETE FROM {table} WHERE step_run = ?1"))?
            .execute([step.0])?;
    }
    Ok(())
}

pub(super) fn claim_keys(
    tx: &Transaction<'_>,
    step: StepRun,
    sitting: u32,
    keys: &[ClaimedKey],
) -> Result<Vec<bool>> {
    let mut claim = tx.prepare_cached(
        "INSERT INTO keys (step_run, key, owner, sitting) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
         SET sitting = excluded.sitting WHERE keys.sitting < excluded.sitting AND keys.owner IS excluded.owner",
    )?;
    keys.iter()
        .map(|claimed| {
            // Most rows are told apart by the key itself, which is kept once.
            let owner = Some(claimed.owner.as_str()).filter(|owner| *owner != claimed.key.as_str());
            Ok(claim.execute(params![step.0, claimed.key.as_str(), owner, sitting])? == 1)
        })
        .collect()
}

pub(super) fn undefer(tx: &Transaction<'_>, step: StepRun, ids: &[CompactString]) -> Result<()> {
    let mut through = tx.prepare_cached("DELETE FROM deferred WHERE step_run = ?1 AND source_id = ?2")?;
    for id in ids {
        through.execute(params![step.0, id18(id).as_str()])?;
    }
    Ok(())
}

pub(super) fn begin_unit(tx: &Transaction<'_>, step: StepRun, unit: &NewUnit) -> Result<UnitId> {
    tx.prepare_cached(
        "INSERT INTO units (step_run, pass, action, bulk, manifest) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        step.0,
        unit.pass,
        unit.action.as_str(),
        unit.bulk,
        unit.manifest
    ])?;
    Ok(UnitId(tx.last_insert_rowid()))
}

pub(super) fn unit_job(tx: &Transaction<'_>, unit: UnitId, job: &str) -> Result<()> {
    tx.prepare_cached("UPDATE units SET job = ?2 WHERE id = ?1")?
        .execute(params![unit.0, job])?;
    Ok(())
}

pub(super) fn end_units(tx: &Transaction<'_>, units: &[UnitId]) -> Result<()> {
    let mut end = tx.prepare_cached("DELETE FROM units WHERE id = ?1")?;
    for unit in units {
        end.execute([unit.0])?;
    }
    Ok(())
}

pub(super) fn units(db: &Connection, run: &str) -> Result<Vec<UnitRecord>> {
    db.prepare_cached(
        "SELECT u.id, s.step, u.pass, u.action, u.bulk, u.job, u.manifest \
         FROM units u JOIN step_runs s ON s.id = u.step_run WHERE s.run = ?1 ORDER BY u.id",
    )?
    .query_map([run], |row| {
        Ok(UnitRecord {
            id: UnitId(row.get(0)?),
            step: row.get(1)?,
            unit: NewUnit {
                pass: row.get(2)?,
                action: text(row, 3)?,
                bulk: row.get(4)?,
                manifest: match row.get_ref(6)? {
                    ValueRef::Blob(bytes) => bytes.to_vec(),
                    _ => return Err(wrong(6, Type::Blob)),
                },
            },
            job: optional_text(row, 5)?,
        })
    })?
    .collect()
}
