use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{references, steps::Step, too_many, transact};
use crate::emulator::http::{Api, Reply};

const MOST_GRAPHS: usize = 75;
const MOST_NODES: usize = 500;
const MOST_KINDS: usize = 15;
const DEEPEST: usize = 15;
/// So many graphs may fail before the rest is not tried any more.
const MOST_FAILED: usize = 14;

/// `POST /composite/graph`: each graph is a transaction of its own.
pub(super) fn answer(api: &Api<'_>) -> Reply {
    let body = match api.json() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let Some(list) = body.get("graphs").and_then(Value::as_array) else {
        return bad("graphs is required");
    };
    if list.len() > MOST_GRAPHS {
        return too_many(&format!(
            "The payload has {} graphs; the most are {MOST_GRAPHS}.",
            list.len()
        ));
    }
    let mut graphs: Vec<(&str, Vec<Step>)> = Vec::with_capacity(list.len());
    for entry in list {
        let id = entry.get("graphId").and_then(Value::as_str).unwrap_or_default();
        let starts = id.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !starts || id.len() >= 40 || id.contains('.') {
            return bad(&format!(
                "Invalid graphId '{id}': it starts with a letter or number, is shorter than 40 characters and has no period"
            ));
        }
        if graphs.iter().any(|(other, _)| *other == id) {
            return bad(&format!("Duplicate graphId '{id}'"));
        }
        match Step::list(entry.get("compositeRequest"), "compositeRequest") {
            Ok(steps) => graphs.push((id, steps)),
            Err(reply) => return reply,
        }
    }
    let nodes: usize = graphs.iter().map(|(_, steps)| steps.len()).sum();
    if nodes > MOST_NODES {
        return too_many(&format!(
            "The payload has {nodes} nodes; the most are {MOST_NODES}."
        ));
    }
    if let Err(reply) = graphs.iter().try_for_each(|(_, steps)| check(steps)) {
        return reply;
    }
    let mut failed = 0;
    let mut answers: Vec<String> = Vec::with_capacity(graphs.len());
    for (id, steps) in &graphs {
        let (responses, good) = if failed >= MOST_FAILED {
            (steps.iter().map(halted).collect(), false)
        } else {
            transact(api, steps, true)
        };
        failed += usize::from(!good);
        answers.push(format!(
            "{{\"graphId\":{},\"graphResponse\":{{\"compositeResponse\":[{}]}},\"isSuccessful\":{good}}}",
            json!(id),
            responses.join(",")
        ));
    }
    Reply::text(200, format!("{{\"graphs\":[{}]}}", answers.join(",")))
}

fn bad(message: &str) -> Reply {
    Reply::error(400, "INVALID_INPUT", message)
}

fn halted(step: &Step) -> String {
    json!({
        "body": [{
            "errorCode": "PROCESSING_HALTED",
            "message": "The graph was not processed because too many graphs of the request failed",
        }],
        "httpHeaders": {},
        "httpStatusCode": 400,
        "referenceId": step.reference_id,
    })
    .to_string()
}

/// The rules that a graph keeps as a whole.
fn check(steps: &[Step]) -> Result<(), Reply> {
    let mut kinds = HashSet::new();
    let mut depths: HashMap<&str, usize> = HashMap::new();
    for step in steps {
        let parts = step.resource();
        let method = step.method.to_ascii_uppercase();
        let allowed = match parts[..] {
            [word, _] => word.eq_ignore_ascii_case("sobjects") && method == "POST",
            [word, _, _] => {
                word.eq_ignore_ascii_case("sobjects") && matches!(method.as_str(), "GET" | "PATCH" | "DELETE")
            }
            [word, _, _, _] => {
                word.eq_ignore_ascii_case("sobjects")
                    && matches!(method.as_str(), "GET" | "PATCH" | "POST" | "DELETE")
            }
            _ => false,
        };
        if !allowed {
            return Err(bad(&format!("{method} {} is not allowed in a graph", step.url)));
        }
        let version = step.url.split('/').find(|s| !s.is_empty() && s.starts_with('v'));
        kinds.insert((version.map(str::to_owned), method, parts[1].to_ascii_lowercase()));
        let depth = references::named(step)
            .iter()
            .filter_map(|name| depths.get(name.as_str()))
            .max()
            .map_or(1, |deepest| deepest + 1);
        if depth > DEEPEST {
            return Err(too_many(&format!("A graph can be {DEEPEST} nodes deep at most.")));
        }
        depths.insert(&step.reference_id, depth);
    }
    if kinds.len() > MOST_KINDS {
        return Err(too_many(&format!(
            "A graph has {} kinds of nodes; the most are {MOST_KINDS}.",
            kinds.len()
        )));
    }
    Ok(())
}
