//! An org as a whole: back to its file, snapshots, and whether anything changed.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use super::Org;
use crate::emulator::{faults::lock, file::OrgFileError, store::Store};

impl Org {
    /// Answers nobody any more, and waits for the requests that are being worked on: what they did is kept, whoever
    /// comes later meets a closed connection.
    pub(crate) fn end(&self) {
        *self.ended.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// How often records were about to be changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Other records from now on. Locators name rows, so they end.
    pub(crate) fn replace(&self, store: Store) {
        *self.write() = store;
        self.expire_cursors();
    }

    /// The last number that was given to a job or locator.
    pub(crate) fn last_serial(&self) -> u64 {
        self.serial.load(Ordering::Relaxed)
    }

    /// Gives jobs and locators no number up to this one.
    pub(crate) fn skip_serials(&self, last: u64) {
        self.serial.fetch_max(last, Ordering::Relaxed);
    }

    /// Keeps the records under a name.
    pub(crate) fn snapshot(&self, name: &str) {
        let copy = Arc::new(self.read().copy());
        lock(&self.snapshots).insert(name.to_owned(), copy);
    }

    /// Goes back to the records that were kept under a name; false when there are none.
    pub(crate) fn restore(&self, name: &str) -> bool {
        let Some(kept) = lock(&self.snapshots).get(name).cloned() else {
            return false;
        };
        self.replace(kept.copy());
        true
    }

    /// Forgets what was kept under a name.
    pub(crate) fn forget_snapshot(&self, name: &str) -> bool {
        lock(&self.snapshots).remove(name).is_some()
    }

    /// The names under which records are kept.
    pub(crate) fn snapshots(&self) -> Vec<String> {
        lock(&self.snapshots).keys().cloned().collect()
    }

    /// Back to the org file: its records, tokens, faults and clock; no jobs, locators, counters or log. Snapshots stay.
    pub(crate) fn reset(&self) -> Result<(), OrgFileError> {
        let fresh = Org::build(&self.file, self.url.clone())?;
        let store = fresh.store.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.replace(store);
        *lock(&self.tokens) = std::mem::take(&mut *lock(&fresh.tokens));
        lock(&self.jobs).clear();
        lock(&self.batch_jobs).clear();
        self.faults.clear();
        for fault in &self.file.faults {
            self.faults.add(fault.clone());
        }
        self.clock.restart(fresh.clock);
        self.limits.restart(self.time());
        self.clear_log();
        Ok(())
    }
}
