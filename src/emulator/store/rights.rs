//! What the caller's permissions say about writing a row, and what the audit fields of a new one may hold.

use super::{Call, Cell, RowError, Store};
use crate::emulator::{
    access::{Access, Permission},
    schema::{Behaviour, Object},
};

impl Store {
    /// Whether the caller sees a row at all, as far as its owner or its master decides. Whether the caller may read the
    /// object is asked before.
    pub(crate) fn shown(&self, access: &Access, object: usize, row: u32) -> bool {
        let Some(user) = access.user() else {
            return true;
        };
        match self.schema.objects[object].behaviour {
            Behaviour::ContentDocument => return self.shows_file(access, user, object, row),
            Behaviour::ContentDocumentLink => return self.shows_link(access, user, object, row),
            _ => {}
        }
        if let Some(owner) = access.own_records_of(object) {
            return self.owner(object, row) == owner;
        }
        match self.master(access, object, row) {
            Some((master, at)) => self.readable(access, master, at),
            None => true,
        }
    }

    /// Whether the caller may read a row: its object, and the row itself.
    pub(crate) fn readable(&self, access: &Access, object: usize, row: u32) -> bool {
        access.is_all() || access.rights(object).read && self.shown(access, object, row)
    }

    /// A file is for its owner, and for those who see what it is linked to.
    fn shows_file(&self, access: &Access, user: &str, object: usize, row: u32) -> bool {
        if access.may(Permission::QueryAllFiles) || self.owner(object, row) == user {
            return true;
        }
        let link = self.schema.object("ContentDocumentLink");
        let Some((link, by)) =
            link.and_then(|o| Some((o, self.schema.objects[o].field("ContentDocumentId")?)))
        else {
            return false;
        };
        let links = self.rows_with(link, by, &[self.tables[object].get(row, 0)]);
        links.into_iter().flatten().any(|at| {
            self.tables[link].state(at) == self.tables[object].state(row)
                && self.shows_link(access, user, link, at)
        })
    }

    fn shows_link(&self, access: &Access, user: &str, object: usize, row: u32) -> bool {
        let id = self.text(object, row, "LinkedEntityId");
        match self.schema.by_id(id) {
            Some(linked) if linked == self.user => id == user,
            Some(linked) => self
                .row(linked, id)
                .is_some_and(|at| self.readable(access, linked, at)),
            None => false,
        }
    }

    fn owner(&self, object: usize, row: u32) -> &str {
        match self.schema.objects[object].places.owner {
            Some(owner) => self.tables[object].get(row, owner),
            None => "",
        }
    }

    /// The record with which a row is seen or not.
    fn master(&self, access: &Access, object: usize, row: u32) -> Option<(usize, u32)> {
        let id = self.tables[object].get(row, access.master_of(object)?);
        let master = self.schema.by_id(id)?;
        Some((master, self.row(master, id)?))
    }

    /// Whether the caller may change a row that is seen, as far as its owner or its master decides.
    fn changeable(&self, access: &Access, object: usize, row: u32) -> bool {
        if let Some(owner) = access.changes_only_of(object) {
            return self.owner(object, row) == owner;
        }
        match self.master(access, object, row) {
            Some((master, at)) if master != object => self.changeable(access, master, at),
            _ => true,
        }
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
        if !self.shown(call.access, object, row) {
            return Err(RowError::new(
                "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
                format!(
                    "insufficient access rights on cross-reference id: {}",
                    &self.tables[object].get(row, 0)[..15]
                ),
            ));
        }
        let may = if delete { rights.delete } else { rights.edit };
        if !may || !self.changeable(call.access, object, row) {
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
