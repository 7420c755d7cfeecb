//! A JSON API, page by page. An API that would never end, or that does not know the parameter by which it is asked for
//! the next page, is noticed and told: no row is read twice, or passed over, in silence.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

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
    salesforce::{Ask, Callout, CalloutAnswer},
};

/// What stands for `{ var: NAME }` and `{ cursor: FIRST }`.
pub(super) struct Fill<'a> {
    pub(super) vars: &'a Vars,
    /// The newest value of the source's cursor; in the first run nothing.
    pub(super) since: Option<&'a Value>,
}

pub(super) async fn read<F: Future<Output = bool>>(
    read: &Read,
    source: &HttpSource,
    whole_row: Option<usize>,
    callout: &Callout,
    fill: &Fill<'_>,
    halted: &(dyn Fn() -> bool + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    let mut ask = Asked::new(source, fill)?;
    let mut answer = ask.first(source, callout).await?;
    let mut seen = Seen::default();
    for number in 1.. {
        if number > source.most_pages {
            return Err(ExtractError::Json(format!(
                "there are more than {} pages; raise `limits: {{ pages: ... }}` when that is right",
                source.most_pages
            )));
        }
        let records = records(&answer.body, source)?;
        seen.page(&records, source)?;
        for chunk in records.chunks(BATCH) {
            let rows = chunk
                .iter()
                .map(|record| to_row(record, &read.columns, whole_row))
                .collect();
            let columns = Arc::clone(&read.columns);
            if !take(Batch { columns, rows }).await || halted() {
                return Err(ExtractError::Stopped);
            }
        }
        let next = next(&answer, records.len() as u64, source, &mut seen)?;
        answer = match next {
            Next::End => return Ok(()),
            Next::Link(link) => callout.follow(&answer.url, &link, &ask.ask).await?,
            Next::With(param, value) => {
                ask.set(param, value);
                ask.first(source, callout).await?
            }
        };
    }
    Ok(())
}

/// A request as it is sent, its vars filled in.
struct Asked {
    query: Vec<(String, String)>,
    ask: Ask,
}

impl Asked {
    fn new(source: &HttpSource, fill: &Fill<'_>) -> Result<Self, ExtractError> {
        let mut query = Vec::with_capacity(source.query.len());
        for (name, parameter) in &source.query {
            query.push((name.clone(), text(name, &fill.parameter(parameter))?));
        }
        let mut asked = Asked {
            query,
            ask: Ask {
                body: source.body.as_ref().map(|body| fill.body(body)),
                headers: source.headers.clone(),
                limit: Some(source.page_bytes),
            },
        };
        match &source.next {
            Some(NextPage::Page(param)) if asked.get(param).is_none() => asked.set(param, "1".into()),
            Some(NextPage::Offset { param, .. }) if asked.get(param).is_none() => {
                asked.set(param, "0".into());
            }
            _ => {}
        }
        Ok(asked)
    }

    /// Whether a parameter of paging travels in the body: that of a post, unless `query` names it.
    fn in_body(&self, param: &str) -> bool {
        self.ask.body.is_some() && !self.query.iter().any(|(name, _)| name == param)
    }

    fn get(&self, param: &str) -> Option<String> {
        match self.ask.body.as_ref().filter(|_| self.in_body(param)) {
            Some(body) => Value::from_json(body.get(param)?).as_text().map(str::to_owned),
            None => {
                let found = self.query.iter().find(|(name, _)| name == param);
                found.map(|(_, value)| value.clone())
            }
        }
    }

    fn set(&mut self, param: &str, value: String) {
        if self.in_body(param)
            && let Some(Json::Object(body)) = &mut self.ask.body
        {
            // A number stays one.
            let json = match value.parse::<u64>() {
                Ok(number) if number.to_string() == value => Json::from(number),
                _ => Json::String(value),
            };
            body.insert(param.to_owned(), json);
            return;
        }
        match self.query.iter_mut().find(|(name, _)| name == param) {
            Some((_, old)) => *old = value,
            None => self.query.push((param.to_owned(), value)),
        }
    }

    async fn first(&self, source: &HttpSource, callout: &Callout) -> Result<CalloutAnswer, ExtractError> {
        Ok(callout.call(&source.path, &self.query, &self.ask).await?)
    }
}

impl Fill<'_> {
    fn parameter(&self, parameter: &HttpParameter) -> Value {
        match parameter {
            HttpParameter::Value(value) => value.clone(),
            HttpParameter::Var(var) => self.vars.get(var).cloned().unwrap_or(Value::Null),
            HttpParameter::Cursor(first) => self.since.unwrap_or(first).clone(),
        }
    }

    /// A body, `{ "var": NAME }` and `{ "cursor": FIRST }` in it replaced.
    fn body(&self, body: &Json) -> Json {
        match body {
            Json::Array(items) => items.iter().map(|item| self.body(item)).collect(),
            Json::Object(entries) => {
                let only = (entries.len() == 1).then(|| entries.iter().next()).flatten();
                match only.map(|(key, value)| (key.as_str(), value)) {
                    Some(("var", Json::String(name))) => {
                        self.vars.get(name).unwrap_or(&Value::Null).to_json()
                    }
                    Some(("cursor", first)) if !first.is_object() && !first.is_array() => {
                        self.since.map_or_else(|| first.clone(), Value::to_json)
                    }
                    _ => Json::Object(
                        entries
                            .iter()
                            .map(|(key, value)| (key.clone(), self.body(value)))
                            .collect(),
                    ),
                }
            }
            other => other.clone(),
        }
    }
}

/// A list stands in a query with commas between its entries.
fn text(name: &str, value: &Value) -> Result<String, ExtractError> {
    let Value::Json(json) = value else {
        return Ok(value.as_text().unwrap_or_default().to_owned());
    };
    let entries = json.as_array().and_then(|entries| {
        let texts = entries
            .iter()
            .map(|entry| Value::from_json(entry).as_text().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>()
    });
    entries
        .map(|entries| entries.join(","))
        .ok_or_else(|| ExtractError::Json(format!("the query parameter `{name}` cannot be {json}")))
}

fn records<'p>(page: &'p Json, source: &HttpSource) -> Result<Vec<&'p Json>, ExtractError> {
    let found: Vec<&Json> = match &source.records {
        Some(path) => {
            let found = page
                .query(path)
                .map_err(|e| ExtractError::Json(format!("the JSONPath `{path}` failed: {e}")))?;
            if found.is_empty()
                && let Some(message) = no_list(page, path)
            {
                return Err(ExtractError::Json(message));
            }
            found
        }
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

/// Why a path found nothing, when that is no empty list: `$.data[*]` where there is no `data` would pass for an API
/// without records. Null in the list's place stands for none.
fn no_list(page: &Json, path: &str) -> Option<String> {
    let list = path.strip_suffix("[*]").or_else(|| {
        // A filter of a list: `$.data[?@.active]`.
        let at = path.find("[?")?;
        (path.ends_with(']') && !path[..at].is_empty()).then(|| &path[..at])
    })?;
    let found = page.query(list).ok()?;
    let names = || {
        let names: Vec<&str> = page
            .as_object()
            .map(|object| object.keys().take(12).map(String::as_str).collect())
            .unwrap_or_default();
        match names.is_empty() {
            true => format!("a {}", Value::from_json(page).kind()),
            false => format!("an object with {}", names.join(", ")),
        }
    };
    match found.as_slice() {
        [] => Some(format!(
            "`records`: the answer has no `{list}`; it is {}",
            names()
        )),
        [Json::Array(_) | Json::Null] => None,
        [Json::Object(_)] if path.ends_with("[*]") => None,
        [other] => Some(format!(
            "`records`: `{list}` is a {}, not a list",
            Value::from_json(other).kind()
        )),
        _ => None,
    }
}

/// How the next page is asked for.
#[derive(Debug, PartialEq)]
enum Next<'s> {
    End,
    /// At this address.
    Link(String),
    /// By the same request with another value of this parameter.
    With(&'s str, String),
}

/// What pages there have been.
#[derive(Default)]
struct Seen {
    /// Addresses and cursors, as hashes.
    links: HashSet<u64>,
    /// The last page's records, as a hash.
    last: Option<u64>,
    /// Pages so far.
    pages: u64,
    /// The last page had fewer records than `size` says.
    short: Option<u64>,
}

impl Seen {
    /// Refuses a page that came before: the API does not know how it is asked for the next one.
    fn page(&mut self, records: &[&Json], source: &HttpSource) -> Result<(), ExtractError> {
        let param = match &source.next {
            Some(NextPage::Page(param) | NextPage::Offset { param, .. } | NextPage::Cursor { param, .. }) => {
                param
            }
            _ => return Ok(()),
        };
        if let (Some(short), Some(NextPage::Offset { size, .. })) = (self.short, &source.next)
            && !records.is_empty()
        {
            return Err(ExtractError::Json(format!(
                "a page had {short} records, `size` says {size}, and yet there are more: records between would be missed. \
                 Write the number that the API gives a page: `size: {short}`"
            )));
        }
        let mut hasher = DefaultHasher::new();
        for record in records {
            record.to_string().hash(&mut hasher);
        }
        let hash = hasher.finish();
        if !records.is_empty() && self.last == Some(hash) {
            return Err(ExtractError::Json(format!(
                "the same page came twice: the API does not heed the parameter `{param}`"
            )));
        }
        self.last = Some(hash);
        self.pages += 1;
        Ok(())
    }

    /// Whether an address or a cursor is new.
    fn fresh(&mut self, link: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        link.hash(&mut hasher);
        self.links.insert(hasher.finish())
    }
}

fn next<'s>(
    answer: &CalloutAnswer,
    records: u64,
    source: &'s HttpSource,
    seen: &mut Seen,
) -> Result<Next<'s>, ExtractError> {
    let Some(next) = &source.next else {
        return Ok(Next::End);
    };
    let twice = |what: &str, link: &str| {
        Err(ExtractError::Json(format!(
            "the {what} `{link}` leads back to an earlier page: the API would never end"
        )))
    };
    match next {
        NextPage::Url(path) => match found(&answer.body, path, "an address")? {
            None => Ok(Next::End),
            Some(link) if !seen.fresh(&link) => twice("address", &link),
            Some(link) => Ok(Next::Link(link)),
        },
        NextPage::LinkHeader(relation) => {
            let headers = answer.headers.get_all("link");
            let link = headers
                .iter()
                .filter_map(|header| header.to_str().ok())
                .find_map(|header| related(header, relation));
            match link {
                None => Ok(Next::End),
                Some(link) if !seen.fresh(&link) => twice("address", &link),
                Some(link) => Ok(Next::Link(link)),
            }
        }
        NextPage::Cursor { path, param } => match found(&answer.body, path, "a cursor")? {
            None => Ok(Next::End),
            Some(cursor) if !seen.fresh(&cursor) => twice("cursor", &cursor),
            Some(cursor) => Ok(Next::With(param, cursor)),
        },
        _ if records == 0 => Ok(Next::End),
        NextPage::Page(param) => {
            let first = start(source, param, 1)?;
            Ok(Next::With(param, (first + seen.pages).to_string()))
        }
        NextPage::Offset { param, size } => {
            let first = start(source, param, 0)?;
            if records > *size {
                return Err(ExtractError::Json(format!(
                    "a page has {records} records, and `size` says {size}: write the number that the API gives a page"
                )));
            }
            seen.short = (records < *size).then_some(records);
            Ok(Next::With(param, (first + seen.pages * size).to_string()))
        }
    }
}

/// Where counting starts: at what the file gives the parameter, else at `usual`.
fn start(source: &HttpSource, param: &str, usual: u64) -> Result<u64, ExtractError> {
    let given = source.query.iter().find(|(name, _)| name == param);
    let text = match given {
        Some((_, HttpParameter::Value(value))) => value.as_text().map(str::to_owned),
        Some(_) => None,
        None => match source.body.as_ref().and_then(|body| body.get(param)) {
            Some(value) => Value::from_json(value).as_text().map(str::to_owned),
            None => return Ok(usual),
        },
    };
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        ExtractError::Json(format!(
            "`{param}` counts pages, so that it begins with a whole number"
        ))
    })
}

/// What a page holds at a path: nothing, an empty text and false say that it is the last one.
fn found(page: &Json, path: &str, what: &str) -> Result<Option<String>, ExtractError> {
    let found = page
        .query(path)
        .map_err(|e| ExtractError::Json(format!("the JSONPath `{path}` failed: {e}")))?;
    match found.first() {
        None | Some(Json::Null | Json::Bool(false)) => Ok(None),
        Some(Json::String(text)) if text.is_empty() => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(Json::Number(number)) if what == "a cursor" => Ok(Some(number.to_string())),
        Some(other) => Err(ExtractError::Json(format!("`next` found {other}, not {what}"))),
    }
}

/// The address of a relation in a `Link` header (RFC 8288): `<https://...>; rel="next"`.
fn related(header: &str, relation: &str) -> Option<String> {
    let mut rest = header;
    while let Some(open) = rest.find('<') {
        let close = open + rest[open..].find('>')?;
        let address = &rest[open + 1..close];
        let parameters = &rest[close + 1..];
        // The parameters of this link end where the next one opens.
        let end = parameters.find('<').unwrap_or(parameters.len());
        for parameter in parameters[..end].split([';', ',']) {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            let relations = value.trim().trim_matches('"');
            let named = relations
                .split_ascii_whitespace()
                .any(|word| word.eq_ignore_ascii_case(relation));
            if name.trim().eq_ignore_ascii_case("rel") && named {
                return Some(address.to_owned());
            }
        }
        rest = &parameters[end..];
    }
    None
}

pub(super) fn to_row(record: &Json, columns: &[FieldPath], whole_row: Option<usize>) -> Row {
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
            plain: false,
            path: "/x".into(),
            body: None,
            headers: Vec::new(),
            query: Vec::new(),
            records: records.map(str::to_owned),
            next: next.map(|n| NextPage::Url(n.to_owned())),
            most_pages: 10,
            page_bytes: 1 << 20,
            span: Default::default(),
        }
    }

    #[test]
    fn records_are_where_the_path_says() {
        let page = json!({ "records": [{ "Name": "A" }, { "Name": "B" }], "one": { "x": 1 }, "n": [1], "none": [], "null": null });
        for (path, expected) in [
            (Some("$.records[*]"), Ok(2)),
            (Some("$.one"), Ok(1)),
            (Some("$.none[*]"), Ok(0)),
            (Some("$.null[*]"), Ok(0)),
            (Some("$.records[?@.Name=='A']"), Ok(1)),
            (Some("$.records[?@.Name=='C']"), Ok(0)),
            (
                Some("$.nothing[*]"),
                Err("the answer has no `$.nothing`; it is an object with records, one, n, none, null"),
            ),
            (Some("$.s[*]"), Err("the answer has no `$.s`")),
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
        for (page, expected) in [
            (
                json!({ "next": "/services/data/v59.0/query/0r8-500" }),
                Some("/services/data/v59.0/query/0r8-500"),
            ),
            (json!({ "next": null }), None),
            (json!({ "next": "" }), None),
            (json!({ "next": false }), None),
            (json!({}), None),
        ] {
            let next = found(&page, "$.next", "an address").expect("an answer");
            assert_eq!(next.as_deref(), expected, "{page}");
        }
        assert!(found(&json!({ "next": 3 }), "$.next", "an address").is_err());
        let cursor = found(&json!({ "next": 3 }), "$.next", "a cursor").expect("an answer");
        assert_eq!(cursor.as_deref(), Some("3"));
    }

    #[test]
    fn links_are_found_by_their_relation() {
        for (header, expected) in [
            (
                "<https://a/?p=2>; rel=\"next\", <https://a/?p=9>; rel=\"last\"",
                Some("https://a/?p=2"),
            ),
            (
                "<https://a/?p=1,2;x>; rel=prev, </b>; title=\"n\"; rel=\"last next\"",
                Some("/b"),
            ),
            ("<https://a>; rel=\"prev\"", None),
            ("garbage", None),
            ("<open", None),
        ] {
            assert_eq!(related(header, "next").as_deref(), expected, "{header}");
        }
    }

    #[test]
    fn bodies_and_queries_are_filled() {
        let vars = Vars::from([
            ("region".to_owned(), Value::from("E & M")),
            ("ids".to_owned(), Value::from_json(&json!(["a", 2]))),
        ]);
        let since = Value::from("2026-01-01");
        let fill = Fill {
            vars: &vars,
            since: None,
        };
        let body = json!({ "a": { "var": "region" }, "b": [{ "cursor": "2020" }, { "var": "ids", "x": 1 }], "var": 1 });
        assert_eq!(
            fill.body(&body),
            json!({ "a": "E & M", "b": ["2020", { "var": "ids", "x": 1 }], "var": 1 })
        );
        let later = Fill {
            vars: &vars,
            since: Some(&since),
        };
        assert_eq!(later.body(&json!({ "cursor": null })), json!("2026-01-01"));
        let first = HttpParameter::Cursor(Value::from("2020"));
        assert_eq!(fill.parameter(&first), Value::from("2020"));
        assert_eq!(later.parameter(&first), since);
        assert_eq!(text("ids", &vars["ids"]).expect("a list"), "a,2");
        assert!(text("x", &Value::from_json(&json!({ "a": 1 }))).is_err());
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
