//! The org's records.
//!
//! Every cell is text in one canonical form, and an empty text is null, as Salesforce itself has it: `true`, plain
//! decimals, `2026-01-31`, `2026-01-31T09:05:07.000Z`, Ids of 18 characters. Cells stand in columns, and a column that
//! nobody filled takes no room. A row keeps its place for good, so that its number can be read from its Id.

mod bin;
mod blobs;
mod check;
mod column;
mod convert;
mod duplicates;
mod effects;
mod error;
mod index;
mod judge;
mod names;
mod rights;
mod room;
mod standard;
pub(crate) mod state;
#[cfg(test)]
mod tests;
mod undo;
mod write;

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;

use super::schema::Schema;
use crate::record::Id;

pub(crate) use bin::Deletion;
pub(crate) use blobs::Blobs;
use column::Column;
pub(crate) use convert::{Raw, fold, is_java_double, java_double, parse_datetime};
pub(crate) use duplicates::DuplicateHeader;
pub(crate) use error::RowError;
use index::{Index, Search};
pub(crate) use standard::value_records;
pub(crate) use state::StateFault;
pub(crate) use undo::Undo;
pub(crate) use write::{Call, Done, Incoming, Op, Target};

/// One value in canonical form; empty is null.
pub(crate) type Cell = CompactString;

/// Whether a row is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    /// In the recycle bin: seen by queryAll only.
    Deleted,
    /// Never there: rolled back, or deleted for good.
    Gone,
}

/// The records of one object.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    states: Vec<State>,
    live: usize,
    /// The next auto number of a field.
    counters: Vec<u64>,
    index: Index,
    /// Rows whose Id was given by the org file, and so does not tell the row.
    foreign: HashMap<Cell, u32>,
}

/// All records of an org.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) schema: Arc<Schema>,
    pub(crate) tables: Vec<Table>,
    pub(crate) blobs: Blobs,
    /// The recycle bin: what went with each record in it.
    bin: HashMap<(usize, u32), Deletion>,
    /// When the last write was.
    moment: Cell,
    /// The time that formula fields which read the clock show.
    worked_out: Cell,
    /// Room for the cells of a row, which one write leaves to the next.
    spare: write::Cells,
    /// Three characters that make this org's Ids differ from another's.
    instance: String,
    /// Megabytes that the records may take.
    pub(crate) most_mb: Option<u64>,
    /// Places of well-known objects.
    pub(crate) user: usize,
    pub(crate) group: usize,
    pub(crate) record_type: usize,
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An Id of an object's prefix, the org's mark and a number.
pub(crate) fn make_id(prefix: &str, instance: &str, number: u64) -> Cell {
    let mut text = [b'0'; 15];
    let mut put = |at: usize, from: &str| {
        for (slot, byte) in text[at..at + 3].iter_mut().zip(from.bytes()) {
            *slot = byte;
        }
    };
    put(0, prefix);
    put(3, instance);
    let mut left = number;
    for slot in text[6..].iter_mut().rev() {
        *slot = DIGITS[(left % 62) as usize];
        left /= 62;
    }
    let text = String::from_utf8_lossy(&text);
    match text.parse::<Id>() {
        Ok(id) => Cell::new(id.as_str()),
        Err(_) => Cell::new(text),
    }
}

/// The number in an Id of this org.
fn number_of(id: &str) -> Option<u64> {
    let mut n: u64 = 0;
    for byte in id.get(6..15)?.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        n = n.checked_mul(62)?.checked_add(u64::from(digit))?;
    }
    Some(n)
}

impl Table {
    fn new(fields: usize) -> Self {
        Table {
            columns: vec![Column::default(); fields],
            counters: vec![0; fields],
            ..Table::default()
        }
    }

    /// Rows ever made, those that are gone included.
    pub(crate) fn len(&self) -> u32 {
        self.states.len() as u32
    }

    /// Rows that are there.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn state(&self, row: u32) -> State {
        self.states.get(row as usize).copied().unwrap_or(State::Gone)
    }

    /// A cell; empty for null.
    pub(crate) fn get(&self, row: u32, field: usize) -> &str {
        self.columns[field]
            .get(row as usize)
            .map(CompactString::as_str)
            .unwrap_or_default()
    }

    fn set(&mut self, row: u32, field: usize, value: Cell) {
        self.columns[field].set(row as usize, value);
    }

    /// Takes the newest row away.
    fn pop(&mut self) {
        let Some(state) = self.states.pop() else {
            return;
        };
        self.live -= usize::from(state == State::Live);
        let rows = self.states.len();
        if let Some(id) = self.columns[0].get(rows) {
            self.foreign.remove(id);
        }
        for column in &mut self.columns {
            column.truncate(rows);
        }
    }

    fn set_state(&mut self, row: u32, state: State) {
        let slot = &mut self.states[row as usize];
        self.live -= usize::from(*slot == State::Live);
        self.live += usize::from(state == State::Live);
        *slot = state;
    }
}

impl Store {
    /// An empty store.
    pub(crate) fn new(schema: Arc<Schema>, instance: String) -> Self {
        let tables = schema
            .objects
            .iter()
            .map(|o| Table::new(o.fields.len()))
            .collect();
        let place = |name: &str| schema.object(name).unwrap_or_default();
        let (user, group, record_type) = (place("User"), place("Group"), place("RecordType"));
        Store {
            schema,
            tables,
            blobs: Blobs::default(),
            bin: HashMap::new(),
            moment: Cell::default(),
            worked_out: Cell::default(),
            spare: Vec::new(),
            instance,
            most_mb: None,
            user,
            group,
            record_type,
        }
    }

    /// The Id that row `row` of an object has, or would have.
    pub(crate) fn id_of(&self, object: usize, row: u32) -> Cell {
        make_id(
            &self.schema.objects[object].prefix,
            &self.instance,
            u64::from(row) + 1,
        )
    }

    /// The row with an Id (18 characters) in a table, whatever its state.
    pub(crate) fn row(&self, object: usize, id: &str) -> Option<u32> {
        let table = &self.tables[object];
        if let Some(number) = number_of(id)
            && let Some(row) = number.checked_sub(1).and_then(|n| u32::try_from(n).ok())
            && row < table.len()
            && table.get(row, 0) == id
        {
            return Some(row);
        }
        table.foreign.get(id).copied()
    }

    /// The live row with an Id.
    pub(crate) fn live_row(&self, object: usize, id: &str) -> Option<u32> {
        self.row(object, id)
            .filter(|row| self.tables[object].state(*row) == State::Live)
    }

    /// A cell by names, for what the emulator itself wants to know.
    pub(crate) fn text(&self, object: usize, row: u32, field: &str) -> &str {
        match self.schema.objects[object].field(field) {
            Some(field) => self.tables[object].get(row, field),
            None => "",
        }
    }

    /// Rows whose field has one of these (folded) values, in row order, whatever their state. `None` when the field
    /// is not worth an index.
    pub(crate) fn rows_with(&self, object: usize, field: usize, values: &[&str]) -> Option<Vec<u32>> {
        let spec = &self.schema.objects[object].fields[field];
        if field == 0 {
            let mut rows: Vec<u32> = values.iter().filter_map(|id| self.row(object, id)).collect();
            rows.sort_unstable();
            rows.dedup();
            return Some(rows);
        }
        if !Index::wanted(spec) {
            return None;
        }
        let folds = spec.folds_case();
        let table = &self.tables[object];
        Some(table.index.rows(field, &table.columns[field], folds, values))
    }

    /// The one live row whose field equals a value, when the index knows it at a glance; `Err` when it takes a search.
    fn glance(&self, object: usize, field: usize, value: &Cell) -> Result<Option<u32>, Search> {
        let spec = &self.schema.objects[object].fields[field];
        if field == 0 || !Index::wanted(spec) {
            return Err(Search);
        }
        let table = &self.tables[object];
        let folds = spec.folds_case();
        let row = if folds {
            table.index.only(field, &fold(value))
        } else {
            table.index.only(field, value)
        }?;
        Ok(row.filter(|row| {
            let cell = table.get(*row, field);
            table.state(*row) == State::Live && (cell == value || folds && fold(cell) == fold(value))
        }))
    }

    /// Live rows whose field equals a value.
    pub(crate) fn find(&self, object: usize, field: usize, value: &str) -> Vec<u32> {
        let table = &self.tables[object];
        let spec = &self.schema.objects[object].fields[field];
        let folded = if spec.folds_case() {
            fold(value)
        } else {
            Cell::new(value)
        };
        let mut rows = match self.rows_with(object, field, &[folded.as_str()]) {
            Some(rows) => rows,
            None => (0..table.len())
                .filter(|row| {
                    let cell = table.get(*row, field);
                    cell == value || spec.folds_case() && fold(cell) == folded
                })
                .collect(),
        };
        rows.retain(|row| table.state(*row) == State::Live);
        rows
    }
}
