//! Bulk 2.0 ingest: one job a unit. Results come in any order and find their rows by a key that travels with them.

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;

use super::{
    Action, Plain, WriteRow,
    record::{fold, header, in_header},
    rest::row_error,
    unit::Answer,
};
use crate::{
    plan::Write,
    salesforce::{
        AssignmentRule, Cell, Client, ClientError, CsvWriter, IngestJob, IngestOperation, IngestRows,
        JobInfo, JobKind, JobState, LineEnding, NoCell, Poll, RowError,
    },
};

/// Sends rows of one action as one job, and waits for its end.
///
/// # Errors
/// When the org refuses the job, or does not answer. What it says of single rows is no error.
pub(super) async fn send(
    client: &Client,
    write: &Arc<Write>,
    action: Action,
    crlf: bool,
    rows: &Arc<Vec<WriteRow>>,
) -> Result<Vec<Answer>, ClientError> {
    let line_ending = if crlf { LineEnding::CrLf } else { LineEnding::Lf };
    let (data, mut answers) = written(write, action, line_ending, rows).await?;
    if answers.iter().all(Option::is_some) {
        return Ok(answers.into_iter().flatten().collect());
    }
    let (operation, key) = match (action, &write.key) {
        (Action::Update, _) | (_, None) => (IngestOperation::Update, "Id"),
        (Action::Insert, Some(key)) => (IngestOperation::Insert, key.field.as_str()),
        (Action::Upsert, Some(key)) => (
            IngestOperation::Upsert {
                key: key.field.clone(),
            },
            key.field.as_str(),
        ),
    };
    let job = IngestJob {
        object: write.object.clone(),
        operation,
        line_ending,
        assignment_rule: AssignmentRule::None,
    };
    let started = client.bulk_start(&job, data.into(), false).await?;
    let info = client
        .bulk_wait(JobKind::Ingest, &started.id, Poll::SOON, |_| {})
        .await?;
    let exact = action == Action::Update || write.key.as_ref().is_some_and(|k| k.case_sensitive);
    let places: HashMap<CompactString, usize> = rows
        .iter()
        .enumerate()
        .filter_map(|(at, row)| Some((paired(traveller(row, action)?, exact), at)))
        .collect();
    for kind in [
        IngestRows::Successful,
        IngestRows::Failed,
        IngestRows::Unprocessed,
    ] {
        let mut results = client.bulk_results(&started.id, kind, key);
        while let Some(page) = results.next().await? {
            for result in page {
                let Some(at) = places.get(&paired(&result.key, exact)) else {
                    tracing::warn!(job = %started.id, "a result names a key that was not sent");
                    continue;
                };
                answers[*at] = Some(match (kind, result.id, result.error) {
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
                    (IngestRows::Unprocessed, ..) => Answer::Refused(None, unprocessed(&info)),
                });
            }
        }
    }
    Ok(answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|| Answer::Refused(None, unnamed(&info))))
        .collect())
}

/// The file, and the answers of rows that cannot be in it.
async fn written(
    write: &Arc<Write>,
    action: Action,
    line_ending: LineEnding,
    rows: &Arc<Vec<WriteRow>>,
) -> Result<(Vec<u8>, Vec<Option<Answer>>), ClientError> {
    let (write, rows) = (Arc::clone(write), Arc::clone(rows));
    let work = tokio::task::spawn_blocking(move || {
        let columns = header(&write, action);
        let mut csv = CsvWriter::new(columns.iter().map(String::as_str), line_ending);
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows.iter() {
            let refused = csv.push(cells(row, &write, action)).err();
            answers.push(refused.map(|(at, no)| Answer::Refused(None, too_much(&columns[at], no))));
        }
        (csv.finish(), answers)
    });
    work.await.map_err(|error| ClientError::NotUnderstood {
        call: "writing a Bulk file".into(),
        detail: error.to_string(),
        request_id: None,
    })
}

/// The cells of a row, in the order of [`header`].
fn cells<'r>(row: &'r WriteRow, write: &'r Write, action: Action) -> impl Iterator<Item = Cell<'r>> {
    let id = (action == Action::Update).then(|| Cell::Text(row.record_id.as_deref().unwrap_or_default()));
    let fields = write.fields.iter().zip(&row.cells).enumerate();
    let sent = fields.filter(move |(at, (field, _))| in_header(write, action, *at, field));
    id.into_iter().chain(sent.map(|(_, (_, cell))| match cell {
        Plain::Value(value) => value.as_text().map_or(Cell::Keep, Cell::Text),
        Plain::Clear => Cell::Clear,
        Plain::Omit => Cell::Keep,
    }))
}

/// What travels with a row and comes back with its result.
fn traveller(row: &WriteRow, action: Action) -> Option<&str> {
    match action {
        Action::Update => row.record_id.as_deref(),
        Action::Insert | Action::Upsert => row.key.as_deref(),
    }
}

fn paired(key: &str, exact: bool) -> CompactString {
    fold(key, exact).into_owned().into()
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
