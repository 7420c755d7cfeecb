//! Deleting, and the recycle bin: what went with a record comes back with it.

use super::{Call, Cell, Done, RowError, State, Store, Undo};
use crate::emulator::file::Event;

/// What went with a record when it was deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletion {
    /// Records that were deleted too, the nearest first: `(object, row)`.
    pub(super) taken: Vec<(usize, u32)>,
    /// Lookups that were emptied: the record and field, and the Id that stood there.
    pub(super) emptied: Vec<(usize, u32, usize, Cell)>,
}

impl Store {
    /// Deletes a record and what goes with it.
    pub(super) fn delete(
        &mut self,
        object: usize,
        row: u32,
        hard: bool,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<(), RowError> {
        let mut deletion = Deletion::default();
        self.take(object, row, hard, call, undo, &mut deletion)?;
        if !hard && self.schema.objects[object].has_bin() {
            self.bin.insert((object, row), deletion);
            undo.push(Undo::Bin(object, row, None));
        }
        Ok(())
    }

    fn take(
        &mut self,
        object: usize,
        row: u32,
        hard: bool,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
        deletion: &mut Deletion,
    ) -> Result<(), RowError> {
        let schema = self.schema.clone();
        let spec = &schema.objects[object];
        self.automate(Event::BeforeDelete, object, row, None, call, undo)?;
        let id = Cell::new(self.tables[object].get(row, 0));
        for &(child, field) in schema.children(object) {
            if !schema.objects[child].fields[field].restricted_delete {
                continue;
            }
            let rows = self.live_children(child, field, &id);
            if !rows.is_empty() {
                return Err(self.held(object, row, child, &rows, call));
            }
        }
        let before = self.shares(object, row, call.now);
        let was = self.tables[object].state(row);
        let state = if hard || !spec.keeps_deleted() {
            State::Gone
        } else {
            State::Deleted
        };
        self.tables[object].set_state(row, state);
        undo.push(Undo::State(object, row, was));
        self.forget_blob(object, row, undo);
        self.stamp(object, row, call, true, undo);
        if schema.rules[object].spread() {
            self.spread(object, row, &before, &[], call.now, undo);
        }
        for &(child, field) in schema.children(object) {
            let f = &schema.objects[child].fields[field];
            for r in self.live_children(child, field, &id) {
                if self.tables[child].state(r) != State::Live {
                    // Gone in the meantime, with another record of this deletion.
                    continue;
                }
                if f.cascade {
                    deletion.taken.push((child, r));
                    self.take(child, r, hard, call, undo, deletion)?;
                } else {
                    deletion.emptied.push((child, r, field, id.clone()));
                    self.set_lookup(child, r, field, Cell::default(), call, undo);
                }
            }
        }
        self.automate(Event::AfterDelete, object, row, None, call, undo)
    }

    /// Changes a lookup as a consequence of something else: the record's stamp moves, but nobody modified it.
    fn set_lookup(
        &mut self,
        object: usize,
        row: u32,
        field: usize,
        id: Cell,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) {
        let before = self.shares(object, row, call.now);
        let was = Cell::new(self.tables[object].get(row, field));
        undo.push(Undo::Cells(object, row, vec![(field, was)]));
        self.put(object, row, field, id);
        self.stamp(object, row, call, false, undo);
        if self.schema.rules[object].spread() {
            let mut changed = vec![field];
            changed.extend(self.work_out(object, row, call.now, undo));
            self.spread(object, row, &before, &changed, call.now, undo);
        }
    }

    /// Moves the stamps of a record.
    fn stamp(&mut self, object: usize, row: u32, call: Call<'_>, modified: bool, undo: &mut Vec<Undo>) {
        let schema = self.schema.clone();
        let spec = &schema.objects[object];
        let stamps = [
            ("SystemModstamp", call.now, true),
            ("LastModifiedDate", call.now, modified),
            ("LastModifiedById", call.user, modified),
        ];
        let mut old = Vec::with_capacity(3);
        for (name, value, _) in stamps.into_iter().filter(|(_, _, wanted)| *wanted) {
            if let Some(field) = spec.field(name) {
                old.push((field, Cell::new(self.tables[object].get(row, field))));
                self.put(object, row, field, Cell::new(value));
            }
        }
        undo.push(Undo::Cells(object, row, old));
    }

    fn live_children(&self, child: usize, field: usize, id: &str) -> Vec<u32> {
        let mut rows = self.rows_with(child, field, &[id]).unwrap_or_default();
        rows.retain(|r| self.tables[child].state(*r) == State::Live);
        rows
    }

    /// A record that others hold fast.
    fn held(&self, object: usize, row: u32, child: usize, rows: &[u32], call: Call<'_>) -> RowError {
        let name = |object: usize, row: u32| {
            let field = self.schema.objects[object].name_field().unwrap_or_default();
            self.tables[object].get(row, field)
        };
        let names: Vec<&str> = rows
            .iter()
            .filter(|r| self.readable(call.access, child, **r))
            .take(10)
            .map(|r| name(child, *r))
            .collect();
        RowError::new(
            "DELETE_FAILED",
            format!(
                "Your attempt to delete {} could not be completed because it is associated with the following {}.: {}\n",
                name(object, row),
                self.schema.objects[child].plural.to_lowercase(),
                names.join(", ")
            ),
        )
    }

    /// Brings a record back from the recycle bin, with all that went with it.
    pub(crate) fn undelete(
        &mut self,
        id: &str,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<Done, RowError> {
        let before = undo.len();
        let done = self.bring_back(id, call, undo);
        if done.is_err() {
            self.undo(undo.split_off(before));
        }
        done
    }

    fn bring_back(&mut self, id: &str, call: Call<'_>, undo: &mut Vec<Undo>) -> Result<Done, RowError> {
        let (object, row) = self.binned(id)?;
        self.may_change(object, row, true, call)?;
        let Some(deletion) = self.bin.remove(&(object, row)) else {
            return Err(not_in_bin());
        };
        undo.push(Undo::Bin(object, row, Some(deletion.clone())));
        // The details first: the roll-ups of their master are counted once it is back.
        for &(object, row) in deletion.taken.iter().rev().chain([&(object, row)]) {
            self.revive(object, row, call, undo)?;
        }
        for (object, row, field, id) in &deletion.emptied {
            let table = &self.tables[*object];
            if table.state(*row) == State::Live && table.get(*row, *field).is_empty() {
                self.set_lookup(*object, *row, *field, id.clone(), call, undo);
            }
        }
        for &(object, row) in deletion.taken.iter().chain([&(object, row)]) {
            self.masters_live(object, row)?;
            self.recount(object, row, call.now, undo);
        }
        for &(object, row) in deletion.taken.iter().chain([&(object, row)]) {
            self.automate(Event::AfterUndelete, object, row, None, call, undo)?;
        }
        Ok(Done {
            id: Cell::new(self.tables[object].get(row, 0)),
            created: false,
        })
    }

    fn binned(&self, id: &str) -> Result<(usize, u32), RowError> {
        let parsed: crate::record::Id = id
            .parse()
            .map_err(|_| RowError::new("MALFORMED_ID", format!("malformed id {id}")))?;
        let object = self
            .schema
            .by_id(id)
            .ok_or_else(|| RowError::new("MALFORMED_ID", format!("malformed id {id}")))?;
        match self.row(object, parsed.as_str()) {
            Some(row) if self.tables[object].state(row) != State::Gone => Ok((object, row)),
            _ => Err(RowError::new(
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
            )),
        }
    }

    fn revive(
        &mut self,
        object: usize,
        row: u32,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<(), RowError> {
        let schema = self.schema.clone();
        let spec = &schema.objects[object];
        if self.tables[object].state(row) != State::Deleted {
            return Ok(());
        }
        for at in (0..spec.fields.len()).filter(|at| spec.fields[*at].unique) {
            let cell = Cell::new(self.tables[object].get(row, at));
            if !cell.is_empty() {
                self.unique(object, Some(row), at, &cell, call)?;
            }
        }
        let before = self.shares(object, row, call.now);
        self.tables[object].set_state(row, State::Live);
        undo.push(Undo::State(object, row, State::Deleted));
        // Lookups to records that went in the meantime stay empty.
        let mut old = Vec::new();
        for (at, field) in spec.fields.iter().enumerate() {
            if field.reference_to.is_empty() || field.cascade || field.master_detail {
                continue;
            }
            let id = Cell::new(self.tables[object].get(row, at));
            let target = schema.by_id(&id);
            let lost = !id.is_empty()
                && target.is_some_and(|t| {
                    self.row(t, &id)
                        .is_some_and(|r| self.tables[t].state(r) != State::Live)
                });
            // `LastModifiedById` and its like name users, who are never deleted.
            if lost && field.nillable {
                old.push((at, id));
                self.put(object, row, at, Cell::default());
            }
        }
        let mut changed: Vec<usize> = old.iter().map(|(at, _)| *at).collect();
        if !old.is_empty() {
            undo.push(Undo::Cells(object, row, old));
        }
        self.stamp(object, row, call, true, undo);
        if schema.rules[object].spread() {
            changed.extend(self.work_out(object, row, call.now, undo));
            self.spread(object, row, &before, &changed, call.now, undo);
        }
        Ok(())
    }

    fn masters_live(&self, object: usize, row: u32) -> Result<(), RowError> {
        for (at, field) in self.schema.objects[object].fields.iter().enumerate() {
            if !field.cascade && !field.master_detail {
                continue;
            }
            let id = self.tables[object].get(row, at);
            if id.is_empty() {
                continue;
            }
            let live = self
                .schema
                .by_id(id)
                .is_some_and(|target| self.live_row(target, id).is_some());
            if !live {
                return Err(RowError::new(
                    "UNDELETE_FAILED",
                    "The record cannot be undeleted: its parent is deleted",
                ));
            }
        }
        Ok(())
    }

    /// Removes a record from the recycle bin for good.
    pub(crate) fn empty_bin(
        &mut self,
        id: &str,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<Done, RowError> {
        let (object, row) = self.binned(id)?;
        self.may_change(object, row, true, call)?;
        let Some(deletion) = self.bin.remove(&(object, row)) else {
            return Err(not_in_bin());
        };
        for &(object, row) in deletion.taken.iter().chain([&(object, row)]) {
            let was = self.tables[object].state(row);
            self.tables[object].set_state(row, State::Gone);
            undo.push(Undo::State(object, row, was));
            self.forget_blob(object, row, undo);
        }
        undo.push(Undo::Bin(object, row, Some(deletion)));
        Ok(Done {
            id: Cell::new(self.tables[object].get(row, 0)),
            created: false,
        })
    }

    /// The Ids of the records in the recycle bin; what went with another record is not among them.
    pub(crate) fn bin_ids(&self) -> Vec<Cell> {
        let mut places: Vec<&(usize, u32)> = self.bin.keys().collect();
        places.sort_unstable();
        places
            .into_iter()
            .map(|(object, row)| Cell::new(self.tables[*object].get(*row, 0)))
            .collect()
    }
}

fn not_in_bin() -> RowError {
    RowError::new("UNDELETE_FAILED", "Entity is not in the recycle bin")
}
