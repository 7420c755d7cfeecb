use bytes::Bytes;

use crate::emulator::{
    schema::Object,
    store::{
        Cell, Store,
        write::{Call, Cells},
    },
};

/// A row that is about to be written: its new cells over what it was.
pub(crate) struct Draft<'d> {
    pub(super) store: &'d Store,
    pub(super) spec: &'d Object,
    pub(super) object: usize,
    /// The row as it is; none for a new one.
    pub(super) row: Option<u32>,
    pub(super) call: Call<'d>,
    /// What its base64 field brings.
    pub(super) blob: Option<&'d Bytes>,
    cells: &'d mut Cells,
    /// How many of the cells the caller brought; the rest are defaults.
    brought: usize,
}

impl<'d> Draft<'d> {
    pub(crate) fn new(
        store: &'d Store,
        object: usize,
        row: Option<u32>,
        cells: &'d mut Cells,
        brought: usize,
        blob: Option<&'d Bytes>,
        call: Call<'d>,
    ) -> Self {
        Draft {
            store,
            spec: &store.schema.objects[object],
            object,
            row,
            call,
            blob,
            cells,
            brought,
        }
    }

    /// The value that a field will have.
    pub(super) fn get(&self, name: &str) -> &str {
        let Some(field) = self.spec.field(name) else {
            return "";
        };
        match self.cells.iter().find(|(f, _)| *f == field) {
            Some((_, cell)) => cell,
            None => self
                .row
                .map(|row| self.store.tables[self.object].get(row, field))
                .unwrap_or_default(),
        }
    }

    /// What the caller said of a field, an empty text for null; none when nothing was said.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        let field = self.spec.field(name)?;
        self.cells[..self.brought]
            .iter()
            .find(|(f, _)| *f == field)
            .map(|(_, cell)| cell.as_str())
    }

    /// Whether a field gets a value in this write, be it the old one.
    pub(super) fn touches(&self, name: &str) -> bool {
        self.spec
            .field(name)
            .is_some_and(|field| self.cells.iter().any(|(f, _)| *f == field))
    }

    pub(super) fn set(&mut self, name: &str, value: impl AsRef<str>) {
        let Some(field) = self.spec.field(name) else {
            return;
        };
        let cell = Cell::new(value.as_ref());
        match self.cells.iter_mut().find(|(f, _)| *f == field) {
            Some(slot) => slot.1 = cell,
            None => self.cells.push((field, cell)),
        }
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.set(name, if value { "true" } else { "false" });
    }
}
