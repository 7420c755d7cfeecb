//! State in one SQLite file.

mod flow;
mod journal;
mod lock;
mod newest;
mod outcomes;
mod packed;
mod packs;
mod schema;
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

/// What stands for a file's name when there is none.
const MEMORY: &str = ":memory:";

/// How long a call waits for another process that writes.
const BUSY: Duration = Duration::from_secs(30);

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
        let version = schema::identify(&connection, &path)?;
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
        if version < schema::VERSION {
            // A run of an older version would not find its tables any more.
            if version > 0 && lock::any_is_held(Path::new(&path)) {
                return Err(StateError::Busy { path });
            }
            schema::bring_up(&mut connection).map_err(fail)?;
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
