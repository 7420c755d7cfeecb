use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::RuleTest;

/// A validation rule: what a written record must not be, and the administrator's message when it is.
///
/// Either `when`, a formula that is true for a record with an error, as in Setup; or `field` and `must`, a test that
/// the field's value has to pass.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule's name.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether the rule is switched on.
    #[serde(default = "super::yes")]
    pub active: bool,
    /// The formula: `AND(IsClosed, ISBLANK(Amount))`.
    #[serde(default)]
    pub when: Option<String>,
    /// The field that the error names; with `must` also the one that is looked at.
    #[serde(default)]
    pub field: Option<String>,
    /// The test.
    #[serde(default)]
    pub must: Option<RuleTest>,
    /// The administrator's text.
    pub message: String,
}

/// A duplicate rule with its matching rule: other records count as duplicates when all fields match.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRule {
    /// The rule's developer name.
    pub name: String,
    /// Whether the rule is switched on.
    #[serde(default = "super::yes")]
    pub active: bool,
    /// The developer name of its matching rule; made from the rule's name.
    #[serde(default)]
    pub matching_rule: Option<String>,
    /// The fields that are compared, and how. Empty values match nothing.
    #[serde(rename = "match")]
    pub fields: BTreeMap<String, MatchMethod>,
    /// A formula; only records for which it is true are looked at.
    #[serde(default)]
    pub when: Option<String>,
    /// What happens to a new record that has duplicates.
    #[serde(default = "block")]
    pub on_insert: DuplicateAction,
    /// What happens to a changed record that has duplicates.
    #[serde(default = "allow")]
    pub on_update: DuplicateAction,
    /// The administrator's text.
    #[serde(default = "use_one")]
    pub message: String,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchMethod {
    /// The same but for upper and lower case.
    Exact,
    /// Alike: punctuation and legal forms make no difference, and few letters do.
    Fuzzy,
}

/// What a duplicate rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateAction {
    /// The record is refused.
    Block,
    /// The record is refused unless the request says `allowSave=true`.
    Alert,
    /// The record is saved.
    Allow,
}

/// A stand-in for an Apex trigger or a record-triggered flow: refuses records, or sets fields.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Automation {
    /// Its name, as error messages show it.
    pub name: String,
    /// Whether it is switched on.
    #[serde(default = "super::yes")]
    pub active: bool,
    /// When it runs.
    pub on: Vec<Event>,
    /// A formula; it acts on records for which it is true. Without it on all.
    #[serde(default)]
    pub when: Option<String>,
    /// Refuses the record with this text: what a trigger does with `addError`, and a flow with a fault.
    #[serde(default)]
    pub error: Option<String>,
    /// The field that `error` names.
    #[serde(default)]
    pub field: Option<String>,
    /// Refuses the record as an exception that nobody caught: `System.NullPointerException: Attempt to ...`.
    #[serde(default)]
    pub exception: Option<String>,
    /// Fields to set, each to the value of a formula; before the record is written only.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

/// A moment at which automation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Before a new record is written.
    BeforeInsert,
    /// Before a change is written.
    BeforeUpdate,
    /// Before a record is deleted.
    BeforeDelete,
    /// After a new record was written.
    AfterInsert,
    /// After a change was written.
    AfterUpdate,
    /// After a record was deleted.
    AfterDelete,
    /// After a record came back from the recycle bin.
    AfterUndelete,
}

/// What a roll-up summary field counts or adds up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The object whose records are summarized.
    pub object: String,
    /// Its field that points at this object; needed when there are several.
    #[serde(default)]
    pub by: Option<String>,
    /// How.
    pub operation: SummaryOperation,
    /// The field that is added up, or whose least or greatest value is wanted.
    #[serde(default)]
    pub field: Option<String>,
    /// A formula; only records for which it is true are summarized.
    #[serde(default)]
    pub when: Option<String>,
}

/// The operation of a roll-up summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SummaryOperation {
    /// How many records there are.
    Count,
    /// The sum.
    Sum,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
}

/// A lookup filter: which records a lookup accepts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupFilter {
    /// A formula on the record that holds the lookup: `Account.Active__c`.
    pub when: String,
    /// The text of the error.
    #[serde(default = "no_match")]
    pub message: String,
}

/// What an empty number is to a formula.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blanks {
    /// It counts as zero.
    #[default]
    Zero,
    /// It stays empty, and so does what is made of it.
    Blank,
}

fn block() -> DuplicateAction {
    DuplicateAction::Block
}

fn allow() -> DuplicateAction {
    DuplicateAction::Allow
}

fn use_one() -> String {
    "Use one of these records?".to_owned()
}

fn no_match() -> String {
    "Value does not exist or does not match filter criteria.".to_owned()
}
