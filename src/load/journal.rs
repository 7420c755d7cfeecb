//! What a loader writes down before it sends what cannot be sent twice.
//!
//! A unit (a Bulk job, a call that makes records) is in the journal before the org hears of it, with the rows that it
//! holds, and stays there until their outcomes are recorded. A Bulk job's id is on the disk before its data are
//! uploaded: nothing is taken of a job that nobody knows. What is the same when it is sent twice (a collections call
//! that updates, or upserts by an external id) is not written down.

use std::{io, sync::Arc};

use compact_str::CompactString;

use super::{Action, WriteRow};
use crate::{
    plan::Write,
    record::{put_number, put_text, take_number, take_text},
    salesforce::ClientError,
    state::{NewUnit, StateError, StepRun, Store, UnitId},
};

/// Why rows could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The org did not do what it was asked.
    #[error(transparent)]
    Org(#[from] ClientError),
    /// It could not be written down what is about to be sent; so it was not sent.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The journal of one pass of one step.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn Store>,
    step: StepRun,
    pass: u8,
}

/// A row of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) source_id: CompactString,
    /// What travels with the row and comes back with its result.
    pub(super) traveller: Option<CompactString>,
}

impl Journal {
    /// The journal of a step's pass, counted from 1.
    pub fn new(store: Arc<dyn Store>, step: StepRun, pass: u8) -> Self {
        Journal { store, step, pass }
    }

    /// Writes down that rows are about to be sent.
    pub(super) async fn begin(
        &self,
        action: Action,
        bulk: bool,
        manifest: Manifest,
    ) -> Result<UnitId, StateError> {
        let journal = self.clone();
        off_the_runtime(move || {
            let unit = NewUnit {
                pass: journal.pass,
                action: action.as_str().into(),
                bulk,
                manifest: manifest.packed,
            };
            journal.store.begin_unit(journal.step, &unit)
        })
        .await
    }

    /// Writes down which job a unit has become.
    pub(super) async fn job(&self, unit: UnitId, job: &str) -> Result<(), StateError> {
        let (store, job) = (Arc::clone(&self.store), CompactString::from(job));
        off_the_runtime(move || store.unit_job(unit, &job)).await
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(StateError::Database {
            path: "the journal".to_owned(),
            message: error.to_string(),
        }),
    }
}

/// The form of what follows it.
const VERSION: u8 = 2;

/// A unit's rows in few bytes, behind one that tells the form. Of each row its id, front coded behind the id before. Then 0
/// where nothing travels with the row, 1 where its id does, else the traveller behind the traveller before, with 2 added
/// to the number of bytes in common.
pub(super) struct Manifest {
    packed: Vec<u8>,
    last_id: CompactString,
    last_traveller: CompactString,
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest {
            packed: vec![VERSION],
            last_id: CompactString::default(),
            last_traveller: CompactString::default(),
        }
    }
}

impl Manifest {
    /// That of rows.
    pub(super) fn of(rows: &[WriteRow], write: &Write) -> Self {
        let mut manifest = Manifest::default();
        for row in rows {
            manifest.push(&row.source_id, row.traveller(write).as_ref());
        }
        manifest
    }

    /// Takes a row, and what travels with it and comes back with its result.
    pub(super) fn push(&mut self, source_id: &CompactString, traveller: Option<&CompactString>) {
        put_text(&mut self.packed, &self.last_id, source_id, 0);
        match traveller {
            None => put_number(&mut self.packed, 0),
            Some(traveller) if traveller == source_id => put_number(&mut self.packed, 1),
            Some(traveller) => {
                put_text(&mut self.packed, &self.last_traveller, traveller, 2);
                self.last_traveller.clone_from(traveller);
            }
        }
        self.last_id.clone_from(source_id);
    }
}

/// The rows of a [`Manifest`].
///
/// # Errors
/// When the bytes are not its.
pub(super) fn unpack(manifest: &[u8]) -> io::Result<Vec<Entry>> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let mut rest = match manifest.split_first() {
        Some((&VERSION, packed)) => packed,
        _ => return Err(broken()),
    };
    let mut entries = Vec::new();
    let (mut last_id, mut last_traveller) = (CompactString::default(), CompactString::default());
    while !rest.is_empty() {
        let same = take_number(&mut rest).ok_or_else(broken)?;
        take_text(&mut rest, &mut last_id, same).ok_or_else(broken)?;
        let source_id = last_id.clone();
        let traveller = match take_number(&mut rest).ok_or_else(broken)? {
            0 => None,
            1 => Some(source_id.clone()),
            same => {
                take_text(&mut rest, &mut last_traveller, same - 2).ok_or_else(broken)?;
                Some(last_traveller.clone())
            }
        };
        entries.push(Entry { source_id, traveller });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(source_id: &str, traveller: Option<&str>) -> Entry {
        Entry {
            source_id: source_id.into(),
            traveller: traveller.map(Into::into),
        }
    }

    fn pack(entries: &[Entry]) -> Vec<u8> {
        let mut manifest = Manifest::default();
        for entry in entries {
            manifest.push(&entry.source_id, entry.traveller.as_ref());
        }
        manifest.packed
    }

    #[test]
    fn rows_come_back_as_they_were_written_down() {
        let long = "x".repeat(70_000);
        let all = [
            entry("001D000000K0fXOIAZ", Some("001D000000K0fXOIAZ")),
            entry("001D000000K0fXOIAZ", Some("001d000000k0fxoiaz")),
            entry("#7", None),
            entry("", Some("")),
            entry("a", Some("")),
            entry("größe/2", Some("a\u{1f}b\u{1f}")),
            // They differ in the middle of a character.
            entry("grö", Some("a\u{1f}bö")),
            entry("grü", Some("a\u{1f}bü")),
            entry("gr", Some("gr")),
            entry(&long, Some(&long[..65_536])),
        ];
        assert_eq!(unpack(&pack(&all)).expect("entries"), all);
        assert_eq!(unpack(&pack(&[])).expect("entries"), []);
    }

    #[test]
    fn ids_of_an_org_take_little_room() {
        let ids = (0..20_000).map(|n| format!("001D0000{n:07}AAA"));
        let ids: Vec<Entry> = ids.map(|id| entry(&id, Some(&id))).collect();
        let bytes = pack(&ids).len();
        assert!(bytes < 20_000 * 8, "{bytes} bytes");
    }

    #[test]
    fn bytes_that_are_no_rows_are_refused() {
        let mut torn = pack(&[entry("abc", Some("def"))]);
        torn.truncate(torn.len() - 3);
        let larger = [VERSION, 9, 1, 97, 0];
        for bytes in [&[][..], &[1, 1, 2], &[VERSION, 255, 255], &torn, &larger] {
            assert!(unpack(bytes).is_err(), "{bytes:?}");
        }
    }
}
