//! How many API calls a plan takes, as far as counted rows tell. Pure.

use std::collections::BTreeMap;

use super::{Plan, PlanStep, ReadFrom, Road};
use crate::pipeline::model::{Chunk, Compare, MapValue, Missing, Operation};

/// Rows of a REST query page.
const PAGE: u64 = 2_000;
/// Rows of a page of a Bulk query's results, about.
const BULK_PAGE: u64 = 100_000;
/// Calls that a Bulk query job takes before its pages: it is made, and looked at.
const QUERY_JOB: u64 = 2;
/// Rows of a Bulk ingest job, at most, where the file does not say it.
const BULK_ROWS: u64 = 15_000;
/// Calls of an ingest job at least: it is made, filled, closed, looked at, and its results are read.
const INGEST_JOB: u64 = 5;
/// Looks at a job that takes its time, and results of refused rows.
const INGEST_JOB_MORE: u64 = 8;
/// Records that a collections call takes.
const COLLECTION: u64 = 200;
/// Keys that a query finds records by, about.
const KEYS: u64 = 300;

/// Calls to one named credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Not fewer: pages of counted rows, and units of rows that nothing leaves out.
    pub least: u64,
    /// About so many, if nothing has to be sent twice.
    pub likely: u64,
}

/// Calls by named credential, beside those that have been made for the plan itself.
pub fn calls(plan: &Plan) -> BTreeMap<String, Calls> {
    let mut all: BTreeMap<String, Calls> = BTreeMap::new();
    for step in &plan.steps {
        let Some(rows) = step.read.total else { continue };
        let read = reads(step, rows);
        let sum = all.entry(step.read.connection.clone()).or_default();
        sum.least += read;
        sum.likely += read;
        if step.write.file.is_some() {
            continue;
        }
        let sum = all.entry(step.write.connection.clone()).or_default();
        let (least, likely) = writes(step, rows);
        sum.likely += likely + looks(step, rows);
        if always_written(step) {
            sum.least += least;
        }
        if step.mapping.fields.iter().any(|field| field.looping) {
            // Which rows need the second pass nobody can say before; of most trees it is the greater part.
            sum.likely += likely / 2;
        }
    }
    all
}

fn reads(step: &PlanStep, rows: u64) -> u64 {
    let pages = |rows: u64, road: Road| match road {
        Road::Bulk => QUERY_JOB + rows.div_ceil(BULK_PAGE).max(1),
        _ => rows.div_ceil(PAGE).max(1),
    };
    match &step.read.from {
        ReadFrom::Query {
            road,
            chunk: Chunk::Rows(piece),
            ..
        } => (rows / (*piece).max(1) + 1) * pages(rows.min(*piece), *road),
        ReadFrom::Query { road, .. } => pages(rows, *road),
        ReadFrom::Http { .. } | ReadFrom::File { .. } => 0,
    }
}

/// At least, and likely.
fn writes(step: &PlanStep, rows: u64) -> (u64, u64) {
    let write = &step.write;
    let batch = write.batch.and_then(|batch| u64::try_from(batch).ok());
    if write.operation == Operation::Match {
        return (0, 0);
    }
    if write.body().is_some() {
        return (rows, rows);
    }
    match write.road {
        Road::Bulk => {
            let jobs = rows.div_ceil(batch.unwrap_or(BULK_ROWS).max(1));
            (jobs * INGEST_JOB, jobs * (INGEST_JOB + INGEST_JOB_MORE))
        }
        _ => {
            let calls = rows.div_ceil(batch.unwrap_or(COLLECTION).clamp(1, COLLECTION));
            (calls, calls)
        }
    }
}

/// Queries by key before rows are written.
fn looks(step: &PlanStep, rows: u64) -> u64 {
    match step.write.look_first {
        true => rows.div_ceil(KEYS),
        false => 0,
    }
}

/// Whether nothing in the step leaves rows out on purpose. (Rows that fail are left out too; whoever expects most of
/// them to fail needs no run.)
fn always_written(step: &PlanStep) -> bool {
    let skips = |value: &MapValue| {
        let missing = match value {
            MapValue::Table { otherwise, .. }
            | MapValue::Lookup { otherwise, .. }
            | MapValue::RecordType { otherwise, .. }
            | MapValue::Ref {
                missing: otherwise, ..
            } => Some(otherwise),
            _ => None,
        };
        matches!(missing, Some(Missing::Skip))
    };
    step.mapping.when.is_none()
        && step.each.is_none()
        && step.deletes_of.is_none()
        && step.policy.compare == Compare::None
        && step.write.operation == Operation::Upsert
        && !step.mapping.fields.iter().any(|field| field.value.any(skips))
}
