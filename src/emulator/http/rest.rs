use serde_json::{Map, Value, json};

use super::{
    Api, Reply, blobs::Incoming, changes, conditions::Validators, described::described, json as text,
    query::soql_error, relations,
};
use crate::emulator::{
    access::Access,
    schema::{describe, describe_global_entry},
    soql::{Asker, Plan, compile},
    store::{Call, Cell, Done, DuplicateHeader, Op, Raw, RowError, State, Store, Target, Undo},
};

/// Everything below `/sobjects`.
pub(super) fn sobjects(api: &Api<'_>, rest: &[&str]) -> Reply {
    let Some((name, rest)) = rest.split_first() else {
        return api.only("GET", || global(api));
    };
    let Some(object) = api.session.access.object(&api.read().schema, name) else {
        return Reply::missing();
    };
    match (rest, api.method()) {
        ([], "POST") => create(api, object),
        ([], "GET" | "HEAD") => {
            let store = api.read();
            Reply::json(
                200,
                &json!({
                    "objectDescribe": describe_global_entry(&store.schema, &api.session.access, object, api.version),
                    "recentItems": [],
                }),
            )
        }
        ([], _) => api.not_allowed("GET,HEAD,POST"),
        ([word], _) if word.eq_ignore_ascii_case("describe") => api.only("GET", || {
            let store = api.read();
            let access = &api.session.access;
            let value = describe(&store.schema, access, object, api.version, &api.org.url);
            described(api, &store, &value)
        }),
        ([word], _) if word.eq_ignore_ascii_case("updated") && api.version >= 31 => {
            api.only("GET", || changes::updated(api, object))
        }
        ([word], _) if word.eq_ignore_ascii_case("deleted") && api.version >= 31 => {
            api.only("GET", || changes::deleted(api, object))
        }
        ([word], _) if word.eq_ignore_ascii_case("listviews") => {
            let sobject = api.read().schema.objects[object].name.clone();
            api.only("GET", || {
                Reply::json(
                    200,
                    &json!({
                        "done": true, "listviews": [], "nextRecordsUrl": null, "size": 0, "sobjectType": sobject,
                    }),
                )
            })
        }
        ([word], _) if word.eq_ignore_ascii_case("quickActions") => {
            api.only("GET", || Reply::json(200, &json!([])))
        }
        ([word, layouts, ..], _)
            if word.eq_ignore_ascii_case("describe") && layouts.to_ascii_lowercase().ends_with("layouts") =>
        {
            Reply::not_emulated(&format!("page layouts (describe/{layouts})"))
        }
        ([word, ..], _) if word.eq_ignore_ascii_case("defaultValues") => {
            Reply::not_emulated("default values (defaultValues)")
        }
        ([id, path @ ..], _)
            if !path.is_empty() && api.version >= 36 && relations::is_id(&api.read(), object, id) =>
        {
            relations::answer(api, object, id, path)
        }
        ([word], "POST") if word.eq_ignore_ascii_case("id") && api.version >= 37 => create(api, object),
        ([word], _) if word.eq_ignore_ascii_case("id") => api.not_allowed("POST"),
        ([id], method) => by_id(api, object, id, method, false),
        ([word, id], method) if word.eq_ignore_ascii_case("id") => by_id(api, object, id, method, true),
        ([field, value], method) => by_key(api, object, field, value, method),
        _ => Reply::missing(),
    }
}

pub(super) fn global(api: &Api<'_>) -> Reply {
    let store = api.read();
    let access = &api.session.access;
    let mut list: Vec<Value> = (0..store.schema.objects.len())
        .filter(|o| access.rights(*o).read)
        .map(|o| describe_global_entry(&store.schema, access, o, api.version))
        .collect();
    list.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let value = json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list});
    described(api, &store, &value)
}

pub(super) fn record_count(api: &Api<'_>) -> Reply {
    let store = api.read();
    let wanted: Option<Vec<&str>> = api
        .call
        .param("sObjects")
        .map(|l| l.split(',').map(str::trim).collect());
    let list: Vec<Value> = store
        .schema
        .objects
        .iter()
        .zip(&store.tables)
        .enumerate()
        .filter(|(at, _)| api.session.access.rights(*at).read)
        .map(|(_, pair)| pair)
        .filter(|(o, table)| {
            table.live() > 0
                && wanted
                    .as_ref()
                    .is_none_or(|names| names.iter().any(|n| n.eq_ignore_ascii_case(&o.name)))
        })
        .map(|(o, table)| json!({"count": table.live(), "name": o.name}))
        .collect();
    Reply::json(200, &json!({"sObjects": list}))
}

/// A row of a JSON body: the Id, if it brings one, and where its values go.
pub(super) type JsonRow<'v> = (Option<&'v str>, Vec<(Target, Raw<'v>)>);

/// Takes the JSON of a row apart.
pub(super) fn row<'v>(
    store: &Store,
    access: &Access,
    object: usize,
    map: &'v Map<String, Value>,
) -> Result<JsonRow<'v>, RowError> {
    let spec = &store.schema.objects[object];
    let mut id = None;
    let mut values = Vec::with_capacity(map.len());
    for (name, value) in map {
        if name == "attributes" {
            continue;
        }
        if name.eq_ignore_ascii_case("id") {
            id = value.as_str();
            continue;
        }
        if let Some(field) = access.field(&store.schema, object, name) {
            values.push((Target::Field(field), raw(name, value)?));
            continue;
        }
        let Some(field) = access.relationship(&store.schema, object, name) else {
            return Err(RowError::no_column(name, &spec.name));
        };
        match value {
            Value::Null => values.push((Target::Field(field), Raw::Null)),
            Value::Object(parent) => values.push(related(store, access, object, field, name, parent)?),
            _ => return Err(unreadable(name)),
        }
    }
    Ok((id, values))
}

fn unreadable(name: &str) -> RowError {
    RowError::new(
        "JSON_PARSER_ERROR",
        format!("Unexpected value for field {name} or request may be missing a required field"),
    )
}

fn raw<'v>(name: &str, value: &'v Value) -> Result<Raw<'v>, RowError> {
    Ok(match value {
        Value::Null => Raw::Null,
        Value::Bool(flag) => Raw::Bool(*flag),
        Value::Number(number) => Raw::Number(number.as_str()),
        Value::String(text) => Raw::Text(text),
        Value::Array(_) | Value::Object(_) => return Err(unreadable(name)),
    })
}

/// `"Account": {"Ext__c": "v"}`; for a reference to several objects `attributes` or `type` names the one.
fn related<'v>(
    store: &Store,
    access: &Access,
    object: usize,
    field: usize,
    name: &str,
    parent: &'v Map<String, Value>,
) -> Result<(Target, Raw<'v>), RowError> {
    let targets = &store.schema.objects[object].fields[field].reference_to;
    let named = parent
        .get("attributes")
        .and_then(|a| a.get("type"))
        .or_else(|| parent.get("type"))
        .and_then(Value::as_str);
    let target = match named {
        Some(named) => targets.iter().find(|t| t.eq_ignore_ascii_case(named)),
        None => targets.last(),
    };
    let found = target
        .and_then(|t| access.object(&store.schema, t))
        .ok_or_else(|| unreadable(name))?;
    let key = parent.iter().find(|(k, _)| *k != "attributes" && *k != "type");
    let (key, value) = key.ok_or_else(|| unreadable(name))?;
    let spec = &store.schema.objects[found];
    match access.field(&store.schema, found, key) {
        Some(by) if spec.fields[by].is_key() => Ok((
            Target::Related {
                field,
                object: found,
                by,
            },
            raw(key, value)?,
        )),
        Some(_) => Err(RowError::new(
            "INVALID_FIELD",
            format!("{key} is not an External ID or indexed field for {}", spec.name),
        )),
        None => Err(RowError::no_column(key, &spec.name)),
    }
}

impl Api<'_> {
    /// Who writes, when, and under which rules.
    pub(super) fn writing<'s>(&'s self, now: &'s str) -> Call<'s> {
        Call {
            user: &self.session.user,
            access: &self.session.access,
            now,
            faults: Some(&self.org.faults),
            duplicates: DuplicateHeader::parse(
                self.call.header("sforce-duplicate-rule-header"),
                self.version,
            ),
            loading: false,
            lasting: false,
        }
    }

    /// Writes one row.
    pub(super) fn write_row(
        &self,
        store: &mut Store,
        object: usize,
        op: Op,
        key: Option<&str>,
        values: &[(Target, Raw<'_>)],
        undo: &mut Vec<Undo>,
    ) -> Result<Done, RowError> {
        let now = self.org.now();
        let call = self.writing(&now);
        let mut own = Vec::new();
        let done = store.write(object, op, key, values, call, &mut own);
        match done {
            Ok(_) => undo.append(&mut own),
            // A cascade may have been under way.
            Err(_) => store.undo(own),
        }
        self.org.tally(|c| match done {
            Ok(_) => c.rows_written += 1,
            Err(_) => c.rows_refused += 1,
        });
        done
    }

    /// Writes the one row that a request is about.
    pub(super) fn write_alone(
        &self,
        store: &mut Store,
        object: usize,
        op: Op,
        key: Option<&str>,
        values: &[(Target, Raw<'_>)],
    ) -> Result<Done, RowError> {
        let mut undo = Vec::new();
        let done = self.write_row(store, object, op, key, values, &mut undo)?;
        self.keep(undo, 1);
        Ok(done)
    }
}

fn create(api: &Api<'_>, object: usize) -> Reply {
    let incoming = match Incoming::read(api) {
        Ok(incoming) => incoming,
        Err(reply) => return reply,
    };
    let mut store = api.write();
    let values = match incoming.row(api, &store, object) {
        Ok((None, values)) => values,
        Ok((Some(_), _)) => return field_in_body("Id"),
        Err(error) => return Reply::row_error(&error),
    };
    match api.write_alone(&mut store, object, Op::Insert, None, &values) {
        Ok(done) => created(api, &store, object, &done, false),
        Err(error) => Reply::row_error(&error),
    }
}

fn field_in_body(field: &str) -> Reply {
    let message = format!("The {field} field should not be specified in the sobject data.");
    Reply::row_error(&RowError::new("INVALID_FIELD", message).on(field))
}

fn location(api: &Api<'_>, store: &Store, object: usize, id: &str) -> String {
    format!(
        "{}/sobjects/{}/{id}",
        api.base(),
        store.schema.objects[object].name
    )
}

fn created(api: &Api<'_>, store: &Store, object: usize, done: &Done, with_created: bool) -> Reply {
    let mut body = json!({"id": done.id.as_str(), "success": true, "errors": []});
    if with_created && let Some(map) = body.as_object_mut() {
        map.insert("created".to_owned(), json!(done.created));
    }
    Reply::json(if done.created { 201 } else { 200 }, &body)
        .header("Location", &location(api, store, object, &done.id))
}

/// The row that the URL names, or the answer when there is none.
fn find(api: &Api<'_>, store: &Store, object: usize, id: &str) -> Result<u32, Reply> {
    match store.named(object, id) {
        Ok(row) => Ok(row),
        Err(error)
            if error.code == "ENTITY_IS_DELETED"
                && !store
                    .row(object, &crate::record::id18(id))
                    .is_some_and(|row| store.shown(&api.session.access, object, row)) =>
        {
            Err(Reply::missing())
        }
        Err(error) if error.code == "ENTITY_IS_DELETED" => Err(Reply::row_error(&error)),
        Err(error) if error.code == "MALFORMED_ID" => {
            if id.parse::<crate::record::Id>().is_err() && !matches!(id.len(), 15 | 18) {
                return Err(Reply::error(
                    404,
                    "NOT_FOUND",
                    &format!("Provided external ID field does not exist or is not accessible: {id}"),
                ));
            }
            Err(Reply::row_error(&error))
        }
        Err(_) => Err(Reply::missing()),
    }
}

pub(super) fn by_id(api: &Api<'_>, object: usize, id: &str, method: &str, as_key: bool) -> Reply {
    match method {
        "GET" | "HEAD" => {
            let store = api.read();
            match find(api, &store, object, id) {
                Ok(row) => read(api, &store, object, row),
                Err(reply) => reply,
            }
        }
        "PATCH" => {
            let incoming = match Incoming::read(api) {
                Ok(incoming) => incoming,
                Err(reply) => return reply,
            };
            let mut store = api.write();
            // An unknown field is reported even when the Id is wrong too.
            let values = match incoming.row(api, &store, object) {
                Ok((None, values)) => values,
                Ok((Some(_), _)) => return field_in_body("Id"),
                Err(error) => return Reply::row_error(&error),
            };
            let row = match find(api, &store, object, id) {
                Ok(row) => row,
                Err(reply) => return reply,
            };
            if store.shown(&api.session.access, object, row)
                && let Some(reply) = Validators::of(&store, object, row).refuse(api)
            {
                return reply;
            }
            match api.write_alone(&mut store, object, Op::Update, Some(id), &values) {
                Ok(done) if as_key => created(api, &store, object, &done, true),
                Ok(_) => {
                    let validators = Validators::of(&store, object, row);
                    validators.tagged(Reply::empty(204))
                }
                Err(error) => Reply::row_error(&error),
            }
        }
        "DELETE" => {
            let mut store = api.write();
            if let Err(reply) = find(api, &store, object, id) {
                return reply;
            }
            delete(api, &mut store, object, id)
        }
        _ => api.not_allowed("GET,HEAD,PATCH,DELETE"),
    }
}

fn delete(api: &Api<'_>, store: &mut Store, object: usize, id: &str) -> Reply {
    match api.write_alone(store, object, Op::Delete, Some(id), &[]) {
        Ok(_) => Reply::empty(204),
        Err(error) => Reply::row_error(&error),
    }
}

fn by_key(api: &Api<'_>, object: usize, field: &str, value: &str, method: &str) -> Reply {
    let mut store = api.write();
    let spec = &store.schema.objects[object];
    let key = api.session.access.field(&store.schema, object, field);
    let Some(key) = key.filter(|f| spec.fields[*f].is_key()) else {
        return Reply::error(
            404,
            "NOT_FOUND",
            &format!("Provided external ID field does not exist or is not accessible: {field}"),
        );
    };
    let key_name = spec.fields[key].name.clone();
    let rows = match store.matches(object, key, value, &api.session.access) {
        Ok(rows) => rows,
        Err(error) => return Reply::row_error(&error),
    };
    if rows.len() > 1 {
        let urls: Vec<String> = rows
            .iter()
            .map(|row| location(api, &store, object, store.tables[object].get(*row, 0)))
            .collect();
        return Reply::json(300, &json!(urls));
    }
    let id = rows
        .first()
        .map(|row| Cell::new(store.tables[object].get(*row, 0)));
    match (method, id) {
        ("GET" | "HEAD", Some(_)) => read(api, &store, object, rows[0]),
        ("GET" | "HEAD" | "DELETE", None) => Reply::missing(),
        ("DELETE", Some(id)) => delete(api, &mut store, object, &id),
        ("PATCH" | "POST", id) => {
            let incoming = match Incoming::read(api) {
                Ok(incoming) => incoming,
                Err(reply) => return reply,
            };
            let values = match incoming.row(api, &store, object) {
                Ok((Some(_), _)) => return field_in_body("Id"),
                Ok((None, values)) if values.iter().any(|(t, _)| *t == Target::Field(key)) => {
                    return field_in_body(&key_name);
                }
                Ok((None, values)) => values,
                Err(error) => return Reply::row_error(&error),
            };
            if id.is_none() && api.call.param("updateOnly") == Some("true") {
                return Reply::missing();
            }
            if let Some(row) = rows.first()
                && let Some(reply) = Validators::of(&store, object, *row).refuse(api)
            {
                return reply;
            }
            match api.write_alone(&mut store, object, Op::Upsert(key), Some(value), &values) {
                // Before v46 an update answered without a body, and nobody said `created`.
                Ok(done) if !done.created && api.version < 46 => Reply::empty(204),
                Ok(done) => created(api, &store, object, &done, api.version >= 46),
                Err(error) => Reply::row_error(&error),
            }
        }
        _ => api.not_allowed("GET,HEAD,PATCH,DELETE"),
    }
}

/// A plan for the named fields of an object, or for all.
pub(super) fn selection(
    store: &Store,
    access: &Access,
    object: usize,
    fields: Option<&str>,
) -> Result<Plan, Reply> {
    let spec = &store.schema.objects[object];
    let soql = match fields {
        None => format!("SELECT FIELDS(ALL) FROM {} LIMIT 200", spec.name),
        Some(list) => {
            let mut names: Vec<&str> = list.split(',').map(str::trim).filter(|f| !f.is_empty()).collect();
            for name in &names {
                if !name.contains('.') && access.field(&store.schema, object, name).is_none() {
                    return Err(Reply::row_error(&RowError::no_column(name, &spec.name)));
                }
            }
            if !names.iter().any(|n| n.eq_ignore_ascii_case("id")) {
                names.push("Id");
            }
            format!("SELECT {} FROM {}", names.join(","), spec.name)
        }
    };
    compile(&store.schema, &Asker::plain(access, 66), &soql).map_err(|e| soql_error(&e))
}

fn read(api: &Api<'_>, store: &Store, object: usize, row: u32) -> Reply {
    if store.tables[object].state(row) != State::Live || !store.shown(&api.session.access, object, row) {
        return Reply::missing();
    }
    let validators = Validators::of(store, object, row);
    if let Some(reply) = validators.refuse(api) {
        return reply;
    }
    match selection(store, &api.session.access, object, api.call.param("fields")) {
        Ok(plan) => {
            let mut out = String::new();
            text::record(&mut out, store, &plan.nodes, object, row, api.version);
            validators.told(Reply::text(200, out))
        }
        Err(reply) => reply,
    }
}
