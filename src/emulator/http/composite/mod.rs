//! Several requests in one: `/composite`, `/composite/batch`, `/composite/graph` and `/composite/tree`.
//!
//! A sub-request goes through the same routes as a request from outside. It is neither counted nor met by faults of
//! its own: it shares the call that carries it.

mod batch;
mod graph;
mod references;
mod steps;
mod tree;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Api, Call, Reply, collections, supported,
    transaction::{Locked, Transaction},
};
use steps::{Step, run};

/// Sub-requests of a composite or a batch.
const MOST: usize = 25;
/// How many of a composite's sub-requests may be queries or collections.
const MOST_HEAVY: usize = 5;

/// Everything below `/composite`.
pub(super) fn route(api: &Api<'_>, rest: &[&str]) -> Reply {
    let lower: Vec<String> = rest.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    match words[..] {
        ["sobjects", ..] if api.version >= 42 => collections::route(api, &rest[1..]),
        ["batch"] if api.version >= 34 => api.only("POST", || batch::answer(api)),
        ["tree", _] if api.version >= 34 => api.only("POST", || tree::answer(api, rest[1])),
        ["graph"] if api.version >= 50 => api.only("POST", || graph::answer(api)),
        [] if api.version >= 38 && api.method() == "POST" => composite(api),
        [] => api.only("GET", || list(api)),
        _ => Reply::missing(),
    }
}

fn list(api: &Api<'_>) -> Reply {
    let base = api.base();
    let mut map = serde_json::Map::new();
    for (name, since) in [("tree", 34), ("graph", 50), ("batch", 34), ("sobjects", 42)] {
        if api.version >= since {
            map.insert(name.to_owned(), json!(format!("{base}/composite/{name}")));
        }
    }
    Reply::json(200, &Value::Object(map))
}

/// `POST /composite`.
fn composite(api: &Api<'_>) -> Reply {
    let body = match api.json() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let steps = match Step::list(body.get("compositeRequest"), "compositeRequest") {
        Ok(steps) => steps,
        Err(reply) => return reply,
    };
    if steps.len() > MOST {
        return too_many(&format!(
            "The request has {} subrequests. A composite request can have up to {MOST}.",
            steps.len()
        ));
    }
    let heavy = steps.iter().filter(|step| step.is_heavy()).count();
    if heavy > MOST_HEAVY {
        return too_many(&format!(
            "The request has {heavy} queries and sObject collections. A composite request can have up to {MOST_HEAVY}."
        ));
    }
    let all_or_none = body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let (answers, _) = transact(api, &steps, all_or_none);
    Reply::text(200, format!("{{\"compositeResponse\":[{}]}}", answers.join(",")))
}

fn too_many(message: &str) -> Reply {
    Reply::error(400, "LIMIT_EXCEEDED", message)
}

/// Runs steps; with `all_or_none` as one transaction. Tells whether all went well.
fn transact(api: &Api<'_>, steps: &[Step], all_or_none: bool) -> (Vec<String>, bool) {
    if !all_or_none {
        let outcomes = run(api, steps, None);
        let good = outcomes.iter().all(|o| !o.failed());
        return (outcomes.iter().map(steps::Outcome::json).collect(), good);
    }
    let transaction = Locked::begin(api.org);
    let mut outcomes = run(api, steps, Some(&transaction));
    let good = outcomes.iter().all(|o| !o.failed());
    if !good {
        let taken_back = transaction.roll_back();
        api.org.tally(|c| c.rows_written -= taken_back);
        for outcome in outcomes.iter_mut().filter(|o| !o.failed()) {
            outcome.halt();
        }
    }
    (outcomes.iter().map(steps::Outcome::json).collect(), good)
}

/// A sub-request as it comes from outside.
struct Sub<'s> {
    method: &'s str,
    /// The path from the root, with its query.
    target: &'s str,
    headers: HeaderMap,
    body: Option<&'s Value>,
}

/// Lets a sub-request take the way of all requests.
fn dispatch(api: &Api<'_>, sub: Sub<'_>, transaction: Option<&dyn Transaction>) -> Reply {
    let Ok(method) = sub.method.to_ascii_uppercase().parse::<Method>() else {
        return Reply::missing();
    };
    let mut headers = sub.headers;
    // What the client says to the org about its calls goes for all of them.
    for (name, value) in &api.call.headers {
        if name.as_str().starts_with("sforce-") && !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    let body = match sub.body {
        None | Some(Value::Null) => Bytes::new(),
        Some(body) => {
            headers.insert("content-type", HeaderValue::from_static("application/json"));
            Bytes::from(body.to_string())
        }
    };
    let call = Call::new(method, sub.target, headers, body);
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let ["services", "data", version, ref rest @ ..] = segments[..] else {
        return Reply::missing();
    };
    let version = match supported(api.org, version) {
        Ok(version) => version,
        Err(reply) => return reply,
    };
    // Composites hold no composites, and a job is no part of a transaction.
    let first = rest.first().map(|s| s.to_ascii_lowercase()).unwrap_or_default();
    let second = rest.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default();
    if first == "jobs" || first == "composite" && second != "sobjects" {
        return Reply::error(
            400,
            "INVALID_INPUT",
            &format!("{} is not supported as a subrequest", call.path),
        );
    }
    let inner = Api {
        call: &call,
        version,
        transaction,
        ..api.clone()
    };
    let reply = inner.route(rest);
    if reply.is_json() {
        return reply;
    }
    Reply::error(
        400,
        "INVALID_INPUT",
        &format!(
            "{} answers no JSON and is not supported as a subrequest",
            call.path
        ),
    )
}

/// What a resource answers to a request that comes from within.
pub(super) fn ask(api: &Api<'_>, method: &str, target: &str, body: Option<&Value>) -> Reply {
    let sub = Sub {
        method,
        target,
        headers: HeaderMap::new(),
        body,
    };
    dispatch(api, sub, api.transaction)
}

/// The headers that a step brings along.
fn headers(step: Option<&Value>) -> Result<HeaderMap, Reply> {
    let mut map = HeaderMap::new();
    for (name, value) in step.and_then(Value::as_object).into_iter().flatten() {
        if ["accept", "authorization", "content-type"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Reply::error(
                400,
                "INVALID_INPUT",
                &format!("The header {name} is not allowed in a subrequest"),
            ));
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&text)) {
            map.insert(name, value);
        }
    }
    Ok(map)
}
