//! State in one SQLite file.

mod flow;
mod found;
mod journal;
mod lock;
mod many;
mod newest;
mod outcomes;
mod store;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::{RunRecord, RunStatus, StateError};

/// The store behind every run on one machine.
///
/// One connection behind a mutex: SQLite has one writer anyway, and a batch takes milliseconds.
pub struct Sqlite {
    connection: Mutex<Connection>,
    path: String,
}

/// `orgf` in ASCII: tells our files from other people's.
const APPLICATION_ID: i64 = 0x6f72_6766;

/// The version that this code writes.
const VERSION: i64 = 4;

/// What stands for a file's name when there is none.
const MEMORY: &str = ":memory:";

/// How long a call waits for another process that writes.
const BUSY: Duration = Duration::from_secs(30);

const SCHEMA: &str = "
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

impl Sqlite {
    /// Opens the file, making it and its folder where they are missing. A folder named `.orgferry` gets a
    /// `.gitignore`, since rows of customers have no place in git.
    ///
    /// # Errors
    /// When it cannot be made or written, is something else, or comes from a newer orgferry.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let name = path.display().to_string();
        let create = |source: io::Error| StateError::Create {
            path: name.clone(),
            source,
        };
        if path.is_dir() {
            return Err(StateError::Foreign {
                path: name,
                found: "it is a folder",
            });
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder).map_err(create)?;
        }
        // Asking for the file by hand gives the operating system's own reason, which SQLite does not pass on.
        if !path.exists() {
            fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .map_err(create)?;
        }
        let connection = connect(path, &name)?;
        Sqlite::prepare(connection, name)
    }

    /// Opens the file if there is one: a question about the history creates nothing.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn open_existing(path: &Path) -> Result<Option<Self>, StateError> {
        match fs::metadata(path) {
            Ok(meta) if meta.is_file() && meta.len() == 0 => Ok(None),
            Ok(_) => Sqlite::open(path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Create {
                path: path.display().to_string(),
                source,
            }),
        }
    }

    /// State that ends with the process.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn memory() -> Result<Self, StateError> {
        let name = MEMORY.to_owned();
        let connection = Connection::open_in_memory().map_err(|e| database(&name, &e))?;
        Sqlite::prepare(connection, name)
    }

    /// Its file; state in memory has none.
    fn file(&self) -> Option<&Path> {
        (self.path != MEMORY).then(|| Path::new(&self.path))
    }

    /// A run as it is: one that has not ended although its process is gone has died.
    fn as_it_is(&self, mut run: RunRecord) -> RunRecord {
        if run.status == RunStatus::Running && self.file().is_some_and(|file| !lock::is_held(file, &run)) {
            run.status = RunStatus::Died;
        }
        run
    }

    /// The file's name, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn prepare(mut connection: Connection, path: String) -> Result<Self, StateError> {
        let fail = |e: rusqlite::Error| database(&path, &e);
        connection.busy_timeout(BUSY).map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Looked at before anything is written, so that a file of somebody else stays as it is.
        let version = identify(&connection, &path)?;
        // NORMAL: with a write-ahead log a power cut may lose the last batches' outcomes, never the file. An upsert
        // by key finds those rows again.
        for (pragma, value) in [
            ("journal_mode", "WAL"),
            ("synchronous", "NORMAL"),
            ("temp_store", "MEMORY"),
        ] {
            connection
                .pragma_update_and_check(None, pragma, value, |_| Ok(()))
                .or_else(|e| match e {
                    rusqlite::Error::QueryReturnedNoRows => Ok(()),
                    e => Err(fail(e)),
                })?;
        }
        // Kibibytes: rows are written where the last ones were, and links that are asked for often are in tables of
        // their own; other pages come from the system's own cache.
        connection
            .pragma_update(None, "cache_size", -8_192)
            .map_err(fail)?;
        if version < VERSION {
            let tx = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(fail)?;
            // Another process may have been first.
            let version = pragma(&tx, "user_version").map_err(fail)?;
            if version < VERSION {
                if version == 0 {
                    tx.execute_batch(SCHEMA).map_err(fail)?;
                }
                if version < 2 {
                    tx.execute_batch(VERSION_2).map_err(fail)?;
                }
                if version < 3 {
                    tx.execute_batch(VERSION_3).map_err(fail)?;
                }
                tx.execute_batch(VERSION_4).map_err(fail)?;
                tx.pragma_update(None, "application_id", APPLICATION_ID)
                    .map_err(fail)?;
                tx.pragma_update(None, "user_version", VERSION).map_err(fail)?;
            }
            tx.commit().map_err(fail)?;
        }
        Ok(Sqlite {
            connection: Mutex::new(connection),
            path,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic in another call left no half-written transaction behind: dropping it rolled it back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in one transaction: all of it or nothing.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StateError> {
        at_once(&mut self.lock(), work).map_err(|e| database(&self.path, &e))
    }

    /// As [`Sqlite::write`], and on the disk when it returns, with all that was written before: a power cut takes
    /// nothing of it back.
    fn write_through<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let mut connection = self.lock();
        let written = connection
            .pragma_update(None, "synchronous", "FULL")
            .and_then(|()| at_once(&mut connection, work));
        let back = connection.pragma_update(None, "synchronous", "NORMAL");
        written
            .and_then(|value| back.map(|()| value))
            .map_err(|e| database(&self.path, &e))
    }

    /// Runs `work` over one state of the file. Without a transaction each statement takes and gives back its locks, which
    /// costs more than finding a row.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        let connection = self.lock();
        let run = |connection: &Connection| {
            let tx = connection.unchecked_transaction()?;
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        };
        run(&connection).map_err(|e| database(&self.path, &e))
    }
}

fn at_once<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&tx)?;
    tx.commit()?;
    Ok(value)
}

fn connect(path: &Path, name: &str) -> Result<Connection, StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|e| database(name, &e))
}

/// The version of the schema in the file; 0 for an empty file.
fn identify(connection: &Connection, path: &str) -> Result<i64, StateError> {
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

/// The `.orgferry` folder of a project, made where it is missing.
///
/// # Errors
/// When it cannot be made.
pub fn project_folder(project: &Path) -> io::Result<PathBuf> {
    let folder = project.join(".orgferry");
    make_folder(&folder)?;
    Ok(folder)
}

/// Makes a folder; the `.orgferry` of a project keeps itself out of git.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    if folder.file_name().is_some_and(|name| name == ".orgferry") {
        let ignore: PathBuf = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(ignore, "*\n")?;
        }
    }
    Ok(())
}

/// Our words for what SQLite says.
fn database(path: &str, error: &rusqlite::Error) -> StateError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StateError::Foreign {
            path,
            found: "it is not an SQLite database",
        },
        Some(ErrorCode::DatabaseCorrupt) => StateError::Foreign {
            path,
            found: "the database is damaged",
        },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StateError::ReadOnly {
            path,
            found: "the file or its folder is read-only",
        },
        Some(ErrorCode::CannotOpen) => StateError::ReadOnly {
            path,
            found: "it, or a file beside it, cannot be opened",
        },
        Some(ErrorCode::DiskFull) => StateError::Full { path },
        _ if error
            .sqlite_error()
            .is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE) =>
        {
            StateError::NoMore { path }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StateError::Busy { path },
        _ => StateError::Database {
            path,
            message: error.to_string(),
        },
    }
}
