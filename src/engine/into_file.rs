//! Rows that go to a file instead of an org.
//!
//! A file is in place when its step has ended well, or not at all. So the ends of its rows wait on disk until then:
//! a run that stops before has written none of them, and its next sitting writes the whole file.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{
    EngineError, checks,
    mapped::parked,
    shared::{Phase, Shared, blocking},
    spool::Spool,
    writing::Ready,
};
use crate::{
    file::{Field, FileError, RowsWriter},
    load::Plain,
    plan::RowsFile,
    record::{FieldPath, Outcome, ParkReason, RowResult},
    state::ParkedRow,
};

/// A row's end while it waits for the file to be in place.
#[derive(Serialize, Deserialize)]
struct End {
    id: CompactString,
    parked: Option<Parked>,
}

#[derive(Serialize, Deserialize)]
struct Parked {
    message: String,
    field: Option<CompactString>,
    values: Vec<(String, Option<String>)>,
}

/// Writes the rows of a step beside its file, and puts it in place when the step has ended well: a file that is there
/// already stays as it is until then.
pub(super) async fn load(
    shared: &Arc<Shared>,
    step: usize,
    file: &RowsFile,
    mut outgoing: mpsc::Receiver<Ready>,
) -> Result<(), EngineError> {
    let result = write(shared, step, file, &mut outgoing).await;
    // Whoever still sends hears that nobody listens.
    drop(outgoing);
    if result.is_err() {
        shared.halt();
    }
    result
}

async fn write(
    shared: &Arc<Shared>,
    step: usize,
    file: &RowsFile,
    outgoing: &mut mpsc::Receiver<Ready>,
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    let failed = |error| EngineError::File {
        step: Some(plan.name.clone()),
        error,
    };
    let columns: Vec<FieldPath> = plan
        .mapping
        .fields
        .iter()
        .map(|field| field.name.clone())
        .collect();
    let mut ends: Spool<End> = checks::spool(shared, format!("{}.ends", plan.name)).await?;
    let (place, format) = (file.place.clone(), file.format);
    let mut writer = off_the_runtime(move || RowsWriter::create(&place, format, columns))
        .await?
        .map_err(failed)?;
    while let Some(ready) = outgoing.recv().await {
        if shared.halted() {
            return Ok(());
        }
        // Nothing of a file is remembered: it is written anew.
        let Ready::Rows(rows) = ready else { continue };
        let (again, written) = off_the_runtime(move || -> Result<_, FileError> {
            let mut all = Vec::with_capacity(rows.len());
            for row in rows {
                let written = writer.push(row.cells.iter().map(|cell| match cell {
                    Plain::Value(value) => Field::Value(value),
                    Plain::Clear => Field::Null,
                    // A file's fields are never held back: whether its rows are created is no question.
                    Plain::Omit | Plain::Held(_) => Field::Omit,
                }))?;
                all.push((row, written));
            }
            Ok((writer, all))
        })
        .await?
        .map_err(failed)?;
        writer = again;
        let rows: Vec<End> = written
            .into_iter()
            .map(|(row, written)| End {
                parked: written.err().map(|unwritable| Parked {
                    message: unwritable.to_string(),
                    field: plan
                        .mapping
                        .fields
                        .get(unwritable.column)
                        .map(|field| field.name.as_str().into()),
                    values: shared.parked_row(plan, &row.source_id, &row.source).values,
                }),
                id: row.source_id,
            })
            .collect();
        let results: Vec<RowResult> = rows.iter().map(result).collect();
        let project = shared.project.clone();
        ends = blocking(move || {
            ends.push(&rows)
                .map_err(|source| checks::spooled(&project, source))?;
            Ok(ends)
        })
        .await?;
        shared.weigh(step, Phase::Written, &results)?;
    }
    if shared.halted() {
        return Ok(());
    }
    off_the_runtime(move || writer.finish()).await?.map_err(failed)?;
    record(shared, step, ends).await
}

/// Writes the ends down: the file is in place.
async fn record(shared: &Arc<Shared>, step: usize, ends: Spool<End>) -> Result<(), EngineError> {
    let project = shared.project.clone();
    let mut batches =
        blocking(move || ends.batches().map_err(|source| checks::spooled(&project, source))).await?;
    loop {
        let project = shared.project.clone();
        let (again, rows) = blocking(move || {
            let rows = batches
                .next()
                .map_err(|source| checks::spooled(&project, source))?;
            Ok((batches, rows))
        })
        .await?;
        batches = again;
        let Some(rows) = rows else { return Ok(()) };
        let results = rows.iter().map(result).collect();
        let aside = rows
            .into_iter()
            .filter_map(|row| {
                Some(ParkedRow {
                    values: row.parked?.values,
                    source_id: row.id,
                })
            })
            .collect();
        shared.put_down(step, results, aside).await?;
    }
}

fn result(end: &End) -> RowResult {
    match &end.parked {
        Some(reason) => parked(end.id.clone(), None, unwritten(reason)),
        None => RowResult {
            source_id: end.id.clone(),
            target_id: None,
            outcome: Outcome::Created,
            reason: None,
        },
    }
}

fn unwritten(parked: &Parked) -> ParkReason {
    ParkReason {
        code: "encoding".into(),
        message: parked.message.clone(),
        field: parked.field.clone(),
        help: "write the file in `encoding: utf-8`, or replace the letter in the mapping".into(),
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| EngineError::Broken(error.to_string()))
}
