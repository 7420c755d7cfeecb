//! Cases, tasks, events, leads and users.

use super::Draft;
use crate::emulator::store::{RowError, Store};

/// The account behind a record: itself, or the one that it belongs to.
fn account_of(store: &Store, id: &str) -> Option<String> {
    let object = store.schema.by_id(id)?;
    if store.schema.objects[object].name == "Account" {
        return Some(id.to_owned());
    }
    let row = store.live_row(object, id)?;
    let account = store.text(object, row, "AccountId");
    (!account.is_empty()).then(|| account.to_owned())
}

/// Who and what an activity is about tell its account.
fn about(draft: &mut Draft<'_>) {
    if draft.touches("WhatId") || draft.touches("WhoId") {
        let account = account_of(draft.store, draft.get("WhatId"))
            .or_else(|| account_of(draft.store, draft.get("WhoId")))
            .unwrap_or_default();
        draft.set("AccountId", account);
    }
}

/// Whether a status ends a task.
pub(super) fn task_closed(status: &str) -> bool {
    status == "Completed"
}

pub(super) fn high_priority(priority: &str) -> bool {
    priority == "High"
}

/// Whether a status ends a case.
pub(super) fn case_closed(status: &str) -> bool {
    status.starts_with("Closed")
}

pub(super) fn task(draft: &mut Draft<'_>) {
    about(draft);
    let closed = task_closed(draft.get("Status"));
    draft.flag("IsClosed", closed);
    let high = high_priority(draft.get("Priority"));
    draft.flag("IsHighPriority", high);
    if closed && draft.get("CompletedDateTime").is_empty() {
        let now = draft.call.now;
        draft.set("CompletedDateTime", now);
    } else if !closed && !draft.get("CompletedDateTime").is_empty() {
        draft.set("CompletedDateTime", "");
    }
    if draft.row.is_none() && draft.get("TaskSubtype").is_empty() {
        draft.set("TaskSubtype", "Task");
    }
}

/// Start, end and length of an event go together.
pub(super) fn event(draft: &mut Draft<'_>) -> Result<(), RowError> {
    about(draft);
    if draft.row.is_none() && draft.get("EventSubtype").is_empty() {
        draft.set("EventSubtype", "Event");
    }
    let moved = [
        "StartDateTime",
        "EndDateTime",
        "ActivityDateTime",
        "ActivityDate",
        "DurationInMinutes",
    ]
    .iter()
    .any(|name| draft.given(name).is_some());
    if draft.row.is_some() && !moved {
        return Ok(());
    }
    let all_day = draft.get("IsAllDayEvent") == "true";
    let given = |name: &str| draft.given(name).filter(|v| !v.is_empty()).map(str::to_owned);
    let kept = |name: &str| Some(draft.get(name).to_owned()).filter(|v| !v.is_empty());
    let start = given("StartDateTime")
        .or_else(|| given("ActivityDateTime"))
        .or_else(|| given("ActivityDate").map(|day| format!("{day}T00:00:00.000Z")))
        .or_else(|| kept("StartDateTime"));
    let end = given("EndDateTime");
    let minutes = given("DurationInMinutes");
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let Some(start) = start else {
        if draft.call.loading {
            return Ok(());
        }
        let mut error = RowError::new(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [DurationInMinutes, ActivityDateTime]",
        );
        error.fields = vec!["DurationInMinutes".to_owned(), "ActivityDateTime".to_owned()];
        return Err(error);
    };
    let Some(from) = time(&start) else {
        return Ok(());
    };
    let length = match (end.as_deref().and_then(time), minutes) {
        (Some(end), _) => end.duration_since(from).as_mins(),
        (None, Some(minutes)) => minutes.parse().unwrap_or(0),
        (None, None) if all_day => 1_440,
        (None, None) => match kept("DurationInMinutes") {
            Some(minutes) => minutes.parse().unwrap_or(0),
            None if draft.call.loading => return Ok(()),
            None => {
                return Err(RowError::new(
                    "REQUIRED_FIELD_MISSING",
                    "Required fields are missing: [DurationInMinutes]",
                )
                .on("DurationInMinutes"));
            }
        },
    };
    if length < 0 {
        return Err(RowError::new(
            "FIELD_INTEGRITY_EXCEPTION",
            "End Date Time: the end of an event cannot be before its start",
        )
        .on("EndDateTime"));
    }
    let to = from
        .checked_add(jiff::SignedDuration::from_mins(length))
        .unwrap_or(from);
    let print = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    draft.set("StartDateTime", print(from));
    draft.set("EndDateTime", print(to));
    draft.set("DurationInMinutes", length.to_string());
    draft.set(
        "ActivityDateTime",
        if all_day { String::new() } else { print(from) },
    );
    draft.set("ActivityDate", &print(from)[..10]);
    draft.set("EndDate", &print(to)[..10]);
    Ok(())
}

/// A status closes a case, and its contact tells its account.
pub(super) fn case(draft: &mut Draft<'_>) {
    let closed = case_closed(draft.get("Status"));
    let was = draft.row.is_some() && !draft.get("ClosedDate").is_empty();
    draft.flag("IsClosed", closed);
    if closed && !was {
        let now = draft.call.now;
        draft.set("ClosedDate", now);
        if draft.row.is_none() {
            draft.flag("IsClosedOnCreate", true);
        }
    } else if !closed && was {
        draft.set("ClosedDate", "");
    }
    if !draft.touches("ContactId") {
        return;
    }
    let store = draft.store;
    let contact = store
        .schema
        .object("Contact")
        .and_then(|c| Some((c, store.live_row(c, draft.get("ContactId"))?)));
    let text = |name: &str| {
        contact
            .map(|(c, row)| store.text(c, row, name))
            .unwrap_or_default()
    };
    for (field, of) in [
        ("ContactPhone", "Phone"),
        ("ContactMobile", "MobilePhone"),
        ("ContactEmail", "Email"),
        ("ContactFax", "Fax"),
    ] {
        draft.set(field, text(of));
    }
    if draft.given("AccountId").is_none() && draft.get("AccountId").is_empty() {
        draft.set("AccountId", text("AccountId"));
    }
}

/// A converted lead is history.
pub(super) fn lead(draft: &Draft<'_>) -> Result<(), RowError> {
    let converted = draft
        .row
        .is_some_and(|row| draft.store.text(draft.object, row, "IsConverted") == "true");
    if converted && !draft.call.loading {
        return Err(RowError::new(
            "CANNOT_UPDATE_CONVERTED_LEAD",
            "cannot reference converted lead",
        ));
    }
    Ok(())
}

/// A username is taken once, in whatever case.
pub(super) fn user(draft: &mut Draft<'_>) -> Result<(), RowError> {
    if let Some(name) = draft.given("Username").map(str::to_owned) {
        if !draft.call.loading && !name.contains('@') {
            return Err(RowError::new(
                "INVALID_EMAIL_ADDRESS",
                format!("Username: invalid email address: {name}"),
            )
            .on("Username"));
        }
        if let Some(field) = draft.spec.field("Username")
            && draft
                .store
                .find(draft.object, field, &name)
                .into_iter()
                .any(|row| Some(row) != draft.row)
        {
            return Err(RowError::new(
                "DUPLICATE_USERNAME",
                "Duplicate Username. The username already exists in this or another Salesforce organization.",
            )
            .on("Username"));
        }
        if draft.row.is_none() && draft.get("CommunityNickname").is_empty() {
            let nickname: String = name
                .split('@')
                .next()
                .unwrap_or_default()
                .chars()
                .take(40)
                .collect();
            draft.set("CommunityNickname", nickname);
        }
    }
    Ok(())
}
