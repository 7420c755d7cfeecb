use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    super::{Api, Org, Reply, query},
    Files, Job, State, Work, blank, csv, format, invalid, list, own_job, patch_state, register, remove,
    start,
};
use crate::emulator::{
    schema::Kind,
    soql::{Asker, Output, Plan, compile, run},
    store::{Store, java_double},
};

/// Everything below `/jobs/query`.
pub(in super::super) fn route(api: &Api<'_>, rest: &[&str]) -> Reply {
    match (rest, api.method()) {
        ([], "POST") => create(api),
        ([], "GET") => list(api, true),
        ([], _) => api.not_allowed("GET,HEAD,POST"),
        ([id], "GET" | "HEAD") => match own_job(api, id, true) {
            Ok(job) => Reply::json(200, &job.json(false, true)),
            Err(reply) => reply,
        },
        ([id], "PATCH") => patch_state(api, id, true, |_| Ok(())),
        ([id], "DELETE") => remove(api, id, true),
        ([_], _) => api.not_allowed("DELETE,GET,HEAD,PATCH"),
        ([id, word], "GET" | "HEAD") if word.eq_ignore_ascii_case("results") => results(api, id),
        ([id, word], "GET" | "HEAD") if word.eq_ignore_ascii_case("resultPages") && api.version >= 58 => {
            pages(api, id)
        }
        _ => Reply::missing(),
    }
}

fn create(api: &Api<'_>) -> Reply {
    let body = match api.json() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let operation = body.get("operation").and_then(Value::as_str).unwrap_or_default();
    if !matches!(operation, "query" | "queryAll") {
        return invalid(&format!(
            "operation '{operation}' is not supported for query jobs"
        ));
    }
    let soql = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let format = match format(&body) {
        Ok(format) => format,
        Err(reply) => return reply,
    };
    let (object, name) = {
        let store = api.read();
        let asker = query::asker(api, &store).flat();
        let plan = match compile(&store.schema, &asker, soql) {
            Ok(plan) => plan,
            Err(error) => return query::soql_error(&error),
        };
        if let Some(message) = refused(&plan) {
            return Reply::error(400, "API_ERROR", message);
        }
        let object = &store.schema.objects[plan.object];
        if !object.traits.bulk {
            return Reply::error(
                400,
                "INVALIDENTITY",
                &format!("Entity '{}' is not supported by the Bulk API.", object.name),
            );
        }
        (plan.object, object.name.clone())
    };
    if !api.org.limits.take_query_job(api.org.time()) {
        return Reply::error(400, "EXCEEDEDQUOTA", "DailyBulkV2QueryJobs Limit exceeded.");
    }
    let work = Work::Query {
        soql: soql.to_owned(),
        with_deleted: operation == "queryAll",
    };
    let mut made = blank(operation, object, &name, format, work);
    made.state = State::UploadComplete;
    let made = register(api, made);
    start(api.org, &made.id, process);
    Reply::json(200, &made.json(false, false))
}

/// What a query job cannot give.
pub(super) fn refused(plan: &Plan) -> Option<&'static str> {
    if !matches!(plan.output, Output::Rows) || plan.has_children() {
        return Some("Aggregate Relationships not supported in Bulk Query");
    }
    if plan.offset.is_some() {
        return Some("OFFSET is not supported in Bulk Query");
    }
    if plan.has_type_of() {
        return Some("TYPEOF is not supported in Bulk Query");
    }
    if plan.unbounded {
        return Some("The SOQL FIELDS function is not supported with an unbounded set of fields in this API");
    }
    if plan.columns.iter().any(|c| c.kind.is_compound()) {
        return Some("Selecting compound data not supported in Bulk Query");
    }
    if plan.columns.iter().any(|c| c.kind == Kind::Base64) {
        return Some("Selecting binary data not supported in Bulk Query");
    }
    None
}

/// Runs the query and writes all result rows once; pages are slices of them.
pub(super) fn process(org: &Org, job: &Job) -> Result<Files, String> {
    let Work::Query { soql, with_deleted } = &job.work else {
        return Err("InvalidJob : no query".to_owned());
    };
    if let Some(fault) = org.faults.for_job(&job.object_name, true) {
        return Err(fault.message);
    }
    let store = org.read();
    let plan = plan(org, &store, job, soql)?;
    let rows = run(&store, &plan, *with_deleted);
    super::change(org, &job.id, |job| job.processed = rows.len() as u64);
    let files = table(&store, job, &plan, &rows);
    if let Files::Query { body, .. } = &files {
        org.limits.take_query_bytes(org.time(), body.len() as u64);
    }
    Ok(files)
}

pub(super) fn plan(org: &Org, store: &Store, job: &Job, soql: &str) -> Result<Plan, String> {
    let asker = Asker::new(store, &job.access, &job.user, job.version, org.time()).flat();
    compile(&store.schema, &asker, soql).map_err(|e| {
        format!(
            "InvalidBatch : Failed to process query: {}: {}",
            e.code, e.message
        )
    })
}

/// The rows of a query as CSV.
pub(super) fn table(store: &Store, job: &Job, plan: &Plan, rows: &[u32]) -> Files {
    let mut columns: Vec<_> = plan.columns.iter().collect();
    if job.version < 50 {
        columns.sort_by(|a, b| a.written.cmp(&b.written));
    }
    let delimiter = job.delimiter();
    let newline = job.newline().as_bytes();
    let mut header = Vec::new();
    for (n, column) in columns.iter().enumerate() {
        if n > 0 {
            header.push(delimiter);
        }
        csv::quote(&mut header, &column.written);
    }
    header.extend_from_slice(newline);
    let mut body = Vec::with_capacity(rows.len() * columns.len() * 16);
    let mut ends = Vec::with_capacity(rows.len());
    for row in rows {
        for (n, column) in columns.iter().enumerate() {
            if n > 0 {
                body.push(delimiter);
            }
            let cell = column.get(store, plan.object, *row);
            if column.kind.is_double() && !cell.is_empty() {
                csv::quote(&mut body, &java_double(&cell));
            } else {
                csv::quote(&mut body, &cell);
            }
        }
        body.extend_from_slice(newline);
        ends.push(body.len());
    }
    Files::Query {
        header: Bytes::from(header),
        body: Bytes::from(body),
        ends: Arc::new(ends),
    }
}

/// A finished job's files, when the caller may have them.
fn finished(api: &Api<'_>, id: &str) -> Result<(Job, Files), Reply> {
    let job = own_job(api, id, true)?;
    if job.version != api.version {
        return Err(Reply::error(
            409,
            "API_ERROR",
            &format!("The job was made with API version {}.0", job.version),
        ));
    }
    match (job.state, job.files.clone()) {
        (State::JobComplete, Some(files)) => Ok((job, files)),
        _ => Err(Reply::error(
            400,
            "INVALIDJOBSTATE",
            "Results are available when the job is complete",
        )),
    }
}

fn locator(at: usize) -> String {
    STANDARD_NO_PAD.encode(at.to_string())
}

fn results(api: &Api<'_>, id: &str) -> Reply {
    let (header, body, ends) = match finished(api, id) {
        Ok((_, Files::Query { header, body, ends })) => (header, body, ends),
        Ok(_) => return Reply::missing(),
        Err(reply) => return reply,
    };
    let from = match api.call.param("locator") {
        None | Some("" | "null") => 0,
        Some(text) => {
            let at = STANDARD_NO_PAD
                .decode(text)
                .ok()
                .and_then(|b| String::from_utf8(b).ok())
                .and_then(|t| t.parse::<usize>().ok())
                .filter(|at| *at < ends.len());
            match at {
                Some(at) => at,
                None => return Reply::error(400, "INVALID_QUERY_LOCATOR", "invalid query locator"),
            }
        }
    };
    let most = match api.call.param("maxRecords").map(str::parse::<usize>) {
        None => api.org.bulk.result_page_rows.max(1),
        Some(Ok(n)) if n > 0 => n,
        Some(_) => return Reply::error(400, "API_ERROR", "maxRecords must be a positive number"),
    };
    let to = from.saturating_add(most).min(ends.len());
    let start = if from == 0 { 0 } else { ends[from - 1] };
    let end = if to == 0 { 0 } else { ends[to - 1] };
    let next = if to < ends.len() {
        locator(to)
    } else {
        "null".to_owned()
    };
    let count = to - from;
    api.org.tally(|c| c.rows_read += count as u64);
    Reply::csv(vec![header, body.slice(start..end)])
        .with_rows(count)
        .header("Sforce-NumberOfRecords", &(to - from).to_string())
        .header("Sforce-Locator", &next)
}

/// Up to five pages that can be fetched side by side.
fn pages(api: &Api<'_>, id: &str) -> Reply {
    let (job, count) = match finished(api, id) {
        Ok((job, Files::Query { ends, .. })) => (job, ends.len()),
        Ok(_) => return Reply::missing(),
        Err(reply) => return reply,
    };
    let size = api.org.bulk.result_page_rows.max(1);
    let from = api
        .call
        .param("locator")
        .and_then(|t| STANDARD_NO_PAD.decode(t).ok())
        .and_then(|b| String::from_utf8(b).ok())
        .and_then(|t| t.parse::<usize>().ok())
        .unwrap_or(0);
    let base = format!("{}/jobs/query/{}", api.base(), job.id);
    let starts: Vec<usize> = (from..count.max(1)).step_by(size).take(5).collect();
    let urls: Vec<Value> = starts
        .iter()
        .map(|at| match at {
            0 => json!({"resultUrl": format!("{base}/results")}),
            at => json!({"resultUrl": format!("{base}/results?locator={}", locator(*at))}),
        })
        .collect();
    let next = from + 5 * size;
    let done = next >= count;
    Reply::json(
        200,
        &json!({
            "resultPages": urls,
            "nextRecordsUrl": if done { Value::Null } else { json!(format!("{base}/resultpages?locator={}", locator(next))) },
            "done": done,
        }),
    )
}
