//! Writing up to 200 records in one call (protocol reference: sObject Collections).

use compact_str::CompactString;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap, ser::SerializeSeq};

use super::{RowError, rows::Record};
use crate::{
    http::{HeaderName, HeaderValue, Method},
    record::id18,
};

/// As many records as one call takes.
pub const MAX_COLLECTION: usize = 200;

/// What is done with the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write<'a> {
    /// Creates each.
    Insert,
    /// Changes each by its `Id`.
    Update,
    /// Creates or changes each by the value of a field.
    Upsert {
        /// An external id field, another that Salesforce looks up by, or `Id`.
        key: &'a str,
    },
    /// Deletes each by its `Id`; the other fields are not looked at.
    Delete,
}

impl Write<'_> {
    /// Whether sending it twice does the same as sending it once. An upsert by `Id` inserts the rows that have none.
    pub fn is_idempotent(self) -> bool {
        match self {
            Write::Insert => false,
            Write::Upsert { key } => !key.eq_ignore_ascii_case("Id"),
            Write::Update | Write::Delete => true,
        }
    }
}

/// Which assignment rule runs on Cases and Leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AssignmentRule {
    /// None: a migration brings its owners along.
    #[default]
    None,
    /// The one that is active in the org.
    Default,
    /// A certain one.
    Id(CompactString),
}

impl AssignmentRule {
    /// The value of `Sforce-Auto-Assign`.
    pub(super) fn header(&self) -> &str {
        match self {
            AssignmentRule::None => "FALSE",
            AssignmentRule::Default => "TRUE",
            AssignmentRule::Id(id) => id,
        }
    }
}

/// How records are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// One bad record makes the whole call roll back.
    pub all_or_none: bool,
    /// Which assignment rule runs.
    pub assignment_rule: AssignmentRule,
    /// Saves records although a duplicate rule warns.
    pub allow_duplicates: bool,
}

impl WriteOptions {
    /// The headers that say so, but for `all_or_none`.
    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::with_capacity(2);
        // An Id is letters and digits; what is none was refused with the file.
        if let Ok(rule) = HeaderValue::try_from(self.assignment_rule.header()) {
            headers.push((HeaderName::from_static("sforce-auto-assign"), rule));
        }
        if self.allow_duplicates {
            headers.push((
                HeaderName::from_static("sforce-duplicate-rule-header"),
                HeaderValue::from_static("allowSave=true"),
            ));
        }
        headers
    }
}

/// What became of one record of a call; at its record's place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RowAnswer {
    /// The record's Id, 18 characters. Failed rows mostly have none.
    #[serde(default, deserialize_with = "id")]
    pub id: Option<CompactString>,
    /// Whether the record was written.
    pub success: bool,
    /// For an upsert: whether the record is new. Older releases leave it out.
    #[serde(default)]
    pub created: Option<bool>,
    /// Why not.
    #[serde(default)]
    pub errors: Vec<RowError>,
}

/// Where a call goes and what it carries.
pub(super) struct CollectionCall {
    pub(super) method: Method,
    /// Below `/services/data/vXX.0`.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Vec<u8>>,
}

/// Builds the call.
pub(super) fn build(
    write: Write<'_>,
    object: &str,
    records: &[Record],
    all_or_none: bool,
) -> Result<CollectionCall, serde_json::Error> {
    let (method, path) = match write {
        Write::Insert => (Method::POST, "/composite/sobjects".to_owned()),
        Write::Update => (Method::PATCH, "/composite/sobjects".to_owned()),
        Write::Upsert { key } => (Method::PATCH, format!("/composite/sobjects/{object}/{key}")),
        Write::Delete => {
            let ids: Vec<&str> = records.iter().filter_map(record_id).collect();
            return Ok(CollectionCall {
                method: Method::DELETE,
                path: "/composite/sobjects".into(),
                query: vec![("ids", ids.join(",")), ("allOrNone", all_or_none.to_string())],
                body: None,
            });
        }
    };
    let body = Body {
        all_or_none,
        records: Typed { object, records },
    };
    Ok(CollectionCall {
        method,
        path,
        query: Vec::new(),
        body: Some(serde_json::to_vec(&body)?),
    })
}

/// Reads the answer: one element a record, in the records' order.
pub(super) fn parse(body: &[u8]) -> Result<Vec<RowAnswer>, serde_json::Error> {
    serde_json::from_slice(body)
}

/// A record's own Id.
pub(super) fn record_id(record: &Record) -> Option<&str> {
    record
        .get("Id")
        .or_else(|| record.get("id"))
        .or_else(|| {
            record
                .iter()
                .find(|(k, _)| k.eq_ignore_ascii_case("id"))
                .map(|(_, v)| v)
        })
        .and_then(serde_json::Value::as_str)
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "allOrNone")]
    all_or_none: bool,
    records: Typed<'a>,
}

/// The records, each with its object's name, written without copying them.
struct Typed<'a> {
    object: &'a str,
    records: &'a [Record],
}

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.records.len()))?;
        for record in self.records {
            list.serialize_element(&TypedRecord {
                object: self.object,
                record,
            })?;
        }
        list.end()
    }
}

struct TypedRecord<'a> {
    object: &'a str,
    record: &'a Record,
}

impl Serialize for TypedRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Attributes<'a> {
            r#type: &'a str,
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("attributes", &Attributes { r#type: self.object })?;
        for (key, value) in self.record {
            if key != "attributes" {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

fn id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<CompactString>, D::Error> {
    let text: Option<CompactString> = Option::deserialize(deserializer)?;
    Ok(text.filter(|t| !t.is_empty()).map(|t| id18(&t)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(json: serde_json::Value) -> Vec<Record> {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn each_operation_has_its_call() {
        let rows =
            records(serde_json::json!([{ "Ext__c": "K-1", "Name": null }, { "id": "001000000000001AAA" }]));
        for (write, method, path, idempotent) in [
            (Write::Insert, Method::POST, "/composite/sobjects", false),
            (Write::Update, Method::PATCH, "/composite/sobjects", true),
            (
                Write::Upsert { key: "Ext__c" },
                Method::PATCH,
                "/composite/sobjects/Account/Ext__c",
                true,
            ),
            (
                Write::Upsert { key: "id" },
                Method::PATCH,
                "/composite/sobjects/Account/id",
                false,
            ),
        ] {
            let call = build(write, "Account", &rows, false).unwrap();
            assert_eq!((call.method, &*call.path), (method, path));
            assert_eq!(write.is_idempotent(), idempotent);
            assert_eq!(
                String::from_utf8(call.body.unwrap()).unwrap(),
                r#"{"allOrNone":false,"records":[{"attributes":{"type":"Account"},"Ext__c":"K-1","Name":null},{"attributes":{"type":"Account"},"id":"001000000000001AAA"}]}"#
            );
        }
        let rows =
            records(serde_json::json!([{ "Id": "001000000000001AAA" }, { "ID": "001000000000002AAA" }]));
        let call = build(Write::Delete, "Account", &rows, true).unwrap();
        assert_eq!(
            call.query,
            [
                ("ids", "001000000000001AAA,001000000000002AAA".to_owned()),
                ("allOrNone", "true".to_owned())
            ]
        );
        assert!(call.body.is_none());
    }

    #[test]
    fn numbers_are_written_digit_by_digit() {
        let rows: Vec<Record> = serde_json::from_str(r#"[{"A":12345678901234567.10}]"#).unwrap();
        let body = build(Write::Insert, "X", &rows, false).unwrap().body.unwrap();
        assert!(
            String::from_utf8(body)
                .unwrap()
                .contains(r#""A":12345678901234567.10"#)
        );
    }

    #[test]
    fn answers_by_place() {
        let body = br#"[{"id":"001D000000K0fXO","success":true,"errors":[],"created":false},
            {"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING",
             "message":"Required fields are missing: [Name]","fields":["Name"]}],"created":false},
            {"id":null,"success":false,"errors":[{"statusCode":"DUPLICATES_DETECTED","message":"Use one of these records?",
             "fields":[],"duplicateResult":{"allowSave":true}}]}]"#;
        let rows = parse(body).unwrap();
        assert_eq!(rows[0].id.as_deref(), Some("001D000000K0fXOIAZ"));
        assert_eq!((rows[0].success, rows[0].created), (true, Some(false)));
        assert_eq!(rows[1].errors[0].code, "REQUIRED_FIELD_MISSING");
        assert_eq!(rows[1].errors[0].fields, ["Name"]);
        assert_eq!((&rows[2].id, rows[2].created), (&None, None));
        assert!(rows[2].errors[0].help().is_some());
    }
}
