//! Rows that leave the org for a file: what could tell who somebody is gets masked.
//!
//! Where an org says what a field is, its type decides: e-mail addresses, phone numbers and free texts are masked,
//! picklists, numbers, dates, checkboxes and Ids are not, unless the files mark the field as personal. Texts of files and
//! JSON have no type: there names and values decide.

use std::collections::HashSet;

use serde_json::Value as Json;

use crate::{
    pipeline::{
        expr::Expr,
        model::{MapValue, Mask, Step},
    },
    plan::{PlanStep, ReadFrom, Schemas},
    record::{FieldPath, Number, Value},
    salesforce::FieldType,
    transform::Masker,
};

/// Objects that hold how an org is set up, and nobody's data.
const SETUP: [&str; 7] = [
    "RecordType",
    "Profile",
    "UserRole",
    "PermissionSet",
    "CurrencyType",
    "BusinessHours",
    "EmailTemplate",
];

/// What is done with a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// They stay.
    Keep,
    /// They are masked as this; numbers and dates by their digits.
    Mask(Mask),
    /// Free text: masked unless the mapping itself speaks of it.
    Text,
    /// The value decides.
    Untyped,
}

/// Disguises the rows of a step.
pub(super) struct Disguise<'a> {
    masker: &'a Masker,
    /// One a column.
    rules: Vec<Rule>,
    /// Fields that the user keeps, in lower case.
    keep: HashSet<String>,
    /// Texts that the mapping itself speaks of: they stand in the project already.
    spoken: Vec<&'a Expr>,
    tables: Vec<&'a crate::pipeline::model::Table>,
}

impl<'a> Disguise<'a> {
    pub(super) fn new(
        masker: &'a Masker,
        step: &'a Step,
        plan: &PlanStep,
        schemas: &Schemas,
        personal: &[(String, Vec<String>)],
        keep: &[String],
    ) -> Disguise<'a> {
        let keep: HashSet<String> = keep.iter().map(|field| field.to_lowercase()).collect();
        let object = match &plan.read.from {
            ReadFrom::Query { .. } => step.source.object(),
            ReadFrom::Http { .. } | ReadFrom::File { .. } => None,
        };
        let rules = plan.read.columns.iter().map(|path| {
            if keep.contains(&path.as_str().to_lowercase()) {
                return Rule::Keep;
            }
            match object {
                Some(object) => of_field(&plan.read.connection, object, path, schemas, personal),
                None => by_name(path.as_str()).map_or(Rule::Untyped, Rule::Mask),
            }
        });
        let (mut spoken, mut tables) = (Vec::new(), Vec::new());
        spoken.extend(&step.when);
        spoken.extend(step.each.as_ref().map(|each| &each.expr));
        for line in &step.map {
            all_of(&line.value, &mut spoken, &mut tables);
        }
        Disguise {
            masker,
            rules: rules.collect(),
            keep,
            spoken,
            tables,
        }
    }

    /// The row, disguised.
    pub(super) fn row(&self, row: &[Value]) -> Vec<Value> {
        row.iter()
            .enumerate()
            .map(|(at, value)| match self.rules.get(at) {
                Some(rule) => self.value(*rule, value),
                // What comes behind the columns is the entry of a list and its place, which are made anew.
                None => value.clone(),
            })
            .collect()
    }

    fn value(&self, rule: Rule, value: &Value) -> Value {
        match (rule, value) {
            (Rule::Keep, _) | (_, Value::Null | Value::Bool(_)) => value.clone(),
            (Rule::Untyped | Rule::Text, Value::Number(_)) => value.clone(),
            (Rule::Mask(_), Value::Number(_)) => self.masked(Mask::Digits, value),
            (_, Value::Json(json)) => Value::from_json(&self.json(rule, json)),
            (Rule::Mask(kind), Value::Text(_)) => self.masked(kind, value),
            (Rule::Text, Value::Text(text)) => self.text(text),
            (Rule::Untyped, Value::Text(text)) => match text.as_str() {
                text if is_address(text) => self.masked(Mask::Email, value),
                text if is_plain(text) => value.clone(),
                text => self.text(text),
            },
        }
    }

    fn text(&self, text: &str) -> Value {
        match self.speaks_of(text) {
            true => Value::text(text),
            false => self.masked(Mask::Text, &Value::text(text)),
        }
    }

    /// Lists and objects, part by part; what a part is called decides, where the whole has no rule.
    fn json(&self, rule: Rule, json: &Json) -> Json {
        match json {
            Json::Array(list) => list.iter().map(|entry| self.json(rule, entry)).collect(),
            Json::Object(map) => map
                .iter()
                .map(|(name, value)| {
                    let rule = match rule {
                        _ if self.keep.contains(&name.to_lowercase()) => Rule::Keep,
                        Rule::Untyped | Rule::Text => by_name(name).map_or(rule, Rule::Mask),
                        rule => rule,
                    };
                    (name.clone(), self.json(rule, value))
                })
                .collect(),
            part => self.value(rule, &Value::from_json(part)).to_json(),
        }
    }

    fn masked(&self, kind: Mask, value: &Value) -> Value {
        self.masker.mask(kind, value).unwrap_or(Value::Null)
    }

    /// Whether a text is a key of a table of the mapping, or stands in one of its expressions as a literal.
    fn speaks_of(&self, text: &str) -> bool {
        let literals = [format!("'{text}'"), format!("\"{text}\"")];
        self.tables.iter().any(|table| table.entries.contains_key(text))
            || self.spoken.iter().any(|expr| {
                literals
                    .iter()
                    .any(|literal| expr.source().contains(literal.as_str()))
            })
    }
}

/// A field of a record that was found, disguised.
pub(super) fn field(
    masker: &Masker,
    (connection, object): (&str, &str),
    field: &FieldPath,
    schemas: &Schemas,
    personal: &[(String, Vec<String>)],
    value: Value,
) -> Value {
    let masked = |kind| masker.mask(kind, &value).unwrap_or(Value::Null);
    match (of_field(connection, object, field, schemas, personal), &value) {
        (Rule::Keep, _) | (_, Value::Null | Value::Bool(_)) => value,
        (Rule::Mask(_), Value::Number(_)) => masked(Mask::Digits),
        (Rule::Mask(kind), _) => masked(kind),
        (Rule::Text | Rule::Untyped, Value::Number(_)) => value,
        (Rule::Text | Rule::Untyped, _) => masked(Mask::Text),
    }
}

fn of_field(
    connection: &str,
    object: &str,
    path: &FieldPath,
    schemas: &Schemas,
    personal: &[(String, Vec<String>)],
) -> Rule {
    let name = path.as_str().rsplit('.').next().unwrap_or_default();
    let home = schemas.home(connection, object, path);
    let marked = home.as_ref().is_some_and(|(home, _)| {
        personal.iter().any(|(object, fields)| {
            object.eq_ignore_ascii_case(home) && fields.iter().any(|field| field.eq_ignore_ascii_case(name))
        })
    });
    if home
        .as_ref()
        .is_some_and(|(home, _)| SETUP.iter().any(|setup| setup.eq_ignore_ascii_case(home)))
        || name.eq_ignore_ascii_case("DeveloperName")
    {
        return Rule::Keep;
    }
    // Where the path leads depends on the row: it is a text of which only the name is known.
    let kind = home.map_or(FieldType::String, |(_, kind)| kind);
    match kind {
        FieldType::Email => Rule::Mask(Mask::Email),
        // With the place on the map in them, which tells a house.
        FieldType::Address | FieldType::Location => Rule::Mask(Mask::Text),
        FieldType::Double if is_place(name) => Rule::Mask(Mask::Digits),
        FieldType::Phone => Rule::Mask(Mask::Phone),
        FieldType::String
        | FieldType::TextArea
        | FieldType::Url
        | FieldType::EncryptedString
        | FieldType::Combobox
        | FieldType::AnyType
        | FieldType::Json
        | FieldType::ComplexValue
        | FieldType::Other => by_name(name).map_or(Rule::Text, Rule::Mask),
        FieldType::Id
        | FieldType::Reference
        | FieldType::Base64
        | FieldType::Boolean
        | FieldType::DataCategoryGroupReference => Rule::Keep,
        _ if marked => Rule::Mask(by_name(name).unwrap_or(Mask::Digits)),
        FieldType::Picklist
        | FieldType::MultiPicklist
        | FieldType::Currency
        | FieldType::Int
        | FieldType::Long
        | FieldType::Double
        | FieldType::Percent
        | FieldType::Date
        | FieldType::DateTime
        | FieldType::Time => Rule::Keep,
    }
}

/// What a field's name says of it.
fn by_name(path: &str) -> Option<Mask> {
    let name = path.rsplit('.').next().unwrap_or_default().to_lowercase();
    // An address to which letters go is none of e-mail.
    let name = name.replace("mailing", "");
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if says(&["mail", "username"]) {
        Some(Mask::Email)
    } else if says(&["phone", "fax", "mobile"]) {
        Some(Mask::Phone)
    } else if says(&["name"]) {
        Some(Mask::Name)
    } else {
        None
    }
}

/// Half of a place on the map.
fn is_place(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.trim_end_matches("__s");
    name.ends_with("latitude") || name.ends_with("longitude")
}

fn is_address(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

/// A number, a date or a time, true or false: nothing that tells who somebody is.
fn is_plain(text: &str) -> bool {
    let date = text
        .get(..10)
        .is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok());
    let flag = ["true", "false", "yes", "no"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    date || flag || Number::canonical(text).is_ok()
}

fn all_of<'a>(
    value: &'a MapValue,
    exprs: &mut Vec<&'a Expr>,
    tables: &mut Vec<&'a crate::pipeline::model::Table>,
) {
    match value {
        MapValue::Expr(expr) => exprs.push(expr),
        MapValue::When { condition, .. } => exprs.push(condition),
        MapValue::Table { table, .. } => tables.push(table),
        _ => {}
    }
    for part in value.parts() {
        all_of(part, exprs, tables);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_tell_what_they_hold() {
        for (name, expected) in [
            ("Email", Some(Mask::Email)),
            ("Owner.Username", Some(Mask::Email)),
            ("work_mail", Some(Mask::Email)),
            ("MailingCity", None),
            ("MobilePhone", Some(Mask::Phone)),
            ("Fax", Some(Mask::Phone)),
            ("Account.Name", Some(Mask::Name)),
            ("first_name", Some(Mask::Name)),
            ("Department", None),
        ] {
            assert_eq!(by_name(name), expected, "{name}");
        }
    }

    #[test]
    fn places_on_the_map_are_told_by_their_names() {
        assert!(is_place("BillingLatitude") && is_place("Spot__Longitude__s"));
        assert!(!is_place("Altitude__c"));
    }

    #[test]
    fn values_without_a_type_tell_by_themselves() {
        for (text, plain) in [
            ("12.50", true),
            ("007", true),
            ("2024-02-29", true),
            ("2024-02-29T10:00:00Z", true),
            ("TRUE", true),
            ("2024-02-30", false),
            ("Ada", false),
            ("+44 20", false),
        ] {
            assert_eq!(is_plain(text), plain, "{text}");
        }
        assert!(is_address("ann@x.example"));
        assert!(!is_address("@ann"));
    }
}
