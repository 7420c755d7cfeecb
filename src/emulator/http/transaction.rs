//! Several sub-requests that stand or fall together.
//!
//! The store stays locked from the first to the last of them, so that nobody sees what may yet be taken back. Handlers
//! therefore reach the store through [`Api::read`] and [`Api::write`], never through the org itself.

use std::{
    cell::{Cell, Ref, RefCell, RefMut},
    ops::{Deref, DerefMut},
    sync::{RwLockReadGuard, RwLockWriteGuard},
};

use super::{Api, Org};
use crate::emulator::store::{Store, Undo};

thread_local! {
    /// Whether this thread holds the store for a transaction; locking it again would wait for ever.
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is within a transaction.
pub(super) fn held() -> bool {
    HELD.get()
}

/// The store of a transaction that is under way.
pub(super) trait Transaction {
    fn read(&self) -> Ref<'_, Store>;
    fn write(&self) -> RefMut<'_, Store>;
    /// Adds what takes back a number of rows that were written.
    fn keep(&self, undo: Vec<Undo>, rows: u64);
}

/// The locked store, and how to take back what was done so far.
pub(super) struct Locked<'a> {
    store: RefCell<RwLockWriteGuard<'a, Store>>,
    undo: RefCell<Vec<Undo>>,
    written: Cell<u64>,
}

impl<'a> Locked<'a> {
    pub(super) fn begin(org: &'a Org) -> Self {
        let store = RefCell::new(org.write());
        HELD.set(true);
        Locked {
            store,
            undo: RefCell::default(),
            written: Cell::new(0),
        }
    }

    /// Takes everything back, and tells how many rows had been written.
    pub(super) fn roll_back(&self) -> u64 {
        let undo = self.undo.take();
        self.store.borrow_mut().undo(undo);
        self.written.take()
    }
}

impl Transaction for Locked<'_> {
    fn read(&self) -> Ref<'_, Store> {
        Ref::map(self.store.borrow(), |guard| &**guard)
    }

    fn write(&self) -> RefMut<'_, Store> {
        RefMut::map(self.store.borrow_mut(), |guard| &mut **guard)
    }

    fn keep(&self, undo: Vec<Undo>, rows: u64) {
        self.undo.borrow_mut().extend(undo);
        self.written.set(self.written.get() + rows);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        HELD.set(false);
    }
}

/// The store, to be read.
pub(super) enum Reading<'s> {
    Own(RwLockReadGuard<'s, Store>),
    Shared(Ref<'s, Store>),
}

impl Deref for Reading<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        match self {
            Reading::Own(store) => store,
            Reading::Shared(store) => store,
        }
    }
}

/// The store, to be changed.
pub(super) enum Writing<'s> {
    Own(RwLockWriteGuard<'s, Store>),
    Shared(RefMut<'s, Store>),
}

impl Deref for Writing<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        match self {
            Writing::Own(store) => store,
            Writing::Shared(store) => store,
        }
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Store {
        match self {
            Writing::Own(store) => store,
            Writing::Shared(store) => store,
        }
    }
}

impl<'a> Api<'a> {
    /// The records, to be read.
    pub(super) fn read(&self) -> Reading<'a> {
        match self.transaction {
            None => Reading::Own(self.org.read()),
            Some(transaction) => Reading::Shared(transaction.read()),
        }
    }

    /// The records, to be changed.
    pub(super) fn write(&self) -> Writing<'a> {
        match self.transaction {
            None => Writing::Own(self.org.write()),
            Some(transaction) => Writing::Shared(transaction.write()),
        }
    }

    /// Called with what takes good writes back, in case the transaction that they belong to fails.
    pub(super) fn keep(&self, undo: Vec<Undo>, rows: u64) {
        if let Some(transaction) = self.transaction {
            transaction.keep(undo, rows);
        }
    }
}
