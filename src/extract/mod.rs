//! Plan step to batches: one file a kind of source.

mod bulk;
mod http;
mod rest;

use crate::{
    pipeline::expr::Vars,
    plan::{Read, ReadFrom, Road},
    record::Batch,
    salesforce::{Callout, Client, ClientError},
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
                soql,
                road: Road::Bulk,
                ..
            },
            From::Org(client),
        ) => bulk::read(read, soql, client, halted, take).await,
        (ReadFrom::Query { soql, ordered, .. }, From::Org(client)) => {
            let by_id = ordered.is_some();
            rest::read(
                read,
                ordered.as_ref().unwrap_or(soql),
                by_id,
                client,
                halted,
                restarted,
                take,
            )
            .await
        }
        (ReadFrom::Http { source, whole_row }, From::Callout(callout)) => {
            http::read(read, source, *whole_row, callout, vars, halted, take).await
        }
        (ReadFrom::Query { .. } | ReadFrom::Http { .. } | ReadFrom::File { .. }, _) => Err(
            ExtractError::Json("the source and its connection do not fit".into()),
        ),
    }
}

/// Who is read.
#[derive(Clone, Copy)]
pub enum From<'c> {
    /// An org.
    Org(&'c Client),
    /// Any JSON API.
    Callout(&'c Callout),
    /// A file, which needs nobody.
    File,
}
