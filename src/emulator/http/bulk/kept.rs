//! Jobs as bytes, for the file that keeps an org: an org that is started again knows its jobs, and goes on with them.
//!
//! Of each job a line of JSON, then its upload and its results. Jobs of version 1.0 are not kept.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Files, Job, State, Work, change, format, ingest, query, start};
use crate::emulator::{
    faults::lock,
    http::Org,
    store::{
        Cell, Op, StateFault, parse_datetime,
        state::{number, read_bytes, read_number, read_text, text},
    },
};

/// The most bytes of finished jobs: older ones are forgotten, as an org forgets them after a week.
const MOST: usize = 256 * 1024 * 1024;

/// What a job's line tells.
#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    operation: String,
    object: String,
    user: String,
    created: String,
    stamp: String,
    state: String,
    version: u32,
    delimiter: String,
    crlf: bool,
    /// The field of an upsert.
    key: Option<String>,
    /// The query, and whether it sees deleted records.
    soql: Option<String>,
    with_deleted: bool,
    processed: u64,
    failed: u64,
    retries: u64,
    millis: u64,
    error: Option<String>,
    worked: bool,
    /// Whether the upload follows, and how many files.
    content: bool,
    files: usize,
}

impl Line {
    fn of(job: &Job) -> Self {
        let (key, soql, with_deleted, content) = match &job.work {
            Work::Ingest { key, content, .. } => (key.clone(), None, false, content.is_some()),
            Work::Query { soql, with_deleted } => (None, Some(soql.clone()), *with_deleted, false),
        };
        Line {
            id: job.id.clone(),
            operation: job.operation.clone(),
            object: job.object_name.clone(),
            user: job.user.to_string(),
            created: job.created.to_string(),
            stamp: job.stamp.to_string(),
            state: job.state.name().to_owned(),
            version: job.version,
            delimiter: job.delimiter.to_owned(),
            crlf: job.crlf,
            key,
            soql,
            with_deleted,
            processed: job.processed,
            failed: job.failed,
            retries: job.retries,
            millis: job.millis,
            error: job.error.clone(),
            worked: job.worked,
            content,
            files: job.files.as_ref().map_or(0, |_| 3),
        }
    }

    /// The job, as far as the org still has its object and its field.
    fn job(self, org: &Org, content: Option<Bytes>, files: Option<Files>) -> Option<Job> {
        let (object, op) = {
            let store = org.read();
            let object = store.schema.object(&self.object)?;
            let op = match (self.operation.as_str(), &self.key) {
                ("insert", _) => Op::Insert,
                ("update", _) => Op::Update,
                ("delete", _) => Op::Delete,
                ("hardDelete", _) => Op::HardDelete,
                ("upsert", Some(key)) => Op::Upsert(store.schema.objects[object].field(key)?),
                _ => Op::Insert,
            };
            (object, op)
        };
        let shape = serde_json::json!({
            "columnDelimiter": self.delimiter,
            "lineEnding": if self.crlf { "CRLF" } else { "LF" },
        });
        let (delimiter, crlf) = format(&shape).ok()?;
        let state = match self.state.as_str() {
            "Open" => State::Open,
            "JobComplete" => State::JobComplete,
            "Failed" => State::Failed,
            "Aborted" => State::Aborted,
            _ => State::InProgress,
        };
        let work = match self.soql {
            Some(soql) => Work::Query {
                soql,
                with_deleted: self.with_deleted,
            },
            None => Work::Ingest {
                op,
                key: self.key,
                content,
            },
        };
        Some(Job {
            access: org.access_of(&self.user),
            id: self.id,
            operation: self.operation,
            object,
            object_name: self.object,
            user: Cell::new(self.user),
            born: parse_datetime(&self.created).and_then(|at| at.parse().ok()),
            created: Cell::new(self.created),
            stamp: Cell::new(self.stamp),
            state,
            version: self.version,
            delimiter,
            crlf,
            work,
            processed: self.processed,
            failed: self.failed,
            retries: self.retries,
            millis: self.millis,
            error: self.error,
            worked: self.worked,
            files,
        })
    }
}

impl Job {
    /// The bytes that it holds.
    fn weight(&self) -> usize {
        let upload = match &self.work {
            Work::Ingest {
                content: Some(content),
                ..
            } => content.len(),
            _ => 0,
        };
        upload
            + match &self.files {
                Some(Files::Ingest {
                    successful,
                    failed,
                    unprocessed,
                }) => successful.len() + failed.len() + unprocessed.len(),
                Some(Files::Query { header, body, ends }) => header.len() + body.len() + ends.len() * 8,
                None => 0,
            }
    }
}

/// Writes the jobs: those that are under way, and the newest of those that have ended.
pub(crate) fn save(org: &Org, out: &mut impl Write) -> std::io::Result<()> {
    let mut jobs: Vec<Job> = lock(&org.jobs).values().cloned().collect();
    jobs.sort_by(|a, b| b.id.cmp(&a.id));
    let mut left = MOST;
    jobs.retain(|job| {
        let fits = left.checked_sub(job.weight());
        if let Some(rest) = fits.filter(|_| job.state.terminal()) {
            left = rest;
        }
        fits.is_some() || !job.state.terminal()
    });
    number(out, jobs.len())?;
    for job in &jobs {
        text(out, &serde_json::to_string(&Line::of(job))?)?;
        let mut piece = |bytes: &[u8]| -> std::io::Result<()> {
            number(out, bytes.len())?;
            out.write_all(bytes)
        };
        if let Work::Ingest {
            content: Some(content),
            ..
        } = &job.work
        {
            piece(content)?;
        }
        match &job.files {
            Some(Files::Ingest {
                successful,
                failed,
                unprocessed,
            }) => {
                for file in [successful, failed, unprocessed] {
                    piece(file)?;
                }
            }
            Some(Files::Query { header, body, ends }) => {
                piece(header)?;
                piece(body)?;
                let ends: Vec<u8> = ends.iter().flat_map(|end| (*end as u64).to_le_bytes()).collect();
                piece(&ends)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Reads the jobs that were kept. Jobs of objects that the org has no more are left out.
pub(crate) fn restore(org: &Org, input: &mut impl Read) -> Result<(), StateFault> {
    for _ in 0..read_number(input)? {
        let line: Line = serde_json::from_str(&read_text(input)?).map_err(|_| StateFault::Damaged)?;
        let mut piece = || -> Result<Bytes, StateFault> {
            let size = read_number(input)?;
            Ok(Bytes::from(read_bytes(input, size)?))
        };
        let content = line.content.then(&mut piece).transpose()?;
        let files = match line.files {
            0 => None,
            _ => {
                let (first, second, third) = (piece()?, piece()?, piece()?);
                Some(match line.soql.is_some() {
                    true => Files::Query {
                        header: first,
                        body: second,
                        ends: Arc::new(ends(&third)),
                    },
                    false => Files::Ingest {
                        successful: first,
                        failed: second,
                        unprocessed: third,
                    },
                })
            }
        };
        if let Some(job) = line.job(org, content, files) {
            lock(&org.jobs).insert(job.id.clone(), job);
        }
    }
    Ok(())
}

/// Where the rows of a query's results end.
fn ends(bytes: &[u8]) -> Vec<usize> {
    bytes
        .chunks_exact(8)
        .filter_map(|eight| eight.try_into().ok().map(u64::from_le_bytes))
        .filter_map(|end| usize::try_from(end).ok())
        .collect()
}

/// Goes on with the jobs that were under way when the org ended.
pub(crate) fn go_on(org: &Arc<Org>) {
    let under_way: Vec<Job> = lock(&org.jobs)
        .values()
        .filter(|job| job.state == State::InProgress)
        .cloned()
        .collect();
    for job in under_way {
        // What was done is not done again.
        if job.worked {
            change(org, &job.id, Job::tell);
            continue;
        }
        change(org, &job.id, |job| job.state = State::UploadComplete);
        let work = if job.is_query() {
            query::process
        } else {
            ingest::process
        };
        start(org, &job.id, work);
    }
}
