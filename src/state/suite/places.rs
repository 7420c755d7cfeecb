//! Two who opened one place.

use super::{Place, ids, result, run, stage};
use crate::{
    record::{Outcome, RefAnswer},
    state::{RunRecord, RunStatus, StateError},
};

pub(crate) fn what_was_recorded_is_there_for_the_next(place: &dyn Place) {
    let first = place.open();
    let (step, links) = stage(&*first);
    let second = place.open();
    first
        .record(step, links, &[result("a", Outcome::Created, Some("t"))], &[])
        .unwrap();
    // Beside the one who wrote it, and after it.
    assert_eq!(second.begin_step("r1", "accounts").unwrap(), step);
    let linked = [RefAnswer::Linked("t".into())];
    assert_eq!(second.refs(links, step, &ids(&["a"])).unwrap(), linked);
    drop((first, second));
    assert_eq!(place.open().refs(links, step, &ids(&["a"])).unwrap(), linked);
}

pub(crate) fn a_place_is_taken_once_and_free_again(place: &dyn Place) {
    let store = place.open();
    let other = place.open();
    let held = store.hold(&run("r1", "2026-01-01T00:00:00Z")).unwrap();
    for store in [&store, &other] {
        let refused = store.hold(&run("r2", "2026-01-02T00:00:00Z")).unwrap_err();
        assert!(matches!(refused, StateError::Running { .. }), "{refused}");
        let said = refused.to_string();
        assert!(
            said.starts_with(
                "`customers` (uat) is being run already: run r1, since 2026-01-01T00:00:00Z, process "
            ),
            "{said}"
        );
    }
    // Another environment and another pipeline have rows of their own.
    for (pipeline, env) in [
        ("customers", None),
        ("customers", Some("prod")),
        ("orders", Some("uat")),
    ] {
        let run = RunRecord {
            pipeline: pipeline.into(),
            env: env.map(str::to_owned),
            ..run("r3", "2026-01-03T00:00:00Z")
        };
        other.hold(&run).unwrap();
    }
    drop(held);
    other.hold(&run("r2", "2026-01-02T00:00:00Z")).unwrap();
}

pub(crate) fn a_run_whose_process_is_gone_has_died(place: &dyn Place) {
    let store = place.open();
    let first = run("r1", "2026-01-01T00:00:00Z");
    let held = store.hold(&first).unwrap();
    store.begin_run(&first).unwrap();
    let status = |id: &str| place.open().run(id).unwrap().unwrap().status;
    assert_eq!(status("r1"), RunStatus::Running);
    drop((held, store));
    assert_eq!(status("r1"), RunStatus::Died);
    // The next run of the pipeline does not bring it back to life.
    let store = place.open();
    let next = run("r2", "2026-01-02T00:00:00Z");
    let _held = store.hold(&next).unwrap();
    store.begin_run(&next).unwrap();
    let listed: Vec<_> = place
        .open()
        .runs(9)
        .unwrap()
        .into_iter()
        .map(|run| (run.id, run.status))
        .collect();
    assert_eq!(
        listed,
        [
            ("r2".to_owned(), RunStatus::Running),
            ("r1".to_owned(), RunStatus::Died)
        ]
    );
}
