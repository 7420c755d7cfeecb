//! Person accounts: an account that is a person, and the contact behind it.

use super::{Draft, insert_along, set_along};
use crate::emulator::store::{Call, RowError, Store, Undo};

/// Fields of the account that stand for a field of the contact of another name.
fn contact_field(name: &str) -> Option<String> {
    if let Some(stem) = name.strip_suffix("__pc") {
        return Some(format!("{stem}__c"));
    }
    match name {
        "FirstName" | "LastName" | "Salutation" | "Phone" | "Fax" => Some(name.to_owned()),
        "PersonContactId" => None,
        _ => name.strip_prefix("Person").map(str::to_owned),
    }
}

fn bad_names(names: &[&str]) -> RowError {
    let mut error = RowError::new(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        format!(
            "Account: bad field names on insert/update call: {}",
            names.join(", ")
        ),
    );
    error.fields = names.iter().map(|n| (*n).to_owned()).collect();
    error
}

/// The record type tells whether an account is a person; its name is then made of first and last name.
pub(super) fn account(draft: &mut Draft<'_>) -> Result<(), RowError> {
    if !draft.store.schema.person_accounts {
        return Ok(());
    }
    let types = &draft.spec.record_types;
    if draft.row.is_none()
        && draft.given("RecordTypeId").is_none_or(str::is_empty)
        && draft.given("LastName").is_some_and(|name| !name.is_empty())
        && let Some(person) = types.iter().find(|r| r.person && r.active)
    {
        let id = person.id.clone();
        draft.set("RecordTypeId", id);
    }
    let person = types
        .iter()
        .any(|r| r.person && r.id == draft.get("RecordTypeId"));
    if person {
        if draft.given("Name").is_some_and(|name| !name.is_empty()) && !draft.call.loading {
            return Err(bad_names(&["Name"]));
        }
        if draft.get("LastName").is_empty() {
            return Err(RowError::new(
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [LastName]",
            )
            .on("LastName"));
        }
        super::person_name(draft);
    } else {
        let personal: Vec<&str> = draft
            .spec
            .fields
            .iter()
            .filter(|f| contact_field(&f.name).is_some() && !matches!(f.name.as_str(), "Phone" | "Fax"))
            .filter(|f| {
                draft
                    .given(&f.name)
                    .is_some_and(|v| !v.is_empty() && v != "false")
            })
            .map(|f| f.name.as_str())
            .collect();
        if !personal.is_empty() {
            return Err(bad_names(&personal));
        }
        if draft.get("Name").is_empty() {
            return Err(
                RowError::new("REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]").on("Name"),
            );
        }
    }
    draft.flag("IsPersonAccount", person);
    Ok(())
}

/// What the contact of a person account has from it.
fn mirrored(store: &Store, object: usize, row: u32) -> Vec<(String, String)> {
    store.schema.objects[object]
        .fields
        .iter()
        .enumerate()
        .filter(|(_, f)| !f.kind.is_compound())
        .filter_map(|(at, f)| {
            let name = contact_field(&f.name)?;
            Some((name, store.tables[object].get(row, at).to_owned()))
        })
        .collect()
}

/// A person account brings its contact.
pub(super) fn account_stored(
    store: &mut Store,
    object: usize,
    row: u32,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    if !store.schema.person_accounts || store.text(object, row, "IsPersonAccount") != "true" {
        return Ok(());
    }
    let mut values = mirrored(store, object, row);
    values.retain(|(_, value)| !value.is_empty());
    values.push(("AccountId".to_owned(), store.text(object, row, "Id").to_owned()));
    values.push((
        "OwnerId".to_owned(),
        store.text(object, row, "OwnerId").to_owned(),
    ));
    values.push(("IsPersonAccount".to_owned(), "true".to_owned()));
    let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let contact = insert_along(store, "Contact", &values, call, undo)?;
    set_along(store, object, row, &[("PersonContactId", &contact)], undo);
    Ok(())
}

/// The contact follows its account.
pub(super) fn account_changed(
    store: &mut Store,
    object: usize,
    row: u32,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    if !store.schema.person_accounts || store.text(object, row, "IsPersonAccount") != "true" {
        return Ok(());
    }
    let contact = store.text(object, row, "PersonContactId").to_owned();
    let Some(contacts) = store.schema.object("Contact") else {
        return Ok(());
    };
    let Some(at) = store.live_row(contacts, &contact) else {
        return Ok(());
    };
    let mut values = mirrored(store, object, row);
    values.push(("Name".to_owned(), store.text(object, row, "Name").to_owned()));
    values.push((
        "SystemModstamp".to_owned(),
        store.text(object, row, "SystemModstamp").to_owned(),
    ));
    let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    set_along(store, contacts, at, &values, undo);
    Ok(())
}

fn refused() -> RowError {
    RowError::new(
        "INVALID_PERSON_ACCOUNT_OPERATION",
        "cannot reference person contact",
    )
}

/// A person's contact is written through the account, and a person has no other contacts.
pub(super) fn contact(draft: &Draft<'_>) -> Result<(), RowError> {
    let store = draft.store;
    if !store.schema.person_accounts || draft.call.loading {
        return Ok(());
    }
    if draft.row.is_some() && draft.get("IsPersonAccount") == "true" {
        return Err(refused());
    }
    let account = draft.given("AccountId").unwrap_or_default();
    let person = store
        .schema
        .object("Account")
        .and_then(|a| Some((a, store.live_row(a, account)?)))
        .is_some_and(|(a, row)| store.text(a, row, "IsPersonAccount") == "true");
    if person {
        return Err(RowError::new(
            "INVALID_PERSON_ACCOUNT_OPERATION",
            "a contact cannot have a person account as its account",
        )
        .on("AccountId"));
    }
    Ok(())
}

/// A person's contact goes with its account only.
pub(super) fn keep_contact(store: &Store, object: usize, row: u32) -> Result<(), RowError> {
    if store.schema.person_accounts && store.text(object, row, "IsPersonAccount") == "true" {
        return Err(refused());
    }
    Ok(())
}
