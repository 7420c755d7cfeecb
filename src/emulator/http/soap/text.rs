//! Answers of the REST API, written as SOAP has them.

use serde_json::{Map, Value};

use crate::emulator::http::xml::tag;

/// `+0000` at the end of a time is written as `Z`.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => match text.strip_suffix("+0000") {
            Some(time) if time.len() == 23 && time.as_bytes()[10] == b'T' => format!("{time}Z"),
            _ => text.clone(),
        },
        other => other.to_string(),
    }
}

/// A query's answer.
pub(super) fn result(answer: &Value, partner: bool) -> String {
    format!(
        "<result xsi:type=\"QueryResult\">{}</result>",
        query(answer, partner)
    )
}

fn query(answer: &Value, partner: bool) -> String {
    let mut out = String::new();
    tag(&mut out, "done", &scalar(&answer["done"]));
    // The last part of the next page's URL is the locator.
    match answer["nextRecordsUrl"]
        .as_str()
        .and_then(|url| url.rsplit('/').next())
    {
        Some(locator) => tag(&mut out, "queryLocator", locator),
        None => out.push_str("<queryLocator xsi:nil=\"true\"/>"),
    }
    for record in answer["records"].as_array().into_iter().flatten() {
        if let Value::Object(map) = record {
            out.push_str(&sobject("records", map, partner));
        }
    }
    tag(&mut out, "size", &scalar(&answer["totalSize"]));
    out
}

pub(super) fn retrieved(answer: &Value, partner: bool) -> String {
    answer
        .as_array()
        .into_iter()
        .flatten()
        .map(|record| match record {
            Value::Object(map) => sobject("result", map, partner),
            _ => "<result xsi:nil=\"true\"/>".to_owned(),
        })
        .collect()
}

fn sobject(name: &str, map: &Map<String, Value>, partner: bool) -> String {
    let kind = map
        .get("attributes")
        .and_then(|a| a["type"].as_str())
        .unwrap_or("sObject");
    let mut out = if partner {
        let mut out = format!("<{name} xsi:type=\"sf:sObject\">");
        tag(&mut out, "sf:type", kind);
        // The Id stands here once, and again where it was selected.
        match map.get("Id") {
            Some(id) => tag(&mut out, "sf:Id", &scalar(id)),
            None => out.push_str("<sf:Id xsi:nil=\"true\"/>"),
        }
        out
    } else {
        format!("<{name} xsi:type=\"sf:{kind}\">")
    };
    for (key, value) in map.iter().filter(|(key, _)| *key != "attributes") {
        out.push_str(&field(&format!("sf:{key}"), value, partner));
    }
    out.push_str(&format!("</{name}>"));
    out
}

fn field(name: &str, value: &Value, partner: bool) -> String {
    match value {
        Value::Null => format!("<{name} xsi:nil=\"true\"/>"),
        Value::Object(map) if map.contains_key("records") => {
            format!(
                "<{name} xsi:type=\"QueryResult\">{}</{name}>",
                query(value, partner)
            )
        }
        Value::Object(map) if map.contains_key("attributes") => sobject(name, map, partner),
        Value::Object(_) => plain(name, value),
        other => {
            let mut out = String::new();
            tag(&mut out, name, &scalar(other));
            out
        }
    }
}

/// The results of a write.
pub(super) fn saved(answer: &Value, with_created: bool) -> String {
    let mut out = String::new();
    for row in answer.as_array().into_iter().flatten() {
        out.push_str("<result>");
        if with_created {
            tag(&mut out, "created", &scalar(&row["created"]));
        }
        for error in row["errors"].as_array().into_iter().flatten() {
            out.push_str("<errors>");
            for field in error["fields"].as_array().into_iter().flatten() {
                tag(&mut out, "fields", &scalar(field));
            }
            tag(&mut out, "message", &scalar(&error["message"]));
            tag(&mut out, "statusCode", &scalar(&error["statusCode"]));
            out.push_str("</errors>");
        }
        match row["id"].as_str() {
            Some(id) => tag(&mut out, "id", id),
            None => out.push_str("<id xsi:nil=\"true\"/>"),
        }
        tag(&mut out, "success", &scalar(&row["success"]));
        out.push_str("</result>");
    }
    out
}

/// Any JSON: lists become repeated elements, null is left out.
pub(super) fn plain(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Array(list) => list.iter().map(|v| plain(name, v)).collect(),
        Value::Object(map) => {
            let inner: String = map.iter().map(|(key, v)| plain(key, v)).collect();
            format!("<{name}>{inner}</{name}>")
        }
        other => {
            let mut out = String::new();
            tag(&mut out, name, &scalar(other));
            out
        }
    }
}
