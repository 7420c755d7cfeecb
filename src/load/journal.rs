//! What a loader writes down before it sends what cannot be sent twice.
//!
//! A unit (a Bulk job, a call that makes records) is in the journal before the org hears of it, with the rows that it
//! holds, and stays there until their outcomes are recorded. A Bulk job's id is on the disk before its data are
//! uploaded: nothing is taken of a job that nobody knows. What is the same when it is sent twice (a collections call
//! that updates, or upserts by an external id) is not written down.

use std::{
    io::{self, Read, Write as _},
    sync::Arc,
};

use compact_str::CompactString;
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::{Action, WriteRow};
use crate::{
    plan::Write,
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
        write: &Arc<Write>,
        rows: &Arc<Vec<WriteRow>>,
    ) -> Result<UnitId, StateError> {
        let (journal, write, rows) = (self.clone(), Arc::clone(write), Arc::clone(rows));
        off_the_runtime(move || {
            let entries = rows.iter().map(|row| Entry {
                source_id: row.source_id.clone(),
                traveller: row.traveller(&write),
            });
            let unit = NewUnit {
                pass: journal.pass,
                action: action.as_str().into(),
                bulk,
                manifest: pack(entries),
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
const VERSION: u8 = 1;

/// A unit's rows in few bytes. After a byte that tells the form, packed: of each row the length of its id and the id;
/// then 0 where nothing travels with it, 1 where its id does, else the traveller's length and 2, and the traveller.
fn pack(entries: impl Iterator<Item = Entry>) -> Vec<u8> {
    let mut plain = Vec::new();
    for entry in entries {
        length(&mut plain, entry.source_id.len());
        plain.extend_from_slice(entry.source_id.as_bytes());
        match entry.traveller {
            None => length(&mut plain, 0),
            Some(traveller) if traveller == entry.source_id => length(&mut plain, 1),
            Some(traveller) => {
                length(&mut plain, traveller.len() + 2);
                plain.extend_from_slice(traveller.as_bytes());
            }
        }
    }
    let mut packed = DeflateEncoder::new(vec![VERSION], Compression::fast());
    // Writing into memory does not fail.
    let written = packed.write_all(&plain).and_then(|()| packed.finish());
    written.unwrap_or_default()
}

/// What [`pack`] was given.
///
/// # Errors
/// When the bytes are not its.
pub(super) fn unpack(manifest: &[u8]) -> io::Result<Vec<Entry>> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let packed = match manifest.split_first() {
        Some((&VERSION, packed)) => packed,
        _ => return Err(broken()),
    };
    let mut plain = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut plain)?;
    let mut rest = plain.as_slice();
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let size = take_length(&mut rest).ok_or_else(broken)?;
        let source_id = take_text(&mut rest, size).ok_or_else(broken)?;
        let traveller = match take_length(&mut rest).ok_or_else(broken)? {
            0 => None,
            1 => Some(source_id.clone()),
            longer => Some(take_text(&mut rest, longer - 2).ok_or_else(broken)?),
        };
        entries.push(Entry { source_id, traveller });
    }
    Ok(entries)
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn length(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take_text(rest: &mut &[u8], size: usize) -> Option<CompactString> {
    let (text, after) = rest.split_at_checked(size)?;
    *rest = after;
    CompactString::from_utf8(text).ok()
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
            entry(&long, Some(&long[..65_536])),
        ];
        assert_eq!(unpack(&pack(all.clone().into_iter())).expect("entries"), all);
        assert_eq!(unpack(&pack(std::iter::empty())).expect("entries"), []);
    }

    #[test]
    fn ids_of_an_org_take_little_room() {
        let ids =
            (0..20_000).map(|n| entry(&format!("001D0000{n:07}AAA"), Some(&format!("001D0000{n:07}AAA"))));
        let bytes = pack(ids).len();
        assert!(bytes < 20_000 * 6, "{bytes} bytes");
    }

    #[test]
    fn bytes_that_are_no_rows_are_refused() {
        let mut torn = pack([entry("abc", Some("def"))].into_iter());
        torn.truncate(torn.len() - 3);
        for bytes in [&[][..], &[2, 1, 2], &[1, 255, 255], &torn] {
            assert!(unpack(bytes).is_err(), "{bytes:?}");
        }
    }
}
