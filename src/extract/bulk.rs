//! A Bulk 2.0 query job: all its result pages, one after the other, counted against what the org says.

use std::{sync::Arc, time::Duration};

use super::ExtractError;
use crate::{
    plan::Read,
    record::Batch,
    salesforce::{Client, JobInfo, JobKind, JobState, Poll},
};

/// How long it takes at most until a stop is noticed while a job runs.
const STOP_WATCH: Duration = Duration::from_millis(200);

pub(super) async fn read<F: Future<Output = bool>>(
    read: &Read,
    soql: &str,
    all: bool,
    client: &Client,
    halted: &(dyn Fn() -> bool + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    let job = client.bulk_query(soql, all).await?;
    rows(read, client, &job, Poll::SOON, halted, take).await
}

/// Waits for a job, and reads what it has found.
pub(super) async fn rows<F: Future<Output = bool>>(
    read: &Read,
    client: &Client,
    job: &JobInfo,
    poll: Poll,
    halted: &(dyn Fn() -> bool + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    let waiting = client.bulk_wait(JobKind::Query, &job.id, poll, |_| {});
    let info = tokio::select! {
        info = waiting => info?,
        () = until(halted) => {
            // Nobody will read the results; the org need not make them.
            // A job that ended meanwhile cannot be aborted, which is as good.
            if let Err(error) = client.bulk_abort(JobKind::Query, &job.id).await {
                tracing::debug!(job = %job.id, %error, "the query job could not be aborted");
            }
            return Err(ExtractError::Stopped);
        }
    };
    if info.state != JobState::JobComplete {
        let why = info
            .error_message
            .unwrap_or_else(|| "the org gives no reason".to_owned());
        return Err(ExtractError::Json(format!(
            "Bulk query job {} is {}: {why}",
            info.id, info.state
        )));
    }
    let mut rows = client.bulk_rows(
        &job.id,
        Arc::clone(&read.columns),
        read.types.clone().into(),
        None,
        None,
    );
    let announced = info.number_records_processed;
    while let Some(some) = rows.next().await? {
        // Pages that go on behind the last row might go on for ever.
        if let Some(announced) = announced
            && announced < rows.count()
        {
            return Err(ExtractError::CountDiffers {
                announced,
                arrived: rows.count(),
            });
        }
        let batch = Batch {
            columns: Arc::clone(&read.columns),
            rows: some,
        };
        if !take(batch).await || halted() {
            return Err(ExtractError::Stopped);
        }
    }
    match announced {
        Some(announced) if announced != rows.count() => Err(ExtractError::CountDiffers {
            announced,
            arrived: rows.count(),
        }),
        _ => Ok(()),
    }
}

async fn until(halted: &(dyn Fn() -> bool + Sync)) {
    while !halted() {
        tokio::time::sleep(STOP_WATCH).await;
    }
}
