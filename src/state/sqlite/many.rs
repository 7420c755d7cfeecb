//! Many rows in one statement: for rows as small as ours, a statement each costs more than the row.

use rusqlite::{
    Statement, Transaction,
    types::{ToSqlOutput, ValueRef},
};

/// Rows of a statement. Ten rows bring most of what there is to gain; thousands bring nothing more.
const ROWS: usize = 64;

/// Inserts rows of `N` values each: `head VALUES (?, ...), ... tail`.
pub(super) fn insert<const N: usize>(
    tx: &Transaction<'_>,
    head: &str,
    tail: &str,
    rows: &[[ValueRef<'_>; N]],
) -> rusqlite::Result<()> {
    let (full, rest) = rows.as_chunks::<ROWS>();
    if !full.is_empty() {
        let mut many = tx.prepare_cached(&sql::<N>(head, tail, ROWS))?;
        for rows in full {
            run(&mut many, rows)?;
        }
    }
    if !rest.is_empty() {
        let mut one = tx.prepare_cached(&sql::<N>(head, tail, 1))?;
        for row in rest {
            run(&mut one, std::slice::from_ref(row))?;
        }
    }
    Ok(())
}

fn sql<const N: usize>(head: &str, tail: &str, rows: usize) -> String {
    let row = format!("({})", ["?"; N].join(", "));
    format!("{head} VALUES {} {tail}", vec![row; rows].join(", "))
}

fn run<const N: usize>(statement: &mut Statement<'_>, rows: &[[ValueRef<'_>; N]]) -> rusqlite::Result<()> {
    for (at, value) in rows.as_flattened().iter().enumerate() {
        statement.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(*value))?;
    }
    statement.raw_execute()?;
    Ok(())
}
