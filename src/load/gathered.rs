//! Rows that wait until they are many enough for a batch, by themselves or in groups that travel together.

use std::collections::{HashMap, VecDeque};

use super::{WriteRow, unit::BULK_CHUNK};

/// As many rows as wait for others of their group, at most: as many as two Bulk jobs of such rows hold by default.
const MOST_WAITING: usize = 2 * BULK_CHUNK;

/// Rows that travel in one batch, and the groups that are in it.
#[derive(Default)]
pub(super) struct Load {
    pub(super) rows: Vec<WriteRow>,
    /// Hashes of their groups' values, for groups that must not travel in two batches at once.
    pub(super) groups: Vec<u64>,
}

/// What a batch takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

#[derive(Default)]
struct Waiting {
    rows: Vec<WriteRow>,
    bytes: usize,
}

/// Rows that wait.
#[derive(Default)]
pub(super) struct Gathered {
    /// Rows of no group.
    free: Waiting,
    groups: HashMap<u64, Waiting>,
    /// The groups in the order in which their first rows came.
    order: VecDeque<u64>,
    /// Rows and bytes of all groups.
    grouped: usize,
    grouped_bytes: usize,
}

impl Gathered {
    /// Takes a row, and gives the batches that are full now. A group waits until it fills a batch, or until so many
    /// rows wait that half of them have to go: the groups that began first, whole, as many to a batch as it takes.
    pub(super) fn push(&mut self, row: WriteRow, group: Option<u64>, most: Most) -> Vec<Load> {
        let size = row.size();
        let Some(group) = group else {
            self.free.rows.push(row);
            self.free.bytes += size;
            if self.free.rows.len() < most.rows && self.free.bytes < most.bytes {
                return Vec::new();
            }
            let full = std::mem::take(&mut self.free);
            return vec![Load {
                rows: full.rows,
                groups: Vec::new(),
            }];
        };
        let waiting = self.groups.entry(group).or_insert_with(|| {
            self.order.push_back(group);
            Waiting::default()
        });
        waiting.rows.push(row);
        waiting.bytes += size;
        let full = waiting.rows.len() >= most.rows || waiting.bytes >= most.bytes;
        self.grouped += 1;
        self.grouped_bytes += size;
        if full {
            self.order.retain(|known| *known != group);
            let rows = self.take(group).rows;
            return vec![Load {
                rows,
                groups: vec![group],
            }];
        }
        let most_waiting = MOST_WAITING.max(2 * most.rows);
        if self.grouped < most_waiting && self.grouped_bytes < 2 * most.bytes {
            return Vec::new();
        }
        self.pack(self.grouped / 2, self.grouped_bytes / 2, most)
    }

    /// Gives all that waits.
    pub(super) fn finish(mut self, most: Most) -> Vec<Load> {
        let mut loads = self.pack(0, 0, most);
        if !self.free.rows.is_empty() {
            loads.push(Load {
                rows: self.free.rows,
                groups: Vec::new(),
            });
        }
        loads
    }

    /// Packs whole groups into batches until no more than so many rows and bytes are left.
    fn pack(&mut self, rows_left: usize, bytes_left: usize, most: Most) -> Vec<Load> {
        let mut loads = Vec::new();
        let (mut load, mut bytes) = (Load::default(), 0);
        while self.grouped > rows_left || self.grouped_bytes > bytes_left {
            let Some(group) = self.order.pop_front() else {
                break;
            };
            let waiting = self.take(group);
            let over = load.rows.len() + waiting.rows.len() > most.rows || bytes + waiting.bytes > most.bytes;
            if over && !load.rows.is_empty() {
                loads.push(std::mem::take(&mut load));
                bytes = 0;
            }
            load.rows.extend(waiting.rows);
            load.groups.push(group);
            bytes += waiting.bytes;
        }
        if !load.rows.is_empty() {
            loads.push(load);
        }
        loads
    }

    fn take(&mut self, group: u64) -> Waiting {
        let waiting = self.groups.remove(&group).unwrap_or_default();
        self.grouped -= waiting.rows.len();
        self.grouped_bytes -= waiting.bytes;
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        load::{Action, Plain},
        record::{Row, Value},
    };

    fn row(n: usize) -> WriteRow {
        WriteRow {
            source_id: format!("{n}").into(),
            source: Row::default(),
            record_id: None,
            action: Action::Insert,
            cells: vec![Plain::Value(Value::text("x"))],
            later: false,
        }
    }

    #[test]
    fn rows_of_a_group_travel_together() {
        let most = Most {
            rows: 10,
            bytes: 1 << 20,
        };
        let mut gathered = Gathered::default();
        let mut loads = Vec::new();
        // Seven groups of four rows each, one of twelve, and rows of no group, all mixed.
        for n in 0..12 {
            loads.extend(gathered.push(row(n), Some(100), most));
            if n < 4 {
                for group in 0..7 {
                    loads.extend(gathered.push(row(1000 * (group + 1) + n), Some(group as u64), most));
                }
            }
            loads.extend(gathered.push(row(900 + n), None, most));
        }
        loads.extend(gathered.finish(most));
        let sizes: Vec<usize> = loads.iter().map(|l| l.rows.len()).collect();
        assert!(sizes.iter().all(|s| *s <= 10), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 12 + 28 + 12);
        for group in 0..7u64 {
            let holding = loads.iter().filter(|l| l.groups.contains(&group));
            assert_eq!(holding.count(), 1, "group {group}");
        }
        // The large group fills a batch of its own, and its rest comes later.
        assert_eq!(loads.iter().filter(|l| l.groups.contains(&100)).count(), 2);
    }

    #[test]
    fn no_more_than_so_many_rows_wait() {
        let most = Most {
            rows: 200,
            bytes: 1 << 20,
        };
        let mut gathered = Gathered::default();
        let mut sent = 0;
        for n in 0..100_000 {
            // As many groups as rows: none is ever full.
            let loads = gathered.push(row(n), Some(n as u64), most);
            sent += loads.iter().map(|l| l.rows.len()).sum::<usize>();
            assert!(n + 1 - sent <= MOST_WAITING, "{} wait", n + 1 - sent);
        }
        sent += gathered.finish(most).iter().map(|l| l.rows.len()).sum::<usize>();
        assert_eq!(sent, 100_000);
    }
}
