//! What the platform does by itself when rows of standard objects are written: fields that it works out, rows that it
//! makes along, and rules that no describe shows.
//!
//! A write calls four hooks. `complete` sees the row before it is checked and may add cells or refuse it; `after_insert`
//! and `after_update` see it stored and may write other rows; `before_delete` and `after_delete` stand around a delete.
//! Which of them matter follows from the object's [`Behaviour`], so that rows of plain objects pay nothing.

mod draft;
mod files;

pub(super) use draft::Draft;

use super::{
    Cell, Raw, RowError, Store, Undo,
    write::{Call, Cells, Target},
};
use crate::emulator::schema::{Behaviour, Object};

/// Fills in what follows from other fields of the row, and refuses what the platform refuses.
pub(super) fn complete(draft: &mut Draft<'_>) -> Result<(), RowError> {
    match draft.spec.behaviour {
        Behaviour::Contact | Behaviour::Lead | Behaviour::User => person_name(draft),
        Behaviour::Opportunity => {
            let (closed, won) = {
                let stage = draft.get("StageName");
                (stage.starts_with("Closed"), stage == "Closed Won")
            };
            draft.flag("IsClosed", closed);
            draft.flag("IsWon", won);
        }
        Behaviour::Case => {
            let closed = draft.get("Status") == "Closed";
            draft.flag("IsClosed", closed);
        }
        Behaviour::Task => {
            let closed = draft.get("Status") == "Completed";
            draft.flag("IsClosed", closed);
        }
        Behaviour::Attachment => files::body(draft)?,
        Behaviour::ContentVersion => files::version(draft)?,
        Behaviour::ContentDocumentLink => files::document_link(draft)?,
        _ => {}
    }
    Ok(())
}

/// First and last name make the name.
fn person_name(draft: &mut Draft<'_>) {
    if !draft.touches("LastName") && !draft.touches("FirstName") {
        return;
    }
    let name = {
        let (first, last) = (draft.get("FirstName"), draft.get("LastName"));
        if first.is_empty() {
            last.to_owned()
        } else {
            format!("{first} {last}")
        }
    };
    draft.set("Name", name);
}

/// A new row is stored.
pub(super) fn after_insert(
    store: &mut Store,
    object: usize,
    row: u32,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    match store.schema.objects[object].behaviour {
        Behaviour::ContentVersion => files::version_stored(store, object, row, call, undo),
        _ => Ok(()),
    }
}

/// Whether [`after_update`] looks at rows of this object.
pub(super) fn wants_old(spec: &Object) -> bool {
    matches!(
        spec.behaviour,
        Behaviour::ContentVersion | Behaviour::ContentDocument
    )
}

/// A changed row is stored; `old` are the cells that it had.
pub(super) fn after_update(
    store: &mut Store,
    object: usize,
    row: u32,
    _old: &Cells,
    _call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    match store.schema.objects[object].behaviour {
        Behaviour::ContentVersion | Behaviour::ContentDocument => {
            files::retitled(store, object, row, undo);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a row may be deleted.
pub(super) fn before_delete(
    _store: &Store,
    _object: usize,
    _row: u32,
    _call: Call<'_>,
) -> Result<(), RowError> {
    Ok(())
}

/// A row, and what hung on it, is deleted.
pub(super) fn after_delete(
    store: &mut Store,
    object: usize,
    row: u32,
    _call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    match store.schema.objects[object].behaviour {
        Behaviour::ContentVersion | Behaviour::Attachment => files::forget_bytes(store, object, row, undo),
        _ => {}
    }
    Ok(())
}

/// Makes a row that follows from another one. The platform may fill every field.
pub(super) fn insert_along(
    store: &mut Store,
    object: &str,
    values: &[(&str, &str)],
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<Cell, RowError> {
    let Some(at) = store.schema.object(object) else {
        return Ok(Cell::default());
    };
    let spec = &store.schema.objects[at];
    let values: Vec<(Target, Raw<'_>)> = values
        .iter()
        .filter_map(|(name, value)| Some((Target::Field(spec.field(name)?), Raw::Text(value))))
        .collect();
    let call = Call {
        faults: None,
        loading: true,
        ..call
    };
    store.insert(at, &values, call, undo).map(|done| done.id)
}

/// Changes fields of a row that follow from a write elsewhere.
pub(super) fn set_along(
    store: &mut Store,
    object: usize,
    row: u32,
    values: &[(&str, &str)],
    undo: &mut Vec<Undo>,
) {
    let spec = &store.schema.objects[object];
    let cells: Cells = values
        .iter()
        .filter_map(|(name, value)| Some((spec.field(name)?, Cell::new(value))))
        .collect();
    store.follow_up(object, row, cells, undo);
}
