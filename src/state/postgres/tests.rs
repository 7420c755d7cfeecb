//! What only a PostgreSQL server can show; the rest is in [`crate::state::suite`].

use std::{ops::Deref, time::Instant};

use super::{
    testing::{Server as TestServer, fresh_name, shared},
    *,
};
use crate::{
    record::{Outcome, ParkReason, RefAnswer, RowResult},
    state::{ClaimedKey, ClaimedValue, LinkSet, ParkedRow, RunRecord, RunStatus, StepRun, Store, suite},
};

/// A schema of its own.
struct InSchema(&'static TestServer, String);

impl suite::Place for InSchema {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.store())
    }
}

impl InSchema {
    fn store(&self) -> Postgres {
        Postgres::open(&SecretString::from(self.0.url("postgres")), &self.1).expect("the store opens")
    }
}

/// A store in a schema of its own.
struct Fresh(Postgres);

impl Deref for Fresh {
    type Target = dyn Store;

    fn deref(&self) -> &(dyn Store + 'static) {
        &self.0
    }
}

/// Ends a test where a developer goes without a server; [`shared`] has said so.
macro_rules! server {
    () => {
        match shared() {
            Some(server) => server,
            None => return,
        }
    };
}

mod behaviour {
    use super::*;

    suite::behaves_as_a_store!(Fresh(InSchema(server!(), fresh_name()).store()));
    suite::behaves_as_a_shared_place!(InSchema(server!(), fresh_name()));
}

fn run(id: &str) -> RunRecord {
    RunRecord {
        id: id.into(),
        pipeline: "customers".into(),
        file: "customers.yaml".into(),
        env: None,
        from: "hq".into(),
        to: "emea".into(),
        started_at: "2026-01-01T00:00:00Z".into(),
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
        reason: None,
    }
}

fn stage(store: &Postgres) -> (StepRun, LinkSet) {
    let step = store.begin_step("r1", "accounts").expect("a step");
    let links = store
        .link_set("customers", "accounts", "00DA", "00DB")
        .expect("an id map");
    (step, links)
}

/// Ends all connections of stores to a schema, as a server that restarts would.
fn cut(server: &TestServer, store: &Postgres) {
    let pids = |slot: &Mutex<Option<Session>>| {
        wait(async || match &mut *slot.lock().await {
            Some(session) => session
                .row("SELECT pg_backend_pid()", &[])
                .await
                // One that was cut before is gone already.
                .ok()
                .flatten()
                .map(|row| row.get::<_, i32>(0)),
            None => None,
        })
        .expect("a thread")
    };
    for pid in [pids(&store.server.writing), pids(&store.server.reading)]
        .into_iter()
        .flatten()
    {
        server.sql("postgres", &format!("SELECT pg_terminate_backend({pid})"));
        let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        while server.sql("postgres", &gone) != "0" {}
    }
}

#[test]
fn what_cannot_be_used_says_why_and_what_now() {
    let server = server!();
    let url = |user: &str, database: &str| server.url_of(user, "hunter2", database);
    server.sql(
        "postgres",
        "CREATE ROLE plain LOGIN PASSWORD 'hunter2'; CREATE ROLE crowd LOGIN PASSWORD 'hunter2' CONNECTION LIMIT 0; \
         CREATE ROLE reader SUPERUSER LOGIN PASSWORD 'hunter2'; ALTER ROLE reader SET default_transaction_read_only = on; \
         CREATE SCHEMA somebody; CREATE TABLE somebody.runs (a int)",
    );
    server.sql(
        "postgres",
        "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    drop(Postgres::open(&SecretString::from(server.url("postgres")), "newer").expect("opens"));
    server.sql("postgres", "UPDATE newer.orgferry_state SET version = 99");
    let port = server.port();
    for (url, schema, message, help) in [
        (
            "postgres://u:hunter2@127.0.0.1:1/d".to_owned(),
            "s",
            "the state database `127.0.0.1/d` cannot be reached: ",
            "whether the server runs",
        ),
        (
            "postgres://u:hunter2@no.such.host.invalid/d?sslmode=disable".to_owned(),
            "s",
            "the state database `no.such.host.invalid/d` cannot be reached: ",
            "host and port",
        ),
        (
            url("tester", "postgres"),
            "s",
            "the state database `127.0.0.1/postgres` does not let `tester` in: password authentication failed",
            "pg_hba.conf",
        ),
        (
            format!("postgres://plain@127.0.0.1:{port}/postgres"),
            "s",
            "the state database `127.0.0.1/postgres` does not let `plain` in: ",
            "user and password",
        ),
        (
            url("plain", "nowhere"),
            "s",
            "there is no state database `127.0.0.1/nowhere`",
            "CREATE DATABASE nowhere",
        ),
        (
            url("plain", "postgres"),
            "s",
            "`plain` may not keep state in `127.0.0.1/postgres`: permission denied for database",
            "CREATE SCHEMA IF NOT EXISTS s AUTHORIZATION plain",
        ),
        (
            url("crowd", "postgres"),
            "s",
            "the state database `127.0.0.1/postgres` has no connection left: too many connections",
            "max_connections",
        ),
        (
            url("reader", "postgres"),
            "s",
            "the state database `127.0.0.1/postgres` is read-only",
            "primary",
        ),
        (
            server.url("postgres"),
            "somebody",
            "schema `somebody` of `127.0.0.1/postgres` is no state of orgferry: there are tables of another",
            "another schema",
        ),
        (
            server.url("postgres"),
            "pg_mine",
            "schema `pg_mine` of `127.0.0.1/postgres` is no state of orgferry: the name is the server's own",
            "another schema",
        ),
        (
            server.url("postgres"),
            "newer",
            "the state in schema `newer` of `127.0.0.1/postgres` has version 99, and this orgferry knows up to 2",
            "update orgferry",
        ),
        (
            server.url("latin"),
            "s",
            "`127.0.0.1/latin` cannot hold state: the database's encoding is LATIN1",
            "UTF8",
        ),
        (
            format!("{}?sslmode=require", server.url("postgres")),
            "s",
            "no safe connection to the state database `127.0.0.1/postgres`: ",
            "sslrootcert",
        ),
        (
            format!(
                "{}?sslmode=require&sslrootcert=/no/such.pem",
                server.url("postgres")
            ),
            "s",
            "no safe connection to the state database `127.0.0.1/postgres`: the authorities in `/no/such.pem`",
            "sslrootcert",
        ),
    ] {
        let error = Postgres::open(&SecretString::from(url), schema)
            .err()
            .unwrap_or_else(|| panic!("opens: {message}"));
        let (told, now) = (error.to_string(), error.help().unwrap_or_default());
        assert!(told.starts_with(message), "{told}\ninstead of\n{message}");
        assert!(now.contains(help), "{told}\nhelp: {now}");
        for secret in ["hunter2", testing::PASSWORD] {
            assert!(!format!("{told}{now}{error:?}").contains(secret), "{told}");
        }
    }
}

#[test]
fn tables_of_the_first_version_are_taken_over() {
    let place = InSchema(server!(), fresh_name());
    let schema = &place.1;
    let rows = |from: usize| -> Vec<RowResult> {
        (from..from + 300)
            .map(|n| RowResult {
                source_id: format!("row {n}").into(),
                target_id: Some(format!("t{n:04}").into()),
                outcome: Outcome::Created,
                reason: None,
            })
            .collect()
    };
    let kept = || {
        let asked = format!("SELECT count(*), max(target_id) FROM {schema}.newest_links");
        place.0.sql("postgres", &asked)
    };
    let running = place.store();
    {
        let store = place.store();
        let step = store.begin_step("r1", "accounts").expect("a step");
        let links = store
            .link_set("customers", "accounts", "00DA", "00DB")
            .expect("an id map");
        store.record(step, links, &rows(0), &[]).expect("recorded");
    }
    assert_eq!(kept(), "256|t0299");
    let back = format!("DROP TABLE {schema}.newest_links; UPDATE {schema}.orgferry_state SET version = 1");
    place.0.sql("postgres", &back);
    // What a run of the older version writes would be missing.
    let held = running.hold(&run("r1")).expect("a place");
    let error = Postgres::open(&SecretString::from(place.0.url("postgres")), schema)
        .err()
        .expect("it is in use");
    let told = error.to_string();
    assert!(
        told.ends_with("is in use by a run of an older orgferry: r1"),
        "{told}"
    );
    drop(held);
    let store = place.store();
    assert_eq!(kept(), "256|t0299");
    // Each call adds its newest, and takes away what is older than those that were there.
    let step = store.begin_step("r2", "accounts").expect("a step");
    let links = store
        .link_set("customers", "accounts", "00DA", "00DB")
        .expect("an id map");
    for from in [300, 600, 0] {
        store.record(step, links, &rows(from), &[]).expect("recorded");
        let newest = if from == 300 { 599 } else { 899 };
        assert!(kept().ends_with(&format!("|t{newest:04}")), "{}", kept());
    }
    let count: usize = kept()
        .split('|')
        .next()
        .unwrap_or_default()
        .parse()
        .expect("a number");
    assert!((256..=512).contains(&count), "{count} are kept");
}

#[test]
fn connections_are_encrypted_for_a_known_server_only() {
    let server = server!();
    let certificate = server.certificate();
    let url = |host: &str, mode: &str| {
        let plain = server.url("postgres").replace("127.0.0.1", host);
        SecretString::from(format!(
            "{plain}?sslmode={mode}&sslrootcert={}",
            certificate.display()
        ))
    };
    for mode in ["verify-full", "require"] {
        let store = Postgres::open(&url("localhost", mode), &fresh_name()).expect("the certificate is known");
        let encrypted = store
            .read(async |session| {
                let row = session
                    .row("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
                    .await?;
                Ok(row.is_some_and(|row| row.get(0)))
            })
            .expect("an answer");
        assert!(encrypted, "{mode}");
    }
    // It is another's certificate then.
    let error = Postgres::open(&url("127.0.0.1", "verify-full"), "s")
        .err()
        .expect("refused");
    assert!(error.to_string().starts_with("no safe connection"), "{error}");
}

#[test]
fn a_question_about_the_history_makes_nothing() {
    let server = server!();
    let schema = fresh_name();
    let url = SecretString::from(server.url("postgres"));
    assert!(
        Postgres::open_existing(&url, &schema)
            .expect("an answer")
            .is_none()
    );
    let there = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'");
    assert_eq!(server.sql("postgres", &there), "0");
    // An empty schema that an administrator has made is as good as none.
    server.sql("postgres", &format!("CREATE SCHEMA {schema}"));
    assert!(
        Postgres::open_existing(&url, &schema)
            .expect("an answer")
            .is_none()
    );
    drop(Postgres::open(&url, &schema).expect("opens"));
    assert!(
        Postgres::open_existing(&url, &schema)
            .expect("an answer")
            .is_some()
    );
}

#[test]
fn several_may_come_first_at_once() {
    let place = InSchema(server!(), fresh_name());
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..6).map(|_| scope.spawn(|| drop(place.store()))).collect();
        for opened in opened {
            opened.join().expect("opens");
        }
    });
}

#[test]
fn projects_in_one_database_do_not_see_each_other() {
    let server = server!();
    let (one, other) = (
        InSchema(server, fresh_name()).store(),
        InSchema(server, fresh_name()).store(),
    );
    let _held = one.hold(&run("r1")).expect("free");
    let _other = other.hold(&run("r1")).expect("free, too");
    one.begin_run(&run("r1")).expect("begun");
    assert_eq!(other.runs(9).expect("an answer"), []);
}

#[test]
fn a_batch_is_recorded_whole_or_not_at_all() {
    let server = server!();
    let place = InSchema(server, fresh_name());
    let store = place.store();
    let (step, links) = stage(&store);
    // The second row finds the disk full.
    server.sql(
        "postgres",
        &format!(
            "CREATE FUNCTION {0}.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend \
             file' USING ERRCODE = '53100'; END $$; CREATE TRIGGER t BEFORE INSERT ON {0}.links FOR EACH ROW \
             WHEN (new.target_id = 'bad') EXECUTE FUNCTION {0}.full()",
            place.1
        ),
    );
    let rows = [
        result("a", Outcome::Created, Some("t1")),
        result("p", Outcome::Parked, None),
        result("b", Outcome::Created, Some("bad")),
    ];
    let parked = ParkedRow {
        source_id: "p".into(),
        values: Vec::new(),
    };
    // Also where a row comes twice, so that it takes two statements.
    let twice = [
        result("a", Outcome::Created, Some("t0")),
        rows[0].clone(),
        result("a", Outcome::Updated, Some("bad")),
    ];
    for rows in [&rows[..], &twice] {
        let error = store
            .record(step, links, rows, std::slice::from_ref(&parked))
            .expect_err("full");
        assert!(
            matches!(error, StateError::Server(ServerError::Full { .. })),
            "{error}"
        );
        assert!(error.help().unwrap_or_default().contains("make room"));
        assert_eq!(store.counts("r1").expect("counts")[0].ended, [0; 6]);
        assert!(store.parked("r1", None, 9).expect("rows").is_empty());
        assert_eq!(
            store.refs(links, step, &["a".into()]).expect("answers"),
            [RefAnswer::Unknown]
        );
    }
    store
        .record(step, links, &rows[..2], &[parked])
        .expect("recorded");
    assert_eq!(store.counts("r1").expect("counts")[0].ended, [1, 0, 0, 0, 0, 1]);
}

#[test]
fn a_broken_connection_is_made_anew_and_the_place_kept() {
    let server = server!();
    let place = InSchema(server, fresh_name());
    let store = place.store();
    let held = store.hold(&run("r1")).expect("free");
    store.begin_run(&run("r1")).expect("begun");
    let (step, links) = stage(&store);
    for id in ["a", "b"] {
        cut(server, &store);
        store
            .record(step, links, &[result(id, Outcome::Created, Some("t"))], &[])
            .expect("recorded on a new connection");
        cut(server, &store);
        assert_eq!(
            store.refs(links, step, &[id.into()]).expect("answers"),
            [RefAnswer::Linked("t".into())]
        );
    }
    // Nobody writes, and the place is taken all the same.
    let other = place.store();
    let status = || other.run("r1").expect("an answer").map(|run| run.status);
    let begun = Instant::now();
    while status() != Some(RunStatus::Running) {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the place is not taken again"
        );
    }
    let refused = other.hold(&run("r2")).expect_err("taken");
    assert!(matches!(refused, StateError::Running { .. }), "{refused}");
    assert_eq!(
        place.store().run("r1").expect("an answer").map(|run| run.status),
        Some(RunStatus::Running)
    );
    drop(held);
    place.store().hold(&run("r2")).expect("free again");
}

#[test]
fn a_run_that_lost_its_place_writes_no_more() {
    let server = server!();
    let place = InSchema(server, fresh_name());
    let store = place.store();
    let held = store.hold(&run("r1")).expect("free");
    let (step, links) = stage(&store);
    cut(server, &store);
    // Nobody has it now, and another run is quicker than we are.
    let other = place.store();
    let taken = other.hold(&run("r2")).expect("free");
    let begun = Instant::now();
    let error = store
        .record(step, links, &[result("a", Outcome::Created, Some("t"))], &[])
        .expect_err("not ours any more");
    assert!(
        matches!(error, StateError::Server(ServerError::PlaceLost { .. })),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("run r2, since 2026-01-01T00:00:00Z, process "),
        "{error}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "without waiting for what does not come"
    );
    assert_eq!(
        other.refs(links, step, &["a".into()]).expect("answers"),
        [RefAnswer::Unknown]
    );
    // Its end takes nothing from the other one.
    drop(held);
    assert!(place.store().hold(&run("r3")).is_err());
    drop(taken);
    place.store().hold(&run("r3")).expect("free");
}

#[test]
fn a_call_whose_answer_was_lost_is_made_again_with_the_same_answer() {
    let store = InSchema(server!(), fresh_name()).store();
    let (step, _) = stage(&store);
    let keys = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "1")].map(|(key, owner)| ClaimedKey {
        key: key.into(),
        owner: owner.into(),
    });
    for _ in 0..2 {
        let fresh = journal::claim_keys(&store, step, 1, &keys, 7).expect("answers");
        assert_eq!(fresh, [true, true, false, false]);
    }
    assert_eq!(
        journal::claim_keys(&store, step, 1, &keys, 77).expect("answers"),
        [false; 4]
    );
}

#[test]
fn texts_of_all_kinds_and_lengths_are_kept() {
    let store = InSchema(server!(), fresh_name()).store();
    let (step, links) = stage(&store);
    let long = "x".repeat(131_072);
    let texts = [
        "\0",
        "a\0b",
        "\u{1a}",
        "\u{1a}0",
        "\u{10ffff}\u{fffe}ä𝄞\u{202e}",
        "'; DROP TABLE runs; --",
        "{a,\"b\",NULL}",
        "NULL",
        "\\N",
        "",
    ];
    let rows: Vec<RowResult> = texts
        .iter()
        .map(|text| RowResult {
            reason: Some(ParkReason {
                code: "c".into(),
                message: format!("{text}{long}"),
                field: Some((*text).into()),
                help: (*text).into(),
            }),
            ..result(text, Outcome::Parked, None)
        })
        .collect();
    let parked: Vec<ParkedRow> = texts
        .iter()
        .map(|text| ParkedRow {
            source_id: (*text).into(),
            values: vec![
                ((*text).into(), Some(format!("{long}{text}"))),
                ("null".into(), None),
            ],
        })
        .collect();
    store.record(step, links, &rows, &parked).expect("recorded");
    let mut found = store.parked("r1", None, 99).expect("rows");
    // The empty id sorts before any page begins, in every store.
    found.extend(store.outcome("r1", "accounts", "").expect("an answer").map(|_| {
        (
            "accounts".to_owned(),
            parked[texts.len() - 1].clone(),
            rows[texts.len() - 1].reason.clone().expect("a reason"),
        )
    }));
    assert_eq!(found.len(), texts.len());
    for (_, row, reason) in &found {
        let at = texts
            .iter()
            .position(|text| *text == row.source_id)
            .expect("a text of ours");
        assert_eq!(row, &parked[at]);
        assert_eq!(Some(reason), rows[at].reason.as_ref());
    }
    // Keys and values of checks are longer than what an index takes.
    let key = |text: &str| ClaimedKey {
        key: text.into(),
        owner: long.as_str().into(),
    };
    let keys = [key(&long), key("\0"), key(&long), key(&long[1..])];
    assert_eq!(
        store.claim_keys(step, 1, &keys).expect("answers"),
        [true, true, false, true]
    );
    let value = |id: &str| ClaimedValue {
        value: long.as_str().into(),
        source_id: id.into(),
    };
    let holders = store
        .claim_values(step, 0, &[value("1"), value("2")])
        .expect("answers");
    assert_eq!(holders, [None, Some("1".into())]);
    // An id has to be there as it is.
    let random: String = (0..6_000)
        .map(|n| char::from(b'a' + (n * n % 7919 % 26) as u8))
        .collect();
    let told = store.record(step, links, &[result(&random, Outcome::Created, Some("t"))], &[]);
    if let Err(error) = told {
        assert!(
            matches!(error, StateError::Server(ServerError::LongId { .. })),
            "{error}"
        );
    }
}

#[test]
fn a_store_works_and_ends_inside_of_a_task() {
    let place = InSchema(server!(), fresh_name());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store = place.store();
        let held = store.hold(&run("r1")).expect("free");
        store.begin_run(&run("r1")).expect("begun");
        assert_eq!(store.runs(9).expect("runs").len(), 1);
        drop((store, held));
    });
}
