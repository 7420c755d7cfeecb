//! The records that an org starts with, besides those of its recipe: what its administrator set up.

use std::collections::HashMap;

use serde_json::Value;

use crate::emulator::{
    access::Book,
    file::{OrgFile, OrgFileError, Queue, UserEntry},
    schema::Object,
    store::{Call, Cell, Incoming, Op, Raw, RowError, Store, Target, make_id, value_records},
};

/// Users, queues, record types, the profile, the Organization record, and records that show what picklists hold.
pub(super) fn records(
    store: &mut Store,
    file: &OrgFile,
    book: &Book,
    org_id: &str,
    instance: &str,
    call: Call<'_>,
) -> Result<(), OrgFileError> {
    let admin = UserEntry::administrator(format!("admin@{}.example", file.name), "Org Admin");
    let users = if file.users.is_empty() {
        std::slice::from_ref(&admin)
    } else {
        &file.users
    };
    let mut profiles: HashMap<&str, Cell> = HashMap::new();
    for name in book.profiles() {
        profiles.insert(name, insert(store, file, "Profile", &[("Name", name)], call)?);
    }
    for user in users {
        let (first, last) = user.name.rsplit_once(' ').unwrap_or(("", &user.name));
        let alias: String = match &user.alias {
            Some(alias) => alias.clone(),
            None => user
                .name
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(8)
                .collect(),
        };
        let mut values: Vec<(&str, String)> = vec![
            ("Username", user.username.clone()),
            ("FirstName", first.to_owned()),
            ("LastName", last.to_owned()),
            (
                "Email",
                user.email.clone().unwrap_or_else(|| user.username.clone()),
            ),
            ("Alias", alias.to_lowercase()),
            ("IsActive", user.is_active.to_string()),
            ("ProfileId", profiles[user.profile.as_str()].to_string()),
        ];
        for (name, value) in &user.fields {
            values.push((
                name,
                match value {
                    Value::String(text) => text.clone(),
                    Value::Null => String::new(),
                    other => other.to_string(),
                },
            ));
        }
        let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (*n, v.as_str())).collect();
        insert(store, file, "User", &values, call)?;
    }
    for queue in &file.queues {
        let developer_name = queue
            .developer_name
            .clone()
            .unwrap_or_else(|| queue.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        let values = [
            ("Name", queue.name.as_str()),
            ("DeveloperName", &developer_name),
            ("Type", "Queue"),
        ];
        let group = insert(store, file, "Group", &values, call)?;
        let schema = store.schema.clone();
        if let Some(unknown) = queue.objects.iter().find(|name| schema.object(name).is_none()) {
            return Err(file.meaning("queues", format!("there is no object `{unknown}`")));
        }
        for object in schema.objects.iter().filter(|o| may_queue(o, queue)) {
            let values = [("QueueId", group.as_str()), ("SobjectType", &object.name)];
            insert(store, file, "QueueSobject", &values, call)?;
        }
    }
    let schema = store.schema.clone();
    for object in &schema.objects {
        for record_type in &object.record_types {
            let values = [
                ("Name", record_type.label.as_str()),
                ("DeveloperName", &record_type.developer_name),
                ("SobjectType", &object.name),
                ("IsActive", if record_type.active { "true" } else { "false" }),
                (
                    "Description",
                    record_type.description.as_deref().unwrap_or_default(),
                ),
            ];
            insert(store, file, "RecordType", &values, call)?;
        }
    }
    let organization = [
        ("Id", org_id),
        ("Name", file.name.as_str()),
        ("OrganizationType", &file.organization_type),
        ("IsSandbox", if file.is_sandbox { "true" } else { "false" }),
        ("InstanceName", &format!("EM{instance}")),
        ("Country", "GB"),
    ];
    insert(store, file, "Organization", &organization, call)?;
    let pricebook = [
        ("Name", "Standard Price Book"),
        ("IsActive", "true"),
        ("IsStandard", "true"),
    ];
    insert(store, file, "Pricebook2", &pricebook, call)?;
    currencies(store, file, call)?;
    let mut number = 0;
    for (object, values) in value_records(&store.schema) {
        number += 1;
        // These objects share one prefix, and so the numbers.
        let id = make_id("01J", instance, number);
        let mut row = vec![("Id", id.as_str())];
        row.extend(values.iter().map(|(name, value)| (*name, value.as_str())));
        insert(store, file, object, &row, call)?;
    }
    Ok(())
}

/// Whether records of an object can wait in a queue.
fn may_queue(object: &Object, queue: &Queue) -> bool {
    let Some(owner) = object.field("OwnerId") else {
        return false;
    };
    if queue.objects.is_empty() {
        return object.custom || matches!(object.name.as_str(), "Case" | "Lead");
    }
    object.fields[owner].reference_to.iter().any(|to| to == "Group")
        && queue
            .objects
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&object.name))
}

/// The currencies of an org that has several.
fn currencies(store: &mut Store, file: &OrgFile, call: Call<'_>) -> Result<(), OrgFileError> {
    let Some(currencies) = &file.currencies else {
        return Ok(());
    };
    let mut all = vec![(currencies.corporate.as_str(), 1.0, true)];
    all.extend(
        currencies
            .active
            .iter()
            .map(|(code, rate)| (code.as_str(), *rate, true)),
    );
    all.extend(
        currencies
            .inactive
            .iter()
            .map(|(code, rate)| (code.as_str(), *rate, false)),
    );
    for (at, (code, rate, active)) in all.into_iter().enumerate() {
        // Some currencies have no cents.
        let places = if matches!(code, "JPY" | "KRW" | "CLP" | "VND" | "ISK") {
            "0"
        } else {
            "2"
        };
        let values = [
            ("IsoCode", code),
            ("ConversionRate", &rate.to_string()),
            ("DecimalPlaces", places),
            ("IsActive", if active { "true" } else { "false" }),
            ("IsCorporate", if at == 0 { "true" } else { "false" }),
        ];
        insert(store, file, "CurrencyType", &values, call)?;
    }
    Ok(())
}

fn insert(
    store: &mut Store,
    file: &OrgFile,
    object: &str,
    values: &[(&str, &str)],
    call: Call<'_>,
) -> Result<Cell, OrgFileError> {
    let refused = |error: RowError| OrgFileError::Record {
        path: file.path.clone(),
        place: format!("a record of `{object}`"),
        code: error.code.into_owned(),
        message: error.message,
    };
    let at = store
        .schema
        .object(object)
        .ok_or_else(|| file.meaning(object, "there is no such object"))?;
    let mut row: Vec<(Target, Raw<'_>)> = Vec::new();
    for (name, value) in values {
        let field = store.schema.objects[at]
            .field(name)
            .ok_or_else(|| file.meaning(object, format!("there is no field `{name}`")))?;
        row.push((Target::Field(field), Raw::Text(value)));
    }
    let row: &Incoming<'_> = &row;
    store
        .write(at, Op::Insert, None, row, call, &mut Vec::new())
        .map(|done| done.id)
        .map_err(refused)
}
