//! Many rows in one statement: for rows as small as ours, a statement each costs more than the row.

use rusqlite::{
    Statement, Transaction,
    types::{ToSqlOutput, ValueRef},
};

/// Rows of a statement. Ten rows bring most of what there is to gain; thousands bring nothing more.
const ROWS: usize = 64;

/// Inserts rows that begin with the same number, and have `N` values more each: `head VALUES (first, ?, ...), ... tail`.
pub(super) fn insert<const N: usize>(
    tx: &Transaction<'_>,
    head: &str,
    tail: &str,
    first: i64,
    rows: &[[ValueRef<'_>; N]],
) -> rusqlite::Result<()> {
    let (full, rest) = rows.as_chunks::<ROWS>();
    if !full.is_empty() {
        let mut many = tx.prepare_cached(&sql::<N>(head, tail, ROWS))?;
        for rows in full {
            run(&mut many, first, rows)?;
        }
    }
    if !rest.is_empty() {
        let mut one = tx.prepare_cached(&sql::<N>(head, tail, 1))?;
        for row in rest {
            run(&mut one, first, std::slice::from_ref(row))?;
        }
    }
    Ok(())
}

fn sql<const N: usize>(head: &str, tail: &str, rows: usize) -> String {
    // The first parameter is the same in each row; the others count on from it.
    let row = format!("(?1, {})", ["?"; N].join(", "));
    format!("{head} VALUES {} {tail}", vec![row; rows].join(", "))
}

fn run<const N: usize>(
    statement: &mut Statement<'_>,
    first: i64,
    rows: &[[ValueRef<'_>; N]],
) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(1, first)?;
    for (at, value) in rows.as_flattened().iter().enumerate() {
        statement.raw_bind_parameter(at + 2, ToSqlOutput::Borrowed(*value))?;
    }
    statement.raw_execute()?;
    Ok(())
}
