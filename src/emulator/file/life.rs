//! What an org file says about time and limits.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Span;

/// The org's clock. Without it the org lives in real time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockSpec {
    /// The time when the org is started, `2026-01-05T08:00:00Z`; without it the real time.
    #[serde(default)]
    pub start: Option<String>,
    /// Seconds of the org in a real second.
    #[serde(default = "real_time")]
    pub speed: f64,
    /// Whether the clock stands still until it is moved at run time.
    #[serde(default)]
    pub frozen: bool,
}

fn real_time() -> f64 {
    1.0
}

impl Default for ClockSpec {
    fn default() -> Self {
        ClockSpec {
            start: None,
            speed: real_time(),
            frozen: false,
        }
    }
}

/// What the org allows. Defaults are those of a sandbox.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Calls in 24 hours; without it `daily_api_requests` of the file.
    #[serde(default)]
    pub daily_api_requests: Option<u64>,
    /// Calls that count as made already when the org is started.
    #[serde(default)]
    pub used_api_requests: u64,
    /// Calls in 24 hours through a connected app, by its name: `Data Loader: 250`.
    #[serde(default)]
    pub daily_api_requests_by_app: BTreeMap<String, u64>,
    /// Long requests at a time; developer and trial orgs have 5.
    #[serde(default = "long_requests")]
    pub concurrent_long_requests: usize,
    /// A request that has run for so long is a long one.
    #[serde(default = "long_request")]
    pub long_request: Span,
    /// Batches of 10,000 rows that Bulk ingest jobs may use in 24 hours.
    #[serde(default = "bulk_batches")]
    pub daily_bulk_batches: u64,
    /// Bulk query jobs in 24 hours.
    #[serde(default = "bulk_queries")]
    pub daily_bulk_query_jobs: u64,
    /// Megabytes of data in a Bulk ingest job.
    #[serde(default = "bulk_job")]
    pub bulk_job_mb: u64,
    /// Megabytes of records, 2 kB for most; without it there is no end.
    #[serde(default)]
    pub data_storage_mb: Option<u64>,
    /// Megabytes of files, for `/limits`.
    #[serde(default = "file_storage")]
    pub file_storage_mb: u64,
}

fn long_requests() -> usize {
    25
}

fn long_request() -> Span {
    Span::from_millis(20_000)
}

fn bulk_batches() -> u64 {
    15_000
}

fn bulk_queries() -> u64 {
    10_000
}

fn bulk_job() -> u64 {
    150
}

fn file_storage() -> u64 {
    1_024
}

impl Default for LimitsSpec {
    fn default() -> Self {
        LimitsSpec {
            daily_api_requests: None,
            used_api_requests: 0,
            daily_api_requests_by_app: BTreeMap::new(),
            concurrent_long_requests: long_requests(),
            long_request: long_request(),
            daily_bulk_batches: bulk_batches(),
            daily_bulk_query_jobs: bulk_queries(),
            bulk_job_mb: bulk_job(),
            data_storage_mb: None,
            file_storage_mb: file_storage(),
        }
    }
}
