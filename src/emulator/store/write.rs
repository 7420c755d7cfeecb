use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use super::{
    Cell, DuplicateHeader, RowError, State, Store, Table, Undo,
    check::{blank_owner, required},
    convert::{bytes, convert},
    index::Index,
    rights,
    standard::{self, Draft},
};
use crate::emulator::{access::Access, faults::Faults, schema::Kind};

use super::Raw;

/// Who writes, when, and under which rules.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The running user's Id.
    pub(crate) user: &'a str,
    /// What that user may write.
    pub(crate) access: &'a Access,
    /// The time, in canonical form.
    pub(crate) now: &'a str,
    /// Faults on rows; none while an org file is loaded.
    pub(crate) faults: Option<&'a Faults>,
    /// What the request says about duplicates.
    pub(crate) duplicates: DuplicateHeader,
    /// Whether this is the loading of an org file: read-only fields may be given, validation rules rest.
    pub(crate) loading: bool,
    /// Whether nobody will take back a write that succeeded, so that less need be remembered.
    pub(crate) lasting: bool,
}

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A field of the record.
    Field(usize),
    /// A reference, given by a field of the parent.
    Related { field: usize, object: usize, by: usize },
    /// A column that is left alone.
    Ignore,
}

/// What is to be done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Insert,
    Update,
    Upsert(usize),
    Delete,
    HardDelete,
}

/// How a row to be changed is named: by its Id, or by the value of a key field.
pub(crate) type Key<'a> = Option<&'a str>;

/// The values of a row.
pub(crate) type Incoming<'a> = [(Target, Raw<'a>)];

/// A row that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) id: Cell,
    pub(crate) created: bool,
}

/// The cells of a row that is about to be written, each field once.
pub(super) type Cells = Vec<(usize, Cell)>;

impl Store {
    /// Does one thing to one row.
    ///
    /// `key` is the row's Id, or for an upsert the value of its key field. A failed write changes nothing; a
    /// successful one adds to `undo` what takes it back.
    pub(crate) fn write(
        &mut self,
        object: usize,
        op: Op,
        key: Key<'_>,
        values: &Incoming<'_>,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<Done, RowError> {
        if self.moment != call.now {
            self.moment = Cell::new(call.now);
        }
        let before = undo.len();
        let done = self.write_through(object, op, key, values, call, undo);
        if done.is_err() {
            // One write may have touched several rows before one of them was refused.
            self.undo(undo.split_off(before));
        }
        done
    }

    fn write_through(
        &mut self,
        object: usize,
        op: Op,
        key: Key<'_>,
        values: &Incoming<'_>,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<Done, RowError> {
        match op {
            Op::Insert => self.insert(object, values, call, undo),
            Op::Update => {
                let id = key.unwrap_or_default();
                if id.is_empty() {
                    return Err(RowError::new(
                        "MISSING_ARGUMENT",
                        "Id not specified in an update call",
                    ));
                }
                let row = self.named(object, id)?;
                self.update(object, row, values, None, call, undo)
            }
            Op::Upsert(0) => match key.filter(|id| !id.is_empty()) {
                None => self.insert(object, values, call, undo),
                Some(id) => {
                    let row = self.named(object, id)?;
                    self.update(object, row, values, None, call, undo)
                }
            },
            Op::Upsert(field) => match self.holder(object, field, key.unwrap_or_default(), call.access)? {
                None if values.iter().any(|(t, _)| *t == Target::Field(field)) => {
                    self.insert(object, values, call, undo)
                }
                None => {
                    let mut all = values.to_vec();
                    all.push((Target::Field(field), Raw::Text(key.unwrap_or_default())));
                    self.insert(object, &all, call, undo)
                }
                Some(row) => self.update(object, row, values, Some(field), call, undo),
            },
            Op::Delete | Op::HardDelete => {
                let row = self.named(object, key.unwrap_or_default())?;
                self.may_change(object, row, true, call)?;
                let id = Cell::new(self.tables[object].get(row, 0));
                // What goes along with its parent need not be deletable by itself.
                if !self.schema.objects[object].traits.deletable {
                    return Err(RowError::new(
                        "INSUFFICIENT_ACCESS_OR_READONLY",
                        "insufficient access rights on object id",
                    ));
                }
                standard::before_delete(self, object, row)?;
                self.delete(object, row, op == Op::HardDelete, call, undo)?;
                standard::after_delete(self, object, row, call, undo)?;
                Ok(Done { id, created: false })
            }
        }
    }

    /// Changes cells of a row that follow from a write elsewhere.
    pub(super) fn follow_up(&mut self, object: usize, row: u32, cells: Cells, undo: &mut Vec<Undo>) {
        let now = self.moment.clone();
        let before = self.shares(object, row, &now);
        let old = cells
            .iter()
            .map(|(field, _)| (*field, Cell::new(self.tables[object].get(row, *field))))
            .collect();
        undo.push(Undo::Cells(object, row, old));
        let mut changed: Vec<usize> = cells.iter().map(|(field, _)| *field).collect();
        for (field, cell) in cells {
            self.put(object, row, field, cell);
        }
        if self.schema.rules[object].spread() {
            changed.extend(self.work_out(object, row, &now, undo));
            self.spread(object, row, &before, &changed, &now, undo);
        }
    }

    pub(super) fn put(&mut self, object: usize, row: u32, field: usize, cell: Cell) {
        let spec = &self.schema.objects[object].fields[field];
        let table = &mut self.tables[object];
        if Index::wanted(spec) && !cell.is_empty() && table.get(row, field) != cell {
            table.index.add(field, &cell, spec.folds_case(), row);
        }
        table.set(row, field, cell);
    }

    /// The cells that the values stand for, each field once, put into `cells`; the field `but` is passed over.
    fn cells(
        &self,
        object: usize,
        values: &Incoming<'_>,
        but: Option<usize>,
        call: Call<'_>,
        insert: bool,
        cells: &mut Cells,
    ) -> Result<Option<Bytes>, RowError> {
        let spec = &self.schema.objects[object];
        cells.clear();
        cells.reserve(values.len() + 16);
        let mut blob = None;
        let mut unwritable: Vec<&str> = Vec::new();
        let open = |field: usize| {
            call.loading
                || if insert {
                    call.access.creates_field(object, spec, field)
                } else {
                    call.access.edits_field(object, spec, field)
                }
        };
        for (target, raw) in values {
            let (field, cell) = match *target {
                Target::Ignore => continue,
                Target::Field(field) if but == Some(field) => continue,
                Target::Field(field) => {
                    let f = &spec.fields[field];
                    if !open(field) {
                        unwritable.push(&f.name);
                        continue;
                    }
                    if f.kind == Kind::Base64 {
                        let content = bytes(f, *raw)?;
                        let length = content.as_ref().map(|b| b.len().to_string()).unwrap_or_default();
                        blob = content;
                        (field, Cell::new(length))
                    } else {
                        (field, convert(f, *raw)?)
                    }
                }
                Target::Related {
                    field,
                    object: parent,
                    by,
                } => {
                    let f = &spec.fields[field];
                    if !open(field) {
                        unwritable.push(&f.name);
                        continue;
                    }
                    (field, self.related(object, parent, by, *raw, call)?)
                }
            };
            match cells.iter_mut().find(|(f, _)| *f == field) {
                Some(slot) => slot.1 = cell,
                None => cells.push((field, cell)),
            }
        }
        if unwritable.is_empty() {
            return Ok(blob);
        }
        let mut error = RowError::new(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            format!(
                "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
                unwritable.join(", ")
            ),
        );
        error.fields = unwritable.into_iter().map(str::to_owned).collect();
        Err(error)
    }

    pub(super) fn insert(
        &mut self,
        object: usize,
        values: &Incoming<'_>,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<Done, RowError> {
        self.may_insert(object, call)?;
        let mut cells = std::mem::take(&mut self.spare);
        let blob = self.cells(object, values, None, call, true, &mut cells)?;
        let given = content(&cells, call);
        let schema = self.schema.clone();
        let spec = &schema.objects[object];
        if spec.sets_audit_fields && !call.loading {
            rights::audit(spec, &mut cells, call.now)?;
        }
        let brought = cells.len();
        let places = &spec.places;
        for &at in &places.filled {
            let field = &spec.fields[at];
            let present = cells.iter().position(|(f, _)| *f == at);
            if present.is_some_and(|p| !cells[p].1.is_empty()) {
                continue;
            }
            let value = if Some(at) == places.owner {
                if present.is_some() && !call.loading {
                    return Err(blank_owner());
                }
                Cell::new(call.user)
            } else if let Some(default) = field
                .default
                .as_ref()
                .filter(|_| present.is_none() || !field.nillable)
            {
                Cell::new(default)
            } else if Some(at) == places.record_type
                && present.is_none()
                && let Some(default) = spec.record_types.iter().find(|r| r.default && r.active)
            {
                Cell::new(&default.id)
            } else {
                continue;
            };
            match present {
                Some(p) => cells[p].1 = value,
                None => cells.push((at, value)),
            }
        }
        standard::complete(&mut Draft::new(
            self,
            object,
            None,
            &mut cells,
            brought,
            blob.as_ref(),
            call,
        ))?;
        let missing: Vec<&str> = places
            .required
            .iter()
            .filter(|at| !cells.iter().any(|(f, c)| f == *at && !c.is_empty()))
            .map(|at| spec.fields[*at].name.as_str())
            .collect();
        required(missing)?;
        self.check(object, None, &mut cells, call, given)?;
        if !call.loading && self.is_full() {
            return Err(RowError::new("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded"));
        }
        let row = self.tables[object].len();
        let id = match cells.iter().find(|(f, _)| *f == 0) {
            // Only an org file may say an Id.
            Some((_, id)) if !id.is_empty() => {
                let id = id.clone();
                if self.row(object, &id).is_some() {
                    return Err(RowError::new(
                        "DUPLICATE_VALUE",
                        format!("there is a record {id} already"),
                    ));
                }
                self.tables[object].foreign.insert(id.clone(), row);
                id
            }
            _ => self.id_of(object, row),
        };
        let table = &mut self.tables[object];
        table.states.push(State::Live);
        table.live += 1;
        undo.push(Undo::State(object, row, State::Gone));
        table.set(row, 0, id.clone());
        let stamps = [call.now, call.user, call.now, call.user, call.now];
        for (field, value) in places.audit.iter().zip(stamps) {
            if let Some(field) = *field
                && !cells.iter().any(|(f, _)| *f == field)
            {
                self.put(object, row, field, Cell::new(value));
            }
        }
        for &at in &places.auto_numbers {
            if let Some(pattern) = &spec.fields[at].auto_number
                && !cells.iter().any(|(f, c)| *f == at && !c.is_empty())
            {
                let table = &mut self.tables[object];
                table.counters[at] += 1;
                let number = auto_number(pattern, table.counters[at]);
                self.put(object, row, at, number);
            }
        }
        for (field, cell) in cells.drain(..) {
            if field != 0 {
                self.put(object, row, field, cell);
            }
        }
        self.spare = cells;
        if let Some(blob) = blob {
            self.write_blob(&id, blob, undo);
        }
        if spec.names_by_id && self.tables[object].get(row, places.name).is_empty() {
            self.put(object, row, places.name, Cell::new(&id[..15]));
        }
        let rules = &schema.rules[object];
        if rules.spread() {
            self.start_totals(object, row);
            self.work_out(object, row, call.now, undo);
        }
        if rules.check() && !call.loading {
            self.judge(object, row, None, call, undo)?;
        }
        standard::after_insert(self, object, row, call, undo)?;
        if rules.spread() {
            self.spread(object, row, &Vec::new(), &[], call.now, undo);
        }
        Ok(Done { id, created: true })
    }

    fn update(
        &mut self,
        object: usize,
        row: u32,
        values: &Incoming<'_>,
        but: Option<usize>,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<Done, RowError> {
        self.may_change(object, row, false, call)?;
        let mut cells = std::mem::take(&mut self.spare);
        let blob = self.cells(object, values, but, call, false, &mut cells)?;
        let given = content(&cells, call);
        let brought = cells.len();
        let schema = self.schema.clone();
        let spec = &schema.objects[object];
        standard::complete(&mut Draft::new(
            self,
            object,
            Some(row),
            &mut cells,
            brought,
            blob.as_ref(),
            call,
        ))?;
        let mut missing: Vec<&str> = Vec::new();
        for (at, cell) in &cells {
            let field = &spec.fields[*at];
            if cell.is_empty() && !field.nillable {
                if Some(*at) == spec.places.owner {
                    return Err(blank_owner());
                }
                missing.push(&field.name);
            }
        }
        required(missing)?;
        self.check(object, Some(row), &mut cells, call, given)?;
        let table = &self.tables[object];
        for (field, value) in spec.places.audit[2..].iter().zip([call.now, call.user, call.now]) {
            if let Some(field) = *field {
                cells.push((field, Cell::new(value)));
            }
        }
        if spec.names_by_id
            && let Some((_, name)) = cells
                .iter_mut()
                .find(|(f, c)| *f == spec.places.name && c.is_empty())
        {
            *name = Cell::new(&table.get(row, 0)[..15]);
        }
        let rules = &schema.rules[object];
        let hooked = standard::wants_updates(&schema, spec);
        let watched = hooked || rules.check() || rules.spread();
        // Without anybody who may refuse it now, a write that lasts needs no memory of what was there.
        let old: Cells = if watched || !call.lasting {
            cells
                .iter()
                .map(|(field, _)| (*field, Cell::new(table.get(row, *field))))
                .collect()
        } else {
            Cells::new()
        };
        let before = self.shares(object, row, call.now);
        for (field, cell) in cells.drain(..) {
            self.put(object, row, field, cell);
        }
        self.spare = cells;
        let id = Cell::new(self.tables[object].get(row, 0));
        if let Some(blob) = blob {
            self.write_blob(&id, blob, undo);
        }
        if !watched {
            if !call.lasting {
                undo.push(Undo::Cells(object, row, old));
            }
            return Ok(Done { id, created: false });
        }
        undo.push(Undo::Cells(object, row, old.clone()));
        if rules.spread() {
            self.work_out(object, row, call.now, undo);
        }
        if rules.check() && !call.loading {
            self.judge(object, row, Some(&old), call, undo)?;
        }
        if hooked {
            standard::after_update(self, object, row, &old, call, undo)?;
        }
        if rules.spread() {
            let changed = rules.touched(old.iter().map(|(field, _)| *field));
            self.spread(object, row, &before, &changed, call.now, undo);
        }
        Ok(Done { id, created: false })
    }
}

impl Table {
    /// Fields that were filled at least once.
    pub(crate) fn is_used(&self, field: usize) -> bool {
        !self.columns[field].is_empty()
    }
}

/// A number that stands for what a row brings, whatever the order of its fields.
fn content(cells: &[(usize, Cell)], call: Call<'_>) -> u64 {
    if !call.faults.is_some_and(Faults::pick_rows) {
        return 0;
    }
    cells
        .iter()
        .filter(|(_, cell)| !cell.is_empty())
        .map(|entry| {
            let mut hasher = DefaultHasher::new();
            entry.hash(&mut hasher);
            hasher.finish()
        })
        .fold(0, u64::wrapping_add)
}

/// `INV-{0000}` and 7: `INV-0007`.
pub(super) fn auto_number(pattern: &str, number: u64) -> Cell {
    let Some((head, rest)) = pattern.split_once('{') else {
        return Cell::new(format!("{pattern}{number}"));
    };
    let (zeros, tail) = rest.split_once('}').unwrap_or((rest, ""));
    Cell::new(format!("{head}{number:0width$}{tail}", width = zeros.len()))
}
