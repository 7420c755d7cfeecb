//! What the caller's permissions say about writing a row, and what the audit fields of a new one may hold.

use super::{Call, Cell, RowError, Store};
use crate::emulator::{access::Access, schema::Object};

impl Store {
    /// Whether the caller sees a row at all, as far as its owner decides.
    pub(crate) fn shown(&self, access: &Access, object: usize, row: u32) -> bool {
        access
            .own_records_of(object)
            .is_none_or(|user| self.text(object, row, "OwnerId") == user)
    }

    /// Refuses a new row of an object that the caller may not make.
    pub(super) fn may_insert(&self, object: usize, call: Call<'_>) -> Result<(), RowError> {
        let spec = &self.schema.objects[object];
        if call.loading
            || call.access.is_all()
            || !spec.traits.createable
            || call.access.creates(object, spec)
        {
            return Ok(());
        }
        Err(RowError::new(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            format!("entity type cannot be inserted: {}", spec.label),
        ))
    }

    /// Refuses a change of a row that the caller does not see or may not touch.
    pub(super) fn may_change(
        &self,
        object: usize,
        row: u32,
        delete: bool,
        call: Call<'_>,
    ) -> Result<(), RowError> {
        if call.loading || call.access.is_all() {
            return Ok(());
        }
        let rights = call.access.rights(object);
        let others = |user: &str| self.text(object, row, "OwnerId") != user;
        if call.access.own_records_of(object).is_some_and(others) {
            return Err(RowError::new(
                "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
                format!(
                    "insufficient access rights on cross-reference id: {}",
                    &self.tables[object].get(row, 0)[..15]
                ),
            ));
        }
        let may = if delete { rights.delete } else { rights.edit };
        if !may || call.access.changes_only_of(object).is_some_and(others) {
            return Err(RowError::new(
                "INSUFFICIENT_ACCESS_OR_READONLY",
                "insufficient access rights on object id",
            ));
        }
        Ok(())
    }
}

/// Looks at the audit fields that a new row brings: null is as good as nothing, and time does not run backwards.
pub(super) fn audit(spec: &Object, cells: &mut Vec<(usize, Cell)>, now: &str) -> Result<(), RowError> {
    cells.retain(|(field, cell)| !cell.is_empty() || !spec.fields[*field].is_audit());
    let given = |name: &str| {
        let field = spec.field(name)?;
        let cell = cells.iter().find(|(f, _)| *f == field)?;
        Some(cell.1.as_str())
    };
    let refuse =
        |field: &str, message: String| Err(RowError::new("FIELD_INTEGRITY_EXCEPTION", message).on(field));
    for name in ["CreatedDate", "LastModifiedDate"] {
        // Canonical times sort as texts.
        if let Some(time) = given(name).filter(|time| *time > now) {
            return refuse(name, format!("{name}: {time} is in the future"));
        }
    }
    let created = given("CreatedDate").unwrap_or(now);
    let modified = given("LastModifiedDate").unwrap_or(now);
    if modified < created {
        return refuse(
            "LastModifiedDate",
            format!("Last Modified Date({modified}) before Create Date({created})."),
        );
    }
    Ok(())
}
