//! The statements behind a run's sittings: how far its steps are, which rows have ended, what is on its way.

use compact_str::CompactString;
use rusqlite::{
    Connection, Error, OptionalExtension, Result, Row, Transaction, params,
    types::{Type, ValueRef},
};

use super::store::{optional_text, outcome_at, text, wrong};
use crate::{
    record::id18,
    state::{
        ClaimedKey, Ended, LinkSet, NewUnit, RunStatus, StartedWith, StepPlace, StepRun, StepStage, UnitId,
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
    forget(tx, step, &["outcomes", "parked_rows"])?;
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

pub(super) fn ended(db: &Connection, step: StepRun, ids: &[CompactString]) -> Result<Vec<Option<Ended>>> {
    let mut find =
        db.prepare_cached("SELECT outcome, target_id FROM outcomes WHERE step_run = ?1 AND source_id = ?2")?;
    ids.iter()
        .map(|id| {
            find.query_row(params![step.0, id18(id).as_str()], |row| {
                Ok(Ended {
                    outcome: outcome_at(row, 0)?,
                    target_id: optional_text(row, 1)?,
                })
            })
            .optional()
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use crate::{
        record::{Outcome, RowResult},
        state::{
            ClaimedKey, ClaimedValue, Deferred, Ended, Expected, LinkSet, NewUnit, ParkedRow, RunRecord,
            RunStatus, Sqlite, StartedWith, StepPlace, StepRun, StepStage, Store,
        },
    };

    fn run(id: &str, env: Option<&str>, started_at: &str) -> RunRecord {
        RunRecord {
            id: id.into(),
            pipeline: "customers".into(),
            file: "pipelines/customers.yaml".into(),
            env: env.map(str::to_owned),
            from: "hq".into(),
            to: "emea".into(),
            started_at: started_at.into(),
            ended_at: None,
            status: RunStatus::Running,
            exit_code: None,
            report: None,
            started_with: Some(StartedWith {
                file: "pipelines/customers.yaml".into(),
                vars: vec![("region".into(), "EMEA, \"APAC\"".into())],
                full: true,
                fingerprint: "f00d".into(),
            }),
            sittings: 1,
            begun: false,
        }
    }

    fn stage() -> (Sqlite, StepRun, LinkSet) {
        let store = Sqlite::memory().expect("a store");
        store
            .begin_run(&run("r1", None, "2026-01-01T00:00:00Z"))
            .expect("begun");
        let step = store.begin_step("r1", "accounts").expect("a step");
        let links = store
            .link_set("customers", "accounts", "00DA", "00DB")
            .expect("an id map");
        (store, step, links)
    }

    fn unit(action: &str, bulk: bool) -> NewUnit {
        NewUnit {
            pass: 1,
            action: action.into(),
            bulk,
            manifest: vec![0, 255, 7],
        }
    }

    #[test]
    fn a_run_sits_down_again_with_what_it_was_started_with() {
        let (store, ..) = stage();
        store
            .end_run("r1", RunStatus::Interrupted, 130, "{}")
            .expect("ended");
        let ended = store.run("r1").expect("an answer").expect("a run");
        assert!(ended.is_resumable());
        assert_eq!(
            ended.started_with,
            run("r1", None, "2026-01-01T00:00:00Z").started_with
        );
        for sitting in [2, 3] {
            assert_eq!(store.resume_run("r1").expect("resumed"), sitting);
        }
        let again = store.run("r1").expect("an answer").expect("a run");
        assert_eq!(
            again,
            RunRecord {
                sittings: 3,
                begun: true,
                ..run("r1", None, "2026-01-01T00:00:00Z")
            }
        );
        assert!(!again.is_resumable(), "it runs");
        assert!(store.resume_run("r9").is_err());
    }

    #[test]
    fn the_last_run_is_the_newest_that_began_a_step() {
        let (store, ..) = stage();
        for (id, env, started, step) in [
            ("r2", None, "2026-01-02T00:00:00Z", true),
            ("r3", None, "2026-01-03T00:00:00Z", false),
            ("r4", Some("uat"), "2026-01-04T00:00:00Z", true),
        ] {
            store.begin_run(&run(id, env, started)).expect("begun");
            if step {
                store.begin_step(id, "accounts").expect("a step");
            }
        }
        let last = |pipeline: &str, env: Option<&str>| {
            let found = store.last_run(pipeline, env).expect("an answer");
            found.map(|run| run.id)
        };
        assert_eq!(last("customers", None).as_deref(), Some("r2"));
        assert_eq!(last("customers", Some("uat")).as_deref(), Some("r4"));
        assert_eq!(last("customers", Some("prod")), None);
        assert_eq!(last("orders", None), None);
    }

    #[test]
    fn a_step_knows_its_place() {
        let (store, step, links) = stage();
        assert_eq!(store.step_place(step).expect("a place"), StepPlace::default());
        for stage in StepStage::ALL {
            let place = StepPlace {
                stage,
                links: Some(links),
                note: Some(format!("{stage:?}")),
            };
            store.set_step_place(step, &place).expect("noted");
            assert_eq!(store.step_place(step).expect("a place"), place);
        }
        let begun = StepPlace {
            stage: StepStage::Begun,
            links: Some(links),
            note: Some("n".into()),
        };
        store.set_step_place(step, &begun).expect("noted");
        store.begin_unit(step, &unit("insert", false)).expect("a unit");
        store.end_step(step).expect("the end");
        assert_eq!(
            store.step_place(step).expect("a place"),
            StepPlace {
                stage: StepStage::Ended,
                ..begun
            }
        );
        assert!(store.units("r1").expect("units").is_empty());
    }

    #[test]
    fn a_unit_is_there_until_its_outcomes_are() {
        let (store, step, _) = stage();
        let other = store.begin_step("r1", "contacts").expect("a step");
        let elsewhere = store.begin_step("r2", "accounts").expect("a step");
        let first = store.begin_unit(step, &unit("upsert", true)).expect("a unit");
        let second = store.begin_unit(other, &unit("insert", false)).expect("a unit");
        let third = store
            .begin_unit(elsewhere, &unit("insert", true))
            .expect("a unit");
        store.unit_job(first, "750A").expect("noted");
        let units = store.units("r1").expect("units");
        let told: Vec<_> = units
            .iter()
            .map(|found| (found.id, found.step.as_str(), found.job.as_deref()))
            .collect();
        assert_eq!(
            told,
            [(first, "accounts", Some("750A")), (second, "contacts", None)]
        );
        assert_eq!(units[0].unit, unit("upsert", true));
        store.end_units(&[first, second]).expect("ended");
        assert!(store.units("r1").expect("units").is_empty());
        assert_eq!(store.units("r2").expect("units")[0].id, third);
        // A number is never given twice: the later unit of a row has the last word.
        assert!(store.begin_unit(step, &unit("insert", true)).expect("a unit") > third);
    }

    #[test]
    fn rows_that_have_ended_are_known() {
        let (store, step, links) = stage();
        let row = |id: &str, outcome: Outcome, target: Option<&str>| RowResult {
            source_id: id.into(),
            target_id: target.map(Into::into),
            outcome,
            reason: None,
        };
        let rows = [
            row("001D000000K0fXO", Outcome::Created, Some("t1")),
            row("out", Outcome::Filtered, None),
        ];
        store.record(step, links, &rows, &[]).expect("recorded");
        let asked = ["never", "out", "001D000000K0fXOIAZ"].map(Into::into);
        let ended = |outcome: Outcome, target: Option<&str>| {
            Some(Ended {
                outcome,
                target_id: target.map(Into::into),
            })
        };
        assert_eq!(
            store.ended(step, &asked).expect("answers"),
            [
                None,
                ended(Outcome::Filtered, None),
                ended(Outcome::Created, Some("t1"))
            ]
        );
        let next = store.begin_step("r2", "accounts").expect("a step");
        assert_eq!(store.ended(next, &asked).expect("answers"), [None, None, None]);
    }

    #[test]
    fn a_row_has_its_key_in_every_sitting_once() {
        let (store, step, _) = stage();
        let claim = |sitting: u32, pairs: &[(&str, &str)]| {
            let keys: Vec<_> = pairs
                .iter()
                .map(|(key, owner)| ClaimedKey {
                    key: (*key).into(),
                    owner: (*owner).into(),
                })
                .collect();
            store.claim_keys(step, sitting, &keys).expect("answers")
        };
        // Rows `a` and `b` have keys that are their ids; `c` comes with the key of `b`.
        assert_eq!(
            claim(1, &[("a", "a"), ("b", "b"), ("b", "c"), ("b", "b"), ("k", "d")]),
            [true, true, false, false, true]
        );
        // Read again, in another order: the key stays with whom it belonged to, once.
        assert_eq!(
            claim(2, &[("b", "c"), ("b", "b"), ("b", "b"), ("k", "e"), ("k", "d")]),
            [false, true, false, false, true]
        );
        assert_eq!(claim(2, &[("k", "d"), ("new", "f")]), [false, true]);
        assert_eq!(
            claim(3, &[("k", "d"), ("a", "a"), ("new", "g")]),
            [true, true, false]
        );
    }

    #[test]
    fn a_row_does_not_repeat_its_own_value() {
        let (store, step, _) = stage();
        let claim = |value: &str, id: &str| {
            let claimed = ClaimedValue {
                value: value.into(),
                source_id: id.into(),
            };
            store
                .claim_values(step, 0, &[claimed])
                .expect("answers")
                .remove(0)
        };
        assert_eq!(claim("x", "1"), None);
        assert_eq!(claim("x", "1"), None, "read again");
        assert_eq!(claim("x", "2").as_deref(), Some("1"));
    }

    #[test]
    fn rows_that_are_through_wait_no_more() {
        let (store, step, _) = stage();
        let row = |id: &str| Deferred {
            source_id: id.into(),
            target_id: "t".into(),
            outcome: Outcome::Created,
            payload: "[]".into(),
        };
        store
            .defer(step, &[row("001D000000K0fXO"), row("b"), row("c")])
            .expect("put aside");
        store
            .undefer(step, &["001D000000K0fXOIAZ".into(), "c".into(), "never".into()])
            .expect("through");
        assert_eq!(store.deferred(step, None, 9).expect("rows"), [row("b")]);
    }

    #[test]
    fn what_was_expected_of_a_row_is_known() {
        let (store, step, _) = stage();
        let row = |source: &str, target: &str, payload: &str| Expected {
            source_id: source.into(),
            target_id: target.into(),
            payload: payload.into(),
        };
        store
            .expect(step, &[row("s1", "t1", "a"), row("s2", "t1", "b")])
            .expect("noted");
        let asked = [("t1", "s2"), ("t2", "s1"), ("t1", "s1")].map(|(t, s)| (t.into(), s.into()));
        assert_eq!(
            store.expected_of(step, &asked).expect("answers"),
            [Some("b".to_owned()), None, Some("a".to_owned())]
        );
    }

    #[test]
    fn a_step_begins_anew_without_losing_its_links() {
        let (store, step, links) = stage();
        let rows = [
            RowResult {
                source_id: "a".into(),
                target_id: Some("t1".into()),
                outcome: Outcome::Created,
                reason: None,
            },
            RowResult {
                source_id: "b".into(),
                target_id: None,
                outcome: Outcome::Parked,
                reason: None,
            },
        ];
        let parked = ParkedRow {
            source_id: "b".into(),
            values: Vec::new(),
        };
        store.record(step, links, &rows, &[parked]).expect("recorded");
        let key = |owner: &str| {
            [ClaimedKey {
                key: "k".into(),
                owner: owner.into(),
            }]
        };
        assert_eq!(store.claim_keys(step, 1, &key("a")).expect("answers"), [true]);
        store.restart_step(step).expect("anew");
        assert_eq!(
            store.ended(step, &["a".into(), "b".into()]).expect("answers"),
            [None, None]
        );
        assert!(store.parked("r1", None, 9).expect("rows").is_empty());
        assert_eq!(store.claim_keys(step, 1, &key("b")).expect("answers"), [true]);
        assert_eq!(store.linked(links).expect("a number"), 1);
    }
}
