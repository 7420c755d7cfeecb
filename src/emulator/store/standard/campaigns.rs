//! Campaigns and their members.

use super::{Draft, insert_along};
use crate::emulator::store::{Call, RowError, Store, Undo};

/// A new campaign has two statuses for its members.
pub(super) fn statuses(
    store: &mut Store,
    object: usize,
    row: u32,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    let id = store.text(object, row, "Id").to_owned();
    for (label, order, default, responded) in [
        ("Sent", "3", "true", "false"),
        ("Responded", "4", "false", "true"),
    ] {
        let values = [
            ("CampaignId", id.as_str()),
            ("Label", label),
            ("SortOrder", order),
            ("IsDefault", default),
            ("HasResponded", responded),
        ];
        insert_along(store, "CampaignMemberStatus", &values, call, undo)?;
    }
    Ok(())
}

/// Nobody is twice in a campaign.
pub(super) fn once(store: &Store, object: usize, row: u32) -> Result<(), RowError> {
    let campaign = store.text(object, row, "CampaignId");
    let field = match store.text(object, row, "ContactId") {
        "" => "LeadId",
        _ => "ContactId",
    };
    let Some(at) = store.schema.objects[object].field(field) else {
        return Ok(());
    };
    let others = store.find(object, at, store.tables[object].get(row, at));
    match others
        .into_iter()
        .any(|other| other != row && store.text(object, other, "CampaignId") == campaign)
    {
        true => Err(RowError::new("DUPLICATE_VALUE", "Already a campaign member.")),
        false => Ok(()),
    }
}

/// A member is a contact or a lead, with a status that the campaign knows.
pub(super) fn member(draft: &mut Draft<'_>) -> Result<(), RowError> {
    let store = draft.store;
    let (lead, contact) = (draft.get("LeadId").to_owned(), draft.get("ContactId").to_owned());
    let campaign = draft.get("CampaignId").to_owned();
    let (person, field) = if contact.is_empty() {
        (&lead, "LeadId")
    } else {
        (&contact, "ContactId")
    };
    if draft.row.is_none() {
        if person.is_empty() {
            return Err(RowError::new(
                "FIELD_INTEGRITY_EXCEPTION",
                "a lead or a contact must be specified for a campaign member",
            )
            .on("LeadId"));
        }
        if let Some(object) = store.schema.by_id(person)
            && let Some(row) = store.live_row(object, person)
        {
            for name in [
                "Name",
                "FirstName",
                "LastName",
                "Salutation",
                "Title",
                "Email",
                "Phone",
                "Fax",
                "MobilePhone",
                "LeadSource",
            ] {
                draft.set(name, store.text(object, row, name));
            }
            let company = if field == "LeadId" {
                store.text(object, row, "Company")
            } else {
                store
                    .schema
                    .object("Account")
                    .and_then(|a| Some((a, store.live_row(a, store.text(object, row, "AccountId"))?)))
                    .map(|(a, r)| store.text(a, r, "Name"))
                    .unwrap_or_default()
            };
            draft.set("CompanyOrAccount", company);
            draft.set("LeadOrContactOwnerId", store.text(object, row, "OwnerId"));
        }
        draft.set("LeadOrContactId", person);
        draft.set("Type", if field == "LeadId" { "Lead" } else { "Contact" });
    }
    let (Some(statuses), true) = (
        store.schema.object("CampaignMemberStatus"),
        draft.row.is_none() || draft.touches("Status"),
    ) else {
        return Ok(());
    };
    let Some(by) = store.schema.objects[statuses].field("CampaignId") else {
        return Ok(());
    };
    let rows = store.find(statuses, by, &campaign);
    let wanted = draft.get("Status");
    let found = rows
        .iter()
        .find(|r| store.text(statuses, **r, "Label").eq_ignore_ascii_case(wanted))
        .or_else(|| {
            rows.iter()
                .find(|r| store.text(statuses, **r, "IsDefault") == "true")
        });
    if let Some(status) = found {
        let responded = store.text(statuses, *status, "HasResponded") == "true";
        draft.set("Status", store.text(statuses, *status, "Label"));
        draft.flag("HasResponded", responded);
        if responded && draft.get("FirstRespondedDate").is_empty() {
            let today = draft.call.now.get(..10).unwrap_or_default();
            draft.set("FirstRespondedDate", today);
        }
    }
    Ok(())
}
