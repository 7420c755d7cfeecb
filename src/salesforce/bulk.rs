//! Bulk API 2.0: jobs that read and write many rows (protocol reference: Bulk 2.0 ingest, Bulk 2.0 query).

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use bytes::Bytes;
use compact_str::CompactString;
use serde_json::Value as Json;

use super::{
    Client, ClientError, FieldType, IngestJob, JobInfo, JobKind, JobState, Poll, RowError,
    caller::{Call, Target, broke_off, worth_another},
    canonical,
    client::JSON,
    csv_in::{CsvRows, Header, column},
    csv_records::Record,
    job::query_body,
};
use crate::{
    http::{Body, HeaderName, HeaderValue, Method},
    record::{FieldPath, Row, Value, id18},
};

/// Which rows of an ingest job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestRows {
    /// Those that were written.
    Successful,
    /// Those that were refused.
    Failed,
    /// Those that the job did not come to.
    Unprocessed,
}

/// One row of an ingest job's results. They come in any order: what tells rows apart is the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestRow {
    /// The key columns' texts, as the org writes them. Use columns of text: numbers and dates are written anew.
    pub key: Vec<CompactString>,
    /// The record's Id, 18 characters.
    pub id: Option<CompactString>,
    /// Whether the record is new; only of rows that were written.
    pub created: Option<bool>,
    /// Why the row was refused; only of those.
    pub error: Option<RowError>,
}

/// Rows of a job's CSV, page by page. A page that breaks off is asked for again, and what had come of it is left out.
pub struct BulkRows<T> {
    client: Client,
    path: String,
    header: Header<T>,
    max_records: Option<u32>,
    locator: Option<String>,
    page: Option<Page<T>>,
    /// Rows of the current page that have been handed over.
    of_page: u64,
    total: u64,
    attempt: u32,
    done: bool,
    /// Pages that were asked for, as hashes: one that leads back would never end.
    seen: HashSet<u64>,
}

struct Page<T> {
    rows: CsvRows<T>,
    next: Option<String>,
    announced: Option<u64>,
    call: String,
}

impl Client {
    /// Creates a query job. `all` includes deleted and archived rows.
    ///
    /// # Errors
    /// What the org says; bad SOQL at once.
    pub async fn bulk_query(&self, soql: &str, all: bool) -> Result<JobInfo, ClientError> {
        self.create_job(JobKind::Query, query_body(soql, all)).await
    }

    /// Creates an ingest job, open for its data.
    ///
    /// # Errors
    /// What the org says.
    pub async fn bulk_ingest(&self, job: &IngestJob) -> Result<JobInfo, ClientError> {
        self.create_job(JobKind::Ingest, job.body()).await
    }

    /// Hands an open job its data, once and for all. They are not packed: the documents of Bulk 2.0 know that of answers
    /// only.
    ///
    /// # Errors
    /// [`ClientError::OutcomeUnknown`] when the data may have arrived: abort the job and make another. Nothing is
    /// written before the job is closed.
    pub async fn bulk_upload(&self, job: &JobInfo, data: Bytes) -> Result<(), ClientError> {
        let path = match &job.content_url {
            Some(url) => super::query::page_path(url),
            None => self.path(&format!("/jobs/ingest/{}/batches", job.id)),
        };
        let mut call = Call::new(Method::PUT, Target::Api(path, Vec::new()));
        // A second upload is refused, whether the first one was whole or not.
        call.idempotent = false;
        call.finishes = true;
        call.body = Body::Bytes("text/csv", data);
        self.caller.send(&call).await.map(|_| ())
    }

    /// Says that an ingest job has its data and may begin.
    ///
    /// # Errors
    /// What the org says.
    pub async fn bulk_close(&self, job: &str) -> Result<JobInfo, ClientError> {
        match self
            .set_state(JobKind::Ingest, job, JobState::UploadComplete)
            .await
        {
            // The answer to an earlier attempt was lost: the job is closed already.
            Err(ClientError::Api(error)) if error.code == "INVALIDJOBSTATE" => {
                let info = self.bulk_job(JobKind::Ingest, job).await?;
                match info.state {
                    JobState::Open | JobState::Aborted => Err(ClientError::Api(error)),
                    _ => Ok(info),
                }
            }
            other => other,
        }
    }

    /// How a job stands.
    ///
    /// # Errors
    /// What the org says.
    pub async fn bulk_job(&self, kind: JobKind, job: &str) -> Result<JobInfo, ClientError> {
        let mut call = Call::get(self.path(&format!("{}/{job}", kind.path())));
        // What is read may be read another day; what is written has to be known.
        call.finishes = kind == JobKind::Ingest;
        self.caller
            .send(&call)
            .await?
            .parse(|body| serde_json::from_slice(body))
    }

    /// Waits until a job has ended, however it ended; `look` sees each answer on the way.
    ///
    /// # Errors
    /// What the org says. A job that failed is an answer, not an error.
    pub async fn bulk_wait(
        &self,
        kind: JobKind,
        job: &str,
        poll: Poll,
        mut look: impl FnMut(&JobInfo),
    ) -> Result<JobInfo, ClientError> {
        let mut waits = poll.waits();
        loop {
            tokio::time::sleep(waits.next().unwrap_or(Poll::SOON.longest)).await;
            let info = self.bulk_job(kind, job).await?;
            look(&info);
            if info.state.is_final() {
                return Ok(info);
            }
        }
    }

    /// Ends a job that nobody wants any more.
    ///
    /// # Errors
    /// What the org says: a job that has ended cannot be aborted.
    pub async fn bulk_abort(&self, kind: JobKind, job: &str) -> Result<JobInfo, ClientError> {
        self.set_state(kind, job, JobState::Aborted).await
    }

    /// Removes a job that has ended, with its results.
    ///
    /// # Errors
    /// What the org says.
    pub async fn bulk_delete(&self, kind: JobKind, job: &str) -> Result<(), ClientError> {
        let path = self.path(&format!("{}/{job}", kind.path()));
        let mut call = Call::new(Method::DELETE, Target::Api(path, Vec::new()));
        call.finishes = true;
        match self.caller.send(&call).await {
            // An earlier attempt did it.
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The rows of a query job that is complete: the values of `columns` in canonical form by `types`, from the page
    /// at `locator` on (`None`: from the first), `max_records` a page.
    pub fn bulk_rows(
        &self,
        job: &str,
        columns: Arc<[FieldPath]>,
        types: Arc<[FieldType]>,
        locator: Option<String>,
        max_records: Option<u32>,
    ) -> BulkRows<Row> {
        let header: Header<Row> = Arc::new(move |header| {
            let places: Vec<(usize, FieldType)> = columns
                .iter()
                .enumerate()
                .map(|(at, path)| {
                    let place =
                        column(header, path.as_str()).ok_or_else(|| format!("it has no column `{path}`"))?;
                    Ok((place, types.get(at).copied().unwrap_or_default()))
                })
                .collect::<Result<_, String>>()?;
            Ok(Box::new(move |record: Record<'_>| -> Row {
                places
                    .iter()
                    .map(|(place, kind)| {
                        record
                            .get(*place)
                            .map_or(Value::Null, |text| canonical::cell(text, *kind))
                    })
                    .collect()
            }))
        });
        BulkRows::new(
            self.clone(),
            self.path(&format!("/jobs/query/{job}/results")),
            header,
            locator,
            max_records,
        )
    }

    /// The result rows of an ingest job; `keys` name the uploaded columns that together tell rows apart.
    pub fn bulk_results(&self, job: &str, rows: IngestRows, keys: &[&str]) -> BulkRows<IngestRow> {
        let file = match rows {
            IngestRows::Successful => "successfulResults",
            IngestRows::Failed => "failedResults",
            IngestRows::Unprocessed => "unprocessedrecords",
        };
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let header: Header<IngestRow> = Arc::new(move |header| {
            let keys: Vec<usize> = keys
                .iter()
                .map(|key| column(header, key).ok_or_else(|| format!("it has no column `{key}`")))
                .collect::<Result<_, String>>()?;
            let id = column(header, "sf__Id");
            let created = column(header, "sf__Created");
            let error = column(header, "sf__Error");
            Ok(Box::new(move |record: Record<'_>| {
                let cell =
                    |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|text| !text.is_empty());
                IngestRow {
                    key: keys
                        .iter()
                        .map(|key| cell(Some(*key)).unwrap_or_default().into())
                        .collect(),
                    id: cell(id).map(id18),
                    created: cell(created).map(|text| text.eq_ignore_ascii_case("true")),
                    error: cell(error).map(RowError::from_bulk),
                }
            }))
        });
        let path = self.path(&format!("/jobs/ingest/{job}/{file}"));
        BulkRows::new(self.clone(), path, header, None, None)
    }

    async fn create_job(&self, kind: JobKind, body: Json) -> Result<JobInfo, ClientError> {
        let mut call = Call::new(Method::POST, Target::Api(self.path(kind.path()), Vec::new()));
        // A job too many does nothing: an open one without data ends by itself, a query changes nothing.
        call.idempotent = true;
        call.body = Body::Bytes(JSON, body.to_string().into());
        self.caller
            .send(&call)
            .await?
            .parse(|body| serde_json::from_slice(body))
    }

    async fn set_state(&self, kind: JobKind, job: &str, state: JobState) -> Result<JobInfo, ClientError> {
        let path = self.path(&format!("{}/{job}", kind.path()));
        let mut call = Call::new(Method::PATCH, Target::Api(path, Vec::new()));
        call.idempotent = true;
        call.finishes = true;
        let body = serde_json::json!({ "state": state });
        call.body = Body::Bytes(JSON, body.to_string().into());
        self.caller
            .send(&call)
            .await?
            .parse(|body| serde_json::from_slice(body))
    }
}

impl<T: Send + 'static> BulkRows<T> {
    fn new(
        client: Client,
        path: String,
        header: Header<T>,
        locator: Option<String>,
        max_records: Option<u32>,
    ) -> Self {
        BulkRows {
            client,
            path,
            header,
            max_records,
            locator,
            page: None,
            of_page: 0,
            total: 0,
            attempt: 1,
            done: false,
            seen: HashSet::new(),
        }
    }

    /// Some rows; `None` after the last page's last.
    ///
    /// # Errors
    /// What the org says, or a page that breaks off again and again.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, ClientError> {
        while !self.done {
            match self.step().await {
                Ok(Some(rows)) => return Ok(Some(rows)),
                Ok(None) => {}
                Err(error) => {
                    // Calls that got no answer have been repeated already; here it is the page that broke off.
                    let broke_off = self.page.take().is_some() && worth_another(&error);
                    if !broke_off || !self.client.caller.retry().again(self.attempt, &error).await {
                        self.done = true;
                        return Err(error);
                    }
                    self.attempt += 1;
                }
            }
        }
        Ok(None)
    }

    /// Rows handed over so far.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The page that is being read; `None` is the first. A later reading can start here.
    pub fn locator(&self) -> Option<&str> {
        self.locator.as_deref()
    }

    async fn step(&mut self) -> Result<Option<Vec<T>>, ClientError> {
        let page = match &mut self.page {
            Some(page) => page,
            none => none.insert(
                open(
                    &self.client,
                    &self.path,
                    &self.header,
                    &self.locator,
                    self.max_records,
                    self.of_page,
                )
                .await?,
            ),
        };
        if let Some(rows) = page.rows.next().await? {
            let count = rows.len() as u64;
            self.of_page += count;
            self.total += count;
            self.attempt = 1;
            return Ok(Some(rows));
        }
        if let Some(announced) = page.announced
            && announced != self.of_page
        {
            let detail = format!("{} rows, where {announced} were announced", self.of_page);
            return Err(broke_off(&page.call, detail));
        }
        if let Some(next) = &page.next {
            let mut hasher = DefaultHasher::new();
            next.hash(&mut hasher);
            if self.locator.as_ref() == Some(next) || !self.seen.insert(hasher.finish()) {
                return Err(ClientError::NotUnderstood {
                    call: page.call.clone(),
                    detail: "its locator leads back to an earlier page, so that it would never end".into(),
                    request_id: None,
                });
            }
        }
        self.locator = page.next.take();
        self.done = self.locator.is_none();
        self.page = None;
        self.of_page = 0;
        Ok(None)
    }
}

async fn open<T: Send + 'static>(
    client: &Client,
    path: &str,
    header: &Header<T>,
    locator: &Option<String>,
    max_records: Option<u32>,
    skip: u64,
) -> Result<Page<T>, ClientError> {
    let mut query = Vec::new();
    if let Some(locator) = locator {
        query.push(("locator", locator.clone()));
    }
    if let Some(max) = max_records {
        query.push(("maxRecords", max.to_string()));
    }
    let mut call = Call::new(Method::GET, Target::Api(path.to_owned(), query));
    call.finishes = path.contains(JobKind::Ingest.path());
    call.headers.insert(
        HeaderName::from_static("accept"),
        HeaderValue::from_static("text/csv"),
    );
    let mut good = client.caller.open(&call).await?;
    if good
        .header("content-type")
        .is_some_and(|kind| kind.contains("html"))
    {
        return Err(good.not_understood("a web page instead of CSV"));
    }
    // The last page says so by the text `null`, by nothing, or by no header at all.
    let next = good
        .header("sforce-locator")
        .filter(|l| !l.is_empty() && *l != "null")
        .map(str::to_owned);
    let announced = good
        .header("sforce-numberofrecords")
        .and_then(|n| n.trim().parse().ok());
    let body = good
        .stream
        .take()
        .ok_or_else(|| good.not_understood("the body is read already"))?;
    Ok(Page {
        rows: CsvRows::start(body, good.call.clone(), header.clone(), skip),
        next,
        announced,
        call: good.call,
    })
}
