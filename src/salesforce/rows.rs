use serde_json::{Map, Value as Json};

use super::{FieldType, canonical};
use crate::record::{FieldPath, Row, Value};

/// A record of a query answer, as it came.
pub type Record = Map<String, Json>;

/// The values of `columns` in a record, in canonical form; `types` has one entry a column.
///
/// A column may go through parents; behind a null parent everything is null. Names are compared without case, since
/// answers carry the org's spelling and queries the user's.
pub fn row(record: &Record, columns: &[FieldPath], types: &[FieldType]) -> Row {
    columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let kind = types.get(at).copied().unwrap_or_default();
            at_path(record, column).map_or(Value::Null, |value| canonical::json(value, kind))
        })
        .collect()
}

fn at_path<'a>(record: &'a Record, path: &FieldPath) -> Option<&'a Json> {
    let mut segments = path.segments();
    let mut value = member(record, segments.next()?)?;
    for segment in segments {
        value = member(value.as_object()?, segment)?;
    }
    Some(value)
}

/// A member by name without case.
fn member<'a>(object: &'a Record, name: &str) -> Option<&'a Json> {
    // The exact spelling is the rule: one look-up. The search is for the exceptions.
    object.get(name).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_whatever_their_spelling() {
        let Json::Object(record) = serde_json::json!({
            "attributes": { "type": "Account", "url": "/services/data/v66.0/sobjects/Account/001000000000001AAA" },
            "Id": "001000000000001AAA",
            "Name": "Acme",
            "AnnualRevenue": 1500.0,
            "Owner": { "attributes": { "type": "User" }, "Email": "ann@x.example", "Manager": null },
            "Parent": null,
            "Region__c": "",
            "CreatedDate": "2026-01-31T09:05:07.000+0000",
        }) else {
            panic!("no object")
        };
        let columns = [
            ("Id", FieldType::Id, Some("001000000000001AAA")),
            ("NAME", FieldType::String, Some("Acme")),
            ("annualrevenue", FieldType::Currency, Some("1500")),
            ("owner.EMAIL", FieldType::Email, Some("ann@x.example")),
            ("Owner.Manager.Name", FieldType::String, None),
            ("Parent.Name", FieldType::String, None),
            ("Region__c", FieldType::Picklist, None),
            ("Missing__c", FieldType::String, None),
            (
                "CreatedDate",
                FieldType::DateTime,
                Some("2026-01-31T09:05:07.000Z"),
            ),
        ];
        let paths: Vec<_> = columns.iter().map(|(p, _, _)| FieldPath::new(*p)).collect();
        let types: Vec<_> = columns.iter().map(|(_, t, _)| *t).collect();
        let row = row(&record, &paths, &types);
        for ((path, _, expected), value) in columns.iter().zip(row.iter()) {
            assert_eq!(value.as_text(), *expected, "{path}");
        }
    }
}
