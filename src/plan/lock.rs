//! The schema lock: what an org's describes say, kept in a file for checks without a network.
//!
//! The file is made for git: one field a line, sorted by name, and only what differs from the usual field (which can
//! be null, created, updated, filtered and sorted). Labels and whatever else changes without a meaning are left out.
//! Text in, text out: who reads and writes files is `cli`.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use serde_json::{Map, Value, json};

use crate::salesforce::{Field, RecordType, SObjectDescribe};

/// The version of the format. It grows when a reader of the old one would be led astray.
const VERSION: u64 = 1;

/// What a field mostly is; only what differs is written.
const USUAL: [&str; 5] = ["nillable", "createable", "updateable", "filterable", "sortable"];

/// What an object mostly is.
const USUAL_OBJECT: [&str; 4] = ["createable", "updateable", "deletable", "queryable"];

/// What says nothing about the rows that fit: words for people, and what follows from other keys.
const LEFT_OUT: [&str; 5] = ["name", "label", "byteLength", "custom", "picklistValues"];

/// The describes of one org, as far as pipelines need them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// The named credential.
    pub org: String,
    /// By name.
    pub objects: BTreeMap<String, Arc<SObjectDescribe>>,
}

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is no JSON, or not of this shape.
    #[error("it is no schema lock: {0}")]
    Shape(#[from] serde_json::Error),
    /// It is of another version of the format.
    #[error("it is of version {0} of the format, and this program reads version {VERSION}")]
    Version(String),
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Lock, LockError> {
        let root: Value = serde_json::from_str(text)?;
        match &root["version"] {
            version if version.as_u64() == Some(VERSION) => {}
            version => return Err(LockError::Version(version.to_string())),
        }
        let mut lock = Lock {
            org: root["org"].as_str().unwrap_or_default().to_owned(),
            ..Lock::default()
        };
        for (name, object) in root["objects"].as_object().into_iter().flatten() {
            lock.objects
                .insert(name.clone(), Arc::new(read_object(name, object)?));
        }
        Ok(lock)
    }

    /// Takes in what was described now; of an object that it has already, the new wins. How fields are classified is
    /// asked only for those who look at it: what is known of that stays until somebody asks again.
    pub fn merge(&mut self, objects: impl IntoIterator<Item = Arc<SObjectDescribe>>) {
        for mut object in objects {
            if let (false, Some(before)) = (object.classified, self.objects.get(object.name.as_str())) {
                let groups = before
                    .fields
                    .iter()
                    .filter_map(|field| Some((&field.name, field.compliance_group.as_ref()?)));
                for (name, group) in groups {
                    let new = Arc::make_mut(&mut object);
                    for field in new.fields.iter_mut().filter(|field| field.name == *name) {
                        field.compliance_group = Some(group.clone());
                    }
                }
            }
            self.objects.insert(object.name.to_string(), object);
        }
    }

    /// The text of the file.
    pub fn render(&self) -> String {
        let mut out = format!(
            "{{\n  \"version\": {VERSION},\n  \"org\": {},\n  \"objects\": {{",
            json!(self.org)
        );
        for (at, (name, object)) in self.objects.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(out, "{comma}\n    {}: {{", json!(name));
            write_object(object, &mut out);
            out.push_str("\n    }");
        }
        if !self.objects.is_empty() {
            out.push_str("\n  ");
        }
        out.push_str("}\n}\n");
        out
    }

    /// What the file says of a field.
    pub fn field_text(field: &Field) -> String {
        let mut out = String::new();
        write_field(field, &mut out);
        out
    }

    /// How many fields it knows.
    pub fn fields(&self) -> usize {
        self.objects.values().map(|object| object.fields.len()).sum()
    }
}

fn write_object(object: &SObjectDescribe, out: &mut String) {
    let mut first = true;
    let mut line = |out: &mut String, key: &str, value: &Value| {
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        let _ = write!(out, "{comma}\n      {}: {value}", json!(key));
    };
    if let Some(prefix) = &object.key_prefix {
        line(out, "keyPrefix", &json!(prefix));
    }
    let flags = [
        object.createable,
        object.updateable,
        object.deletable,
        object.queryable,
    ];
    for (key, flag) in USUAL_OBJECT.into_iter().zip(flags) {
        if !flag {
            line(out, key, &json!(false));
        }
    }
    let mut record_types: Vec<&RecordType> = object.record_types.iter().filter(|r| !r.master).collect();
    record_types.sort_by(|a, b| a.developer_name.cmp(&b.developer_name));
    if !record_types.is_empty() {
        line(out, "recordTypes", &Value::Null);
        out.truncate(out.len() - "null".len());
        out.push('{');
        for (at, record_type) in record_types.into_iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let mut entry = Map::new();
            entry.insert("id".into(), json!(record_type.id));
            for (key, flag) in [
                ("active", record_type.active),
                ("available", record_type.available),
            ] {
                if !flag {
                    entry.insert(key.into(), json!(false));
                }
            }
            let _ = write!(
                out,
                "{comma}\n        {}: {}",
                json!(record_type.developer_name),
                spaced(&entry)
            );
        }
        out.push_str("\n      }");
    }
    line(out, "fields", &Value::Null);
    out.truncate(out.len() - "null".len());
    out.push('{');
    let mut fields: Vec<&Field> = object.fields.iter().collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    for (at, field) in fields.into_iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(out, "{comma}\n        {}: ", json!(field.name));
        write_field(field, out);
    }
    out.push_str("\n      }");
}

fn write_field(field: &Field, out: &mut String) {
    let written = |field: &Field| match serde_json::to_value(field) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let usual = written(&usual_field());
    let mut map = Map::new();
    map.insert("type".into(), json!(field.kind));
    for (key, value) in written(field) {
        if !LEFT_OUT.contains(&key.as_str()) && key != "type" && usual.get(&key) != Some(&value) {
            map.insert(key, value);
        }
    }
    let values: Vec<&str> = field
        .picklist_values
        .iter()
        .filter(|value| value.active)
        .map(|value| value.value.as_str())
        .collect();
    let text = spaced(&map);
    if values.is_empty() {
        out.push_str(&text);
        return;
    }
    // A value a line: a picklist that grows is one line more.
    out.push_str(text.trim_end_matches('}').trim_end());
    out.push_str(", \"values\": [");
    for (at, value) in values.into_iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(out, "{comma}\n          {}", json!(value));
    }
    out.push_str("\n        ] }");
}

/// `{ "a": 1, "b": [2] }` on one line.
fn spaced(map: &Map<String, Value>) -> String {
    let entries: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{}: {value}", json!(key)))
        .collect();
    if entries.is_empty() {
        return "{}".to_owned();
    }
    format!("{{ {} }}", entries.join(", "))
}

fn usual_field() -> Field {
    Field {
        nillable: true,
        createable: true,
        updateable: true,
        filterable: true,
        sortable: true,
        ..Field::default()
    }
}

fn read_object(name: &str, from: &Value) -> Result<SObjectDescribe, serde_json::Error> {
    let mut record_types = Vec::new();
    for (name, entry) in from["recordTypes"].as_object().into_iter().flatten() {
        record_types.push(RecordType {
            developer_name: name.into(),
            name: name.clone(),
            id: entry["id"].as_str().unwrap_or_default().into(),
            active: entry["active"] != Value::Bool(false),
            available: entry["available"] != Value::Bool(false),
            master: false,
        });
    }
    let mut fields = Vec::new();
    for (name, entry) in from["fields"].as_object().into_iter().flatten() {
        fields.push(read_field(name, entry)?);
    }
    let flag = |key: &str| from[key] != Value::Bool(false);
    Ok(SObjectDescribe {
        name: name.into(),
        label: name.to_owned(),
        key_prefix: from["keyPrefix"].as_str().map(Into::into),
        custom: is_custom(name),
        createable: flag("createable"),
        updateable: flag("updateable"),
        deletable: flag("deletable"),
        queryable: flag("queryable"),
        fields,
        record_types,
        child_relationships: Vec::new(),
        classified: false,
    })
}

fn read_field(name: &str, from: &Value) -> Result<Field, serde_json::Error> {
    let mut map = from.as_object().cloned().unwrap_or_default();
    let values = map.remove("values");
    for key in USUAL {
        map.entry(key).or_insert(Value::Bool(true));
    }
    map.insert("name".into(), json!(name));
    map.insert("label".into(), json!(name));
    map.insert("custom".into(), json!(is_custom(name)));
    if let Some(Value::Array(values)) = values {
        let values: Vec<Value> = values
            .into_iter()
            .map(|value| json!({ "value": value, "label": value, "active": true }))
            .collect();
        map.insert("picklistValues".into(), Value::Array(values));
    }
    serde_json::from_value(Value::Object(map))
}

fn is_custom(name: &str) -> bool {
    name.ends_with("__c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salesforce::{FieldType, PicklistValue};

    fn account() -> SObjectDescribe {
        let field = |name: &str, kind: FieldType| Field {
            name: name.into(),
            label: name.into(),
            kind,
            ..usual_field()
        };
        SObjectDescribe {
            name: "Account".into(),
            label: "Account".into(),
            key_prefix: Some("001".into()),
            createable: true,
            updateable: true,
            queryable: true,
            fields: vec![
                Field {
                    length: 255,
                    nillable: false,
                    name_field: true,
                    ..field("Name", FieldType::String)
                },
                Field {
                    restricted_picklist: true,
                    length: 255,
                    picklist_values: ["Hot", "Cold \"dry\""]
                        .map(|value| PicklistValue {
                            value: value.into(),
                            label: value.into(),
                            active: true,
                            default_value: false,
                        })
                        .to_vec(),
                    ..field("Rating", FieldType::Picklist)
                },
                Field {
                    reference_to: vec!["User".into()],
                    relationship_name: Some("Owner".into()),
                    defaulted_on_create: true,
                    nillable: false,
                    ..field("OwnerId", FieldType::Reference)
                },
                Field {
                    precision: 18,
                    scale: 2,
                    custom: true,
                    filterable: false,
                    ..field("Limit__c", FieldType::Currency)
                },
            ],
            record_types: vec![RecordType {
                developer_name: "Customer".into(),
                name: "Customer".into(),
                id: "012000000000001AAA".into(),
                active: true,
                available: false,
                master: false,
            }],
            ..SObjectDescribe::default()
        }
    }

    #[test]
    fn a_lock_is_a_field_a_line_and_sorted() {
        let mut lock = Lock {
            org: "hq".into(),
            ..Lock::default()
        };
        lock.merge([Arc::new(account())]);
        insta::assert_snapshot!(lock.render(), @r#"
        {
          "version": 1,
          "org": "hq",
          "objects": {
            "Account": {
              "keyPrefix": "001",
              "deletable": false,
              "recordTypes": {
                "Customer": { "id": "012000000000001AAA", "available": false }
              },
              "fields": {
                "Limit__c": { "type": "currency", "precision": 18, "scale": 2, "filterable": false },
                "Name": { "type": "string", "length": 255, "nillable": false, "nameField": true },
                "OwnerId": { "type": "reference", "nillable": false, "defaultedOnCreate": true, "referenceTo": ["User"], "relationshipName": "Owner" },
                "Rating": { "type": "picklist", "length": 255, "restrictedPicklist": true, "values": [
                  "Hot",
                  "Cold \"dry\""
                ] }
              }
            }
          }
        }
        "#);
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let mut lock = Lock {
            org: "hq".into(),
            ..Lock::default()
        };
        lock.merge([
            Arc::new(account()),
            Arc::new(SObjectDescribe {
                name: "Empty__c".into(),
                ..SObjectDescribe::default()
            }),
        ]);
        let read = Lock::parse(&lock.render()).unwrap();
        assert_eq!(read.render(), lock.render());
        let mut expected = account();
        expected.fields.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(*read.objects["Account"], expected);
        let again = Lock::parse(&read.render()).unwrap();
        assert_eq!(again, read);
    }

    #[test]
    fn other_files_are_refused() {
        for (text, words) in [
            ("", "no schema lock"),
            ("{}", "version null"),
            (r#"{ "version": 2 }"#, "version 2"),
            (
                r#"{ "version": 1, "objects": { "A": { "fields": { "B": { "type": 7 } } } } }"#,
                "no schema lock",
            ),
        ] {
            let error = Lock::parse(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
