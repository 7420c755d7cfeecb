//! Plan step to batches: one file a kind of source.

mod bulk;
mod file;
mod http;
mod rest;

use crate::{
    file::FileError,
    pipeline::{
        expr::Vars,
        model::Chunk,
        soql::{parse_query, quote},
    },
    plan::{Read, ReadFrom, Road},
    record::{Batch, FieldPath, Value},
    salesforce::{Callout, Client, ClientError, JobInfo, Poll},
};

/// Rows that travel together from a source that gives them one by one.
const BATCH: usize = 2_000;

/// Why a source gave no more rows.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The org or system did not do what it was asked.
    #[error(transparent)]
    Org(#[from] ClientError),
    /// It gave fewer or more rows than it had said.
    #[error("{announced} rows were announced, and {arrived} arrived")]
    CountDiffers {
        /// What the org said.
        announced: u64,
        /// What came.
        arrived: u64,
    },
    /// A JSON answer is not what the source describes.
    #[error("{0}")]
    Json(String),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Whoever takes the rows wants no more.
    #[error("stopped")]
    Stopped,
}

/// Reads a source to its end, batch by batch. `take` answers false when nobody wants more.
///
/// # Errors
/// When the source fails, contradicts itself, or nobody wants more.
pub async fn read<F: Future<Output = bool>>(
    read: &Read,
    from: From<'_>,
    vars: &Vars,
    halted: &(dyn Fn() -> bool + Sync),
    restarted: &(dyn Fn() + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    match (&read.from, from) {
        (
            ReadFrom::Query {
                soql, ordered, chunk, ..
            },
            From::Org(client),
        ) => {
            let by_id = ordered.is_some();
            let soql = match &read.from {
                ReadFrom::Query { road: Road::Bulk, .. } => soql,
                _ => ordered.as_ref().unwrap_or(soql),
            };
            match (chunk, ordered) {
                (Chunk::Rows(rows), Some(ordered)) => {
                    in_pieces(read, ordered, *rows, client, halted, restarted, take).await
                }
                _ => query(read, soql, by_id, client, halted, restarted, take).await,
            }
        }
        (ReadFrom::Query { .. }, From::Job(client, job)) => {
            bulk::rows(read, client, job, Poll::AT_ONCE, halted, take).await
        }
        (ReadFrom::Http { source, whole_row }, From::Callout(callout)) => {
            let since = read.cursor.as_ref().and_then(|cursor| cursor.since.as_deref());
            let since = since.map(Value::text);
            let fill = http::Fill {
                vars,
                since: since.as_ref(),
            };
            http::read(read, source, *whole_row, callout, &fill, halted, take).await
        }
        (
            ReadFrom::File {
                file,
                whole_row,
                line,
            },
            From::File,
        ) => file::read(read, file, *whole_row, *line, halted, take).await,
        (ReadFrom::Query { .. } | ReadFrom::Http { .. } | ReadFrom::File { .. }, _) => Err(
            ExtractError::Json("the source and its connection do not fit".into()),
        ),
    }
}

async fn query<F: Future<Output = bool>>(
    read: &Read,
    soql: &str,
    by_id: bool,
    client: &Client,
    halted: &(dyn Fn() -> bool + Sync),
    restarted: &(dyn Fn() + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    match &read.from {
        ReadFrom::Query {
            road: Road::Bulk,
            all,
            ..
        } => bulk::read(read, soql, *all, client, halted, take).await,
        _ => rest::read(read, soql, by_id, client, halted, restarted, take).await,
    }
}

/// Queries of so many rows, each behind the last row of the one before. None of them is large enough to time out.
async fn in_pieces<F: Future<Output = bool>>(
    read: &Read,
    ordered: &str,
    rows: u64,
    client: &Client,
    halted: &(dyn Fn() -> bool + Sync),
    restarted: &(dyn Fn() + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    let column = id_column(read);
    let mut last: Option<String> = None;
    loop {
        let rest = match &last {
            Some(last) => behind(ordered, last),
            None => Some(ordered.to_owned()),
        };
        let piece = rest.and_then(|rest| Some(parse_query(&rest).ok()?.with_limit(rows)));
        let (Some(piece), Some(column)) = (piece, column) else {
            return Err(ExtractError::Json("the query cannot be cut into pieces".into()));
        };
        let before = last.clone();
        let mut arrived = 0u64;
        query(
            read,
            &piece,
            true,
            client,
            halted,
            restarted,
            &mut |batch: Batch| {
                arrived += batch.rows.len() as u64;
                if let Some(text) = batch.rows.last().and_then(|row| row[column].as_text()) {
                    last = Some(text.to_owned());
                }
                take(batch)
            },
        )
        .await?;
        if arrived < rows || last == before {
            return Ok(());
        }
    }
}

/// The column of the rows' Ids.
fn id_column(read: &Read) -> Option<usize> {
    let id = FieldPath::from("Id");
    read.columns.iter().position(|column| *column == id)
}

/// The part of a query, with its rows in the order of their Ids, that comes behind a row.
fn behind(ordered: &str, last: &str) -> Option<String> {
    let query = parse_query(ordered).ok()?;
    Some(query.with_extra_condition(&format!("Id > {}", quote(last))))
}

/// Who is read.
#[derive(Clone, Copy)]
pub enum From<'c> {
    /// An org.
    Org(&'c Client),
    /// An org, by the Bulk query job that was made for the source before.
    Job(&'c Client, &'c JobInfo),
    /// Any JSON API.
    Callout(&'c Callout),
    /// A file, which needs nobody.
    File,
}
