//! The newest records of an id map, kept beside it: a run asks for them before its first write, however many there are.

use compact_str::CompactString;
use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

use super::store::pair;
use crate::state::LinkSet;

/// Records that are kept of each id map: more than anybody asks for, for some of them will be deleted.
pub(super) const KEPT: usize = 256;

/// Rows and records, from the newest record on; `None` where too few are kept.
pub(super) fn of(
    db: &Connection,
    links: LinkSet,
    limit: i64,
) -> Result<Option<Vec<(CompactString, CompactString)>>> {
    // A row may have become another record since, or none.
    let found: Vec<_> = db
        .prepare_cached(
            "SELECT n.source_id, n.target_id FROM newest_links n JOIN links l ON l.link_set = n.link_set \
             AND l.source_id = n.source_id AND l.target_id = n.target_id \
             WHERE n.link_set = ?1 ORDER BY n.target_id DESC LIMIT ?2",
        )?
        .query_map(params![links.0, limit], pair)?
        .collect::<Result<_>>()?;
    let enough = i64::try_from(found.len()).is_ok_and(|found| found * 2 >= limit);
    Ok(enough.then_some(found))
}

/// Takes rows, and the records that they became.
pub(super) fn learn<'r>(
    tx: &Transaction<'_>,
    links: LinkSet,
    rows: impl Iterator<Item = (&'r str, &'r str)>,
) -> Result<()> {
    let oldest: Option<String> = tx
        .prepare_cached(
            "SELECT target_id FROM newest_links WHERE link_set = ?1 ORDER BY target_id DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![links.0, (KEPT - 1) as i64], |row| row.get(0))
        .optional()?;
    let mut newer: Vec<(&str, &str)> = rows
        .filter(|(_, record)| oldest.as_deref().is_none_or(|oldest| *record > oldest))
        .collect();
    if newer.len() > KEPT {
        newer.select_nth_unstable_by(KEPT, |a, b| b.1.cmp(a.1));
        newer.truncate(KEPT);
    }
    if newer.is_empty() {
        return Ok(());
    }
    let mut put = tx.prepare_cached(
        "INSERT OR REPLACE INTO newest_links (link_set, target_id, source_id) VALUES (?1, ?2, ?3)",
    )?;
    for (row, record) in newer {
        put.execute(params![links.0, record, row])?;
    }
    tx.prepare_cached(
        "DELETE FROM newest_links WHERE link_set = ?1 AND target_id < (SELECT target_id FROM newest_links \
         WHERE link_set = ?1 ORDER BY target_id DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![links.0, (KEPT - 1) as i64])?;
    Ok(())
}

/// Forgets all of an id map.
pub(super) fn forget(tx: &Transaction<'_>, links: LinkSet) -> Result<()> {
    tx.prepare_cached("DELETE FROM newest_links WHERE link_set = ?1")?
        .execute([links.0])?;
    Ok(())
}
