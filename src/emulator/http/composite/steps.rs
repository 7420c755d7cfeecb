use std::collections::HashMap;

use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{Sub, dispatch, headers, references};
use crate::emulator::http::{Api, Reply, transaction::Transaction};

/// Why a step did not happen, or did not last.
const ROLLED_BACK: &str =
    "We rolled back the transaction since another operation in the same transaction failed.";

/// One sub-request of a composite or of a graph.
pub(super) struct Step {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) reference_id: String,
    pub(super) body: Option<Value>,
    headers: HeaderMap,
}

impl Step {
    /// Reads the list of steps; a list that is wrong in itself refuses the whole request.
    pub(super) fn list(list: Option<&Value>, key: &str) -> Result<Vec<Step>, Reply> {
        let bad = |message: String| Reply::error(400, "INVALID_INPUT", &message);
        let list = list
            .and_then(Value::as_array)
            .ok_or_else(|| bad(format!("{key} is required")))?;
        let mut steps: Vec<Step> = Vec::with_capacity(list.len());
        for entry in list {
            let text = |key: &str| {
                entry
                    .get(key)
                    .and_then(Value::as_str)
                    .map(str::to_owned)
                    .ok_or_else(|| bad(format!("{key} is required in every subrequest")))
            };
            let step = Step {
                method: text("method")?,
                url: text("url")?,
                reference_id: text("referenceId")?,
                body: entry.get("body").cloned(),
                headers: headers(entry.get("httpHeaders"))?,
            };
            let id = &step.reference_id;
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if id.is_empty() || !id.chars().all(legal) {
                return Err(bad(format!(
                    "Provided referenceId ('{id}') must start with a letter or a number, and it can contain only letters, numbers and underscores."
                )));
            }
            if steps.iter().any(|other| other.reference_id == *id) {
                return Err(bad(format!(
                    "Provided referenceId ('{id}') is already used: it must be unique"
                )));
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// The parts of the URL below the version.
    pub(super) fn resource(&self) -> Vec<&str> {
        let path = self
            .url
            .split_once('?')
            .map_or(self.url.as_str(), |(path, _)| path);
        path.split('/').filter(|s| !s.is_empty()).skip(3).collect()
    }

    /// Queries and collections, of which a composite takes a few only.
    pub(super) fn is_heavy(&self) -> bool {
        let parts = self.resource();
        let is = |at: usize, word: &str| parts.get(at).is_some_and(|p| p.eq_ignore_ascii_case(word));
        is(0, "query") || is(0, "queryAll") || is(0, "composite") && is(1, "sobjects")
    }
}

/// What became of a step.
pub(super) struct Outcome {
    reference_id: String,
    status: u16,
    /// JSON, or nothing.
    body: String,
    headers: Map<String, Value>,
}

impl Outcome {
    fn new(step: &Step, reply: &Reply) -> Self {
        let mut shown = Map::new();
        for name in ["ETag", "Last-Modified", "Location"] {
            // An update within a composite does not tell the new tag.
            if name == "ETag" && reply.status == 204 {
                continue;
            }
            if let Some(value) = reply.header_value(name) {
                shown.insert(name.to_owned(), json!(value));
            }
        }
        Outcome {
            reference_id: step.reference_id.clone(),
            status: reply.status,
            body: String::from_utf8_lossy(&reply.body()).into_owned(),
            headers: shown,
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.status >= 300 && self.status != 304
    }

    /// Its success did not last, or it was never tried.
    pub(super) fn halt(&mut self) {
        self.status = 400;
        self.headers.clear();
        self.body = json!([{"errorCode": "PROCESSING_HALTED", "message": ROLLED_BACK}]).to_string();
    }

    pub(super) fn json(&self) -> String {
        format!(
            "{{\"body\":{},\"httpHeaders\":{},\"httpStatusCode\":{},\"referenceId\":{}}}",
            if self.body.is_empty() { "null" } else { &self.body },
            Value::Object(if self.failed() {
                Map::new()
            } else {
                self.headers.clone()
            }),
            self.status,
            json!(self.reference_id)
        )
    }
}

/// Runs steps one after the other. In a transaction the first failure ends it: the rest is not tried.
pub(super) fn run(api: &Api<'_>, steps: &[Step], transaction: Option<&dyn Transaction>) -> Vec<Outcome> {
    let mut known: HashMap<&str, Value> = HashMap::new();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(steps.len());
    for step in steps {
        if transaction.is_some() && outcomes.last().is_some_and(Outcome::failed) {
            // Counts as failed as well, so that all the rest follows.
            let mut outcome = Outcome::new(step, &Reply::missing());
            outcome.halt();
            outcomes.push(outcome);
            continue;
        }
        let reply = match references::resolve(step, &known) {
            Ok((url, body)) => {
                let sub = Sub {
                    method: &step.method,
                    target: &url,
                    headers: step.headers.clone(),
                    body: body.as_ref(),
                };
                dispatch(api, sub, transaction)
            }
            Err(message) => Reply::json(
                400,
                &json!([{"errorCode": "PROCESSING_HALTED", "message": message}]),
            ),
        };
        let mut outcome = Outcome::new(step, &reply);
        // So an answer of version 41 was recorded; one of version 51 was not.
        if api.version <= 41 && outcome.status == 201 && outcome.body.ends_with("\"errors\":[]}") {
            outcome.body.pop();
            outcome.body.push_str(",\"warnings\":[]}");
        }
        // The answers are read again only when a later step may look into them.
        if references::mentioned(steps, &step.reference_id) {
            let value = serde_json::from_str(&outcome.body).unwrap_or(Value::Null);
            known.insert(&step.reference_id, value);
        }
        outcomes.push(outcome);
    }
    outcomes
}
