//! What the org says of rows that an earlier sitting of the run had sent, and whose outcomes it had not recorded.

use std::io;

use compact_str::CompactString;

use super::{
    Action, WriteRow, Written, bulk,
    journal::{Entry, LoadError, unpack},
    travellers::Travellers,
    unit::{Answer, judged_once},
};
use crate::{
    plan::Write,
    salesforce::{Client, ClientError, IngestRows, JobInfo, JobKind, JobState, Poll},
    state::{StateError, UnitRecord},
};

/// What is known of a row that was sent in an earlier sitting.
#[derive(Clone, Debug)]
pub struct Remembered {
    action: Action,
    /// Of what is done by Id: the record.
    record_id: Option<CompactString>,
    answer: Answer,
}

impl Remembered {
    /// Whether nobody knows if the row is in the target.
    pub fn is_lost(&self) -> bool {
        matches!(self.answer, Answer::Lost)
    }

    /// A row that was lost is found in the target.
    #[must_use]
    pub fn found(self, id: CompactString) -> Self {
        Remembered {
            answer: Answer::Written(id, true),
            ..self
        }
    }

    /// The row as it was sent, and what was said of it.
    pub(super) fn of(self, mut row: WriteRow, write: &Write) -> (WriteRow, Answer) {
        row.action = self.action;
        row.record_id = self.record_id;
        // What is held back now was settled before the row was sent.
        row.settle_held(write);
        (row, self.answer)
    }

    /// The end of a row that the source does not give any more.
    pub fn end(self, source_id: CompactString) -> Written {
        let row = WriteRow {
            source_id,
            source: Default::default(),
            record_id: self.record_id,
            action: self.action,
            cells: Vec::new(),
            later: false,
        };
        judged_once(row, self.answer)
    }
}

/// What the org says of the rows of a unit. Rows that it has not taken are not among them: they are sent as if for
/// the first time. Waits for a job that runs on; ends one that has not got its data.
///
/// # Errors
/// When the org does not answer, or the journal cannot be read.
pub async fn recall(
    client: &Client,
    write: &Write,
    unit: &UnitRecord,
) -> Result<Vec<(CompactString, Remembered)>, LoadError> {
    let broken = || StateError::Database {
        path: "the journal".to_owned(),
        message: format!("unit {} of step `{}` cannot be read", unit.id.0, unit.step),
    };
    let entries = unpack(&unit.unit.manifest).map_err(|_: io::Error| broken())?;
    let action = Action::parse(&unit.unit.action).ok_or_else(broken)?;
    let remember = |entry: Entry, answer: Answer| {
        let by_id = matches!(action, Action::Update | Action::Delete | Action::HardDelete);
        let remembered = Remembered {
            action,
            record_id: entry.traveller.filter(|_| by_id),
            answer,
        };
        (entry.source_id, remembered)
    };
    let lost = |entries: Vec<Entry>| entries.into_iter().map(|e| remember(e, Answer::Lost)).collect();
    let job = match (&unit.job, unit.unit.bulk) {
        (Some(job), _) => job,
        // Without data a job does nothing, and the data follow its id.
        (None, true) => return Ok(Vec::new()),
        (None, false) => return Ok(lost(entries)),
    };
    let info = match ended(client, job).await {
        Ok(info) => info,
        // Purged, or an org that was restored to a time before it.
        Err(error) if error.is_not_found() => {
            return Ok(match action {
                Action::Insert => lost(entries),
                // They do the same when they are done again.
                _ => Vec::new(),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let untouched = info.state == JobState::Aborted && info.number_records_processed.unwrap_or_default() == 0;
    if untouched {
        return Ok(Vec::new());
    }
    let travellers = entries.iter().map(|entry| entry.traveller.clone()).collect();
    let mut travellers = Travellers::new(travellers);
    let mut answers: Vec<Option<Answer>> = vec![None; entries.len()];
    let told = [IngestRows::Successful, IngestRows::Failed];
    bulk::results(client, write, action, &info, &told, &mut travellers, &mut answers).await?;
    let whole = info.state == JobState::JobComplete;
    Ok(entries
        .into_iter()
        .zip(answers)
        .filter_map(|(entry, answer)| match answer {
            Some(answer) => Some(remember(entry, answer)),
            // A job that came to its end and does not name a row: nobody knows of it.
            None if whole && action == Action::Insert => Some(remember(entry, Answer::Lost)),
            None => None,
        })
        .collect())
}

/// The job at its end: one that waits for data is ended.
async fn ended(client: &Client, job: &str) -> Result<JobInfo, ClientError> {
    let info = client.bulk_job(JobKind::Ingest, job).await?;
    if info.state == JobState::Open
        && let Err(error) = client.bulk_abort(JobKind::Ingest, job).await
    {
        // Its close may have arrived in this moment: then it works, and is waited for.
        tracing::debug!(job, %error, "an open job could not be aborted");
    }
    client
        .bulk_wait(JobKind::Ingest, job, Poll::AT_ONCE, |_| {})
        .await
}

/// Ends a job of which nobody will read the results: the next run of the pipeline sends its rows itself, and they
/// must not meet.
///
/// # Errors
/// When the org does not answer.
pub async fn abandon(client: &Client, job: &str) -> Result<(), ClientError> {
    let info = match client.bulk_job(JobKind::Ingest, job).await {
        Ok(info) => info,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    };
    if info.state.is_final() {
        return Ok(());
    }
    if let Err(error) = client.bulk_abort(JobKind::Ingest, job).await {
        // It may have come to its end by itself meanwhile.
        tracing::debug!(job, %error, "a job could not be aborted");
    }
    client
        .bulk_wait(JobKind::Ingest, job, Poll::AT_ONCE, |_| {})
        .await
        .map(|_| ())
}
