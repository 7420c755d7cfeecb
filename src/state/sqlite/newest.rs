//! The newest records of an id map, kept beside it: a run asks for them before its first write, however many there are.

use std::collections::BTreeSet;

use compact_str::CompactString;
use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

use super::{
    packed::{Packer, Row, Rows},
    packs::{LINKS, damaged},
};
use crate::state::{LinkSet, store::KEPT_NEWEST};

/// Rows and records, from the newest record on.
type Links = Vec<(CompactString, CompactString)>;

/// The newest records, `limit` at most; `None` where too few are kept.
pub(super) fn of(db: &Connection, links: LinkSet, limit: usize) -> Result<Option<Links>> {
    let newest = kept(db, links)?.by_record;
    let (records, rows): (Vec<_>, Vec<_>) = newest.into_iter().rev().unzip();
    // A row may have become another record since, or none.
    let now = LINKS.find(db, links.0, &rows)?;
    let found: Links = rows
        .into_iter()
        .zip(records)
        .zip(now)
        .filter(|((_, record), now)| now.as_ref().is_some_and(|now| now.target_id == *record))
        .map(|(link, _)| link)
        .take(limit)
        .collect();
    Ok((found.len() * 2 >= limit).then_some(found))
}

/// The newest records before a row and its record, of all links, `limit` at most.
pub(super) fn of_all(
    db: &Connection,
    links: LinkSet,
    before: Option<(&str, &str)>,
    limit: usize,
) -> Result<Links> {
    let mut newest = Newest::new(limit);
    LINKS.each(db, links.0, |row, link| {
        // Several rows may have become one record.
        if before.is_none_or(|(last_row, last_record)| (&*link.target_id, &*row) < (last_record, last_row)) {
            newest.take(&link.target_id, &row);
        }
    })?;
    let by_record = newest.by_record.into_iter().rev();
    Ok(by_record.map(|(record, row)| (row, record)).collect())
}

/// Takes records, and the rows that became them.
pub(super) fn learn<'r>(
    tx: &Transaction<'_>,
    links: LinkSet,
    records: impl DoubleEndedIterator<Item = (&'r CompactString, &'r CompactString)>,
) -> Result<()> {
    // Later rows mostly have newer records: from them on, most others need but a look.
    let mut records = records.rev().peekable();
    if records.peek().is_none() {
        return Ok(());
    }
    let mut newest = kept(tx, links)?;
    let mut any = false;
    for (record, row) in records {
        any |= newest.take(record, row);
    }
    if !any {
        return Ok(());
    }
    let mut packer = Packer::default();
    for (record, row) in newest.by_record {
        packer.push(&record, &Row(row));
    }
    tx.prepare_cached("INSERT OR REPLACE INTO newest_links (link_set, pack) VALUES (?1, ?2)")?
        .execute(params![links.0, packer.bytes()])?;
    Ok(())
}

/// Forgets all of an id map.
pub(super) fn forget(tx: &Transaction<'_>, links: LinkSet) -> Result<()> {
    tx.prepare_cached("DELETE FROM newest_links WHERE link_set = ?1")?
        .execute([links.0])?;
    Ok(())
}

fn kept(db: &Connection, links: LinkSet) -> Result<Newest> {
    let pack: Option<Vec<u8>> = db
        .prepare_cached("SELECT pack FROM newest_links WHERE link_set = ?1")?
        .query_row([links.0], |line| line.get(0))
        .optional()?;
    let mut newest = Newest::new(KEPT_NEWEST);
    for row in Rows::of(&pack.unwrap_or_default()) {
        let (record, Row(row)) = row.map_err(damaged)?;
        newest.by_record.insert((record, row));
    }
    Ok(newest)
}

/// So many of the newest records, each with a row that became it: several rows may have become one.
struct Newest {
    by_record: BTreeSet<(CompactString, CompactString)>,
    most: usize,
}

impl Newest {
    fn new(most: usize) -> Self {
        Newest {
            by_record: BTreeSet::new(),
            most,
        }
    }

    /// Takes a record with its row, where it is among the newest; whether that is news.
    fn take(&mut self, record: &CompactString, row: &CompactString) -> bool {
        let full = self.by_record.len() >= self.most;
        let oldest = self.by_record.first().filter(|_| full);
        if oldest.is_some_and(|(oldest, _)| record < oldest) {
            return false;
        }
        let new = self.by_record.insert((record.clone(), row.clone()));
        if self.by_record.len() > self.most {
            self.by_record.pop_first();
        }
        new
    }
}
