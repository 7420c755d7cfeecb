//! Bulk API 1.0: jobs of batches below `/services/async/XX.X/job`, in XML, CSV and JSON.
//!
//! Batches are worked on one by one in the background, with the delays of version 2.0; rows take the same way as there.
//! Results come in the order of the upload. Simplified: a query's result is one file, and serial jobs are taken but not
//! slowed down. Zipped batches with binary parts are refused.

mod batch;
mod records;
mod render;

use std::sync::Arc;

use axum::http::HeaderValue;
use bytes::Bytes;
use serde_json::Value;

use super::ingest;
use crate::emulator::{
    access::Access,
    faults::lock,
    http::{Api, Call, Org, Reply, auth, auth::Session, org::fresh, supported, xml::Element},
    store::{Cell, Op},
};

/// The most rows of a PK chunk, and how many there are when nobody says.
const MOST_CHUNK: u32 = 250_000;
const CHUNK: u32 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobState {
    Open,
    Closed,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BatchState {
    Queued,
    InProgress,
    Completed,
    Failed,
    NotProcessed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    Xml,
    Json,
}

/// What a job does with its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Ingest(Op),
    Query { with_deleted: bool },
}

/// What a batch gives.
#[derive(Clone, Debug)]
enum Results {
    None,
    /// Of rows that were written.
    Rows(Bytes),
    /// Of a query: files with their Ids.
    Files(Vec<(String, Bytes)>),
}

#[derive(Clone, Debug)]
struct Batch {
    id: String,
    state: BatchState,
    message: Option<String>,
    created: Cell,
    stamp: Cell,
    processed: u64,
    failed: u64,
    millis: u64,
    request: Bytes,
    results: Results,
}

/// A job of version 1.0.
#[derive(Clone, Debug)]
pub(crate) struct BatchJob {
    id: String,
    operation: String,
    object: usize,
    object_name: String,
    task: Task,
    key: Option<String>,
    user: Cell,
    access: Access,
    created: Cell,
    born: jiff::Timestamp,
    stamp: Cell,
    version: u32,
    state: JobState,
    concurrency: &'static str,
    format: Format,
    /// Rows of the table in each batch of a query that is split by primary key.
    chunk: Option<u32>,
    batches: Vec<Batch>,
}

/// Why a request is refused: a code of the API and its text.
type Problem = (&'static str, String);

/// Everything below `/services/async`.
pub(in crate::emulator::http) fn route(org: &Arc<Org>, call: &Call, version: &str, rest: &[&str]) -> Reply {
    let json = render::wants_json(call, None);
    let Ok(number) = supported(org, &format!("v{version}")) else {
        return render::problem(
            json,
            "InvalidVersion",
            &format!("Invalid version specified: {version}"),
        );
    };
    let session = match session(org, call) {
        Ok(session) => session,
        Err(()) => return render::problem(json, "InvalidSessionId", "Invalid session id"),
    };
    let app = org.app_name(session.client_id.as_deref());
    if let Err(refusal) = org.count_call(app) {
        return render::problem(json, "ExceededQuota", refusal.words().2);
    }
    let api = Api {
        org,
        call,
        version: number,
        session,
        transaction: None,
    };
    let answer = match (rest, api.method()) {
        (["job"], "POST") => create(&api),
        (["job", id], "GET") => info(&api, id),
        (["job", id], "POST") => change_state(&api, id),
        (["job", id, "batch"], "POST") => batch::add(&api, id),
        (["job", id, "batch"], "GET") => batch::list(&api, id),
        (["job", id, "batch", batch], "GET") => batch::info(&api, id, batch),
        (["job", id, "batch", batch, "request"], "GET") => batch::request(&api, id, batch),
        (["job", id, "batch", batch, "result"], "GET") => batch::results(&api, id, batch),
        (["job", id, "batch", batch, "result", file], "GET") => batch::file(&api, id, batch, file),
        (["job"] | ["job", ..], _) => Err(("InvalidUrl", "HTTP method not allowed for this URL".to_owned())),
        _ => Err(("InvalidUrl", "Unknown resource".to_owned())),
    };
    answer.unwrap_or_else(|(code, message)| render::problem(json, code, &message))
}

/// The caller, by the header of this API or by the one of all others.
fn session(org: &Org, call: &Call) -> Result<Session, ()> {
    let mut call = call.clone();
    if let Some(token) = call.header("x-sfdc-session").map(str::to_owned) {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ())?;
        call.headers.insert("authorization", value);
    }
    auth::session(org, &call).map_err(|_| ())
}

/// A copy of a job; it shares the data of its batches. Jobs are kept for a week.
fn job(api: &Api<'_>, id: &str) -> Result<BatchJob, Problem> {
    let now = api.org.time();
    let mut jobs = lock(&api.org.batch_jobs);
    jobs.retain(|_, job| fresh(job.born, now, 7));
    jobs.get(crate::record::id18(id).as_str())
        .filter(|job| super::knows(api, &job.user))
        .cloned()
        .ok_or_else(|| ("InvalidJob", format!("Unable to find job: {id}")))
}

/// A body of XML or JSON, by its keys.
fn body(call: &Call) -> Result<Vec<(String, String)>, Problem> {
    let text = String::from_utf8_lossy(&call.body);
    if call.header("content-type").is_some_and(|t| t.contains("json")) {
        return match serde_json::from_str(&text) {
            Ok(Value::Object(map)) => Ok(map
                .into_iter()
                .map(|(k, v)| {
                    let text = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
                    (k, text)
                })
                .collect()),
            _ => Err(("InvalidJob", "InvalidJob : Unable to parse Job".to_owned())),
        };
    }
    let root = Element::parse(&text)
        .map_err(|e| ("InvalidJob", format!("InvalidJob : Unable to parse Job: {e}")))?;
    Ok(root
        .children
        .iter()
        .map(|c| (c.name.clone(), c.text().trim().to_owned()))
        .collect())
}

fn create(api: &Api<'_>) -> Result<Reply, Problem> {
    let body = body(api.call)?;
    let get = |key: &str| body.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let operation = get("operation").unwrap_or_default();
    let name = get("object").unwrap_or_default();
    let format = match get("contentType").unwrap_or("XML") {
        "CSV" => Format::Csv,
        "XML" => Format::Xml,
        "JSON" => Format::Json,
        zip if zip.starts_with("ZIP_") => {
            return Ok(Reply::not_emulated(
                "zipped batches with binary attachments in Bulk API 1.0",
            ));
        }
        other => {
            return Err((
                "InvalidJob",
                format!("InvalidJob : contentType {other} is not supported"),
            ));
        }
    };
    let key = get("externalIdFieldName");
    let (object, object_name, task) = match operation {
        "query" | "queryAll" => {
            let store = api.read();
            let object = api.session.access.object(&store.schema, name).ok_or_else(|| {
                (
                    "InvalidJob",
                    format!("InvalidJob : Unable to find object: {name}"),
                )
            })?;
            let task = Task::Query {
                with_deleted: operation == "queryAll",
            };
            (object, store.schema.objects[object].name.clone(), task)
        }
        _ => {
            let (object, name, op) = ingest::target(api, name, operation, key)?;
            (object, name, Task::Ingest(op))
        }
    };
    let chunk = api.call.header("sforce-enable-pkchunking").and_then(chunk_size);
    let now = api.org.now();
    let made = BatchJob {
        id: api.org.serial_id("750"),
        operation: operation.to_owned(),
        object,
        object_name,
        task,
        key: key
            .filter(|_| matches!(task, Task::Ingest(Op::Upsert(_))))
            .map(str::to_owned),
        user: api.session.user.clone(),
        access: api.session.access.clone(),
        created: now.clone(),
        born: api.org.time(),
        stamp: now,
        version: api.version,
        state: JobState::Open,
        concurrency: if get("concurrencyMode") == Some("Serial") {
            "Serial"
        } else {
            "Parallel"
        },
        format,
        chunk: chunk.filter(|_| matches!(task, Task::Query { .. })),
        batches: Vec::new(),
    };
    api.org.tally(|c| c.bulk_jobs += 1);
    let reply = render::job(api, 201, &made);
    lock(&api.org.batch_jobs).insert(made.id.clone(), made);
    Ok(reply)
}

/// `TRUE`, or `chunkSize=100000; parent=Account`.
fn chunk_size(header: &str) -> Option<u32> {
    if header.trim().eq_ignore_ascii_case("false") {
        return None;
    }
    let size = header
        .split(';')
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("chunksize"))
        .and_then(|(_, size)| size.trim().parse::<u32>().ok());
    Some(size.unwrap_or(CHUNK).clamp(1, MOST_CHUNK))
}

fn info(api: &Api<'_>, id: &str) -> Result<Reply, Problem> {
    Ok(render::job(api, 200, &job(api, id)?))
}

fn change_state(api: &Api<'_>, id: &str) -> Result<Reply, Problem> {
    let body = body(api.call)?;
    let found = job(api, id)?;
    let wanted = body
        .iter()
        .find(|(k, _)| k == "state")
        .map(|(_, v)| v.as_str())
        .unwrap_or_default();
    let state = match wanted {
        "Closed" if found.state == JobState::Open => JobState::Closed,
        "Closed" => {
            return Err((
                "InvalidJobState",
                "Closing already Closed or Aborted Job not allowed".to_owned(),
            ));
        }
        "Aborted" if found.state == JobState::Aborted => {
            return Err((
                "InvalidJobState",
                "Aborting already Aborted Job not allowed".to_owned(),
            ));
        }
        "Aborted" => JobState::Aborted,
        other => {
            return Err((
                "InvalidJob",
                format!("InvalidJob : state {other} is not supported"),
            ));
        }
    };
    let now = api.org.now();
    if let Some(job) = lock(&api.org.batch_jobs).get_mut(&found.id) {
        job.state = state;
        job.stamp = now;
        if state == JobState::Aborted {
            for batch in job.batches.iter_mut().filter(|b| b.state == BatchState::Queued) {
                batch.state = BatchState::NotProcessed;
            }
        }
    }
    info(api, &found.id)
}
