use std::{collections::HashMap, sync::RwLock};

use foldhash::fast::RandomState;

use super::{Cell, fold};
use crate::emulator::schema::{Field, Kind};

/// Rows by the value of a field, made when a field is first asked for and kept up to date from then on.
///
/// An entry is added when a value is written and never taken away: whoever looks up compares the row's present
/// value anyway, so an outdated entry only costs that comparison, and a write never has to search a long list.
#[derive(Debug, Default)]
pub(super) struct Index {
    fields: RwLock<HashMap<usize, Map>>,
}

/// Half of what a look-up costs is hashing, and nobody attacks an emulated org: a fast hash will do.
type Map = HashMap<Cell, Rows, RandomState>;

/// Nearly every key has one row.
#[derive(Debug)]
enum Rows {
    One(u32),
    Many(Vec<u32>),
}

impl Rows {
    fn push(&mut self, row: u32) {
        match self {
            Rows::One(first) => *self = Rows::Many(vec![*first, row]),
            Rows::Many(rows) => rows.push(row),
        }
    }

    fn as_slice(&self) -> &[u32] {
        match self {
            Rows::One(row) => std::slice::from_ref(row),
            Rows::Many(rows) => rows,
        }
    }
}

impl Index {
    /// Fields that are looked up by value: keys, unique fields and references.
    pub(super) fn wanted(field: &Field) -> bool {
        field.is_key() || field.unique || field.looked_up || field.kind == Kind::Reference
    }

    /// Rows with one of the values, in row order.
    pub(super) fn rows(&self, field: usize, column: &[Cell], folds: bool, values: &[&str]) -> Vec<u32> {
        let collect = |map: &Map| {
            let mut out = Vec::with_capacity(values.len());
            for value in values {
                if let Some(rows) = map.get(*value) {
                    out.extend(rows.as_slice().iter().copied().filter(|row| {
                        column
                            .get(*row as usize)
                            .is_some_and(|cell| cell == value || folds && fold(cell) == *value)
                    }));
                }
            }
            out.sort_unstable();
            out.dedup();
            out
        };
        {
            let maps = self
                .fields
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(map) = maps.get(&field) {
                return collect(map);
            }
        }
        let mut maps = self
            .fields
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let map = maps.entry(field).or_insert_with(|| {
            let mut map = Map::with_capacity_and_hasher(column.len(), RandomState::default());
            for (row, cell) in column.iter().enumerate() {
                insert(&mut map, cell, folds, row as u32);
            }
            map
        });
        collect(map)
    }

    /// A row's field has a new value.
    pub(super) fn add(&mut self, field: usize, cell: &Cell, folds: bool, row: u32) {
        let maps = self
            .fields
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(map) = maps.get_mut(&field) {
            insert(map, cell, folds, row);
        }
    }
}

fn insert(map: &mut Map, cell: &Cell, folds: bool, row: u32) {
    if cell.is_empty() {
        return;
    }
    let key = if folds { fold(cell) } else { cell.clone() };
    match map.get_mut(&key) {
        Some(rows) => rows.push(row),
        None => {
            map.insert(key, Rows::One(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outdated_entries_do_not_show() {
        let mut index = Index::default();
        let mut column = vec![Cell::new("A"), Cell::new("b"), Cell::new("a")];
        assert_eq!(index.rows(0, &column, true, &["a"]), [0, 2]);
        column[0] = Cell::new("c");
        index.add(0, &column[0], true, 0);
        assert_eq!(index.rows(0, &column, true, &["a"]), [2]);
        assert_eq!(index.rows(0, &column, true, &["c", "b"]), [0, 1]);
        column[0] = Cell::new("A");
        index.add(0, &column[0], true, 0);
        assert_eq!(index.rows(0, &column, true, &["a"]), [0, 2]);
    }
}
