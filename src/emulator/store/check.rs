//! What a row must satisfy that its values alone do not show: references, unique fields, and what faults pick.

use super::{Call, Cell, RowError, State, Store, fold};
use crate::emulator::{
    access::Permission,
    schema::{Kind, MASTER_RECORD_TYPE},
};

impl Store {
    /// All rules that look beyond a single value.
    pub(super) fn check(
        &self,
        object: usize,
        row: Option<u32>,
        cells: &mut [(usize, Cell)],
        call: Call<'_>,
        given: u64,
    ) -> Result<(), RowError> {
        let spec = &self.schema.objects[object];
        let table = &self.tables[object];
        // Where there are rules a unique value is looked for once they let the row pass.
        let later = self.schema.rules[object].check() && !call.loading;
        for (at, cell) in cells.iter_mut() {
            let field = &spec.fields[*at];
            let refers = field.kind == Kind::Reference;
            if !refers && !field.unique || cell.is_empty() {
                continue;
            }
            if row.is_some_and(|row| table.get(row, *at) == *cell) {
                continue;
            }
            if refers {
                self.check_reference(object, row, *at, cell, call)?;
            }
            if field.unique && !later {
                self.unique(object, row, *at, cell, call)?;
            }
        }
        if call.loading {
            return Ok(());
        }
        if let Some(fault) = call.faults.and_then(|faults| {
            faults.for_row(&spec.name, given, |name| {
                let field = spec.field(name)?;
                let given = cells
                    .iter()
                    .find(|(f, _)| *f == field)
                    .map(|(_, cell)| cell.as_str());
                Some(
                    given
                        .unwrap_or_else(|| row.map(|row| table.get(row, field)).unwrap_or_default())
                        .to_owned(),
                )
            })
        }) {
            return Err(RowError::fault(fault));
        }
        Ok(())
    }

    fn check_reference(
        &self,
        object: usize,
        row: Option<u32>,
        at: usize,
        cell: &mut Cell,
        call: Call<'_>,
    ) -> Result<(), RowError> {
        let spec = &self.schema.objects[object];
        let field = &spec.fields[at];
        if Some(at) == spec.places.record_type {
            if *cell == MASTER_RECORD_TYPE {
                *cell = Cell::default();
                return Ok(());
            }
            if !spec.record_types.iter().any(|r| r.id == *cell && r.active) {
                return Err(RowError::new(
                    "INVALID_CROSS_REFERENCE_KEY",
                    format!("Record Type ID: this ID value isn't valid for the user: {cell}"),
                )
                .on("RecordTypeId"));
            }
            return Ok(());
        }
        let target = self.schema.by_id(cell);
        let Some(target) = target.filter(|t| field.reference_to.contains(&self.schema.objects[*t].name))
        else {
            return Err(RowError::new(
                "MALFORMED_ID",
                format!("{}: id value of incorrect type: {cell}", field.label),
            )
            .on(&field.name));
        };
        let Some(parent) = self.row(target, cell) else {
            return Err(RowError::new(
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
            ));
        };
        let out_of_reach = || {
            Err(RowError::new(
                "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
                format!(
                    "insufficient access rights on cross-reference id: {}",
                    &cell[..15]
                ),
            ))
        };
        match self.tables[target].state(parent) {
            State::Live if call.loading || self.readable(call.access, target, parent) => {}
            State::Live | State::Deleted => return out_of_reach(),
            State::Gone => {
                return Err(RowError::new(
                    "INVALID_CROSS_REFERENCE_KEY",
                    "invalid cross reference id",
                ));
            }
        }
        if Some(at) == spec.places.owner
            && target == self.user
            && self.text(target, parent, "IsActive") != "true"
            && !(self.schema.audit_fields && call.access.may(Permission::UpdateRecordsWithInactiveOwners))
        {
            return Err(RowError::new(
                "INACTIVE_OWNER_OR_USER",
                format!("operation performed with inactive user [{cell}]"),
            )
            .on("OwnerId"));
        }
        // Hierarchies of standard objects may not bite their tails.
        if target == object
            && !field.custom
            && let Some(row) = row
        {
            let mut up = parent;
            for _ in 0..10_000 {
                if up == row {
                    return Err(RowError::new(
                        "CIRCULAR_DEPENDENCY",
                        format!("attempt to violate hierarchy constraints: {}", field.label),
                    )
                    .on(&field.name));
                }
                match self.row(object, self.tables[object].get(up, at)) {
                    Some(next) => up = next,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// That no other row has one of the values of a row that is written already.
    pub(super) fn unique_values(&self, object: usize, row: u32, call: Call<'_>) -> Result<(), RowError> {
        let spec = &self.schema.objects[object];
        for at in (0..spec.fields.len()).filter(|at| spec.fields[*at].unique) {
            let cell = self.tables[object].get(row, at);
            if !cell.is_empty() {
                self.unique(object, Some(row), at, &Cell::new(cell), call)?;
            }
        }
        Ok(())
    }

    /// That no other row has a value of a unique field.
    pub(super) fn unique(
        &self,
        object: usize,
        row: Option<u32>,
        at: usize,
        cell: &Cell,
        call: Call<'_>,
    ) -> Result<(), RowError> {
        let field = &self.schema.objects[object].fields[at];
        let table = &self.tables[object];
        if self
            .glance(object, at, cell)
            .is_ok_and(|other| other.is_none() || other == row)
        {
            return Ok(());
        }
        let folded = if field.folds_case() {
            fold(cell)
        } else {
            cell.clone()
        };
        let rows = self.rows_with(object, at, &[folded.as_str()]).unwrap_or_default();
        match rows
            .into_iter()
            .find(|r| table.state(*r) == State::Live && Some(*r) != row)
        {
            None => Ok(()),
            Some(other) => {
                // Whoever does not see the other record is not told which one it is.
                let (name, id) = match call.loading || self.readable(call.access, object, other) {
                    true => (field.name.as_str(), table.get(other, 0)),
                    false => ("<unknown>", "<unknown>"),
                };
                Err(RowError::new(
                    "DUPLICATE_VALUE",
                    format!("duplicate value found: {name} duplicates value on record with id: {id}"),
                ))
            }
        }
    }
}

/// A record always has an owner.
pub(super) fn blank_owner() -> RowError {
    RowError::new("INVALID_CROSS_REFERENCE_KEY", "Owner ID: owner cannot be blank").on("OwnerId")
}

/// That nothing is missing.
pub(super) fn required(missing: Vec<&str>) -> Result<(), RowError> {
    if missing.is_empty() {
        return Ok(());
    }
    let mut error = RowError::new(
        "REQUIRED_FIELD_MISSING",
        format!("Required fields are missing: [{}]", missing.join(", ")),
    );
    error.fields = missing.into_iter().map(str::to_owned).collect();
    Err(error)
}
