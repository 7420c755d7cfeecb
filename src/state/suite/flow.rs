//! Checks of whole steps, cursors, and what was last sent.

use compact_str::CompactString;

use super::{result, stage};
use crate::{
    record::{Outcome, RefAnswer, RowResult},
    state::{ClaimedValue, CursorMove, CursorRecord, Expected, SentMark, Store, WaitingRow},
};

pub(crate) fn a_value_belongs_to_the_first_row_of_each_check(store: &dyn Store) {
    let (step, _) = stage(store);
    let claim = |check: usize, pairs: &[(&str, &str)]| -> Vec<Option<String>> {
        let values: Vec<_> = pairs
            .iter()
            .map(|(value, id)| ClaimedValue {
                value: (*value).into(),
                source_id: (*id).into(),
            })
            .collect();
        let held = store.claim_values(step, check, &values).expect("answers");
        held.into_iter().map(|id| id.map(|id| id.to_string())).collect()
    };
    assert_eq!(
        claim(0, &[("a", "1"), ("b", "2"), ("a", "3")]),
        [None, None, Some("1".into())]
    );
    assert_eq!(claim(0, &[("b", "4")]), [Some("2".into())]);
    assert_eq!(claim(1, &[("a", "1")]), [None]);
    store.end_step(step).expect("the end");
    assert_eq!(claim(0, &[("a", "9")]), [None]);
}

pub(crate) fn expectations_come_by_target_record(store: &dyn Store) {
    let (step, _) = stage(store);
    let row = |source: &str, target: &str, payload: &str| Expected {
        source_id: source.into(),
        target_id: target.into(),
        payload: payload.into(),
    };
    store
        .expect(
            step,
            &[row("s2", "t1", "b"), row("s1", "t2", "c"), row("s1", "t1", "x")],
        )
        .expect("noted");
    store.expect(step, &[row("s1", "t1", "a")]).expect("noted");
    let first = store.expected(step, None, 2).expect("a page");
    assert_eq!(first, [row("s1", "t1", "a"), row("s2", "t1", "b")]);
    let rest = store.expected(step, Some(("t1", "s2")), 2).expect("a page");
    assert_eq!(rest, [row("s1", "t2", "c")]);
    store.end_step(step).expect("the end");
    assert!(store.expected(step, None, 2).expect("a page").is_empty());
}

pub(crate) fn a_cursor_moves_with_what_waits_beside_it(store: &dyn Store) {
    let (_, links) = stage(store);
    let wait = |id: &str, at: &str| WaitingRow {
        source_id: id.into(),
        record_id: format!("rec-{id}").into(),
        at: Some(at.into()),
    };
    assert_eq!(store.cursor(links, "all").expect("an answer"), None);
    store
        .wait(
            links,
            "all",
            "r1",
            &[wait("a", "1"), wait("b", "2"), wait("c", "3")],
            &[],
        )
        .expect("noted");
    store
        .wait(links, "other", "r1", &[wait("a", "1")], &[])
        .expect("noted");
    let to = |value: &str| CursorRecord {
        value: value.into(),
        begun_at: "2026-01-01T00:00:00Z".into(),
    };
    let step = |value: Option<&str>| CursorMove {
        links,
        scope: "all".into(),
        to: value.map(to),
    };
    store.move_cursors("r1", &[step(Some("3"))]).expect("moved");
    assert_eq!(store.cursor(links, "all").expect("an answer"), Some(to("3")));
    assert_eq!(store.waiting(links, "all", 9).expect("rows").len(), 3);
    // The next run ends one well, parks one again, and the third is not read any more.
    store
        .wait(links, "all", "r2", &[wait("b", "2")], &["a".into()])
        .expect("noted");
    store.move_cursors("r2", &[step(None)]).expect("moved");
    assert_eq!(store.cursor(links, "all").expect("an answer"), Some(to("3")));
    assert_eq!(store.waiting(links, "all", 9).expect("rows"), [wait("b", "2")]);
    assert_eq!(store.waiting(links, "other", 9).expect("rows").len(), 1);
    assert_eq!(store.cursor(links, "other").expect("an answer"), None);
}

pub(crate) fn a_mark_lasts_until_the_row_is_written_without_one_or_fails(store: &dyn Store) {
    let (step, links) = stage(store);
    let mark = Some(SentMark(u128::MAX - 7));
    let of = |id: &str| {
        let found = store.sent(links, &[id.into()]).expect("an answer");
        found[0]
            .as_ref()
            .map(|(target, mark)| (target.to_string(), *mark))
    };
    let record = |outcome: Outcome| {
        let rows = [result("a", outcome, Some("t1"))];
        store.record(step, links, &rows, &[]).expect("recorded");
    };
    let set = || store.mark_sent(links, &[("a".into(), mark)]).expect("marked");
    set();
    assert_eq!(of("a"), None, "no record, no mark");
    record(Outcome::Created);
    assert_eq!(of("a"), None);
    set();
    assert_eq!(of("a"), Some(("t1".into(), SentMark(u128::MAX - 7))));
    record(Outcome::Unchanged);
    assert!(of("a").is_some());
    for outcome in [Outcome::Updated, Outcome::Parked, Outcome::Deleted] {
        record(Outcome::Created);
        set();
        record(outcome);
        assert_eq!(of("a"), None, "{outcome:?}");
    }
    record(Outcome::Created);
    set();
    store.mark_sent(links, &[("a".into(), None)]).expect("forgotten");
    assert_eq!(of("a"), None);
}

pub(crate) fn rows_near_and_far_are_found_in_any_order(store: &dyn Store) {
    let (step, links) = stage(store);
    let id = |n: usize| CompactString::from(format!("row {n:05}"));
    let all: Vec<RowResult> = (0..3000)
        .map(|n| result(&id(n), Outcome::Created, Some(&format!("t{n}"))))
        .collect();
    store.record(step, links, &all, &[]).expect("recorded");
    // Every third row has none.
    let marks: Vec<_> = (0..3000)
        .filter(|n| n % 3 != 0)
        .map(|n| (id(n), Some(SentMark(n as u128))))
        .collect();
    store.mark_sent(links, &marks).expect("marked");
    let near: Vec<usize> = (100..400).collect();
    let mixed: Vec<usize> = (0..300).map(|n| (n * 7919) % 3100).collect();
    let far = vec![2999, 0, 5000, 1, 1, 4000];
    let thin: Vec<usize> = (0..80).map(|n| n * 40).collect();
    for asked in [near, mixed, far, thin, vec![7], vec![4000], vec![]] {
        let ids: Vec<CompactString> = asked.iter().map(|n| id(*n)).collect();
        let expected: Vec<Option<(CompactString, SentMark)>> = asked
            .iter()
            .map(|n| (*n < 3000 && n % 3 != 0).then(|| (format!("t{n}").into(), SentMark(*n as u128))))
            .collect();
        assert_eq!(store.sent(links, &ids).expect("an answer"), expected, "{asked:?}");
        let there = |n: &usize| (*n < 3000).then(|| CompactString::from(format!("t{n}")));
        let linked: Vec<_> = asked
            .iter()
            .map(|n| there(n).map_or(RefAnswer::Unknown, RefAnswer::Linked))
            .collect();
        assert_eq!(
            store.refs(links, step, &ids).expect("an answer"),
            linked,
            "{asked:?}"
        );
        let ended = store.ended(step, &ids).expect("an answer");
        let ended: Vec<_> = ended
            .into_iter()
            .map(|ended| ended.and_then(|e| e.target_id))
            .collect();
        assert_eq!(ended, asked.iter().map(there).collect::<Vec<_>>(), "{asked:?}");
    }
}
