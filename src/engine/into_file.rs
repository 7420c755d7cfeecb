//! Rows that go to a file instead of an org.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    EngineError,
    first_pass::parked,
    shared::{Phase, Shared},
};
use crate::{
    file::{Field, FileError, RowsWriter, Unwritable},
    load::{Plain, WriteRow},
    plan::RowsFile,
    record::{FieldPath, Outcome, ParkReason, RowResult},
};

/// Writes the rows of a step beside its file, and puts it in place when the step has ended well: a file that is there
/// already stays as it is until then.
pub(super) async fn load(
    shared: &Arc<Shared>,
    step: usize,
    file: &RowsFile,
    mut outgoing: mpsc::Receiver<Vec<WriteRow>>,
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
    outgoing: &mut mpsc::Receiver<Vec<WriteRow>>,
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
    let (place, format) = (file.place.clone(), file.format);
    let mut writer = off_the_runtime(move || RowsWriter::create(&place, format, columns))
        .await?
        .map_err(failed)?;
    while let Some(rows) = outgoing.recv().await {
        if shared.halted() {
            return Ok(());
        }
        let (again, ends) = off_the_runtime(move || -> Result<_, FileError> {
            let mut ends = Vec::with_capacity(rows.len());
            for row in rows {
                let written = writer.push(row.cells.iter().map(|cell| match cell {
                    Plain::Value(value) => Field::Value(value),
                    Plain::Clear => Field::Null,
                    // A file's fields are never held back: whether its rows are created is no question.
                    Plain::Omit | Plain::Held(_) => Field::Omit,
                }))?;
                ends.push((row, written));
            }
            Ok((writer, ends))
        })
        .await?
        .map_err(failed)?;
        writer = again;
        let (mut ended, mut aside) = (Vec::with_capacity(ends.len()), Vec::new());
        for (row, written) in ends {
            match written {
                Ok(()) => ended.push(RowResult {
                    source_id: row.source_id,
                    target_id: None,
                    outcome: Outcome::Created,
                    reason: None,
                }),
                Err(unwritable) => {
                    aside.push(shared.parked_row(plan, &row.source_id, &row.source));
                    let field = plan.mapping.fields.get(unwritable.column);
                    let field = field.map(|field| field.name.as_str());
                    ended.push(parked(row.source_id, None, unwritten(&unwritable, field)));
                }
            }
        }
        shared.record(step, Phase::Written, ended, aside).await?;
    }
    if shared.halted() {
        return Ok(());
    }
    off_the_runtime(move || writer.finish()).await?.map_err(failed)
}

fn unwritten(unwritable: &Unwritable, field: Option<&str>) -> ParkReason {
    ParkReason {
        code: "encoding".into(),
        message: unwritable.to_string(),
        field: field.map(Into::into),
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
