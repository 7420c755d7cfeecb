//! The records as bytes, for a file that keeps them; and a copy of them, for snapshots.
//!
//! Columns are written one after the other, each with its length in front, so that reading needs no more memory than
//! the records themselves and one column. Objects and fields go by name: an org file may gain fields between two runs.

use std::io::{self, Read, Write};

use bytes::Bytes;

use super::{Blobs, Cell, Column, Deletion, State, Store, Table, index::Index};

/// Kept records could not be read.
#[derive(Debug)]
pub(crate) enum StateFault {
    /// The file cannot be read.
    Read(io::Error),
    /// It ends early or is garbled.
    Damaged,
    /// It has data that the org has no place for.
    Lost(String),
}

impl From<io::Error> for StateFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => StateFault::Damaged,
            _ => StateFault::Read(error),
        }
    }
}

const END: &[u8] = b"end.";

impl Table {
    /// A copy without the index, which is made anew when it is asked for.
    fn copy(&self) -> Self {
        Table {
            columns: self.columns.clone(),
            states: self.states.clone(),
            live: self.live,
            counters: self.counters.clone(),
            index: Index::default(),
            foreign: self.foreign.clone(),
        }
    }
}

impl Store {
    /// All records as they are now.
    pub(crate) fn copy(&self) -> Self {
        Store {
            schema: self.schema.clone(),
            tables: self.tables.iter().map(Table::copy).collect(),
            blobs: self.blobs.clone(),
            bin: self.bin.clone(),
            moment: self.moment.clone(),
            worked_out: self.worked_out.clone(),
            instance: self.instance.clone(),
            spare: Vec::new(),
            ..*self
        }
    }

    /// Writes all records.
    pub(crate) fn save(&self, out: &mut impl Write) -> io::Result<()> {
        let mut block = Vec::new();
        let filled: Vec<(usize, &Table)> = self
            .tables
            .iter()
            .enumerate()
            .filter(|(_, table)| table.len() > 0)
            .collect();
        number(out, filled.len())?;
        for (object, table) in filled {
            let spec = &self.schema.objects[object];
            text(out, &spec.name)?;
            number(out, table.states.len())?;
            let states: Vec<u8> = table
                .states
                .iter()
                .map(|state| match state {
                    State::Live => b'l',
                    State::Deleted => b'd',
                    State::Gone => b'g',
                })
                .collect();
            out.write_all(&states)?;
            let counters: Vec<(usize, &u64)> = table
                .counters
                .iter()
                .enumerate()
                .filter(|(_, n)| **n > 0)
                .collect();
            number(out, counters.len())?;
            for (field, counter) in counters {
                text(out, &spec.fields[field].name)?;
                out.write_all(&counter.to_le_bytes())?;
            }
            let columns: Vec<(usize, &Column)> = table
                .columns
                .iter()
                .enumerate()
                .filter(|(_, cells)| !cells.is_empty())
                .collect();
            number(out, columns.len())?;
            for (field, cells) in columns {
                text(out, &spec.fields[field].name)?;
                text(out, spec.fields[field].kind.api_name())?;
                block.clear();
                for cell in cells.iter() {
                    varint(&mut block, cell.len());
                    block.extend_from_slice(cell.as_bytes());
                }
                number(out, cells.len())?;
                number(out, block.len())?;
                out.write_all(&block)?;
            }
        }
        let blobs: Vec<(&Cell, &Bytes)> = self.blobs.all().collect();
        number(out, blobs.len())?;
        for (id, bytes) in blobs {
            text(out, id)?;
            number(out, bytes.len())?;
            out.write_all(bytes)?;
        }
        self.save_bin(out)?;
        out.write_all(END)
    }

    /// What went with each record of the recycle bin.
    fn save_bin(&self, out: &mut impl Write) -> io::Result<()> {
        let place = |out: &mut _, object: usize, row: u32| -> io::Result<()> {
            text(out, &self.schema.objects[object].name)?;
            number(out, row as usize)
        };
        number(out, self.bin.len())?;
        for (&(object, row), deletion) in &self.bin {
            place(out, object, row)?;
            number(out, deletion.taken.len())?;
            for &(object, row) in &deletion.taken {
                place(out, object, row)?;
            }
            number(out, deletion.emptied.len())?;
            for (object, row, field, id) in &deletion.emptied {
                place(out, *object, *row)?;
                text(out, &self.schema.objects[*object].fields[*field].name)?;
                text(out, id)?;
            }
        }
        Ok(())
    }

    fn restore_bin(&mut self, input: &mut impl Read) -> Result<(), StateFault> {
        let schema = self.schema.clone();
        let place = |input: &mut _| -> Result<(usize, u32), StateFault> {
            let name = read_text(input)?;
            let object = schema
                .object(&name)
                .ok_or_else(|| StateFault::Lost(format!("deleted records of `{name}`")))?;
            let row = u32::try_from(read_number(input)?).map_err(|_| StateFault::Damaged)?;
            Ok((object, row))
        };
        for _ in 0..read_number(input)? {
            let key = place(input)?;
            let mut deletion = Deletion::default();
            for _ in 0..read_number(input)? {
                deletion.taken.push(place(input)?);
            }
            for _ in 0..read_number(input)? {
                let (object, row) = place(input)?;
                let field = read_text(input)?;
                let id = Cell::new(read_text(input)?);
                let field = schema.objects[object]
                    .field(&field)
                    .ok_or_else(|| StateFault::Lost(format!("values of `{field}` in the recycle bin")))?;
                deletion.emptied.push((object, row, field, id));
            }
            self.bin.insert(key, deletion);
        }
        Ok(())
    }

    /// Replaces all records by kept ones. After an error the store is not to be used.
    pub(crate) fn restore(&mut self, input: &mut impl Read) -> Result<(), StateFault> {
        for (table, object) in self.tables.iter_mut().zip(&self.schema.objects) {
            *table = Table::new(object.fields.len());
        }
        self.blobs = Blobs::default();
        self.bin.clear();
        for _ in 0..read_number(input)? {
            let name = read_text(input)?;
            let object = self
                .schema
                .object(&name)
                .ok_or_else(|| StateFault::Lost(format!("records of `{name}`")))?;
            self.restore_table(object, input)?;
        }
        for _ in 0..read_number(input)? {
            let id = read_text(input)?;
            let size = read_number(input)?;
            self.put_blob(&id, Bytes::from(read_bytes(input, size)?));
        }
        self.restore_bin(input)?;
        let mut end = [0; END.len()];
        input.read_exact(&mut end)?;
        if end != END {
            return Err(StateFault::Damaged);
        }
        Ok(())
    }

    fn restore_table(&mut self, object: usize, input: &mut impl Read) -> Result<(), StateFault> {
        let spec = &self.schema.clone().objects[object];
        let rows = read_number(input)?;
        let states = read_bytes(input, rows)?
            .into_iter()
            .map(|byte| match byte {
                b'l' => Ok(State::Live),
                b'd' => Ok(State::Deleted),
                b'g' => Ok(State::Gone),
                _ => Err(StateFault::Damaged),
            })
            .collect::<Result<Vec<State>, StateFault>>()?;
        let mut table = Table::new(spec.fields.len());
        table.live = states.iter().filter(|s| **s == State::Live).count();
        table.states = states;
        let field = |name: &str| {
            spec.field(name)
                .ok_or_else(|| StateFault::Lost(format!("values of `{}.{name}`", spec.name)))
        };
        for _ in 0..read_number(input)? {
            let at = field(&read_text(input)?)?;
            let mut counter = [0; 8];
            input.read_exact(&mut counter)?;
            table.counters[at] = u64::from_le_bytes(counter);
        }
        for _ in 0..read_number(input)? {
            let at = field(&read_text(input)?)?;
            let kind = read_text(input)?;
            if kind != spec.fields[at].kind.api_name() {
                return Err(StateFault::Lost(format!(
                    "values of type {kind} in `{}.{}`",
                    spec.name, spec.fields[at].name
                )));
            }
            let count = read_number(input)?;
            let size = read_number(input)?;
            let block = read_bytes(input, size)?;
            table.columns[at] = cells(&block, count).ok_or(StateFault::Damaged)?;
        }
        self.tables[object] = table;
        let foreign: Vec<(Cell, u32)> = (0..self.tables[object].len())
            .filter_map(|row| {
                let id = self.tables[object].get(row, 0);
                (!id.is_empty() && *id != self.id_of(object, row)).then(|| (Cell::new(id), row))
            })
            .collect();
        self.tables[object].foreign.extend(foreign);
        Ok(())
    }
}

fn cells(block: &[u8], count: usize) -> Option<Column> {
    let mut out = Column::default();
    let mut left = block;
    for _ in 0..count {
        let mut size = 0usize;
        let mut shift = 0;
        loop {
            let (byte, rest) = left.split_first()?;
            left = rest;
            size |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (cell, rest) = left.split_at_checked(size)?;
        left = rest;
        out.push(Cell::new(std::str::from_utf8(cell).ok()?));
    }
    left.is_empty().then_some(out)
}

fn varint(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(crate) fn number(out: &mut impl Write, n: usize) -> io::Result<()> {
    out.write_all(&(n as u64).to_le_bytes())
}

pub(crate) fn text(out: &mut impl Write, text: &str) -> io::Result<()> {
    number(out, text.len())?;
    out.write_all(text.as_bytes())
}

pub(crate) fn read_number(input: &mut impl Read) -> Result<usize, StateFault> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| StateFault::Damaged)
}

pub(crate) fn read_text(input: &mut impl Read) -> Result<String, StateFault> {
    let size = read_number(input)?;
    String::from_utf8(read_bytes(input, size)?).map_err(|_| StateFault::Damaged)
}

/// Reads so many bytes; a garbled length must not ask for all the memory there is.
pub(crate) fn read_bytes(input: &mut impl Read, size: usize) -> Result<Vec<u8>, StateFault> {
    let mut out = Vec::with_capacity(size.min(1 << 26));
    input.take(size as u64).read_to_end(&mut out)?;
    if out.len() < size {
        return Err(StateFault::Damaged);
    }
    Ok(out)
}
