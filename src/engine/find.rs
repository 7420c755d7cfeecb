//! Records of an org by their keys, in as few queries as the length of a URI allows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use compact_str::CompactString;

use super::{EngineError, shared::Shared};
use crate::{
    load::{WriteRow, fold},
    pipeline::soql::quote,
    plan::{TargetKey, Write},
    record::{FieldPath, Row, Value, id18},
    salesforce::{Client, ClientError, FieldType, row},
    transform::{LookupKey, Shape, ShapeKind, encode},
};

/// Bytes of a query in its URI. An org takes 16,384 in all, headers included.
const MOST_QUERY: usize = 14_000;

/// Bytes of a query's list of keys: shorter queries answer sooner, and several can be retried one by one.
const MOST_CONDITION: usize = 10_000;

/// How often a query whose cursor died is asked again from the start.
const MOST_RESTARTS: usize = 3;

/// What is searched.
pub(super) struct Search<'a> {
    pub(super) object: &'a str,
    /// Fields that are compared.
    pub(super) by: &'a [FieldPath],
    /// SOQL, all vars bound.
    pub(super) condition: Option<&'a str>,
    /// Further fields that are read.
    pub(super) select: &'a [(FieldPath, FieldType)],
}

/// A record that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: CompactString,
    /// The values of [`Search::select`].
    pub(super) values: Row,
}

/// Finds the records of each row by the key of its step.
pub(super) async fn by_key<'r>(
    shared: &Shared,
    write: &Write,
    key: &TargetKey,
    rows: impl Iterator<Item = &'r WriteRow>,
    select: &[(FieldPath, FieldType)],
) -> Result<Vec<Vec<Found>>, EngineError> {
    let by: Vec<FieldPath> = key.fields.iter().map(|f| f.field.as_str().into()).collect();
    let keys: Vec<LookupKey> = rows.map(|row| row.key(write)).collect();
    let search = Search {
        object: &write.object,
        by: &by,
        condition: None,
        select,
    };
    find(shared, &write.connection, &search, &keys).await
}

/// Finds the records of each key, in as few queries as the length of a URI allows.
pub(super) async fn find(
    shared: &Shared,
    connection: &str,
    search: &Search<'_>,
    keys: &[LookupKey],
) -> Result<Vec<Vec<Found>>, EngineError> {
    let client = shared.org(connection)?;
    let kinds: Vec<(FieldType, bool)> = search
        .by
        .iter()
        .map(|path| shared.schemas.field_type(connection, search.object, path))
        .collect();
    let mut columns = vec![FieldPath::from("Id")];
    let mut types = vec![FieldType::Id];
    for (path, kind) in search
        .by
        .iter()
        .cloned()
        .zip(kinds.iter().map(|k| k.0))
        .chain(search.select.iter().cloned())
    {
        if !columns.contains(&path) {
            columns.push(path);
            types.push(kind);
        }
    }
    let names: Vec<&str> = columns.iter().map(FieldPath::as_str).collect();
    let head = format!("SELECT {} FROM {} WHERE ", names.join(", "), search.object);
    let tail = search
        .condition
        .map(|c| format!(" AND ({c})"))
        .unwrap_or_default();
    // Equal keys are asked once.
    let mut wanted: HashMap<LookupKey, Vec<usize>> = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        wanted.entry(folded(key, &kinds)).or_default().push(at);
    }
    let mut found: Vec<Vec<Found>> = vec![Vec::new(); keys.len()];
    let distinct: Vec<&LookupKey> = wanted.keys().collect();
    let at = |path: &FieldPath| columns.iter().position(|c| c == path).unwrap_or_default();
    let by_at: Vec<usize> = search.by.iter().map(at).collect();
    let select_at: Vec<usize> = search.select.iter().map(|(path, _)| at(path)).collect();
    let room = MOST_QUERY
        .saturating_sub(encoded_len(&head) + encoded_len(&tail))
        .clamp(500, MOST_CONDITION);
    for condition in conditions(search.by, &kinds, &distinct, room, lists_only(search.object)) {
        let soql = format!("{head}{condition}{tail}");
        for row in read_all(client, &soql, &columns, &types)
            .await
            .map_err(|source| EngineError::Org {
                connection: connection.to_owned(),
                source,
            })?
        {
            let key: LookupKey = by_at
                .iter()
                .map(|i| row[*i].as_text().map(CompactString::from))
                .collect();
            let Some(places) = wanted.get(&folded(&key, &kinds)) else {
                continue;
            };
            let record = Found {
                id: row[0].as_text().unwrap_or_default().into(),
                values: select_at.iter().map(|i| row[*i].clone()).collect(),
            };
            for place in places {
                found[*place].push(record.clone());
            }
        }
    }
    Ok(found)
}

async fn read_all(
    client: &Client,
    soql: &str,
    columns: &[FieldPath],
    types: &[FieldType],
) -> Result<Vec<Row>, ClientError> {
    let mut page = client.query(soql, false, None).await?;
    let mut rows = Vec::with_capacity(page.records.len());
    let mut restarts = 0;
    loop {
        rows.extend(page.records.iter().map(|record| row(record, columns, types)));
        match page.next.take() {
            Some(next) => {
                page = match client.query_more(&next).await {
                    Err(ClientError::LocatorLost(_)) if restarts < MOST_RESTARTS => {
                        restarts += 1;
                        rows.clear();
                        client.query(soql, false, None).await?
                    }
                    other => other?,
                };
            }
            None => return Ok(rows),
        }
    }
}

/// Conditions that together match all keys, each short enough for a URI.
fn conditions(
    by: &[FieldPath],
    kinds: &[(FieldType, bool)],
    keys: &[&LookupKey],
    room: usize,
    lists_only: bool,
) -> Vec<String> {
    let mut out = Vec::new();
    if let ([path], [(kind, _)]) = (by, kinds) {
        let mut list = String::new();
        let mut weight = 0;
        for text in keys.iter().filter_map(|k| k[0].as_deref()) {
            let Some(literal) = literal(text, *kind) else {
                continue;
            };
            let cost = encoded_len(&literal) + 3;
            if weight + cost > room && !list.is_empty() {
                out.push(format!("{path} IN ({list})"));
                list.clear();
                weight = 0;
            }
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&literal);
            weight += cost;
        }
        if !list.is_empty() {
            out.push(format!("{path} IN ({list})"));
        }
        return out;
    }
    match lists_only {
        true => product(by, kinds, keys, room),
        false => composite(by, kinds, keys, room),
    }
}

/// Whether an org searches an object by lists of values only, and takes no OR.
fn lists_only(object: &str) -> bool {
    object.eq_ignore_ascii_case("ContentDocumentLink")
}

/// As [`composite`], with a list for each field: it may find records of other keys too, which nobody wants.
fn product(by: &[FieldPath], kinds: &[(FieldType, bool)], keys: &[&LookupKey], room: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut columns: Vec<BTreeSet<String>> = vec![BTreeSet::new(); by.len()];
    let mut weight = 0;
    let mut flush = |columns: &mut Vec<BTreeSet<String>>| {
        let parts: Vec<String> = by
            .iter()
            .zip(columns.iter_mut())
            .map(|(path, values)| {
                let values: Vec<String> = std::mem::take(values).into_iter().collect();
                format!("{path} IN ({})", values.join(","))
            })
            .collect();
        out.push(parts.join(" AND "));
    };
    for key in keys {
        let spelt: Option<Vec<String>> = key
            .iter()
            .zip(kinds)
            .map(|(text, (kind, _))| literal(text.as_deref()?, *kind))
            .collect();
        let Some(spelt) = spelt else { continue };
        let cost = |columns: &[BTreeSet<String>]| -> usize {
            spelt
                .iter()
                .zip(columns)
                .filter(|(value, values)| !values.contains(*value))
                .map(|(value, _)| encoded_len(value) + 3)
                .sum()
        };
        if weight > 0 && weight + cost(&columns) > room {
            flush(&mut columns);
            weight = 0;
        }
        weight += cost(&columns);
        for (values, value) in columns.iter_mut().zip(spelt) {
            values.insert(value);
        }
    }
    if weight > 0 {
        flush(&mut columns);
    }
    out
}

/// As [`conditions`] for keys of several fields: keys that differ in one field only share a list of its values.
fn composite(by: &[FieldPath], kinds: &[(FieldType, bool)], keys: &[&LookupKey], room: usize) -> Vec<String> {
    let spelt = |at: usize, text: &Option<CompactString>| match text {
        Some(text) => literal(text, kinds[at].0),
        None => Some("null".to_owned()),
    };
    // A key with a part that no record can have finds nothing.
    let keys: Vec<Vec<String>> = keys
        .iter()
        .filter_map(|key| key.iter().enumerate().map(|(at, text)| spelt(at, text)).collect())
        .collect();
    let distinct = |at: usize| {
        let values: std::collections::HashSet<&str> = keys.iter().map(|key| key[at].as_str()).collect();
        values.len()
    };
    // The field with the most values is listed, the others are compared.
    let listed = (0..by.len())
        .rev()
        .max_by_key(|at| distinct(*at))
        .unwrap_or_default();
    let mut groups: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for key in &keys {
        let others = (0..by.len())
            .filter(|at| *at != listed)
            .map(|at| key[at].as_str());
        let values = groups.entry(others.collect()).or_default();
        values.push(&key[listed]);
    }
    let mut out = Vec::new();
    let mut any = String::new();
    let mut flush = |any: &mut String, more: String| {
        if encoded_len(any) + encoded_len(&more) + 12 > room && !any.is_empty() {
            out.push(format!("({any})"));
            any.clear();
        }
        if !any.is_empty() {
            any.push_str(" OR ");
        }
        any.push_str(&more);
    };
    for (others, values) in groups {
        let mut others = others.into_iter();
        let head: Vec<String> = by
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != listed)
            .map(|(_, path)| format!("{path} = {}", others.next().unwrap_or("null")))
            .collect();
        let head = head.join(" AND ");
        let path = &by[listed];
        // IN does not find null.
        if values.contains(&"null") {
            flush(&mut any, format!("({head} AND {path} = null)"));
        }
        let values: Vec<&str> = values.into_iter().filter(|value| *value != "null").collect();
        let space = room
            .saturating_sub(encoded_len(&head) + encoded_len(path.as_str()) + 40)
            .max(200);
        for list in lists(&values, space) {
            let condition = match list.split_first() {
                Some((one, [])) => format!("({head} AND {path} = {one})"),
                _ => format!("({head} AND {path} IN ({}))", list.join(",")),
            };
            flush(&mut any, condition);
        }
    }
    if !any.is_empty() {
        out.push(format!("({any})"));
    }
    out
}

/// Cuts a list into such as take so many bytes in a URI.
fn lists<'v>(values: &[&'v str], room: usize) -> Vec<Vec<&'v str>> {
    let mut out: Vec<Vec<&str>> = Vec::new();
    let mut weight = 0;
    for value in values {
        let cost = encoded_len(value) + 3;
        if weight + cost > room || out.is_empty() {
            out.push(Vec::new());
            weight = 0;
        }
        weight += cost;
        if let Some(last) = out.last_mut() {
            last.push(value);
        }
    }
    out
}

/// A key as SOQL; `None` when no record can have it.
fn literal(text: &str, kind: FieldType) -> Option<String> {
    match kind {
        FieldType::Int | FieldType::Long | FieldType::Double | FieldType::Currency | FieldType::Percent => {
            crate::record::Number::canonical(text).ok().map(|n| n.to_string())
        }
        FieldType::Date | FieldType::DateTime | FieldType::Time | FieldType::Boolean => canonical(text, kind),
        // An org refuses a query that compares an Id with a text that is none.
        FieldType::Id | FieldType::Reference => text
            .parse::<crate::record::Id>()
            .ok()
            .map(|id| quote(id.as_str())),
        // An org keeps no space at either end of a text.
        _ => Some(quote(text.trim())),
    }
}

/// The one spelling of a date, time or checkbox; `None` when the text is none, so that no record can have it.
fn canonical(text: &str, kind: FieldType) -> Option<String> {
    let kind = match kind {
        FieldType::Date => ShapeKind::Date,
        FieldType::DateTime => ShapeKind::DateTime,
        FieldType::Time => ShapeKind::Time,
        _ => ShapeKind::Bool,
    };
    let value = encode(Value::text(text), &Shape { kind, scale: 0 }).ok()?;
    value.as_text().map(str::to_owned)
}

fn encoded_len(text: &str) -> usize {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
                1
            } else {
                3
            }
        })
        .sum()
}

fn folded(key: &LookupKey, kinds: &[(FieldType, bool)]) -> LookupKey {
    key.iter()
        .zip(kinds)
        .map(|(text, (kind, case_sensitive))| {
            text.as_ref().map(|text| match kind {
                FieldType::Id | FieldType::Reference => id18(text),
                FieldType::Date | FieldType::DateTime | FieldType::Time | FieldType::Boolean => {
                    canonical(text, *kind).map_or_else(|| text.clone(), CompactString::from)
                }
                FieldType::Int
                | FieldType::Long
                | FieldType::Double
                | FieldType::Currency
                | FieldType::Percent => crate::record::Number::canonical(text)
                    .map_or_else(|_| text.clone(), |n| CompactString::from(n.as_str())),
                _ => fold(text, *case_sensitive).into_owned().into(),
            })
        })
        .collect()
}

/// Whether two canonical values are one to the org: it trims texts and keeps e-mail addresses in lower case.
/// The values of a multi-select picklist come back in the order of the list, each once.
pub(super) fn same_value(kind: ShapeKind, ours: Option<&Value>, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Some(Value::Text(a)), Value::Text(b)) if kind == ShapeKind::MultiPicklist => {
            let values = |text: &str| {
                let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
                parts.map(str::to_owned).collect::<BTreeSet<_>>()
            };
            values(a) == values(b)
        }
        (None | Some(Value::Null), theirs) => theirs.is_null(),
        (Some(Value::Text(a)), Value::Text(b)) => {
            let (a, b) = (a.trim(), b.trim());
            a == b
                || a.contains('@') && a.eq_ignore_ascii_case(b)
                || a.contains('\r') && a.replace("\r\n", "\n") == b.replace("\r\n", "\n")
        }
        (Some(a), b) => a == b || a.as_text().is_some() && a.as_text() == b.as_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_become_several_conditions() {
        let keys: Vec<LookupKey> = (0..1000).map(|i| vec![Some(format!("key {i}").into())]).collect();
        let by = [FieldPath::from("Legacy_Id__c")];
        let found = conditions(
            &by,
            &[(FieldType::String, false)],
            &keys.iter().collect::<Vec<_>>(),
            MOST_CONDITION,
            false,
        );
        assert!(found.len() > 1, "{}", found.len());
        assert!(found.iter().all(|c| encoded_len(c) < MOST_CONDITION + 200));
        let listed: usize = found.iter().map(|c| c.matches("'key ").count()).sum();
        assert_eq!(listed, 1000);
    }

    #[test]
    fn values_are_compared_as_the_org_keeps_them() {
        use ShapeKind::{MultiPicklist, Text};
        for (kind, ours, theirs, same) in [
            (Text, "a ", "a", true),
            (Text, "A@x.org", "a@x.org", true),
            (Text, "a\r\nb", "a\nb", true),
            (Text, "b;a", "a;b", false),
            (MultiPicklist, "b; a;a", "a;b", true),
            (MultiPicklist, "a", "a;b", false),
            (MultiPicklist, "a;b", "a;c", false),
            (MultiPicklist, "a;B", "a;b", false),
        ] {
            assert_eq!(
                same_value(kind, Some(&ours.into()), &theirs.into()),
                same,
                "{kind:?} {ours} {theirs}"
            );
        }
        assert!(!same_value(MultiPicklist, Some(&"a".into()), &Value::Null));
        assert!(same_value(MultiPicklist, None, &Value::Null));
    }

    #[test]
    fn composite_keys_and_nulls_are_spelt_out() {
        let keys: Vec<LookupKey> = vec![
            vec![Some("O'Hara".into()), None],
            vec![Some("b".into()), Some("5.0".into())],
        ];
        let by = [FieldPath::from("Name"), FieldPath::from("Size__c")];
        let kinds = [(FieldType::String, false), (FieldType::Double, false)];
        assert_eq!(
            conditions(
                &by,
                &kinds,
                &keys.iter().collect::<Vec<_>>(),
                MOST_CONDITION,
                false
            ),
            ["((Size__c = 5 AND Name = 'b') OR (Size__c = null AND Name = 'O\\'Hara'))"]
        );
    }

    #[test]
    fn keys_that_differ_in_one_field_share_a_list() {
        let keys: Vec<LookupKey> = (0..500)
            .map(|i| {
                vec![
                    Some(["EUR", "USD"][i % 2].into()),
                    Some(format!("P{i}").into()),
                    (i < 498).then(|| "x".into()),
                ]
            })
            .collect();
        let by = ["CurrencyIsoCode", "Code__c", "Kind__c"].map(FieldPath::from);
        let kinds = [(FieldType::String, false); 3];
        let found = conditions(
            &by,
            &kinds,
            &keys.iter().collect::<Vec<_>>(),
            MOST_CONDITION,
            false,
        );
        assert!(found.len() < 4, "{}", found.len());
        assert!(found.iter().all(|c| encoded_len(c) <= MOST_CONDITION + 20));
        let all = found.join(" ");
        for i in 0..500 {
            assert!(all.contains(&format!("'P{i}'")), "P{i}");
        }
        assert!(all.contains("(CurrencyIsoCode = 'EUR' AND Kind__c = null AND Code__c = 'P498')"));
    }

    #[test]
    fn some_objects_take_lists_only() {
        let key = |a: &str, b: &str| vec![Some(a.into()), Some(b.into())];
        let keys = [
            key("a", "x"),
            key("a", "y"),
            key("b", "x"),
            vec![None, Some("z".into())],
        ];
        let by = ["A", "B"].map(FieldPath::from);
        let kinds = [(FieldType::String, false); 2];
        let keys: Vec<&LookupKey> = keys.iter().collect();
        assert_eq!(
            conditions(&by, &kinds, &keys, MOST_CONDITION, true),
            ["A IN ('a','b') AND B IN ('x','y')"]
        );
        assert_eq!(
            conditions(&by, &kinds, &keys, 25, true),
            [
                "A IN ('a') AND B IN ('x')",
                "A IN ('a') AND B IN ('y')",
                "A IN ('b') AND B IN ('x')"
            ]
        );
    }

    #[test]
    fn a_text_that_is_no_id_is_not_asked_for() {
        let keys: Vec<LookupKey> = vec![vec![Some("nonsense".into())]];
        let by = [FieldPath::from("Id")];
        assert!(
            conditions(
                &by,
                &[(FieldType::Id, false)],
                &keys.iter().collect::<Vec<_>>(),
                MOST_CONDITION,
                false
            )
            .is_empty()
        );
    }
}
