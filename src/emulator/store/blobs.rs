//! The bytes of files: they stand beside the tables, since a cell is text and a file may be large.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Cell, State, Store, Undo};
use crate::emulator::schema::Behaviour;

/// The bytes of records that have a base64 field, by the record's Id of 18 characters.
///
/// No object has more than one such field, so the Id is enough of a key. The record's own cell holds the length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blobs {
    bytes: HashMap<Cell, Bytes>,
}

impl Blobs {
    /// All of them, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Cell, &Bytes)> {
        self.bytes.iter()
    }

    pub(super) fn set(&mut self, id: Cell, bytes: Option<Bytes>) {
        match bytes {
            Some(bytes) => {
                self.bytes.insert(id, bytes);
            }
            None => {
                self.bytes.remove(&id);
            }
        }
    }
}

impl Store {
    /// The bytes of a record's base64 field.
    pub(crate) fn blob(&self, id: &str) -> Option<&Bytes> {
        self.blobs.bytes.get(id)
    }

    /// Gives a record its bytes, without touching its cells: writes bring them as [`super::Raw::Bytes`] or as base64.
    pub(crate) fn put_blob(&mut self, id: &str, bytes: Bytes) {
        self.blobs.set(Cell::new(id), Some(bytes));
    }

    /// As [`Store::put_blob`], with what takes it back.
    pub(super) fn write_blob(&mut self, id: &str, bytes: Bytes, undo: &mut Vec<Undo>) {
        undo.push(Undo::Blob(Cell::new(id), self.blob(id).cloned()));
        self.put_blob(id, bytes);
    }

    /// A row that is gone for good takes its bytes along; one in the recycle bin keeps them.
    pub(super) fn forget_blob(&mut self, object: usize, row: u32, undo: &mut Vec<Undo>) {
        let files = matches!(
            self.schema.objects[object].behaviour,
            Behaviour::ContentVersion | Behaviour::Attachment
        );
        if !files || self.tables[object].state(row) != State::Gone {
            return;
        }
        let id = Cell::new(self.tables[object].get(row, 0));
        if let Some(old) = self.blob(&id).cloned() {
            undo.push(Undo::Blob(id.clone(), Some(old)));
            self.blobs.set(id, None);
        }
    }
}
