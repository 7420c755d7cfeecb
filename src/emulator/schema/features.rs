//! What an org's features add to its objects: person accounts, several currencies, custom metadata types, and the places
//! of custom objects in the lists that standard lookups keep.

use super::{
    Field, Kind, Object, RecordType,
    build::SchemaError,
    standard::{self, system},
    traits::Traits,
};
use crate::emulator::file::OrgFile;

/// The fields of a person, after their counterparts on Contact.
const PERSON: &str = "\
@PersonMailing
@PersonOther
PersonMobilePhone|Mobile|Phone
PersonHomePhone|Home Phone|Phone
PersonOtherPhone|Other Phone|Phone
PersonAssistantPhone|Asst. Phone|Phone
PersonEmail|Email|Email(80)|key
PersonTitle|Title|Text(80)
PersonDepartment|Department|Text(80)
PersonAssistantName|Assistant|Text(40)
PersonLeadSource|Lead Source|Picklist(255)||Web;Phone Inquiry;Partner Referral;Purchased List;Other
PersonBirthdate|Birthdate|Date
PersonLastCURequestDate|Last Stay-in-Touch Request Date|Date/Time|ro
PersonLastCUUpdateDate|Last Stay-in-Touch Save Date|Date/Time|ro
PersonEmailBouncedReason|Email Bounced Reason|Text(255)|np
PersonEmailBouncedDate|Email Bounced Date|Date/Time|np
PersonIndividualId|Individual ID|Lookup(Individual)|np";

/// What the features bring before the file adds its own fields.
pub(super) fn before(objects: &mut [Object], file: &OrgFile) {
    if file.person_accounts {
        for object in objects.iter_mut() {
            match object.name.as_str() {
                "Account" => person_fields(object),
                "Contact" => put(object, "IsPersonAccount|Is Person Account|Checkbox|ro"),
                _ => {}
            }
        }
    }
    // An object without types of its own has no field for them.
    for object in objects.iter_mut().filter(|o| o.traits.record_types) {
        let typed = file
            .sobjects
            .iter()
            .any(|(name, spec)| name.eq_ignore_ascii_case(&object.name) && !spec.record_types.is_empty());
        if !(typed || file.person_accounts && object.name == "Account") {
            object.remove("RecordTypeId");
        }
    }
    if let Some(currencies) = &file.currencies {
        let mut codes = vec![currencies.corporate.as_str()];
        codes.extend(currencies.active.keys().map(String::as_str));
        codes.extend(currencies.inactive.keys().map(String::as_str));
        for object in objects.iter_mut() {
            if object.name == "CurrencyType" || object.name == "DatedConversionRate" {
                if let Some(at) = object.field("IsoCode") {
                    object.fields[at].picklist = picklist(&codes, currencies.inactive.len());
                }
            } else if has_currency(object) {
                put_currency(object, &codes, currencies.inactive.len());
            }
        }
    }
}

fn put(object: &mut Object, line: &str) {
    if let Some(field) = standard::field(line) {
        object.put(field);
    }
}

fn person_fields(account: &mut Object) {
    for line in [
        "LastName||Text(80)|np person of=Name",
        "FirstName||Text(40)|np person of=Name",
        "Salutation||Picklist(40)|np person of=Name|Mr.;Ms.;Mrs.;Dr.;Prof.",
        "PersonContactId|Contact ID|Lookup(Contact)|ro sp child=PersonAccounts",
        "IsPersonAccount|Is Person Account|Checkbox|ro",
    ] {
        put(account, line);
    }
    for line in PERSON.lines() {
        match line.strip_prefix('@') {
            Some(prefix) => standard::address(prefix)
                .into_iter()
                .flatten()
                .for_each(|field| account.put(field)),
            None => put(account, line),
        }
    }
    if let Some(at) = account.field("Name") {
        account.fields[at].nillable = true;
    }
}

/// Whether records of an object carry a currency: those that people work with, and some that belong to them.
fn has_currency(object: &Object) -> bool {
    object.custom && !object.traits.custom_setting && object.traits.createable
        || matches!(
            object.name.as_str(),
            "Account"
                | "Contact"
                | "Lead"
                | "Opportunity"
                | "OpportunityLineItem"
                | "OpportunityContactRole"
                | "OpportunityHistory"
                | "Campaign"
                | "CampaignMember"
                | "Case"
                | "Task"
                | "Event"
                | "Product2"
                | "Pricebook2"
                | "PricebookEntry"
                | "Asset"
                | "Contract"
                | "Order"
                | "OrderItem"
                | "Quote"
                | "QuoteLineItem"
                | "EmailMessage"
                | "AccountContactRelation"
                | "User"
                | "Solution"
        )
}

fn picklist(codes: &[&str], inactive: usize) -> Vec<super::PicklistValue> {
    let active = codes.len() - inactive;
    codes
        .iter()
        .enumerate()
        .map(|(at, code)| super::PicklistValue::new(code, at < active, at == 0))
        .collect()
}

fn put_currency(object: &mut Object, codes: &[&str], inactive: usize) {
    let line = match object.name.as_str() {
        // The currency of a price, a line and a member is that of what it belongs to.
        "PricebookEntry" => "CurrencyIsoCode|Currency ISO Code|Picklist(3)|create dn np restricted",
        "OpportunityLineItem" | "QuoteLineItem" | "OrderItem" => {
            "CurrencyIsoCode|Currency ISO Code|Picklist(3)|ro dn np restricted"
        }
        _ => "CurrencyIsoCode|Currency ISO Code|Picklist(3)|dn np restricted",
    };
    let Some(mut field) = standard::field(line) else {
        return;
    };
    field.picklist = picklist(codes, inactive);
    object.put(field);
    if object.name == "User" {
        let line = "DefaultCurrencyIsoCode|Currency ISO Code|Picklist(3)|dn np restricted";
        if let Some(mut field) = standard::field(line) {
            field.picklist = picklist(codes, inactive);
            object.put(field);
        }
    }
}

/// What follows from what the file added.
pub(super) fn after(objects: &mut [Object], file: &OrgFile) -> Result<(), SchemaError> {
    if file.person_accounts {
        persons(objects);
    }
    if let Some(currencies) = &file.currencies {
        let mut codes = vec![currencies.corporate.as_str()];
        codes.extend(currencies.active.keys().map(String::as_str));
        codes.extend(currencies.inactive.keys().map(String::as_str));
        for code in &codes {
            if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
                return Err(SchemaError {
                    place: "currencies".to_owned(),
                    message: format!("`{code}` is no ISO code such as EUR"),
                });
            }
        }
        for object in objects.iter_mut().filter(|o| o.custom && has_currency(o)) {
            put_currency(object, &codes, currencies.inactive.len());
        }
    }
    // Files, notes and activities can hang on custom objects too.
    let custom: Vec<(String, bool)> = objects
        .iter()
        .filter(|o| o.custom && !o.traits.custom_setting && o.traits.createable)
        .map(|o| {
            let activities = file.sobjects.get(&o.name).is_some_and(|spec| spec.activities);
            (o.name.clone(), activities)
        })
        .collect();
    for object in objects.iter_mut() {
        let field = match object.name.as_str() {
            "Attachment" | "Note" => "ParentId",
            "ContentDocumentLink" => "LinkedEntityId",
            "ContentVersion" => "FirstPublishLocationId",
            "Task" | "Event" => "WhatId",
            "EmailMessage" => "RelatedToId",
            _ => continue,
        };
        let about = matches!(field, "WhatId" | "RelatedToId");
        if let Some(at) = object.field(field) {
            let targets = &mut object.fields[at].reference_to;
            targets.extend(
                custom
                    .iter()
                    .filter(|(_, activities)| *activities || !about)
                    .map(|(name, _)| name.clone()),
            );
            targets.sort();
        }
    }
    Ok(())
}

/// Every custom field of Contact shows on Account, and a person needs a record type.
fn persons(objects: &mut [Object]) {
    let mirrored: Vec<Field> = objects
        .iter()
        .filter(|o| o.name == "Contact")
        .flat_map(|o| &o.fields)
        .filter(|f| f.custom && f.name.ends_with("__c") && !f.master_detail)
        .cloned()
        .collect();
    let Some(account) = objects.iter_mut().find(|o| o.name == "Account") else {
        return;
    };
    for mut field in mirrored {
        let stem = field.name.strip_suffix("__c").unwrap_or(&field.name).to_owned();
        field.name = format!("{stem}__pc");
        if field.kind == Kind::Reference {
            field.relationship_name = Some(format!("{stem}__pr"));
            field.child_relationship = None;
        }
        // A business account has none of them.
        field.nillable = field.kind != Kind::Boolean;
        field.unique = false;
        account.put(field);
    }
    let new = |developer_name: &str, label: &str, default: bool, person: bool| RecordType {
        id: String::new(),
        developer_name: developer_name.to_owned(),
        label: label.to_owned(),
        active: true,
        default,
        description: None,
        person,
    };
    if account.record_types.iter().all(|r| r.person) {
        account
            .record_types
            .push(new("Business_Account", "Business Account", true, false));
    }
    if !account.record_types.iter().any(|r| r.person) {
        account
            .record_types
            .push(new("PersonAccount", "Person Account", false, true));
    }
}

/// The fields that every custom metadata type has.
pub(super) fn metadata_type(mut object: Object) -> Option<Object> {
    object.traits = Traits::read("readonly nolayout nomru nosearch notrigger noreplicate nobulk");
    let mut id = system("Id", &format!("{} ID", object.label), "Text(18)")?;
    id.kind = Kind::Id;
    id.id_lookup = true;
    object.put(id);
    for line in [
        "DeveloperName|Custom Metadata Record Name|Text(40)|ro nn",
        "MasterLabel|Label|Text(40)|ro nn name",
        "Language|Master Language|Picklist(40)|ro restricted|@languages",
        "NamespacePrefix|Namespace Prefix|Text(15)|ro",
        "Label|Label|Text(40)|ro",
        "QualifiedApiName|Qualified API Name|Text(70)|ro",
        "SystemModstamp|System Modstamp|Date/Time|ro nn",
    ] {
        object.put(standard::field(line)?);
    }
    Some(object)
}
