//! A file, line by line, on a thread of its own.

use std::sync::Arc;

use compact_str::format_compact;
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc;

use super::{BATCH, ExtractError, http::to_row};
use crate::{
    file::{Cells, FileError, RawRow, RowsReader},
    plan::{Read, RowsFile},
    record::{Batch, FieldPath, Row, Value},
};

pub(super) async fn read<F: Future<Output = bool>>(
    read: &Read,
    file: &RowsFile,
    whole_row: Option<usize>,
    line: usize,
    halted: &(dyn Fn() -> bool + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    let (batches, mut incoming) = mpsc::channel(2);
    let (file, columns) = (file.clone(), Arc::clone(&read.columns));
    let places = Places { whole_row, line };
    let reading = tokio::task::spawn_blocking(move || rows(&file, &columns, &places, &batches));
    let mut arrived = 0;
    while let Some(rows) = incoming.recv().await {
        arrived += rows.len() as u64;
        let columns = Arc::clone(&read.columns);
        if !take(Batch { columns, rows }).await || halted() {
            return Err(ExtractError::Stopped);
        }
    }
    match reading.await {
        Ok(result) => result?,
        Err(error) => return Err(ExtractError::Json(format!("the file could not be read: {error}"))),
    }
    match read.total {
        // Somebody writes it while it is read.
        Some(announced) if announced != arrived => Err(ExtractError::CountDiffers { announced, arrived }),
        _ => Ok(()),
    }
}

/// The columns of a row that the file itself does not have.
struct Places {
    whole_row: Option<usize>,
    line: usize,
}

/// Reads to the end, or until nobody listens.
fn rows(
    file: &RowsFile,
    columns: &[FieldPath],
    places: &Places,
    batches: &mpsc::Sender<Vec<Row>>,
) -> Result<(), FileError> {
    let mut reader = RowsReader::open(&file.place, &file.format)?;
    let header: Vec<String> = reader.header().map(<[String]>::to_vec).unwrap_or_default();
    // Where each column is in the file; what is not there is null, and was complained about where it matters.
    let cells_at: Vec<Option<usize>> = columns
        .iter()
        .map(|column| {
            header
                .iter()
                .position(|name| name.eq_ignore_ascii_case(column.as_str()))
        })
        .collect();
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = reader.next_row()? {
        batch.push(match row {
            RawRow::Cells(cells) => of_cells(cells, &cells_at, &header, places),
            RawRow::Object(object, line) => {
                let mut row = to_row(&object, columns, places.whole_row);
                row[places.line] = Value::Text(format_compact!("{line}"));
                row
            }
        });
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if batches.blocking_send(full).is_err() {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        // Who does not listen does not miss it.
        let _ = batches.blocking_send(batch);
    }
    Ok(())
}

fn of_cells(cells: &Cells, cells_at: &[Option<usize>], header: &[String], places: &Places) -> Row {
    cells_at
        .iter()
        .enumerate()
        .map(|(column, at)| {
            if column == places.line {
                return Value::Text(format_compact!("{}", cells.line));
            }
            if places.whole_row == Some(column) {
                let whole: Map<String, Json> = header
                    .iter()
                    .zip(cells.iter())
                    .map(|(name, cell)| (name.clone(), Value::text(cell).to_json()))
                    .collect();
                return Value::Json(Arc::new(Json::Object(whole)));
            }
            at.map_or(Value::Null, |at| Value::text(cells.get(at)))
        })
        .collect()
}
