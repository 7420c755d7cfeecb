use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize};

use super::FieldType;

/// One object in the list of all objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SObjectSummary {
    /// API name.
    pub name: CompactString,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub label: String,
    /// The first three characters of its Ids.
    pub key_prefix: Option<CompactString>,
    /// Not one of Salesforce's own.
    #[serde(deserialize_with = "or_default")]
    pub custom: bool,
    /// The user may create records.
    #[serde(deserialize_with = "or_default")]
    pub createable: bool,
    /// The user may change records.
    #[serde(deserialize_with = "or_default")]
    pub updateable: bool,
    /// The user may delete records.
    #[serde(deserialize_with = "or_default")]
    pub deletable: bool,
    /// SOQL can read it.
    #[serde(deserialize_with = "or_default")]
    pub queryable: bool,
}

/// What an object is, as far as moving its records goes. Reads an org's describe, whatever its release leaves out or
/// adds; written, it has the same keys, so that a lock file is read by the same code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SObjectDescribe {
    /// API name.
    pub name: CompactString,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub label: String,
    /// The first three characters of its Ids.
    pub key_prefix: Option<CompactString>,
    /// Not one of Salesforce's own.
    #[serde(deserialize_with = "or_default")]
    pub custom: bool,
    /// The user may create records.
    #[serde(deserialize_with = "or_default")]
    pub createable: bool,
    /// The user may change records.
    #[serde(deserialize_with = "or_default")]
    pub updateable: bool,
    /// The user may delete records.
    #[serde(deserialize_with = "or_default")]
    pub deletable: bool,
    /// SOQL can read it.
    #[serde(deserialize_with = "or_default")]
    pub queryable: bool,
    /// Every field that the user may read.
    #[serde(deserialize_with = "or_default")]
    pub fields: Vec<Field>,
    /// Its record types, `Master` among them; empty where it has none.
    #[serde(rename = "recordTypeInfos", deserialize_with = "or_default")]
    pub record_types: Vec<RecordType>,
    /// Who refers to it.
    #[serde(deserialize_with = "or_default")]
    pub child_relationships: Vec<ChildRelationship>,
    /// Whether the org was asked how its fields are classified: describes do not tell.
    #[serde(skip)]
    pub classified: bool,
}

/// A field of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Field {
    /// API name.
    pub name: CompactString,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub label: String,
    /// What its values are.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: FieldType,
    /// Most characters; 0 where that does not apply.
    #[serde(deserialize_with = "or_default")]
    pub length: u32,
    /// Most bytes.
    #[serde(deserialize_with = "or_default")]
    pub byte_length: u32,
    /// Digits in all, of a number that may have decimals.
    #[serde(deserialize_with = "or_default")]
    pub precision: u32,
    /// Digits after the point. More are cut off in silence.
    #[serde(deserialize_with = "or_default")]
    pub scale: u32,
    /// Digits of a whole number.
    #[serde(deserialize_with = "or_default")]
    pub digits: u32,
    /// Takes null.
    #[serde(deserialize_with = "or_default")]
    pub nillable: bool,
    /// The user may give it a value on create.
    #[serde(deserialize_with = "or_default")]
    pub createable: bool,
    /// The user may change it.
    #[serde(deserialize_with = "or_default")]
    pub updateable: bool,
    /// Salesforce fills it when nobody does.
    #[serde(deserialize_with = "or_default")]
    pub defaulted_on_create: bool,
    /// A formula or a roll-up.
    #[serde(deserialize_with = "or_default")]
    pub calculated: bool,
    /// Numbered by Salesforce.
    #[serde(deserialize_with = "or_default")]
    pub auto_number: bool,
    /// Declared as an external id.
    #[serde(deserialize_with = "or_default")]
    pub external_id: bool,
    /// Can be matched by upsert without being an external id.
    #[serde(deserialize_with = "or_default")]
    pub id_lookup: bool,
    /// No two records have one value.
    #[serde(deserialize_with = "or_default")]
    pub unique: bool,
    /// `a` and `A` are two values, where `unique`.
    #[serde(deserialize_with = "or_default")]
    pub case_sensitive: bool,
    /// The objects that a lookup may point at.
    #[serde(deserialize_with = "or_default")]
    pub reference_to: Vec<CompactString>,
    /// The name of the way to the parent: `Owner`.
    pub relationship_name: Option<CompactString>,
    /// 0 or 1 for a master-detail field.
    pub relationship_order: Option<u8>,
    /// Points at several kinds of objects.
    #[serde(rename = "polymorphicForeignKey", deserialize_with = "or_default")]
    pub polymorphic: bool,
    /// Goes when its parent is deleted.
    #[serde(deserialize_with = "or_default")]
    pub cascade_delete: bool,
    /// Values outside the list are refused.
    #[serde(deserialize_with = "or_default")]
    pub restricted_picklist: bool,
    /// The list.
    #[serde(deserialize_with = "or_default")]
    pub picklist_values: Vec<PicklistValue>,
    /// The field that it is a part of: `BillingAddress`. That says nothing about writing: `Account.Name` has one too.
    pub compound_field_name: Option<CompactString>,
    /// `richtextarea`, `switchablepersonname`, ...
    pub extra_type_info: Option<CompactString>,
    /// What people call the record by.
    #[serde(deserialize_with = "or_default")]
    pub name_field: bool,
    /// May stand in WHERE.
    #[serde(deserialize_with = "or_default")]
    pub filterable: bool,
    /// May stand in ORDER BY.
    #[serde(deserialize_with = "or_default")]
    pub sortable: bool,
    /// Not one of Salesforce's own.
    #[serde(deserialize_with = "or_default")]
    pub custom: bool,
    /// Classic encryption: who lacks the permission reads asterisks.
    #[serde(deserialize_with = "or_default")]
    pub encrypted: bool,
    /// The compliance categories that Setup gives it, `PII;GDPR`; see [`SObjectDescribe::classified`].
    pub compliance_group: Option<CompactString>,
}

/// A value of a picklist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PicklistValue {
    /// What the API reads and writes.
    #[serde(deserialize_with = "or_default")]
    pub value: CompactString,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub label: CompactString,
    /// May be chosen.
    #[serde(deserialize_with = "or_default")]
    pub active: bool,
    /// Chosen when nobody does.
    #[serde(deserialize_with = "or_default")]
    pub default_value: bool,
}

/// A record type, as the signed-in user sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordType {
    /// `Customer`; the same in every org that has it.
    #[serde(deserialize_with = "or_default")]
    pub developer_name: CompactString,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Another in every org.
    #[serde(rename = "recordTypeId", deserialize_with = "or_default")]
    pub id: CompactString,
    /// May be used at all.
    #[serde(deserialize_with = "or_default")]
    pub active: bool,
    /// May be used by this user.
    #[serde(deserialize_with = "or_default")]
    pub available: bool,
    /// The one that stands for none.
    #[serde(deserialize_with = "or_default")]
    pub master: bool,
}

/// A field of another object that refers to this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChildRelationship {
    /// The other object.
    #[serde(rename = "childSObject", deserialize_with = "or_default")]
    pub child_object: CompactString,
    /// Its field.
    #[serde(deserialize_with = "or_default")]
    pub field: CompactString,
    /// The name of the way to the children, where there is one.
    pub relationship_name: Option<CompactString>,
    /// The children go with the parent.
    #[serde(deserialize_with = "or_default")]
    pub cascade_delete: bool,
}

impl SObjectDescribe {
    /// A field by its API name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name))
    }

    /// The lookup field whose parent is reached by `relationship`: `Owner` gives `OwnerId`.
    pub fn by_relationship(&self, relationship: &str) -> Option<&Field> {
        self.fields.iter().find(|f| {
            f.relationship_name
                .as_ref()
                .is_some_and(|r| r.eq_ignore_ascii_case(relationship))
        })
    }

    /// Whether the org has person accounts and this is Account.
    pub fn has_person_accounts(&self) -> bool {
        self.name.eq_ignore_ascii_case("Account") && self.field("IsPersonAccount").is_some()
    }

    /// The fields that every new record has to bring. What a page layout requires is not to be seen in a describe.
    pub fn required_on_create(&self) -> Vec<&Field> {
        self.fields.iter().filter(|f| f.is_required_on_create()).collect()
    }

    /// With person accounts, a new Account has to bring one of two fields: a company its `Name`, a person its
    /// `LastName`. Describe calls both optional then.
    pub fn either_required_on_create(&self) -> Option<[&Field; 2]> {
        if !self.has_person_accounts() {
            return None;
        }
        Some([self.field("Name")?, self.field("LastName")?])
    }

    /// A record type that may be used, by its developer name.
    pub fn record_type(&self, developer_name: &str) -> Option<&RecordType> {
        self.record_types
            .iter()
            .find(|r| r.developer_name.eq_ignore_ascii_case(developer_name))
    }
}

impl Field {
    /// Whether a new record without it is refused.
    pub fn is_required_on_create(&self) -> bool {
        !self.nillable && !self.defaulted_on_create && self.createable
    }

    /// Whether upsert can match records by it: an external id, or a field that Salesforce looks up by.
    pub fn is_match_key(&self) -> bool {
        self.external_id || self.id_lookup
    }

    /// Whether it is a lookup or a master-detail field.
    pub fn is_reference(&self) -> bool {
        self.kind == FieldType::Reference
    }

    /// Whether it is a master-detail field.
    pub fn is_master_detail(&self) -> bool {
        self.is_reference() && self.relationship_order.is_some()
    }

    /// Whether nobody can write it.
    pub fn is_read_only(&self) -> bool {
        !self.createable && !self.updateable
    }
}

/// Null where older or newer releases have a value.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads `GET /sobjects`.
pub(super) fn parse_global(body: &[u8]) -> Result<Vec<SObjectSummary>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Global {
        sobjects: Vec<SObjectSummary>,
    }
    Ok(serde_json::from_slice::<Global>(body)?.sobjects)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = r#"{
        "name":"Account","label":"Account","keyPrefix":"001","custom":false,"createable":true,"updateable":true,
        "deletable":true,"queryable":true,"listviewable":null,"somethingNew":{"a":[1]},
        "fields":[
            {"name":"Id","type":"id","length":18,"byteLength":18,"idLookup":true,"nillable":false,
             "defaultedOnCreate":true,"createable":false,"updateable":false,"unique":false},
            {"name":"Name","type":"string","length":255,"byteLength":765,"nillable":false,"createable":true,
             "updateable":true,"defaultedOnCreate":false,"nameField":true,"compoundFieldName":"Name",
             "extraTypeInfo":"switchablepersonname"},
            {"name":"OwnerId","type":"reference","nillable":false,"defaultedOnCreate":true,"createable":true,
             "updateable":true,"referenceTo":["User"],"relationshipName":"Owner","relationshipOrder":null},
            {"name":"AnnualRevenue","type":"currency","precision":18,"scale":0,"nillable":true,"createable":true},
            {"name":"Industry","type":"picklist","restrictedPicklist":false,"nillable":true,"picklistValues":[
                {"active":true,"defaultValue":false,"label":"Land","validFor":null,"value":"Agriculture"}]},
            {"name":"Odd__c","type":"hologram","nillable":true,"picklistValues":null,"referenceTo":null,"length":null},
            {"name":"Any__c","type":"anyType"}],
        "recordTypeInfos":[
            {"active":true,"available":true,"developerName":"Customer","master":false,"name":"Customer",
             "recordTypeId":"012000000000001AAA","urls":{}},
            {"available":true,"defaultRecordTypeMapping":true,"name":"Master","recordTypeId":"012000000000000AAA"}],
        "childRelationships":[
            {"cascadeDelete":true,"childSObject":"Contact","field":"AccountId","relationshipName":"Contacts"},
            {"cascadeDelete":false,"childSObject":"Task","field":"WhatId","relationshipName":null}]}"#;

    #[test]
    fn a_describe_is_read_and_written_alike() {
        let account: SObjectDescribe = serde_json::from_str(ACCOUNT).unwrap();
        assert_eq!(account.key_prefix.as_deref(), Some("001"));
        let name = account.field("NAME").unwrap();
        assert_eq!(
            (name.length, name.byte_length, name.kind),
            (255, 765, FieldType::String)
        );
        assert!(!name.is_read_only());
        assert_eq!(account.by_relationship("owner").unwrap().name, "OwnerId");
        assert!(account.field("id").unwrap().is_match_key());
        assert!(!name.is_match_key());
        assert_eq!(account.field("Odd__c").unwrap().kind, FieldType::Other);
        assert_eq!(account.field("Any__c").unwrap().kind, FieldType::AnyType);
        assert_eq!(account.record_type("customer").unwrap().id, "012000000000001AAA");
        assert_eq!(account.child_relationships[1].relationship_name, None);

        let written = serde_json::to_string(&account).unwrap();
        assert_eq!(
            serde_json::from_str::<SObjectDescribe>(&written).unwrap(),
            account
        );
    }

    #[test]
    fn required_fields_know_person_accounts() {
        let mut account: SObjectDescribe = serde_json::from_str(ACCOUNT).unwrap();
        let names = |fields: Vec<&Field>| fields.iter().map(|f| f.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(account.required_on_create()), ["Name"]);
        assert!(account.either_required_on_create().is_none());

        account.fields[1].nillable = true;
        for extra in ["IsPersonAccount", "LastName"] {
            account.fields.push(Field {
                name: extra.into(),
                nillable: true,
                ..Field::default()
            });
        }
        assert!(account.required_on_create().is_empty());
        assert_eq!(
            account
                .either_required_on_create()
                .map(|f| f.map(|f| f.name.to_string())),
            Some(["Name".into(), "LastName".into()])
        );
    }

    #[test]
    fn the_list_of_all_objects() {
        let body = br#"{"encoding":"UTF-8","maxBatchSize":200,"sobjects":[
            {"name":"Account","keyPrefix":"001","queryable":true},{"name":"AccountHistory","keyPrefix":null}]}"#;
        let all = parse_global(body).unwrap();
        assert_eq!(all.len(), 2);
        assert!(all[0].queryable && !all[1].queryable);
    }
}
