//! Which rows are meant: by an Id, by the value of a key field, by a value of a parent.

use super::{
    Call, Cell, RowError, State, Store,
    convert::{Raw, convert},
};
use crate::{emulator::access::Access, record::Id};

impl Store {
    /// The live rows whose key field has a value. Case makes no difference only for fields that are unique without
    /// regard to case, and for e-mail addresses, which are stored in lower case.
    /// Rows that the caller does not see do not match.
    pub(crate) fn matches(
        &self,
        object: usize,
        field: usize,
        value: &str,
        access: &Access,
    ) -> Result<Vec<u32>, RowError> {
        let cell = self.key(object, field, value)?;
        let spec = &self.schema.objects[object].fields[field];
        let mut rows = self.find(object, field, &cell);
        if !spec.key_folds_case() {
            rows.retain(|row| self.tables[object].get(*row, field) == cell);
        }
        if !access.is_all() {
            rows.retain(|row| self.shown(access, object, *row));
        }
        Ok(rows)
    }

    /// A key as it is stored.
    fn key(&self, object: usize, field: usize, value: &str) -> Result<Cell, RowError> {
        let spec = &self.schema.objects[object].fields[field];
        let cell = convert(spec, Raw::Text(value))?;
        if cell.is_empty() {
            return Err(RowError::new(
                "MISSING_ARGUMENT",
                format!("{} not specified", spec.name),
            ));
        }
        Ok(cell)
    }

    /// The one live row that an upsert's key names, if there is any.
    pub(super) fn holder(
        &self,
        object: usize,
        field: usize,
        value: &str,
        access: &Access,
    ) -> Result<Option<u32>, RowError> {
        let cell = self.key(object, field, value)?;
        let spec = &self.schema.objects[object].fields[field];
        let table = &self.tables[object];
        if access.is_all()
            && let Ok(row) = self.glance(object, field, &cell)
        {
            return Ok(row.filter(|row| spec.key_folds_case() || table.get(*row, field) == cell));
        }
        match self.matches(object, field, value, access)?[..] {
            [] => Ok(None),
            [row] => Ok(Some(row)),
            ref rows => {
                let ids: Vec<&str> = rows.iter().map(|row| table.get(*row, 0)).collect();
                Err(RowError::new(
                    "DUPLICATE_EXTERNAL_ID",
                    format!(
                        "{}: more than one record found for external id field: [{}]",
                        spec.name,
                        ids.join(", ")
                    ),
                ))
            }
        }
    }

    /// The row that an Id names.
    pub(crate) fn named(&self, object: usize, id: &str) -> Result<u32, RowError> {
        let spec = &self.schema.objects[object];
        let malformed = || {
            RowError::new(
                "MALFORMED_ID",
                format!("{}: id value of incorrect type: {id}", spec.fields[0].label),
            )
            .on("Id")
        };
        let parsed: Id = id.parse().map_err(|_| malformed())?;
        if id.len() == 18 && parsed.as_str() != id {
            return Err(malformed());
        }
        if !id.starts_with(spec.prefix.as_str()) {
            return Err(malformed());
        }
        match self.row(object, parsed.as_str()) {
            Some(row) if self.tables[object].state(row) == State::Live => Ok(row),
            Some(row) if self.tables[object].state(row) == State::Deleted => {
                Err(RowError::new("ENTITY_IS_DELETED", "entity is deleted"))
            }
            _ => Err(RowError::new(
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
            )),
        }
    }

    /// The Id of the parent that has a value in a field.
    pub(super) fn related(
        &self,
        object: usize,
        parent: usize,
        by: usize,
        raw: Raw<'_>,
        call: Call<'_>,
    ) -> Result<Cell, RowError> {
        let spec = &self.schema.objects[parent];
        let field = &spec.fields[by];
        let cell = convert(field, raw)?;
        if cell.is_empty() {
            return Ok(cell);
        }
        let all = call.loading || call.access.is_all();
        if all
            && parent != self.record_type
            && let Ok(Some(row)) = self.glance(parent, by, &cell)
        {
            return Ok(Cell::new(self.tables[parent].get(row, 0)));
        }
        let mut rows = self.find(parent, by, &cell);
        if parent == self.record_type {
            let name = &self.schema.objects[object].name;
            rows.retain(|row| self.text(parent, *row, "SobjectType") == name);
        }
        if !all {
            rows.retain(|row| self.readable(call.access, parent, *row));
        }
        match rows[..] {
            [row] => Ok(Cell::new(self.tables[parent].get(row, 0))),
            [] => Err(RowError::new(
                "INVALID_FIELD",
                format!(
                    "Foreign key external ID: {cell} not found for field {} in entity {}",
                    field.name, spec.name
                ),
            )),
            _ => Err(RowError::new(
                "DUPLICATE_EXTERNAL_ID",
                format!("{}: more than one record found for external id field", field.name),
            )),
        }
    }
}
