//! A file that keeps an org between two runs.
//!
//! It holds the records with their Ids and their recycle bin, files' bytes, where auto numbers stand, and the jobs of
//! Bulk 2.0 with uploads and results. What belongs to a run is not kept: tokens, query locators, limits, faults and the
//! request log. The file is written as a whole beside the old one and then takes its place, so that whoever is killed
//! leaves a good file behind. While it is written no job works on its rows: a job's rows are all in it, or none.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    http::{Org, kept},
    store::{StateFault, Store},
};

const MAGIC: &str = "orgferry org state 2";
/// Before jobs were kept.
const WITHOUT_JOBS: &str = "orgferry org state 1";

/// An org's records could not be kept, or not be had back.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write `{path}`: {source}; what it held before is as it was")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("`{0}` is in use by another process")]
    InUse(PathBuf),
    /// It is another kind of file, or of another release.
    #[error("`{0}` holds no state that this release reads")]
    Foreign(PathBuf),
    /// It ends early or is garbled.
    #[error("`{0}` is damaged")]
    Damaged(PathBuf),
    /// It belongs to another org, or the org file has changed too much.
    #[error("`{path}` does not fit the org file: {reason}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

/// The line that tells whose records follow.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    org_id: String,
    name: String,
    /// The last number that was given to a job or locator.
    serial: u64,
    /// Users, record types and the like, which the records were made with.
    set_up: Vec<String>,
}

/// The file of a running org; nobody else may have it meanwhile.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    /// Held for as long as the org runs.
    _lock: File,
}

impl StateFile {
    /// Takes a file for an org. What it holds becomes the org's records; when there is none it will be made.
    pub(crate) fn open(path: &Path, org: &Org) -> Result<Self, StateError> {
        let write = |source| StateError::Write {
            path: path.to_owned(),
            source,
        };
        // The state is replaced as a whole, so the lock is on a file of its own.
        let lock = File::create(beside(path, "lock")).map_err(write)?;
        lock.try_lock().map_err(|_| StateError::InUse(path.to_owned()))?;
        let file = StateFile {
            path: path.to_owned(),
            _lock: lock,
        };
        match File::open(path) {
            Ok(found) => file.load(found, org)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => file.save(org)?,
            Err(source) => {
                return Err(StateError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        }
        Ok(file)
    }

    fn load(&self, found: File, org: &Org) -> Result<(), StateError> {
        let foreign = || StateError::Foreign(self.path.clone());
        let mut input = BufReader::with_capacity(1 << 20, found);
        let mut line = |most: u64| -> Result<String, StateError> {
            let mut line = String::new();
            match (&mut input).take(most).read_line(&mut line) {
                Ok(_) => Ok(line.trim_end().to_owned()),
                Err(_) => Err(foreign()),
            }
        };
        let magic = line(64)?;
        if magic != MAGIC && magic != WITHOUT_JOBS {
            return Err(foreign());
        }
        let header: Header = serde_json::from_str(&line(1 << 26)?).map_err(|_| foreign())?;
        let mut store = org.read().copy();
        let mine = header_of(org, &store);
        let unfit = |reason: String| StateError::Unfit {
            path: self.path.clone(),
            reason,
        };
        if (&header.name, &header.org_id) != (&mine.name, &mine.org_id) {
            return Err(unfit(format!(
                "it belongs to the org `{}` ({})",
                header.name, header.org_id
            )));
        }
        if let Some(new) = mine.set_up.iter().find(|entry| !header.set_up.contains(entry)) {
            return Err(unfit(format!("the org file has gained the {new}")));
        }
        if let Some(lost) = header.set_up.iter().find(|entry| !mine.set_up.contains(entry)) {
            return Err(unfit(format!("the org file has lost the {lost}")));
        }
        let fault = |fault| match fault {
            StateFault::Read(source) => StateError::Read {
                path: self.path.clone(),
                source,
            },
            StateFault::Damaged => StateError::Damaged(self.path.clone()),
            StateFault::Lost(what) => unfit(format!("it has {what}, for which there is no place")),
        };
        store.restore(&mut input).map_err(fault)?;
        org.replace(store);
        org.skip_serials(header.serial);
        if magic == MAGIC {
            kept::restore(org, &mut input).map_err(fault)?;
        }
        Ok(())
    }

    /// Writes what the org holds now.
    pub(crate) fn save(&self, org: &Org) -> Result<(), StateError> {
        let fresh = beside(&self.path, "new");
        self.write(org, &fresh)
            .and_then(|()| std::fs::rename(&fresh, &self.path))
            .map_err(|source| {
                // Half a file is of no use, and takes room where there may be none left.
                let _ = std::fs::remove_file(&fresh);
                StateError::Write {
                    path: self.path.clone(),
                    source,
                }
            })
    }

    fn write(&self, org: &Org, to: &Path) -> std::io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(to)?);
        // The rows of a job and what it says of them belong together.
        let nobody_works = org.at_work.blocking_write();
        {
            let store = org.read();
            let header = serde_json::to_string(&header_of(org, &store))?;
            writeln!(out, "{MAGIC}\n{header}")?;
            store.save(&mut out)?;
        }
        kept::save(org, &mut out)?;
        drop(nobody_works);
        // Renaming a file whose bytes are still on their way could leave an empty one after a power cut.
        out.into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .sync_all()
    }
}

fn header_of(org: &Org, store: &Store) -> Header {
    let record_types = store.schema.objects.iter().flat_map(|object| {
        object
            .record_types
            .iter()
            .map(move |r| format!("record type `{}.{}`", object.name, r.developer_name))
    });
    Header {
        org_id: org.org_id.clone(),
        name: org.name.clone(),
        serial: org.last_serial(),
        set_up: org
            .file
            .users
            .iter()
            .map(|user| format!("user `{}`", user.username))
            .chain(record_types)
            .collect(),
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}
