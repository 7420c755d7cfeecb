//! Bulk queries that orgs answer while earlier steps are still being written.
//!
//! An org takes seconds to minutes to prepare the rows of a query job. A step that waits for others has its job made as
//! soon as those have begun: when its turn comes the rows are there. It also sees the source at nearly the same moment
//! as they do, so that fewer of its rows lead to rows that were not there yet.

use std::sync::Arc;

use super::shared::Shared;
use crate::{
    pipeline::model::Chunk,
    plan::{ReadFrom, Road},
    salesforce::{JobInfo, JobKind},
    state::StepStage,
};

/// Whether a step's query may be asked before its turn.
pub(super) fn may(shared: &Shared, step: usize) -> bool {
    let (plan, book) = (&shared.plan.steps[step], &shared.books[step]);
    let bulk = matches!(
        &plan.read.from,
        ReadFrom::Query {
            road: Road::Bulk,
            chunk: Chunk::Auto | Chunk::Off,
            ..
        }
    );
    bulk && !plan.after.is_empty()
        // What was deleted is read when everything else is in place.
        && plan.deletes_of.is_none()
        && shared.retry.is_none()
        && book.reads_ahead
        && book.stage < StepStage::FirstPassEnded
}

/// Makes the query job of a step. Where that fails, the step tries itself when its turn comes, and tells of it.
pub(super) async fn query(shared: &Arc<Shared>, step: usize) -> Option<JobInfo> {
    let read = &shared.plan.steps[step].read;
    let ReadFrom::Query { soql, all, .. } = &read.from else {
        return None;
    };
    let client = shared.org(&read.connection).ok()?;
    match client.bulk_query(soql, *all).await {
        Ok(job) => Some(job),
        Err(error) => {
            tracing::debug!(step = shared.plan.steps[step].name, %error, "no query ahead of its step");
            None
        }
    }
}

/// Ends a job whose rows nobody will read: its step's turn never came.
pub(super) async fn give_up(shared: &Arc<Shared>, step: usize, job: JobInfo) {
    let connection = &shared.plan.steps[step].read.connection;
    let Ok(client) = shared.org(connection) else {
        return;
    };
    // A job that has ended cannot be aborted, which is as good.
    if let Err(error) = client.bulk_abort(JobKind::Query, &job.id).await {
        tracing::debug!(job = %job.id, %error, "the query job could not be aborted");
    }
}
