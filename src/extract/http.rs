//! A JSON API, page by page.

use std::sync::Arc;

use jsonpath_rust::JsonPath;
use serde_json::Value as Json;

use super::{BATCH, ExtractError};
use crate::{
    pipeline::{
        expr::Vars,
        model::{HttpParameter, HttpSource, NextPage},
    },
    plan::Read,
    record::{Batch, FieldPath, Row, Value},
    salesforce::Callout,
};

/// Pages of one source; an API whose pages never end is cut off here.
const MOST_PAGES: usize = 100_000;

pub(super) async fn read<F: Future<Output = bool>>(
    read: &Read,
    source: &HttpSource,
    whole_row: Option<usize>,
    callout: &Callout,
    vars: &Vars,
    halted: &(dyn Fn() -> bool + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    let since = read.cursor.as_ref().and_then(|cursor| cursor.since.as_deref());
    let query = parameters(source, vars, since)?;
    let mut page = callout.get(&source.path, &query).await?;
    let mut visited = std::collections::HashSet::new();
    for _ in 0..MOST_PAGES {
        let records = records(&page.body, source)?;
        for chunk in records.chunks(BATCH) {
            let rows = chunk
                .iter()
                .map(|record| to_row(record, &read.columns, whole_row))
                .collect();
            if !take(Batch {
                columns: Arc::clone(&read.columns),
                rows,
            })
            .await
                || halted()
            {
                return Err(ExtractError::Stopped);
            }
        }
        let Some(next) = next(&page.body, source)? else {
            return Ok(());
        };
        if !visited.insert(next.clone()) {
            return Err(ExtractError::Json(format!(
                "the page `{next}` names itself or an earlier page as the next one"
            )));
        }
        page = callout.follow(&page.url, &next).await?;
    }
    Err(ExtractError::Json(format!(
        "there are more than {MOST_PAGES} pages"
    )))
}

fn parameters(
    source: &HttpSource,
    vars: &Vars,
    since: Option<&str>,
) -> Result<Vec<(String, String)>, ExtractError> {
    let text = |name: &str, value: &Value| match value {
        Value::Json(json) => Err(ExtractError::Json(format!(
            "the query parameter `{name}` cannot be {json}"
        ))),
        other => Ok(other.as_text().unwrap_or_default().to_owned()),
    };
    source
        .query
        .iter()
        .map(|(name, parameter)| {
            let value = match parameter {
                HttpParameter::Value(value) => text(name, value)?,
                HttpParameter::Cursor(first) => match since {
                    Some(since) => since.to_owned(),
                    None => text(name, first)?,
                },
                HttpParameter::Var(var) => text(name, vars.get(var).unwrap_or(&Value::Null))?,
            };
            Ok((name.clone(), value))
        })
        .collect()
}

fn records<'p>(page: &'p Json, source: &HttpSource) -> Result<Vec<&'p Json>, ExtractError> {
    let found: Vec<&Json> = match &source.records {
        Some(path) => page
            .query(path)
            .map_err(|e| ExtractError::Json(format!("the JSONPath `{path}` failed: {e}")))?,
        None => match page.as_array() {
            Some(list) => list.iter().collect(),
            None => {
                return Err(ExtractError::Json(
                    "the answer is no list; say where the records are: `records: $.data[*]`".into(),
                ));
            }
        },
    };
    match found.iter().find(|record| !record.is_object()) {
        None => Ok(found),
        Some(other) => Err(ExtractError::Json(format!(
            "`records` found a {}, not an object; a path to the entries of a list ends in `[*]`",
            Value::from_json(other).kind()
        ))),
    }
}

fn next(page: &Json, source: &HttpSource) -> Result<Option<String>, ExtractError> {
    let Some(NextPage::Url(path)) = &source.next else {
        return Ok(None);
    };
    let found = page
        .query(path)
        .map_err(|e| ExtractError::Json(format!("the JSONPath `{path}` failed: {e}")))?;
    match found.first() {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(url)) if url.is_empty() => Ok(None),
        Some(Json::String(url)) => Ok(Some(url.clone())),
        Some(other) => Err(ExtractError::Json(format!(
            "`next` found {other}, not an address"
        ))),
    }
}

fn to_row(record: &Json, columns: &[FieldPath], whole_row: Option<usize>) -> Row {
    columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            if whole_row == Some(at) {
                return Value::from_json(record);
            }
            let mut value = record;
            for segment in column.segments() {
                match member(value, segment) {
                    Some(inner) => value = inner,
                    // A name with dots in it, which `row['a.b']` reaches.
                    None => return member(record, column.as_str()).map_or(Value::Null, Value::from_json),
                }
            }
            Value::from_json(value)
        })
        .collect()
}

fn member<'j>(value: &'j Json, name: &str) -> Option<&'j Json> {
    let object = value.as_object()?;
    object.get(name).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    fn source(records: Option<&str>, next: Option<&str>) -> HttpSource {
        HttpSource {
            credential: "org1".into(),
            path: "/x".into(),
            query: Vec::new(),
            records: records.map(str::to_owned),
            next: next.map(|n| NextPage::Url(n.to_owned())),
            span: Default::default(),
        }
    }

    #[test]
    fn records_are_where_the_path_says() {
        let page = json!({ "records": [{ "Name": "A" }, { "Name": "B" }], "one": { "x": 1 }, "n": [1] });
        for (path, expected) in [
            (Some("$.records[*]"), Ok(2)),
            (Some("$.one"), Ok(1)),
            (Some("$.nothing[*]"), Ok(0)),
            (Some("$.records"), Err("`records` found a list, not an object")),
            (Some("$.n[*]"), Err("`records` found a number, not an object")),
            (Some("$["), Err("the JSONPath `$[` failed")),
            (None, Err("the answer is no list")),
        ] {
            match (records(&page, &source(path, None)), expected) {
                (Ok(found), Ok(count)) => assert_eq!(found.len(), count, "{path:?}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{path:?}: {error}"),
                (found, _) => panic!("{path:?}: {found:?}"),
            }
        }
        assert_eq!(
            records(&json!([{ "a": 1 }]), &source(None, None))
                .expect("a list")
                .len(),
            1
        );
    }

    #[test]
    fn the_next_page_is_an_address_or_nothing() {
        let source = source(None, Some("$.next"));
        for (page, expected) in [
            (
                json!({ "next": "/services/data/v59.0/query/0r8-500" }),
                Some("/services/data/v59.0/query/0r8-500"),
            ),
            (json!({ "next": null }), None),
            (json!({ "next": "" }), None),
            (json!({}), None),
        ] {
            assert_eq!(
                next(&page, &source).expect("an answer").as_deref(),
                expected,
                "{page}"
            );
        }
        assert!(next(&json!({ "next": 3 }), &source).is_err());
    }

    #[test]
    fn columns_reach_into_records() {
        let record = json!({ "Name": "Acme", "attributes": { "url": "/a/1" }, "a.b": 7, "Empty": "" });
        let columns: Vec<FieldPath> = ["name", "attributes.URL", "a.b", "Empty", "missing", "row"]
            .into_iter()
            .map(FieldPath::from)
            .collect();
        let row = to_row(&record, &columns, Some(5));
        let texts: Vec<Option<&str>> = row.iter().map(Value::as_text).collect();
        assert_eq!(texts, [Some("Acme"), Some("/a/1"), Some("7"), None, None, None]);
        assert!(matches!(row[5], Value::Json(_)));
    }
}
