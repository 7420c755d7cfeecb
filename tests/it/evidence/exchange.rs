//! A request and the answer that was recorded for it, whatever file it came from; and the steps that our own tables
//! write down in its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A request and the answer that an org gave.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    pub(super) method: String,
    /// Path and query as sent.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) answer_headers: Vec<(String, String)>,
    /// Whether the recorder kept all headers, so that a missing one says something.
    pub(super) all_headers: bool,
    /// `None` when it is not known or empty.
    pub(super) answer: Option<String>,
    /// Asked again until the answer has these values.
    pub(super) until: Option<Value>,
    /// Ours may hold more than the recording.
    pub(super) loosely: bool,
    /// The texts of errors are compared too.
    pub(super) texts: bool,
}

/// An exchange as our tables write it.
///
/// In paths, `$start` and `$end` are times around the test's run, and `$long` is longer than an org takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    /// `POST /sobjects/Account`; a path that does not start with `/services` is one of the data API.
    ask: String,
    /// Instead of `ask`: a query.
    query: Option<String>,
    /// The API version of short paths.
    version: Option<u32>,
    headers: BTreeMap<String, String>,
    /// JSON, or text as it is.
    body: Option<Value>,
    status: Option<u16>,
    /// An empty value stands for: must not be there.
    answer_headers: BTreeMap<String, String>,
    /// JSON, or text as it is.
    answer: Option<Value>,
    /// The answer is this part of the recording.
    pub(super) answer_at: Option<String>,
    until: Option<Value>,
    loosely: bool,
}

impl Step {
    pub(super) fn exchange(&self) -> Exchange {
        let base = format!("/services/data/v{}.0", self.version.unwrap_or(60));
        let (method, path) = match &self.query {
            Some(soql) => {
                let q: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
                ("GET", format!("/query?q={q}"))
            }
            None => {
                let (method, path) = self.ask.split_once(' ').expect("a method and a path");
                (method, path.to_owned())
            }
        };
        let path = filled(&path);
        let path = if path.starts_with("/services") || path.starts_with("/id/") {
            path
        } else {
            format!("{base}{path}")
        };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut headers: Vec<(String, String)> = self.headers.clone().into_iter().collect();
        if self.body.as_ref().is_some_and(|b| !b.is_string()) && !self.headers.contains_key("Content-Type") {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        Exchange {
            method: method.to_owned(),
            path,
            headers,
            body: self.body.as_ref().map(text),
            status: self.status,
            answer_headers: self.answer_headers.clone().into_iter().collect(),
            all_headers: false,
            answer: self.answer.as_ref().map(text),
            until: self.until.clone(),
            loosely: self.loosely,
            texts: false,
        }
    }
}

fn filled(path: &str) -> String {
    if !path.contains('$') {
        return path.to_owned();
    }
    let now = jiff::Timestamp::now();
    let time = |minutes: i64| {
        let then = now + jiff::SignedDuration::from_mins(minutes);
        then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    path.replace("$start", &time(-60))
        .replace("$end", &time(5))
        .replace("$long", &"x".repeat(20_000))
}
