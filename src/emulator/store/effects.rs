//! Values that follow from other values: formula fields and roll-ups. They are kept as cells and worked out again when
//! what they are made of changes, so that queries read them like any other field.

use rust_decimal::Decimal;

use super::{Cell, State, Store, Undo};
use crate::emulator::{
    file::SummaryOperation,
    formula::{Pace, Scope},
    schema::{Kind, Summary},
};

/// What a row adds to each roll-up of its parents: the parent's row, and the value.
pub(super) type Shares = Vec<Option<(u32, Cell)>>;

/// A walk along all that follows from a change.
struct Walk<'w> {
    now: &'w str,
    undo: &'w mut Vec<Undo>,
    /// How many records lie between the change and here.
    depth: u32,
}

/// Formulas and roll-ups may lead to each other over so many records.
const DEEPEST: u32 = 64;

impl Store {
    /// What a row adds to the roll-ups of its parents now. Nothing unless it is live.
    pub(super) fn shares(&self, object: usize, row: u32, now: &str) -> Shares {
        let summaries = &self.schema.rules[object].summaries;
        if summaries.is_empty() {
            return Vec::new();
        }
        let live = self.tables[object].state(row) == State::Live;
        summaries
            .iter()
            .map(|summary| {
                if live {
                    self.share(object, row, summary, now)
                } else {
                    None
                }
            })
            .collect()
    }

    fn share(&self, object: usize, row: u32, summary: &Summary, now: &str) -> Option<(u32, Cell)> {
        let table = &self.tables[object];
        let parent = table.get(row, summary.by);
        if parent.is_empty() {
            return None;
        }
        let parent = self.row(summary.parent, parent)?;
        let cell = match summary.of {
            Some(of) => table.get(row, of),
            None => "1",
        };
        if cell.is_empty() {
            return None;
        }
        let counts = summary.when.as_ref().is_none_or(|when| {
            when.holds(&Scope {
                store: self,
                object,
                row,
                prior: None,
                user: "",
                now,
            })
        });
        counts.then(|| (parent, Cell::new(cell)))
    }

    /// Works out the formula fields of a row, and says which of them changed.
    pub(super) fn work_out(
        &mut self,
        object: usize,
        row: u32,
        now: &str,
        undo: &mut Vec<Undo>,
    ) -> Vec<usize> {
        let schema = self.schema.clone();
        let mut changed = Vec::new();
        let mut old = Vec::new();
        for own in &schema.rules[object].formulas {
            let field = &schema.objects[object].fields[own.field];
            let scope = Scope {
                store: self,
                object,
                row,
                prior: None,
                user: "",
                now,
            };
            let cell = own.formula.cell(&scope, field.kind, field.scale);
            let was = self.tables[object].get(row, own.field);
            if was != cell {
                old.push((own.field, Cell::new(was)));
                changed.push(own.field);
                self.put(object, row, own.field, cell);
            }
        }
        if !old.is_empty() {
            undo.push(Undo::Cells(object, row, old));
        }
        changed
    }

    /// Roll-ups of a row that was just made: there is nothing to summarize yet.
    pub(super) fn start_totals(&mut self, object: usize, row: u32) {
        let schema = self.schema.clone();
        for &(child, at) in &schema.rules[object].totals {
            let summary = &schema.rules[child].summaries[at];
            if matches!(summary.operation, SummaryOperation::Count | SummaryOperation::Sum) {
                self.put(object, row, summary.total, Cell::const_new("0"));
            }
        }
    }

    /// Brings everything up to date that follows from changed fields of a row elsewhere: roll-ups of its parents, and
    /// formula fields that read it. `before` is what the row added to its parents before the change.
    pub(super) fn spread(
        &mut self,
        object: usize,
        row: u32,
        before: &Shares,
        changed: &[usize],
        now: &str,
        undo: &mut Vec<Undo>,
    ) {
        let mut walk = Walk { now, undo, depth: 0 };
        self.spread_from(object, row, before, changed, &mut walk);
    }

    fn spread_from(
        &mut self,
        object: usize,
        row: u32,
        before: &Shares,
        changed: &[usize],
        walk: &mut Walk<'_>,
    ) {
        if walk.depth > DEEPEST {
            return;
        }
        let now = walk.now;
        let schema = self.schema.clone();
        let rules = &schema.rules[object];
        if !rules.summaries.is_empty() {
            let after = self.shares(object, row, now);
            for (n, summary) in rules.summaries.iter().enumerate() {
                let was = before.get(n).cloned().flatten();
                let is = after.get(n).cloned().flatten();
                if was == is {
                    continue;
                }
                let parents = (was.as_ref().map(|s| s.0), is.as_ref().map(|s| s.0));
                let (was, is) = (was.map(|s| s.1), is.map(|s| s.1));
                match parents {
                    (Some(a), Some(b)) if a == b => {
                        self.adjust(summary, object, a, was.as_ref(), is.as_ref(), walk);
                    }
                    _ => {
                        if let Some(parent) = parents.0 {
                            self.adjust(summary, object, parent, was.as_ref(), None, walk);
                        }
                        if let Some(parent) = parents.1 {
                            self.adjust(summary, object, parent, None, is.as_ref(), walk);
                        }
                    }
                }
            }
        }
        let mut targets: Vec<(usize, u32)> = Vec::new();
        for reader in rules.readers.iter().filter(|r| changed.contains(&r.field)) {
            let mut rows = vec![row];
            let mut at = object;
            for &(from, by) in reader.via.iter().rev() {
                let ids: Vec<&str> = rows.iter().map(|r| self.tables[at].get(*r, 0)).collect();
                let mut next = self.rows_with(from, by, &ids).unwrap_or_default();
                next.retain(|r| self.tables[from].state(*r) != State::Gone);
                (rows, at) = (next, from);
            }
            targets.extend(rows.into_iter().map(|r| (at, r)));
        }
        targets.sort_unstable();
        targets.dedup();
        for (object, row) in targets {
            let before = self.shares(object, row, now);
            let changed = self.work_out(object, row, now, walk.undo);
            if !changed.is_empty() {
                walk.depth += 1;
                self.spread_from(object, row, &before, &changed, walk);
                walk.depth -= 1;
            }
        }
    }

    /// Takes a value out of a roll-up and puts another one in.
    fn adjust(
        &mut self,
        summary: &Summary,
        child: usize,
        parent: u32,
        was: Option<&Cell>,
        is: Option<&Cell>,
        walk: &mut Walk<'_>,
    ) {
        let object = summary.parent;
        // What a deleted parent shows is what it showed when it went.
        if self.tables[object].state(parent) != State::Live {
            return;
        }
        let present = Cell::new(self.tables[object].get(parent, summary.total));
        let number =
            |cell: Option<&Cell>| -> Decimal { cell.and_then(|c| c.parse().ok()).unwrap_or_default() };
        let total = match summary.operation {
            SummaryOperation::Count => {
                let one = |cell: Option<&Cell>| Decimal::from(u8::from(cell.is_some()));
                text(number(Some(&present)) - one(was) + one(is))
            }
            SummaryOperation::Sum => text(number(Some(&present)) - number(was) + number(is)),
            SummaryOperation::Min | SummaryOperation::Max => {
                let kind = self.schema.objects[object].fields[summary.total].kind;
                let gone = was.is_some_and(|w| *w == present);
                match is {
                    Some(is) if present.is_empty() || better(summary.operation, kind, is, &present) => {
                        is.clone()
                    }
                    _ if gone => self.extreme(summary, child, parent, kind, walk.now),
                    _ => present.clone(),
                }
            }
        };
        self.set_total(summary, parent, total, walk);
    }

    /// The least or greatest value of all children.
    fn extreme(&self, summary: &Summary, child: usize, parent: u32, kind: Kind, now: &str) -> Cell {
        let mut best = Cell::default();
        for (_, cell) in self.children_of(summary, child, parent, now) {
            if best.is_empty() || better(summary.operation, kind, &cell, &best) {
                best = cell;
            }
        }
        best
    }

    fn children_of(&self, summary: &Summary, child: usize, parent: u32, now: &str) -> Vec<(u32, Cell)> {
        let id = self.tables[summary.parent].get(parent, 0);
        let mut rows = self.rows_with(child, summary.by, &[id]).unwrap_or_default();
        rows.retain(|row| self.tables[child].state(*row) == State::Live);
        rows.into_iter()
            .filter_map(|row| self.share(child, row, summary, now))
            .collect()
    }

    fn set_total(&mut self, summary: &Summary, parent: u32, total: Cell, walk: &mut Walk<'_>) {
        let object = summary.parent;
        let now = walk.now;
        if self.tables[object].get(parent, summary.total) == total {
            return;
        }
        let before = self.shares(object, parent, now);
        // The record was touched, but nobody modified it.
        let mut cells = vec![(summary.total, total)];
        if let Some(stamp) = self.schema.objects[object].field("SystemModstamp") {
            cells.push((stamp, Cell::new(now)));
        }
        let old = cells
            .iter()
            .map(|(field, _)| (*field, Cell::new(self.tables[object].get(parent, *field))))
            .collect();
        walk.undo.push(Undo::Cells(object, parent, old));
        let mut changed: Vec<usize> = cells.iter().map(|(field, _)| *field).collect();
        for (field, cell) in cells {
            self.put(object, parent, field, cell);
        }
        changed.extend(self.work_out(object, parent, now, walk.undo));
        walk.depth += 1;
        self.spread_from(object, parent, &before, &changed, walk);
        walk.depth -= 1;
    }

    /// Summarizes all children of a row anew.
    pub(super) fn recount(&mut self, object: usize, row: u32, now: &str, undo: &mut Vec<Undo>) {
        let schema = self.schema.clone();
        for &(child, at) in &schema.rules[object].totals {
            let summary = &schema.rules[child].summaries[at];
            let kind = schema.objects[object].fields[summary.total].kind;
            let total = match summary.operation {
                SummaryOperation::Count => {
                    text(Decimal::from(self.children_of(summary, child, row, now).len()))
                }
                SummaryOperation::Sum => text(
                    self.children_of(summary, child, row, now)
                        .iter()
                        .filter_map(|(_, cell)| cell.parse::<Decimal>().ok())
                        .sum(),
                ),
                SummaryOperation::Min | SummaryOperation::Max => self.extreme(summary, child, row, kind, now),
            };
            self.set_total(summary, row, total, &mut Walk { now, undo, depth: 0 });
        }
    }

    /// Whether formula fields that read the clock are behind the time.
    pub(crate) fn stale(&self, now: &str) -> bool {
        let behind = |clock: Pace| match clock {
            Pace::Still => false,
            Pace::Daily => self.worked_out.get(..10) != now.get(..10),
            Pace::Running => self.worked_out != now,
        };
        behind(self.schema.pace)
    }

    /// Works out the formula fields that read the clock.
    pub(crate) fn refresh(&mut self, now: &str) {
        let schema = self.schema.clone();
        let mut undo = Vec::new();
        for (object, rules) in schema.rules.iter().enumerate() {
            if rules.formulas.iter().all(|f| f.formula.pace == Pace::Still) {
                continue;
            }
            for row in 0..self.tables[object].len() {
                if self.tables[object].state(row) == State::Gone {
                    continue;
                }
                let before = self.shares(object, row, now);
                let changed = self.work_out(object, row, now, &mut undo);
                if !changed.is_empty() {
                    self.spread(object, row, &before, &changed, now, &mut undo);
                }
                undo.clear();
            }
        }
        self.worked_out = Cell::new(now);
    }
}

fn text(n: Decimal) -> Cell {
    let n = n.normalize();
    if n.is_zero() {
        return Cell::const_new("0");
    }
    Cell::new(n.to_string())
}

/// Whether a value takes the place of another one.
fn better(operation: SummaryOperation, kind: Kind, new: &str, old: &str) -> bool {
    let ordering = if kind.is_number() {
        match (new.parse::<Decimal>(), old.parse::<Decimal>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => return false,
        }
    } else {
        new.cmp(old)
    };
    if operation == SummaryOperation::Max {
        ordering.is_gt()
    } else {
        ordering.is_lt()
    }
}
