//! Bulk 2.0 ingest: one job a unit. Results come in any order and find their rows by a key that travels with them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use compact_str::CompactString;

use super::{
    Action, Plain, WriteRow,
    journal::{Journal, LoadError, Manifest},
    record::{by_id, header, in_header, joined},
    rest::row_error,
    travellers::Travellers,
    unit::{Answer, BULK_PARALLEL},
};
use crate::{
    pipeline::model,
    plan::Write,
    salesforce::{
        AssignmentRule, Cell, Client, ClientError, CsvWriter, IngestJob, IngestOperation, IngestRows,
        JobInfo, JobKind, JobState, LineEnding, NoCell, Poll, RowError,
    },
    state::UnitId,
};

/// How jobs are sent.
pub(super) struct Jobs<'s> {
    pub(super) client: &'s Client,
    pub(super) write: &'s Arc<Write>,
    pub(super) journal: &'s Journal,
    /// How often an upload is tried that breaks off.
    pub(super) attempts: u32,
    pub(super) pace: &'s Pace,
}

/// How long the last jobs took, with their rows: the next one of their size takes about as long.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<VecDeque<(usize, Duration)>>);

impl Pace {
    /// As many as there are side by side by default: of those that waited for each other one did not.
    const LAST: usize = BULK_PARALLEL;

    fn poll(&self, rows: usize) -> Poll {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What a job costs beside its rows is not known: of a smaller one the end is looked for as if that were nothing,
        // of a larger one as if it were all.
        let as_long = |(of, took): &(usize, Duration)| match rows < *of {
            true => took.mul_f64(rows as f64 / *of as f64),
            false => *took,
        };
        match last.iter().map(as_long).min() {
            Some(took) => Poll::expecting(took),
            None => Poll::SOON,
        }
    }

    fn learn(&self, rows: usize, took: Duration) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back((rows, took));
        if last.len() > Pace::LAST {
            last.pop_front();
        }
    }
}

impl Jobs<'_> {
    /// The file of a job of rows of one action, and what the journal has to know of them.
    pub(super) async fn file(
        &self,
        action: Action,
        crlf: bool,
        rows: &Arc<Vec<WriteRow>>,
    ) -> Result<(File, Manifest), LoadError> {
        let line_ending = if crlf { LineEnding::CrLf } else { LineEnding::Lf };
        Ok(written(self.write, action, line_ending, rows).await?)
    }

    /// Sends the file of rows of one action as one job, and waits for its end. `unit` is its place in the journal.
    ///
    /// # Errors
    /// When the org refuses the job, or does not answer; when the journal cannot be written. What the org says of single
    /// rows is no error.
    pub(super) async fn send(
        &self,
        action: Action,
        file: File,
        rows: usize,
        unit: UnitId,
    ) -> Result<Vec<Answer>, LoadError> {
        let Jobs { client, write, .. } = *self;
        let File {
            data,
            line_ending,
            mut answers,
            mut travellers,
        } = file;
        let operation = match (action, &write.key) {
            (Action::Delete, _) => IngestOperation::Delete,
            (Action::HardDelete, _) => IngestOperation::HardDelete,
            (Action::Update, _) | (_, None) => IngestOperation::Update,
            (Action::Insert, Some(_)) => IngestOperation::Insert,
            (Action::Upsert, Some(key)) => IngestOperation::Upsert { key: key.names() },
        };
        let job = IngestJob {
            object: write.object.clone(),
            operation,
            line_ending,
            assignment_rule: match &write.assignment_rule {
                // `Default` never comes here: a job knows rules by their Id only.
                model::AssignmentRule::None | model::AssignmentRule::Default => AssignmentRule::None,
                model::AssignmentRule::Id(id) => AssignmentRule::Id(id.as_str().into()),
            },
        };
        let started = self.start(&job, data.into(), unit).await?;
        let begun = Instant::now();
        let info = client
            .bulk_wait(JobKind::Ingest, &started.id, self.pace.poll(rows), |_| {})
            .await?;
        self.pace.learn(rows, begun.elapsed());
        let all = [
            IngestRows::Successful,
            IngestRows::Failed,
            IngestRows::Unprocessed,
        ];
        results(client, write, action, &info, &all, &mut travellers, &mut answers).await?;
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|| Answer::Refused(None, unnamed(&info))))
            .collect())
    }

    /// Creates a job, uploads its data and closes it. Its id is in the journal before the data go: of a job that nobody
    /// knows nothing is taken. An upload whose end is not known costs that job and a new one.
    async fn start(&self, job: &IngestJob, data: Bytes, unit: UnitId) -> Result<JobInfo, LoadError> {
        let client = self.client;
        let mut attempt = 1;
        loop {
            let open = client.bulk_ingest(job).await?;
            if let Err(error) = self.journal.job(unit, &open.id).await {
                give_up(client, &open.id).await;
                return Err(error.into());
            }
            match client.bulk_upload(&open, data.clone()).await {
                Ok(()) => match client.bulk_close(&open.id).await {
                    Ok(info) => return Ok(info),
                    Err(error) => {
                        give_up(client, &open.id).await;
                        return Err(error.into());
                    }
                },
                Err(error) => {
                    give_up(client, &open.id).await;
                    if !matches!(error, ClientError::OutcomeUnknown { .. }) || attempt >= self.attempts {
                        return Err(error.into());
                    }
                    attempt += 1;
                }
            }
        }
    }
}

/// Ends a job that did not get its data. A close that was lost may have arrived all the same: then the job stays.
async fn give_up(client: &Client, job: &str) {
    let ended = match client.bulk_job(JobKind::Ingest, job).await {
        Ok(info) if info.state == JobState::Open => client.bulk_abort(JobKind::Ingest, job).await.map(|_| ()),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    // Tidying up must not hide what happened.
    if let Err(error) = ended {
        tracing::warn!(job, %error, "an open job may be left behind: it does nothing, and ends by itself within a week");
    }
}

/// Fills in what a job's result files of some `kinds` say of its rows, which are found by what travelled with them.
///
/// # Errors
/// When the org does not give the files.
pub(super) async fn results(
    client: &Client,
    write: &Write,
    action: Action,
    info: &JobInfo,
    kinds: &[IngestRows],
    travellers: &mut Travellers,
    answers: &mut [Option<Answer>],
) -> Result<(), ClientError> {
    let keys = match (action, &write.key) {
        (Action::Insert | Action::Upsert, Some(key)) => key.fields.as_slice(),
        _ => &[],
    };
    let columns: Vec<&str> = match keys {
        [] => vec!["Id"],
        keys => keys.iter().map(|key| key.field.as_str()).collect(),
    };
    let exact: Vec<bool> = match keys {
        [] => vec![true],
        keys => keys.iter().map(|key| key.case_sensitive).collect(),
    };
    for kind in kinds {
        // Each result file is a call; of most jobs the first one tells of every row.
        if answers.iter().all(Option::is_some) {
            break;
        }
        let mut results = client.bulk_results(&info.id, *kind, &columns);
        while let Some(page) = results.next().await? {
            for result in page {
                let place = travellers.find(&came_back(&result.key, &exact));
                let Some(answer) = place.and_then(|at| answers.get_mut(at)) else {
                    tracing::warn!(job = %info.id, "a result names a key that was not sent");
                    continue;
                };
                *answer = Some(match (kind, result.id, result.error) {
                    (IngestRows::Successful, Some(id), _) => {
                        Answer::Written(id, result.created.unwrap_or(action == Action::Insert))
                    }
                    (IngestRows::Successful, None, _) => Answer::Refused(
                        None,
                        row_error("no_id", "the org reports success, and gives no Id for the record"),
                    ),
                    (IngestRows::Failed, id, Some(error)) => Answer::Refused(id, error),
                    (IngestRows::Failed, id, None) => {
                        Answer::Refused(id, row_error("no_reason", "the org gives no reason"))
                    }
                    (IngestRows::Unprocessed, ..) => Answer::Refused(None, unprocessed(info)),
                });
            }
        }
    }
    Ok(())
}

/// What is uploaded for rows.
pub(super) struct File {
    data: Vec<u8>,
    line_ending: LineEnding,
    /// Those of rows that cannot be in it.
    answers: Vec<Option<Answer>>,
    travellers: Travellers,
}

impl File {
    /// The answers, where no row can be in it.
    pub(super) fn refused(&self) -> Option<Vec<Answer>> {
        self.answers.iter().cloned().collect()
    }
}

async fn written(
    write: &Arc<Write>,
    action: Action,
    line_ending: LineEnding,
    rows: &Arc<Vec<WriteRow>>,
) -> Result<(File, Manifest), ClientError> {
    let (write, rows) = (Arc::clone(write), Arc::clone(rows));
    let work = tokio::task::spawn_blocking(move || {
        let columns = header(&write, action);
        let sent: Vec<bool> = write
            .fields
            .iter()
            .enumerate()
            .map(|(at, field)| in_header(&write, action, at, field))
            .collect();
        let mut csv = CsvWriter::new(columns.iter().map(String::as_str), line_ending);
        let mut answers = Vec::with_capacity(rows.len());
        let mut travellers = Vec::with_capacity(rows.len());
        let mut manifest = Manifest::default();
        // All that is wanted of a row is taken while it is at hand.
        for row in rows.iter() {
            let refused = csv.push(cells(row, &sent, action)).err();
            answers.push(refused.map(|(at, no)| Answer::Refused(None, too_much(&columns[at], no))));
            let traveller = row.traveller(&write);
            manifest.push(&row.source_id, traveller.as_ref());
            travellers.push(traveller);
        }
        let file = File {
            data: csv.finish(),
            line_ending,
            answers,
            travellers: Travellers::new(travellers),
        };
        (file, manifest)
    });
    work.await.map_err(|error| ClientError::NotUnderstood {
        call: "writing a Bulk file".into(),
        detail: error.to_string(),
        request_id: None,
    })
}

/// The cells of a row, in the order of [`header`]: those of the fields that are `sent`.
fn cells<'r>(row: &'r WriteRow, sent: &'r [bool], action: Action) -> impl Iterator<Item = Cell<'r>> {
    let id = by_id(action).then(|| Cell::Text(row.record_id.as_deref().unwrap_or_default()));
    let sent = sent.iter().zip(&row.cells).filter(|(sent, _)| **sent);
    id.into_iter().chain(sent.map(|(_, cell)| match cell {
        Plain::Value(value) => value.as_text().map_or(Cell::Keep, Cell::Text),
        Plain::Clear => Cell::Clear,
        Plain::Omit | Plain::Held(_) => Cell::Keep,
    }))
}

/// A key out of a result, as the rows' own keys are spelt. A part that was emptied comes back as it went.
fn came_back(key: &[CompactString], exact: &[bool]) -> CompactString {
    let parts = key.iter().map(|part| match part.as_str() {
        "" | "#N/A" => None,
        part => Some(part),
    });
    joined(parts.zip(exact.iter().copied()))
}

fn too_much(column: &str, no: NoCell) -> RowError {
    RowError {
        code: "STRING_TOO_LONG".into(),
        message: format!("{column}: {no}"),
        fields: vec![column.into()],
    }
}

fn unprocessed(info: &JobInfo) -> RowError {
    row_error(
        "not_processed",
        &why(info, "the job ended before it came to this row"),
    )
}

/// A row of which no result file speaks: nothing is known of it, and it must not pass for written.
fn unnamed(info: &JobInfo) -> RowError {
    match info.state {
        JobState::JobComplete => row_error(
            "no_result",
            &format!("the result files of Bulk job {} do not name this row", info.id),
        ),
        _ => row_error("job_failed", &why(info, "the job ended early")),
    }
}

fn why(info: &JobInfo, otherwise: &str) -> String {
    format!(
        "Bulk job {} is {}: {}",
        info.id,
        info.state,
        info.error_message.as_deref().unwrap_or(otherwise)
    )
}
