//! What only SQLite can show; the rest is in [`crate::state::suite`].

use std::path::Path;

use compact_str::CompactString;

use super::*;
use crate::{
    record::{Outcome, ParkReason, RefAnswer, RowResult},
    state::{LinkSet, ParkedRow, RunRecord, RunStatus, StepRun, Store, suite},
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
    // The second row breaks the table's rule, as a full disk would break the call: in the middle.
    store
        .lock()
        .execute_batch(
            "CREATE TRIGGER t BEFORE INSERT ON links WHEN new.target_id = 'bad' \
             BEGIN SELECT raise(ABORT, 'no room'); END",
        )
        .unwrap();
    let rows = [
        result("a", Outcome::Created, Some("t1")),
        result("p", Outcome::Parked, None),
        result("b", Outcome::Created, Some("bad")),
    ];
    let error = store.record(step, links, &rows, &[parked("p")]).unwrap_err();
    assert_eq!(error.to_string(), "state `:memory:`: no room");
    assert_eq!(store.counts("r1").unwrap()[0].ended, [0; 6]);
    assert!(store.parked("r1", None, 10).unwrap().is_empty());
    assert_eq!(
        store.refs(links, step, &ids(&["a"])).unwrap(),
        [RefAnswer::Unknown]
    );
    store.record(step, links, &rows[..2], &[parked("p")]).unwrap();
    assert_eq!(store.counts("r1").unwrap()[0].ended, [1, 0, 0, 0, 0, 1]);
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
        "state `DIR/newer` has version 7, and this orgferry knows up to 4"
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

#[test]
fn state_of_an_older_version_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(SCHEMA).unwrap();
    old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute_batch(
        "INSERT INTO link_sets VALUES (1, 'customers', 'accounts', '00DA', '00DB'); \
         INSERT INTO links VALUES (1, 'a', 't1')",
    )
    .unwrap();
    drop(old);
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
