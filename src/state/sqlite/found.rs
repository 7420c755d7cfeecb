//! Rows that are asked for by their source ids.

use compact_str::CompactString;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::record::id18;

/// Rows that are read for each that is found: finding one by itself costs as much.
const CHEAPER: usize = 6;

/// Rows that are read before it is looked whether any of them was asked for.
const TRIED: usize = 64;

/// A table of rows by whose they are and by their source ids.
#[derive(Clone, Copy)]
pub(super) struct Table {
    name: &'static str,
    owner: &'static str,
}

pub(super) const LINKS: Table = Table {
    name: "links",
    owner: "link_set",
};

pub(super) const OUTCOMES: Table = Table {
    name: "outcomes",
    owner: "step_run",
};

/// What `take` makes of the rows of one owner, in the order of `ids`. The `columns` begin at 1.
pub(super) fn by_ids<T>(
    db: &Connection,
    table: Table,
    columns: &str,
    owner: i64,
    ids: &[CompactString],
    mut take: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let Table { name, owner: of } = table;
    let select = format!("SELECT source_id, {columns} FROM {name} WHERE {of} = ?1 AND source_id");
    let mut found: Vec<Option<T>> = ids.iter().map(|_| None).collect();
    let mut asked: Vec<(CompactString, usize)> =
        ids.iter().enumerate().map(|(at, id)| (id18(id), at)).collect();
    if !asked.is_sorted() {
        asked.sort_unstable();
    }
    // Sources mostly give their rows in the order of their ids: then those of a batch lie close together here.
    let mut rest = asked.as_slice();
    if let [(first, _), .., (last, _)] = asked.as_slice() {
        let mut range = db.prepare_cached(&format!("{select} BETWEEN ?2 AND ?3 ORDER BY source_id"))?;
        let mut rows = range.query(params![owner, first.as_str(), last.as_str()])?;
        // How many more may be read. Parents, say, lie anywhere.
        let mut most = TRIED;
        let whole = loop {
            if most == 0 {
                break false;
            }
            let Some(row) = rows.next()? else { break true };
            most -= 1;
            let id = row.get_ref(0)?.as_str()?;
            while let [(asked, _), more @ ..] = rest
                && asked.as_str() < id
            {
                rest = more;
            }
            while let [(asked, at), more @ ..] = rest
                && asked.as_str() == id
            {
                found[*at] = Some(take(row)?);
                rest = more;
                most += CHEAPER;
            }
        };
        if whole {
            return Ok(found);
        }
    }
    let mut one = db.prepare_cached(&format!("{select} = ?2"))?;
    for (id, at) in rest {
        found[*at] = one
            .query_row(params![owner, id.as_str()], |row| take(row))
            .optional()?;
    }
    Ok(found)
}
