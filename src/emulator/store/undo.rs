//! How writes are taken back.

use bytes::Bytes;

use super::{Cell, Deletion, State, Store, write::auto_number};

/// How to take a write back.
#[derive(Debug)]
pub(crate) enum Undo {
    State(usize, u32, State),
    Cells(usize, u32, Vec<(usize, Cell)>),
    Blob(Cell, Option<Bytes>),
    /// What the recycle bin knew of a row.
    Bin(usize, u32, Option<Deletion>),
}

impl Store {
    /// Takes writes back, the last one first.
    pub(crate) fn undo(&mut self, undo: Vec<Undo>) {
        for step in undo.into_iter().rev() {
            match step {
                Undo::State(object, row, State::Gone) if row + 1 == self.tables[object].len() => {
                    self.unmake(object, row);
                }
                Undo::State(object, row, state) => self.tables[object].set_state(row, state),
                Undo::Cells(object, row, cells) => {
                    for (field, cell) in cells {
                        self.put(object, row, field, cell);
                    }
                }
                Undo::Blob(id, bytes) => self.blobs.set(id, bytes),
                Undo::Bin(object, row, None) => {
                    self.bin.remove(&(object, row));
                }
                Undo::Bin(object, row, Some(deletion)) => {
                    self.bin.insert((object, row), deletion);
                }
            }
        }
    }

    /// Forgets the newest row as if it had never been made, with its number and its auto numbers.
    fn unmake(&mut self, object: usize, row: u32) {
        let schema = self.schema.clone();
        let spec = &schema.objects[object];
        let table = &mut self.tables[object];
        for &at in &spec.places.auto_numbers {
            if let Some(pattern) = &spec.fields[at].auto_number
                && auto_number(pattern, table.counters[at]) == table.get(row, at)
            {
                table.counters[at] -= 1;
            }
        }
        table.pop();
    }
}
