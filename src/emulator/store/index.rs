use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, BuildHasherDefault, Hasher},
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

/// Rows by what their value hashes to. Values themselves are not kept: rows are compared with what is wanted anyway,
/// so values of one hash may share an entry, and a look-up touches little memory.
#[derive(Debug, Default)]
struct Map {
    /// Nobody attacks an emulated org: a fast hash will do.
    hasher: RandomState,
    /// The row, or [`LIST`] and a place in `lists`. Nearly every value has one row.
    rows: HashMap<u32, u32, BuildHasherDefault<Spread>>,
    lists: Vec<Vec<u32>>,
}

/// Stands for a list instead of a row.
const LIST: u32 = 1 << 31;

impl Map {
    fn hash(&self, value: &str) -> u32 {
        (self.hasher.hash_one(value) >> 32) as u32
    }

    /// The rows that may have a value.
    fn get(&self, value: &str) -> &[u32] {
        match self.rows.get(&self.hash(value)) {
            None => &[],
            Some(entry) if entry & LIST == 0 => std::slice::from_ref(entry),
            Some(entry) => &self.lists[(entry & !LIST) as usize],
        }
    }

    fn insert(&mut self, cell: &Cell, folds: bool, row: u32) {
        if cell.is_empty() {
            return;
        }
        let hash = if folds {
            self.hash(&fold(cell))
        } else {
            self.hash(cell)
        };
        match self.rows.entry(hash) {
            Entry::Vacant(place) => {
                place.insert(row);
            }
            Entry::Occupied(mut place) => {
                let entry = *place.get();
                if entry & LIST != 0 {
                    self.lists[(entry & !LIST) as usize].push(row);
                } else if entry != row {
                    // A row that is there already was taken back, and made again.
                    place.insert(LIST | self.lists.len() as u32);
                    self.lists.push(vec![entry, row]);
                }
            }
        }
    }
}

/// What is a hash already is only spread over all bits.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.0 = (self.0 ^ u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
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
                out.extend(map.get(value).iter().copied().filter(|row| {
                    column
                        .get(*row as usize)
                        .is_some_and(|cell| cell == value || folds && fold(cell) == *value)
                }));
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
            let mut map = Map::default();
            for (row, cell) in column.iter().enumerate() {
                map.insert(cell, folds, row as u32);
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
                [] => Ok(None),
                [row] => Ok(Some(*row)),
                _ => Err(Search),
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
            map.insert(cell, folds, row);
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
    fn values_of_one_hash_do_not_mix() {
        let mut map = Map::default();
        for n in 0..3_000_u32 {
            map.insert(&Cell::new(format!("k{}", n % 1_000)), false, n);
        }
        // As if two values had one hash.
        let (a, b) = (map.hash("k1"), map.hash("k2"));
        let entry = map.rows[&b];
        map.rows.insert(a, entry);
        assert_eq!(map.get("k7"), [7, 1_007, 2_007]);
        let index = Index::default();
        let column: Column = (0..3_000).map(|n| Cell::new(format!("k{}", n % 1_000))).collect();
        index.rows(0, &column, false, &[]);
        index.fields.write().expect("a lock")[0] = Some(map);
        assert_eq!(index.rows(0, &column, false, &["k2"]), [2, 1_002, 2_002]);
        assert!(index.rows(0, &column, false, &["k1"]).is_empty());
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
