//! Objects, fields and record types of an org file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Automation, Blanks, CustomSetting, DuplicateRule, LookupFilter, MaskType, Rule, Sharing, Summary, yes,
};

/// An object: a custom one, or what is added to a standard one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SObject {
    /// Made from the name when it is left out.
    #[serde(default)]
    pub label: Option<String>,
    /// The plural of the label.
    #[serde(default)]
    pub plural: Option<String>,
    /// The first three characters of its Ids; custom objects get `a00`, `a01`, ... in the order of the file.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// The Name field of a custom object: its label, or a pattern of numbers.
    #[serde(default)]
    pub name_field: Option<NameField>,
    /// Makes a custom object a custom setting.
    #[serde(default)]
    pub custom_setting: Option<CustomSetting>,
    /// Whether tasks and events may be about its records, for custom objects.
    #[serde(default)]
    pub activities: bool,
    /// Fields by API name.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldSpec>,
    /// Record types.
    #[serde(default)]
    pub record_types: Vec<RecordTypeSpec>,
    /// What every record that is written through the API must satisfy.
    #[serde(default)]
    pub validation_rules: Vec<Rule>,
    /// Which records count as duplicates of others, and what happens to them.
    #[serde(default)]
    pub duplicate_rules: Vec<DuplicateRule>,
    /// Stand-ins for Apex triggers.
    #[serde(default)]
    pub triggers: Vec<Automation>,
    /// Stand-ins for record-triggered flows; before a record is written they run before the triggers.
    #[serde(default)]
    pub flows: Vec<Automation>,
    /// Who sees its records beside their owner.
    #[serde(default)]
    pub sharing: Sharing,
    /// Fields of this object that nobody sees, standard ones too, as if by field-level security.
    #[serde(default)]
    pub hidden_fields: Vec<String>,
}

/// The Name field of a custom object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameField {
    /// Its label.
    #[serde(default)]
    pub label: Option<String>,
    /// Makes it an auto number: `INV-{0000}`.
    #[serde(default)]
    pub auto_number: Option<String>,
}

/// A field.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// The data type as Setup lists it: `Text(40)`, `Number(16, 2)`, `Lookup(Account)`, `Picklist`, `Formula (Text)`,
    /// `Roll-Up Summary`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Made from the name when it is left out.
    #[serde(default)]
    pub label: Option<String>,
    /// Help text.
    #[serde(default)]
    pub help: Option<String>,
    /// Setup's Compliance Categorization: `PII`, `GDPR`, `HIPAA`, `PCI`, `COPPA`, `CCPA`.
    #[serde(default)]
    pub compliance_group: Vec<String>,
    /// Setup's Data Sensitivity Level: `Public`, `Internal`, `Confidential`, `Restricted`, `MissionCritical`.
    #[serde(default)]
    pub security_classification: Option<String>,
    /// Must have a value in every record.
    #[serde(default)]
    pub required: bool,
    /// Can be the key of an upsert.
    #[serde(default)]
    pub external_id: bool,
    /// No two records may have the same value.
    #[serde(default)]
    pub unique: bool,
    /// For unique fields: whether `a` and `A` are two values.
    #[serde(default)]
    pub case_sensitive: bool,
    /// What a new record gets when nothing is said.
    #[serde(default)]
    pub default: Option<serde_json::Value>,
    /// The values of a picklist.
    #[serde(default)]
    pub values: Vec<String>,
    /// Values of the picklist that are no longer offered.
    #[serde(default)]
    pub inactive_values: Vec<String>,
    /// What people read in place of a value, by value; without it the value is its own label.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether the picklist refuses other values.
    #[serde(default)]
    pub restricted: bool,
    /// The picklist or checkbox that this picklist depends on.
    #[serde(default)]
    pub controlled_by: Option<String>,
    /// For a dependent picklist: the controlling values that each value goes with.
    #[serde(default)]
    pub valid_for: BTreeMap<String, Vec<String>>,
    /// Decimals of a geolocation.
    #[serde(default)]
    pub decimal_places: Option<u32>,
    /// What an encrypted text shows to those who may not read it.
    #[serde(default)]
    pub mask_type: Option<MaskType>,
    /// The character that hides the others: `*` or `X`.
    #[serde(default)]
    pub mask_character: Option<char>,
    /// The name of the relationship as the parent sees it, for lookups.
    #[serde(default)]
    pub child_relationship: Option<String>,
    /// For lookups: what happens to the records when the parent is deleted.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// For master-detail: whether the parent may change.
    #[serde(default)]
    pub reparentable: bool,
    /// The pattern of an auto number: `INV-{0000}`.
    #[serde(default)]
    pub pattern: Option<String>,
    /// The API cannot write it.
    #[serde(default)]
    pub read_only: bool,
    /// For formula fields: the formula. Without it the field shows what the org file's records say.
    #[serde(default)]
    pub formula: Option<String>,
    /// For formula fields: what an empty number counts as.
    #[serde(default)]
    pub blanks: Blanks,
    /// For roll-up summaries: what is counted or added up.
    #[serde(default)]
    pub summary: Option<Summary>,
    /// For lookups: which records are accepted.
    #[serde(default)]
    pub lookup_filter: Option<LookupFilter>,
}

/// What becomes of a lookup when its parent is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// The lookup is emptied.
    #[default]
    Clear,
    /// The parent cannot be deleted.
    Restrict,
    /// The record is deleted too.
    Cascade,
}

/// A record type.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordTypeSpec {
    /// Its API name.
    pub developer_name: String,
    /// Made from the name when it is left out.
    #[serde(default)]
    pub label: Option<String>,
    /// Inactive ones cannot be given to records.
    #[serde(default = "yes")]
    pub active: bool,
    /// The one that new records get.
    #[serde(default)]
    pub default: bool,
    /// For administrators.
    #[serde(default)]
    pub description: Option<String>,
    /// Accounts of this type are persons.
    #[serde(default)]
    pub person: bool,
}
