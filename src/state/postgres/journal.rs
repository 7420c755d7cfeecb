//! The statements behind a run's sittings: how far its steps are, which rows have ended, what is on its way.

use std::collections::HashSet;

use compact_str::CompactString;
use tokio_postgres::{Error, Row};

use super::{
    Postgres,
    session::Session,
    store::rounds,
    text::{all, freed, kept, key, optional, text},
};
use crate::state::{
    ClaimedKey, LinkSet, NewUnit, RunStatus, StartedWith, StateError, StepPlace, StepRun, StepStage, UnitId,
    UnitRecord,
};

pub(super) fn to_json(started_with: &StartedWith) -> String {
    kept(&serde_json::to_string(started_with).unwrap_or_default()).into_owned()
}

pub(super) async fn resume_run(session: &mut Session, run: &str) -> Result<Option<u32>, Error> {
    // Done twice, because an answer was lost, it counts a sitting that nobody sat: numbers only have to rise.
    let row = session
        .row(
            "UPDATE runs SET status = $2, ended_at = NULL, exit_code = NULL, report = NULL, sittings = sittings + 1 \
             WHERE id = $1 RETURNING sittings",
            &[&run, &RunStatus::Running.as_str()],
        )
        .await?;
    Ok(row.map(|row| u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX)))
}

pub(super) async fn step_place(session: &mut Session, step: StepRun) -> Result<Option<StepPlace>, Error> {
    let row = session
        .row(
            "SELECT stage, link_set, note FROM step_runs WHERE id = $1",
            &[&step.0],
        )
        .await?;
    Ok(row.and_then(|row| {
        let stage = usize::try_from(row.get::<_, i16>(0)).ok();
        Some(StepPlace {
            stage: stage.and_then(|stage| StepStage::ALL.get(stage).copied())?,
            links: row.get::<_, Option<i64>>(1).map(LinkSet),
            note: row.get::<_, Option<&str>>(2).map(|kept| freed(kept).into_owned()),
        })
    }))
}

pub(super) async fn set_step_place(
    session: &mut Session,
    step: StepRun,
    place: &StepPlace,
) -> Result<(), Error> {
    let (links, note) = (place.links.map(|links| links.0), place.note.as_deref().map(kept));
    session
        .execute(
            "UPDATE step_runs SET stage = $2, link_set = $3, note = $4 WHERE id = $1",
            &[&step.0, &(place.stage as i16), &links, &note],
        )
        .await
        .map(drop)
}

pub(super) async fn end_step(session: &mut Session, step: StepRun) -> Result<(), Error> {
    session
        .execute(
            "WITH a AS (DELETE FROM keys WHERE step_run = $1), b AS (DELETE FROM deferred WHERE step_run = $1), \
             c AS (DELETE FROM claimed_values WHERE step_run = $1), d AS (DELETE FROM expected WHERE step_run = $1), \
             e AS (DELETE FROM units WHERE step_run = $1) UPDATE step_runs SET stage = $2 WHERE id = $1",
            &[&step.0, &(StepStage::Ended as i16)],
        )
        .await
        .map(drop)
}

pub(super) async fn restart_step(session: &mut Session, step: StepRun) -> Result<(), Error> {
    session
        .execute(
            "WITH a AS (DELETE FROM keys WHERE step_run = $1), b AS (DELETE FROM deferred WHERE step_run = $1), \
             c AS (DELETE FROM claimed_values WHERE step_run = $1), d AS (DELETE FROM expected WHERE step_run = $1), \
             e AS (DELETE FROM units WHERE step_run = $1), f AS (DELETE FROM outcomes WHERE step_run = $1), \
             g AS (DELETE FROM parked_rows WHERE step_run = $1) \
             UPDATE step_runs SET stage = 0, note = NULL WHERE id = $1",
            &[&step.0],
        )
        .await
        .map(drop)
}

pub(super) async fn ended(
    session: &mut Session,
    step: StepRun,
    ids: &[CompactString],
) -> Result<Vec<Row>, Error> {
    let ids = all(ids.iter().map(CompactString::as_str));
    session
        .rows(
            "SELECT o.outcome, o.target_id FROM unnest($2::text[]) WITH ORDINALITY AS asked(id, n) \
             LEFT JOIN outcomes o ON o.step_run = $1 AND o.source_id = asked.id ORDER BY asked.n",
            &[&step.0, &ids],
        )
        .await
}

/// `claim` is this call's own number: the same, when the call is made again because its answer was lost.
pub(super) fn claim_keys(
    store: &Postgres,
    step: StepRun,
    sitting: u32,
    keys: &[ClaimedKey],
    claim: i64,
) -> Result<Vec<bool>, StateError> {
    let numbered: Vec<(usize, &ClaimedKey)> = keys.iter().enumerate().collect();
    let rounds: Vec<_> = rounds(&numbered, |(_, claimed)| claimed.key.clone())
        .into_iter()
        .map(|round| {
            let keys: Vec<_> = round.iter().map(|(_, (_, claimed))| key(&claimed.key)).collect();
            // Most rows are told apart by the key itself, which is kept once.
            let owners: Vec<_> = round
                .iter()
                .map(|(_, (_, claimed))| (claimed.owner != claimed.key).then(|| kept(&claimed.owner)))
                .collect();
            let places: Vec<usize> = round.iter().map(|(_, (at, _))| *at).collect();
            (keys, owners, places)
        })
        .collect();
    let sitting = i64::from(sitting);
    let claimed = store.write(async |session| {
        session
            .together(async |session| {
                let mut claimed: Vec<HashSet<String>> = Vec::with_capacity(rounds.len());
                for (n, (keys, owners, _)) in (0_i64..).zip(&rounds) {
                    let rows = session
                        .rows(
                            "INSERT INTO keys (step_run, key, owner, sitting, claim) \
                             SELECT $1::bigint, key, owner, $4::bigint, $5::bigint \
                             FROM unnest($2::text[], $3::text[]) AS asked(key, owner) \
                             ON CONFLICT (step_run, key) DO UPDATE \
                             SET sitting = excluded.sitting, claim = excluded.claim \
                             WHERE keys.claim = excluded.claim OR (keys.sitting < excluded.sitting \
                              AND keys.owner IS NOT DISTINCT FROM excluded.owner) RETURNING key",
                            &[&step.0, keys, owners, &sitting, &claim.wrapping_add(n)],
                        )
                        .await?;
                    claimed.push(rows.iter().map(|row| row.get(0)).collect());
                }
                Ok(claimed)
            })
            .await
    })?;
    let mut fresh = vec![false; keys.len()];
    for ((keys, _, places), claimed) in rounds.iter().zip(&claimed) {
        for (key, at) in keys.iter().zip(places) {
            fresh[*at] = claimed.contains(&**key);
        }
    }
    Ok(fresh)
}

pub(super) async fn begin_unit(
    session: &mut Session,
    step: StepRun,
    unit: &NewUnit,
    claim: i64,
) -> Result<Option<Row>, Error> {
    session
        .row(
            "INSERT INTO units (step_run, pass, action, bulk, manifest, claim) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (claim) DO UPDATE SET claim = excluded.claim RETURNING id",
            &[
                &step.0,
                &i16::from(unit.pass),
                &unit.action.as_str(),
                &unit.bulk,
                &unit.manifest,
                &claim,
            ],
        )
        .await
}

pub(super) async fn unit_job(session: &mut Session, unit: UnitId, job: &str) -> Result<(), Error> {
    session
        .execute("UPDATE units SET job = $2 WHERE id = $1", &[&unit.0, &job])
        .await
        .map(drop)
}

pub(super) async fn end_units(session: &mut Session, units: &[UnitId]) -> Result<(), Error> {
    let units: Vec<i64> = units.iter().map(|unit| unit.0).collect();
    session
        .execute("DELETE FROM units WHERE id = ANY ($1)", &[&units])
        .await
        .map(drop)
}

pub(super) async fn units(session: &mut Session, run: &str) -> Result<Vec<UnitRecord>, Error> {
    let rows = session
        .rows(
            "SELECT u.id, s.step, u.pass, u.action, u.bulk, u.job, u.manifest \
             FROM units u JOIN step_runs s ON s.id = u.step_run WHERE s.run = $1 ORDER BY u.id",
            &[&run],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| UnitRecord {
            id: UnitId(row.get(0)),
            step: row.get(1),
            unit: NewUnit {
                pass: u8::try_from(row.get::<_, i16>(2)).unwrap_or(u8::MAX),
                action: text(row, 3),
                bulk: row.get(4),
                manifest: row.get(6),
            },
            job: optional(row, 5),
        })
        .collect())
}
