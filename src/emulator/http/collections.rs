use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    Api, Reply, json as text,
    rest::{row, selection},
};
use crate::emulator::store::{Cell, Done, Op, Raw, RowError, Store, Target, Undo, fold};

const ROLLED_BACK: &str =
    "Record rolled back because not all records were valid and the request was using AllOrNone header";

/// Everything below `/composite/sobjects`.
pub(super) fn route(api: &Api<'_>, rest: &[&str]) -> Reply {
    api.org.tally(|c| c.collections += 1);
    match (rest, api.method()) {
        ([], "POST") => write(api, Verb::Insert),
        ([], "PATCH") => write(api, Verb::Update),
        ([], "DELETE") => delete(api),
        ([], _) => api.not_allowed("DELETE,PATCH,POST"),
        ([object, field], "PATCH") if api.version >= 46 => upsert(api, object, field),
        ([object], "GET") => match api.call.param("ids") {
            Some(ids) => retrieve(
                api,
                object,
                &ids.split(',').collect::<Vec<_>>(),
                api.call.param("fields").unwrap_or_default(),
            ),
            None => Reply::error(400, "MALFORMED_ID", "ids is required"),
        },
        ([object], "POST") => match api.json() {
            Err(reply) => reply,
            Ok(body) => {
                let list = |key: &str| -> Vec<&str> {
                    body.get(key)
                        .and_then(Value::as_array)
                        .map(|l| l.iter().filter_map(Value::as_str).collect())
                        .unwrap_or_default()
                };
                retrieve(api, object, &list("ids"), &list("fields").join(","))
            }
        },
        _ => Reply::missing(),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Insert,
    Update,
    Upsert(usize, usize),
}

fn upsert(api: &Api<'_>, object: &str, field: &str) -> Reply {
    let found = {
        let store = api.read();
        let Some(object) = api.session.access.object(&store.schema, object) else {
            return Reply::missing();
        };
        let spec = &store.schema.objects[object];
        api.session
            .access
            .field(&store.schema, object, field)
            .filter(|f| spec.fields[*f].is_key())
            .map(|f| (object, f))
    };
    match found {
        Some((object, field)) => write(api, Verb::Upsert(object, field)),
        None => Reply::error(
            404,
            "NOT_FOUND",
            &format!("Provided external ID field does not exist or is not accessible: {field}"),
        ),
    }
}

fn records(api: &Api<'_>) -> Result<(Vec<Value>, bool), Reply> {
    let mut body = api.json()?;
    let all_or_none = body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let records = match body.get_mut("records").map(Value::take) {
        Some(Value::Array(records)) => records,
        _ => Vec::new(),
    };
    if records.is_empty() {
        return Err(Reply::error(
            400,
            "REQUIRED_FIELD_MISSING",
            "At least 1 record is required",
        ));
    }
    too_many(records.len())?;
    Ok((records, all_or_none))
}

fn too_many(count: usize) -> Result<(), Reply> {
    if count > 200 {
        return Err(Reply::error(
            400,
            "EXCEEDED_ID_LIMIT",
            "record limit reached. cannot submit more than 200 records into this call",
        ));
    }
    Ok(())
}

fn type_of(record: &Value) -> Option<&str> {
    record.get("attributes")?.get("type")?.as_str()
}

fn write(api: &Api<'_>, verb: Verb) -> Reply {
    let (records, all_or_none) = match records(api) {
        Ok(parts) => parts,
        Err(reply) => return reply,
    };
    // Runs of one type are processed together, and there may be ten of them.
    let mut chunks = 0;
    let mut last = None;
    for record in &records {
        let kind = type_of(record).map(str::to_ascii_lowercase);
        if kind.is_none() && !matches!(verb, Verb::Upsert(..)) {
            return Reply::error(
                400,
                "INVALID_FIELD",
                "The sObject type is required in attributes of every record",
            );
        }
        chunks += usize::from(kind != last);
        last = kind;
    }
    if chunks > 10 {
        return Reply::error(
            400,
            "LIMIT_EXCEEDED",
            "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking.",
        );
    }
    let mut store = api.write();
    let mut undo = Vec::new();
    let mut seen = HashSet::new();
    let mut results = Vec::with_capacity(records.len());
    for record in &records {
        let empty = Map::new();
        let map = record.as_object().unwrap_or(&empty);
        if let Verb::Upsert(object, _) = verb
            && let Some(kind) = type_of(record)
            && store.schema.object(kind) != Some(object)
        {
            store.undo(undo);
            return Reply::error(
                400,
                "INVALID_TYPE",
                "all records of an upsert are of the type in the URL",
            );
        }
        results.push(write_one(
            api, &mut store, verb, record, map, &mut seen, &mut undo,
        ));
    }
    finish(
        api,
        &mut store,
        results,
        undo,
        all_or_none,
        matches!(verb, Verb::Upsert(..)),
    )
}

fn write_one(
    api: &Api<'_>,
    store: &mut Store,
    verb: Verb,
    record: &Value,
    map: &Map<String, Value>,
    seen: &mut HashSet<Cell>,
    undo: &mut Vec<Undo>,
) -> Result<Done, RowError> {
    let object = match (verb, type_of(record)) {
        (Verb::Upsert(..), None) => {
            return Err(RowError::new(
                "JSON_PARSER_ERROR",
                "The value for the polymorphic nested object could not be read: specify its type in attributes",
            ));
        }
        (Verb::Upsert(object, _), _) => object,
        (_, kind) => {
            let kind = kind.unwrap_or_default();
            api.session.access.object(&store.schema, kind).ok_or_else(|| {
                RowError::new("INVALID_TYPE", format!("sObject type '{kind}' is not supported."))
            })?
        }
    };
    let (id, values) = row(store, &api.session.access, object, map)?;
    match verb {
        Verb::Insert if id.is_some() => Err(RowError::new(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "cannot specify Id in an insert call",
        )
        .on("Id")),
        Verb::Insert => api.write_row(store, object, Op::Insert, None, &values, undo),
        Verb::Update => {
            once(seen, id, || {
                RowError::new("DUPLICATE_VALUE", "Duplicate id in list")
            })?;
            api.write_row(store, object, Op::Update, id, &values, undo)
        }
        Verb::Upsert(_, 0) => {
            once(seen, id, || {
                RowError::new("DUPLICATE_VALUE", "Duplicate id in list")
            })?;
            api.write_row(store, object, Op::Upsert(0), id, &values, undo)
        }
        Verb::Upsert(_, field) => {
            let key = match values.iter().find(|(t, _)| *t == Target::Field(field)) {
                Some((_, Raw::Text(text) | Raw::Number(text))) => Some(*text),
                _ => None,
            };
            let folds = store.schema.objects[object].fields[field].key_folds_case();
            let seen_as = key.map(|k| if folds { fold(k) } else { Cell::new(k) });
            once(seen, seen_as.as_deref(), || {
                RowError::new(
                    "DUPLICATE_VALUE",
                    format!("Duplicate external id specified: {}", key.unwrap_or_default()),
                )
            })?;
            api.write_row(store, object, Op::Upsert(field), key, &values, undo)
        }
    }
}

fn once(
    seen: &mut HashSet<Cell>,
    key: Option<&str>,
    error: impl FnOnce() -> RowError,
) -> Result<(), RowError> {
    match key.filter(|k| !k.is_empty()) {
        Some(key) if !seen.insert(Cell::new(key)) => Err(error()),
        _ => Ok(()),
    }
}

fn finish(
    api: &Api<'_>,
    store: &mut Store,
    mut results: Vec<Result<Done, RowError>>,
    undo: Vec<Undo>,
    all_or_none: bool,
    with_created: bool,
) -> Reply {
    if all_or_none && results.iter().any(Result::is_err) {
        store.undo(undo);
        let taken_back = results.iter().filter(|r| r.is_ok()).count() as u64;
        api.org.tally(|c| c.rows_written -= taken_back);
        for result in &mut results {
            if result.is_ok() {
                *result = Err(RowError::new("ALL_OR_NONE_OPERATION_ROLLED_BACK", ROLLED_BACK));
            }
        }
    } else {
        let written = results.iter().filter(|r| r.is_ok()).count() as u64;
        api.keep(undo, written);
    }
    let list: Vec<Value> = results
        .into_iter()
        .map(|result| {
            let (mut entry, created) = match result {
                Ok(done) => (
                    json!({"id": done.id.as_str(), "success": true, "errors": []}),
                    done.created,
                ),
                Err(e) => (
                    json!({
                        "success": false,
                        "errors": e.entries("statusCode"),
                    }),
                    false,
                ),
            };
            if with_created && let Some(map) = entry.as_object_mut() {
                map.insert("created".to_owned(), json!(created));
            }
            entry
        })
        .collect();
    Reply::json(200, &Value::Array(list))
}

fn delete(api: &Api<'_>) -> Reply {
    let ids: Vec<&str> = api
        .call
        .param("ids")
        .map(|ids| {
            ids.split(',')
                .map(str::trim)
                .filter(|id| !id.is_empty())
                .collect()
        })
        .unwrap_or_default();
    if ids.is_empty() {
        return Reply::error(400, "REQUIRED_FIELD_MISSING", "At least 1 record is required");
    }
    if let Err(reply) = too_many(ids.len()) {
        return reply;
    }
    let all_or_none = api.call.param("allOrNone") == Some("true");
    let mut store = api.write();
    let mut undo = Vec::new();
    let mut seen = HashSet::new();
    let results = ids
        .iter()
        .map(|id| {
            once(&mut seen, Some(id), || {
                RowError::new("DUPLICATE_VALUE", "Duplicate id in list")
            })?;
            let object = store
                .schema
                .by_id(id)
                .ok_or_else(|| RowError::new("MALFORMED_ID", format!("malformed id {id}")))?;
            api.write_row(&mut store, object, Op::Delete, Some(id), &[], &mut undo)
        })
        .collect();
    finish(api, &mut store, results, undo, all_or_none, false)
}

fn retrieve(api: &Api<'_>, object: &str, ids: &[&str], fields: &str) -> Reply {
    let store = api.read();
    let Some(object) = api.session.access.object(&store.schema, object) else {
        return Reply::missing();
    };
    if ids.len() > 2_000 {
        return Reply::error(400, "EXCEEDED_ID_LIMIT", "cannot retrieve more than 2000 records");
    }
    let plan = match selection(&store, &api.session.access, object, Some(fields)) {
        Ok(plan) => plan,
        Err(reply) => return reply,
    };
    let mut out = String::from("[");
    for (n, id) in ids.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        match store.named(object, id) {
            Ok(row) if store.shown(&api.session.access, object, row) => {
                text::record(&mut out, &store, &plan.nodes, object, row, api.version)
            }
            _ => out.push_str("null"),
        }
    }
    out.push(']');
    Reply::text(200, out)
}
