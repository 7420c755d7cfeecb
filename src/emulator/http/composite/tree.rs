use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::emulator::{
    http::{Api, Reply, rest::row},
    store::{Op, Raw, RowError, Store, Target},
};

const MOST_RECORDS: usize = 200;
const DEEPEST: usize = 5;
const MOST_TYPES: usize = 5;

/// One record of the request.
struct Node {
    object: usize,
    reference_id: String,
    values: Map<String, Value>,
    /// The node above, and the field that points at it.
    parent: Option<(usize, usize)>,
    depth: usize,
}

/// `POST /composite/tree/X`: nested records, all or none.
pub(super) fn answer(api: &Api<'_>, name: &str) -> Reply {
    let mut body = match api.json() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let mut store = api.write();
    let Some(object) = api.session.access.object(&store.schema, name) else {
        return Reply::missing();
    };
    let records = match body.get_mut("records").map(Value::take) {
        Some(Value::Array(records)) if !records.is_empty() => records,
        _ => return Reply::error(400, "REQUIRED_FIELD_MISSING", "At least 1 record is required"),
    };
    let nodes = match flatten(&store, object, records) {
        Ok(nodes) => nodes,
        Err((reference_id, error)) => return failed(&[(reference_id, error)]),
    };
    let mut undo = Vec::new();
    let mut ids: Vec<Option<String>> = Vec::with_capacity(nodes.len());
    let mut errors: Vec<(String, RowError)> = Vec::new();
    let mut depth = 0;
    for node in &nodes {
        // A generation is written as a whole, so that all its mistakes are told at once.
        if node.depth > depth && !errors.is_empty() {
            break;
        }
        depth = node.depth;
        let parent = node
            .parent
            .and_then(|(at, field)| Some((field, ids[at].clone()?)));
        let done =
            row(&store, &api.session.access, node.object, &node.values).and_then(|(id, mut values)| {
                if id.is_some() {
                    return Err(RowError::new(
                        "INVALID_FIELD_FOR_INSERT_UPDATE",
                        "cannot specify Id in an insert call",
                    )
                    .on("Id"));
                }
                if let Some((field, id)) = &parent {
                    values.push((Target::Field(*field), Raw::Text(id)));
                }
                api.write_row(&mut store, node.object, Op::Insert, None, &values, &mut undo)
            });
        ids.push(done.as_ref().ok().map(|done| done.id.to_string()));
        if let Err(error) = done {
            errors.push((node.reference_id.clone(), error));
        }
    }
    if !errors.is_empty() {
        store.undo(undo);
        let taken_back = ids.iter().flatten().count() as u64;
        api.org.tally(|c| c.rows_written -= taken_back);
        return failed(&errors);
    }
    api.keep(undo, ids.len() as u64);
    let results: Vec<Value> = nodes
        .iter()
        .zip(&ids)
        .map(|(node, id)| json!({"referenceId": node.reference_id, "id": id}))
        .collect();
    Reply::json(201, &json!({"hasErrors": false, "results": results}))
}

fn failed(errors: &[(String, RowError)]) -> Reply {
    let results: Vec<Value> = errors
        .iter()
        .map(|(reference_id, e)| {
            json!({
                "referenceId": reference_id,
                "errors": e.entries("statusCode"),
            })
        })
        .collect();
    Reply::json(400, &json!({"hasErrors": true, "results": results}))
}

type Refused = (String, RowError);

/// The object of a record, the record, and where it hangs: the node above and the field that points at it.
type Place = (usize, Value, Option<(usize, usize)>);

/// The records in the order in which they are written: parents first, a generation at a time.
fn flatten(store: &Store, object: usize, records: Vec<Value>) -> Result<Vec<Node>, Refused> {
    let invalid = |id: &str, message: &str| (id.to_owned(), RowError::new("INVALID_INPUT", message));
    let mut nodes: Vec<Node> = Vec::new();
    let mut seen = HashSet::new();
    let mut level: Vec<Place> = records.into_iter().map(|record| (object, record, None)).collect();
    let mut depth = 1;
    while !level.is_empty() {
        if depth > DEEPEST {
            return Err(invalid("", "The tree is more than five levels deep."));
        }
        let mut below = Vec::new();
        for (object, record, parent) in level {
            let Value::Object(mut map) = record else {
                return Err(invalid("", "A record is an object."));
            };
            let attributes = map.remove("attributes").unwrap_or_default();
            let text = |key: &str| attributes.get(key).and_then(Value::as_str).unwrap_or_default();
            let reference_id = text("referenceId").to_owned();
            if reference_id.is_empty() {
                return Err(invalid("", "Include a value for the ReferenceId."));
            }
            if !seen.insert(reference_id.clone()) {
                return Err(invalid(
                    &reference_id,
                    "Duplicate ReferenceId provided in the request.",
                ));
            }
            let kind = text("type");
            if store.schema.object(kind) != Some(object) {
                return Err(invalid(
                    &reference_id,
                    &format!("The record's type '{kind}' is not the one that its place asks for."),
                ));
            }
            let at = nodes.len();
            let mut values = Map::new();
            for (name, value) in map {
                let children = store.schema.children(object).iter().find(|(child, field)| {
                    store.schema.objects[*child].fields[*field]
                        .child_relationship
                        .as_deref()
                        .is_some_and(|r| r.eq_ignore_ascii_case(&name))
                });
                match (children, value) {
                    (Some(&(child, field)), Value::Object(mut list)) => {
                        if let Some(Value::Array(list)) = list.remove("records") {
                            below.extend(list.into_iter().map(|r| (child, r, Some((at, field)))));
                        }
                    }
                    (_, value) => {
                        values.insert(name, value);
                    }
                }
            }
            nodes.push(Node {
                object,
                reference_id,
                values,
                parent,
                depth,
            });
        }
        level = below;
        depth += 1;
    }
    if nodes.len() > MOST_RECORDS {
        return Err(invalid("", "The request has more than 200 records."));
    }
    let types: HashSet<usize> = nodes.iter().map(|n| n.object).collect();
    if types.len() > MOST_TYPES {
        return Err(invalid("", "The request has records of more than five types."));
    }
    Ok(nodes)
}
