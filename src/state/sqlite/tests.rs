//! What only SQLite can show; the rest is in [`crate::state::suite`].

use std::path::Path;

use compact_str::CompactString;

use super::{
    schema::{APPLICATION_ID, STEPS},
    *,
};
use crate::{
    record::{Outcome, ParkReason, RefAnswer, RowResult},
    state::{Ended, LinkSet, ParkedRow, RunRecord, RunStatus, SentMark, StepRun, Store, suite},
};

mod in_memory {
    use crate::state::Sqlite;

    crate::state::suite::behaves_as_a_store!(Box::new(Sqlite::memory().unwrap()));
}

mod on_disk {
    use super::*;

    /// A file in a folder that goes with it.
    struct OnDisk(tempfile::TempDir);

    impl suite::Place for OnDisk {
        fn open(&self) -> Box<dyn Store> {
            Box::new(Sqlite::open(&self.0.path().join("state.db")).unwrap())
        }
    }

    /// A store with the folder that it is in.
    struct Kept(
        Box<dyn Store>,
        #[expect(dead_code, reason = "dropped with the store")] OnDisk,
    );

    impl std::ops::Deref for Kept {
        type Target = dyn Store;

        fn deref(&self) -> &(dyn Store + 'static) {
            &*self.0
        }
    }

    fn place() -> OnDisk {
        OnDisk(tempfile::tempdir().unwrap())
    }

    fn fresh() -> Kept {
        let place = place();
        Kept(suite::Place::open(&place), place)
    }

    suite::behaves_as_a_store!(fresh());
    suite::behaves_as_a_shared_place!(place());
}

fn run(id: &str, started_at: &str) -> RunRecord {
    RunRecord {
        id: id.into(),
        pipeline: "customers".into(),
        file: "pipelines/customers.yaml".into(),
        env: Some("uat".into()),
        from: "hq".into(),
        to: "emea".into(),
        started_at: started_at.into(),
        ended_at: None,
        status: RunStatus::Running,
        exit_code: None,
        report: None,
        started_with: None,
        sittings: 1,
        begun: false,
    }
}

fn result(id: &str, outcome: Outcome, target: Option<&str>) -> RowResult {
    RowResult {
        source_id: id.into(),
        target_id: target.map(Into::into),
        outcome,
        reason: (outcome == Outcome::Parked).then(|| ParkReason {
            code: "required".into(),
            message: format!("row {id} has no name"),
            field: Some("Name".into()),
            help: "fill it".into(),
        }),
    }
}

fn parked(id: &str) -> ParkedRow {
    ParkedRow {
        source_id: id.into(),
        values: vec![("Id".into(), Some(id.into())), ("Name".into(), None)],
    }
}

fn ids(ids: &[&str]) -> Vec<CompactString> {
    ids.iter().map(|id| CompactString::new(id)).collect()
}

/// A store with one run, one step and its id map.
fn stage() -> (Sqlite, StepRun, LinkSet) {
    let store = Sqlite::memory().unwrap();
    store.begin_run(&run("r1", "2026-01-01T00:00:00Z")).unwrap();
    let step = store.begin_step("r1", "accounts").unwrap();
    let links = store.link_set("customers", "accounts", "00DA", "00DB").unwrap();
    (store, step, links)
}

#[test]
fn what_belongs_to_a_row_is_recorded_whole_or_not_at_all() {
    let (store, step, links) = stage();
    // As a full disk would break the call: in the middle.
    store
        .lock()
        .execute_batch(
            "CREATE TRIGGER t BEFORE INSERT ON newest_links BEGIN SELECT raise(ABORT, 'no room'); END",
        )
        .unwrap();
    let rows = [
        result("a", Outcome::Created, Some("t1")),
        result("p", Outcome::Parked, None),
        result("b", Outcome::Created, Some("t2")),
    ];
    let error = store.record(step, links, &rows, &[parked("p")]).unwrap_err();
    assert_eq!(error.to_string(), "state `:memory:`: no room");
    assert_eq!(store.counts("r1").unwrap()[0].ended, [0; 6]);
    assert!(store.parked("r1", None, 10).unwrap().is_empty());
    assert_eq!(
        store.refs(links, step, &ids(&["a"])).unwrap(),
        [RefAnswer::Unknown]
    );
    store.lock().execute_batch("DROP TRIGGER t").unwrap();
    store.record(step, links, &rows, &[parked("p")]).unwrap();
    assert_eq!(store.counts("r1").unwrap()[0].ended, [2, 0, 0, 0, 0, 1]);
}

#[test]
fn what_is_no_usable_state_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let message = |path: &Path| {
        let error = Sqlite::open(path).err().unwrap();
        assert!(error.help().is_some());
        error
            .to_string()
            .replace(&dir.path().display().to_string(), "DIR")
    };
    std::fs::create_dir(path("folder")).unwrap();
    assert_eq!(
        message(&path("folder")),
        "`DIR/folder` is no state of orgferry: it is a folder"
    );
    std::fs::write(
        path("text"),
        "not a database, but a longer text than the header of one. ".repeat(40),
    )
    .unwrap();
    assert_eq!(
        message(&path("text")),
        "`DIR/text` is no state of orgferry: it is not an SQLite database"
    );
    std::fs::write(path("file"), "x").unwrap();
    assert!(message(&path("file").join("state.db")).starts_with("cannot create state `DIR/file/state.db`: "));
    let other = rusqlite::Connection::open(path("other")).unwrap();
    other.execute_batch("CREATE TABLE t (a)").unwrap();
    assert_eq!(
        message(&path("other")),
        "`DIR/other` is no state of orgferry: it is an SQLite database of another program"
    );
    drop(Sqlite::open(&path("newer")).unwrap());
    let newer = rusqlite::Connection::open(path("newer")).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    assert_eq!(
        message(&path("newer")),
        "state `DIR/newer` has version 7, and this orgferry knows up to 5"
    );
    drop(Sqlite::open(&path("torn")).unwrap());
    let mut bytes = std::fs::read(path("torn")).unwrap();
    bytes[100..].fill(0xff);
    std::fs::write(path("torn"), bytes).unwrap();
    assert_eq!(
        message(&path("torn")),
        "`DIR/torn` is no state of orgferry: the database is damaged"
    );
}

#[test]
fn the_folder_keeps_itself_out_of_git() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("project/.orgferry/state.db");
    assert!(Sqlite::open_existing(&path).unwrap().is_none());
    assert!(!path.exists());
    {
        let store = Sqlite::open(&path).unwrap();
        store.begin_run(&run("r1", "2026-01-01T00:00:00Z")).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path.with_file_name(".gitignore")).unwrap(),
        "*\n"
    );
    let again = Sqlite::open_existing(&path).unwrap().unwrap();
    assert_eq!(again.runs(10).unwrap().len(), 1);
    // Two processes at once.
    let second = Sqlite::open(&path).unwrap();
    second.begin_run(&run("r2", "2026-01-02T00:00:00Z")).unwrap();
    assert_eq!(again.runs(10).unwrap().len(), 2);
}

/// A state file as version `version` left it.
fn of_version(path: &Path, version: usize) -> rusqlite::Connection {
    let old = rusqlite::Connection::open(path).unwrap();
    for step in &STEPS[..version] {
        old.execute_batch(step).unwrap();
    }
    old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", version as i64).unwrap();
    old
}

#[test]
fn state_of_the_first_version_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    of_version(&path, 1)
        .execute_batch(
            "INSERT INTO link_sets VALUES (1, 'customers', 'accounts', '00DA', '00DB'); \
             INSERT INTO links VALUES (1, 'a', 't1')",
        )
        .unwrap();
    for _ in 0..2 {
        let store = Sqlite::open(&path).unwrap();
        let step = store.begin_step("r2", "accounts").unwrap();
        let links = store.link_set("customers", "accounts", "00DA", "00DB").unwrap();
        assert_eq!(
            store.refs(links, step, &ids(&["a"])).unwrap(),
            [RefAnswer::Linked("t1".into())]
        );
        assert_eq!(store.sent(links, &ids(&["a"])).unwrap(), [None]);
        assert_eq!(
            store.newest_links(links, None, 2).unwrap(),
            [("a".into(), "t1".into())]
        );
    }
}

#[test]
fn rows_of_a_version_before_are_packed_whole() {
    const ROWS: usize = 25_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let id = |n: usize| CompactString::from(format!("row {n:05}"));
    let outcome = |of: i64, n: usize| Outcome::ALL[(n + of as usize) % 6];
    // Two rows become one record.
    let record =
        |of: i64, n: usize| (!n.is_multiple_of(5)).then(|| CompactString::from(format!("t{of}{:05}", n / 2)));
    let mark = |n: usize| n.is_multiple_of(3).then_some(SentMark(n as u128 + 7));
    let mut old = of_version(&path, 4);
    let tx = old.transaction().unwrap();
    tx.execute_batch(
        "INSERT INTO step_runs (id, run, step) VALUES (1, 'r1', 'accounts'), (2, 'r1', 'contacts'); \
         INSERT INTO link_sets VALUES (1, 'customers', 'accounts', '00DA', '00DB'), \
         (2, 'customers', 'contacts', '00DA', '00DB');",
    )
    .unwrap();
    for (of, rows) in [(1, ROWS), (2, 100)] {
        for n in 0..rows {
            let target = record(of, n);
            let target = target.as_deref();
            tx.execute(
                "INSERT INTO outcomes VALUES (?1, ?2, ?3, ?4)",
                rusqlite::params![of, id(n).as_str(), outcome(of, n) as i64, target],
            )
            .unwrap();
            if let Some(target) = target {
                tx.execute(
                    "INSERT INTO links VALUES (?1, ?2, ?3, ?4)",
                    rusqlite::params![
                        of,
                        id(n).as_str(),
                        target,
                        mark(n).map(|mark| mark.0.to_be_bytes())
                    ],
                )
                .unwrap();
            }
        }
        tx.execute(
            "INSERT OR REPLACE INTO newest_links SELECT link_set, target_id, source_id FROM links \
             WHERE link_set = ?1 ORDER BY target_id DESC LIMIT 256",
            [of],
        )
        .unwrap();
    }
    tx.commit().unwrap();
    drop(old);
    for _ in 0..2 {
        let store = Sqlite::open(&path).unwrap();
        let counts = store.counts("r1").unwrap();
        for (of, rows) in [(1, ROWS), (2, 100)] {
            let mut counted = [0; 6];
            (0..rows).for_each(|n| counted[outcome(of, n) as usize] += 1);
            assert_eq!(counts[of as usize - 1].ended, counted);
            let all: Vec<CompactString> = (0..rows + 1).map(id).collect();
            let ended = store.ended(StepRun(of), &all).unwrap();
            let sent = store.sent(LinkSet(of), &all).unwrap();
            for (n, (ended, sent)) in ended.into_iter().zip(sent).enumerate() {
                let is = |n: usize| Ended {
                    outcome: outcome(of, n),
                    target_id: record(of, n),
                };
                assert_eq!(ended, (n < rows).then(|| is(n)), "{of} {n}");
                assert_eq!(sent, record(of, n).zip(mark(n)).filter(|_| n < rows), "{of} {n}");
            }
            let links = store.links(LinkSet(of), None, usize::MAX).unwrap();
            let expected: Vec<_> = (0..rows).filter_map(|n| Some((id(n), record(of, n)?))).collect();
            assert!(links == expected, "{of}: {} links", links.len());
            let newest = store.newest_links(LinkSet(of), None, 50).unwrap();
            let expected: Vec<_> = expected.into_iter().rev().take(50).collect();
            assert_eq!(newest, expected);
        }
    }
}

#[test]
fn state_is_not_changed_under_a_run_of_an_older_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    drop(of_version(&path, 4));
    let running = lock::hold(Some(&path), &run("r1", "2026-01-01T00:00:00Z")).unwrap();
    let error = Sqlite::open(&path).err().unwrap();
    assert!(matches!(error, StateError::Busy { .. }), "{error}");
    drop(running);
    Sqlite::open(&path).unwrap();
}
