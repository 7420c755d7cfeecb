//! Runs, outcomes, links, keys, and rows that wait for the second pass.

use compact_str::CompactString;

use super::{ids, parked, result, run, stage, stage_of};
use crate::{
    record::{Outcome, RefAnswer, RowResult},
    state::{ClaimedKey, Deferred, RunRecord, RunStatus, StateError, Store},
};

pub(crate) fn runs_are_listed_newest_first_and_found_by_their_beginning(store: &dyn Store) {
    for (id, started) in [
        ("20260101-000000-aaaa", "2026-01-01T00:00:00Z"),
        ("20260102-000000-bbbb", "2026-01-02T00:00:00Z"),
        ("20260102-000000-bbbbx", "2026-01-02T00:00:00Z"),
    ] {
        store.begin_run(&run(id, started)).unwrap();
    }
    let listed = |limit| -> Vec<String> { store.runs(limit).unwrap().into_iter().map(|r| r.id).collect() };
    assert_eq!(
        listed(10),
        [
            "20260102-000000-bbbbx",
            "20260102-000000-bbbb",
            "20260101-000000-aaaa"
        ]
    );
    assert_eq!(listed(1), ["20260102-000000-bbbbx"]);
    for (asked, found) in [
        ("20260101", Ok(Some("20260101-000000-aaaa"))),
        ("20260102-000000-bbbb", Ok(Some("20260102-000000-bbbb"))),
        ("20260102", Err(2)),
        ("2", Err(3)),
        ("3", Ok(None)),
        ("%", Ok(None)),
    ] {
        match (store.run(asked), found) {
            (Ok(run), Ok(expected)) => assert_eq!(run.map(|r| r.id).as_deref(), expected, "{asked}"),
            (Err(StateError::Ambiguous { runs, .. }), Err(expected)) => {
                assert_eq!(runs.len(), expected, "{asked}");
            }
            (got, expected) => panic!("{asked}: {got:?} instead of {expected:?}"),
        }
    }
}

pub(crate) fn a_run_ends_with_its_report(store: &dyn Store) {
    let begun = run("r1", "2026-01-01T00:00:00Z");
    let _held = store.hold(&begun).unwrap();
    store.begin_run(&begun).unwrap();
    assert_eq!(store.run("r1").unwrap(), Some(begun.clone()));
    store.end_run("r1", RunStatus::DoneWithParked, 4, "{}").unwrap();
    let ended = store.run("r1").unwrap().unwrap();
    assert!(ended.ended_at.is_some());
    assert_eq!(
        ended,
        RunRecord {
            ended_at: ended.ended_at.clone(),
            status: RunStatus::DoneWithParked,
            exit_code: Some(4),
            report: Some("{}".into()),
            ..begun
        }
    );
    assert!(store.end_run("r2", RunStatus::Done, 0, "{}").is_err());
    assert!(store.begin_run(&run("r1", "2026-01-01T00:00:00Z")).is_err());
}

pub(crate) fn steps_and_id_maps_are_made_once(store: &dyn Store) {
    let (step, links) = stage(store);
    assert_eq!(store.begin_step("r1", "accounts").unwrap(), step);
    assert_ne!(store.begin_step("r1", "contacts").unwrap(), step);
    assert_ne!(store.begin_step("r2", "accounts").unwrap(), step);
    assert_eq!(
        store.link_set("customers", "accounts", "00DA", "00DB").unwrap(),
        links
    );
    for other in [
        ["other", "accounts", "00DA", "00DB"],
        ["customers", "contacts", "00DA", "00DB"],
        ["customers", "accounts", "00DX", "00DB"],
        ["customers", "accounts", "00DA", "00DX"],
    ] {
        let [pipeline, step, source, target] = other;
        assert_ne!(store.link_set(pipeline, step, source, target).unwrap(), links);
    }
}

pub(crate) fn an_outcome_replaces_the_one_before(store: &dyn Store) {
    for (n, (first, second, expected)) in [
        (Outcome::Parked, Outcome::Created, [1, 0, 0, 0, 0, 0]),
        (Outcome::Created, Outcome::Parked, [0, 0, 0, 0, 0, 1]),
        (Outcome::Updated, Outcome::Unchanged, [0, 0, 1, 0, 0, 0]),
        (Outcome::Filtered, Outcome::Deleted, [0, 0, 0, 1, 0, 0]),
        (Outcome::Parked, Outcome::Parked, [0, 0, 0, 0, 0, 1]),
    ]
    .into_iter()
    .enumerate()
    {
        let run = format!("r{n}");
        let (step, links) = stage_of(store, &run);
        for outcome in [first, second] {
            store
                .record(step, links, &[result("a", outcome, Some("t"))], &[parked("a")])
                .unwrap();
        }
        let counts = store.counts(&run).unwrap();
        assert_eq!(counts.len(), 1);
        assert_eq!(counts[0].ended, expected, "{first:?} {second:?}");
        let listed = store.parked(&run, None, 10).unwrap().len() as u64;
        assert_eq!(listed, expected[Outcome::Parked as usize], "{first:?} {second:?}");
        let outcome = store.outcome(&run, "accounts", "a").unwrap().unwrap();
        assert_eq!(outcome, result("a", second, Some("t")));
    }
}

pub(crate) fn counts_follow_the_order_of_steps(store: &dyn Store) {
    for step in ["opportunities", "accounts", "contacts"] {
        let id = store.begin_step("r1", step).unwrap();
        let links = store.link_set("p", step, "a", "b").unwrap();
        let rows: Vec<_> = ["1", "2"]
            .iter()
            .map(|id| result(id, Outcome::Created, Some("t")))
            .collect();
        store.record(id, links, &rows, &[]).unwrap();
    }
    let steps: Vec<_> = store
        .counts("r1")
        .unwrap()
        .into_iter()
        .map(|c| (c.step, c.ended[0]))
        .collect();
    assert_eq!(
        steps,
        [
            ("opportunities".into(), 2),
            ("accounts".into(), 2),
            ("contacts".into(), 2)
        ]
    );
    assert!(store.counts("r2").unwrap().is_empty());
}

pub(crate) fn refs_answer_in_the_order_of_the_question(store: &dyn Store) {
    let (step, links) = stage(store);
    let rows = [
        result("001D000000K0fXO", Outcome::Created, Some("t1")),
        result("upd", Outcome::Updated, Some("t2")),
        result("same", Outcome::Unchanged, Some("t3")),
        result("out", Outcome::Filtered, None),
        result("wait", Outcome::Parked, None),
        result("gone", Outcome::Deleted, Some("t4")),
    ];
    store.record(step, links, &rows, &[]).unwrap();
    let linked = |id: &str| RefAnswer::Linked(id.into());
    let asked = ids(&[
        "wait",
        "001D000000K0fXOIAZ",
        "never",
        "out",
        "001D000000K0fXO",
        "same",
        "gone",
        "upd",
    ]);
    let answers = [
        RefAnswer::Parked,
        linked("t1"),
        RefAnswer::Unknown,
        RefAnswer::Filtered,
        linked("t1"),
        linked("t3"),
        RefAnswer::Unknown,
        linked("t2"),
    ];
    assert_eq!(store.refs(links, step, &asked).unwrap(), answers);
    // The next run knows the links; what was parked or filtered then says nothing now.
    let next = store.begin_step("r2", "accounts").unwrap();
    assert_eq!(
        store.refs(links, next, &ids(&["upd", "wait", "out"])).unwrap(),
        [linked("t2"), RefAnswer::Unknown, RefAnswer::Unknown]
    );
    // A row that is parked now has still its record of then.
    store
        .record(next, links, &[result("upd", Outcome::Parked, None)], &[])
        .unwrap();
    assert_eq!(store.refs(links, next, &ids(&["upd"])).unwrap(), [linked("t2")]);
    // A deleted record is no longer referred to.
    store
        .record(next, links, &[result("upd", Outcome::Deleted, None)], &[])
        .unwrap();
    assert_eq!(
        store.refs(links, next, &ids(&["upd"])).unwrap(),
        [RefAnswer::Unknown]
    );
}

pub(crate) fn a_large_unit_keeps_all_its_rows(store: &dyn Store) {
    let (step, links) = stage(store);
    let id = |n: usize| format!("row {n:05}");
    let waits = |n: usize| n.is_multiple_of(900);
    // In no order, as results of a job come.
    let order = (0..10_000).map(|n| n * 7_919 % 10_000);
    let rows: Vec<RowResult> = order
        .map(|n| match waits(n) {
            true => result(&id(n), Outcome::Parked, None),
            false => result(&id(n), Outcome::Created, Some(&format!("t{n}"))),
        })
        .collect();
    let values: Vec<_> = (0..10_000)
        .filter(|n| waits(*n))
        .map(|n| parked(&id(n)))
        .collect();
    store.record(step, links, &rows, &values).unwrap();
    let found = store.parked("r1", None, 100).unwrap();
    let found: Vec<_> = found.into_iter().map(|(_, row, _)| row).collect();
    assert_eq!(found, values);
    let all: Vec<CompactString> = (0..10_000).map(|n| id(n).into()).collect();
    let answers = store.refs(links, step, &all).unwrap();
    for (n, answer) in answers.into_iter().enumerate() {
        let expected = match waits(n) {
            true => RefAnswer::Parked,
            false => RefAnswer::Linked(format!("t{n}").into()),
        };
        assert_eq!(answer, expected, "{n}");
    }
}

pub(crate) fn parked_rows_come_by_pages(store: &dyn Store) {
    // Steps begin in another order than their names sort.
    for step in ["contacts", "accounts", "empty"] {
        let id = store.begin_step("r1", step).unwrap();
        let links = store.link_set("p", step, "a", "b").unwrap();
        if step != "empty" {
            let rows: Vec<_> = ["3", "1", "2"]
                .iter()
                .map(|id| result(id, Outcome::Parked, None))
                .collect();
            store
                .record(id, links, &rows, &[parked("1"), parked("3")])
                .unwrap();
        }
    }
    let expected: Vec<(String, String)> = ["accounts", "contacts"]
        .iter()
        .flat_map(|step| ["1", "2", "3"].map(|id| ((*step).to_owned(), id.to_owned())))
        .collect();
    for page in 1..8 {
        let mut found: Vec<(String, String)> = Vec::new();
        loop {
            let after = found.last().map(|(step, id)| (step.as_str(), id.as_str()));
            let rows = store.parked("r1", after, page).unwrap();
            if rows.is_empty() {
                break;
            }
            assert!(rows.len() <= page);
            found.extend(
                rows.into_iter()
                    .map(|(step, row, _)| (step, row.source_id.to_string())),
            );
        }
        assert_eq!(found, expected, "pages of {page}");
    }
    let rows = store.parked("r1", None, 2).unwrap();
    assert_eq!(rows[0].1, parked("1"));
    assert_eq!(rows[0].2.message, "row 1 has no name");
    assert!(rows[1].1.values.is_empty(), "its values were not given");
    assert!(store.parked("r2", None, 2).unwrap().is_empty());
}

pub(crate) fn a_key_belongs_to_the_first_row(store: &dyn Store) {
    let (step, _) = stage(store);
    let claims = |keys: &[&str]| -> Vec<ClaimedKey> {
        let numbered = keys.iter().enumerate();
        numbered
            .map(|(at, key)| ClaimedKey {
                key: CompactString::new(key),
                owner: format!("row {at} of {}", keys.len()).into(),
            })
            .collect()
    };
    for (keys, expected) in [
        (&["a", "b"][..], &[true, true][..]),
        (&["b", "c", "c", "A"], &[false, true, false, true]),
        (&[], &[]),
    ] {
        assert_eq!(store.claim_keys(step, 1, &claims(keys)).unwrap(), expected);
    }
    let other = store.begin_step("r1", "contacts").unwrap();
    assert_eq!(store.claim_keys(other, 1, &claims(&["a"])).unwrap(), [true]);
    store.end_step(step).unwrap();
    assert_eq!(store.claim_keys(step, 1, &claims(&["a"])).unwrap(), [true]);
    assert_eq!(store.claim_keys(other, 1, &claims(&["a"])).unwrap(), [false]);
}

pub(crate) fn rows_wait_for_the_second_pass(store: &dyn Store) {
    let (step, _) = stage(store);
    let row = |id: &str| Deferred {
        source_id: id.into(),
        target_id: format!("t{id}").into(),
        outcome: Outcome::Created,
        payload: r#"{"ParentId":"x"}"#.into(),
    };
    store.defer(step, &[row("3"), row("1"), row("2")]).unwrap();
    store.defer(step, &[row("2")]).unwrap();
    assert_eq!(store.deferred_count(step).unwrap(), 3);
    for (after, limit, expected) in [
        (None, 2, &["1", "2"][..]),
        (Some("2"), 2, &["3"]),
        (Some("3"), 2, &[]),
        (None, 9, &["1", "2", "3"]),
    ] {
        let expected: Vec<_> = expected.iter().map(|id| row(id)).collect();
        assert_eq!(store.deferred(step, after, limit).unwrap(), expected);
    }
    store.end_step(step).unwrap();
    assert_eq!(store.deferred_count(step).unwrap(), 0);
}

pub(crate) fn links_of_records_that_are_gone_are_forgotten(store: &dyn Store) {
    let (step, links) = stage(store);
    let other = store.link_set("customers", "contacts", "00DA", "00DB").unwrap();
    for links in [links, other] {
        let rows = ["001A", "001B", "001C"].map(|id| result(id, Outcome::Created, Some("001T")));
        store.record(step, links, &rows, &[]).unwrap();
    }
    assert_eq!(store.linked(links).unwrap(), 3);
    store.unlink(links, &ids(&["001B", "001X"])).unwrap();
    let found = store.refs(links, step, &ids(&["001A", "001B"])).unwrap();
    assert!(matches!(found[..], [RefAnswer::Linked(_), ref gone] if !matches!(gone, RefAnswer::Linked(_))));
    assert_eq!(
        (store.linked(links).unwrap(), store.linked(other).unwrap()),
        (2, 3)
    );
}

pub(crate) fn links_are_found_by_their_records_and_from_the_newest_on(store: &dyn Store) {
    let (step, links) = stage(store);
    let other = store.link_set("customers", "contacts", "00DA", "00DB").unwrap();
    // Ids grow as digits, capitals and small letters do.
    let records = [("a", "001T0a"), ("b", "001T00"), ("c", "001T0Z"), ("d", "001T09")];
    let rows = records.map(|(id, record)| result(id, Outcome::Created, Some(record)));
    store.record(step, links, &rows, &[]).unwrap();
    store
        .record(step, other, &[result("e", Outcome::Created, Some("001T00"))], &[])
        .unwrap();
    let found = store
        .sources(links, &ids(&["001T0Z", "001T00", "001TXX"]))
        .unwrap();
    let mut found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, [("001T00", "b"), ("001T0Z", "c")]);
    assert!(store.sources(links, &[]).unwrap().is_empty());
    let newest = |before: Option<(&str, &str)>, limit: usize| -> Vec<String> {
        let page = store.newest_links(links, before, limit).unwrap();
        page.into_iter()
            .map(|(row, record)| format!("{row} {record}"))
            .collect()
    };
    assert_eq!(newest(None, 3), ["a 001T0a", "c 001T0Z", "d 001T09"]);
    assert_eq!(newest(Some(("d", "001T09")), 3), ["b 001T00"]);
    let page = |after: Option<&str>, limit: usize| -> Vec<String> {
        let page = store.links(links, after, limit).unwrap();
        page.into_iter()
            .map(|(row, record)| format!("{row} {record}"))
            .collect()
    };
    assert_eq!(page(None, 3), ["a 001T0a", "b 001T00", "c 001T0Z"]);
    assert_eq!(page(Some("c"), 3), ["d 001T09"]);
    assert_eq!(page(Some("d"), 3), [""; 0]);
    // Several rows may have become one record.
    let one = ["x", "y", "z"].map(|id| result(id, Outcome::Unchanged, Some("001T0A")));
    store.record(step, other, &one, &[]).unwrap();
    let mut rows: Vec<_> = store
        .newest_links(other, None, 4)
        .unwrap()
        .into_iter()
        .map(|(row, _)| row)
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, ["e", "x", "y", "z"]);
    // Also where nothing but the newest is looked at, and where a page ends among them.
    assert_eq!(store.newest_links(other, None, 3).unwrap().len(), 3);
    let behind = |row: &str| -> Vec<CompactString> {
        let page = store.newest_links(other, Some((row, "001T0A")), 2).unwrap();
        page.into_iter().map(|(row, _)| row).collect()
    };
    assert_eq!(behind("z"), ["y", "x"]);
    assert_eq!(behind("x"), ["e"]);
    store.unlink(other, &ids(&["x", "y", "z"])).unwrap();
    // Of many the newest are found, also when some of them are gone or have become others since.
    let id = |n: usize| format!("001U{n:05}");
    let many: Vec<RowResult> = (0..9_000)
        .map(|n| result(&format!("m{:04}", n % 7_000), Outcome::Created, Some(&id(n))))
        .collect();
    store.record(step, links, &many[..7_000], &[]).unwrap();
    store.record(step, links, &many[7_000..], &[]).unwrap();
    assert_eq!(newest(None, 200)[..2], ["m1999 001U08999", "m1998 001U08998"]);
    store.unlink(links, &ids(&["m1999", "m1997"])).unwrap();
    let left = newest(None, 200);
    assert_eq!(
        (left.len(), &*left[0], &*left[1]),
        (200, "m1998 001U08998", "m1996 001U08996")
    );
    let most: Vec<CompactString> = (1_800..2_000).map(|n| format!("m{n:04}").into()).collect();
    store.unlink(links, &most).unwrap();
    assert_eq!(newest(None, 200)[0], "m1799 001U08799");
    let changed = result("m1799", Outcome::Created, Some("001T05"));
    store.record(step, links, &[changed], &[]).unwrap();
    assert_eq!(newest(None, 200)[0], "m1798 001U08798");
    store.unlink_all(links).unwrap();
    assert!(newest(None, 200).is_empty());
    assert_eq!(
        (store.linked(links).unwrap(), store.linked(other).unwrap()),
        (0, 1)
    );
}
