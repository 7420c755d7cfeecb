use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    super::{Files, HANG, Job, Work, blank, csv, ingest, load::load, query},
    Batch, BatchJob, BatchState, Format, JobState, Problem, Results, Task, job, records, render,
};
use crate::emulator::{
    faults::lock,
    http::{Api, Org, Reply},
    soql::run,
};

const MOST_BYTES: usize = 10_000_000;
const MOST_RECORDS: usize = 10_000;

/// `POST job/{id}/batch`.
pub(super) fn add(api: &Api<'_>, id: &str) -> Result<Reply, Problem> {
    let found = job(api, id)?;
    if !api.org.limits.batches_left(api.org.time()) {
        return Err(("ExceededQuota", "ApiBatchItems Limit exceeded.".to_owned()));
    }
    if found.state != JobState::Open {
        return Err((
            "InvalidJobState",
            "Unable to add a batch to a job that is not open".to_owned(),
        ));
    }
    let request = api.call.body.clone();
    if request.len() > MOST_BYTES {
        return Err((
            "ClientInputError",
            "Request size exceeds the 10 MB of a batch".to_owned(),
        ));
    }
    let ranges = match found.chunk {
        None => Vec::new(),
        Some(size) => {
            let rows = api.read().tables[found.object].len().max(1);
            (0..rows)
                .step_by(size as usize)
                .map(|from| from..from.saturating_add(size))
                .collect()
        }
    };
    let mut first = blank_batch(api, request.clone());
    // A query that is split by primary key leaves its own batch alone, and each part gets one.
    if !ranges.is_empty() {
        first.state = BatchState::NotProcessed;
    }
    let parts: Vec<(Batch, Option<Range<u32>>)> = ranges
        .into_iter()
        .map(|range| (blank_batch(api, request.clone()), Some(range)))
        .collect();
    let reply = render::batch(api, 201, &found, &first);
    let mut queued: Vec<(String, Option<Range<u32>>)> = parts
        .iter()
        .map(|(batch, range)| (batch.id.clone(), range.clone()))
        .collect();
    if queued.is_empty() {
        queued.push((first.id.clone(), None));
    }
    if let Some(job) = lock(&api.org.batch_jobs).get_mut(&found.id) {
        job.batches.push(first);
        job.batches.extend(parts.into_iter().map(|(batch, _)| batch));
    }
    for (batch, range) in queued {
        start(api.org, &found.id, batch, range);
    }
    Ok(reply)
}

fn blank_batch(api: &Api<'_>, request: Bytes) -> Batch {
    let now = api.org.now();
    Batch {
        id: api.org.serial_id("751"),
        state: BatchState::Queued,
        message: None,
        created: now.clone(),
        stamp: now,
        processed: 0,
        failed: 0,
        millis: 0,
        request,
        results: Results::None,
    }
}

/// Works on a batch in the background.
fn start(org: &Arc<Org>, job: &str, batch: String, range: Option<Range<u32>>) {
    let org = org.clone();
    let job = job.to_owned();
    tokio::runtime::Handle::current().spawn(async move {
        let delay = org.bulk.delay.get();
        tokio::time::sleep(delay).await;
        let mut begun = None;
        change(&org, &job, &batch, |job, at| {
            if job.batches[at].state == BatchState::Queued {
                job.batches[at].state = BatchState::InProgress;
                begun = Some((job.clone(), job.batches[at].request.clone()));
            }
        });
        let Some((found, request)) = begun else {
            return;
        };
        let stopped = if org.faults.aborts_job(&found.object_name) {
            if let Some(job) = lock(&org.batch_jobs).get_mut(&job) {
                job.state = JobState::Aborted;
            }
            true
        } else {
            hangs(&org, &found).await
        };
        if stopped {
            change(&org, &job, &batch, |job, at| {
                job.batches[at].state = BatchState::NotProcessed;
            });
            return;
        }
        let started = std::time::Instant::now();
        let inner = org.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner, &found, &request, range)).await;
        tokio::time::sleep(delay).await;
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        change(&org, &job, &batch, |job, at| {
            let batch = &mut job.batches[at];
            batch.millis = millis;
            match done {
                Ok(Ok(worked)) => {
                    batch.state = BatchState::Completed;
                    batch.processed = worked.processed;
                    batch.failed = worked.failed;
                    batch.results = worked.results;
                }
                Ok(Err(message)) => {
                    batch.state = BatchState::Failed;
                    batch.message = Some(message);
                }
                Err(_) => {
                    batch.state = BatchState::Failed;
                    batch.message = Some("InternalServerError : the batch stopped".to_owned());
                }
            }
        });
    });
}

/// Waits as long as a fault holds the job; whether somebody aborted it meanwhile.
async fn hangs(org: &Org, found: &BatchJob) -> bool {
    let Some(fault) = org.faults.hangs_job(&found.object_name) else {
        return false;
    };
    let aborted = || {
        lock(&org.batch_jobs)
            .get(&found.id)
            .is_none_or(|job| job.state == JobState::Aborted)
    };
    while org.faults.holds(fault) && !aborted() {
        tokio::time::sleep(HANG).await;
    }
    aborted()
}

/// Changes a batch that is still there.
fn change(org: &Org, job: &str, batch: &str, change: impl FnOnce(&mut BatchJob, usize)) {
    let now = org.now();
    if let Some(job) = lock(&org.batch_jobs).get_mut(job)
        && let Some(at) = job.batches.iter().position(|b| b.id == batch)
    {
        change(job, at);
        job.batches[at].stamp = now.clone();
        job.stamp = now;
    }
}

struct Worked {
    processed: u64,
    failed: u64,
    results: Results,
}

/// The job as version 2.0 knows it, for the code that both share.
fn as_job(found: &BatchJob, work: Work) -> Job {
    let mut job = blank(
        &found.operation,
        found.object,
        &found.object_name,
        ("COMMA", false),
        work,
    );
    job.user = found.user.clone();
    job.access = found.access.clone();
    job.version = found.version;
    job
}

fn work(org: &Org, found: &BatchJob, request: &Bytes, range: Option<Range<u32>>) -> Result<Worked, String> {
    match found.task {
        Task::Query { with_deleted } => {
            let soql = String::from_utf8_lossy(request).trim().to_owned();
            let job = as_job(
                found,
                Work::Query {
                    soql: soql.clone(),
                    with_deleted,
                },
            );
            if let Some(fault) = org.faults.for_job(&found.object_name, true) {
                return Err(fault.message);
            }
            org.limits.take_batches(org.time(), 1);
            let store = org.read();
            let plan = query::plan(org, &store, &job, &soql)?;
            if let Some(message) = query::refused(&plan) {
                return Err(format!("FeatureNotEnabled : {message}"));
            }
            let mut rows = run(&store, &plan, with_deleted);
            if let Some(range) = range {
                rows.retain(|row| range.contains(row));
            }
            let bytes = match found.format {
                Format::Csv => match query::table(&store, &job, &plan, &rows) {
                    Files::Query { header, body, .. } => Bytes::from([header, body].concat()),
                    Files::Ingest { .. } => Bytes::new(),
                },
                Format::Json => Bytes::from(records::as_json(&store, found, &plan, &rows).to_string()),
                Format::Xml => Bytes::from(records::as_xml(&store, found, &plan, &rows)),
            };
            Ok(Worked {
                processed: rows.len() as u64,
                failed: 0,
                results: Results::Files(vec![(org.serial_id("752"), bytes)]),
            })
        }
        Task::Ingest(op) => {
            let text = ingest::text(request)?;
            let csv = match found.format {
                Format::Csv => text.to_owned(),
                Format::Json => records::from_json(text)?,
                Format::Xml => records::from_xml(text)?,
            };
            let rows = count(&csv);
            if rows > MOST_RECORDS {
                return Err(format!(
                    "ClientInputError : Number of records in the batch, {rows}, exceeds the {MOST_RECORDS} that are allowed"
                ));
            }
            let job = as_job(
                found,
                Work::Ingest {
                    op,
                    key: found.key.clone(),
                    content: None,
                },
            );
            let fault = org.faults.for_job(&found.object_name, false);
            let mut outcomes = Vec::with_capacity(rows);
            let loaded = load(
                org,
                &job,
                &csv,
                fault.as_ref().map(|fault| fault.after_rows),
                |batch| {
                    outcomes.extend(batch.outcomes);
                },
            )?;
            if let Some(message) = loaded.broken.or(fault.map(|fault| fault.message)) {
                return Err(message);
            }
            Ok(Worked {
                processed: outcomes.len() as u64,
                failed: outcomes.iter().filter(|o| o.is_err()).count() as u64,
                results: Results::Rows(render::rows(found.format, &outcomes)),
            })
        }
    }
}

fn count(data: &str) -> usize {
    let mut cells = Vec::new();
    let (mut at, mut rows) = (0, 0);
    while let Some(next) = csv::read(data, at, b',', &mut cells) {
        at = next;
        rows += 1;
    }
    rows.max(1) - 1
}

fn batch(found: &BatchJob, id: &str) -> Result<Batch, Problem> {
    let id = crate::record::id18(id);
    found
        .batches
        .iter()
        .find(|b| b.id == id.as_str())
        .cloned()
        .ok_or_else(|| ("InvalidBatch", format!("Unable to find batch: {id}")))
}

pub(super) fn list(api: &Api<'_>, id: &str) -> Result<Reply, Problem> {
    let found = job(api, id)?;
    Ok(render::batches(api, &found))
}

pub(super) fn info(api: &Api<'_>, id: &str, batch_id: &str) -> Result<Reply, Problem> {
    let found = job(api, id)?;
    let batch = batch(&found, batch_id)?;
    Ok(render::batch(api, 200, &found, &batch))
}

pub(super) fn request(api: &Api<'_>, id: &str, batch_id: &str) -> Result<Reply, Problem> {
    let found = job(api, id)?;
    let batch = batch(&found, batch_id)?;
    Ok(Reply::bytes(
        200,
        render::content_type(found.format),
        batch.request,
    ))
}

fn finished(found: &BatchJob, id: &str) -> Result<Batch, Problem> {
    let batch = batch(found, id)?;
    match batch.state {
        BatchState::Completed => Ok(batch),
        BatchState::Failed => Err(("InvalidBatch", batch.message.unwrap_or_default())),
        _ => Err(("InvalidBatch", "Batch not completed".to_owned())),
    }
}

pub(super) fn results(api: &Api<'_>, id: &str, batch_id: &str) -> Result<Reply, Problem> {
    let found = job(api, id)?;
    Ok(match finished(&found, batch_id)?.results {
        Results::Rows(bytes) => Reply::bytes(200, render::content_type(found.format), bytes),
        Results::Files(files) => render::file_list(api, &found, &files),
        Results::None => return Err(("InvalidBatch", "Batch not completed".to_owned())),
    })
}

pub(super) fn file(api: &Api<'_>, id: &str, batch_id: &str, file: &str) -> Result<Reply, Problem> {
    let found = job(api, id)?;
    let file = crate::record::id18(file);
    match finished(&found, batch_id)?.results {
        Results::Files(files) => files
            .into_iter()
            .find(|(id, _)| id == file.as_str())
            .map(|(_, bytes)| Reply::bytes(200, render::content_type(found.format), bytes))
            .ok_or_else(|| ("InvalidBatch", format!("Unable to find result: {file}"))),
        Results::Rows(_) | Results::None => Err(("InvalidBatch", "The batch is no query".to_owned())),
    }
}
