//! Bulk API 2.0: jobs, their states, and the files that they give. Version 1.0 has a room of its own.

mod columns;
mod csv;
mod ingest;
pub(crate) mod kept;
mod load;
mod query;
mod results;
pub(super) mod v1;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Api, Org, Reply, org::fresh};
use crate::emulator::{
    access::{Access, Permission},
    faults::lock,
    store::{Cell, Op},
};

pub(super) use self::{ingest::route as ingest, query::route as query};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Open => "Open",
            State::UploadComplete => "UploadComplete",
            State::InProgress => "InProgress",
            State::JobComplete => "JobComplete",
            State::Failed => "Failed",
            State::Aborted => "Aborted",
        }
    }

    fn terminal(self) -> bool {
        matches!(self, State::JobComplete | State::Failed | State::Aborted)
    }
}

/// What a job is for.
#[derive(Clone, Debug)]
enum Work {
    Ingest {
        op: Op,
        key: Option<String>,
        content: Option<Bytes>,
    },
    Query {
        soql: String,
        with_deleted: bool,
    },
}

/// What a finished job gives.
#[derive(Clone, Debug)]
enum Files {
    Ingest {
        successful: Bytes,
        failed: Bytes,
        unprocessed: Bytes,
    },
    /// The header line, all rows, and where each row ends.
    Query {
        header: Bytes,
        body: Bytes,
        ends: Arc<Vec<usize>>,
    },
}

/// A job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    id: String,
    operation: String,
    object: usize,
    object_name: String,
    user: Cell,
    /// What that user may see and do.
    access: Access,
    created: Cell,
    born: Option<jiff::Timestamp>,
    stamp: Cell,
    state: State,
    version: u32,
    delimiter: &'static str,
    crlf: bool,
    work: Work,
    processed: u64,
    failed: u64,
    retries: u64,
    millis: u64,
    error: Option<String>,
    /// Whether its rows are done, though it does not say so yet.
    worked: bool,
    files: Option<Files>,
}

/// The names of delimiters, and what they stand for.
const DELIMITERS: &[(&str, u8)] = &[
    ("COMMA", b','),
    ("TAB", b'\t'),
    ("SEMICOLON", b';'),
    ("PIPE", b'|'),
    ("CARET", b'^'),
    ("BACKQUOTE", b'`'),
];

impl Job {
    fn delimiter(&self) -> u8 {
        DELIMITERS
            .iter()
            .find(|(name, _)| *name == self.delimiter)
            .map_or(b',', |(_, byte)| *byte)
    }

    fn newline(&self) -> &'static str {
        if self.crlf { "\r\n" } else { "\n" }
    }

    /// A job whose rows are done says so.
    fn tell(&mut self) {
        self.state = match &self.error {
            Some(_) => State::Failed,
            None => State::JobComplete,
        };
    }

    fn is_query(&self) -> bool {
        matches!(self.work, Work::Query { .. })
    }

    /// The job as answers show it; `short` is the answer to a change of state, `info` the one to a poll.
    fn json(&self, short: bool, info: bool) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("id", json!(self.id));
        put("operation", json!(self.operation));
        put("object", json!(self.object_name));
        put("createdById", json!(self.user.as_str()));
        put("createdDate", json!(self.created.replace('Z', "+0000")));
        put("systemModstamp", json!(self.stamp.replace('Z', "+0000")));
        put("state", json!(self.state.name()));
        if let Work::Ingest { key: Some(key), .. } = &self.work {
            put("externalIdFieldName", json!(key));
        }
        put("concurrencyMode", json!("Parallel"));
        put("contentType", json!("CSV"));
        put("apiVersion", json!(f64::from(self.version)));
        if short {
            return Value::Object(out);
        }
        if info {
            put(
                "jobType",
                json!(if self.is_query() { "V2Query" } else { "V2Ingest" }),
            );
        }
        if self.state == State::Open {
            put(
                "contentUrl",
                json!(format!(
                    "services/data/v{}.0/jobs/ingest/{}/batches",
                    self.version, self.id
                )),
            );
        }
        put("lineEnding", json!(if self.crlf { "CRLF" } else { "LF" }));
        put("columnDelimiter", json!(self.delimiter));
        if !info {
            return Value::Object(out);
        }
        match &self.work {
            Work::Query { .. } => {
                put("numberRecordsProcessed", json!(self.processed));
                put("retries", json!(self.retries));
                put("totalProcessingTime", json!(self.millis));
                if self.version >= 58 {
                    put("isPkChunkingSupported", json!(true));
                }
            }
            Work::Ingest { content, .. } => {
                // Nothing is counted before there is anything to count.
                if content.is_some() || self.state != State::Open {
                    put("numberRecordsProcessed", json!(self.processed));
                    put("numberRecordsFailed", json!(self.failed));
                }
                put("retries", json!(self.retries));
                put("totalProcessingTime", json!(self.millis));
                put("apiActiveProcessingTime", json!(self.millis));
                put("apexProcessingTime", json!(0));
                if self.version >= 61 {
                    put("isPkChunkingSupported", json!(false));
                }
            }
        }
        if let Some(error) = self.error.as_ref().filter(|_| !self.is_query()) {
            put("errorMessage", json!(error));
        }
        Value::Object(out)
    }
}

/// A copy of a job of one kind; the copy shares the files.
fn job(org: &Org, id: &str, query: bool) -> Result<Job, Reply> {
    let id = crate::record::id18(id);
    forget_old(org);
    lock(&org.jobs)
        .get(id.as_str())
        .filter(|job| job.is_query() == query)
        .cloned()
        .ok_or_else(Reply::missing)
}

/// A job that the caller of a request may know of: his own, or any for who may do everything.
fn own_job(api: &Api<'_>, id: &str, query: bool) -> Result<Job, Reply> {
    let job = job(api.org, id, query)?;
    if knows(api, &job.user) {
        Ok(job)
    } else {
        Err(Reply::missing())
    }
}

/// Whether the caller may know of a user's jobs.
fn knows(api: &Api<'_>, user: &str) -> bool {
    let session = &api.session;
    session.user == user || session.access.is_all() || session.access.may(Permission::ViewAllData)
}

/// Jobs that nobody closed end after a day, results are kept for a week.
fn forget_old(org: &Org) {
    let now = org.time();
    lock(&org.jobs).retain(|_, job| {
        let days = if job.state == State::Open { 1 } else { 7 };
        job.born.is_none_or(|born| fresh(born, now, days))
    });
}

/// Changes a job that is still there.
fn change(org: &Org, id: &str, change: impl FnOnce(&mut Job)) {
    if let Some(job) = lock(&org.jobs).get_mut(id) {
        change(job);
        job.stamp = org.now();
        org.changes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Delimiter and line ending of a job's body.
fn format(body: &Value) -> Result<(&'static str, bool), Reply> {
    let get = |key: &str, default: &'static str| {
        body.get(key)
            .and_then(Value::as_str)
            .unwrap_or(default)
            .to_owned()
    };
    let wanted = get("columnDelimiter", "COMMA");
    let delimiter = DELIMITERS
        .iter()
        .find(|(name, _)| *name == wanted)
        .map(|(name, _)| *name);
    let ending = get("lineEnding", "LF");
    match (delimiter, ending.as_str()) {
        (Some(delimiter), "LF") => Ok((delimiter, false)),
        (Some(delimiter), "CRLF") => Ok((delimiter, true)),
        (None, _) => Err(invalid(&format!("columnDelimiter '{wanted}' is not supported"))),
        _ => Err(invalid(&format!("lineEnding '{ending}' is not supported"))),
    }
}

fn invalid(message: &str) -> Reply {
    Reply::error(400, "INVALIDJOB", message)
}

/// Makes a job known.
fn register(api: &Api<'_>, mut make: Job) -> Job {
    make.id = api.org.serial_id("750");
    make.user = api.session.user.clone();
    make.access = api.session.access.clone();
    make.created = api.org.now();
    make.born = Some(api.org.time());
    make.stamp = make.created.clone();
    make.version = api.version;
    api.org.tally(|c| c.bulk_jobs += 1);
    lock(&api.org.jobs).insert(make.id.clone(), make.clone());
    api.org.changes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    make
}

/// A job without its identity.
fn blank(operation: &str, object: usize, object_name: &str, format: (&'static str, bool), work: Work) -> Job {
    Job {
        id: String::new(),
        operation: operation.to_owned(),
        object,
        object_name: object_name.to_owned(),
        user: Cell::default(),
        access: Access::All,
        created: Cell::default(),
        born: None,
        stamp: Cell::default(),
        state: State::Open,
        version: 0,
        delimiter: format.0,
        crlf: format.1,
        work,
        processed: 0,
        failed: 0,
        retries: 0,
        millis: 0,
        error: None,
        worked: false,
        files: None,
    }
}

/// How often a job that hangs looks whether it may go on.
const HANG: std::time::Duration = std::time::Duration::from_millis(20);

/// What the job of a path is about.
pub(super) fn object_of(org: &Org, path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/jobs/")?;
    let id = crate::record::id18(rest.split('/').nth(1)?);
    Some(lock(&org.jobs).get(id.as_str())?.object_name.clone())
}

/// Works on a job in the background, with the delays that the org file asks for.
fn start(org: &Arc<Org>, id: &str, work: impl FnOnce(&Org, &Job) -> Result<Files, String> + Send + 'static) {
    let org = org.clone();
    let id = id.to_owned();
    tokio::runtime::Handle::current().spawn(async move {
        let delay = org.bulk.delay.get();
        tokio::time::sleep(delay).await;
        let mut begun = None;
        change(&org, &id, |job| {
            if job.state == State::UploadComplete {
                job.state = State::InProgress;
                begun = Some(job.clone());
            }
        });
        let Some(job) = begun else {
            return;
        };
        let retries = org.faults.retries_of_job(&job.object_name);
        if org.faults.aborts_job(&job.object_name) {
            change(&org, &id, |job| job.state = State::Aborted);
            return;
        }
        if let Some(fault) = org.faults.hangs_job(&job.object_name) {
            let waits = || {
                lock(&org.jobs)
                    .get(&id)
                    .is_some_and(|job| job.state == State::InProgress)
            };
            while org.faults.holds(fault) && waits() {
                tokio::time::sleep(HANG).await;
            }
        }
        let started = std::time::Instant::now();
        let inner = org.clone();
        // Whoever writes the org down waits until the rows are done, and finds them done once.
        let at_work = org.at_work.clone().read_owned().await;
        let done = tokio::task::spawn_blocking(move || work(&inner, &job)).await;
        change(&org, &id, |job| {
            if job.state != State::InProgress {
                return;
            }
            job.worked = true;
            job.retries = retries;
            match done {
                Ok(Ok(files)) => {
                    // All of the upload that anybody may still ask for is in the files.
                    if let Work::Ingest { content, .. } = &mut job.work {
                        *content = None;
                    }
                    job.files = Some(files);
                }
                Ok(Err(message)) => job.error = Some(message),
                Err(_) => job.error = Some("InternalServerError : the job stopped".to_owned()),
            }
        });
        drop(at_work);
        tokio::time::sleep(delay).await;
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        change(&org, &id, |job| {
            if job.state == State::InProgress {
                job.millis = millis;
                job.tell();
            }
        });
    });
}

/// `PATCH` with a state, `DELETE`, and the list: alike for both kinds of job.
fn patch_state(api: &Api<'_>, id: &str, query: bool, close: impl FnOnce(&Job) -> Result<(), Reply>) -> Reply {
    let body = match api.json() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let found = match own_job(api, id, query) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let state = body.get("state").and_then(Value::as_str).unwrap_or_default();
    let wrong = |verb: &str| {
        Reply::error(
            400,
            "INVALIDJOBSTATE",
            &format!("{verb} already Completed Job not allowed"),
        )
    };
    match state {
        "Aborted" if found.state.terminal() => wrong("Aborting"),
        "Aborted" => {
            change(api.org, &found.id, |job| job.state = State::Aborted);
            answer_short(api, &found.id, query)
        }
        "UploadComplete" if !query => {
            if found.state != State::Open {
                return wrong("Closing");
            }
            if let Err(reply) = close(&found) {
                return reply;
            }
            answer_short(api, &found.id, query)
        }
        _ => Reply::error(400, "INVALIDJOBSTATE", &format!("Invalid state: {state}")),
    }
}

fn answer_short(api: &Api<'_>, id: &str, query: bool) -> Reply {
    match own_job(api, id, query) {
        Ok(job) => Reply::json(200, &job.json(true, false)),
        Err(reply) => reply,
    }
}

fn remove(api: &Api<'_>, id: &str, query: bool) -> Reply {
    match own_job(api, id, query) {
        Err(reply) => reply,
        Ok(job) if job.state.terminal() || job.state == State::UploadComplete && !query => {
            lock(&api.org.jobs).remove(&job.id);
            Reply::empty(204)
        }
        Ok(_) => Reply::error(
            400,
            "API_ERROR",
            "Error encountered when deleting the job because the job is not terminated",
        ),
    }
}

/// The most jobs of a page of the list.
const PAGE: usize = 1_000;

fn list(api: &Api<'_>, query: bool) -> Reply {
    forget_old(api.org);
    let get = |name: &str| {
        api.call
            .query
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let (word, kind) = if query {
        ("query", "V2Query")
    } else {
        ("ingest", "V2Ingest")
    };
    let mut jobs: Vec<Job> = lock(&api.org.jobs)
        .values()
        .filter(|j| j.is_query() == query && knows(api, &j.user))
        .cloned()
        .collect();
    // Splitting by primary key and serial work are told of jobs of version 1.0 only, which are not listed here.
    if get("isPkChunkingEnabled") == Some("true")
        || get("jobType").is_some_and(|wanted| wanted != kind)
        || get("concurrencyMode").is_some_and(|wanted| wanted.eq_ignore_ascii_case("serial"))
    {
        jobs.clear();
    }
    jobs.sort_by(|a, b| b.id.cmp(&a.id));
    if let Some(locator) = get("queryLocator").filter(|locator| !locator.is_empty()) {
        if locator.len() != 18 || !locator.starts_with("750") {
            return Reply::error(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
        }
        // The last one of the page before.
        jobs.retain(|job| job.id.as_str() < locator);
    }
    let more = jobs.len() > PAGE;
    jobs.truncate(PAGE);
    let next = jobs
        .last()
        .filter(|_| more)
        .map(|last| format!("{}/jobs/{word}?queryLocator={}", api.base(), last.id));
    let records: Vec<Value> = jobs
        .iter()
        .map(|job| {
            let mut entry = job.json(false, true);
            if let Some(map) = entry.as_object_mut() {
                map.retain(|key, _| !COUNTED.contains(&key.as_str()));
            }
            entry
        })
        .collect();
    Reply::json(
        200,
        &json!({"done": !more, "records": records, "nextRecordsUrl": next}),
    )
}

/// What the list does not tell of a job.
const COUNTED: &[&str] = &[
    "numberRecordsProcessed",
    "numberRecordsFailed",
    "retries",
    "totalProcessingTime",
    "apiActiveProcessingTime",
    "apexProcessingTime",
    "isPkChunkingSupported",
    "errorMessage",
];
