use std::{
    collections::{HashMap, hash_map::Entry},
    sync::RwLock,
};

use foldhash::fast::RandomState;

use super::{Cell, column::Column, fold};
use crate::emulator::schema::{Field, Kind};

/// Rows by the value of a field, made when a field is first asked for and kept up to date from then on.
///
/// An entry is added when a value is written and never taken away: whoever looks up compares the row's present
/// value anyway, so an outdated entry only costs that comparison, and a write never has to search a long list.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the place of the field.
    fields: RwLock<Vec<Option<Map>>>,
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
            // A row that was taken back, and made again.
            Rows::One(first) if *first == row => {}
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

/// A glance is not enough: there may be several rows, or the index is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Search;

impl Index {
    /// Fields that are looked up by value: keys, unique fields and references.
    pub(super) fn wanted(field: &Field) -> bool {
        field.is_key() || field.unique || field.looked_up || field.kind == Kind::Reference
    }

    /// Rows with one of the values, in row order.
    pub(super) fn rows(&self, field: usize, column: &Column, folds: bool, values: &[&str]) -> Vec<u32> {
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
            if let Some(Some(map)) = maps.get(field) {
                return collect(map);
            }
        }
        let mut maps = self
            .fields
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if maps.len() <= field {
            maps.resize_with(field + 1, || None);
        }
        let map = maps[field].get_or_insert_with(|| {
            let mut map = Map::with_capacity_and_hasher(column.len(), RandomState::default());
            for (row, cell) in column.iter().enumerate() {
                insert(&mut map, cell, folds, row as u32);
            }
            map
        });
        collect(map)
    }

    /// The one row that may have a value, when that is known at a glance: the caller looks whether it has it still.
    /// `Err` when it takes a search.
    pub(super) fn only(&self, field: usize, value: &str) -> Result<Option<u32>, Search> {
        let maps = self
            .fields
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match maps.get(field) {
            Some(Some(map)) => match map.get(value) {
                None => Ok(None),
                Some(Rows::One(row)) => Ok(Some(*row)),
                Some(Rows::Many(_)) => Err(Search),
            },
            _ => Err(Search),
        }
    }

    /// A row's field has a new value.
    pub(super) fn add(&mut self, field: usize, cell: &Cell, folds: bool, row: u32) {
        let maps = self
            .fields
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(Some(map)) = maps.get_mut(field) {
            insert(map, cell, folds, row);
        }
    }
}

fn insert(map: &mut Map, cell: &Cell, folds: bool, row: u32) {
    if cell.is_empty() {
        return;
    }
    let key = if folds { fold(cell) } else { cell.clone() };
    match map.entry(key) {
        Entry::Occupied(mut rows) => rows.get_mut().push(row),
        Entry::Vacant(place) => {
            place.insert(Rows::One(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outdated_entries_do_not_show() {
        let mut index = Index::default();
        let mut column: Column = ["A", "b", "a"].map(Cell::new).into_iter().collect();
        assert_eq!(index.rows(0, &column, true, &["a"]), [0, 2]);
        column.set(0, Cell::new("c"));
        index.add(0, &Cell::new("c"), true, 0);
        assert_eq!(index.rows(0, &column, true, &["a"]), [2]);
        assert_eq!(index.rows(0, &column, true, &["c", "b"]), [0, 1]);
        column.set(0, Cell::new("A"));
        index.add(0, &Cell::new("A"), true, 0);
        assert_eq!(index.rows(0, &column, true, &["a"]), [0, 2]);
    }

    #[test]
    fn a_glance_tells_the_one_row() {
        let mut index = Index::default();
        let column: Column = ["a", "b", "a"].map(Cell::new).into_iter().collect();
        assert_eq!(index.only(1, "b"), Err(Search));
        index.rows(1, &column, false, &[]);
        assert_eq!(index.only(1, "a"), Err(Search));
        assert_eq!(index.only(1, "b"), Ok(Some(1)));
        assert_eq!(index.only(1, "c"), Ok(None));
        index.add(1, &Cell::new("b"), false, 1);
        assert_eq!(index.only(1, "b"), Ok(Some(1)));
        index.add(1, &Cell::new("b"), false, 3);
        assert_eq!(index.only(1, "b"), Err(Search));
    }
}
