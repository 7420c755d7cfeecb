//! Tables from source ids to what is kept of each row, with up to [`ROWS`] neighbours in one line.
//!
//! Rows come in the order of their ids, by thousands, and a line each costs many times what is in it: a place in the
//! tree, a copy of every value, the owner's number. A line holds a pack of rows instead, ordered, under the id of its
//! first one. Packs of an owner do not overlap: all rows from a pack's first id up to the next pack's are in it or
//! nowhere. A change takes the packs that it falls into apart and puts them together again.

use std::{marker::PhantomData, ops::ControlFlow};

use compact_str::CompactString;
use rusqlite::{
    Connection, Error, OptionalExtension, Result, Row, Transaction, ffi, params,
    types::{Type, ValueRef},
};

use super::{
    packed::{Damaged, Kept, Link, Packer, Rows, count_outcomes},
    store::{text, wrong},
};
use crate::{record::Outcome, state::Ended};

/// Rows of a pack. To find a row all before it in its pack are read; with twice as many that costs more than the
/// way through the tree.
const ROWS: usize = 64;

/// Bytes of a pack after which it takes no more rows. A line of about 1,000 bytes fits four times on a page of SQLite; of
/// larger ones the rest goes onto a page of its own.
const BYTES: usize = 800;

/// Whose packs. Without the `+` SQLite would look at the number when it plans the statement, and would plan it anew for each
/// use of a statement that is kept: that costs more than the statement.
const OF_OWNER: &str = "owner = +?1";
/// The pack that a row is in, if it is there.
const NEAREST: &str = "first_id <= ?2 ORDER BY first_id DESC LIMIT 1";
/// The first pack from a row on.
const FIRST: &str = "first_id >= ?2 ORDER BY first_id LIMIT 1";

/// A table of packs.
pub(super) struct Table<K> {
    name: &'static str,
    kept: PhantomData<K>,
}

/// Records of source rows, by their id maps.
pub(super) const LINKS: Table<Link> = Table::new("link_packs");

/// Ends of source rows, by steps of runs.
pub(super) const OUTCOMES: Table<Ended> = Table::new("outcome_packs");

/// What a row is known by, and what is kept of it.
type Entry<K> = (CompactString, K);

/// What a pack is known by, the id of its first row, and its bytes.
type Line = (CompactString, Vec<u8>);

impl<K> Table<K> {
    const fn new(name: &'static str) -> Self {
        Table {
            name,
            kept: PhantomData,
        }
    }

    /// How many rows an owner has.
    pub(super) fn count(&self, db: &Connection, owner: i64) -> Result<u64> {
        let sql = format!(
            "SELECT coalesce(sum(rows), 0) FROM {} WHERE {OF_OWNER}",
            self.name
        );
        db.prepare_cached(&sql)?
            .query_row([owner], |line| line.get::<_, i64>(0))
            .map(i64::unsigned_abs)
    }

    /// Forgets all rows of an owner.
    pub(super) fn forget(&self, tx: &Transaction<'_>, owner: i64) -> Result<()> {
        tx.prepare_cached(&format!("DELETE FROM {} WHERE {OF_OWNER}", self.name))?
            .execute([owner])?;
        Ok(())
    }

    /// A query for packs of an owner.
    fn sql(&self, which: &str) -> String {
        format!(
            "SELECT first_id, pack FROM {} WHERE {OF_OWNER} AND {which}",
            self.name
        )
    }

    /// The pack that lies so to an id.
    fn line(&self, db: &Connection, owner: i64, which: &str, id: &str) -> Result<Option<Line>> {
        db.prepare_cached(&self.sql(which))?
            .query_row(params![owner, id], |line| {
                Ok((text(line, 0)?, pack(line)?.to_vec()))
            })
            .optional()
    }

    /// Hands over the packs of an owner from one on, in their order, until `take` has enough.
    fn walk(
        &self,
        db: &Connection,
        owner: i64,
        from: &str,
        mut take: impl FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut on = db.prepare_cached(&self.sql("first_id >= ?2 ORDER BY first_id"))?;
        let mut lines = on.query(params![owner, from])?;
        while let Some(line) = lines.next()? {
            if take(pack(line)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Where the first pack behind an id begins.
    fn next(&self, db: &Connection, owner: i64, id: &str) -> Result<Option<CompactString>> {
        let name = self.name;
        db.prepare_cached(&format!(
            "SELECT first_id FROM {name} WHERE {OF_OWNER} AND first_id > ?2 ORDER BY first_id LIMIT 1"
        ))?
        .query_row(params![owner, id], |line| text(line, 0))
        .optional()
    }

    /// Puts packs into the place of one.
    fn replace(&self, tx: &Transaction<'_>, owner: i64, old: Option<Line>, packs: &[Pack<'_>]) -> Result<()> {
        let name = self.name;
        let mut put = tx.prepare_cached(&format!(
            "INSERT OR REPLACE INTO {name} (owner, first_id, rows, pack) VALUES (?1, ?2, ?3, ?4)"
        ))?;
        for Pack { first, rows, bytes } in packs {
            // Where rows have come behind a full pack, that is as it was.
            let is_there = old
                .as_ref()
                .is_some_and(|(old, before)| old == *first && before == bytes);
            if !is_there {
                let rows = i64::try_from(*rows).unwrap_or(i64::MAX);
                put.execute(params![owner, first.as_str(), rows, bytes])?;
            }
        }
        if let Some((old, _)) = old
            && packs.iter().all(|pack| *pack.first != old)
        {
            tx.prepare_cached(&format!("DELETE FROM {name} WHERE {OF_OWNER} AND first_id = ?2"))?
                .execute(params![owner, old.as_str()])?;
        }
        Ok(())
    }
}

impl<K: Kept + Clone + PartialEq> Table<K> {
    /// What is kept of rows, in the order of `ids`, which may be any.
    pub(super) fn find(&self, db: &Connection, owner: i64, ids: &[CompactString]) -> Result<Vec<Option<K>>> {
        let mut found: Vec<Option<K>> = ids.iter().map(|_| None).collect();
        let mut asked: Vec<(&str, usize)> = ids.iter().map(CompactString::as_str).zip(0..).collect();
        if !asked.is_sorted() {
            asked.sort_unstable();
        }
        let mut nearest = db.prepare_cached(&self.sql(NEAREST))?;
        let mut rest = asked.as_slice();
        let mut last_read = None;
        while let [(id, _), ..] = rest {
            let mut lines = nearest.query(params![owner, id])?;
            let line = match lines.next()? {
                Some(line) => Some((text(line, 0)?, line)),
                None => None,
            };
            let Some((first, line)) = line.filter(|(first, _)| last_read.as_ref() != Some(first)) else {
                // It is in front of all packs, or behind the rows of the one that was read last. So are all others up to
                // the next pack.
                let Some(next) = self.next(db, owner, id)? else {
                    break;
                };
                rest = &rest[rest.partition_point(|(id, _)| **id < *next)..];
                continue;
            };
            last_read = Some(first);
            let mut rows = Rows::<K>::of(pack(line)?);
            while let [(id, _), ..] = rest
                && let Some((row, kept)) = rows.seek(id).map_err(damaged)?
            {
                while let [(id, _), more @ ..] = rest
                    && **id < *row
                {
                    rest = more;
                }
                while let [(id, at), more @ ..] = rest
                    && *id == row
                {
                    found[*at] = Some(kept.clone());
                    rest = more;
                }
            }
        }
        Ok(found)
    }

    /// Hands over all rows of an owner, in their order.
    pub(super) fn each(
        &self,
        db: &Connection,
        owner: i64,
        mut take: impl FnMut(CompactString, K),
    ) -> Result<()> {
        self.walk(db, owner, "", |pack| {
            for row in Rows::of(pack) {
                let (id, kept) = row.map_err(damaged)?;
                take(id, kept);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Rows of an owner after one, in their order, `limit` at most.
    pub(super) fn after(
        &self,
        db: &Connection,
        owner: i64,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Entry<K>>> {
        let first = self.line(db, owner, NEAREST, after)?.map(|(first, _)| first);
        let mut found = Vec::new();
        self.walk(db, owner, first.as_deref().unwrap_or_default(), |pack| {
            for row in Rows::of(pack) {
                let (id, kept) = row.map_err(damaged)?;
                if found.len() == limit {
                    return Ok(ControlFlow::Break(()));
                }
                if *id > *after {
                    found.push((id, kept));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Asks for each of `ids`, which are ordered, what is to be kept of it from now on, given what is kept so far; `None`
    /// is nothing. `to` hears the ids by their places.
    pub(super) fn change(
        &self,
        tx: &Transaction<'_>,
        owner: i64,
        ids: &[CompactString],
        mut to: impl FnMut(usize, Option<K>) -> Option<K>,
    ) -> Result<()> {
        let mut at = 0;
        while let Some(id) = ids.get(at) {
            // In front of all packs a row goes into the first one, so that rows that come backwards share packs.
            let old = match self.line(tx, owner, NEAREST, id)? {
                None => self.line(tx, owner, FIRST, "")?,
                found => found,
            };
            let next = match &old {
                None => None,
                Some((first, _)) => self.next(tx, owner, first.max(id))?,
            };
            let here = match &next {
                None => ids.len() - at,
                Some(next) => ids[at..].partition_point(|id| id < next),
            };
            let bytes = old.as_ref().map_or(&[][..], |(_, bytes)| bytes);
            let kept: std::result::Result<Vec<Entry<K>>, _> = Rows::of(bytes).collect();
            let kept = kept.map_err(damaged)?;
            let behind_all = next.is_none() && kept.last().is_none_or(|(last, _)| last < id);
            let mut changed = false;
            let all = merge(kept, &ids[at..at + here], |place, before| {
                let was = before.clone();
                let now = to(at + place, before);
                changed |= was != now;
                now
            });
            // A second run mostly finds its links as they are.
            if changed {
                self.replace(tx, owner, old, &pack_up(&all, behind_all))?;
            }
            at += here;
        }
        Ok(())
    }
}

impl Table<Ended> {
    /// The outcomes of an owner's rows, counted in the order of [`Outcome::ALL`].
    pub(super) fn outcomes(&self, db: &Connection, owner: i64) -> Result<[u64; Outcome::ALL.len()]> {
        let mut counts = [0; _];
        self.walk(db, owner, "", |pack| {
            count_outcomes(pack, &mut counts).ok_or_else(|| damaged(Damaged))?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(counts)
    }
}

/// Rows as they were, with what `to` makes of those that are named.
fn merge<K>(
    old: Vec<Entry<K>>,
    ids: &[CompactString],
    mut to: impl FnMut(usize, Option<K>) -> Option<K>,
) -> Vec<Entry<K>> {
    let mut all: Vec<Entry<K>> = Vec::with_capacity(old.len() + ids.len());
    let mut old = old.into_iter().peekable();
    for (place, id) in ids.iter().enumerate() {
        while let Some(row) = old.next_if(|(row, _)| row < id) {
            all.push(row);
        }
        // A row may be named several times.
        let before = all
            .pop_if(|(last, _)| last == id)
            .or_else(|| old.next_if(|(row, _)| row == id));
        if let Some(kept) = to(place, before.map(|(_, kept)| kept)) {
            all.push((id.clone(), kept));
        }
    }
    all.extend(old);
    all
}

/// A pack that is to be written.
struct Pack<'r> {
    first: &'r CompactString,
    rows: usize,
    bytes: Vec<u8>,
}

/// Rows in packs. Rows behind all others fill one pack after the other. Of others the last two packs share their rows,
/// so that both have room for what may come between.
fn pack_up<K: Kept>(rows: &[Entry<K>], behind_all: bool) -> Vec<Pack<'_>> {
    let mut packs = Vec::with_capacity(rows.len() / ROWS + 1);
    fill(&mut packs, rows, ROWS);
    if !behind_all && let [.., before, last] = packs.as_slice() {
        let shared = before.rows + last.rows;
        packs.truncate(packs.len() - 2);
        fill(&mut packs, &rows[rows.len() - shared..], shared.div_ceil(2));
    }
    packs
}

/// Puts rows into packs of `most` each.
fn fill<'r, K: Kept>(packs: &mut Vec<Pack<'r>>, rows: &'r [Entry<K>], most: usize) {
    let mut packer = Packer::default();
    let mut rest = rows;
    while let [(first, _), ..] = rest {
        packer.clear();
        let mut count = 0;
        while count < most
            && packer.bytes().len() < BYTES
            && let Some((id, kept)) = rest.get(count)
        {
            packer.push(id, kept);
            count += 1;
        }
        packs.push(Pack {
            first,
            rows: count,
            bytes: packer.bytes().to_vec(),
        });
        rest = &rest[count..];
    }
}

/// The bytes of a line's pack.
fn pack<'l>(line: &'l Row<'_>) -> Result<&'l [u8]> {
    match line.get_ref(1)? {
        ValueRef::Blob(bytes) => Ok(bytes),
        _ => Err(wrong(1, Type::Blob)),
    }
}

/// SQLite's own word for a file that holds something else than was written.
pub(super) fn damaged(_: Damaged) -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rusqlite::TransactionBehavior;

    use super::*;
    use crate::{
        record::Outcome,
        state::{SentMark, sqlite::schema},
    };

    /// A table with what it should hold.
    struct Twin {
        db: Connection,
        rows: BTreeMap<CompactString, Link>,
    }

    const OWNER: i64 = 7;

    /// Rows of each owner beside it.
    const OTHERS: usize = 200;

    impl Twin {
        fn new() -> Self {
            let mut db = Connection::open_in_memory().unwrap();
            schema::bring_up(&mut db).unwrap();
            // Others have rows of the same ids.
            let tx = db.transaction().unwrap();
            for other in [OWNER - 1, OWNER + 1] {
                let ids: Vec<CompactString> = (0..OTHERS).map(id).collect();
                LINKS
                    .change(&tx, other, &ids, |_, _| Some(link(usize::MAX, true)))
                    .unwrap();
            }
            tx.commit().unwrap();
            Twin {
                db,
                rows: BTreeMap::new(),
            }
        }

        fn change(&mut self, ids: &[CompactString], mut to: impl FnMut(usize, Option<Link>) -> Option<Link>) {
            let tx = self
                .db
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .unwrap();
            let rows = &mut self.rows;
            LINKS
                .change(&tx, OWNER, ids, |at, before| {
                    assert_eq!(before, rows.remove(&ids[at]), "{}", ids[at]);
                    let link = to(at, before);
                    if let Some(link) = &link {
                        rows.insert(ids[at].clone(), link.clone());
                    }
                    link
                })
                .unwrap();
            for other in [OWNER - 1, OWNER + 1] {
                assert_eq!(LINKS.count(&tx, other).unwrap(), OTHERS as u64);
            }
            tx.commit().unwrap();
        }

        /// Whether all ways of reading give what should be there, and packs are in order.
        fn check(&self) {
            let db = &self.db;
            let all: Vec<Entry<Link>> = self.rows.clone().into_iter().collect();
            let mut each = Vec::new();
            LINKS.each(db, OWNER, |id, link| each.push((id, link))).unwrap();
            assert!(each == all, "{} rows instead of {}", each.len(), all.len());
            assert_eq!(LINKS.count(db, OWNER).unwrap(), all.len() as u64);
            let mut paged: Vec<Entry<Link>> = Vec::new();
            loop {
                let after = paged.last().map(|(id, _)| id.clone()).unwrap_or_default();
                let page = LINKS.after(db, OWNER, &after, 50).unwrap();
                assert!(page.len() <= 50);
                if page.is_empty() {
                    break;
                }
                paged.extend(page);
            }
            assert!(paged == all, "{} rows instead of {}", paged.len(), all.len());
            let sql = "SELECT max(rows), max(length(pack)) FROM link_packs WHERE owner = ?1";
            let (rows, bytes): (Option<usize>, Option<usize>) = self
                .db
                .query_row(sql, [OWNER], |row| {
                    Ok((
                        row.get::<_, Option<u32>>(0)?.map(|n| n as usize),
                        row.get::<_, Option<u32>>(1)?.map(|n| n as usize),
                    ))
                })
                .unwrap();
            assert!(rows.unwrap_or(0) <= ROWS && bytes.unwrap_or(0) < BYTES + 100);
        }

        fn packs(&self) -> usize {
            let sql = "SELECT count(*) FROM link_packs WHERE owner = ?1";
            let packs: u32 = self.db.query_row(sql, [OWNER], |row| row.get(0)).unwrap();
            packs as usize
        }
    }

    fn id(n: usize) -> CompactString {
        format!("{n:06}").into()
    }

    fn link(n: usize, sent: bool) -> Link {
        Link {
            target_id: format!("t{n}").into(),
            sent: sent.then_some(SentMark(n as u128)),
        }
    }

    /// Numbers that look like chance, and are the same each time.
    fn chance(seed: &mut u64) -> usize {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as usize
    }

    #[test]
    fn a_table_holds_what_a_map_would() {
        for seed in 1..9 {
            let mut random = seed;
            let mut twin = Twin::new();
            for _ in 0..60 {
                let from = chance(&mut random) % 3_000;
                // Neighbours, rows here and there, the same ones again.
                let step = [1, 1, 7, 100][chance(&mut random) % 4];
                let mut ids: Vec<CompactString> = (0..chance(&mut random) % 300)
                    .map(|n| id(from + n * step))
                    .collect();
                if chance(&mut random).is_multiple_of(4) {
                    ids = ids.into_iter().flat_map(|id| [id.clone(), id]).collect();
                }
                let (kind, marked) = (chance(&mut random) % 4, chance(&mut random).is_multiple_of(2));
                twin.change(&ids, |at, before| match kind {
                    0 => None,
                    1 => before.map(|link| Link { sent: None, ..link }),
                    _ => Some(link(from + at, marked)),
                });
                let asked: Vec<CompactString> = (0..200).map(|_| id(chance(&mut random) % 4_000)).collect();
                let found = LINKS.find(&twin.db, OWNER, &asked).unwrap();
                for (id, found) in asked.iter().zip(found) {
                    assert_eq!(found.as_ref(), twin.rows.get(id), "{id}, seed {seed}");
                }
            }
            twin.check();
        }
    }

    /// Packs that so many rows come to: in their order, backwards, in no order, between two others, by calls of `size`.
    fn packs(size: usize, sent: bool) -> [usize; 4] {
        const ALL: usize = 6_007;
        let orders: [Vec<usize>; 4] = [
            (0..ALL).collect(),
            (0..ALL).rev().collect(),
            (0..ALL).map(|n| n * 2_003 % ALL).collect(),
            [0, ALL - 1].into_iter().chain((1..ALL - 1).rev()).collect(),
        ];
        orders.map(|order| {
            let mut twin = Twin::new();
            for call in order.chunks(size) {
                let mut ids: Vec<CompactString> = call.iter().copied().map(id).collect();
                ids.sort_unstable();
                twin.change(&ids, |at, _| Some(link(at, sent)));
            }
            twin.check();
            assert_eq!(twin.rows.len(), ALL);
            twin.packs()
        })
    }

    #[test]
    fn packs_are_full_in_order_and_half_full_at_worst() {
        for size in [1, 3, 200, 6_007] {
            let [upwards, others @ ..] = packs(size, false);
            assert_eq!(upwards, 94, "calls of {size}");
            for packs in others {
                assert!(packs <= 94 * 2 + 1, "{packs} in calls of {size}");
            }
            // With marks it is bytes that make them full.
            let [upwards, others @ ..] = packs(size, true);
            assert!(upwards < 200, "{upwards} in calls of {size}");
            for packs in others {
                assert!(packs <= upwards * 2 + 1, "{packs} in calls of {size}");
            }
        }
    }

    #[test]
    fn what_is_there_already_is_not_written_again() {
        let mut twin = Twin::new();
        let ids: Vec<CompactString> = (0..1_000).map(id).collect();
        twin.change(&ids, |at, _| Some(link(at, false)));
        twin.db
            .execute_batch(
                "CREATE TRIGGER t BEFORE INSERT ON link_packs BEGIN SELECT raise(ABORT, 'written'); END",
            )
            .unwrap();
        twin.change(&ids[100..], |at, _| Some(link(at + 100, false)));
        twin.check();
    }

    #[test]
    fn statements_are_planned_once() {
        let mut twin = Twin::new();
        for from in 0..20 {
            let ids: Vec<CompactString> = (from..from + 100).map(|n| id(n * 7 % 1_000)).collect();
            let mut ordered = ids.clone();
            ordered.sort_unstable();
            twin.change(&ordered, |at, _| Some(link(at + from, false)));
            LINKS.find(&twin.db, OWNER, &ids).unwrap();
        }
        for which in [NEAREST, FIRST] {
            let statement = twin.db.prepare_cached(&LINKS.sql(which)).unwrap();
            let again = statement.get_status(rusqlite::StatementStatus::RePrepare);
            assert_eq!(again, 0, "{which}");
        }
    }

    #[test]
    fn ids_of_all_kinds_are_kept() {
        let mut ids: Vec<CompactString> = [
            "",
            "0",
            "grö",
            "grü",
            "gr",
            "001D000000K0fXOIAZ",
            "\u{10ffff}",
            "a\u{0}b",
        ]
        .map(CompactString::from)
        .into();
        ids.push("x".repeat(70_000).into());
        ids.sort_unstable();
        let mut db = Connection::open_in_memory().unwrap();
        schema::bring_up(&mut db).unwrap();
        let tx = db.transaction().unwrap();
        let kept: Vec<Ended> = ids
            .iter()
            .zip(Outcome::ALL.into_iter().cycle())
            .map(|(id, outcome)| Ended {
                outcome,
                target_id: (outcome != Outcome::Filtered).then(|| id.clone()),
            })
            .collect();
        OUTCOMES
            .change(&tx, 1, &ids, |at, _| Some(kept[at].clone()))
            .unwrap();
        let found: Option<Vec<Ended>> = OUTCOMES.find(&tx, 1, &ids).unwrap().into_iter().collect();
        assert_eq!(found.unwrap(), kept);
        let mut counted = [0; 6];
        kept.iter().for_each(|row| counted[row.outcome as usize] += 1);
        assert_eq!(OUTCOMES.outcomes(&tx, 1).unwrap(), counted);
    }

    #[test]
    fn a_damaged_pack_is_an_error() {
        let mut twin = Twin::new();
        let ids: Vec<CompactString> = (0..10).map(id).collect();
        twin.change(&ids, |at, _| Some(link(at, true)));
        let tx = twin.db.transaction().unwrap();
        OUTCOMES
            .change(&tx, OWNER, &ids, |_, _| {
                Some(Ended {
                    outcome: Outcome::Created,
                    target_id: Some("t".into()),
                })
            })
            .unwrap();
        for pack in [
            &b"\x00"[..],
            b"\xff\xff",
            b"\x05\x01a\x00\x00\x00",
            b"\x00\x01a\x07\x00\x00",
            b"\x00\x01a\x10\x00\x09b",
        ] {
            for table in ["link_packs", "outcome_packs"] {
                tx.execute(&format!("UPDATE {table} SET pack = ?1"), [pack])
                    .unwrap();
            }
            let damaged = [
                LINKS.find(&tx, OWNER, &ids).err(),
                LINKS.after(&tx, OWNER, "", 9).err(),
                LINKS.each(&tx, OWNER, |_, _| {}).err(),
                LINKS.change(&tx, OWNER, &ids, |_, link| link).err(),
                OUTCOMES.find(&tx, OWNER, &ids).err(),
                OUTCOMES.outcomes(&tx, OWNER).err(),
            ];
            for (place, error) in damaged.into_iter().enumerate() {
                let code = error.and_then(|error| error.sqlite_error_code());
                assert_eq!(
                    code,
                    Some(rusqlite::ErrorCode::DatabaseCorrupt),
                    "{place}: {pack:?}"
                );
            }
        }
    }
}
