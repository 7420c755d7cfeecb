//! What a run leaves behind for its next sitting.

use crate::{
    record::{Outcome, RowResult},
    state::{
        ClaimedKey, ClaimedValue, Deferred, Ended, Expected, LinkSet, NewUnit, ParkedRow, RunRecord,
        RunStatus, StartedWith, StepPlace, StepRun, StepStage, Store,
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
            retry: None,
            file: "pipelines/customers.yaml".into(),
            vars: vec![("region".into(), "EMEA, \"APAC\"".into())],
            full: true,
            fingerprint: "f00d".into(),
        }),
        sittings: 1,
        begun: false,
    }
}

fn stage(store: &dyn Store) -> (StepRun, LinkSet) {
    store
        .begin_run(&run("r1", None, "2026-01-01T00:00:00Z"))
        .expect("begun");
    let step = store.begin_step("r1", "accounts").expect("a step");
    let links = store
        .link_set("customers", "accounts", "00DA", "00DB")
        .expect("an id map");
    (step, links)
}

fn unit(action: &str, bulk: bool) -> NewUnit {
    NewUnit {
        pass: 1,
        action: action.into(),
        bulk,
        manifest: vec![0, 255, 7],
    }
}

pub(crate) fn a_run_sits_down_again_with_what_it_was_started_with(store: &dyn Store) {
    stage(store);
    store
        .end_run("r1", RunStatus::Interrupted, 130, "{}")
        .expect("ended");
    let ended = store.run("r1").expect("an answer").expect("a run");
    assert!(ended.is_resumable());
    assert_eq!(
        ended.started_with,
        run("r1", None, "2026-01-01T00:00:00Z").started_with
    );
    let _held = store.hold(&ended).expect("free");
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

pub(crate) fn the_last_run_is_the_newest_that_began_a_step(store: &dyn Store) {
    stage(store);
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

pub(crate) fn a_step_knows_its_place(store: &dyn Store) {
    let (step, links) = stage(store);
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

pub(crate) fn a_unit_is_there_until_its_outcomes_are(store: &dyn Store) {
    let (step, _) = stage(store);
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

pub(crate) fn rows_that_have_ended_are_known(store: &dyn Store) {
    let (step, links) = stage(store);
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

pub(crate) fn a_row_has_its_key_in_every_sitting_once(store: &dyn Store) {
    let (step, _) = stage(store);
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

pub(crate) fn a_row_does_not_repeat_its_own_value(store: &dyn Store) {
    let (step, _) = stage(store);
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

pub(crate) fn rows_that_are_through_wait_no_more(store: &dyn Store) {
    let (step, _) = stage(store);
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

pub(crate) fn what_was_expected_of_a_row_is_known(store: &dyn Store) {
    let (step, _) = stage(store);
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

pub(crate) fn a_step_begins_anew_without_losing_its_links(store: &dyn Store) {
    let (step, links) = stage(store);
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
