//! The tables of a state file, and how files of older versions get there.

use compact_str::CompactString;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::{
    database, newest,
    packed::Link,
    packs::{LINKS, OUTCOMES},
    store::{optional_text, outcome_at, text},
};
use crate::state::{Ended, LinkSet, SentMark, StateError};

/// `orgf` in ASCII: tells our files from other people's.
pub(super) const APPLICATION_ID: i64 = 0x6f72_6766;

/// The version that this code writes.
pub(super) const VERSION: i64 = 5;

const VERSION_1: &str = "
CREATE TABLE runs (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, file TEXT NOT NULL, env TEXT,
    from_name TEXT NOT NULL, to_name TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT,
    status TEXT NOT NULL, exit_code INTEGER, report TEXT
) WITHOUT ROWID, STRICT;
CREATE TABLE step_runs (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, step TEXT NOT NULL, UNIQUE (run, step)
) STRICT;
CREATE TABLE outcomes (
    step_run INTEGER NOT NULL, source_id TEXT NOT NULL, outcome INTEGER NOT NULL, target_id TEXT,
    PRIMARY KEY (step_run, source_id)
) WITHOUT ROWID, STRICT;
CREATE TABLE parked_rows (
    step_run INTEGER NOT NULL, source_id TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
    field TEXT, help TEXT NOT NULL, row TEXT NOT NULL,
    PRIMARY KEY (step_run, source_id)
) WITHOUT ROWID, STRICT;
CREATE TABLE link_sets (
    id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, step TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    UNIQUE (pipeline, step, source, target)
) STRICT;
CREATE TABLE links (
    link_set INTEGER NOT NULL, source_id TEXT NOT NULL, target_id TEXT NOT NULL,
    PRIMARY KEY (link_set, source_id)
) WITHOUT ROWID, STRICT;
CREATE TABLE keys (
    step_run INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (step_run, key)
) WITHOUT ROWID, STRICT;
CREATE TABLE deferred (
    step_run INTEGER NOT NULL, source_id TEXT NOT NULL, target_id TEXT NOT NULL, outcome INTEGER NOT NULL,
    payload TEXT NOT NULL, PRIMARY KEY (step_run, source_id)
) WITHOUT ROWID, STRICT;
";

/// What version 2 adds: checks of whole steps, cursors with the rows that wait beside them, and what was last sent.
const VERSION_2: &str = "
CREATE TABLE claimed_values (
    step_run INTEGER NOT NULL, check_no INTEGER NOT NULL, value TEXT NOT NULL, source_id TEXT NOT NULL,
    PRIMARY KEY (step_run, check_no, value)
) WITHOUT ROWID, STRICT;
CREATE TABLE expected (
    step_run INTEGER NOT NULL, target_id TEXT NOT NULL, source_id TEXT NOT NULL, payload TEXT NOT NULL,
    PRIMARY KEY (step_run, target_id, source_id)
) WITHOUT ROWID, STRICT;
CREATE TABLE cursors (
    link_set INTEGER NOT NULL, scope TEXT NOT NULL, value TEXT NOT NULL, begun_at TEXT NOT NULL,
    PRIMARY KEY (link_set, scope)
) WITHOUT ROWID, STRICT;
CREATE TABLE waiting (
    link_set INTEGER NOT NULL, scope TEXT NOT NULL, source_id TEXT NOT NULL, record_id TEXT NOT NULL, at TEXT,
    run TEXT NOT NULL, PRIMARY KEY (link_set, scope, source_id)
) WITHOUT ROWID, STRICT;
ALTER TABLE links ADD COLUMN sent BLOB;
";

/// What version 3 adds: what a run that died leaves for its next sitting.
const VERSION_3: &str = "
ALTER TABLE runs ADD COLUMN started_with TEXT;
ALTER TABLE runs ADD COLUMN sittings INTEGER NOT NULL DEFAULT 1;
ALTER TABLE step_runs ADD COLUMN stage INTEGER NOT NULL DEFAULT 0;
ALTER TABLE step_runs ADD COLUMN link_set INTEGER;
ALTER TABLE step_runs ADD COLUMN note TEXT;
ALTER TABLE keys ADD COLUMN owner TEXT;
ALTER TABLE keys ADD COLUMN sitting INTEGER NOT NULL DEFAULT 1;
CREATE TABLE units (
    id INTEGER PRIMARY KEY AUTOINCREMENT, step_run INTEGER NOT NULL, pass INTEGER NOT NULL, action TEXT NOT NULL,
    bulk INTEGER NOT NULL, job TEXT, manifest BLOB NOT NULL
) STRICT;
CREATE INDEX units_of_steps ON units (step_run);
";

/// What version 4 adds: the newest records of each id map, with those that are there already (as many as `newest` keeps).
const VERSION_4: &str = "
CREATE TABLE newest_links (
    link_set INTEGER NOT NULL, target_id TEXT NOT NULL, source_id TEXT NOT NULL, PRIMARY KEY (link_set, target_id)
) WITHOUT ROWID, STRICT;
INSERT OR REPLACE INTO newest_links SELECT link_set, target_id, source_id FROM (
    SELECT *, row_number() OVER (PARTITION BY link_set ORDER BY target_id DESC) AS place FROM links
) WHERE place <= 256;
";

/// What version 5 adds: rows that are packed, instead of a line each.
const VERSION_5: &str = "
CREATE TABLE outcome_packs (
    owner INTEGER NOT NULL, first_id TEXT NOT NULL, rows INTEGER NOT NULL, pack BLOB NOT NULL,
    PRIMARY KEY (owner, first_id)
) WITHOUT ROWID, STRICT;
CREATE TABLE link_packs (
    owner INTEGER NOT NULL, first_id TEXT NOT NULL, rows INTEGER NOT NULL, pack BLOB NOT NULL,
    PRIMARY KEY (owner, first_id)
) WITHOUT ROWID, STRICT;
DROP TABLE newest_links;
CREATE TABLE newest_links (link_set INTEGER PRIMARY KEY, pack BLOB NOT NULL) STRICT;
";

/// What version 5 has packed.
const UNPACKED: &str = "DROP TABLE outcomes; DROP TABLE links;";

/// What leads from each version to the next, from an empty file on.
pub(super) const STEPS: [&str; 5] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5];

/// Rows that are packed at once.
const PIECE: usize = 10_000;

/// Gives a file, which may be empty, the tables of this version.
pub(super) fn bring_up(connection: &mut Connection) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    let version = pragma(&tx, "user_version")?;
    if version < VERSION {
        for step in STEPS.iter().skip(usize::try_from(version).unwrap_or_default()) {
            tx.execute_batch(step)?;
        }
        pack(&tx)?;
        tx.execute_batch(UNPACKED)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", VERSION)?;
    }
    tx.commit()
}

/// Packs the rows of older versions.
fn pack(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let outcomes =
        "SELECT step_run, source_id, outcome, target_id FROM outcomes ORDER BY step_run, source_id";
    let ended = |row: &Row<'_>| {
        Ok(Ended {
            outcome: outcome_at(row, 2)?,
            target_id: optional_text(row, 3)?,
        })
    };
    pack_table(tx, outcomes, ended, |step, ids, ended| {
        OUTCOMES.change(tx, step, ids, |at, _| Some(ended[at].clone()))
    })?;
    let links = "SELECT link_set, source_id, target_id, sent FROM links ORDER BY link_set, source_id";
    let link = |row: &Row<'_>| {
        let sent: Option<[u8; 16]> = row.get(3)?;
        Ok(Link {
            target_id: text(row, 2)?,
            sent: sent.map(|mark| SentMark(u128::from_be_bytes(mark))),
        })
    };
    pack_table(tx, links, link, |set, ids, links| {
        LINKS.change(tx, set, ids, |at, _| Some(links[at].clone()))?;
        let records = links.iter().map(|link| &link.target_id);
        newest::learn(tx, LinkSet(set), records.zip(ids))
    })
}

/// Packs what a query gives: owner, source id, and what `take` makes of the rest. `put` takes rows of one owner.
fn pack_table<K>(
    tx: &Transaction<'_>,
    query: &str,
    take: impl Fn(&Row<'_>) -> rusqlite::Result<K>,
    put: impl Fn(i64, &[CompactString], &[K]) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut all = tx.prepare(query)?;
    let mut rows = all.query([])?;
    let (mut owner, mut ids, mut kept) = (0, Vec::new(), Vec::new());
    loop {
        let row = rows.next()?;
        let of: Option<i64> = row.map(|row| row.get(0)).transpose()?;
        if of != Some(owner) || ids.len() == PIECE {
            put(owner, &ids, &kept)?;
            ids.clear();
            kept.clear();
        }
        let Some((row, of)) = row.zip(of) else {
            return Ok(());
        };
        owner = of;
        ids.push(text(row, 1)?);
        kept.push(take(row)?);
    }
}

/// The version of the schema in the file; 0 for an empty file.
pub(super) fn identify(connection: &Connection, path: &str) -> Result<i64, StateError> {
    let fail = |e: rusqlite::Error| database(path, &e);
    let foreign = || StateError::Foreign {
        path: path.to_owned(),
        found: "it is an SQLite database of another program",
    };
    let application = pragma(connection, "application_id").map_err(fail)?;
    let version = pragma(connection, "user_version").map_err(fail)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .map_err(fail)?;
    match (application, version) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION_ID, found) if found > VERSION => Err(StateError::Newer {
            path: path.to_owned(),
            found,
            known: VERSION,
        }),
        (APPLICATION_ID, found) if found > 0 => Ok(found),
        _ => Err(foreign()),
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
