//! Which accounts a contact has to do with: a direct relation that follows the contact's account, and others beside it.
//! Only orgs with "Contacts to Multiple Accounts" have them.

use super::{Draft, insert_along, set_along};
use crate::emulator::store::{Call, RowError, Store, Undo};

const RELATION: &str = "AccountContactRelation";

/// A contact is related to an account once.
pub(super) fn relation(draft: &Draft<'_>) -> Result<(), RowError> {
    if draft.row.is_some() || draft.call.loading {
        return Ok(());
    }
    let (account, contact) = (draft.get("AccountId"), draft.get("ContactId"));
    match of_contact(draft.store, draft.object, contact)
        .into_iter()
        .any(|row| draft.store.text(draft.object, row, "AccountId") == account)
    {
        true => Err(RowError::new(
            "DUPLICATE_VALUE",
            "This contact already has a relationship with this account.",
        )),
        false => Ok(()),
    }
}

fn of_contact(store: &Store, relations: usize, contact: &str) -> Vec<u32> {
    match store.schema.objects[relations].field("ContactId") {
        Some(by) if !contact.is_empty() => store.find(relations, by, contact),
        _ => Vec::new(),
    }
}

/// A new contact with an account is related to it.
pub(super) fn contact_stored(
    store: &mut Store,
    object: usize,
    row: u32,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    let account = store.text(object, row, "AccountId").to_owned();
    if !store.schema.contact_relations || account.is_empty() || is_person(store, object, row) {
        return Ok(());
    }
    let contact = store.tables[object].get(row, 0).to_owned();
    relate(store, &account, &contact, call, undo)
}

/// The direct relation follows the contact to another account.
pub(super) fn contact_changed(
    store: &mut Store,
    object: usize,
    row: u32,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    let Some(relations) = store.schema.object(RELATION) else {
        return Ok(());
    };
    if is_person(store, object, row) {
        return Ok(());
    }
    let account = store.text(object, row, "AccountId").to_owned();
    let contact = store.tables[object].get(row, 0).to_owned();
    let all = of_contact(store, relations, &contact);
    let direct = all
        .iter()
        .copied()
        .find(|at| store.text(relations, *at, "IsDirect") == "true");
    let known = all
        .iter()
        .copied()
        .find(|at| store.text(relations, *at, "AccountId") == account);
    if direct.is_some() && direct == known {
        return Ok(());
    }
    if let Some(direct) = direct {
        store.delete(relations, direct, false, call, undo)?;
    }
    match known {
        _ if account.is_empty() => Ok(()),
        Some(known) => {
            set_along(store, relations, known, &[("IsDirect", "true")], undo);
            Ok(())
        }
        None => relate(store, &account, &contact, call, undo),
    }
}

/// The direct relation goes with the contact's account only.
pub(super) fn keep_direct(store: &Store, object: usize, row: u32) -> Result<(), RowError> {
    match store.text(object, row, "IsDirect") == "true" {
        true => Err(RowError::new(
            "DELETE_FAILED",
            "The direct relationship of a contact cannot be deleted: change the account of the contact",
        )),
        false => Ok(()),
    }
}

fn is_person(store: &Store, object: usize, row: u32) -> bool {
    store.schema.person_accounts && store.text(object, row, "IsPersonAccount") == "true"
}

fn relate(
    store: &mut Store,
    account: &str,
    contact: &str,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    let values = [
        ("AccountId", account),
        ("ContactId", contact),
        ("IsDirect", "true"),
        ("IsActive", "true"),
    ];
    insert_along(store, RELATION, &values, call, undo).map(|_| ())
}
